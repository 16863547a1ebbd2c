use super::{MOST_ELEMENTS, PKCS15_AID, TlvError};
use crate::tlv::{TlvWriter, elements, find};

const TEMPLATE: u32 = 0x61;
const AID: u32 = 0x4F;
const LABEL: u32 = 0x50;
const PATH: u32 = 0x51;
/// RID of 3GPP and the application code of the USIM (TS 31.102).
const USIM: [u8; 7] = [0xA0, 0, 0, 0, 0x87, 0x10, 0x02];

/// An application of the card: a template of EF(DIR) (§3.1).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ApplicationTemplate {
    /// Its AID, as the card gives it.
    pub aid: Vec<u8>,
    /// Its name for people.
    pub label: Option<String>,
    /// Its path, file identifiers from the MF (`3F00`) down.
    pub path: Option<Vec<u16>>,
}

/// Reads one record of EF(DIR), or the whole file where it is transparent. Elements other than templates are skipped.
///
/// # Errors
/// What is no BER-TLV; the templates before it are lost, so the caller reads records one by one.
pub fn read_dir(octets: &[u8]) -> Result<Vec<ApplicationTemplate>, TlvError> {
    let mut templates = Vec::new();
    for element in elements(octets).take(MOST_ELEMENTS) {
        let element = element?;
        if element.tag == TEMPLATE
            && let Some(aid) = find(element.value, AID)
        {
            let label = find(element.value, LABEL);
            templates.push(ApplicationTemplate {
                aid: aid.to_vec(),
                label: label.map(|label| String::from_utf8_lossy(label).into_owned()),
                path: find(element.value, PATH).and_then(path),
            });
        }
    }
    Ok(templates)
}

impl ApplicationTemplate {
    /// Whether it is the PKCS#15 application.
    #[must_use]
    pub fn is_pkcs15(&self) -> bool {
        self.aid.starts_with(&PKCS15_AID)
    }

    /// Whether it is a USIM, which has the IMSI that a lock looks at (§8).
    #[must_use]
    pub fn is_usim(&self) -> bool {
        self.aid.starts_with(&USIM)
    }

    /// The template as EF(DIR) holds it.
    #[must_use]
    pub fn write(&self) -> Vec<u8> {
        let mut inner = TlvWriter::default().element(AID, &self.aid);
        if let Some(label) = &self.label {
            inner = inner.element(LABEL, label.as_bytes());
        }
        if let Some(path) = &self.path {
            let octets: Vec<u8> = path.iter().flat_map(|file| file.to_be_bytes()).collect();
            inner = inner.element(PATH, &octets);
        }
        TlvWriter::default()
            .nest(TEMPLATE, &inner)
            .octets()
            .to_vec()
    }
}

/// From the MF down, whether or not the card says `3F00`.
fn path(octets: &[u8]) -> Option<Vec<u16>> {
    let files = super::pkcs15_path::file_ids(octets)?;
    match files.first()? {
        0x3F00 => Some(files),
        _ => Some(std::iter::once(0x3F00).chain(files).collect()),
    }
}
