use super::Dialogue;
use super::file::{FileContent, joined};
use super::link::{CardClass, trouble};
use super::select::{Selected, Way};
use crate::CardTrouble;
use crate::apdu::{Meaning, meaning};
use crate::path::{CURRENT_APPLICATION, CardPath, MF};
use crate::pkcs15::{ApplicationTemplate, PKCS15_AID, Pkcs15Path, read_dir};
use crate::transport::TransportError;

const EF_DIR: u16 = 0x2F00;
/// How EF(DIR) names the application for people.
pub(crate) const LABEL: &str = "OMA-DM";
/// Where telecom cards, and cards made with OpenSC, have the application when EF(DIR) does not say (§4, step 5).
const CUSTOMARY: [u16; 2] = [0x7F50, 0x5015];

/// EF(DIR) of a card.
pub(crate) struct Directory {
    pub(crate) templates: Vec<ApplicationTemplate>,
    /// Whether it is a file of records, as on a UICC.
    pub(crate) of_records: bool,
    /// Why it says nothing; it then may have named an application that is not found otherwise.
    pub(crate) trouble: Option<CardTrouble>,
}

/// A place where the PKCS#15 application may be.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Candidate {
    pub(crate) aid: Option<Vec<u8>>,
    /// From the MF down, the MF left out.
    pub(crate) path: Option<Vec<u16>>,
}

/// The PKCS#15 application, as it was found.
pub(crate) struct Application {
    candidate: Candidate,
    /// Whether the AID led to it, so that `7FFF` stands for it.
    by_aid: bool,
    /// `7FFF` is tried before the path: UICCs know it, plain cards do not.
    channel_first: bool,
    pub(crate) pins: Vec<u8>,
}

/// Where a file of the card is: its name for people and provenance, and the ways to it.
#[derive(Clone)]
pub(crate) struct Location {
    pub(crate) path: CardPath,
    pub(crate) ways: Vec<Way>,
}

impl Dialogue<'_, '_> {
    /// Reads EF(DIR): of a UICC record by record, else the whole file (§4, step 3).
    pub(crate) fn read_directory(&mut self) -> Result<Directory, TransportError> {
        let mut directory = Directory {
            templates: Vec::new(),
            of_records: false,
            trouble: None,
        };
        let parts = match self.read(&[Way::Absolute(vec![EF_DIR])], None, &[])? {
            FileContent::Octets(parts) => parts,
            FileContent::Missing => return Ok(directory),
            FileContent::Trouble(trouble) => {
                // A directory that asks for a PIN is one without the template (§4, step 5).
                let unknown = matches!(
                    trouble,
                    CardTrouble::CardFault(_) | CardTrouble::UnknownStatus(_)
                );
                directory.trouble = unknown.then_some(trouble);
                return Ok(directory);
            }
        };
        directory.of_records = parts.len() > 1;
        for part in parts {
            match read_dir(&part) {
                Ok(templates) => directory.templates.extend(templates),
                Err(_) => directory.trouble = Some(CardTrouble::DirUnparsable),
            }
        }
        Ok(directory)
    }

    /// Selects the application at this place; none where it is not there. What the AID misses, the path may find.
    pub(crate) fn select_application(
        &mut self,
        candidate: &Candidate,
        of_records: bool,
        refusals: &mut Refusals,
    ) -> Result<Option<Application>, TransportError> {
        self.application = candidate.aid.clone().unwrap_or_default();
        let mut application = Application {
            candidate: candidate.clone(),
            by_aid: false,
            channel_first: of_records,
            pins: Vec::new(),
        };
        if let Some(aid) = &candidate.aid
            && self.link.class == CardClass::Iso
        {
            self.link.open_channel()?;
            let selected = self.select_aid(aid)?;
            refusals.note(&selected);
            if let Selected::File(info) = selected
                && !info.invalidated
            {
                application.by_aid = true;
                application.pins = info.pins;
                return Ok(Some(application));
            }
        }
        if let Some(path) = &candidate.path {
            let selected = self.select(&[Way::Absolute(path.clone())])?;
            // That nothing is at a customary place says nothing about the application.
            if candidate.aid.is_some() {
                refusals.note(&selected);
            }
            if let Selected::File(info) = selected {
                application.pins = info.pins;
                return Ok(Some(application));
            }
        }
        Ok(None)
    }
}

