//! Reads the APDU script of a card file set back.

use crate::{CardFileSet, CardFileSetError, CardPath, hexadecimal, path::MF};

const SELECT: [u8; 4] = [0x00, 0xA4, 0x08, 0x0C];
const UPDATE_RECORD: u8 = 0xDC;
const UPDATE_BINARY: u8 = 0xD6;

impl CardFileSet {
    /// How a script begins that [`CardFileSet::apdu_script`] made.
    pub const SCRIPT_HEAD: &'static str = "# DM Bootstrap files (PKCS#15).";

    /// Reads a set back from its APDU script.
    ///
    /// # Errors
    /// Names the line that is no command of such a script, or the file that is missing or is not what it should be.
    pub fn read_script(script: &str) -> Result<Self, CardFileSetError> {
        let mut files: Vec<(CardPath, Vec<u8>)> = Vec::new();
        for (line, text) in (1..).zip(script.lines()) {
            if text.starts_with('#') || text.trim().is_empty() {
                continue;
            }
            let command = hexadecimal::read(text);
            let done = command.and_then(|command| step(&command, &mut files));
            done.ok_or(CardFileSetError::Script { line })?;
        }
        Self::read(&files)
    }
}

/// One command: a file is selected, or the selected one gets further octets.
fn step(command: &[u8], files: &mut Vec<(CardPath, Vec<u8>)>) -> Option<()> {
    let (head, body) = command.split_at_checked(4)?;
    let (length, data) = body.split_first()?;
    if usize::from(*length) != data.len() {
        return None;
    }
    if head == SELECT {
        let below = data.chunks_exact(2);
        if !below.remainder().is_empty() {
            return None;
        }
        let ids = below.map(|id| id.iter().fold(0, |id, octet| id << 8 | u16::from(*octet)));
        let ids: Vec<u16> = std::iter::once(MF).chain(ids).collect();
        files.push((CardPath::new(&ids)?, Vec::new()));
        return Some(());
    }
    let (_, content) = files.last_mut()?;
    match head {
        [0x00, UPDATE_RECORD, ..] => *content = data.to_vec(),
        [0x00, UPDATE_BINARY, high, low]
            if content.len() == usize::from(u16::from_be_bytes([*high, *low])) =>
        {
            content.extend_from_slice(data);
        }
        _ => return None,
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set() -> CardFileSet {
        let long = vec![b'['; 700];
        CardFileSet::new(&[br#"[{"a":1}]"#, &long], &[1, 2, 3]).expect("a set")
    }

    #[test]
    fn a_set_is_read_back_from_its_script() {
        for set in [set(), set().for_opensc()] {
            let script = set.apdu_script();
            assert!(script.starts_with(CardFileSet::SCRIPT_HEAD));
            let read = CardFileSet::read_script(&script).expect("our own script");
            assert!(read.files() == set.files());
        }
    }

    #[test]
    fn the_line_that_is_no_command_is_named() {
        let script = set().apdu_script();
        for (line, wrong) in [
            (4, "00A4080C027F"),
            (4, "00B0000000"),
            (4, "hunter2"),
            (6, "00D600010101"),
        ] {
            let lines = script.lines().enumerate();
            let changed: Vec<_> = lines
                .map(|(at, text)| if at + 1 == line { wrong } else { text })
                .collect();
            let error = CardFileSet::read_script(&changed.join("\n")).err();
            let told = error.expect("refused").to_string();
            assert!(!told.contains("hunter2"), "{told}");
            assert!(told.contains("line "), "{told}");
        }
        let without: Vec<_> = script.lines().take(6).collect();
        assert!(matches!(
            CardFileSet::read_script(&without.join("\n")).err(),
            Some(CardFileSetError::Missing(_))
        ));
    }
}
