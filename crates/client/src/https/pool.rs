use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::{
    ACCEPT, AUTHORIZATION, CONTENT_TYPE, COOKIE, HOST, HeaderValue, LOCATION, RETRY_AFTER,
    WWW_AUTHENTICATE,
};
use http::{HeaderMap, HeaderName, Method, Request};
use http_body_util::Full;
use omadm_dm1::markup::MarkupLimits;
use omadm_dm1::pretty::Pretty;
use omadm_dm1::syncml::Encoding;
use omadm_dm2::http_auth::Challenge;
use omadm_dm2::{Document, header, mask, media_type};
use omadm_mo::json::{Json, JsonLimits};
use omadm_mo::standard::MoRegistry;
use omadm_mo::{DevId, ServerUri};
use omadm_session::client::{Cause, Response};
use tokio::sync::Mutex;
use tokio::time::timeout;

use super::connection::{Connection, Lost};
use super::cookies;
use super::login::{Answered, Login};
use super::resolve;
use super::target::Target;
use crate::observer::{ClientObserver, Exchange};
use crate::policy::NetworkPolicy;

/// The client's HTTPS: sends one request at a time and keeps at most one connection open.
pub(crate) struct Https {
    options: HttpsOptions,
    registry: MoRegistry,
    observer: Arc<dyn ClientObserver>,
    state: Mutex<State>,
    /// Beside the state, which is held for as long as an exchange lasts: downloads go on meanwhile.
    pub(super) answered: Mutex<Option<Answered>>,
}

#[derive(Clone, Copy, Debug)]
pub(crate) struct HttpsOptions {
    /// D01: connect 30 s.
    pub(crate) connect_timeout: Duration,
    /// D01: read 300 s.
    pub(crate) read_timeout: Duration,
    /// Largest answer in octets.
    pub(crate) body_limit: usize,
    /// Which addresses a connection may go to.
    pub(crate) network: NetworkPolicy,
}

#[derive(Default)]
struct State {
    open: Option<Connection>,
    connections: u64,
    exchanges: u64,
}

/// Connections opened for one request at most: a node behind a balancer may close one as it ends, the next leads to another node.
const FRESH: u32 = 2;

/// A request before it is bound to a connection.
pub(crate) struct Call {
    pub(crate) method: Method,
    pub(crate) url: ServerUri,
    pub(crate) content_type: Option<&'static str>,
    pub(crate) accept: String,
    /// `OMADM-DevID`, where D05 allows it.
    pub(crate) dev_id: Option<DevId>,
    /// `Cookie`, whole.
    pub(crate) cookie: Option<String>,
    /// What a challenge is answered with (D45, D81); none where none is to be answered.
    pub(crate) login: Option<Login>,
    pub(crate) body: Vec<u8>,
}

impl Https {
    pub(super) const fn options(&self) -> &HttpsOptions {
        &self.options
    }

    pub(crate) fn new(
        options: HttpsOptions,
        registry: MoRegistry,
        observer: Arc<dyn ClientObserver>,
    ) -> Self {
        Self {
            options,
            registry,
            observer,
            state: Mutex::new(State::default()),
            answered: Mutex::new(None),
        }
    }

    /// Another one of the same kind, with connections of its own: for what goes on while an exchange of this one is waited for.
    pub(crate) fn beside(&self) -> Self {
        Self::new(
            self.options,
            self.registry.clone(),
            Arc::clone(&self.observer),
        )
    }

    /// Connections opened and exchanges made so far.
    pub(crate) async fn counts(&self) -> (u64, u64) {
        let state = self.state.lock().await;
        (state.connections, state.exchanges)
    }

    /// Whether a target may be connected to, by what its host resolves to now. A host that does not resolve is nobody's secret.
    pub(crate) async fn permits(&self, target: &Target) -> Result<(), Cause> {
        let found = timeout(
            self.options.connect_timeout,
            resolve(&target.origin, target.reach, self.options.network),
        );
        match found.await {
            Ok(Err(cause @ Cause::Forbidden(_))) => Err(cause),
            _ => Ok(()),
        }
    }

    /// Closes the connection, if one is open.
    pub(crate) async fn close(&self) {
        self.state.lock().await.open = None;
    }

    /// Sends a request. A 401 challenge is answered where the call has a password (D70), as [`Self::answer`] says.
    pub(crate) async fn call(&self, target: &Target, call: &Call) -> Result<Response, Cause> {
        let called = self.call_with(target, call, &HeaderMap::new()).await;
        called.map(|(response, _)| response)
    }

    /// The same with these header fields too; the answer's come back beside what is read of them.
    pub(crate) async fn call_with(
        &self,
        target: &Target,
        call: &Call,
        more: &HeaderMap,
    ) -> Result<(Response, HeaderMap), Cause> {
        let mut authorization = self.ahead(call).await?;
        let mut answers = 0;
        loop {
            let (response, headers) = self.once(target, call, authorization, more).await?;
            authorization = self
                .answer(call, response.status, challenges(&headers), &mut answers)
                .await?;
            if authorization.is_none() {
                return Ok((response, headers));
            }
        }
    }

    async fn once(
        &self,
        target: &Target,
        call: &Call,
        authorization: Option<HeaderValue>,
        more: &HeaderMap,
    ) -> Result<(Response, HeaderMap), Cause> {
        let mut state = self.state.lock().await;
        let request = build(call, authorization, more)?;
        let (answer, connection) = self
            .exchange(&mut state, target, request, call.method.is_safe())
            .await?;
        state.exchanges += 1;
        let number = state.exchanges;
        drop(state);
        let headers = answer.headers().clone();
        let response = read(answer, call.cookie.as_deref());
        if self.observer.wants_exchanges() {
            self.observer.exchange(&Exchange {
                connection,
                number,
                method: call.method.to_string(),
                url: call.url.to_string(),
                request: self.shown(call.content_type, &call.body),
                status: response.status,
                response: self.shown(response.content_type.as_deref(), &response.body),
            });
        }
        Ok((response, headers))
    }

