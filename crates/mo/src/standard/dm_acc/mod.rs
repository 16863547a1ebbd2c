//! DM Account (`dm20.md` §12.2): what a client knows about one DM Server.

mod read;
#[cfg(test)]
mod tests;
mod write;

pub mod names;

pub(super) use read::bootstrap_type as read_bootstrap_type;

use std::fmt;

use super::view::{ViewError, ViewFault};
use crate::{Moid, Node, NodePath, Scheme, Secret, ServerUri, SrvId};

built_in!("urn:oma:mo:oma-dm-dmacc:1.2", "DMAcc", "dm_dmacc-v1_2.ddf");

/// Why a node is no DM Account: the exact node and its fault.
pub type DmAccError = ViewError;

/// One DM Account, read completely. Its `Debug` tells the SrvID only.
#[derive(Clone, PartialEq)]
pub struct DmAcc {
    /// `SrvID`
    pub srv_id: SrvId,
    /// `SrvURI`: where sessions are opened. May be `http://`; see [`Self::require_https`].
    pub srv_uri: ServerUri,
    /// `Name`, shown to the user.
    pub name: String,
    /// `Perm/<x>/MOID` in the octet order of the group names. At least one in a valid bootstrap; see [`Self::require_perm`].
    pub perm: Vec<Moid>,
    /// `Auth/Bootstrap`
    pub bootstrap: Option<AuthBootstrap>,
    /// `Auth/Noti`
    pub noti: Option<AuthNoti>,
    /// `Auth/Trsp`
    pub trsp: Option<AuthTrsp>,
    /// `Push/GCM`
    pub gcm: Option<PushGcm>,
    /// `Ext/HTTPAuth` (D45)
    pub http_auth: Option<HttpAuth>,
    /// `Ext/Trust/<x>/Cert` in the octet order of the names: DER certificates, anchors for this account's hosts only (D80).
    pub trust: Vec<Vec<u8>>,
    /// `Ext/Bootstrap`: written by the client alone; what a bootstrap delivers for it is ignored.
    pub bootstrap_type: Option<BootstrapType>,
    /// Everything else below `Ext`, `Push/Ext` and `Push/GCM/Ext`, each with its path from the instance's root.
    pub vendor: Vec<(NodePath, Node)>,
}

/// `Auth/Bootstrap`: key material between this device and the bootstrap server.
#[derive(Clone, PartialEq)]
pub struct AuthBootstrap {
    /// `ServerURI` of the bootstrap server.
    pub server_uri: ServerUri,
    /// `SecMode`
    pub sec_mode: SecMode,
    /// `ClientPubKey`: the client's DER certificate, or its PSK identity (D44).
    pub client_pub_key: Vec<u8>,
    /// `ServerPubKey`: the server's DER certificate, or its PSK identity.
    pub server_pub_key: Vec<u8>,
    /// `ClientSecretKey`: the client's private key as DER PKCS#8, or the pre-shared key.
    pub client_secret_key: Secret,
}

/// `Auth/Bootstrap/SecMode`, one octet (D41).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SecMode {
    /// 0x00: pre-shared key.
    Psk,
    /// 0x02: X.509 certificates.
    X509,
    /// Any other: the account is not usable for client-initiated bootstrap.
    Unknown(u8),
}

/// `Auth/Noti`: credentials of Notifications.
#[derive(Clone, PartialEq)]
pub struct AuthNoti {
    /// `Type` (D42); see [`Self::is_sha256_digest`].
    pub kind: i64,
    /// `Data`
    pub data: Vec<u8>,
    /// `Secret`
    pub secret: Secret,
}

/// `Auth/Trsp`: credentials of the transport layer in DM sessions.
#[derive(Clone, PartialEq)]
pub struct AuthTrsp {
    /// `Data`: the client's DER certificate, else a PSK identity (D44).
    pub data: Vec<u8>,
    /// `Secret`: the private key as DER PKCS#8, or the pre-shared key.
    pub secret: Secret,
}

/// `Push/GCM`
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PushGcm {
    /// `SenderID`
    pub sender_id: String,
    /// `RegURI`
    pub reg_uri: String,
    /// `UnRegURI`
    pub un_reg_uri: String,
    /// `RegParams`, may be empty.
    pub reg_params: String,
}

/// `Ext/HTTPAuth`: credentials for an HTTP challenge (D45).
#[derive(Clone, PartialEq)]
pub struct HttpAuth {
    /// `User`
    pub user: String,
    /// `Password`, UTF-8.
    pub password: Secret,
}

