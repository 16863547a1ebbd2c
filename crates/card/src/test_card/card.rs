use std::collections::BTreeMap;
use std::time::Duration;

use zeroize::Zeroizing;

use super::description::{
    CardAccess, CardDescription, CardDescriptionError, CardProfile, SecretCode,
};
use super::file_tree::{FilePath, FileTree, Stored};
use crate::path::{CURRENT_APPLICATION, MF};
use crate::transport::{CardTransport, TransportError};
use crate::{apdu, hexadecimal};

const PIN_REFERENCE: u8 = 0x01;
const ADM_REFERENCE: u8 = 0x0A;
/// Channels that a card has besides the basic one.
const MOST_CHANNELS: u8 = 3;

/// A card in this process: a tree of files that answers APDUs as a UICC, a 2G SIM or a plain ISO card does. No card operating system: nothing is created
/// or deleted.
pub struct TestCard {
    description: CardDescription,
    atr: Vec<u8>,
    pub(super) tree: FileTree,
    pub(super) codes: [Option<Code>; 2],
    pub(super) channels: BTreeMap<u8, Channel>,
    log: Vec<Zeroizing<Vec<u8>>>,
}

/// A PIN or key of the card.
pub(super) struct Code {
    pub(super) reference: u8,
    pub(super) block: Zeroizing<[u8; 8]>,
    pub(super) tries: u8,
    pub(super) most: u8,
    pub(super) verified: bool,
}

/// What is selected on a channel.
#[derive(Clone)]
pub(super) struct Channel {
    pub(super) directory: FilePath,
    pub(super) file: Option<FilePath>,
    pub(super) application: Option<FilePath>,
    /// What GET RESPONSE gives.
    pub(super) pending: Vec<u8>,
}

/// A command, parted.
pub(super) struct Received<'a> {
    pub(super) ins: u8,
    pub(super) p1: u8,
    pub(super) p2: u8,
    pub(super) data: &'a [u8],
    /// Octets wanted, 256 for 00; none where none are.
    pub(super) le: Option<usize>,
}

/// Response data and status word.
pub(super) type Response = (Vec<u8>, u16);

impl TestCard {
    /// The card of a description, powered on.
    ///
    /// # Errors
    /// What no card can have.
    pub fn new(description: CardDescription) -> Result<Self, CardDescriptionError> {
        let tree = FileTree::new(&description)?;
        let atr = description.atr();
        let aids = description
            .applications
            .iter()
            .map(|application| application.aid.0.len());
        if !(2..=33).contains(&atr.len())
            || !aids.into_iter().all(|length| (5..=16).contains(&length))
        {
            return Err(CardDescriptionError::Length);
        }
        let pin = description
            .pin
            .as_ref()
            .map(|pin| Code::new(pin, PIN_REFERENCE, pin_block));
        let adm = description
            .adm
            .as_ref()
            .map(|adm| Code::new(adm, ADM_REFERENCE, key_block));
        let codes = [pin.transpose()?, adm.transpose()?];
        let mut card = Self {
            description,
            atr,
            tree,
            codes,
            channels: BTreeMap::new(),
            log: Vec::new(),
        };
        card.power_on();
        Ok(card)
    }

    /// Powers on or resets: the MF is selected on the basic channel, other channels are closed, no PIN is verified.
    pub fn power_on(&mut self) {
        self.channels = BTreeMap::from([(0, Channel::fresh())]);
        for code in self.codes.iter_mut().flatten() {
            code.verified = false;
        }
    }

    /// Answers a command APDU: data, then the two octets of the status word.
    #[must_use]
    pub fn execute(&mut self, command: &[u8]) -> Vec<u8> {
        self.log.push(Zeroizing::new(command.to_vec()));
        let (mut data, status) = self.answer(command);
        data.extend_from_slice(&status.to_be_bytes());
        data
    }

    /// Every command since it was made.
    pub fn log(&self) -> impl Iterator<Item = &[u8]> {
        self.log.iter().map(|command| command.as_slice())
    }

