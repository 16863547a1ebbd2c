//! Objects that the server sends in chunks: `dm1x.md` §1.6, M08.

use omadm_dm1::syncml::{Command, Data, Item, Meta, StatusCode};

/// The object that is being received, if one is. It dies with the session.
#[derive(Clone, Debug, Default)]
pub(super) struct ObjectIn(Option<Open>);

#[derive(Clone, Debug)]
struct Open {
    /// The first chunk's command, without content.
    command: Command,
    size: u64,
    text: bool,
    octets: Vec<u8>,
}

/// What becomes of a command.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Taken {
    /// It is whole; it can be carried out.
    Whole(Box<Command>),
    /// It is a chunk, with its status; nothing is carried out.
    Chunk(StatusCode),
}

impl ObjectIn {
    /// The broken command's address, where another one came before its end: Alert 1225 is due, and nothing of it is kept.
    pub(super) fn broken_by(&mut self, command: Option<&Command>) -> Option<String> {
        let open = self.0.as_ref()?;
        if command.is_some_and(|command| same(&open.command, command)) {
            return None;
        }
        let target = target(&open.command).unwrap_or_default().to_owned();
        self.0 = None;
        Some(target)
    }

    /// Takes a command that no open object is broken by.
    pub(super) fn take(&mut self, mut command: Command, max: u64) -> Taken {
        if let Command::Atomic(group) | Command::Sequence(group) = &command {
            // Never in a group (M08).
            let chunked = group.members.iter().any(has_chunk);
            return if chunked {
                Taken::Chunk(StatusCode::NOT_SUPPORTED)
            } else {
                Taken::Whole(Box::new(command))
            };
        }
        let more = has_chunk(&command);
        if self.0.is_none() && !more {
            return Taken::Whole(Box::new(command));
        }
        let Some(item) = single(&mut command) else {
            self.0 = None;
            return Taken::Chunk(StatusCode::NOT_SUPPORTED);
        };
        let data = item.data.take();
        let (size, format) = (item.meta.size, item.meta.format.clone());
        item.more_data = false;
        item.meta.size = None;
        let text = matches!(data, Some(Data::Text(_)) | None);
        let octets = data.as_ref().map(Data::octets).unwrap_or_default();
        if self.0.is_none() {
            let announced = size.or_else(|| take_size(&mut command));
            let size = match announced {
                Some(size) if size > max => return Taken::Chunk(StatusCode::TOO_LARGE),
                Some(size) => size,
                None => return Taken::Chunk(SIZE_REQUIRED),
            };
            self.0 = Some(Open {
                command,
                size,
                text,
                octets: Vec::new(),
            });
        }
        let Some(open) = &mut self.0 else {
            return Taken::Chunk(StatusCode::COMMAND_FAILED);
        };
        let first = open.octets.is_empty();
        let begun = single(&mut open.command).and_then(|item| item.meta.format.clone());
        let other_format = !first && format.is_some() && format != begun;
        let total = (open.octets.len() + octets.len()) as u64;
        if other_format || total > open.size || (!more && total != open.size) {
            self.0 = None;
            return Taken::Chunk(StatusCode::SIZE_MISMATCH);
        }
        open.octets.extend_from_slice(octets);
        open.text &= text;
        if more {
            return Taken::Chunk(StatusCode::CHUNK_ACCEPTED);
        }
        match self.0.take() {
            Some(open) => Taken::Whole(Box::new(open.whole())),
            None => Taken::Chunk(StatusCode::COMMAND_FAILED),
        }
    }
}

/// 411 has no name in DM: the size of a chunked object was not announced.
const SIZE_REQUIRED: StatusCode = StatusCode(411);

impl Open {
    /// The command as if it had come in one piece.
    fn whole(mut self) -> Command {
        let data = match String::from_utf8(self.octets) {
            Ok(text) if self.text => Data::Text(text),
            Ok(text) => Data::Octets(text.into_bytes()),
            Err(not_text) => Data::Octets(not_text.into_bytes()),
        };
        if let Some(item) = single(&mut self.command) {
            item.data = Some(data);
        }
        self.command
    }
}

/// The same command on the same node: so chunks belong together.
fn same(open: &Command, next: &Command) -> bool {
    open.name() == next.name() && target(open).is_some() && target(open) == target(next)
}

fn has_chunk(command: &Command) -> bool {
    match command {
        Command::Atomic(group) | Command::Sequence(group) => group.members.iter().any(has_chunk),
        other => items(other).is_some_and(|items| items.iter().any(|item| item.more_data)),
    }
}

fn target(command: &Command) -> Option<&str> {
    let target = items(command)?.first()?.target.as_ref()?;
    Some(&target.uri)
}

