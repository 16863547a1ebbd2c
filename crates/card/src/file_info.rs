//! What a card says about a file it selected: FCP of class 00, and the response of a 2G SIM (§4.1, §4.2).

use crate::tlv::{elements, find, unsigned};

const FCP: u32 = 0x62;
const FCI: u32 = 0x6F;

/// What is known about a selected file.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FileInfo {
    /// Its kind; none where the card does not say.
    pub structure: Option<FileStructure>,
    /// Its size in octets; none where the card does not say.
    pub size: Option<u32>,
    /// Its identifier.
    pub id: Option<u16>,
    /// Deactivated: not available (§7).
    pub invalidated: bool,
    /// References of the PINs that guard it, the enabled ones, in the card's order.
    pub pins: Vec<u8>,
    /// Who may read it, where a 2G SIM says so.
    pub read: Option<ReadCondition>,
    /// Tries left of CHV1 and CHV2, where a 2G SIM says so.
    pub chv_tries: Option<[u8; 2]>,
}

/// Structure of a file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FileStructure {
    /// MF, DF or ADF.
    Directory,
    /// Octets, read with READ BINARY.
    Transparent,
    /// Records of one length, read with READ RECORD.
    Records {
        /// Length of a record in octets.
        length: u8,
        /// Number of records; none where the card does not say.
        count: Option<u8>,
    },
}

/// READ condition of a file of a 2G SIM (TS 51.011).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReadCondition {
    /// Anybody.
    Always,
    /// Whoever verified CHV1 (1) or CHV2 (2).
    Chv(u8),
    /// The issuer, or nobody.
    Issuer,
}

impl FileInfo {
    /// Reads an FCP or FCI template. Unknown tags are skipped; what is no template says nothing.
    #[must_use]
    pub fn from_fcp(octets: &[u8]) -> Self {
        let Some(template) = find(octets, FCP).or_else(|| find(octets, FCI)) else {
            return Self::default();
        };
        let mut info = Self::default();
        let mut total = None;
        for element in elements(template).map_while(Result::ok) {
            match element.tag {
                0x82 => info.structure = structure(element.value),
                0x80 => info.size = unsigned_size(element.value),
                0x81 => total = unsigned_size(element.value),
                0x83 => info.id = element.value.try_into().ok().map(u16::from_be_bytes),
                0x8A => {
                    info.invalidated =
                        !matches!(element.value.first(), None | Some(0x00 | 0x05 | 0x07));
                }
                0xC6 => info.pins = pins(element.value),
                _ => {}
            }
        }
        info.size = info.size.or(total);
        info
    }

    /// Reads the response of a 2G SIM to SELECT. What is too short says nothing.
    #[must_use]
    pub fn from_sim(octets: &[u8]) -> Self {
        let at = |index: usize| octets.get(index).copied();
        let pair = |index| Some(u16::from_be_bytes([at(index)?, at(index + 1)?]));
        let mut info = Self {
            id: pair(4),
            ..Self::default()
        };
        match at(6) {
            Some(0x01 | 0x02) => {
                info.structure = Some(FileStructure::Directory);
                info.chv_tries = at(18)
                    .zip(at(20))
                    .map(|(one, two)| [one & 0x0F, two & 0x0F]);
            }
            Some(0x04) => {
                info.size = pair(2).map(u32::from);
                info.read = at(8).map(|conditions| match conditions >> 4 {
                    0 => ReadCondition::Always,
                    chv @ 1..=2 => ReadCondition::Chv(chv),
                    _ => ReadCondition::Issuer,
                });
                info.invalidated = at(11).is_some_and(|status| status & 0x01 == 0);
                info.structure = match (at(13), at(14)) {
                    (Some(0x00), _) => Some(FileStructure::Transparent),
                    (Some(_), Some(length)) if length > 0 => {
                        let count = info.size.map(|size| size / u32::from(length));
                        let count = count.and_then(|count| u8::try_from(count).ok());
                        Some(FileStructure::Records { length, count })
                    }
                    _ => None,
                };
            }
            _ => {}
        }
        info
    }
}

fn structure(descriptor: &[u8]) -> Option<FileStructure> {
    let first = descriptor.first()?;
    if first & 0x38 == 0x38 {
        return Some(FileStructure::Directory);
    }
    match first & 0x07 {
        1 => Some(FileStructure::Transparent),
        2..=7 => {
            let (length, count) = match descriptor {
                [_, _, 0, length, count] | [_, _, 0, length, _, count] => (*length, Some(*count)),
                [_, _, 0, length] | [_, _, length] => (*length, None),
                _ => return None,
            };
            (length > 0).then_some(FileStructure::Records { length, count })
        }
        _ => None,
    }
}