    /// The card as it is now: contents and tries left.
    #[must_use]
    pub fn description(&self) -> CardDescription {
        let mut description = self.description.clone();
        self.tree.write_back(&mut description);
        let codes = [&mut description.pin, &mut description.adm];
        for (written, code) in codes.into_iter().zip(&self.codes) {
            if let (Some(written), Some(code)) = (written, code) {
                written.tries = code.tries;
            }
        }
        description
    }

    fn answer(&mut self, command: &[u8]) -> Response {
        let Some((received, class)) = parted(command) else {
            return (Vec::new(), 0x6700);
        };
        let Some(number) = self.channel(class) else {
            let known = class & 0xF0 != 0 || self.description.profile == CardProfile::Sim2g;
            return (Vec::new(), if known { 0x6E00 } else { 0x6881 });
        };
        if received.ins == apdu::GET_RESPONSE {
            return self.get_response(number, &received);
        }
        if let Some(channel) = self.channels.get_mut(&number) {
            channel.pending.clear();
        }
        let (data, status) = match received.ins {
            apdu::SELECT => self.select(number, &received),
            apdu::READ_BINARY => self.read_binary(number, &received),
            apdu::READ_RECORD => self.read_record(number, &received),
            apdu::UPDATE_BINARY => self.update_binary(number, &received),
            apdu::UPDATE_RECORD => self.update_record(number, &received),
            apdu::VERIFY => self.verify(&received),
            apdu::MANAGE_CHANNEL => self.manage_channel(number, &received),
            _ => (Vec::new(), 0x6D00),
        };
        self.deliver(number, &received, data, status)
    }

    /// The channel of a class; none where the card does not know the class.
    fn channel(&self, class: u8) -> Option<u8> {
        let number = match (self.description.profile, class) {
            (CardProfile::Sim2g, 0xA0) => 0,
            (CardProfile::Uicc | CardProfile::Iso, 0..=3) => class,
            _ => return None,
        };
        self.channels.contains_key(&number).then_some(number)
    }

    /// T=0 announces what answers a command with data, and corrects wrong lengths; a plain card gives what there is.
    fn deliver(
        &mut self,
        number: u8,
        received: &Received<'_>,
        data: Vec<u8>,
        status: u16,
    ) -> Response {
        if data.is_empty() {
            return (data, status);
        }
        let announced = self.description.profile != CardProfile::Iso;
        if announced && !received.data.is_empty() {
            let length = u16::try_from(data.len()).unwrap_or(0) & 0xFF;
            let first = if self.description.profile == CardProfile::Sim2g {
                0x9F00
            } else {
                0x6100
            };
            if let Some(channel) = self.channels.get_mut(&number) {
                channel.pending = data;
            }
            // 6283 tells of the file's state; there is nothing to fetch then.
            return (
                Vec::new(),
                if status == 0x9000 {
                    first | length
                } else {
                    status
                },
            );
        }
        let Some(wanted) = received.le else {
            return (Vec::new(), status);
        };
        let corrected = wanted != data.len()
            && (self.quirks().exact_length || (announced && wanted > data.len()));
        if corrected && !(announced && wanted == 256 && data.len() == 256) {
            return (
                Vec::new(),
                0x6C00 | (u16::try_from(data.len()).unwrap_or(0) & 0xFF),
            );
        }
        let mut data = data;
        let short = wanted > data.len() && wanted != 256;
        data.truncate(wanted);
        (
            data,
            if short && status == 0x9000 {
                0x6282
            } else {
                status
            },
        )
    }

