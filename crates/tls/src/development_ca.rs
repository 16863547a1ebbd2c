use std::net::IpAddr;
use std::time::Duration;

use omadm_mo::{DevId, Secret};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName,
    DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyUsagePurpose, PublicKeyData,
    RevokedCertParams, SanType, SubjectPublicKeyInfo, date_time_ymd,
};
use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, DnsName, UnixTime};
use x509_parser::extensions::{GeneralName, ParsedExtension};
use x509_parser::prelude::{FromDer as _, X509Certificate};

use crate::device_key::{WipedPair, device_params};
use crate::pem::{self, PemError, PemKind};
use crate::{
    CertificateRequest, CertificateValidity, DeviceKey, DeviceKeyError, Fingerprint, Identity,
    IdentityError, IssuedCertificate, NoRandomness, Revocation, SerialNumber, random,
};

/// 9999-12-31T23:59:59Z, the last moment X.509 can write (RFC 5280 §4.1.2.5).
const LAST_MOMENT: u64 = 253_402_300_799;
/// Serial numbers are random, 127 bits (RFC 5280 §4.1.2.2 allows 20 octets).
const SERIAL_OCTETS: usize = 16;

/// Why the CA was not made, read, or did not issue.
#[derive(Debug, thiserror::Error)]
pub enum DevelopmentCaError {
    /// The PEM text was not read. Whoever wrote the file is at fault.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// Not exactly one certificate, or not one of a CA that may sign certificates and CRLs.
    #[error("the file does not hold one CA certificate that may sign certificates and CRLs")]
    NotACa,
    /// The private key is not PKCS#8 of a supported kind, or another one than the certificate's.
    #[error("the private key is not the CA certificate's")]
    WrongKey,
    /// What holds the key to be certified is no certificate, or its key is of a kind that is not supported.
    #[error("no certificate with a key of a supported kind")]
    NotACertificate,
    /// A server name is neither a DNS name nor an IP address, or there is none.
    #[error("{0:?} is neither a DNS name nor an IP address")]
    ServerName(String),
    /// The end lies before the beginning.
    #[error("the end of validity lies before its beginning")]
    Validity,
    /// The system gave no randomness. The environment's fault.
    #[error("no randomness from the system")]
    Randomness,
    /// The key pair of a device or server could not be made.
    #[error(transparent)]
    Key(#[from] DeviceKeyError),
    /// A chain and key made here do not fit; only a defect here leads to it.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// The signature could not be made. The environment's fault.
    #[error("could not sign: {0}")]
    Signing(#[source] rcgen::Error),
}

/// A self-signed CA for development and demonstration, which issues server and device certificates (DESIGN §11.7).
/// Production certificates come from elsewhere. ECDSA P-256; may issue no further CA.
pub struct DevelopmentCa {
    issuer: Issuer<'static, WipedPair>,
    certificate: CertificateDer<'static>,
    key: Secret,
}

impl DevelopmentCa {
    /// Makes a CA of this name. Part of its public key's digest is put beside the name, so that two CAs of one name
    /// are told apart, in CRLs too.
    ///
    /// # Errors
    /// [`DevelopmentCaError`] where the system fails or the validity makes no sense.
    pub fn create(name: &str, validity: CertificateValidity) -> Result<Self, DevelopmentCaError> {
        const SERIAL_NUMBER_ATTRIBUTE: [u64; 4] = [2, 5, 4, 5];
        let key = DeviceKey::generate()?.pkcs8().clone();
        let pair = key_pair(&key)?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, name);
        let mut key_digest = Fingerprint::of(&pair.subject_public_key_info()).to_hex();
        key_digest.truncate(16);
        params.distinguished_name.push(
            DnType::CustomDnType(SERIAL_NUMBER_ATTRIBUTE.to_vec()),
            key_digest,
        );
        params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        params.use_authority_key_identifier_extension = true;
        params.serial_number = Some(new_serial()?);
        set_validity(&mut params, validity)?;
        let certificate = params
            .self_signed(&pair)
            .map_err(DevelopmentCaError::Signing)?;
        Ok(Self {
            issuer: Issuer::new(params, pair),
            certificate: certificate.into(),
            key,
        })
    }

    /// Reads a CA back from its certificate and PKCS#8 key (PEM).
    ///
    /// # Errors
    /// [`DevelopmentCaError`] where the certificate is no CA's or the key is not its key.
    pub fn from_pem(certificate: &str, key: &str) -> Result<Self, DevelopmentCaError> {
        let mut certificates = pem::certificates(certificate)?;
        let (Some(certificate), true) = (certificates.pop(), certificates.is_empty()) else {
            return Err(DevelopmentCaError::NotACa);
        };
        let key = pem::private_key(key)?;
        let pair = key_pair(&key)?;
        {
            let Ok((_, parsed)) = X509Certificate::from_der(&certificate) else {
                return Err(DevelopmentCaError::NotACa);
            };
            let may_sign = parsed.key_usage().is_ok_and(|usage| {
                usage.is_some_and(|usage| usage.value.key_cert_sign() && usage.value.crl_sign())
            });
            if !parsed.is_ca() || !may_sign {
                return Err(DevelopmentCaError::NotACa);
            }
            if parsed.public_key().raw != pair.subject_public_key_info() {
                return Err(DevelopmentCaError::WrongKey);
            }
        }
        let issuer =
            Issuer::from_ca_cert_der(&certificate, pair).map_err(|_| DevelopmentCaError::NotACa)?;
        Ok(Self {
            issuer,
            certificate,
            key,
        })
    }

    /// The CA's own certificate: the anchor for both ends.
    #[must_use]
    pub const fn certificate(&self) -> &CertificateDer<'static> {
        &self.certificate
    }

