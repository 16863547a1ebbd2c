//! A client of `/api/v1`, for `omadm device …` and for tests.

mod admissions;
mod dm1;
mod objects;

use bytes::Bytes;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use http::{Method, Request, Response, request};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use omadm_mo::Secret;
use omadm_tls::{
    CertificateDer, ConnectError, Connector, ConnectorConfig, ConnectorSetupError, ServerTrust,
    ServerTrustError,
};
use serde::Serialize;
use serde::de::DeserializeOwned;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::TcpStream;
use tokio::task::JoinHandle;

use super::types::{
    BootstrapBody, BootstrapPage, CommandBody, CommandPage, CommandReleased, CredentialAdded,
    DeviceAdded, DeviceDetail, DevicePage, EventPage, GenerationAccepted, GenerationRevoked,
    NewBootstrap, NewCommands, NewCredential, NewDevice, NewNotification, NewRotation,
    NotificationBody, NotifyAt, ProfileBody, RotationBody,
};
use crate::problem::ProblemBody;

/// Longest answer that is read, in octets.
const ANSWER_OCTETS: usize = 16 << 20;

/// A client of one server's operator API.
pub struct ApiClient {
    connector: Option<Connector>,
    host: String,
    port: u16,
    authorization: HeaderValue,
}

/// Why a request had no result.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    /// The token holds characters that no header can carry. The caller is at fault.
    #[error("the admin token has characters that no header carries")]
    Token,
    /// The CA certificate cannot be used. The caller is at fault.
    #[error("the server's CA certificate cannot be used: {0}")]
    Trust(#[from] ServerTrustError),
    /// The TLS client could not be set up.
    #[error(transparent)]
    Setup(#[from] ConnectorSetupError),
    /// No connection to this address.
    #[error("cannot connect to {0}: {1}")]
    Unreachable(String, #[source] std::io::Error),
    /// TLS failed.
    #[error("no TLS connection to the server: {0}")]
    Tls(#[from] ConnectError),
    /// The server broke HTTP or the connection broke.
    #[error("the connection to the server failed: {0}")]
    Http(#[from] hyper::Error),
    /// A value of the request cannot stand in an HTTP request. The caller is at fault.
    #[error("the request cannot be written: {0}")]
    Request(#[from] http::Error),
    /// The server refused; what to do is in `action` of the problem.
    #[error("{}", .0.detail)]
    Refused(Box<ProblemBody>),
    /// What was to be sent could not be read. The caller is at fault.
    #[error("what is to be sent cannot be read: {0}")]
    Source(#[source] std::io::Error),
    /// What came could not be written. The caller or its environment is at fault.
    #[error("what came cannot be written: {0}")]
    Sink(#[source] std::io::Error),
    /// The answer is not what this API answers. The server, or what stands between, is at fault.
    #[error("the server's answer (status {0}) is not one of this API: {1}")]
    Answer(u16, String),
}

impl ApiClient {
    /// A client over TLS; the server is checked against its CA certificate and the host's name.
    ///
    /// # Errors
    /// [`ApiError`] where certificate or token cannot be used.
    pub fn new(
        host: impl Into<String>,
        port: u16,
        ca: &CertificateDer<'_>,
        token: &Secret,
    ) -> Result<Self, ApiError> {
        let trust = ServerTrust::anchors(std::slice::from_ref(ca))?;
        let connector = Connector::new(ConnectorConfig::new(trust))?;
        Ok(Self {
            connector: Some(connector),
            host: host.into(),
            port,
            authorization: bearer(token)?,
        })
    }

    /// A client without TLS, for an operator listener that was opened so on loopback.
    ///
    /// # Errors
    /// [`ApiError::Token`].
    pub fn plain(host: impl Into<String>, port: u16, token: &Secret) -> Result<Self, ApiError> {
        Ok(Self {
            connector: None,
            host: host.into(),
            port,
            authorization: bearer(token)?,
        })
    }

    /// Registers a device.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn add_device(&self, new: &NewDevice) -> Result<DeviceAdded, ApiError> {
        self.post("/api/v1/devices", new).await
    }

    /// A page of devices after a DevID.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn devices(&self, after: Option<&str>) -> Result<DevicePage, ApiError> {
        self.get(&format!("/api/v1/devices{}", query("after", after)))
            .await
    }

    /// A device with all that belongs to it.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn device(&self, dev_id: &str) -> Result<DeviceDetail, ApiError> {
        self.get(&format!("/api/v1/devices/{}", encoded(dev_id)))
            .await
    }

    /// Adds a credential to a device.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn add_credential(
        &self,
        dev_id: &str,
        new: &NewCredential,
    ) -> Result<CredentialAdded, ApiError> {
        self.post(
            &format!("/api/v1/devices/{}/credentials", encoded(dev_id)),
            new,
        )
        .await
    }

    /// Revokes a credential by the id that [`Self::device`] tells.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn revoke_credential(&self, dev_id: &str, id: &str) -> Result<(), ApiError> {
        let path = format!(
            "/api/v1/devices/{}/credentials/{}/revoke",
            encoded(dev_id),
            encoded(id)
        );
        self.send(Method::POST, &path, None).await.map(|_| ())
    }

    /// Gives a device a new secret in its next session.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn rotate(&self, dev_id: &str, new: &NewRotation) -> Result<RotationBody, ApiError> {
        let path = format!("/api/v1/devices/{}/rotations", encoded(dev_id));
        self.post(&path, new).await
    }

    /// Revokes a generation (`boot`, `current`, `pending`) of a device's secrets, in one scope where it is named.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn revoke_generation(
        &self,
        dev_id: &str,
        generation: &str,
        scope: Option<&str>,
    ) -> Result<GenerationRevoked, ApiError> {
        let path = format!(
            "/api/v1/devices/{}/generations/{}/revoke{}",
            encoded(dev_id),
            encoded(generation),
            query("scope", scope)
        );
        self.ask(&path).await
    }

    /// Lets a device come back with secrets that were replaced.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn accept_boot(&self, dev_id: &str) -> Result<GenerationAccepted, ApiError> {
        let path = format!(
            "/api/v1/devices/{}/generations/boot/accept",
            encoded(dev_id)
        );
        self.ask(&path).await
    }

    /// Queues commands for a device, in this order, all or none.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn queue_commands(
        &self,
        dev_id: &str,
        commands: Vec<Vec<String>>,
    ) -> Result<CommandPage, ApiError> {
        let new = NewCommands {
            commands: Some(commands),
            ..NewCommands::default()
        };
        self.queue(dev_id, &new).await
    }

    /// Queues commands for a device, and says whether it is called.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn queue(&self, dev_id: &str, new: &NewCommands) -> Result<CommandPage, ApiError> {
        self.post(&commands_of(dev_id), new).await
    }

    /// Sets where and when a device is called by DM Notifications, and tells what is set now.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn set_notify(&self, dev_id: &str, new: &NotifyAt) -> Result<NotifyAt, ApiError> {
        let path = format!("/api/v1/devices/{}/notify", encoded(dev_id));
        self.bring(Method::PUT, &path, new).await
    }

    /// A page of a device's commands, newest first, before a number.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn commands(
        &self,
        dev_id: &str,
        before: Option<u64>,
    ) -> Result<CommandPage, ApiError> {
        let before = before.map(|nr| nr.to_string());
        let query = query("before", before.as_deref());
        self.get(&format!("{}{query}", commands_of(dev_id))).await
    }

    /// A command with its result.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn command(&self, dev_id: &str, id: &str) -> Result<CommandBody, ApiError> {
        self.get(&format!("{}/{}", commands_of(dev_id), encoded(id)))
            .await
    }

    /// Takes a command back that is queued or held.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn cancel_command(&self, dev_id: &str, id: &str) -> Result<CommandBody, ApiError> {
        let path = format!("{}/{}/cancel", commands_of(dev_id), encoded(id));
        self.ask(&path).await
    }

    /// Lets a held EXEC be sent again.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn release_command(
        &self,
        dev_id: &str,
        id: &str,
    ) -> Result<CommandReleased, ApiError> {
        let path = format!("{}/{}/release", commands_of(dev_id), encoded(id));
        self.ask(&path).await
    }

    /// A page of a device's events after a number of its own, oldest first.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn events_of(&self, dev_id: &str, after: u64) -> Result<EventPage, ApiError> {
        let device = encoded(dev_id);
        self.get(&format!("/api/v1/events?device={device}&after={after}"))
            .await
    }

    /// Sends a device a DM Notification.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn notify(
        &self,
        dev_id: &str,
        new: &NewNotification,
    ) -> Result<NotificationBody, ApiError> {
        let path = format!("/api/v1/devices/{}/notifications", encoded(dev_id));
        self.post(&path, new).await
    }

    /// Starts a bootstrap.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn start_bootstrap(&self, new: &NewBootstrap) -> Result<BootstrapBody, ApiError> {
        self.post("/api/v1/bootstraps", new).await
    }

    /// A bootstrap.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn bootstrap(&self, id: &str) -> Result<BootstrapBody, ApiError> {
        self.get(&format!("/api/v1/bootstraps/{}", encoded(id)))
            .await
    }

    /// The document of an open bootstrap by factory image or card; it holds the device's secrets.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn bootstrap_document(&self, id: &str) -> Result<Secret, ApiError> {
        let path = format!("/api/v1/bootstraps/{}/document", encoded(id));
        let (_, body) = self.send(Method::GET, &path, None).await?;
        Ok(Secret::new(body.to_vec()))
    }

    /// A page of bootstraps, newest first, before one.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn bootstraps(&self, before: Option<&str>) -> Result<BootstrapPage, ApiError> {
        self.get(&format!("/api/v1/bootstraps{}", query("before", before)))
            .await
    }

    /// Events after a position: so many at most, or a page.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn events(&self, after: u64, most: Option<usize>) -> Result<EventPage, ApiError> {
        let limit = most.map_or_else(String::new, |most| format!("&limit={most}"));
        self.get(&format!("/api/v1/events?after={after}{limit}"))
            .await
    }

    /// The server's profiles.
    ///
    /// # Errors
    /// [`ApiError`].
    pub async fn profiles(&self) -> Result<Vec<ProfileBody>, ApiError> {
        self.get("/api/v1/profiles").await
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> Result<T, ApiError> {
        let (status, body) = self.send(Method::GET, path, None).await?;
        serde_json::from_slice(&body).map_err(|cause| ApiError::Answer(status, cause.to_string()))
    }

    /// A POST without body.
    async fn ask<T: DeserializeOwned>(&self, path: &str) -> Result<T, ApiError> {
        let (status, body) = self.send(Method::POST, path, None).await?;
        serde_json::from_slice(&body).map_err(|cause| ApiError::Answer(status, cause.to_string()))
    }

    async fn post<T: DeserializeOwned>(
        &self,
        path: &str,
        new: &(impl Serialize + Sync),
    ) -> Result<T, ApiError> {
        self.bring(Method::POST, path, new).await
    }

    async fn bring<T: DeserializeOwned>(
        &self,
        method: Method,
        path: &str,
        new: &(impl Serialize + Sync),
    ) -> Result<T, ApiError> {
        let new =
            serde_json::to_vec(new).map_err(|cause| ApiError::Answer(0, cause.to_string()))?;
        let (status, body) = self.send(method, path, Some(new)).await?;
        serde_json::from_slice(&body).map_err(|cause| ApiError::Answer(status, cause.to_string()))
    }

    async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<Vec<u8>>,
    ) -> Result<(u16, Bytes), ApiError> {
        let mut request = Request::builder().method(method).uri(path);
        if body.is_some() {
            request = request.header(CONTENT_TYPE, "application/json");
        }
        let body = Full::new(Bytes::from(body.unwrap_or_default()));
        let body = Body::new(body.map_err(|never| match never {}));
        whole(self.begin(request, body).await?).await
    }

    /// Sends a request on a connection of its own, and waits for the head of the answer.
    async fn begin(&self, request: request::Builder, body: Body) -> Result<Begun, ApiError> {
        let authority = if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        };
        let request = request
            .header(HOST, &authority)
            .header(AUTHORIZATION, &self.authorization)
            .body(body)?;
        let stream = TcpStream::connect((self.host.as_str(), self.port))
            .await
            .map_err(|cause| ApiError::Unreachable(authority, cause))?;
        match &self.connector {
            Some(connector) => {
                exchange(connector.connect(stream, &self.host).await?, request).await
            }
            None => exchange(stream, request).await,
        }
    }
}

