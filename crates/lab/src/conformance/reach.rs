//! Items that have no check, each with the reason. None is left out in silence: a test holds this table and the checks together.

use super::item::Side;

/// Why an item has no check.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Beyond {
    /// Whose item.
    pub side: Side,
    /// The item.
    pub item: &'static str,
    /// Why, and where one looks instead.
    pub why: &'static str,
}

/// Every item without a check.
pub const BEYOND: &[Beyond] = &[
    client("B-02", CARD),
    client(
        "B-03",
        "a setting of the device; look into its manual, or set it and see with a card",
    ),
    client("B-04", CARD),
    client("B-05", CARD),
    client("B-06", CARD),
    client("B-07", FACTORY),
    client(
        "B-22",
        "the choice of a person or of the device's policy; a refusal cannot be told from a device that is off",
    ),
    client("DM-BOOT-002-C-O", CARD),
    client("DM-BOOT-003-C-O", FACTORY),
    server("B-10", PUSHES),
    server("B-11", PUSHES),
    server(
        "B-28",
        "how the operator learns of a device does not cross the protocol; look at its portal, import or API",
    ),
    server("DM-BOOT-001-S-M", PUSHES),
];

const CARD: &str = "device and card talk beside the network; try it with a card whose DM_Bootstrap file names this kit";
const FACTORY: &str = "the image lies in the device before there is a network; put one that names this kit into it and start it";
const PUSHES: &str = "the standard names no carrier of a push, so there is none that any server pushes over; let it push to a device of its own and see whether the channel is encrypted and authenticated";

/// Why this item of this end has no check; none where it has one.
#[must_use]
pub fn beyond(side: Side, item: &str) -> Option<&'static str> {
    let mut all = BEYOND.iter();
    all.find(|one| one.side == side && one.item == item)
        .map(|one| one.why)
}

const fn client(item: &'static str, why: &'static str) -> Beyond {
    Beyond {
        side: Side::Client,
        item,
        why,
    }
}

const fn server(item: &'static str, why: &'static str) -> Beyond {
    Beyond {
        side: Side::Server,
        item,
        why,
    }
}

#[cfg(test)]
mod tests {
    use super::super::{client, item, server};
    use super::*;

    #[test]
    fn each_item_of_an_end_has_a_check_or_a_reason_and_not_both() {
        for (side, checks) in [
            (Side::Client, client::checks()),
            (Side::Server, server::checks()),
        ] {
            for item in item::of_side(side) {
                let checked = checks.iter().any(|check| check.items.contains(&item.id));
                let reason = beyond(side, item.id);
                assert_ne!(checked, reason.is_some(), "{side:?} {}", item.id);
            }
        }
        for one in BEYOND {
            assert!(item::of_side(one.side).any(|item| item.id == one.item));
        }
    }
}
