//! A download on disk: `<name>.part` while it grows, `<name>.bin` when it is whole, `<name>.json` with what the server said about it.

use std::io;
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use omadm_mo::ServerUri;
use serde::{Deserialize, Serialize};
use tokio::fs::{self, File, OpenOptions};
use tokio::io::{AsyncSeekExt as _, AsyncWriteExt as _, SeekFrom};

use super::answer::RemoteObject;
use super::{DownloadError, Downloaded};

/// After so many octets what is there is made durable, so that a power cut costs no more.
const DURABLE_EACH: u64 = 1 << 20;

/// A download that is under way, or was.
pub(super) struct Part {
    stem: PathBuf,
    note: Note,
    /// None until octets come.
    file: Option<File>,
    /// Octets in the file.
    octets: u64,
    finished: bool,
}

/// What is remembered of it.
#[derive(Default, Serialize, Deserialize)]
struct Note {
    url: String,
    object: RemoteObject,
    /// Octets that are durable: no more of the file count after a restart.
    durable: u64,
}

impl Part {
    /// What is there of this URL.
    pub(super) async fn open(folder: &Path, url: &ServerUri) -> Result<Self, DownloadError> {
        let mut part = Self {
            stem: folder.join(name(url)),
            note: Note::default(),
            file: None,
            octets: 0,
            finished: false,
        };
        let note = fs::read(part.path("json")).await.ok();
        let note = note.and_then(|text| serde_json::from_slice::<Note>(&text).ok());
        if let Some(note) = note.filter(|note| note.url == url.to_string()) {
            let length = |path: PathBuf| async { fs::metadata(path).await.ok().map(|it| it.len()) };
            if let Some(octets) = length(part.path("bin")).await {
                (part.finished, part.octets) = (true, octets);
            } else if let Some(octets) = length(part.path("part")).await {
                part.octets = note.durable.min(octets);
            }
            part.note = note;
        }
        part.note.url = url.to_string();
        Ok(part)
    }

    pub(super) const fn octets(&self) -> u64 {
        if self.finished { 0 } else { self.octets }
    }

    /// From where it may go on, and of which version.
    pub(super) fn resumable(&self) -> Option<(u64, &str)> {
        let etag = self.note.object.etag.as_deref()?;
        (!self.finished && self.octets > 0).then_some((self.octets, etag))
    }

    /// The version that is there as a whole.
    pub(super) fn finished(&self) -> Option<&str> {
        self.note.object.etag.as_deref().filter(|_| self.finished)
    }

    /// Whether the rest of this object goes with what is there.
    pub(super) fn is_of(&self, object: &RemoteObject) -> bool {
        let own = &self.note.object;
        let same_etag = object.etag.is_none() || object.etag == own.etag;
        same_etag && (own.total.is_none() || own.total == object.total)
    }

    /// Begins with the first octet of this object.
    pub(super) async fn begin(&mut self, object: &RemoteObject) -> Result<(), DownloadError> {
        self.restart().await?;
        self.note.object = object.clone();
        self.write_note().await
    }

    pub(super) async fn write(&mut self, data: &[u8]) -> Result<(), DownloadError> {
        let path = self.path("part");
        let failed = |cause| DownloadError::of_file(&path, cause);
        if self.file.is_none() {
            self.file = Some(open_at(&path, self.octets).await.map_err(failed)?);
        }
        if let Some(file) = &mut self.file {
            file.write_all(data).await.map_err(failed)?;
        }
        self.octets += data.len() as u64;
        if self.octets >= self.note.durable + DURABLE_EACH {
            self.keep().await?;
        }
        Ok(())
    }

    /// Makes what is there durable.
    pub(super) async fn keep(&mut self) -> Result<(), DownloadError> {
        let path = self.path("part");
        let failed = |cause| DownloadError::of_file(&path, cause);
        let Some(file) = &mut self.file else {
            return Ok(());
        };
        file.flush().await.map_err(failed)?;
        file.sync_data().await.map_err(failed)?;
        self.note.durable = self.octets;
        self.write_note().await
    }

