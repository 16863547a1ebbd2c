use std::collections::BTreeMap;

use omadm_mo::ddf::Ddf;
use omadm_mo::serialization::write_item;
use omadm_mo::standard::dm_acc::{AuthBootstrap, AuthNoti, AuthTrsp, HttpAuth, PushGcm, SecMode};
use omadm_mo::standard::{DmAcc, MoRegistry, dac, dev_info, dm_acc, session_info};
use omadm_mo::{ClientUri, DevId, Moid, Scheme, Secret, ServerUri, SrvId};

use super::mo_data::{self, Bound};
use super::placeholder::filled;
use super::{BootstrapProfile, BuildError, CredentialKind, CredentialSlot, MoProfile};
use crate::BootstrapPackage;

/// What differs from device to device and what the caller makes. Holds secrets: no `Debug`.
#[derive(Clone)]
pub struct ProfileInputs {
    /// The device; `{dev_id}` in texts.
    pub dev_id: DevId,
    /// Host and port of the server; `{server}` in texts.
    pub server: String,
    /// Credentials made for the device.
    pub credentials: BTreeMap<CredentialSlot, IssuedCredential>,
    /// User and password made for the device.
    pub http: Option<HttpLogin>,
    /// The notification secret made for the device.
    pub notification: Option<NotificationSecret>,
    /// DER certificate of the server's CA.
    pub server_ca: Option<Vec<u8>>,
    /// Texts of DDF files by the name the profile gives them.
    pub ddfs: BTreeMap<String, String>,
}

/// A credential made for a device, as the account has it (D44).
#[derive(Clone)]
pub struct IssuedCredential {
    /// What it is.
    pub kind: CredentialKind,
    /// DER certificate, or PSK identity of 1 to 128 octets UTF-8 that is no certificate.
    pub public: Vec<u8>,
    /// DER PKCS#8 key, or the pre-shared key, 16 to 64 octets.
    pub secret: Secret,
}

/// `Ext/HTTPAuth` of one device.
#[derive(Clone)]
pub struct HttpLogin {
    /// `User`
    pub user: String,
    /// `Password`, UTF-8.
    pub password: Secret,
}

/// `Auth/Noti` of one device.
#[derive(Clone)]
pub struct NotificationSecret {
    /// `Data`
    pub data: Vec<u8>,
    /// `Secret`
    pub secret: Secret,
}

impl ProfileInputs {
    /// A device and the server it is to call, with nothing made and no DDF.
    #[must_use]
    pub const fn new(dev_id: DevId, server: String) -> Self {
        Self {
            dev_id,
            server,
            credentials: BTreeMap::new(),
            http: None,
            notification: None,
            server_ca: None,
            ddfs: BTreeMap::new(),
        }
    }

    fn issued(&self, slot: CredentialSlot, kind: CredentialKind) -> Option<&IssuedCredential> {
        let issued = self.credentials.get(&slot);
        issued.filter(|issued| issued.kind == kind)
    }
}

const SRV_URI: &str = "account.srv_uri";
const SERVER_URI: &str = "account.bootstrap.server_uri";

impl BootstrapProfile {
    /// Builds the DM Bootstrap for one device: the account first, then the further objects. The same profile and inputs give the same bytes.
    ///
    /// # Errors
    /// [`BuildError`] naming the key or the node; a plain `http` server among them, so that nothing insecure leaves unvalidated.
    pub fn build(
        &self,
        inputs: &ProfileInputs,
        registry: &MoRegistry,
    ) -> Result<BootstrapPackage, BuildError> {
        let account = self.dm_acc(inputs)?;
        require_https(&account)?;
        let described = dm_acc::ddf();
        let uri = ClientUri::only_instance(dm_acc::moid());
        let name = registry.root_name(&dm_acc::moid()).unwrap_or("DMAcc");
        let mut items = vec![write_item(
            &uri,
            name,
            &account.to_node(),
            Some(described.root()),
            described.url(),
            None,
        )];
        for mo in &self.mo {
            let (moid, ddf) = self.described(mo, inputs, registry)?;
            let node = self.mo_node(mo, &moid, &ddf, inputs)?.node;
            let name = ddf.root().name().map_or("MO", |name| name.as_str());
            items.push(write_item(
                &ClientUri::only_instance(moid),
                name,
                &node,
                Some(ddf.root()),
                ddf.url(),
                None,
            ));
        }
        Ok(BootstrapPackage::of_items(items))
    }

