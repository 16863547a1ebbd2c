use omadm_mo::{DevId, Secret};
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair,
    KeyUsagePurpose, PublicKeyData, SanType, SignatureAlgorithm, SigningKey,
};
use rustls_pki_types::{CertificateDer, PrivatePkcs8KeyDer};
use zeroize::Zeroize as _;

use crate::development_ca::limit;
use crate::pem::{self, PemError};
use crate::{
    CertificateRequest, CertificateRequestError, CertificateValidity, Identity, IdentityError,
    is_well_formed_uri,
};

/// A device's private key, made on the device and never leaving it (DESIGN §6). ECDSA P-256 when made here.
pub struct DeviceKey {
    pkcs8: Secret,
}

/// Why there is no key or no request.
#[derive(Debug, thiserror::Error)]
pub enum DeviceKeyError {
    /// The system gave no randomness, or the key could not sign. The environment's fault.
    #[error("the key could not be made or used: {0}")]
    Crypto(#[source] rcgen::Error),
    /// The PEM text was not read.
    #[error(transparent)]
    Pem(#[from] PemError),
    /// Not a DER PKCS#8 private key of a supported kind (D44).
    #[error("not a PKCS#8 private key of a supported kind")]
    Malformed,
    /// What was made is no valid request; only a defect here leads to it.
    #[error("the certificate request is not valid: {0}")]
    Request(#[from] CertificateRequestError),
}

impl DeviceKey {
    /// Makes a new ECDSA P-256 key from the system's randomness.
    ///
    /// # Errors
    /// [`DeviceKeyError::Crypto`] where the system has none.
    pub fn generate() -> Result<Self, DeviceKeyError> {
        let pair = WipedPair(KeyPair::generate().map_err(DeviceKeyError::Crypto)?);
        Ok(Self {
            pkcs8: Secret::new(pair.0.serialize_der()),
        })
    }

    /// Makes a new RSA key of 2048 bits, for the server's second certificate (dm20.md §16.2).
    pub(crate) fn generate_rsa() -> Result<Self, DeviceKeyError> {
        let made = KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048);
        let pair = WipedPair(made.map_err(DeviceKeyError::Crypto)?);
        Ok(Self {
            pkcs8: Secret::new(pair.0.serialize_der()),
        })
    }

    /// Takes a stored key (DER PKCS#8).
    ///
    /// # Errors
    /// [`DeviceKeyError::Malformed`] where it is none.
    pub fn from_pkcs8(pkcs8: Secret) -> Result<Self, DeviceKeyError> {
        WipedPair::of(&pkcs8)?;
        Ok(Self { pkcs8 })
    }

    /// Reads a stored key (PEM, PKCS#8).
    ///
    /// # Errors
    /// [`DeviceKeyError`] where there is none.
    pub fn from_pem(text: &str) -> Result<Self, DeviceKeyError> {
        Self::from_pkcs8(pem::private_key(text)?)
    }

    /// The key as DER PKCS#8 (D44).
    #[must_use]
    pub const fn pkcs8(&self) -> &Secret {
        &self.pkcs8
    }

    /// The key as PEM.
    #[must_use]
    pub fn to_pem(&self) -> Secret {
        pem::encode_private_key(&self.pkcs8)
    }

    /// A certificate request for this DevID: CN, and SAN of type URI where the DevID is a well-formed URI (D71).
    ///
    /// # Errors
    /// [`DeviceKeyError::Crypto`] where the key cannot sign.
    pub fn certificate_request(
        &self,
        dev_id: &DevId,
    ) -> Result<CertificateRequest, DeviceKeyError> {
        let pair = WipedPair::of(&self.pkcs8)?;
        let request = device_params(dev_id)
            .and_then(|params| params.serialize_request(&pair))
            .map_err(DeviceKeyError::Crypto)?;
        Ok(CertificateRequest::from_der(request.der())?)
    }

    /// A certificate that the key signs for itself: it proves possession of the key and nothing else, so that an operator may register or approve it by its
    /// fingerprint. Names as those of a request; for client authentication alone.
    ///
    /// # Errors
    /// [`DeviceKeyError::Crypto`] where the key cannot sign.
    pub fn self_signed(
        &self,
        dev_id: &DevId,
        validity: CertificateValidity,
    ) -> Result<CertificateDer<'static>, DeviceKeyError> {
        let pair = WipedPair::of(&self.pkcs8)?;
        let signed = device_params(dev_id).and_then(|mut params| {
            params.is_ca = IsCa::ExplicitNoCa;
            params.key_usages.push(KeyUsagePurpose::DigitalSignature);
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            limit(&mut params, validity);
            params.self_signed(&pair)
        });
        Ok(signed.map_err(DeviceKeyError::Crypto)?.into())
    }

    /// The identity this key makes with the certificate chain that was issued for it, leaf first.
    ///
    /// # Errors
    /// [`IdentityError::Unusable`] where the leaf is for another key.
    pub fn identity(&self, chain: Vec<CertificateDer<'static>>) -> Result<Identity, IdentityError> {
        Identity::new(chain, self.pkcs8.clone())
    }
}

/// Names of a device's certificate (D71): request and certificate say the same.
pub(crate) fn device_params(dev_id: &DevId) -> Result<CertificateParams, rcgen::Error> {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, dev_id.as_str());
    if is_well_formed_uri(dev_id.as_str()) {
        params
            .subject_alt_names
            .push(SanType::URI(dev_id.as_str().try_into()?));
    }
    Ok(params)
}

/// A key pair whose encoded copy is wiped when it goes.
pub(crate) struct WipedPair(KeyPair);

impl WipedPair {
    pub(crate) fn of(pkcs8: &Secret) -> Result<Self, DeviceKeyError> {
        KeyPair::try_from(&PrivatePkcs8KeyDer::from(pkcs8.expose()))
            .map(Self)
            .map_err(|_| DeviceKeyError::Malformed)
    }
}

impl PublicKeyData for WipedPair {
    fn der_bytes(&self) -> &[u8] {
        self.0.der_bytes()
    }

    fn algorithm(&self) -> &'static SignatureAlgorithm {
        self.0.algorithm()
    }
}

impl SigningKey for WipedPair {
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        self.0.sign(message)
    }
}

impl Drop for WipedPair {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}
