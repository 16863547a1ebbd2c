//! What the database promises.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rusqlite::Connection;
use tokio_postgres::Client;

use super::{Finding, Setting, Severity, StoreCheck};
use crate::store::StoreError;
use crate::store::postgres::direct::store_error;
use crate::store::sqlite::fault::fault;

/// Deadlines are judged by the clock of each node; from this difference on an operator would see it.
const CLOCKS: Duration = Duration::from_secs(2);
/// What one node takes, with some for operators.
const CONNECTIONS: i64 = 24;
const NAMES: &str = "'server_version', 'fsync', 'synchronous_commit', 'full_page_writes', 'max_connections', 'default_transaction_isolation', \
     'default_transaction_read_only'";

pub(super) fn of_sqlite(
    connection: &Connection,
    file: &str,
    check: &mut StoreCheck,
) -> Result<(), StoreError> {
    let ask = |pragma: &str| -> Result<String, StoreError> {
        connection
            .query_row(&format!("PRAGMA {pragma}"), [], |row| row.get(0))
            .map_err(|err| fault(file, &err))
    };
    let mode = ask("journal_mode")?;
    if mode != "wal" {
        check.findings.push(Finding {
            severity: Severity::Warning,
            what: format!("journal_mode is {mode}: readers wait for the writer"),
            remedy: "the next start of a server sets it to wal".to_owned(),
        });
    }
    check.settings.push(Setting {
        name: "journal_mode".to_owned(),
        value: mode,
    });
    let verdict = ask("quick_check(1)")?;
    if verdict != "ok" {
        check.failed(&StoreError::Corrupt(file.to_owned(), verdict));
    }
    Ok(())
}

pub(super) async fn of_postgres(
    client: &Client,
    name: &str,
    check: &mut StoreCheck,
) -> Result<(), StoreError> {
    let sql =
        format!("SELECT name, setting FROM pg_settings WHERE name IN ({NAMES}) ORDER BY name");
    let rows = client
        .query(&sql, &[])
        .await
        .map_err(|err| store_error(name, &err))?;
    for row in &rows {
        let (name, value): (String, String) = (row.get(0), row.get(1));
        check.findings.extend(judge(&name, &value));
        check.settings.push(Setting { name, value });
    }
    let ahead = clock_ahead(client, name).await?;
    check.clock_ahead_ms = Some(ahead);
    if ahead.unsigned_abs() > CLOCKS.as_millis() as u64 {
        check.findings.push(Finding {
            severity: Severity::Warning,
            what: format!("the database's clock is {ahead} ms ahead of this machine's"),
            remedy: "let both follow one time server".to_owned(),
        });
    }
    Ok(())
}

/// What a setting endangers.
fn judge(name: &str, value: &str) -> Option<Finding> {
    let what = match (name, value) {
        ("fsync", "off") => {
            "a power cut destroys the database and everything acknowledged".to_owned()
        }
        ("synchronous_commit", "off") => {
            "a crash loses the last commits, although devices were told that they are kept"
                .to_owned()
        }
        ("full_page_writes", "off") => "a power cut may tear pages of the database".to_owned(),
        ("max_connections", most) if most.parse().is_ok_and(|most: i64| most < CONNECTIONS) => {
            format!("a node takes 16 connections, and operators some: {CONNECTIONS} are needed")
        }
        _ => return None,
    };
    Some(Finding {
        severity: Severity::Warning,
        what: format!("{name} is {value}: {what}"),
        remedy: if name == "max_connections" {
            "raise it: 17 for each node, and some for operators".to_owned()
        } else {
            format!("set {name} to on")
        },
    })
}

/// In milliseconds, by the middle of the question's way.
async fn clock_ahead(client: &Client, name: &str) -> Result<i64, StoreError> {
    let before = now();
    let row = client
        .query_one(
            "SELECT CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)",
            &[],
        )
        .await
        .map_err(|err| store_error(name, &err))?;
    let theirs: i64 = row.get(0);
    Ok(theirs - i64::midpoint(before, now()))
}

fn now() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::judge;

    #[test]
    fn what_endangers_the_acknowledged_is_warned_about() {
        for (name, value) in [
            ("fsync", "off"),
            ("synchronous_commit", "off"),
            ("full_page_writes", "off"),
            ("max_connections", "23"),
        ] {
            assert!(judge(name, value).is_some(), "{name}");
        }
        for (name, value) in [
            ("fsync", "on"),
            ("synchronous_commit", "on"),
            ("synchronous_commit", "remote_apply"),
            ("max_connections", "24"),
        ] {
            assert!(judge(name, value).is_none(), "{name}");
        }
    }
}
