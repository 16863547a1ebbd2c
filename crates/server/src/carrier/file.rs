use std::fs::{self, File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use async_trait::async_trait;

use super::{CarrierError, Delivery, Payload, Push, PushAddress, PushCarrier};
use crate::entropy::correlation;

/// Writes the octets into a folder, whole or not at all, for whoever carries them on.
pub(super) struct FileCarrier {
    folder: PathBuf,
}

impl FileCarrier {
    pub(super) const fn new(folder: PathBuf) -> Self {
        Self { folder }
    }
}

#[async_trait]
impl PushCarrier for FileCarrier {
    fn name(&self) -> &'static str {
        "file"
    }

    async fn push(&self, push: &Push<'_>) -> Result<Delivery, CarrierError> {
        let PushAddress::File(name) = push.to else {
            return Err(CarrierError::SetUp(format!("{} is not of files", push.to)));
        };
        let (kind, octets) = match push.payload {
            Payload::Notification(octets) => ("push", octets.to_vec()),
            // Whole, since what it is signed with stands in its header.
            Payload::Wap(push) => ("wsp", push.encode()),
        };
        let (folder, name) = (self.folder.clone(), name.clone());
        let wrote =
            tokio::task::spawn_blocking(move || drop_file(&folder, &name, kind, &octets)).await;
        let wrote = wrote.unwrap_or_else(|error| Err(io::Error::other(error)));
        match wrote {
            Ok(()) => Ok(Delivery::Sent),
            Err(error) => {
                let why = format!("{}: {error}", self.folder.display());
                Err(CarrierError::Folder(why))
            }
        }
    }
}

/// `NAME-MILLISECONDS-RANDOM.push`, of DM 1.x `….wsp`, so that names sort by their time. Until it is whole it has a name that begins with a dot.
fn drop_file(folder: &Path, name: &str, kind: &str, octets: &[u8]) -> io::Result<()> {
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    let whole = format!("{name}-{:013}-{}.{kind}", now.as_millis(), correlation());
    let partial = folder.join(format!(".{whole}"));
    let written = write(&partial, octets)
        .and_then(|()| fs::rename(&partial, folder.join(&whole)))
        .and_then(|()| File::open(folder)?.sync_all());
    if written.is_err() {
        let _best_effort = fs::remove_file(&partial);
    }
    written
}

fn write(file: &Path, octets: &[u8]) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).open(file)?;
    file.write_all(octets)?;
    file.sync_all()
}

#[cfg(test)]
mod tests {
    use super::drop_file;

    #[test]
    fn files_lie_there_whole_and_in_the_order_of_their_time() {
        let folder = tempfile::tempdir().unwrap();
        for octets in [b"first".as_slice(), b"second"] {
            drop_file(folder.path(), "meter-7", "push", octets).unwrap();
            std::thread::sleep(std::time::Duration::from_millis(2));
        }
        let mut names: Vec<_> = std::fs::read_dir(folder.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .collect();
        names.sort();
        let contents: Vec<_> = names
            .iter()
            .map(|name| std::fs::read(name).unwrap())
            .collect();
        assert_eq!(contents, [b"first".as_slice(), b"second"]);
        let nowhere = folder.path().join("nowhere");
        assert!(drop_file(&nowhere, "x", "wsp", b"").is_err());
    }
}
