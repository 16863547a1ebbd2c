//! Whether a target may be written to. Reads only.

use std::collections::BTreeMap;

use super::error::CopyError;
use super::side::{Row, Side, number, text, text_of};
use super::table::{DEPLOYMENT, SEQUENCER};
use crate::store::statements::Value;

/// Devices compared at once.
const PAGE: usize = 1000;
/// The newest event of each of the devices ?1 to ?2.
const LAST_EVENTS: &str = "SELECT e.dev_id, e.seq, e.at, e.correlation, e.kind
     FROM (SELECT dev_id, MAX(seq) AS seq FROM events WHERE dev_id >= ?1 AND dev_id <= ?2 GROUP BY dev_id) AS l
     JOIN events AS e ON e.dev_id = l.dev_id AND e.seq = l.seq
     WHERE e.dev_id >= ?1 AND e.dev_id <= ?2";
/// Stands before the CA in the target's `deployment` until the copy is verified: it is nobody's then, so no server starts on it.
const UNFINISHED: &str = "unfinished copy";

/// Refuses a target that would lose something, or that is in use. In a transaction of the target that the first write shares.
pub(super) fn admit(source: &mut dyn Side, target: &mut dyn Side) -> Result<(), CopyError> {
    in_use(target)?;
    let here = deployment(source).map_err(CopyError::Source)?;
    if here.as_ref().is_some_and(is_unfinished) {
        return Err(CopyError::UnfinishedSource(source.name().to_owned()));
    }
    let there = deployment(target).map_err(CopyError::Target)?;
    if let Some(there) = there.filter(|there| !belongs(there, here.as_ref())) {
        return Err(CopyError::ForeignTarget {
            target: target.name().to_owned(),
            ca: text_of(&there, 1).to_owned(),
        });
    }
    compare_devices(source, target)?;
    not_ahead(source, target)?;
    not_diverged(source, target, "", "")
}

/// Refuses a target on which a node works.
pub(super) fn in_use(target: &mut dyn Side) -> Result<(), CopyError> {
    match target.living_holder().map_err(CopyError::Target)? {
        Some(holder) => Err(CopyError::TargetInUse {
            target: target.name().to_owned(),
            holder,
        }),
        None => Ok(()),
    }
}

/// The row of the source's deployment.
pub(super) fn deployment(side: &mut dyn Side) -> Result<Option<Row>, crate::store::StoreError> {
    Ok(side.rows(&DEPLOYMENT.select(), &[])?.pop())
}

/// What stands in the target's `deployment` until the copy is verified.
pub(super) fn unfinished(source: Option<&Row>) -> Row {
    let (ca, key) = source.map_or(("", ""), |row| (text_of(row, 1), text_of(row, 2)));
    let ca = if ca.is_empty() {
        UNFINISHED.to_owned()
    } else {
        format!("{UNFINISHED} of {ca}")
    };
    vec![Value::Number(1), Value::Text(ca.into()), text(key)]
}

/// Whether a copy into this store did not end.
pub(in crate::store) fn is_unfinished(deployment: &Row) -> bool {
    text_of(deployment, 1).starts_with(UNFINISHED)
}

/// Whether the target's deployment is the source's, or that of an unfinished copy of it. A source that nobody claimed may have been claimed since.
fn belongs(there: &Row, here: Option<&Row>) -> bool {
    Some(there) == here || *there == unfinished(here) || *there == unfinished(None)
}

fn not_ahead(source: &mut dyn Side, target: &mut dyn Side) -> Result<(), CopyError> {
    let here = source
        .rows(&SEQUENCER.select(), &[])
        .map_err(CopyError::Source)?;
    let there = target
        .rows(&SEQUENCER.select(), &[])
        .map_err(CopyError::Target)?;
    let (Some(here), Some(there)) = (here.first(), there.first()) else {
        return Ok(());
    };
    for (column, what) in [(1, "positions of events"), (2, "events of no device")] {
        let (here, there) = (number(here, column), number(there, column));
        if there > here {
            return Err(CopyError::AheadTarget {
                target: target.name().to_owned(),
                what: format!(
                    "{what} come to {} there, to {} in the source",
                    there - 1,
                    here - 1
                ),
            });
        }
    }
    Ok(())
}

