use std::ops::Range;

use super::{
    DIGEST_OCTETS, ESCAPE, HEADER_OCTETS, OptionName, Package0, Package0Error, Package0Problem,
    PreferredConnection, ServerId, VERSION,
};

/// A Notification with the octets it was read from. The digest covers those, so what a writer would not write (RESERVED bits, unknown
/// options, a TIMESTAMP of another width) does not spoil it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ReceivedPackage0<'a> {
    octets: &'a [u8],
    version: u8,
    reserved: u8,
    options: Vec<OptionAt>,
    package: Package0,
}

/// Where an option stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct OptionAt {
    /// Its number; [`OptionName::of`] tells which it is.
    pub number: u16,
    /// Offset of its first octet, that of delta and length.
    pub at: usize,
    /// Offsets of its value.
    pub value: Range<usize>,
}

impl<'a> ReceivedPackage0<'a> {
    /// Reads a Notification of VER 1.
    ///
    /// # Errors
    /// [`Package0Error`] with the octet, upon which the Notification is discarded.
    pub fn decode(octets: &'a [u8]) -> Result<Self, Package0Error> {
        Self::decode_versions(octets, &[VERSION])
    }

    /// Reads a Notification of any of these versions (D35). The layout is taken to be that of VER 1.
    ///
    /// # Errors
    /// [`Package0Error`] with the octet, upon which the Notification is discarded.
    pub fn decode_versions(octets: &'a [u8], accepted: &[u8]) -> Result<Self, Package0Error> {
        let fail = |at, problem| Err(Package0Error { at, problem });
        let Some((&[high, low], _)) = octets.split_first_chunk::<HEADER_OCTETS>() else {
            return fail(octets.len(), Package0Problem::Header(octets.len()));
        };
        let header = u16::from_be_bytes([high, low]);
        let version = high >> 4;
        if !accepted.contains(&version) {
            return fail(0, Package0Problem::Version(version));
        }
        let said = (header >> 7) as u8 & 0x1F;
        let mut options: Vec<OptionAt> = Vec::with_capacity(said.into());
        let mut at = HEADER_OCTETS;
        for found in 0..said {
            let Some(&head) = octets.get(at) else {
                return fail(at, Package0Problem::OptionCount { said, found });
            };
            let last = options.last().map(|option| option.number);
            let number = last.unwrap_or(0) + u16::from(head >> 4);
            if last == Some(number) {
                return fail(at, Package0Problem::Repeated(number));
            }
            let value = value_range(octets, at, head, number)?;
            let end = value.end;
            options.push(OptionAt { number, at, value });
            at = end;
        }
        if at < octets.len() {
            return fail(at, Package0Problem::Trailing(octets.len() - at));
        }
        Ok(Self {
            package: package(octets, &options)?,
            octets,
            version,
            reserved: low & 0x7F,
            options,
        })
    }

    /// What it says.
    #[must_use]
    pub const fn package(&self) -> &Package0 {
        &self.package
    }

    /// The octets it was read from.
    #[must_use]
    pub const fn octets(&self) -> &'a [u8] {
        self.octets
    }

    /// VER
    #[must_use]
    pub const fn version(&self) -> u8 {
        self.version
    }

    /// RESERVED, 7 bits, ignored on reception.
    #[must_use]
    pub const fn reserved(&self) -> u8 {
        self.reserved
    }

    /// Its options in order, the unknown ones included.
    #[must_use]
    pub fn options(&self) -> &[OptionAt] {
        &self.options
    }

    pub(super) fn option(&self, name: OptionName) -> Option<&OptionAt> {
        let number = u16::from(name.number());
        self.options.iter().find(|option| option.number == number)
    }
}

/// Where the value of the option at `at` stands, whose first octet is `head` (D36).
fn value_range(
    octets: &[u8],
    at: usize,
    head: u8,
    number: u16,
) -> Result<Range<usize>, Package0Error> {
    let short = |at: usize, needs| Package0Error {
        at,
        problem: Package0Problem::Truncated {
            number,
            needs,
            has: octets.len() - at,
        },
    };
    let (start, length) = match head & 0x0F {
        ESCAPE => {
            let more = *octets.get(at + 1).ok_or_else(|| short(at + 1, 1))?;
            (at + 2, usize::from(ESCAPE) + usize::from(more))
        }
        length => (at + 1, length.into()),
    };
    let range = start..start + length;
    if range.end > octets.len() {
        return Err(short(start, length));
    }
    Ok(range)
}

fn package(octets: &[u8], options: &[OptionAt]) -> Result<Package0, Package0Error> {
    let mut server_id = None;
    let mut rest = Rest::default();
    for option in options {
        let Some(name) = OptionName::of(option.number) else {
            continue;
        };
        let value = &octets[option.value.clone()];
        let read = if name == OptionName::ServerId {
            ServerId::read(value)
                .map(|id| server_id = Some(id))
                .map_err(Package0Problem::from)
        } else {
            rest.take(name, value)
        };
        read.map_err(|problem| Package0Error {
            at: option.value.start,
            problem,
        })?;
    }
    let server_id = server_id.ok_or(Package0Error {
        at: HEADER_OCTETS,
        problem: Package0Problem::NoServerId,
    })?;
    Ok(Package0 {
        server_id,
        preferred_connection: rest.preferred_connection,
        notification_id: rest.notification_id,
        digest: rest.digest,
        timestamp: rest.timestamp,
        req_mos: rest.req_mos,
    })
}

/// Everything but SERVER-ID.
#[derive(Default)]
struct Rest {
    preferred_connection: Option<PreferredConnection>,
    notification_id: Option<u16>,
    digest: Option<[u8; DIGEST_OCTETS]>,
    timestamp: Option<u64>,
    req_mos: bool,
}

impl Rest {
    fn take(&mut self, option: OptionName, value: &[u8]) -> Result<(), Package0Problem> {
        let length = |expected| {
            let found = value.len();
            Package0Problem::Length {
                option,
                expected,
                found,
            }
        };
        match option {
            OptionName::ServerId => {}
            OptionName::PreferredConType => {
                let [octet] = value else {
                    return Err(length("1"));
                };
                self.preferred_connection = Some(PreferredConnection::from_octet(*octet));
            }
            OptionName::NotificationId => {
                let id = value.try_into().map_err(|_| length("2"))?;
                self.notification_id = Some(u16::from_be_bytes(id));
            }
            OptionName::Sha256Digest => {
                self.digest = Some(value.try_into().map_err(|_| length("32"))?);
            }
            OptionName::Timestamp => {
                if !(1..=8).contains(&value.len()) {
                    return Err(length("1 to 8"));
                }
                let seconds = value
                    .iter()
                    .fold(0, |sum, &octet| sum << 8 | u64::from(octet));
                self.timestamp = Some(seconds);
            }
            OptionName::ReqMos => {
                if !value.is_empty() {
                    return Err(length("no"));
                }
                self.req_mos = true;
            }
        }
        Ok(())
    }
}
