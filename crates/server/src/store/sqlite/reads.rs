use async_trait::async_trait;
use rusqlite::types::{Type, ValueRef};
use rusqlite::{Connection, Error, Row, params_from_iter};
use tokio::task::spawn_blocking;

use super::SqliteStore;
use super::fault::fault;
use super::open::open_writer;
use crate::model::Deployment;
use crate::store::reads::Reader;
use crate::store::rows::{self, Columns, Unreadable};
use crate::store::statements::Value;
use crate::store::{Deployments, StoreError, sql};

impl Reader for SqliteStore {
    async fn many<T: Send + 'static>(
        &self,
        sql: &'static str,
        values: Vec<Value<'static>>,
        read: fn(&dyn Columns) -> Result<T, Unreadable>,
    ) -> Result<Vec<T>, StoreError> {
        self.readers
            .read(move |conn| many(conn, sql, &values, read))
            .await
    }
}

#[async_trait]
impl Deployments for SqliteStore {
    async fn deployment(&self) -> Result<Option<Deployment>, StoreError> {
        self.one(sql::DEPLOYMENT, vec![], rows::deployment).await
    }

    async fn claim(&self, deployment: Deployment) -> Result<Deployment, StoreError> {
        let (path, options) = (self.path.clone(), self.options.clone());
        let wanted = deployment.clone();
        let claimed = spawn_blocking(move || {
            open_writer(&path, &options)?
                .prepare(sql::CLAIM)?
                .execute([wanted.ca, wanted.sealing_key])
        });
        claimed
            .await
            .map_err(|_| StoreError::Closed)?
            .map_err(|err| fault(&self.file, &err))?;
        Ok(self.deployment().await?.unwrap_or(deployment))
    }
}

impl Columns for Row<'_> {
    fn text(&self, at: usize) -> Result<Option<&str>, Unreadable> {
        match self.get_ref(at) {
            Ok(ValueRef::Null) => Ok(None),
            Ok(ValueRef::Text(text)) => std::str::from_utf8(text)
                .map(Some)
                .map_err(|_| Unreadable::new(at, text)),
            other => Err(Unreadable::new(at, other)),
        }
    }

    fn number(&self, at: usize) -> Result<Option<i64>, Unreadable> {
        match self.get_ref(at) {
            Ok(ValueRef::Null) => Ok(None),
            Ok(ValueRef::Integer(number)) => Ok(Some(number)),
            other => Err(Unreadable::new(at, other)),
        }
    }

    fn octets(&self, at: usize) -> Result<Option<&[u8]>, Unreadable> {
        match self.get_ref(at) {
            Ok(ValueRef::Null) => Ok(None),
            Ok(ValueRef::Blob(octets)) => Ok(Some(octets)),
            other => Err(Unreadable::new(at, other)),
        }
    }
}

fn many<T>(
    conn: &Connection,
    sql: &str,
    values: &[Value<'_>],
    read: fn(&dyn Columns) -> Result<T, Unreadable>,
) -> rusqlite::Result<Vec<T>> {
    let value = |row: &Row<'_>| {
        read(row).map_err(|unreadable| {
            Error::FromSqlConversionFailure(unreadable.column, Type::Null, Box::new(unreadable))
        })
    };
    conn.prepare_cached(sql)?
        .query_map(params_from_iter(values), value)?
        .collect()
}
