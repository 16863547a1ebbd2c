use std::io::ErrorKind;

use omadm_bootstrap::{DeviceView as _, PayloadHash};
use omadm_mo::{SrvId, TreeError};

use super::{Engine, entropy};
use crate::engine::Shared;

/// What a factory reset takes away, or took.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FactoryReset {
    /// DM Accounts, with credentials and what is owed to their servers.
    pub accounts: Vec<SrvId>,
    /// Instances of management objects, the accounts among them.
    pub instances: usize,
    /// Subscriptions and DEFAULT entries of servers.
    pub subscriptions: usize,
    /// Alerts that wait for servers.
    pub alerts: usize,
    /// The factory image that was applied; it is applied again at the next start.
    pub factory_image: Option<PayloadHash>,
}

impl FactoryReset {
    fn of(host: &Shared) -> Result<Self, TreeError> {
        let view = host.store.snapshot()?;
        let accounts = view.accounts()?;
        let mut alerts = 0;
        for account in &accounts {
            alerts += host.store.queued_alerts(&account.srv_id)?.len();
        }
        let subscribed = accounts.iter();
        Ok(Self {
            instances: view.governed()?.len(),
            subscriptions: subscribed
                .map(|account| account.subscriptions.len() + account.defaults.len())
                .sum(),
            alerts,
            factory_image: host.store.factory_image()?,
            accounts: accounts.into_iter().map(|account| account.srv_id).collect(),
        })
    }
}

impl Engine {
    /// What a reset would take away.
    pub(crate) async fn before_reset(&self) -> Result<FactoryReset, TreeError> {
        self.host.run(FactoryReset::of).await
    }

    /// Takes it away in one transaction, then the downloads: what is left of them after a cut belongs to no account.
    pub(crate) async fn factory_reset(&self) -> Result<FactoryReset, TreeError> {
        let epoch = entropy().map_err(|error| TreeError::Storage(error.to_string().into()))?;
        let gone = self.host.run(move |host| {
            let gone = FactoryReset::of(host)?;
            host.store.factory_reset(u32::from_be_bytes(epoch))?;
            Ok(gone)
        });
        let gone = gone.await?;
        match tokio::fs::remove_dir_all(self.downloads.folder()).await {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                tracing::warn!(%error, "the downloads could not be removed");
            }
            _ => {}
        }
        Ok(gone)
    }
}
