use omadm_bootstrap::Utc;
use omadm_mo::DevId;

use super::RecordId;

/// An SMS of a Notification or of a pushed bootstrap of which the SMSC has to tell what became of it. Whichever node, before or after a restart, hears the
/// receipt finds what it is of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AwaitedReceipt {
    /// The device.
    pub dev_id: DevId,
    /// The SMSC's name for the SMS, as receipts write it.
    pub message_id: String,
    /// The message, which may have gone in several SMS: the Notification's id, of a bootstrap a number of its own.
    pub notification_id: u16,
    /// The bootstrap that it is a push of; none for a Notification.
    pub bootstrap: Option<RecordId>,
    /// Where to.
    pub address: String,
    /// Of the events about it.
    pub correlation: String,
    /// When the SMSC took it.
    pub at: Utc,
}

/// A change of a device's awaited receipts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ReceiptChange {
    /// One is awaited. Those of the device that nobody will tell of any more go.
    Await(AwaitedReceipt),
    /// This SMS arrived; others of its Notification are awaited yet.
    Arrived(String),
    /// What became of this Notification is known.
    Settled(u16),
}

impl AwaitedReceipt {
    /// So long after an SMS a receipt may come, in milliseconds: an SMSC gives one up after a few days.
    pub const LASTS: i64 = 7 * 86_400_000;
}
