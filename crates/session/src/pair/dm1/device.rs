use std::sync::Arc;

use omadm_bootstrap::dm1::Dm1Shadow;
use omadm_bootstrap::plan::{PlanStep, TreePlan};
use omadm_bootstrap::{
    Account, BootstrapKind, BootstrapMethod, BootstrapSource, ChannelSecurity, DeviceView as _,
    EventId, MemoryDevice, OwedCompletion, PayloadHash, ProfileFormat, Provenance, Utc,
};
use omadm_mo::standard::MoRegistry;
use omadm_mo::standard::dm_acc::BootstrapType;
use omadm_mo::standard::dm_acc1::{
    self, AddrType1, AppAddr1, AppAuth1, AuthLevel1, AuthType1, DmAcc1,
};
use omadm_mo::{
    DevId, Miid, NodeAddress, NodeName, NodeNameError, Secret, SrvId, TreeLayout, TreeView as _,
};

use crate::client::Cause;

/// The device: its tree and accounts, which outlive the client's death, and what a bootstrap writes there.
#[derive(Clone)]
pub struct Dm1Device {
    /// Tree and accounts.
    pub tree: MemoryDevice,
    /// Where a LocURI leads.
    pub layout: Arc<TreeLayout>,
    /// `./DevInfo/DevId`, which is the name of its credential too.
    pub dev_id: DevId,
    /// Its server.
    pub server: SrvId,
    /// The server's address.
    pub endpoint: String,
    /// How many bootstraps were applied since the factory.
    seq: u32,
}

/// What a bootstrap brings to both ends.
#[derive(Clone)]
pub struct Dm1Credentials {
    /// How both sides prove themselves.
    pub kind: AuthType1,
    /// The client's secret and the first nonce for it.
    pub client: (Secret, Vec<u8>),
    /// The server's secret and the first nonce for it.
    pub server: (Secret, Vec<u8>),
}

impl Dm1Device {
    pub(super) fn new(server: SrvId, dev_id: DevId, endpoint: &str) -> Self {
        Self {
            tree: MemoryDevice::new(1),
            layout: Arc::new(TreeLayout::of(&MoRegistry::standard())),
            dev_id,
            server,
            endpoint: endpoint.to_owned(),
            seq: 0,
        }
    }

    /// Puts an account in, or in the place of the one there is, and owes its event. A factory reset lets the device count anew.
    ///
    /// # Errors
    ///
    /// What the tree says.
    pub fn bootstrap(
        &mut self,
        now: Utc,
        credentials: &Dm1Credentials,
        method: BootstrapMethod,
        kind: BootstrapKind,
        event_id: EventId,
    ) -> Result<(), Cause> {
        let miid = Miid::counted(1);
        let root = NodeAddress::root(dm_acc1::moid(), miid.clone());
        self.seq = match kind {
            BootstrapKind::First | BootstrapKind::Reset => 1,
            BootstrapKind::Re => self.seq + 1,
        };
        let provenance = Provenance {
            method,
            format: ProfileFormat::Cp,
            kind,
            seq: self.seq,
            at: Some(now),
            event_id,
            payload_hash: PayloadHash::of(credentials.client.0.expose()),
            source: BootstrapSource::Card("8949".to_owned()),
            channel: ChannelSecurity::Local,
        };
        let node = self.nodes(credentials)?.to_node();
        let mut account = Account::new(self.server.clone(), miid.clone(), provenance);
        account.owed = Some(OwedCompletion::fresh());
        let mut plan = TreePlan::at(self.tree.version());
        if self.tree.account(&self.server)?.is_some() {
            let before = self.tree.subtree(&root)?;
            let before = before.as_ref().filter(|_| kind == BootstrapKind::Re);
            account.dm1.shadow = before.map(Dm1Shadow::of);
            plan.steps.push(PlanStep::Replace { at: root, node });
        } else {
            plan.steps.push(PlanStep::Add {
                moid: dm_acc1::moid(),
                miid,
                root: node,
                creator: Some(self.server.clone()),
            });
        }
        plan.accounts.push(account);
        super::super::device_end::applied(&mut self.tree, &plan).map(|_| ())
    }

    /// Whether the event of the last bootstrap is still owed.
    #[must_use]
    pub fn owes(&self) -> bool {
        let account = self.tree.account(&self.server).ok().flatten();
        account.is_some_and(|account| account.owed.is_some())
    }

    /// `Ext/Bootstrap/State` of the account.
    #[must_use]
    pub fn event_state(&self) -> Option<String> {
        self.acc()?.bootstrap_type?.state
    }

    /// What the account proves itself with, and what it expects of the server.
    #[must_use]
    pub fn secrets(&self) -> Option<(Secret, Secret)> {
        let acc = self.acc()?;
        let of = |level| {
            let mut auths = acc.auths.iter();
            auths.find(|auth| auth.level == level)?.secret.clone()
        };
        Some((of(AuthLevel1::ClCred)?, of(AuthLevel1::SrvCred)?))
    }

    fn acc(&self) -> Option<DmAcc1> {
        let account = self.tree.account(&self.server).ok()??;
        let root = NodeAddress::root(dm_acc1::moid(), account.miid);
        DmAcc1::from_node(&self.tree.subtree(&root).ok()??).ok()
    }

    fn nodes(&self, credentials: &Dm1Credentials) -> Result<DmAcc1, Cause> {
        let name = |text: &str| NodeName::parse(text).map_err(unnamed);
        let auth = |node, level, user: &str, (secret, nonce): &(Secret, Vec<u8>)| {
            Ok::<_, Cause>(AppAuth1 {
                node: name(node)?,
                level,
                auth_type: credentials.kind,
                name: Some(user.to_owned()),
                secret: Some(secret.clone()),
                nonce: Some(Secret::new(nonce.clone())),
            })
        };
        Ok(DmAcc1 {
            name: Some("DM".to_owned()),
            addresses: vec![AppAddr1 {
                node: name("1")?,
                addr: self.endpoint.clone(),
                addr_type: AddrType1::Uri,
                ports: Vec::new(),
            }],
            auth_pref: Some(credentials.kind.name().to_owned()),
            // In an order from which nothing follows.
            auths: vec![
                auth(
                    "1",
                    AuthLevel1::SrvCred,
                    self.server.as_str(),
                    &credentials.server,
                )?,
                auth(
                    "2",
                    AuthLevel1::ClCred,
                    self.dev_id.as_str(),
                    &credentials.client,
                )?,
            ],
            bootstrap_type: Some(BootstrapType {
                state: Some("pending".to_owned()),
                ..BootstrapType::default()
            }),
            ..DmAcc1::new(self.server.clone())
        })
    }
}

fn unnamed(error: NodeNameError) -> Cause {
    Cause::Tree(omadm_mo::TreeError::Damaged(error.to_string().into()))
}
