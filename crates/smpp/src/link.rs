//! One connection: made, bound, written to.

use std::sync::Arc;

use rusmpp::pdus::BindTransceiver;
use rusmpp::types::COctetString;
use rusmpp::values::{InterfaceVersion, Npi, Ton};
use rusmpp::{Command, CommandId, CommandStatus, Pdu};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadHalf, WriteHalf};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::frame::{Frame, FrameError, Frames, write};
use crate::{EsmeConfig, LinkError, Status};

/// A stream, with TLS or without.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<S: AsyncRead + AsyncWrite + Send + Unpin> Stream for S {}

/// The last sequence number (SMPP 3.4 §3.2); the next one is 1.
const LAST_SEQUENCE: u32 = 0x7FFF_FFFF;

/// A bound connection.
pub(crate) struct Link {
    pub(crate) frames: Frames<ReadHalf<Box<dyn Stream>>>,
    stream: WriteHalf<Box<dyn Stream>>,
    config: Arc<EsmeConfig>,
    sequence: u32,
}

impl Link {
    /// Connects and binds as transceiver.
    pub(crate) async fn bind(config: &Arc<EsmeConfig>) -> Result<Self, LinkError> {
        let silent = |what| LinkError::Silent {
            what,
            after: config.patience,
        };
        let connected = timeout(config.patience, connect(config)).await;
        let stream = connected.map_err(|_| silent("the connection"))??;
        let (read, write) = tokio::io::split(stream);
        let mut link = Self {
            frames: Frames::new(read),
            stream: write,
            config: Arc::clone(config),
            sequence: 0,
        };
        timeout(config.patience, link.bound())
            .await
            .map_err(|_| silent("the bind"))??;
        Ok(link)
    }

    async fn bound(&mut self) -> Result<(), LinkError> {
        let config = Arc::clone(&self.config);
        let password = String::from_utf8_lossy(config.password.expose()).into_owned();
        let bind = BindTransceiver::builder()
            .system_id(text(&config.system_id))
            .password(text(&password))
            .system_type(text(&config.system_type))
            .interface_version(InterfaceVersion::Smpp3_4)
            .addr_ton(Ton::International)
            .addr_npi(Npi::Isdn)
            .address_range(text(&config.address_range))
            .build();
        let sequence = self.ask(bind).await?;
        let answer = self.frames.next().await?;
        match answer {
            Frame { status, .. } if status != Status::OK => Err(LinkError::Refused(Status(status))),
            Frame {
                id, sequence: of, ..
            } if id == u32::from(CommandId::BindTransceiverResp) && of == sequence => Ok(()),
            Frame { id, .. } => Err(FrameError::Unexpected(id).into()),
        }
    }

    /// Sends a command of this end; its sequence number.
    pub(crate) async fn ask(&mut self, pdu: impl Into<Pdu>) -> Result<u32, LinkError> {
        self.sequence = if self.sequence >= LAST_SEQUENCE {
            1
        } else {
            self.sequence + 1
        };
        self.send(CommandStatus::EsmeRok, self.sequence, pdu.into())
            .await?;
        Ok(self.sequence)
    }

    /// Answers a command of the SMSC.
    pub(crate) async fn answer(
        &mut self,
        sequence: u32,
        status: CommandStatus,
        pdu: impl Into<Pdu>,
    ) -> Result<(), LinkError> {
        self.send(status, sequence, pdu.into()).await
    }

    async fn send(
        &mut self,
        status: CommandStatus,
        sequence: u32,
        pdu: Pdu,
    ) -> Result<(), LinkError> {
        let octets = write(&Command::new(status, sequence, pdu));
        let sent = timeout(self.config.patience, async {
            self.stream.write_all(&octets).await?;
            self.stream.flush().await
        });
        match sent.await {
            Ok(sent) => sent.map_err(LinkError::Broken),
            Err(_) => Err(LinkError::Silent {
                what: "TCP",
                after: self.config.patience,
            }),
        }
    }
}

async fn connect(config: &EsmeConfig) -> Result<Box<dyn Stream>, LinkError> {
    let stream = TcpStream::connect((config.host.as_str(), config.port))
        .await
        .map_err(LinkError::Unreachable)?;
    let _best_effort = stream.set_nodelay(true);
    Ok(match &config.tls {
        None => Box::new(stream),
        Some(tls) => Box::new(tls.connect(stream, &config.host).await?),
    })
}

/// A text of a length that was checked; empty where SMPP has no room for it.
pub(crate) fn text<const MAX: usize>(text: &str) -> COctetString<1, MAX> {
    text.parse().unwrap_or_default()
}
