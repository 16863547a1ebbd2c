//! Octets that one device key alone opens: HPKE (RFC 9180, base mode), DHKEM(P-256, HKDF-SHA256), HKDF-SHA256, AES-256-GCM.

use aws_lc_rs::agreement::{ECDH_P256, PrivateKey};
use aws_lc_rs::digest;
use aws_lc_rs::encoding::{AsBigEndian as _, EcPrivateKeyBin};
use omadm_mo::Secret;
use rustls::crypto::aws_lc_rs::hpke::DH_KEM_P256_HKDF_SHA256_AES_256 as SUITE;
use rustls::crypto::hpke::{EncapsulatedSecret, Hpke as _, HpkePrivateKey, HpkePublicKey};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, CertificateSigningRequestDer, SubjectPublicKeyInfoDer};
use x509_parser::certification_request::X509CertificationRequest;
use x509_parser::prelude::{FromDer as _, X509Certificate};
use x509_parser::x509::SubjectPublicKeyInfo;

use crate::DeviceKey;

/// A device's public key, to which octets are sealed. P-256 alone.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SealingKey {
    point: Vec<u8>,
}

/// What [`SealingKey::seal`] gives; both parts are needed to open it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sealed {
    /// The encapsulated key, 65 octets.
    pub encapsulated: Vec<u8>,
    /// Ciphertext with its tag.
    pub ciphertext: Vec<u8>,
}

/// Why nothing was sealed or opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SealingError {
    /// The text holds neither a certificate, nor a request, nor a public key. Its author is at fault.
    #[error("neither a certificate, nor a certificate request, nor a public key in PEM")]
    NoKey,
    /// The key is of another kind. The configuration is at fault.
    #[error("the key is not an elliptic curve key on P-256")]
    Kind,
    /// The cryptography failed: no randomness, or a point that is on no curve.
    #[error("the octets could not be sealed")]
    Seal,
    /// The octets were altered, or another key opens them. The content is at fault.
    #[error("the octets do not open with this key")]
    Open,
}

/// DER of a SubjectPublicKeyInfo on P-256 up to its point (RFC 5480).
const SPKI_P256: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a,
    0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
/// Octets of an uncompressed point.
const POINT: usize = 65;

impl SealingKey {
    /// Takes the key of the first certificate, certificate request or public key in a PEM text.
    ///
    /// # Errors
    /// [`SealingError::NoKey`], [`SealingError::Kind`].
    pub fn from_pem(text: &str) -> Result<Self, SealingError> {
        let text = text.as_bytes();
        if let Ok(der) = CertificateDer::from_pem_slice(text) {
            let parsed = X509Certificate::from_der(&der);
            let (_, certificate) = parsed.map_err(|_| SealingError::NoKey)?;
            return Self::of_info(certificate.public_key().raw);
        }
        if let Ok(der) = CertificateSigningRequestDer::from_pem_slice(text) {
            let parsed = X509CertificationRequest::from_der(&der);
            let (_, request) = parsed.map_err(|_| SealingError::NoKey)?;
            return Self::of_info(request.certification_request_info.subject_pki.raw);
        }
        let der = SubjectPublicKeyInfoDer::from_pem_slice(text);
        Self::of_info(&der.map_err(|_| SealingError::NoKey)?)
    }

    fn of_info(spki: &[u8]) -> Result<Self, SealingError> {
        let parsed = SubjectPublicKeyInfo::from_der(spki);
        let (rest, _) = parsed.map_err(|_| SealingError::NoKey)?;
        let point = spki.strip_prefix(&SPKI_P256).ok_or(SealingError::Kind)?;
        if !rest.is_empty() || point.len() != POINT {
            return Err(SealingError::Kind);
        }
        Ok(Self {
            point: point.to_vec(),
        })
    }

    /// SHA-256 of the DER SubjectPublicKeyInfo.
    #[must_use]
    pub fn fingerprint(&self) -> [u8; 32] {
        let info = [&SPKI_P256[..], &self.point].concat();
        let mut octets = [0; 32];
        octets.copy_from_slice(digest::digest(&digest::SHA256, &info).as_ref());
        octets
    }