type Body = UnsyncBoxBody<Bytes, ApiError>;

/// An answer whose body is to come. The connection ends with it.
struct Begun {
    response: Response<Incoming>,
    _sender: SendRequest<Body>,
    _driver: AbortOnDrop,
}

struct AbortOnDrop(JoinHandle<Result<(), hyper::Error>>);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

async fn exchange(
    stream: impl AsyncRead + AsyncWrite + Unpin + Send + 'static,
    request: Request<Body>,
) -> Result<Begun, ApiError> {
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let driver = AbortOnDrop(tokio::spawn(connection));
    let response = sender.send_request(request).await.map_err(of_sending)?;
    Ok(Begun {
        response,
        _sender: sender,
        _driver: driver,
    })
}

/// A body that could not be read is the caller's, not the connection's.
fn of_sending(error: hyper::Error) -> ApiError {
    let source = std::error::Error::source(&error).and_then(|source| source.downcast_ref());
    match source {
        Some(ApiError::Source(cause)) => {
            ApiError::Source(std::io::Error::new(cause.kind(), cause.to_string()))
        }
        _ => error.into(),
    }
}

/// The status and body of a success, the problem of a refusal.
async fn whole(answer: Begun) -> Result<(u16, Bytes), ApiError> {
    let (head, body) = answer.response.into_parts();
    let status = head.status;
    let body = Limited::new(body, ANSWER_OCTETS).collect().await;
    let body = body
        .map_err(|cause| ApiError::Answer(status.as_u16(), cause.to_string()))?
        .to_bytes();
    if status.is_success() {
        return Ok((status.as_u16(), body));
    }
    match serde_json::from_slice(&body) {
        Ok(problem) => Err(ApiError::Refused(Box::new(problem))),
        Err(cause) => Err(ApiError::Answer(status.as_u16(), cause.to_string())),
    }
}

fn bearer(token: &Secret) -> Result<HeaderValue, ApiError> {
    let line = [b"Bearer ", token.expose()].concat();
    let mut value = HeaderValue::from_bytes(&line).map_err(|_| ApiError::Token)?;
    value.set_sensitive(true);
    Ok(value)
}

fn commands_of(dev_id: &str) -> String {
    format!("/api/v1/devices/{}/commands", encoded(dev_id))
}

fn query(name: &str, value: Option<&str>) -> String {
    value
        .map(|value| format!("?{name}={}", encoded(value)))
        .unwrap_or_default()
}

/// Percent-encodes all but the unreserved characters of RFC 3986.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut out, octet| {
        if octet.is_ascii_alphanumeric() || b"-._~".contains(&octet) {
            out.push(char::from(octet));
        } else {
            out.push_str(&format!("%{octet:02X}"));
        }
        out
    })
}