    /// The CA's own certificate as PEM.
    #[must_use]
    pub fn certificate_pem(&self) -> String {
        pem::encode(PemKind::Certificate, &self.certificate)
    }

    /// The CA's private key as PEM, for its file in the state directory.
    #[must_use]
    pub fn key_pem(&self) -> Secret {
        pem::encode_private_key(&self.key)
    }

    /// SHA-256 of the CA's certificate, to be printed when it was made.
    #[must_use]
    pub fn fingerprint(&self) -> Fingerprint {
        Fingerprint::of(&self.certificate)
    }

    /// Issues a server certificate with a new key for these DNS names and IP addresses; the first is the CN.
    ///
    /// # Errors
    /// [`DevelopmentCaError::ServerName`] where a name is none or none is given.
    pub fn issue_server(
        &self,
        names: &[&str],
        validity: CertificateValidity,
    ) -> Result<Identity, DevelopmentCaError> {
        self.server_certificate(names, &DeviceKey::generate()?, validity)
    }

    /// The same with an RSA key, which the RSA suites of dm20.md §16.2 need: it signs, and takes enciphered keys.
    ///
    /// # Errors
    /// [`DevelopmentCaError::ServerName`] where a name is none or none is given.
    pub fn issue_rsa_server(
        &self,
        names: &[&str],
        validity: CertificateValidity,
    ) -> Result<Identity, DevelopmentCaError> {
        self.server_certificate(names, &DeviceKey::generate_rsa()?, validity)
    }

    /// The same for the names of another server certificate of the same server.
    ///
    /// # Errors
    /// [`DevelopmentCaError::ServerName`] where that one bears none.
    pub fn issue_rsa_twin(
        &self,
        of: &CertificateDer<'_>,
        validity: CertificateValidity,
    ) -> Result<Identity, DevelopmentCaError> {
        let names = server_names(of);
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        self.issue_rsa_server(&names, validity)
    }

