use std::time::Duration;

use rustls_pki_types::{CertificateDer, UnixTime};

use crate::pem::{self, PemKind};
use crate::{Fingerprint, SerialNumber};

/// Devices' clocks run late; what is issued is valid a little before it is issued.
const CLOCK_TOLERANCE: Duration = Duration::from_secs(300);

/// From when to when a certificate is valid, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CertificateValidity {
    /// First second.
    pub not_before: UnixTime,
    /// Last second.
    pub not_after: UnixTime,
}

impl CertificateValidity {
    /// From five minutes before `now`, for devices whose clock is late, until `lifetime` after it.
    #[must_use]
    pub const fn starting(now: UnixTime, lifetime: Duration) -> Self {
        Self {
            not_before: at(now.as_secs().saturating_sub(CLOCK_TOLERANCE.as_secs())),
            not_after: at(now.as_secs().saturating_add(lifetime.as_secs())),
        }
    }
}

/// A certificate to be named in a CRL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Revocation {
    /// The certificate's serial number.
    pub serial: SerialNumber,
    /// When it was revoked.
    pub at: UnixTime,
}

/// A certificate this CA issued, and what the operator's records keep of it.
#[derive(Clone, Debug)]
pub struct IssuedCertificate {
    /// The certificate.
    pub der: CertificateDer<'static>,
    /// Its serial number, by which a CRL revokes it.
    pub serial: SerialNumber,
    /// Its fingerprint, by which a device is registered (D71).
    pub fingerprint: Fingerprint,
    /// Its last second.
    pub not_after: UnixTime,
}

impl IssuedCertificate {
    /// The certificate as PEM.
    #[must_use]
    pub fn to_pem(&self) -> String {
        pem::encode(PemKind::Certificate, &self.der)
    }
}

const fn at(seconds: u64) -> UnixTime {
    UnixTime::since_unix_epoch(Duration::from_secs(seconds))
}