    /// Forgets what is there.
    pub(super) async fn restart(&mut self) -> Result<(), DownloadError> {
        self.remove().await;
        (self.octets, self.finished) = (0, false);
        self.note.durable = 0;
        self.note.object = RemoteObject::default();
        Ok(())
    }

    /// It is whole.
    pub(super) async fn finish(mut self, tries: u32) -> Result<Downloaded, DownloadError> {
        // Nothing came where the object is empty.
        self.write(&[]).await?;
        self.keep().await?;
        self.file = None;
        let file = self.path("bin");
        fs::rename(self.path("part"), &file)
            .await
            .map_err(|cause| DownloadError::of_file(&file, cause))?;
        Ok(self.downloaded(tries))
    }

    /// It was there before.
    pub(super) fn unchanged(self) -> Result<Downloaded, DownloadError> {
        Ok(self.downloaded(0))
    }

    /// Takes its files away.
    pub(super) async fn remove(&mut self) {
        self.file = None;
        for kind in ["part", "bin", "json"] {
            let _absent = fs::remove_file(self.path(kind)).await;
        }
    }

    fn downloaded(self, tries: u32) -> Downloaded {
        Downloaded {
            file: self.path("bin"),
            octets: self.octets,
            content_type: self.note.object.content_type,
            etag: self.note.object.etag,
            tries,
        }
    }

    fn path(&self, kind: &str) -> PathBuf {
        self.stem.with_extension(kind)
    }

    /// In one step, so that it is never torn.
    async fn write_note(&self) -> Result<(), DownloadError> {
        let (path, new) = (self.path("json"), self.path("new"));
        let text = serde_json::to_vec(&self.note).unwrap_or_default();
        let written = async {
            let mut file = File::create(&new).await?;
            file.write_all(&text).await?;
            file.flush().await?;
            file.sync_data().await?;
            fs::rename(&new, &path).await
        };
        written
            .await
            .map_err(|cause| DownloadError::of_file(&path, cause))
    }
}

/// Makes the folder where there is none, and takes away what was not touched for longest until, with this URL's, `kept` downloads are in it.
pub(super) async fn make_room(
    folder: &Path,
    url: &ServerUri,
    kept: usize,
) -> Result<(), DownloadError> {
    let failed = |cause: io::Error| DownloadError::of_file(folder, cause);
    fs::create_dir_all(folder).await.map_err(failed)?;
    let (mut others, own) = (Vec::new(), name(url));
    let mut files = fs::read_dir(folder).await.map_err(failed)?;
    while let Some(file) = files.next_entry().await.map_err(failed)? {
        let path = file.path();
        let is_note = path.extension().is_some_and(|kind| kind == "json");
        if is_note && path.file_stem().is_some_and(|stem| stem != own.as_str()) {
            let touched = file.metadata().await.and_then(|it| it.modified());
            others.push((touched.unwrap_or(SystemTime::UNIX_EPOCH), path));
        }
    }
    others.sort();
    let surplus = (others.len() + 1).saturating_sub(kept);
    for (_, path) in others.into_iter().take(surplus) {
        for kind in ["part", "bin", "json", "new"] {
            let _absent = fs::remove_file(path.with_extension(kind)).await;
        }
    }
    Ok(())
}

/// The file, cut to the octets that count.
async fn open_at(path: &Path, octets: u64) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    #[cfg(unix)]
    options.mode(0o600);
    let mut file = options.open(path).await?;
    file.set_len(octets).await?;
    file.seek(SeekFrom::Start(octets)).await?;
    Ok(file)
}

/// A name that the file system takes whatever the URL is: the first half of its SHA-256.
fn name(url: &ServerUri) -> String {
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, url.to_string().as_bytes());
    let half = digest.as_ref().iter().take(16);
    half.map(|octet| format!("{octet:02x}")).collect()
}
