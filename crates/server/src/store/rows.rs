//! Rows as values, whichever back end they come from. The columns stand in the order of [`super::sql`].

use omadm_bootstrap::{
    BootstrapFailureCause, BootstrapKind, BootstrapMethod, EventId, PayloadHash, ProfileFormat, Utc,
};
use omadm_mo::{DevId, SrvId};

use crate::model::{
    BootstrapRecord, BootstrapState, CommandId, CommandState, Credential, CredentialProof,
    CredentialScope, Deployment, Device, DeviceEpoch, Event, EventLag, Generation, Object,
    ObjectContent, ObjectHead, ObjectOwner, PskRow, QueuedCommand, RecordId, RepositoryUse,
    RevokedCertificate, StoredEvent, UploadId, etag_of, psk_octets,
};

const CERTIFICATE: &str = "certificate";
const PSK: &str = "psk";
const HTTP_USER: &str = "http-user";
const NOTIFICATION: &str = "notification";
const DM1_ACCOUNT: &str = "dm1-account";
/// `kind` of a bootstrap code's row.
pub(super) const BOOTSTRAP_CODE: &str = "bootstrap-code";

/// A row of a result. A column of another type than is asked for is [`Unreadable`].
pub(super) trait Columns {
    /// A text column; none where it is NULL.
    fn text(&self, at: usize) -> Result<Option<&str>, Unreadable>;
    /// A number's column; none where it is NULL.
    fn number(&self, at: usize) -> Result<Option<i64>, Unreadable>;
    /// A column of octets; none where it is NULL.
    fn octets(&self, at: usize) -> Result<Option<&[u8]>, Unreadable>;
}

/// A column holds what this program never wrote there. The store is at fault.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("column {column} holds {found}, which this program never writes there")]
pub(super) struct Unreadable {
    pub(super) column: usize,
    pub(super) found: String,
}

type Read<T> = Result<T, Unreadable>;

impl Unreadable {
    pub(super) fn new(column: usize, found: impl std::fmt::Debug) -> Self {
        Self {
            column,
            found: format!("{found:?}"),
        }
    }
}

/// What the store counts never reaches the difference between signed and unsigned.
pub(super) fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A LIMIT.
pub(super) fn size(limit: usize) -> i64 {
    i64::try_from(limit).unwrap_or(i64::MAX)
}

/// `kind` and `proof` of a credential. What has a name is found by kind, a zero octet and the name, a further key of a PSK identity by another
/// zero octet and its number; a Notification secret likewise by its id.
pub(super) fn proof_columns(proof: &CredentialProof) -> (&'static str, Vec<u8>) {
    let kind = proof.kind();
    let octets = match proof {
        CredentialProof::Certificate(fingerprint) => fingerprint.to_vec(),
        CredentialProof::BootstrapCode { salt, hash } => [&salt[..], &hash[..]].concat(),
        CredentialProof::Psk { identity, nr } => {
            [kind.as_bytes(), b"\0", &psk_octets(identity, *nr)].concat()
        }
        CredentialProof::HttpUser { user } | CredentialProof::Dm1Account { user } => {
            [kind.as_bytes(), b"\0", user.as_bytes()].concat()
        }
        CredentialProof::Notification { id } => [kind.as_bytes(), b"\0", id].concat(),
    };
    (kind, octets)
}

/// Whether this credential leads to its device, so that no other device may have it.
pub(super) const fn leads_to_its_device(proof: &CredentialProof) -> bool {
    !matches!(
        proof,
        CredentialProof::BootstrapCode { .. } | CredentialProof::Notification { .. }
    )
}

/// `words` and `uris` of a command: a JSON array.
pub(super) fn words_column(words: &[String]) -> String {
    serde_json::Value::from(words).to_string()
}

pub(super) fn device(row: &dyn Columns) -> Read<Device> {
    let method = optional(row, 4, BootstrapMethod::from_name)?;
    let at = time(row, 5)?;
    Ok(Device {
        dev_id: text(row, 0, |dev_id| DevId::parse(dev_id).ok())?,
        epoch: DeviceEpoch(unsigned(row, 1)?),
        registered_at: Utc(number(row, 2)?),
        last_seen_at: time(row, 3)?,
        bootstrapped: method.zip(at),
        dev_info: row.text(6)?.map(str::to_owned),
        next_event_seq: unsigned(row, 7)?,
        open_commands: unsigned(row, 8)?,
        notify: optional(row, 9, |notify| serde_json::from_str(notify).ok())?.unwrap_or_default(),
    })
}

