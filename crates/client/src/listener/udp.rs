use std::time::Duration;

use omadm_bootstrap::MAX_DOCUMENT;
use tokio::net::UdpSocket;
use tokio::time::sleep;

use super::MAX_OCTETS;
use super::inbox::{Call, Inbox};
use super::wap;

pub(super) const CARRIER: &str = "udp";
/// Octets of the longest push that is taken: a bootstrap with its headers.
const MAX_DATAGRAM: usize = MAX_DOCUMENT + MAX_OCTETS;
/// After a socket that failed.
const PAUSE: Duration = Duration::from_millis(100);

/// One datagram is one Notification of DM 2.0, or one WAP push as the connectionless port 2948 has it (`push.md` §9); nothing is ever answered.
pub(super) async fn serve(socket: UdpSocket, inbox: Inbox) {
    // One octet more than is taken: a longer datagram is cut by the system and told by filling it.
    let mut datagram = vec![0; MAX_DATAGRAM + 1];
    loop {
        match socket.recv_from(&mut datagram).await {
            Ok((octets, from)) => {
                let datagram = &datagram[..octets];
                let call = match wap::push_of_datagram(datagram) {
                    Some(push) => wap::call_of(push, &from.to_string()),
                    None => Ok(Call::Notification(datagram.to_vec())),
                };
                match call {
                    Ok(call) => {
                        let _room = inbox.put(call, CARRIER);
                    }
                    Err(why) => tracing::debug!(%why, "a WAP push was dropped"),
                }
            }
            Err(error) => {
                tracing::debug!(%error, "the UDP socket failed");
                sleep(PAUSE).await;
            }
        }
    }
}