fn items(command: &Command) -> Option<&[Item]> {
    match command {
        Command::Add(on)
        | Command::Replace(on)
        | Command::Copy(on)
        | Command::Delete(on)
        | Command::Get(on) => Some(&on.items),
        Command::Exec(exec) => Some(&exec.items),
        Command::Alert(_)
        | Command::Atomic(_)
        | Command::Sequence(_)
        | Command::Status(_)
        | Command::Results(_)
        | Command::Other(_) => None,
    }
}

fn parts(command: &mut Command) -> Option<(&mut Meta, &mut Vec<Item>)> {
    match command {
        Command::Add(on)
        | Command::Replace(on)
        | Command::Copy(on)
        | Command::Delete(on)
        | Command::Get(on) => Some((&mut on.meta, &mut on.items)),
        Command::Exec(exec) => Some((&mut exec.meta, &mut exec.items)),
        _ => None,
    }
}

/// The one item of a command.
fn single(command: &mut Command) -> Option<&mut Item> {
    match parts(command)?.1.as_mut_slice() {
        [item] => Some(item),
        _ => None,
    }
}

/// `Size` where it stands with the command instead of the item.
fn take_size(command: &mut Command) -> Option<u64> {
    parts(command)?.0.size.take()
}

#[cfg(test)]
mod tests {
    use super::{ObjectIn, Taken};
    use omadm_dm1::syncml::{CmdId, Command, Data, Item, Location, Meta, NodeCommand, StatusCode};

    fn chunk(uri: &str, size: Option<u64>, text: &str, more: bool) -> Command {
        Command::Replace(NodeCommand {
            cmd_id: Some(CmdId::number(7)),
            meta: Meta::default(),
            items: vec![Item {
                target: Some(Location::new(uri)),
                meta: Meta {
                    size,
                    ..Meta::default()
                },
                data: Some(Data::from(text)),
                more_data: more,
                ..Item::default()
            }],
        })
    }

    /// The statuses of a row of chunks; 0 where the object became whole.
    fn take(max: u64, chunks: &[(Option<u64>, &str, bool)]) -> Vec<u16> {
        let mut object = ObjectIn::default();
        let taken = chunks.iter().map(|(size, text, more)| {
            match object.take(chunk("./A", *size, text, *more), max) {
                Taken::Chunk(StatusCode(code)) => code,
                Taken::Whole(_) => 0,
            }
        });
        taken.collect()
    }

    #[test]
    fn m08_chunks_become_the_object_whose_size_was_announced_or_nothing() {
        let rows: [(&[_], &[u16]); 6] = [
            (&[(Some(6), "abc", true), (None, "def", false)], &[213, 0]),
            (&[(Some(7), "abc", true), (None, "def", false)], &[213, 424]),
            (&[(Some(5), "abc", true), (None, "def", true)], &[213, 424]),
            (&[(None, "abc", true)], &[411]),
            (&[(Some(99), "abc", true)], &[413]),
            (&[(None, "abc", false)], &[0]),
        ];
        for (chunks, statuses) in rows {
            assert_eq!(take(10, chunks), statuses, "{chunks:?}");
        }
    }

    #[test]
    fn m08_the_object_is_whole_as_if_it_came_in_one_piece() {
        let mut object = ObjectIn::default();
        let first = object.take(chunk("./A", Some(4), "ü", true), 10);
        assert_eq!(first, Taken::Chunk(StatusCode::CHUNK_ACCEPTED));
        let whole = object.take(chunk("./A", None, "ab", false), 10);
        assert_eq!(
            whole,
            Taken::Whole(Box::new(chunk("./A", None, "üab", false)))
        );
        assert!(object.0.is_none());
    }

    #[test]
    fn endless_more_data_ends_at_the_announced_size() {
        let mut object = ObjectIn::default();
        let mut statuses = Vec::new();
        for n in 0..5 {
            let size = (n == 0).then_some(10);
            match object.take(chunk("./A", size, "abcd", true), 10) {
                Taken::Chunk(code) => statuses.push(code.0),
                Taken::Whole(_) => statuses.push(0),
            }
        }
        assert_eq!(statuses[..3], [213, 213, 424]);
        assert_eq!(statuses[3], 411, "it would begin anew, with a size");
    }

    #[test]
    fn another_command_breaks_the_object_and_a_chunk_in_a_group_is_not_taken() {
        let mut object = ObjectIn::default();
        object.take(chunk("./A", Some(9), "abc", true), 10);
        let same = chunk("./A", None, "abc", true);
        assert_eq!(object.broken_by(Some(&same)), None);
        let other = chunk("./B", None, "abc", false);
        assert_eq!(object.broken_by(Some(&other)).as_deref(), Some("./A"));
        assert!(object.0.is_none());
        let group = omadm_dm1::syncml::Group {
            members: vec![chunk("./A", Some(9), "abc", true)],
            ..Default::default()
        };
        let taken = object.take(Command::Sequence(group), 10);
        assert_eq!(taken, Taken::Chunk(StatusCode::NOT_SUPPORTED));
    }
}
