//! Tells how a store is: what it holds, whether that agrees with itself, and whether the database keeps what was acknowledged. Changes nothing.

mod content;
mod settings;

#[cfg(test)]
mod tests;

use serde::Serialize;

use super::StoreError;
use super::address::{PostgresAddress, StoreAddress};
use super::copy::postgres::PostgresSide;
use super::copy::side::Side;
use super::copy::sqlite::SqliteSide;
use super::postgres;
use super::sqlite::SqliteOptions;
use super::sqlite::direct::{look_into, newest_schema};

/// How a store is.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct StoreCheck {
    /// The store, without a password.
    pub store: String,
    /// `sqlite` or `postgresql`.
    pub back_end: &'static str,
    /// Version of its schema; 0 where it has none.
    pub schema: i64,
    /// The version this program needs.
    pub needed_schema: i64,
    /// Whether it takes no writes.
    pub read_only: bool,
    /// What it holds; none where the schema does not let it be read.
    pub content: Option<Content>,
    /// What matters of the database's settings, by name.
    pub settings: Vec<Setting>,
    /// How far the database's clock is ahead of this machine's, in milliseconds.
    pub clock_ahead_ms: Option<i64>,
    /// What is wrong, and what is dangerous.
    pub findings: Vec<Finding>,
}

/// What a store holds.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Content {
    /// Rows by table.
    pub tables: Vec<TableRows>,
    /// SHA-256 of the CA's certificate whose deployment it is; none where nobody claimed it.
    pub deployment_ca: Option<String>,
    /// Id of that deployment's sealing key.
    pub sealing_key: Option<String>,
    /// The last position given to an event; 0 before the first.
    pub position: i64,
    /// Events without a position.
    pub waiting: i64,
    /// When the oldest of them happened, in milliseconds since 1970.
    pub waiting_since: Option<i64>,
    /// The node that gives positions now, where nodes take turns.
    pub sequencer: Option<String>,
    /// Until when, in milliseconds since 1970 by the database's clock.
    pub lease_until: Option<i64>,
}

/// The rows of a table.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct TableRows {
    /// Its name.
    pub table: &'static str,
    /// Their count.
    pub rows: u64,
}

/// A setting of the database.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Setting {
    /// As the database calls it.
    pub name: String,
    /// Its value.
    pub value: String,
}

/// How bad a finding is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// The store works, but what was acknowledged is in danger.
    Warning,
    /// No server can work on it, or it contradicts itself.
    Wrong,
}

/// Something an operator has to know.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Finding {
    /// How bad it is.
    pub severity: Severity,
    /// What was found.
    pub what: String,
    /// What to do about it.
    pub remedy: String,
}

impl StoreCheck {
    /// Whether a server can work on it.
    #[must_use]
    pub fn is_sound(&self) -> bool {
        self.findings
            .iter()
            .all(|finding| finding.severity != Severity::Wrong)
    }

    fn new(store: String, back_end: &'static str, schema: i64, needed_schema: i64) -> Self {
        let mut check = Self {
            store,
            back_end,
            schema,
            needed_schema,
            read_only: false,
            content: None,
            settings: vec![],
            clock_ahead_ms: None,
            findings: vec![],
        };
        let name = check.store.clone();
        if schema < needed_schema {
            check.failed(&StoreError::Unmigrated(name, schema, needed_schema));
        } else if schema > needed_schema {
            check.failed(&StoreError::Newer(name, schema));
        }
        check
    }

    fn failed(&mut self, err: &StoreError) {
        self.read_only |= matches!(err, StoreError::ReadOnly(..));
        self.findings.push(Finding {
            severity: Severity::Wrong,
            what: err.to_string(),
            remedy: err.remedy().to_owned(),
        });
    }

    fn read(&mut self, side: &mut dyn Side) {
        match content::read(side) {
            Ok((content, findings)) => {
                self.content = Some(content);
                self.findings.extend(findings);
            }
            Err(err) => self.failed(&err),
        }
    }
}

/// Checks a store, which may be in use. Reads all of it.
///
/// # Errors
/// [`StoreError`] where it cannot be looked into at all; everything else is a finding.
pub async fn check(address: &StoreAddress) -> Result<StoreCheck, StoreError> {
    match address {
        StoreAddress::Sqlite(path) => {
            let path = path.clone();
            tokio::task::spawn_blocking(move || {
                let (connection, schema) = look_into(&path, &SqliteOptions::default())?;
                let name = path.display().to_string();
                let mut check = StoreCheck::new(name.clone(), "sqlite", schema, newest_schema());
                if check.findings.is_empty() {
                    if let Err(err) = settings::of_sqlite(&connection, &name, &mut check) {
                        check.failed(&err);
                    }
                    check.read(&mut SqliteSide::source(&path)?);
                }
                Ok(check)
            })
            .await
            .map_err(|_| StoreError::Closed)?
        }
        StoreAddress::Postgres(address) => check_postgres(address).await,
        StoreAddress::StateDirectory => Err(StoreError::Address(
            address.to_string(),
            "a check needs the path of the file".to_owned(),
        )),
    }
}

async fn check_postgres(address: &PostgresAddress) -> Result<StoreCheck, StoreError> {
    let versions = postgres::schema(address).await?;
    let name = address.to_string();
    let mut check = StoreCheck::new(name.clone(), "postgresql", versions.from, versions.to);
    let client = postgres::connect(address).await?;
    settings::of_postgres(&client, &name, &mut check).await?;
    if check.schema != check.needed_schema {
        return Ok(check);
    }
    if let Err(err) = postgres::direct::check(&client, &name).await {
        check.failed(&err);
    }
    let mut side = PostgresSide::source(address).await?;
    tokio::task::spawn_blocking(move || {
        check.read(&mut side);
        check
    })
    .await
    .map_err(|_| StoreError::Closed)
}
