//! Wrong credentials of DM 1.x accounts: their statements and rows.

use omadm_bootstrap::{EventId, Utc};
use omadm_mo::DevId;

use super::rows::{Columns, Unreadable, number, owned, text};
use super::statements::{Statement, Value};
use crate::model::{ExchangeDelta, FailedCred};

/// Of a device, the latest first: so many at most are of interest.
pub(super) const FAILED: &str = "SELECT dev_id, id, at, source FROM failed_creds WHERE dev_id = ?1 AND at > ?2 ORDER BY at DESC LIMIT ?3";

/// The statement that keeps one; nothing where the device is gone.
pub(super) fn of_failed(failed: &FailedCred) -> Statement<'_> {
    Statement::new(
        "INSERT INTO failed_creds (dev_id, id, at, source) SELECT dev_id, ?2, CAST(?3 AS BIGINT), ?4 FROM devices WHERE dev_id = ?1
         ON CONFLICT (dev_id, id) DO NOTHING",
        vec![
            Value::Text(failed.dev_id.as_str().into()),
            Value::Text(failed.id.as_str().into()),
            Value::Number(failed.at.0),
            Value::Text(failed.source.as_str().into()),
        ],
    )
}

/// What the delta says of them.
pub(super) fn of_delta(delta: &ExchangeDelta) -> Option<Statement<'_>> {
    let source = delta.right_from.as_ref()?;
    Some(Statement::new(
        "DELETE FROM failed_creds WHERE dev_id = ?1 AND source = ?2",
        vec![
            Value::Text(delta.dev_id.as_str().into()),
            Value::Text(source.as_str().into()),
        ],
    ))
}

/// The statement that forgets those of before.
pub(super) fn of_sweep(before: Utc) -> Vec<Statement<'static>> {
    vec![Statement::new(
        "DELETE FROM failed_creds WHERE at < ?1",
        vec![Value::Number(before.0)],
    )]
}

pub(super) fn failed(row: &dyn Columns) -> Result<FailedCred, Unreadable> {
    Ok(FailedCred {
        dev_id: text(row, 0, |dev_id| DevId::parse(dev_id).ok())?,
        id: text(row, 1, |id| EventId::parse(id).ok())?,
        at: Utc(number(row, 2)?),
        source: text(row, 3, owned)?,
    })
}
