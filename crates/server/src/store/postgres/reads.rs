use async_trait::async_trait;
use bytes::BytesMut;
use deadpool_postgres::Object;
use tokio::time::{Instant, timeout_at};
use tokio_postgres::Row;
use tokio_postgres::types::{IsNull, ToSql, Type};

use super::commit::pause;
use super::fault::{Fault, fault};
use super::{PostgresNode, PostgresStore};
use crate::model::Deployment;
use crate::store::reads::Reader;
use crate::store::rows::{self, Columns, Unreadable};
use crate::store::statements::Value;
use crate::store::{Deployments, StoreError, sql};

impl Reader for PostgresStore {
    async fn many<T: Send + 'static>(
        &self,
        sql: &'static str,
        values: Vec<Value<'static>>,
        read: fn(&dyn Columns) -> Result<T, Unreadable>,
    ) -> Result<Vec<T>, StoreError> {
        let rows = self.node.query(sql, &values).await?;
        rows.iter()
            .map(|row| read(row))
            .collect::<Result<_, _>>()
            .map_err(|err| StoreError::Corrupt(self.node.name.clone(), err.to_string()))
    }
}

#[async_trait]
impl Deployments for PostgresStore {
    async fn deployment(&self) -> Result<Option<Deployment>, StoreError> {
        self.one(sql::DEPLOYMENT, vec![], rows::deployment).await
    }

    async fn claim(&self, deployment: Deployment) -> Result<Deployment, StoreError> {
        let values =
            [&deployment.ca, &deployment.sealing_key].map(|text| Value::Text(text.as_str().into()));
        self.node.query(sql::CLAIM, &values).await?;
        let claimed = self
            .deployment()
            .await?
            .unwrap_or_else(|| deployment.clone());
        if claimed == deployment {
            self.begin();
        }
        Ok(claimed)
    }
}

impl PostgresNode {
    /// Carries out one statement that may be repeated, within the node's patience. A connection that turns out dead is replaced: after a restart of the
    /// database all of the pool are.
    pub(super) async fn query(
        &self,
        sql: &str,
        values: &[Value<'_>],
    ) -> Result<Vec<Row>, StoreError> {
        let until = Instant::now() + self.options.patience;
        let mut cuts = 0;
        loop {
            let connection = timeout_at(until, self.connection())
                .await
                .unwrap_or_else(|_elapsed| Err(self.silent()))?;
            match timeout_at(until, ask(&connection, sql, values)).await {
                Ok(Ok(rows)) => return Ok(rows),
                Ok(Err(err)) => match fault(&self.name, &err) {
                    Fault::Cut(_) | Fault::GivenUp(_) if Instant::now() < until => {
                        cuts += 1;
                        pause(cuts).await;
                    }
                    fault => return Err(fault.into_error()),
                },
                Err(_elapsed) => {
                    drop(Object::take(connection));
                    return Err(self.silent());
                }
            }
        }
    }
}

async fn ask(
    connection: &Object,
    text: &str,
    values: &[Value<'_>],
) -> Result<Vec<Row>, tokio_postgres::Error> {
    let statement = connection.prepare_cached(&sql::numbered(text)).await?;
    connection.query(&statement, &parameters(values)).await
}

/// Values as the driver takes them.
pub(in crate::store) fn parameters<'a>(values: &'a [Value<'_>]) -> Vec<&'a (dyn ToSql + Sync)> {
    values
        .iter()
        .map(|value| value as &(dyn ToSql + Sync))
        .collect()
}

impl ToSql for Value<'_> {
    fn to_sql(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Null => Ok(IsNull::Yes),
            Self::Number(number) if *ty == Type::INT8 => number.to_sql(ty, out),
            Self::Text(text) if *ty == Type::TEXT => text.to_sql(ty, out),
            Self::Octets(octets) if *ty == Type::BYTEA => octets.as_ref().to_sql(ty, out),
            _ => Err(format!("a parameter of type {ty} is none of the schema's three").into()),
        }
    }

    fn accepts(ty: &Type) -> bool {
        matches!(*ty, Type::INT8 | Type::TEXT | Type::BYTEA)
    }

    fn to_sql_checked(
        &self,
        ty: &Type,
        out: &mut BytesMut,
    ) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        self.to_sql(ty, out)
    }
}

impl std::fmt::Debug for Value<'_> {
    /// The kind alone: a value may be sealed or personal.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Null => "Null",
            Self::Number(_) => "Number",
            Self::Text(_) => "Text",
            Self::Octets(_) => "Octets",
        })
    }
}

impl Columns for Row {
    fn text(&self, at: usize) -> Result<Option<&str>, Unreadable> {
        self.try_get(at).map_err(|err| Unreadable::new(at, err))
    }

    fn number(&self, at: usize) -> Result<Option<i64>, Unreadable> {
        self.try_get(at).map_err(|err| Unreadable::new(at, err))
    }

    fn octets(&self, at: usize) -> Result<Option<&[u8]>, Unreadable> {
        self.try_get(at).map_err(|err| Unreadable::new(at, err))
    }
}
