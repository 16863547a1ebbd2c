use super::reader::Reader;
use super::{HeaderText, WspError, writer};

/// X-Wap-Application-Id: which application of the device gets the push.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ApplicationId {
    /// A number of the OMNA list.
    Code(u32),
    /// A URI.
    Uri(HeaderText),
}

const SCHEME: &str = "x-wap-application";
/// The first of the OMNA list, in the order of their numbers (`push.md` §1).
const NAMES: [&str; 11] = [
    "*",
    "push.sia",
    "wml.ua",
    "wta.ua",
    "mms.ua",
    "push.syncml",
    "loc.ua",
    "syncml.dm",
    "drm.ua",
    "emn.ua",
    "wv.ua",
];

impl ApplicationId {
    /// `x-wap-application:syncml.dm`: the DM Client (`push.md` §1).
    pub const SYNCML_DM: Self = Self::Code(0x07);

    /// Its number of the OMNA list, however it was written: as a URI with or without its scheme, in any case, or in decimal digits. None for a URI that is not
    /// of the list.
    #[must_use]
    pub fn code(&self) -> Option<u32> {
        let text = match self {
            Self::Code(code) => return Some(*code),
            Self::Uri(uri) => uri.as_str().trim(),
        };
        let (scheme, name) = text.split_once(':').unwrap_or((SCHEME, text));
        let known = NAMES.iter().position(|one| one.eq_ignore_ascii_case(name));
        let known = known.filter(|_| scheme.eq_ignore_ascii_case(SCHEME));
        let known = known.and_then(|at| u32::try_from(at).ok());
        known.or_else(|| text.parse().ok())
    }

    pub(super) fn write(&self, into: &mut Vec<u8>) {
        match self {
            Self::Code(code) => writer::integer(into, *code),
            Self::Uri(uri) => writer::text(into, uri.as_str()),
        }
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Result<Self, WspError> {
        Ok(match from.peek()? {
            32..=127 => Self::Uri(from.text()?),
            _ => Self::Code(from.integer()?),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::ApplicationId;
    use crate::wsp::HeaderText;

    #[test]
    fn an_application_is_known_by_its_number_its_uri_and_its_digits() {
        let uri = |text: &str| ApplicationId::Uri(HeaderText::new(text).unwrap());
        for (id, code) in [
            (ApplicationId::SYNCML_DM, Some(7)),
            (uri("x-wap-application:syncml.dm"), Some(7)),
            (uri("X-Wap-Application:SyncML.DM"), Some(7)),
            (uri("syncml.dm"), Some(7)),
            (uri("7"), Some(7)),
            (uri("x-wap-application:*"), Some(0)),
            (uri("x-wap-application:push.syncml"), Some(5)),
            (uri("urn:x:syncml.dm"), None),
            (uri("x-wap-application:other.ua"), None),
        ] {
            assert_eq!(id.code(), code, "{id:?}");
        }
    }
}
