use std::path::Path;
use std::sync::Arc;

use omadm_client::{Client, ClientObserver, DeviceDir};
use omadm_mo::ddf::Ddf;
use omadm_mo::standard::DevInfo;
use omadm_mo::{DevId, ServerUri};
use omadm_server::BOOTSTRAP_PATH;
use omadm_server::operator::client::ApiClient;
use omadm_server::operator::types::NewDevice;
use omadm_tls::CertificateDer;

use super::scenario::{DemoError, REPORTING_DDF};

/// The device of the demo: key made on it, certificate by its request, registered through the operator's API.
pub(super) async fn make(
    folder: &Path,
    dev_id: &DevId,
    profile: &str,
    api: &ApiClient,
    (ca, port): (&CertificateDer<'static>, u16),
    observer: Arc<dyn ClientObserver>,
) -> Result<Client, DemoError> {
    let url = ServerUri::parse(&format!("https://localhost:{port}{BOOTSTRAP_PATH}"))?;
    let dir = DeviceDir::init(folder, &dev_info(dev_id.clone()))?;
    let csr = std::fs::read_to_string(dir.request_file())?;
    let new = NewDevice {
        dev_id: dev_id.to_string(),
        csr: Some(csr),
        profile: Some(profile.to_owned()),
        ..NewDevice::default()
    };
    let added = api.add_device(&new).await?;
    std::fs::write(
        dir.certificate_file(),
        added.certificate.unwrap_or_default(),
    )?;
    let mut builder = Client::builder(dir.dev_info()?, dir.store_file())
        .source(url, vec![ca.clone()])
        .anchors(vec![ca.clone()])
        .observer(observer)
        .mo(Ddf::read(REPORTING_DDF)?);
    if let Some(identity) = dir.identity()? {
        builder = builder.identity(identity);
    }
    Ok(builder.build()?)
}

fn dev_info(dev_id: DevId) -> DevInfo {
    DevInfo {
        dev_id,
        man: "Example".to_owned(),
        mod_: "Demo One".to_owned(),
        dm_v: "2.0".to_owned(),
        lang: "en".to_owned(),
        dev_type: "sensor".to_owned(),
        oem: "Example".to_owned(),
        fw_v: "1.0".to_owned(),
        sw_v: env!("CARGO_PKG_VERSION").to_owned(),
        hw_v: "A".to_owned(),
    }
}
