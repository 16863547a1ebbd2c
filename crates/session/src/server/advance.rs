use omadm_bootstrap::{BootstrapComplete, Utc};
use omadm_dm2::{Alert, AlertType, Command, Package1, Package3, SessionCause, Status, StatusCode};
use omadm_mo::json::{Json, JsonLimits};

use super::sending::Sending;
use super::state::{cookie_hash, fingerprint};
use super::{
    CommandOutcome, DeviceFacts, MAX_ALERTS, PackageIn, Refusal, Reply, SentCommand, SessionDelta,
    SessionEvent, SessionState, Step, WantedCommand, caching, dev_info,
};

/// Advances a device's session by one package. A package that is refused leaves the session as it is.
///
/// The caller has authenticated the sender and answers only when state and delta are durable: that answer acknowledges what the package reported (D25,
/// D60). It calls again with what is stored then where the store says that the device moved on in between.
#[must_use]
pub fn advance(
    now: Utc,
    state: Option<SessionState>,
    device: &DeviceFacts,
    package: PackageIn<'_>,
    limits: JsonLimits,
) -> Step {
    let step = match package {
        PackageIn::Package1 { body } => initiation(now, state.as_ref(), device, body, limits),
        PackageIn::Package3 { body, cookie } => match running(state.as_ref(), cookie) {
            Some(state) => response(now, state, device, body, limits),
            None => Err(Refusal::NoSession),
        },
    };
    step.unwrap_or_else(|refusal| Step {
        state,
        delta: SessionDelta::default(),
        reply: Reply::Refused(refusal),
    })
}

/// The session a Package#3 belongs to: without cookie the newest one, which is the only one that is kept; with the cookie of an older one none (D02).
fn running<'a>(state: Option<&'a SessionState>, cookie: Option<&str>) -> Option<&'a SessionState> {
    state.filter(|state| cookie.is_none_or(|cookie| cookie_hash(cookie) == state.cookie_hash))
}

fn initiation(
    now: Utc,
    older: Option<&SessionState>,
    device: &DeviceFacts,
    body: &[u8],
    limits: JsonLimits,
) -> Result<Step, Refusal> {
    let cookie = format!("{:032x}", u128::from_be_bytes(device.entropy));
    let request = fingerprint(1, body);
    if let Some(state) = older.filter(|state| is_repeated_initiation(state, &request)) {
        let mut state = state.clone();
        // The cookie is not kept, so a repeated answer brings a new one, and the one that was lost is void.
        state.cookie_hash = cookie_hash(&cookie);
        state.sent_at = now;
        return Ok(answer_again(state, Some(cookie)));
    }
    let package = Package1::read(&Json::read(body, limits)?)?;
    bounded(&package.alerts)?;
    let causes = package.session_causes();
    if causes.is_empty() {
        return Err(Refusal::NoSessionCause);
    }
    let mut delta = SessionDelta {
        completions: causes.iter().filter_map(completion).collect(),
        ..SessionDelta::default()
    };
    delta
        .events
        .extend(older.map(|older| superseded(now, older)));
    delta.events.push(SessionEvent::Started {
        causes: causes.iter().map(urn).collect(),
    });
    delta.events.extend(causes.iter().filter_map(notified));
    let others = package.alerts.iter();
    let others = others.filter(|alert| SessionCause::of(alert).is_none());
    delta
        .events
        .extend(others.cloned().map(SessionEvent::Alert));

    let unread = device.dev_info_missing || !delta.completions.is_empty();
    let sending = if device.read_dev_info && unread && dev_info::is_offered(&package) {
        Sending::dev_info()
    } else {
        Sending::default()
    };
    let unknown = older.map_or(&[][..], |older| &older.sent);
    let waits = |wanted: &&WantedCommand| {
        let is_it = |sent: &SentCommand| sent.is_exec() && is_of(sent, wanted);
        unknown.iter().any(is_it)
    };
    let sending = sending.take(device.wanted.iter().filter(|wanted| !waits(wanted)));
    let state = SessionState::begin(now, &cookie);
    Ok(go_on(now, state, request, sending, delta, Some(cookie)))
}

/// Whether the answer to this Package#1 was lost on its way, or a proxy asked twice: the same answer does, nothing is recorded anew. Once a Package#3 came
/// it is another session of the same cause. So it is where an EXEC was sent: a device that was restarted by it opens its next session with the same bytes,
/// and the EXEC must not be repeated by itself (D02).
fn is_repeated_initiation(state: &SessionState, request: &str) -> bool {
    state.last_request == request && !state.sent.iter().any(SentCommand::is_exec)
}