    fn get_response(&mut self, number: u8, received: &Received<'_>) -> Response {
        let Some(channel) = self.channels.get_mut(&number) else {
            return (Vec::new(), 0x6881);
        };
        let wanted = received.le.unwrap_or(256);
        let there = channel.pending.len();
        if there == 0 {
            return (Vec::new(), 0x6985);
        }
        if wanted > there && wanted != 256 {
            return (
                Vec::new(),
                0x6C00 | (u16::try_from(there).unwrap_or(0) & 0xFF),
            );
        }
        let rest = channel.pending.split_off(wanted.min(there));
        let data = std::mem::replace(&mut channel.pending, rest);
        let left = u16::try_from(channel.pending.len()).unwrap_or(0).min(0xFF);
        (data, if left > 0 { 0x6100 | left } else { 0x9000 })
    }

    fn verify(&mut self, received: &Received<'_>) -> Response {
        let sim = self.description.profile == CardProfile::Sim2g;
        let code = self
            .codes
            .iter_mut()
            .flatten()
            .find(|code| code.reference == received.p2);
        let Some(code) = code else {
            return (Vec::new(), if sim { 0x9802 } else { 0x6A88 });
        };
        if code.tries == 0 {
            return (Vec::new(), if sim { 0x9840 } else { 0x6983 });
        }
        if received.data.is_empty() {
            let left = 0x63C0 | u16::from(code.tries);
            return (Vec::new(), if code.verified { 0x9000 } else { left });
        }
        if received.data == &code.block[..] {
            (code.tries, code.verified) = (code.most, true);
            return (Vec::new(), 0x9000);
        }
        (code.tries, code.verified) = (code.tries - 1, false);
        let left = match (sim, code.tries) {
            (true, 0) => 0x9840,
            (true, _) => 0x9804,
            (false, tries) => 0x63C0 | u16::from(tries),
        };
        (Vec::new(), left)
    }

    fn manage_channel(&mut self, number: u8, received: &Received<'_>) -> Response {
        if self.quirks().no_channels || self.description.profile != CardProfile::Uicc {
            return (Vec::new(), 0x6D00);
        }
        match (received.p1, received.p2) {
            (0x00, 0x00) => {
                let free = (1..=MOST_CHANNELS).find(|free| !self.channels.contains_key(free));
                let Some(free) = free else {
                    return (Vec::new(), 0x6A81);
                };
                self.channels.insert(free, Channel::fresh());
                (vec![free], 0x9000)
            }
            (0x80, closed @ 1..=MOST_CHANNELS) if number == 0 || number == closed => {
                let there = self.channels.remove(&closed).is_some();
                (Vec::new(), if there { 0x9000 } else { 0x6881 })
            }
            _ => (Vec::new(), 0x6A86),
        }
    }

    pub(super) const fn quirks(&self) -> &super::description::CardQuirks {
        &self.description.quirks
    }

    pub(super) const fn profile(&self) -> CardProfile {
        self.description.profile
    }

    /// The path of the application with an AID that begins so, and its whole AID.
    pub(super) fn application(&self, aid: &[u8]) -> Option<(FilePath, Vec<u8>)> {
        let applications = &self.description.applications;
        let found = applications
            .iter()
            .find(|application| application.aid.0.starts_with(aid));
        found.map(|found| (found.path.files().to_vec(), found.aid.0.clone()))
    }

    /// Whether whoever holds the channel meets a condition.
    pub(super) fn allows(&self, access: CardAccess) -> bool {
        let verified = |at: usize| {
            self.codes
                .get(at)
                .and_then(Option::as_ref)
                .is_some_and(|code| code.verified)
        };
        match access {
            CardAccess::Always => true,
            CardAccess::Pin => verified(0),
            CardAccess::Issuer => verified(1),
            CardAccess::Never => false,
        }
    }

