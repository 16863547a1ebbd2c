use std::collections::BTreeSet;

use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::application::{Application, Candidate, Directory, Location, Refusals, content};
use super::{CardRoute, Dialogue, Found};
use crate::pkcs15::{
    DataObject, DataValue, DodfItem, OdfItem, Pkcs15Path, TokenInfo, read_dodf, read_odf,
};
use crate::reading::{CardDocument, CardEntry};
use crate::transport::TransportError;
use crate::{CardIdentity, CardOid, CardTrouble};

const EF_ODF: u16 = 0x5031;
const EF_TOKEN_INFO: u16 = 0x5032;
/// Most DODFs and most entries that are ours: bounds what one card can cost.
const MOST: usize = 64;

/// The entries of a card, and what tells it apart.
pub(crate) struct Entries {
    pub(crate) entries: Vec<CardEntry>,
    /// What stands for an ICCID, where the card has none (§8).
    pub(crate) identity: Option<CardIdentity>,
}

impl Dialogue<'_, '_> {
    /// Finds the PKCS#15 application and reads every entry with an accepted OID (§2, §4): in the card's order, client provisioning last (`dm1x.md` M23).
    pub(super) fn read_entries(
        &mut self,
        directory: &Directory,
        route: &mut CardRoute,
    ) -> Result<Found<Entries>, TransportError> {
        let mut refusals = Refusals::default();
        let mut whole = Sha256::new();
        let mut all = Entries {
            entries: Vec::new(),
            identity: None,
        };
        let mut found = false;
        for (customary, candidates) in [(false, directory.named()), (true, Candidate::customary())]
        {
            if customary && found {
                break;
            }
            for candidate in candidates {
                let selected =
                    self.select_application(&candidate, directory.of_records, &mut refusals)?;
                let Some(application) = selected else {
                    continue;
                };
                let Some(at) = application.locate(&Pkcs15Path::new(&[EF_ODF])) else {
                    continue;
                };
                let odf = match content(self.read(&at.ways, None, &application.pins)?) {
                    Ok(Some(odf)) => odf,
                    Ok(None) => continue,
                    Err(trouble) => return Ok(Found::Trouble(trouble)),
                };
                route.odf.push(at.path);
                whole.update(&odf);
                if let Err(trouble) =
                    self.follow(&application, &odf, &mut all, &mut whole, route)?
                {
                    return Ok(Found::Trouble(trouble));
                }
                if all.identity.is_none() {
                    all.identity = self.token_serial(&application)?;
                }
                found = true;
                if customary {
                    break;
                }
            }
        }
        if !found && let Some(trouble) = refusals.trouble().or(directory.trouble) {
            return Ok(Found::Trouble(trouble));
        }
        if found && all.identity.is_none() {
            all.identity = Some(CardIdentity::ContentHash(whole.finalize().into()));
        }
        all.entries.sort_by_key(|entry| entry.oid.rank());
        Ok(Found::Value(all))
    }

    /// ODF, every DODF, every entry, in the card's order.
    fn follow(
        &mut self,
        application: &Application,
        odf: &[u8],
        all: &mut Entries,
        whole: &mut Sha256,
        route: &mut CardRoute,
    ) -> Result<Result<(), CardTrouble>, TransportError> {
        let Ok(items) = read_odf(odf) else {
            return Ok(Err(CardTrouble::OdfUnparsable));
        };
        let mut seen = BTreeSet::new();
        for item in items.into_iter().take(MOST) {
            let (at, objects) = match item {
                OdfItem::Objects(objects) => {
                    let at = application.locate(&Pkcs15Path::new(&[EF_ODF]));
                    (at, objects)
                }
                OdfItem::Dodf(path) => {
                    let Some(at) = application.locate(&path) else {
                        return Ok(Err(CardTrouble::OdfUnparsable));
                    };
                    let file = self.read(&at.ways, path.slice, &application.pins)?;
                    let dodf = match content(file) {
                        Ok(Some(dodf)) => dodf,
                        Ok(None) => Zeroizing::new(Vec::new()),
                        Err(trouble) => {
                            all.entries.push(self.in_doubt(&at, trouble));
                            continue;
                        }
                    };
                    whole.update(&dodf);
                    route.dodf.push(at.path.clone());
                    (Some(at), read_dodf(&dodf))
                }
            };
            let Some(at) = at else { continue };
            for (number, object) in objects.into_iter().enumerate() {
                if all.entries.len() == MOST {
                    return Ok(Ok(()));
                }
                let entry = match object {
                    DodfItem::Unparsable(_) => {
                        Some(self.in_doubt(&at, CardTrouble::DodfUnparsable))
                    }
                    DodfItem::Object(object) => {
                        self.entry(application, &at, number, &object, &mut seen)?
                    }
                };
                all.entries.extend(entry);
            }
        }
        Ok(Ok(()))
    }

    /// The entry of an object that is ours; none of another, of one at a URL, and of a path that was read already.
    fn entry(
        &mut self,
        application: &Application,
        dodf: &Location,
        number: usize,
        object: &DataObject,
        seen: &mut BTreeSet<String>,
    ) -> Result<Option<CardEntry>, TransportError> {
        let Some(oid) = object
            .oid
            .clone()
            .filter(|oid| self.settings.accepted.contains(oid))
        else {
            return Ok(None);
        };
        match &object.value {
            DataValue::Elsewhere => Ok(None),
            DataValue::Direct(octets) => {
                let number = u16::try_from(number).unwrap_or(u16::MAX);
                let content = CardDocument::from_file(octets.expose(), true);
                Ok(Some(CardEntry {
                    oid,
                    path: dodf.path.clone().with_entry(number),
                    content,
                }))
            }
            DataValue::Path(path) => {
                let Some(at) = application.locate(path) else {
                    return Ok(Some(self.in_doubt(dodf, CardTrouble::DodfUnparsable)));
                };
                if !seen.insert(at.path.to_string()) {
                    return Ok(None);
                }
                let file = self.read(&at.ways, path.slice, &application.pins)?;
                let content = content(file).and_then(|octets| match octets {
                    Some(octets) => CardDocument::from_file(&octets, path.slice.is_some()),
                    None => Ok(None),
                });
                Ok(Some(CardEntry {
                    oid,
                    path: at.path,
                    content,
                }))
            }
        }
    }

    /// What stands for the entries of a DODF that could not be read.
    fn in_doubt(&self, dodf: &Location, trouble: CardTrouble) -> CardEntry {
        let accepted = self.settings.accepted.first().cloned();
        CardEntry {
            oid: accepted.unwrap_or(CardOid::DM_BOOTSTRAP),
            path: dodf.path.clone(),
            content: Err(trouble),
        }
    }

    fn token_serial(
        &mut self,
        application: &Application,
    ) -> Result<Option<CardIdentity>, TransportError> {
        if self.has_iccid {
            return Ok(None);
        }
        let Some(at) = application.locate(&Pkcs15Path::new(&[EF_TOKEN_INFO])) else {
            return Ok(None);
        };
        let file = content(self.read(&at.ways, None, &application.pins)?);
        let info = file
            .ok()
            .flatten()
            .and_then(|octets| TokenInfo::read(&octets).ok());
        let serial = info
            .map(|info| info.serial)
            .filter(|serial| !serial.is_empty());
        Ok(serial.map(CardIdentity::TokenSerial))
    }
}
