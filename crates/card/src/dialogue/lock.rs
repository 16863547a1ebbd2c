use super::file::{FileContent, joined};
use super::link::CardClass;
use super::select::{Selected, Way};
use super::{Dialogue, Found};
use crate::pkcs15::ApplicationTemplate;
use crate::transport::TransportError;
use crate::{CardTrouble, LockReason, LockValue, hexadecimal};

const DF_GSM: u16 = 0x7F20;
const EF_IMSI: u16 = 0x6F07;
const EF_AD: u16 = 0x6FAD;
const EF_GID1: u16 = 0x6F3E;
/// The beginning of a USIM's AID, where EF(DIR) does not name one.
const USIM: [u8; 7] = [0xA0, 0, 0, 0, 0x87, 0x10, 0x02];

/// Which cards the device uses (§8). Within a list, one value that fits is enough; each list that has values must have one that fits. Without values, every
/// card is used.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SimLock {
    mcc_mnc: Vec<String>,
    iccid_prefix: Vec<String>,
    gid1: Vec<Vec<u8>>,
}

/// A value that a lock cannot compare.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SimLockError {
    /// MCC and MNC are five or six digits.
    #[error("{0:?} is no network: MCC and MNC are five or six digits, like 26201")]
    Network(String),
    /// An ICCID has up to twenty digits.
    #[error("{0:?} is no beginning of an ICCID: one to twenty digits, like 894902")]
    Iccid(String),
    /// GID1 is written in hexadecimal.
    #[error("{0:?} is no GID1: pairs of hexadecimal digits, like A1")]
    Gid1(String),
}

impl SimLock {
    /// A lock to these networks, beginnings of the ICCID, and values of GID1 in hexadecimal.
    ///
    /// # Errors
    /// Names the first value that cannot be compared.
    pub fn new(
        mcc_mnc: &[String],
        iccid_prefix: &[String],
        gid1: &[String],
    ) -> Result<Self, SimLockError> {
        let digits = |text: &str, lengths: std::ops::RangeInclusive<usize>| {
            lengths.contains(&text.len()) && text.bytes().all(|octet| octet.is_ascii_digit())
        };
        if let Some(wrong) = mcc_mnc.iter().find(|text| !digits(text, 5..=6)) {
            return Err(SimLockError::Network(wrong.clone()));
        }
        if let Some(wrong) = iccid_prefix.iter().find(|text| !digits(text, 1..=20)) {
            return Err(SimLockError::Iccid(wrong.clone()));
        }
        let gid1 = gid1.iter().map(|text| {
            let octets = hexadecimal::read(text).filter(|octets| !octets.is_empty());
            octets.ok_or_else(|| SimLockError::Gid1(text.clone()))
        });
        Ok(Self {
            mcc_mnc: mcc_mnc.to_vec(),
            iccid_prefix: iccid_prefix.to_vec(),
            gid1: gid1.collect::<Result<_, _>>()?,
        })
    }

    /// Whether every card is used.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        self.mcc_mnc.is_empty() && self.iccid_prefix.is_empty() && self.gid1.is_empty()
    }
}

/// Where the values of the subscription lie.
struct Usim {
    adf: bool,
    pins: Vec<u8>,
}

impl Dialogue<'_, '_> {
    /// Judges the card by the lock, before any PKCS#15 access (§8). Selects MF and USIM files only.
    pub(super) fn check_lock(
        &mut self,
        iccid: Option<&str>,
        templates: &[ApplicationTemplate],
    ) -> Result<Found<()>, TransportError> {
        let lock = &self.settings.sim_lock;
        if !lock.iccid_prefix.is_empty() {
            let Some(iccid) = iccid else {
                return Ok(rejected(LockReason::Unreadable(LockValue::Iccid)));
            };
            if !lock
                .iccid_prefix
                .iter()
                .any(|prefix| iccid.starts_with(prefix.as_str()))
            {
                return Ok(rejected(LockReason::Foreign(LockValue::Iccid)));
            }
        }
        if lock.mcc_mnc.is_empty() && lock.gid1.is_empty() {
            return Ok(Found::Value(()));
        }
        let usim = self.select_usim(templates)?;
        if !lock.mcc_mnc.is_empty() {
            let imsi = match self.lock_value(EF_IMSI, LockValue::Network, &usim)? {
                Ok(octets) => imsi(&octets),
                Err(outcome) => return Ok(outcome),
            };
            // Without EF(AD) both lengths of the MNC are possible.
            let mnc = match self.lock_value(EF_AD, LockValue::Network, &usim)? {
                Ok(octets) => octets.get(3).map(|length| usize::from(length & 0x0F)),
                Err(_) => None,
            };
            let Some(imsi) = imsi else {
                return Ok(rejected(LockReason::Unreadable(LockValue::Network)));
            };
            let allowed = lock.mcc_mnc.iter().any(|network| {
                let length = mnc.filter(|length| (2..=3).contains(length));
                imsi.starts_with(network.as_str())
                    && length.is_none_or(|length| network.len() == 3 + length)
            });
            if !allowed {
                return Ok(rejected(LockReason::Foreign(LockValue::Network)));
            }
        }
        if !lock.gid1.is_empty() {
            let gid1 = match self.lock_value(EF_GID1, LockValue::Gid1, &usim)? {
                Ok(octets) => octets,
                Err(outcome) => return Ok(outcome),
            };
            let filled = gid1
                .iter()
                .rev()
                .take_while(|octet| **octet == 0xFF)
                .count();
            let gid1 = gid1.get(..gid1.len() - filled).unwrap_or(&[]);
            if !lock.gid1.iter().any(|allowed| allowed == gid1) {
                return Ok(rejected(LockReason::Foreign(LockValue::Gid1)));
            }
        }
        Ok(Found::Value(()))
    }

