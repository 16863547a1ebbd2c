//! The store battery: what every back end has to pass. A back end implements [`BackEnd`] and calls `battery!`, which makes each case a test of its own.

pub(crate) mod calls;
pub(crate) mod commands;
pub(crate) mod deltas;
pub(crate) mod events;
pub(crate) mod failed_creds;
pub(crate) mod marks;
pub(crate) mod objects;
pub(crate) mod receipts;
pub(crate) mod upgrade;
pub(crate) mod values;
pub(crate) mod waiting;

use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use omadm_bootstrap::{BootstrapMethod, EventId, PayloadHash, ProfileFormat, Utc};
use omadm_mo::{DevId, SrvId};

use super::{CommitError, Committed, Store};
use crate::model::{
    BootstrapChange, BootstrapRecord, BootstrapState, CommandId, Credential, CredentialChange,
    CredentialProof, CredentialScope, DeferredMark, DeviceEpoch, Event, EventKind, ExchangeDelta,
    Generation, RecordId, StoredEvent,
};

/// One database that a test has to itself; it is empty at first, and lasts as long as the value.
pub(crate) trait BackEnd: Send + Sync {
    /// Opens the database, which no other store has open.
    fn open(&self, settings: Settings) -> impl Future<Output = Arc<dyn Store>> + Send;
}

/// What a case needs of the store.
#[derive(Clone, Copy)]
pub(crate) struct Settings {
    /// Deltas that may wait.
    pub(crate) queue: usize,
    /// When a mark leaves at the latest.
    pub(crate) defer_interval: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            queue: 1024,
            defer_interval: Duration::from_secs(3600),
        }
    }
}

/// Makes every case of the battery a test on the back end that the expression makes.
macro_rules! battery {
    ($back_end:expr) => {
        battery! { $back_end;
            deltas {
                a_device_is_registered_once
                a_delta_commits_at_its_epoch_only
                of_many_writers_at_one_epoch_one_wins
                a_failing_delta_harms_no_other
                a_failing_delta_leaves_nothing_behind
                a_certificate_belongs_to_one_device
                a_name_belongs_to_one_device
                a_delta_finishes_though_its_caller_is_gone
                a_full_queue_refuses_and_loses_nothing
                what_a_delta_names_must_exist
                a_reopened_store_has_everything
                commits_are_counted
            }
            values {
                every_value_comes_back_as_it_was_written
                a_record_and_its_document_come_back
                credentials_come_back_oldest_first
                psks_are_found_by_when_they_were_added
                wrong_codes_count_down_to_death
                promotion_and_revocation_are_kept
                a_credential_passes_through_its_generations
                a_session_is_set_replaced_and_ended
                changes_of_the_device_row_are_kept
                a_store_is_claimed_once
                revoked_certificates_of_the_ca_are_listed
                sessions_whose_time_is_over_are_found
                devices_come_in_pages
                records_come_in_pages_newest_first
                overdue_are_records_that_are_open_and_whose_time_is_over
                a_push_is_found_when_it_is_due_and_not_once_its_record_ended
            }
            commands {
                commands_are_numbered_and_sent_in_this_order
                every_member_of_a_command_comes_back
                open_commands_are_counted_with_the_device
                a_command_that_ended_does_not_change_any_more
                commands_come_in_pages_newest_first_without_results
                the_newest_result_with_a_validator_is_found_by_its_words
            }
            objects {
                objects_are_stored_replaced_and_kept_apart
                an_object_of_an_earlier_version_has_its_etag_where_it_is_read
                an_object_in_pieces_comes_back_and_its_pieces_go_with_it
                pieces_without_an_object_are_swept_when_they_are_old
                an_upload_that_is_not_whole_becomes_no_object
                objects_count_by_their_owner
                a_piece_may_come_twice
            }
            waiting {
                every_member_of_a_waiting_device_comes_back
                one_entry_for_each_device_and_credential
                no_more_devices_of_a_kind_wait_than_may
                a_rejected_device_stays_known_until_its_time_is_over
                an_approval_takes_all_that_claim_the_device
                a_trigger_is_taken_once
                an_allowed_device_is_found_by_its_name_and_by_each_pattern
            }
            receipts {
                an_awaited_receipt_is_found_by_the_smsc_s_name_until_it_is_settled
            }
            calls {
                a_call_is_found_when_it_is_due_until_it_ends
            }
            failed_creds {
                wrong_credentials_count_by_device_until_a_right_one_or_their_time_is_over
            }
            events {
                every_kind_of_event_comes_back
                events_are_dense_by_device
                positions_are_dense_over_concurrent_writers
                a_consumer_resumes_after_its_position
                a_refused_delta_takes_no_number_and_no_position
                the_lag_ends_with_the_last_position
            }
            marks {
                a_mark_rides_on_the_next_delta_of_its_device
                a_mark_leaves_within_the_interval
                marks_cause_no_conflict
                a_mark_is_not_undone_by_a_delta_made_before_it
                fetched_moves_open_records_once
                a_late_fetched_is_kept_and_moves_no_terminal_record
                refusals_are_numbered_with_and_without_a_device
                flush_writes_what_was_deferred
                a_mark_is_written_though_the_delta_it_rides_on_is_refused
            }
        }
    };
    ($back_end:expr; $($room:ident { $($case:ident)* })*) => {
        $(mod $room {
            $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
            async fn $case() {
                crate::store::battery::$room::$case(&$back_end).await;
            })*
        })*
    };
}
pub(crate) use battery;

