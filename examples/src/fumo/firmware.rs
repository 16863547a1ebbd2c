use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::object::FumoObject;
use super::record::{Record, RecordError};

/// A device's firmware: its record and its package, in a folder of their own. Cloning gives another handle of the same.
#[derive(Clone)]
pub struct Fumo(Arc<Shared>);

struct Shared {
    folder: PathBuf,
    record: Mutex<Record>,
    /// Told when an operation begins.
    work: Notify,
}

impl Fumo {
    /// Opens the folder, which is made where there is none.
    ///
    /// # Errors
    /// [`RecordError`].
    pub fn open(folder: impl Into<PathBuf>) -> Result<Self, RecordError> {
        let folder = folder.into();
        fs::create_dir_all(&folder).map_err(|cause| RecordError::File {
            file: folder.clone(),
            cause,
        })?;
        let record = Record::read(&record_file(&folder))?;
        Ok(Self(Arc::new(Shared {
            folder,
            record: Mutex::new(record),
            work: Notify::new(),
        })))
    }

    /// The plug-in for [`omadm_client::ClientBuilder::managed_object_for`].
    ///
    /// # Errors
    /// Where the DDF that this program carries is none.
    pub fn object(&self) -> Result<FumoObject, omadm_mo::ddf::DdfError> {
        FumoObject::new(self.clone())
    }

    /// What the device remembers at this moment.
    #[must_use]
    pub fn record(&self) -> Record {
        self.locked().clone()
    }

    /// The version of the firmware that was installed last: `FwV` of Device Info after the next start. None for the one that the device was made with.
    #[must_use]
    pub fn firmware(&self) -> Option<String> {
        self.locked().firmware.clone()
    }

    /// The package; there is one where the state says so.
    #[must_use]
    pub fn package(&self) -> PathBuf {
        self.0.folder.join("package")
    }

    /// Changes the record: durably, or not at all.
    pub(super) fn change<R>(
        &self,
        change: impl FnOnce(&mut Record) -> R,
    ) -> Result<R, RecordError> {
        let mut held = self.locked();
        let mut record = held.clone();
        let answer = change(&mut record);
        if record != *held {
            record.write(&record_file(&self.0.folder))?;
            *held = record;
        }
        drop(held);
        self.0.work.notify_one();
        Ok(answer)
    }

    /// Returns once an operation goes on.
    pub(super) async fn work(&self) {
        while self.locked().operation.is_none() {
            self.0.work.notified().await;
        }
    }

    /// Removes the package; none there is no error.
    pub(super) fn drop_package(&self) -> io::Result<()> {
        match fs::remove_file(self.package()) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            _ => Ok(()),
        }
    }

    fn locked(&self) -> MutexGuard<'_, Record> {
        self.0.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn record_file(folder: &Path) -> PathBuf {
    folder.join("fumo.json")
}
