use std::fmt;

use serde::Deserialize;

use super::Dm1Profile;

/// What a DM Bootstrap is to hold, the same for every device that gets it. `Debug` shows no value of `[mo.data]`: they may be secrets.
#[derive(Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BootstrapProfile {
    /// The DM Account.
    pub account: AccountProfile,
    /// Further management objects, in the order in which they are delivered.
    #[serde(default)]
    pub mo: Vec<MoProfile>,
    /// The DM Account of DM 1.x, for devices of that generation.
    pub dm1: Option<Dm1Profile>,
}

/// The DM Account (`dm20.md` §12.2).
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AccountProfile {
    /// `SrvID`
    pub srv_id: String,
    /// `SrvURI`
    pub srv_uri: String,
    /// `Name`
    pub name: String,
    /// `Perm/<x>/MOID`. Left out: the standard objects and those the profile delivers (D85).
    pub perm: Option<Vec<String>>,
    /// `Auth/Bootstrap`
    pub bootstrap: Option<BootstrapServerProfile>,
    /// `Auth/Noti`
    pub noti: Option<NotiProfile>,
    /// `Auth/Trsp`
    pub trsp: Option<TrspProfile>,
    /// `Ext/HTTPAuth`
    pub http: Option<HttpProfile>,
    /// `Push/GCM`
    pub push: Option<PushProfile>,
    /// Whether `Ext/Trust` brings the server's CA to the device (D80).
    #[serde(default)]
    pub trust_server_ca: bool,
}

/// `Auth/Bootstrap`: the credential by which the device fetches further bootstraps; issued for each device.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BootstrapServerProfile {
    /// `ServerURI`
    pub server_uri: String,
    /// `SecMode` (D41)
    #[serde(default)]
    pub kind: CredentialKind,
}

/// `Auth/Noti`: made for each device, at least 16 random octets.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotiProfile {
    /// `Type` (D42); 1, SHA256-DIGEST, is the only one.
    #[serde(rename = "type", default = "one")]
    pub kind: i64,
}

/// `Auth/Trsp`: a credential for sessions, issued for each device.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TrspProfile {
    /// What its `Data` and `Secret` are (D44).
    #[serde(default)]
    pub kind: CredentialKind,
}

/// `Ext/HTTPAuth`: user and password for HTTP challenges in sessions (D45), made for each device.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpProfile {}

/// By what a device proves itself in TLS (D41, D44).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum CredentialKind {
    /// A certificate with its key.
    #[default]
    X509,
    /// A pre-shared key with its identity: for a listener with the TLS profile `psk`.
    Psk,
}

/// `Push/GCM`
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PushProfile {
    /// `SenderID`
    pub sender_id: String,
    /// `RegURI`
    pub reg_uri: String,
    /// `UnRegURI`
    pub un_reg_uri: String,
    /// `RegParams`
    #[serde(default)]
    pub reg_params: String,
}

/// A management object that the bootstrap delivers beside the account (§14.2); none of the standard. `Debug` shows its shape alone.
#[derive(Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct MoProfile {
    /// Its MOID.
    pub moid: String,
    /// File of its DDF, relative to the profile's; none for an object that the registry of the build knows.
    pub ddf: Option<String>,
    /// Its nodes, typed by the DDF.
    pub data: toml::Table,
}

/// For which part of the account a credential is issued.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum CredentialSlot {
    /// `Auth/Bootstrap`
    Bootstrap,
    /// `Auth/Trsp`
    Trsp,
}

/// Something a build takes that no profile holds.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Need {
    /// The text of a DDF file.
    Ddf(String),
    /// A credential of this kind, made for the device.
    Credential(CredentialSlot, CredentialKind),
    /// A user name and a password made for the device.
    HttpLogin,
    /// 32 random octets and 8 octets of authentication data.
    NotificationSecret,
    /// The certificate of the server's CA.
    ServerCa,
}

impl BootstrapProfile {
    /// Whether devices need pre-shared keys for what it brings.
    #[must_use]
    pub fn needs_psk(&self) -> bool {
        let of_psk = |need: &Need| matches!(need, Need::Credential(_, CredentialKind::Psk));
        self.needs().iter().any(of_psk)
    }

    /// What the caller of a build has to bring, each once.
    #[must_use]
    pub fn needs(&self) -> Vec<Need> {
        let mut needs: Vec<_> = self
            .mo
            .iter()
            .filter_map(|mo| mo.ddf.clone())
            .map(Need::Ddf)
            .collect();
        let account = &self.account;
        let bootstrap = account.bootstrap.as_ref().map(|part| part.kind);
        let trsp = account.trsp.as_ref().map(|part| part.kind);
        needs.extend(bootstrap.map(|kind| Need::Credential(CredentialSlot::Bootstrap, kind)));
        needs.extend(trsp.map(|kind| Need::Credential(CredentialSlot::Trsp, kind)));
        needs.extend(account.http.is_some().then_some(Need::HttpLogin));
        needs.extend(account.noti.is_some().then_some(Need::NotificationSecret));
        let pinned = bootstrap == Some(CredentialKind::X509);
        needs.extend((account.trust_server_ca || pinned).then_some(Need::ServerCa));
        needs.sort();
        needs.dedup();
        needs
    }
}

impl fmt::Debug for BootstrapProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("BootstrapProfile")
            .field("account", &self.account)
            .field("mo", &self.mo)
            .field("dm1", &self.dm1)
            .finish()
    }
}

impl fmt::Debug for MoProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MoProfile")
            .field("moid", &self.moid)
            .field("ddf", &self.ddf)
            .field("data", &Shape(&self.data))
            .finish()
    }
}

/// Names and types of a table's members.
struct Shape<'a>(&'a toml::Table);

impl fmt::Debug for Shape<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut map = f.debug_map();
        for (key, value) in self.0 {
            match value {
                toml::Value::Table(table) => map.entry(key, &Self(table)),
                other => map.entry(key, &format_args!("{}", other.type_str())),
            };
        }
        map.finish()
    }
}

const fn one() -> i64 {
    1
}
