use super::reader::Reader;
use super::well_known::NAMES;
use super::{HeaderText, Mac, Sec, Security, WspError, WspFault, writer};

/// Parameters with a number of their own: the name as a short-integer.
const Q: u32 = 0x00;
const SEC: u32 = 0x11;
const MAC: u32 = 0x12;

/// Content-Type: what the body is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ContentType {
    /// The media type.
    pub media: MediaName,
    /// SEC and MAC where it is a signed bootstrap.
    pub security: Option<Security>,
}

/// A media type as WSP names it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MediaName {
    /// By a number of [`super::well_known`] or of the registry.
    Code(u32),
    /// By its text.
    Text(HeaderText),
}

impl MediaName {
    /// The number of [`super::well_known`], however the type was written: as a text in any case, with or without parameters. None for a text that has none
    /// there.
    #[must_use]
    pub fn code(&self) -> Option<u32> {
        let text = match self {
            Self::Code(code) => return Some(*code),
            Self::Text(text) => text.as_str(),
        };
        let bare = text.split(';').next().unwrap_or_default().trim();
        let mut names = NAMES.iter();
        let known = names.find(|(_, name)| name.eq_ignore_ascii_case(bare));
        known.map(|(code, _)| *code)
    }
}

impl From<MediaName> for ContentType {
    fn from(media: MediaName) -> Self {
        Self {
            media,
            security: None,
        }
    }
}

impl MediaName {
    fn write(&self, into: &mut Vec<u8>) {
        match self {
            Self::Code(code) => writer::integer(into, *code),
            Self::Text(text) => writer::text(into, text.as_str()),
        }
    }

    fn read(from: &mut Reader<'_>) -> Result<Self, WspError> {
        Ok(match from.peek()? {
            32..=127 => Self::Text(from.text()?),
            _ => Self::Code(from.integer()?),
        })
    }
}

impl ContentType {
    /// Constrained where it has no parameters and its number fits one octet, general otherwise.
    pub(super) fn write(&self, into: &mut Vec<u8>) {
        let Some(security) = &self.security else {
            match &self.media {
                MediaName::Code(0x80..) => {
                    let mut general = Vec::new();
                    self.media.write(&mut general);
                    writer::value(into, &general);
                }
                media => media.write(into),
            }
            return;
        };
        let mut general = Vec::new();
        self.media.write(&mut general);
        writer::integer(&mut general, SEC);
        writer::integer(&mut general, security.sec.code().into());
        if let Some(mac) = &security.mac {
            writer::integer(&mut general, MAC);
            writer::text(&mut general, &mac.to_string());
        }
        writer::value(into, &general);
    }

    /// Any of the three encodings.
    pub(super) fn read(from: &mut Reader<'_>) -> Result<Self, WspError> {
        match from.peek()? {
            0..=31 => {
                let mut general = from.value()?;
                Ok(Self {
                    media: MediaName::read(&mut general)?,
                    security: parameters(&mut general)?,
                })
            }
            _ => MediaName::read(from).map(Self::from),
        }
    }
}

/// SEC and MAC in either order; others are passed over by their form.
fn parameters(from: &mut Reader<'_>) -> Result<Option<Security>, WspError> {
    let (mut sec, mut mac) = (None, None);
    let start = from.at();
    while !from.is_empty() {
        if (32..=127).contains(&from.peek()?) {
            from.string()?;
            from.skip()?;
            continue;
        }
        let name = from.integer()?;
        let at = from.at();
        match name {
            SEC => {
                let code = from.integer()?;
                let known = Sec::of(code).ok_or_else(|| WspError::new(at, WspFault::Sec(code)))?;
                sec.get_or_insert(known);
            }
            MAC => {
                let text = from.text()?;
                let read = Mac::parse(text.as_str());
                mac.get_or_insert(read.map_err(|_| WspError::new(at, WspFault::Mac))?);
            }
            Q => drop(from.uintvar()?),
            _ => from.skip()?,
        }
    }
    match (sec, mac) {
        (None, None) => Ok(None),
        (Some(sec), mac) => Ok(Some(Security { sec, mac })),
        (None, Some(_)) => Err(WspError::new(start, WspFault::MacWithoutSec)),
    }
}
