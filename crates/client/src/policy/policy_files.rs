use std::path::PathBuf;

use omadm_card::dialogue::CardPinError;
use omadm_tls::pem::{self, PemError};
use omadm_tls::{CertificateDer, ProfileUnsupported, PskError};

use crate::reader::NoPcsc;

/// Why a file that the policy names cannot be used. The configuration is at fault.
#[derive(Debug, thiserror::Error)]
pub enum PolicyFileError {
    /// It cannot be read.
    #[error("{}: {cause}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        cause: std::io::Error,
    },
    /// It holds no certificate in PEM.
    #[error("{}: {cause}", file.display())]
    Pem {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        cause: PemError,
    },
    /// It holds no pre-shared key.
    #[error("{}: {cause}", file.display())]
    Psk {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        cause: PskError,
    },
    /// A pre-shared key was given to a build that has none.
    #[error("[identity] psk_identity: {0}")]
    NoPsk(#[from] ProfileUnsupported),
    /// The link to the SMSC is set as SMPP cannot have it.
    #[error("[listen.smpp] {0}")]
    Smpp(#[from] omadm_smpp::EsmeConfigError),
    /// No trust in the SMSC could be set up.
    #[error("[listen.smpp] {0}")]
    SmppTrust(#[from] omadm_tls::ServerTrustError),
    /// No TLS with the SMSC could be set up.
    #[error("[listen.smpp] {0}")]
    SmppTls(#[from] omadm_tls::ConnectorSetupError),
    /// It holds no PIN.
    #[error("{}: {cause}", file.display())]
    CardPin {
        /// The file.
        file: PathBuf,
        /// Why.
        #[source]
        cause: CardPinError,
    },
    /// A card reader of the system was named to a build without PC/SC.
    #[error(
        "[bootstrap.smartcard] readers: {0}; name files, like virtual:card.json, or build omadm with the feature `pcsc`"
    )]
    NoCardReader(#[from] NoPcsc),
    /// The system's anchors were asked for.
    #[error(
        "the policy asks for the system's trust anchors, which this build does not read; name the files under [trust] anchors"
    )]
    SystemTrust,
}

/// All certificates of the files.
pub(crate) fn certificates(
    files: &[PathBuf],
) -> Result<Vec<CertificateDer<'static>>, PolicyFileError> {
    let mut all = Vec::new();
    for file in files {
        let text = std::fs::read_to_string(file).map_err(|error| PolicyFileError::Read {
            file: file.clone(),
            cause: error,
        })?;
        all.extend(
            pem::certificates(&text).map_err(|error| PolicyFileError::Pem {
                file: file.clone(),
                cause: error,
            })?,
        );
    }
    Ok(all)
}
