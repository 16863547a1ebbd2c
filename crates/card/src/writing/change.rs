use zeroize::Zeroizing;

use super::CardWriteError;
use super::survey::{OldFile, Survey};
use crate::dialogue::{Dialogue, Location};
use crate::file_info::{FileInfo, FileStructure};
use crate::pkcs15::{OdfItem, Pkcs15Path};
use crate::tlv::{TlvWriter, elements};
use crate::{CardFileSet, CardPath, CardTrouble, file_set};

/// What is to become of a card, decided before anything is changed.
pub(super) struct Change {
    /// Directories without our entries: first, and the end where there are no documents.
    pub(super) cleared: Vec<NewFile>,
    /// Documents, former files of them that hold nothing now, EF(TokenInfo), EF(DIR), EF(ODF).
    pub(super) between: Vec<NewFile>,
    /// The directory with the entries of the documents: last.
    pub(super) entries: Option<NewFile>,
    documents: Vec<CardPath>,
}

/// A file and what it is to hold; as long as the file.
pub(super) struct NewFile {
    pub(super) at: Location,
    pub(super) info: FileInfo,
    pub(super) old: Zeroizing<Vec<u8>>,
    pub(super) new: Zeroizing<Vec<u8>>,
    pub(super) record: Option<usize>,
    /// A directory: whether others have entries in it. None of a file that is not looked at while it is written.
    pub(super) others: Option<bool>,
}

impl Change {
    /// Decides; looks for the files that are needed beyond those known.
    pub(super) fn plan(
        dialogue: &mut Dialogue<'_, '_>,
        survey: &Survey,
        set: Option<&CardFileSet>,
    ) -> Result<Self, CardWriteError> {
        let mut change = Self {
            cleared: Vec::new(),
            between: Vec::new(),
            entries: None,
            documents: Vec::new(),
        };
        let contents: Vec<&[u8]> = set.map(|set| set.documents().collect()).unwrap_or_default();
        let mut files: Vec<&OldFile> = survey.documents.iter().collect();
        let more = further(dialogue, survey, contents.len())?;
        files.extend(&more);
        for (number, file) in files.iter().enumerate() {
            let content = contents.get(number).copied();
            if content.is_some() {
                if !matches!(file.info.structure, None | Some(FileStructure::Transparent)) {
                    return Err(CardWriteError::Structure(file.path()));
                }
                change.documents.push(file.path());
            }
            let new = file.filled(content.unwrap_or(&[]))?;
            change.between.push(NewFile::of(file, new, None));
        }
        let entries = set.map(|set| {
            let places = places(&change.documents);
            file_set::entries(&places, set.oids(), set.is_for_opensc())
        });
        let entries = entries.unwrap_or_default();
        if let (Some(set), Some(file)) = (set, &survey.token_info) {
            let label = set.token_info();
            // A card whose file is too small for ours does without.
            if let Ok(new) = file.filled(&label.write()) {
                change.between.push(NewFile::of(file, new, None));
            }
        }
        if let (Some(file), true) = (&survey.dir, set.is_some()) {
            change.between.push(with_template(survey, file)?);
        }
        for (number, dodf) in survey.dodfs.iter().enumerate() {
            let others = Some(!dodf.others.is_empty());
            let cleared = || dodf.file.filled(&dodf.others);
            if dodf.ours {
                let cleared = NewFile::of(&dodf.file, cleared()?, others);
                change.cleared.push(cleared);
            }
            if number == 0 && !entries.is_empty() {
                let whole = [&entries[..], &dodf.others].concat();
                let mut last = NewFile::of(&dodf.file, dodf.file.filled(&whole)?, others);
                if dodf.ours {
                    last.old = cleared()?;
                }
                change.entries = Some(last);
            }
        }
        if survey.dodfs.is_empty() && !entries.is_empty() {
            change.first_dodf(dialogue, survey, &entries)?;
        }
        if change.is_there_already(survey) {
            change.cleared.clear();
            change.entries = None;
        }
        change.between.retain(|file| file.old != file.new);
        Ok(change)
    }

