//! A carrier for each device of a table: in parallel, and resumable. What an earlier run built from the same inputs, and still lies there, is not built again.

use std::collections::BTreeSet;
use std::io;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc;
use std::thread;

use omadm_bootstrap::PayloadHash;
use omadm_bootstrap::dm1::{AppSrvIs, Dm1Format};
use omadm_bootstrap::profile::{BootstrapProfile, BuildError, Dm1BuildError};
use omadm_mo::standard::MoRegistry;
use omadm_mo::{DevId, Secret, ServerUri};
use omadm_tls::SealingKey;
use sha2::{Digest as _, Sha256};

use crate::manifest::{Journal, ManifestEntry};
use crate::{
    BuildOptions, CarriedDocument, Carrier, CarrierError, DeviceRow, Values, ValuesError, build,
    write_private,
};

/// Where the documents of a batch come from.
pub trait DocumentSource: Sync {
    /// SHA-256 over all that a device's document depends on and the row does not hold.
    fn inputs(&self) -> PayloadHash;

    /// The document of one device.
    ///
    /// # Errors
    /// [`SourceError`]; the batch ends, and what is built stays.
    fn document(&self, row: &DeviceRow) -> Result<Secret, SourceError>;
}

/// Why there is no document for a device.
#[derive(Debug, thiserror::Error)]
pub enum SourceError {
    /// A value is missing.
    #[error(transparent)]
    Values(#[from] ValuesError),
    /// The profile does not build.
    #[error(transparent)]
    Build(#[from] BuildError),
    /// The profile does not build for DM 1.x.
    #[error(transparent)]
    BuildDm1(#[from] Dm1BuildError),
    /// It could not be fetched from a server.
    #[error("the server gave none: {0}")]
    Server(#[source] Box<dyn std::error::Error + Send + Sync>),
}

/// Documents built here from a profile.
pub struct ProfileSource<'a> {
    /// The profile.
    pub profile: &'a BootstrapProfile,
    /// Its text.
    pub text: &'a str,
    /// `{server}` where a row has none.
    pub server: &'a str,
    /// The rest of what it needs.
    pub values: Values<'a>,
    /// Objects that need no DDF file.
    pub registry: &'a MoRegistry,
    /// The form of documents of DM 1.x; none for those of DM 2.0.
    pub format: Option<Dm1Format>,
    /// What `APPSRV` of a provisioning document means to the devices (`dm1x.md` §5.3).
    pub app_srv: AppSrvIs,
}

/// A batch to be built.
pub struct Batch<'a> {
    /// Which carrier.
    pub carrier: Carrier,
    /// Where it is built; made where it is missing.
    pub folder: &'a Path,
    /// The devices.
    pub rows: &'a [DeviceRow],
    /// What they are built with; the key to seal to, and a card's numbers, where a row has none.
    pub options: BuildOptions<'a>,
    /// Threads; none for as many as the machine has processors.
    pub jobs: Option<NonZeroUsize>,
}

/// What a batch came to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct BatchDone {
    /// Devices built by this run.
    pub built: usize,
    /// Devices that an earlier run had built.
    pub kept: usize,
}

/// Why a batch ended. What was built stays; the same command goes on from there.
#[derive(Debug, thiserror::Error)]
pub enum BatchError {
    /// A device.
    #[error("{device}: {cause}")]
    Source {
        /// Which.
        device: DevId,
        /// Why.
        #[source]
        cause: SourceError,
    },
    /// A device's carrier.
    #[error("{device}: {cause}")]
    Carrier {
        /// Which.
        device: DevId,
        /// Why.
        #[source]
        cause: CarrierError,
    },
    /// Another run builds into the folder.
    #[error("another run builds into {}", .0.display())]
    Busy(PathBuf),
    /// The folder or its manifest.
    #[error("{}: {cause}", folder.display())]
    Folder {
        /// The folder.
        folder: PathBuf,
        /// Why.
        #[source]
        cause: io::Error,
    },
}

impl DocumentSource for ProfileSource<'_> {
    fn inputs(&self) -> PayloadHash {
        let mut digest = Sha256::new();
        let mut add = |part: &[u8]| {
            digest.update((part.len() as u64).to_be_bytes());
            digest.update(part);
        };
        add(self.text.as_bytes());
        add(self.server.as_bytes());
        for (name, text) in self.values.ddfs {
            add(name.as_bytes());
            add(text.as_bytes());
        }
        let ca = self.values.ca.map(|ca| ca.certificate().to_vec());
        add(&ca.unwrap_or_default());
        add(self.values.server_ca.unwrap_or_default());
        add(self.format.map_or("", Dm1Format::name).as_bytes());
        if self.app_srv != AppSrvIs::default() {
            add(b"inverted levels");
        }
        PayloadHash::from_octets(digest.finalize().into())
    }

