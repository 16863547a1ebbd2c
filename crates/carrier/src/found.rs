//! Carriers read back: a folder, a batch, or a single file; which one is seen from what is there.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use omadm_bootstrap::dm1::Dm1DocumentFault;
use omadm_bootstrap::{PayloadHash, SealedImage, SealedImageError};
use omadm_card::test_card::{CardDescription, CardDescriptionError};
use omadm_card::{CardFileSet, CardFileSetError};
use omadm_mo::json::{Json, JsonError};
use omadm_mo::{Secret, ServerUri};
use omadm_tls::{DeviceKey, Sealed, SealingError};

use crate::carrier::{Carrier, Description};
use crate::document::{dm1_format, json_limits};
use crate::found_push::octets_of;
use crate::manifest::{self, ManifestEntry};
use crate::{FoundPush, OpenedDocument, PushReadError, card_files, qr};

/// What lies at a path. Holds secrets: no `Debug`.
pub enum Found {
    /// The folder of one carrier.
    Carrier {
        /// What it says of itself.
        description: Box<Description>,
        /// Files that are missing or are not as they were built.
        damaged: Vec<String>,
        /// Its document; none for a URL, and for a sealed image without its key.
        document: Option<OpenedDocument>,
    },
    /// The folder of a batch.
    Batch {
        /// Which carrier.
        carrier: Carrier,
        /// A device each.
        entries: Vec<ManifestEntry>,
        /// Devices whose files are missing or are not as they were built.
        damaged: Vec<String>,
    },
    /// A document.
    Document(OpenedDocument),
    /// A WAP push that brings one of DM 1.x.
    Push(Box<FoundPush>),
    /// The description of a card, or an APDU script that writes one.
    Card(FoundCard),
    /// A sealed image that was not opened.
    Sealed {
        /// SHA-256 of the public key that opens it.
        recipient: PayloadHash,
    },
    /// An address.
    Url(ServerUri),
}

/// A card as it was read. Holds secrets: no `Debug`.
pub struct FoundCard {
    /// Which card it is, as `iccid:8949…`; none where it does not tell, and for a script.
    pub card: Option<String>,
    /// The bootstraps, the one of highest priority first.
    pub documents: Vec<OpenedDocument>,
    /// What could not be read, and why.
    pub troubles: Vec<String>,
}