    /// A card whose ODF names no DODF: the customary one is named in it.
    fn first_dodf(
        &mut self,
        dialogue: &mut Dialogue<'_, '_>,
        survey: &Survey,
        entries: &[u8],
    ) -> Result<(), CardWriteError> {
        let path = Pkcs15Path::new(&[file_set::EF_DODF]);
        let dodf = needed(dialogue, survey, &path)?;
        let mut odf = TlvWriter::default();
        for element in elements(&survey.odf.octets) {
            let element = element.map_err(|_| CardTrouble::OdfUnparsable)?;
            odf = odf.element(element.tag, element.value);
        }
        let others = !odf.octets().is_empty();
        let whole = [odf.octets(), &OdfItem::write(&[path])].concat();
        let odf = NewFile::of(&survey.odf, survey.odf.filled(&whole)?, Some(others));
        // Named before it has our entries: what it holds until then must not count.
        let blank = dodf.filled(&[])?;
        let mut last = NewFile::of(&dodf, dodf.filled(entries)?, Some(false));
        if dodf.octets != blank {
            self.cleared
                .push(NewFile::of(&dodf, blank.clone(), Some(false)));
        }
        last.old = blank;
        self.between.push(odf);
        self.entries = Some(last);
        Ok(())
    }

    /// Where the documents are afterwards.
    pub(super) fn documents(&self) -> Vec<CardPath> {
        self.documents.clone()
    }

    /// Whether entries and documents are on the card as they should be.
    fn is_there_already(&self, survey: &Survey) -> bool {
        let entries = match (&self.entries, survey.dodfs.as_slice()) {
            (Some(last), [first, rest @ ..]) => {
                last.new == first.file.octets && !rest.iter().any(|dodf| dodf.ours)
            }
            (Some(_), []) => false,
            (None, dodfs) => !dodfs.iter().any(|dodf| dodf.ours),
        };
        entries && self.between.iter().all(|file| file.old == file.new)
    }
}

impl NewFile {
    fn of(file: &OldFile, new: Zeroizing<Vec<u8>>, others: Option<bool>) -> Self {
        Self {
            at: file.at.clone(),
            info: file.info.clone(),
            old: file.octets.clone(),
            record: file.record,
            new,
            others,
        }
    }
}

/// The customary files of documents, as many as are needed beyond those that the card names.
fn further(
    dialogue: &mut Dialogue<'_, '_>,
    survey: &Survey,
    count: usize,
) -> Result<Vec<OldFile>, CardWriteError> {
    let mut more = Vec::new();
    let mut file = file_set::EF_DM_BOOTSTRAP;
    while survey.documents.len() + more.len() < count {
        let path = Pkcs15Path::new(&[file]);
        let at = survey.application.locate(&path);
        let named = |one: &OldFile| at.as_ref().is_some_and(|at| at.path == one.at.path);
        let of_others = at
            .as_ref()
            .is_some_and(|at| survey.others.contains(&at.path));
        if !of_others && !survey.documents.iter().any(named) {
            more.push(needed(dialogue, survey, &path)?);
        }
        file = file.wrapping_add(1);
    }
    Ok(more)
}

fn needed(
    dialogue: &mut Dialogue<'_, '_>,
    survey: &Survey,
    path: &Pkcs15Path,
) -> Result<OldFile, CardWriteError> {
    let at = survey.application.locate(path);
    let at = at.ok_or(CardWriteError::NoApplication)?;
    let path = at.path.clone();
    OldFile::read(dialogue, &survey.application, at)?.ok_or(CardWriteError::Missing(path))
}

/// EF(DIR) with the template of the application: in a free record, or behind the other templates.
fn with_template(survey: &Survey, file: &OldFile) -> Result<NewFile, CardWriteError> {
    let template = survey.application.template().write();
    let new = match file.record {
        None => {
            let mut all = TlvWriter::default();
            for element in elements(&file.octets) {
                let element = element.map_err(|_| CardTrouble::DirUnparsable)?;
                all = all.element(element.tag, element.value);
            }
            file.filled(&[all.octets(), &template].concat())?
        }
        Some(length) => {
            let mut new = file.octets.clone();
            let is_free = |record: &&mut [u8]| record.iter().all(|octet| *octet == 0xFF);
            let place = new.chunks_mut(length.max(1)).find(is_free);
            let place = place.and_then(|place| place.get_mut(..template.len()));
            let place = place.ok_or_else(|| CardWriteError::Structure(file.path()))?;
            place.copy_from_slice(&template);
            new
        }
    };
    Ok(NewFile::of(file, new, None))
}

/// Paths as entries hold them: absolute where the card tells, else within the application.
fn places(documents: &[CardPath]) -> Vec<Pkcs15Path> {
    let path = |path: &CardPath| match path.files() {
        [crate::path::CURRENT_APPLICATION, below @ ..] => Pkcs15Path::new(below),
        absolute => Pkcs15Path::new(absolute),
    };
    documents.iter().map(path).collect()
}