impl Directory {
    /// The places that EF(DIR) names.
    pub(crate) fn named(&self) -> Vec<Candidate> {
        let templates = self
            .templates
            .iter()
            .filter(|template| template.is_pkcs15());
        templates
            .map(|template| Candidate {
                aid: Some(template.aid.clone()),
                path: template
                    .path
                    .as_ref()
                    .map(|path| path.iter().skip(1).copied().collect()),
            })
            .collect()
    }
}

impl Candidate {
    /// The places to look at when EF(DIR) names none that holds the application.
    pub(crate) fn customary() -> Vec<Self> {
        let by_aid = Self {
            aid: Some(PKCS15_AID.to_vec()),
            path: None,
        };
        let by_path = CUSTOMARY.map(|file| Self {
            aid: None,
            path: Some(vec![file]),
        });
        std::iter::once(by_aid).chain(by_path).collect()
    }
}

impl Location {
    /// A file directly under the MF.
    pub(crate) fn of_mf(file: u16) -> Option<Self> {
        Some(Self {
            path: CardPath::new(&[MF, file])?,
            ways: vec![Way::Absolute(vec![file])],
        })
    }
}

impl Application {
    /// What EF(DIR) is to say of it.
    pub(crate) fn template(&self) -> ApplicationTemplate {
        let path = self.candidate.path.as_ref();
        ApplicationTemplate {
            aid: PKCS15_AID.to_vec(),
            label: Some(LABEL.to_owned()),
            path: path.map(|path| std::iter::once(MF).chain(path.iter().copied()).collect()),
        }
    }

    /// Where a file of the application is (§3.3).
    pub(crate) fn locate(&self, path: &Pkcs15Path) -> Option<Location> {
        let home = self.candidate.path.as_deref();
        let (below, absolute) = match path.files.as_slice() {
            [MF, rest @ ..] => (
                home.and_then(|home| rest.strip_prefix(home)),
                Some(rest.to_vec()),
            ),
            [CURRENT_APPLICATION, rest @ ..] | rest => {
                (Some(rest), home.map(|home| [home, rest].concat()))
            }
        };
        let mut ways = Vec::new();
        if let Some(below) = below
            && self.by_aid
        {
            ways.push(Way::InApplication(below.to_vec()));
        }
        if let Some(absolute) = &absolute {
            let place = if self.channel_first { ways.len() } else { 0 };
            ways.insert(place, Way::Absolute(absolute.clone()));
        }
        if let Some(below) = below
            && let Some(aid) = self.candidate.aid.as_ref().filter(|_| self.by_aid)
        {
            ways.push(Way::BelowAid(aid.clone(), below.to_vec()));
        }
        let (root, files) = match absolute {
            Some(files) => (MF, files),
            None => (CURRENT_APPLICATION, below?.to_vec()),
        };
        let named: Vec<u16> = std::iter::once(root).chain(files).collect();
        let mut path_of = CardPath::new(&named)?;
        if let Some(slice) = path.slice {
            path_of = path_of.with_slice(slice);
        }
        Some(Location {
            path: path_of,
            ways,
        })
    }
}

/// What the card said to the SELECTs of applications: a card that refuses them all with `6999` is not known to have none (§7).
#[derive(Default)]
pub(crate) struct Refusals {
    refused: bool,
    other: bool,
    trouble: Option<CardTrouble>,
}

impl Refusals {
    fn note(&mut self, selected: &Selected) {
        match selected {
            Selected::Refused(status) => match meaning(*status) {
                Meaning::SelectRefused => self.refused = true,
                Meaning::Fault | Meaning::Unknown => {
                    self.trouble = self.trouble.or_else(|| Some(trouble(*status)));
                }
                _ => self.other = true,
            },
            Selected::File(_) | Selected::Missing => self.other = true,
        }
    }

    /// Why it is not known whether there is an application; none where there is definitely none.
    pub(crate) const fn trouble(&self) -> Option<CardTrouble> {
        match self.trouble {
            None if self.refused && !self.other => Some(CardTrouble::ApplicationRefused),
            trouble => trouble,
        }
    }
}

/// The octets of a file of the application, or why they are not there.
pub(crate) fn content(
    file: FileContent,
) -> Result<Option<zeroize::Zeroizing<Vec<u8>>>, CardTrouble> {
    match file {
        FileContent::Octets(parts) => Ok(Some(joined(&parts))),
        FileContent::Missing => Ok(None),
        FileContent::Trouble(trouble) => Err(trouble),
    }
}
