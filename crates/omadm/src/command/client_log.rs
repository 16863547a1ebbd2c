use omadm_client::{ClientEvent, ClientObserver};
use omadm_session::client::dm1::{Dm1Outcome, Dm1SessionEvent};
use omadm_session::client::{Cause, Outcome, SessionEvent};

/// Writes what happens to the log.
pub(super) struct Logged;

impl ClientObserver for Logged {
    fn wants_exchanges(&self) -> bool {
        false
    }

    fn event(&self, event: &ClientEvent) {
        match event {
            ClientEvent::Refused(refusal) => {
                tracing::warn!(cause = refusal.cause.code(), %refusal, "bootstrap refused");
            }
            ClientEvent::PushTurnedAway {
                from,
                refusal,
                unreported,
            } => {
                tracing::warn!(%from, cause = refusal.cause.code(), %refusal, unreported, "pushed bootstrap turned away");
            }
            // Each time there is no reader.
            ClientEvent::CardsChecked(decision) if decision.to_string().is_empty() => {}
            ClientEvent::WapPush(event) => tracing::warn!("{event}"),
            ClientEvent::CardsChecked(decision) => tracing::info!("cards: {decision}"),
            ClientEvent::NotificationAccepted {
                carrier,
                notification,
            } => tracing::info!(
                carrier,
                server = %notification.server,
                notification_id = notification.notification_id,
                "Notification accepted"
            ),
            ClientEvent::NotificationIgnored {
                carrier,
                cause,
                unreported,
            } => tracing::warn!(carrier, %cause, unreported, "Notification ignored"),
            ClientEvent::Skipped(item) => tracing::warn!(
                uri = item.uri,
                reason = item.reason.sentence(),
                "item skipped"
            ),
            ClientEvent::ReportFailed {
                server,
                client,
                cause: cause @ Cause::Forbidden(rule),
                ..
            } => {
                tracing::warn!(%server, client, %cause, todo = rule.action(), "report not sent");
            }
            ClientEvent::Session(event) => session(event),
            ClientEvent::Dm1Session(event) => dm1_session(event),
            other => tracing::info!(?other, "client"),
        }
    }
}

fn session(event: &SessionEvent) {
    match event {
        SessionEvent::Started { server, .. } => tracing::info!(%server, "session begins"),
        SessionEvent::Command { text, status, .. } => {
            tracing::info!(command = text, %status, "command");
        }
        SessionEvent::Ended(Outcome::Ended) => tracing::info!("session ended by the server"),
        SessionEvent::Ended(Outcome::Lost(cause)) => lost(cause),
        SessionEvent::Ended(outcome) => tracing::warn!(why = %outcome, "session broke off"),
        other => tracing::info!(?other, "session"),
    }
}

fn dm1_session(event: &Dm1SessionEvent) {
    match event {
        Dm1SessionEvent::Started { server, .. } => tracing::info!(%server, "DM 1.x session begins"),
        Dm1SessionEvent::Command {
            name,
            targets,
            status,
        } => {
            let targets = targets.join(" ");
            tracing::info!(command = name, targets, %status, "command");
        }
        Dm1SessionEvent::Ended(Dm1Outcome::Ended { server_proven }) => {
            tracing::info!(server_proven, "session ended by the server");
        }
        Dm1SessionEvent::Ended(Dm1Outcome::Lost(cause)) => lost(cause),
        Dm1SessionEvent::Ended(outcome) => tracing::warn!(why = %outcome, "session broke off"),
        other => tracing::info!(?other, "DM 1.x session"),
    }
}

fn lost(cause: &Cause) {
    match cause {
        Cause::Forbidden(rule) => tracing::warn!(%cause, todo = rule.action(), "no session"),
        _ => tracing::warn!(%cause, "no session, or it broke off"),
    }
}
