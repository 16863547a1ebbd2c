use omadm_lab::postgres::Database;

use super::open;
use crate::store::battery::upgrade::{assert_holds_the_first_schema, first_schema};
use crate::store::postgres::schema::{migrate_to, migrations};
use crate::store::postgres::{Migrated, PostgresOptions, migrate, schema};

#[tokio::test]
async fn a_store_filled_by_the_first_schema_is_upgraded() {
    let database = Database::fresh().unwrap();
    let address = database.url().parse().unwrap();
    let first = migrate_to(&address, 1).await.unwrap();
    assert_eq!(first, Migrated { from: 0, to: 1 });
    let filling = first_schema(|digits| format!(r"'\x{digits}'::bytea"));
    database.execute(&filling).unwrap();
    let needed = schema(&address).await.unwrap();
    assert_eq!(needed.from, 1);
    assert_eq!(migrate(&address).await.unwrap(), needed);
    let store = open(&database.url(), &PostgresOptions::default()).await;
    assert_holds_the_first_schema(&store).await;
}

#[tokio::test]
async fn who_migrates_at_the_same_time_waits_and_finds_it_done() {
    let database = Database::fresh().unwrap();
    let address = database.url().parse().unwrap();
    let needed = schema(&address).await.unwrap().to;
    let done = tokio::join!(migrate(&address), migrate(&address), migrate(&address));
    let mut froms: Vec<_> = [done.0, done.1, done.2]
        .map(|migrated| migrated.unwrap())
        .map(|migrated| (migrated.from, migrated.to))
        .into();
    froms.sort_unstable();
    assert_eq!(froms, [(0, needed), (needed, needed), (needed, needed)]);
    let history = "SELECT version FROM refinery_schema_history ORDER BY version";
    let versions: Vec<_> = migrations()
        .map(|(version, _)| version.to_string())
        .collect();
    assert_eq!(database.execute(history).unwrap(), versions.join("\n"));
    open(&database.url(), &PostgresOptions::default()).await;
}