/// Why nothing could be made of a path.
#[derive(Debug, thiserror::Error)]
pub enum FoundError {
    /// It cannot be read.
    #[error("{}: {cause}", path.display())]
    Read {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
    /// A folder without description or manifest.
    #[error(
        "the folder holds neither {} nor {}",
        Description::FILE,
        manifest::MANIFEST
    )]
    Folder,
    /// A description that is none.
    #[error("{file}: {0}", file = Description::FILE)]
    Description(#[source] serde_json::Error),
    /// A card's description.
    #[error("card description: {0}")]
    Card(#[from] CardDescriptionError),
    /// A card's files.
    #[error("card files: {0}")]
    CardFiles(#[from] CardFileSetError),
    /// A document of DM 1.x with a fault.
    #[error("document of DM 1.x: {0}")]
    Dm1(#[from] Dm1DocumentFault),
    /// No push that brings one.
    #[error("push: {0}")]
    Push(#[from] PushReadError),
    /// No JSON, no picture of ours, no address.
    #[error("no document, no address, and no picture that omadm made: {0}")]
    Foreign(#[source] JsonError),
    /// A sealed image that is broken.
    #[error("sealed image: {0}")]
    Sealed(#[from] SealedImageError),
    /// The key does not open it.
    #[error("sealed image: {0}")]
    Opening(#[from] SealingError),
}

impl Found {
    /// Looks at a path; `key` opens sealed images.
    ///
    /// # Errors
    /// [`FoundError`].
    pub fn at(path: &Path, key: Option<&DeviceKey>) -> Result<Self, FoundError> {
        let error = |cause| FoundError::Read {
            path: path.to_owned(),
            cause,
        };
        if !fs::metadata(path).map_err(error)?.is_dir() {
            return Self::of(Secret::new(fs::read(path).map_err(error)?), key);
        }
        if let Some((head, entries)) = manifest::read(path).map_err(error)? {
            let damaged = entries.iter().filter(|entry| !entry.is_intact(path));
            return Ok(Self::Batch {
                carrier: head.batch,
                damaged: damaged.map(|entry| entry.device.clone()).collect(),
                entries,
            });
        }
        let text = match fs::read_to_string(path.join(Description::FILE)) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
                return Err(FoundError::Folder);
            }
            read => read.map_err(error)?,
        };
        let description: Description =
            serde_json::from_str(&text).map_err(FoundError::Description)?;
        let mut damaged = Vec::new();
        for file in &description.files {
            let octets = fs::read(path.join(&file.name)).unwrap_or_default();
            if PayloadHash::of(&octets) != file.sha256 {
                damaged.push(file.name.clone());
            }
        }
        if description.carrier == Carrier::Smartcard {
            let mut document = None;
            if damaged.is_empty() {
                let read = card_files::read(|name| fs::read(path.join(name)));
                document = Some(OpenedDocument::read(read.map_err(error)??)?);
            }
            return Ok(Self::Carrier {
                description: Box::new(description),
                damaged,
                document,
            });
        }
        let main = match description.carrier {
            Carrier::Factory | Carrier::Push => description.files.first(),
            Carrier::Smartcard | Carrier::Url => None,
        };
        let main = main.filter(|file| !damaged.contains(&file.name));
        let document = match main.map(|file| fs::read(path.join(&file.name)).map_err(error)) {
            None => None,
            Some(octets) => match Self::of(Secret::new(octets?), key)? {
                Self::Document(document) => Some(document),
                _ => None,
            },
        };
        Ok(Self::Carrier {
            description: Box::new(description),
            damaged,
            document,
        })
    }

    /// Looks at the octets of one file.
    ///
    /// # Errors
    /// [`FoundError`].
    pub fn of(octets: Secret, key: Option<&DeviceKey>) -> Result<Self, FoundError> {
        let pictured = qr::address(octets.expose());
        let text = pictured
            .as_deref()
            .or_else(|| str::from_utf8(octets.expose()).ok());
        if let Some(url) = text.and_then(|text| ServerUri::parse(text.trim()).ok()) {
            return Ok(Self::Url(url));
        }
        if let Some(text) = text.filter(|text| text.starts_with(CardFileSet::SCRIPT_HEAD)) {
            let documents = card_files::read_script(text)?;
            return Ok(Self::Card(FoundCard::of(None, documents, Vec::new())));
        }
        if text.is_some_and(|text| text.trim_ascii_start().starts_with('<')) {
            return OpenedDocument::read(octets).map(Self::Document);
        }
        if let Some(octets) = octets_of(octets.expose()) {
            if dm1_format(&octets).is_some() {
                return OpenedDocument::read(Secret::new(octets)).map(Self::Document);
            }
            if let Some(push) = FoundPush::look(&octets) {
                return Ok(Self::Push(Box::new(push?)));
            }
        }
        let limits = json_limits(&octets);
        let json = Json::read(octets.expose(), limits).map_err(FoundError::Foreign)?;
        let is_card = json.member("profile").is_some() && json.member("files").is_some();
        if let Some(text) = text.filter(|_| is_card) {
            let reading = card_files::look(CardDescription::read(text)?)?;
            let (documents, troubles) = card_files::contents(&reading.outcome);
            let card = reading.identity.map(|card| card.to_string());
            return Ok(Self::Card(FoundCard::of(card, documents, troubles)));
        }
        if !SealedImage::is_meant(octets.expose()) || json.member("MOData").is_some() {
            return Ok(Self::Document(OpenedDocument::of_json(octets, json)));
        }
        let image = SealedImage::read(octets.expose(), limits)?;
        let recipient = PayloadHash::from_octets(image.recipient);
        let Some(key) = key else {
            return Ok(Self::Sealed { recipient });
        };
        let sealed = Sealed {
            encapsulated: image.encapsulated,
            ciphertext: image.ciphertext,
        };
        let octets = key.open_sealed(SealedImage::INFO, &sealed)?;
        Ok(Self::Document(OpenedDocument {
            sealed_to: Some(recipient),
            ..OpenedDocument::read(octets)?
        }))
    }

    /// Looks at the parts of one SMS, given in any order.
    ///
    /// # Errors
    /// [`FoundError`].
    pub fn of_parts(parts: &[Secret]) -> Result<Self, FoundError> {
        Ok(Self::Push(Box::new(FoundPush::of_parts(parts)?)))
    }

    /// The document, where there is one and it is open.
    #[must_use]
    pub fn into_document(self) -> Option<OpenedDocument> {
        match self {
            Self::Document(document) => Some(document),
            Self::Carrier { document, .. } => document,
            Self::Push(push) => Some(push.document),
            // Of several, none is meant more than the others.
            Self::Card(card) => {
                let [document] = <[_; 1]>::try_from(card.documents).ok()?;
                Some(document).filter(|_| card.troubles.is_empty())
            }
            Self::Batch { .. } | Self::Sealed { .. } | Self::Url(_) => None,
        }
    }
}

impl FoundCard {
    fn of(card: Option<String>, contents: Vec<Secret>, mut troubles: Vec<String>) -> Self {
        let mut documents = Vec::new();
        for octets in contents {
            match OpenedDocument::read(octets) {
                Ok(document) => documents.push(document),
                Err(why) => troubles.push(format!("a document cannot be read: {why}")),
            }
        }
        Self {
            card,
            documents,
            troubles,
        }
    }
}
