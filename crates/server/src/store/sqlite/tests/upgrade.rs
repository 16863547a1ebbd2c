use rusqlite::Connection;

use super::Place;
use crate::store::battery::upgrade::{assert_holds_the_first_schema, first_schema};
use crate::store::sqlite::SqliteOptions;
use crate::store::sqlite::open::{create, migrate_to};

#[tokio::test]
async fn a_store_filled_by_the_first_schema_is_upgraded() {
    let place = Place::new();
    create(&place.file(), "the file").unwrap();
    let mut conn = Connection::open(place.file()).unwrap();
    migrate_to(&mut conn, "the file", 1).unwrap();
    let filling = first_schema(|digits| format!("X'{digits}'"));
    conn.execute_batch(&filling).unwrap();
    drop(conn);
    assert_holds_the_first_schema(&place.open(&SqliteOptions::default())).await;
}