    fn server_certificate(
        &self,
        names: &[&str],
        key: &DeviceKey,
        validity: CertificateValidity,
    ) -> Result<Identity, DevelopmentCaError> {
        let first = names
            .first()
            .ok_or_else(|| DevelopmentCaError::ServerName(String::new()))?;
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, *first);
        for name in names {
            params.subject_alt_names.push(server_name(name)?);
        }
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        let pair = key_pair(key.pkcs8())?;
        if pair.algorithm() == &rcgen::PKCS_RSA_SHA256 {
            params.key_usages = vec![KeyUsagePurpose::KeyEncipherment];
        }
        let certificate = self.sign(params, &pair, validity)?;
        Ok(key.identity(vec![certificate.der])?)
    }

    /// Issues a device certificate for the key of a request. It carries the DevID the operator gives, never the names
    /// the request claims; that the sender holds the key was verified when the request was read.
    ///
    /// # Errors
    /// [`DevelopmentCaError`] where the validity makes no sense or the system fails.
    pub fn issue_from_csr(
        &self,
        request: &CertificateRequest,
        dev_id: &DevId,
        validity: CertificateValidity,
    ) -> Result<IssuedCertificate, DevelopmentCaError> {
        self.sign(
            self.device_certificate(dev_id)?,
            request.public_key(),
            validity,
        )
    }

    /// Issues a further certificate for the key of one that the device has (DER). Whoever holds the key proved it with that one.
    ///
    /// # Errors
    /// [`DevelopmentCaError::NotACertificate`] where there is no certificate or its key is of a kind that is not supported; others where the validity makes
    /// no sense or the system fails.
    pub fn issue_for_key_of(
        &self,
        certificate: &[u8],
        dev_id: &DevId,
        validity: CertificateValidity,
    ) -> Result<IssuedCertificate, DevelopmentCaError> {
        let (_, known) = X509Certificate::from_der(certificate)
            .map_err(|_| DevelopmentCaError::NotACertificate)?;
        let public_key = SubjectPublicKeyInfo::from_der(known.public_key().raw)
            .map_err(|_| DevelopmentCaError::NotACertificate)?;
        self.sign(self.device_certificate(dev_id)?, &public_key, validity)
    }

    /// Makes a key for a device and issues its certificate, for profiles that carry `Auth/Trsp` by design (factory
    /// image, card, bootstrap code: D81).
    ///
    /// # Errors
    /// [`DevelopmentCaError`] where the validity makes no sense or the system fails.
    pub fn issue_for_generated_key(
        &self,
        dev_id: &DevId,
        validity: CertificateValidity,
    ) -> Result<(IssuedCertificate, Identity), DevelopmentCaError> {
        let key = DeviceKey::generate()?;
        let issued = self.sign(
            self.device_certificate(dev_id)?,
            &key_pair(key.pkcs8())?,
            validity,
        )?;
        let identity = key.identity(vec![issued.der.clone()])?;
        Ok((issued, identity))
    }

    /// Signs a CRL. `number` must grow with every CRL of this CA (RFC 5280 §5.2.3); a revoked certificate stays named
    /// until it has expired.
    ///
    /// # Errors
    /// [`DevelopmentCaError::Validity`] where `next_update` is not after `now`.
    pub fn crl(
        &self,
        revoked: &[Revocation],
        number: u64,
        now: UnixTime,
        next_update: UnixTime,
    ) -> Result<CertificateRevocationListDer<'static>, DevelopmentCaError> {
        if next_update <= now {
            return Err(DevelopmentCaError::Validity);
        }
        let params = CertificateRevocationListParams {
            this_update: date_time_ymd(1970, 1, 1) + since_epoch(now),
            next_update: date_time_ymd(1970, 1, 1) + since_epoch(next_update),
            crl_number: rcgen::SerialNumber::from(number),
            issuing_distribution_point: None,
            revoked_certs: revoked
                .iter()
                .map(|revocation| RevokedCertParams {
                    serial_number: rcgen::SerialNumber::from_slice(revocation.serial.octets()),
                    revocation_time: date_time_ymd(1970, 1, 1) + since_epoch(revocation.at),
                    reason_code: None,
                    invalidity_date: None,
                })
                .collect(),
            key_identifier_method: self.key_identifier(),
        };
        params
            .signed_by(&self.issuer)
            .map(Into::into)
            .map_err(DevelopmentCaError::Signing)
    }

    /// The identifier the CA's certificate gives its key, so that a CRL points at that very key.
    fn key_identifier(&self) -> KeyIdMethod {
        let Ok((_, certificate)) = X509Certificate::from_der(&self.certificate) else {
            return KeyIdMethod::Sha256;
        };
        certificate
            .extensions()
            .iter()
            .find_map(|extension| match extension.parsed_extension() {
                ParsedExtension::SubjectKeyIdentifier(identifier) => {
                    Some(KeyIdMethod::PreSpecified(identifier.0.to_vec()))
                }
                _ => None,
            })
            .unwrap_or(KeyIdMethod::Sha256)
    }

    fn device_certificate(&self, dev_id: &DevId) -> Result<CertificateParams, DevelopmentCaError> {
        let mut params = device_params(dev_id).map_err(DevelopmentCaError::Signing)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        Ok(params)
    }

    fn sign(
        &self,
        mut params: CertificateParams,
        public_key: &impl PublicKeyData,
        validity: CertificateValidity,
    ) -> Result<IssuedCertificate, DevelopmentCaError> {
        let serial = new_serial()?;
        params.serial_number = Some(serial.clone());
        params.is_ca = IsCa::ExplicitNoCa;
        params.key_usages.push(KeyUsagePurpose::DigitalSignature);
        params.use_authority_key_identifier_extension = true;
        set_validity(&mut params, validity)?;
        let der: CertificateDer<'static> = params
            .signed_by(public_key, &self.issuer)
            .map_err(DevelopmentCaError::Signing)?
            .into();
        Ok(IssuedCertificate {
            serial: SerialNumber::from_octets(serial.as_ref()),
            fingerprint: Fingerprint::of(&der),
            not_after: validity.not_after,
            der,
        })
    }
}

