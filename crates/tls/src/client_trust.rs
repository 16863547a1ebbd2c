use std::cmp::Reverse;
use std::sync::{Arc, PoisonError, RwLock};

use rustls_pki_types::{CertificateDer, CertificateRevocationListDer, TrustAnchor, UnixTime};
use webpki::{
    CertRevocationList, EndEntityCert, Error as PathError, ExpirationPolicy,
    ExtendedKeyUsageValidator, KeyPurposeIdIter, KeyUsage, OwnedCertRevocationList,
    RevocationCheckDepth, RevocationOptionsBuilder, UnknownStatusPolicy, anchor_from_trusted_cert,
};
use x509_parser::prelude::{CertificateRevocationList, FromDer as _, X509Certificate};

use crate::crypto_profile::provider;
use crate::{Fingerprint, PeerCertificates, Verdict};

/// Why anchors or CRLs were not taken. The operator's configuration is at fault.
#[derive(Debug, thiserror::Error)]
pub enum ClientTrustError {
    /// An anchor is not a DER X.509 v3 certificate.
    #[error("device CA {position} is not an X.509 certificate")]
    AnchorMalformed {
        /// Its place in the list, from 0.
        position: usize,
    },
    /// An anchor is not marked as a CA. A single device's certificate is registered by its fingerprint instead.
    #[error(
        "device CA {position} ({fingerprint}) is not a CA certificate; register it by fingerprint instead"
    )]
    AnchorIsNoCa {
        /// Its place in the list, from 0.
        position: usize,
        /// Its fingerprint.
        fingerprint: Fingerprint,
    },
    /// A CRL is not a DER X.509 v2 CRL, or a delta or indirect one.
    #[error("CRL {position} cannot be used: {cause}")]
    CrlMalformed {
        /// Its place in the list, from 0.
        position: usize,
        /// What is wrong with it.
        cause: PathError,
    },
    /// A CRL bears an anchor's name but is not signed by it.
    #[error("CRL {position} bears the name of a device CA but not its signature")]
    CrlSignature {
        /// Its place in the list, from 0.
        position: usize,
    },
}

/// The device CAs and CRLs against which client certificates are judged. Immutable; see [`LiveClientTrust`].
#[derive(Debug)]
pub struct ClientTrust {
    anchors: Vec<TrustAnchor<'static>>,
    fingerprints: Vec<Fingerprint>,
    crls: Vec<CertRevocationList<'static>>,
}

