use omadm_dm1::bootstrap_mac::BootstrapProfileKind;
use omadm_dm1::markup::{MarkupError, MarkupLimits, Vocabulary};
use omadm_dm1::pretty::Pretty;
use omadm_dm1::syncml::Encoding;
use omadm_dm1::trigger;
use omadm_dm1::wbxml::WbxmlHeader;
use omadm_dm2::package0;
use omadm_push::sms::{JoinError, UserData, join};
use omadm_push::wsp::{MediaName, Push, WspError, well_known};

/// What octets are.
pub enum Decoded {
    /// A document of DM 1.x.
    Document(Pretty),
    /// A Package#0 of DM 2.0: read it with [`package0::ReceivedPackage0`].
    Package0(Vec<u8>),
    /// A Package 0 of DM 1.x: read it with [`trigger::ReceivedTrigger`].
    Trigger(Vec<u8>),
    /// A WSP push and what it carries.
    Push(Push, PushedBody),
}

/// What a push carries.
pub enum PushedBody {
    /// A bootstrap by a profile of DM 1.x.
    Bootstrap(BootstrapProfileKind, Pretty),
    /// Something else that is known.
    Other(Box<Decoded>),
    /// Octets of a media type that is not ours.
    Unknown,
}

/// Why octets are nothing that is known.
#[derive(Debug, thiserror::Error)]
pub enum NotDecoded {
    /// A document with a fault.
    #[error(transparent)]
    Markup(#[from] MarkupError),
    /// A push with a fault.
    #[error("it begins like a WSP push: {0}")]
    Wsp(#[from] WspError),
    /// An SMS with a fault, or without its other parts.
    #[error("an SMS: {0}")]
    Sms(#[from] JoinError),
    /// Nothing matches.
    #[error(
        "its first octets are neither those of WBXML, nor of a Package 0 of DM 1.x or 2.0, nor of a WSP push, nor of an SMS"
    )]
    Unknown,
}

/// Tells what octets are.
///
/// # Errors
///
/// [`NotDecoded`].
pub fn decode(octets: &[u8], limits: MarkupLimits, secrets: bool) -> Result<Decoded, NotDecoded> {
    if WbxmlHeader::read(octets).is_ok() {
        return Ok(Decoded::Document(Pretty::read(
            octets,
            Encoding::Wbxml,
            limits,
            secrets,
        )?));
    }
    let is_push = octets.get(1) == Some(&PUSH_PDU) && Push::decode(octets).is_ok();
    if octets
        .first()
        .is_some_and(|octet| octet >> 4 == package0::VERSION)
        && !is_push
    {
        return Ok(Decoded::Package0(octets.to_vec()));
    }
    if let Ok(sms) = UserData::read(octets)
        && sms.ports.is_some()
    {
        let whole = join(&[octets])?;
        return push(&whole, limits, secrets);
    }
    if octets.get(1) == Some(&PUSH_PDU) {
        return push(octets, limits, secrets);
    }
    if trigger::ReceivedTrigger::decode(octets).is_ok() {
        return Ok(Decoded::Trigger(octets.to_vec()));
    }
    Err(NotDecoded::Unknown)
}

/// PDU type of a WSP push.
const PUSH_PDU: u8 = 0x06;

fn push(octets: &[u8], limits: MarkupLimits, secrets: bool) -> Result<Decoded, NotDecoded> {
    let push = Push::decode(octets)?;
    let body = match profile_of(&push.content_type.media) {
        Some(profile) => {
            let encoding = Encoding::of_body(&push.body).unwrap_or(Encoding::Wbxml);
            let pretty = Pretty::read(&push.body, encoding, limits, secrets)?;
            match (profile, pretty.vocabulary) {
                (BootstrapProfileKind::Cp, Vocabulary::Provisioning)
                | (BootstrapProfileKind::Dm, Vocabulary::SyncMl) => {
                    PushedBody::Bootstrap(profile, pretty)
                }
                _ => PushedBody::Other(Box::new(Decoded::Document(pretty))),
            }
        }
        None => match decode(&push.body, limits, secrets) {
            Ok(Decoded::Push(..)) | Err(NotDecoded::Unknown) => PushedBody::Unknown,
            Ok(inner) => PushedBody::Other(Box::new(inner)),
            Err(fault) => return Err(fault),
        },
    };
    Ok(Decoded::Push(push, body))
}

/// The profile that a media type carries; also in XML, which no device takes over the air.
fn profile_of(media: &MediaName) -> Option<BootstrapProfileKind> {
    let in_xml = match media {
        MediaName::Code(code) => *code == well_known::SYNCML_DM_XML,
        MediaName::Text(text) => text
            .as_str()
            .eq_ignore_ascii_case("application/vnd.syncml.dm+xml"),
    };
    let in_xml = in_xml.then_some(BootstrapProfileKind::Dm);
    omadm_bootstrap::profile_of(media).or(in_xml)
}