fn server_name(name: &str) -> Result<SanType, DevelopmentCaError> {
    if let Ok(address) = name.parse::<IpAddr>() {
        return Ok(SanType::IpAddress(address));
    }
    let refused = || DevelopmentCaError::ServerName(name.to_owned());
    DnsName::try_from(name).map_err(|_| refused())?;
    Ok(SanType::DnsName(name.try_into().map_err(|_| refused())?))
}

/// The DNS names and IP addresses of a certificate.
fn server_names(of: &CertificateDer<'_>) -> Vec<String> {
    let Ok((_, certificate)) = X509Certificate::from_der(of) else {
        return Vec::new();
    };
    let Ok(Some(names)) = certificate.subject_alternative_name() else {
        return Vec::new();
    };
    let name = |name: &GeneralName<'_>| match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(octets) => match octets.len() {
            4 => Some(IpAddr::from(<[u8; 4]>::try_from(*octets).ok()?).to_string()),
            _ => Some(IpAddr::from(<[u8; 16]>::try_from(*octets).ok()?).to_string()),
        },
        _ => None,
    };
    names.value.general_names.iter().filter_map(name).collect()
}

fn key_pair(key: &Secret) -> Result<WipedPair, DevelopmentCaError> {
    WipedPair::of(key).map_err(|_| DevelopmentCaError::WrongKey)
}

fn set_validity(
    params: &mut CertificateParams,
    validity: CertificateValidity,
) -> Result<(), DevelopmentCaError> {
    if validity.not_after < validity.not_before {
        return Err(DevelopmentCaError::Validity);
    }
    limit(params, validity);
    Ok(())
}

/// From when to when a certificate is valid.
pub(crate) fn limit(params: &mut CertificateParams, validity: CertificateValidity) {
    params.not_before = date_time_ymd(1970, 1, 1) + since_epoch(validity.not_before);
    params.not_after = date_time_ymd(1970, 1, 1) + since_epoch(validity.not_after);
}

fn new_serial() -> Result<rcgen::SerialNumber, DevelopmentCaError> {
    let mut octets: [u8; SERIAL_OCTETS] =
        random().map_err(|NoRandomness| DevelopmentCaError::Randomness)?;
    // Positive, and always of full length.
    octets[0] = octets[0] & 0x7f | 0x40;
    Ok(rcgen::SerialNumber::from_slice(&octets))
}

/// A moment as rcgen takes it: what is to be added to 1970, no further than X.509 can write.
fn since_epoch(time: UnixTime) -> Duration {
    Duration::from_secs(time.as_secs().min(LAST_MOMENT))
}
