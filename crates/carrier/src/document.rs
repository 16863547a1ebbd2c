use omadm_bootstrap::dm1::{AppSrvIs, Dm1Document, Dm1Format};
use omadm_bootstrap::{PayloadHash, servers_of};
use omadm_dm1::markup::MarkupLimits;
use omadm_dm1::syncml::Encoding;
use omadm_mo::json::{Json, JsonLimits};
use omadm_mo::{DevId, Secret};

use crate::CarrierError;
use crate::carrier::{Carrier, Description};

/// A document on its way to a carrier; of which generation it is its octets tell (`dm1x.md` M23).
#[derive(Clone)]
pub struct CarriedDocument {
    document: Secret,
    format: Option<Dm1Format>,
    servers: Vec<String>,
    device: Option<DevId>,
}

impl CarriedDocument {
    /// Takes a built document; `device` is told where it is for one device alone.
    ///
    /// # Errors
    /// [`CarrierError::Document`] and [`CarrierError::Dm1Document`] where no device would read it.
    pub fn new(document: Secret, device: Option<&DevId>) -> Result<Self, CarrierError> {
        let format = dm1_format(document.expose());
        let servers = match format {
            None => servers_of(&Json::read(document.expose(), json_limits(&document))?),
            Some(_) => {
                let limits = MarkupLimits::UNPROVEN_BOOTSTRAP;
                let read = Dm1Document::read(document.expose(), AppSrvIs::default(), limits)?;
                dm1_servers(&read)
            }
        };
        Ok(Self {
            document,
            format,
            servers,
            device: device.cloned(),
        })
    }

    /// Its octets; they may hold secrets.
    #[must_use]
    pub const fn document(&self) -> &Secret {
        &self.document
    }

    /// Its form where it is one of DM 1.x.
    #[must_use]
    pub const fn format(&self) -> Option<Dm1Format> {
        self.format
    }

    /// The servers whose accounts it brings.
    #[must_use]
    pub fn servers(&self) -> &[String] {
        &self.servers
    }

    pub(crate) const fn device(&self) -> Option<&DevId> {
        self.device.as_ref()
    }

    pub(crate) fn description(&self, carrier: Carrier) -> Description {
        Description {
            device: self.device.as_ref().map(ToString::to_string),
            profile_format: self.format.map(|format| format.name().to_owned()),
            servers: self.servers.clone(),
            payload_sha256: Some(PayloadHash::of(self.document.expose())),
            ..Description::empty(carrier)
        }
    }
}

/// The form of a document of DM 1.x in WBXML; XML is on no carrier (§5.7).
pub(crate) fn dm1_format(octets: &[u8]) -> Option<Dm1Format> {
    Dm1Format::of_document(octets).filter(|_| Encoding::of_body(octets) == Some(Encoding::Wbxml))
}

/// ServerIDs of the accounts of a document.
pub(crate) fn dm1_servers(document: &Dm1Document) -> Vec<String> {
    let accounts = document.accounts.iter();
    accounts
        .map(|one| one.account.server_id.as_str().to_owned())
        .collect()
}

/// As long as the document is.
pub(crate) fn json_limits(octets: &Secret) -> JsonLimits {
    let default = JsonLimits::default();
    JsonLimits {
        octets: octets.len().max(default.octets),
        ..default
    }
}
