//! The one list of items: obligations of the bootstrap chapter (B), its static conformance items (DM-BOOT), those drawn from the
//! protocol's own sentences (X), and those of DM 1.x (DM-HLR, B1).

/// One item.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Item {
    /// Its id.
    pub id: &'static str,
    /// Whom it binds.
    pub who: &'static str,
    /// How strongly.
    pub level: &'static str,
    /// What it asks.
    pub says: &'static str,
}

/// Obligations of the bootstrap chapter.
pub const BOOTSTRAP: &[Item] = &[
    item(
        "B-01",
        "client",
        "MUST",
        "Support at least one of the four bootstrap methods.",
    ),
    item(
        "B-02",
        "client with a card",
        "MUST",
        "Find, fetch and process a bootstrap on the card.",
    ),
    item(
        "B-03",
        "device",
        "MAY",
        "Let a setting turn card bootstrap off.",
    ),
    item(
        "B-04",
        "client",
        "MUST",
        "At switch-on read the card's bootstrap and apply it, unless policy or card lock forbids.",
    ),
    item(
        "B-05",
        "client",
        "MUST",
        "At switch-on see whether each server that came from the card is still on it.",
    ),
    item(
        "B-06",
        "client",
        "MUST",
        "Drop from the tree what belongs to servers that are gone from the card.",
    ),
    item("B-07", "client", "SHOULD", "Support factory bootstrap."),
    item(
        "B-08",
        "client",
        "SHOULD",
        "Support fetching the bootstrap from a known URL.",
    ),
    item(
        "B-09",
        "client",
        "SHOULD",
        "Support bootstrap pushed by a server.",
    ),
    item("B-10", "server", "MUST", "Support pushing a bootstrap."),
    item("B-11", "server", "MUST", "Push over a secure channel only."),
    item(
        "B-12",
        "client",
        "SHOULD",
        "Take pushes from trusted servers only.",
    ),
    item(
        "B-13",
        "client",
        "MUST",
        "Add or replace what is delivered as an HGET without ClientURI does.",
    ),
    item(
        "B-14",
        "both",
        "MUST",
        "Write a bootstrap in the MO serialization used everywhere else.",
    ),
    item(
        "B-15",
        "client",
        "MUST",
        "Open a session with the new server after installation and report BootstrapComplete.",
    ),
    item(
        "B-16",
        "both",
        "MUST",
        "Authenticate each other while bootstrapping.",
    ),
    item(
        "B-17",
        "client",
        "MUST",
        "Let nobody but the bootstrap server change `Auth/Bootstrap`.",
    ),
    item(
        "B-18",
        "client",
        "MUST",
        "Authenticate and authorise the bootstrap server by `Auth/Bootstrap` where there is one.",
    ),
    item(
        "B-19",
        "server",
        "SHOULD",
        "Authenticate the device by its `Auth/Bootstrap` where there is one.",
    ),
    item("B-20", "client", "MUST", "Show nobody the Perm list."),
    item(
        "B-21",
        "client",
        "MUST",
        "Keep a server from objects whose MOID its Perm list lacks.",
    ),
    item(
        "B-22",
        "actor",
        "MAY",
        "Refuse a bootstrap for what its Perm list asks.",
    ),
    item(
        "B-23",
        "client",
        "MUST",
        "Keep each SrvID once among the accounts.",
    ),
    item(
        "B-24",
        "client",
        "MUST",
        "Use `Auth/Trsp`, where there is one, for the transport of sessions.",
    ),
    item(
        "B-25",
        "client",
        "may be",
        "Be bootstrapped again: for a further server, or to renew an account.",
    ),
    item(
        "B-26",
        "both",
        "MAY",
        "Carry any object in a bootstrap beside the account.",
    ),
    item(
        "B-27",
        "client",
        "–",
        "The URL of the client-initiated method is a ServerURI.",
    ),
    item(
        "B-28",
        "server",
        "can",
        "Learn of a device from point of sale, self-service, network or voice system.",
    ),
    item(
        "B-29",
        "client",
        "SHALL",
        "Report that a bootstrap happened.",
    ),
    item(
        "B-30",
        "both",
        "SHALL",
        "Acknowledge a successful bootstrap, after it is durable.",
    ),
    item(
        "B-31",
        "both",
        "SHALL",
        "Make the bootstrap type readable on the device.",
    ),
    item(
        "B-32",
        "server",
        "flow",
        "Tell first from repeated bootstraps and use the secrets that fit.",
    ),
    item(
        "B-33",
        "client",
        "SHOULD, MUST",
        "Open the reporting session at the next occasion.",
    ),
];

