use omadm_bootstrap::{DeviceView as _, DeviceWrite as _, Subscription};
use omadm_mo::{SrvId, TreeError};

use super::TreeStore;

impl TreeStore {
    /// Notes what became of a report. A subscription that was cancelled meanwhile stays so.
    ///
    /// # Errors
    /// [`TreeError`] where the storage fails; the subscription is then as before.
    pub(crate) fn note_report(
        &self,
        server: &SrvId,
        client: &str,
        note: impl FnOnce(&mut Subscription),
    ) -> Result<(), TreeError> {
        self.write(|tables| {
            let Some(mut account) = tables.account(server)? else {
                return Ok::<_, TreeError>(None);
            };
            let Some(known) = account
                .subscriptions
                .iter_mut()
                .find(|one| one.client == client)
            else {
                return Ok(None);
            };
            note(known);
            tables.put_account(&account)?;
            Ok(Some(()))
        })
        .map(|_| ())
    }
}
