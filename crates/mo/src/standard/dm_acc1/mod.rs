//! DM Account of DM 1.x (`dm1x.md` §4.6): what a client knows about one DM 1.x server.

mod read;
#[cfg(test)]
mod tests;
mod write;

pub mod names;

use std::fmt;
use std::sync::LazyLock;

use super::dm_acc::BootstrapType;
use super::view::ViewError;
use super::{Dm1Version, Standard};
use crate::ddf::Ddf;
use crate::{Moid, Node, NodeName, NodePath, Secret, SrvId};

// By this MOID a tree keeps it, whatever version it is told to be of.
built_in!("urn:oma:mo:oma-dm-dmacc:1.0", "DMAcc", "dm_dmacc-v1_0.ddf");

/// Of DM 1.3. No device has it beside the other: it is what an account is told to be.
const STANDARD_1_3: Standard = Standard {
    moid: "urn:oma:mo:oma-dm-dmacc:1.1",
    root_name: "DMAcc",
    file: "dm_dmacc-v1_3.ddf",
    xml: include_str!("../ddf/dm_dmacc-v1_3.ddf"),
};

/// `AppID` of a DM Account.
pub const APP_ID: &str = "w7";

/// One DM Account of DM 1.x, read completely. Its `Debug` tells the ServerID only.
#[derive(Clone, PartialEq)]
pub struct DmAcc1 {
    /// `ServerID`: the name in ACLs, and the name that the server authenticates with.
    pub server_id: SrvId,
    /// `Name`, shown to the user.
    pub name: Option<String>,
    /// `PrefConRef`: URI of a connectivity MO, or an identifier of the device's own.
    pub pref_con_ref: Option<String>,
    /// `ToConRef/<X>/ConRef` in the octet order of the names.
    pub to_con_refs: Vec<String>,
    /// `AppAddr/<X>` in the octet order of the names. At least one in a usable account.
    pub addresses: Vec<AppAddr1>,
    /// `AAuthPref`: none or empty is the type negotiated last time.
    pub auth_pref: Option<String>,
    /// `AppAuth/<X>` in the octet order of the names.
    pub auths: Vec<AppAuth1>,
    /// `Ext/Bootstrap`: written by the client alone.
    pub bootstrap_type: Option<BootstrapType>,
    /// `Ext/Bootstrap/Sec` (§6.4).
    pub bootstrap_sec: Option<String>,
    /// Everything else below `Ext`, each with its path from the instance's root.
    pub vendor: Vec<(NodePath, Node)>,
}

/// `AppAddr/<X>`
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AppAddr1 {
    /// Its name `<X>`.
    pub node: NodeName,
    /// `Addr`
    pub addr: String,
    /// `AddrType`
    pub addr_type: AddrType1,
    /// `Port/<X>/PortNbr` in the octet order of the names.
    pub ports: Vec<u16>,
}

/// `AppAddr/<X>/AddrType`
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum AddrType1 {
    /// `URI`; also where the node is missing.
    #[default]
    Uri,
    /// `IPv4`
    Ipv4,
    /// `IPv6`
    Ipv6,
}

/// `AppAuth/<X>`. Its `Debug` tells name, level and type only.
#[derive(Clone, PartialEq)]
pub struct AppAuth1 {
    /// Its name `<X>`.
    pub node: NodeName,
    /// `AAuthLevel`
    pub level: AuthLevel1,
    /// `AAuthType`
    pub auth_type: AuthType1,
    /// `AAuthName`
    pub name: Option<String>,
    /// `AAuthSecret`, UTF-8.
    pub secret: Option<Secret>,
    /// `AAuthData`: the nonce, decoded.
    pub nonce: Option<Secret>,
}

/// `AppAuth/<X>/AAuthLevel`: who authenticates, and where.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum AuthLevel1 {
    /// `CLCRED`: the client to the server, in DM messages.
    ClCred,
    /// `SRVCRED`: the server to the client, in DM messages.
    SrvCred,
    /// `OBEX`: the client on an OBEX transport.
    Obex,
    /// `HTTP`: the client on HTTP.
    Http,
}

