//! Where Notifications reach the device (`dm20.md` §11.6, D40): a UDP socket, an HTTPS listener, and SMS by a link to an SMSC; all off unless
//! the policy names an address. None tells a sender what became of its Notification.

mod https;
mod inbox;
mod smpp;
mod udp;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use omadm_tls::{
    AcceptorConfig, AcceptorSetupError, ClientTrust, ClientTrustError, LiveClientTrust,
};
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::timeout;

use omadm_smpp::Esme;

use crate::engine::Engine;
use crate::https::Credential;
use crate::policy::ListenAddresses;
use inbox::Inbox;

pub use https::NOTIFICATION_PATH;
pub(crate) use smpp::SmppListener;

/// Octets of the longest Notification that a listener takes.
pub(crate) const MAX_OCTETS: usize = 1024;

/// For an SMSC to let the device go.
const UNBIND: Duration = Duration::from_secs(3);

/// Listeners at work; they end where this is dropped.
#[derive(Debug)]
pub struct Listening {
    /// Where the UDP socket is bound.
    pub udp: Option<SocketAddr>,
    /// Where the HTTPS listener is bound.
    pub https: Option<SocketAddr>,
    /// The SMSC that the device binds to, host and port.
    pub smsc: Option<String>,
    esme: Option<Esme>,
    tasks: JoinSet<()>,
}

impl Listening {
    /// Ends the listeners and returns when they are over. By dropping alone they may outlive the [`crate::Client`] for a moment, and its store stays taken
    /// meanwhile: an embedder that makes another client of the same store waits for this.
    pub async fn end(mut self) {
        if let Some(esme) = self.esme.take() {
            let _unbound = timeout(UNBIND, esme.end()).await.is_ok();
        }
        self.tasks.shutdown().await;
    }
}

/// Why the device does not listen. Nothing of it does then.
#[derive(Debug, thiserror::Error)]
pub enum ListenError {
    /// The address is taken, or not of this machine. The configuration is at fault.
    #[error("cannot listen for Notifications on {carrier} {address}: {cause}")]
    Bind {
        /// `udp` or `https`.
        carrier: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the operating system says.
        #[source]
        cause: std::io::Error,
    },
    /// HTTPS without a certificate of the device. The configuration is at fault.
    #[error("the HTTPS listener at {0} needs a certificate and key of the device, and it has none")]
    NoIdentity(SocketAddr),
    /// The device's certificate cannot serve.
    #[error("the device's certificate cannot serve the HTTPS listener: {0}")]
    Identity(#[from] AcceptorSetupError),
    /// No trust could be set up for the HTTPS listener. The environment is at fault.
    #[error(transparent)]
    Trust(#[from] ClientTrustError),
}

/// Binds what the addresses name, and serves it.
pub(crate) async fn listen(
    engine: &Arc<Engine>,
    addresses: &ListenAddresses,
    smpp: Option<&SmppListener>,
) -> Result<Listening, ListenError> {
    let bind = |carrier, address| {
        move |cause| ListenError::Bind {
            carrier,
            address,
            cause,
        }
    };
    let mut listening = Listening {
        udp: None,
        https: None,
        smsc: None,
        esme: None,
        tasks: JoinSet::new(),
    };
    let identity = engine.config.identity.as_deref();
    let acceptor = match (addresses.https, identity.and_then(Credential::identity)) {
        (None, _) => None,
        (Some(address), None) => return Err(ListenError::NoIdentity(address)),
        (Some(address), Some(identity)) => {
            // Senders need no certificate: a Notification is judged by its digest.
            let nobody = LiveClientTrust::new(ClientTrust::new(&[], &[])?);
            let config = AcceptorConfig::new(identity.clone(), Arc::new(nobody));
            Some((address, omadm_tls::Acceptor::new(config)?))
        }
    };
    let udp = match addresses.udp {
        Some(address) => Some(
            UdpSocket::bind(address)
                .await
                .map_err(bind(udp::CARRIER, address))?,
        ),
        None => None,
    };
    let https = match acceptor {
        Some((address, acceptor)) => {
            let socket = TcpListener::bind(address)
                .await
                .map_err(bind(https::CARRIER, address))?;
            Some((socket, acceptor))
        }
        None => None,
    };
    if udp.is_none() && https.is_none() && smpp.is_none() {
        return Ok(listening);
    }
    let (inbox, work) = Inbox::new(Arc::clone(engine));
    listening.tasks.spawn(work);
    if let Some(smpp) = smpp {
        let (esme, work) = smpp::start(smpp.clone(), inbox.clone());
        listening.smsc = Some(esme.smsc().to_owned());
        listening.esme = Some(esme);
        listening.tasks.spawn(work);
    }
    if let Some(socket) = udp {
        listening.udp = socket.local_addr().ok();
        listening.tasks.spawn(udp::serve(socket, inbox.clone()));
    }
    if let Some((socket, acceptor)) = https {
        listening.https = socket.local_addr().ok();
        listening.tasks.spawn(https::serve(socket, acceptor, inbox));
    }
    Ok(listening)
}
