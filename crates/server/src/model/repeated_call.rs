use omadm_bootstrap::Utc;
use omadm_dm1::trigger::UiMode;
use omadm_mo::DevId;

/// A device of DM 1.x that was called and is to be called again unless it comes, with the next proof of what it may have (`dm1x.md` §6.5/8).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RepeatedCall {
    /// The device.
    pub dev_id: DevId,
    /// When it is called again.
    pub due: Utc,
    /// How many calls left since it came last; where there are others by then, it is not called again.
    pub made: u32,
    /// Where the last one went.
    pub address: String,
    /// How much of the session the user is to see.
    pub ui_mode: UiMode,
    /// The correlation of whoever asked for the first.
    pub correlation: String,
}

/// What becomes of the call that a device waits for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CallChange {
    /// It stays as it is.
    Keep,
    /// This is it, in place of any other.
    Set(Box<RepeatedCall>),
    /// There is none.
    End,
}

impl RepeatedCall {
    /// So long after it was due it is given up, in milliseconds: no server can send it any more.
    pub const LASTS: i64 = 24 * 3_600_000;
}
