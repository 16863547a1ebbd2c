use std::collections::BTreeSet;

use zeroize::Zeroizing;

use super::CardWriteError;
use crate::dialogue::{Application, Candidate, Dialogue, FileContent, Location, Refusals, joined};
use crate::file_info::{FileInfo, FileStructure};
use crate::pkcs15::{DataObject, DataValue, DodfItem, OdfItem, Pkcs15Path, read_dodf, read_odf};
use crate::tlv::{TlvWriter, elements};
use crate::trouble::Octets;
use crate::{CardOid, CardPath, CardTrouble, LONGEST_DOCUMENT};

pub(super) const EF_DIR: u16 = 0x2F00;
pub(super) const EF_ODF: u16 = 0x5031;
pub(super) const EF_TOKEN_INFO: u16 = 0x5032;

/// What is on a card before it is written.
pub(super) struct Survey {
    pub(super) application: Application,
    pub(super) odf: OldFile,
    /// In the card's order; none where the ODF names none.
    pub(super) dodfs: Vec<Dodf>,
    /// The files of the documents, in the card's order.
    pub(super) documents: Vec<OldFile>,
    /// EF(DIR), where the application is not in it and it could be.
    pub(super) dir: Option<OldFile>,
    /// EF(TokenInfo), where it is there and empty.
    pub(super) token_info: Option<OldFile>,
}

/// A directory of data objects.
pub(super) struct Dodf {
    pub(super) file: OldFile,
    /// Whether it has entries that are ours.
    pub(super) ours: bool,
    /// Everything that is not.
    pub(super) others: Zeroizing<Vec<u8>>,
}

/// A file as it is.
pub(super) struct OldFile {
    pub(super) at: Location,
    pub(super) info: FileInfo,
    pub(super) octets: Zeroizing<Vec<u8>>,
    /// Length of a record, where it has records.
    pub(super) record: Option<usize>,
}

impl Survey {
    /// Finds the application, its directories and documents.
    pub(super) fn of(dialogue: &mut Dialogue<'_, '_>) -> Result<Self, CardWriteError> {
        let directory = dialogue.read_directory()?;
        if let Some(trouble) = directory.trouble {
            return Err(trouble.into());
        }
        let named = directory.named();
        let mut refusals = Refusals::default();
        // What EF(DIR) is to say needs the path, which the AID alone does not give.
        let mut customary = Candidate::customary();
        customary.rotate_left(1);
        for candidate in named.iter().cloned().chain(customary) {
            let selected =
                dialogue.select_application(&candidate, directory.of_records, &mut refusals)?;
            let Some(application) = selected else {
                continue;
            };
            let Some(at) = application.locate(&Pkcs15Path::new(&[EF_ODF])) else {
                continue;
            };
            let Some(odf) = OldFile::read(dialogue, &application, at)? else {
                continue;
            };
            let dir = if named.is_empty() {
                let at = Location::of_mf(EF_DIR).ok_or(CardWriteError::NoApplication)?;
                OldFile::read(dialogue, &application, at)?
            } else {
                None
            };
            return Self::follow(dialogue, application, odf, dir);
        }
        Err(refusals
            .trouble()
            .map_or(CardWriteError::NoApplication, CardWriteError::Trouble))
    }

