use omadm_bootstrap::DeviceView as _;
use omadm_mo::{ServerUri, SrvId, TreeError};

use super::Engine;
use super::account_target::AccountTarget;
use crate::download::{DownloadError, Downloaded, OnProgress};

impl Engine {
    /// Brings what lies at a server's URL into a file, as that server's account allows it: the credential at its origin alone (D78), the DevID to its host
    /// alone (D05), wherever a redirect leads.
    pub(crate) async fn download(
        &self,
        server: &SrvId,
        url: &ServerUri,
        progress: &mut OnProgress<'_>,
    ) -> Result<Downloaded, DownloadError> {
        let (id, config) = (server.clone(), self.config.clone());
        let account = self.host.run(move |host| {
            let view = host.store.snapshot()?;
            match view.account(&id)? {
                Some(account) => AccountTarget::of(&view, &account, None, &config),
                None => Ok::<_, TreeError>(None),
            }
        });
        let account = account.await?;
        let account = account.ok_or_else(|| DownloadError::NoAccount(server.clone()))?;
        let place = |url: ServerUri| self.download_place(&account, url);
        self.downloads
            .fetch(&self.https, &place, url, progress)
            .await
    }
}
