use omadm_mo::standard::{dm_acc, dm_acc1};
use omadm_mo::{
    AccessList, Miid, Moid, NodeAddress, NodePath, NodeProperties, SrvId, TreeError, TreeView,
    TreeWrite,
};
use serde::{Deserialize, Serialize};

use crate::{
    AccountShadow, CardOrigin, CompletionState, DefaultSource, Dm1AccountState, FactoryBeneath,
    GovernedInstance, OwedCompletion, Provenance, Subscription,
};

/// What the client keeps of a DM Account beside its nodes: protected storage, never part of the tree (`dm20.md` §14.6.1 step 6).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Account {
    /// The server.
    #[serde(with = "srv_id")]
    pub srv_id: SrvId,
    /// The account's instance.
    #[serde(with = "miid")]
    pub miid: Miid,
    /// The Perm list: the MOIDs this server may manage, in the document's order.
    #[serde(with = "moids")]
    pub perm: Vec<Moid>,
    /// How it came to be.
    pub provenance: Provenance,
    /// The instances the same document brought (D75).
    pub provided: Vec<ProvidedInstance>,
    /// The completion, while the server has not acknowledged it (D60).
    pub owed: Option<OwedCompletion>,
    /// What the server wants to be told of (SUB), in the order of its commands.
    #[serde(default)]
    pub subscriptions: Vec<Subscription>,
    /// Where missing configurations can be fetched (DEFAULT), one entry a MOID; no two accounts have one of the same MOID (D21).
    #[serde(default)]
    pub defaults: Vec<DefaultSource>,
    /// Host of `SrvURI` as the last bootstrap brought it. The server may give itself another one later; this one was vouched for.
    #[serde(default)]
    pub bootstrapped_host: Option<String>,
    /// The entries of cards that were applied to it; one of them at most brought the account itself.
    #[serde(default)]
    pub cards: Vec<CardOrigin>,
    /// The factory bootstrap whose place a card's took.
    #[serde(default)]
    pub factory: Option<FactoryBeneath>,
    /// What sessions of DM 1.x leave behind.
    #[serde(default)]
    pub dm1: Dm1AccountState,
}

impl Account {
    /// One that has come to be so, permits nothing yet, and owes nothing.
    #[must_use]
    pub const fn new(srv_id: SrvId, miid: Miid, provenance: Provenance) -> Self {
        Self {
            srv_id,
            miid,
            perm: Vec::new(),
            provenance,
            provided: Vec::new(),
            owed: None,
            subscriptions: Vec::new(),
            defaults: Vec::new(),
            bootstrapped_host: None,
            cards: Vec::new(),
            factory: None,
            dm1: Dm1AccountState::new(),
        }
    }

    /// Takes the place of its server's account, else the last one.
    pub(crate) fn put_among(&self, accounts: &mut Vec<Self>) {
        match accounts.iter_mut().find(|one| one.srv_id == self.srv_id) {
            Some(one) => one.clone_from(self),
            None => accounts.push(self.clone()),
        }
    }
}

/// An instance that an item of a bootstrap produced: delivered again from the same source, the item replaces it (D75).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ProvidedInstance {
    /// The item's MOID.
    #[serde(with = "moid")]
    pub moid: Moid,
    /// Its position among that MOID's items in the document, from 0.
    pub position: usize,
    /// The instance.
    #[serde(with = "miid")]
    pub miid: Miid,
}

/// The DM tree together with what the client knows about its accounts.
pub trait DeviceView: TreeView {
    /// All accounts, in the order in which they were added.
    ///
    /// # Errors
    /// [`TreeError`] where the storage fails.
    fn accounts(&self) -> Result<Vec<Account>, TreeError>;

    /// The DM Server that created an instance; none for the device itself.
    ///
    /// # Errors
    /// [`TreeError`] where the storage fails.
    fn creator(&self, moid: &Moid, miid: &Miid) -> Result<Option<SrvId>, TreeError>;

    /// The rights that were given on an instance; none where there is no such instance.
    ///
    /// # Errors
    /// [`TreeError`] where the storage fails.
    fn access(&self, moid: &Moid, miid: &Miid) -> Result<AccessList, TreeError>;

    /// Every instance, with who may use it, in the order of their creation.
    ///
    /// # Errors
    /// [`TreeError`] where the storage fails.
    fn governed(&self) -> Result<Vec<GovernedInstance>, TreeError>;

    /// What is kept of an account's former session set, while the new one was not used (D82). Never shown to anybody.
    ///
    /// # Errors
    /// [`TreeError`] where the storage fails.
    fn shadow(&self, srv_id: &SrvId) -> Result<Option<AccountShadow>, TreeError>;

    /// What is kept of a node beside its value for DM 1.x servers (`dm1x.md` §4.2); the default where nothing is, or no such node.
    ///
    /// # Errors
    /// [`TreeError`] where the storage fails.
    fn properties(&self, at: &NodeAddress) -> Result<NodeProperties, TreeError>;

    /// The nodes with properties among this one and those below it, each with its path from the instance's root, parents first.
    ///
    /// # Errors
    /// [`TreeError`] where the storage fails.
    fn properties_within(
        &self,
        at: &NodeAddress,
    ) -> Result<Vec<(NodePath, NodeProperties)>, TreeError>;

    /// Every node with properties.
    ///
    /// # Errors
    /// [`TreeError`] where the storage fails.
    fn all_properties(&self) -> Result<Vec<(NodeAddress, NodeProperties)>, TreeError>;

