//! The servers of all arms in one process, on a runtime of their own; the load runs on another.

use std::fs;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use omadm_mo::DevId;
use omadm_server::state_dir::StateDir;
use omadm_server::{Clock as _, SystemClock};
use omadm_tls::CertificateDer;
use tokio::runtime::{Builder, Runtime};

use crate::commit_octets::{CommitOctets, Watch};
use crate::cpu::SERVER_THREADS;
use crate::device::Device;
use crate::floor::{Durable, Floor};
use crate::postgres::Postgres;
use crate::registrar::Numbers;
use crate::sample::Arm;
use crate::stand::{Ground, Keys, Place, Stand};
use crate::stored::{fill_postgres, fill_sqlite};
use crate::wire::HOST;
use crate::{Broken, Unexpected};

/// A thread that ended in the middle of a sample would take its CPU time out of the server's share.
const THREADS_STAY: Duration = Duration::from_secs(86_400);

/// What a bed has.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Setup {
    /// The arms; those that they are ratios to come along.
    pub arms: Vec<Arm>,
    /// Devices stored for [`Arm::Few`] and [`Arm::PostgresFew`].
    pub few: u64,
    /// Devices stored for [`Arm::Many`] and [`Arm::PostgresMany`]; 10 000 000 at most.
    pub many: u64,
    /// Settings of PostgreSQL, by name and value, that win over those of the lab's durable server.
    pub postgres: Vec<(String, String)>,
}

/// Floors and servers that run, and the load's runtime.
pub struct Bed {
    pub(crate) load: Runtime,
    pub(crate) arms: Vec<Arm>,
    pub(crate) stands: Vec<Stand>,
    pub(crate) floors: Vec<(Arm, Floor)>,
    pub(crate) anchor: CertificateDer<'static>,
    octets: CommitOctets,
    serving: Runtime,
    /// Ends last.
    pub(crate) postgres: Option<Postgres>,
}

impl Bed {
    /// Starts all, and stores devices where arms want some; `told` gets a line for each of these. `folder` is empty or does not exist. It and `TMPDIR`,
    /// where PostgreSQL keeps its data, lie on a real disk: where fsync costs nothing the ratios mean nothing.
    ///
    /// # Errors
    /// [`Broken`] where a server does not start, or the one bootstrap by which the commits are measured does not complete.
    pub fn open(folder: &Path, setup: &Setup, mut told: impl FnMut(&str)) -> Result<Self, Broken> {
        let [serving, load] = [SERVER_THREADS[0], "dm-load"].map(|name| {
            Builder::new_multi_thread()
                .thread_name(name)
                .thread_keep_alive(THREADS_STAY)
                .enable_all()
                .build()
        });
        let (serving, load) = (serving?, load?);
        fs::create_dir_all(folder)?;
        let arms = Arm::with_bases(&setup.arms);
        let postgres = match arms.iter().any(|arm| arm.uses_postgres()) {
            true => Some(Postgres::start(&setup.postgres)?),
            false => None,
        };

        let first = Ground::new(folder.join(Arm::Full.name()), Place::StateDirectory);
        let (full, keys) = first.start_first(Arm::Full, &serving, Numbers::new())?;
        let names = [HOST.to_owned()];
        let (state, _) = StateDir::open_or_create(&first.state_dir(0), &names, SystemClock.now())?;
        let octets = measure(&load, &full, &first.file(), &keys.anchor)?;

        let mut bed = Self {
            load,
            arms,
            stands: vec![full],
            floors: Vec::new(),
            anchor: keys.anchor.clone(),
            octets,
            serving,
            postgres,
        };
        for arm in bed.arms.clone() {
            match arm {
                Arm::Full => {}
                Arm::Floor | Arm::PostgresFloor => {
                    let durable = match arm {
                        Arm::PostgresFloor => {
                            let url = bed.postgres()?.database("floor")?;
                            bed.serving.block_on(Durable::postgres(&url, octets))?
                        }
                        _ => Durable::file(folder, octets)?,
                    };
                    // The servers have a CRL in force too.
                    let crl = state.sign_crl(&[], 1, SystemClock.now())?;
                    let trust = state.client_trust(&[crl])?;
                    let identity = state.identity().clone();
                    let handle = bed.serving.handle();
                    let floor = Floor::start(handle, identity, trust, durable, octets)?;
                    bed.floors.push((arm, floor));
                }
                _ => {
                    let ground = bed.ground(arm, folder.join(arm.name()))?;
                    ground.take_keys(&first.state_dir(0))?;
                    let stored = match arm {
                        Arm::Few | Arm::PostgresFew => Some(setup.few),
                        Arm::Many | Arm::PostgresMany => Some(setup.many),
                        _ => None,
                    };
                    if let Some(count) = stored {
                        let began = Instant::now();
                        bed.fill(arm, &ground, &keys, count)?;
                        let seconds = began.elapsed().as_secs_f64();
                        told(&format!(
                            "{}: {count} devices stored in {seconds:.1} s",
                            arm.name()
                        ));
                    }
                    let stand = ground.start(arm, &bed.serving, &keys)?;
                    bed.stands.push(stand);
                }
            }
        }
        Ok(bed)
    }

