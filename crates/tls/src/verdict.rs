use std::fmt;

use rustls_pki_types::UnixTime;

use crate::Fingerprint;

/// What the trust anchors and CRLs say about a client's certificate.
///
/// Where several hold, the issuer comes first, then revocation, then time: a stranger's certificate is `UnknownIssuer`
/// even when it has expired as well, so nothing it claims is taken for a fact about a device of ours.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The client sent no certificate; it may have proved a pre-shared key instead.
    NoCertificate,
    /// The chain leads to a configured device CA and holds now.
    Trusted {
        /// The anchor it leads to, by which the mapping to a DevID is chosen (DESIGN §5).
        anchor: Fingerprint,
    },
    /// No configured anchor issued it. The server may know it by its registered fingerprint (D71); it must then ask
    /// [`crate::Leaf::validity_at`] itself.
    UnknownIssuer,
    /// The chain leads to an anchor, but a certificate in it has expired.
    Expired {
        /// The last moment of the certificate that expired.
        not_after: UnixTime,
    },
    /// The chain leads to an anchor, but a certificate in it is not valid yet.
    NotYetValid {
        /// The first moment of the certificate that is not valid yet.
        not_before: UnixTime,
    },
    /// A CRL of the issuer names a certificate of the chain.
    Revoked,
    /// Made for something else than authenticating a client: a CA's own certificate, a server's, or beyond the
    /// constraints its issuer set. As with `UnknownIssuer`, a registered fingerprint may still admit it.
    WrongPurpose,
    /// The chain has more certificates, or takes more work, than path building allows.
    ChainTooLong,
    /// A CRL that decides about this certificate cannot be used: the operator's configuration is at fault.
    RevocationUndetermined,
    /// The certificate or its chain breaks X.509, or uses algorithms that are not accepted.
    Malformed,
}

impl Verdict {
    /// Whether the chain leads to an anchor and everything about it holds.
    #[must_use]
    pub const fn is_trusted(&self) -> bool {
        matches!(self, Self::Trusted { .. })
    }

    /// Whether a registered fingerprint may admit the certificate nevertheless (D71 (1)): nothing is known against it
    /// but that no configured CA vouches for it. Its validity in time must be asked for separately.
    #[must_use]
    pub const fn leaves_it_to_registration(&self) -> bool {
        matches!(
            self,
            Self::Trusted { .. } | Self::UnknownIssuer | Self::WrongPurpose
        )
    }

    /// A short, stable name for events and metrics.
    #[must_use]
    pub const fn code(&self) -> &'static str {
        match self {
            Self::NoCertificate => "no_certificate",
            Self::Trusted { .. } => "trusted",
            Self::UnknownIssuer => "unknown_issuer",
            Self::Expired { .. } => "expired",
            Self::NotYetValid { .. } => "not_yet_valid",
            Self::Revoked => "revoked",
            Self::WrongPurpose => "wrong_purpose",
            Self::ChainTooLong => "chain_too_long",
            Self::RevocationUndetermined => "revocation_undetermined",
            Self::Malformed => "malformed",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoCertificate => f.write_str("the client sent no certificate"),
            Self::Trusted { anchor } => write!(f, "the certificate was issued under {anchor}"),
            Self::UnknownIssuer => f.write_str("no configured CA issued the client's certificate"),
            Self::Expired { not_after } => {
                write!(
                    f,
                    "the client's certificate chain expired at {} (Unix time)",
                    not_after.as_secs()
                )
            }
            Self::NotYetValid { not_before } => {
                write!(
                    f,
                    "the client's certificate chain is not valid before {} (Unix time)",
                    not_before.as_secs()
                )
            }
            Self::Revoked => f.write_str("the client's certificate was revoked by its issuer"),
            Self::WrongPurpose => {
                f.write_str("the client's certificate is not made for authenticating a client")
            }
            Self::ChainTooLong => {
                f.write_str("the client's certificate chain is too long or too complex")
            }
            Self::RevocationUndetermined => f.write_str(
                "a CRL of the issuer cannot be used, so revocation could not be checked",
            ),
            Self::Malformed => f.write_str("the client's certificate or chain is malformed"),
        }
    }
}
