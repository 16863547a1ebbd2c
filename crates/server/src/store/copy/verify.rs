//! Reads everything back from the target and holds it against the source's snapshot.

use std::cmp::Ordering;
use std::ops::ControlFlow;

use sha2::{Digest as _, Sha256};

use super::DIFFERENCES;
use super::error::CopyError;
use super::report::{Difference, DifferenceKind, TableReport};
use super::side::{Cursor, Row, Side, by_key, count, rank, text, text_of};
use super::table::{DEPLOYMENT, SEQUENCER, Single, TABLES, Table};
use crate::store::StoreError;
use crate::store::statements::Value;

/// Rows of a table so far, with a checksum over them in the order of their keys.
#[derive(Clone, Default)]
pub(super) struct Tally {
    rows: u64,
    sum: Sha256,
}

pub(super) struct Verification<'a> {
    source: &'a mut dyn Side,
    target: &'a mut dyn Side,
    /// One for each of [`TABLES`].
    pub(super) tallies: Vec<Tally>,
    differences: Vec<Difference>,
}

impl<'a> Verification<'a> {
    pub(super) fn new(source: &'a mut dyn Side, target: &'a mut dyn Side) -> Self {
        Self {
            source,
            target,
            tallies: vec![Tally::default(); TABLES.len()],
            differences: Vec::new(),
        }
    }

