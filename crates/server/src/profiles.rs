//! The bootstrap profiles a server was started with: a folder of TOML files, with the DDFs of further MOs beside them. What is wrong with one stops the start.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use omadm_bootstrap::profile::{BootstrapProfile, Need, ProfileError};
use omadm_mo::Moid;
use omadm_mo::ddf::{Ddf, DdfError};
use omadm_mo::standard::{MoRegistry, RegistryError};
use omadm_tls::{ProfileUnsupported, TlsProfile, TlsSupport};

/// The name of a profile that came with a request.
const INLINE: &str = "inline";

/// A profile under its name.
pub(crate) struct Profile {
    pub(crate) name: String,
    pub(crate) content: BootstrapProfile,
    /// Texts of the DDF files it names.
    pub(crate) ddfs: BTreeMap<String, String>,
}

impl Profile {
    pub(crate) fn srv_id(&self) -> String {
        self.content.account.srv_id.clone()
    }

    pub(crate) const fn has_trsp(&self) -> bool {
        self.content.account.trsp.is_some()
    }

    /// Whether a device that has nothing but a bootstrap code can open its session with what the document brings.
    pub(crate) const fn opens_sessions(&self) -> bool {
        self.has_trsp() || self.content.account.http.is_some()
    }
}

/// All profiles, by name, and the MO types they may use.
pub(crate) struct ProfileLibrary {
    profiles: BTreeMap<String, Arc<Profile>>,
    registry: MoRegistry,
}

/// Why the profiles cannot be used. Their author or the operator is at fault.
#[derive(Debug, thiserror::Error)]
pub enum ProfileLibraryError {
    /// The folder or a file cannot be read.
    #[error("{}: {cause}", path.display())]
    Io {
        /// The file.
        path: PathBuf,
        /// What the operating system said.
        #[source]
        cause: io::Error,
    },
    /// A profile is not one.
    #[error("{}: {cause}", path.display())]
    Profile {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        #[source]
        cause: Box<ProfileError>,
    },
    /// A profile brings pre-shared keys, which this build has not.
    #[error("{}: {cause}", path.display())]
    NoPsk {
        /// The file.
        path: PathBuf,
        /// What is missing.
        #[source]
        cause: ProfileUnsupported,
    },
    /// A DDF is not one.
    #[error("{}: {cause}", path.display())]
    Ddf {
        /// The file.
        path: PathBuf,
        /// What is wrong, and where.
        #[source]
        cause: Box<DdfError>,
    },
    /// A DDF does not say what it describes.
    #[error("{}: {cause}", path.display())]
    Registry {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        #[source]
        cause: RegistryError,
    },
}

impl ProfileLibrary {
    /// Reads every `*.toml` of a folder with the DDF files they name; nothing where no folder is given.
    pub(crate) fn open(
        folder: Option<&Path>,
        support: TlsSupport,
    ) -> Result<Self, ProfileLibraryError> {
        let mut library = Self {
            profiles: BTreeMap::new(),
            registry: MoRegistry::standard(),
        };
        let Some(folder) = folder else {
            return Ok(library);
        };
        for path in files(folder, "toml")? {
            let content = BootstrapProfile::read(&read(&path)?).map_err(|cause| {
                ProfileLibraryError::Profile {
                    path: path.clone(),
                    cause: Box::new(cause),
                }
            })?;
            if content.needs_psk() {
                let path = path.clone();
                support
                    .require(TlsProfile::Psk)
                    .map_err(|cause| ProfileLibraryError::NoPsk { path, cause })?;
            }
            let mut ddfs = BTreeMap::new();
            for need in content.needs() {
                if let Need::Ddf(file) = need {
                    ddfs.insert(file.clone(), read(&folder.join(file))?);
                }
            }
            library.register(&content, &ddfs, folder)?;
            let name = path
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            library.profiles.insert(
                name.clone(),
                Arc::new(Profile {
                    name,
                    content,
                    ddfs,
                }),
            );
        }
        Ok(library)
    }

    pub(crate) fn get(&self, name: &str) -> Option<Arc<Profile>> {
        self.profiles.get(name).cloned()
    }

