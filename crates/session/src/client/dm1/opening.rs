use std::collections::BTreeSet;

use omadm_dm1::markup::MarkupLimits;
use omadm_dm1::syncml::{Alert, Encoding};
use omadm_mo::standard::{DevDetail, DevInfo1};
use omadm_mo::{Moid, SrvId};

/// What a session of DM 1.x begins with.
#[derive(Clone, Debug)]
pub struct Dm1Opening {
    /// The server; its account, credentials and nonces are read from the tree.
    pub server: SrvId,
    /// Why the session is opened.
    pub reason: Dm1Reason,
    /// Which credentials it is tried with.
    pub set: Dm1Set,
    /// How its messages are serialized, unless the account remembers better; one HTTP 415 changes it to the other, which is remembered (`dm1x.md` M09).
    pub encoding: Encoding,
    /// `./DevInfo`; its leaves stand in every first message (§1.5).
    pub dev_info: DevInfo1,
    /// `./DevDetail`.
    pub dev_detail: DevDetail,
    /// Generic alerts that wait for it (§1.4). What became of each tells [`super::Dm1SessionEvent::AlertAnswered`].
    pub alerts: Vec<Alert>,
    /// Type of the alert that reports a bootstrap; none for the default one (§6.2).
    pub event_type: Option<String>,
    /// Whether somebody can be asked; without that a user alert is 406 (§1.3).
    pub user: bool,
    /// MOIDs whose values live outside the store.
    pub live: BTreeSet<Moid>,
    /// What is taken from the server.
    pub limits: Dm1Limits,
    /// Random octets of which nonces and the SessionID are made; of this session alone.
    pub entropy: [u8; 32],
}

/// Why a session is opened, beside an event that is owed: that one is reported in any.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Dm1Reason {
    /// The client has something to say, or somebody asked it to: Alert 1201.
    #[default]
    Client,
    /// A Package 0 was accepted; the session has its number: Alert 1200 (§7).
    Triggered {
        /// The number, 1 to 65535.
        session: u16,
    },
}

/// Which credentials a session is tried with.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Dm1Set {
    /// The account's.
    #[default]
    Current,
    /// Those that the account had before its last bootstrap; success restores them (M25).
    Former,
}

/// What is taken from a server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Dm1Limits {
    /// Of the documents themselves.
    pub markup: MarkupLimits,
    /// Octets of one message, announced as `MaxMsgSize` (§1.6).
    pub max_msg_size: usize,
    /// Octets of one object, announced as `MaxObjSize` (§1.6).
    pub max_obj_size: usize,
    /// Messages of ours in one session; a server that never comes to an end is left after them. Local limit.
    pub messages: u32,
}

impl Default for Dm1Limits {
    fn default() -> Self {
        Self {
            markup: MarkupLimits::MESSAGE,
            max_msg_size: 65_536,
            max_obj_size: 1 << 20,
            messages: 1000,
        }
    }
}