    /// What a bootstrap commits, measured on one: the floors commit as much.
    #[must_use]
    pub const fn commit_octets(&self) -> CommitOctets {
        self.octets
    }

    /// The arms, in the order in which they take turns.
    #[must_use]
    pub fn arms(&self) -> &[Arm] {
        &self.arms
    }

    /// Ends all.
    ///
    /// # Errors
    /// [`Broken`] where a server's last marks could not be written.
    pub fn close(self) -> Result<(), Broken> {
        drop(self.load);
        drop(self.floors);
        for stand in self.stands {
            self.serving.block_on(stand.shutdown())?;
        }
        Ok(())
    }

    pub(crate) fn stand(&self, arm: Arm) -> Result<&Stand, Broken> {
        let stand = self.stands.iter().find(|stand| stand.arm == arm);
        Ok(stand.ok_or(Unexpected::NoSuchArm)?)
    }

    pub(crate) fn floor(&self, arm: Arm) -> Result<&Floor, Broken> {
        let floor = self.floors.iter().find(|(of, _)| *of == arm);
        Ok(&floor.ok_or(Unexpected::NoSuchArm)?.1)
    }

    fn postgres(&self) -> Result<&Postgres, Broken> {
        Ok(self.postgres.as_ref().ok_or(Unexpected::NoSuchArm)?)
    }

    fn ground(&self, arm: Arm, folder: PathBuf) -> Result<Ground, Broken> {
        let place = if arm.uses_postgres() {
            let name = format!("store_{}", arm.name().replace('-', "_"));
            let address = self.postgres()?.store(&name, &self.serving)?;
            let nodes = if arm == Arm::PostgresTwo { 2 } else { 1 };
            Place::Postgres(Box::new(address), nodes)
        } else {
            Place::StateDirectory
        };
        Ok(Ground::new(folder, place))
    }

    /// Bootstraps one device, and stores as many like it.
    fn fill(&self, arm: Arm, ground: &Ground, keys: &Keys, count: u64) -> Result<(), Broken> {
        let stand = ground.start(arm, &self.serving, keys)?;
        let device = self.load.block_on(one(&stand))?;
        let template = device.dev_id.clone();
        let (address, mut after) = (one_address(&stand)?, |_: &DevId| {});
        self.load
            .block_on(device.bootstrap(address, &self.anchor, &mut after))?;
        self.serving.block_on(stand.shutdown())?;
        match ground.place() {
            Place::StateDirectory => fill_sqlite(&ground.file(), &template, count),
            Place::Postgres(address, _) => self
                .serving
                .block_on(fill_postgres(address, &template, count)),
        }
    }
}

fn measure(
    load: &Runtime,
    full: &Stand,
    store: &Path,
    anchor: &CertificateDer<'static>,
) -> Result<CommitOctets, Broken> {
    let device = load.block_on(one(full))?;
    let mut watch = Watch::open(store, &device.dev_id)?;
    let mut after = |dev_id: &DevId| watch.exchange_over(dev_id);
    load.block_on(device.bootstrap(one_address(full)?, anchor, &mut after))?;
    Ok(watch.octets()?)
}

async fn one(stand: &Stand) -> Result<Device, Broken> {
    let device = stand.register(1).await?.pop();
    Ok(device.ok_or(Unexpected::NoCertificate)?)
}

fn one_address(stand: &Stand) -> Result<SocketAddr, Broken> {
    let address = stand.addresses().first().copied();
    Ok(address.ok_or(Unexpected::NoSuchArm)?)
}
