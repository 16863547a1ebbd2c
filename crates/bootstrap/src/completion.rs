use omadm_dm2::{Alert, AlertData, AlertType, Mark};
use omadm_mo::json::Json;
use omadm_mo::{ClientUri, NodeAddress, standard::dm_acc};
use serde::{Deserialize, Serialize};

use crate::{Account, BootstrapKind, BootstrapMethod, EventId, Provenance, Utc};

/// A BootstrapComplete that the server has not acknowledged yet: survives restart, and rides on every Package#1 to that server (D60).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OwedCompletion {
    /// How often its delivery was tried.
    pub attempts: u32,
    /// Not to be tried earlier.
    pub not_before: Option<Utc>,
}

/// When an owed completion is tried again (D60): 10 s, 1 min, 5 min, 30 min, then hourly, jittered by ± 20 %.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct RetrySchedule;

/// What a BootstrapComplete alert says of the bootstrap (D27). Every part may be missing: only the AlertType is attested.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct BootstrapComplete {
    /// ClientURI of the account's instance, as written.
    pub source: Option<String>,
    /// By which method.
    pub method: Option<BootstrapMethod>,
    /// In which form, as written.
    pub profile: Option<String>,
    /// For the first time or again.
    pub kind: Option<BootstrapKind>,
    /// How many bootstraps were applied to the account.
    pub seq: Option<u32>,
    /// When, as written.
    pub time: Option<String>,
    /// Names the event.
    pub event_id: Option<EventId>,
    /// Hash of the document that was applied, as written.
    pub payload_hash: Option<String>,
}

/// The longest `Retry-After` that counts: a time further ahead is taken for one that a wrong clock set.
const LONGEST_SECS: u32 = 86_400;

impl OwedCompletion {
    /// A completion that nobody tried to deliver yet.
    #[must_use]
    pub const fn fresh() -> Self {
        Self {
            attempts: 0,
            not_before: None,
        }
    }

    /// The state after a failed attempt. `jitter` is from 0 to 255, the server's `Retry-After` in seconds wins over the schedule, up to a day.
    #[must_use]
    pub fn after_failure(&self, now: Utc, jitter: u8, retry_after: Option<u32>) -> Self {
        let attempts = self.attempts.saturating_add(1);
        let wait = retry_after.map_or_else(
            || RetrySchedule::wait_millis(attempts, jitter),
            |secs| i64::from(secs.min(LONGEST_SECS)) * 1000,
        );
        Self {
            attempts,
            not_before: Some(now.plus_millis(wait)),
        }
    }
}

impl RetrySchedule {
    /// Milliseconds to wait after this many failed attempts. `jitter` 0 is 20 % less, 255 is 20 % more.
    #[must_use]
    pub fn wait_millis(attempts: u32, jitter: u8) -> i64 {
        let secs = match attempts {
            0 | 1 => 10,
            2 => 60,
            3 => 300,
            4 => 1800,
            _ => 3600,
        };
        secs * (800 + 400 * i64::from(jitter) / 255)
    }
}

impl BootstrapComplete {
    /// The alert for an account whose completion is owed. Without `with_type` it carries the AlertType and the SourceURI alone.
    #[must_use]
    pub fn alert(account: &Account, with_type: bool) -> Alert {
        let source = ClientUri::of(&NodeAddress::root(dm_acc::moid(), account.miid.clone()));
        let alert = Alert::new(AlertType::BOOTSTRAP_COMPLETE)
            .about(&source)
            .marked(Mark::Informational);
        if !with_type {
            return alert;
        }
        let data = AlertData::object([("BootstrapType", bootstrap_type(&account.provenance))]);
        alert.with_data("application/json", data)
    }

    /// Reads the alert; members it does not know or cannot read are passed over.
    #[must_use]
    pub fn read(alert: &Alert) -> Self {
        let data = alert
            .data
            .as_ref()
            .and_then(|data| data.member("BootstrapType"));
        let text = |name: &str| {
            data.and_then(|data| data.member(name))
                .and_then(Json::as_text)
        };
        let seq = data
            .and_then(|data| data.member("Seq"))
            .and_then(|seq| match seq {
                Json::Text(text) => text.parse().ok(),
                other => other.as_int(),
            });
        Self {
            source: alert.source.clone(),
            method: text("Method").and_then(BootstrapMethod::from_node_value),
            profile: text("Profile").map(str::to_owned),
            kind: text("Kind").and_then(BootstrapKind::from_node_value),
            seq: seq.and_then(|seq| seq.try_into().ok()),
            time: text("Time").map(str::to_owned),
            event_id: text("EventId").and_then(|id| EventId::parse(id).ok()),
            payload_hash: text("PayloadHash").map(str::to_owned),
        }
    }
}

/// The members of `Ext/Bootstrap`, same names and values (D27); the state is always `pending` while an alert tells of it.
fn bootstrap_type(provenance: &Provenance) -> Json {
    Json::object([
        ("Method", Json::text(provenance.method.node_value())),
        ("Profile", Json::text(provenance.format.node_value())),
        ("Kind", Json::text(provenance.kind.node_value())),
        ("Seq", Json::Int(i64::from(provenance.seq))),
        (
            "Time",
            Json::text(provenance.at.map(Utc::to_basic).unwrap_or_default()),
        ),
        ("EventId", Json::text(provenance.event_id.as_str())),
        ("PayloadHash", Json::text(provenance.payload_hash.to_hex())),
        ("State", Json::text("pending")),
    ])
}

#[cfg(test)]
mod tests {
    use super::{OwedCompletion, RetrySchedule};
    use crate::Utc;

    #[test]
    fn the_schedule_is_that_of_d60_with_20_percent_jitter() {
        let middle: Vec<_> = (1..=7)
            .map(|n| RetrySchedule::wait_millis(n, 128) / 1000)
            .collect();
        assert_eq!(middle, [10, 60, 300, 1800, 3600, 3600, 3600]);
        assert_eq!(RetrySchedule::wait_millis(1, 0), 8_000);
        assert_eq!(RetrySchedule::wait_millis(5, 255), 4_320_000);
    }

    #[test]
    fn retry_after_wins_over_the_schedule() {
        let failed = OwedCompletion::fresh().after_failure(Utc(1_000), 0, Some(7));
        assert_eq!(
            failed,
            OwedCompletion {
                attempts: 1,
                not_before: Some(Utc(8_000))
            }
        );
        assert_eq!(
            failed.after_failure(Utc(8_000), 0, None).not_before,
            Some(Utc(56_000))
        );
    }
}
