//! Carries out the statements of a delta or a mark. The caller gives each a savepoint of its own, and takes it back where this fails.

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, ErrorCode, ToSql, params_from_iter};

use crate::model::{DeferredMark, DeviceEpoch, ExchangeDelta};
use crate::store::statements::{Statement, Value, of_delta, of_mark};
use crate::store::{CommitError, Committed};

/// The position that the next event gets.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) struct Sequencer {
    next_position: i64,
}

/// Why a delta or mark was not applied.
pub(super) enum NotApplied {
    /// It is at fault itself; others of its group are not harmed.
    Refused(CommitError),
    /// The database failed: the group is lost.
    Database(rusqlite::Error),
}

/// Within a device in the order of `seq`.
const GIVE_POSITIONS: &str = "UPDATE events SET position = (SELECT next_position - 1 FROM sequencer) + waiting.nr
     FROM (SELECT dev_id, seq, row_number() OVER (ORDER BY dev_id, seq) AS nr FROM events WHERE position IS NULL) AS waiting
     WHERE events.dev_id = waiting.dev_id AND events.seq = waiting.seq";

impl Sequencer {
    /// Goes on after the last position. Here events have theirs from their commit; those copied from a database may have none yet, and get it now.
    pub(super) fn load(conn: &Connection) -> rusqlite::Result<Self> {
        let transaction = conn.unchecked_transaction()?;
        let given = transaction.execute(GIVE_POSITIONS, [])?;
        let next_position: i64 =
            transaction.query_row("SELECT next_position FROM sequencer", [], |row| row.get(0))?;
        let loaded = Self {
            next_position: next_position + i64::try_from(given).unwrap_or(i64::MAX),
        };
        if given > 0 {
            loaded.save(&transaction)?;
        }
        transaction.commit()?;
        Ok(loaded)
    }

    pub(super) fn save(self, conn: &Connection) -> rusqlite::Result<()> {
        conn.prepare_cached("UPDATE sequencer SET next_position = ?1 WHERE id = 1")?
            .execute([self.next_position])
            .map(drop)
    }
}

/// Applies a delta at the epoch it was made at.
pub(super) fn apply_delta(
    conn: &Connection,
    log: &mut Sequencer,
    delta: &ExchangeDelta,
) -> Result<Committed, NotApplied> {
    for statement in of_delta(delta, Some(log.next_position))? {
        let changed = execute(conn, &statement)?;
        if let Some(refused) = statement.otherwise.filter(|_| changed == 0) {
            return Err(NotApplied::Refused(refused));
        }
    }
    log.next_position += i64::try_from(delta.events.len()).unwrap_or(i64::MAX);
    Ok(Committed {
        epoch: delta.expected.map_or(DeviceEpoch(1), DeviceEpoch::next),
    })
}

/// Applies statements that belong to no exchange; tells whether they changed anything.
pub(super) fn apply_loose(
    conn: &Connection,
    statements: &[Statement<'_>],
) -> Result<bool, NotApplied> {
    let mut any = false;
    for statement in statements {
        let changed = execute(conn, statement)?;
        if let Some(refused) = statement.otherwise.as_ref().filter(|_| changed == 0) {
            return Err(NotApplied::Refused(refused.clone()));
        }
        any |= changed > 0;
    }
    Ok(any)
}

/// Applies a mark; tells whether it changed anything.
pub(super) fn apply_mark(
    conn: &Connection,
    log: &mut Sequencer,
    mark: &DeferredMark,
) -> Result<bool, NotApplied> {
    for branch in of_mark(mark, Some(log.next_position))? {
        let Some((first, rest)) = branch.split_first() else {
            continue;
        };
        if execute(conn, first)? == 0 {
            continue;
        }
        for statement in rest {
            execute(conn, statement)?;
        }
        log.next_position += i64::from(mark.tells());
        return Ok(true);
    }
    Ok(false)
}

fn execute(conn: &Connection, statement: &Statement<'_>) -> rusqlite::Result<usize> {
    conn.prepare_cached(statement.sql)?
        .execute(params_from_iter(&statement.values))
}

impl ToSql for Value<'_> {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(ToSqlOutput::Borrowed(match self {
            Self::Null => ValueRef::Null,
            Self::Number(number) => ValueRef::Integer(*number),
            Self::Text(text) => ValueRef::Text(text.as_bytes()),
            Self::Octets(octets) => ValueRef::Blob(octets),
        }))
    }
}

impl From<CommitError> for NotApplied {
    fn from(err: CommitError) -> Self {
        Self::Refused(err)
    }
}

impl From<rusqlite::Error> for NotApplied {
    fn from(err: rusqlite::Error) -> Self {
        match err.sqlite_error_code() {
            Some(ErrorCode::ConstraintViolation) => Self::Refused(CommitError::Contradiction(
                "a constraint of the schema does not hold",
            )),
            Some(ErrorCode::TooBig) => Self::Refused(CommitError::Contradiction(
                "a value is larger than the store takes",
            )),
            _ => Self::Database(err),
        }
    }
}