    fn follow(
        dialogue: &mut Dialogue<'_, '_>,
        application: Application,
        odf: OldFile,
        dir: Option<OldFile>,
    ) -> Result<Self, CardWriteError> {
        let accepted = dialogue.accepted().to_vec();
        let items = read_odf(&odf.octets).map_err(|_| CardTrouble::OdfUnparsable)?;
        let (mut dodfs, mut documents) = (Vec::new(), Vec::new());
        let mut seen = BTreeSet::new();
        for item in items {
            let path = match item {
                OdfItem::Dodf(path) if path.slice.is_none() => path,
                OdfItem::Dodf(_) => return Err(CardWriteError::Structure(odf.at.path)),
                OdfItem::Objects(objects) => {
                    if objects.iter().any(|object| is_ours(object, &accepted)) {
                        return Err(CardWriteError::Structure(odf.at.path));
                    }
                    continue;
                }
            };
            let at = application.locate(&path);
            let at = at.ok_or(CardTrouble::OdfUnparsable)?;
            if !seen.insert(at.path.to_string()) {
                continue;
            }
            let path = at.path.clone();
            let file = OldFile::read(dialogue, &application, at)?;
            let file = file.ok_or(CardWriteError::Missing(path))?;
            let (others, ours) = parted(&file.octets, &accepted)?;
            for object in &ours {
                let DataValue::Path(path) = &object.value else {
                    continue;
                };
                let whole = Pkcs15Path::new(&path.files);
                let at = application.locate(&whole);
                let at = at.ok_or(CardTrouble::DodfUnparsable)?;
                if seen.insert(at.path.to_string()) {
                    documents.extend(OldFile::read(dialogue, &application, at)?);
                }
            }
            dodfs.push(Dodf {
                file,
                ours: !ours.is_empty(),
                others,
            });
        }
        let token_info = application.locate(&Pkcs15Path::new(&[EF_TOKEN_INFO]));
        let token_info = match token_info {
            Some(at) => OldFile::read(dialogue, &application, at)?,
            None => None,
        };
        let is_blank = |file: &OldFile| matches!(file.octets.first(), Some(0x00 | 0xFF));
        Ok(Self {
            token_info: token_info.filter(is_blank),
            application,
            odf,
            dodfs,
            documents,
            dir,
        })
    }
}

impl OldFile {
    /// Reads a file whole; none where it is not there.
    pub(super) fn read(
        dialogue: &mut Dialogue<'_, '_>,
        application: &Application,
        at: Location,
    ) -> Result<Option<Self>, CardWriteError> {
        let (info, content) = dialogue.read_file(&at.ways, &application.pins)?;
        let parts = match content {
            FileContent::Octets(parts) => parts,
            FileContent::Missing => return Ok(None),
            FileContent::Trouble(trouble) => return Err(trouble.into()),
        };
        let record = match info.structure {
            Some(FileStructure::Records { .. }) => parts.first().map(|record| record.len()),
            _ => None,
        };
        Ok(Some(Self {
            octets: joined(&parts),
            at,
            info,
            record,
        }))
    }

    /// The same file filled with these octets, then `FF`.
    pub(super) fn filled(&self, with: &[u8]) -> Result<Zeroizing<Vec<u8>>, CardWriteError> {
        // A document has to be read back: READ BINARY reaches so far.
        let size = self.octets.len().min(LONGEST_DOCUMENT + 1);
        if with.len() > size {
            let octets = |count: usize| Octets(u32::try_from(count).unwrap_or(u32::MAX));
            return Err(CardWriteError::TooSmall {
                path: self.path(),
                size: octets(size),
                needed: octets(with.len()),
            });
        }
        let mut filled = Zeroizing::new(with.to_vec());
        filled.resize(self.octets.len(), 0xFF);
        Ok(filled)
    }

    pub(super) fn path(&self) -> CardPath {
        self.at.path.clone()
    }
}

fn is_ours(item: &DodfItem, accepted: &[CardOid]) -> bool {
    matches!(item, DodfItem::Object(DataObject { oid: Some(oid), .. }) if accepted.contains(oid))
}

/// What is of others in a DODF, as it stands there, and our entries.
fn parted(
    dodf: &[u8],
    accepted: &[CardOid],
) -> Result<(Zeroizing<Vec<u8>>, Vec<DataObject>), CardWriteError> {
    let mut others = TlvWriter::default();
    let mut ours = Vec::new();
    for element in elements(dodf) {
        let element = element.map_err(|_| CardTrouble::DodfUnparsable)?;
        let alone = TlvWriter::default().element(element.tag, element.value);
        match read_dodf(alone.octets()).pop() {
            Some(DodfItem::Object(object))
                if object
                    .oid
                    .as_ref()
                    .is_some_and(|oid| accepted.contains(oid)) =>
            {
                ours.push(object);
            }
            // It would stay in doubt beside the new entries.
            Some(DodfItem::Unparsable(_)) => return Err(CardTrouble::DodfUnparsable.into()),
            _ => others = others.element(element.tag, element.value),
        }
    }
    Ok((Zeroizing::new(others.octets().to_vec()), ours))
}