    /// A profile that is in no file. Of DDF files it may name those that a profile of the folder names.
    pub(crate) fn inline(&self, text: &str) -> Result<Arc<Profile>, ProfileError> {
        let content = BootstrapProfile::read(text)?;
        let ddfs = self
            .profiles
            .values()
            .flat_map(|profile| profile.ddfs.clone())
            .collect();
        Ok(Arc::new(Profile {
            name: INLINE.to_owned(),
            content,
            ddfs,
        }))
    }

    /// Makes the MO types of a profile known, so that their secrets are masked in traces.
    fn register(
        &mut self,
        content: &BootstrapProfile,
        ddfs: &BTreeMap<String, String>,
        folder: &Path,
    ) -> Result<(), ProfileLibraryError> {
        for mo in &content.mo {
            let (Some(file), Ok(moid)) = (&mo.ddf, Moid::parse(&mo.moid)) else {
                continue;
            };
            // A profile must not replace a standard DDF: masking goes by it. Building refuses such a profile with its place.
            if MoRegistry::standard().get(&moid).is_some() {
                continue;
            }
            let text = ddfs.get(file).map(String::as_str).unwrap_or_default();
            let path = folder.join(file);
            let ddf = Ddf::read(text).map_err(|cause| ProfileLibraryError::Ddf {
                path: path.clone(),
                cause: Box::new(cause),
            })?;
            self.registry
                .insert(ddf.with_moid(moid))
                .map_err(|cause| ProfileLibraryError::Registry { path, cause })?;
        }
        Ok(())
    }

    pub(crate) fn all(&self) -> impl Iterator<Item = &Arc<Profile>> {
        self.profiles.values()
    }

    pub(crate) const fn registry(&self) -> &MoRegistry {
        &self.registry
    }
}

fn files(folder: &Path, extension: &str) -> Result<Vec<PathBuf>, ProfileLibraryError> {
    let listed = fs::read_dir(folder).and_then(|entries| {
        entries
            .map(|entry| Ok(entry?.path()))
            .collect::<io::Result<Vec<_>>>()
    });
    let mut found = listed.map_err(|cause| ProfileLibraryError::Io {
        path: folder.to_owned(),
        cause,
    })?;
    found.retain(|path| path.extension().is_some_and(|found| found == extension));
    found.sort();
    Ok(found)
}

fn read(path: &Path) -> Result<String, ProfileLibraryError> {
    fs::read_to_string(path).map_err(|cause| ProfileLibraryError::Io {
        path: path.to_owned(),
        cause,
    })
}

#[cfg(test)]
mod tests {
    use omadm_mo::standard::dm_acc;

    use super::{ProfileLibrary, TlsSupport};

    #[test]
    fn a_profile_does_not_replace_the_ddf_that_secrets_are_masked_by() {
        let folder = tempfile::tempdir().unwrap();
        let profile = format!(
            "[account]\nsrv_id = \"a\"\nsrv_uri = \"https://a/\"\nname = \"a\"\n[[mo]]\nmoid = \"{}\"\nddf = \"open.ddf\"\ndata = {{}}\n",
            dm_acc::moid()
        );
        std::fs::write(folder.path().join("p.toml"), profile).unwrap();
        let ddf = "<MgmtTree><Node><NodeName>DMAcc</NodeName></Node></MgmtTree>";
        std::fs::write(folder.path().join("open.ddf"), ddf).unwrap();
        let library = ProfileLibrary::open(Some(folder.path()), TlsSupport::RUSTLS_ALONE);
        let library = library.unwrap();
        assert_eq!(library.registry().get(&dm_acc::moid()), Some(dm_acc::ddf()));
    }

    #[test]
    fn x_sec_002_a_profile_with_pre_shared_keys_is_refused_where_the_build_has_none() {
        let folder = tempfile::tempdir().unwrap();
        let profile = include_str!("../../../profiles/psk/psk.toml");
        std::fs::write(folder.path().join("p.toml"), profile).unwrap();
        let refused = ProfileLibrary::open(Some(folder.path()), TlsSupport::RUSTLS_ALONE);
        let told = refused.err().unwrap().to_string();
        assert!(told.contains("p.toml") && told.contains("psk"), "{told}");
    }
}
