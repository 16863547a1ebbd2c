//! The allow-list: its statements and rows. It belongs to nobody (`dev_id` is empty).

use omadm_bootstrap::{EventId, Utc};

use super::CommitError;
use super::rows::{Columns, Unreadable, number, optional, owned, text};
use super::statements::{Statement, Value};
use super::waiting::octets_of;
use crate::model::AllowEntry;

macro_rules! entry {
    () => {
        "SELECT pattern, certificate, profile, changed_at FROM allow_list WHERE dev_id = ''"
    };
}

/// In the words of the index `allow_list_by_pattern`. A DevID's own entries come first.
pub(super) const ALLOWED: &str = concat!(
    entry!(),
    " AND ((wild = 0 AND pattern = ?1) OR wild = 1) ORDER BY wild, id"
);
pub(super) const ALLOW_LIST: &str = concat!(entry!(), " AND id > ?1 ORDER BY id LIMIT ?2");

pub(super) fn allow(entry: AllowEntry) -> Statement<'static> {
    let (id, wild) = (entry.id().as_str().to_owned(), i64::from(entry.is_wild()));
    let certificate = entry.certificate.map(|print| {
        let digits = print.iter().map(|octet| format!("{octet:02x}"));
        Value::Text(digits.collect::<String>().into())
    });
    Statement::new(
        "INSERT INTO allow_list (dev_id, id, pattern, wild, certificate, profile, changed_at) VALUES ('', ?1, ?2, ?3, ?4, ?5, ?6)
         ON CONFLICT (dev_id, id) DO UPDATE SET profile = excluded.profile, changed_at = excluded.changed_at",
        vec![
            Value::Text(id.into()),
            Value::Text(entry.pattern.into()),
            Value::Number(wild),
            certificate.unwrap_or(Value::Null),
            Value::Text(entry.profile.into()),
            Value::Number(entry.changed_at.0),
        ],
    )
}

pub(super) fn disallow(id: &EventId) -> Statement<'static> {
    Statement::new(
        "DELETE FROM allow_list WHERE dev_id = '' AND id = ?1",
        vec![Value::Text(id.as_str().to_owned().into())],
    )
    .or(CommitError::NotWaiting)
}

pub(super) fn entry(row: &dyn Columns) -> Result<AllowEntry, Unreadable> {
    Ok(AllowEntry {
        pattern: text(row, 0, owned)?,
        certificate: optional(row, 1, octets_of)?,
        profile: text(row, 2, owned)?,
        changed_at: Utc(number(row, 3)?),
    })
}
