//! Where the devices of the load come from.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use omadm_mo::{DevId, Secret};
use omadm_server::operator::client::ApiClient;
use omadm_server::operator::types::NewDevice;
use omadm_tls::{CertificateDer, DeviceKey, Identity, pem};

use crate::device::Device;
use crate::wire::HOST;
use crate::{Broken, Unexpected};

/// The bootstrap profile of every device.
pub(crate) const PROFILE: &str = "minimal";

/// [`dev_id`] scatters numbers by this step, which shares no divisor with [`IMEIS`].
pub(crate) const STEP: u64 = 618_033_988_749;
/// IMEIs have so many values here, check digit or not.
pub(crate) const IMEIS: u64 = 1_000_000_000_000_000;
/// Devices that were loaded have lower numbers.
const FIRST: u64 = 1_000_000_000;

/// Numbers of devices that nobody had yet, over all stores.
#[derive(Clone)]
pub(crate) struct Numbers(Arc<AtomicU64>);

/// Registers devices through the operator's API.
pub(crate) struct Registrar {
    api: ApiClient,
    numbers: Numbers,
}

impl Numbers {
    pub(crate) fn new() -> Self {
        Self(Arc::new(AtomicU64::new(FIRST)))
    }
}

impl Registrar {
    /// With the token of the operator listener at this port.
    pub(crate) fn new(
        port: u16,
        anchor: &CertificateDer<'static>,
        token: &Secret,
        numbers: &Numbers,
    ) -> Result<Self, Broken> {
        Ok(Self {
            api: ApiClient::new(HOST, port, anchor, token)?,
            numbers: numbers.clone(),
        })
    }

    /// Registers a device with a bootstrap that waits for it.
    pub(crate) async fn register(&self) -> Result<Device, Broken> {
        let number = self.numbers.0.fetch_add(1, Ordering::Relaxed);
        let dev_id = dev_id(number)?;
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

/// The DevID of a number. Successive numbers lie far apart, so that the devices of a run fall everywhere among those that are stored.
fn dev_id(number: u64) -> Result<DevId, Broken> {
    let imei = u128::from(number) * u128::from(STEP) % u128::from(IMEIS);
    Ok(DevId::parse(&format!("IMEI:{imei:015}"))?)
}
