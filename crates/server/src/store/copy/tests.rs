use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::Arc;

use omadm_lab::postgres::Database;
use tempfile::TempDir;

use super::{CopyError, CopyOptions, CopyReport, DifferenceKind, Phase, copy};
use crate::model::{
    BootstrapChange, CallChange, CommandChange, CredentialChange, DeferredMark, Deployment,
    DmGeneration, EventKind, Object, ObjectChange, ObjectOwner, ReceiptChange, SessionChange,
    SessionRow, WaitingWrite,
};
use crate::store::address::StoreAddress;
use crate::store::battery::waiting::{allowed, hold, trigger, waiting};
use crate::store::battery::{
    SCHEMA, START, calls::called, certificate, command_id, dev, event, exchange,
    failed_creds::wrong, fetched, http_user, objects::in_pieces, psk, receipts::awaited, record,
    registration,
};
use crate::store::postgres::{PostgresOptions, PostgresStore, migrate};
use crate::store::sqlite::{SqliteOptions, SqliteStore};
use crate::store::{Commit as _, Deployments as _, Devices as _, Events as _, Store, StoreError};

const SMALL_PAGES: CopyOptions = CopyOptions {
    page: 4,
    all: false,
};

struct Folder(TempDir);

impl Folder {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn address(&self, name: &str) -> StoreAddress {
        StoreAddress::Sqlite(self.file(name))
    }

    fn open(&self, name: &str) -> SqliteStore {
        SqliteStore::open(self.file(name), &SqliteOptions::default()).unwrap()
    }

    fn sql(&self, name: &str, statement: &str) {
        rusqlite::Connection::open(self.file(name))
            .unwrap()
            .execute_batch(statement)
            .unwrap();
    }

    /// A store of ten devices that has everything, closed.
    async fn filled(&self, name: &str) {
        let store = self.open(name);
        fill(&store, 0..10).await;
    }
}

struct Postgres {
    database: Database,
    address: StoreAddress,
}

impl Postgres {
    async fn migrated() -> Self {
        let empty = Self::empty();
        let StoreAddress::Postgres(address) = &empty.address else {
            panic!("no database");
        };
        migrate(address).await.unwrap();
        empty
    }

    fn empty() -> Self {
        let database = Database::fresh().unwrap();
        Self {
            address: database.url().parse().unwrap(),
            database,
        }
    }

    async fn open(&self) -> PostgresStore {
        let StoreAddress::Postgres(address) = &self.address else {
            panic!("no database");
        };
        PostgresStore::open(address, &PostgresOptions::default())
            .await
            .unwrap()
    }
}

async fn fill(store: &dyn Store, devices: std::ops::Range<usize>) {
    let deployment = Deployment {
        ca: "ca".repeat(32),
        sealing_key: "0123456789abcdef".into(),
    };
    store.claim(deployment).await.unwrap();
    for number in devices {
        let dev_id = dev(number);
        let nr = u32::try_from(number).unwrap();
        let mut delta = registration(&dev_id);
        delta.bootstraps.push(BootstrapChange::Create(
            Box::new(record(&dev_id, nr)),
            vec![0; 1 + number],
        ));
        let mut own = certificate(&dev_id, u8::try_from(number).unwrap());
        own.serial = Some(format!("{number:040x}"));
        delta.credentials.push(CredentialChange::Add(own));
        let named = [
            psk(&dev_id, dev_id.as_str()),
            http_user(&dev_id, &format!("ø{number}")),
        ];
        delta
            .credentials
            .extend(named.into_iter().map(CredentialChange::Add));
        delta.session = SessionChange::Set(SessionRow {
            generation: DmGeneration::Dm2,
            state: format!("{{\"ø\": {number}}}"),
            expires_at: START.plus_secs(900),
        });
        delta.trigger = Some(trigger(&dev_id, nr));
        store.commit(delta).await.unwrap();
        let waits = waiting(100 + number, 1);
        hold(store, &waits, 99).await.unwrap();
        let allow = WaitingWrite::Allow(allowed(dev_id.as_str()));
        store.write_waiting(allow).await.unwrap();
        let mut delta = exchange(&dev_id, 1);
        let awaited = awaited(&dev_id, &format!("ø{number}"), 7);
        delta.receipts.push(ReceiptChange::Await(awaited));
        delta.call = CallChange::Set(Box::new(called(&dev_id, 7)));
        for command in 0..40 {
            delta.commands.push(CommandChange::Add {
                id: command_id(command),
                words: vec!["GET".into(), "urn:m/1/".into()],
            });
        }
        for object in 0..40 {
            let (path, content) = (format!("a/{object}"), vec![255, 0, 39]);
            let owner = ObjectOwner::Device;
            let object = Object::whole(path, owner, "text/plain", content, START);
            delta.objects.push(ObjectChange::Put(object));
        }
        let large = in_pieces(store, &dev_id, "large", 1).await;
        delta.objects.push(ObjectChange::Put(large));
        store.commit(delta).await.unwrap();
        store.defer(fetched(&dev_id, nr, START.plus_secs(70)));
        store.defer(DeferredMark::FailedCred(wrong(&dev_id, 1, "192.0.2.1")));
        store.defer(DeferredMark::Refused {
            dev_id: None,
            at: START,
            event: event(EventKind::SessionEnded { session: None }),
        });
    }
    store.flush().await.unwrap();
}

