use omadm_dm1::markup::{MarkupError, MarkupFault, MarkupLimits};
use omadm_dm1::syncml::{Encoding, Message, MessageFault, SyncHdr};

use super::Dm1Refusal;

/// A DM message as far as it could be read: what the rim loads account and session by. It authenticates nothing.
#[derive(Clone, Debug)]
pub struct Identified {
    header: SyncHdr,
    encoding: Encoding,
    message: Result<Message, MessageFault>,
}

/// Reads a body that came with this encoding.
///
/// # Errors
///
/// [`Dm1Refusal`] where there is no header that could be answered (M10).
pub fn identify(
    body: &[u8],
    encoding: Encoding,
    limits: MarkupLimits,
) -> Result<Identified, Dm1Refusal> {
    match Message::decode(body, encoding, limits) {
        Ok(message) => Ok(Identified {
            header: message.header.clone(),
            encoding,
            message: Ok(message),
        }),
        Err(unreadable) => match unreadable.header {
            Some(header) => Ok(Identified {
                header: *header,
                encoding,
                message: Err(unreadable.fault),
            }),
            None if is_too_long(&unreadable.fault) => Err(Dm1Refusal::TooLarge),
            None => Err(Dm1Refusal::Unreadable(unreadable.fault)),
        },
    }
}

impl Identified {
    /// The name of the account (M19): `Source/LocName`, else `Source/LocURI`.
    #[must_use]
    pub fn account(&self) -> &str {
        let source = &self.header.source;
        source.name.as_deref().unwrap_or(&source.uri)
    }

    /// `Source/LocURI`: the DevId that is claimed.
    #[must_use]
    pub fn dev_id(&self) -> &str {
        &self.header.source.uri
    }

    /// `SessionID`.
    #[must_use]
    pub fn session_id(&self) -> &str {
        &self.header.session_id
    }

    /// `MsgID`.
    #[must_use]
    pub const fn msg_id(&self) -> u32 {
        self.header.msg_id
    }

    /// How the message is serialized; so is its answer (M09).
    #[must_use]
    pub const fn encoding(&self) -> Encoding {
        self.encoding
    }

    pub(super) const fn header(&self) -> &SyncHdr {
        &self.header
    }

    /// # Errors
    ///
    /// What is wrong with a message whose header alone could be read.
    pub(super) const fn message(&self) -> Result<&Message, &MessageFault> {
        self.message.as_ref()
    }
}

fn is_too_long(fault: &MessageFault) -> bool {
    match fault {
        MessageFault::Markup(error) => is_length(error),
        _ => false,
    }
}

const fn is_length(error: &MarkupError) -> bool {
    matches!(error.fault(), MarkupFault::TooLong(..))
}
