use std::fmt;

use omadm_dm1::credential::{CredentialType, Nonce, new_password};
use omadm_dm1::markup::MarkupFault;
use omadm_dm1::provisioning::{Characteristic, Parm, ProvisioningDocument};
use omadm_dm1::syncml::Encoding;
use omadm_mo::standard::dm_acc1::{AddrType1, AppAddr1, AppAuth1, AuthLevel1, AuthType1};
use omadm_mo::standard::{Dm1Version, DmAcc1};
use omadm_mo::{Acl, NodeName, Secret, ServerUri, SrvId, SrvIdError};
use serde::de::Error as _;
use serde::{Deserialize, Deserializer};

use super::placeholder::filled;
use super::{BootstrapProfile, ProfileInputs};
use crate::PayloadHash;
use crate::dm1::{
    AccountMapFault, AppSrvIs, Dm1Format, dm_message, w7_of_account, with_proxies, written_for,
};

/// `[dm1]`: what devices of DM 1.x are bootstrapped with (`dm1x.md` §5). `Debug` shows no parameter of `[[dm1.characteristic]]`.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dm1Profile {
    /// `ServerID`, `PROVIDER-ID`; the SrvID of `[account]` where it is left out.
    pub server_id: Option<String>,
    /// `Addr`: where DM 1.x sessions are opened.
    pub address: String,
    /// How both ends prove themselves.
    #[serde(default)]
    pub auth: Dm1Auth,
    /// The device's user name; its DevID where it is left out.
    pub user: Option<String>,
    /// `INIT`: a session at once.
    #[serde(default)]
    pub init: bool,
    /// `version` of a provisioning document.
    #[serde(default)]
    pub version: CpVersion,
    /// The version of DM 1.x that the device is of, `1.2` or `1.3`: a DM message names its account by the MOID of that version (§4.7). A provisioning
    /// document has no place for it.
    #[serde(default, deserialize_with = "protocol")]
    pub protocol: Dm1Version,
    /// `TO-NAPID`, `TO-PROXY`, `PrefConRef`: connectivity by the names of this document or of the device.
    #[serde(default)]
    pub connectivity: Vec<String>,
    /// Further characteristics of a provisioning document, before the account.
    #[serde(default)]
    pub characteristic: Vec<CharacteristicProfile>,
}

/// The name of a version, as TOML has it.
fn protocol<'de, D: Deserializer<'de>>(from: D) -> Result<Dm1Version, D::Error> {
    let name = String::deserialize(from)?;
    let read = Dm1Version::from_name(&name);
    read.ok_or_else(|| D::Error::unknown_variant(&name, &["1.2", "1.3"]))
}

/// A `characteristic`: `NAPDEF`, `PXLOGICAL`, `BOOTSTRAP`, `CLIENTIDENTITY`, `VENDORCONFIG` or `ACCESS` at the top.
#[derive(Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CharacteristicProfile {
    /// `type`
    #[serde(rename = "type")]
    pub kind: String,
    /// Name and value of each `parm`, in order; a name alone has no value.
    #[serde(default)]
    pub parms: Vec<Vec<String>>,
    /// The characteristics within it.
    #[serde(default)]
    pub characteristic: Vec<Self>,
}

/// The type of the credentials of both ends (§3.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dm1Auth {
    /// `BASIC`: the password itself travels.
    Basic,
    /// `DIGEST`
    #[default]
    Md5,
    /// `HMAC`: every message is proven.
    Mac,
}

/// `version` of a provisioning document: some devices take `1.0` alone (§2.7).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
pub enum CpVersion {
    /// 1.0
    #[default]
    #[serde(rename = "1.0")]
    V1_0,
    /// 1.1
    #[serde(rename = "1.1")]
    V1_1,
}

/// Secrets and first nonces of one device, both directions, shared with no other (§5.9, M15). Holds secrets: no `Debug`.
#[derive(Clone)]
pub struct Dm1Credentials {
    /// By which the device proves itself.
    pub client_secret: Secret,
    /// The nonce of its first proof.
    pub client_nonce: Nonce,
    /// By which the server proves itself.
    pub server_secret: Secret,
    /// The nonce of its first proof.
    pub server_nonce: Nonce,
}

/// A bootstrap of DM 1.x ready for a carrier: the final bytes. The same profile and inputs give the same. Holds secrets: no `Debug`.
#[derive(Clone)]
pub struct Dm1Package {
    /// The document in WBXML.
    pub document: Secret,
    /// Its form.
    pub format: Dm1Format,
    /// The account in it.
    pub account: DmAcc1,
    /// The document's hash: the event's `sha` begins with it.
    pub hash: PayloadHash,
}

