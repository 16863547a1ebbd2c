//! The table `facts`: single values of the store and of the client.

use omadm_mo::TreeError;
use redb::{ReadableTable, Table};

use super::storage_error::{damaged, tree_error};

/// Form of the file, 4 octets.
pub(super) const FORMAT: &str = "format";
/// Epoch of the cache validators, 4 octets (D76).
pub(super) const EPOCH: &str = "epoch";
/// Number of the last commit that changed tree or accounts, 8 octets.
pub(super) const VERSION: &str = "version";
/// How many instances were ever created, 8 octets.
pub(super) const BORN: &str = "born";
/// Octets of keys and values in the table of nodes, 8 octets; where it does not stand they are counted.
pub(super) const OCTETS: &str = "octets";
/// How many alerts were ever queued, 8 octets.
pub(super) const ALERTS: &str = "alerts";
/// How many Notifications were ever accepted, 8 octets.
pub(super) const NOTIFICATIONS: &str = "notifications";
/// Stands while no bootstrap was applied since the factory reset; no content.
pub(super) const RESET: &str = "reset";
/// Begins the names of the client's own facts.
pub(super) const CLIENT: &str = "client/";
/// Payload hash of the factory image that was applied, hexadecimal; a factory reset takes it away (D50).
pub(super) const FACTORY: &str = "client/factory-image";

/// The pushed document that waits for consent.
pub(super) const PUSHED: &str = "client/waiting-push";

/// A number of 4 octets; none where the fact does not stand.
pub(super) fn read_u32(
    facts: &impl ReadableTable<&'static [u8], &'static [u8]>,
    name: &str,
) -> Result<Option<u32>, TreeError> {
    let Some(octets) = read(facts, name)? else {
        return Ok(None);
    };
    octets
        .as_slice()
        .try_into()
        .map(|octets| Some(u32::from_be_bytes(octets)))
        .map_err(|_| damaged(name))
}

/// A number of 8 octets; 0 where the fact does not stand.
pub(super) fn read_u64(
    facts: &impl ReadableTable<&'static [u8], &'static [u8]>,
    name: &str,
) -> Result<u64, TreeError> {
    let Some(octets) = read(facts, name)? else {
        return Ok(0);
    };
    octets
        .as_slice()
        .try_into()
        .map(u64::from_be_bytes)
        .map_err(|_| damaged(name))
}

/// Its octets; none where the fact does not stand.
pub(super) fn read(
    facts: &impl ReadableTable<&'static [u8], &'static [u8]>,
    name: &str,
) -> Result<Option<Vec<u8>>, TreeError> {
    let stored = facts.get(name.as_bytes()).map_err(tree_error)?;
    Ok(stored.map(|octets| octets.value().to_vec()))
}

/// The facts whose names begin like this, in the order of their names.
pub(super) fn named(
    facts: &impl ReadableTable<&'static [u8], &'static [u8]>,
    prefix: &str,
) -> Result<Vec<Vec<u8>>, TreeError> {
    let mut found = Vec::new();
    for entry in facts.range(prefix.as_bytes()..).map_err(tree_error)? {
        let (name, octets) = entry.map_err(tree_error)?;
        if !name.value().starts_with(prefix.as_bytes()) {
            break;
        }
        found.push(octets.value().to_vec());
    }
    Ok(found)
}

/// Puts a fact, in place of the one of this name.
pub(super) fn write(
    facts: &mut Table<'_, &'static [u8], &'static [u8]>,
    name: &str,
    octets: &[u8],
) -> Result<(), TreeError> {
    facts.insert(name.as_bytes(), octets).map_err(tree_error)?;
    Ok(())
}

/// Takes a fact away; answers whether it stood.
pub(super) fn remove(
    facts: &mut Table<'_, &'static [u8], &'static [u8]>,
    name: &str,
) -> Result<bool, TreeError> {
    Ok(facts.remove(name.as_bytes()).map_err(tree_error)?.is_some())
}

/// The next number of a counter, from 1.
pub(super) fn count(
    facts: &mut Table<'_, &'static [u8], &'static [u8]>,
    name: &str,
) -> Result<u64, TreeError> {
    let next = read_u64(facts, name)?.saturating_add(1);
    write(facts, name, &next.to_be_bytes())?;
    Ok(next)
}
