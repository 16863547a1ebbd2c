//! Carriers: how octets reach a device that has not called (DESIGN §2). Each takes an address and octets, and tells what is known of their arrival.

mod address;
pub(crate) mod device_post;
mod file;
mod https;
mod sms;
mod udp;

use std::fmt;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use omadm_push::wsp;
use omadm_smpp::LateReceipt;
use omadm_tls::{CertificateDer, Fingerprint, Identity};
use tokio::sync::mpsc;

pub(crate) use address::{AddressError, PushAddress};

use file::FileCarrier;
use https::HttpsCarrier;
use sms::{SmsCarrier, SmsFault};
use udp::UdpCarrier;

use crate::config::ServerConfig;

/// Octets on their way to a device.
pub(crate) struct Push<'a> {
    pub(crate) to: &'a PushAddress,
    pub(crate) payload: Payload<'a>,
    /// Certificates of the device: one of these at the other end is the device, whatever name it bears.
    pub(crate) device: &'a [Fingerprint],
}

/// What goes. Nothing else does: a document of DM 2.0 holds secrets, and these carriers hide none (DESIGN §11.5).
#[derive(Clone, Copy)]
pub(crate) enum Payload<'a> {
    /// A DM Notification of DM 2.0.
    Notification(&'a [u8]),
    /// A push of DM 1.x, a Package 0 or a signed bootstrap; the carrier numbers it.
    Wap(&'a wsp::Push),
}

/// What is known of octets that left.
#[derive(Debug)]
pub(crate) enum Delivery {
    /// They left; nobody tells whether they arrived.
    Sent,
    /// They left; the carrier tells later whether they arrived.
    Awaited(Arrival),
    /// The receiver has them.
    Taken,
}

/// Whether octets that left arrived, once it is known; nothing where the carrier lost track of them.
pub(crate) struct Arrival {
    /// The carrier's names for them: by these another process knows them.
    message_ids: Vec<String>,
    known: Pin<Box<dyn Future<Output = Arrived> + Send + Sync>>,
}

/// What is known in the end.
type Arrived = Option<Result<(), CarrierError>>;

/// Why octets did not reach a device.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum CarrierError {
    /// No such host, or nobody answers there. The address, the network or the device is at fault.
    #[error("{0} cannot be reached: {1}")]
    Unreachable(String, String),
    /// Who answers there is not the device. The address or the configuration is at fault.
    #[error("{0} is not the device: {1}")]
    NotTrusted(String, String),
    /// The receiver answered with this HTTP status.
    #[error("{0} answered with HTTP status {1}")]
    Status(String, u16),
    /// The SMSC did not take it, or says that the device did not get it.
    #[error("the SMSC {0}: {1}")]
    Smsc(String, SmsFault),
    /// Nothing can be written into the folder for pushes. The environment is at fault.
    #[error("the folder for pushes cannot be written: {0}")]
    Folder(String),
    /// The server was started without what the carrier needs. The configuration is at fault.
    #[error("{0}")]
    Missing(&'static str),
    /// This server cannot use the carrier. The configuration is at fault.
    #[error("the carrier cannot be used: {0}")]
    SetUp(String),
}

/// One way to reach devices.
#[async_trait]
pub(crate) trait PushCarrier: Send + Sync {
    /// Its name in events: the scheme of its addresses.
    fn name(&self) -> &'static str;

    /// Sends octets, and tries again a bounded number of times where that helps.
    async fn push(&self, push: &Push<'_>) -> Result<Delivery, CarrierError>;
}

impl Delivery {
    /// The stable name in API and events.
    pub(crate) const fn name(&self) -> &'static str {
        match self {
            Self::Sent | Self::Awaited(_) => "sent",
            Self::Taken => "taken",
        }
    }
}

impl CarrierError {
    /// What an operator can do about it.
    pub(crate) const fn action(&self) -> &'static str {
        match self {
            Self::Unreachable(..) => {
                "Check the address, and whether the device listens there: [listen] in its policy."
            }
            Self::NotTrusted(..) => {
                "Check the address; a gateway in between needs its CA named with --carrier-ca."
            }
            Self::Status(..) => {
                "Check the address and its path; an omadm device takes /notification."
            }
            Self::Smsc(_, fault) => fault.action(),
            Self::Folder(_) => {
                "Check that the folder of --push-dir is there and that the server may write into it."
            }
            Self::Missing(_) => {
                "Start the server with it: `omadm serve --help` tells how; or choose an address of another carrier."
            }
            Self::SetUp(_) => "Mend what it says.",
        }
    }
}

impl Arrival {
    fn new(
        message_ids: Vec<String>,
        known: impl Future<Output = Arrived> + Send + Sync + 'static,
    ) -> Self {
        Self {
            message_ids,
            known: Box::pin(known),
        }
    }

    pub(crate) fn message_ids(&self) -> &[String] {
        &self.message_ids
    }

    /// Waits until it is known.
    pub(crate) async fn known(self) -> Arrived {
        self.known.await
    }
}

impl fmt::Debug for Arrival {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Arrival")
    }
}

/// Every carrier of a server.
pub(crate) struct Carriers {
    udp: UdpCarrier,
    https: HttpsCarrier,
    sms: Option<SmsCarrier>,
    file: Option<FileCarrier>,
    late: Mutex<Option<mpsc::Receiver<LateReceipt>>>,
}

impl Carriers {
    /// Those that the settings allow. Begins to bind to the SMSC, where one is named.
    pub(crate) fn start(config: &ServerConfig, identity: &Identity) -> Self {
        let anchors: Vec<CertificateDer<'static>> = config.carrier_anchors.clone();
        let folder: Option<PathBuf> = config.push_dir.clone();
        let (sms, late) = config.smsc.clone().map(SmsCarrier::start).unzip();
        Self {
            udp: UdpCarrier,
            https: HttpsCarrier::new(identity.clone(), anchors),
            sms,
            late: Mutex::new(late),
            file: folder.map(FileCarrier::new),
        }
    }

    /// The carrier of an address.
    pub(crate) fn of(&self, to: &PushAddress) -> Result<&dyn PushCarrier, CarrierError> {
        Ok(match to {
            PushAddress::Udp { .. } => &self.udp,
            PushAddress::Https(_) => &self.https,
            PushAddress::Sms(_) => self.sms.as_ref().ok_or(CarrierError::Missing(
                "no SMSC is configured, so nothing goes by SMS: --smpp names its file",
            ))?,
            PushAddress::File(_) => self.file.as_ref().ok_or(CarrierError::Missing(
                "no folder for pushes is configured: --push-dir names it",
            ))?,
        })
    }

    /// Receipts of what another process submitted, to the first who asks.
    pub(crate) fn late_receipts(&self) -> Option<mpsc::Receiver<LateReceipt>> {
        let mut late = self.late.lock().unwrap_or_else(PoisonError::into_inner);
        late.take()
    }

    /// Unbinds from the SMSC.
    pub(crate) async fn end(&self) {
        if let Some(sms) = &self.sms {
            sms.end().await;
        }
    }
}
