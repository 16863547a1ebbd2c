//! A WAP push that brings a bootstrap of DM 1.x, read back from its octets or from the SMS that carry it (`push.md` §1 to §4).

use omadm_bootstrap::PushedBootstrap;
use omadm_mo::Secret;
use omadm_push::sms::{JoinError, UserData, join};
use omadm_push::wsp::{Push, Sec, WspError};

use crate::{FoundError, Given, OpenedDocument};

/// A push with its document. Holds secrets: no `Debug`.
pub struct FoundPush {
    /// Its number.
    pub transaction_id: u8,
    /// By what it is signed; none where it says nothing.
    pub sec: Option<Sec>,
    /// Whether it has a MAC. Whether that is valid `omadm decode` tells.
    pub has_mac: bool,
    /// SMS that it came in; 0 for the push alone.
    pub sms: usize,
    /// The document.
    pub document: OpenedDocument,
}

/// Why octets that look like a push of DM 1.x are none that brings a bootstrap.
#[derive(Debug, thiserror::Error)]
pub enum PushReadError {
    /// The parts make no message.
    #[error(transparent)]
    Sms(#[from] JoinError),
    /// What they carry is no WSP push.
    #[error(transparent)]
    Wsp(#[from] WspError),
    /// It brings something else.
    #[error("it carries no bootstrap of DM 1.x in WBXML")]
    NoBootstrap,
    /// A file spells no octets.
    #[error("part {0} is neither octets nor hexadecimal nor base64")]
    NoOctets(usize),
}

/// PDU type of a WSP push.
const PUSH_PDU: u8 = 0x06;

impl FoundPush {
    /// The push in octets that look like one, or like the user data of an SMS; none where they look like neither.
    pub(crate) fn look(octets: &[u8]) -> Option<Result<Self, FoundError>> {
        if UserData::read(octets).is_ok_and(|sms| sms.ports.is_some()) {
            let joined = join(&[octets]).map_err(PushReadError::Sms);
            return Some(match joined {
                Ok(push) => Self::of_push(&push, 1),
                Err(error) => Err(error.into()),
            });
        }
        (octets.get(1) == Some(&PUSH_PDU)).then(|| Self::of_push(octets, 0))
    }

    /// The push that these SMS carry.
    pub(crate) fn of_parts(parts: &[Secret]) -> Result<Self, FoundError> {
        let octets = (1..)
            .zip(parts)
            .map(|(number, part)| octets_of(part.expose()).ok_or(PushReadError::NoOctets(number)));
        let octets = octets.collect::<Result<Vec<_>, _>>()?;
        let push = join(&octets).map_err(PushReadError::Sms)?;
        Self::of_push(&push, octets.len())
    }

    fn of_push(octets: &[u8], sms: usize) -> Result<Self, FoundError> {
        let push = Push::decode(octets).map_err(PushReadError::Wsp)?;
        let pushed = PushedBootstrap::of_push(&push).ok_or(PushReadError::NoBootstrap)?;
        let security = pushed.security.as_ref();
        Ok(Self {
            transaction_id: push.transaction_id,
            sec: security.map(|security| security.sec),
            has_mac: security.is_some_and(|security| security.mac.is_some()),
            sms,
            document: OpenedDocument::read(pushed.document)?,
        })
    }
}

/// Octets as they are, or spelt in hexadecimal or base64.
pub(crate) fn octets_of(input: &[u8]) -> Option<Vec<u8>> {
    match Given::of(input) {
        Ok(Given::Octets(octets) | Given::Base64(octets)) => Some(octets),
        Ok(Given::Json | Given::Xml) | Err(_) => None,
    }
}
