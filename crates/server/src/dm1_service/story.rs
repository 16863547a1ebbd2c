//! What a message means for the device's story and its queue.

use ::http::StatusCode;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use omadm_dm1::syncml::{Data, StatusCode as DmStatus};
use omadm_session::server::dm1::{
    Aborter, BootstrapReport, CommandOutcome1, Direction, Dm1Delta, Dm1Event, NotSentCause,
    Outcome, OwnOutcome1, ReceivedAlert, ResultItem,
};
use serde_json::json;

use crate::model::{BootstrapRecord, DeviceChange, EventKind, ExchangeDelta};
use crate::node::event;
use crate::session_service::queue::Queue;

/// How proofs of these accounts are called in events.
const PROOF: &str = "dm1-account";
/// Longest data of an alert that an event keeps whole, in octets.
const ALERT_DATA_OCTETS: usize = 4096;

/// Adds what a proven message tells: events, what became of commands, a bootstrap.
pub(super) fn tell(
    said: &Dm1Delta,
    user: &str,
    applied: Option<&(BootstrapRecord, bool)>,
    queue: &mut Queue,
    delta: &mut ExchangeDelta,
    correlation: &str,
) {
    let recovered = said.events.iter().filter_map(|what| match what {
        Dm1Event::Recovered(direction) => Some(scope(*direction).to_owned()),
        _ => None,
    });
    let recovered: Vec<_> = recovered.collect();
    let completes = applied.is_some_and(|(_, now)| *now);
    if said.bootstrap.is_some() || completes || !recovered.is_empty() {
        let record = applied.map(|(record, _)| record);
        bootstrapped(
            said.bootstrap.as_ref(),
            record,
            recovered,
            delta,
            correlation,
        );
    }
    for what in &said.events {
        let kind = kind_of(what, said.session.as_ref(), user, queue, delta, correlation);
        if let Some(kind) = kind {
            let text = serde_json::to_string(&kind).unwrap_or_default();
            tracing::info!(correlation, device = %delta.dev_id, event = %text, "session");
            delta.events.push(event(kind, correlation));
        }
    }
}

fn kind_of(
    what: &Dm1Event,
    session: Option<&String>,
    user: &str,
    queue: &mut Queue,
    delta: &mut ExchangeDelta,
    correlation: &str,
) -> Option<EventKind> {
    let id = || session.cloned().unwrap_or_default();
    Some(match what {
        Dm1Event::Started { triggered, .. } => EventKind::SessionStarted {
            causes: vec![format!("dm1:{}", if *triggered { 1200 } else { 1201 })],
            session: session.cloned(),
        },
        Dm1Event::Superseded { session } => EventKind::SessionSuperseded {
            session: Some(session.clone()),
            outcome_unknown: Vec::new(),
        },
        Dm1Event::Promoted(direction) => EventKind::SecretRotated {
            scope: scope(*direction).to_owned(),
            proof: PROOF.to_owned(),
            fingerprint: None,
            name: Some(user.to_owned()),
        },
        Dm1Event::Rotating => EventKind::RotationQueued {
            id: String::new(),
            scope: "dm1".to_owned(),
            proof: PROOF.to_owned(),
            fingerprint: None,
            name: Some(user.to_owned()),
            reason: "session".to_owned(),
        },
        Dm1Event::RotationRefused { direction, code } => EventKind::RotationFailed {
            id: id(),
            scope: scope(*direction).to_owned(),
            status: code.0,
        },
        Dm1Event::Sent { id } => queue.sent_by(id, session, delta.at)?,
        Dm1Event::Outcome(outcome) => outcome_of(outcome, session, queue, delta, correlation)?,
        Dm1Event::OwnSent(command) => EventKind::CommandSent {
            id: None,
            session: session.cloned(),
            command: command.name.clone(),
            uri: command.uri.clone(),
            sends: 1,
        },
        Dm1Event::OwnOutcome(outcome) => own_outcome(outcome),
        Dm1Event::Alert(alert) => received(alert, session),
        Dm1Event::Aborted { by } => EventKind::SessionAborted {
            reason: aborted(by),
            session: session.cloned(),
        },
        Dm1Event::ServerRefused => EventKind::SessionAborted {
            reason: "the device accepted no credential of the server".to_owned(),
            session: session.cloned(),
        },
        Dm1Event::Ended => EventKind::SessionEnded {
            session: session.cloned(),
        },
        Dm1Event::Irregular(what) => {
            tracing::info!(correlation, device = %delta.dev_id, "DM 1.x: {what}");
            return None;
        }
        // Told with the bootstrap, kept where it was proven (`held`), or of no concern to an operator.
        Dm1Event::Recovered(_)
        | Dm1Event::RecoveryHeld { .. }
        | Dm1Event::TwoHolders
        | Dm1Event::Challenged(_)
        | Dm1Event::Refused(_)
        | Dm1Event::AttemptsExhausted
        | Dm1Event::OtherDevice { .. }
        | Dm1Event::ServerChallenged
        | Dm1Event::BootstrapSeen { .. } => {
            tracing::debug!(correlation, device = %delta.dev_id, event = ?what, "DM 1.x");
            return None;
        }
    })
}