/// Static conformance items of the change request.
pub const STATIC: &[Item] = &[
    item(
        "DM-BOOT-001-C-M",
        "client",
        "mandatory",
        "At least one bootstrap mechanism.",
    ),
    item(
        "DM-BOOT-002-C-O",
        "client",
        "optional",
        "Bootstrap from a card.",
    ),
    item(
        "DM-BOOT-003-C-O",
        "client",
        "optional",
        "Factory bootstrap.",
    ),
    item(
        "DM-BOOT-004-C-O",
        "client",
        "optional",
        "Client-initiated bootstrap.",
    ),
    item(
        "DM-BOOT-005-C-O",
        "client",
        "optional",
        "Server-initiated bootstrap.",
    ),
    item(
        "DM-BOOT-001-S-M",
        "server",
        "mandatory",
        "Server-initiated bootstrap.",
    ),
];

/// Items drawn from the protocol's MUST and SHOULD sentences; one row for both ends.
pub const PROTOCOL: &[Item] = &[
    item(
        "X-FLOW-001",
        "both",
        "C-M; S-M",
        "Flow of Packages #1, #2 and #3.",
    ),
    item(
        "X-NOTI-001",
        "both",
        "C-O, M with a transport; S-M",
        "Binary form of Package#0.",
    ),
    item(
        "X-NOTI-002",
        "both",
        "C-M; S-M",
        "Notification options SERVER-ID, PREFERRED-CON-TYPE, REQ-MOS.",
    ),
    item(
        "X-NOTI-003",
        "both",
        "C-O; S-M",
        "Notification options NOTIFICATION-ID, SHA256-DIGEST, TIMESTAMP.",
    ),
    item(
        "X-CMD-001",
        "both",
        "C-M; S-M",
        "HGET, HPUT, HPOST, DELETE, EXEC, CONT, END.",
    ),
    item("X-CMD-002", "both", "C-O; S-M", "GET, SHOW, DEFAULT."),
    item("X-CMD-003", "both", "C-O; S-O", "SUB; UNSUB with it."),
    item(
        "X-ALRT-001",
        "both",
        "C-M; S-M",
        "Generic alerts and those that say why a session was opened.",
    ),
    item(
        "X-ASYN-001",
        "both",
        "C-M; S-M",
        "Results reported at once or later.",
    ),
    item(
        "X-JSON-001",
        "both",
        "C-M; S-M",
        "The JSON forms of the packages.",
    ),
    item(
        "X-NEGO-001",
        "both",
        "C-O; S-M",
        "Negotiation by Accept, 406, 415 and OMADM-Accept.",
    ),
    item("X-URI-001", "both", "C-M; S-M", "ClientURI."),
    item(
        "X-URI-002",
        "both",
        "C-O; S-M",
        "Queries, x-names and wildcards in ClientURIs.",
    ),
    item("X-URI-003", "both", "C-M; S-M", "ServerURI."),
    item("X-MO-001", "both", "C-M; S-M", "DevInfo and DM Account."),
    item(
        "X-DAC-001",
        "both",
        "C-O; S-M",
        "Delegated access control and its object.",
    ),
    item("X-CACHE-001", "both", "C-O; S-O", "Caching of objects."),
    item(
        "X-SEC-001",
        "both",
        "C-M; S-M",
        "HTTPS and Basic; Digest on the server.",
    ),
    item(
        "X-SEC-002",
        "both",
        "C-M one of; S-M both",
        "X.509 and PSK.",
    ),
    item(
        "X-BOOT-006",
        "client",
        "C-M",
        "BootstrapComplete after every successful bootstrap.",
    ),
];