    /// The path that SELECT names.
    pub(super) fn resolve(&self, channel: &Channel, p1: u8, data: &[u8]) -> Result<FilePath, u16> {
        let ids = data.chunks_exact(2);
        if !ids.remainder().is_empty() || data.is_empty() {
            return Err(0x6700);
        }
        let ids: FilePath = ids
            .map(|id| {
                u16::from_be_bytes([
                    id.first().copied().unwrap_or(0),
                    id.last().copied().unwrap_or(0),
                ])
            })
            .collect();
        match p1 {
            0x00 => self.by_id(channel, ids.first().copied().unwrap_or(0)),
            0x08 | 0x09 if self.quirks().no_path => Err(0x6A86),
            0x08 => match ids.as_slice() {
                [CURRENT_APPLICATION, rest @ ..] if self.profile() == CardProfile::Uicc => {
                    let application = channel.application.as_ref().ok_or(0x6A82_u16)?;
                    Ok([application.as_slice(), rest].concat())
                }
                rest => Ok([&[MF], rest].concat()),
            },
            0x09 => Ok([channel.directory.as_slice(), &ids].concat()),
            _ => Err(0x6A86),
        }
    }

    /// By identifier: the MF, the application, a child, a sibling directory, the parent.
    fn by_id(&self, channel: &Channel, id: u16) -> Result<FilePath, u16> {
        if id == MF {
            return Ok(vec![MF]);
        }
        if id == CURRENT_APPLICATION {
            return channel.application.clone().ok_or(0x6A82);
        }
        let here = channel.directory.as_slice();
        let parent = here.get(..here.len().saturating_sub(1)).unwrap_or(&[]);
        let child = [here, &[id]].concat();
        let sibling = [parent, &[id]].concat();
        if self.tree.get(&child).is_some() {
            Ok(child)
        } else if matches!(self.tree.get(&sibling), Some(Stored::Directory)) {
            Ok(sibling)
        } else if parent.last() == Some(&id) {
            Ok(parent.to_vec())
        } else {
            Err(0x6A82)
        }
    }
}

impl Channel {
    fn fresh() -> Self {
        Self {
            directory: vec![MF],
            file: None,
            application: None,
            pending: Vec::new(),
        }
    }
}

impl Code {
    fn new(
        code: &SecretCode,
        reference: u8,
        block: fn(&str) -> Option<[u8; 8]>,
    ) -> Result<Self, CardDescriptionError> {
        Ok(Self {
            reference: code.reference.unwrap_or(reference),
            block: Zeroizing::new(block(&code.value).ok_or(CardDescriptionError::Code)?),
            tries: code.tries.min(15),
            most: code.tries.clamp(3, 15),
            verified: false,
        })
    }
}

fn pin_block(digits: &str) -> Option<[u8; 8]> {
    let right =
        (4..=8).contains(&digits.len()) && digits.bytes().all(|digit| digit.is_ascii_digit());
    let mut block = [0xFF; 8];
    for (place, digit) in block.iter_mut().zip(digits.bytes()) {
        *place = digit;
    }
    right.then_some(block)
}

fn key_block(digits: &str) -> Option<[u8; 8]> {
    hexadecimal::read(digits)?.try_into().ok()
}

/// The four cases of a short command; none where the lengths do not fit.
fn parted(command: &[u8]) -> Option<(Received<'_>, u8)> {
    let (&[class, ins, p1, p2], rest) = command.split_first_chunk::<4>()?;
    let wanted = |le: u8| Some(if le == 0 { 256 } else { usize::from(le) });
    let (data, le) = match rest {
        [] => (&[][..], None),
        [le] => (&[][..], wanted(*le)),
        [length, body @ ..] => {
            let (data, after) = body.split_at_checked(usize::from(*length))?;
            match after {
                [] => (data, None),
                [le] => (data, wanted(*le)),
                _ => return None,
            }
        }
    };
    Some((
        Received {
            ins,
            p1,
            p2,
            data,
            le,
        },
        class,
    ))
}

impl CardTransport for TestCard {
    fn atr(&self) -> &[u8] {
        &self.atr
    }

    fn transmit(&mut self, command: &[u8]) -> Result<Vec<u8>, TransportError> {
        Ok(self.execute(command))
    }

    fn reset(&mut self) -> Result<(), TransportError> {
        self.power_on();
        Ok(())
    }

    fn pause(&mut self, _pause: Duration) {}
}
