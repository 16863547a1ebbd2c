use std::borrow::Cow;
use std::path::Path;

use omadm_bootstrap::PayloadHash;
use omadm_mo::Secret;
use serde::{Deserialize, Serialize};

use crate::{CarrierError, write_private};

/// A way by which a DM Bootstrap reaches a device.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Carrier {
    /// An image in the device's storage (D50).
    Factory,
    /// The files of a smartcard (`smartcard.md` §3).
    Smartcard,
    /// An address that the device fetches from (D55).
    Url,
    /// A document that is pushed: over mutual TLS (D56), or one of DM 1.x by WAP push (`push.md` §1).
    Push,
}

/// A file of a carrier.
#[derive(Clone, PartialEq, Eq)]
pub struct CarrierFile {
    /// Its name, one step of a path.
    pub name: Cow<'static, str>,
    /// Its octets.
    pub octets: Secret,
}

/// All files of one carrier for one device, the description left out.
#[derive(Clone, PartialEq, Eq)]
pub struct CarrierSet {
    /// What it is.
    pub description: Description,
    /// The files the description names, in its order.
    pub files: Vec<CarrierFile>,
}

/// What a carrier's folder says of itself: the file [`Description::FILE`]. Holds no secret.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Description {
    /// Which carrier.
    pub carrier: Carrier,
    /// The device it was built for; none where it is the same for every device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub device: Option<String>,
    /// `cp` or `dm`: the form of a document of DM 1.x.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile_format: Option<String>,
    /// The servers whose accounts it brings (SrvID), in the document's order; none for a URL.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<String>,
    /// SHA-256 of the document, as the device reports it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload_sha256: Option<PayloadHash>,
    /// The address a URL leads to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub url: Option<String>,
    /// SHA-256 of the public key to which the image is sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed_to: Option<PayloadHash>,
    /// Which card a device says it has that reads the described one, as `serial:0102…`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub card: Option<String>,
    /// Media type by which a push is sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub content_type: Option<String>,
    /// How a document of DM 1.x is signed, and how many SMS carry it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub push: Option<DescribedPush>,
    /// The files; the document first where it is a file of its own.
    pub files: Vec<DescribedFile>,
}

/// A WAP push as its description knows it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DescribedPush {
    /// `NETWPIN`, `USERPIN` or `USERNETWPIN`.
    pub sec: String,
    /// SMS.
    pub sms: usize,
}

/// A file as its description knows it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DescribedFile {
    /// Its name.
    pub name: String,
    /// Its length.
    pub octets: usize,
    /// SHA-256 of its octets.
    pub sha256: PayloadHash,
}

impl Carrier {
    /// Every carrier.
    pub const ALL: [Self; 4] = [Self::Factory, Self::Smartcard, Self::Url, Self::Push];

    /// Its name for people, files and command lines.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Factory => "factory",
            Self::Smartcard => "smartcard",
            Self::Url => "url",
            Self::Push => "push",
        }
    }
}

impl CarrierFile {
    pub(crate) fn new(name: impl Into<Cow<'static, str>>, octets: Secret) -> Self {
        let name = name.into();
        Self { name, octets }
    }

    pub(crate) fn described(&self, name: String) -> DescribedFile {
        DescribedFile {
            name,
            octets: self.octets.len(),
            sha256: PayloadHash::of(self.octets.expose()),
        }
    }
}

impl Description {
    /// Its name in the folder.
    pub const FILE: &'static str = "carrier.json";

    pub(crate) const fn empty(carrier: Carrier) -> Self {
        Self {
            carrier,
            device: None,
            profile_format: None,
            servers: Vec::new(),
            payload_sha256: None,
            url: None,
            sealed_to: None,
            card: None,
            content_type: None,
            push: None,
            files: Vec::new(),
        }
    }

    /// Writes it, for people to read too.
    ///
    /// # Errors
    /// [`CarrierError::Describe`].
    pub fn write(&self) -> Result<String, CarrierError> {
        let text = serde_json::to_string_pretty(self).map_err(CarrierError::Describe)?;
        Ok(text + "\n")
    }
}

impl CarrierSet {
    /// Writes the files, then the description, into a folder that is made where it is missing. Each file is there as a whole or not at all.
    ///
    /// # Errors
    /// [`CarrierError`] naming the file.
    pub fn write_into(&self, folder: &Path) -> Result<(), CarrierError> {
        let io = |file: &Path, cause| CarrierError::Write {
            file: file.to_owned(),
            cause,
        };
        std::fs::create_dir_all(folder).map_err(|cause| io(folder, cause))?;
        for file in &self.files {
            let path = folder.join(&*file.name);
            write_private(&path, file.octets.expose()).map_err(|cause| io(&path, cause))?;
        }
        let path = folder.join(Description::FILE);
        write_private(&path, self.description.write()?.as_bytes()).map_err(|cause| io(&path, cause))
    }
}