    /// The account that the profile gives this device.
    ///
    /// # Errors
    /// [`BuildError`] naming the key.
    pub fn dm_acc(&self, inputs: &ProfileInputs) -> Result<DmAcc, BuildError> {
        let profile = &self.account;
        let fill = |key, text: &str| {
            filled(text, inputs).map_err(|unknown| BuildError::Placeholder {
                key,
                name: unknown.0,
            })
        };
        let uri = |key, text: &str| {
            ServerUri::parse(&fill(key, text)?).map_err(|error| BuildError::Uri { key, error })
        };
        let srv_id = SrvId::parse(&fill("account.srv_id", &profile.srv_id)?)?;
        let mut account = DmAcc::new(
            srv_id,
            uri(SRV_URI, &profile.srv_uri)?,
            fill("account.name", &profile.name)?,
            self.perm()?,
        );
        let ca = || {
            inputs
                .server_ca
                .clone()
                .ok_or(BuildError::Missing("the server's CA certificate"))
        };
        if let Some(bootstrap) = &profile.bootstrap {
            let issued = inputs
                .issued(CredentialSlot::Bootstrap, bootstrap.kind)
                .ok_or(BuildError::Missing("a credential for Auth/Bootstrap"))?;
            let (sec_mode, server_pub_key) = match bootstrap.kind {
                CredentialKind::X509 => (SecMode::X509, ca()?),
                // The key itself proves the server (D78).
                CredentialKind::Psk => (SecMode::Psk, issued.public.clone()),
            };
            account.bootstrap = Some(AuthBootstrap {
                server_uri: uri(SERVER_URI, &bootstrap.server_uri)?,
                sec_mode,
                client_pub_key: issued.public.clone(),
                server_pub_key,
                client_secret_key: issued.secret.clone(),
            });
        }
        if let Some(noti) = &profile.noti {
            let made = inputs
                .notification
                .as_ref()
                .ok_or(BuildError::Missing("a notification secret"))?;
            account.noti = Some(AuthNoti {
                kind: noti.kind,
                data: made.data.clone(),
                secret: made.secret.clone(),
            });
        }
        if let Some(trsp) = &profile.trsp {
            let issued = inputs
                .issued(CredentialSlot::Trsp, trsp.kind)
                .ok_or(BuildError::Missing("a credential for Auth/Trsp"))?;
            account.trsp = Some(AuthTrsp {
                data: issued.public.clone(),
                secret: issued.secret.clone(),
            });
        }
        if profile.http.is_some() {
            let made = inputs
                .http
                .clone()
                .ok_or(BuildError::Missing("a login for Ext/HTTPAuth"))?;
            account.http_auth = Some(HttpAuth {
                user: made.user,
                password: made.password,
            });
        }
        if let Some(push) = &profile.push {
            account.gcm = Some(PushGcm {
                sender_id: fill("account.push.sender_id", &push.sender_id)?,
                reg_uri: fill("account.push.reg_uri", &push.reg_uri)?,
                un_reg_uri: fill("account.push.un_reg_uri", &push.un_reg_uri)?,
                reg_params: fill("account.push.reg_params", &push.reg_params)?,
            });
        }
        if profile.trust_server_ca {
            account.trust = vec![ca()?];
        }
        Ok(account)
    }

    /// The Perm list: what the profile says, else the standard objects and those it delivers, in the order of their MOIDs (D85).
    ///
    /// # Errors
    /// [`BuildError::Moid`] for an entry that is none.
    pub fn perm(&self) -> Result<Vec<Moid>, BuildError> {
        let read =
            |key, text: &str| Moid::parse(text).map_err(|error| BuildError::Moid { key, error });
        if let Some(listed) = &self.account.perm {
            return listed
                .iter()
                .map(|text| read("account.perm", text))
                .collect();
        }
        let mut moids = vec![
            dm_acc::moid(),
            dev_info::moid(),
            dac::moid(),
            session_info::moid(),
        ];
        for mo in &self.mo {
            moids.push(read("mo.moid", &mo.moid)?);
        }
        moids.sort();
        moids.dedup();
        Ok(moids)
    }

    pub(super) fn described(
        &self,
        mo: &MoProfile,
        inputs: &ProfileInputs,
        registry: &MoRegistry,
    ) -> Result<(Moid, Ddf), BuildError> {
        let moid = Moid::parse(&mo.moid).map_err(|error| BuildError::Moid {
            key: "mo.moid",
            error,
        })?;
        if MoRegistry::standard().get(&moid).is_some() {
            return Err(BuildError::StandardMo(moid));
        }
        let Some(file) = &mo.ddf else {
            let known = registry
                .get(&moid)
                .cloned()
                .ok_or_else(|| BuildError::Undescribed(moid.clone()))?;
            return Ok((moid, known));
        };
        let text = inputs
            .ddfs
            .get(file)
            .ok_or_else(|| BuildError::MissingDdf(file.clone()))?;
        let ddf = Ddf::read(text).map_err(|error| BuildError::Ddf {
            file: file.clone(),
            error,
        })?;
        match ddf.moid() {
            Some(described) if *described != moid => Err(BuildError::OtherMoid {
                file: file.clone(),
                described: described.clone(),
                named: moid,
            }),
            _ => Ok((moid.clone(), ddf.with_moid(moid))),
        }
    }

    pub(super) fn mo_node(
        &self,
        mo: &MoProfile,
        moid: &Moid,
        ddf: &Ddf,
        inputs: &ProfileInputs,
    ) -> Result<Bound, BuildError> {
        mo_data::bind(&mo.data, ddf, &|text| filled(text, inputs)).map_err(|error| {
            BuildError::Data {
                moid: moid.clone(),
                node: error.path.to_string(),
                problem: error.problem,
            }
        })
    }
}

/// What every device refuses does not leave, whether or not it was validated.
fn require_https(account: &DmAcc) -> Result<(), BuildError> {
    let bootstrap = account.bootstrap.as_ref().map(|part| &part.server_uri);
    let named = [(SRV_URI, Some(&account.srv_uri)), (SERVER_URI, bootstrap)];
    for (key, uri) in named {
        if uri.is_some_and(|uri| uri.scheme() == Scheme::Http) {
            return Err(BuildError::Insecure { key });
        }
    }
    Ok(())
}
