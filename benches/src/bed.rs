//! Both arms' servers in one process, on a runtime of their own; the load runs on another.

use std::fs;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use omadm_mo::{DevId, Secret};
use omadm_server::config::ServerConfig;
use omadm_server::operator::client::ApiClient;
use omadm_server::operator::types::NewDevice;
use omadm_server::state_dir::StateDir;
use omadm_server::{Clock as _, DmServer, Running, SystemClock};
use omadm_tls::{CertificateDer, DeviceKey, Identity, pem};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

use crate::commit_octets::{CommitOctets, Watch};
use crate::cpu::SERVER_THREADS;
use crate::device::Device;
use crate::floor::Floor;
use crate::wire::HOST;
use crate::{Broken, Unexpected};

const PROFILE: &str = "minimal";
const MINIMAL: &str = include_str!("../../profiles/minimal.toml");
/// A thread that ended in the middle of a sample would take its CPU time out of the server's share.
const THREADS_STAY: Duration = Duration::from_secs(86_400);
/// Devices being registered at once.
const REGISTRATIONS: usize = 16;

/// A DM Server and a floor that run, and the load's runtime.
pub struct Bed {
    pub(crate) load: Runtime,
    pub(crate) server: Running,
    pub(crate) floor: Floor,
    pub(crate) anchor: CertificateDer<'static>,
    octets: CommitOctets,
    registrar: Arc<Registrar>,
    serving: Runtime,
}

/// Registers devices through the operator's API.
struct Registrar {
    api: ApiClient,
    next: AtomicU64,
}

impl Bed {
    /// Starts both. `folder` is empty or does not exist, and lies on a real disk: where fsync costs nothing the ratios mean nothing.
    ///
    /// # Errors
    /// [`Broken`] where a server does not start, or the one bootstrap by which the commits are measured does not complete.
    pub fn open(folder: &Path) -> Result<Self, Broken> {
        let [serving, load] = [SERVER_THREADS[0], "dm-load"].map(|name| {
            Builder::new_multi_thread()
                .thread_name(name)
                .thread_keep_alive(THREADS_STAY)
                .enable_all()
                .build()
        });
        let (serving, load) = (serving?, load?);
        let profiles = folder.join("profiles");
        fs::create_dir_all(&profiles)?;
        fs::write(profiles.join(format!("{PROFILE}.toml")), MINIMAL)?;
        let mut config = ServerConfig::new(folder.join("server"));
        config.profiles_dir = Some(profiles);
        config.names.insert(0, HOST.to_owned());
        config.names.dedup();
        let names = config.names.clone();
        let server = serving.block_on(DmServer::new(config).start())?;
        let anchor = server.ca_certificate().clone();
        let token: &Secret = match &server.first_start {
            Some(first) => &first.token,
            None => return Err(Unexpected::NotFresh.into()),
        };
        let api = ApiClient::new(HOST, server.operator_addr.port(), &anchor, token)?;
        let registrar = Arc::new(Registrar {
            api,
            next: AtomicU64::new(1),
        });
        let (state, _) =
            StateDir::open_or_create(&folder.join("server"), &names, SystemClock.now())?;
        let device = load.block_on(registrar.register())?;
        let mut watch = Watch::open(&state.store_path(), &device.dev_id)?;
        let mut after = |dev_id: &DevId| watch.exchange_over(dev_id);
        load.block_on(device.bootstrap(server.device_addr, &anchor, &mut after))?;
        let octets = watch.octets()?;
        let floor = Floor::start(
            serving.handle(),
            folder,
            state.identity().clone(),
            state.client_trust()?,
            octets,
        )?;
        Ok(Self {
            load,
            server,
            floor,
            anchor,
            octets,
            registrar,
            serving,
        })
    }

    /// What a bootstrap commits, measured on one: the floor commits as much.
    #[must_use]
    pub const fn commit_octets(&self) -> CommitOctets {
        self.octets
    }

    /// Ends both.
    ///
    /// # Errors
    /// [`Broken`] where the server's last marks could not be written.
    pub fn close(self) -> Result<(), Broken> {
        drop(self.load);
        drop(self.floor);
        Ok(self.serving.block_on(self.server.shutdown())?)
    }

    /// Registers devices, each with a bootstrap that waits for it, and lets the store write out what was deferred.
    pub(crate) fn register(&self, count: usize) -> Result<Vec<Device>, Broken> {
        self.load.block_on(async {
            let mut running = JoinSet::new();
            let mut devices = Vec::with_capacity(count);
            for _ in 0..count {
                if running.len() == REGISTRATIONS
                    && let Some(registered) = running.join_next().await
                {
                    devices.push(registered??);
                }
                let registrar = Arc::clone(&self.registrar);
                running.spawn(async move { registrar.register().await });
            }
            while let Some(registered) = running.join_next().await {
                devices.push(registered??);
            }
            self.server.store().flush().await?;
            Ok(devices)
        })
    }
}

impl Registrar {
    async fn register(&self) -> Result<Device, Broken> {
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        let dev_id = DevId::parse(&format!("IMEI:{:015}", 493_005_100_000_000 + number))?;
        let key = DeviceKey::generate()?;
        let new = NewDevice {
            dev_id: dev_id.to_string(),
            csr: Some(key.certificate_request(&dev_id)?.to_pem()),
            profile: Some(PROFILE.to_owned()),
            ..NewDevice::default()
        };
        let added = self.api.add_device(&new).await?;
        let chain = added.certificate.ok_or(Unexpected::NoCertificate)?;
        let leaf = pem::certificates(&chain)?.into_iter().take(1).collect();
        let identity: Identity = key.identity(leaf)?;
        Ok(Device::new(number, dev_id, identity))
    }
}
