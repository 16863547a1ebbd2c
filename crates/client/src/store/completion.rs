use omadm_bootstrap::{
    Account, CompletionState, DeviceView as _, DeviceWrite as _, EventId, OwedCompletion, Utc,
};
use omadm_mo::standard::dm_acc::{self, names};
use omadm_mo::{NodeAddress, NodeKind, SrvId, TreeError, TreeView as _, TreeWrite as _, Value};

use super::TreeStore;
use super::device_write::WriteTxn;

impl TreeStore {
    /// The server took the BootstrapComplete of this event (D60): nothing is owed any more, and `Ext/Bootstrap/State` says `acked`. One transaction. False, and
    /// nothing changes, where this completion is not owed: an older event's answer does not settle a newer bootstrap.
    ///
    /// # Errors
    /// [`TreeError`] where the storage fails; the completion is then still owed.
    pub fn acknowledge_completion(
        &self,
        srv_id: &SrvId,
        event_id: &EventId,
    ) -> Result<bool, TreeError> {
        let settled = self.write(|tables| {
            let Some((mut account, _)) = owed(tables, srv_id, event_id)? else {
                return Ok(None);
            };
            account.owed = None;
            tables.put_account(&account)?;
            let values =
                NodeAddress::root(dm_acc::moid(), account.miid).with_path(names::bootstrap_type());
            if tables.kind(&values)? == Some(NodeKind::Interior) {
                let state =
                    values.with_path(names::path(&[names::EXT, names::BOOTSTRAP, names::STATE]));
                tables.put(
                    &state,
                    &Value::chr(CompletionState::Acked.node_value()).into(),
                )?;
            }
            Ok(Some(()))
        })?;
        Ok(settled.is_some())
    }

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

    /// Changes the account of a server in one transaction; answers the account as it is then. None where there is none. The SrvID must stay.
    ///
    /// # Errors
    /// [`TreeError`] where the storage fails; the account is then as before.
    pub fn update_account(
        &self,
        srv_id: &SrvId,
        change: impl FnOnce(&mut Account),
    ) -> Result<Option<Account>, TreeError> {
        let changed = self.write(|tables| {
            let Some(mut account) = tables.account(srv_id)? else {
                return Ok(None);
            };
            change(&mut account);
            account.srv_id = srv_id.clone();
            tables.put_account(&account)?;
            Ok(Some(account))
        })?;
        Ok(changed.map(|(account, _)| account))
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
