use super::{Data, Meta};

/// The DTD version we write.
pub const VER_DTD: &str = "1.2";
/// The protocol version we write.
pub const VER_PROTO: &str = "DM/1.2";

/// `SyncHdr`: who speaks to whom, in which session, and with what credential (§1.2).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncHdr {
    /// `VerDTD`.
    pub ver_dtd: String,
    /// `VerProto`.
    pub ver_proto: String,
    /// `SessionID`: opaque, compared octet by octet; it identifies and never authenticates (M01, M02).
    pub session_id: String,
    /// `MsgID`: per direction, from 1.
    pub msg_id: u32,
    /// `Target`: the server's URL or the device's identifier.
    pub target: Location,
    /// `Source`; its `LocName` is the user name of an MD5 or MAC credential.
    pub source: Location,
    /// `RespURI`: where the next message goes.
    pub resp_uri: Option<String>,
    /// `Cred`.
    pub cred: Option<Cred>,
    /// Sizes the sender takes.
    pub meta: Meta,
}

/// A `Target` or `Source`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Location {
    /// `LocURI`.
    pub uri: String,
    /// `LocName`.
    pub name: Option<String>,
}

impl Location {
    /// Without a name.
    #[must_use]
    pub fn new(uri: impl Into<String>) -> Self {
        Self {
            uri: uri.into(),
            name: None,
        }
    }
}

/// `Cred`: a proof of who speaks (§3.1).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cred {
    /// `Type` names the kind of proof, `Format` is `b64`.
    pub meta: Meta,
    /// The proof.
    pub data: Data,
}
