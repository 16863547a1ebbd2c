use omadm_bootstrap::DeviceView as _;
use omadm_mo::{SrvId, TreeError};
use redb::{ReadableTable as _, Table};

use super::device_write::WriteTxn;
use super::storage_error::{damaged, tree_error};
use super::{TreeStore, facts, node_key};

/// Most alerts that wait for one server. One more takes the place of the oldest.
pub const MOST_ALERTS: usize = 256;

/// An alert that waits for the next session with a server (D25).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct QueuedAlert {
    /// Its number; grows from one alert to the next, over all servers, and is never given twice.
    pub number: u64,
    /// The alert as JSON, as it was queued.
    pub json: String,
}

impl TreeStore {
    /// Queues an alert behind those that already wait for a server; answers its number. Where [`MOST_ALERTS`] wait, the oldest of them goes. None where the device has no account of this server: nobody would
    /// ever take it.
    ///
    /// # Errors
    /// [`TreeError`] where the storage fails; the queue is then as before.
    pub fn queue_alert(&self, srv_id: &SrvId, json: &str) -> Result<Option<u64>, TreeError> {
        self.write_aside(|tables| {
            if tables.account(srv_id)?.is_none() {
                return Ok(None);
            }
            put(tables, srv_id, json).map(Some)
        })
    }

    /// The alerts that wait for a server, in the order in which they were queued.
    ///
    /// # Errors
    /// [`TreeError`] where the storage fails.
    pub fn queued_alerts(&self, srv_id: &SrvId) -> Result<Vec<QueuedAlert>, TreeError> {
        let snapshot = self.snapshot()?;
        let (first, last) = (key(srv_id, 0), key(srv_id, u64::MAX));
        let mut found = Vec::new();
        for entry in snapshot
            .alerts
            .range::<&[u8]>(first.as_slice()..=last.as_slice())
            .map_err(tree_error)?
        {
            let (key, stored) = entry.map_err(tree_error)?;
            let number = key
                .value()
                .last_chunk()
                .map(|number| u64::from_be_bytes(*number));
            let json = str::from_utf8(stored.value()).ok().map(str::to_owned);
            let (number, json) = number.zip(json).ok_or_else(|| damaged("the alert queue"))?;
            found.push(QueuedAlert { number, json });
        }
        Ok(found)
    }

    /// Drops the alerts of a server up to a number, that one included: they were delivered. None there is no error.
    ///
    /// # Errors
    /// [`TreeError`] where the storage fails; the queue is then as before.
    pub fn drop_alerts(&self, srv_id: &SrvId, up_to: u64) -> Result<(), TreeError> {
        self.write_aside(|tables| drop_up_to(&mut tables.alerts, srv_id, up_to).map(Some))
            .map(|_| ())
    }
}

/// Queues an alert; answers its number.
pub(super) fn put(tables: &mut WriteTxn<'_>, srv_id: &SrvId, json: &str) -> Result<u64, TreeError> {
    let number = facts::count(&mut tables.facts, facts::ALERTS)?;
    tables
        .alerts
        .insert(key(srv_id, number).as_slice(), json.as_bytes())
        .map_err(tree_error)?;
    let (first, last) = (key(srv_id, 0), key(srv_id, u64::MAX));
    let waiting = tables
        .alerts
        .range::<&[u8]>(first.as_slice()..=last.as_slice())
        .map_err(tree_error)?;
    let mut surplus = waiting.count().saturating_sub(MOST_ALERTS);
    if surplus > 0 {
        tracing::warn!(server = %srv_id, "alerts pile up: the oldest one is dropped");
        let drop = |_: &[u8], _: &[u8]| {
            let kept = surplus == 0;
            surplus = surplus.saturating_sub(1);
            kept
        };
        tables
            .alerts
            .retain_in::<&[u8], _>(first.as_slice()..=last.as_slice(), drop)
            .map_err(tree_error)?;
    }
    Ok(number)
}

pub(super) fn drop_up_to(
    alerts: &mut Table<'_, &'static [u8], &'static [u8]>,
    srv_id: &SrvId,
    number: u64,
) -> Result<(), TreeError> {
    let (first, last) = (key(srv_id, 0), key(srv_id, number));
    alerts
        .retain_in::<&[u8], _>(first.as_slice()..=last.as_slice(), |_, _| false)
        .map_err(tree_error)
}

/// SrvID 00 number: a SrvID holds no control character.
fn key(srv_id: &SrvId, number: u64) -> Vec<u8> {
    let mut key = node_key::terminated(srv_id.as_str());
    key.extend_from_slice(&number.to_be_bytes());
    key
}
