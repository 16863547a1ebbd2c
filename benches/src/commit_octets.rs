//! How many octets a bootstrap commits: the content of the rows it writes, read from the store beside the server.

use std::path::Path;

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OpenFlags, params};

use omadm_mo::DevId;

/// Content of the two commits of a bootstrap, in octets: text and blobs by their length, numbers as 8. Indexes and the layout of pages are not
/// content: what they cost belongs to the full arm alone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct CommitOctets {
    /// Before the completion is acknowledged: the session, the device's and the bootstrap's row, the events.
    pub completion: usize,
    /// For what the session read: the device's row with DevInfo, the events.
    pub read: usize,
}

/// Watches one bootstrap.
pub(crate) struct Watch {
    store: Connection,
    exchanges: u32,
    events_before: i64,
    octets: rusqlite::Result<CommitOctets>,
}

impl Watch {
    /// Opens the server's store to read; `dev_id` has not been bootstrapped yet.
    pub(crate) fn open(store: &Path, dev_id: &DevId) -> rusqlite::Result<Self> {
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
        let store = Connection::open_with_flags(store, flags)?;
        Ok(Self {
            events_before: last_event(&store, dev_id)?,
            store,
            exchanges: 0,
            octets: Ok(CommitOctets {
                completion: 0,
                read: 0,
            }),
        })
    }

    /// An exchange is over: the second and the third left a commit behind.
    pub(crate) fn exchange_over(&mut self, dev_id: &DevId) {
        self.exchanges += 1;
        let Ok(octets) = self.octets else { return };
        self.octets = self.look(dev_id, octets);
    }

    pub(crate) fn octets(self) -> rusqlite::Result<CommitOctets> {
        self.octets
    }

    fn look(&mut self, dev_id: &DevId, so_far: CommitOctets) -> rusqlite::Result<CommitOctets> {
        let content = |sql: &str, after: i64| content(&self.store, sql, dev_id, after);
        let written = content("SELECT * FROM devices WHERE dev_id = ?1 AND ?2 > -2", -1)?
            + content(
                "SELECT * FROM events WHERE dev_id = ?1 AND seq > ?2",
                self.events_before,
            )?;
        let now = match self.exchanges {
            2 => CommitOctets {
                completion: written
                    + content("SELECT * FROM sessions WHERE dev_id = ?1 AND ?2 > -2", -1)?
                    + content("SELECT * FROM bootstraps WHERE dev_id = ?1 AND ?2 > -2", -1)?,
                ..so_far
            },
            3 => CommitOctets {
                read: written,
                ..so_far
            },
            _ => so_far,
        };
        self.events_before = last_event(&self.store, dev_id)?;
        Ok(now)
    }
}

fn last_event(store: &Connection, dev_id: &DevId) -> rusqlite::Result<i64> {
    store.query_row(
        "SELECT coalesce(max(seq), -1) FROM events WHERE dev_id = ?1",
        [dev_id.as_str()],
        |row| row.get(0),
    )
}

fn content(store: &Connection, sql: &str, dev_id: &DevId, after: i64) -> rusqlite::Result<usize> {
    let mut statement = store.prepare(sql)?;
    let columns = statement.column_count();
    let mut rows = statement.query(params![dev_id.as_str(), after])?;
    let mut sum = 0;
    while let Some(row) = rows.next()? {
        for column in 0..columns {
            sum += match row.get_ref(column)? {
                ValueRef::Null => 0,
                ValueRef::Integer(_) | ValueRef::Real(_) => 8,
                ValueRef::Text(octets) | ValueRef::Blob(octets) => octets.len(),
            };
        }
    }
    Ok(sum)
}
