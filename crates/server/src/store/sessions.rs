//! Running sessions: their statements and rows.

use omadm_bootstrap::Utc;

use super::rows::{Columns, Unreadable, number, owned, text};
use super::statements::{Statement, Value};
use crate::model::{DmGeneration, ExchangeDelta, SessionChange, SessionRow};

pub(super) const SESSIONS: &str =
    "SELECT generation, state, expires_at FROM sessions WHERE dev_id = ?1 ORDER BY generation";
pub(super) const EXPIRED: &str =
    "SELECT dev_id FROM sessions WHERE expires_at <= ?1 ORDER BY expires_at LIMIT ?2";

/// What the delta says of a session.
pub(super) fn of_delta(delta: &ExchangeDelta) -> Option<Statement<'_>> {
    let dev_id = Value::Text(delta.dev_id.as_str().into());
    match &delta.session {
        SessionChange::Keep => None,
        SessionChange::Set(session) => Some(Statement::new(
            "INSERT INTO sessions (dev_id, generation, state, expires_at) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (dev_id, generation) DO UPDATE SET state = excluded.state, expires_at = excluded.expires_at",
            vec![
                dev_id,
                Value::Text(session.generation.name().into()),
                Value::Text(session.state.as_str().into()),
                Value::Number(session.expires_at.0),
            ],
        )),
        SessionChange::End(generation) => Some(Statement::new(
            "DELETE FROM sessions WHERE dev_id = ?1 AND generation = ?2",
            vec![dev_id, Value::Text(generation.name().into())],
        )),
    }
}

pub(super) fn session(row: &dyn Columns) -> Result<SessionRow, Unreadable> {
    Ok(SessionRow {
        generation: text(row, 0, DmGeneration::from_name)?,
        state: text(row, 1, owned)?,
        expires_at: Utc(number(row, 2)?),
    })
}
