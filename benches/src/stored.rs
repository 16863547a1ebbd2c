//! Devices that are stored before anybody comes: copies of one that was really bootstrapped, so each row is as long as one of a server's own.

use std::fs::File;
use std::path::Path;

use omadm_mo::DevId;
use omadm_server::store::address::PostgresAddress;
use omadm_server::store::postgres::connect;
use rusqlite::Connection;

use crate::Broken;
use crate::registrar::{IMEIS, STEP};

/// Devices of one transaction. Within it they come in the order of the table's key, which is many times faster; since the next ones fall between them,
/// pages end up as full as those of a store that grew.
const BATCH: u64 = 250_000;

/// How a back end says what the other says otherwise. `n` is the copy's number.
struct Dialect {
    /// The text of the copy's DevID, of the number `{imei}`.
    dev_id: &'static str,
    /// The copy's record: 32 hexadecimal digits, in no order.
    record: &'static str,
    /// Its certificate's fingerprint: 32 octets, in no order.
    proof: &'static str,
}

const SQLITE: Dialect = Dialect {
    dev_id: "printf('IMEI:%015d', {imei})",
    record: "printf('%08x%024x', {scattered}, n)",
    proof: "unhex(printf('%08x%056x', {scattered}, n))",
};
const POSTGRES: Dialect = Dialect {
    dev_id: "('IMEI:' || lpad(({imei})::text, 15, '0'))",
    record: "(lpad(to_hex({scattered}), 8, '0') || lpad(to_hex(n), 24, '0'))",
    proof: "decode(lpad(to_hex({scattered}), 8, '0') || lpad(to_hex(n), 56, '0'), 'hex')",
};

/// The tables of a device, but for `sessions`, where nothing is left after one. `t` is the template's row.
const COPIES: [&str; 7] = [
    "INSERT INTO devices (dev_id, epoch, registered_at, last_seen_at, bootstrapped_method, bootstrapped_at, dev_info, next_event_seq)
     SELECT {dev_id}, epoch, registered_at, last_seen_at, bootstrapped_method, bootstrapped_at, dev_info, next_event_seq",
    "INSERT INTO bootstraps (dev_id, id, profile, srv_id, method, has_trsp, state, cause, payload_hash, event_id, kind, created_at, expires_at, fetched_at, ended_at)
     SELECT {dev_id}, {record}, profile, srv_id, method, has_trsp, state, cause, payload_hash, event_id, kind, created_at - n, expires_at, fetched_at, ended_at",
    "INSERT INTO bootstrap_ids (id, dev_id) SELECT {record}, {dev_id}",
    "INSERT INTO documents (dev_id, id, sealed) SELECT {dev_id}, {record}, sealed",
    "INSERT INTO credentials (dev_id, nr, kind, proof, scope, generation, record, added_at, expires_at, revoked_at, tries_left, serial)
     SELECT {dev_id}, nr, kind, {proof}, scope, generation, CASE WHEN record IS NULL THEN NULL ELSE {record} END, added_at, expires_at, revoked_at, tries_left, serial",
    "INSERT INTO certificates (fingerprint, dev_id) SELECT {proof}, {dev_id}",
    "INSERT INTO events (dev_id, seq, position, at, correlation, kind)
     SELECT {dev_id}, seq, {first} + n * {events} + seq, at, correlation, kind",
];
/// The table of each of [`COPIES`], and what orders it.
const TABLES: [(&str, &str); 7] = [
    ("devices", IMEI),
    ("bootstraps", IMEI),
    ("bootstrap_ids", SCATTERED),
    ("documents", IMEI),
    ("credentials", IMEI),
    ("certificates", SCATTERED),
    ("events", IMEI),
];
const IMEI: &str = "{imei}";
const SCATTERED: &str = "{scattered}";

/// Positions that the sequencer gives next, and events of the template.
struct Log {
    first: i64,
    events: i64,
}