/// At most four octets, the first of which may have its highest bit set.
fn unsigned_size(octets: &[u8]) -> Option<u32> {
    let padded: Vec<u8> = std::iter::once(0).chain(octets.iter().copied()).collect();
    (!octets.is_empty()).then(|| unsigned(&padded)).flatten()
}

/// PIN status template: 90 holds a bit for each key reference, the highest bit of the first octet for the first; 83 the references in order.
fn pins(template: &[u8]) -> Vec<u8> {
    let enabled = find(template, 0x90);
    let references = elements(template)
        .map_while(Result::ok)
        .filter(|element| element.tag == 0x83)
        .filter_map(|element| element.value.first().copied());
    references
        .enumerate()
        .filter(|(at, _)| {
            let bits = enabled.and_then(|bits| bits.get(at / 8));
            bits.is_none_or(|bits| bits & (0x80 >> (at % 8)) != 0)
        })
        .map(|(_, reference)| reference)
        .collect()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::hexadecimal;

    fn fcp(digits: &str) -> FileInfo {
        FileInfo::from_fcp(&hexadecimal::read(digits).expect("hexadecimal"))
    }

    fn sim(digits: &str) -> FileInfo {
        FileInfo::from_sim(&hexadecimal::read(digits).expect("hexadecimal"))
    }

    #[test]
    fn the_fcps_of_the_transcript_are_understood() {
        let application = fcp(
            "622982027821840CA000000063504B43532D313583027F508A01058B032F0601C60990014083010183010A",
        );
        assert_eq!(application.structure, Some(FileStructure::Directory));
        assert_eq!(
            (application.id, application.invalidated),
            (Some(0x7F50), false)
        );
        assert_eq!(
            application.pins,
            [0x0A],
            "the second bit is set: the second reference is enabled"
        );
        let odf = fcp("62168202412183025031 8A01058B032F0601800200408800");
        assert_eq!(odf.structure, Some(FileStructure::Transparent));
        assert_eq!((odf.size, odf.id), (Some(64), Some(0x5031)));
    }

    #[test]
    fn a_linear_fixed_file_tells_length_and_number_of_its_records() {
        let dir = fcp("620B8205422100300283022F00");
        assert_eq!(
            dir.structure,
            Some(FileStructure::Records {
                length: 0x30,
                count: Some(2)
            })
        );
    }

    #[test]
    fn sizes_of_one_to_four_octets_and_the_total_size_alone_are_understood() {
        for (digits, size) in [
            ("6203800140", 64),
            ("620480020040", 64),
            ("6204800280FF", 0x80FF),
            ("6206800400008000", 0x8000),
            ("620481020041", 65),
            ("620880020040810200FF", 64),
        ] {
            assert_eq!(fcp(digits).size, Some(size), "{digits}");
        }
    }

    #[test]
    fn a_life_cycle_other_than_activated_is_invalidated() {
        for (state, invalidated) in [
            ("05", false),
            ("07", false),
            ("00", false),
            ("04", true),
            ("0C", true),
        ] {
            assert_eq!(
                fcp(&format!("62038A01{state}")).invalidated,
                invalidated,
                "{state}"
            );
        }
    }

    #[test]
    fn the_responses_of_the_sim_transcript_are_understood() {
        let dir = sim("000000602F0004000FFF4401020130");
        assert_eq!(
            dir.structure,
            Some(FileStructure::Records {
                length: 0x30,
                count: Some(2)
            })
        );
        let odf = sim("00000040503104000FFF44010200 00");
        assert_eq!(odf.structure, Some(FileStructure::Transparent));
        assert_eq!(
            (odf.size, odf.read, odf.invalidated),
            (Some(64), Some(ReadCondition::Always), false)
        );
    }

    #[test]
    fn conditions_state_and_tries_of_a_sim_are_understood() {
        assert_eq!(
            sim("000000406432 04 00 1F FF 44 01 02 00 00").read,
            Some(ReadCondition::Chv(1))
        );
        assert_eq!(
            sim("000000406432 04 00 4F FF 44 01 02 00 00").read,
            Some(ReadCondition::Issuer)
        );
        assert!(sim("000000406432 04 00 0F FF 44 00 02 00 00").invalidated);
        let mf = sim("000012343F00 01 0000000000 09 91 01 02 04 00 83 8A 82 8A");
        assert_eq!(mf.structure, Some(FileStructure::Directory));
        assert_eq!(mf.chv_tries, Some([3, 2]));
    }

    proptest! {
        #[test]
        fn any_octets_say_something_or_nothing(octets in proptest::collection::vec(any::<u8>(), 0..64)) {
            let _info = FileInfo::from_fcp(&octets);
            let _info = FileInfo::from_sim(&octets);
        }
    }
}
