//! Receipts that are awaited of SMS: their statements and rows.

use omadm_bootstrap::{EventId, Utc};
use omadm_mo::DevId;

use super::rows::{Columns, Unreadable, number, optional, owned, text};
use super::statements::{Statement, Value};
use crate::model::{AwaitedReceipt, ExchangeDelta, ReceiptChange, RecordId};

macro_rules! receipt {
    () => {
        "SELECT dev_id, message_id, notification_id, address, correlation, at, bootstrap FROM awaited_receipts"
    };
}

/// The newest of a name: an SMSC may use one again.
pub(super) const AWAITED: &str = concat!(
    receipt!(),
    " WHERE message_id = ?1 ORDER BY at DESC, dev_id LIMIT 1"
);
pub(super) const AWAITED_OF: &str = concat!(receipt!(), " WHERE dev_id = ?1 ORDER BY message_id");

/// What the delta says of awaited receipts.
pub(super) fn of_delta(delta: &ExchangeDelta) -> Vec<Statement<'_>> {
    let whose = || Value::Text(delta.dev_id.as_str().into());
    let mut all = Vec::new();
    for change in &delta.receipts {
        match change {
            ReceiptChange::Await(receipt) => {
                let over = receipt.at.plus_millis(-AwaitedReceipt::LASTS);
                all.push(Statement::new(
                    "DELETE FROM awaited_receipts WHERE dev_id = ?1 AND at < ?2",
                    vec![whose(), Value::Number(over.0)],
                ));
                all.push(Statement::new(
                    "INSERT INTO awaited_receipts (dev_id, message_id, notification_id, address, correlation, at, bootstrap) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)
                     ON CONFLICT (dev_id, message_id) DO UPDATE SET notification_id = excluded.notification_id, address = excluded.address,
                         correlation = excluded.correlation, at = excluded.at, bootstrap = excluded.bootstrap",
                    vec![
                        whose(),
                        Value::Text(receipt.message_id.as_str().into()),
                        Value::Number(receipt.notification_id.into()),
                        Value::Text(receipt.address.as_str().into()),
                        Value::Text(receipt.correlation.as_str().into()),
                        Value::Number(receipt.at.0),
                        receipt.bootstrap.as_ref().map_or(Value::Null, |id| {
                            Value::Text(id.0.as_str().into())
                        }),
                    ],
                ));
            }
            ReceiptChange::Arrived(message_id) => all.push(Statement::new(
                "DELETE FROM awaited_receipts WHERE dev_id = ?1 AND message_id = ?2",
                vec![whose(), Value::Text(message_id.as_str().into())],
            )),
            ReceiptChange::Settled(notification_id) => all.push(Statement::new(
                "DELETE FROM awaited_receipts WHERE dev_id = ?1 AND notification_id = ?2",
                vec![whose(), Value::Number((*notification_id).into())],
            )),
        }
    }
    all
}

pub(super) fn receipt(row: &dyn Columns) -> Result<AwaitedReceipt, Unreadable> {
    let notification_id = number(row, 2)?;
    Ok(AwaitedReceipt {
        dev_id: text(row, 0, |dev_id| DevId::parse(dev_id).ok())?,
        message_id: text(row, 1, owned)?,
        notification_id: u16::try_from(notification_id)
            .map_err(|_| Unreadable::new(2, notification_id))?,
        address: text(row, 3, owned)?,
        correlation: text(row, 4, owned)?,
        at: Utc(number(row, 5)?),
        bootstrap: optional(row, 6, |id| EventId::parse(id).ok().map(RecordId))?,
    })
}
