use omadm_bootstrap::dm1::{AppSrvIs, Dm1Document, Dm1Format, document_octets};
use omadm_bootstrap::{PayloadHash, servers_of};
use omadm_dm1::markup::MarkupLimits;
use omadm_dm1::syncml::Encoding;
use omadm_mo::Secret;
use omadm_mo::json::Json;

use crate::FoundError;
use crate::document::{dm1_format, dm1_servers, json_limits};

/// A document with its hash. Holds secrets: no `Debug`.
pub struct OpenedDocument {
    /// Its octets, without what fills a card's file behind it.
    pub octets: Secret,
    /// As it was read.
    pub content: DocumentContent,
    /// SHA-256 of its octets, as a device reports it.
    pub payload: PayloadHash,
    /// The servers whose accounts it brings.
    pub servers: Vec<String>,
    /// SHA-256 of the public key to which it was sealed.
    pub sealed_to: Option<PayloadHash>,
}

/// A document of either generation. Holds secrets: no `Debug`.
pub enum DocumentContent {
    /// An MO serialization of DM 2.0.
    Dm2(Json),
    /// A provisioning document or a DM message of DM 1.x.
    Dm1(Box<Dm1Document>),
}

impl OpenedDocument {
    /// Reads a document as it is.
    pub(crate) fn read(octets: Secret) -> Result<Self, FoundError> {
        let encoding = Encoding::of_body(octets.expose());
        if dm1_format(octets.expose()).is_some() || encoding == Some(Encoding::Xml) {
            return Self::read_dm1(octets);
        }
        let json = Json::read(octets.expose(), json_limits(&octets));
        Ok(Self::of_json(octets, json.map_err(FoundError::Foreign)?))
    }

    fn read_dm1(octets: Secret) -> Result<Self, FoundError> {
        let octets = match document_octets(octets.expose()) {
            Some(document) if document.len() < octets.len() => Secret::new(document.to_vec()),
            _ => octets,
        };
        let limits = MarkupLimits {
            octets: octets.len(),
            ..MarkupLimits::UNPROVEN_BOOTSTRAP
        };
        let document = Dm1Document::read(octets.expose(), AppSrvIs::default(), limits)?;
        Ok(Self {
            payload: PayloadHash::of(octets.expose()),
            servers: dm1_servers(&document),
            octets,
            content: DocumentContent::Dm1(Box::new(document)),
            sealed_to: None,
        })
    }

    pub(crate) fn of_json(octets: Secret, json: Json) -> Self {
        Self {
            payload: PayloadHash::of(octets.expose()),
            servers: servers_of(&json),
            octets,
            content: DocumentContent::Dm2(json),
            sealed_to: None,
        }
    }

    /// The form of a document of DM 1.x.
    #[must_use]
    pub fn format(&self) -> Option<Dm1Format> {
        match &self.content {
            DocumentContent::Dm2(_) => None,
            DocumentContent::Dm1(document) => Some(document.format),
        }
    }
}
