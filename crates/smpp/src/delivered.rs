//! What an SMSC delivers.

use bytes::BytesMut;
use omadm_push::sms::{Part, Ports, Reference, UserData, UserDataError};
use rusmpp::pdus::DeliverSm;
use rusmpp::tlvs::{Tlv, TlvValue};
use rusmpp::{Command, Pdu};

use crate::FrameError;
use crate::frame::take;
use crate::receipt::Receipt;

/// esm_class: a user data header is there.
const UDHI: u8 = 0x40;
/// esm_class: the bits of the message type, and that of a receipt (`push.md` §8).
const TYPE: u8 = 0x3C;
const RECEIPT: u8 = 0x04;

/// A message that an SMSC delivered.
#[derive(Clone, PartialEq, Eq)]
pub struct Delivered {
    /// Whom it is from: digits or a name, as the SMSC wrote it.
    pub originator: String,
    /// Whom it is for.
    pub destination: String,
    octets: Vec<u8>,
    has_header: bool,
    ports: Option<Ports>,
    part: Option<(u16, u8, u8)>,
}

impl Delivered {
    /// Its user data: by the header, or by the TLVs that say the same (`push.md` §3).
    ///
    /// # Errors
    /// [`UserDataError`]: the sender is at fault.
    pub fn user_data(&self) -> Result<UserData<'_>, UserDataError> {
        if self.has_header {
            return UserData::read(&self.octets);
        }
        let part = self
            .part
            .map(|(reference, total, index)| Part::new(Reference::Word(reference), total, index));
        Ok(UserData {
            ports: self.ports,
            part: part.transpose()?,
            data: &self.octets,
        })
    }
}

/// The messages that the commands of a stream deliver, receipts left out: a recorded one, or one that is tried out. What is not whole at the end is left out too.
///
/// # Errors
/// [`FrameError`] where a command has a length that cannot be; a body that cannot be read costs its own command alone.
pub fn delivered(octets: &[u8]) -> Result<Vec<Delivered>, FrameError> {
    let mut came = BytesMut::from(octets);
    let mut messages = Vec::new();
    while let Some(frame) = take(&mut came)? {
        let pdu = frame.command.as_ref().and_then(Command::pdu);
        if let Some(Pdu::DeliverSm(sm)) = pdu
            && let Content::Message(message) = content(sm)
        {
            messages.push(message);
        }
    }
    Ok(messages)
}

/// A receipt, or a message.
pub(crate) enum Content {
    Receipt(Option<Receipt>),
    Message(Delivered),
}

pub(crate) fn content(sm: &DeliverSm) -> Content {
    let class = u8::from(sm.esm_class);
    let mut octets = sm.short_message().as_ref();
    let (mut source, mut destination) = (None, None);
    let (mut reference, mut total, mut index) = (None, None, None);
    for value in sm.tlvs().iter().filter_map(Tlv::value) {
        match value {
            TlvValue::MessagePayload(payload) if octets.is_empty() => {
                octets = payload.value.as_ref();
            }
            TlvValue::SourcePort(port) => source = Some(*port),
            TlvValue::DestPort(port) => destination = Some(*port),
            TlvValue::SarMsgRefNum(number) => reference = Some(*number),
            TlvValue::SarTotalSegments(number) => total = Some(*number),
            TlvValue::SarSegmentSeqnum(number) => index = Some(*number),
            _ => {}
        }
    }
    if class & TYPE == RECEIPT {
        return Content::Receipt(Receipt::read(octets, sm.tlvs()));
    }
    Content::Message(Delivered {
        originator: sm.source_addr.as_str().to_owned(),
        destination: sm.destination_addr.as_str().to_owned(),
        octets: octets.to_vec(),
        has_header: class & UDHI != 0,
        ports: destination.map(|destination| Ports {
            destination,
            source: source.unwrap_or_default(),
        }),
        part: reference
            .zip(total)
            .zip(index)
            .map(|((reference, total), index)| (reference, total, index)),
    })
}
