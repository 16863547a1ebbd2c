//! The database is restarted, frozen, stopped, cut off, and loses answers, while two nodes write.

use std::sync::Arc;
use std::time::{Duration, Instant};

use omadm_lab::postgres::{
    Database, PostgresSettings, PrivatePostgres, PrivatePostgresError, Shutdown,
};

use super::proxy::{Loss, Proxy};
use super::writers::{HUNG, Writers, audit, counts};
use super::{impatient, open};
use crate::model::{DeferredMark, DeviceEpoch, EventKind, ExchangeDelta};
use crate::store::battery::{START, dev, event, exchange, registration};
use crate::store::postgres::{PostgresOptions, PostgresStore, migrate};
use crate::store::{Commit as _, CommitError, Committed, Devices as _, Events as _, StoreError};

/// A server of one's own, whose commits survive its death.
async fn server() -> Arc<PrivatePostgres> {
    let mut settings = PostgresSettings::careless();
    let written = ("synchronous_commit".to_owned(), "on".to_owned());
    settings.parameters.push(written);
    let start = || PrivatePostgres::start(settings);
    let server = tokio::task::spawn_blocking(start).await.unwrap().unwrap();
    server.create_database("dm").unwrap();
    Arc::new(server)
}

/// For a commit: long enough for connections to come about on a machine that is busy with other tests.
const PATIENCE: Duration = Duration::from_secs(4);
/// So many acknowledged deltas are a calm time.
const CALM: u64 = 16;

async fn act<T: Send + Sync + 'static>(
    on: &Arc<T>,
    act: impl FnOnce(&T) -> Result<(), PrivatePostgresError> + Send + 'static,
) {
    let on = Arc::clone(on);
    let acted = tokio::task::spawn_blocking(move || act(&on)).await;
    acted.unwrap().unwrap();
}

/// What writers at eight devices on two nodes are told while `trouble` goes on, and that nothing of it is wrong.
async fn under(
    url: &str,
    trouble: impl AsyncFnOnce(&[Arc<PostgresStore>], &Writers),
) -> (usize, usize) {
    migrate(&url.parse().unwrap()).await.unwrap();
    let options = PostgresOptions {
        patience: PATIENCE,
        ..impatient()
    };
    let nodes = [open(url, &options).await, open(url, &options).await].map(Arc::new);
    let writers = Writers::start(&nodes, 8);
    writers.progress(CALM).await;
    trouble(&nodes, &writers).await;
    recover(&nodes).await;
    writers.progress(CALM).await;
    let (accounts, lateness) = writers.stop().await;
    audit(&nodes[0], &accounts, options.patience, lateness).await;
    counts(&accounts)
}

/// The nodes answer again by themselves after the trouble is over.
async fn recover(nodes: &[Arc<PostgresStore>]) {
    let answers = tokio::time::timeout(HUNG, answer_again(nodes)).await;
    answers.expect("a node does not answer again");
}

