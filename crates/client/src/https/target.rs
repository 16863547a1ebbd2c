use std::sync::Arc;

use omadm_mo::Origin;
use omadm_tls::{
    CertificateDer, Connector, ConnectorConfig, ConnectorSetupError, Identity, Psk, ServerTrust,
};

use super::Reach;

/// By what the client proves itself on a connection (D78).
#[derive(Clone)]
pub(crate) enum Credential {
    /// A certificate with its key.
    Certificate(Identity),
    /// A pre-shared key, which proves the server too.
    Psk(Psk),
}

/// Whom the client believes to be a server (D80).
#[derive(Clone, PartialEq, Eq, Default)]
pub(crate) struct Trust {
    /// Anchors: DER certificates of CAs.
    pub(crate) anchors: Vec<CertificateDer<'static>>,
    /// A `ServerPubKey` that counts here: an equal leaf is accepted as it is, a CA is a further anchor.
    pub(crate) server_key: Option<CertificateDer<'static>>,
}

/// Where a connection leads, who the client is on it and whom it believes.
#[derive(Clone)]
pub(crate) struct Target {
    /// Scheme, host, port.
    pub(crate) origin: Origin,
    /// The credential; none for places outside the server's origin.
    pub(crate) credential: Option<Arc<Credential>>,
    /// The trust.
    pub(crate) trust: Trust,
    /// Where it may lie.
    pub(crate) reach: Reach,
}

impl Credential {
    /// Certificate and key, where the client is the server: its listener.
    pub(crate) const fn identity(&self) -> Option<&Identity> {
        match self {
            Self::Certificate(identity) => Some(identity),
            Self::Psk(_) => None,
        }
    }

    /// Whether both prove the same: one certificate, or one key of one identity.
    fn is_same(&self, other: &Self) -> bool {
        match (self, other) {
            (Self::Certificate(one), Self::Certificate(other)) => {
                one.chain().first() == other.chain().first()
            }
            (Self::Psk(one), Self::Psk(other)) => one == other,
            _ => false,
        }
    }
}

impl Trust {
    /// Whether everything that `other` believes is believed here too: a connection made under `other` then satisfies this.
    fn covers(&self, other: &Self) -> bool {
        let anchored = other
            .anchors
            .iter()
            .all(|anchor| self.anchors.contains(anchor));
        anchored && (other.server_key.is_none() || other.server_key == self.server_key)
    }
}

impl Target {
    /// Whether a connection that was made for `open` may serve this target (D79).
    pub(super) fn may_use(&self, open: &Self) -> bool {
        let same_credential = match (&self.credential, &open.credential) {
            (None, None) => true,
            (Some(one), Some(other)) => one.is_same(other),
            _ => false,
        };
        self.origin == open.origin
            && open.reach <= self.reach
            && same_credential
            && self.trust.covers(&open.trust)
    }

    pub(super) fn connector(&self) -> Result<Connector, ConnectorSetupError> {
        let mut trust = ServerTrust::anchors(&self.trust.anchors)?;
        if let Some(key) = &self.trust.server_key {
            trust = trust.with_server_key(key)?;
        }
        let mut config = ConnectorConfig::new(trust);
        match self.credential.as_deref() {
            Some(Credential::Certificate(identity)) => {
                config = config.with_identity(identity.clone());
            }
            Some(Credential::Psk(psk)) => config = config.with_psk(psk.clone()),
            None => {}
        }
        Connector::new(config)
    }
}
