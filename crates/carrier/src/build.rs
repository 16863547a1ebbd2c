use omadm_bootstrap::profile::size_limit;
use omadm_bootstrap::{BootstrapMethod, PayloadHash, SealedImage};
use omadm_dm2::media_type;
use omadm_mo::{DevId, Secret, ServerUri};
use omadm_tls::SealingKey;

use crate::card_files::{self, CardOptions};
use crate::carrier::{Carrier, CarrierFile, CarrierSet, Description};
use crate::push_files::{self, PushOptions};
use crate::{CarriedDocument, CarrierError, qr};

/// What a carrier is built with besides the document.
#[derive(Clone, Default)]
pub struct BuildOptions<'a> {
    /// The address that the carrier URL leads to.
    pub url: Option<&'a ServerUri>,
    /// Seals a factory image to a device's key.
    pub seal_to: Option<&'a SealingKey>,
    /// The card.
    pub card: CardOptions,
    /// By what a pushed document of DM 1.x is signed.
    pub push: PushOptions,
}

/// Name of a factory image in JSON: of DM 2.0, or sealed.
const IMAGE: &str = "factory.json";
/// Name of a factory image of DM 1.x.
const IMAGE_WBXML: &str = "factory.wbxml";
/// Name of a document of DM 2.0 to be pushed.
const PUSH: &str = "push.json";
/// Name of the file with the address alone.
const URL: &str = "url.txt";
/// Name of the picture of its QR code.
const PICTURE: &str = "url.png";

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
        Carrier::Push => push(document, &options.push),
        Carrier::Url => build_url(
            options.url.ok_or(CarrierError::NoAddress)?,
            document.device(),
        ),
    }
}

fn factory(
    document: &CarriedDocument,
    seal_to: Option<&SealingKey>,
) -> Result<CarrierSet, CarrierError> {
    within(document, BootstrapMethod::Factory)?;
    let mut description = document.description(Carrier::Factory);
    let mut name = document.format().map_or(IMAGE, |_| IMAGE_WBXML);
    let image = match seal_to {
        None => document.document().clone(),
        Some(key) => {
            name = IMAGE;
            let sealed = key.seal(SealedImage::INFO, document.document())?;
            description.sealed_to = Some(PayloadHash::from_octets(key.fingerprint()));
            let image = SealedImage {
                recipient: key.fingerprint(),
                encapsulated: sealed.encapsulated,
                ciphertext: sealed.ciphertext,
            };
            Secret::from(image.write())
        }
    };
    Ok(set(description, vec![CarrierFile::new(name, image)]))
}

fn smartcard(
    document: &CarriedDocument,
    options: &CardOptions,
) -> Result<CarrierSet, CarrierError> {
    within(document, BootstrapMethod::Smartcard)?;
    let (files, identity) = card_files::write(document, options)?;
    let mut description = document.description(Carrier::Smartcard);
    description.card = Some(identity.to_string());
    Ok(set(description, files))
}

fn push(document: &CarriedDocument, options: &PushOptions) -> Result<CarrierSet, CarrierError> {
    within(document, BootstrapMethod::ServerInitiated)?;
    let mut description = document.description(Carrier::Push);
    let Some(format) = document.format() else {
        description.content_type = Some(media_type::MO.to_owned());
        let file = CarrierFile::new(PUSH, document.document().clone());
        return Ok(set(description, vec![file]));
    };
    let (files, pushed) = push_files::write(document.document(), format, options)?;
    description.content_type = Some(format.media_type().to_owned());
    description.push = Some(pushed);
    Ok(set(description, files))
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
        ..Description::empty(Carrier::Url)
    };
    let files = vec![
        CarrierFile::new(URL, Secret::from(format!("{text}\n"))),
        CarrierFile::new(PICTURE, Secret::new(picture)),
    ];
    Ok(set(description, files))
}

fn within(document: &CarriedDocument, method: BootstrapMethod) -> Result<(), CarrierError> {
    let (octets, limit) = (document.document().len(), size_limit(method));
    if octets > limit {
        return Err(CarrierError::TooBig { octets, limit });
    }
    Ok(())
}

fn set(mut description: Description, files: Vec<CarrierFile>) -> CarrierSet {
    let described = files
        .iter()
        .map(|file| file.described(file.name.to_string()));
    description.files = described.collect();
    CarrierSet { description, files }
}
