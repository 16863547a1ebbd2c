//! Where Notifications reach the device (`dm20.md` §11.6, D40): a UDP socket, an HTTPS listener, and SMS by a link to an SMSC; all off unless
//! the policy names an address. None tells a sender what became of its Notification. And where trusted servers push bootstraps (D56).

mod bootstrap;
mod https;
mod inbox;
mod smpp;
mod tls_server;
mod udp;
mod wap;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use omadm_mo::TreeError;
use omadm_tls::{
    Acceptor, AcceptorConfig, AcceptorSetupError, ClientTrust, ClientTrustError, Identity,
    LiveClientTrust,
};
use tokio::net::{TcpListener, UdpSocket};
use tokio::task::JoinSet;
use tokio::time::timeout;

use omadm_smpp::Esme;

use crate::engine::Engine;
use crate::policy::ListenAddresses;
use bootstrap::PushDesk;
use inbox::Inbox;

pub use bootstrap::BOOTSTRAP_PATH;
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
    /// Where the bootstrap listener is bound.
    pub bootstrap: Option<SocketAddr>,
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
    #[error("cannot listen on {carrier} {address}: {cause}")]
    Bind {
        /// `udp`, `https` or `bootstrap`.
        carrier: &'static str,
        /// The address.
        address: SocketAddr,
        /// What the operating system says.
        #[source]
        cause: std::io::Error,
    },
    /// A TLS listener without a certificate of the device. The configuration is at fault.
    #[error("the listener at {0} needs a certificate and key of the device, and it has none")]
    NoIdentity(SocketAddr),
    /// The accounts cannot be read. The environment is at fault.
    #[error(transparent)]
    Tree(#[from] TreeError),
    /// The device's certificate cannot serve.
    #[error("the device's certificate cannot serve a listener: {0}")]
    Identity(#[from] AcceptorSetupError),
    /// No trust could be set up for a listener. The environment is at fault.
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
        bootstrap: None,
        smsc: None,
        esme: None,
        tasks: JoinSet::new(),
    };
    let own = engine.config.identity.as_deref();
    let https = match addresses.https {
        Some(address) => {
            let own = own.and_then(crate::https::Credential::identity);
            Some((address, acceptor(address, own)?))
        }
        None => None,
    };
    let bootstrap = match addresses.bootstrap {
        Some(address) => {
            let own = engine.listening_identity().await?;
            Some((address, acceptor(address, own.as_ref())?))
        }
        None => None,
    };
    let udp = match addresses.udp {
        Some(address) => Some(
            UdpSocket::bind(address)
                .await
                .map_err(bind(udp::CARRIER, address))?,
        ),
        None => None,
    };
    let https = match https {
        Some((address, acceptor)) => {
            let socket = TcpListener::bind(address).await;
            Some((socket.map_err(bind(https::CARRIER, address))?, acceptor))
        }
        None => None,
    };
    let bootstrap = match bootstrap {
        Some((address, acceptor)) => {
            let socket = TcpListener::bind(address).await;
            Some((socket.map_err(bind("bootstrap", address))?, acceptor))
        }
        None => None,
    };
    if let Some((socket, acceptor)) = bootstrap {
        listening.bootstrap = socket.local_addr().ok();
        let (desk, work) = PushDesk::new(Arc::clone(engine));
        listening.tasks.spawn(work);
        listening
            .tasks
            .spawn(tls_server::serve(socket, acceptor, desk));
    }
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
        listening
            .tasks
            .spawn(tls_server::serve(socket, acceptor, inbox));
    }
    Ok(listening)
}

/// The device as a TLS server. No anchors judge who calls: a Notification is judged by its digest, who pushes by the sources.
fn acceptor(address: SocketAddr, own: Option<&Identity>) -> Result<Acceptor, ListenError> {
    let identity = own.ok_or(ListenError::NoIdentity(address))?;
    let nobody = LiveClientTrust::new(ClientTrust::new(&[], &[])?);
    Ok(Acceptor::new(AcceptorConfig::new(
        identity.clone(),
        Arc::new(nobody),
    ))?)
}
