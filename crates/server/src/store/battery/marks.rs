use std::time::Duration;

use omadm_mo::DevId;

use super::{
    BackEnd, START, Settings, dev, drafted, event, exchange, fetched, log, record, record_id,
    registration,
};
use crate::model::{BootstrapChange, BootstrapState, DeferredMark, DeviceEpoch, EventKind};
use crate::store::{CommitError, Store};

fn refused(dev_id: Option<DevId>) -> DeferredMark {
    let kind = EventKind::RequestRefused {
        path: "/dm/2.0".into(),
        status: 403,
        cause: None,
        claimed: None,
        from: None,
        fingerprint: None,
        subject: None,
        detail: "no credential".into(),
    };
    DeferredMark::Refused {
        dev_id,
        at: START,
        event: event(kind),
    }
}

async fn kinds_of(store: &dyn Store, dev_id: &DevId) -> Vec<EventKind> {
    store
        .events_of(dev_id, 0, 100)
        .await
        .unwrap()
        .into_iter()
        .map(|stored| stored.event.kind)
        .collect()
}

fn fetch_event(number: u32) -> EventKind {
    EventKind::BootstrapFetched {
        bootstrap: record_id(number).to_string(),
    }
}

pub(crate) async fn a_mark_rides_on_the_next_delta_of_its_device(back_end: &impl BackEnd) {
    let store = back_end.open(Settings::default()).await;
    drafted(&*store, &dev(1), 1).await;
    drafted(&*store, &dev(2), 2).await;
    store.defer(fetched(&dev(1), 1, START.plus_secs(5)));
    store.commit(exchange(&dev(2), 1)).await.unwrap();
    assert_eq!(
        store.bootstrap(&record_id(1)).await.unwrap().unwrap().state,
        BootstrapState::Drafted
    );
    let before = store.commits();
    store.commit(exchange(&dev(1), 1)).await.unwrap();
    let after = store.commits();
    assert_eq!(
        (after.transactions - before.transactions, after.deferred),
        (1, 0)
    );
    let found = store.bootstrap(&record_id(1)).await.unwrap().unwrap();
    assert_eq!(
        (found.state, found.fetched_at),
        (BootstrapState::Fetched, Some(START.plus_secs(5)))
    );
    let expected = [
        EventKind::DeviceRegistered,
        fetch_event(1),
        EventKind::SessionEnded { session: None },
    ];
    assert_eq!(
        kinds_of(&*store, &dev(1)).await,
        expected,
        "the mark comes before the delta"
    );
}

pub(crate) async fn a_mark_leaves_within_the_interval(back_end: &impl BackEnd) {
    let interval = Duration::from_millis(50);
    let store = back_end
        .open(Settings {
            defer_interval: interval,
            ..Settings::default()
        })
        .await;
    for number in 1..=3 {
        drafted(&*store, &dev(number as usize), number).await;
    }
    let before = store.commits();
    for number in 1..=3 {
        store.defer(fetched(&dev(number as usize), number, START));
    }
    // Bounded by the runner's patience, not by a clock here.
    while store.commits().deferred < 3 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(
        store.bootstrap(&record_id(3)).await.unwrap().unwrap().state,
        BootstrapState::Fetched
    );
    assert!(store.commits().transactions - before.transactions <= 3);
    assert_eq!(store.commits().deltas, before.deltas);
}

pub(crate) async fn marks_cause_no_conflict(back_end: &impl BackEnd) {
    let store = back_end
        .open(Settings {
            defer_interval: Duration::ZERO,
            ..Settings::default()
        })
        .await;
    drafted(&*store, &dev(1), 1).await;
    for epoch in 1..=50 {
        store.defer(fetched(&dev(1), 1, START));
        store.defer(refused(Some(dev(1))));
        if epoch % 10 == 0 {
            store.flush().await.unwrap();
        }
        store.commit(exchange(&dev(1), epoch)).await.unwrap();
    }
    assert_eq!(
        store.device(&dev(1)).await.unwrap().unwrap().epoch,
        DeviceEpoch(51)
    );
    let seqs: Vec<_> = store
        .events_of(&dev(1), 0, 200)
        .await
        .unwrap()
        .iter()
        .map(|event| event.seq)
        .collect();
    assert_eq!(seqs, (1..=102).collect::<Vec<_>>());
}

pub(crate) async fn a_mark_is_not_undone_by_a_delta_made_before_it(back_end: &impl BackEnd) {
    let store = back_end.open(Settings::default()).await;
    let mut as_read = drafted(&*store, &dev(1), 1).await;
    store.defer(fetched(&dev(1), 1, START.plus_secs(5)));
    let mut delta = exchange(&dev(1), 1);
    as_read.state = BootstrapState::Sent;
    delta
        .bootstraps
        .push(BootstrapChange::Update(Box::new(as_read.clone())));
    store.commit(delta).await.unwrap();
    let found = store.bootstrap(&record_id(1)).await.unwrap().unwrap();
    assert_eq!(
        (found.state, found.fetched_at),
        (BootstrapState::Fetched, Some(START.plus_secs(5)))
    );

    let mut delta = exchange(&dev(1), 2);
    as_read.state = BootstrapState::Completed;
    delta
        .bootstraps
        .push(BootstrapChange::Update(Box::new(as_read)));
    store.commit(delta).await.unwrap();
    let found = store.bootstrap(&record_id(1)).await.unwrap().unwrap();
    assert_eq!(
        (found.state, found.fetched_at),
        (BootstrapState::Completed, Some(START.plus_secs(5)))
    );
}

