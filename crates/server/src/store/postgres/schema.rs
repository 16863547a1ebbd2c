//! The schema: made and upgraded when an operator asks for it, and only checked when a server starts.

use std::cmp::Ordering;

use refinery::{Migration, Target};
use tokio_postgres::Client;

use super::connect::connect;
use super::fault::fault;
use crate::store::StoreError;
use crate::store::address::PostgresAddress;

mod embedded {
    #![allow(missing_docs, unreachable_pub)]
    refinery::embed_migrations!("src/store/postgres/migrations");
}

/// The oldest PostgreSQL that is supported, as `server_version_num` has it.
const OLDEST: i32 = 150_000;
/// Two operators who migrate at once come one after the other: `omad`.
const MIGRATION_LOCK: i64 = 0x6f6d_6164;

/// What a migration did.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Migrated {
    /// The schema before; 0 where there was none.
    pub from: i64,
    /// The schema now.
    pub to: i64,
}

/// Makes the schema in an empty database, or brings it to this program's version, in one transaction.
///
/// # Errors
/// `Newer` where a newer program made it, `Corrupt` where tables of something else stand there; nothing is changed then.
pub async fn migrate(address: &PostgresAddress) -> Result<Migrated, StoreError> {
    migrate_to(address, newest()).await
}

/// The schema that stands in the database and the one this program needs.
///
/// # Errors
/// As [`migrate`]; nothing is changed.
pub async fn schema(address: &PostgresAddress) -> Result<Migrated, StoreError> {
    let client = connect(address).await?;
    Ok(Migrated {
        from: found(&client, &address.to_string()).await?,
        to: newest().into(),
    })
}

pub(super) async fn migrate_to(
    address: &PostgresAddress,
    version: i32,
) -> Result<Migrated, StoreError> {
    let mut client = connect(address).await?;
    let name = address.to_string();
    let failed = |err: tokio_postgres::Error| fault(&name, &err).into_error();
    writable(&client, &name).await?;
    let lock = format!("SELECT pg_advisory_lock({MIGRATION_LOCK})");
    client.batch_execute(&lock).await.map_err(failed)?;
    let from = found(&client, &name).await?;
    if from > newest().into() {
        return Err(StoreError::Newer(name, from));
    }
    if from == 0 {
        let foreign = "SELECT count(*) FROM pg_class WHERE relkind IN ('r', 'p', 'v') AND relnamespace = current_schema()::regnamespace";
        let others: i64 = client.query_one(foreign, &[]).await.map_err(failed)?.get(0);
        if others > 0 {
            let why = "tables of something else stand in it; name an empty database".to_owned();
            return Err(StoreError::Corrupt(name, why));
        }
    }
    embedded::migrations::runner()
        .set_grouped(true)
        .set_target(Target::Version(version))
        .run_async(&mut client)
        .await
        .map_err(|err| match err.kind() {
            refinery::error::Kind::Connection(_, source) => {
                match source.downcast_ref::<tokio_postgres::Error>() {
                    Some(err) => fault(&name, err).into_error(),
                    None => StoreError::Failed(format!("{name}: {err}")),
                }
            }
            _ => StoreError::Corrupt(name.clone(), err.to_string()),
        })?;
    Ok(Migrated {
        from,
        to: version.into(),
    })
}

/// Whether a server can work on the database as it is. Changes nothing.
pub(super) async fn check(client: &Client, name: &str) -> Result<(), StoreError> {
    let failed = |err: tokio_postgres::Error| fault(name, &err).into_error();
    let version: i32 = client
        .query_one("SELECT current_setting('server_version_num')::integer", &[])
        .await
        .map_err(failed)?
        .get(0);
    if version < OLDEST {
        let why = format!(
            "it is PostgreSQL {}; {} or newer is needed",
            version / 10_000,
            OLDEST / 10_000
        );
        return Err(StoreError::Address(name.to_owned(), why));
    }
    let found = found(client, name).await?;
    match found.cmp(&newest().into()) {
        Ordering::Greater => return Err(StoreError::Newer(name.to_owned(), found)),
        Ordering::Less => {
            return Err(StoreError::Unmigrated(
                name.to_owned(),
                found,
                newest().into(),
            ));
        }
        Ordering::Equal => {}
    }
    writable(client, name).await?;
    rights(client, name).await?;
    warn_of_lossy_commits(client, name).await
}

/// A commit that the database answers before it is written may be lost with it: the operator's choice, but not unsaid.
async fn warn_of_lossy_commits(client: &Client, name: &str) -> Result<(), StoreError> {
    let lossy = "SELECT name FROM pg_settings WHERE name IN ('fsync', 'synchronous_commit') AND setting = 'off'";
    let rows = client
        .query(lossy, &[])
        .await
        .map_err(|err| fault(name, &err).into_error())?;
    for row in rows {
        let setting: &str = row.get(0);
        tracing::warn!(
            store = name,
            setting,
            "what the database acknowledges may be lost with it: turn this setting on"
        );
    }
    Ok(())
}

