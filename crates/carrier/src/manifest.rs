//! What a batch has built: a line a device, while it goes on in a journal, in the end in the order of the table.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::path::{Path, PathBuf};

use omadm_bootstrap::PayloadHash;
use serde::{Deserialize, Serialize};

use crate::carrier::{Carrier, DescribedFile};
use crate::write_private;

/// A device of a batch, and what was built for it. Holds no secret.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ManifestEntry {
    /// The device.
    pub device: String,
    /// SHA-256 over everything its files were built from, what was made for it left out.
    pub inputs: PayloadHash,
    /// `cp` or `dm`: the form of a document of DM 1.x.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile_format: Option<String>,
    /// SHA-256 of its document, as it reports it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub payload_sha256: Option<PayloadHash>,
    /// The servers whose accounts it brings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub servers: Vec<String>,
    /// SHA-256 of the public key to which its image is sealed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sealed_to: Option<PayloadHash>,
    /// Its files.
    pub files: Vec<DescribedFile>,
}

/// The first line of a finished manifest.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) struct ManifestHead {
    pub(crate) batch: Carrier,
    pub(crate) devices: usize,
}

/// Name of a finished batch's manifest: JSON lines.
pub const MANIFEST: &str = "manifest.jsonl";
/// Name of the journal of one that goes on, or was ended.
const JOURNAL: &str = "manifest.partial";

/// The journal of a running batch; nobody else writes into its folder.
pub(crate) struct Journal {
    folder: PathBuf,
    file: File,
}

impl ManifestEntry {
    /// Whether its files lie in the folder with the octets they were built with.
    #[must_use]
    pub fn is_intact(&self, folder: &Path) -> bool {
        self.files.iter().all(|file| {
            let octets = fs::read(folder.join(&file.name));
            octets.is_ok_and(|octets| PayloadHash::of(&octets) == file.sha256)
        })
    }
}

impl Journal {
    /// Opens the folder's journal, with what earlier runs finished. A line that was torn does not count.
    ///
    /// # Errors
    /// What the system says; [`ErrorKind::WouldBlock`] where another run has it.
    pub(crate) fn open(folder: &Path) -> io::Result<(Self, BTreeMap<String, ManifestEntry>)> {
        let path = folder.join(JOURNAL);
        let mut options = OpenOptions::new();
        options.append(true).create(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut file = options.open(&path)?;
        file.try_lock().map_err(io::Error::from)?;
        let mut known = BTreeMap::new();
        for name in [MANIFEST, JOURNAL] {
            let text = match fs::read(folder.join(name)) {
                Err(error) if error.kind() == ErrorKind::NotFound => continue,
                read => read?,
            };
            let lines = text.split_inclusive(|octet| *octet == b'\n');
            for line in lines.filter(|line| line.ends_with(b"\n")) {
                if let Ok(entry) = serde_json::from_slice::<ManifestEntry>(line) {
                    known.insert(entry.device.clone(), entry);
                }
            }
        }
        // A torn last line ends here, so that the next one begins on its own.
        file.write_all(b"\n")?;
        let folder = folder.to_owned();
        Ok((Self { folder, file }, known))
    }

    /// Adds a device whose files lie there.
    pub(crate) fn add(&mut self, entry: &ManifestEntry) -> io::Result<()> {
        let mut line = serde_json::to_vec(entry)?;
        line.push(b'\n');
        self.file.write_all(&line)
    }

    /// Puts the manifest in the journal's place.
    pub(crate) fn finish(self, carrier: Carrier, entries: &[&ManifestEntry]) -> io::Result<()> {
        let head = ManifestHead {
            batch: carrier,
            devices: entries.len(),
        };
        let mut text = serde_json::to_vec(&head)?;
        for entry in entries {
            text.push(b'\n');
            serde_json::to_writer(&mut text, entry)?;
        }
        text.push(b'\n');
        write_private(&self.folder.join(MANIFEST), &text)?;
        fs::remove_file(self.folder.join(JOURNAL))
    }
}

/// A folder's finished manifest; none where it holds none.
pub(crate) fn read(folder: &Path) -> io::Result<Option<(ManifestHead, Vec<ManifestEntry>)>> {
    let text = match fs::read_to_string(folder.join(MANIFEST)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        read => read?,
    };
    let mut lines = text.lines();
    let head = serde_json::from_str(lines.next().unwrap_or_default())?;
    let entries: Result<Vec<_>, _> = lines.map(serde_json::from_str).collect();
    Ok(Some((head, entries?)))
}