/// Adds `count` copies of `template`, the one device of a closed SQLite store, which completed its bootstrap. Blocks.
pub(crate) fn fill_sqlite(file: &Path, template: &DevId, count: u64) -> Result<(), Broken> {
    let store = Connection::open(file)?;
    // Nobody needs what a crash leaves of it, and every reference is right by the way it is made.
    store.execute_batch("PRAGMA foreign_keys = OFF; PRAGMA cache_size = -2000000")?;
    store.query_row("PRAGMA journal_mode = OFF", [], |_| Ok(()))?;
    store.execute_batch("PRAGMA synchronous = OFF")?;
    let log = Log {
        first: store.query_row(FIRST, [], |row| row.get(0))?,
        events: store.query_row(EVENTS, [], |row| row.get(0))?,
    };
    for batch in batches(count) {
        let copies = statements(&SQLITE, batch, template, &log);
        store.execute_batch(&format!("BEGIN;\n{copies}COMMIT"))?;
    }
    store.execute_batch(&sequencer(count, &log))?;
    store.query_row("PRAGMA journal_mode = WAL", [], |_| Ok(()))?;
    drop(store);
    // Else the system writes it out while the benchmark runs.
    Ok(File::open(file)?.sync_all()?)
}

/// Gives as many copies of `template` its session, which runs; the copies are there. Blocks.
pub(crate) fn fill_sessions(file: &Path, template: &DevId, count: u64) -> Result<(), Broken> {
    let store = Connection::open(file)?;
    let dev_id = SQLITE.dev_id;
    let dev_id = dev_id.replace(IMEI, &format!("(n * {STEP}) % {IMEIS}"));
    let copied = store.execute(
        &format!(
            "WITH RECURSIVE numbers (n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM numbers WHERE n < {count})
             INSERT INTO sessions (dev_id, generation, state, expires_at)
             SELECT {dev_id}, generation, state, expires_at FROM numbers CROSS JOIN sessions AS t WHERE t.dev_id = '{template}'"
        ),
        [],
    )?;
    if copied as u64 == count {
        Ok(())
    } else {
        Err(crate::Unexpected::Session(format!("{copied} rows")).into())
    }
}

/// The same for a PostgreSQL database without a server on it, as a superuser.
pub(crate) async fn fill_postgres(
    address: &PostgresAddress,
    template: &DevId,
    count: u64,
) -> Result<(), Broken> {
    let store = connect(address).await?;
    store
        .batch_execute("SET session_replication_role = replica; SET synchronous_commit = off")
        .await?;
    let log = Log {
        first: store.query_one(FIRST, &[]).await?.get(0),
        events: store.query_one(EVENTS, &[]).await?.get(0),
    };
    for batch in batches(count) {
        let copies = statements(&POSTGRES, batch, template, &log);
        store
            .batch_execute(&format!("BEGIN;\n{copies}COMMIT"))
            .await?;
    }
    store.batch_execute(&sequencer(count, &log)).await?;
    // Else it happens by itself while the benchmark runs.
    store.batch_execute("VACUUM (ANALYZE)").await?;
    store.batch_execute("CHECKPOINT").await?;
    Ok(())
}

const FIRST: &str = "SELECT next_position FROM sequencer WHERE id = 1";
const EVENTS: &str = "SELECT next_event_seq FROM devices";

fn batches(count: u64) -> impl Iterator<Item = (u64, u64)> {
    (0..count)
        .step_by(usize::try_from(BATCH).unwrap_or(usize::MAX))
        .map(move |from| (from + 1, count.min(from + BATCH)))
}

/// The statements for the copies of these numbers.
fn statements(dialect: &Dialect, (from, to): (u64, u64), template: &DevId, log: &Log) -> String {
    let copies = TABLES.iter().zip(COPIES).map(|((table, order), copy)| {
        format!(
            "WITH RECURSIVE numbers (n) AS (SELECT CAST({from} AS BIGINT) UNION ALL SELECT n + 1 FROM numbers WHERE n < {to})
             {copy} FROM (SELECT n FROM numbers ORDER BY {order}) AS numbers CROSS JOIN {table} AS t WHERE t.dev_id = '{template}';\n"
        )
    });
    copies
        .collect::<String>()
        .replace("{dev_id}", dialect.dev_id)
        .replace("{record}", dialect.record)
        .replace("{proof}", dialect.proof)
        .replace(IMEI, &format!("(n * {STEP}) % {IMEIS}"))
        .replace(SCATTERED, "(n * 2654435761) % 4294967296")
        .replace("{first}", &log.first.to_string())
        .replace("{events}", &log.events.to_string())
}

fn sequencer(count: u64, log: &Log) -> String {
    format!(
        "UPDATE sequencer SET next_position = {} + ({count} + 1) * {} + 1 WHERE id = 1",
        log.first, log.events
    )
}
