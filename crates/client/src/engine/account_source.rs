use omadm_bootstrap::DeviceView;
use omadm_mo::TreeError;
use omadm_mo::standard::DmAcc;
use omadm_mo::standard::dm_acc::SecMode;
use omadm_tls::CertificateDer;

use super::account_target::{AccountTarget, of_bootstrap};
use super::{Engine, EngineConfig, Source};
use crate::https::Trust;

/// The bootstrap servers that the accounts of DM 2.0 name: each is asked with the `Auth/Bootstrap` of its account, and believed by its `ServerPubKey` alone (D78, B-18).
/// A Notification calls it by the host of its `ServerURI` (D84).
pub(super) fn account_sources(view: &dyn DeviceView) -> Result<Vec<Source>, TreeError> {
    let mut sources = Vec::new();
    let accounts = view.accounts()?.into_iter();
    for account in accounts.filter(|one| !one.is_dm1()) {
        let node = view.subtree(&account.address())?;
        let read = node.and_then(|node| DmAcc::from_node(&node).ok());
        let Some((keys, noti)) = read.and_then(|read| Some((read.bootstrap?, read.noti))) else {
            continue;
        };
        let Some(credential) = of_bootstrap(&keys) else {
            continue;
        };
        // A pre-shared key proves the server by itself; its ServerPubKey is no certificate (D41, D78).
        let server_key = (keys.sec_mode == SecMode::X509).then_some(keys.server_pub_key);
        sources.push(Source {
            id: Some(keys.server_uri.host().to_owned()),
            noti,
            url: keys.server_uri,
            trust: Trust {
                anchors: Vec::new(),
                server_key: server_key.map(CertificateDer::from),
            },
            credential: Some(credential),
            push_names: None,
        });
    }
    Ok(sources)
}

/// Whether the device has no account with which it could hold a session (D55): none at all, or such alone as hand it over to a bootstrap server: they have
/// `Auth/Bootstrap` for it, and nothing proves the device to their DM Server (D78).
pub(super) fn seeks_bootstrap(
    view: &dyn DeviceView,
    config: &EngineConfig,
) -> Result<bool, TreeError> {
    for account in view.accounts()? {
        let target = AccountTarget::of(view, &account, None, config)?;
        if !target.is_some_and(|target| target.hands_over) {
            return Ok(false);
        }
    }
    Ok(true)
}

impl Engine {
    /// Every bootstrap source, those of the accounts first. At the origin of an account's `ServerURI` a configured one is asked with that account's keys too:
    /// where there is `Auth/Bootstrap`, the client has to use it (§12.2).
    pub(super) async fn sources(&self) -> Result<Vec<Source>, TreeError> {
        let of_accounts = self
            .host
            .run(|host| account_sources(&host.store.snapshot()?));
        let of_accounts = of_accounts.await?;
        let configured = self.config.sources.iter().map(|source| {
            let origin = source.url.origin();
            let mut same = of_accounts.iter().filter(|own| own.url.origin() == origin);
            same.next().map_or_else(
                || source.clone(),
                |own| Source {
                    trust: own.trust.clone(),
                    credential: own.credential.clone(),
                    ..source.clone()
                },
            )
        });
        let configured: Vec<_> = configured.collect();
        Ok(of_accounts.into_iter().chain(configured).collect())
    }
}
