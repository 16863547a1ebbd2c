//! Conversion between XML and WBXML beside libwbxml's, of the same document in one run (`push.md` §10.2). Both read and write whole documents, with no
//! string table, and their WBXML holds the same document.

mod libwbxml;
mod message;

use std::hint::black_box;
use std::path::Path;
use std::time::Duration;

use omadm_dm1::markup::{MarkupLimits, Vocabulary, XmlVocabulary, copy};
use omadm_dm1::wbxml::{WbxmlReader, WbxmlWriter};
use omadm_dm1::xml::{XmlReader, XmlWriter};

pub use libwbxml::Libwbxml;
pub use message::{COMMANDS_OF_1_KB, COMMANDS_OF_100_KB, message};

use crate::Broken;
use crate::cpu::CpuTime;

const LIMITS: MarkupLimits = MarkupLimits::MESSAGE;

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Direction {
    /// XML to WBXML.
    Encode,
    /// WBXML to XML.
    Decode,
}

/// CPU time of one conversion at either end of a comparison.
#[derive(Clone, Copy, Debug)]
pub struct Turn {
    /// Ours.
    pub ours: Duration,
    /// libwbxml's.
    pub theirs: Duration,
}

/// A document at both ends.
#[derive(Debug)]
pub struct WbxmlBed {
    xml: String,
    wbxml: Vec<u8>,
    libwbxml: Libwbxml,
}

impl WbxmlBed {
    /// Builds the C program in `folder` and gives it a message of so many commands.
    ///
    /// # Errors
    /// What stopped it; also where libwbxml's WBXML holds another document than ours.
    pub fn new(folder: &Path, commands: usize) -> Result<Self, Broken> {
        let xml = message(commands);
        let mut libwbxml = Libwbxml::start(folder, &xml)?;
        let wbxml = encode(&xml)?;
        if decode(&libwbxml.wbxml()?)? != decode(&wbxml)? {
            return Err("libwbxml's WBXML holds another document than ours".into());
        }
        Ok(Self {
            xml,
            wbxml,
            libwbxml,
        })
    }

    /// Octets of the document in XML and in WBXML.
    #[must_use]
    pub const fn octets(&self) -> (usize, usize) {
        (self.xml.len(), self.wbxml.len())
    }

    /// Converts `times` times at each end, ours first.
    ///
    /// # Errors
    /// What stopped it.
    pub fn turn(&mut self, direction: Direction, times: u32) -> Result<Turn, Broken> {
        let before = CpuTime::now();
        for _ in 0..times {
            match direction {
                Direction::Encode => drop(black_box(encode(black_box(&self.xml))?)),
                Direction::Decode => drop(black_box(decode(black_box(&self.wbxml))?)),
            }
        }
        let ours = CpuTime::now().since(before).process;
        let theirs = self.libwbxml.convert(direction, times)?;
        Ok(Turn {
            ours: ours / times,
            theirs: theirs / times,
        })
    }
}

fn encode(xml: &str) -> Result<Vec<u8>, Broken> {
    let mut writer = WbxmlWriter::new(Vocabulary::SyncMl);
    let names = XmlVocabulary::SyncMlAndMgmtTree;
    copy(
        &mut XmlReader::new(xml.as_bytes(), names, LIMITS)?,
        &mut writer,
    )?;
    Ok(writer.finish()?)
}

fn decode(wbxml: &[u8]) -> Result<Vec<u8>, Broken> {
    let mut writer = XmlWriter::new();
    copy(&mut WbxmlReader::new(wbxml, LIMITS)?, &mut writer)?;
    Ok(writer.finish()?)
}
