//! What a step costs and what it came to, at both ends.

use std::time::Instant;

use omadm_client::Client;
use omadm_mo::DevId;

use super::stage::Stage;
use super::{DemoError, DemoRow, DemoStep};

/// What a step is measured against.
pub(super) struct Before {
    commits: u64,
    counts: (u64, u64),
    pub(super) miid: Option<String>,
    start: Instant,
}

impl Stage<'_> {
    pub(super) async fn before(&self, client: &Client) -> Result<Before, DemoError> {
        Ok(Before {
            commits: self.nodes.commits(),
            counts: client.counts().await,
            miid: miid(client)?,
            start: Instant::now(),
        })
    }

    /// Has the device report what it owes, then looks at both ends. What only DM 1.x has is not in the row.
    pub(super) async fn settled(
        &self,
        step: DemoStep,
        dev_id: &DevId,
        client: &Client,
        before: Before,
    ) -> Result<DemoRow, DemoError> {
        let settled = client.settle().await;
        let duration = before.start.elapsed();
        let commits = self.nodes.commits() - before.commits;
        let (connections, exchanges) = client.counts().await;
        self.catch_up().await?;
        let _reports = settled?;
        let store = self.nodes.first()?.store();
        let records = store.bootstraps_of(dev_id).await?;
        let record = records.first();
        let record = record.ok_or_else(|| DemoError::NoRecord(dev_id.clone()))?;
        Ok(DemoRow {
            step,
            method: record.method.name().to_owned(),
            profile: None,
            secrets: None,
            recovered: Vec::new(),
            device: dev_id.to_string(),
            account: record.srv_id.to_string(),
            state: record.state.name().to_owned(),
            owed: is_owing(client)?,
            duration_ms: duration.as_millis().try_into().unwrap_or(u64::MAX),
            exchanges: exchanges - before.counts.1,
            connections: connections - before.counts.0,
            commits,
            miid: miid(client)?,
            miid_before: before.miid,
        })
    }
}

/// MIID of the device's account; none without one.
pub(super) fn miid(client: &Client) -> Result<Option<String>, DemoError> {
    let accounts = client.accounts()?;
    Ok(accounts.first().map(|account| account.miid.to_string()))
}

/// Whether the device owes a completion, or the bootstrap event of DM 1.x.
pub(super) fn is_owing(client: &Client) -> Result<bool, DemoError> {
    let accounts = client.accounts()?;
    Ok(accounts.iter().any(|account| account.owed.is_some()))
}
