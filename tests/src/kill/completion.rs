use std::collections::BTreeSet;

use omadm_server::model::{BootstrapState, EventKind, StoredEvent};
use omadm_server::store::Store;

use super::{Device, DeviceState, Fault};

/// Insists that the records are those of `bootstraps` bootstraps that each completed once, and that the device's last session came to its end: at one
/// node, or at several that have written out what they deferred.
pub(super) async fn assert_completed(
    store: &dyn Store,
    device: &Device,
    state: &DeviceState,
    bootstraps: usize,
    nodes: usize,
) -> Result<(), Fault> {
    let records = store.bootstraps_of(&device.dev_id).await?;
    let events = store.events_of(&device.dev_id, 0, 1000).await?;
    let known = store.device(&device.dev_id).await?;
    assert_eq!(records.len(), bootstraps, "one record a bootstrap");
    for record in &records {
        assert_eq!(record.state, BootstrapState::Completed);
    }
    let completed: Vec<_> = events
        .iter()
        .filter_map(|event| match &event.event.kind {
            EventKind::BootstrapCompleted { bootstrap, .. } => Some(bootstrap.clone()),
            _ => None,
        })
        .collect();
    assert_eq!(completed.len(), bootstraps, "one completion a bootstrap");
    let named: BTreeSet<_> = completed.iter().collect();
    assert_eq!(named.len(), bootstraps, "each of a record of its own");
    let account = state.accounts.first().ok_or("no account")?;
    let newest = records.first().ok_or("no record")?;
    assert_eq!(newest.event_id.as_ref(), state.event_id());
    assert_eq!(newest.payload_hash, account.provenance.payload_hash);
    assert!(!state.owes(), "nothing is owed");
    let dense = events.iter().map(|event| event.seq);
    assert!(dense.eq(1..=events.len() as u64), "no event is missing");
    let last = last_in_time(&events, nodes).map(|event| &event.event.kind);
    assert!(
        matches!(last, Some(EventKind::SessionEnded { .. })),
        "{events:#?}"
    );
    assert!(
        known.is_some_and(|known| known.dev_info.is_some()),
        "DevInfo is known"
    );
    Ok(())
}

/// The event that happened last. At one node it is the last of the log. One of several writes "fetched" with the next delta of the device that it commits
/// itself, or within a second: where every later delta was another node's, this comes after the session's end.
fn last_in_time(events: &[StoredEvent], nodes: usize) -> Option<&StoredEvent> {
    let late = |event: &&StoredEvent| {
        nodes > 1 && matches!(event.event.kind, EventKind::BootstrapFetched { .. })
    };
    events.iter().rev().find(|event| !late(event))
}