    /// Whether any node has properties.
    ///
    /// # Errors
    /// [`TreeError`] where the storage fails.
    fn has_properties(&self) -> Result<bool, TreeError> {
        Ok(!self.all_properties()?.is_empty())
    }

    /// The account of a server.
    ///
    /// # Errors
    /// [`TreeError`] where the storage fails.
    fn account(&self, srv_id: &SrvId) -> Result<Option<Account>, TreeError> {
        Ok(self
            .accounts()?
            .into_iter()
            .find(|account| account.srv_id == *srv_id))
    }
}

/// A device's tree and accounts inside one transaction.
pub trait DeviceWrite: TreeWrite + DeviceView {
    /// Adds an account or replaces the one of the same SrvID.
    ///
    /// # Errors
    /// [`TreeError`] where the storage fails; nothing of the transaction may then be committed.
    fn put_account(&mut self, account: &Account) -> Result<(), TreeError>;

    /// Takes an account away, with its shadow and what was given to its server on any instance (D53). None there is no error.
    ///
    /// # Errors
    /// [`TreeError`] where the storage fails; nothing of the transaction may then be committed.
    fn remove_account(&mut self, srv_id: &SrvId) -> Result<(), TreeError>;

    /// Remembers who created an instance.
    ///
    /// # Errors
    /// [`TreeError`] where the storage fails; nothing of the transaction may then be committed.
    fn set_creator(
        &mut self,
        moid: &Moid,
        miid: &Miid,
        creator: Option<&SrvId>,
    ) -> Result<(), TreeError>;

    /// Sets the rights on an instance; they go with it. An instance that is not there stays without.
    ///
    /// # Errors
    /// [`TreeError`] where the storage fails; nothing of the transaction may then be committed.
    fn set_access(
        &mut self,
        moid: &Moid,
        miid: &Miid,
        access: &AccessList,
    ) -> Result<(), TreeError>;

    /// Keeps an account's former session set, or forgets it (D82). It goes with the account.
    ///
    /// # Errors
    /// [`TreeError`] where the storage fails; nothing of the transaction may then be committed.
    fn set_shadow(
        &mut self,
        srv_id: &SrvId,
        shadow: Option<&AccountShadow>,
    ) -> Result<(), TreeError>;

    /// Keeps the properties of a node, or nothing where they are empty. They stay when a node is put in its place and go when it is removed.
    ///
    /// # Errors
    /// [`TreeError`] where the storage fails; nothing of the transaction may then be committed.
    fn set_properties(
        &mut self,
        at: &NodeAddress,
        properties: &NodeProperties,
    ) -> Result<(), TreeError>;
}

impl Account {
    /// Whether the server speaks DM 1.x: the account's instance is one of [`omadm_mo::standard::dm_acc1`].
    #[must_use]
    pub fn is_dm1(&self) -> bool {
        self.provenance.format != crate::ProfileFormat::Dm2
    }

    /// The root of the account's instance, in the tree of its generation.
    #[must_use]
    pub fn address(&self) -> NodeAddress {
        let moid = if self.is_dm1() {
            dm_acc1::moid()
        } else {
            dm_acc::moid()
        };
        NodeAddress::root(moid, self.miid.clone())
    }

    /// Whether the completion is owed or was acknowledged.
    #[must_use]
    pub const fn state(&self) -> CompletionState {
        if self.owed.is_some() {
            CompletionState::Pending
        } else {
            CompletionState::Acked
        }
    }

    /// The subscription whose ClientURI has this very text (D23).
    #[must_use]
    pub fn subscription(&self, client: &str) -> Option<&Subscription> {
        self.subscriptions.iter().find(|one| one.client == client)
    }

    /// Takes over what the same server had subscribed and left as defaults before, as far as the Perm list still names the MOIDs (D53, D59).
    pub fn inherit(&mut self, before: &Self) {
        let subscriptions = before.subscriptions.iter();
        let permitted = subscriptions.filter(|one| self.perm.iter().any(|moid| one.is_of(moid)));
        self.subscriptions = permitted.cloned().collect();
        let defaults = before.defaults.iter();
        let permitted = defaults.filter(|one| self.perm.contains(&one.moid));
        self.defaults = permitted.cloned().collect();
        self.inherit_cards(before);
    }
}

/// A module by which serde writes a parsed text type as its text.
macro_rules! as_text {
    ($module:ident, $type:ty) => {
        pub(crate) mod $module {
            use serde::{Deserialize, Deserializer, Serializer, de::Error};

            pub(crate) fn serialize<S: Serializer>(
                value: &$type,
                serializer: S,
            ) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(value.as_str())
            }

            pub(crate) fn deserialize<'de, D: Deserializer<'de>>(
                deserializer: D,
            ) -> Result<$type, D::Error> {
                <$type>::parse(&String::deserialize(deserializer)?).map_err(D::Error::custom)
            }
        }
    };
}

as_text!(srv_id, omadm_mo::SrvId);
as_text!(miid, omadm_mo::Miid);
as_text!(moid, omadm_mo::Moid);
as_text!(server_uri, omadm_mo::ServerUri);

mod moids {
    use omadm_mo::Moid;
    use serde::{Deserialize, Deserializer, Serializer, de::Error};

    pub(super) fn serialize<S: Serializer>(
        value: &[Moid],
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        serializer.collect_seq(value.iter().map(Moid::as_str))
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<Vec<Moid>, D::Error> {
        let texts = Vec::<String>::deserialize(deserializer)?;
        texts
            .iter()
            .map(|text| Moid::parse(text).map_err(D::Error::custom))
            .collect()
    }
}
