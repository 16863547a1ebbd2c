//! Devices that wait for an operator, and triggers: their statements and rows. They belong to nobody (`dev_id` is empty), since no record names them.

use omadm_bootstrap::{EventId, Utc};
use omadm_mo::DevId;

use super::rows::{Columns, Unreadable};
use super::statements::{Statement, Value};
use super::{CommitError, allow_list};
use crate::model::{
    ExchangeDelta, RecordId, Trigger, WaitingChange, WaitingDevice, WaitingId, WaitingState,
    WaitingWrite,
};

macro_rules! waiting {
    () => {
        "SELECT id, claimed, fingerprint, subject, issuer, not_after, vouched_by, profile, since, seen_at, expires_at, state, why FROM waiting_devices"
    };
}

pub(super) const WAITING: &str = concat!(waiting!(), " WHERE dev_id = '' AND id = ?1");
pub(super) const ALL_WAITING: &str = concat!(
    waiting!(),
    " WHERE dev_id = '' AND id > ?1 ORDER BY id LIMIT ?2"
);
pub(super) const WAITED_TOO_LONG: &str = concat!(
    waiting!(),
    " WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2"
);
pub(super) const TRIGGER: &str =
    "SELECT idempotency_key, dev_id, record, asked, at FROM triggers WHERE idempotency_key = ?1";

/// The statements of a write. They may be carried out again.
pub(super) fn of_waiting(write: WaitingWrite) -> Vec<Statement<'static>> {
    match write {
        // Counted by one node after the other: whoever counts holds the deployment's row.
        WaitingWrite::Hold { device, most } => vec![
            Statement::new("UPDATE deployment SET ca = ca WHERE id = 1", vec![]),
            hold(*device, most),
        ],
        WaitingWrite::Reject { id, why, until } => vec![
            Statement::new(
                "UPDATE waiting_devices SET state = 'rejected', why = ?2, expires_at = ?3 WHERE dev_id = '' AND id = ?1",
                vec![text(&id), maybe(why), Value::Number(until.0)],
            )
            .or(CommitError::NotWaiting),
        ],
        WaitingWrite::Expire { id, now } => vec![
            Statement::new(
                "DELETE FROM waiting_devices WHERE dev_id = '' AND id = ?1 AND expires_at <= ?2",
                vec![text(&id), Value::Number(now.0)],
            )
            .or(CommitError::NotWaiting),
        ],
        WaitingWrite::Allow(entry) => vec![allow_list::allow(entry)],
        WaitingWrite::Disallow(id) => vec![allow_list::disallow(&id)],
    }
}

fn hold(device: WaitingDevice, most: u64) -> Statement<'static> {
    let WaitingDevice {
        id,
        claimed,
        fingerprint,
        subject,
        issuer,
        not_after,
        vouched_by,
        profile,
        since,
        seen_at,
        expires_at,
        state,
        why,
    } = device;
    let digits: String = fingerprint
        .iter()
        .map(|octet| format!("{octet:02x}"))
        .collect();
    Statement::new(
        "INSERT INTO waiting_devices (dev_id, id, claimed, fingerprint, subject, issuer, not_after, vouched_by, profile, since, seen_at, expires_at,
             state, why)
         SELECT '', CAST(?1 AS TEXT), CAST(?2 AS TEXT), CAST(?3 AS TEXT), CAST(?4 AS TEXT), CAST(?5 AS TEXT), CAST(?6 AS BIGINT), CAST(?7 AS TEXT),
             CAST(?8 AS TEXT), CAST(?9 AS BIGINT), CAST(?10 AS BIGINT), CAST(?11 AS BIGINT), CAST(?12 AS TEXT), CAST(?13 AS TEXT)
         WHERE EXISTS (SELECT 1 FROM waiting_devices WHERE dev_id = '' AND id = CAST(?1 AS TEXT))
             OR (SELECT COUNT(*) FROM waiting_devices
                 WHERE state = 'waiting' AND (vouched_by IS NULL) = (CAST(?7 AS TEXT) IS NULL)) < CAST(?14 AS BIGINT)
         ON CONFLICT (dev_id, id) DO UPDATE SET seen_at = excluded.seen_at, vouched_by = excluded.vouched_by, profile = excluded.profile",
        vec![
            text(&id),
            text(&claimed),
            text(&digits),
            text(&subject),
            text(&issuer),
            Value::Number(not_after.0),
            maybe(vouched_by),
            maybe(profile),
            Value::Number(since.0),
            Value::Number(seen_at.0),
            Value::Number(expires_at.0),
            Value::Text(state.name().into()),
            maybe(why),
            Value::Number(super::rows::signed(most)),
        ],
    )
    .or(CommitError::NoPlace)
}

