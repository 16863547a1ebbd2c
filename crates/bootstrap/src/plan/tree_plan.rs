use omadm_mo::{AccessList, Acl, Miid, Moid, Node, NodeAddress, NodeName, SrvId, TreeVersion};

use crate::{Account, AccountShadow, Utc};

/// A change of the DM tree as data: printed, previewed, compared, and applied or refused as a whole.
#[derive(Clone, PartialEq, Debug)]
pub struct TreePlan {
    /// The version it was made for; at any other it is refused.
    pub expected: TreeVersion,
    /// What changes in the tree, in this order.
    pub steps: Vec<PlanStep>,
    /// Accounts as they are afterwards: provenance, Perm list, owed completion.
    pub accounts: Vec<Account>,
    /// Accounts that go, before anything else: nothing of them is left for an account of the same server among `accounts`.
    pub removed_accounts: Vec<SrvId>,
    /// Rights on instances as they are afterwards. A new instance needs none here: its creator has all (D49).
    pub rights: Vec<RightsChange>,
    /// Former credentials of accounts as they are kept afterwards.
    pub shadows: Vec<ShadowChange>,
    /// ACLs and titles as they are after the steps.
    pub properties: Vec<PropertiesChange>,
    /// When it is carried out: the `TStamp` of what it changes. Without it what changes has none.
    pub time: Option<Utc>,
}

/// What DM 1.x servers gave a node beside its value (`dm1x.md` §4.2). A node that is not there keeps nothing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PropertiesChange {
    /// Which node.
    pub at: NodeAddress,
    /// Whether its value lives outside the store, which then cannot tell that it stands.
    pub live: bool,
    /// Its ACL; none inherits.
    pub acl: Option<Acl>,
    /// Its title.
    pub title: Option<String>,
}

/// What is kept of an account's former session set from now on (D82).
#[derive(Clone, PartialEq, Debug)]
pub struct ShadowChange {
    /// Whose account.
    pub srv_id: SrvId,
    /// What is kept; none ends it.
    pub shadow: Option<AccountShadow>,
}

/// Who may use an instance from now on (`dm20.md` §13).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RightsChange {
    /// Its MOID.
    pub moid: Moid,
    /// Its MIID.
    pub miid: Miid,
    /// The rights.
    pub access: AccessList,
}

/// One change of the tree.
#[derive(Clone, PartialEq, Debug)]
pub enum PlanStep {
    /// A new instance.
    Add {
        /// Type of the management object.
        moid: Moid,
        /// Its instance identifier; never given before (D72).
        miid: Miid,
        /// The whole instance.
        root: Node,
        /// Who created it; none for the device itself.
        creator: Option<SrvId>,
    },
    /// A node in place of another, or a new node below an existing parent. The node itself keeps ACL and title, what lies below it does not.
    Replace {
        /// Where.
        at: NodeAddress,
        /// The node with all below it.
        node: Node,
    },
    /// A node with all below it goes; at a root the instance goes.
    Remove {
        /// Where.
        at: NodeAddress,
    },
    /// A node with all below it gets another name and keeps its properties; at a root the instance gets another MIID, and with it the DM 1.x account it is of. An
    /// account that the plan brings too has to have that MIID already. Nothing there is no error.
    Rename {
        /// Where it stands.
        at: NodeAddress,
        /// The new name; of no sibling. At a root it has to be a MIID.
        name: NodeName,
    },
}

impl TreePlan {
    /// A plan that changes nothing yet.
    #[must_use]
    pub const fn at(expected: TreeVersion) -> Self {
        Self {
            expected,
            steps: Vec::new(),
            accounts: Vec::new(),
            removed_accounts: Vec::new(),
            rights: Vec::new(),
            shadows: Vec::new(),
            properties: Vec::new(),
            time: None,
        }
    }

    /// Whether it changes nothing.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.steps.is_empty()
            && self.accounts.is_empty()
            && self.removed_accounts.is_empty()
            && self.rights.is_empty()
            && self.shadows.is_empty()
            && self.properties.is_empty()
    }
}

impl PlanStep {
    /// The node this step is about.
    #[must_use]
    pub fn address(&self) -> NodeAddress {
        match self {
            Self::Add { moid, miid, .. } => NodeAddress::root(moid.clone(), miid.clone()),
            Self::Replace { at, .. } | Self::Remove { at } | Self::Rename { at, .. } => at.clone(),
        }
    }
}
