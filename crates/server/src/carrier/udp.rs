use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};

use async_trait::async_trait;
use tokio::net::{UdpSocket, lookup_host};

use super::{CarrierError, Delivery, Payload, Push, PushAddress, PushCarrier};

/// One datagram, sent once: nobody tells whether it arrived.
pub(super) struct UdpCarrier;

#[async_trait]
impl PushCarrier for UdpCarrier {
    fn name(&self) -> &'static str {
        "udp"
    }

    async fn push(&self, push: &Push<'_>) -> Result<Delivery, CarrierError> {
        let PushAddress::Udp { host, port } = push.to else {
            return Err(CarrierError::SetUp(format!("{} is not of UDP", push.to)));
        };
        let wap;
        let octets = match push.payload {
            Payload::Notification(octets) => octets,
            // Connectionless WSP over UDP (`push.md` §9).
            Payload::Wap(push) => {
                wap = push.encode();
                &wap
            }
        };
        let unreachable = |why: String| CarrierError::Unreachable(push.to.to_string(), why);
        let found = lookup_host((host.as_str(), *port)).await;
        let mut last = "the name has no address".to_owned();
        for address in found.map_err(|error| unreachable(error.to_string()))? {
            match send(address, octets).await {
                Ok(()) => return Ok(Delivery::Sent),
                Err(error) => last = error.to_string(),
            }
        }
        Err(unreachable(last))
    }
}

async fn send(to: SocketAddr, octets: &[u8]) -> std::io::Result<()> {
    let any: SocketAddr = if to.is_ipv4() {
        (Ipv4Addr::UNSPECIFIED, 0).into()
    } else {
        (Ipv6Addr::UNSPECIFIED, 0).into()
    };
    let socket = UdpSocket::bind(any).await?;
    socket.send_to(octets, to).await?;
    Ok(())
}
