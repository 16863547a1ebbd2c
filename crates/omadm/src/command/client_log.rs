use omadm_client::{ClientEvent, ClientObserver};
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
            ClientEvent::Session(SessionEvent::Ended(Outcome::Lost(cause))) => match cause {
                Cause::Forbidden(rule) => {
                    tracing::warn!(%cause, todo = rule.action(), "no session");
                }
                _ => tracing::warn!(%cause, "no session, or it broke off"),
            },
            ClientEvent::ReportFailed {
                server,
                client,
                cause: cause @ Cause::Forbidden(rule),
                ..
            } => {
                tracing::warn!(%server, client, %cause, todo = rule.action(), "report not sent");
            }
            other => tracing::info!(?other, "client"),
        }
    }
}
