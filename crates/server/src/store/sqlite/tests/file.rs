//! What lies in the folder when a store is opened.

use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use rusqlite::Connection;

use super::{Place, open};
use crate::store::battery::{dev, drafted, fetched, record_id, registration};
use crate::store::sql;
use crate::store::sqlite::{SqliteOptions, SqliteStore};
use crate::store::{Bootstraps as _, Commit as _, Devices as _, StoreError};

const CHILD: &str = "OMADM_TEST_STORE";

fn refusal(path: &Path) -> StoreError {
    match SqliteStore::open(path, &SqliteOptions::default()) {
        Ok(_) => panic!("{} was opened", path.display()),
        Err(err) => err,
    }
}

/// Runs a test of this module in a process of its own, which finds the store's path in its environment.
fn child(test: &str, path: &Path) -> Child {
    Command::new(std::env::current_exe().unwrap())
        .args([
            "--exact",
            &format!("store::sqlite::tests::file::{test}"),
            "--nocapture",
        ])
        .env(CHILD, path)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap()
}

#[tokio::test]
async fn another_process_is_refused_as_long_as_the_first_lives() {
    if let Some(path) = std::env::var_os(CHILD) {
        let _held = open(path.as_ref(), &SqliteOptions::default());
        println!("\nheld");
        // Until the parent kills this process or goes away.
        std::io::stdin().lines().for_each(drop);
        return;
    }
    let place = Place::new();
    let mut first = child(
        "another_process_is_refused_as_long_as_the_first_lives",
        &place.file(),
    );
    let mut lines = BufReader::new(first.stdout.take().unwrap()).lines();
    assert!(lines.any(|line| line.unwrap() == "held"));
    assert_eq!(
        refusal(&place.file()),
        StoreError::Locked(place.file().display().to_string())
    );
    first.kill().unwrap();
    first.wait().unwrap();
    place
        .open(&SqliteOptions::default())
        .commit(registration(&dev(1)))
        .await
        .unwrap();
}

#[tokio::test]
async fn what_was_acknowledged_survives_sigkill() {
    if let Some(path) = std::env::var_os(CHILD) {
        let store = open(path.as_ref(), &SqliteOptions::default());
        for number in 0.. {
            store.commit(registration(&dev(number))).await.unwrap();
            println!("\n{number}");
        }
    }
    let place = Place::new();
    let mut first = child("what_was_acknowledged_survives_sigkill", &place.file());
    let mut acknowledged = 0;
    for line in BufReader::new(first.stdout.take().unwrap()).lines() {
        let Ok(number) = line.unwrap().parse::<usize>() else {
            continue;
        };
        acknowledged = acknowledged.max(number);
        if number == 100 {
            first.kill().unwrap();
        }
    }
    first.wait().unwrap();
    assert!(acknowledged >= 100);
    let store = place.open(&SqliteOptions::default());
    let found = store.devices(None, usize::MAX).await.unwrap();
    assert!(found.len() > acknowledged);
    for (number, device) in found.into_iter().enumerate() {
        assert_eq!(device.dev_id, dev(number));
    }
}

#[test]
fn a_second_store_of_this_process_is_refused_under_any_name() {
    let place = Place::new();
    let held = place.open(&SqliteOptions::default());
    let link = place.0.path().join("link.db");
    std::os::unix::fs::symlink(place.file(), &link).unwrap();
    for name in [
        place.file(),
        link,
        place.0.path().join(".").join("server.db"),
    ] {
        assert_eq!(
            refusal(&name),
            StoreError::Locked(name.display().to_string())
        );
    }
    drop(held);
    place.open(&SqliteOptions::default());
}

#[test]
fn a_new_store_is_closed_to_others_and_leaves_no_log_when_closed() {
    let place = Place::new();
    let store = place.open(&SqliteOptions::default());
    for name in [
        "server.db",
        "server.db-wal",
        "server.db-shm",
        "server.db.lock",
    ] {
        let mode = fs::metadata(place.0.path().join(name))
            .unwrap()
            .permissions()
            .mode();
        assert_eq!(mode & 0o077, 0, "{name}");
    }
    drop(store);
    let log = fs::metadata(place.0.path().join("server.db-wal")).map_or(0, |log| log.len());
    assert_eq!(log, 0);
}

