//! Carriers: how octets reach a device that has not called (DESIGN §2). Each takes an address and octets, and tells what is known of their arrival.

mod address;
mod https;
mod udp;

use async_trait::async_trait;
use omadm_tls::{CertificateDer, Fingerprint, Identity};

pub(crate) use address::{AddressError, PushAddress};

use https::HttpsCarrier;
use udp::UdpCarrier;

/// Octets on their way to a device.
pub(crate) struct Push<'a> {
    pub(crate) to: &'a PushAddress,
    pub(crate) octets: &'a [u8],
    /// Media type, where the carrier has a place for it.
    pub(crate) media_type: &'static str,
    /// Certificates of the device: one of these at the other end is the device, whatever name it bears.
    pub(crate) device: &'a [Fingerprint],
}

/// What is known of octets that left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Delivery {
    /// They left; nobody tells whether they arrived.
    Sent,
    /// The receiver has them.
    Taken,
}

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
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Sent => "sent",
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
            Self::SetUp(_) => "Mend what it says.",
        }
    }
}

/// The carrier of an address.
pub(crate) fn carrier_of(
    to: &PushAddress,
    identity: &Identity,
    anchors: &[CertificateDer<'static>],
) -> Box<dyn PushCarrier> {
    match to {
        PushAddress::Udp { .. } => Box::new(UdpCarrier),
        PushAddress::Https(_) => Box::new(HttpsCarrier::new(identity.clone(), anchors.to_vec())),
    }
}
