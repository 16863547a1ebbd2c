use std::fmt;

use omadm_mo::standard::DmAcc;
use omadm_mo::standard::dm_acc::{AuthTrsp, HttpAuth};
use omadm_mo::{Node, ServerUri, TreeVersion};

/// What a session with a DM Server is opened with: `SrvURI`, `Auth/Trsp`, `Ext/HTTPAuth` (D82), and beyond its letter `Ext/Trust`, without which the device
/// would not believe its former server. Its `Debug` tells no secret.
#[derive(Clone, PartialEq)]
pub struct SessionSet {
    /// `SrvURI`
    pub srv_uri: ServerUri,
    /// `Auth/Trsp`
    pub trsp: Option<AuthTrsp>,
    /// `Ext/HTTPAuth`
    pub http_auth: Option<HttpAuth>,
    /// `Ext/Trust/<x>/Cert`
    pub trust: Vec<Vec<u8>>,
}

/// The set that an account had before it was changed: kept beside the account, out of every server's reach, until the new one was used (make before break,
/// `dm20.md` §14.7, D82).
#[derive(Clone, PartialEq, Debug)]
pub struct AccountShadow {
    /// The former set.
    pub set: SessionSet,
    /// The version of the tree that the change was planned for; tells one change from the next.
    pub since: TreeVersion,
    /// What changed it.
    pub by: ShadowCause,
    /// How often the new set was refused for good.
    pub refusals: u32,
}

/// What changed an account's session set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ShadowCause {
    /// A bootstrap that replaced the account.
    Bootstrap,
    /// An HGET or DELETE of the server itself.
    Command,
}

impl SessionSet {
    /// The set of an account's instance; none where it is no usable account.
    #[must_use]
    pub fn of(account: &Node) -> Option<Self> {
        let account = DmAcc::from_node(account).ok()?;
        Some(Self {
            srv_uri: account.srv_uri,
            trsp: account.trsp,
            http_auth: account.http_auth,
            trust: account.trust,
        })
    }
}

impl fmt::Debug for SessionSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SessionSet")
            .field("srv_uri", &self.srv_uri)
            .finish_non_exhaustive()
    }
}

impl AccountShadow {
    /// Whether a refused attempt is followed by a session with the former set: after three refusals, after an HGET the first one.
    #[must_use]
    pub const fn is_due(&self) -> bool {
        let bound = match self.by {
            ShadowCause::Bootstrap => 3,
            ShadowCause::Command => 1,
        };
        self.refusals >= bound
    }
}
