use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};

use omadm_client::{Client, ClientObserver, DeviceDir};
use omadm_mo::{DevId, Secret};
use omadm_server::config::{ReBootstrap, ServerConfig};
use omadm_server::model::{BootstrapState, EventKind};
use omadm_server::operator::client::ApiClient;
use omadm_server::operator::types::NewDevice;
use omadm_server::{BOOTSTRAP_PATH, DmServer, Running};
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::{Device, DeviceState, Fault, PATIENCE, Told, Victim};

/// A DM Server with its state directory and ports, which it keeps over restarts: in this process, or as a victim in one of its own. Its devices lie beside it.
pub struct Server {
    /// Where clients of this process run.
    pub runtime: Runtime,
    folder: TempDir,
    ports: [u16; 2],
    token: Secret,
    running: Option<Running>,
    devices: u32,
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
        let first = running.first_start.as_ref().ok_or("no first start")?;
        let token = first.token.clone();
        std::fs::write(folder.path().join("ca.pem"), running.ca_pem())?;
        Ok(Self {
            runtime,
            folder,
            ports,
            token,
            running: Some(running),
            devices: 0,
        })
    }

    /// The settings: a completed device that fetches again is bootstrapped again.
    #[must_use]
    pub fn config(state: &Path, ports: [u16; 2]) -> ServerConfig {
        let [devices, operators] = ports.map(|port| SocketAddr::from((Ipv4Addr::LOCALHOST, port)));
        let mut config = ServerConfig::new(state);
        config.profiles_dir = Some(crate::process::profiles(""));
        config.re_bootstrap = ReBootstrap::Allow;
        (config.device_listen, config.operator_listen) = (devices, operators);
        config
    }

    /// The store's file in a state directory.
    #[must_use]
    pub fn store(state: &Path) -> PathBuf {
        state.join("server.sqlite")
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

    /// Ends it gracefully in this process.
    ///
    /// # Errors
    /// Where its last marks could not be written.
    pub fn stop(&mut self) -> Result<(), Fault> {
        if let Some(running) = self.running.take() {
            self.runtime.block_on(running.shutdown())?;
        }
        Ok(())
    }

    /// Starts it as a process that halts at a step, by the program `kill_server`; returns once it listens.
    ///
    /// # Errors
    /// Where it does not come up.
    pub fn victim(&self, program: &str, step: u64) -> Result<Victim, Fault> {
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

    /// Makes a fresh device that is registered with a bootstrap of this profile. The server runs in this process.
    ///
    /// # Errors
    /// Where the server refuses.
    pub fn device(&mut self, profile: &str) -> Result<Device, Fault> {
        self.devices += 1;
        let running = self.running.as_ref().ok_or("the server does not run")?;
        let dev_id = DevId::parse(&format!("urn:example:device:{}", self.devices))?;
        let folder = self.folder.path().join(format!("device-{}", self.devices));
        let dir = DeviceDir::init(&folder, &Device::dev_info(dev_id.clone()))?;
        let [device_port, operator_port] = self.ports;
        let ca = running.ca_certificate();
        let api = ApiClient::new("127.0.0.1", operator_port, ca, &self.token)?;
        let new = NewDevice {
            dev_id: dev_id.to_string(),
            csr: Some(std::fs::read_to_string(dir.request_file())?),
            profile: Some(profile.to_owned()),
            ..NewDevice::default()
        };
        let added = self.runtime.block_on(api.add_device(&new))?;
        let certificate = added.certificate.ok_or("no certificate")?;
        std::fs::write(dir.certificate_file(), certificate)?;
        Ok(Device {
            folder,
            dev_id,
            url: format!("https://localhost:{device_port}{BOOTSTRAP_PATH}"),
            ca: self.folder.path().join("ca.pem"),
        })
    }

    /// A client of this process for a device.
    ///
    /// # Errors
    /// Where a file of the device cannot be used.
    pub fn client(
        &self,
        device: &Device,
        observer: Arc<dyn ClientObserver>,
    ) -> Result<Client, Fault> {
        Device::client(&device.folder, &device.url, &device.ca, observer, || ())
    }

    /// Insists that the records are those of `bootstraps` bootstraps that each completed once, and that the device's last session came to its end.
    ///
    /// # Errors
    /// Where the store cannot be read, or the server does not run in this process.
    ///
    /// # Panics
    /// Where they are not.
    pub fn assert_completed(
        &self,
        device: &Device,
        state: &DeviceState,
        bootstraps: usize,
    ) -> Result<(), Fault> {
        let store = self
            .running
            .as_ref()
            .ok_or("the server does not run")?
            .store();
        let (records, events, known) = self.runtime.block_on(async {
            let dev_id = &device.dev_id;
            let records = store.bootstraps_of(dev_id).await?;
            let events = store.events_of(dev_id, 0, 1000).await?;
            Ok::<_, Fault>((records, events, store.device(dev_id).await?))
        })?;
        assert_eq!(records.len(), bootstraps, "one record a bootstrap");
        for record in &records {
            assert_eq!(record.state, BootstrapState::Completed);
        }
        let completed: Vec<_> = events
            .iter()
            .filter_map(|event| match &event.event.kind {
                EventKind::BootstrapCompleted {
                    bootstrap,
                    event_id,
                    ..
                } => Some((bootstrap.clone(), event_id.clone())),
                _ => None,
            })
            .collect();
        assert_eq!(completed.len(), bootstraps, "one completion a bootstrap");
        let named: BTreeSet<_> = completed.iter().map(|(record, _)| record).collect();
        assert_eq!(named.len(), bootstraps, "each of a record of its own");
        let account = state.accounts.first().ok_or("no account")?;
        let newest = records.first().ok_or("no record")?;
        assert_eq!(newest.event_id.as_ref(), state.event_id());
        assert_eq!(newest.payload_hash, account.provenance.payload_hash);
        assert!(!state.owes(), "nothing is owed");
        let dense = events.iter().map(|event| event.seq);
        assert!(dense.eq(1..=events.len() as u64), "no event is missing");
        let last = events.last().map(|event| &event.event.kind);
        assert_eq!(last, Some(&EventKind::SessionEnded));
        assert!(
            known.is_some_and(|known| known.dev_info.is_some()),
            "DevInfo is known"
        );
        Ok(())
    }
}

/// A free port outside the range from which systems take ephemeral ones, so that it is still free when the server comes back.
fn free_port() -> Result<u16, Fault> {
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