    fn document(&self, row: &DeviceRow) -> Result<Secret, SourceError> {
        if let Some(format) = self.format {
            let inputs = row.inputs(self.server);
            let credentials = self.values.dm1_credentials(row)?;
            let profile = self.profile;
            let package = profile.build_dm1_for(&inputs, &credentials, format, self.app_srv)?;
            return Ok(package.document);
        }
        let inputs = self.values.inputs(self.profile, row, self.server)?;
        let package = self.profile.build(&inputs, self.registry)?;
        Ok(Secret::new(package.document().to_vec()))
    }
}

impl Batch<'_> {
    /// Builds what is missing. `progress` is told how many devices are there, from one thread.
    ///
    /// # Errors
    /// [`BatchError`] of the first device that failed.
    pub fn run(
        &self,
        source: &dyn DocumentSource,
        mut progress: impl FnMut(usize),
    ) -> Result<BatchDone, BatchError> {
        let at = |cause| BatchError::Folder {
            folder: self.folder.to_owned(),
            cause,
        };
        std::fs::create_dir_all(self.folder).map_err(at)?;
        let (mut journal, mut known) = Journal::open(self.folder).map_err(|cause| {
            if cause.kind() == io::ErrorKind::WouldBlock {
                BatchError::Busy(self.folder.to_owned())
            } else {
                at(cause)
            }
        })?;
        let common = source.inputs();
        let inputs = |row: &DeviceRow| self.inputs(&common, row);
        let jobs = self.jobs.or_else(|| thread::available_parallelism().ok());
        let (next, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
        let (mut built, mut kept, mut failed) = (0, 0, None);
        thread::scope(|scope| {
            let (tell, told) = mpsc::channel();
            for _ in 0..jobs.map_or(1, NonZeroUsize::get) {
                let (tell, next, stop, known) = (tell.clone(), &next, &stop, &known);
                scope.spawn(move || {
                    while !stop.load(Ordering::Relaxed)
                        && let Some(row) = self.rows.get(next.fetch_add(1, Ordering::Relaxed))
                    {
                        let inputs = inputs(row);
                        let old = known.get(row.dev_id.as_str());
                        let old = old.filter(|old| old.inputs == inputs);
                        let done = if old.is_some_and(|old| old.is_intact(self.folder)) {
                            Ok(None)
                        } else {
                            self.one(source, row, inputs).map(Some)
                        };
                        if tell.send(done).is_err() {
                            break;
                        }
                    }
                });
            }
            drop(tell);
            let mut made = Vec::new();
            for done in told {
                let added = match done {
                    Ok(None) => {
                        kept += 1;
                        Ok(())
                    }
                    Ok(Some(entry)) => {
                        built += 1;
                        let added = journal.add(&entry).map_err(at);
                        made.push(entry);
                        added
                    }
                    Err(error) => Err(error),
                };
                if let Err(error) = added {
                    stop.store(true, Ordering::Relaxed);
                    failed.get_or_insert(error);
                }
                progress(built + kept);
            }
            made
        })
        .into_iter()
        .for_each(|entry| {
            known.insert(entry.device.clone(), entry);
        });
        if let Some(error) = failed {
            return Err(error);
        }
        let entries = self.rows.iter();
        let entries: Vec<_> = entries
            .filter_map(|row| known.get(row.dev_id.as_str()))
            .collect();
        journal.finish(self.carrier, &entries).map_err(at)?;
        Ok(BatchDone { built, kept })
    }

    fn inputs(&self, common: &PayloadHash, row: &DeviceRow) -> PayloadHash {
        let mut digest = Sha256::new();
        digest.update(common.octets());
        digest.update(row.digest.octets());
        let options = self.options_of(row);
        let seal_to = options.seal_to;
        digest.update(seal_to.map_or([0; 32], SealingKey::fingerprint));
        digest.update(self.carrier.name());
        digest.update(options.url.map_or("", ServerUri::as_str));
        if self.carrier == Carrier::Smartcard {
            digest.update(options.card.digest().octets());
        }
        if self.carrier == Carrier::Push {
            digest.update(options.push.digest().octets());
        }
        PayloadHash::from_octets(digest.finalize().into())
    }

    fn options_of<'o>(&'o self, row: &'o DeviceRow) -> BuildOptions<'o> {
        let mut options = self.options.clone();
        options.seal_to = row.seal_to.as_ref().or(options.seal_to);
        options.card.iccid = row.iccid.clone().or(options.card.iccid);
        options.card.serial = row.card_serial.clone().or(options.card.serial);
        options.push.network = row.network.clone().or(options.push.network);
        options.push.pin = row.pin.clone().or(options.push.pin);
        options
    }

    /// Writes one device's files.
    fn one(
        &self,
        source: &dyn DocumentSource,
        row: &DeviceRow,
        inputs: PayloadHash,
    ) -> Result<ManifestEntry, BatchError> {
        let document = source.document(row).map_err(|cause| BatchError::Source {
            device: row.dev_id.clone(),
            cause,
        })?;
        let written = CarriedDocument::new(document, Some(&row.dev_id)).and_then(|document| {
            let set = build(self.carrier, &document, &self.options_of(row))?;
            let mut files = Vec::new();
            for file in &set.files {
                let name = file_name(&row.dev_id, &file.name);
                let path = self.folder.join(&name);
                write_private(&path, file.octets.expose())
                    .map_err(|cause| CarrierError::Write { file: path, cause })?;
                files.push(file.described(name));
            }
            Ok(ManifestEntry {
                device: row.dev_id.to_string(),
                inputs,
                profile_format: set.description.profile_format,
                payload_sha256: set.description.payload_sha256,
                servers: set.description.servers,
                sealed_to: set.description.sealed_to,
                files,
            })
        });
        written.map_err(|cause| BatchError::Carrier {
            device: row.dev_id.clone(),
            cause,
        })
    }

    /// Devices of an earlier run that the table no longer names; their files stay where they are.
    ///
    /// # Errors
    /// What the system says of the manifest.
    pub fn left_over(&self) -> io::Result<Vec<String>> {
        let Some((_, entries)) = crate::manifest::read(self.folder)? else {
            return Ok(Vec::new());
        };
        let wanted: BTreeSet<_> = self.rows.iter().map(|row| row.dev_id.as_str()).collect();
        let devices = entries.into_iter().map(|entry| entry.device);
        Ok(devices
            .filter(|device| !wanted.contains(device.as_str()))
            .collect())
    }
}

/// A name that no other device's file has: letters, digits, `-` and `_` as they are, the rest as `%` and two digits.
fn file_name(device: &DevId, name: &str) -> String {
    let mut text = String::new();
    for octet in device.as_str().bytes() {
        if octet.is_ascii_alphanumeric() || b"-_".contains(&octet) {
            text.push(char::from(octet));
        } else {
            text.push_str(&format!("%{octet:02X}"));
        }
    }
    // 128 characters, each of up to three octets, and the name behind them are more than file systems take.
    if text.len() > 200 {
        text = PayloadHash::of(device.as_str().as_bytes()).to_hex();
    }
    format!("{text}.{name}")
}
