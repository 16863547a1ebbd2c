//! Many deltas at once, no room, other programs at the file.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use tokio::task::JoinHandle;

use super::Place;
use crate::model::{BootstrapChange, DeviceEpoch, ExchangeDelta};
use crate::store::battery::{
    START, dev, drafted, exchange, fetched, record, record_id, registration,
};
use crate::store::sqlite::{SqliteOptions, SqliteStore};
use crate::store::{
    Bootstraps as _, Commit as _, CommitError, Committed, Devices as _, Events as _, StoreError,
};

/// Another program that holds the file's write lock until it is dropped.
fn holding(place: &Place) -> Connection {
    let other = Connection::open(place.file()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    other
}

fn submit(
    store: &Arc<SqliteStore>,
    delta: ExchangeDelta,
) -> JoinHandle<Result<Committed, CommitError>> {
    let store = Arc::clone(store);
    tokio::spawn(async move { store.commit(delta).await })
}

async fn settle() {
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_hundred_waiting_deltas_cost_two_transactions_at_most() {
    let place = Place::new();
    let store = Arc::new(place.open(&SqliteOptions {
        busy_timeout: Duration::from_secs(60),
        ..SqliteOptions::default()
    }));
    let other = holding(&place);
    let tasks: Vec<_> = (0..100)
        .map(|number| submit(&store, registration(&dev(number))))
        .collect();
    settle().await;
    drop(other);
    for task in tasks {
        assert_eq!(
            task.await.unwrap(),
            Ok(Committed {
                epoch: DeviceEpoch(1)
            })
        );
    }
    let counts = store.commits();
    assert_eq!(counts.deltas, 100);
    assert!(counts.transactions <= 2, "{counts:?}");
}

#[tokio::test]
async fn the_delta_that_finds_the_queue_full_is_refused_at_once() {
    let place = Place::new();
    let options = SqliteOptions {
        queue: 4,
        busy_timeout: Duration::from_secs(60),
        ..SqliteOptions::default()
    };
    let store = Arc::new(place.open(&options));
    let other = holding(&place);
    let tasks: Vec<_> = (0..20)
        .map(|number| submit(&store, registration(&dev(number))))
        .collect();
    settle().await;
    // The writer has one to four of them, four wait, and the others know already while nothing can be written.
    let refused = tasks.iter().filter(|task| task.is_finished()).count();
    assert!((12..=16).contains(&refused), "{refused}");
    drop(other);
    let mut committed = 0;
    for task in tasks {
        match task.await.unwrap() {
            Ok(_) => committed += 1,
            Err(err) => assert_eq!(err, CommitError::Busy),
        }
    }
    assert_eq!(committed, 20 - refused);
    assert_eq!(store.devices(None, 100).await.unwrap().len(), committed);
}

#[tokio::test]
async fn a_group_that_cannot_be_committed_acknowledges_nothing_and_keeps_its_marks() {
    let place = Place::new();
    let options = SqliteOptions {
        busy_timeout: Duration::from_millis(20),
        ..SqliteOptions::default()
    };
    let store = Arc::new(place.open(&options));
    drafted(&*store, &dev(0), 1).await;
    let other = holding(&place);
    store.defer(fetched(&dev(0), 1, START));
    let locked = StoreError::Locked(place.file().display().to_string());
    assert_eq!(store.flush().await, Err(locked.clone()));
    let tasks: Vec<_> = (1..10)
        .map(|number| submit(&store, registration(&dev(number))))
        .collect();
    for task in tasks {
        assert_eq!(task.await.unwrap(), Err(CommitError::Store(locked.clone())));
    }
    drop(other);
    assert_eq!(store.devices(None, 100).await.unwrap().len(), 1);
    store.commit(exchange(&dev(0), 1)).await.unwrap();
    assert_eq!(
        store
            .bootstrap(&record_id(1))
            .await
            .unwrap()
            .unwrap()
            .fetched_at,
        Some(START)
    );
    let positions: Vec<_> = store
        .events_after(0, 10)
        .await
        .unwrap()
        .iter()
        .map(|event| event.position)
        .collect();
    assert_eq!(positions, [Some(1), Some(2), Some(3)]);
}

/// A registration with a document of this size.
fn large(number: u32, size: usize) -> ExchangeDelta {
    let dev_id = dev(number as usize);
    let mut delta = registration(&dev_id);
    delta.bootstraps.push(BootstrapChange::Create(
        Box::new(record(&dev_id, number)),
        vec![7; size],
    ));
    delta
}

#[tokio::test]
async fn a_full_disk_is_told_and_harms_nothing_that_was_acknowledged() {
    let place = Place::new();
    let no_room = Err(CommitError::Store(StoreError::NoRoom(
        place.file().display().to_string(),
    )));
    let store = place.open(&SqliteOptions {
        max_page_count: Some(100),
        ..SqliteOptions::default()
    });
    let mut kept = 0;
    while let Ok(done) = store.commit(large(kept, 20_000)).await {
        assert_eq!(done.epoch, DeviceEpoch(1));
        kept += 1;
    }
    assert!((5..20).contains(&kept), "{kept}");
    for _ in 0..3 {
        assert_eq!(store.commit(large(kept, 20_000)).await, no_room);
        assert_eq!(store.device(&dev(kept as usize)).await.unwrap(), None);
    }
    store.commit(exchange(&dev(0), 1)).await.unwrap();
    assert_eq!(
        store.sealed_document(&dev(0), &record_id(0)).await.unwrap(),
        Some(vec![7; 20_000])
    );
    drop(store);

    let store = place.open(&SqliteOptions::default());
    store.commit(large(kept, 20_000)).await.unwrap();
    for number in 0..=kept {
        assert_eq!(
            store
                .sealed_document(&dev(number as usize), &record_id(number))
                .await
                .unwrap(),
            Some(vec![7; 20_000])
        );
    }
    let events = store.events_after(0, 100).await.unwrap();
    let positions: Vec<_> = events.iter().map(|event| event.position.unwrap()).collect();
    assert_eq!(positions, (1..=u64::from(kept) + 2).collect::<Vec<_>>());
}

#[tokio::test]
async fn with_no_room_the_whole_group_is_answered() {
    let place = Place::new();
    let options = SqliteOptions {
        max_page_count: Some(60),
        busy_timeout: Duration::from_secs(60),
        ..SqliteOptions::default()
    };
    let store = Arc::new(place.open(&options));
    store.commit(registration(&dev(99))).await.unwrap();
    let other = holding(&place);
    // The writer takes the first alone; the others are one group.
    let first = submit(&store, exchange(&dev(99), 1));
    settle().await;
    while store.backlog() > 0 {
        settle().await;
    }
    let tasks: Vec<_> = (0..10)
        .map(|number| submit(&store, large(number, 100_000)))
        .collect();
    settle().await;
    drop(other);
    first.await.unwrap().unwrap();
    for task in tasks {
        let answer = task.await.unwrap();
        assert!(
            matches!(answer, Err(CommitError::Store(StoreError::NoRoom(_)))),
            "{answer:?}"
        );
    }
    assert_eq!(store.devices(None, 100).await.unwrap().len(), 1);
    store.commit(exchange(&dev(99), 2)).await.unwrap();
}
