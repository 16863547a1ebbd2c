//! Writes into the target what the source has and the target has not, device by device.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Instant;

use super::admit::{admit, deployment, in_use, unfinished};
use super::error::CopyError;
use super::report::{CopyReport, Phase, Progress};
use super::side::{Cursor, Row, Side, count, number, text, text_of};
use super::table::{DEPLOYMENT, SEQUENCER, TABLES};
use super::verify::Verification;
use super::{CopyOptions, OnProgress};
use crate::store::StoreError;

/// What tells two states of a device apart.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
struct Version {
    epoch: i64,
    next_event_seq: i64,
    events: i64,
    with_position: i64,
    /// A position may be given to another event than a server of the copy gave it to.
    sum_of_positions: i64,
    objects: i64,
    pieces: i64,
    uploads: i64,
    waiting: i64,
    /// Who came again, or was rejected, has other times than before.
    sum_of_waiting: i64,
    allowed: i64,
    sum_of_allowed: i64,
}

pub(super) struct Engine<'a> {
    pub(super) source: &'a mut dyn Side,
    pub(super) target: &'a mut dyn Side,
    pub(super) options: CopyOptions,
    pub(super) progress: Box<OnProgress>,
    pub(super) total: u64,
}

impl Engine<'_> {
    /// The whole copy. The source is read in one snapshot.
    pub(super) fn run(mut self) -> Result<CopyReport, CopyError> {
        let began = Instant::now();
        self.source.begin_snapshot().map_err(CopyError::Source)?;
        self.total =
            count(self.source, "SELECT COUNT(*) FROM devices").map_err(CopyError::Source)?;
        let waiting = "SELECT COUNT(*) FROM events WHERE position IS NULL";
        let waiting_events = count(self.source, waiting).map_err(CopyError::Source)?;
        self.begin()?;
        let (copied, skipped) = self.devices()?;
        self.rows_of_nobody()?;
        self.target.analyze().map_err(CopyError::Target)?;
        let copy_seconds = began.elapsed().as_secs_f64();

        let began = Instant::now();
        let mut verification = Verification::new(self.source, self.target);
        verification.run(self.options.page, &mut |done| {
            let total = self.total;
            (self.progress)(Progress {
                phase: Phase::Verifying,
                done,
                total,
            })
        })?;
        let tallies = verification.tallies;
        self.finish()?;
        let tables = Verification::finish(tallies, self.source, self.target)?;
        self.source.roll_back();
        Ok(CopyReport {
            from: self.source.name().to_owned(),
            to: self.target.name().to_owned(),
            copied,
            skipped,
            tables,
            waiting_events,
            copy_seconds,
            verify_seconds: began.elapsed().as_secs_f64(),
        })
    }

    /// Judges the target, and marks it as unfinished. The sequencer comes first: no position may come twice, however the copy ends.
    fn begin(&mut self) -> Result<(), CopyError> {
        let source = &mut *self.source;
        in_transaction(self.target, |target| {
            admit(source, target)?;
            let mark = unfinished(deployment(source).map_err(CopyError::Source)?.as_ref());
            let sequencer = source
                .rows(&SEQUENCER.select(), &[])
                .map_err(CopyError::Source)?;
            let write = |target: &mut dyn Side| {
                target.execute(&SEQUENCER.update(), &sequencer)?;
                target.execute(&DEPLOYMENT.delete(), &[vec![]])?;
                target.execute(&DEPLOYMENT.insert(), &[mark])
            };
            write(target).map_err(CopyError::Target)
        })
    }

    /// The mark goes: servers may start on the target.
    fn finish(&mut self) -> Result<(), CopyError> {
        let row = deployment(self.source).map_err(CopyError::Source)?;
        in_transaction(self.target, |target| {
            in_use(target)?;
            let write = |target: &mut dyn Side| {
                target.execute(&DEPLOYMENT.delete(), &[vec![]])?;
                target.execute(&DEPLOYMENT.insert(), row.as_slice())
            };
            write(target).map_err(CopyError::Target)
        })
    }

    fn devices(&mut self) -> Result<(u64, u64), CopyError> {
        let (mut copied, mut skipped) = (0, 0);
        let page = format!(
            "SELECT dev_id FROM devices WHERE dev_id > ?1 ORDER BY dev_id LIMIT {}",
            self.options.page
        );
        let mut after = text("");
        loop {
            self.report(copied + skipped)?;
            let rows = self
                .source
                .rows(&page, std::slice::from_ref(&after))
                .map_err(CopyError::Source)?;
            let (Some(first), Some(last)) = (rows.first(), rows.last()) else {
                return Ok((copied, skipped));
            };
            let (first, last) = (text_of(first, 0), text_of(last, 0));
            let wanted = versions(self.source, first, last).map_err(CopyError::Source)?;
            let found = versions(self.target, first, last).map_err(CopyError::Target)?;
            after = text(last);
            let (mut runs, mut run) = (Vec::new(), Vec::new());
            for dev_id in rows.iter().map(|row| text_of(row, 0)) {
                if !self.options.all && wanted.get(dev_id) == found.get(dev_id) {
                    skipped += 1;
                    runs.push(std::mem::take(&mut run));
                } else {
                    copied += 1;
                    run.push(dev_id);
                }
            }
            runs.push(run);
            runs.retain(|run| !run.is_empty());
            self.replace(&runs, |dev_id| found.contains_key(dev_id))?;
        }
    }

    fn rows_of_nobody(&mut self) -> Result<(), CopyError> {
        let wanted = versions(self.source, "", "").map_err(CopyError::Source)?;
        let found = versions(self.target, "", "").map_err(CopyError::Target)?;
        if wanted == found && !self.options.all {
            return Ok(());
        }
        self.replace(&[vec![""]], |_| !found.is_empty())
    }

    /// Writes runs of neighbouring devices in one transaction, each in place of what the target had of them.
    fn replace(
        &mut self,
        runs: &[Vec<&str>],
        stands_there: impl Fn(&str) -> bool,
    ) -> Result<(), CopyError> {
        if runs.is_empty() {
            return Ok(());
        }
        let source = &mut *self.source;
        in_transaction(self.target, |target| {
            in_use(target)?;
            let old: Vec<Row> = runs
                .iter()
                .flatten()
                .filter(|dev_id| stands_there(dev_id))
                .map(|dev_id| vec![text(dev_id)])
                .collect();
            // Not the row of the device: it is replaced in its place.
            for table in TABLES[1..].iter().rev() {
                target
                    .execute(&table.delete(), &old)
                    .map_err(CopyError::Target)?;
            }
            for run in runs {
                let (Some(first), Some(last)) = (run.first(), run.last()) else {
                    continue;
                };
                for table in &TABLES {
                    let mut rows = Cursor::new(table, first, last);
                    loop {
                        let chunk = rows.chunk(source).map_err(CopyError::Source)?;
                        if chunk.is_empty() {
                            break;
                        }
                        target
                            .execute(&table.insert(), &chunk)
                            .map_err(CopyError::Target)?;
                    }
                }
            }
            Ok(())
        })
    }

    fn report(&mut self, done: u64) -> Result<(), CopyError> {
        let now = Progress {
            phase: Phase::Copying,
            done,
            total: self.total,
        };
        match (self.progress)(now) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(()) => Err(CopyError::Stopped),
        }
    }
}