impl ClientTrust {
    /// Takes CA certificates and CRLs, both DER. No anchor at all is allowed: every certificate is then
    /// `UnknownIssuer`, and only registered fingerprints admit a device.
    ///
    /// Of several CRLs of one issuer the newest decides. A CRL past its `nextUpdate` keeps its effect, since a late
    /// update must not lock every device out, nor let a revoked one in.
    ///
    /// # Errors
    /// [`ClientTrustError`] for the first item that cannot be used; nothing is passed over in silence.
    pub fn new(
        anchors: &[CertificateDer<'_>],
        crls: &[CertificateRevocationListDer<'_>],
    ) -> Result<Self, ClientTrustError> {
        let mut trust = Self {
            anchors: Vec::new(),
            fingerprints: Vec::new(),
            crls: Vec::new(),
        };
        let mut issuers = Vec::new();
        for (position, der) in anchors.iter().enumerate() {
            let anchor = anchor_from_trusted_cert(der)
                .map_err(|_| ClientTrustError::AnchorMalformed { position })?;
            let Ok((_, certificate)) = X509Certificate::from_der(der) else {
                return Err(ClientTrustError::AnchorMalformed { position });
            };
            let fingerprint = Fingerprint::of(der);
            if !certificate.is_ca() {
                return Err(ClientTrustError::AnchorIsNoCa {
                    position,
                    fingerprint,
                });
            }
            trust.anchors.push(anchor.to_owned());
            trust.fingerprints.push(fingerprint);
            issuers.push(certificate);
        }
        let mut dated = Vec::new();
        for (position, der) in crls.iter().enumerate() {
            let crl = OwnedCertRevocationList::from_der(der)
                .map_err(|cause| ClientTrustError::CrlMalformed { position, cause })?;
            let Ok((_, parsed)) = CertificateRevocationList::from_der(der) else {
                return Err(ClientTrustError::CrlMalformed {
                    position,
                    cause: PathError::BadDer,
                });
            };
            let mut namesakes = issuers
                .iter()
                .filter(|issuer| issuer.subject().as_raw() == parsed.issuer().as_raw())
                .peekable();
            if namesakes.peek().is_some()
                && !namesakes.any(|issuer| parsed.verify_signature(issuer.public_key()).is_ok())
            {
                return Err(ClientTrustError::CrlSignature { position });
            }
            let age = (
                parsed.last_update().timestamp(),
                parsed.crl_number().cloned(),
            );
            dated.push((age, CertRevocationList::from(crl)));
        }
        // Path building consults the first CRL of an issuer alone.
        dated.sort_by_key(|(age, _)| Reverse(age.clone()));
        trust.crls = dated.into_iter().map(|(_, crl)| crl).collect();
        Ok(trust)
    }

    /// Fingerprints of the anchors, in the order given.
    #[must_use]
    pub fn anchors(&self) -> &[Fingerprint] {
        &self.fingerprints
    }

    /// Judges a chain at a moment. Costs one signature check for each certificate and CRL on the path;
    /// [`crate::PeerIdentity::judged`] avoids it where nothing changed.
    #[must_use]
    pub fn judge(&self, peer: &PeerCertificates, now: UnixTime) -> Verdict {
        let Some((leaf, intermediates)) = peer.chain().split_first() else {
            return Verdict::NoCertificate;
        };
        let (Ok(end_entity), Some(parsed)) = (EndEntityCert::try_from(leaf), peer.leaf()) else {
            return Verdict::Malformed;
        };
        let at_now = match self.find_path(&end_entity, intermediates, now, KeyUsage::client_auth())
        {
            Ok(anchor) => return Verdict::Trusted { anchor },
            Err(cause) => verdict_on(&cause),
        };
        // Time and purpose are looked at first while a path is built: whether this is our certificate at all, and not
        // a revoked one, shows when it is judged at a moment at which it was valid and for any purpose.
        let then = match at_now {
            Verdict::Expired { .. } => parsed.not_after().min(now),
            Verdict::NotYetValid { .. } => parsed.not_before().max(now),
            Verdict::WrongPurpose => now,
            other => return other,
        };
        let path = self.find_path(&end_entity, intermediates, then, AnyPurpose);
        match path.map_err(|cause| verdict_on(&cause)) {
            Err(
                stronger @ (Verdict::UnknownIssuer
                | Verdict::Revoked
                | Verdict::RevocationUndetermined),
            ) => stronger,
            _ => at_now,
        }
    }

    fn find_path(
        &self,
        leaf: &EndEntityCert<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
        purpose: impl ExtendedKeyUsageValidator,
    ) -> Result<Fingerprint, PathError> {
        let crls: Vec<&CertRevocationList<'_>> = self.crls.iter().collect();
        let revocation = RevocationOptionsBuilder::new(&crls).ok().map(|options| {
            options
                .with_depth(RevocationCheckDepth::Chain)
                .with_status_policy(UnknownStatusPolicy::Allow)
                .with_expiration_policy(ExpirationPolicy::Ignore)
                .build()
        });
        let algorithms = provider().signature_verification_algorithms.all;
        let path = leaf.verify_for_usage(
            algorithms,
            &self.anchors,
            intermediates,
            now,
            purpose,
            revocation,
            None,
        )?;
        self.anchors
            .iter()
            .position(|anchor| anchor == path.anchor())
            .and_then(|position| self.fingerprints.get(position).copied())
            .ok_or(PathError::UnknownIssuer)
    }
}

/// The client trust in force, replaced as a whole when anchors or CRLs change. Every connection, open and resumed ones
/// too, is judged by what stands here at that moment.
#[derive(Debug)]
pub struct LiveClientTrust(RwLock<Arc<ClientTrust>>);

impl LiveClientTrust {
    /// Puts a first trust in force.
    #[must_use]
    pub fn new(trust: ClientTrust) -> Self {
        Self(RwLock::new(Arc::new(trust)))
    }

    /// What is in force now.
    #[must_use]
    pub fn current(&self) -> Arc<ClientTrust> {
        Arc::clone(&self.0.read().unwrap_or_else(PoisonError::into_inner))
    }

    /// Puts another trust in force for every judgement from now on.
    pub fn replace(&self, trust: ClientTrust) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(trust);
    }
}

/// For finding out more about a certificate that is refused already.
struct AnyPurpose;

impl ExtendedKeyUsageValidator for AnyPurpose {
    fn validate(&self, _purposes: KeyPurposeIdIter<'_, '_>) -> Result<(), PathError> {
        Ok(())
    }
}

fn verdict_on(cause: &PathError) -> Verdict {
    use PathError as E;
    match cause {
        // A signature that does not fit the anchor's key means another CA that bears the same name.
        E::UnknownIssuer | E::InvalidSignatureForPublicKey => Verdict::UnknownIssuer,
        E::CertExpired { not_after, .. } => Verdict::Expired {
            not_after: *not_after,
        },
        E::CertNotValidYet { not_before, .. } => Verdict::NotYetValid {
            not_before: *not_before,
        },
        E::CertRevoked | E::CertDistrusted => Verdict::Revoked,
        E::CaUsedAsEndEntity
        | E::EndEntityUsedAsCa
        | E::NameConstraintViolation
        | E::PathLenConstraintViolated
        | E::EmptyEkuExtension
        | E::RequiredEkuNotFoundContext(_) => Verdict::WrongPurpose,
        E::MaximumPathBuildCallsExceeded
        | E::MaximumPathDepthExceeded
        | E::MaximumSignatureChecksExceeded
        | E::MaximumNameConstraintComparisonsExceeded => Verdict::ChainTooLong,
        E::UnknownRevocationStatus
        | E::CrlExpired { .. }
        | E::IssuerNotCrlSigner
        | E::InvalidCrlNumber
        | E::InvalidCrlSignatureForPublicKey
        | E::UnsupportedCrlSignatureAlgorithmContext(_)
        | E::UnsupportedCrlSignatureAlgorithmForPublicKeyContext(_)
        | E::UnsupportedCrlIssuingDistributionPoint
        | E::UnsupportedCrlVersion
        | E::UnsupportedDeltaCrl
        | E::UnsupportedIndirectCrl
        | E::UnsupportedRevocationReason
        | E::UnsupportedRevocationReasonsPartitioning => Verdict::RevocationUndetermined,
        _ => Verdict::Malformed,
    }
}
