//! `omadm demo` over several nodes and PostgreSQL.
//! Several nodes, whatever `OMADM_TEST_NODES` says: the command starts them itself.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::future::{pending, ready};
use std::sync::Arc;

use omadm_lab::demo::{
    Demo, DemoError, DemoGeneration, DemoMethod, DemoOptions, DemoProfile, DemoStore,
};
use omadm_lab::postgres::Database;
use omadm_tests::process::{Ended, PATIENCE, Signal, omadm};
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
    let arguments = [
        "demo",
        "--method",
        "client",
        "--nodes",
        "2",
        "--store",
        "temp-postgres",
    ];
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
    let ended = omadm(["demo", "--json", "--method", "client", "--nodes", "2"])
        .env("OMADM_DEMO_STORE", database.url())
        .run()
        .good();
    counts(&ended, [3, 3, 2]);
    assert_eq!(database.execute(relations).unwrap(), before);
    let whole = omadm(["demo", "--json", "--nodes", "2"])
        .env("OMADM_DEMO_STORE", database.url())
        .run()
        .good();
    let states: Vec<Value> = whole
        .stdout
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap()["state"].clone())
        .collect();
    assert!(states.len() > 4, "{whole:?}");
    assert!(states.iter().all(|state| state == "completed"), "{whole:?}");
    assert_eq!(database.execute(relations).unwrap(), before);
    let one = omadm(["demo", "--json", "--method", "client"])
        .args(["--store", &database.url()])
        .run()
        .good();
    counts(&one, [1, 3, 2]);
}

#[test]
fn a_count_of_nodes_that_cannot_be_is_refused_before_anything_is_made() {
    let database = Database::fresh().unwrap();
    for nodes in ["0", "17"] {
        let ended = omadm(["demo", "--nodes", nodes, "--store", &database.url()]).run();
        assert_eq!(ended.code, Some(2), "{ended:?}");
        assert!(ended.stderr.contains("1..=16"), "{ended:?}");
    }
    assert_eq!(schemas(&database), "0");
}

/// Lets the database refuse these commands from now on.
fn refuse(database: &Database, tags: &str) {
    let sql = format!(
        "CREATE FUNCTION refuse() RETURNS event_trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'no % today', tg_tag; END $$;
         CREATE EVENT TRIGGER refuse ON ddl_command_start WHEN TAG IN ({tags}) EXECUTE FUNCTION refuse()"
    );
    database.execute(&sql).unwrap();
}

fn schemas(database: &Database) -> String {
    let sql = "SELECT count(*) FROM pg_namespace WHERE nspname LIKE 'omadm%'";
    database.execute(sql).unwrap().trim().to_owned()
}

#[test]
fn a_demo_that_does_not_start_leaves_the_database_as_it_was() {
    for nodes in ["1", "2"] {
        let database = Database::fresh().unwrap();
        refuse(&database, "'CREATE TABLE'");
        let ended = omadm(["demo", "--nodes", nodes, "--store", &database.url()]).run();
        assert!(
            ended.refused().stderr.contains("no CREATE TABLE today"),
            "{nodes}"
        );
        assert_eq!(schemas(&database), "0");
    }
}

#[test]
fn a_schema_that_cannot_be_dropped_is_named_with_the_command_to_type() {
    let database = Database::fresh().unwrap();
    refuse(&database, "'CREATE TABLE', 'DROP SCHEMA'");
    let ended = omadm(["demo", "--store", &database.url()]).run().refused();
    for told in [
        "no CREATE TABLE today",
        "is left behind",
        "no DROP SCHEMA today",
        "DROP SCHEMA omadm_demo_",
        " CASCADE",
    ] {
        assert!(ended.stderr.contains(told), "no {told:?}: {ended:?}");
    }
    assert_eq!(schemas(&database), "1");
}

#[test]
fn ctrl_c_takes_away_what_the_demo_made() {
    let database = Database::fresh().unwrap();
    let mut demo = omadm(["demo", "--nodes", "2", "--store", &database.url()])
        .start()
        .unwrap();
    demo.until("node 1 listens", PATIENCE).unwrap();
    demo.signal(Signal::Int).unwrap();
    let ended = demo.wait(PATIENCE).unwrap();
    assert!(
        ended.code.is_some(),
        "the signal itself ended it: {ended:?}"
    );
    assert_eq!(schemas(&database), "0");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bootstrap_that_fails_ends_the_demo_first() {
    let database = Database::fresh().unwrap();
    for breaks in [true, false] {
        let folder = tempfile::tempdir().unwrap();
        let options = DemoOptions {
            generation: DemoGeneration::Dm2,
            folder: folder.path().to_owned(),
            methods: vec![DemoMethod::Client],
            profile: DemoProfile::Minimal,
            trace: false,
            nodes: 2,
            store: DemoStore::Postgres(Box::new(database.url().parse().unwrap())),
        };
        let demo = Demo::start(options, Arc::new(|_| {}), pending())
            .await
            .unwrap();
        assert_eq!(schemas(&database), "1");
        let failed = if breaks {
            let schema = format!("omadm_demo_{}", std::process::id());
            let sql = format!("DROP TABLE {schema}.documents CASCADE");
            database.execute(&sql).unwrap();
            demo.run(pending()).await
        } else {
            demo.run(ready(())).await
        };
        let Err(failed) = failed else {
            panic!("the bootstrap went well");
        };
        assert_eq!(matches!(failed, DemoError::Stopped), !breaks, "{failed}");
        assert_eq!(schemas(&database), "0");
    }
}

#[test]
fn several_nodes_on_sqlite_are_refused() {
    let ended = omadm(["demo", "--nodes", "2"]).run();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(
        ended.stderr.contains("several share PostgreSQL"),
        "{ended:?}"
    );
    assert!(ended.stderr.contains("do: add --store"), "{ended:?}");
}

#[test]
fn a_wrong_store_is_refused_without_its_password() {
    let ended = omadm(["demo", "--store", "postgres://me:s3cr3t@db.example/x"]).run();
    assert_eq!(ended.code, Some(1), "{ended:?}");
    assert!(ended.stderr.contains("sslrootcert"), "{ended:?}");
    assert!(!format!("{ended:?}").contains("s3cr3t"), "{ended:?}");
}
