//! Rows as values. The columns stand in the order in which the values read them.

use omadm_bootstrap::{
    BootstrapFailureCause, BootstrapKind, BootstrapMethod, EventId, PayloadHash, Utc,
};
use omadm_mo::{DevId, SrvId};
use rusqlite::types::Type;
use rusqlite::{Error, Result, Row};

use super::fault::Unreadable;
use crate::model::{
    BootstrapRecord, BootstrapState, Credential, CredentialProof, CredentialScope, Device,
    DeviceEpoch, Event, Generation, RecordId, SessionRow, StoredEvent,
};

pub(super) const DEVICE: &str = "dev_id, epoch, registered_at, last_seen_at, bootstrapped_method, bootstrapped_at, dev_info, next_event_seq";
pub(super) const CREDENTIAL: &str =
    "dev_id, kind, proof, scope, generation, record, added_at, expires_at, revoked_at, tries_left";
pub(super) const BOOTSTRAP: &str = "dev_id, id, profile, srv_id, method, has_trsp, state, cause, payload_hash, \
     event_id, kind, created_at, expires_at, fetched_at, ended_at";
pub(super) const EVENT: &str = "dev_id, seq, position, at, correlation, kind";

/// `kind` of a certificate's row.
pub(super) const CERTIFICATE: &str = "certificate";
/// `kind` of a bootstrap code's row.
pub(super) const BOOTSTRAP_CODE: &str = "bootstrap-code";

/// SQLite's integers are signed. What the store counts never reaches the difference.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// `kind` and `proof` of a credential.
pub(super) fn proof_columns(proof: &CredentialProof) -> (&'static str, Vec<u8>) {
    match proof {
        CredentialProof::Certificate(fingerprint) => (CERTIFICATE, fingerprint.to_vec()),
        CredentialProof::BootstrapCode { salt, hash } => {
            (BOOTSTRAP_CODE, [&salt[..], &hash[..]].concat())
        }
    }
}

pub(super) fn device(row: &Row<'_>) -> Result<Device> {
    let method = optional(row, 4, BootstrapMethod::from_name)?;
    let at = time(row, 5)?;
    Ok(Device {
        dev_id: text(row, 0, |dev_id| DevId::parse(dev_id).ok())?,
        epoch: DeviceEpoch(unsigned(row, 1)?),
        registered_at: Utc(row.get(2)?),
        last_seen_at: time(row, 3)?,
        bootstrapped: method.zip(at),
        dev_info: row.get(6)?,
        next_event_seq: unsigned(row, 7)?,
    })
}

pub(super) fn credential(row: &Row<'_>) -> Result<Credential> {
    let kind: String = row.get(1)?;
    let proof: Vec<u8> = row.get(2)?;
    Ok(Credential {
        dev_id: text(row, 0, |dev_id| DevId::parse(dev_id).ok())?,
        proof: read_proof(&kind, &proof).ok_or_else(|| unreadable(1, kind))?,
        scope: text(row, 3, CredentialScope::from_name)?,
        generation: text(row, 4, Generation::from_name)?,
        record: optional(row, 5, |id| EventId::parse(id).ok().map(RecordId))?,
        added_at: Utc(row.get(6)?),
        expires_at: time(row, 7)?,
        revoked_at: time(row, 8)?,
        tries_left: row.get(9)?,
    })
}

pub(super) fn bootstrap(row: &Row<'_>) -> Result<BootstrapRecord> {
    Ok(BootstrapRecord {
        dev_id: text(row, 0, |dev_id| DevId::parse(dev_id).ok())?,
        id: text(row, 1, |id| EventId::parse(id).ok().map(RecordId))?,
        profile: row.get(2)?,
        srv_id: text(row, 3, |srv_id| SrvId::parse(srv_id).ok())?,
        method: text(row, 4, BootstrapMethod::from_name)?,
        has_trsp: row.get(5)?,
        state: text(row, 6, BootstrapState::from_name)?,
        cause: optional(row, 7, BootstrapFailureCause::from_code)?,
        payload_hash: text(row, 8, |hash| PayloadHash::parse(hash).ok())?,
        event_id: optional(row, 9, |id| EventId::parse(id).ok())?,
        kind: optional(row, 10, BootstrapKind::from_node_value)?,
        created_at: Utc(row.get(11)?),
        expires_at: Utc(row.get(12)?),
        fetched_at: time(row, 13)?,
        ended_at: time(row, 14)?,
    })
}

pub(super) fn session(row: &Row<'_>) -> Result<SessionRow> {
    Ok(SessionRow {
        state: row.get(0)?,
        expires_at: Utc(row.get(1)?),
    })
}

pub(super) fn event(row: &Row<'_>) -> Result<StoredEvent> {
    let position: Option<i64> = row.get(2)?;
    Ok(StoredEvent {
        dev_id: text(row, 0, |dev_id| {
            if dev_id.is_empty() {
                Some(None)
            } else {
                DevId::parse(dev_id).ok().map(Some)
            }
        })?,
        seq: unsigned(row, 1)?,
        position: position.map(|_| unsigned(row, 2)).transpose()?,
        at: Utc(row.get(3)?),
        event: Event {
            correlation: row.get(4)?,
            kind: text(row, 5, |kind| serde_json::from_str(kind).ok())?,
        },
    })
}

fn read_proof(kind: &str, proof: &[u8]) -> Option<CredentialProof> {
    match kind {
        CERTIFICATE => proof.try_into().ok().map(CredentialProof::Certificate),
        BOOTSTRAP_CODE => {
            let (salt, hash) = proof.split_at_checked(16)?;
            Some(CredentialProof::BootstrapCode {
                salt: salt.try_into().ok()?,
                hash: hash.try_into().ok()?,
            })
        }
        _ => None,
    }
}

fn text<T>(row: &Row<'_>, column: usize, parse: impl FnOnce(&str) -> Option<T>) -> Result<T> {
    let text = row
        .get_ref(column)?
        .as_str()
        .map_err(|err| wrong_type(column, err))?;
    parse(text).ok_or_else(|| unreadable(column, text.into()))
}

fn optional<T>(
    row: &Row<'_>,
    column: usize,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Result<Option<T>> {
    let found = row
        .get_ref(column)?
        .as_str_or_null()
        .map_err(|err| wrong_type(column, err))?;
    found
        .map(|text| parse(text).ok_or_else(|| unreadable(column, text.into())))
        .transpose()
}

fn time(row: &Row<'_>, column: usize) -> Result<Option<Utc>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Utc))
}

fn unsigned(row: &Row<'_>, column: usize) -> Result<u64> {
    let number: i64 = row.get(column)?;
    u64::try_from(number).map_err(|_| Error::IntegralValueOutOfRange(column, number))
}

fn wrong_type(column: usize, err: rusqlite::types::FromSqlError) -> Error {
    Error::FromSqlConversionFailure(column, Type::Text, Box::new(err))
}

fn unreadable(column: usize, text: String) -> Error {
    Error::FromSqlConversionFailure(column, Type::Text, Box::new(Unreadable(text)))
}