fn corrupt(content: &[u8]) {
    let place = Place::new();
    fs::write(place.file(), content).unwrap();
    let refused = refusal(&place.file());
    assert!(matches!(refused, StoreError::Corrupt(..)), "{refused}");
    assert!(
        fs::read(place.file()).unwrap() == content,
        "the file was changed"
    );
}

#[test]
fn what_is_no_database_is_refused_and_stays_as_it_is() {
    corrupt(b"");
    corrupt(b"omadm");
    corrupt(&[0; 4096]);
    corrupt(&b"garbage ".repeat(4096));
}

#[test]
fn a_database_of_another_program_is_refused_and_stays_as_it_is() {
    let place = Place::new();
    let foreign = Connection::open(place.file()).unwrap();
    foreign
        .execute_batch("CREATE TABLE devices (dev_id TEXT); PRAGMA user_version = 3;")
        .unwrap();
    drop(foreign);
    corrupt(&fs::read(place.file()).unwrap());
}

/// The bytes of a closed store with something in it.
async fn content() -> Vec<u8> {
    let place = Place::new();
    let store = place.open(&SqliteOptions::default());
    for number in 0..50 {
        drafted(&store, &dev(number as usize), number).await;
    }
    drop(store);
    fs::read(place.file()).unwrap()
}

#[tokio::test]
async fn a_store_that_was_cut_off_is_refused_and_stays_as_it_is() {
    let content = content().await;
    for length in [50, 4096, content.len() / 2, content.len() - 1] {
        corrupt(&content[..length]);
    }
}

#[tokio::test]
async fn a_store_with_a_damaged_page_is_refused_and_stays_as_it_is() {
    let content = content().await;
    for page in 1..content.len() / 4096 {
        let mut damaged = content.clone();
        damaged[page * 4096..][..512].fill(0xee);
        corrupt(&damaged);
    }
}

#[test]
fn a_store_that_lost_its_main_file_is_not_made_anew() {
    let place = Place::new();
    let log = place.0.path().join("server.db-wal");
    fs::write(&log, b"log").unwrap();
    assert!(matches!(refusal(&place.file()), StoreError::Corrupt(..)));
    assert_eq!(
        (fs::read(log).unwrap(), place.file().exists()),
        (b"log".to_vec(), false)
    );
}

#[test]
fn a_first_start_that_was_cut_short_is_begun_again() {
    let place = Place::new();
    fs::write(place.0.path().join("server.db.new"), b"half").unwrap();
    drop(place.open(&SqliteOptions::default()));
    assert!(!place.0.path().join("server.db.new").exists());
}

#[tokio::test]
async fn a_store_of_a_newer_program_is_refused() {
    let place = Place::new();
    place
        .open(&SqliteOptions::default())
        .commit(registration(&dev(1)))
        .await
        .unwrap();
    let newer = "INSERT INTO refinery_schema_history SELECT 77, name, applied_on, checksum FROM refinery_schema_history WHERE version = 1";
    Connection::open(place.file())
        .unwrap()
        .execute_batch(newer)
        .unwrap();
    assert_eq!(
        refusal(&place.file()),
        StoreError::Newer(place.file().display().to_string(), 77)
    );
}

#[test]
fn a_folder_that_is_not_there_is_named() {
    let place = Place::new();
    let path = place.0.path().join("missing").join("server.db");
    let refused = refusal(&path);
    assert!(
        matches!(&refused, StoreError::Failed(why) if why.contains("missing")),
        "{refused}"
    );
}

#[tokio::test]
async fn dropping_the_store_writes_what_was_deferred() {
    let place = Place::new();
    let store = place.open(&SqliteOptions::default());
    let before = drafted(&store, &dev(1), 1).await;
    store.defer(fetched(&dev(1), 1, before.created_at));
    drop(store);
    let found = place
        .open(&SqliteOptions::default())
        .bootstrap(&record_id(1))
        .await
        .unwrap()
        .unwrap();
    assert_eq!(found.fetched_at, Some(before.created_at));
}

#[test]
fn the_sweep_reads_open_records_alone() {
    let place = Place::new();
    drop(place.open(&SqliteOptions::default()));
    let plan: String = Connection::open(place.file())
        .unwrap()
        .query_row(
            &format!("EXPLAIN QUERY PLAN {}", sql::OVERDUE),
            [0, 9],
            |row| row.get(3),
        )
        .unwrap();
    assert!(plan.contains("USING INDEX bootstraps_by_expiry"), "{plan}");
}
