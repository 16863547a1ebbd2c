//! The device listeners beside the first, with the TLS that dm20.md §16.2 obliges a server to and rustls does not have; and what is recorded of handshakes
//! that a device's pre-shared key did not open.

use std::net::SocketAddr;
use std::sync::Arc;

use omadm_bootstrap::BootstrapFailureCause as Cause;
use omadm_tls::{AcceptError, Acceptor, AcceptorConfig, ListenerProfile, TlsProfile};

use crate::entropy::correlation;
use crate::model::{CredentialProof, EventKind};
use crate::node::Node;
use crate::server::StartError;

/// Makes the acceptor of a device listener. Says in the log what the profile gives away, and reads the keys where it needs them.
pub(crate) async fn acceptor(node: &Node, profile: TlsProfile) -> Result<Acceptor, StartError> {
    if let Some(weakness) = profile.weakness() {
        tracing::warn!(
            profile = profile.name(),
            "a device listener is weaker than the default one: {weakness}"
        );
    }
    let mut config = AcceptorConfig::new(node.state.identity().clone(), Arc::clone(&node.trust));
    config.profile = match profile {
        TlsProfile::Modern => ListenerProfile::Modern,
        TlsProfile::Psk => {
            node.read_psks().await?;
            ListenerProfile::Psk {
                keys: Arc::clone(node.psks.keys()),
                rsa: node.state.rsa_identity(node.now())?,
            }
        }
        TlsProfile::Legacy => ListenerProfile::Legacy {
            rsa: node.state.rsa_identity(node.now())?,
        },
    };
    Ok(Acceptor::new(config)?)
}

/// Records a handshake that failed for a pre-shared key, under the name of the device whose identity was named. It is throttled as the refusals of
/// strangers are: who fails here has proved nothing.
pub(crate) async fn handshake_failed(node: &Node, error: &AcceptError, from: SocketAddr) {
    let (cause, identity, holder) = match error {
        AcceptError::PskIdentityUnknown { presented } => {
            (Cause::PskIdentityUnknown, presented.clone(), None)
        }
        AcceptError::PskKeyWrong { identity, nr, .. } => {
            let proof = CredentialProof::Psk {
                identity: identity.as_str().to_owned(),
                nr: *nr,
            };
            let holder = match node.store.credential(&proof).await {
                Ok(credential) => credential.map(|credential| credential.dev_id),
                Err(error) => {
                    tracing::debug!(%error, "the holder of a PSK identity could not be found out");
                    None
                }
            };
            (Cause::PskKeyWrong, identity.to_string(), holder)
        }
        _ => return,
    };
    let event = EventKind::HandshakeRefused {
        profile: TlsProfile::Psk.name().to_owned(),
        cause: cause.code().to_owned(),
        identity,
        from: from.to_string(),
        detail: error.to_string(),
    };
    node.refused_stranger(holder, event, &correlation());
}