/// Durable as a whole, or nothing of it.
fn in_transaction(
    target: &mut dyn Side,
    work: impl FnOnce(&mut dyn Side) -> Result<(), CopyError>,
) -> Result<(), CopyError> {
    target.begin_write().map_err(CopyError::Target)?;
    let done = work(target).and_then(|()| target.commit().map_err(CopyError::Target));
    if done.is_err() {
        target.roll_back();
    }
    done
}

/// The versions of the devices `first` to `last`; of nobody where both are empty.
fn versions(
    side: &mut dyn Side,
    first: &str,
    last: &str,
) -> Result<BTreeMap<String, Version>, StoreError> {
    let range = [text(first), text(last)];
    let whose = "WHERE dev_id >= ?1 AND dev_id <= ?2";
    let mut all: BTreeMap<String, Version> = BTreeMap::new();
    for row in side.rows(
        &format!("SELECT dev_id, epoch, next_event_seq FROM devices {whose}"),
        &range,
    )? {
        let version = all.entry(text_of(&row, 0).to_owned()).or_default();
        version.epoch = number(&row, 1);
        version.next_event_seq = number(&row, 2);
    }
    for row in side.rows(
        &format!("SELECT dev_id, COUNT(*), COUNT(position), CAST(COALESCE(SUM(position), 0) AS BIGINT) FROM events {whose} GROUP BY dev_id"),
        &range,
    )? {
        let version = all.entry(text_of(&row, 0).to_owned()).or_default();
        version.events = number(&row, 1);
        version.with_position = number(&row, 2);
        version.sum_of_positions = number(&row, 3);
    }
    for row in side.rows(
        &format!("SELECT dev_id, COUNT(*), CAST(COALESCE(SUM(seen_at + expires_at), 0) AS BIGINT) FROM waiting_devices {whose} GROUP BY dev_id"),
        &range,
    )? {
        let version = all.entry(text_of(&row, 0).to_owned()).or_default();
        version.waiting = number(&row, 1);
        version.sum_of_waiting = number(&row, 2);
    }
    for row in side.rows(
        &format!("SELECT dev_id, COUNT(*), CAST(COALESCE(SUM(changed_at), 0) AS BIGINT) FROM allow_list {whose} GROUP BY dev_id"),
        &range,
    )? {
        let version = all.entry(text_of(&row, 0).to_owned()).or_default();
        version.allowed = number(&row, 1);
        version.sum_of_allowed = number(&row, 2);
    }
    type Field = fn(&mut Version) -> &mut i64;
    let counted: [(&str, Field); 3] = [
        ("objects", |version| &mut version.objects),
        ("pieces", |version| &mut version.pieces),
        ("uploads", |version| &mut version.uploads),
    ];
    for (table, field) in counted {
        let sql = format!("SELECT dev_id, COUNT(*) FROM {table} {whose} GROUP BY dev_id");
        for row in side.rows(&sql, &range)? {
            *field(all.entry(text_of(&row, 0).to_owned()).or_default()) = number(&row, 1);
        }
    }
    Ok(all)
}
