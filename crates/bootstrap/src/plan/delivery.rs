use omadm_mo::Secret;
use omadm_mo::json::JsonLimits;

use crate::{BootstrapMethod, BootstrapSource, ChannelSecurity, EventId, Utc};

/// A document as it reached the device, with what is known of its way.
#[derive(Clone, Debug)]
pub struct Delivery<'a> {
    /// The bytes.
    pub document: &'a [u8],
    /// By which method.
    pub method: BootstrapMethod,
    /// From whom; authenticated by whoever received it.
    pub source: BootstrapSource,
    /// Over which channel.
    pub channel: ChannelSecurity,
    /// When; none without a clock.
    pub at: Option<Utc>,
    /// Names the event; 16 fresh random octets.
    pub event_id: EventId,
    /// Whether a person agreed to this very document.
    pub consent: bool,
    /// Whether it is the first since a factory reset.
    pub after_reset: bool,
    /// Bounds of the document.
    pub limits: JsonLimits,
}

/// Whether this build can use a credential (D87); answered by the rim that owns TLS.
pub trait CredentialCheck {
    /// Whether this is a DER certificate and its PKCS#8 private key.
    fn is_usable(&self, certificate: &[u8], private_key: &Secret) -> bool;

    /// The device that a certificate names where it is none of this one's names. Asked of factory images: each is built for one device. By default it is not known.
    fn names_another(&self, certificate: &[u8]) -> Option<String> {
        let _ = certificate;
        None
    }

    /// Whether this is a PSK identity and a key that this build can use (D44). By default it can use none.
    ///
    /// # Errors
    /// Why not, as a sentence without any value.
    fn check_psk(&self, identity: &[u8], key: &Secret) -> Result<(), String> {
        let (_, _) = (identity, key);
        Err("this build uses X.509 credentials only".to_owned())
    }
}