    /// The USIM of a UICC, selected, or the DF of a SIM; with the PINs of the application.
    fn select_usim(&mut self, templates: &[ApplicationTemplate]) -> Result<Usim, TransportError> {
        if self.link.class == CardClass::Iso {
            self.link.open_channel()?;
            let named = templates.iter().find(|template| template.is_usim());
            let aid = named.map_or(&USIM[..], |template| template.aid.as_slice());
            if let Selected::File(info) = self.select_aid(aid)? {
                return Ok(Usim {
                    adf: true,
                    pins: info.pins,
                });
            }
        }
        Ok(Usim {
            adf: false,
            pins: Vec::new(),
        })
    }

    /// A file of the USIM or the SIM; or why the card is not used, or not known.
    fn lock_value(
        &mut self,
        file: u16,
        value: LockValue,
        usim: &Usim,
    ) -> Result<Result<Vec<u8>, Found<()>>, TransportError> {
        let way = if usim.adf {
            Way::InApplication(vec![file])
        } else {
            Way::Absolute(vec![DF_GSM, file])
        };
        Ok(match self.read(&[way], None, &usim.pins)? {
            FileContent::Octets(parts) => Ok(joined(&parts).to_vec()),
            FileContent::Trouble(trouble @ CardTrouble::CardFault(_)) => {
                Err(Found::Trouble(trouble))
            }
            // Missing, or a PIN is: the lock fails closed.
            FileContent::Missing | FileContent::Trouble(_) => {
                Err(rejected(LockReason::Unreadable(value)))
            }
        })
    }
}

const fn rejected(reason: LockReason) -> Found<()> {
    Found::Rejected(reason)
}

/// The digits of EF(IMSI): a length, then swapped nibbles of which the first is parity and type (§8).
fn imsi(octets: &[u8]) -> Option<String> {
    let (length, rest) = octets.split_first()?;
    let digits = rest.get(..usize::from(*length))?;
    let nibbles = digits.iter().flat_map(|octet| [octet & 0x0F, octet >> 4]);
    let text: String = nibbles
        .skip(1)
        .take_while(|nibble| *nibble < 10)
        .map(|nibble| char::from(b'0' + nibble))
        .collect();
    (text.len() >= 6).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_digits_of_an_imsi_begin_after_parity_and_type() {
        let octets = hexadecimal::read("082926101032547698").expect("hexadecimal");
        assert_eq!(imsi(&octets).as_deref(), Some("262010123456789"));
        assert_eq!(imsi(&[]), None);
        assert_eq!(imsi(&[9, 0x29]), None);
        assert_eq!(
            imsi(&[8, 0xF9, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF]),
            None
        );
    }

    #[test]
    fn a_lock_names_the_value_it_cannot_compare() {
        let one = |text: &str| vec![text.to_owned()];
        assert!(SimLock::new(&one("26201"), &one("8949"), &one("A1")).is_ok());
        assert_eq!(
            SimLock::new(&one("2620"), &[], &[]),
            Err(SimLockError::Network("2620".to_owned()))
        );
        assert_eq!(
            SimLock::new(&[], &one("x"), &[]),
            Err(SimLockError::Iccid("x".to_owned()))
        );
        assert_eq!(
            SimLock::new(&[], &[], &one("A")),
            Err(SimLockError::Gid1("A".to_owned()))
        );
        assert!(SimLock::default().is_open());
    }
}