/// `Ext/Bootstrap` as it stands in the tree, unchecked: the bootstrap type information.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct BootstrapType {
    /// `Method`: `factory`, `smartcard`, `client`, `server`.
    pub method: Option<String>,
    /// `Profile`: `dm2`, `cp`, `dm`.
    pub profile: Option<String>,
    /// `Kind`: `first`, `re`, `reset`.
    pub kind: Option<String>,
    /// `Seq`: how many bootstraps were applied to this account.
    pub seq: Option<i64>,
    /// `Time`: `YYYYMMDDThhmmssZ`, empty without a clock.
    pub time: Option<String>,
    /// `EventId`: 32 hexadecimal digits.
    pub event_id: Option<String>,
    /// `PayloadHash`
    pub payload_hash: Option<String>,
    /// `State`: `pending`, `acked`, `unsupported`, `reverted`.
    pub state: Option<String>,
}

/// Whether a server may ever read the node at a path of an account, by the access types of the DDF: not `Perm` and what is below it, no key, no secret (D43).
#[must_use]
pub fn is_readable(path: &NodePath) -> bool {
    DDF.is_readable(path)
}

/// The leaves of an account that no server may ever read; a log or trace masks them too.
#[must_use]
pub fn unreadable_leaves(account: &Node) -> Vec<NodePath> {
    DDF.unreadable_leaves(account)
}

impl DmAcc {
    /// An account with what is required of every one; no optional part.
    #[must_use]
    pub fn new(
        srv_id: SrvId,
        srv_uri: ServerUri,
        name: impl Into<String>,
        perm: Vec<Moid>,
    ) -> Self {
        Self {
            srv_id,
            srv_uri,
            name: name.into(),
            perm,
            bootstrap: None,
            noti: None,
            trsp: None,
            gcm: None,
            http_auth: None,
            trust: Vec::new(),
            bootstrap_type: None,
            vendor: Vec::new(),
        }
    }

    /// Reads an instance. A missing `Perm` counts as empty, since a client keeps it apart from its tree (§14.6.1); see [`Self::require_perm`].
    ///
    /// # Errors
    /// [`DmAccError`] with the first node that is missing or wrong.
    pub fn from_node(root: &Node) -> Result<Self, DmAccError> {
        read::account(root)
    }

    /// The instance. `Perm` and `Trust` get the names `1`, `2`… with leading zeros where more than nine need them to keep their order.
    #[must_use]
    pub fn to_node(&self) -> Node {
        write::account(self)
    }

    /// A bootstrap account has at least one MOID in its `Perm` (§12.2).
    ///
    /// # Errors
    /// [`ViewFault::Missing`] at `Perm`.
    pub fn require_perm(&self) -> Result<(), DmAccError> {
        if self.perm.is_empty() {
            Err(ViewFault::Missing.at(names::path(&[names::PERM])))
        } else {
            Ok(())
        }
    }

    /// A bootstrap account names `https://` servers only.
    ///
    /// # Errors
    /// [`ViewFault::PlainHttp`] at `SrvURI` or `Auth/Bootstrap/ServerURI`.
    pub fn require_https(&self) -> Result<(), DmAccError> {
        if self.srv_uri.scheme() == Scheme::Http {
            return Err(ViewFault::PlainHttp.at(names::path(&[names::SRV_URI])));
        }
        if self
            .bootstrap
            .as_ref()
            .is_some_and(|bootstrap| bootstrap.server_uri.scheme() == Scheme::Http)
        {
            return Err(ViewFault::PlainHttp.at(names::path(&[
                names::AUTH,
                names::BOOTSTRAP,
                names::SERVER_URI,
            ])));
        }
        Ok(())
    }
}

impl SecMode {
    /// The mode of this octet.
    #[must_use]
    pub const fn from_octet(octet: u8) -> Self {
        match octet {
            0x00 => Self::Psk,
            0x02 => Self::X509,
            other => Self::Unknown(other),
        }
    }

    /// Its octet.
    #[must_use]
    pub const fn octet(self) -> u8 {
        match self {
            Self::Psk => 0x00,
            Self::X509 => 0x02,
            Self::Unknown(octet) => octet,
        }
    }
}

impl AuthNoti {
    /// The `Type` of SHA256-DIGEST that we write.
    pub const SHA256_DIGEST: i64 = 1;

    /// Whether Notifications carry SHA256-DIGEST: type 1, or 0 (D42). Those of any other type are ignored.
    #[must_use]
    pub const fn is_sha256_digest(&self) -> bool {
        matches!(self.kind, 0 | Self::SHA256_DIGEST)
    }
}

impl fmt::Debug for DmAcc {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DmAcc")
            .field("srv_id", &self.srv_id)
            .finish_non_exhaustive()
    }
}
