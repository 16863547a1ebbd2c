//! `omadm store`: a store is made, checked, copied to another back end and back, by the processes an operator runs.
//! One node, whatever `OMADM_TEST_NODES` says: what is copied is a store of SQLite, which one process has.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use omadm_bootstrap::Utc;
use omadm_lab::nodes::copy_state;
use omadm_lab::postgres::Database;
use omadm_mo::DevId;
use omadm_server::model::{Event, EventKind, ExchangeDelta, Object, ObjectChange, ObjectOwner};
use omadm_server::store::Commit as _;
use omadm_server::store::sqlite::{SqliteOptions, SqliteStore};
use omadm_tests::process::{Device, Ended, Omadm, PATIENCE, Server, Signal, omadm};
use serde_json::Value;

const DEVICE: &str = "IMEI:493005100592800";

fn store(command: &str) -> Omadm {
    omadm(["store", command])
}

fn copy(from: &str, to: &str) -> Omadm {
    store("copy").args(["--from", from, "--to", to])
}

fn path(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn json(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).unwrap()
}

/// Runs SQL as an operator with a shell would.
fn sqlite3(file: &Path, sql: &str) {
    let done = Command::new("sqlite3").arg(file).arg(sql).status().unwrap();
    assert!(done.success());
}

/// A store of so many devices, each with an event and an object.
async fn large(file: &Path, devices: usize) {
    let store = Arc::new(SqliteStore::open(file, &SqliteOptions::default()).unwrap());
    for part in (0..devices).collect::<Vec<_>>().chunks(500) {
        let tasks: Vec<_> = part
            .iter()
            .map(|number| {
                let dev_id = DevId::parse(&format!("IMEI:{number:015}")).unwrap();
                let mut delta = ExchangeDelta::new(dev_id, None, Utc(1_700_000_000_000));
                delta.events.push(Event {
                    kind: EventKind::DeviceRegistered,
                    correlation: "00112233aabbccdd".to_owned(),
                });
                let object = Object::whole(
                    "state",
                    ObjectOwner::Device,
                    "text/plain",
                    vec![7; 1000],
                    delta.at,
                );
                delta.objects.push(ObjectChange::Put(object));
                let store = Arc::clone(&store);
                tokio::spawn(async move { store.commit(delta).await })
            })
            .collect();
        for task in tasks {
            task.await.unwrap().unwrap();
        }
    }
}

