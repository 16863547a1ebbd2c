//! A request of the device listener, read whole: who is at the other end, what it claims, its body within the limits (first rows of D70).

use std::net::IpAddr;
use std::sync::OnceLock;
use std::time::Instant;

use axum::body::Body;
use bytes::Bytes;
use http::header::{ACCEPT, ALLOW, CONTENT_LENGTH, CONTENT_TYPE, COOKIE};
use http::request::Parts;
use http::{HeaderMap, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use omadm_bootstrap::Utc;
use omadm_dm2::{header, media_type};
use omadm_mo::DevId;
use omadm_tls::PeerIdentity;
use tokio::time::timeout;

use super::Refusal;
use crate::clock::unix_time;
use crate::entropy::correlation;
use crate::listener::Connection;
use crate::node::Node;

/// What `OMADM-DevID` says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Claim {
    /// It does not stand there.
    Missing,
    /// It stands there more than once.
    Repeated,
    /// It is no DevID; why.
    Malformed(String),
    /// This one.
    DevId(DevId),
}

/// The head of a request.
pub(crate) struct Head {
    pub(crate) correlation: String,
    pub(crate) connection: u64,
    /// Where it comes from.
    pub(crate) from: Option<IpAddr>,
    pub(crate) method: Method,
    pub(crate) path: String,
    /// Path and query, as they stand in the request.
    pub(crate) target: String,
    pub(crate) headers: HeaderMap,
    /// Judged at the moment of this request.
    pub(crate) peer: Option<PeerIdentity>,
    pub(crate) claim: Claim,
    pub(crate) now: Utc,
    /// Set once the counter of this request's Digest is taken: a request may be judged more than once.
    pub(crate) counted: OnceLock<()>,
    pub(crate) began: Instant,
}

impl Head {
    pub(crate) fn read(node: &Node, request: Request<Body>) -> (Self, Body) {
        let (
            Parts {
                method,
                uri,
                headers,
                extensions,
                ..
            },
            body,
        ) = request.into_parts();
        let connection = extensions.get::<Connection>();
        let now = node.now();
        let head = Self {
            correlation: correlation(),
            connection: connection.map_or(0, |connection| connection.number),
            from: connection.map(|connection| connection.from),
            method,
            path: uri.path().to_owned(),
            target: uri
                .path_and_query()
                .map_or_else(|| uri.path().to_owned(), ToString::to_string),
            counted: OnceLock::new(),
            peer: connection
                .and_then(|it| it.peer.as_ref())
                .map(|peer| peer.judged(&node.trust, unix_time(now))),
            claim: Claim::read(&headers),
            headers,
            now,
            began: Instant::now(),
        };
        (head, body)
    }

    /// 405 with `Allow` where the method is none of these.
    pub(crate) fn allow(
        &self,
        methods: &'static [Method],
        allow: &'static str,
    ) -> Result<(), Refusal> {
        if methods.contains(&self.method) {
            return Ok(());
        }
        let detail = format!("{} is not a method of {}", self.method, self.path);
        Err(Refusal::plain(StatusCode::METHOD_NOT_ALLOWED, detail)
            .with_header(ALLOW, HeaderValue::from_static(allow)))
    }

    /// The ranges of `Accept`, in its order.
    pub(crate) fn accepted(&self) -> Vec<String> {
        let values = self.headers.get_all(ACCEPT).iter();
        let values = values.filter_map(|value| value.to_str().ok());
        let ranges = values.flat_map(|value| value.split(','));
        ranges.map(|range| range.trim().to_owned()).collect()
    }

    /// 406 where `Accept` excludes the answer's type.
    pub(crate) fn acceptable(&self, answer: &str) -> Result<(), Refusal> {
        let ranges: Vec<_> = self
            .headers
            .get_all(ACCEPT)
            .iter()
            .map(|value| value.to_str().unwrap_or("-"))
            .collect();
        if media_type::accepts(&ranges.join(","), answer) {
            return Ok(());
        }
        Err(Refusal::plain(
            StatusCode::NOT_ACCEPTABLE,
            format!("the answer is {answer}, which Accept excludes"),
        ))
    }

    pub(crate) fn content_type(&self) -> &str {
        self.headers
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }

    /// The value of the session cookie (D02).
    pub(crate) fn session_cookie(&self) -> Option<&str> {
        let cookies = self
            .headers
            .get_all(COOKIE)
            .iter()
            .filter_map(|value| value.to_str().ok());
        let mut pairs = cookies
            .flat_map(|line| line.split(';'))
            .filter_map(|pair| pair.trim().split_once('='));
        pairs
            .find(|(name, _)| *name == header::SESSION_COOKIE)
            .map(|(_, value)| value)
    }

    /// The body's length, where the peer tells it.
    pub(crate) fn announced(&self) -> Option<u64> {
        let length = self.headers.get(CONTENT_LENGTH)?;
        length.to_str().ok()?.parse().ok()
    }

    /// Reads the body, 413 where it is over the limit, 408 where it is too slow.
    pub(crate) async fn read_body(
        &self,
        node: &Node,
        mut body: Body,
        limit: usize,
    ) -> Result<Bytes, Refusal> {
        let too_large = || {
            let detail = format!("the body is longer than the {limit} octets that are allowed");
            Refusal::plain(StatusCode::PAYLOAD_TOO_LARGE, detail)
        };
        if self.announced().is_some_and(|octets| octets > limit as u64) {
            see_off(node, body, limit).await;
            return Err(too_large());
        }
        match timeout(
            node.config.limits.body_timeout,
            Limited::new(&mut body, limit).collect(),
        )
        .await
        {
            Ok(Ok(collected)) => Ok(collected.to_bytes()),
            Ok(Err(cause)) if cause.is::<http_body_util::LengthLimitError>() => {
                see_off(node, body, limit).await;
                Err(too_large())
            }
            Ok(Err(_cut)) => Err(Refusal::plain(
                StatusCode::BAD_REQUEST,
                "the body ended before its end",
            )),
            Err(_elapsed) => Err(Refusal::plain(
                StatusCode::REQUEST_TIMEOUT,
                "the body did not arrive in time",
            )),
        }
    }
}

impl Claim {
    fn read(headers: &HeaderMap) -> Self {
        let mut values = headers.get_all(header::DEV_ID).iter();
        match (values.next(), values.next()) {
            (None, _) => Self::Missing,
            (Some(_), Some(_)) => Self::Repeated,
            (Some(value), None) => match value.to_str().map(DevId::parse) {
                Ok(Ok(dev_id)) => Self::DevId(dev_id),
                Ok(Err(cause)) => Self::Malformed(cause.to_string()),
                Err(_) => Self::Malformed("a DevID has visible ASCII characters only".to_owned()),
            },
        }
    }

    /// The claimed DevID for events and traces.
    pub(crate) fn text(&self) -> Option<String> {
        match self {
            Self::DevId(dev_id) => Some(dev_id.to_string()),
            _ => None,
        }
    }
}

/// Reads on for a while what nobody wants: a socket closed with unread octets is reset, and the reset overtakes the answer.
pub(crate) async fn see_off(node: &Node, body: Body, limit: usize) {
    let mut body = Limited::new(body, limit.saturating_mul(16));
    let rest = async { while let Some(Ok(_)) = body.frame().await {} };
    let _outlived = timeout(
        node.config
            .limits
            .body_timeout
            .min(std::time::Duration::from_secs(5)),
        rest,
    )
    .await;
}
