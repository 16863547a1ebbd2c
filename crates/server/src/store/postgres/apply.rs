//! One transaction: marks, then a delta. Statements are sent one behind the other without waiting for answers between them.

use std::time::Duration;

use deadpool_postgres::Object;
use futures_util::future::{join, join_all};
use tokio::time::{Instant, timeout_at};
use tokio_postgres::Error;

use super::PostgresNode;
use super::fault::{Fault, fault};
use super::reads::parameters;
use crate::model::DeferredMark;
use crate::store::CommitError;
use crate::store::StoreError;
use crate::store::sql::numbered;
use crate::store::statements::{Statement, of_mark};

/// The compare-and-set of a delta needs no more than this, whatever the database's default is.
const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED";
/// COMMIT is given at least so long: after it was sent, giving up leaves its outcome unknown.
pub(super) const COMMIT: Duration = Duration::from_secs(1);

/// Why a transaction has no known effect.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum NotApplied {
    /// Nothing of it is in the database.
    Nothing(Fault),
    /// COMMIT was sent and got no answer.
    Unknown(StoreError),
}

/// A connection within a transaction: closed unless the transaction was ended, so that nobody gets it as it is.
struct InTransaction(Option<Object>);

impl PostgresNode {
    /// Carries marks and a delta's statements out in one transaction; answers how many marks changed anything.
    pub(super) async fn transact(
        &self,
        marks: &[DeferredMark],
        delta: &[Statement<'_>],
        until: Instant,
    ) -> Result<u64, NotApplied> {
        let nothing = NotApplied::Nothing;
        let connection = timeout_at(until, self.connection())
            .await
            .unwrap_or_else(|_| Err(self.silent()))
            .map_err(|err| nothing(Fault::Failed(err)))?;
        let mut transaction = InTransaction(Some(connection));
        let Some(connection) = &transaction.0 else {
            return Err(nothing(Fault::Failed(StoreError::Closed)));
        };
        let work = timeout_at(until, self.work(connection, marks, delta)).await;
        let changed = match work {
            Ok(Ok(changed)) => changed,
            Ok(Err(Fault::Torn(err))) => return Err(NotApplied::Unknown(err)),
            Ok(Err(cut @ Fault::Cut(_))) => return Err(nothing(cut)),
            Ok(Err(fault)) => {
                let rolled_back = timeout_at(until, connection.batch_execute("ROLLBACK")).await;
                if matches!(rolled_back, Ok(Ok(()))) {
                    transaction.ended();
                }
                return Err(nothing(fault));
            }
            Err(_elapsed) => return Err(nothing(Fault::Failed(self.silent()))),
        };
        let end = if changed == 0 && delta.is_empty() {
            "ROLLBACK"
        } else {
            "COMMIT"
        };
        let until = until.max(Instant::now() + COMMIT);
        match timeout_at(until, connection.batch_execute(end)).await {
            Ok(Ok(())) => {
                transaction.ended();
                Ok(changed)
            }
            Ok(Err(err)) => Err(match fault(&self.name, &err) {
                Fault::Cut(err) => NotApplied::Unknown(err),
                other => {
                    transaction.ended();
                    nothing(other)
                }
            }),
            Err(_elapsed) => Err(NotApplied::Unknown(self.silent())),
        }
    }

    async fn work(
        &self,
        connection: &Object,
        marks: &[DeferredMark],
        delta: &[Statement<'_>],
    ) -> Result<u64, Fault> {
        let failed = |err: Error| fault(&self.name, &err);
        if marks.is_empty() {
            self.pipeline(connection, true, delta).await?;
            return Ok(0);
        }
        connection.batch_execute(BEGIN).await.map_err(failed)?;
        let mut changed = 0;
        for mark in marks {
            for branch in of_mark(mark, None).map_err(Fault::Refused)? {
                let Some((first, rest)) = branch.split_first() else {
                    continue;
                };
                if execute(connection, first).await.map_err(failed)? > 0 {
                    self.pipeline(connection, false, rest).await?;
                    changed += 1;
                    break;
                }
            }
        }
        self.pipeline(connection, false, delta).await?;
        Ok(changed)
    }

    /// Sends all statements at once. The first that failed, or did not change what it has to, decides; those behind it are rolled back with it.
    async fn pipeline(
        &self,
        connection: &Object,
        begin: bool,
        statements: &[Statement<'_>],
    ) -> Result<(), Fault> {
        let failed = |err: Error| fault(&self.name, &err);
        let mut prepared = Vec::with_capacity(statements.len());
        for statement in statements {
            let text = numbered(statement.sql);
            prepared.push(connection.prepare_cached(&text).await.map_err(failed)?);
        }
        let begun = async {
            if begin {
                connection.batch_execute(BEGIN).await
            } else {
                Ok(())
            }
        };
        let executed = prepared
            .iter()
            .zip(statements)
            .map(async |(prepared, statement)| {
                connection
                    .execute(prepared, &parameters(&statement.values))
                    .await
            });
        // Both poll their futures in order, and a statement is sent when it is first polled.
        let (begun, executed) = join(begun, join_all(executed)).await;
        begun.map_err(|err| match failed(err) {
            cut @ Fault::Cut(_) => cut,
            other => Fault::Torn(other.into_error()),
        })?;
        for (statement, executed) in statements.iter().zip(executed) {
            let changed = executed.map_err(failed)?;
            if let Some(refused) = statement.otherwise.as_ref().filter(|_| changed == 0) {
                return Err(Fault::Refused(CommitError::clone(refused)));
            }
        }
        Ok(())
    }
}

impl InTransaction {
    /// The connection may be lent again.
    fn ended(&mut self) {
        drop(self.0.take());
    }
}

impl Drop for InTransaction {
    fn drop(&mut self) {
        drop(self.0.take().map(Object::take));
    }
}

async fn execute(connection: &Object, statement: &Statement<'_>) -> Result<u64, Error> {
    let prepared = connection.prepare_cached(&numbered(statement.sql)).await?;
    connection
        .execute(&prepared, &parameters(&statement.values))
        .await
}
