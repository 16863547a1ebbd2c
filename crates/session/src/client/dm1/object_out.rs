//! Objects of the client that go in chunks: `dm1x.md` §1.6, M07, M08.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use omadm_dm1::markup::MarkupFault;
use omadm_dm1::syncml::{Command, Data, Encoding, Item, Results};

use super::outbox::{About, Outgoing, size};

/// An object that is sent in chunks, in consecutive messages.
#[derive(Debug)]
pub(super) struct ObjectOut {
    /// Its command, without content.
    command: Command,
    about: About,
    data: Data,
    at: usize,
}

impl ObjectOut {
    /// Takes a command to pieces: one item with content, of Results, an alert, or a Replace. None for any other, and where the server takes no object of this
    /// size.
    pub(super) fn begin(
        outgoing: Outgoing,
        encoding: Encoding,
        max_obj_size: Option<u64>,
    ) -> Option<Self> {
        let Outgoing {
            mut command, about, ..
        } = outgoing;
        let [item] = items(&mut command)?.as_mut_slice() else {
            return None;
        };
        let mut data = item.data.take()?;
        if max_obj_size.is_some_and(|max| octets_of(&data, encoding) > max) {
            return None;
        }
        if encoding == Encoding::Xml && !is_xml_text(&data) {
            // Base64 counts and is cut as the text that it is (M08).
            data = Data::Text(STANDARD.encode(data.octets()));
            item.meta.format = Some("b64".into());
        }
        Some(Self {
            command,
            about,
            data,
            at: 0,
        })
    }

    /// The next chunk, as large as fits, and whether it is the last one, whose status is that of the whole; none where nothing does.
    pub(super) fn next(
        &mut self,
        encoding: Encoding,
        room: usize,
    ) -> Result<Option<(Outgoing, bool)>, MarkupFault> {
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
                return Ok(Some((
                    self.outgoing(chunk, taken, taken == left),
                    taken == left,
                )));
            }
            // As escaping makes it longer, so it has to be shorter.
            let fitting = taken * inner / (needed - around).max(1);
            octets = fitting.min(taken - 1);
        }
    }

    /// So many octets of the last chunk were not taken.
    pub(super) const fn back(&mut self, octets: usize) {
        self.at = self.at.saturating_sub(octets);
    }

    const fn outgoing(&self, command: Command, taken: usize, ends: bool) -> Outgoing {
        let about = match self.about {
            whole if ends => whole,
            About::Alert(index) => About::Chunk(Some(index)),
            _ => About::Chunk(None),
        };
        Outgoing {
            command,
            about,
            piece: Some(taken),
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
        let mut command = self.command.clone();
        for item in items(&mut command).into_iter().flatten() {
            item.meta.size = (self.at == 0).then_some(self.data.octets().len() as u64);
            item.more_data = taken < rest.len();
            item.data = Some(data.clone());
        }
        (command, taken)
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
    max_obj_size.is_none_or(|max| octets_of(data, encoding) <= max)
}

/// The size of an object as it is announced (M08).
fn octets_of(data: &Data, encoding: Encoding) -> u64 {
    let octets = data.octets().len();
    let told = if encoding == Encoding::Xml && !is_xml_text(data) {
        octets.div_ceil(3) * 4
    } else {
        octets
    };
    told as u64
}

fn items(command: &mut Command) -> Option<&mut Vec<Item>> {
    match command {
        Command::Results(results) => Some(&mut results.items),
        Command::Alert(alert) => Some(&mut alert.items),
        Command::Replace(replace) => Some(&mut replace.items),
        _ => None,
    }
}

/// Whether the text can stand in XML as it is.
fn is_xml_text(data: &Data) -> bool {
    data.text().is_some_and(|text| {
        text.bytes()
            .all(|octet| octet >= b' ' || matches!(octet, b'\t' | b'\n' | b'\r'))
    })
}
