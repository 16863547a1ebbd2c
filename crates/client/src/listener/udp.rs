use std::time::Duration;

use tokio::net::UdpSocket;
use tokio::time::sleep;

use super::MAX_OCTETS;
use super::inbox::Inbox;

pub(super) const CARRIER: &str = "udp";
/// After a socket that failed.
const PAUSE: Duration = Duration::from_millis(100);

/// One datagram is one Notification; nothing is ever answered.
pub(super) async fn serve(socket: UdpSocket, inbox: Inbox) {
    // One octet more than is taken: a longer datagram is cut by the system and told by filling it.
    let mut datagram = [0; MAX_OCTETS + 1];
    loop {
        match socket.recv_from(&mut datagram).await {
            Ok((octets, _)) => {
                let _room = inbox.put(&datagram[..octets], CARRIER);
            }
            Err(error) => {
                tracing::debug!(%error, "the UDP socket failed");
                sleep(PAUSE).await;
            }
        }
    }
}
