//! Calls of DM 1.x that are repeated: their statements and rows.

use omadm_bootstrap::Utc;
use omadm_dm1::trigger::UiMode;
use omadm_mo::DevId;

use super::rows::{Columns, Unreadable, number, owned, text};
use super::statements::{Statement, Value};
use crate::model::{CallChange, ExchangeDelta, RepeatedCall};

macro_rules! call {
    () => {
        "SELECT dev_id, due, made, address, ui_mode, correlation FROM calls"
    };
}

pub(super) const CALL: &str = concat!(call!(), " WHERE dev_id = ?1");
pub(super) const DUE: &str = concat!(call!(), " WHERE due <= ?1 ORDER BY due, dev_id LIMIT ?2");

/// What the delta says of the device's call.
pub(super) fn of_delta(delta: &ExchangeDelta) -> Option<Statement<'_>> {
    let dev_id = Value::Text(delta.dev_id.as_str().into());
    match &delta.call {
        CallChange::Keep => None,
        CallChange::Set(call) => Some(Statement::new(
            "INSERT INTO calls (dev_id, due, made, address, ui_mode, correlation) VALUES (?1, ?2, ?3, ?4, ?5, ?6)
             ON CONFLICT (dev_id) DO UPDATE SET due = excluded.due, made = excluded.made, address = excluded.address, ui_mode = excluded.ui_mode,
                 correlation = excluded.correlation",
            vec![
                dev_id,
                Value::Number(call.due.0),
                Value::Number(call.made.into()),
                Value::Text(call.address.as_str().into()),
                Value::Text(call.ui_mode.name().into()),
                Value::Text(call.correlation.as_str().into()),
            ],
        )),
        CallChange::End => Some(Statement::new(
            "DELETE FROM calls WHERE dev_id = ?1",
            vec![dev_id],
        )),
    }
}

pub(super) fn call(row: &dyn Columns) -> Result<RepeatedCall, Unreadable> {
    let made = number(row, 2)?;
    Ok(RepeatedCall {
        dev_id: text(row, 0, |dev_id| DevId::parse(dev_id).ok())?,
        due: Utc(number(row, 1)?),
        made: u32::try_from(made).map_err(|_| Unreadable::new(2, made))?,
        address: text(row, 3, owned)?,
        ui_mode: text(row, 4, UiMode::from_name)?,
        correlation: text(row, 5, owned)?,
    })
}