#[test]
fn a_store_goes_to_postgresql_while_its_server_runs_and_back() {
    let folder = tempfile::tempdir().unwrap();
    let (state, back) = (folder.path().join("server"), folder.path().join("back"));
    let server = Server::start_one(&state).unwrap();
    let token = server.token.clone().unwrap();
    let device = Device::init(&folder.path().join("device"), DEVICE);
    device.register(&server, &token, "minimal");

    let database = Database::fresh().unwrap();
    let url = database.url();
    let unmade = copy(path(&state), &url).run().refused();
    assert!(unmade.stderr.contains("omadm store migrate"), "{unmade:?}");
    let dry = store("migrate").args(["--dry-run", &url]).run().good();
    assert!(dry.stdout.contains("schema 0 would become 12"), "{dry:?}");
    let made = store("migrate").arg(&url).run().good();
    assert!(made.stdout.contains("schema 0 became 12"), "{made:?}");
    let again = store("migrate").arg(&url).run().good();
    assert!(again.stdout.contains("is there already"), "{again:?}");

    let first = copy(path(&state), &url).run().good();
    assert_eq!(first.field("devices:"), "1 written, 0 were there already");
    assert!(
        first.stdout.contains("copying: 0 of 1 devices"),
        "{first:?}"
    );
    assert!(
        first.stdout.contains("verifying: 1 of 1 devices"),
        "{first:?}"
    );
    let _done = device.client_at("bootstrap", &server).run().good();
    let told = server
        .operator(&token, &["show", DEVICE, "--json"])
        .run()
        .good();
    let _ended = server.end().unwrap().good();
    let second = copy(path(&state), &url).arg("--json").run().good();
    let second = json(&second);
    assert_eq!(
        (&second["copied"], &second["skipped"]),
        (&1.into(), &0.into())
    );
    let checked = store("check").arg(&url).run().good();
    assert!(checked.stdout.contains("sound"), "{checked:?}");

    copy_state(&state, &back).unwrap();
    let returned = copy(&url, path(&back)).arg("--json").run().good();
    assert_eq!(json(&returned)["tables"], second["tables"]);
    let server = Server::start_one(&back).unwrap();
    let shown = server
        .operator(&token, &["show", DEVICE, "--json"])
        .run()
        .good();
    assert_eq!(json(&shown), json(&told));
    let secret = url
        .split(':')
        .nth(2)
        .and_then(|rest| rest.split('@').next())
        .unwrap();
    assert!(secret.len() > 8);
    for ended in [&unmade, &dry, &made, &first, &checked, &returned] {
        assert!(!ended.stdout.contains(secret) && !ended.stderr.contains(secret));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_copy_goes_on_where_it_was() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("large.sqlite");
    large(&file, 4000).await;
    let [whole, cut] =
        ["whole", "cut"].map(|name| format!("sqlite:{}", folder.path().join(name).display()));
    let wanted = json(&copy(path(&file), &whole).arg("--json").run().good());
    assert_eq!(wanted["copied"], 4000);

    let mut killed = copy(path(&file), &cut).start().unwrap();
    killed.until("copying: 8", PATIENCE).unwrap();
    killed.signal(Signal::Kill).unwrap();
    let ended = killed.wait(PATIENCE).unwrap();
    assert_eq!(ended.code, None, "it was not killed: {ended:?}");
    let half = store("check").arg(&cut).run().refused();
    assert!(half.stderr.contains("was not finished"), "{half:?}");

    let resumed = json(&copy(path(&file), &cut).arg("--json").run().good());
    assert_eq!(resumed["tables"], wanted["tables"]);
    let skipped = resumed["skipped"].as_u64().unwrap();
    assert!((800..4000).contains(&skipped), "{skipped}");
    assert_eq!(resumed["copied"], 4000 - skipped);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_would_lose_something_is_refused() {
    let folder = tempfile::tempdir().unwrap();
    let [small, large_one] = ["small.sqlite", "large.sqlite"].map(|name| folder.path().join(name));
    large(&small, 2).await;
    large(&large_one, 3).await;
    let refused = copy(path(&small), path(&large_one)).run().refused();
    assert!(
        refused.stderr.contains("IMEI:000000000000002"),
        "{refused:?}"
    );
    assert!(
        refused.stderr.contains("nothing was changed"),
        "{refused:?}"
    );
    let same = copy(path(&small), path(&small)).run().refused();
    assert!(same.stderr.contains("name two stores"), "{same:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_contradicts_itself_is_told() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("server.sqlite");
    large(&file, 3).await;
    let sound = store("check").arg(folder.path()).run().good();
    assert!(sound.stdout.contains("sound"), "{sound:?}");
    sqlite3(&file, "DELETE FROM events WHERE dev_id LIKE '%1'");
    let wrong = store("check")
        .arg("--json")
        .arg(folder.path())
        .run()
        .refused();
    let told = json(&wrong);
    assert_eq!(told["findings"][0]["severity"], "wrong");
    assert!(wrong.stderr.contains("IMEI:000000000000001"), "{wrong:?}");
}

#[test]
fn a_wrong_address_is_refused_without_its_password() {
    for wrong in [
        "/no/such/store",
        "mysql://me:s3cr3t@a/b",
        "postgres://me:s3cr3t@db.example/d",
    ] {
        let ended = store("check").arg(wrong).run().refused();
        assert!(!ended.stderr.contains("s3cr3t"), "{ended:?}");
    }
}
