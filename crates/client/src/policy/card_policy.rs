use std::path::{Path, PathBuf};

use omadm_card::{CardOid, CardPin, CardSettings, SimLock};
use omadm_mo::Secret;
use serde::Deserialize;
use toml::Spanned;

use super::notification_files::octets;
use super::{PolicyFault, PolicyFileError};
use crate::reader::CardFiles;

/// `[bootstrap.smartcard]` beyond what holds for every method: which cards are read, and how (`smartcard.md` §5, §8, §9).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CardPolicy {
    /// `reapply = "always"`: content is applied at each switch-on though it is unchanged (D51).
    pub reapply: bool,
    /// `readers`: those that are looked at, the one of highest priority first; without the key, [`CardReaderName::Present`].
    pub readers: Vec<CardReaderName>,
    /// `oids`: what names a DM Bootstrap on a card.
    pub oids: Vec<CardOid>,
    /// `pin_file`: the file that holds the card's PIN. It is tried once at each reading, and never on the last tries.
    pub pin_file: Option<PathBuf>,
    /// `sim_lock`: the cards that the device uses; all of them without values.
    pub sim_lock: SimLock,
}

/// A card reader that the policy names.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum CardReaderName {
    /// `virtual:FILE`: a file that describes the card.
    File(PathBuf),
    /// A reader of the system, by its PC/SC name; `NAME*` stands for all whose name begins so, `*` for all. It should be there: where it is not, the device is
    /// in doubt.
    System(String),
    /// Every reader of the system that is there. No PC/SC service, or none in this build, is no trouble. It counts where no other reader is named.
    Present,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct SmartcardTable {
    pub(super) enabled: Option<bool>,
    pub(super) require_user_consent: Option<bool>,
    reapply: Reapply,
    readers: Option<Vec<String>>,
    oids: Option<Vec<Spanned<String>>>,
    pin_file: Option<PathBuf>,
    sim_lock: Option<Spanned<SimLockTable>>,
}

#[derive(Deserialize, Default, Clone, Copy, PartialEq)]
#[serde(rename_all = "lowercase")]
enum Reapply {
    #[default]
    Changed,
    Always,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct SimLockTable {
    mcc_mnc: Vec<String>,
    iccid_prefix: Vec<String>,
    gid1: Vec<String>,
}

impl CardPolicy {
    /// Reads the table; without `dm1` client provisioning is not looked at by default. `wrong` makes an error of a fault at a range of the file.
    pub(super) fn of<E>(
        table: &SmartcardTable,
        dm1: bool,
        base: &Path,
        wrong: impl Fn(std::ops::Range<usize>, PolicyFault) -> E,
    ) -> Result<Self, E> {
        let mut default = Self::default();
        if !dm1 {
            default.oids.retain(|oid| !oid.is_provisioning());
        }
        let reader = |name: &String| match name.strip_prefix(CardFiles::PREFIX) {
            Some(file) => CardReaderName::File(base.join(file)),
            None => CardReaderName::System(name.clone()),
        };
        let readers = table.readers.as_ref();
        let readers = readers.map(|names| names.iter().map(reader).collect());
        let oid = |text: &Spanned<String>| {
            let read = text.get_ref().parse();
            read.map_err(|why| wrong(text.span(), PolicyFault::CardOid(why)))
        };
        let oids = table.oids.as_ref();
        let oids = oids.map(|oids| oids.iter().map(oid).collect::<Result<Vec<_>, _>>());
        let lock = table.sim_lock.as_ref().map(|table| {
            let lock = table.get_ref();
            SimLock::new(&lock.mcc_mnc, &lock.iccid_prefix, &lock.gid1)
                .map_err(|why| wrong(table.span(), PolicyFault::SimLock(why)))
        });
        Ok(Self {
            reapply: table.reapply == Reapply::Always,
            readers: readers.unwrap_or(default.readers),
            oids: oids.transpose()?.unwrap_or(default.oids),
            pin_file: table.pin_file.as_ref().map(|file| base.join(file)),
            sim_lock: lock.transpose()?.unwrap_or(default.sim_lock),
        })
    }

    /// How cards are read; the PIN's file is read now.
    pub(crate) fn settings(&self) -> Result<CardSettings, PolicyFileError> {
        let pin = self.pin_file.as_ref().map(|file| {
            let mut digits = octets(file)?;
            while digits.last().is_some_and(u8::is_ascii_whitespace) {
                digits.pop();
            }
            CardPin::new(Secret::new(digits)).map_err(|cause| PolicyFileError::CardPin {
                file: file.clone(),
                cause,
            })
        });
        Ok(CardSettings {
            accepted: self.oids.clone(),
            pin: pin.transpose()?,
            sim_lock: self.sim_lock.clone(),
        })
    }
}

impl Default for CardPolicy {
    /// Every reader that is there, the registered OIDs of both generations, no PIN, no lock.
    fn default() -> Self {
        Self {
            reapply: false,
            readers: vec![CardReaderName::Present],
            oids: CardOid::BOTH_GENERATIONS.to_vec(),
            pin_file: None,
            sim_lock: SimLock::default(),
        }
    }
}
