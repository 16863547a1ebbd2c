//! A DM Client whose firmware a server can update: the FUMO plug-in at work.

use std::error::Error;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;

use clap::Parser;
use omadm_client::policy::ClientPolicy;
use omadm_client::{Client, ClientEvent, ClientObserver, DeviceDir};
use omadm_examples::fumo::{Fumo, Installer};
use omadm_mo::{Rights, ServerUri};
use omadm_tls::pem;
use tokio::sync::watch;
use tracing_subscriber::EnvFilter;

/// Run a device with the Firmware Update MO (FUMO 1.0)
#[derive(Parser)]
#[command(
    after_help = "`omadm client init` makes the folder. Servers whose Perm list names urn:oma:mo:oma-fumo:1.0 may read, write and execute the MO.
The device asks for a bootstrap while it has none, and opens a session when a DM Notification comes where [listen] in its policy.toml says.
Without an installer the package is moved to fumo/slot in the folder. After an update the device starts anew, with PkgVersion as its FwV.

Examples:
  omadm client init --dir device --dev-id IMEI:493005100592800
  fumo_device --dir device --url https://localhost:8443/bootstrap --ca server/ca.crt
  fumo_device --dir device -- /usr/bin/install-firmware --file {package}"
)]
struct Arguments {
    /// The device's folder
    #[arg(long, env = "OMADM_DEVICE_DIR")]
    dir: PathBuf,
    /// Bootstrap URL, beside the sources of the policy; its server has to chain to --ca
    #[arg(long)]
    url: Option<String>,
    /// CA certificate (PEM) that servers may chain to; may be repeated
    #[arg(long = "ca", env = "OMADM_CA")]
    cas: Vec<PathBuf>,
    /// Installer with its arguments, run without a shell; {package} stands for the file
    #[arg(last = true, value_name = "INSTALLER")]
    installer: Vec<OsString>,
}

#[tokio::main]
async fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    match Arguments::parse().run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the device stops; what it is about goes on when it starts again");
            ExitCode::FAILURE
        }
    }
}

impl Arguments {
    async fn run(self) -> Result<(), Box<dyn Error>> {
        let fumo = Fumo::open(self.dir.join("fumo"))?;
        let installer = self.installer();
        loop {
            let client = self.start(&fumo)?;
            let listening = client.listen().await?;
            tracing::info!(udp = ?listening.udp, https = ?listening.https, "Notifications");
            let (stop, stopped) = watch::channel(false);
            let mut running = std::pin::pin!(client.run(stopped));
            tokio::select! {
                ended = &mut running => return Ok(ended?),
                done = fumo.run(&client, &installer) => done?,
                pressed = tokio::signal::ctrl_c() => {
                    stop.send_replace(true);
                    running.await?;
                    return Ok(pressed?);
                }
            }
            stop.send_replace(true);
            running.await?;
            listening.end().await;
            tracing::info!(firmware = fumo.firmware(), "the device starts anew");
        }
    }

    /// One start of the device.
    fn start(&self, fumo: &Fumo) -> Result<Client, Box<dyn Error>> {
        let dir = DeviceDir::open(&self.dir)?;
        let mut dev_info = dir.dev_info()?;
        if let Some(firmware) = fumo.firmware() {
            dev_info.fw_v = firmware;
        }
        let mut anchors = Vec::new();
        for file in &self.cas {
            anchors.extend(pem::certificates(&read(file)?)?);
        }
        let use_it = Rights::READ.with(Rights::WRITE).with(Rights::EXECUTE);
        let mut builder = Client::builder(dev_info, dir.store_file())
            .observer(Arc::new(Logged))
            .anchors(anchors.clone())
            .managed_object_for(fumo.object()?, use_it);
        let policy = dir.policy_file();
        if policy.exists() {
            let policy = ClientPolicy::read(&read(&policy)?, &self.dir)?;
            builder = builder.policy(&policy)?;
        }
        if let Some(url) = &self.url {
            builder = builder.source(ServerUri::parse(url)?, anchors);
        }
        if let Some(identity) = dir.identity()? {
            builder = builder.identity(identity);
        }
        Ok(builder.build()?)
    }

    fn installer(&self) -> Installer {
        match self.installer.split_first() {
            Some((program, arguments)) => Installer::Command {
                program: program.clone(),
                arguments: arguments
                    .iter()
                    .map(|one| one.to_string_lossy().into_owned())
                    .collect(),
            },
            None => Installer::Slot(self.dir.join("fumo/slot")),
        }
    }
}

struct Logged;

impl ClientObserver for Logged {
    fn event(&self, event: &ClientEvent) {
        tracing::info!(?event, "client");
    }
}

fn read(file: &Path) -> Result<String, Box<dyn Error>> {
    std::fs::read_to_string(file).map_err(|error| format!("{}: {error}", file.display()).into())
}
