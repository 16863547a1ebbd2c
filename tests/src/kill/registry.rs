use std::path::{Path, PathBuf};

use omadm_bootstrap::BootstrapMethod;
use omadm_client::{BOOTSTRAP_PATH as PUSH_PATH, DeviceDir};
use omadm_mo::{DevId, Secret};
use omadm_server::operator::client::ApiClient;
use omadm_server::operator::types::{NewBootstrap, NewDevice};
use omadm_server::{BOOTSTRAP_PATH, Running};
use omadm_session::pair::acme;
use omadm_tls::CertificateDer;

use super::server::free_port;
use super::{Device, Fault};

/// Where devices are made known to a server that was started on an empty state directory. They lie in a folder of their own, beside the CA's certificate.
pub(super) struct Registry {
    folder: PathBuf,
    ca: CertificateDer<'static>,
    token: Secret,
    devices: u32,
}

impl Registry {
    pub(super) fn new(folder: &Path, first: &Running) -> Result<Self, Fault> {
        let made = first.first_start.as_ref().ok_or("no first start")?;
        std::fs::write(folder.join("ca.pem"), first.ca_pem())?;
        Ok(Self {
            folder: folder.to_owned(),
            ca: first.ca_certificate().clone(),
            token: made.token.clone(),
            devices: 0,
        })
    }

    /// A client of the operator's API at this port.
    pub(super) fn api(&self, operators: u16) -> Result<ApiClient, Fault> {
        Ok(ApiClient::new(
            "127.0.0.1",
            operators,
            &self.ca,
            &self.token,
        )?)
    }

    /// A fresh device, registered with a bootstrap of this profile by this method; what it needs besides the network is beside it. It reaches the server at the first port, its
    /// operator at the second.
    pub(super) async fn device(
        &mut self,
        [devices, operators]: [u16; 2],
        profile: &str,
        method: BootstrapMethod,
    ) -> Result<Device, Fault> {
        let pushed = method == BootstrapMethod::ServerInitiated;
        self.devices += 1;
        let dev_id = DevId::parse(&format!("urn:example:device:{}", self.devices))?;
        let folder = self.folder.join(format!("device-{}", self.devices));
        let dir = DeviceDir::init(&folder, &acme(dev_id.clone()))?;
        let api = self.api(operators)?;
        let new = NewDevice {
            dev_id: dev_id.to_string(),
            csr: Some(std::fs::read_to_string(dir.request_file())?),
            profile: (!pushed).then(|| profile.to_owned()),
            method: (!pushed).then(|| method.name().to_owned()),
            ..NewDevice::default()
        };
        let added = api.add_device(&new).await?;
        let certificate = added.certificate.ok_or("no certificate")?;
        std::fs::write(dir.certificate_file(), certificate)?;
        let made = Device {
            folder: folder.clone(),
            dev_id,
            url: format!("https://localhost:{devices}{BOOTSTRAP_PATH}"),
            ca: self.folder.join("ca.pem"),
        };
        if pushed {
            std::fs::write(Device::listens(&folder), free_port()?.to_string())?;
            return Ok(made);
        }
        let record = added.bootstrap.ok_or("no bootstrap")?;
        if method == BootstrapMethod::Factory {
            let document = api.bootstrap_document(&record.id).await?;
            std::fs::write(Device::image(&folder), document.expose())?;
        }
        if method == BootstrapMethod::Smartcard {
            let document = api.bootstrap_document(&record.id).await?;
            Device::put_card(&folder, &[document.expose()])?;
        }
        Ok(made)
    }

    /// Asks the server to push a bootstrap of this profile to a device that listens.
    pub(super) fn pushing(
        &self,
        operators: u16,
        device: &Device,
        profile: &str,
    ) -> Result<impl Future<Output = Result<(), Fault>> + Send + use<>, Fault> {
        let api = self.api(operators)?;
        let port = std::fs::read_to_string(Device::listens(&device.folder))?;
        let new = NewBootstrap {
            device: device.dev_id.to_string(),
            profile: Some(profile.to_owned()),
            to: Some(format!("https://127.0.0.1:{port}{PUSH_PATH}")),
            ..NewBootstrap::default()
        };
        Ok(async move {
            api.start_bootstrap(&new).await?;
            Ok(())
        })
    }

    /// Writes a further bootstrap of this profile onto the device's card, in place of what is on it.
    pub(super) async fn another_card(
        &self,
        operators: u16,
        device: &Device,
        profile: &str,
    ) -> Result<(), Fault> {
        let api = self.api(operators)?;
        let new = NewBootstrap {
            device: device.dev_id.to_string(),
            profile: Some(profile.to_owned()),
            method: Some(BootstrapMethod::Smartcard.name().to_owned()),
            ..NewBootstrap::default()
        };
        let record = api.start_bootstrap(&new).await?;
        let document = api.bootstrap_document(&record.id).await?;
        Device::put_card(&device.folder, &[document.expose()])
    }
}