/// Why no bootstrap of DM 1.x can be built. The profile's author is at fault.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Dm1BuildError {
    /// No `[dm1]`.
    #[error("the profile has no [dm1]: it says nothing of DM 1.x")]
    NotSaid,
    /// A placeholder that stands for nothing.
    #[error("{key}: `{{{name}}}` stands for nothing; there are {{dev_id}} and {{server}}")]
    Placeholder {
        /// The key.
        key: &'static str,
        /// The name.
        name: String,
    },
    /// No server identifier.
    #[error("dm1.server_id: {0}")]
    ServerId(#[from] SrvIdError),
    /// No ACL can name the server.
    #[error("dm1.server_id: no ACL can hold `= & * +` or a blank; name another server_id")]
    NotForAcl,
    /// No http or https address.
    #[error("dm1.address is no http or https address")]
    Address,
    /// A characteristic that a profile does not deliver.
    #[error("dm1.characteristic `{0}`: there are {known}", known = KNOWN.join(", "))]
    Characteristic(String),
    /// A parameter that is not a name or a name with a value.
    #[error("dm1.characteristic `{0}`: a parm is [name] or [name, value]")]
    Parm(String),
    /// A basic user name with a colon: nobody could tell it from the password (§3.1).
    #[error(
        "dm1.user holds a colon, which basic credentials cannot; choose another, or auth = \"md5\""
    )]
    Colon,
    /// What WBXML cannot hold.
    #[error(transparent)]
    Markup(#[from] MarkupFault),
    /// What a provisioning document cannot hold.
    #[error(transparent)]
    Account(#[from] AccountMapFault),
}

const KNOWN: [&str; 6] = [
    "NAPDEF",
    "PXLOGICAL",
    "BOOTSTRAP",
    "CLIENTIDENTITY",
    "VENDORCONFIG",
    "ACCESS",
];

impl Dm1Credentials {
    /// Octets of entropy they are made of.
    pub const ENTROPY: usize = 224;

    /// Made of fresh random octets.
    #[must_use]
    pub fn of_entropy(entropy: &[u8; Self::ENTROPY]) -> Self {
        let mut password = [0; 64];
        let mut nonce = [0; 48];
        let mut made = |half: &[u8]| {
            password.copy_from_slice(&half[..64]);
            nonce.copy_from_slice(&half[64..]);
            (new_password(&password), Nonce::of_entropy(&nonce))
        };
        let (client_secret, client_nonce) = made(&entropy[..112]);
        let (server_secret, server_nonce) = made(&entropy[112..]);
        Self {
            client_secret,
            client_nonce,
            server_secret,
            server_nonce,
        }
    }
}

impl Dm1Auth {
    /// The type of a credential.
    #[must_use]
    pub const fn credential_type(self) -> CredentialType {
        match self {
            Self::Basic => CredentialType::Basic,
            Self::Md5 => CredentialType::Md5,
            Self::Mac => CredentialType::Mac,
        }
    }

    const fn auth_type(self) -> AuthType1 {
        match self {
            Self::Basic => AuthType1::Basic,
            Self::Md5 => AuthType1::Digest,
            Self::Mac => AuthType1::Hmac,
        }
    }
}

impl BootstrapProfile {
    /// The DM Account of DM 1.x that the profile gives this device.
    ///
    /// # Errors
    /// [`Dm1BuildError`] naming the key.
    pub fn dm_acc1(
        &self,
        inputs: &ProfileInputs,
        credentials: &Dm1Credentials,
    ) -> Result<DmAcc1, Dm1BuildError> {
        let profile = self.dm1.as_ref().ok_or(Dm1BuildError::NotSaid)?;
        let fill = |key, text: &str| {
            filled(text, inputs).map_err(|unknown| Dm1BuildError::Placeholder {
                key,
                name: unknown.0,
            })
        };
        let server_id = profile.server_id.as_ref().unwrap_or(&self.account.srv_id);
        let server_id = SrvId::parse(&fill("dm1.server_id", server_id)?)?;
        if !Acl::holds(&server_id) {
            return Err(Dm1BuildError::NotForAcl);
        }
        let addr = fill("dm1.address", &profile.address)?;
        ServerUri::parse(&addr).map_err(|_| Dm1BuildError::Address)?;
        let user = profile.user.as_deref().unwrap_or("{dev_id}");
        let user = fill("dm1.user", user)?;
        if profile.auth == Dm1Auth::Basic && user.contains(':') {
            return Err(Dm1BuildError::Colon);
        }
        let auth_type = profile.auth.auth_type();
        let auth = |node, level, name: &str, secret: &Secret, nonce: &Nonce| {
            NodeName::parse(node).ok().map(|node| AppAuth1 {
                node,
                level,
                auth_type,
                name: Some(name.to_owned()),
                secret: Some(secret.clone()),
                nonce: Some(Secret::new(nonce.octets().to_vec())),
            })
        };
        let (client, server) = (
            (&credentials.client_secret, &credentials.client_nonce),
            (&credentials.server_secret, &credentials.server_nonce),
        );
        let auths = [
            auth("1", AuthLevel1::ClCred, &user, client.0, client.1),
            auth(
                "2",
                AuthLevel1::SrvCred,
                server_id.as_str(),
                server.0,
                server.1,
            ),
        ];
        let address = NodeName::parse("1").ok().map(|node| AppAddr1 {
            node,
            addr,
            addr_type: AddrType1::Uri,
            ports: Vec::new(),
        });
        let mut account = DmAcc1 {
            name: Some(fill("account.name", &self.account.name)?),
            addresses: address.into_iter().collect(),
            auth_pref: Some(auth_type.name().to_owned()),
            auths: auths.into_iter().flatten().collect(),
            ..DmAcc1::new(server_id)
        };
        match profile.connectivity.as_slice() {
            [] => {}
            [one] => account.pref_con_ref = Some(one.clone()),
            several => account.to_con_refs = several.to_vec(),
        }
        Ok(account)
    }

    /// Builds the bootstrap of DM 1.x for one device.
    ///
    /// # Errors
    /// [`Dm1BuildError`] naming the key.
    pub fn build_dm1(
        &self,
        inputs: &ProfileInputs,
        credentials: &Dm1Credentials,
        format: Dm1Format,
    ) -> Result<Dm1Package, Dm1BuildError> {
        self.build_dm1_for(inputs, credentials, format, AppSrvIs::default())
    }

    /// The same for a device that may read `AAUTHLEVEL` of a provisioning document the other way round (`dm1x.md` §10, hazard 3).
    ///
    /// # Errors
    /// [`Dm1BuildError`] naming the key.
    pub fn build_dm1_for(
        &self,
        inputs: &ProfileInputs,
        credentials: &Dm1Credentials,
        format: Dm1Format,
        app_srv: AppSrvIs,
    ) -> Result<Dm1Package, Dm1BuildError> {
        let profile = self.dm1.as_ref().ok_or(Dm1BuildError::NotSaid)?;
        let mut account = self.dm_acc1(inputs, credentials)?;
        let source = account
            .addresses
            .first()
            .map(|address| address.addr.clone());
        let document = match format {
            Dm1Format::Dm => dm_message(
                &account,
                inputs.dev_id.as_str(),
                &source.unwrap_or_default(),
                profile.protocol,
            )?,
            Dm1Format::Cp => {
                // A provisioning document has no place for it.
                account.auth_pref = None;
                let mut characteristics = Vec::new();
                for one in &profile.characteristic {
                    if !KNOWN.contains(&one.kind.as_str()) {
                        return Err(Dm1BuildError::Characteristic(one.kind.clone()));
                    }
                    characteristics.push(one.written()?);
                }
                let w7 = with_proxies(w7_of_account(&account, profile.init)?, &characteristics);
                let w7 = written_for(w7, app_srv);
                characteristics.push(w7.characteristic());
                let version = match profile.version {
                    CpVersion::V1_0 => "1.0",
                    CpVersion::V1_1 => "1.1",
                };
                let document = ProvisioningDocument {
                    version: version.to_owned(),
                    characteristics,
                };
                document.encode(Encoding::Wbxml)?
            }
        };
        let hash = PayloadHash::of(&document);
        Ok(Dm1Package {
            document: Secret::new(document),
            format,
            account,
            hash,
        })
    }
}

impl CharacteristicProfile {
    fn written(&self) -> Result<Characteristic, Dm1BuildError> {
        let parm = |written: &Vec<String>| match written.as_slice() {
            [name] => Ok(Parm::bare(name)),
            [name, value] => Ok(Parm::new(name, value.as_str())),
            _ => Err(Dm1BuildError::Parm(self.kind.clone())),
        };
        let parms = self.parms.iter().map(parm).collect::<Result<_, _>>()?;
        let within = self.characteristic.iter().map(Self::written);
        Ok(Characteristic {
            characteristics: within.collect::<Result<_, _>>()?,
            ..Characteristic::new(&self.kind, parms)
        })
    }
}

impl fmt::Debug for CharacteristicProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.parms.iter().filter_map(|parm| parm.first()).collect();
        f.debug_struct("CharacteristicProfile")
            .field("type", &self.kind)
            .field("parms", &names)
            .field("characteristic", &self.characteristic)
            .finish()
    }
}
