//! Whether a target may be written to. Reads only.

use std::collections::BTreeMap;

use super::error::CopyError;
use super::side::{Row, Side, number, text, text_of};
use super::table::{DEPLOYMENT, SEQUENCER};
use crate::store::statements::Value;

/// Devices compared at once.
const PAGE: usize = 1000;
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
    not_ahead(source, target)
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

/// Each device of the target has to be in the source, and not ahead there.
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
        [_, after] = bounds;
    }
}
