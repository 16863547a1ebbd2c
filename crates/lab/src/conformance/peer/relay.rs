use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::net::UdpSocket;
use tokio::task::JoinHandle;

use super::{Change, DatagramChange};

/// Octets of the longest datagram that is passed on.
const LONGEST: usize = 2048;

/// Passes datagrams on, changed. Dropping it ends it.
#[derive(Debug)]
pub struct Relay {
    address: SocketAddr,
    task: JoinHandle<()>,
}

impl Relay {
    /// Listens on a free UDP port of 127.0.0.1 and passes on to `to`; only [`Change::Datagram`] changes anything.
    ///
    /// # Errors
    /// Where there is no port.
    pub async fn start(to: SocketAddr, change: Change) -> io::Result<Self> {
        let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = socket.local_addr()?;
        let task = tokio::spawn(async move {
            let mut octets = vec![0; LONGEST];
            let mut seen: Vec<Vec<u8>> = Vec::new();
            while let Ok(length) = socket.recv(&mut octets).await {
                let mut datagram = octets[..length].to_vec();
                let earlier = seen.iter().filter(|one| **one == datagram).count();
                seen.push(datagram.clone());
                if let Change::Datagram(DatagramChange(change)) = change {
                    change(&mut datagram, earlier);
                }
                let _lost = socket.send_to(&datagram, to).await;
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

impl Drop for Relay {
    fn drop(&mut self) {
        self.task.abort();
    }
}