pub(super) fn credential(row: &dyn Columns) -> Read<Credential> {
    let kind = text(row, 1, owned)?;
    let proof = octets(row, 2)?;
    Ok(Credential {
        dev_id: text(row, 0, |dev_id| DevId::parse(dev_id).ok())?,
        proof: read_proof(&kind, &proof).ok_or_else(|| Unreadable::new(1, &kind))?,
        scope: text(row, 3, CredentialScope::from_name)?,
        generation: text(row, 4, Generation::from_name)?,
        record: optional(row, 5, |id| EventId::parse(id).ok().map(RecordId))?,
        added_at: Utc(number(row, 6)?),
        expires_at: time(row, 7)?,
        revoked_at: time(row, 8)?,
        tries_left: row
            .number(9)?
            .map(|left| u8::try_from(left).map_err(|_| Unreadable::new(9, left)))
            .transpose()?,
        serial: row.text(10)?.map(str::to_owned),
        sealed: row.octets(11)?.map(<[u8]>::to_vec),
        escrowed: number(row, 12)? != 0,
        since: time(row, 13)?,
        command: optional(row, 14, |id| EventId::parse(id).ok().map(CommandId))?,
        used_at: time(row, 15)?,
        held_at: time(row, 16)?,
    })
}

pub(super) fn psk(row: &dyn Columns) -> Read<PskRow> {
    let kind = text(row, 1, owned)?;
    let Some(CredentialProof::Psk { identity, nr }) = read_proof(&kind, &octets(row, 2)?) else {
        return Err(Unreadable::new(1, &kind));
    };
    Ok(PskRow {
        dev_id: text(row, 0, |dev_id| DevId::parse(dev_id).ok())?,
        identity,
        nr,
        sealed: octets(row, 3)?,
    })
}

pub(super) fn revoked(row: &dyn Columns) -> Read<RevokedCertificate> {
    Ok(RevokedCertificate {
        serial: text(row, 0, owned)?,
        at: Utc(number(row, 1)?),
    })
}

pub(super) fn bootstrap(row: &dyn Columns) -> Read<BootstrapRecord> {
    Ok(BootstrapRecord {
        dev_id: text(row, 0, |dev_id| DevId::parse(dev_id).ok())?,
        id: text(row, 1, |id| EventId::parse(id).ok().map(RecordId))?,
        profile: text(row, 2, owned)?,
        srv_id: text(row, 3, |srv_id| SrvId::parse(srv_id).ok())?,
        method: text(row, 4, BootstrapMethod::from_name)?,
        has_trsp: number(row, 5)? != 0,
        state: text(row, 6, BootstrapState::from_name)?,
        cause: optional(row, 7, BootstrapFailureCause::from_code)?,
        payload_hash: text(row, 8, |hash| PayloadHash::parse(hash).ok())?,
        event_id: optional(row, 9, |id| EventId::parse(id).ok())?,
        kind: optional(row, 10, BootstrapKind::from_node_value)?,
        created_at: Utc(number(row, 11)?),
        expires_at: Utc(number(row, 12)?),
        fetched_at: time(row, 13)?,
        ended_at: time(row, 14)?,
        push: optional(row, 15, |push| serde_json::from_str(push).ok())?,
        format: text(row, 16, ProfileFormat::from_node_value)?,
    })
}

pub(super) fn command(row: &dyn Columns) -> Read<QueuedCommand> {
    Ok(QueuedCommand {
        nr: unsigned(row, 0)?,
        id: text(row, 1, |id| EventId::parse(id).ok().map(CommandId))?,
        words: text(row, 2, words)?,
        state: text(row, 3, CommandState::from_name)?,
        sends: u32::try_from(number(row, 4)?).map_err(|_| Unreadable::new(4, "a count"))?,
        session: row.text(5)?.map(str::to_owned),
        status: row
            .number(6)?
            .map(|status| u16::try_from(status).map_err(|_| Unreadable::new(6, status)))
            .transpose()?,
        result: row.text(7)?.map(str::to_owned),
        uris: optional(row, 8, words)?.unwrap_or_default(),
        cv: row.text(9)?.map(str::to_owned),
        queued_at: Utc(number(row, 10)?),
        sent_at: time(row, 11)?,
        ended_at: time(row, 12)?,
    })
}

pub(super) fn dev_id(row: &dyn Columns) -> Read<DevId> {
    text(row, 0, |dev_id| DevId::parse(dev_id).ok())
}

pub(super) fn object_head(row: &dyn Columns) -> Read<ObjectHead> {
    Ok(ObjectHead {
        path: text(row, 0, owned)?,
        owner: text(row, 1, ObjectOwner::from_name)?,
        media_type: text(row, 2, owned)?,
        octets: unsigned(row, 3)?,
        etag: row.text(4)?.map(str::to_owned),
        at: Utc(number(row, 5)?),
    })
}