/// The last event that the target has of each of the devices `first` to `last` (of nobody where both are empty) has to be the source's too: where target
/// and source went on by themselves, counters alone do not tell. Positions are left out; the source may give one since.
fn not_diverged(
    source: &mut dyn Side,
    target: &mut dyn Side,
    first: &str,
    last: &str,
) -> Result<(), CopyError> {
    let range = [text(first), text(last)];
    let there = target
        .rows(LAST_EVENTS, &range)
        .map_err(CopyError::Target)?;
    if there.is_empty() {
        return Ok(());
    }
    let mut values = range.to_vec();
    for event in &there {
        values.extend_from_slice(&event[..2]);
    }
    // No event has this number: the statement is the same for every page.
    values.resize_with(2 + 2 * PAGE, || Value::Number(0));
    for filler in values[2 + 2 * there.len()..].chunks_mut(2) {
        filler[0] = text("");
    }
    let here = source
        .rows(&events_at(), &values)
        .map_err(CopyError::Source)?;
    let here: BTreeMap<&str, &Row> = here.iter().map(|row| (text_of(row, 0), row)).collect();
    let Some(other) = there
        .iter()
        .find(|event| here.get(text_of(event, 0)) != Some(event))
    else {
        return Ok(());
    };
    let whose = match text_of(other, 0) {
        "" => "the log of no device",
        dev_id => dev_id,
    };
    Err(CopyError::AheadTarget {
        target: target.name().to_owned(),
        what: format!(
            "{whose} diverged, event {} there is not the one in the source",
            number(other, 1)
        ),
    })
}

/// The events ?3 at ?4, ?5 at ?6, …, all of devices ?1 to ?2: without the range, PostgreSQL would read every event for each page.
fn events_at() -> String {
    let wanted: Vec<String> = (0..PAGE)
        .map(|nr| format!("(?{}, CAST(?{} AS BIGINT))", 3 + 2 * nr, 4 + 2 * nr))
        .collect();
    format!(
        "WITH wanted (dev_id, seq) AS (VALUES {})
         SELECT e.dev_id, e.seq, e.at, e.correlation, e.kind FROM wanted AS w CROSS JOIN events AS e
         WHERE e.dev_id = w.dev_id AND e.seq = w.seq AND e.dev_id >= ?1 AND e.dev_id <= ?2",
        wanted.join(", ")
    )
}

/// Each device of the target has to be in the source, and neither ahead there nor another.
fn compare_devices(source: &mut dyn Side, target: &mut dyn Side) -> Result<(), CopyError> {
    let page = format!(
        "SELECT dev_id, epoch, next_event_seq FROM devices WHERE dev_id > ?1 ORDER BY dev_id LIMIT {PAGE}"
    );
    let range =
        "SELECT dev_id, epoch, next_event_seq FROM devices WHERE dev_id > ?1 AND dev_id <= ?2";
    let mut after = text("");
    loop {
        let there = target
            .rows(&page, std::slice::from_ref(&after))
            .map_err(CopyError::Target)?;
        let Some(last) = there.last() else {
            return Ok(());
        };
        let bounds = [after, last[0].clone()];
        let here = source.rows(range, &bounds).map_err(CopyError::Source)?;
        let here: BTreeMap<&str, &Row> = here.iter().map(|row| (text_of(row, 0), row)).collect();
        for device in &there {
            let dev_id = text_of(device, 0);
            let Some(known) = here.get(dev_id) else {
                return Err(CopyError::UnknownDevice {
                    target: target.name().to_owned(),
                    dev_id: dev_id.to_owned(),
                });
            };
            if number(device, 1) > number(known, 1) || number(device, 2) > number(known, 2) {
                return Err(CopyError::AheadTarget {
                    target: target.name().to_owned(),
                    what: format!("{dev_id} had exchanges that the source does not have"),
                });
            }
        }
        let first = there.first().map_or("", |row| text_of(row, 0));
        not_diverged(source, target, first, text_of(last, 0))?;
        [_, after] = bounds;
    }
}
