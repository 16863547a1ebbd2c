use std::sync::Arc;

use omadm_mo::Origin;
use omadm_tls::{
    CertificateDer, Connector, ConnectorConfig, ConnectorSetupError, Identity, ServerTrust,
};

/// A certificate with its key, by which the client proves itself on a connection.
#[derive(Clone)]
pub(crate) struct Credential(Identity);

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
}

impl Credential {
    /// Takes an identity.
    #[must_use]
    pub(crate) const fn new(identity: Identity) -> Self {
        Self(identity)
    }

    /// Certificate and key, where the client is the server: its listener.
    pub(crate) const fn identity(&self) -> &Identity {
        &self.0
    }

    /// The certificate itself.
    fn leaf(&self) -> Option<&CertificateDer<'static>> {
        self.0.chain().first()
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
        let leaf = |target: &Self| target.credential.as_ref().and_then(|c| c.leaf().cloned());
        self.origin == open.origin && leaf(self) == leaf(open) && self.trust.covers(&open.trust)
    }

    pub(super) fn connector(&self) -> Result<Connector, ConnectorSetupError> {
        let mut trust = ServerTrust::anchors(&self.trust.anchors)?;
        if let Some(key) = &self.trust.server_key {
            trust = trust.with_server_key(key)?;
        }
        let mut config = ConnectorConfig::new(trust);
        if let Some(credential) = &self.credential {
            config = config.with_identity(credential.0.clone());
        }
        Connector::new(config)
    }
}
