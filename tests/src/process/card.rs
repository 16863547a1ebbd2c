use std::path::Path;

use omadm_card::CardPath;
use omadm_card::test_card::{
    CardAccess, CardApplication, CardDescription, CardFile, CardProfile, CardQuirks, HexText,
    SecretCode, TestCard,
};

/// The AID of PKCS#15.
const AID: [u8; 12] = *b"\xA0\x00\x00\x00cPKCS-15";
/// Octets of a record of EF(DIR).
const RECORD: u16 = 48;

/// A UICC with these DM Bootstraps, the first at `3F00/7F50/6432`, for `--card` and `virtual:` readers.
#[derive(Clone)]
pub struct Card {
    description: CardDescription,
}

impl Card {
    /// A card of this ICCID, 18 or 20 digits.
    #[must_use]
    pub fn new<D: AsRef<[u8]>>(iccid: &str, documents: &[D]) -> Self {
        Self::named(iccid, documents, b"\x07\x01")
    }

    /// The same, where the documents are those of client provisioning: 2.23.43.5.1.
    #[must_use]
    pub fn provisioning<D: AsRef<[u8]>>(iccid: &str, documents: &[D]) -> Self {
        Self::named(iccid, documents, b"\x05\x01")
    }

    /// The documents' OID begins with 2.23.43.
    fn named<D: AsRef<[u8]>>(iccid: &str, documents: &[D], rest: &[u8; 2]) -> Self {
        let digits = iccid.as_bytes().chunks_exact(2);
        let iccid = digits.map(|pair| (pair[1] - b'0') << 4 | (pair[0] - b'0'));
        let dir = [
            &[0x61, 0x1C, 0x4F, 0x0C],
            AID.as_slice(),
            b"\x50\x06OMA-DM\x51\x04\x3F\x00\x7F\x50",
        ];
        let odf = b"\xA7\x06\x30\x04\x04\x02\x64\x30".to_vec();
        let mut dodf = Vec::new();
        let mut files = vec![
            CardFile::of_records(path(&[0x2F00]), RECORD, &[dir.concat()]),
            CardFile::transparent(path(&[0x2FE2]), iccid.collect()).sized(10),
            CardFile::transparent(path(&[0x7F50, 0x5031]), odf).sized(64),
        ];
        for (n, document) in (0..).zip(documents) {
            let file = 0x6432 + n;
            let entry: [&[u8]; 5] = [
                b"\x30\x24\x30\x12\x0C\x10OMA DM Bootstrap",
                b"\x30\x06\x06\x04\x67\x2B",
                rest,
                b"\xA1\x06\x30\x04\x04\x02",
                &u16::to_be_bytes(file),
            ];
            dodf.extend(entry.concat());
            let content = document.as_ref().to_vec();
            files.push(CardFile::transparent(path(&[0x7F50, file]), content));
        }
        files.push(CardFile::transparent(path(&[0x7F50, 0x6430]), dodf).sized(512));
        let description = CardDescription {
            profile: CardProfile::Uicc,
            atr: None,
            pin: None,
            adm: None,
            applications: vec![CardApplication {
                aid: HexText(AID.to_vec()),
                path: path(&[0x7F50]),
            }],
            files,
            quirks: CardQuirks::default(),
        };
        Self { description }
    }

    /// The same card, whose DM Bootstraps are read only by who knows this PIN.
    #[must_use]
    pub fn with_pin(mut self, pin: &str) -> Self {
        self.description.pin = Some(SecretCode {
            value: pin.to_owned(),
            tries: 3,
            reference: None,
        });
        for file in &mut self.description.files {
            if file.path.files().last() >= Some(&0x6432) {
                file.read = CardAccess::Pin;
            }
        }
        self
    }

    /// The same card with the file of its first DM Bootstrap deactivated.
    #[must_use]
    pub fn deactivated(mut self) -> Self {
        for file in &mut self.description.files {
            file.deactivated |= file.path.files().last() == Some(&0x6432);
        }
        self
    }

    /// The card itself, powered on.
    ///
    /// # Panics
    /// Where no card can be so.
    #[must_use]
    #[expect(clippy::expect_used, reason = "for suites: a test fails by panicking")]
    pub fn card(&self) -> TestCard {
        TestCard::new(self.description.clone()).expect("a card")
    }

    /// Puts the card into the reader of this file, in place of the one before.
    ///
    /// # Panics
    /// Where the file cannot be written.
    #[expect(clippy::expect_used, reason = "for suites: a test fails by panicking")]
    pub fn insert(&self, reader: &Path) {
        let beside = reader.with_extension("new");
        std::fs::write(&beside, self.description.write()).expect("the card's file is written");
        std::fs::rename(&beside, reader).expect("the card is put in");
    }
}

#[expect(clippy::expect_used, reason = "for suites: a test fails by panicking")]
fn path(below: &[u16]) -> CardPath {
    let files = [&[0x3F00], below].concat();
    CardPath::new(&files).expect("a path of a card")
}
