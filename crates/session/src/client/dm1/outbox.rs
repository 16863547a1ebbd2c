//! What the client has to tell, packed into messages of the size that the server takes: `dm1x.md` §1.6, M07, M08.

use std::collections::VecDeque;

use omadm_dm1::markup::MarkupFault;
use omadm_dm1::syncml::{
    CmdId, Command, Encoding, Location, Message, Meta, NodeCommand, Status, SyncHdr,
};

use super::object_out::ObjectOut;

/// A command of ours that waits for its message; its `CmdID` is given there.
#[derive(Clone, Debug)]
pub(super) struct Outgoing {
    pub(super) command: Command,
    pub(super) about: About,
    /// Octets of an object that it is a chunk of.
    pub(super) piece: Option<usize>,
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
    /// A chunk of an object that is not its last; of an alert that the session was opened with.
    Chunk(Option<usize>),
}

/// What waits, in order.
#[derive(Debug, Default)]
pub(super) struct Outbox {
    waiting: VecDeque<Outgoing>,
    object: Option<ObjectOut>,
    /// How many of those that wait come before the object.
    ahead: usize,
    /// The object whose last chunk the last message held.
    ended: Option<ObjectOut>,
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
    /// Octets that it takes as an object, where it has said so.
    pub(super) max_obj_size: Option<u64>,
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
    /// Alerts that the server cannot be told, since it takes no object of their size.
    pub(super) untold: Vec<usize>,
}

/// Why no message can be made.
#[derive(Debug)]
pub(super) enum Unpacked {
    /// Not one thing fits into what the server takes.
    TooSmall,
    /// A text that has no place in the serialization.
    Markup(MarkupFault),
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
            piece: None,
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

    /// Puts back what a message held that was not taken, before all else. A chunk is cut anew.
    pub(super) fn put_back(&mut self, sent: Vec<Outgoing>) {
        let ahead = sent.iter().take_while(|one| one.piece.is_none()).count();
        let mut again = false;
        for outgoing in sent.into_iter().rev() {
            let Some(octets) = outgoing.piece else {
                self.waiting.push_front(outgoing);
                continue;
            };
            self.object = self.object.take().or_else(|| self.ended.take());
            if let Some(object) = &mut self.object {
                object.back(octets);
                again = true;
            }
        }
        self.ahead = if again { ahead } else { 0 };
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
            max_obj_size,
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
        let mut sent: Vec<Outgoing> = Vec::new();
        let mut untold = Vec::new();
        self.ended = None;
        loop {
            if let Some(object) = self.object.as_mut().filter(|_| self.ahead == 0) {
                let Some((chunk, ends)) = object.next(encoding, room)? else {
                    break;
                };
                room = room.saturating_sub(size(&chunk.command, encoding)?);
                sent.push(chunk);
                if !ends {
                    break;
                }
                self.ended = self.object.take();
                continue;
            }
            let Some(next) = self.waiting.pop_front() else {
                break;
            };
            let octets = size(&next.command, encoding)?;
            if octets <= room {
                room -= octets;
                sent.push(next);
                self.ahead = self.ahead.saturating_sub(1);
                continue;
            }
            // One object in a message, and nothing of it before what was ahead of another.
            let is_free = self.object.is_none() && self.ended.is_none();
            let begins = is_free && (room >= ROOM_TO_BEGIN || sent.is_empty());
            if octets <= whole || !begins {
                self.waiting.push_front(next);
                break;
            }
            match next {
                // No node of its own is larger: each goes by itself.
                Outgoing {
                    command: Command::Replace(replace),
                    about,
                    ..
                } if replace.items.len() > 1 => {
                    for item in replace.items.into_iter().rev() {
                        let command = Command::Replace(NodeCommand {
                            items: vec![item],
                            meta: replace.meta.clone(),
                            cmd_id: None,
                        });
                        self.waiting.push_front(Outgoing {
                            command,
                            about,
                            piece: None,
                        });
                    }
                }
                next if can_be_cut(&next.command) => {
                    let about = next.about;
                    self.object = ObjectOut::begin(next, encoding, max_obj_size);
                    if let (None, About::Alert(index)) = (&self.object, about) {
                        untold.push(index);
                    }
                }
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
            untold,
        })
    }
}

/// Whether a command that fits into no message may go in chunks, or not at all; any other has to fit.
const fn can_be_cut(command: &Command) -> bool {
    match command {
        Command::Results(_) => true,
        Command::Alert(alert) => alert.items.len() == 1,
        Command::Replace(replace) => replace.items.len() == 1,
        _ => false,
    }
}

/// Octets that a command adds to a message.
pub(super) fn size(command: &Command, encoding: Encoding) -> Result<usize, MarkupFault> {
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