    /// Sends on the open connection where it serves, else on a fresh one; gives the answer and the connection's number. A peer may close an idle
    /// connection at any time, so a request of which nothing was sent goes out on a fresh one. So does a safe one that was not answered; any other is lost
    /// then, since a package is not sent twice (D02).
    async fn exchange(
        &self,
        state: &mut State,
        target: &Target,
        mut request: Request<Full<Bytes>>,
        safe: bool,
    ) -> Result<(http::Response<Bytes>, u64), Cause> {
        let mut opened = 0;
        loop {
            let mut kept = match state.open.take() {
                Some(open) if target.may_use(&open.target) => Some(open),
                _ => None,
            };
            if let Some(open) = &mut kept
                && !open.is_ready().await
            {
                kept = None;
            }
            let reused = kept.is_some();
            let mut open = match kept {
                Some(open) => open,
                None => {
                    let number = state.connections + 1;
                    let open = Connection::open(target, number, self.options).await?;
                    state.connections = number;
                    opened += 1;
                    open
                }
            };
            let again = (reused && safe).then(|| request.clone());
            let answer = timeout(
                self.options.read_timeout,
                open.exchange(request, self.options.body_limit),
            );
            request = match answer.await {
                Ok(Ok(answer)) => {
                    let number = open.number;
                    state.open = Some(open);
                    return Ok((answer, number));
                }
                Ok(Err(Lost::Unsent(request, _))) if opened < FRESH => *request,
                Ok(Err(Lost::Unanswered(cause))) => again.ok_or(cause)?,
                Ok(Err(Lost::Unsent(_, cause) | Lost::Failed(cause))) => return Err(cause),
                Err(_) => {
                    let limit = self.options.read_timeout;
                    return Err(Cause::Unreachable(format!("no answer within {limit:?}")));
                }
            };
        }
    }

    /// A body for people: decoded, its secrets masked. What is nothing of DM is told by its length alone, since anything may be in it.
    fn shown(&self, content_type: Option<&str>, body: &[u8]) -> Option<String> {
        if body.is_empty() {
            return None;
        }
        if let Some(document) = of_dm1(body) {
            return Some(document);
        }
        let limits = JsonLimits {
            octets: self.options.body_limit,
            ..JsonLimits::default()
        };
        if let Ok(document) = Document::read(body, limits) {
            return Some(document.masked(&self.registry));
        }
        Some(Json::read(body, limits).map_or_else(
            |_| {
                format!(
                    "{} octets of {}",
                    body.len(),
                    content_type.unwrap_or("no type")
                )
            },
            |json| mask(&json, &self.registry).to_pretty(),
        ))
    }
}

/// A document of DM 1.x, whatever its media type.
fn of_dm1(body: &[u8]) -> Option<String> {
    let encoding = Encoding::of_body(body)?;
    let read = Pretty::read(body, encoding, MarkupLimits::MESSAGE, false);
    read.ok().map(|document| document.xml)
}

pub(super) fn build(
    call: &Call,
    authorization: Option<HeaderValue>,
    more: &HeaderMap,
) -> Result<Request<Full<Bytes>>, Cause> {
    let mut request = Request::builder()
        .method(call.method.clone())
        .uri(call.url.path_and_query())
        .header(HOST, call.url.authority())
        .header(ACCEPT, &call.accept);
    if let Some(content_type) = call.content_type {
        request = request.header(CONTENT_TYPE, content_type);
    }
    if let Some(dev_id) = &call.dev_id {
        request = request.header(header::DEV_ID, dev_id.as_str());
    }
    if let Some(cookie) = call.cookie.as_deref().filter(|all| !all.is_empty()) {
        request = request.header(COOKIE, cookie);
    }
    if let Some(authorization) = authorization {
        request = request.header(AUTHORIZATION, authorization);
    }
    for (name, value) in more {
        request = request.header(name, value);
    }
    request
        .body(Full::new(Bytes::from(call.body.clone())))
        .map_err(|error| Cause::Unreachable(format!("the request cannot be written: {error}")))
}

fn read(answer: http::Response<Bytes>, sent: Option<&str>) -> Response {
    let (head, body) = answer.into_parts();
    let text = |name: HeaderName| {
        head.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .map(str::to_owned)
    };
    Response {
        status: head.status.as_u16(),
        set_cookie: cookies::kept(sent, &head.headers),
        location: text(LOCATION),
        // The date form of Retry-After is not read: the schedule of D60 serves then.
        retry_after: text(RETRY_AFTER).and_then(|seconds| seconds.trim().parse().ok()),
        content_type: text(CONTENT_TYPE),
        omadm_accept: listed(&head.headers, header::ACCEPT),
        body: body.to_vec(),
    }
}

/// A header that may be repeated, as one list.
fn listed(headers: &HeaderMap, name: &str) -> Option<String> {
    let values: Vec<_> = headers
        .get_all(name)
        .iter()
        .filter_map(|value| value.to_str().ok())
        .collect();
    (!values.is_empty()).then(|| values.join(", "))
}

pub(super) fn challenges(headers: &HeaderMap) -> Vec<Challenge> {
    let lines = headers.get_all(WWW_AUTHENTICATE).iter();
    Challenge::read_all(lines.filter_map(|line| line.to_str().ok()))
}

/// The `Accept` of a bootstrap fetch and of an HGET: the types of D09.
pub(crate) fn accept_mo() -> String {
    media_type::MO_READ.join(", ")
}