fn bootstrapped(
    report: Option<&BootstrapReport>,
    record: Option<&BootstrapRecord>,
    recovered: Vec<String>,
    delta: &mut ExchangeDelta,
    correlation: &str,
) {
    let data = report.map(|report| &report.data);
    // What a device without events is bootstrapped by is what its record says (§6.3).
    let method = data.map(|data| data.method);
    let method = method.or_else(|| record.map(|record| record.method));
    let name = method.map(|method| method.name().to_owned());
    let event_id = data.map(|data| data.id.to_string());
    let bootstrap = record.map(|record| record.id.to_string());
    if let Some(method) = method {
        let completed = EventKind::BootstrapCompleted {
            bootstrap: bootstrap.clone(),
            method: name.clone(),
            kind: data.map(|data| data.kind.node_value().to_owned()),
            event_id: event_id.clone(),
        };
        delta.events.push(event(completed, correlation));
        delta.device.push(DeviceChange::Bootstrapped(method));
    }
    if data.is_some_and(|data| data.seq > 1) || !recovered.is_empty() {
        let again = EventKind::Rebootstrapped {
            bootstrap,
            method: name,
            event_id,
            recovered,
        };
        delta.events.push(event(again, correlation));
    }
}

fn outcome_of(
    outcome: &CommandOutcome1,
    session: Option<&String>,
    queue: &mut Queue,
    delta: &mut ExchangeDelta,
    correlation: &str,
) -> Option<EventKind> {
    let (status, result) = match &outcome.outcome {
        Outcome::Unknown => {
            queue.lose_by(&outcome.id, delta, correlation);
            return None;
        }
        Outcome::NotSent(NotSentCause::TooLarge) => (StatusCode::PAYLOAD_TOO_LARGE.as_u16(), None),
        Outcome::NotSent(
            NotSentCause::NotWritable | NotSentCause::NoCommand | NotSentCause::ChunksBroken,
        ) => (StatusCode::BAD_REQUEST.as_u16(), None),
        Outcome::Answered {
            code,
            members,
            results,
        } => (code.0, result_of(members, results)),
    };
    let (command, uri) = queue.answered_by(&outcome.id, status, result, delta.at)?;
    Some(EventKind::CommandAnswered {
        command,
        uri,
        status,
        duration_ms: outcome.duration_ms,
        id: Some(outcome.id.clone()),
        session: session.cloned(),
        uris: Vec::new(),
    })
}

/// What became of a command that the server sent by itself.
pub(crate) fn own_outcome(outcome: &OwnOutcome1) -> EventKind {
    let (command, uri) = (outcome.command.name.clone(), outcome.command.uri.clone());
    let session = Some(outcome.session.clone());
    match outcome.code {
        Some(code) => EventKind::CommandAnswered {
            command,
            uri,
            status: code.0,
            duration_ms: outcome.duration_ms,
            id: None,
            session,
            uris: Vec::new(),
        },
        None => EventKind::CommandUnanswered {
            command,
            uri,
            duration_ms: Some(outcome.duration_ms),
            id: None,
            session,
        },
    }
}

/// What an answer brought beside its status, as JSON: of a `Get` its results; of an `Atomic` or `Sequence` the statuses of its members too, in order, null
/// where the device gave none.
fn result_of(members: &[Option<DmStatus>], results: &[ResultItem]) -> Option<String> {
    let results = results_of(results);
    if members.is_empty() {
        return results.map(|results| results.to_string());
    }
    let told = |status: &DmStatus| json!({"Status": status.0, "Meaning": status.meaning()});
    let members: Vec<_> = members
        .iter()
        .map(|member| member.as_ref().map(told))
        .collect();
    let mut whole = json!({ "Members": members });
    if let Some(results) = results {
        whole["Results"] = results;
    }
    Some(whole.to_string())
}

/// What a `Get` brought, as JSON: LocURI, format, type and data of each item; octets that are no text in base64.
fn results_of(items: &[ResultItem]) -> Option<serde_json::Value> {
    let all: Vec<_> = items
        .iter()
        .map(|item| {
            let (name, data) = match item.data.text() {
                Some(text) => ("Data", text.to_owned()),
                None => ("DataBase64", STANDARD.encode(item.data.octets())),
            };
            json!({"LocURI": item.uri, "Format": item.format, "Type": item.r#type, name: data})
        })
        .collect();
    (!all.is_empty()).then(|| all.into())
}

fn received(alert: &ReceivedAlert, session: Option<&String>) -> EventKind {
    let text = alert.data.as_ref().and_then(Data::text);
    let whole = |text: &&str| text.len() <= ALERT_DATA_OCTETS;
    let kept = text.map(|text| {
        let end = text.floor_char_boundary(ALERT_DATA_OCTETS);
        text.get(..end).unwrap_or_default()
    });
    EventKind::AlertReceived {
        alert_type: alert.r#type.clone(),
        source: alert.source.clone(),
        session: session.cloned(),
        target: None,
        mark: alert.mark.clone(),
        data_type: Some(alert.format.clone()),
        data: kept.map(serde_json::Value::from),
        data_octets: text.filter(|text| !whole(text)).map(str::len),
    }
}

const fn scope(direction: Direction) -> &'static str {
    match direction {
        Direction::Client => "dm1-client",
        Direction::Server => "dm1-server",
    }
}

fn aborted(by: &Aborter) -> String {
    match by {
        Aborter::Client => "the device aborted it".to_owned(),
        Aborter::Server(reason) => reason.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{DmStatus, result_of};

    #[test]
    fn the_statuses_of_an_atomic_s_members_are_kept_with_their_meaning() {
        assert_eq!(result_of(&[], &[]), None);
        let members = [Some(DmStatus::ROLLED_BACK), Some(DmStatus::NOT_FOUND), None];
        let kept: Value = serde_json::from_str(&result_of(&members, &[]).unwrap()).unwrap();
        let told = |status: u16, meaning: &str| json!({"Status": status, "Meaning": meaning});
        let wanted = json!([
            told(216, "rolled back with its Atomic"),
            told(404, "not found"),
            null
        ]);
        assert_eq!(kept, json!({ "Members": wanted }));
    }
}
