use std::io;
use std::path::PathBuf;

use omadm_bootstrap::dm1::Dm1DocumentFault;
use omadm_bootstrap::{SealedImageError, SignError};
use omadm_card::CardFileSetError;
use omadm_mo::json::JsonError;
use omadm_push::sms::SegmentError;
use omadm_tls::SealingError;

/// Why a carrier was not built.
#[derive(Debug, thiserror::Error)]
pub enum CarrierError {
    /// The document is none; whoever built it is at fault.
    #[error("the document is no JSON: {0}")]
    Document(#[from] JsonError),
    /// No device would read the document of DM 1.x; whoever built it is at fault.
    #[error("the document of DM 1.x: {0}")]
    Dm1Document(#[from] Dm1DocumentFault),
    /// It is too long for this carrier. The profile is at fault.
    #[error("the document has {octets} octets, more than the {limit} of this carrier")]
    TooBig {
        /// Its length.
        octets: usize,
        /// The carrier's limit.
        limit: usize,
    },
    /// The key to seal to cannot be used. The configuration is at fault.
    #[error("sealing: {0}")]
    Sealing(#[from] SealingError),
    /// A sealed image came out that cannot be read.
    #[error("the sealed image: {0}")]
    Sealed(#[from] SealedImageError),
    /// Only a factory image is sealed. The caller is at fault.
    #[error("only a factory image is sealed to a device's key")]
    NotSealable,
    /// No card holds it. The profile or the card's values are at fault.
    #[error("the card's files: {0}")]
    Card(#[from] CardFileSetError),
    /// No device installs an unsigned push. The caller is at fault.
    #[error(
        "a pushed document of DM 1.x is signed by a PIN or the subscriber's IMSI, and neither is given"
    )]
    Unsigned,
    /// What a signature is made of is missing.
    #[error(transparent)]
    Sign(#[from] SignError),
    /// It is too long for SMS. The profile is at fault.
    #[error("the push: {0}")]
    Sms(#[from] SegmentError),
    /// The carrier URL leads nowhere. The caller is at fault.
    #[error("there is no address for the carrier url")]
    NoAddress,
    /// The address is too long for a QR code.
    #[error("the address does not fit into a QR code")]
    Qr,
    /// The picture of the QR code could not be written.
    #[error("the picture of the QR code: {0}")]
    Picture(#[source] png::EncodingError),
    /// The description could not be written.
    #[error("the description: {0}")]
    Describe(#[source] serde_json::Error),
    /// A file could not be written. The environment is at fault.
    #[error("{}: {cause}", file.display())]
    Write {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
}
