//! A bootstrap of DM 1.x completes: by the device's event, or, on a device that reports none, by its first session with what the bootstrap brought (`dm1x.md`
//! §5.9, §6.3).

use omadm_session::server::dm1::{BootstrapReport, Direction, Dm1Delta, Dm1Event};

use super::Account;
use crate::bootstrap_service::end_into;
use crate::model::{BootstrapChange, BootstrapRecord, BootstrapState, Credential, ExchangeDelta};

/// A bootstrap that is on the device, as a message proved.
pub(super) struct Applied {
    pub(super) record: BootstrapRecord,
    /// It completes with this message.
    pub(super) now: bool,
}

/// The record that a proven message is of, if it tells anything about one: that whose document the event names by its hash, as long as the device does not prove
/// itself by another's; else that which brought what it proves itself with.
pub(super) fn applied(
    account: &Account,
    said: &Dm1Delta,
    records: &[BootstrapRecord],
) -> Option<Applied> {
    let report = said.bootstrap.as_ref();
    let promoted = said.events.contains(&Dm1Event::Promoted(Direction::Client));
    // What fell back to the account before is none that was brought (M25).
    if report.is_some_and(|report| report.data.reverted) || report.is_none() && !promoted {
        return None;
    }
    let own =
        |record: &&BootstrapRecord| record.is_dm1() && record.srv_id.as_str() == account.server_id;
    let named = report.and_then(|report| report.data.sha.as_deref());
    let by_hash = named.and_then(|sha| {
        let mut own = records.iter().filter(own);
        own.find(|record| {
            let hash = record.payload_hash.to_hex();
            sha.len() == 16
                && hash.as_bytes()[..16].eq_ignore_ascii_case(sha.as_bytes())
                && !account.awaits_of(&record.id.0)
        })
    });
    let record = by_hash.or_else(|| {
        let used = account.in_use()?;
        records
            .iter()
            .filter(own)
            .find(|record| record.id.0 == *used)
    })?;
    Some(Applied {
        now: !record.state.is_terminal(),
        record: record.clone(),
    })
}

impl Applied {
    /// Adds to the delta what it means for the records: this one is completed, and those that were made before it are superseded.
    pub(super) fn add_to(
        mut self,
        report: Option<&BootstrapReport>,
        account: &mut Account,
        records: &[BootstrapRecord],
        credentials: &[Credential],
        delta: &mut ExchangeDelta,
        correlation: &str,
    ) -> BootstrapRecord {
        let data = report.map(|report| &report.data);
        let is_told = self.record.state == BootstrapState::Completed
            && self.record.event_id.is_none()
            && data.is_some();
        if self.now || is_told {
            let record = &mut self.record;
            record.event_id = data.map(|data| data.id.clone());
            record.kind = data.map(|data| data.kind);
            record.method = data.map_or(record.method, |data| data.method);
        }
        if self.now {
            let record = &mut self.record;
            record.state = BootstrapState::Completed;
            record.cause = None;
            record.ended_at = Some(delta.at);
            record.end_push();
            let before = |older: &&BootstrapRecord| {
                older.id != record.id
                    && older.is_of_account(record)
                    && !older.state.is_terminal()
                    && older.created_at <= record.created_at
            };
            for older in records.iter().filter(before) {
                account.drop_ended(|id| older.id.0 == *id);
                let state = BootstrapState::Superseded;
                end_into(delta, older.clone(), credentials, state, correlation);
            }
        }
        if self.now || is_told {
            let change = BootstrapChange::Update(Box::new(self.record.clone()));
            delta.bootstraps.push(change);
        }
        self.record
    }
}