async fn copied(from: &StoreAddress, to: &StoreAddress) -> Result<CopyReport, CopyError> {
    copy(from, to, &SMALL_PAGES, |_| ControlFlow::Continue(())).await
}

/// Ends the copy when so many devices are durable.
async fn stopped(from: &StoreAddress, to: &StoreAddress, at: u64) {
    let stop = move |progress: super::Progress| {
        if progress.phase == Phase::Copying && progress.done >= at {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    assert_eq!(
        copy(from, to, &SMALL_PAGES, stop).await.unwrap_err(),
        CopyError::Stopped
    );
}

fn sums(report: &CopyReport) -> Vec<(&str, u64, &str)> {
    report
        .tables
        .iter()
        .map(|table| (table.table, table.rows, table.sha256.as_str()))
        .collect()
}

fn events(report: &CopyReport) -> u64 {
    let mut tables = report.tables.iter();
    tables.find(|table| table.table == "events").unwrap().rows
}

#[tokio::test]
async fn a_copy_has_every_row_and_a_second_run_finds_nothing_to_do() {
    let folder = Folder::new();
    folder.filled("a").await;
    let (from, to) = (folder.address("a"), folder.address("b"));
    let first = copied(&from, &to).await.unwrap();
    assert_eq!((first.copied, first.skipped), (10, 0));
    let rows: Vec<_> = first
        .tables
        .iter()
        .map(|table| (table.table, table.rows))
        .collect();
    assert_eq!(
        rows,
        [
            ("devices", 10),
            ("bootstraps", 10),
            ("bootstrap_ids", 10),
            ("documents", 10),
            ("credentials", 30),
            ("certificates", 30),
            ("sessions", 10),
            ("commands", 400),
            ("objects", 410),
            ("pieces", 30),
            ("uploads", 0),
            ("waiting_devices", 10),
            ("triggers", 10),
            ("awaited_receipts", 10),
            ("calls", 10),
            ("failed_creds", 10),
            ("allow_list", 10),
            ("events", 40),
            ("sequencer", 1),
            ("deployment", 1),
        ]
    );
    let second = copied(&from, &to).await.unwrap();
    assert_eq!((second.copied, second.skipped), (0, 10));
    assert_eq!(sums(&first), sums(&second));

    let (one, other) = (folder.open("a"), folder.open("b"));
    assert_eq!(
        one.events_after(0, 1000).await.unwrap(),
        other.events_after(0, 1000).await.unwrap()
    );
    assert_eq!(
        one.deployment().await.unwrap(),
        other.deployment().await.unwrap()
    );
}

#[tokio::test]
async fn a_copy_that_was_stopped_goes_on_where_it_was() {
    let folder = Folder::new();
    folder.filled("a").await;
    let from = folder.address("a");
    let whole = copied(&from, &folder.address("whole")).await.unwrap();
    for at in [0, 4, 8, 10] {
        let name = format!("stopped at {at}");
        let to = folder.address(&name);
        stopped(&from, &to, at).await;
        let resumed = copied(&from, &to).await.unwrap();
        assert_eq!((resumed.copied, resumed.skipped), (10 - at, at));
        assert_eq!(sums(&resumed), sums(&whole));
    }
}

#[tokio::test]
async fn half_a_copy_belongs_to_nobody() {
    let folder = Folder::new();
    folder.filled("a").await;
    let (from, to) = (folder.address("a"), folder.address("b"));
    stopped(&from, &to, 4).await;
    let deployment = folder.open("b").deployment().await.unwrap().unwrap();
    assert!(
        deployment.ca.starts_with("unfinished copy of caca"),
        "{}",
        deployment.ca
    );
    assert!(matches!(
        copied(&to, &folder.address("c")).await,
        Err(CopyError::UnfinishedSource(_))
    ));
}

#[tokio::test]
async fn what_is_written_meanwhile_comes_with_the_next_run() {
    let folder = Folder::new();
    let store = Arc::new(folder.open("a"));
    fill(&*store, 0..10).await;
    let (from, to) = (folder.address("a"), folder.address("b"));
    let runtime = tokio::runtime::Handle::current();
    let writer = Arc::clone(&store);
    let write = move |progress: super::Progress| {
        if progress.phase == Phase::Copying && progress.done == 4 {
            // One device behind, one before what is copied already, and a new one.
            runtime.block_on(async {
                for number in [1, 8] {
                    writer.commit(exchange(&dev(number), 2)).await.unwrap();
                }
                fill(&*writer, 10..11).await;
            });
        }
        ControlFlow::Continue(())
    };
    let first = copy(&from, &to, &SMALL_PAGES, write).await.unwrap();
    assert_eq!(sums(&first)[0].1, 10);
    assert_eq!(events(&first), 40);
    let second = copied(&from, &to).await.unwrap();
    assert_eq!((second.copied, second.skipped), (3, 8));
    assert_eq!(events(&second), 46);
    drop(store);
    assert_eq!(
        folder.open("b").events_after(0, 1000).await.unwrap(),
        folder.open("a").events_after(0, 1000).await.unwrap()
    );
}

#[tokio::test]
async fn a_foreign_target_is_refused_unchanged() {
    let folder = Folder::new();
    folder.filled("a").await;
    folder.filled("other devices").await;
    fill(&folder.open("other devices"), 10..12).await;
    folder.filled("other owner").await;
    folder.sql("other owner", "UPDATE deployment SET ca = 'another'");
    folder.filled("ahead").await;
    folder
        .open("ahead")
        .commit(exchange(&dev(3), 2))
        .await
        .unwrap();
    folder.sql("ahead", "UPDATE sequencer SET next_position = 1");
    folder.filled("more positions").await;
    folder.sql("more positions", "UPDATE sequencer SET next_position = 999");
    let from = folder.address("a");
    for (name, wanted) in [
        ("other devices", "IMEI:000000000000010"),
        ("other owner", "another"),
        ("ahead", "IMEI:000000000000003"),
        ("more positions", "998"),
    ] {
        // The log of each is in the file once its store is closed.
        let before = std::fs::read(folder.file(name)).unwrap();
        let refused = copied(&from, &folder.address(name)).await.unwrap_err();
        let told = refused.to_string();
        assert!(told.contains(name) && told.contains(wanted), "{told}");
        assert!(!refused.remedy().is_empty());
        assert_eq!(std::fs::read(folder.file(name)).unwrap(), before, "{name}");
    }
}

/// So many exchanges of the device, or refusals of nobody, told apart from others by their correlation.
async fn go_on(store: &dyn Store, device: Option<usize>, count: u64, correlation: &str) {
    for nr in 0..count {
        let Some(device) = device else {
            let mut event = event(EventKind::SessionEnded { session: None });
            event.correlation = correlation.to_owned();
            store.defer(DeferredMark::Refused {
                dev_id: None,
                at: START,
                event,
            });
            continue;
        };
        let mut delta = exchange(&dev(device), 2 + nr);
        delta.events[0].correlation = correlation.to_owned();
        store.commit(delta).await.unwrap();
    }
    store.flush().await.unwrap();
}

/// No counter of the target is ahead: what it has of its own would be overwritten.
#[tokio::test]
async fn a_target_that_diverged_is_refused_unchanged() {
    let told = |refused: CopyError| {
        assert!(matches!(refused, CopyError::AheadTarget { .. }));
        refused.to_string()
    };
    for (device, named) in [
        (Some(7), "IMEI:000000000000007 diverged, event 4 "),
        (None, "the log of no device diverged, event 11 "),
    ] {
        let folder = Folder::new();
        folder.filled("a").await;
        let (from, to) = (folder.address("a"), folder.address("b"));
        copied(&from, &to).await.unwrap();
        go_on(&folder.open("b"), device, 1, "of the copy").await;
        go_on(&folder.open("a"), device, 2, "of the source").await;
        let before = std::fs::read(folder.file("b")).unwrap();
        let refused = told(copied(&from, &to).await.unwrap_err());
        assert!(refused.contains(named), "{refused}");
        assert_eq!(std::fs::read(folder.file("b")).unwrap(), before);
    }
}

#[tokio::test]
async fn a_copy_that_was_stopped_goes_on_although_the_source_went_on() {
    let folder = Folder::new();
    folder.filled("a").await;
    let (from, to) = (folder.address("a"), folder.address("b"));
    stopped(&from, &to, 8).await;
    for device in [Some(1), Some(9), None] {
        go_on(&folder.open("a"), device, 2, "of the source").await;
    }
    let resumed = copied(&from, &to).await.unwrap();
    assert_eq!((resumed.copied, resumed.skipped), (3, 7));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_diverged_is_refused_and_refuses() {
    let folder = Folder::new();
    folder.filled("a").await;
    let postgres = Postgres::migrated().await;
    let from = folder.address("a");
    copied(&from, &postgres.address).await.unwrap();
    for whose in [&dev(2).to_string(), ""] {
        let swap = |was: &str, is: &str| {
            let sql = format!(
                "UPDATE events SET correlation = '{is}' WHERE (dev_id, seq) IN
                 (SELECT dev_id, MAX(seq) FROM events WHERE dev_id = '{whose}' GROUP BY dev_id) AND correlation = '{was}'"
            );
            postgres.database.execute(&sql).unwrap();
        };
        swap("00112233aabbccdd", "another");
        for (from, to) in [(&from, &postgres.address), (&postgres.address, &from)] {
            let refused = copied(from, to).await.unwrap_err();
            assert!(
                matches!(&refused, CopyError::AheadTarget { what, .. } if what.contains("diverged")),
                "{refused}"
            );
        }
        swap("another", "00112233aabbccdd");
    }
    copied(&from, &postgres.address).await.unwrap();
}

#[tokio::test]
async fn a_target_in_use_is_refused() {
    let folder = Folder::new();
    folder.filled("a").await;
    let _in_use = folder.open("b");
    assert!(matches!(
        copied(&folder.address("a"), &folder.address("b")).await,
        Err(CopyError::Target(StoreError::Locked(_)))
    ));
}

#[tokio::test]
async fn a_store_is_not_copied_onto_itself() {
    let folder = Folder::new();
    folder.filled("a").await;
    std::os::unix::fs::symlink(folder.file("a"), folder.file("link")).unwrap();
    assert!(matches!(
        copied(&folder.address("a"), &folder.address("link")).await,
        Err(CopyError::SameStore(_))
    ));
}

#[tokio::test]
async fn a_damaged_target_is_named_and_written_anew_on_demand() {
    let folder = Folder::new();
    folder.filled("a").await;
    let (from, to) = (folder.address("a"), folder.address("b"));
    let whole = copied(&from, &to).await.unwrap();
    let (first, sixth) = (dev(1), dev(6));
    folder.sql(
        "b",
        &format!(
            "UPDATE documents SET sealed = x'00ff' WHERE dev_id = '{first}'; DELETE FROM sessions WHERE dev_id = '{sixth}';
             INSERT INTO events (dev_id, seq, position, at, correlation, kind) VALUES ('IMEI:9', 1, NULL, 1, '', '')"
        ),
    );
    let Err(CopyError::Different { differences, .. }) = copied(&from, &to).await else {
        panic!("the damage was not found");
    };
    let found: Vec<_> = differences
        .iter()
        .map(|difference| {
            (
                difference.table,
                difference.dev_id.as_str(),
                difference.kind,
            )
        })
        .collect();
    assert_eq!(
        found,
        [
            ("documents", first.as_str(), DifferenceKind::Changed),
            ("sessions", sixth.as_str(), DifferenceKind::Missing),
        ]
    );
    folder.sql("b", "DELETE FROM events WHERE dev_id = 'IMEI:9'");
    let all = CopyOptions {
        all: true,
        ..SMALL_PAGES
    };
    let anew = copy(&from, &to, &all, |_| ControlFlow::Continue(()))
        .await
        .unwrap();
    assert_eq!(anew.copied, 10);
    assert_eq!(sums(&anew), sums(&whole));
}

#[tokio::test]
async fn rows_of_no_device_are_told_on_either_side() {
    let folder = Folder::new();
    folder.filled("a").await;
    let (from, to) = (folder.address("a"), folder.address("b"));
    copied(&from, &to).await.unwrap();
    let stray = "INSERT INTO events (dev_id, seq, position, at, correlation, kind) VALUES ('IMEI:9', 1, NULL, 1, '', '')";
    folder.sql("b", stray);
    let Err(CopyError::Different { differences, .. }) = copied(&from, &to).await else {
        panic!("the stray row was not found");
    };
    assert_eq!(
        (differences[0].table, differences[0].kind),
        ("events", DifferenceKind::Surplus)
    );
    folder.sql("a", stray);
    assert!(matches!(
        copied(&from, &to).await,
        Err(CopyError::StrayRows {
            table: "events",
            rows: 1,
            ..
        })
    ));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_store_goes_to_postgresql_and_back() {
    let folder = Folder::new();
    folder.filled("a").await;
    let postgres = Postgres::migrated().await;
    let from = folder.address("a");
    stopped(&from, &postgres.address, 4).await;
    let there = copied(&from, &postgres.address).await.unwrap();
    assert_eq!((there.copied, there.skipped), (6, 4));

    let store = postgres.open().await;
    assert_eq!(store.devices(None, 100).await.unwrap().len(), 10);
    store.commit(exchange(&dev(5), 2)).await.unwrap();
    store.flush().await.unwrap();
    let ahead = copied(&from, &postgres.address).await.unwrap_err();
    assert!(matches!(ahead, CopyError::TargetInUse { .. }), "{ahead}");

    let back = folder.address("back");
    let report = copied(&postgres.address, &back).await.unwrap();
    assert_eq!((report.copied, report.skipped), (10, 0));
    assert_eq!(events(&report), 41);
    let changed = sums(&report)
        .into_iter()
        .zip(sums(&there))
        .filter(|(back, there)| back != there)
        .map(|(back, _)| back.0);
    assert_eq!(
        changed.collect::<Vec<_>>(),
        ["devices", "events", "sequencer"]
    );
    let events = store.events_after(0, 1000).await.unwrap();
    assert_eq!(events.len(), 41);
    assert_eq!(
        folder.open("back").events_after(0, 1000).await.unwrap(),
        events
    );
    let elsewhere = Postgres::migrated().await;
    let other = copied(&postgres.address, &elsewhere.address).await.unwrap();
    assert_eq!(sums(&other), sums(&report));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_without_schema_is_refused_and_stays_without() {
    let folder = Folder::new();
    folder.filled("a").await;
    let postgres = Postgres::empty();
    assert!(matches!(
        copied(&folder.address("a"), &postgres.address).await,
        Err(CopyError::Target(StoreError::Unmigrated(_, 0, SCHEMA)))
    ));
    assert!(matches!(
        copied(&postgres.address, &folder.address("b")).await,
        Err(CopyError::Source(StoreError::Unmigrated(_, 0, SCHEMA)))
    ));
}

#[tokio::test]
async fn events_that_wait_get_their_position_when_the_copy_is_opened() {
    let folder = Folder::new();
    folder.filled("a").await;
    // As a database is whose nodes ended before they gave the last positions.
    folder.sql(
        "a",
        "UPDATE events SET position = NULL WHERE position > 37; UPDATE sequencer SET next_position = 38",
    );
    let to = folder.address("b");
    let report = copied(&folder.address("a"), &to).await.unwrap();
    assert_eq!(report.waiting_events, 3);
    let store = folder.open("b");
    let events = store.events_after(0, 1000).await.unwrap();
    let positions: Vec<_> = events.iter().map(|event| event.position).collect();
    assert_eq!(positions, (1..=40).map(Some).collect::<Vec<_>>());
    store.commit(exchange(&dev(0), 2)).await.unwrap();
    assert_eq!(store.lag().await.unwrap().position, 41);
}
