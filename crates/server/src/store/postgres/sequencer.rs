//! Positions are given after the commit, in batches, by the one node that holds the lease. Each batch locks the sequencer's row first, so batches come one
//! after the other whoever gives them: no consumer sees a position before all lower ones. The lease only keeps the others from trying.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use tokio_postgres::{Error, IsolationLevel};

use super::fault::{Fault, fault};
use super::{PostgresNode, stopped};
use crate::store::StoreError;
use crate::store::statements::Value;

/// Events that get their positions in one transaction.
const BATCH: i64 = 1_000;
/// Events that happen within this time share a batch.
const GATHER: Duration = Duration::from_millis(50);
/// After the database failed.
const PAUSE: Duration = Duration::from_secs(1);

/// What a try to give positions came to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Given {
    /// Another node holds the lease.
    ByOthers,
    /// So many events have their positions now.
    Events(i64),
}

/// Takes or renews the lease; no row where another holds it. The clock is the database's.
pub(super) const TAKE: &str = "
    UPDATE sequencer SET holder = $1, lease_until = (EXTRACT(EPOCH FROM clock_timestamp()) * 1000)::bigint + $2
    WHERE id = 1 AND (holder = $1 OR lease_until <= (EXTRACT(EPOCH FROM clock_timestamp()) * 1000)::bigint) RETURNING next_position";
pub(super) const GIVE: &str = "
    WITH batch AS (SELECT dev_id, seq, nr FROM events WHERE position IS NULL ORDER BY nr LIMIT $2),
        numbered AS (SELECT dev_id, seq, $1::bigint - 1 + row_number() OVER (ORDER BY nr) AS position FROM batch)
    UPDATE events SET position = numbered.position FROM numbered WHERE events.dev_id = numbered.dev_id AND events.seq = numbered.seq";
pub(super) const ADVANCE: &str =
    "UPDATE sequencer SET next_position = next_position + $1 WHERE id = 1";
const RELEASE: &str = "UPDATE sequencer SET lease_until = 0 WHERE id = 1 AND holder = ?1";
/// Whether there is anything to do for this node: events wait, and the lease is its own or nobody's.
const WAITING: &str = "
    SELECT 1::bigint FROM sequencer WHERE id = 1 AND (holder = ?1 OR lease_until <= (EXTRACT(EPOCH FROM clock_timestamp()) * 1000)::bigint)
        AND EXISTS (SELECT 1 FROM events WHERE position IS NULL)";

impl PostgresNode {
    /// Gives positions while this node may, until `stop`.
    pub(super) async fn give_positions(self: Arc<Self>, mut stop: watch::Receiver<bool>) {
        let mut renewed: Option<Instant> = None;
        loop {
            let wait = match self.turn(&mut renewed).await {
                Ok(Given::Events(given)) if given >= BATCH => continue,
                Ok(Given::Events(_)) => self.options.look,
                Ok(Given::ByOthers) => self.options.lease / 3,
                Err(err) => {
                    tracing::warn!(error = %err, "events wait for their positions");
                    PAUSE
                }
            };
            let holds = renewed.is_some();
            let woken = async {
                if holds {
                    self.happened.notified().await;
                    tokio::time::sleep(GATHER).await;
                } else {
                    std::future::pending::<()>().await;
                }
            };
            tokio::select! {
                () = woken => {}
                () = tokio::time::sleep(wait) => {}
                () = stopped(&mut stop) => break,
            }
        }
        if renewed.is_some() {
            // Another node need not wait for the lease to run out.
            let _released = self.release().await;
        }
    }

    /// Waits until all events committed so far have their positions; gives them itself where nobody else does.
    pub(super) async fn catch_up(&self) -> Result<(), StoreError> {
        let last = "SELECT CASE WHEN is_called THEN last_value ELSE 0 END FROM event_numbers";
        let last: i64 = self
            .query(last, &[])
            .await?
            .first()
            .map_or(0, |row| row.get(0));
        let until = Instant::now() + self.options.lease + self.options.patience;
        loop {
            let values = [Value::Number(last)];
            let behind = "SELECT nr FROM events WHERE position IS NULL AND nr <= ?1 LIMIT 1";
            if self.query(behind, &values).await?.is_empty() {
                return Ok(());
            }
            if self.batch().await? == Given::ByOthers {
                tokio::time::sleep(GATHER).await;
            }
            if Instant::now() >= until {
                let why = "events still wait for their positions".to_owned();
                return Err(StoreError::Unavailable(self.name.clone(), why));
            }
        }
    }

    /// A batch where one is waiting; the lease is renewed in time where none is.
    async fn turn(&self, renewed: &mut Option<Instant>) -> Result<Given, StoreError> {
        let fresh = renewed.is_some_and(|at| at.elapsed() < self.options.lease / 3);
        let values = [Value::Text(self.id.as_str().into())];
        if fresh && self.query(WAITING, &values).await?.is_empty() {
            return Ok(Given::Events(0));
        }
        let at = Instant::now();
        let given = self.batch().await;
        *renewed = matches!(given, Ok(Given::Events(_))).then_some(at);
        given
    }

    /// Gives positions to the events that wait longest, if the lease is this node's or nobody's. Repeated where the database gave it up: whatever became of
    /// a try, the next one sees.
    async fn batch(&self) -> Result<Given, StoreError> {
        let until = Instant::now() + self.options.patience;
        loop {
            match self.try_batch(until).await {
                Ok(given) => return Ok(given),
                Err(Fault::GivenUp(_) | Fault::Cut(_)) if Instant::now() < until => {
                    tokio::time::sleep(GATHER).await;
                }
                Err(fault) => return Err(fault.into_error()),
            }
        }
    }

    async fn try_batch(&self, until: Instant) -> Result<Given, Fault> {
        let mut connection = timeout_at(until, self.connection())
            .await
            .unwrap_or_else(|_elapsed| Err(self.silent()))
            .map_err(Fault::Failed)?;
        let lease = i64::try_from(self.options.lease.as_millis()).unwrap_or(i64::MAX);
        let work = async {
            // Rolled back where it is dropped.
            let transaction = connection
                .build_transaction()
                .isolation_level(IsolationLevel::ReadCommitted)
                .start()
                .await?;
            let take = transaction.prepare_cached(TAKE).await?;
            let Some(row) = transaction.query_opt(&take, &[&self.id, &lease]).await? else {
                return Ok(Given::ByOthers);
            };
            let next: i64 = row.get(0);
            let give = transaction.prepare_cached(GIVE).await?;
            let given = transaction.execute(&give, &[&next, &BATCH]).await?;
            let given = i64::try_from(given).unwrap_or(i64::MAX);
            if given > 0 {
                let advance = transaction.prepare_cached(ADVANCE).await?;
                transaction.execute(&advance, &[&given]).await?;
            }
            transaction.commit().await?;
            Ok::<_, Error>(Given::Events(given))
        };
        match timeout_at(until, work).await {
            Ok(done) => done.map_err(|err| fault(&self.name, &err)),
            Err(_elapsed) => {
                drop(deadpool_postgres::Object::take(connection));
                Err(Fault::Failed(self.silent()))
            }
        }
    }

    async fn release(&self) -> Result<(), StoreError> {
        self.query(RELEASE, &[Value::Text(self.id.as_str().into())])
            .await
            .map(drop)
    }
}
