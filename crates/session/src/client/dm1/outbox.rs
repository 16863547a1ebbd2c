//! What the client has to tell, packed into messages of the size that the server takes: `dm1x.md` §1.6, M07, M08.

use std::collections::VecDeque;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use omadm_dm1::markup::MarkupFault;
use omadm_dm1::syncml::{
    CmdId, Command, Data, Encoding, Item, Location, Message, Meta, Results, Status, SyncHdr,
};

/// A command of ours that waits for its message; its `CmdID` is given there.
#[derive(Clone, Debug)]
pub(super) struct Outgoing {
    pub(super) command: Command,
    pub(super) about: About,
}

/// What the server's status to a command of ours settles.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum About {
    /// Nothing.
    Nothing,
    /// The report of a bootstrap.
    Event,
    /// An alert that the session was opened with.
    Alert(usize),
    /// A chunk of an object.
    Chunk,
}

/// What waits, in order.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    waiting: VecDeque<Outgoing>,
    object: Option<ObjectOut>,
}

/// What surrounds the commands of a message.
pub(super) struct Frame {
    pub(super) header: SyncHdr,
    /// The status of the server's header comes first.
    pub(super) first: Option<Status>,
    /// Alert 1222 or 1223 comes last.
    pub(super) last: Option<Command>,
    pub(super) encoding: Encoding,
    /// Octets that the server takes.
    pub(super) limit: usize,
    /// Whether `Final` may be said once nothing waits any more.
    pub(super) may_end: bool,
}

/// A message, and what it holds of the outbox.
#[derive(Debug)]
pub(super) struct Packed {
    pub(super) message: Message,
    pub(super) body: Vec<u8>,
    pub(super) sent: Vec<Outgoing>,
    /// The `CmdID` of what the server's statuses settle.
    pub(super) refs: Vec<(CmdId, About)>,
}

/// Why no message can be made.
#[derive(Debug)]
pub(super) enum Unpacked {
    /// Not one thing fits into what the server takes.
    TooSmall,
    /// A text that has no place in the serialization.
    Markup(MarkupFault),
}

/// An object that is sent in chunks.
#[derive(Debug)]
struct ObjectOut {
    results: Results,
    data: Data,
    at: usize,
}

/// Octets left for numbers that grow while a message is filled, and for changes of code page.
const SLACK: usize = 24;
/// An object is not begun in less room than this.
const ROOM_TO_BEGIN: usize = 256;

impl Outgoing {
    pub(super) const fn of(command: Command) -> Self {
        Self {
            command,
            about: About::Nothing,
        }
    }
}

impl From<MarkupFault> for Unpacked {
    fn from(fault: MarkupFault) -> Self {
        Self::Markup(fault)
    }
}

impl Outbox {
    pub(super) fn is_empty(&self) -> bool {
        self.waiting.is_empty() && self.object.is_none()
    }

    pub(super) fn push(&mut self, outgoing: Outgoing) {
        self.waiting.push_back(outgoing);
    }

    /// Puts back what a message held that was not taken, before all else.
    pub(super) fn put_back(&mut self, sent: Vec<Outgoing>) {
        for outgoing in sent.into_iter().rev() {
            self.waiting.push_front(outgoing);
        }
    }

    /// The server does not want the rest of the object.
    pub(super) fn drop_object(&mut self) {
        self.object = None;
    }

    /// Fills a message with what waits, in order, until the next would not fit.
    pub(super) fn pack(&mut self, frame: Frame) -> Result<Packed, Unpacked> {
        let Frame {
            header,
            first,
            last,
            encoding,
            limit,
            may_end,
        } = frame;
        let mut around: Vec<Command> = first.clone().map(Command::Status).into_iter().collect();
        around.extend(last.clone());
        let mut message = Message {
            header,
            commands: around,
            r#final: true,
        };
        let base = message.encode(encoding)?.len() + SLACK;
        let mut room = limit.checked_sub(base).ok_or(Unpacked::TooSmall)?;
        let whole = room;
        let mut sent = Vec::new();
        loop {
            let again = matches!(self.waiting.front(), Some(next) if next.about == About::Chunk);
            if let Some(object) = self.object.as_mut().filter(|_| !again) {
                let Some((chunk, ends)) = object.next(encoding, room)? else {
                    break;
                };
                room = room.saturating_sub(size(&chunk, encoding)?);
                sent.push(Outgoing {
                    command: chunk,
                    about: About::Chunk,
                });
                if !ends {
                    break;
                }
                self.object = None;
                continue;
            }
            let Some(next) = self.waiting.pop_front() else {
                break;
            };
            let octets = size(&next.command, encoding)?;
            if octets <= room {
                room -= octets;
                sent.push(next);
                continue;
            }
            match next {
                Outgoing {
                    command: Command::Results(results),
                    ..
                } if octets > whole => {
                    if room < ROOM_TO_BEGIN && !sent.is_empty() {
                        self.waiting
                            .push_front(Outgoing::of(Command::Results(results)));
                        break;
                    }
                    self.object = ObjectOut::begin(results, encoding);
                }
                // The host keeps it; this server cannot be told.
                Outgoing {
                    about: About::Alert(_),
                    ..
                } if octets > whole => {}
                next => {
                    self.waiting.push_front(next);
                    break;
                }
            }
        }
        let stuck = sent.is_empty() && !self.is_empty();
        if stuck {
            return Err(Unpacked::TooSmall);
        }
        let mut refs = Vec::new();
        let mut commands: Vec<Command> = first.map(Command::Status).into_iter().collect();
        for outgoing in &sent {
            commands.push(outgoing.command.clone());
            refs.push((number_of(commands.len()), outgoing.about));
        }
        commands.extend(last);
        for (before, command) in commands.iter_mut().enumerate() {
            set_number(command, number_of(before + 1));
        }
        message.commands = commands;
        message.r#final = may_end && self.is_empty();
        let body = message.encode(encoding)?;
        Ok(Packed {
            message,
            body,
            sent,
            refs,
        })
    }
}

