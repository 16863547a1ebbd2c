//! The names of the nodes of a DM Account, so that nobody else spells them.

use crate::{NodeName, NodePath};

/// `SrvID`
pub const SRV_ID: &str = "SrvID";
/// `SrvURI`
pub const SRV_URI: &str = "SrvURI";
/// `Name`
pub const NAME: &str = "Name";
/// `Perm`
pub const PERM: &str = "Perm";
/// `MOID` below [`PERM`]
pub const MOID: &str = "MOID";
/// `Auth`
pub const AUTH: &str = "Auth";
/// `Bootstrap` below [`AUTH`], and below [`EXT`]
pub const BOOTSTRAP: &str = "Bootstrap";
/// `ServerURI` below `Auth/Bootstrap`
pub const SERVER_URI: &str = "ServerURI";
/// `SecMode` below `Auth/Bootstrap`
pub const SEC_MODE: &str = "SecMode";
/// `ClientPubKey` below `Auth/Bootstrap`
pub const CLIENT_PUB_KEY: &str = "ClientPubKey";
/// `ServerPubKey` below `Auth/Bootstrap`
pub const SERVER_PUB_KEY: &str = "ServerPubKey";
/// `ClientSecretKey` below `Auth/Bootstrap`
pub const CLIENT_SECRET_KEY: &str = "ClientSecretKey";
/// `Noti` below [`AUTH`]
pub const NOTI: &str = "Noti";
/// `Type` below `Auth/Noti`
pub const TYPE: &str = "Type";
/// `Data` below `Auth/Noti` and `Auth/Trsp`
pub const DATA: &str = "Data";
/// `Secret` below `Auth/Noti` and `Auth/Trsp`
pub const SECRET: &str = "Secret";
/// `Trsp` below [`AUTH`]
pub const TRSP: &str = "Trsp";
/// `Push`
pub const PUSH: &str = "Push";
/// `GCM` below [`PUSH`]
pub const GCM: &str = "GCM";
/// `SenderID` below `Push/GCM`
pub const SENDER_ID: &str = "SenderID";
/// `RegURI` below `Push/GCM`
pub const REG_URI: &str = "RegURI";
/// `UnRegURI` below `Push/GCM`
pub const UN_REG_URI: &str = "UnRegURI";
/// `RegParams` below `Push/GCM`
pub const REG_PARAMS: &str = "RegParams";
/// `Ext`, at the root, below [`PUSH`] and below `Push/GCM`
pub const EXT: &str = "Ext";
/// `HTTPAuth` below [`EXT`]
pub const HTTP_AUTH: &str = "HTTPAuth";
/// `User` below `Ext/HTTPAuth`
pub const USER: &str = "User";
/// `Password` below `Ext/HTTPAuth`
pub const PASSWORD: &str = "Password";
/// `Trust` below [`EXT`]
pub const TRUST: &str = "Trust";
/// `Cert` below `Ext/Trust/<x>`
pub const CERT: &str = "Cert";
/// `Method` below `Ext/Bootstrap`
pub const METHOD: &str = "Method";
/// `Profile` below `Ext/Bootstrap`
pub const PROFILE: &str = "Profile";
/// `Kind` below `Ext/Bootstrap`
pub const KIND: &str = "Kind";
/// `Seq` below `Ext/Bootstrap`
pub const SEQ: &str = "Seq";
/// `Time` below `Ext/Bootstrap`
pub const TIME: &str = "Time";
/// `EventId` below `Ext/Bootstrap`
pub const EVENT_ID: &str = "EventId";
/// `PayloadHash` below `Ext/Bootstrap`
pub const PAYLOAD_HASH: &str = "PayloadHash";
/// `State` below `Ext/Bootstrap`
pub const STATE: &str = "State";

/// The path of these names; each is one of the constants of this module.
#[must_use]
pub fn path(names: &[&str]) -> NodePath {
    names
        .iter()
        .filter_map(|name| NodeName::parse(name).ok())
        .collect()
}

/// The nodes below which the owning server never writes, whatever its rights on the account (D49): `SrvID`, `Perm`, `Auth/Bootstrap`, `Ext/Bootstrap`.
#[must_use]
pub fn kept_by_client() -> [NodePath; 4] {
    [
        path(&[SRV_ID]),
        path(&[PERM]),
        path(&[AUTH, BOOTSTRAP]),
        bootstrap_type(),
    ]
}

/// `Ext/Bootstrap`, where the client keeps the bootstrap type information.
#[must_use]
pub fn bootstrap_type() -> NodePath {
    path(&[EXT, BOOTSTRAP])
}
