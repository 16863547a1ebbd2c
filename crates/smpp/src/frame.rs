//! Commands on a stream: cut by their length first, so that one that cannot be read costs no other.

use bytes::{Buf as _, BytesMut};
use rusmpp::Command;
use rusmpp::decode::DecodeWithLength as _;
use rusmpp::encode::{Length as _, owned::Encode as _};
use tokio::io::{AsyncRead, AsyncReadExt as _};

use crate::LinkError;

/// Octets of the head of a command.
const HEAD: usize = 16;
/// Longest command that is read. A message_payload of what this entity takes is far shorter.
const LONGEST: usize = 8192;

/// Why a stream holds no commands. The peer is at fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum FrameError {
    /// A command of a length that cannot be.
    #[error("a command of {0} octets (16 to {LONGEST} are taken)")]
    Length(u32),
    /// Another answer than to what was asked.
    #[error("command {0:08X}h came in place of an answer")]
    Unexpected(u32),
}

/// A command as it came.
pub(crate) struct Frame {
    /// command_id.
    pub(crate) id: u32,
    /// command_status.
    pub(crate) status: u32,
    /// sequence_number.
    pub(crate) sequence: u32,
    /// The command; none where its body cannot be read.
    pub(crate) command: Option<Command>,
}

/// The commands of a stream. Reading one may be given up and begun again at any time.
pub(crate) struct Frames<R> {
    stream: R,
    buffer: BytesMut,
}

impl<R: AsyncRead + Unpin> Frames<R> {
    pub(crate) fn new(stream: R) -> Self {
        Self {
            stream,
            buffer: BytesMut::with_capacity(LONGEST),
        }
    }

    pub(crate) async fn next(&mut self) -> Result<Frame, LinkError> {
        loop {
            if let Some(frame) = take(&mut self.buffer)? {
                return Ok(frame);
            }
            match self.stream.read_buf(&mut self.buffer).await {
                Ok(0) => return Err(LinkError::Closed),
                Ok(_) => {}
                Err(error) => return Err(LinkError::Broken(error)),
            }
        }
    }
}

/// Takes the first command out of what came; none while it is not whole.
pub(crate) fn take(came: &mut BytesMut) -> Result<Option<Frame>, FrameError> {
    let Some(head) = came.first_chunk::<HEAD>() else {
        return Ok(None);
    };
    let [length, id, status, sequence] = words(head);
    let whole = usize::try_from(length).unwrap_or(usize::MAX);
    if !(HEAD..=LONGEST).contains(&whole) {
        return Err(FrameError::Length(length));
    }
    if came.len() < whole {
        return Ok(None);
    }
    let mut octets = came.split_to(whole);
    octets.advance(4);
    let command = Command::decode(&mut octets, whole - 4);
    Ok(Some(Frame {
        id,
        status,
        sequence,
        command: command.ok().map(|(command, _)| command),
    }))
}

/// The four numbers of a head.
fn words(head: &[u8; HEAD]) -> [u32; 4] {
    let mut words = [0; 4];
    for (word, octets) in words.iter_mut().zip(head.chunks_exact(4)) {
        *word = octets
            .iter()
            .fold(0, |number, octet| number << 8 | u32::from(*octet));
    }
    words
}

/// A command as it stands on the wire.
pub(crate) fn write(command: &Command) -> BytesMut {
    let length = 4 + command.length();
    let mut octets = BytesMut::with_capacity(length);
    octets.extend_from_slice(&u32::try_from(length).unwrap_or(u32::MAX).to_be_bytes());
    command.encode(&mut octets);
    octets
}
