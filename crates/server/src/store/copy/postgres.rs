//! A PostgreSQL database as an end of a copy.

use std::collections::HashMap;
use std::future::Future;

use futures_util::future::try_join_all;
use tokio::runtime::Handle;
use tokio_postgres::types::Type;
use tokio_postgres::{Client, Error, Statement};

use super::side::{Row, Side, number, text_of};
use crate::store::StoreError;
use crate::store::address::PostgresAddress;
use crate::store::postgres::{direct, parameters};
use crate::store::sql::numbered;
use crate::store::statements::Value;

/// Its transactions lie still while the other end works. A plan for any range would take a page for half a percent of the store, and read whole tables
/// for each.
const PATIENT: &str = "SET idle_in_transaction_session_timeout = 0; SET statement_timeout = 0; SET plan_cache_mode = force_custom_plan";
const LEASE: &str = "SELECT COALESCE(holder, '?'), lease_until FROM sequencer
     WHERE id = 1 AND lease_until > CAST(EXTRACT(EPOCH FROM clock_timestamp()) * 1000 AS BIGINT)";
/// Locks the sequencer's row, so that no node takes the lease before the transaction ends.
const LOCK: &str = "SELECT id FROM sequencer WHERE id = 1 FOR UPDATE";

/// The calls block, so they are made on a thread that may.
pub(in crate::store) struct PostgresSide {
    name: String,
    client: Client,
    runtime: Handle,
    prepared: HashMap<String, Statement>,
}

impl PostgresSide {
    /// To read; a standby serves as well.
    pub(in crate::store) async fn source(address: &PostgresAddress) -> Result<Self, StoreError> {
        Self::new(address, direct::open_to_read(address).await?).await
    }

    /// To write.
    pub(super) async fn target(address: &PostgresAddress) -> Result<Self, StoreError> {
        Self::new(address, direct::open_to_write(address).await?).await
    }

    async fn new(address: &PostgresAddress, client: Client) -> Result<Self, StoreError> {
        let name = address.to_string();
        client
            .batch_execute(PATIENT)
            .await
            .map_err(|err| direct::store_error(&name, &err))?;
        Ok(Self {
            name,
            client,
            runtime: Handle::current(),
            prepared: HashMap::new(),
        })
    }

    fn wait<T>(&self, call: impl Future<Output = Result<T, Error>>) -> Result<T, StoreError> {
        self.runtime
            .block_on(call)
            .map_err(|err| direct::store_error(&self.name, &err))
    }

    fn batch(&self, sql: &str) -> Result<(), StoreError> {
        self.wait(self.client.batch_execute(sql))
    }

    fn prepare(&mut self, sql: &str) -> Result<Statement, StoreError> {
        if let Some(statement) = self.prepared.get(sql) {
            return Ok(statement.clone());
        }
        let statement = self.wait(self.client.prepare(&numbered(sql)))?;
        self.prepared.insert(sql.to_owned(), statement.clone());
        Ok(statement)
    }
}

impl Side for PostgresSide {
    fn name(&self) -> &str {
        &self.name
    }

    fn rows(&mut self, sql: &str, values: &[Value<'_>]) -> Result<Vec<Row>, StoreError> {
        let statement = self.prepare(sql)?;
        let rows = self.wait(self.client.query(&statement, &parameters(values)))?;
        let row = |row: &tokio_postgres::Row| (0..row.len()).map(|at| value(row, at)).collect();
        let rows: Result<_, Error> = rows.iter().map(row).collect();
        rows.map_err(|err| StoreError::Corrupt(self.name.clone(), err.to_string()))
    }

    fn execute(&mut self, sql: &str, rows: &[Row]) -> Result<(), StoreError> {
        let statement = self.prepare(sql)?;
        // Sent together, answered together.
        self.wait(try_join_all(rows.iter().map(async |row| {
            self.client
                .execute(&statement, &parameters(row))
                .await
                .map(drop)
        })))
        .map(drop)
    }

    fn begin_snapshot(&mut self) -> Result<(), StoreError> {
        self.batch("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
    }

    fn begin_write(&mut self) -> Result<(), StoreError> {
        self.batch("BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE")
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        self.batch("COMMIT")
    }

    fn roll_back(&mut self) {
        if let Err(err) = self.batch("ROLLBACK") {
            tracing::debug!(error = %err, "the connection is gone, and the transaction with it");
        }
    }

    fn living_holder(&mut self) -> Result<Option<String>, StoreError> {
        self.rows(LOCK, &[])?;
        Ok(self.lease()?.map(|(holder, _)| holder))
    }

    fn lease(&mut self) -> Result<Option<(String, i64)>, StoreError> {
        let rows = self.rows(LEASE, &[])?;
        Ok(rows
            .first()
            .map(|row| (text_of(row, 0).to_owned(), number(row, 1))))
    }

    fn analyze(&mut self) -> Result<(), StoreError> {
        // Without the right to it, this warns and does nothing.
        self.batch("ANALYZE")
    }
}

/// A column of one of the schema's three types.
fn value(row: &tokio_postgres::Row, at: usize) -> Result<Value<'static>, Error> {
    let found = match *row.columns()[at].type_() {
        Type::INT8 => row.try_get::<_, Option<i64>>(at)?.map(Value::Number),
        Type::BYTEA => row
            .try_get::<_, Option<Vec<u8>>>(at)?
            .map(|octets| Value::Octets(octets.into())),
        _ => row
            .try_get::<_, Option<String>>(at)?
            .map(|text| Value::Text(text.into())),
    };
    Ok(found.unwrap_or(Value::Null))
}
