//! Alerts of the client: the bootstrap event, and the others (§1.3, §1.4, §6.2, §6.3).

use omadm_bootstrap::{BootstrapKind, EventData};
use omadm_dm1::syncml::{Alert, AlertCode, StatusCode};

use super::LastEvent;
use super::causes::NotSentCause;
use super::step::{BootstrapReport, Dm1Event, Outcome, ReceivedAlert};
use super::turn::Turn;

/// Prefixes that 1.2.1 allows before a type (§1.4).
const PREFIXES: [&str; 2] = ["Reversed-Domain-Name:", "Content-Type:"];

/// The bootstrap event that an alert is, with its `Source/LocURI`; the status that a malformed one gets. None for any other alert.
pub(super) fn bootstrap_event(
    alert: &Alert,
    types: &[String],
) -> Option<Result<(EventData, Option<String>), StatusCode>> {
    if alert.code != Some(AlertCode::GENERIC_ALERT) {
        return None;
    }
    let item = alert.items.first()?;
    let name = bare(item.meta.r#type.as_deref()?);
    if !types.iter().any(|known| known == name) {
        return None;
    }
    // The event is alone in its alert (M26).
    if alert.items.len() != 1 {
        return Some(Err(StatusCode::INCOMPLETE));
    }
    if item.meta.format() != "chr" {
        return Some(Err(StatusCode::UNSUPPORTED_FORMAT));
    }
    let text = item.data.as_ref().and_then(|data| data.text());
    let data = text.and_then(|text| EventData::read(text).ok());
    let source = item.source.as_ref().map(|source| source.uri.clone());
    Some(data.map_or(Err(StatusCode::INCOMPLETE), |data| Ok((data, source))))
}

/// Whether the event was stored before: by its id; by its number too, unless the device counts anew: it was reset, or the account had gone with its card (§6.3).
pub(super) fn is_known(data: &EventData, last: Option<&LastEvent>) -> bool {
    last.is_some_and(|last| {
        last.id == data.id || data.kind == BootstrapKind::Re && data.seq <= last.seq
    })
}

impl Turn<'_> {
    /// The status of an alert.
    pub(super) fn alert(&mut self, alert: &Alert) -> StatusCode {
        match alert.code {
            None => StatusCode::INCOMPLETE,
            Some(
                AlertCode::SERVER_INITIATED | AlertCode::CLIENT_INITIATED | AlertCode::NEXT_MESSAGE,
            ) => StatusCode::OK,
            Some(AlertCode::SESSION_ABORT) => {
                self.is_aborted = true;
                StatusCode::OK
            }
            Some(AlertCode::NO_END_OF_DATA) => {
                self.chunks_broken();
                StatusCode::OK
            }
            Some(AlertCode::GENERIC_ALERT) => {
                match bootstrap_event(alert, &self.server.event_types) {
                    Some(Ok((data, source))) => self.bootstrapped(data, source),
                    Some(Err(code)) => code,
                    None => self.received(alert, StatusCode::UNSUPPORTED_FORMAT),
                }
            }
            Some(AlertCode::CLIENT_EVENT) => self.received(alert, StatusCode::NOT_SUPPORTED),
            Some(_) => StatusCode::NOT_SUPPORTED,
        }
    }

    /// Stored once, acknowledged as often as it comes.
    fn bootstrapped(&mut self, data: EventData, source: Option<String>) -> StatusCode {
        if let Some(source) = source.clone().filter(|source| source.starts_with("./")) {
            self.state.account_uri = Some(source.clone());
            self.delta.account_uri = Some(source);
        }
        let last = self
            .delta
            .last_event
            .as_ref()
            .or(self.account.last_event.as_ref());
        if is_known(&data, last) {
            self.delta
                .events
                .push(Dm1Event::BootstrapSeen { seq: data.seq });
            return StatusCode::OK;
        }
        self.delta.last_event = Some(LastEvent {
            id: data.id.clone(),
            seq: data.seq,
        });
        self.delta.bootstrap = Some(BootstrapReport { data, source });
        StatusCode::OK
    }

    /// Each item of any other alert is kept, or none.
    fn received(&mut self, alert: &Alert, refused: StatusCode) -> StatusCode {
        let mandatory = alert.items.iter().all(|item| item.meta.r#type.is_some());
        if alert.items.is_empty() || !mandatory {
            return StatusCode::INCOMPLETE;
        }
        if !self.server.keep_alerts {
            return refused;
        }
        let items = alert.items.iter().map(|item| {
            Dm1Event::Alert(ReceivedAlert {
                code: alert.code.map_or(0, |code| code.0),
                correlator: alert.correlator.clone(),
                source: item.source.as_ref().map(|source| source.uri.clone()),
                r#type: item.meta.r#type.clone().unwrap_or_default(),
                format: item.meta.format(),
                mark: item.meta.mark.clone(),
                data: item.data.clone(),
            })
        });
        self.delta.events.extend(items);
        StatusCode::OK
    }

    /// The client broke our chunks off (1225).
    fn chunks_broken(&mut self) {
        let Some(chunk) = self.state.chunk_out.take() else {
            return;
        };
        let is_it = |sent: &super::state::SentCommand1| sent.id.as_ref() == Some(&chunk.id);
        if let Some(at) = self.state.sent.iter().position(is_it) {
            let sent = self.state.sent.remove(at);
            self.outcome(&sent, Outcome::NotSent(NotSentCause::ChunksBroken));
        }
    }
}

/// A type without its prefix and the blanks around (hazard 9).
fn bare(text: &str) -> &str {
    let text = text.trim();
    PREFIXES
        .iter()
        .find_map(|prefix| text.strip_prefix(prefix))
        .map_or(text, str::trim)
}
