//! What goes with an answer: commands as they fit (M07), large objects in chunks (M08).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use omadm_dm1::syncml::{CmdId, Command, Data, Encoding, Item, Message, NodeCommand};

use super::answer::Answer;
use super::causes::NotSentCause;
use super::state::{ChunkOut, SentCommand1};
use super::step::Outcome;
use super::turn::{Saying, Turn};
use super::{Dm1Limits, WantedCommand1};

/// Octets of a message where the client announced no limit (M07).
const UNANNOUNCED: u64 = 65_535;
/// A client that takes less cannot be talked to; its limit is passed over.
const LEAST: u64 = 2048;
/// Room for our credential, an alert and the end of the document.
const MARGIN: usize = 512;

impl Turn<'_> {
    /// The next commands of the server's package; the end of the session where there are none.
    pub(super) fn next_package(&mut self) -> Saying {
        let room = self.room();
        if let Some(chunk) = self.state.chunk_out.take() {
            let wanted = self
                .account
                .wanted
                .iter()
                .find(|wanted| wanted.id == chunk.id);
            let unanswered = |sent: &SentCommand1| sent.id.as_ref() == Some(&chunk.id);
            if let Some(at) = self.state.sent.iter().position(unanswered) {
                let sent = self.state.sent.remove(at);
                self.outcome(&sent, Outcome::NotSent(NotSentCause::ChunksBroken));
            } else if let Some(saying) =
                wanted.and_then(|wanted| self.chunk(wanted, chunk.offset, room))
            {
                return saying;
            }
        }
        let mut commands: Vec<_> = self.rotation_command().into_iter().collect();
        let mut left = room;
        for (command, _) in &commands {
            left = left.saturating_sub(self.octets(command).unwrap_or_default());
        }
        for wanted in &self.account.wanted {
            if self.settled.contains(&wanted.id) || self.is_sent(&wanted.id) {
                continue;
            }
            let command = self.prepared(&wanted.command);
            let sent = SentCommand1::new(Some(wanted.id.clone()), &command, self.now);
            let octets = match self.octets(&command) {
                Ok(octets) => octets,
                Err(cause) => {
                    self.outcome(&sent, Outcome::NotSent(cause));
                    continue;
                }
            };
            if octets <= left && commands.len() < self.server.limits.commands {
                left -= octets;
                commands.push((command, sent));
            } else if commands.is_empty() {
                if let Some(saying) = self.chunk(wanted, 0, room) {
                    return saying;
                }
                self.outcome(&sent, Outcome::NotSent(NotSentCause::TooLarge));
            } else {
                break;
            }
        }
        if commands.is_empty() {
            Saying::End
        } else {
            Saying::Commands(commands, true)
        }
    }

    fn is_sent(&self, id: &String) -> bool {
        self.state
            .sent
            .iter()
            .any(|sent| sent.id.as_ref() == Some(id))
    }

    /// Octets for commands in the answer, beside its header and statuses.
    fn room(&self) -> usize {
        let Dm1Limits { markup, .. } = self.server.limits;
        let announced = self.state.max_msg_size.filter(|size| *size >= LEAST);
        let most = announced.unwrap_or(UNANNOUNCED).min(markup.octets as u64);
        let (answer, header) = self.draft();
        let used = answer.message(header, true).encode(self.state.encoding());
        let used = used.map_or(0, |octets| octets.len()) + MARGIN;
        usize::try_from(most).unwrap_or(used).saturating_sub(used)
    }

    /// As this device takes it.
    fn prepared(&self, command: &Command) -> Command {
        match command {
            Command::Atomic(group) if !self.account.model.quirks.atomic => {
                Command::Sequence(group.clone())
            }
            other => other.clone(),
        }
    }

    /// Octets that a command takes in a message.
    fn octets(&self, command: &Command) -> Result<usize, NotSentCause> {
        if matches!(
            command,
            Command::Status(_) | Command::Results(_) | Command::Other(_)
        ) {
            return Err(NotSentCause::NoCommand);
        }
        let (_, header) = self.draft();
        let mut answer = Answer::default();
        answer.command(command.clone());
        let length = |message: Message| message.encode(self.state.encoding()).map(|it| it.len());
        let with = length(answer.message(header.clone(), true));
        let without = length(Answer::default().message(header, true));
        match (with, without) {
            (Ok(with), Ok(without)) => Ok(with - without + 4),
            _ => Err(NotSentCause::NotWritable),
        }
    }

    /// The next chunk of a command that is too large for one message: an Add or Replace of one item, where the device takes it.
    fn chunk(&mut self, wanted: &WantedCommand1, offset: u64, room: usize) -> Option<Saying> {
        let (Command::Add(whole) | Command::Replace(whole)) = &wanted.command else {
            return None;
        };
        let [item] = &whole.items[..] else {
            return None;
        };
        let (data, format) = self.chunkable(item)?;
        let length = data.octets().len();
        let takes = self.account.model.quirks.large_objects || self.state.max_obj_size.is_some();
        let fits = self
            .state
            .max_obj_size
            .is_none_or(|most| length as u64 <= most);
        if !takes || !fits {
            return None;
        }
        let at = usize::try_from(offset).ok()?;
        let mut octets = room.min(length.checked_sub(at)?);
        loop {
            let part = part(&data, at, octets)?;
            let end = at + part.octets().len();
            if part.octets().is_empty() && length != 0 {
                return None;
            }
            let is_last = end == length;
            let mut item = Item {
                data: Some(part),
                more_data: !is_last,
                ..item.clone()
            };
            if let Some(format) = &format {
                item.meta.format = Some(format.clone());
            }
            item.meta.size = (at == 0).then_some(length as u64);
            let one = NodeCommand {
                cmd_id: None::<CmdId>,
                meta: whole.meta.clone(),
                items: vec![item],
            };
            let command = match &wanted.command {
                Command::Add(_) => Command::Add(one),
                _ => Command::Replace(one),
            };
            if self.octets(&command).ok()? > room {
                octets = octets * 3 / 4;
                continue;
            }
            let sent = SentCommand1::new(Some(wanted.id.clone()), &command, self.now);
            self.state.chunk_out = (!is_last).then(|| ChunkOut {
                id: wanted.id.clone(),
                offset: end as u64,
            });
            return Some(Saying::Commands(vec![(command, sent)], is_last));
        }
    }

    /// What is cut: octets go through XML as base64 text, encoded before they are cut (M08).
    fn chunkable(&self, item: &Item) -> Option<(Data, Option<String>)> {
        let data = item.data.clone()?;
        match (&data, self.state.encoding()) {
            (Data::Octets(octets), Encoding::Xml) => {
                Some((Data::Text(STANDARD.encode(octets)), Some("b64".to_owned())))
            }
            _ => Some((data, None)),
        }
    }
}

/// So many octets from here, or fewer: text is never cut inside a character (M08).
fn part(data: &Data, at: usize, octets: usize) -> Option<Data> {
    match data {
        Data::Octets(all) => Some(Data::Octets(all.get(at..at + octets)?.to_vec())),
        Data::Text(text) => {
            let end = text.floor_char_boundary(at + octets);
            Some(Data::Text(text.get(at..end)?.to_owned()))
        }
    }
}
