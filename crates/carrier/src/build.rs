use omadm_bootstrap::profile::size_limit;
use omadm_bootstrap::{BootstrapMethod, PayloadHash, SealedImage, servers_of};
use omadm_dm2::media_type;
use omadm_mo::json::{Json, JsonLimits};
use omadm_mo::{DevId, Secret, ServerUri};
use omadm_tls::SealingKey;

use crate::card_files::{self, CardOptions};
use crate::carrier::{Carrier, CarrierFile, CarrierSet, Description};
use crate::{CarrierError, qr};

/// A document on its way to a carrier.
#[derive(Clone)]
pub struct CarriedDocument {
    document: Secret,
    servers: Vec<String>,
    device: Option<DevId>,
}

/// What a carrier is built with besides the document.
#[derive(Clone, Default)]
pub struct BuildOptions<'a> {
    /// The address that the carrier URL leads to.
    pub url: Option<&'a ServerUri>,
    /// Seals a factory image to a device's key.
    pub seal_to: Option<&'a SealingKey>,
    /// The card.
    pub card: CardOptions,
}

/// Name of a factory image.
pub(crate) const IMAGE: &str = "factory.json";
/// Name of a document to be pushed.
pub(crate) const PUSH: &str = "push.json";
/// Name of the file with the address alone.
pub(crate) const URL: &str = "url.txt";
/// Name of the picture of its QR code.
pub(crate) const PICTURE: &str = "url.png";

impl CarriedDocument {
    /// Takes a built document; `device` is told where it is for one device alone.
    ///
    /// # Errors
    /// [`CarrierError::Document`] where it is no JSON.
    pub fn new(document: Secret, device: Option<&DevId>) -> Result<Self, CarrierError> {
        let limits = JsonLimits {
            octets: document.len().max(JsonLimits::default().octets),
            ..JsonLimits::default()
        };
        let servers = servers_of(&Json::read(document.expose(), limits)?);
        Ok(Self {
            document,
            servers,
            device: device.cloned(),
        })
    }

    /// Its octets; they may hold secrets.
    #[must_use]
    pub const fn document(&self) -> &Secret {
        &self.document
    }

    /// The servers whose accounts it brings.
    #[must_use]
    pub fn servers(&self) -> &[String] {
        &self.servers
    }

    fn description(&self, carrier: Carrier) -> Description {
        Description {
            device: self.device.as_ref().map(ToString::to_string),
            servers: self.servers.clone(),
            payload_sha256: Some(PayloadHash::of(self.document.expose())),
            ..empty(carrier)
        }
    }
}

/// Makes the files of a carrier.
///
/// # Errors
/// [`CarrierError`].
pub fn build(
    carrier: Carrier,
    document: &CarriedDocument,
    options: &BuildOptions<'_>,
) -> Result<CarrierSet, CarrierError> {
    let seal_to = options.seal_to;
    if seal_to.is_some() && carrier != Carrier::Factory {
        return Err(CarrierError::NotSealable);
    }
    match carrier {
        Carrier::Factory => factory(document, seal_to),
        Carrier::Smartcard => smartcard(document, &options.card),
        Carrier::Push => push(document),
        Carrier::Url => build_url(
            options.url.ok_or(CarrierError::NoAddress)?,
            document.device.as_ref(),
        ),
    }
}

fn factory(
    document: &CarriedDocument,
    seal_to: Option<&SealingKey>,
) -> Result<CarrierSet, CarrierError> {
    within(document, BootstrapMethod::Factory)?;
    let mut description = document.description(Carrier::Factory);
    let image = match seal_to {
        None => document.document.clone(),
        Some(key) => {
            let sealed = key.seal(SealedImage::INFO, &document.document)?;
            description.sealed_to = Some(PayloadHash::from_octets(key.fingerprint()));
            let image = SealedImage {
                recipient: key.fingerprint(),
                encapsulated: sealed.encapsulated,
                ciphertext: sealed.ciphertext,
            };
            Secret::from(image.write())
        }
    };
    Ok(set(description, vec![CarrierFile::new(IMAGE, image)]))
}

fn smartcard(
    document: &CarriedDocument,
    options: &CardOptions,
) -> Result<CarrierSet, CarrierError> {
    within(document, BootstrapMethod::Smartcard)?;
    let device = document.device.as_ref();
    let (files, identity) = card_files::write(&document.document, device, options)?;
    let mut description = document.description(Carrier::Smartcard);
    description.card = Some(identity.to_string());
    Ok(set(description, files))
}

fn push(document: &CarriedDocument) -> Result<CarrierSet, CarrierError> {
    within(document, BootstrapMethod::ServerInitiated)?;
    let mut description = document.description(Carrier::Push);
    description.content_type = Some(media_type::MO.to_owned());
    let file = CarrierFile::new(PUSH, document.document.clone());
    Ok(set(description, vec![file]))
}

/// Makes the files of an address, which need no document: it alone, and a picture of its QR code. `device` is told where it is for one device alone.
///
/// # Errors
/// [`CarrierError::Qr`] where it is too long.
pub fn build_url(url: &ServerUri, device: Option<&DevId>) -> Result<CarrierSet, CarrierError> {
    let text = url.as_str();
    let picture = qr::picture(&qr::code(text)?, text)?;
    let description = Description {
        device: device.map(ToString::to_string),
        url: Some(text.to_owned()),
        ..empty(Carrier::Url)
    };
    let files = vec![
        CarrierFile::new(URL, Secret::from(format!("{text}\n"))),
        CarrierFile::new(PICTURE, Secret::new(picture)),
    ];
    Ok(set(description, files))
}

fn within(document: &CarriedDocument, method: BootstrapMethod) -> Result<(), CarrierError> {
    let (octets, limit) = (document.document.len(), size_limit(method));
    if octets > limit {
        return Err(CarrierError::TooBig { octets, limit });
    }
    Ok(())
}

fn set(mut description: Description, files: Vec<CarrierFile>) -> CarrierSet {
    let described = files
        .iter()
        .map(|file| file.described(file.name.to_owned()));
    description.files = described.collect();
    CarrierSet { description, files }
}

const fn empty(carrier: Carrier) -> Description {
    Description {
        carrier,
        device: None,
        servers: Vec::new(),
        payload_sha256: None,
        url: None,
        sealed_to: None,
        card: None,
        content_type: None,
        files: Vec::new(),
    }
}
