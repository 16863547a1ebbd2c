//! The tables of a store, described once for both back ends: what is copied, in which order it is read and written.

/// A table whose rows belong to devices, or to nobody (`dev_id` is empty).
pub(in crate::store) struct Table {
    pub(in crate::store) name: &'static str,
    /// All that both back ends have.
    pub(in crate::store) columns: &'static [&'static str],
    /// Where in `columns` the key's columns stand, `dev_id` first: rows are read in its order.
    pub(super) key: &'static [usize],
    /// The table that leads to its rows where it is not itself keyed by the device: there, here.
    through: Option<Through>,
    /// Rows read at once: few where a row may be large.
    pub(super) chunk: usize,
}

struct Through {
    table: &'static str,
    column: &'static str,
    own: &'static str,
}

/// A table with one row at most, of `id` 1.
pub(in crate::store) struct Single {
    pub(in crate::store) name: &'static str,
    pub(in crate::store) columns: &'static [&'static str],
}

const CHUNK: usize = 1000;
/// Some KiB each; one for most devices.
const CHUNK_OF_DOCUMENTS: usize = 256;
/// Up to 1 MiB each.
const CHUNK_OF_OBJECTS: usize = 32;
/// 256 KiB each.
const CHUNK_OF_PIECES: usize = 32;

/// In the order of writing: no row comes before the one it points at.
pub(in crate::store) const TABLES: [Table; 18] = [
    Table {
        name: "devices",
        columns: &[
            "dev_id",
            "epoch",
            "registered_at",
            "last_seen_at",
            "bootstrapped_method",
            "bootstrapped_at",
            "dev_info",
            "next_event_seq",
            "open_commands",
            "notify",
        ],
        key: &[0],
        through: None,
        chunk: CHUNK,
    },
    Table {
        name: "bootstraps",
        columns: &[
            "dev_id",
            "id",
            "profile",
            "srv_id",
            "method",
            "has_trsp",
            "state",
            "cause",
            "payload_hash",
            "event_id",
            "kind",
            "created_at",
            "expires_at",
            "fetched_at",
            "ended_at",
            "push",
            "push_due",
            "format",
        ],
        key: &[0, 1],
        through: None,
        chunk: CHUNK,
    },
    Table {
        name: "bootstrap_ids",
        columns: &["id", "dev_id"],
        key: &[1, 0],
        through: Some(Through {
            table: "bootstraps",
            column: "id",
            own: "id",
        }),
        chunk: CHUNK,
    },
    Table {
        name: "documents",
        columns: &["dev_id", "id", "sealed"],
        key: &[0, 1],
        through: None,
        chunk: CHUNK_OF_DOCUMENTS,
    },
    Table {
        name: "credentials",
        columns: &[
            "dev_id",
            "nr",
            "kind",
            "proof",
            "scope",
            "generation",
            "record",
            "added_at",
            "expires_at",
            "revoked_at",
            "tries_left",
            "serial",
            "sealed",
            "escrowed",
            "since",
            "command",
            "used_at",
            "held_at",
        ],
        key: &[0, 1],
        through: None,
        chunk: CHUNK,
    },
    Table {
        name: "certificates",
        columns: &["fingerprint", "dev_id"],
        key: &[1, 0],
        through: Some(Through {
            table: "credentials",
            column: "proof",
            own: "fingerprint",
        }),
        chunk: CHUNK,
    },
    Table {
        name: "sessions",
        columns: &["dev_id", "generation", "state", "expires_at"],
        key: &[0, 1],
        through: None,
        chunk: CHUNK,
    },
    Table {
        name: "commands",
        columns: &[
            "dev_id",
            "nr",
            "id",
            "words",
            "state",
            "sends",
            "session",
            "status",
            "result",
            "uris",
            "cv",
            "queued_at",
            "sent_at",
            "ended_at",
        ],
        key: &[0, 1],
        through: None,
        chunk: CHUNK_OF_OBJECTS,
    },
    Table {
        name: "objects",
        columns: &[
            "dev_id",
            "path",
            "at",
            "content",
            "owner",
            "media_type",
            "octets",
            "etag",
            "upload",
        ],
        key: &[0, 1],
        through: None,
        chunk: CHUNK_OF_OBJECTS,
    },
    Table {
        name: "pieces",
        columns: &["dev_id", "upload", "nr", "content"],
        key: &[0, 1, 2],
        through: None,
        chunk: CHUNK_OF_PIECES,
    },
    Table {
        name: "uploads",
        columns: &["dev_id", "upload", "at"],
        key: &[0, 1],
        through: None,
        chunk: CHUNK,
    },
    // Nobody's: no record names them yet.
    Table {
        name: "waiting_devices",
        columns: &[
            "dev_id",
            "id",
            "claimed",
            "fingerprint",
            "subject",
            "issuer",
            "not_after",
            "vouched_by",
            "profile",
            "since",
            "seen_at",
            "expires_at",
            "state",
            "why",
        ],
        key: &[0, 1],
        through: None,
        chunk: CHUNK,
    },
    Table {
        name: "triggers",
        columns: &["dev_id", "idempotency_key", "record", "asked", "at"],
        key: &[0, 1],
        through: None,
        chunk: CHUNK,
    },
    Table {
        name: "awaited_receipts",
        columns: &[
            "dev_id",
            "message_id",
            "notification_id",
            "address",
            "correlation",
            "at",
            "bootstrap",
        ],
        key: &[0, 1],
        through: None,
        chunk: CHUNK,
    },
    Table {
        name: "calls",
        columns: &["dev_id", "due", "made", "address", "ui_mode", "correlation"],
        key: &[0],
        through: None,
        chunk: CHUNK,
    },
    Table {
        name: "failed_creds",
        columns: &["dev_id", "id", "at", "source"],
        key: &[0, 1],
        through: None,
        chunk: CHUNK,
    },
    // Nobody's.
    Table {
        name: "allow_list",
        columns: &[
            "dev_id",
            "id",
            "pattern",
            "wild",
            "certificate",
            "profile",
            "changed_at",
        ],
        key: &[0, 1],
        through: None,
        chunk: CHUNK,
    },
    // By `seq`: PostgreSQL's `nr`, which is drawn as they are written, has to grow with it within a device.
    Table {
        name: "events",
        columns: &["dev_id", "seq", "position", "at", "correlation", "kind"],
        key: &[0, 1],
        through: None,
        chunk: CHUNK,
    },
];

