use omadm_bootstrap::plan::dm1::reverted_account;
use omadm_bootstrap::{Account, DeviceView, EventId};
use omadm_dm1::credential::{CredentialType, Nonce};
use omadm_mo::standard::dm_acc1::{self, AddrType1, AuthLevel1, DmAcc1, names};
use omadm_mo::{Node, NodeAddress, NodeName, NodePath, Secret, ServerUri, SrvId, TreeError};

use super::opening::Dm1Set;

/// A DM 1.x account as it was when the session began: what a command changes of it counts for later sessions (`dm1x.md` §3.3).
pub(super) struct AccountFacts {
    pub(super) account: Account,
    /// The account's instance.
    pub(super) root: NodeAddress,
    /// Where messages go first.
    pub(super) endpoint: ServerUri,
    /// How the client proves itself (`CLCRED`); none where the transport does.
    pub(super) client: Option<AppAuth>,
    /// How the server proves itself (`SRVCRED`); none where the transport does.
    pub(super) server: Option<AppAuth>,
}

/// One `AppAuth/<X>` that is a credential of messages.
#[derive(Clone)]
pub(super) struct AppAuth {
    /// `<X>`.
    pub(super) node: NodeName,
    pub(super) kind: CredentialType,
    /// Whether `AAuthPref` asks for this type: then it is used unasked.
    pub(super) preferred: bool,
    pub(super) name: String,
    pub(super) secret: Secret,
    /// `AAuthData`.
    pub(super) nonce: Option<Nonce>,
}

impl AccountFacts {
    /// None where there is no such account, or none that a session can be opened with. With the former set it is the account as it will be once that set
    /// is restored, the bootstrap named by this event (M25).
    pub(super) fn read(
        view: &dyn DeviceView,
        server: &SrvId,
        set: Dm1Set,
        event_id: EventId,
    ) -> Result<Option<Self>, TreeError> {
        let Some(account) = view.account(server)? else {
            return Ok(None);
        };
        let root = NodeAddress::root(dm_acc1::moid(), account.miid.clone());
        let Some(node) = view.subtree(&root)? else {
            return Ok(None);
        };
        Ok(match set {
            Dm1Set::Current => Self::of(account, root, &node),
            Dm1Set::Former => reverted_account(&account, &node, event_id)
                .and_then(|(account, node)| Self::of(account, root, &node)),
        })
    }

    /// Of an account's nodes.
    fn of(account: Account, root: NodeAddress, node: &Node) -> Option<Self> {
        let nodes = DmAcc1::from_node(node).ok()?;
        // Others are addresses of bearers that we do not have.
        let mut addresses = nodes
            .addresses
            .iter()
            .filter(|address| address.addr_type == AddrType1::Uri);
        let endpoint = addresses.find_map(|address| ServerUri::parse(address.addr.trim()).ok());
        Some(Self {
            account,
            root,
            endpoint: endpoint?,
            client: app_auth(&nodes, AuthLevel1::ClCred),
            server: app_auth(&nodes, AuthLevel1::SrvCred),
        })
    }

    /// Where the nonce of a credential lies.
    pub(super) fn nonce_of(&self, auth: &AppAuth) -> NodeAddress {
        let names = [names::APP_AUTH, auth.node.as_str(), names::AAUTH_DATA];
        let names = names.iter().filter_map(|name| NodeName::parse(name).ok());
        self.root.with_path(names.collect::<NodePath>())
    }
}

/// The entry of a level that is used: that of the preferred type, else the strongest one.
fn app_auth(account: &DmAcc1, level: AuthLevel1) -> Option<AppAuth> {
    let pref = account.auth_pref.as_deref();
    let pref = pref.and_then(CredentialType::of_account);
    let entries = account.auths.iter().filter(|auth| auth.level == level);
    entries
        .filter_map(|auth| {
            let kind = CredentialType::of_account(auth.auth_type.name())?;
            let nonce = auth.nonce.as_ref().map(|nonce| nonce.expose().to_vec());
            Some(AppAuth {
                node: auth.node.clone(),
                kind,
                preferred: pref == Some(kind),
                name: auth.name.clone().unwrap_or_default(),
                secret: auth
                    .secret
                    .clone()
                    .unwrap_or_else(|| Secret::new(Vec::new())),
                nonce: nonce.and_then(|nonce| Nonce::new(nonce).ok()),
            })
        })
        .max_by_key(|auth| (auth.preferred, auth.kind))
}
