use std::collections::BTreeMap;

use omadm_mo::ddf::{Ddf, DdfError};
use omadm_mo::serialization::write_item;
use omadm_mo::standard::dm_acc::{AuthBootstrap, AuthNoti, AuthTrsp, PushGcm, SecMode};
use omadm_mo::standard::{DmAcc, MoRegistry, dac, dev_info, dm_acc, session_info};
use omadm_mo::{
    ClientUri, DevId, Moid, MoidError, Node, Secret, ServerUri, ServerUriError, SrvId, SrvIdError,
};

use super::mo_data;
use super::{BootstrapProfile, CredentialSlot, MoProfile};
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
    /// The notification secret made for the device.
    pub notification: Option<NotificationSecret>,
    /// DER certificate of the server's CA.
    pub server_ca: Option<Vec<u8>>,
    /// Texts of DDF files by the name the profile gives them.
    pub ddfs: BTreeMap<String, String>,
}

/// A certificate with its key, made for a device.
#[derive(Clone)]
pub struct IssuedCredential {
    /// DER certificate.
    pub certificate: Vec<u8>,
    /// DER PKCS#8 key.
    pub key: Secret,
}

/// `Auth/Noti` of one device.
#[derive(Clone)]
pub struct NotificationSecret {
    /// `Data`
    pub data: Vec<u8>,
    /// `Secret`
    pub secret: Secret,
}

/// Why no package was built. The profile or its caller is at fault.
#[derive(Clone, PartialEq, Debug, thiserror::Error)]
pub enum BuildError {
    /// `account.srv_id`
    #[error("account.srv_id: {0}")]
    SrvId(#[from] SrvIdError),
    /// A key that holds a URI.
    #[error("{key}: {error}")]
    Uri {
        /// The key.
        key: &'static str,
        /// What is wrong.
        error: ServerUriError,
    },
    /// A MOID in `perm` or `mo`.
    #[error("{key}: {error}")]
    Moid {
        /// The key.
        key: String,
        /// What is wrong.
        error: MoidError,
    },
    /// A credential, secret or certificate that `needs` lists was not brought.
    #[error("{0} is needed and was not given")]
    Missing(&'static str),
    /// A DDF file was not brought.
    #[error("the DDF file {0} is needed and was not given")]
    MissingDdf(String),
    /// A DDF cannot be read.
    #[error("the DDF file {file}: {error}")]
    Ddf {
        /// The file.
        file: String,
        /// What is wrong.
        error: DdfError,
    },
    /// No DDF describes the MO.
    #[error("no DDF describes {0}; name its file under `ddf`")]
    Undescribed(Moid),
    /// A node of `[mo.data]` does not fit.
    #[error("mo {moid}, {node}: {problem}")]
    Data {
        /// The MO.
        moid: Moid,
        /// The node.
        node: String,
        /// What is wrong.
        problem: String,
    },
}

impl BootstrapProfile {
    /// Builds the DM Bootstrap for one device: the account first, then the further objects. The same profile and inputs give the same bytes.
    ///
    /// # Errors
    /// [`BuildError`] naming the key or the node.
    pub fn build(
        &self,
        inputs: &ProfileInputs,
        registry: &MoRegistry,
    ) -> Result<BootstrapPackage, BuildError> {
        let account = self.dm_acc(inputs)?;
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
            let node = self.mo_node(mo, &moid, &ddf, inputs)?;
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
        let (profile, fill) = (&self.account, |text: &str| filled(text, inputs));
        let uri = |key, text: &str| {
            ServerUri::parse(&fill(text)).map_err(|error| BuildError::Uri { key, error })
        };
        let srv_id = SrvId::parse(&fill(&profile.srv_id))?;
        let mut account = DmAcc::new(
            srv_id,
            uri("account.srv_uri", &profile.srv_uri)?,
            fill(&profile.name),
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
                .credentials
                .get(&CredentialSlot::Bootstrap)
                .ok_or(BuildError::Missing("a credential for Auth/Bootstrap"))?;
            account.bootstrap = Some(AuthBootstrap {
                server_uri: uri("account.bootstrap.server_uri", &bootstrap.server_uri)?,
                sec_mode: SecMode::X509,
                client_pub_key: issued.certificate.clone(),
                server_pub_key: ca()?,
                client_secret_key: issued.key.clone(),
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
        if profile.trsp.is_some() {
            let issued = inputs
                .credentials
                .get(&CredentialSlot::Trsp)
                .ok_or(BuildError::Missing("a credential for Auth/Trsp"))?;
            account.trsp = Some(AuthTrsp {
                data: issued.certificate.clone(),
                secret: issued.key.clone(),
            });
        }
        if let Some(push) = &profile.push {
            account.gcm = Some(PushGcm {
                sender_id: fill(&push.sender_id),
                reg_uri: fill(&push.reg_uri),
                un_reg_uri: fill(&push.un_reg_uri),
                reg_params: fill(&push.reg_params),
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
        let read = |key: String, text: &str| {
            Moid::parse(text).map_err(|error| BuildError::Moid { key, error })
        };
        if let Some(listed) = &self.account.perm {
            return listed
                .iter()
                .map(|text| read("account.perm".to_owned(), text))
                .collect();
        }
        let mut moids = vec![
            dm_acc::moid(),
            dev_info::moid(),
            dac::moid(),
            session_info::moid(),
        ];
        for mo in &self.mo {
            moids.push(read("mo.moid".to_owned(), &mo.moid)?);
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
            key: "mo.moid".to_owned(),
            error,
        })?;
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
        Ok((moid.clone(), ddf.with_moid(moid)))
    }

    pub(super) fn mo_node(
        &self,
        mo: &MoProfile,
        moid: &Moid,
        ddf: &Ddf,
        inputs: &ProfileInputs,
    ) -> Result<Node, BuildError> {
        mo_data::bind(&mo.data, ddf, &|text| filled(text, inputs)).map_err(|error| {
            BuildError::Data {
                moid: moid.clone(),
                node: error.path.to_string(),
                problem: error.problem,
            }
        })
    }
}

/// Puts the device and the server into a text.
fn filled(text: &str, inputs: &ProfileInputs) -> String {
    text.replace("{dev_id}", inputs.dev_id.as_str())
        .replace("{server}", &inputs.server)
}
