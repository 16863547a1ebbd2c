use std::path::Path;

use omadm_lab::postgres::Database;

use super::{Severity, StoreCheck, check};
use crate::model::{CredentialChange, ObjectChange};
use crate::store::Commit as _;
use crate::store::address::StoreAddress;
use crate::store::battery::objects::in_pieces;
use crate::store::battery::{adding, certificate, dev, drafted, exchange, http_user, psk};
use crate::store::migration::migrate;
use crate::store::postgres::{PostgresOptions, PostgresStore};
use crate::store::sqlite::{SqliteOptions, SqliteStore};

async fn filled(file: &Path) {
    let store = SqliteStore::open(file, &SqliteOptions::default()).unwrap();
    for number in 0..3 {
        let dev_id = dev(number.into());
        drafted(&store, &dev_id, number.into()).await;
        let own = certificate(&dev_id, number);
        store.commit(adding(&own, 1)).await.unwrap();
        if number == 2 {
            let mut named = adding(&psk(&dev_id, "name"), 2);
            named
                .credentials
                .push(CredentialChange::Add(http_user(&dev_id, "name")));
            named.events.clear();
            store.commit(named).await.unwrap();
        }
    }
    in_pieces(&store, &dev(0), "under way", 1).await;
    let mut delta = exchange(&dev(0), 2);
    let object = in_pieces(&store, &dev(0), "large", 2).await;
    delta.objects.push(ObjectChange::Put(object));
    store.commit(delta).await.unwrap();
}

fn whats(check: &StoreCheck, severity: Severity) -> Vec<&str> {
    check
        .findings
        .iter()
        .filter(|finding| finding.severity == severity)
        .map(|finding| finding.what.as_str())
        .collect()
}

#[tokio::test]
async fn a_sound_store_is_told_as_such_while_it_is_open() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("s.db");
    filled(&file).await;
    let _open = SqliteStore::open(&file, &SqliteOptions::default()).unwrap();
    let told = check(&StoreAddress::Sqlite(file)).await.unwrap();
    assert_eq!(told.findings, []);
    let content = told.content.unwrap();
    assert_eq!(content.tables[0].rows, 3);
    assert_eq!((content.position, content.waiting), (7, 0));
    assert_eq!(content.deployment_ca, None);
}

#[tokio::test]
async fn each_contradiction_is_found_alone() {
    for (damage, told) in [
        (
            "DELETE FROM events WHERE seq = 1 AND dev_id LIKE '%1'",
            "without gap",
        ),
        (
            "UPDATE devices SET next_event_seq = 9 WHERE dev_id LIKE '%2'",
            "without gap",
        ),
        (
            "UPDATE devices SET open_commands = 1 WHERE dev_id LIKE '%2'",
            "number of their open commands",
        ),
        ("UPDATE sequencer SET next_seq = 2", "events of no device"),
        (
            "INSERT INTO events VALUES ('IMEI:9', 1, NULL, 0, '', '')",
            "events whose device is unknown",
        ),
        (
            "DROP INDEX events_by_position; UPDATE events SET position = 4 WHERE position = 2",
            "two events have",
        ),
        ("UPDATE sequencer SET next_position = 6", "not given yet"),
        (
            "UPDATE events SET position = NULL WHERE position = 1",
            "run against their numbers",
        ),
        (
            "INSERT INTO sessions (dev_id, generation, state, expires_at) VALUES ('IMEI:9', 'dm2', '', 0)",
            "rows whose device is unknown",
        ),
        (
            "DELETE FROM documents WHERE dev_id LIKE '%1'",
            "without their document",
        ),
        (
            "INSERT INTO bootstrap_ids SELECT 'x', dev_id FROM devices WHERE dev_id LIKE '%1'",
            "without their bootstrap",
        ),
        (
            "DELETE FROM credentials WHERE dev_id LIKE '%1'",
            "lead to no credential",
        ),
        (
            "DELETE FROM certificates WHERE dev_id LIKE '%1'",
            "no certificate, PSK identity, HTTP user or account name leads to",
        ),
        (
            "DELETE FROM certificates WHERE fingerprint = x'70736b006e616d65'",
            "no certificate, PSK identity, HTTP user or account name leads to",
        ),
        (
            "UPDATE credentials SET sealed = NULL WHERE kind = 'http-user'",
            "without their secret",
        ),
        (
            "DELETE FROM pieces WHERE nr = 1",
            "objects whose pieces are not all there",
        ),
        (
            "UPDATE objects SET octets = octets + 1",
            "objects whose pieces are not all there",
        ),
        ("DELETE FROM objects", "pieces that belong to no object"),
        (
            "INSERT INTO deployment VALUES (1, 'unfinished copy of x', 'y')",
            "was not finished",
        ),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("s.db");
        filled(&file).await;
        let conn = rusqlite::Connection::open(&file).unwrap();
        conn.execute_batch(&format!("PRAGMA foreign_keys = OFF; {damage}"))
            .unwrap();
        drop(conn);
        let found = check(&StoreAddress::Sqlite(file)).await.unwrap();
        assert!(!found.is_sound());
        let wrong = whats(&found, Severity::Wrong);
        assert!(
            wrong.iter().any(|what| what.contains(told)),
            "{damage}: {wrong:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_is_told_with_its_settings() {
    let database = Database::fresh().unwrap();
    let address: StoreAddress = database.url().parse().unwrap();
    let empty = check(&address).await.unwrap();
    assert_eq!((empty.schema, empty.content), (0, None));
    assert!(!empty.findings.is_empty());

    migrate(&address, false).await.unwrap();
    let StoreAddress::Postgres(postgres) = &address else {
        panic!("no database");
    };
    let store = PostgresStore::open(postgres, &PostgresOptions::default())
        .await
        .unwrap();
    drafted(&store, &dev(1), 1).await;
    store
        .commit(adding(&certificate(&dev(1), 1), 1))
        .await
        .unwrap();
    store.flush().await.unwrap();
    let told = check(&address).await.unwrap();
    assert_eq!(whats(&told, Severity::Wrong), [""; 0]);
    let content = told.content.unwrap();
    assert_eq!(content.tables[0].rows, 1);
    assert_eq!(content.sequencer.as_deref(), Some(store.node_id()));
    assert!(told.clock_ahead_ms.unwrap().abs() < 2000);
    for name in ["fsync", "server_version", "synchronous_commit"] {
        assert!(
            told.settings.iter().any(|setting| setting.name == name),
            "{name}"
        );
    }

    database
        .execute("UPDATE events SET position = 1; INSERT INTO events VALUES ('IMEI:9', 1, NULL, 0, '', '')")
        .unwrap();
    let damaged = check(&address).await.unwrap();
    assert_eq!(
        whats(&damaged, Severity::Wrong).len(),
        3,
        "{:?}",
        damaged.findings
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_database_that_takes_no_writes_is_told() {
    let database = Database::fresh().unwrap();
    let address: StoreAddress = database.url().parse().unwrap();
    migrate(&address, false).await.unwrap();
    let name = database.name();
    database
        .execute(&format!(
            "ALTER DATABASE {name} SET default_transaction_read_only = on"
        ))
        .unwrap();
    let told = check(&address).await.unwrap();
    assert!(told.read_only && !told.is_sound());
    assert!(told.content.is_some());
}