impl ObjectOut {
    /// None for results of several items: such are not cut.
    fn begin(mut results: Results, encoding: Encoding) -> Option<Self> {
        let [item] = results.items.as_mut_slice() else {
            return None;
        };
        let mut data = item.data.take()?;
        if encoding == Encoding::Xml && !is_xml_text(&data) {
            // Base64 counts and is cut as the text that it is (M08).
            data = Data::Text(STANDARD.encode(data.octets()));
            item.meta.format = Some("b64".into());
        }
        Some(Self {
            results,
            data,
            at: 0,
        })
    }

    /// The next chunk, as large as fits, and whether it is the last one; none where nothing does.
    fn next(
        &mut self,
        encoding: Encoding,
        room: usize,
    ) -> Result<Option<(Command, bool)>, MarkupFault> {
        let left = self.data.octets().len() - self.at;
        let around = size(&self.chunk(0).0, encoding)?;
        let Some(inner) = room.checked_sub(around).filter(|inner| *inner > 0) else {
            return Ok(None);
        };
        let mut octets = left.min(inner);
        loop {
            let (chunk, taken) = self.chunk(octets);
            if taken == 0 && left > 0 {
                return Ok(None);
            }
            let needed = size(&chunk, encoding)?;
            if needed <= room {
                self.at += taken;
                return Ok(Some((chunk, taken == left)));
            }
            // As escaping makes it longer, so it has to be shorter.
            let fitting = taken * inner / (needed - around).max(1);
            octets = fitting.min(taken - 1);
        }
    }

    /// At most so many octets, never a part of a character.
    fn chunk(&self, octets: usize) -> (Command, usize) {
        let rest = &self.data.octets()[self.at..];
        let (data, taken) = match &self.data {
            Data::Text(text) => {
                let mut end = (self.at + octets).min(text.len());
                while !text.is_char_boundary(end) {
                    end -= 1;
                }
                (Data::from(&text[self.at..end]), end - self.at)
            }
            Data::Octets(_) => {
                let octets = octets.min(rest.len());
                (Data::Octets(rest[..octets].to_vec()), octets)
            }
        };
        let mut results = self.results.clone();
        for item in &mut results.items {
            item.meta.size = (self.at == 0).then_some(self.data.octets().len() as u64);
            item.more_data = taken < rest.len();
            item.data = Some(data.clone());
        }
        (Command::Results(results), taken)
    }
}

/// Whether results can be told: in a message that has this much room, or in chunks where both ends know them (M07).
pub(super) fn tellable(
    results: &Results,
    encoding: Encoding,
    room: usize,
    max_obj_size: Option<u64>,
) -> bool {
    let whole = size(&Command::Results(results.clone()), encoding);
    if whole.is_ok_and(|whole| whole <= room) {
        return true;
    }
    let [
        Item {
            data: Some(data), ..
        },
    ] = results.items.as_slice()
    else {
        return false;
    };
    let octets = if encoding == Encoding::Xml && !is_xml_text(data) {
        data.octets().len().div_ceil(3) * 4
    } else {
        data.octets().len()
    };
    max_obj_size.is_none_or(|max| octets as u64 <= max)
}

/// Octets that a command adds to a message.
fn size(command: &Command, encoding: Encoding) -> Result<usize, MarkupFault> {
    let mut message = Message {
        header: empty_header(),
        commands: vec![command.clone()],
        r#final: false,
    };
    set_number(&mut message.commands[0], number_of(99_999));
    let with = message.encode(encoding)?.len();
    message.commands.clear();
    Ok(with - message.encode(encoding)?.len())
}

fn empty_header() -> SyncHdr {
    let nowhere = Location::new("");
    SyncHdr {
        ver_dtd: String::new(),
        ver_proto: String::new(),
        session_id: String::new(),
        msg_id: 0,
        target: nowhere.clone(),
        source: nowhere,
        resp_uri: None,
        cred: None,
        meta: Meta::default(),
    }
}

/// Whether the text can stand in XML as it is.
fn is_xml_text(data: &Data) -> bool {
    data.text().is_some_and(|text| {
        text.bytes()
            .all(|octet| octet >= b' ' || matches!(octet, b'\t' | b'\n' | b'\r'))
    })
}

fn number_of(position: usize) -> CmdId {
    CmdId::number(u32::try_from(position).unwrap_or(u32::MAX))
}

/// The client sends Alert, Replace, Results and Status only (§1.5/5).
fn set_number(command: &mut Command, number: CmdId) {
    let cmd_id = match command {
        Command::Alert(alert) => &mut alert.cmd_id,
        Command::Replace(replace) => &mut replace.cmd_id,
        Command::Results(results) => &mut results.cmd_id,
        Command::Status(status) => &mut status.cmd_id,
        _ => return,
    };
    *cmd_id = Some(number);
}