/// What the delta says of waiting devices and of a trigger.
pub(super) fn of_delta(delta: &ExchangeDelta) -> Vec<Statement<'_>> {
    let mut all: Vec<_> = delta
        .waiting
        .iter()
        .map(|change| match change {
            WaitingChange::Approved(id) => Statement::new(
                "DELETE FROM waiting_devices WHERE dev_id = '' AND id = ?1",
                vec![Value::Text(id.0.as_str().into())],
            )
            .or(CommitError::NotWaiting),
            WaitingChange::Known => Statement::new(
                "DELETE FROM waiting_devices WHERE claimed = ?1",
                vec![Value::Text(delta.dev_id.as_str().into())],
            ),
        })
        .collect();
    all.extend(delta.trigger.as_ref().map(|trigger| {
        Statement::new(
            "INSERT INTO triggers (dev_id, idempotency_key, record, asked, at) VALUES (?1, ?2, ?3, ?4, ?5) ON CONFLICT (idempotency_key) DO NOTHING",
            vec![
                Value::Text(delta.dev_id.as_str().into()),
                Value::Text(trigger.key.as_str().into()),
                Value::Text(trigger.record.0.as_str().into()),
                Value::Text(trigger.asked.as_str().into()),
                Value::Number(trigger.at.0),
            ],
        )
        .or(CommitError::Conflict)
    }));
    all
}

pub(super) fn waiting(row: &dyn Columns) -> Result<WaitingDevice, Unreadable> {
    use super::rows::{number, optional, owned, text};
    Ok(WaitingDevice {
        id: text(row, 0, WaitingId::parse)?,
        claimed: text(row, 1, |dev_id| DevId::parse(dev_id).ok())?,
        fingerprint: text(row, 2, octets_of)?,
        subject: text(row, 3, owned)?,
        issuer: text(row, 4, owned)?,
        not_after: Utc(number(row, 5)?),
        vouched_by: optional(row, 6, owned)?,
        profile: optional(row, 7, owned)?,
        since: Utc(number(row, 8)?),
        seen_at: Utc(number(row, 9)?),
        expires_at: Utc(number(row, 10)?),
        state: text(row, 11, WaitingState::from_name)?,
        why: optional(row, 12, owned)?,
    })
}

pub(super) fn trigger(row: &dyn Columns) -> Result<Trigger, Unreadable> {
    use super::rows::{number, owned, text};
    Ok(Trigger {
        key: text(row, 0, owned)?,
        dev_id: text(row, 1, |dev_id| DevId::parse(dev_id).ok())?,
        record: text(row, 2, |id| EventId::parse(id).ok().map(RecordId))?,
        asked: text(row, 3, owned)?,
        at: Utc(number(row, 4)?),
    })
}

/// 64 hexadecimal digits as 32 octets.
pub(super) fn octets_of(digits: &str) -> Option<[u8; 32]> {
    digits
        .parse::<omadm_tls::Fingerprint>()
        .ok()
        .map(|print| *print.octets())
}

fn text(text: &impl ToString) -> Value<'static> {
    Value::Text(text.to_string().into())
}

fn maybe(text: Option<String>) -> Value<'static> {
    text.map_or(Value::Null, |text| Value::Text(text.into()))
}
