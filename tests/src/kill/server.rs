use std::fmt::Display;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::Duration;

use omadm_bootstrap::BootstrapMethod;
use omadm_mo::DevId;
use omadm_server::config::{PushPolicy, ReBootstrap, ServerConfig};
use omadm_server::model::StoredEvent;
use omadm_server::operator::client::ApiClient;
use omadm_server::{DmServer, Running};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use tokio::task::JoinHandle;

use super::completion::assert_completed;
use super::registry::Registry;
use super::{Device, DeviceState, Fault, PATIENCE, Site, Told, Victim};

/// A DM Server with its state directory and ports, which it keeps over restarts: in this process, or as a victim in one of its own. Its devices lie beside it.
pub struct Server {
    /// Where clients of this process run.
    pub runtime: Runtime,
    folder: TempDir,
    ports: [u16; 2],
    registry: Registry,
    running: Option<Running>,
}

impl Server {
    /// Makes one in a temporary directory, and starts it in this process.
    ///
    /// # Errors
    /// Where it does not start.
    pub fn make() -> Result<Self, Fault> {
        let runtime = Runtime::new()?;
        let folder = tempfile::tempdir()?;
        let ports = [free_port()?, free_port()?];
        let config = Self::config(&folder.path().join("server"), ports);
        let running = runtime.block_on(DmServer::new(config).start())?;
        let registry = Registry::new(folder.path(), &running)?;
        Ok(Self {
            runtime,
            folder,
            ports,
            registry,
            running: Some(running),
        })
    }

    /// The settings: a completed device that fetches again is bootstrapped again.
    #[must_use]
    pub fn config(state: &Path, ports: [u16; 2]) -> ServerConfig {
        let [devices, operators] = ports.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        let mut config = ServerConfig::new(state);
        config.profiles_dir = Some(crate::process::profiles(""));
        config.re_bootstrap = ReBootstrap::Allow;
        config.push = pushes();
        (config.device_listen, config.operator_listen) = (devices, operators);
        config
    }

    /// The store's file in a state directory.
    #[must_use]
    pub fn store(state: &Path) -> PathBuf {
        state.join("server.sqlite")
    }

    /// The server of this process.
    ///
    /// # Errors
    /// Where it is stopped.
    pub fn running(&self) -> Result<&Running, Fault> {
        Ok(self.running.as_ref().ok_or("the server does not run")?)
    }

    /// Starts it in this process.
    ///
    /// # Errors
    /// Where it does not start: after a SIGKILL it always has to.
    pub fn start(&mut self) -> Result<(), Fault> {
        let config = Self::config(&self.folder.path().join("server"), self.ports);
        self.running = Some(self.runtime.block_on(DmServer::new(config).start())?);
        Ok(())
    }

    /// Has an operator ask for a push, who does not wait for the answer here.
    ///
    /// # Errors
    /// Where the device does not listen.
    pub fn push_meanwhile(
        &self,
        device: &Device,
        profile: &str,
    ) -> Result<JoinHandle<Result<(), Fault>>, Fault> {
        let [_, operators] = self.ports;
        let pushing = self.registry.pushing(operators, device, profile)?;
        Ok(self.runtime.spawn(pushing))
    }

    /// Whether the server of this process has a bootstrap of the device.
    ///
    /// # Errors
    /// Where it does not run, or the store cannot be read.
    pub fn has_bootstrap(&self, device: &Device) -> Result<bool, Fault> {
        let store = self.running()?.store();
        let records = self.runtime.block_on(store.bootstraps_of(&device.dev_id))?;
        Ok(!records.is_empty())
    }

    /// Starts it as a process that halts at a step, by the program `kill_server`; returns once it listens.
    ///
    /// # Errors
    /// Where it does not come up.
    pub fn victim(&self, program: &str, step: impl Display) -> Result<Victim, Fault> {
        let [devices, operators] = self.ports;
        let state = self.folder.path().join("server");
        let victim = Victim::start(
            program,
            [
                state.as_os_str(),
                devices.to_string().as_ref(),
                operators.to_string().as_ref(),
                step.to_string().as_ref(),
            ],
        )?;
        match victim.told(PATIENCE)? {
            Told::Ready => Ok(victim),
            other => Err(format!("{other:?} before it was ready").into()),
        }
    }
}

impl Site for Server {
    fn runtime(&self) -> &Runtime {
        &self.runtime
    }

    fn device(&mut self, profile: &str) -> Result<Device, Fault> {
        let made = self
            .registry
            .device(self.ports, profile, BootstrapMethod::ClientInitiated);
        self.runtime.block_on(made)
    }

    fn device_with_image(&mut self, profile: &str) -> Result<Device, Fault> {
        let made = self
            .registry
            .device(self.ports, profile, BootstrapMethod::Factory);
        self.runtime.block_on(made)
    }

    fn device_with_card(&mut self, profile: &str) -> Result<Device, Fault> {
        let made = self
            .registry
            .device(self.ports, profile, BootstrapMethod::Smartcard);
        self.runtime.block_on(made)
    }

    fn device_that_listens(&mut self) -> Result<Device, Fault> {
        let ports = self.ports;
        let made = self
            .registry
            .device(ports, "", BootstrapMethod::ServerInitiated);
        self.runtime.block_on(made)
    }

    fn push(&self, device: &Device, profile: &str) -> Result<(), Fault> {
        let [_, operators] = self.ports;
        let pushing = self.registry.pushing(operators, device, profile)?;
        self.runtime.block_on(pushing)
    }

    fn another_card(&self, device: &Device, profile: &str) -> Result<(), Fault> {
        let [_, operators] = self.ports;
        let made = self.registry.another_card(operators, device, profile);
        self.runtime.block_on(made)
    }

    fn assert_completed(
        &self,
        device: &Device,
        state: &DeviceState,
        bootstraps: usize,
    ) -> Result<(), Fault> {
        let running = self.running()?;
        let judged = assert_completed(running.store().as_ref(), device, state, bootstraps, 1);
        self.runtime.block_on(judged)
    }

    fn operator(&self) -> Result<ApiClient, Fault> {
        self.registry.api(self.ports[1])
    }

    fn events(&self, dev_id: &DevId) -> Result<Vec<StoredEvent>, Fault> {
        let store = self.running()?.store();
        self.runtime.block_on(async {
            store.flush().await?;
            Ok(store.events_of(dev_id, 0, 1000).await?)
        })
    }

    fn stop(&mut self) -> Result<(), Fault> {
        if let Some(running) = self.running.take() {
            self.runtime.block_on(running.shutdown())?;
        }
        Ok(())
    }
}

/// Pushes that are tried again soon, and taken up soon where a server died.
pub(super) fn pushes() -> PushPolicy {
    PushPolicy {
        try_within: Duration::from_secs(3),
        waits: vec![Duration::from_millis(100); 40],
        ..PushPolicy::default()
    }
}

/// A free port outside the range from which systems take ephemeral ones, so that it is still free when the server comes back.
pub(super) fn free_port() -> Result<u16, Fault> {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    let offset = u16::try_from(std::process::id() % 1_000)? * 10;
    for _ in 0..1_000 {
        let port = 20_000 + (offset + NEXT.fetch_add(1, Ordering::Relaxed)) % 10_000;
        if TcpListener::bind((Ipv4Addr::LOCALHOST, port)).is_ok() {
            return Ok(port);
        }
    }
    Err("no free port".into())
}
