use omadm_bootstrap::{
    Account, DeviceView as _, DeviceWrite as _, EventId, OwedCompletion, ProfileFormat, Utc,
};
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
            // DM 1.x has its own back-off, which counts refused credentials too (`dm1x.md` §6.3, M20).
            let own = (account.provenance.format != ProfileFormat::Dm2).then(|| {
                let attempts = owed.attempts.saturating_add(1);
                let millis = account.dm1.wait_millis(attempts, jitter);
                u32::try_from(millis / 1000).unwrap_or(u32::MAX)
            });
            let again = owed.after_failure(now, jitter, retry_after.or(own));
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
