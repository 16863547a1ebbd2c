use std::collections::BTreeSet;

use omadm_server::model::{BootstrapState, EventKind};
use omadm_server::store::Store;

use super::{Device, DeviceState, Fault};

/// Insists that the records are those of `bootstraps` bootstraps that each completed once, and that the device's last session came to its end.
pub(super) async fn assert_completed(
    store: &dyn Store,
    device: &Device,
    state: &DeviceState,
    bootstraps: usize,
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
    let last = events.last().map(|event| &event.event.kind);
    assert_eq!(last, Some(&EventKind::SessionEnded));
    assert!(
        known.is_some_and(|known| known.dev_info.is_some()),
        "DevInfo is known"
    );
    Ok(())
}
