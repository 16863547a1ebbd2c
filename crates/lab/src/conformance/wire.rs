//! HTTP/1.1 over TLS, written header by header: wrong ones, missing ones and doubled ones too.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use omadm_mo::{Origin, ServerUri};
use omadm_tls::Connector;
use tokio::net::TcpStream;
use tokio::time::timeout;

use super::transcript::{Exchange, Transcript, body, head};

/// Longest body that is read from a peer.
const LONGEST_BODY: usize = 16 << 20;

/// A request to be written.
#[derive(Clone, Debug)]
pub(super) struct Ask {
    pub(super) method: Method,
    /// Path and query.
    pub(super) target: String,
    pub(super) headers: Vec<(String, String)>,
    pub(super) body: Bytes,
}

/// An answer that was read.
#[derive(Clone, Debug, Default)]
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) headers: HeaderMap,
    pub(super) body: Bytes,
}

/// An open connection.
pub(super) struct Wire {
    sender: SendRequest<Full<Bytes>>,
    host: String,
    transcript: Transcript,
    limit: Duration,
}

impl Ask {
    pub(super) fn new(method: Method, to: &ServerUri) -> Self {
        Self {
            method,
            target: target(to),
            headers: Vec::new(),
            body: Bytes::new(),
        }
    }

    /// The value of a header; empty where there is none.
    pub(super) fn header_value(&self, name: &str) -> &str {
        let mut headers = self.headers.iter();
        let found = headers.find(|(had, _)| had.eq_ignore_ascii_case(name));
        found.map_or("", |(_, value)| value)
    }

    pub(super) fn header(mut self, name: &str, value: impl Into<String>) -> Self {
        self.headers.push((name.to_owned(), value.into()));
        self
    }

    pub(super) fn without(mut self, name: &str) -> Self {
        self.headers
            .retain(|(had, _)| !had.eq_ignore_ascii_case(name));
        self
    }

    pub(super) fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }
}

impl Answer {
    /// With a header of one value. A value that no header carries is left out.
    pub(super) fn with(mut self, name: &'static str, value: &str) -> Self {
        if let Ok(value) = HeaderValue::from_str(value) {
            self.headers.insert(name, value);
        }
        self
    }

    pub(super) fn header(&self, name: &str) -> &str {
        let value = self.headers.get(name);
        value
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    pub(super) const fn is_ok(&self) -> bool {
        matches!(self.status, 200..300)
    }

    /// The answer in a few words.
    pub(super) fn shown(&self) -> String {
        let text = body(&self.body);
        let cut: String = text.chars().take(200).collect();
        match self.header("content-type") {
            "" => format!("{} {cut}", self.status),
            kind => format!("{} {kind} {cut}", self.status),
        }
    }
}

/// Path and query of a URI.
pub(super) fn target(uri: &ServerUri) -> String {
    let text = uri.as_str();
    let authority = text.find("//").map_or(0, |at| at + 2);
    match text[authority..].find(['/', '?']) {
        None => "/".to_owned(),
        Some(at) => match &text[authority + at..] {
            query if query.starts_with('?') => format!("/{query}"),
            path => path.to_owned(),
        },
    }
}

/// A TCP connection.
pub(super) async fn dial(origin: &Origin, limit: Duration) -> Result<TcpStream, String> {
    let address = (origin.host.as_str(), origin.port);
    match timeout(limit, TcpStream::connect(address)).await {
        Err(_) => Err(format!("no connection within {limit:?}")),
        Ok(Err(error)) => Err(format!("no connection: {error}")),
        Ok(Ok(stream)) => {
            let _nagle = stream.set_nodelay(true);
            Ok(stream)
        }
    }
}

impl Wire {
    /// Connects, with a TLS handshake.
    pub(super) async fn open(
        origin: &Origin,
        connector: &Connector,
        transcript: Transcript,
        limit: Duration,
    ) -> Result<Self, String> {
        let stream = dial(origin, limit).await?;
        let stream = connector.connect(stream, &origin.host).await;
        let stream = stream.map_err(|error| format!("no TLS connection: {error}"))?;
        let (sender, connection) = handshake(TokioIo::new(stream))
            .await
            .map_err(|error| format!("no HTTP connection: {error}"))?;
        tokio::spawn(async move {
            let _ended = connection.await;
        });
        Ok(Self {
            sender,
            host: format!("{}:{}", origin.host, origin.port),
            transcript,
            limit,
        })
    }

    /// One exchange. The error says why there was no answer.
    pub(super) async fn send(&mut self, ask: Ask) -> Result<Answer, String> {
        let mut request = Request::builder()
            .method(ask.method.clone())
            .uri(&ask.target)
            .header("host", &self.host);
        for (name, value) in &ask.headers {
            request = request.header(name, value);
        }
        let request = request
            .body(Full::new(ask.body.clone()))
            .map_err(|error| format!("no request: {error}"))?;
        let first = format!("{} {} HTTP/1.1", ask.method, ask.target);
        let mut exchange = Exchange {
            request: head(first, request.headers()),
            sent: body(&ask.body),
            answer: Vec::new(),
            received: String::new(),
        };
        let answer = timeout(self.limit, self.exchange(request)).await;
        let answer = answer.unwrap_or_else(|_| Err(format!("no answer within {:?}", self.limit)));
        if let Ok(answer) = &answer {
            exchange.answer = head(answer.status.to_string(), &answer.headers);
            exchange.received = body(&answer.body);
        }
        self.transcript.add(exchange);
        answer
    }

    async fn exchange(&mut self, request: Request<Full<Bytes>>) -> Result<Answer, String> {
        let broke = |error: hyper::Error| format!("no answer: {}", with_cause(&error));
        self.sender.ready().await.map_err(broke)?;
        let answer = self.sender.send_request(request).await.map_err(broke)?;
        let (head, body) = answer.into_parts();
        let body = Limited::new(body, LONGEST_BODY).collect().await;
        Ok(Answer {
            status: head.status.as_u16(),
            headers: head.headers,
            body: body
                .map_err(|error| format!("the answer broke off: {error}"))?
                .to_bytes(),
        })
    }
}

fn with_cause(error: &hyper::Error) -> String {
    match std::error::Error::source(error) {
        None => error.to_string(),
        Some(cause) => format!("{error}: {cause}"),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn the_target_of_a_uri_is_its_path_and_query() {
        let of = |text: &str| target(&ServerUri::parse(text).unwrap());
        assert_eq!(of("https://a"), "/");
        assert_eq!(of("https://a?b=c"), "/?b=c");
        assert_eq!(of("https://a:1/b/c?d#".trim_end_matches('#')), "/b/c?d");
    }
}
