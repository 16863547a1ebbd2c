use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::sync::Arc;

use omadm_client::policy::{ListenAddresses, NetworkPolicy};
use omadm_client::{Client, ClientBuilder, DeviceDir};
use omadm_mo::ddf::Ddf;
use omadm_mo::standard::DevInfo;
use omadm_mo::{DevId, ServerUri};
use omadm_server::BOOTSTRAP_PATH;
use omadm_server::operator::client::ApiClient;
use omadm_server::operator::types::NewDevice;
use omadm_tls::CertificateDer;

use super::options::REPORTING_DDF;
use super::{DemoError, DemoMethod, Timeline};

/// A device of the demo.
pub(super) struct DemoDevice {
    pub(super) client: Client,
    pub(super) dev_id: DevId,
    folder: PathBuf,
}

/// Where a device is made, and the server it belongs to.
pub(super) struct Place<'a> {
    pub(super) folder: PathBuf,
    pub(super) server: &'a CertificateDer<'static>,
    pub(super) port: u16,
}

impl Place<'_> {
    /// Makes a device: key made on it, certificate by its request, registered through the operator's API. The second is the server's record of its bootstrap,
    /// where one is there before the server begins.
    pub(super) async fn make(
        self,
        dev_id: DevId,
        method: DemoMethod,
        profile: &str,
        api: &ApiClient,
        timeline: &Timeline,
    ) -> Result<(DemoDevice, Option<String>), DemoError> {
        let dir = DeviceDir::init(&self.folder, &dev_info(dev_id.clone()))?;
        let waits = method != DemoMethod::Server;
        let new = NewDevice {
            dev_id: dev_id.to_string(),
            csr: Some(std::fs::read_to_string(dir.request_file())?),
            profile: Some(profile.to_owned()).filter(|_| waits),
            method: Some(method.method().name().to_owned()).filter(|_| waits),
            ..NewDevice::default()
        };
        let added = api.add_device(&new).await?;
        let record = added.bootstrap.map(|record| record.id);
        let certificate = added.certificate.unwrap_or_default();
        std::fs::write(dir.certificate_file(), certificate)?;
        let mut builder = builder(&dir, self.server, timeline)?.mo(Ddf::read(REPORTING_DDF)?);
        builder = match method {
            DemoMethod::Factory => {
                builder.factory_image(self.folder.join(CARRIER).join("factory.json"))
            }
            DemoMethod::Smartcard => builder.card_file(self.folder.join(CARRIER).join(CARD)),
            DemoMethod::Client | DemoMethod::Server => {
                let url = format!("https://localhost:{}{BOOTSTRAP_PATH}", self.port);
                builder.source(ServerUri::parse(&url)?, vec![self.server.clone()])
            }
        };
        if method == DemoMethod::Server {
            builder = builder.listen(ListenAddresses {
                bootstrap: Some(SocketAddr::from((Ipv4Addr::LOCALHOST, 0))),
                ..ListenAddresses::default()
            });
        }
        let device = DemoDevice {
            client: builder.build()?,
            dev_id,
            folder: self.folder,
        };
        Ok((device, record))
    }
}

/// Folder of the factory image, or of the card.
const CARRIER: &str = "carrier";
/// The file in it that is the card in the reader.
const CARD: &str = "card.json";

impl DemoDevice {
    pub(super) fn carrier(&self) -> PathBuf {
        self.folder.join(CARRIER)
    }

    pub(super) fn card(&self) -> PathBuf {
        self.carrier().join(CARD)
    }
}

/// A client of this device, for servers of this machine that chain to this CA.
pub(super) fn builder(
    dir: &DeviceDir,
    server: &CertificateDer<'static>,
    timeline: &Timeline,
) -> Result<ClientBuilder, DemoError> {
    let builder = Client::builder(dir.dev_info()?, dir.store_file())
        .anchors(vec![server.clone()])
        .network(NetworkPolicy {
            allow_loopback: true,
            ..NetworkPolicy::default()
        })
        .observer(Arc::new(timeline.clone()));
    Ok(match dir.identity()? {
        Some(identity) => builder.identity(identity),
        None => builder,
    })
}

pub(super) fn dev_info(dev_id: DevId) -> DevInfo {
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
