use omadm_bootstrap::{Account, DeviceView as _, DeviceWrite as _, EventId, OwedCompletion, Utc};
use omadm_mo::{SrvId, TreeError};

use super::TreeStore;
use super::device_write::WriteTxn;

impl TreeStore {
    /// An attempt to deliver the BootstrapComplete of this event failed: counts it and sets the time of the next (D60). `jitter` is random; `retry_after` is
    /// the server's wish in seconds. None where this completion is not owed.
    ///
    /// # Errors
    /// [`TreeError`] where the storage fails; the attempt is then not counted.
    pub fn completion_failed(
        &self,
        srv_id: &SrvId,
        event_id: &EventId,
        now: Utc,
        jitter: u8,
        retry_after: Option<u32>,
    ) -> Result<Option<OwedCompletion>, TreeError> {
        let counted = self.write(|tables| {
            let Some((mut account, owed)) = owed(tables, srv_id, event_id)? else {
                return Ok(None);
            };
            let again = owed.after_failure(now, jitter, retry_after);
            account.owed = Some(again.clone());
            tables.put_account(&account)?;
            Ok(Some(again))
        })?;
        Ok(counted.map(|(again, _)| again))
    }
}

fn owed(
    tables: &WriteTxn<'_>,
    srv_id: &SrvId,
    event_id: &EventId,
) -> Result<Option<(Account, OwedCompletion)>, TreeError> {
    let account = tables
        .account(srv_id)?
        .filter(|account| account.provenance.event_id == *event_id);
    Ok(account.and_then(|account| account.owed.clone().map(|owed| (account, owed))))
}
