use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::result_code::ResultCode;
use super::state::{FumoState, Operation, StateEvent};

/// All that the device remembers of its firmware. Written down as a whole before anything follows from it.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Record {
    /// Where it stands.
    pub state: FumoState,
    /// The operation that goes on.
    pub operation: Option<Operation>,
    /// How each operation ended last; gone when it begins again.
    pub results: BTreeMap<String, ResultCode>,
    /// The leaf `PkgName`.
    pub pkg_name: String,
    /// The leaf `PkgVersion`.
    pub pkg_version: String,
    /// The leaf `Download/PkgURL`.
    pub download_url: String,
    /// The leaf `DownloadAndUpdate/PkgURL`.
    pub download_and_update_url: String,
    /// The leaf `Ext/Digest`.
    pub digest: String,
    /// The version of what is being installed.
    pub installing: String,
    /// The version of what was installed last; none while the device has the firmware that it was made with.
    pub firmware: Option<String>,
}

/// Why the record cannot be used. The environment is at fault.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// It cannot be read or written.
    #[error("{}: {cause}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What the operating system says.
        #[source]
        cause: io::Error,
    },
    /// It is damaged.
    #[error("{}: {cause}", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// What is wrong with it.
        #[source]
        cause: serde_json::Error,
    },
}

impl Record {
    /// Reads it; a device that has none begins with an empty one.
    ///
    /// # Errors
    /// [`RecordError`]: one that is damaged is never taken for an empty one.
    pub fn read(file: &Path) -> Result<Self, RecordError> {
        let text = match fs::read(file) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Self::default()),
            Err(cause) => return Err(failed(file, cause)),
        };
        serde_json::from_slice(&text).map_err(|cause| RecordError::Damaged {
            file: file.to_owned(),
            cause,
        })
    }

    /// Writes it: a power cut leaves the former one or this one.
    ///
    /// # Errors
    /// [`RecordError`]; the former one stays.
    pub fn write(&self, file: &Path) -> Result<(), RecordError> {
        let text = serde_json::to_vec_pretty(self).map_err(|cause| RecordError::Damaged {
            file: file.to_owned(),
            cause,
        })?;
        put_durably(file, &text).map_err(|cause| failed(file, cause))
    }

    /// Moves it by an event; false where the event cannot happen now, and nothing changed.
    pub fn take(&mut self, event: StateEvent) -> bool {
        let Some(state) = self.state.after(event, self.operation.is_some()) else {
            return false;
        };
        self.state = state;
        if let StateEvent::Exec(operation) = event {
            self.operation = Some(operation);
            self.results.remove(operation.node());
        }
        true
    }

    /// The operation that goes on is over.
    pub fn end(&mut self, code: ResultCode) {
        if let Some(operation) = self.operation.take() {
            self.results.insert(operation.node().to_owned(), code);
        }
    }

    /// Where the package of the operation that goes on is.
    #[must_use]
    pub fn url(&self) -> &str {
        match self.operation {
            Some(Operation::DownloadAndUpdate) => &self.download_and_update_url,
            _ => &self.download_url,
        }
    }
}

/// Puts a file in place of another one, whole and durably.
pub(super) fn put_durably(file: &Path, octets: &[u8]) -> io::Result<()> {
    let new = file.with_extension("new");
    let mut open = File::create(&new)?;
    open.write_all(octets)?;
    open.sync_all()?;
    move_durably(&new, file)
}

/// Moves a file inside its file system, durably.
pub(super) fn move_durably(from: &Path, to: &Path) -> io::Result<()> {
    fs::rename(from, to)?;
    match to.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

fn failed(file: &Path, cause: io::Error) -> RecordError {
    let file = file.to_owned();
    RecordError::File { file, cause }
}

#[cfg(test)]
mod tests {
    use super::super::{FumoState, Operation, ResultCode, StateEvent};
    use super::{Record, RecordError};

    #[test]
    fn a_record_survives_and_a_damaged_one_is_not_taken_for_none() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("fumo.json");
        assert_eq!(Record::read(&file).unwrap(), Record::default());
        let mut record = Record {
            pkg_version: "2.0".to_owned(),
            ..Record::default()
        };
        assert!(record.take(StateEvent::Exec(Operation::Download)));
        record.write(&file).unwrap();
        assert_eq!(Record::read(&file).unwrap(), record);
        std::fs::write(&file, b"{\"state\":").unwrap();
        let damaged = Record::read(&file);
        assert!(matches!(damaged, Err(RecordError::Damaged { .. })));
    }

    #[test]
    fn an_operation_that_begins_again_has_no_result_any_more() {
        let mut record = Record::default();
        assert!(record.take(StateEvent::Exec(Operation::Download)));
        assert!(!record.take(StateEvent::Exec(Operation::Download)), "busy");
        assert!(record.take(StateEvent::NotArrived));
        record.end(ResultCode::NETWORK);
        assert_eq!(record.results["Download"], ResultCode::NETWORK);
        assert!(!record.take(StateEvent::Exec(Operation::Update)), "no data");
        assert!(record.take(StateEvent::Exec(Operation::Download)));
        assert!(record.results.is_empty());
        assert_eq!(record.state, FumoState::Downloading);
    }
}