    /// Seals octets for the holder of the private key. `info` says for what; the same is needed to open them. Never the same twice.
    ///
    /// # Errors
    /// [`SealingError::Seal`].
    pub fn seal(&self, info: &[u8], octets: &Secret) -> Result<Sealed, SealingError> {
        let to = HpkePublicKey(self.point.clone());
        let sealed = SUITE.seal(info, &[], octets.expose(), &to);
        let (encapsulated, ciphertext) = sealed.map_err(|_| SealingError::Seal)?;
        Ok(Sealed {
            encapsulated: encapsulated.0,
            ciphertext,
        })
    }
}

impl DeviceKey {
    /// The public key, to which octets are sealed for this device.
    ///
    /// # Errors
    /// [`SealingError::Kind`] where the key is none on P-256.
    pub fn sealing_key(&self) -> Result<SealingKey, SealingError> {
        let public = self.agreement_key()?.compute_public_key();
        let public = public.map_err(|_| SealingError::Kind)?;
        Ok(SealingKey {
            point: public.as_ref().to_vec(),
        })
    }

    /// Opens what was sealed to this key for the same purpose.
    ///
    /// # Errors
    /// [`SealingError::Kind`], [`SealingError::Open`].
    pub fn open_sealed(&self, info: &[u8], sealed: &Sealed) -> Result<Secret, SealingError> {
        let scalar: EcPrivateKeyBin<'_> = self
            .agreement_key()?
            .as_be_bytes()
            .map_err(|_| SealingError::Kind)?;
        let private = HpkePrivateKey::from(scalar.as_ref().to_vec());
        let encapsulated = EncapsulatedSecret(sealed.encapsulated.clone());
        let opened = SUITE.open(&encapsulated, info, &[], &sealed.ciphertext, &private);
        opened.map(Secret::new).map_err(|_| SealingError::Open)
    }

    fn agreement_key(&self) -> Result<PrivateKey, SealingError> {
        PrivateKey::from_private_key_der(&ECDH_P256, self.pkcs8().expose())
            .map_err(|_| SealingError::Kind)
    }
}

#[cfg(test)]
mod tests {
    use omadm_mo::{DevId, Secret};

    use super::{Sealed, SealingError, SealingKey};
    use crate::DeviceKey;

    fn key() -> DeviceKey {
        DeviceKey::generate().unwrap()
    }

    #[test]
    fn what_is_sealed_to_a_key_opens_with_it_alone_and_whole() {
        let (device, other) = (key(), key());
        let to = device.sealing_key().unwrap();
        let sealed = to.seal(b"for", &Secret::new(b"octets".to_vec())).unwrap();
        let opened = device.open_sealed(b"for", &sealed).unwrap();
        assert_eq!(opened.expose(), b"octets");
        let refused = |key: &DeviceKey, info: &[u8], sealed: &Sealed| {
            key.open_sealed(info, sealed).err() == Some(SealingError::Open)
        };
        assert!(refused(&other, b"for", &sealed));
        assert!(refused(&device, b"other", &sealed));
        for at in 0..sealed.ciphertext.len() {
            let mut altered = sealed.clone();
            altered.ciphertext[at] ^= 1;
            assert!(refused(&device, b"for", &altered), "{at}");
        }
        let mut short = sealed.clone();
        short.encapsulated.truncate(10);
        assert!(refused(&device, b"for", &short));
        short.encapsulated = vec![4; 65];
        assert!(refused(&device, b"for", &short));
    }

    #[test]
    fn request_certificate_and_key_name_the_same_recipient() {
        let device = key();
        let dev_id = DevId::parse("urn:example:device:1").unwrap();
        let request = device.certificate_request(&dev_id).unwrap().to_pem();
        let own = device.sealing_key().unwrap();
        assert_eq!(SealingKey::from_pem(&request).unwrap(), own);
        assert_ne!(
            key().sealing_key().unwrap().fingerprint(),
            own.fingerprint()
        );
        assert_eq!(SealingKey::from_pem("x").err(), Some(SealingError::NoKey));
        let rsa = DeviceKey::generate_rsa().unwrap();
        assert_eq!(rsa.sealing_key().err(), Some(SealingError::Kind));
        let request = rsa.certificate_request(&dev_id).unwrap().to_pem();
        assert_eq!(
            SealingKey::from_pem(&request).err(),
            Some(SealingError::Kind)
        );
    }
}
