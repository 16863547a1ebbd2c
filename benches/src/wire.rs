//! One HTTPS connection of a device: cold handshake, then exchanges one after the other. Both arms use it.

use std::net::SocketAddr;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use omadm_tls::{CertificateDer, Connector, ConnectorConfig, Identity, ServerTrust};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use crate::{Broken, Unexpected};

/// The name in the server's certificate that devices connect to.
pub(crate) const HOST: &str = "localhost";

/// An open connection.
pub(crate) struct Wire {
    sender: SendRequest<Full<Bytes>>,
    driver: JoinHandle<Result<(), hyper::Error>>,
    exchanges: u32,
}

impl Wire {
    /// Connects with a connector of its own, as a device does, so that there is nothing to resume.
    pub(crate) async fn open(
        address: SocketAddr,
        anchor: &CertificateDer<'static>,
        identity: Identity,
    ) -> Result<Self, Broken> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let trust = ServerTrust::anchors(std::slice::from_ref(anchor))?;
        let connector = Connector::new(ConnectorConfig::new(trust).with_identity(identity))?;
        let stream = connector.connect(stream, HOST).await?;
        if stream.is_resumed() {
            return Err(Unexpected::Resumed.into());
        }
        let (sender, connection) = handshake(TokioIo::new(stream)).await?;
        Ok(Self {
            sender,
            driver: tokio::spawn(connection),
            exchanges: 0,
        })
    }

    /// Sends a request and reads the whole answer; anything but 200 is an error.
    pub(crate) async fn exchange(
        &mut self,
        request: Request<Full<Bytes>>,
    ) -> Result<Response<Bytes>, Broken> {
        self.exchanges += 1;
        self.sender.ready().await?;
        let (head, body) = self.sender.send_request(request).await?.into_parts();
        let body = body.collect().await?.to_bytes();
        if head.status.as_u16() != 200 {
            let status = head.status.as_u16();
            let body = String::from_utf8_lossy(&body).into_owned();
            let exchange = self.exchanges;
            return Err(Unexpected::Status {
                exchange,
                status,
                body,
            }
            .into());
        }
        Ok(Response::from_parts(head, body))
    }

    /// Closes the connection and waits until it is.
    pub(crate) async fn close(self) -> Result<(), Broken> {
        drop(self.sender);
        Ok(self.driver.await??)
    }
}