fn newest() -> i32 {
    migrations().map(|(version, _)| version).max().unwrap_or(0)
}

/// Version and name of each that this program knows, in the order of their versions.
pub(super) fn migrations() -> impl Iterator<Item = (i32, String)> {
    let all = embedded::migrations::runner();
    let mut all: Vec<_> = all
        .get_migrations()
        .iter()
        .map(|migration: &Migration| (migration.version(), migration.name().to_owned()))
        .collect();
    all.sort_unstable();
    all.into_iter()
}

/// The schema's version; 0 where no migration ran. A history of other migrations is another program's.
async fn found(client: &Client, name: &str) -> Result<i64, StoreError> {
    let failed = |err: tokio_postgres::Error| fault(name, &err).into_error();
    let there = "SELECT to_regclass('refinery_schema_history') IS NOT NULL, current_schema()::text";
    let row = client.query_one(there, &[]).await.map_err(failed)?;
    if row.get::<_, Option<&str>>(1).is_none() {
        let why =
            "grant USAGE on the schema that its user works in (public, or what search_path names)";
        return Err(StoreError::MissingRight(name.to_owned(), why.to_owned()));
    }
    if !row.get::<_, bool>(0) {
        return Ok(0);
    }
    // Another program's table may have other types.
    let history = "SELECT version::bigint, name::text FROM refinery_schema_history ORDER BY 1";
    let mut stands = Vec::new();
    for row in client.query(history, &[]).await.map_err(failed)? {
        let (version, title): (Option<i64>, Option<String>) = (row.get(0), row.get(1));
        stands.extend(version.zip(title));
    }
    let newest = stands.last().map_or(0, |(version, _)| *version);
    let mut ours = migrations()
        .map(|(version, title)| (i64::from(version), title))
        .filter(|(version, _)| *version <= newest);
    match ours.find(|migration| !stands.contains(migration)) {
        None => Ok(newest),
        Some((version, title)) => {
            let why = format!(
                "its schema history does not have {title:?} as number {version}: it is another program's; name a database of its own"
            );
            Err(StoreError::Corrupt(name.to_owned(), why))
        }
    }
}

async fn writable(client: &Client, name: &str) -> Result<(), StoreError> {
    let read_only = "SELECT pg_is_in_recovery(), current_setting('transaction_read_only') = 'on'";
    let row = client
        .query_one(read_only, &[])
        .await
        .map_err(|err| fault(name, &err).into_error())?;
    let why = match (row.get(0), row.get(1)) {
        (true, _) => {
            "it is a standby; name the primary, or add ?target_session_attrs=read-write with all hosts"
        }
        (_, true) => "default_transaction_read_only is on for this user or database",
        _ => return Ok(()),
    };
    Err(StoreError::ReadOnly(name.to_owned(), why.to_owned()))
}

/// The rights a server works with.
async fn rights(client: &Client, name: &str) -> Result<(), StoreError> {
    let missing = "
        SELECT r.privilege || ' on ' || t.name FROM (VALUES
            ('devices', 'SELECT,INSERT,UPDATE'), ('bootstraps', 'SELECT,INSERT,UPDATE'), ('bootstrap_ids', 'SELECT,INSERT'), ('documents', 'SELECT,INSERT'),
            ('credentials', 'SELECT,INSERT,UPDATE'), ('certificates', 'SELECT,INSERT'), ('sessions', 'SELECT,INSERT,UPDATE,DELETE'),
            ('commands', 'SELECT,INSERT,UPDATE'), ('objects', 'SELECT,INSERT,UPDATE,DELETE'), ('pieces', 'SELECT,INSERT,UPDATE,DELETE'),
            ('uploads', 'SELECT,INSERT,UPDATE,DELETE'), ('waiting_devices', 'SELECT,INSERT,UPDATE,DELETE'), ('triggers', 'SELECT,INSERT'),
            ('allow_list', 'SELECT,INSERT,UPDATE,DELETE'), ('awaited_receipts', 'SELECT,INSERT,UPDATE,DELETE'), ('calls', 'SELECT,INSERT,UPDATE,DELETE'),
            ('failed_creds', 'SELECT,INSERT,DELETE'),
            ('events', 'SELECT,INSERT,UPDATE'), ('sequencer', 'SELECT,UPDATE'), ('deployment', 'SELECT,INSERT')
        ) AS t (name, needed), LATERAL unnest(string_to_array(t.needed, ',')) AS r (privilege)
        WHERE NOT has_table_privilege(t.name, r.privilege)
        UNION ALL SELECT r.privilege || ' on sequence event_numbers' FROM (VALUES ('USAGE'), ('SELECT')) AS r (privilege)
            WHERE NOT has_sequence_privilege('event_numbers', r.privilege)";
    let rows = client
        .query(missing, &[])
        .await
        .map_err(|err| fault(name, &err).into_error())?;
    let missing: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(StoreError::MissingRight(
        name.to_owned(),
        format!("grant {} to its user", missing.join(", ")),
    ))
}