pub(super) fn object(row: &dyn Columns) -> Read<Object> {
    let mut head = object_head(row)?;
    let content = match optional(row, 6, UploadId::parse)? {
        Some(upload) => ObjectContent::Pieces(upload),
        None => ObjectContent::Whole(octets(row, 7)?),
    };
    // Earlier versions stored none, and whole objects alone.
    if let (None, ObjectContent::Whole(content)) = (&head.etag, &content) {
        head.etag = Some(etag_of(content));
    }
    Ok(Object { head, content })
}

pub(super) fn repository_use(row: &dyn Columns) -> Read<RepositoryUse> {
    Ok(RepositoryUse {
        objects: unsigned(row, 0)?,
        octets: unsigned(row, 1)?,
    })
}

pub(super) fn content(row: &dyn Columns) -> Read<Vec<u8>> {
    octets(row, 0)
}

pub(super) fn deployment(row: &dyn Columns) -> Read<Deployment> {
    Ok(Deployment {
        ca: text(row, 0, owned)?,
        sealing_key: text(row, 1, owned)?,
    })
}

pub(super) fn event(row: &dyn Columns) -> Read<StoredEvent> {
    Ok(StoredEvent {
        dev_id: text(row, 0, |dev_id| {
            if dev_id.is_empty() {
                Some(None)
            } else {
                DevId::parse(dev_id).ok().map(Some)
            }
        })?,
        seq: unsigned(row, 1)?,
        position: row.number(2)?.map(|_| unsigned(row, 2)).transpose()?,
        at: Utc(number(row, 3)?),
        event: Event {
            correlation: text(row, 4, owned)?,
            kind: text(row, 5, |kind| serde_json::from_str(kind).ok())?,
        },
    })
}

pub(super) fn lag(row: &dyn Columns) -> Read<EventLag> {
    Ok(EventLag {
        position: unsigned(row, 0)?.saturating_sub(1),
        waiting: unsigned(row, 1)?,
        since: time(row, 2)?,
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
        PSK => {
            let name = read_name(kind, proof)?;
            let (identity, nr) = match name.split_once('\0') {
                None => (name.as_str(), 0),
                Some((identity, nr)) => (identity, nr.parse().ok()?),
            };
            let identity = identity.to_owned();
            Some(CredentialProof::Psk { identity, nr })
        }
        HTTP_USER => Some(CredentialProof::HttpUser {
            user: read_name(kind, proof)?,
        }),
        DM1_ACCOUNT => Some(CredentialProof::Dm1Account {
            user: read_name(kind, proof)?,
        }),
        NOTIFICATION => {
            let id = proof.strip_prefix(kind.as_bytes())?.strip_prefix(b"\0")?;
            Some(CredentialProof::Notification {
                id: id.try_into().ok()?,
            })
        }
        _ => None,
    }
}

fn read_name(kind: &str, proof: &[u8]) -> Option<String> {
    let name = proof.strip_prefix(kind.as_bytes())?.strip_prefix(b"\0")?;
    String::from_utf8(name.to_vec()).ok()
}

pub(super) fn text<T>(
    row: &dyn Columns,
    column: usize,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Read<T> {
    optional(row, column, parse)?.ok_or_else(|| missing(column))
}

pub(super) fn optional<T>(
    row: &dyn Columns,
    column: usize,
    parse: impl FnOnce(&str) -> Option<T>,
) -> Read<Option<T>> {
    let found = row.text(column)?;
    found
        .map(|text| parse(text).ok_or_else(|| Unreadable::new(column, text)))
        .transpose()
}

/// A JSON array of texts.
fn words(text: &str) -> Option<Vec<String>> {
    serde_json::from_str(text).ok()
}

pub(super) fn owned(text: &str) -> Option<String> {
    Some(text.to_owned())
}

fn octets(row: &dyn Columns, column: usize) -> Read<Vec<u8>> {
    row.octets(column)?
        .map(<[u8]>::to_vec)
        .ok_or_else(|| missing(column))
}

pub(super) fn number(row: &dyn Columns, column: usize) -> Read<i64> {
    row.number(column)?.ok_or_else(|| missing(column))
}

fn time(row: &dyn Columns, column: usize) -> Read<Option<Utc>> {
    Ok(row.number(column)?.map(Utc))
}

fn unsigned(row: &dyn Columns, column: usize) -> Read<u64> {
    let number = number(row, column)?;
    u64::try_from(number).map_err(|_| Unreadable::new(column, number))
}

fn missing(column: usize) -> Unreadable {
    Unreadable {
        column,
        found: "NULL".to_owned(),
    }
}
