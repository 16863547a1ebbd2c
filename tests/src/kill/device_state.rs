use std::collections::BTreeSet;
use std::path::Path;

use omadm_bootstrap::{Account, DeviceView as _, EventId};
use omadm_client::store::TreeStore;
use omadm_mo::standard::dm_acc::{self, names};
use omadm_mo::{Moid, Node, NodeAddress, TreeView as _, Value};

use super::Fault;

/// Everything a bootstrap changes on a device, read from the file of a device that does not run.
#[derive(Clone, PartialEq, Debug)]
pub struct DeviceState {
    /// The accounts with their provenance, and what is owed.
    pub accounts: Vec<Account>,
    /// The instances.
    pub instances: Vec<(NodeAddress, Node)>,
}

impl DeviceState {
    /// Reads it; opening makes the file where there is none, as the client does.
    ///
    /// # Errors
    /// Where the file cannot be opened or is damaged.
    pub fn read(file: &Path) -> Result<Self, Fault> {
        let store = TreeStore::open(file, 1)?;
        let snapshot = store.snapshot()?;
        let mut instances = Vec::new();
        for moid in [dm_acc::moid(), Moid::parse("urn:example:mo:reporting:1.0")?] {
            for miid in snapshot.instances(&moid)? {
                let at = NodeAddress::root(moid.clone(), miid);
                let node = snapshot.subtree(&at)?.ok_or("an instance without root")?;
                instances.push((at, node));
            }
        }
        Ok(Self {
            accounts: snapshot.accounts()?,
            instances,
        })
    }

    /// Names the bootstrap that made the account, where there is one.
    #[must_use]
    pub fn event_id(&self) -> Option<&EventId> {
        self.accounts
            .first()
            .map(|account| &account.provenance.event_id)
    }

    /// Whether a completion is owed.
    #[must_use]
    pub fn owes(&self) -> bool {
        self.accounts.iter().any(|account| account.owed.is_some())
    }

    /// The MOID and path of every leaf: what a document of one profile brings to any device.
    #[must_use]
    pub fn shape(&self) -> BTreeSet<String> {
        let leaves = |(at, node): &(NodeAddress, Node)| -> Vec<String> {
            let paths = node.leaves().into_iter();
            paths
                .map(|(path, _)| format!("{} {path}", at.moid))
                .collect()
        };
        self.instances.iter().flat_map(leaves).collect()
    }

    /// The state as it is once the completion is acknowledged; nothing else may differ between the two.
    #[must_use]
    pub fn settled(mut self) -> Self {
        for account in &mut self.accounts {
            account.owed = None;
        }
        for (at, node) in &mut self.instances {
            if at.moid == dm_acc::moid() {
                let state = names::path(&[names::EXT, names::BOOTSTRAP, names::STATE]);
                node.put(&state, Value::chr("acked").into());
            }
        }
        self
    }

    /// Insists that this is the new state as a whole: one account, its nodes, its provenance and its completion of one bootstrap.
    ///
    /// # Panics
    /// Where they are not of one bootstrap.
    pub fn assert_whole(&self, shape: &BTreeSet<String>) {
        assert_eq!(self.accounts.len(), 1, "one account");
        assert_eq!(&self.shape(), shape, "the document's leaves, all and only");
        let nodes = self
            .instances
            .iter()
            .find(|(at, _)| at.moid == dm_acc::moid() && at.miid == self.accounts[0].miid);
        let text = |name| {
            let leaf = nodes?.1.find(&[names::EXT, names::BOOTSTRAP, name])?;
            leaf.value()?.as_text().map(str::to_owned)
        };
        let provenance = &self.accounts[0].provenance;
        assert_eq!(
            text(names::EVENT_ID),
            Some(provenance.event_id.to_string()),
            "nodes and provenance are of one bootstrap"
        );
        let state = if self.owes() { "pending" } else { "acked" };
        assert_eq!(
            text(names::STATE).as_deref(),
            Some(state),
            "node and owed flag say the same"
        );
    }
}
