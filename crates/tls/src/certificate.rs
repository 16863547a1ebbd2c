use std::sync::Arc;

use rustls_pki_types::{CertificateDer, UnixTime};
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::{FromDer as _, X509Certificate};
use x509_parser::time::ASN1Time;

use crate::{Fingerprint, SerialNumber};

/// Where a moment lies in a certificate's validity.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ValidityState {
    /// Before `notBefore`.
    NotYetValid,
    /// From `notBefore` to `notAfter`, both included.
    Valid,
    /// After `notAfter`.
    Expired,
}

/// What a leaf certificate says about its holder. Only a [`crate::Verdict`] says whether to believe it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leaf {
    fingerprint: Fingerprint,
    subject: String,
    subject_common_names: Vec<String>,
    san_uris: Vec<String>,
    issuer: String,
    serial: SerialNumber,
    not_before: UnixTime,
    not_after: UnixTime,
}

impl Leaf {
    /// Reads a DER X.509 certificate; `None` where it is none or octets follow it.
    #[must_use]
    pub fn parse(der: &[u8]) -> Option<Self> {
        let (rest, certificate) = X509Certificate::from_der(der).ok()?;
        if !rest.is_empty() {
            return None;
        }
        Some(Self {
            fingerprint: Fingerprint::of(der),
            subject: printable(&certificate.subject().to_string()),
            // Every CN and URI is kept, a strange one too, so that "the only one" (D71) is never one of several.
            subject_common_names: certificate
                .subject()
                .iter_common_name()
                .map(|name| String::from_utf8_lossy(name.as_slice()).into_owned())
                .collect(),
            san_uris: san_uris(&certificate),
            issuer: printable(&certificate.issuer().to_string()),
            serial: SerialNumber::from_octets(certificate.raw_serial()),
            not_before: unix_time(certificate.validity().not_before),
            not_after: unix_time(certificate.validity().not_after),
        })
    }

    /// SHA-256 of the DER.
    #[must_use]
    pub const fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// The subject for people to read; control characters are escaped.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Every common name of the subject, in order, as the certificate has it.
    #[must_use]
    pub fn subject_common_names(&self) -> &[String] {
        &self.subject_common_names
    }

    /// Every subject alternative name of type URI, in order, as the certificate has it.
    #[must_use]
    pub fn san_uris(&self) -> &[String] {
        &self.san_uris
    }

    /// The issuer for people to read; control characters are escaped.
    #[must_use]
    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    /// The serial number its issuer gave it, as CRLs name it.
    #[must_use]
    pub const fn serial(&self) -> &SerialNumber {
        &self.serial
    }

    /// First second of validity; a moment before 1970 reads as 1970.
    #[must_use]
    pub const fn not_before(&self) -> UnixTime {
        self.not_before
    }

    /// Last second of validity.
    #[must_use]
    pub const fn not_after(&self) -> UnixTime {
        self.not_after
    }

    /// Whether the certificate is valid at that moment, whoever issued it. A server that admits a certificate by its
    /// registered fingerprint asks this, since no chain speaks for it.
    #[must_use]
    pub fn validity_at(&self, now: UnixTime) -> ValidityState {
        if now < self.not_before {
            ValidityState::NotYetValid
        } else if now > self.not_after {
            ValidityState::Expired
        } else {
            ValidityState::Valid
        }
    }
}

/// The certificates a peer presented, leaf first; never empty. Cloning is cheap.
#[derive(Clone, Debug)]
pub struct PeerCertificates {
    chain: Arc<[CertificateDer<'static>]>,
    leaf: Option<Arc<Leaf>>,
    fingerprint: Fingerprint,
    /// Moments from which time may decide otherwise, ascending; `None` where a certificate could not be read.
    turning_points: Option<Arc<[UnixTime]>>,
}

impl PeerCertificates {
    /// Takes a chain, leaf first; `None` where it is empty.
    #[must_use]
    pub fn new(chain: &[CertificateDer<'_>]) -> Option<Self> {
        let first = chain.first()?;
        let parsed: Vec<_> = chain.iter().map(|der| Leaf::parse(der)).collect();
        let mut turning_points = Some(Vec::with_capacity(2 * parsed.len()));
        for certificate in &parsed {
            match (certificate, &mut turning_points) {
                (Some(certificate), Some(points)) => {
                    points.push(certificate.not_before);
                    points.push(second_after(certificate.not_after));
                }
                _ => turning_points = None,
            }
        }
        Some(Self {
            fingerprint: Fingerprint::of(first),
            leaf: parsed.into_iter().next().flatten().map(Arc::new),
            chain: chain.iter().map(|der| der.clone().into_owned()).collect(),
            turning_points: turning_points.map(|mut points| {
                points.sort_unstable();
                points.into()
            }),
        })
    }

    /// What was presented, leaf first.
    #[must_use]
    pub fn chain(&self) -> &[CertificateDer<'static>] {
        &self.chain
    }

    /// The leaf, unless it cannot be read ([`crate::Verdict::Malformed`]).
    #[must_use]
    pub fn leaf(&self) -> Option<&Leaf> {
        self.leaf.as_deref()
    }

    /// SHA-256 of the leaf's DER, whether it can be read or not.
    #[must_use]
    pub const fn fingerprint(&self) -> Fingerprint {
        self.fingerprint
    }

    /// Whether no certificate of the chain began or ceased to be valid between the two moments, in either direction:
    /// a judgement of one then holds at the other.
    pub(crate) fn same_validity(&self, one: UnixTime, other: UnixTime) -> bool {
        let passed = |points: &[UnixTime], now| points.partition_point(|point| *point <= now);
        self.turning_points
            .as_deref()
            .is_some_and(|points| passed(points, one) == passed(points, other))
    }
}

fn san_uris(certificate: &X509Certificate<'_>) -> Vec<String> {
    const URI_TAG: u32 = 6;
    certificate
        .extensions()
        .iter()
        .filter_map(|extension| match extension.parsed_extension() {
            ParsedExtension::SubjectAlternativeName(names) => Some(&names.general_names),
            _ => None,
        })
        .flatten()
        .filter_map(|name| match name {
            GeneralName::URI(uri) => Some((*uri).to_owned()),
            GeneralName::Invalid(tag, octets) if tag.0 == URI_TAG => {
                Some(String::from_utf8_lossy(octets).into_owned())
            }
            _ => None,
        })
        .collect()
}

fn unix_time(time: ASN1Time) -> UnixTime {
    at(u64::try_from(time.timestamp()).unwrap_or(0))
}

const fn at(seconds: u64) -> UnixTime {
    UnixTime::since_unix_epoch(std::time::Duration::from_secs(seconds))
}

const fn second_after(time: UnixTime) -> UnixTime {
    at(time.as_secs().saturating_add(1))
}

pub(crate) fn printable(text: &str) -> String {
    text.chars()
        .flat_map(|c| {
            let escaped: Box<dyn Iterator<Item = char>> = if c.is_control() {
                Box::new(c.escape_default())
            } else {
                Box::new(std::iter::once(c))
            };
            escaped
        })
        .collect()
}
