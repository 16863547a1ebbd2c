use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio::task::{JoinHandle, JoinSet};

use super::Change;
use super::proxy::refuse;
use crate::conformance::hello::Offer;

/// Passes connections on as they are, but for those whose ClientHello the change refuses: where a proxy cannot speak TLS itself, since it does not know the
/// pre-shared key. Dropping it closes its port and every connection.
#[derive(Debug)]
pub struct Gate {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Gate {
    /// Listens on a free port of 127.0.0.1 and passes on to `to`; only [`Change::NoSuite`], [`Change::NoSuch`] and [`Change::NoPsk`] refuse anything.
    ///
    /// # Errors
    /// Where there is no port.
    pub async fn start(to: SocketAddr, change: Change) -> io::Result<Self> {
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = socket.local_addr()?;
        let task = tokio::spawn(async move {
            let mut connections = JoinSet::new();
            while let Ok((stream, _)) = socket.accept().await {
                connections.spawn(pass(stream, to, change));
                while connections.try_join_next().is_some() {}
            }
        });
        Ok(Self { address, task })
    }

    /// Where it listens.
    #[must_use]
    pub const fn address(&self) -> SocketAddr {
        self.address
    }
}

impl Drop for Gate {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn pass(mut stream: TcpStream, to: SocketAddr, change: Change) {
    let Some(offer) = Offer::peek(&stream).await else {
        return;
    };
    let alone = offer.suites.len() == 1;
    let refused = match change {
        Change::NoSuite => alone,
        Change::NoSuch(suite) => alone && offer.suites.contains(&suite),
        Change::NoPsk => !alone,
        _ => false,
    };
    if refused {
        return refuse(&mut stream).await;
    }
    if let Ok(mut upstream) = TcpStream::connect(to).await {
        let _ended = copy_bidirectional(&mut stream, &mut upstream).await;
    }
}
