//! `omadm demo` over several nodes and PostgreSQL.
//! Several nodes, whatever `OMADM_TEST_NODES` says: the command starts them itself.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use omadm_lab::postgres::Database;
use omadm_tests::process::{Ended, omadm};
use serde_json::Value;

/// Insists on a completed bootstrap with these counts: connections, exchanges, commits.
#[track_caller]
fn counts(ended: &Ended, counts: [u64; 3]) {
    let row: Value = serde_json::from_str(ended.stdout.trim()).unwrap();
    let told = ["connections", "exchanges", "commits"].map(|name| row[name].as_u64().unwrap());
    assert_eq!((told, row["state"].as_str()), (counts, Some("completed")));
}

#[test]
fn two_nodes_on_a_private_postgresql_share_one_bootstrap() {
    let arguments = ["demo", "--nodes", "2", "--store", "temp-postgres"];
    let ended = omadm(arguments).run().good();
    let nodes: Vec<_> = ended
        .stdout
        .lines()
        .filter_map(|line| {
            Some(
                line.split_once(" answers ")?
                    .0
                    .rsplit(' ')
                    .next()?
                    .to_owned(),
            )
        })
        .collect();
    assert!(
        nodes == ["1", "2", "1"] || nodes == ["2", "1", "2"],
        "{ended:?}"
    );
    for what in [
        "starts a private PostgreSQL",
        "the DM Bootstrap was fetched",
        "BootstrapComplete is durable",
        "DM session ended with END",
    ] {
        assert!(ended.stdout.contains(what), "no {what:?}: {ended:?}");
    }
}

#[test]
fn the_demo_leaves_a_given_database_as_it_was() {
    let database = Database::fresh().unwrap();
    let relations = "SELECT count(*) FROM pg_class; SELECT count(*) FROM pg_namespace";
    let before = database.execute(relations).unwrap();
    let ended = omadm(["demo", "--json", "--nodes", "2"])
        .env("OMADM_DEMO_STORE", database.url())
        .run()
        .good();
    counts(&ended, [3, 3, 2]);
    assert_eq!(database.execute(relations).unwrap(), before);
    let one = omadm(["demo", "--json", "--store", &database.url()])
        .run()
        .good();
    counts(&one, [1, 3, 2]);
}

#[test]
fn several_nodes_on_sqlite_are_refused() {
    let ended = omadm(["demo", "--nodes", "2"]).run();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(
        ended.stderr.contains("several share PostgreSQL"),
        "{ended:?}"
    );
}

#[test]
fn a_wrong_store_is_refused_without_its_password() {
    let ended = omadm(["demo", "--store", "postgres://me:s3cr3t@db.example/x"]).run();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("sslrootcert"), "{ended:?}");
    assert!(!format!("{ended:?}").contains("s3cr3t"), "{ended:?}");
}