/// `AppAuth/<X>/AAuthType`
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum AuthType1 {
    /// `HTTP-BASIC`
    HttpBasic,
    /// `HTTP-DIGEST`
    HttpDigest,
    /// `BASIC`
    Basic,
    /// `DIGEST`: `syncml:auth-md5`.
    Digest,
    /// `HMAC`: `syncml:auth-MAC`.
    Hmac,
    /// `X509`
    X509,
    /// `SECURID`
    SecurId,
    /// `SAFEWORD`
    Safeword,
    /// `DIGIPASS`
    Digipass,
    /// `TRANSPORT`: the transport below has authenticated already.
    Transport,
}

static DDF_1_3: LazyLock<Ddf> = LazyLock::new(|| STANDARD_1_3.ddf());

/// The MOID in this version of DM 1.x (`dm1x.md` §4.7).
#[must_use]
pub fn moid_in(version: Dm1Version) -> Moid {
    match version {
        Dm1Version::V1_2 => STANDARD.moid(),
        Dm1Version::V1_3 => STANDARD_1_3.moid(),
    }
}

/// The built-in DDF of this version of DM 1.x.
#[must_use]
pub fn ddf_in(version: Dm1Version) -> &'static Ddf {
    match version {
        Dm1Version::V1_2 => &DDF,
        Dm1Version::V1_3 => &DDF_1_3,
    }
}

impl DmAcc1 {
    /// An account of a server with nothing else in it.
    #[must_use]
    pub const fn new(server_id: SrvId) -> Self {
        Self {
            server_id,
            name: None,
            pref_con_ref: None,
            to_con_refs: Vec::new(),
            addresses: Vec::new(),
            auth_pref: None,
            auths: Vec::new(),
            bootstrap_type: None,
            bootstrap_sec: None,
            vendor: Vec::new(),
        }
    }

    /// Reads an instance. `AppID` has to be `w7`; texts have format `chr`, the nonce `bin`.
    ///
    /// # Errors
    /// [`ViewError`] with the first node that is missing or wrong.
    pub fn from_node(root: &Node) -> Result<Self, ViewError> {
        read::account(root)
    }

    /// The instance.
    #[must_use]
    pub fn to_node(&self) -> Node {
        write::account(self)
    }

    /// The first credential of a level.
    #[must_use]
    pub fn auth(&self, level: AuthLevel1) -> Option<&AppAuth1> {
        self.auths.iter().find(|auth| auth.level == level)
    }
}

impl AddrType1 {
    /// All of §4.6.
    pub const ALL: [Self; 3] = [Self::Uri, Self::Ipv4, Self::Ipv6];

    /// The node's value.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Uri => "URI",
            Self::Ipv4 => "IPv4",
            Self::Ipv6 => "IPv6",
        }
    }

    /// Reads the node's value, in any letter case.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        let is = |one: &Self| one.name().eq_ignore_ascii_case(name);
        Self::ALL.into_iter().find(is)
    }
}

impl AuthLevel1 {
    /// All of §4.6.
    pub const ALL: [Self; 4] = [Self::ClCred, Self::SrvCred, Self::Obex, Self::Http];

    /// The node's value.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ClCred => "CLCRED",
            Self::SrvCred => "SRVCRED",
            Self::Obex => "OBEX",
            Self::Http => "HTTP",
        }
    }

    /// Reads the node's value.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }
}

impl AuthType1 {
    /// All of §4.6.
    pub const ALL: [Self; 10] = [
        Self::HttpBasic,
        Self::HttpDigest,
        Self::Basic,
        Self::Digest,
        Self::Hmac,
        Self::X509,
        Self::SecurId,
        Self::Safeword,
        Self::Digipass,
        Self::Transport,
    ];

    /// The node's value.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::HttpBasic => "HTTP-BASIC",
            Self::HttpDigest => "HTTP-DIGEST",
            Self::Basic => "BASIC",
            Self::Digest => "DIGEST",
            Self::Hmac => "HMAC",
            Self::X509 => "X509",
            Self::SecurId => "SECURID",
            Self::Safeword => "SAFEWORD",
            Self::Digipass => "DIGIPASS",
            Self::Transport => "TRANSPORT",
        }
    }

    /// Reads the node's value.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|one| one.name() == name)
    }
}

impl fmt::Debug for DmAcc1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DmAcc1")
            .field("server_id", &self.server_id)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for AppAuth1 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AppAuth1")
            .field("node", &self.node)
            .field("level", &self.level)
            .field("auth_type", &self.auth_type)
            .finish_non_exhaustive()
    }
}
