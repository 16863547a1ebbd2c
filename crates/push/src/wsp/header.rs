//! The headers behind Content-Type.

use super::reader::Reader;
use super::{ApplicationId, WspError, WspFault};

/// X-Wap-Application-Id, a field of the first code page.
const APPLICATION_ID: u8 = 0xAF;
/// The code page that is in force at the beginning.
const FIRST_PAGE: u8 = 1;
/// The octet behind it is the code page from there on.
const SHIFT: u8 = 0x7F;

pub(super) fn write_application_id(into: &mut Vec<u8>, id: &ApplicationId) {
    into.push(APPLICATION_ID);
    id.write(into);
}

/// The application id among all headers; those that are not known are passed over by their form.
pub(super) fn read_application_id(
    headers: &mut Reader<'_>,
) -> Result<Option<ApplicationId>, WspError> {
    let mut found = None;
    let mut page = FIRST_PAGE;
    while !headers.is_empty() {
        let at = headers.at();
        match headers.peek()? {
            0 => return Err(WspError::new(at, WspFault::HeaderName(0))),
            short @ 1..=31 => {
                page = short;
                headers.octet()?;
            }
            SHIFT => {
                headers.octet()?;
                page = headers.octet()?;
            }
            32..=126 => {
                headers.string()?;
                headers.string()?;
            }
            APPLICATION_ID if page == FIRST_PAGE => {
                headers.octet()?;
                let id = ApplicationId::read(headers)?;
                found.get_or_insert(id);
            }
            _ => {
                headers.octet()?;
                headers.skip()?;
            }
        }
    }
    Ok(found)
}
