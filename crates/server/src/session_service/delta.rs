//! What a step of the session means for the records.

use omadm_bootstrap::Utc;
use omadm_session::server::{SessionDelta, SessionEvent, SessionState};

use crate::model::{DeviceChange, Event, EventKind, ExchangeDelta, SessionChange, SessionRow};
use crate::node::event;

/// A session without a package for so long is over (D02).
const SESSION_SECS: i64 = 15 * 60;

/// Adds what became known by a package: its events and DevInfo. Completions are added apart.
pub(super) fn describe(step: &SessionDelta, delta: &mut ExchangeDelta, correlation: &str) {
    if let Some(dev_info) = &step.dev_info {
        delta
            .device
            .push(DeviceChange::DevInfo(dev_info.to_compact()));
    }
    delta
        .events
        .extend(step.events.iter().map(|what| of(what, correlation)));
}

/// What becomes of the session's row.
pub(super) fn session(state: Option<SessionState>, now: Utc) -> SessionChange {
    state.map_or(SessionChange::End, |state| {
        SessionChange::Set(SessionRow {
            state: state.to_text(),
            expires_at: now.plus_secs(SESSION_SECS),
        })
    })
}

fn of(what: &SessionEvent, correlation: &str) -> Event {
    let kind = match what {
        SessionEvent::Started { causes } => EventKind::SessionStarted {
            causes: causes.clone(),
        },
        SessionEvent::Superseded { .. } => EventKind::SessionSuperseded,
        SessionEvent::Answered(outcome) => EventKind::CommandAnswered {
            command: outcome.command.first().cloned().unwrap_or_default(),
            uri: outcome.command.get(1).cloned(),
            status: outcome.status.get(),
            duration_ms: outcome.duration_ms,
        },
        SessionEvent::Alert(alert) => EventKind::AlertReceived {
            alert_type: alert.alert_type.to_string(),
            source: alert.source.clone(),
        },
        SessionEvent::Ended => EventKind::SessionEnded,
    };
    event(kind, correlation)
}
