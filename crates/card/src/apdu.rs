//! Command and response APDUs of ISO 7816-4, short form.

use zeroize::Zeroizing;

pub(crate) const SELECT: u8 = 0xA4;
pub(crate) const READ_BINARY: u8 = 0xB0;
pub(crate) const READ_RECORD: u8 = 0xB2;
pub(crate) const UPDATE_BINARY: u8 = 0xD6;
pub(crate) const UPDATE_RECORD: u8 = 0xDC;
pub(crate) const GET_RESPONSE: u8 = 0xC0;
pub(crate) const VERIFY: u8 = 0x20;
pub(crate) const MANAGE_CHANNEL: u8 = 0x70;

/// A command without its class, which belongs to the channel. Wiped on drop, since VERIFY and UPDATE carry secrets.
pub(crate) struct Command {
    ins: u8,
    p1: u8,
    p2: u8,
    data: Zeroizing<Vec<u8>>,
    /// Octets wanted; 0 is 256.
    le: Option<u8>,
}

impl Command {
    pub(crate) fn new(ins: u8, p1: u8, p2: u8) -> Self {
        Self {
            ins,
            p1,
            p2,
            data: Zeroizing::new(Vec::new()),
            le: None,
        }
    }

    /// With data, at most 255 octets.
    pub(crate) fn data(mut self, data: &[u8]) -> Self {
        self.data = Zeroizing::new(data.get(..data.len().min(255)).unwrap_or(&[]).to_vec());
        self
    }

    /// With a number of octets wanted; 0 means 256.
    pub(crate) const fn expect(mut self, le: u8) -> Self {
        self.le = Some(le);
        self
    }

    /// The same command with another number of octets wanted.
    pub(crate) fn corrected(&self, le: u8) -> Self {
        Self {
            data: self.data.clone(),
            le: Some(le),
            ..*self
        }
    }

    /// The octets to send in this class.
    pub(crate) fn octets(&self, class: u8) -> Zeroizing<Vec<u8>> {
        let mut octets = Zeroizing::new(Vec::with_capacity(6 + self.data.len()));
        octets.extend_from_slice(&[class, self.ins, self.p1, self.p2]);
        if !self.data.is_empty() {
            octets.push(self.data.len() as u8);
            octets.extend_from_slice(&self.data);
        }
        octets.extend(self.le);
        octets
    }
}

/// A whole response: what GET RESPONSE fetched included. Wiped on drop.
pub(crate) struct Answer {
    pub(crate) data: Zeroizing<Vec<u8>>,
    pub(crate) status: u16,
}

impl Answer {
    /// Parts a response; none where it lacks a status word.
    pub(crate) fn read(octets: Vec<u8>) -> Option<Self> {
        let mut data = Zeroizing::new(octets);
        let at = data.len().checked_sub(2)?;
        let &[high, low] = data.get(at..)? else {
            return None;
        };
        data.truncate(at);
        Some(Self {
            data,
            status: u16::from_be_bytes([high, low]),
        })
    }

    pub(crate) const fn is_ok(&self) -> bool {
        self.status == 0x9000
    }
}

/// What a status word means to a reader of files (§7), whichever class it is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Meaning {
    /// Done; 62xx warnings that do not concern the file's state count as done.
    Done,
    /// The end of the file came before all that was wanted.
    EndReached,
    /// No such file or application.
    NotFound,
    /// No such record, or an offset behind the end.
    OutOfRange,
    /// A PIN, or another condition, is missing.
    PinNeeded,
    /// The PIN is blocked.
    PinBlocked,
    /// The file is deactivated.
    Invalidated,
    /// Nothing is selected.
    NothingSelected,
    /// The file is of another structure.
    WrongStructure,
    /// Wrong parameters, or a function that the card does not have.
    NotSupported,
    /// A Java Card applet refused to be selected.
    SelectRefused,
    /// Logical channels are not supported.
    NoChannel,
    /// The class or instruction is unknown.
    WrongClass,
    /// Busy, or a fault of the card: to be tried again.
    Fault,
    /// Anything else.
    Unknown,
}

/// What this status word means.
pub(crate) const fn meaning(status: u16) -> Meaning {
    match status {
        0x9000 | 0x9100..=0x91FF | 0x6200 => Meaning::Done,
        0x6282 => Meaning::EndReached,
        0x6A82 | 0x9404 => Meaning::NotFound,
        0x6A83 | 0x9402 | 0x6B00 => Meaning::OutOfRange,
        0x6982 | 0x6985 | 0x9804 | 0x9802 | 0x9808 => Meaning::PinNeeded,
        0x6983 | 0x6984 | 0x9840 => Meaning::PinBlocked,
        0x6283 | 0x9810 => Meaning::Invalidated,
        0x6986 | 0x9400 => Meaning::NothingSelected,
        0x6981 | 0x9408 => Meaning::WrongStructure,
        0x6A86 | 0x6A80 | 0x6A87 => Meaning::NotSupported,
        0x6999 => Meaning::SelectRefused,
        0x6881 | 0x6A81 => Meaning::NoChannel,
        0x6D00 | 0x6E00 => Meaning::WrongClass,
        0x9300 | 0x6F00 | 0x6581 | 0x9240 => Meaning::Fault,
        _ => Meaning::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_four_cases_of_a_command() {
        let select = || Command::new(SELECT, 8, 4);
        assert_eq!(select().octets(1)[..], [1, 0xA4, 8, 4]);
        assert_eq!(select().expect(0).octets(0)[..], [0, 0xA4, 8, 4, 0]);
        assert_eq!(
            select().data(&[0x3F, 0]).octets(0xA0)[..],
            [0xA0, 0xA4, 8, 4, 2, 0x3F, 0]
        );
        assert_eq!(
            select().data(&[7]).expect(0).octets(0)[..],
            [0, 0xA4, 8, 4, 1, 7, 0]
        );
    }

    #[test]
    fn a_response_shorter_than_its_status_word_is_none() {
        assert!(Answer::read(vec![0x90]).is_none());
        let answer = Answer::read(vec![1, 0x90, 0]).expect("a response");
        assert!(answer.is_ok() && answer.data[..] == [1]);
    }
}