/// A device whose one record is in this state.
async fn in_state(store: &dyn Store, number: u32, state: BootstrapState) {
    let mut made = record(&dev(number as usize), number);
    made.state = state;
    let mut delta = registration(&made.dev_id);
    delta
        .bootstraps
        .push(BootstrapChange::Create(Box::new(made), vec![]));
    store.commit(delta).await.unwrap();
}

pub(crate) async fn fetched_moves_open_records_once(back_end: &impl BackEnd) {
    let store = back_end.open(Settings::default()).await;
    let open = [
        BootstrapState::Drafted,
        BootstrapState::Queued,
        BootstrapState::Sent,
        BootstrapState::Delivered,
    ];
    for (number, state) in (1..).zip(open) {
        in_state(&*store, number, state).await;
        let dev_id = dev(number as usize);
        for second in 0..3 {
            store.defer(fetched(&dev_id, number, START.plus_secs(second)));
        }
        store.flush().await.unwrap();
        store.defer(fetched(&dev_id, number, START.plus_secs(9)));
        store.flush().await.unwrap();
        let found = store.bootstrap(&record_id(number)).await.unwrap().unwrap();
        assert_eq!(
            (found.state, found.fetched_at),
            (BootstrapState::Fetched, Some(START))
        );
        assert_eq!(
            kinds_of(&*store, &dev_id).await,
            [EventKind::DeviceRegistered, fetch_event(number)]
        );
        let device = store.device(&dev_id).await.unwrap().unwrap();
        assert_eq!(
            (device.epoch, device.last_seen_at),
            (DeviceEpoch(1), Some(START))
        );
    }
}

/// The node that served the document may write its mark after another node has ended the record.
pub(crate) async fn a_late_fetched_is_kept_and_moves_no_terminal_record(back_end: &impl BackEnd) {
    let store = back_end.open(Settings::default()).await;
    let terminal = BootstrapState::ALL
        .into_iter()
        .filter(|state| state.is_terminal());
    for (number, state) in (1..).zip(terminal) {
        in_state(&*store, number, state).await;
        for second in 0..2 {
            store.defer(fetched(
                &dev(number as usize),
                number,
                START.plus_secs(second),
            ));
            store.flush().await.unwrap();
        }
        let found = store.bootstrap(&record_id(number)).await.unwrap().unwrap();
        assert_eq!((found.state, found.fetched_at), (state, Some(START)));
        assert_eq!(
            kinds_of(&*store, &dev(number as usize)).await,
            [EventKind::DeviceRegistered, fetch_event(number)]
        );
    }
    // Nor one that the device does not have.
    in_state(&*store, 50, BootstrapState::Drafted).await;
    store.defer(fetched(&dev(1), 50, START));
    store.defer(fetched(&dev(77), 77, START));
    store.flush().await.unwrap();
    assert_eq!(
        kinds_of(&*store, &dev(50)).await,
        [EventKind::DeviceRegistered]
    );
    assert_eq!(
        kinds_of(&*store, &dev(1)).await,
        [EventKind::DeviceRegistered, fetch_event(1)]
    );
    assert_eq!(kinds_of(&*store, &dev(77)).await, []);
}

pub(crate) async fn refusals_are_numbered_with_and_without_a_device(back_end: &impl BackEnd) {
    let store = back_end.open(Settings::default()).await;
    store.commit(registration(&dev(1))).await.unwrap();
    for dev_id in [None, Some(dev(1)), None, Some(dev(404)), Some(dev(1))] {
        store.defer(refused(dev_id));
        store.flush().await.unwrap();
    }
    drop(store);
    let store = back_end.open(Settings::default()).await;
    store.defer(refused(None));
    store.flush().await.unwrap();
    let log = log(&*store).await;
    let numbers: Vec<_> = log
        .into_iter()
        .map(|event| (event.position.unwrap(), event.dev_id, event.seq))
        .collect();
    let expected = [
        (1, Some(dev(1)), 1),
        (2, None, 1),
        (3, Some(dev(1)), 2),
        (4, None, 2),
        (5, None, 3),
        (6, Some(dev(1)), 3),
        (7, None, 4),
    ];
    assert_eq!(numbers, expected);
    assert_eq!(
        store.device(&dev(1)).await.unwrap().unwrap().last_seen_at,
        None,
        "a refusal is no answer"
    );
}

pub(crate) async fn flush_writes_what_was_deferred(back_end: &impl BackEnd) {
    let store = back_end.open(Settings::default()).await;
    drafted(&*store, &dev(1), 1).await;
    store.flush().await.unwrap();
    store.defer(fetched(&dev(1), 1, START));
    store.flush().await.unwrap();
    drop(store);
    let store = back_end.open(Settings::default()).await;
    assert_eq!(
        store.bootstrap(&record_id(1)).await.unwrap().unwrap().state,
        BootstrapState::Fetched
    );
}

pub(crate) async fn a_mark_is_written_though_the_delta_it_rides_on_is_refused(
    back_end: &impl BackEnd,
) {
    let store = back_end.open(Settings::default()).await;
    drafted(&*store, &dev(1), 1).await;
    store.defer(fetched(&dev(1), 1, START));
    assert_eq!(
        store.commit(exchange(&dev(1), 9)).await,
        Err(CommitError::Conflict)
    );
    store.flush().await.unwrap();
    assert_eq!(
        kinds_of(&*store, &dev(1)).await,
        [EventKind::DeviceRegistered, fetch_event(1)]
    );
}
