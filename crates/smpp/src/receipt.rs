//! Receipts: what became of a message (`push.md` §8, SMPP 3.4 appendix B).

use std::collections::{BTreeMap, VecDeque};

use rusmpp::tlvs::{Tlv, TlvValue};
use tokio::sync::oneshot;

/// Messages whose receipts are waited for; the oldest gives way.
const AWAITED: usize = 4096;

/// What finally became of a message at the SMSC.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum MessageFate {
    /// The device has it.
    Delivered,
    /// It was not delivered within its validity period.
    Expired,
    /// Somebody deleted it.
    Deleted,
    /// It cannot be delivered.
    Undeliverable,
    /// The SMSC rejected it.
    Rejected,
    /// The SMSC does not know.
    Unknown,
}

impl MessageFate {
    /// As a sentence goes on after "the message".
    #[must_use]
    pub const fn words(self) -> &'static str {
        match self {
            Self::Delivered => "was delivered",
            Self::Expired => "expired before the device took it",
            Self::Deleted => "was deleted at the SMSC",
            Self::Undeliverable => "cannot be delivered",
            Self::Rejected => "was rejected by the network",
            Self::Unknown => "has an unknown fate",
        }
    }

    /// Of message_state; none while it is on its way.
    const fn of_state(state: u8) -> Option<Self> {
        Some(match state {
            2 => Self::Delivered,
            3 => Self::Expired,
            4 => Self::Deleted,
            5 => Self::Undeliverable,
            7 => Self::Unknown,
            8 => Self::Rejected,
            _ => return None,
        })
    }

    fn of_text(stat: &str) -> Option<Self> {
        Some(match stat.to_ascii_uppercase().as_str() {
            "DELIVRD" => Self::Delivered,
            "EXPIRED" => Self::Expired,
            "DELETED" => Self::Deleted,
            "UNDELIV" => Self::Undeliverable,
            "UNKNOWN" => Self::Unknown,
            "REJECTD" => Self::Rejected,
            _ => return None,
        })
    }
}

/// What became of a message that nobody of this process waits for: another submitted it, or this one before it was started again.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LateReceipt {
    /// As [`Accepted::message_id`](crate::Accepted) was.
    pub message_id: String,
    /// What finally became of it.
    pub fate: MessageFate,
}

/// A receipt as it came.
#[derive(PartialEq, Eq, Debug)]
pub(crate) struct Receipt {
    /// As the SMSC wrote it.
    pub(crate) message_id: String,
    /// None while the message is on its way.
    pub(crate) fate: Option<MessageFate>,
}

impl Receipt {
    /// By its TLVs, and by its text where it has none.
    pub(crate) fn read(text: &[u8], tlvs: &[Tlv]) -> Option<Self> {
        let text = String::from_utf8_lossy(text);
        let mut message_id = None;
        let mut fate = None;
        for value in tlvs.iter().filter_map(Tlv::value) {
            match value {
                TlvValue::ReceiptedMessageId(id) => message_id = Some(id.as_str().to_owned()),
                TlvValue::MessageState(state) => {
                    fate = Some(MessageFate::of_state(u8::from(*state)));
                }
                _ => {}
            }
        }
        Some(Self {
            message_id: message_id.or_else(|| member(&text, "id:"))?,
            fate: fate.unwrap_or_else(|| MessageFate::of_text(&member(&text, "stat:")?)),
        })
    }
}

/// The word behind a name, which begins the text or follows a blank.
fn member(text: &str, name: &str) -> Option<String> {
    let words = text.split_ascii_whitespace();
    let found = words
        .filter_map(|word| word.split_at_checked(name.len()))
        .find(|(begins, _)| begins.eq_ignore_ascii_case(name))?;
    Some(found.1.to_owned()).filter(|value| !value.is_empty())
}

/// Who waits for a receipt of which message.
#[derive(Default)]
pub(crate) struct AwaitedReceipts {
    waiting: BTreeMap<String, oneshot::Sender<MessageFate>>,
    order: VecDeque<String>,
}

impl AwaitedReceipts {
    /// Waits for the receipt of a message.
    pub(crate) fn wait(&mut self, message_id: String) -> oneshot::Receiver<MessageFate> {
        let (sender, receiver) = oneshot::channel();
        while self.order.len() >= AWAITED {
            if let Some(oldest) = self.order.pop_front() {
                self.waiting.remove(&oldest);
            }
        }
        self.order.push_back(message_id.clone());
        self.waiting.insert(message_id, sender);
        receiver
    }

    /// Tells who waits; false where nobody does.
    pub(crate) fn tell(&mut self, message_id: &str, fate: MessageFate) -> bool {
        let Some(waiting) = self.waiting.remove(message_id) else {
            return false;
        };
        self.order.retain(|id| id != message_id);
        waiting.send(fate).is_ok()
    }
}

#[cfg(test)]
mod tests {
    use super::{AWAITED, AwaitedReceipts, MessageFate, Receipt};

    #[test]
    fn a_receipt_is_read_from_its_text() {
        let text = "id:0A1b sub:001 dlvrd:001 submit date:2601020304 done date:2601020304 stat:DELIVRD err:000 text:";
        let receipt = Receipt::read(text.as_bytes(), &[]).unwrap();
        assert_eq!(receipt.message_id, "0A1b");
        assert_eq!(receipt.fate, Some(MessageFate::Delivered));
        let underway = Receipt::read(b"ID:7 STAT:ENROUTE", &[]).unwrap();
        assert_eq!((underway.message_id.as_str(), underway.fate), ("7", None));
        assert_eq!(Receipt::read(b"stat:DELIVRD", &[]), None);
        assert_eq!(Receipt::read(b"id: stat:DELIVRD", &[]), None);
    }

    #[test]
    fn the_oldest_of_too_many_awaited_receipts_gives_way() {
        let mut awaited = AwaitedReceipts::default();
        let mut receivers: Vec<_> = (0..=AWAITED)
            .map(|id| awaited.wait(id.to_string()))
            .collect();
        assert!(!awaited.tell("0", MessageFate::Delivered));
        assert!(awaited.tell("1", MessageFate::Expired));
        assert_eq!(receivers[1].try_recv(), Ok(MessageFate::Expired));
        assert!(receivers[0].try_recv().is_err());
    }
}
