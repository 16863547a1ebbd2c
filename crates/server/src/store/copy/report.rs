use std::fmt;

/// What a copy did. Times are seconds.
#[derive(Clone, PartialEq, Debug, serde::Serialize)]
pub struct CopyReport {
    /// The source, without a password.
    pub from: String,
    /// The target, without a password.
    pub to: String,
    /// Devices written.
    pub copied: u64,
    /// Devices that stood in the target as they are.
    pub skipped: u64,
    /// All tables, in the order of writing.
    pub tables: Vec<TableReport>,
    /// Events without a position yet: they get it when a server opens the target.
    pub waiting_events: u64,
    /// Time for writing.
    pub copy_seconds: f64,
    /// Time for reading back.
    pub verify_seconds: f64,
}

/// One table, the same in source and target.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct TableReport {
    /// Its name.
    pub table: &'static str,
    /// Its rows.
    pub rows: u64,
    /// SHA-256 over its rows in the order of their keys: 64 hexadecimal digits.
    pub sha256: String,
}

/// Where the target is not what the source is.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Difference {
    /// The table.
    pub table: &'static str,
    /// The device; empty for rows that belong to none.
    pub dev_id: String,
    /// What is wrong there.
    pub kind: DifferenceKind,
}

/// How a row differs.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum DifferenceKind {
    /// The target lacks it.
    Missing,
    /// Only the target has it.
    Surplus,
    /// Its values are others.
    Changed,
}

/// What a copy does now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Phase {
    /// It writes.
    Copying,
    /// It reads back.
    Verifying,
}

/// How far a copy is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Progress {
    /// What it does.
    pub phase: Phase,
    /// Devices of this phase that are done, durably so.
    pub done: u64,
    /// Devices of this phase.
    pub total: u64,
}

impl fmt::Display for Difference {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self.kind {
            DifferenceKind::Missing => "a row is missing",
            DifferenceKind::Surplus => "a row is too much",
            DifferenceKind::Changed => "a row is another",
        };
        match self.dev_id.as_str() {
            "" => write!(f, "{} ({what})", self.table),
            dev_id => write!(f, "{} of {dev_id} ({what})", self.table),
        }
    }
}
