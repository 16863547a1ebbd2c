use std::path::{Path, PathBuf};

use omadm_bootstrap::BootstrapMethod;
use omadm_server::store::address::PostgresAddress;

/// What a demo shows.
#[derive(Clone, Debug)]
pub struct DemoOptions {
    /// A folder that is empty or does not exist: state directory, profiles, devices.
    pub folder: PathBuf,
    /// Whose bootstraps are shown.
    pub generation: DemoGeneration,
    /// A bootstrap by each of these, once. Empty: by every method; then a device is bootstrapped again and a card is taken out of another, or with DM 1.x a
    /// device gets new secrets and is reset.
    pub methods: Vec<DemoMethod>,
    /// Which profile the devices of DM 2.0 get; those of DM 1.x get the one that has a part for them.
    pub profile: DemoProfile,
    /// Whether every HTTP exchange is shown.
    pub trace: bool,
    /// How many nodes serve. Of several, each exchange goes to the one after the one before.
    pub nodes: usize,
    /// Where the records are kept.
    pub store: DemoStore,
}

/// A generation of the protocol.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DemoGeneration {
    /// DM 2.0.
    Dm2,
    /// DM 1.2 and 1.3.
    Dm1,
}

/// A bootstrap method that a demo shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DemoMethod {
    /// An image in the device's storage.
    Factory,
    /// A virtual card in this process.
    Smartcard,
    /// The device fetches.
    Client,
    /// The server pushes the document to the device.
    Server,
}

/// Where a demo keeps its records.
#[derive(Clone, Debug)]
pub enum DemoStore {
    /// In the SQLite file of its state directory.
    StateDirectory,
    /// In this PostgreSQL database, in a schema of its own that is dropped at the end.
    Postgres(Box<PostgresAddress>),
    /// In a PostgreSQL server that is started for it.
    PrivatePostgres,
}

/// The two profiles of the repository.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DemoProfile {
    /// DM Account alone: one connection.
    Minimal,
    /// Everything; its own `Auth/Trsp` takes a second connection.
    Full,
}

const MINIMAL: &str = include_str!("../../../../profiles/minimal.toml");
const FULL: &str = include_str!("../../../../profiles/full.toml");
const DM1X: &str = include_str!("../../../../profiles/dm1x.toml");
pub(super) const REPORTING_DDF: &str = include_str!("../../../../profiles/ddf/reporting-1.0.ddf");

impl DemoOptions {
    /// The methods in the order in which they are shown, each once.
    pub(super) fn shown(&self) -> impl Iterator<Item = DemoMethod> {
        let all = DemoMethod::ALL.into_iter();
        all.filter(|method| self.is_whole() || self.methods.contains(method))
    }

    /// Whether everything is shown.
    pub(super) const fn is_whole(&self) -> bool {
        self.methods.is_empty()
    }
}

impl DemoMethod {
    /// Every method, in the order in which they are shown.
    pub const ALL: [Self; 4] = [Self::Factory, Self::Smartcard, Self::Client, Self::Server];

    pub(super) const fn method(self) -> BootstrapMethod {
        match self {
            Self::Factory => BootstrapMethod::Factory,
            Self::Smartcard => BootstrapMethod::Smartcard,
            Self::Client => BootstrapMethod::ClientInitiated,
            Self::Server => BootstrapMethod::ServerInitiated,
        }
    }

    /// What happens, for the heading.
    pub(super) const fn sentence(self) -> &'static str {
        match self {
            Self::Factory => {
                "the image that was put into the device's storage is applied when it is first switched on"
            }
            Self::Smartcard => {
                "the DM Bootstrap is read from the card in the device when it is switched on (a virtual card in this process; real readers: omadm card)"
            }
            Self::Client => "the device asks the bootstrap server",
            Self::Server => {
                "the server pushes the document to the device, which listens, over mutual TLS"
            }
        }
    }
}

impl DemoProfile {
    /// Its name at the server.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Minimal => "minimal",
            Self::Full => "full",
        }
    }
}

pub(super) fn write_profiles(folder: &Path) -> Result<(), std::io::Error> {
    std::fs::create_dir_all(folder.join("ddf"))?;
    std::fs::write(folder.join("minimal.toml"), MINIMAL)?;
    std::fs::write(folder.join("full.toml"), FULL)?;
    std::fs::write(folder.join("dm1x.toml"), DM1X)?;
    std::fs::write(folder.join("ddf/reporting-1.0.ddf"), REPORTING_DDF)
}
