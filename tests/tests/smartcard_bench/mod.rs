//! A server with a device that is bootstrapped by card.
#![allow(dead_code, reason = "each suite uses its part")]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use omadm_server::operator::client::ApiClient;
use omadm_server::operator::types::BootstrapBody;
use omadm_tests::process::{Device, Ended, Omadm, PATIENCE, Server};
use serde_json::Value;
use tokio::runtime::Runtime;

pub(crate) const DEVICE: &str = "IMEI:493005100592800";
pub(crate) const SRV: &str = "dm-full.example.com";
pub(crate) const CARD: &str = "894901720123456789";
pub(crate) const OTHER: &str = "894901720999999999";

/// A server with a device that is to be bootstrapped by card, and the file of the device's card reader.
pub(crate) struct Bench {
    pub(crate) folder: tempfile::TempDir,
    pub(crate) runtime: Runtime,
    pub(crate) server: Server,
    pub(crate) token: String,
    pub(crate) api: ApiClient,
    pub(crate) device: Device,
}

impl Bench {
    pub(crate) fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let server = Server::start(&folder.path().join("server")).unwrap();
        let token = server.token.clone().unwrap();
        let device = Device::init(&folder.path().join("device"), DEVICE);
        let _added = server
            .operator(
                &token,
                &[
                    "add",
                    DEVICE,
                    "--profile",
                    "full",
                    "--method",
                    "smartcard",
                    "--csr",
                ],
            )
            .arg(device.file("device-csr.pem"))
            .arg("--out")
            .arg(device.file("device-cert.pem"))
            .run()
            .good();
        let network = "[network]\nallow_loopback = true\n";
        std::fs::write(device.file("policy.toml"), network).unwrap();
        Self {
            runtime: Runtime::new().unwrap(),
            api: server.api(&token).unwrap(),
            folder,
            server,
            token,
            device,
        }
    }

    pub(crate) fn reader(&self) -> PathBuf {
        self.folder.path().join("card.json")
    }

    /// The newest record of the device.
    pub(crate) fn record(&self) -> BootstrapBody {
        let detail = self.runtime.block_on(self.api.device(DEVICE)).unwrap();
        detail.bootstraps[0].clone()
    }

    /// The document of the newest record, as it goes onto the card.
    pub(crate) fn document(&self) -> Vec<u8> {
        let id = self.record().id;
        let document = self.runtime.block_on(self.api.bootstrap_document(&id));
        document.unwrap().expose().to_vec()
    }

    pub(crate) fn client(&self, command: &str) -> Omadm {
        let client = self
            .device
            .client(command)
            .arg("--ca")
            .arg(self.server.ca());
        client.arg("--card").arg(self.reader())
    }

    pub(crate) fn switch_on(&self) -> Ended {
        self.client("switch-on").run()
    }

    pub(crate) fn shown(&self) -> String {
        self.server
            .operator(&self.token, &["show", DEVICE])
            .run()
            .good()
            .stdout
    }

    pub(crate) fn tree(&self) -> String {
        self.device.client("tree").run().good().stdout
    }
}

/// The same document for the account of another server.
pub(crate) fn of_server(document: &[u8], srv_id: &str) -> Vec<u8> {
    let mut items: Value = serde_json::from_slice(document).unwrap();
    let accounts = items.as_array_mut().unwrap();
    accounts.retain(|item| item["MOData"]["DMAcc"].is_object());
    accounts[0]["MOData"]["DMAcc"]["SrvID"] = srv_id.into();
    items.to_string().into_bytes()
}

/// Waits until something is so.
pub(crate) fn until(what: &str, so: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !so() {
        assert!(Instant::now() < end, "it never came about: {what}");
        std::thread::sleep(Duration::from_millis(50));
    }
}