async fn answer_again(nodes: &[Arc<PostgresStore>]) {
    for node in nodes {
        loop {
            match node.devices(None, 1).await {
                Ok(_) => break,
                Err(StoreError::Unavailable(..)) => {
                    tokio::time::sleep(Duration::from_millis(20)).await;
                }
                Err(other) => panic!("{other}"),
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn restarts_and_absence_lose_nothing_and_double_nothing() {
    let server = server().await;
    let (committed, unknown) = under(&server.url("dm"), async |nodes, writers| {
        for how in [Shutdown::Immediate, Shutdown::Fast] {
            for _ in 0..2 {
                act(&server, move |server| server.restart(how)).await;
                recover(nodes).await;
                writers.progress(CALM).await;
            }
            act(&server, move |server| server.stop(how)).await;
            tokio::time::sleep(PATIENCE + Duration::from_secs(1)).await;
            act(&server, PrivatePostgres::start_again).await;
            recover(nodes).await;
            writers.progress(CALM).await;
        }
    })
    .await;
    assert!(committed >= 8 * 16, "{committed}");
    assert!(unknown >= 8, "every writer was told: {unknown}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ten_frozen_seconds_lose_nothing_and_double_nothing() {
    let server = server().await;
    let (_, unknown) = under(&server.url("dm"), async |_, _| {
        act(&server, PrivatePostgres::freeze).await;
        tokio::time::sleep(Duration::from_secs(10)).await;
        act(&server, PrivatePostgres::thaw).await;
    })
    .await;
    assert!(unknown >= 8, "every writer was told: {unknown}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cut_connections_lose_nothing_and_double_nothing() {
    let database = Arc::new(Database::fresh().unwrap());
    let (committed, _) = under(&database.url(), async |_, _| {
        for _ in 0..15 {
            act(&database, |database| database.cut_connections().map(drop)).await;
            tokio::time::sleep(Duration::from_millis(30)).await;
        }
    })
    .await;
    assert!(committed >= 2 * 16, "{committed}");
}

/// A store behind a proxy that loses answers, and one that reaches the same database without it.
struct Behind {
    store: PostgresStore,
    proxy: Proxy,
    direct: PostgresStore,
    _database: Database,
}

impl Behind {
    /// Device 1 is registered. The direct store gives the positions, so that only deltas and marks are lost.
    async fn new(patience: Duration) -> Self {
        let database = Database::fresh().unwrap();
        let address = database.url().parse().unwrap();
        migrate(&address).await.unwrap();
        let (proxy, url) = Proxy::start(&database.url()).await;
        // Marks leave with a delta alone.
        let options = PostgresOptions {
            defer_interval: Duration::from_secs(3600),
            patience,
            lease: Duration::from_secs(60),
            ..impatient()
        };
        let direct = open(&database.url(), &options).await;
        direct.begin();
        let holder = "SELECT count(*) FROM sequencer WHERE holder IS NOT NULL";
        while database.execute(holder).unwrap() == "0" {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        let behind = Self {
            store: open(&url, &options).await,
            proxy,
            direct,
            _database: database,
        };
        behind.store.commit(registration(&dev(1))).await.unwrap();
        behind
    }

    async fn seqs(&self) -> Vec<(u64, String)> {
        self.direct
            .events_of(&dev(1), 0, 100)
            .await
            .unwrap()
            .into_iter()
            .map(|stored| (stored.seq, stored.event.correlation))
            .collect()
    }
}

/// A delta whose event is told from others by this.
fn told_by(epoch: u64, correlation: &str) -> ExchangeDelta {
    let mut delta = exchange(&dev(1), epoch);
    delta.events[0].correlation = correlation.to_owned();
    delta
}

fn mark(correlation: &str) -> DeferredMark {
    let mut event = event(EventKind::SessionSuperseded {
        session: None,
        outcome_unknown: vec![],
    });
    event.correlation = correlation.to_owned();
    DeferredMark::Refused {
        dev_id: Some(dev(1)),
        at: START,
        event,
    }
}

const IMPATIENT: Duration = Duration::from_secs(1);
/// Longer than anything takes that goes well.
const PATIENT: Duration = Duration::from_secs(20);
const FIRST: &str = "00112233aabbccdd";

fn expected(correlations: &[&str]) -> Vec<(u64, String)> {
    (1..)
        .zip(correlations.iter().map(|&it| it.to_owned()))
        .collect()
}

fn epoch(epoch: u64) -> Result<Committed, CommitError> {
    Ok(Committed {
        epoch: DeviceEpoch(epoch),
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_was_lost_is_found_to_have_taken_place() {
    let behind = Behind::new(PATIENT).await;
    behind.store.defer(mark("m1"));
    behind.proxy.lose(Loss::Answer);
    assert_eq!(behind.store.commit(told_by(1, "d1")).await, epoch(2));
    assert_eq!(behind.proxy.lost(), 1);
    behind.store.flush().await.unwrap();
    assert_eq!(behind.seqs().await, expected(&[FIRST, "m1", "d1"]));
    // A registration is settled as well.
    behind.proxy.lose(Loss::Answer);
    assert_eq!(behind.store.commit(registration(&dev(2))).await, epoch(1));
    assert_eq!(behind.proxy.lost(), 2);
    assert_eq!(
        behind.direct.events_of(&dev(2), 0, 9).await.unwrap().len(),
        1
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_was_lost_itself_is_carried_out_again() {
    let behind = Behind::new(PATIENT).await;
    behind.store.defer(mark("m1"));
    behind.proxy.lose(Loss::Commit);
    assert_eq!(behind.store.commit(told_by(1, "d1")).await, epoch(2));
    assert_eq!(behind.proxy.lost(), 1);
    behind.store.flush().await.unwrap();
    assert_eq!(behind.seqs().await, expected(&[FIRST, "m1", "d1"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_arrives_after_its_connection_was_cut_is_waited_for() {
    let behind = Behind::new(PATIENT).await;
    behind.store.defer(mark("m1"));
    behind.proxy.lose(Loss::Late(Duration::from_millis(400)));
    assert_eq!(behind.store.commit(told_by(1, "d1")).await, epoch(2));
    assert_eq!(behind.proxy.lost(), 1);
    behind.store.flush().await.unwrap();
    assert_eq!(behind.seqs().await, expected(&[FIRST, "m1", "d1"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_commit_after_which_another_node_moved_the_device_on_is_a_conflict() {
    let behind = Behind::new(PATIENT).await;
    behind.store.defer(mark("m1"));
    let (cut, go_on) = behind.proxy.lose_and_wait();
    let (done, ()) = tokio::join!(behind.store.commit(told_by(1, "d1")), async {
        cut.await.unwrap();
        assert_eq!(behind.direct.commit(told_by(1, "other")).await, epoch(2));
        go_on.send(()).unwrap();
    });
    assert_eq!(done, Err(CommitError::Conflict));
    // The mark was rolled back for certain, so it is not lost either.
    behind.store.flush().await.unwrap();
    assert_eq!(behind.seqs().await, expected(&[FIRST, "other", "m1"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_that_gets_no_answer_ends_in_time_and_doubles_no_mark() {
    let behind = Behind::new(IMPATIENT).await;
    behind.store.defer(mark("m1"));
    behind.proxy.lose(Loss::Silence);
    let began = Instant::now();
    let done = behind.store.commit(told_by(1, "d1")).await;
    assert!(
        matches!(&done, Err(CommitError::Store(StoreError::Unavailable(..)))),
        "{done:?}"
    );
    assert!(
        began.elapsed() < Duration::from_secs(4),
        "{:?}",
        began.elapsed()
    );
    // The same store goes on; what it was not told took place, and the mark is there once.
    assert_eq!(behind.store.commit(told_by(2, "d2")).await, epoch(3));
    behind.store.flush().await.unwrap();
    assert_eq!(behind.seqs().await, expected(&[FIRST, "m1", "d1", "d2"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn marks_whose_commit_got_no_answer_are_not_written_again() {
    let behind = Behind::new(IMPATIENT).await;
    behind.store.defer(mark("m1"));
    behind.proxy.lose(Loss::Silence);
    behind.store.flush().await.unwrap_err();
    behind.store.flush().await.unwrap();
    assert_eq!(behind.seqs().await, expected(&[FIRST, "m1"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flush_that_waits_for_a_slow_commit_delays_no_other_beyond_its_patience() {
    let behind = Behind::new(IMPATIENT).await;
    behind.proxy.lose(Loss::Silence);
    let began = Instant::now();
    let later = async {
        tokio::time::sleep(Duration::from_millis(900)).await;
        let began = Instant::now();
        let done = behind.store.commit(registration(&dev(2))).await;
        (done, began.elapsed())
    };
    let flush = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        behind.store.flush().await
    };
    let (slow, flushed, (done, took)) =
        tokio::join!(behind.store.commit(told_by(1, "d1")), flush, later);
    assert!(matches!(
        slow,
        Err(CommitError::Store(StoreError::Unavailable(..)))
    ));
    flushed.unwrap();
    assert!(
        took < Duration::from_secs(3),
        "{took:?} of {:?}",
        began.elapsed()
    );
    assert!(matches!(
        done,
        Ok(_) | Err(CommitError::Store(StoreError::Unavailable(..)))
    ));
}