    /// Compares every row of every device, and those of nobody. `progress` gets the count of devices that were compared.
    pub(super) fn run(
        &mut self,
        page: usize,
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<(), CopyError> {
        self.target.begin_snapshot().map_err(CopyError::Target)?;
        let compared = self.compare(page, progress);
        self.target.roll_back();
        compared?;
        if self.differences.is_empty() {
            Ok(())
        } else {
            Err(CopyError::Different {
                target: self.target.name().to_owned(),
                differences: std::mem::take(&mut self.differences),
            })
        }
    }

    /// The report, after the last write: with it the rows that stand alone.
    pub(super) fn finish(
        tallies: Vec<Tally>,
        source: &mut dyn Side,
        target: &mut dyn Side,
    ) -> Result<Vec<TableReport>, CopyError> {
        let mut all: Vec<TableReport> = TABLES
            .iter()
            .zip(tallies)
            .map(|(table, tally)| tally.report(table.name))
            .collect();
        for single in [&SEQUENCER, &DEPLOYMENT] {
            all.push(compare_single(single, source, target)?);
        }
        Ok(all)
    }

    fn compare(
        &mut self,
        page: usize,
        progress: &mut dyn FnMut(u64) -> ControlFlow<()>,
    ) -> Result<(), CopyError> {
        // Nobody's rows stand before those of every device.
        self.range("", "")?;
        let page =
            format!("SELECT dev_id FROM devices WHERE dev_id > ?1 ORDER BY dev_id LIMIT {page}");
        let (mut after, mut done) = (text(""), 0);
        loop {
            if progress(done).is_break() {
                return Err(CopyError::Stopped);
            }
            let devices = self
                .source
                .rows(&page, std::slice::from_ref(&after))
                .map_err(CopyError::Source)?;
            let (Some(first), Some(last)) = (devices.first(), devices.last()) else {
                break;
            };
            self.range(text_of(first, 0), text_of(last, 0))?;
            if self.differences.len() >= DIFFERENCES {
                return Ok(());
            }
            after = text(text_of(last, 0));
            done += devices.len() as u64;
        }
        self.strays()
    }

    fn range(&mut self, first: &str, last: &str) -> Result<(), CopyError> {
        for (at, table) in TABLES.iter().enumerate() {
            let (mut here, mut there) = (
                Cursor::new(table, first, last),
                Cursor::new(table, first, last),
            );
            let mut wanted = here.next(self.source).map_err(CopyError::Source)?;
            let mut found = there.next(self.target).map_err(CopyError::Target)?;
            loop {
                let order = match (&wanted, &found) {
                    (None, None) => break,
                    (Some(_), None) => Ordering::Less,
                    (None, Some(_)) => Ordering::Greater,
                    (Some(wanted), Some(found)) => by_key(table, wanted, found),
                };
                match (order, &wanted, &found) {
                    (Ordering::Less, Some(row), _) => {
                        self.note(table, row, DifferenceKind::Missing);
                    }
                    (Ordering::Greater, _, Some(row)) => {
                        self.note(table, row, DifferenceKind::Surplus);
                    }
                    (_, Some(wanted), Some(found)) => {
                        if wanted != found {
                            self.note(table, wanted, DifferenceKind::Changed);
                        }
                        self.tallies[at].add(found);
                    }
                    _ => {}
                }
                if order.is_le() {
                    wanted = here.next(self.source).map_err(CopyError::Source)?;
                }
                if order.is_ge() {
                    found = there.next(self.target).map_err(CopyError::Target)?;
                }
            }
        }
        Ok(())
    }

    /// Rows that no device and not nobody leads to.
    fn strays(&mut self) -> Result<(), CopyError> {
        if !self.differences.is_empty() {
            return Ok(());
        }
        for (table, tally) in TABLES.iter().zip(&self.tallies) {
            let all = format!("SELECT COUNT(*) FROM {}", table.name);
            let here = count(self.source, &all).map_err(CopyError::Source)?;
            if here > tally.rows {
                return Err(CopyError::StrayRows {
                    source_store: self.source.name().to_owned(),
                    table: table.name,
                    rows: here - tally.rows,
                });
            }
            if count(self.target, &all).map_err(CopyError::Target)? > tally.rows {
                self.differences
                    .push(Difference::of_none(table.name, DifferenceKind::Surplus));
            }
        }
        Ok(())
    }

    /// One for each table and device is enough.
    fn note(&mut self, table: &Table, row: &Row, kind: DifferenceKind) {
        let difference = Difference {
            table: table.name,
            dev_id: text_of(row, table.key[0]).to_owned(),
            kind,
        };
        let known = |other: &Difference| {
            other.table == difference.table && other.dev_id == difference.dev_id
        };
        if self.differences.len() < DIFFERENCES && !self.differences.iter().any(known) {
            self.differences.push(difference);
        }
    }
}

impl Difference {
    const fn of_none(table: &'static str, kind: DifferenceKind) -> Self {
        Self {
            table,
            dev_id: String::new(),
            kind,
        }
    }
}

impl Tally {
    /// Each value as its kind (one octet), its length (eight, big-endian) and its octets; a number as eight octets, big-endian.
    fn add(&mut self, row: &Row) {
        self.rows += 1;
        for value in row {
            let number;
            let octets: &[u8] = match value {
                Value::Null => &[],
                Value::Number(value) => {
                    number = value.to_be_bytes();
                    &number
                }
                Value::Text(text) => text.as_bytes(),
                Value::Octets(octets) => octets,
            };
            self.sum.update([rank(value)]);
            self.sum.update((octets.len() as u64).to_be_bytes());
            self.sum.update(octets);
        }
    }

    fn report(self, table: &'static str) -> TableReport {
        let sum = self.sum.finalize();
        TableReport {
            table,
            rows: self.rows,
            sha256: sum.iter().map(|octet| format!("{octet:02x}")).collect(),
        }
    }
}

fn compare_single(
    single: &Single,
    source: &mut dyn Side,
    target: &mut dyn Side,
) -> Result<TableReport, CopyError> {
    let read =
        |side: &mut dyn Side| -> Result<Vec<Row>, StoreError> { side.rows(&single.select(), &[]) };
    let wanted = read(source).map_err(CopyError::Source)?;
    let found = read(target).map_err(CopyError::Target)?;
    if wanted != found {
        return Err(CopyError::Different {
            target: target.name().to_owned(),
            differences: vec![Difference::of_none(single.name, DifferenceKind::Changed)],
        });
    }
    let mut tally = Tally::default();
    found.iter().for_each(|row| tally.add(row));
    Ok(tally.report(single.name))
}