/// The newest schema.
pub(crate) const SCHEMA: i64 = 12;
/// When everything in the battery begins.
pub(crate) const START: Utc = Utc(1_700_000_000_000);

pub(crate) fn dev(number: usize) -> DevId {
    DevId::parse(&format!("IMEI:{number:015}")).unwrap()
}

pub(crate) fn record_id(number: u32) -> RecordId {
    let mut entropy = [0xa5; 16];
    entropy[12..].copy_from_slice(&number.to_be_bytes());
    RecordId(EventId::of(entropy))
}

pub(crate) fn command_id(number: u32) -> CommandId {
    CommandId(record_id(number).0)
}

pub(crate) fn record(dev_id: &DevId, number: u32) -> BootstrapRecord {
    BootstrapRecord {
        id: record_id(number),
        dev_id: dev_id.clone(),
        profile: "minimal".into(),
        format: ProfileFormat::Dm2,
        srv_id: SrvId::parse("dms1.example.com").unwrap(),
        method: BootstrapMethod::ClientInitiated,
        has_trsp: true,
        state: BootstrapState::Drafted,
        cause: None,
        payload_hash: PayloadHash::of(&number.to_be_bytes()),
        event_id: None,
        kind: None,
        created_at: START.plus_secs(number.into()),
        expires_at: START.plus_secs(86_400),
        fetched_at: None,
        ended_at: None,
        push: None,
    }
}

pub(crate) fn certificate(dev_id: &DevId, octet: u8) -> Credential {
    let proof = CredentialProof::Certificate([octet; 32]);
    let scope = CredentialScope::Device;
    Credential {
        escrowed: true,
        ..Credential::new(dev_id.clone(), proof, scope, Generation::Boot, START)
    }
}

pub(crate) fn psk(dev_id: &DevId, identity: &str) -> Credential {
    Credential {
        proof: CredentialProof::Psk {
            identity: identity.to_owned(),
            nr: 0,
        },
        sealed: Some(vec![1, 0, 255]),
        ..certificate(dev_id, 0)
    }
}

pub(crate) fn http_user(dev_id: &DevId, user: &str) -> Credential {
    Credential {
        proof: CredentialProof::HttpUser {
            user: user.to_owned(),
        },
        ..psk(dev_id, "")
    }
}

pub(crate) fn notification(dev_id: &DevId, octet: u8) -> Credential {
    Credential {
        proof: CredentialProof::Notification { id: [octet; 16] },
        scope: CredentialScope::Notification,
        ..psk(dev_id, "")
    }
}

pub(crate) fn event(kind: EventKind) -> Event {
    Event {
        kind,
        correlation: "00112233aabbccdd".into(),
    }
}

pub(crate) fn fetched(dev_id: &DevId, number: u32, at: Utc) -> DeferredMark {
    let kind = EventKind::BootstrapFetched {
        bootstrap: record_id(number).to_string(),
    };
    DeferredMark::Fetched {
        dev_id: dev_id.clone(),
        record: record_id(number),
        at,
        event: event(kind),
    }
}

/// A delta that registers the device, with its event.
pub(crate) fn registration(dev_id: &DevId) -> ExchangeDelta {
    let mut delta = ExchangeDelta::new(dev_id.clone(), None, START);
    delta.events.push(event(EventKind::DeviceRegistered));
    delta
}

/// A delta at this epoch with one event.
pub(crate) fn exchange(dev_id: &DevId, epoch: u64) -> ExchangeDelta {
    let mut delta = ExchangeDelta::new(
        dev_id.clone(),
        Some(DeviceEpoch(epoch)),
        START.plus_secs(60),
    );
    delta
        .events
        .push(event(EventKind::SessionEnded { session: None }));
    delta
}

/// A registered device with one drafted record.
pub(crate) async fn drafted(store: &dyn Store, dev_id: &DevId, number: u32) -> BootstrapRecord {
    let record = record(dev_id, number);
    let mut delta = registration(dev_id);
    delta.bootstraps.push(BootstrapChange::Create(
        Box::new(record.clone()),
        b"sealed".to_vec(),
    ));
    store.commit(delta).await.unwrap();
    record
}

/// A delta that adds a credential.
pub(crate) fn adding(credential: &Credential, epoch: u64) -> ExchangeDelta {
    let mut delta = exchange(&credential.dev_id, epoch);
    delta
        .credentials
        .push(CredentialChange::Add(credential.clone()));
    delta
}

/// Commits all of them at once.
pub(crate) async fn commit_together(
    store: &Arc<dyn Store>,
    deltas: Vec<ExchangeDelta>,
) -> Vec<Result<Committed, CommitError>> {
    let tasks: Vec<_> = deltas
        .into_iter()
        .map(|delta| {
            let store = Arc::clone(store);
            tokio::spawn(async move { store.commit(delta).await })
        })
        .collect();
    let mut results = Vec::with_capacity(tasks.len());
    for task in tasks {
        results.push(task.await.unwrap());
    }
    results
}

/// The whole log, once every event has its position.
pub(crate) async fn log(store: &dyn Store) -> Vec<StoredEvent> {
    store.flush().await.unwrap();
    store.events_after(0, 1000).await.unwrap()
}

/// Polls a future once and drops it.
pub(crate) async fn abandon(future: impl Future) {
    let mut future = pin!(future);
    std::future::poll_fn(|context| {
        let _ = future.as_mut().poll(context);
        Poll::Ready(())
    })
    .await;
}