/// PostgreSQL's `holder` and `lease_until` belong to its nodes.
pub(in crate::store) const SEQUENCER: Single = Single {
    name: "sequencer",
    columns: &["id", "next_position", "next_seq"],
};

pub(in crate::store) const DEPLOYMENT: Single = Single {
    name: "deployment",
    columns: &["id", "ca", "sealing_key"],
};

impl Table {
    /// Rows of the devices ?1 to ?2 in the order of the key; where `after`, those behind the key ?3, ?4, ….
    pub(super) fn select(&self, after: bool) -> String {
        let columns: Vec<String> = self
            .columns
            .iter()
            .map(|name| format!("t.{name}"))
            .collect();
        let order = self.order();
        let (from, whose) = match &self.through {
            None => (format!("{} AS t", self.name), "t"),
            Some(Through { table, column, own }) => (
                format!(
                    "{table} AS v JOIN {} AS t ON t.{own} = v.{column} AND t.dev_id = v.dev_id",
                    self.name
                ),
                "v",
            ),
        };
        let mut sql = format!(
            "SELECT {} FROM {from} WHERE {whose}.dev_id >= ?1 AND {whose}.dev_id <= ?2",
            columns.join(", ")
        );
        if after {
            let last: Vec<String> = (3..3 + self.key.len()).map(|nr| format!("?{nr}")).collect();
            sql.push_str(&format!(" AND ({order}) > ({})", last.join(", ")));
        }
        sql.push_str(&format!(" ORDER BY {order} LIMIT {}", self.chunk));
        sql
    }

