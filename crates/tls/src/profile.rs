use std::fmt;
use std::sync::Arc;

use crate::{Identity, PskKeys};

/// The ways a listener speaks TLS (DESIGN §7, D66).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum TlsProfile {
    /// TLS 1.2 and 1.3 with ECDHE, AEAD suites and X.509; rustls.
    #[default]
    Modern,
    /// TLS 1.2 with the PSK suites of dm20.md §16.2; OpenSSL.
    Psk,
    /// TLS 1.2 with the X.509 suites of dm20.md §16.2 beside those of [`TlsProfile::Modern`]; OpenSSL.
    Legacy,
}

/// A profile with what it needs beside the server's ECDSA certificate.
#[derive(Clone)]
pub enum ListenerProfile {
    /// Nothing more.
    Modern,
    /// [`TlsProfile::Psk`].
    Psk {
        /// The devices' keys, read in every handshake.
        keys: Arc<PskKeys>,
        /// The server's RSA certificate, for the RSA_PSK suites. Its key usage allows key encipherment.
        rsa: Identity,
    },
    /// [`TlsProfile::Legacy`].
    Legacy {
        /// The server's RSA certificate, for the suites with RSA. Its key usage allows signatures and key encipherment.
        rsa: Identity,
    },
}

/// What the TLS of a build can do. The one place that says so: listeners, connectors and the validation of bootstrap
/// documents (D87) ask it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct TlsSupport {
    psk: bool,
}

/// A profile was asked for that this build does not have. The configuration is at fault, or the choice of the build.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error(
    "this build cannot speak the TLS profile `{0}`: it was made without the feature `psk` (OpenSSL)"
)]
pub struct ProfileUnsupported(pub TlsProfile);

impl TlsProfile {
    /// Every profile there is.
    pub const ALL: [Self; 3] = [Self::Modern, Self::Psk, Self::Legacy];

    /// Its name in settings and logs.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Modern => "modern",
            Self::Psk => "psk",
            Self::Legacy => "legacy",
        }
    }

    /// What a listener of this profile gives away against [`TlsProfile::Modern`], for the log; none where nothing.
    #[must_use]
    pub const fn weakness(self) -> Option<&'static str> {
        match self {
            Self::Modern => None,
            Self::Psk => Some(
                "TLS 1.2 at most; suites without forward secrecy (PSK, RSA_PSK) and with CBC are accepted; who learns a device's key reads its recorded traffic and can play either end",
            ),
            Self::Legacy => Some(
                "static RSA (no forward secrecy, a target of padding attacks), finite-field DHE of 2048 bits and CBC suites are accepted beside the modern ones",
            ),
        }
    }
}

impl ListenerProfile {
    /// Which one it is.
    #[must_use]
    pub const fn name(&self) -> TlsProfile {
        match self {
            Self::Modern => TlsProfile::Modern,
            Self::Psk { .. } => TlsProfile::Psk,
            Self::Legacy { .. } => TlsProfile::Legacy,
        }
    }
}

impl TlsSupport {
    /// rustls alone.
    pub const RUSTLS_ALONE: Self = Self { psk: false };

    /// What this build can do: the OpenSSL profiles only with the feature `psk`.
    #[must_use]
    pub const fn of_this_build() -> Self {
        Self {
            psk: cfg!(feature = "psk"),
        }
    }

    /// Whether pre-shared keys can be used, as a credential or on a listener.
    #[must_use]
    pub const fn has_psk(self) -> bool {
        self.psk
    }

    /// Finds out whether a listener, or a connection, can be of this profile.
    ///
    /// # Errors
    /// [`ProfileUnsupported`], which names the feature that is missing.
    pub const fn require(self, profile: TlsProfile) -> Result<(), ProfileUnsupported> {
        match profile {
            TlsProfile::Psk | TlsProfile::Legacy if !self.psk => Err(ProfileUnsupported(profile)),
            TlsProfile::Modern | TlsProfile::Psk | TlsProfile::Legacy => Ok(()),
        }
    }
}

impl fmt::Display for TlsProfile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::{TlsProfile, TlsSupport};

    #[test]
    fn a_build_without_openssl_refuses_its_profiles_and_names_the_feature() {
        let without = TlsSupport::RUSTLS_ALONE;
        assert_eq!(without.require(TlsProfile::Modern), Ok(()));
        for profile in [TlsProfile::Psk, TlsProfile::Legacy] {
            let refused = without.require(profile).unwrap_err().to_string();
            assert!(refused.contains(&format!("`{profile}`")), "{refused}");
            assert!(refused.contains("feature `psk`"), "{refused}");
        }
    }

    #[test]
    fn this_build_says_what_it_was_made_with() {
        let support = TlsSupport::of_this_build();
        assert_eq!(support.has_psk(), cfg!(feature = "psk"));
        for profile in [TlsProfile::Psk, TlsProfile::Legacy] {
            assert_eq!(support.require(profile).is_ok(), cfg!(feature = "psk"));
        }
    }
}
