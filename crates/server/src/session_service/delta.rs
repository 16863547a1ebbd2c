//! What a step of the session means for the records.

use omadm_bootstrap::Utc;
use omadm_dm2::{Alert, Mark};
use omadm_session::server::{CommandOutcome, SessionDelta, SessionEvent, SessionState};

use super::over::unanswered;
use super::queue::Queue;
use crate::model::{DmGeneration, EventKind, ExchangeDelta, SessionChange, SessionRow};
use crate::node::event;

/// A session without a package for so long is over (D02).
const SESSION_SECS: i64 = 15 * 60;
/// Longest Data of an alert that an event keeps whole, in octets of its compact form.
const ALERT_DATA_OCTETS: usize = 4096;

/// What a package brought, and what the answer to it says: completions, which are added apart, belong in between.
pub(super) fn came_and_goes(step: &SessionDelta) -> (&[SessionEvent], &[SessionEvent]) {
    let goes =
        |what: &SessionEvent| matches!(what, SessionEvent::Sent { .. } | SessionEvent::Ended);
    let events = &step.events[..];
    let first = events.iter().position(goes);
    events.split_at(first.unwrap_or(events.len()))
}

/// Adds what these events of a session tell, and what became of commands.
pub(super) fn describe(
    session: Option<&String>,
    events: &[SessionEvent],
    queue: &mut Queue,
    delta: &mut ExchangeDelta,
    correlation: &str,
) {
    for what in events {
        let session = session.cloned();
        let kind = match what {
            SessionEvent::Started { causes } => Some(EventKind::SessionStarted {
                causes: causes.clone(),
                session,
            }),
            SessionEvent::Superseded {
                session,
                outcome_unknown,
                duration_ms,
            } => {
                let commands = outcome_unknown.iter();
                let superseded = EventKind::SessionSuperseded {
                    session: Some(session.clone()),
                    outcome_unknown: commands.map(|sent| sent.words.join(" ")).collect(),
                };
                delta.events.push(event(superseded, correlation));
                let own = unanswered(outcome_unknown, session, *duration_ms);
                let own = own.map(|kind| event(kind, correlation));
                delta.events.extend(own);
                queue.lose_these(outcome_unknown, delta, correlation);
                None
            }
            SessionEvent::Sent { command, given } => match &command.id {
                Some(id) => queue.sent_by(id, session.as_ref(), delta.at),
                None => Some(EventKind::CommandSent {
                    id: None,
                    session,
                    command: command.words.first().cloned().unwrap_or_default(),
                    uri: command.words.get(1).cloned(),
                    sends: *given,
                }),
            },
            SessionEvent::Answered(outcome) => {
                queue.answered(outcome, delta.at);
                Some(answered(outcome, session))
            }
            SessionEvent::Alert(alert) => Some(received(alert, session)),
            // Only one that this server sent counts: the notification service looks it up.
            SessionEvent::Notified { .. } => None,
            SessionEvent::Ended => Some(EventKind::SessionEnded { session }),
        };
        delta
            .events
            .extend(kind.map(|kind| event(kind, correlation)));
    }
}

/// What becomes of the session's row.
pub(super) fn session(state: Option<SessionState>, now: Utc) -> SessionChange {
    state.map_or(SessionChange::End(DmGeneration::Dm2), |state| {
        SessionChange::Set(SessionRow {
            generation: DmGeneration::Dm2,
            state: state.to_text(),
            expires_at: now.plus_secs(SESSION_SECS),
        })
    })
}

fn answered(outcome: &CommandOutcome, session: Option<String>) -> EventKind {
    EventKind::CommandAnswered {
        command: outcome.command.first().cloned().unwrap_or_default(),
        uri: outcome.command.get(1).cloned(),
        status: outcome.status.get(),
        duration_ms: outcome.duration_ms,
        id: outcome.id.clone(),
        session,
        uris: outcome.uris.clone(),
    }
}

fn received(alert: &Alert, session: Option<String>) -> EventKind {
    let text = alert.data.as_ref().map(|data| data.as_json().to_compact());
    let whole = |text: &String| text.len() <= ALERT_DATA_OCTETS;
    let data = text.as_ref().map(|text| {
        if whole(text) {
            serde_json::from_str(text).unwrap_or_default()
        } else {
            let end = text.floor_char_boundary(ALERT_DATA_OCTETS);
            serde_json::Value::from(text.get(..end).unwrap_or_default())
        }
    });
    EventKind::AlertReceived {
        alert_type: alert.alert_type.to_string(),
        source: alert.source.clone(),
        session,
        target: alert.target.clone(),
        mark: alert.mark.as_ref().map(Mark::as_str).map(str::to_owned),
        data_type: alert.data_type.clone(),
        data,
        data_octets: text.filter(|text| !whole(text)).map(|text| text.len()),
    }
}

#[cfg(test)]
mod tests {
    use omadm_dm2::{Alert, AlertData, AlertType};
    use omadm_mo::json::Json;

    use super::{ALERT_DATA_OCTETS, received};
    use crate::model::EventKind;

    fn kept(data: &str) -> (serde_json::Value, Option<usize>) {
        let data = AlertData::object([("State", Json::text(data))]);
        let alert = Alert::new(AlertType::new("urn:x")).with_data("chr", data);
        match received(&alert, None) {
            EventKind::AlertReceived {
                data, data_octets, ..
            } => (data.unwrap(), data_octets),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn the_data_of_an_alert_is_kept_up_to_its_bound() {
        assert_eq!(kept("25"), (serde_json::json!({"State": "25"}), None));
        let (begin, octets) = kept(&"ü".repeat(4000));
        assert_eq!(octets, Some(8000 + r#"{"State":""}"#.len()));
        let begin = begin.as_str().unwrap();
        assert!(begin.starts_with(r#"{"State":"üü"#));
        assert!((ALERT_DATA_OCTETS - 1..=ALERT_DATA_OCTETS).contains(&begin.len()));
    }
}