/// Bootstrap of DM 1.x (`dm1x.md` §8; ids of our own) and the three requirements on its event (§6.1). The kit does not drive DM 1.x.
pub const DM1X: &[Item] = &[
    item("DM-HLR-1", "both", "1.3", "Report the bootstrap event."),
    item(
        "DM-HLR-2",
        "both",
        "1.3",
        "Acknowledge that the bootstrap succeeded.",
    ),
    item(
        "DM-HLR-3",
        "both",
        "1.3",
        "Learn from the device how it was bootstrapped.",
    ),
    item(
        "B1-C-01",
        "client",
        "M with CP",
        "Make an account of a w7 characteristic.",
    ),
    item(
        "B1-C-02",
        "client",
        "M",
        "Check the MAC by network id and by PIN; by both is optional.",
    ),
    item(
        "B1-C-03",
        "client",
        "M with DM profile",
        "Take a DM message in WBXML with TNDS for the Inbox.",
    ),
    item("B1-C-04", "client", "M", "Answer no bootstrap."),
    item(
        "B1-C-05",
        "client",
        "S",
        "Open a session after a bootstrap.",
    ),
    item(
        "B1-C-06",
        "client with a card",
        "M",
        "Find, read and process what a card holds.",
    ),
    item(
        "B1-C-07",
        "client with a card",
        "S",
        "Remove accounts that are no longer on the card.",
    ),
    item(
        "B1-C-08",
        "client",
        "M with CP",
        "Give the provisioning server Get, Replace and Delete.",
    ),
    item(
        "B1-C-09",
        "client",
        "1.3",
        "Send the event until it is acknowledged.",
    ),
    item(
        "B1-C-10",
        "client",
        "1.3",
        "Show the type of the bootstrap on the tree.",
    ),
    item(
        "B1-S-01",
        "server",
        "M",
        "Build messages of both profiles with their MAC.",
    ),
    item("B1-S-02", "server", "M", "Await no status of a bootstrap."),
    item(
        "B1-S-03",
        "server",
        "1.3",
        "Take and acknowledge the event; 415 where it is none.",
    ),
    item(
        "B1-S-04",
        "server",
        "1.3",
        "Get over a bootstrap that brought former secrets back.",
    ),
];

/// Every item.
pub fn all() -> impl Iterator<Item = &'static Item> {
    of_dm2().chain(DM1X)
}

fn of_dm2() -> impl Iterator<Item = &'static Item> {
    BOOTSTRAP.iter().chain(STATIC).chain(PROTOCOL)
}

/// An end that items bind and the kit drives.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// The DM Client.
    Client,
    /// The DM Server.
    Server,
}

impl Side {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Client => "client",
            Self::Server => "server",
        }
    }

    /// Whether the item binds this end.
    #[must_use]
    pub fn is_bound_by(self, item: &Item) -> bool {
        match item.who {
            "both" => true,
            "server" => self == Self::Server,
            _ => self == Self::Client,
        }
    }
}

/// The items of DM 2.0 that bind this end.
pub fn of_side(side: Side) -> impl Iterator<Item = &'static Item> {
    of_dm2().filter(move |item| side.is_bound_by(item))
}

/// The item of this id.
#[must_use]
pub fn find(id: &str) -> Option<&'static Item> {
    all().find(|item| item.id == id)
}

const fn item(
    id: &'static str,
    who: &'static str,
    level: &'static str,
    says: &'static str,
) -> Item {
    Item {
        id,
        who,
        level,
        says,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_item_is_listed_once() {
        assert_eq!((BOOTSTRAP.len(), STATIC.len(), PROTOCOL.len()), (33, 6, 20));
        assert_eq!(DM1X.len(), 17);
        let mut ids: Vec<_> = all().map(|item| item.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), 59 + 17);
    }

    #[test]
    fn an_item_binds_one_end_or_both() {
        let bound = |id| {
            let item = find(id).unwrap();
            [Side::Client, Side::Server].map(|side| side.is_bound_by(item))
        };
        assert_eq!(bound("B-02"), [true, false]);
        assert_eq!(bound("B-10"), [false, true]);
        assert_eq!(bound("X-FLOW-001"), [true, true]);
    }
}