    /// Removes the rows of the device ?1. Rows that lead here have to be there still.
    pub(super) fn delete(&self) -> String {
        let name = self.name;
        match &self.through {
            None => format!("DELETE FROM {name} WHERE dev_id = ?1"),
            Some(Through { table, column, own }) => format!(
                "DELETE FROM {name} WHERE dev_id = ?1 AND {own} IN (SELECT {column} FROM {table} WHERE dev_id = ?1)"
            ),
        }
    }

    /// Writes a row. The row of a device takes the place of the one before: nothing that points at it has to be looked for.
    pub(super) fn insert(&self) -> String {
        let sql = insert(self.name, self.columns);
        if self.name == "devices" {
            format!(
                "{sql} ON CONFLICT (dev_id) DO UPDATE SET {}",
                excluded(self.columns)
            )
        } else {
            sql
        }
    }

    fn order(&self) -> String {
        let columns = self.key.iter().map(|&at| format!("t.{}", self.columns[at]));
        columns.collect::<Vec<_>>().join(", ")
    }
}

impl Single {
    pub(in crate::store) fn select(&self) -> String {
        format!(
            "SELECT {} FROM {} WHERE id = 1",
            self.columns.join(", "),
            self.name
        )
    }

    pub(super) fn delete(&self) -> String {
        format!("DELETE FROM {} WHERE id = 1", self.name)
    }

    pub(super) fn insert(&self) -> String {
        insert(self.name, self.columns)
    }

    /// Gives the row that is there these values.
    pub(super) fn update(&self) -> String {
        let set: Vec<String> = (2..)
            .zip(&self.columns[1..])
            .map(|(nr, name)| format!("{name} = ?{nr}"))
            .collect();
        format!("UPDATE {} SET {} WHERE id = ?1", self.name, set.join(", "))
    }
}

fn insert(name: &str, columns: &[&str]) -> String {
    let values: Vec<String> = (1..=columns.len()).map(|nr| format!("?{nr}")).collect();
    format!(
        "INSERT INTO {name} ({}) VALUES ({})",
        columns.join(", "),
        values.join(", ")
    )
}

/// All but the first column, as they were to be inserted.
fn excluded(columns: &[&str]) -> String {
    let set: Vec<String> = columns[1..]
        .iter()
        .map(|name| format!("{name} = excluded.{name}"))
        .collect();
    set.join(", ")
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use super::{DEPLOYMENT, SEQUENCER, TABLES};
    use crate::store::sqlite::{SqliteOptions, SqliteStore};

    /// A table or column that a later schema adds has to be described here, or a copy would lose it.
    #[test]
    fn the_description_has_every_column_of_the_schema() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("s.db");
        drop(SqliteStore::open(&file, &SqliteOptions::default()).unwrap());
        let conn = rusqlite::Connection::open(&file).unwrap();
        let mut found: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        let sql = "SELECT m.name, c.name FROM sqlite_master AS m, pragma_table_info(m.name) AS c
             WHERE m.type = 'table' AND m.name <> 'refinery_schema_history'";
        let mut statement = conn.prepare(sql).unwrap();
        let mut rows = statement.query([]).unwrap();
        while let Some(row) = rows.next().unwrap() {
            found
                .entry(row.get(0).unwrap())
                .or_default()
                .insert(row.get(1).unwrap());
        }
        let described = TABLES
            .iter()
            .map(|table| (table.name, table.columns))
            .chain([SEQUENCER, DEPLOYMENT].map(|single| (single.name, single.columns)))
            .map(|(name, columns)| {
                (
                    name.to_owned(),
                    columns.iter().map(|&column| column.to_owned()).collect(),
                )
            })
            .collect();
        assert_eq!(found, described);
    }

    #[test]
    fn a_table_reached_through_another_is_read_by_device() {
        let certificates = TABLES
            .iter()
            .find(|table| table.name == "certificates")
            .unwrap();
        assert_eq!(
            certificates.select(true),
            "SELECT t.fingerprint, t.dev_id FROM credentials AS v JOIN certificates AS t ON t.fingerprint = v.proof AND t.dev_id = v.dev_id \
             WHERE v.dev_id >= ?1 AND v.dev_id <= ?2 AND (t.dev_id, t.fingerprint) > (?3, ?4) ORDER BY t.dev_id, t.fingerprint LIMIT 1000"
        );
    }
}
