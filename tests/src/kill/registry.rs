use std::path::{Path, PathBuf};

use omadm_client::DeviceDir;
use omadm_mo::{DevId, Secret};
use omadm_server::operator::client::ApiClient;
use omadm_server::operator::types::NewDevice;
use omadm_server::{BOOTSTRAP_PATH, Running};

use super::{Device, Fault};

/// Where devices are made known to a server that was started on an empty state directory. They lie in a folder of their own, beside the CA's certificate.
pub(super) struct Registry {
    folder: PathBuf,
    token: Secret,
    devices: u32,
}

impl Registry {
    pub(super) fn new(folder: &Path, first: &Running) -> Result<Self, Fault> {
        let made = first.first_start.as_ref().ok_or("no first start")?;
        std::fs::write(folder.join("ca.pem"), first.ca_pem())?;
        Ok(Self {
            folder: folder.to_owned(),
            token: made.token.clone(),
            devices: 0,
        })
    }

    /// A fresh device, registered at a node that runs with a bootstrap of this profile; it reaches the server at this port.
    pub(super) async fn device(
        &mut self,
        running: &Running,
        port: u16,
        profile: &str,
    ) -> Result<Device, Fault> {
        self.devices += 1;
        let dev_id = DevId::parse(&format!("urn:example:device:{}", self.devices))?;
        let folder = self.folder.join(format!("device-{}", self.devices));
        let dir = DeviceDir::init(&folder, &Device::dev_info(dev_id.clone()))?;
        let operators = running.operator_addr.port();
        let ca = running.ca_certificate();
        let api = ApiClient::new("127.0.0.1", operators, ca, &self.token)?;
        let new = NewDevice {
            dev_id: dev_id.to_string(),
            csr: Some(std::fs::read_to_string(dir.request_file())?),
            profile: Some(profile.to_owned()),
            ..NewDevice::default()
        };
        let added = api.add_device(&new).await?;
        let certificate = added.certificate.ok_or("no certificate")?;
        std::fs::write(dir.certificate_file(), certificate)?;
        Ok(Device {
            folder,
            dev_id,
            url: format!("https://localhost:{port}{BOOTSTRAP_PATH}"),
            ca: self.folder.join("ca.pem"),
        })
    }
}
