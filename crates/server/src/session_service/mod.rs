//! The session service: one package in, one durable delta, one answer out. The session itself is the core's (`omadm_session::server`).

mod completion;
mod delta;
mod elsewhere;
mod generation;
mod known;
mod over;
pub(crate) mod queue;
mod sweep;

use axum::body::Bytes;
use http::StatusCode;
use http::header::{HeaderValue, SET_COOKIE};
use omadm_dm2::header::SESSION_COOKIE;
use omadm_dm2::media_type::PACKAGE2;
use omadm_session::server::{DeviceFacts, PackageIn, Reply, SessionState, advance};

pub(crate) use elsewhere::elsewhere;
pub(crate) use over::over;
pub(crate) use sweep::sweep;

use self::queue::Queue;
use crate::entropy::random;
use crate::exchange::{Answer, Head, Refusal, SESSION_PATH, of_commit};
use crate::generations;
use crate::identity::SessionDevice;
use crate::model::{DeviceChange, DmGeneration, ExchangeDelta, SessionChange, SessionRow};
use crate::node::{Node, event};
use crate::notification_service;
use crate::store::CommitError;

/// How often a package is advanced again after another commit of the device came between (DESIGN §3).
pub(crate) const RETRIES: usize = 3;

/// Which package came.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Package {
    /// Package#1.
    Initiation,
    /// Package#3.
    Response,
}

/// What became of a package.
pub(crate) enum Outcome {
    /// It is durable, and this is the answer.
    Answered(Answer),
    /// The device moved on in between; nothing was kept. To be tried again from the identity on.
    Conflict,
}

/// Advances the device's session by one package. The answer is given only once the delta is durable.
pub(crate) async fn exchange(
    node: &Node,
    head: &Head,
    device: &SessionDevice,
    package: Package,
    body: &[u8],
) -> Result<Outcome, Refusal> {
    let dev_id = device.dev_id();
    let mut delta = ExchangeDelta::new(dev_id.clone(), Some(device.device().epoch), head.now);
    let sessions = node.store.sessions(dev_id).await?;
    let elsewhere = elsewhere(node, dev_id, &sessions, DmGeneration::Dm2);
    let mut queue = Queue::load(node, device.device(), &elsewhere).await?;
    let before = running(node, &sessions, &mut delta, head);
    if before.is_none() {
        queue.lose_all(&mut delta, &head.correlation);
    }
    let entropy = random()
        .map_err(|error| Refusal::plain(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    let known = device.device();
    let facts = DeviceFacts {
        wanted: queue.wanted(node, dev_id).await?,
        read_dev_info: true,
        dev_info_missing: known.bootstrapped.is_some() && known.dev_info.is_none(),
        entropy,
    };
    let package = match package {
        Package::Initiation => PackageIn::Package1 { body },
        Package::Response => PackageIn::Package3 {
            body,
            cookie: head.session_cookie(),
        },
    };
    let step = advance(
        head.now,
        before.clone(),
        &facts,
        package,
        node.json_limits(),
    );
    let used = generation::used(node, head, device, &step.delta, &mut delta).await?;
    let (body, set_cookie) = match step.reply {
        Reply::Package2 { body, set_cookie } => (body, set_cookie),
        Reply::Refused(refusal) => {
            let status =
                StatusCode::from_u16(refusal.http_status()).unwrap_or(StatusCode::BAD_REQUEST);
            return Err(Refusal::plain(status, refusal.to_string()).by(dev_id));
        }
    };
    let nothing_new = queue.is_unchanged()
        && delta.credentials.is_empty()
        && delta.events.is_empty()
        && step.delta == omadm_session::server::SessionDelta::default();
    if nothing_new && step.state == before {
        return Ok(Outcome::Answered(answer(body, set_cookie)));
    }
    if let Some(dev_info) = &step.delta.dev_info {
        let text = dev_info.to_compact();
        delta.device.push(DeviceChange::DevInfo(text));
    }
    let session = step.delta.session.as_ref();
    let (came, goes) = delta::came_and_goes(&step.delta);
    delta::describe(session, came, &mut queue, &mut delta, &head.correlation);
    notification_service::answered(
        node,
        known,
        &step.delta.events,
        &mut delta,
        &head.correlation,
    )
    .await?;
    generations::answered(
        node,
        known,
        &step.delta.events,
        &mut delta,
        &head.correlation,
    )
    .await?;
    if let Some(used) = used {
        completion::complete(
            node,
            known,
            used,
            &step.delta.completions,
            &mut delta,
            &head.correlation,
        )
        .await?;
    }
    delta::describe(session, goes, &mut queue, &mut delta, &head.correlation);
    delta.commands.extend(queue.changes());
    delta.device.push(DeviceChange::Seen);
    delta.session = delta::session(step.state, head.now);
    log(head, &delta);
    match node.store.commit(delta).await {
        Ok(_) => Ok(Outcome::Answered(answer(body, set_cookie))),
        Err(CommitError::Conflict) => Ok(Outcome::Conflict),
        Err(error) => Err(of_commit(node, error)),
    }
}

/// The session that runs, unless its time is over or another version of this program wrote it.
fn running(
    node: &Node,
    sessions: &[SessionRow],
    delta: &mut ExchangeDelta,
    head: &Head,
) -> Option<SessionState> {
    let mut sessions = sessions.iter();
    let row = sessions.find(|row| row.generation == DmGeneration::Dm2)?;
    let state = SessionState::from_text(&row.state);
    if let Some(state) = state.ok().filter(|_| row.expires_at > head.now) {
        return Some(state);
    }
    delta.session = SessionChange::End(DmGeneration::Dm2);
    let over = over(node, &delta.dev_id, row, head.now).into_iter();
    let told = over.map(|kind| event(kind, &head.correlation));
    delta.events.extend(told);
    None
}

fn answer(body: Vec<u8>, set_cookie: Option<String>) -> Answer {
    let mut answer = Answer::ok(PACKAGE2, Bytes::from(body));
    let cookie = set_cookie
        .map(|value| format!("{SESSION_COOKIE}={value}; Path={SESSION_PATH}; Secure; HttpOnly"));
    if let Some(cookie) = cookie.and_then(|cookie| HeaderValue::from_str(&cookie).ok()) {
        answer.headers.push((SET_COOKIE, cookie));
    }
    answer
}

fn log(head: &Head, delta: &ExchangeDelta) {
    for event in &delta.events {
        let text = serde_json::to_string(&event.kind).unwrap_or_default();
        tracing::info!(correlation = head.correlation, device = %delta.dev_id, event = %text, "session");
    }
}