fn response(
    now: Utc,
    state: &SessionState,
    device: &DeviceFacts,
    body: &[u8],
    limits: JsonLimits,
) -> Result<Step, Refusal> {
    let package = Package3::read(&Json::read(body, limits)?)?;
    bounded(&package.alerts)?;
    let request = fingerprint(3, body);
    let (expected, found) = (state.sent.len(), package.statuses.len());
    if expected != found {
        // The last Package#3 once more. Where the number fits the commands that are due, equal bytes are their answer: a status says nothing of its
        // command, `{"Status":[{"sc":200}]}` answers many a Package#2, a client never sends a package again (D02), and taking the answer for a repeated
        // one would have the device run the same commands for ever. For a last Package#3, which got END, there is no session any more: 409 is right for
        // the same reason, since nobody who keeps to D02 sends it, and what it reported is recorded.
        if state.last_request == request {
            return Ok(answer_again(state.clone(), None));
        }
        return Err(Refusal::StatusCount { expected, found });
    }
    let duration_ms = state.waited_ms(now);
    let commands: Vec<_> = state.sent.iter().map(command_of).collect();
    let answered = (0..).zip(state.sent.iter().zip(&package.statuses));
    let answered = answered.map(|(index, (sent, status))| {
        SessionEvent::Answered(CommandOutcome {
            duration_ms,
            ..outcome(&package, &commands, index, sent, status)
        })
    });
    // A session cause causes a session in Package#1 only (§2); here it is an alert like others.
    let alerts = package.alerts.iter().cloned().map(SessionEvent::Alert);
    let delta = SessionDelta {
        dev_info: dev_info::read(&package, &state.sent),
        events: answered.chain(alerts).collect(),
        ..SessionDelta::default()
    };
    let is_due = |wanted: &&WantedCommand| !state.sent.iter().any(|sent| is_of(sent, wanted));
    let sending = Sending::default().take(device.wanted.iter().filter(is_due));
    Ok(go_on(now, state.clone(), request, sending, delta, None))
}

fn bounded(alerts: &[Alert]) -> Result<(), Refusal> {
    let found = alerts.len();
    if found > MAX_ALERTS {
        return Err(Refusal::TooManyAlerts { found });
    }
    Ok(())
}

fn is_of(sent: &SentCommand, wanted: &WantedCommand) -> bool {
    sent.id.as_ref() == Some(&wanted.id)
}

/// A command as it was sent; END, which brings nothing, for one that this version does not read.
fn command_of(sent: &SentCommand) -> Command {
    let words: Vec<_> = sent.words.iter().map(String::as_str).collect();
    Command::read(&words).unwrap_or(Command::End)
}

fn outcome(
    package: &Package3,
    commands: &[Command],
    index: usize,
    sent: &SentCommand,
    status: &Status,
) -> CommandOutcome {
    let result = package.result_of(index, commands);
    let items = package.results_for(index, commands).unwrap_or_default();
    let whole = commands
        .get(index)
        .filter(|_| status.code == StatusCode::OK)
        .and_then(|command| caching::validator(command, &items));
    CommandOutcome {
        id: sent.id.clone(),
        command: sent.words.clone(),
        status: status.code,
        duration_ms: 0,
        uris: status.uri.clone(),
        result: result.map(|result| result.to_compact()),
        cv: whole.map(|cv| cv.as_str().to_owned()),
        unchanged: sent
            .cv
            .clone()
            .filter(|_| status.code == StatusCode::NOT_MODIFIED),
    }
}

/// Sends the commands, or END where there are none; then the session is over at once, since no Package#3 follows.
fn go_on(
    now: Utc,
    mut state: SessionState,
    request: String,
    sending: Sending,
    mut delta: SessionDelta,
    cookie: Option<String>,
) -> Step {
    let body = sending.package();
    delta.session = Some(state.id.clone());
    if sending.sent.is_empty() {
        delta.events.push(SessionEvent::Ended);
        return Step {
            state: None,
            delta,
            reply: package2(body, None),
        };
    }
    state.send(now, request, sending.sent, &body);
    delta.events.extend(sent(&state));
    Step {
        state: Some(state),
        delta,
        reply: package2(body, cookie),
    }
}

/// The commands of the last Package#2.
fn sent(state: &SessionState) -> impl Iterator<Item = SessionEvent> {
    state
        .sent
        .iter()
        .cloned()
        .map(|command| SessionEvent::Sent {
            command,
            given: state.given,
        })
}

fn answer_again(mut state: SessionState, cookie: Option<String>) -> Step {
    state.given = state.given.saturating_add(1);
    let events: Vec<_> = sent(&state).collect();
    Step {
        reply: package2(state.last_reply.clone(), cookie),
        delta: SessionDelta {
            session: (!events.is_empty()).then(|| state.id.clone()),
            events,
            ..SessionDelta::default()
        },
        state: Some(state),
    }
}

fn package2(body: String, set_cookie: Option<String>) -> Reply {
    Reply::Package2 {
        body: body.into_bytes(),
        set_cookie,
    }
}

fn superseded(now: Utc, older: &SessionState) -> SessionEvent {
    SessionEvent::Superseded {
        session: older.id.clone(),
        outcome_unknown: older.sent.clone(),
        duration_ms: older.waited_ms(now),
    }
}

fn completion(cause: &SessionCause<'_>) -> Option<BootstrapComplete> {
    let alert: Option<&Alert> = match cause {
        SessionCause::BootstrapComplete(alert) => Some(alert),
        _ => None,
    };
    alert.map(BootstrapComplete::read)
}

fn notified(cause: &SessionCause<'_>) -> Option<SessionEvent> {
    match cause {
        SessionCause::ServerInitiatedMgmt { notification_id } => {
            notification_id.map(|notification_id| SessionEvent::Notified { notification_id })
        }
        _ => None,
    }
}

fn urn(cause: &SessionCause<'_>) -> String {
    let alert_type = match cause {
        SessionCause::BootstrapComplete(_) => AlertType::BOOTSTRAP_COMPLETE,
        SessionCause::ServerInitiatedMgmt { .. } => AlertType::SERVER_INITIATED_MGMT,
        SessionCause::ClientInitiatedMgmt => AlertType::CLIENT_INITIATED_MGMT,
    };
    alert_type.as_str().to_owned()
}

#[cfg(test)]
mod tests;
