//! The connectionless Push PDU of WSP (`push.md` §2): `TID 06 HeadersLen Content-Type Headers… Body`.

mod application_id;
mod content_type;
mod error;
mod header;
mod reader;
mod security;
mod text;
pub mod well_known;
mod writer;

use std::fmt;

pub use application_id::ApplicationId;
pub use content_type::{ContentType, MediaName};
pub use error::{WspError, WspFault};
pub use security::{Mac, MacError, Sec, Security};
pub use text::{HeaderText, HeaderTextError};

use reader::Reader;

/// PDU type of Push.
const PUSH: u8 = 0x06;

/// One connectionless push.
#[derive(Clone, PartialEq, Eq)]
pub struct Push {
    /// Tells messages apart; a resend keeps it.
    pub transaction_id: u8,
    /// What the body is.
    pub content_type: ContentType,
    /// Which application of the device gets it: X-Wap-Application-Id.
    pub application_id: Option<ApplicationId>,
    /// The body. It may hold secrets: [`fmt::Debug`] tells its length alone.
    pub body: Vec<u8>,
}

impl Push {
    /// The PDU. Content-Type comes first, then X-Wap-Application-Id (`push.md` §1); each value has the first encoding that fits (§2).
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut headers = Vec::new();
        self.content_type.write(&mut headers);
        if let Some(id) = &self.application_id {
            header::write_application_id(&mut headers, id);
        }
        let mut pdu = vec![self.transaction_id, PUSH];
        writer::uintvar(&mut pdu, headers.len());
        pdu.extend(headers);
        pdu.extend(&self.body);
        pdu
    }

    /// Reads a PDU. Headers that are not known are skipped by their form; of several X-Wap-Application-Id the first counts.
    ///
    /// # Errors
    /// [`WspError`]: the sender is at fault.
    pub fn decode(octets: &[u8]) -> Result<Self, WspError> {
        let mut pdu = Reader::new(octets);
        let transaction_id = pdu.octet()?;
        let at = pdu.at();
        match pdu.octet()? {
            PUSH => {}
            other => return Err(WspError::new(at, WspFault::NotPush(other))),
        }
        let length = pdu.uintvar()?;
        let mut headers = pdu.part(length)?;
        let content_type = ContentType::read(&mut headers)?;
        let application_id = header::read_application_id(&mut headers)?;
        Ok(Self {
            transaction_id,
            content_type,
            application_id,
            body: pdu.rest().to_vec(),
        })
    }
}

impl fmt::Debug for Push {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Push")
            .field("transaction_id", &self.transaction_id)
            .field("content_type", &self.content_type)
            .field("application_id", &self.application_id)
            .field("body", &format_args!("{} octets", self.body.len()))
            .finish()
    }
}
