use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;

use omadm_bootstrap::dm1::Dm1Format;
use omadm_client::policy::{Dm1Policy, ListenAddresses};
use omadm_client::{Client, DeviceDir};
use omadm_dm1::bootstrap_mac::{BootstrapProfileKind, Imsi};
use omadm_mo::{DevId, ServerUri, SrvId};
use omadm_server::BOOTSTRAP_PATH;
use omadm_tls::CertificateDer;

use crate::demo::device::{builder, dev_info};
use crate::demo::{DemoError, DemoMethod, Timeline};

/// The subscriber whose device is pushed to.
pub(super) const IMSI: &str = "310150123456789";

/// A device of the demo, bootstrapped for DM 1.x.
pub(super) struct Dm1Device {
    pub(super) client: Client,
    pub(super) place: Dm1Place,
}

/// What stays of a device when it is reset, and how it is bootstrapped.
#[derive(Clone)]
pub(super) struct Dm1Place {
    pub(super) dev_id: DevId,
    pub(super) method: DemoMethod,
    pub(super) format: Dm1Format,
    pub(super) server: CertificateDer<'static>,
    pub(super) port: u16,
    pub(super) folder: PathBuf,
}

impl Dm1Place {
    /// Makes the device's key; gives the request for its certificate.
    pub(super) fn request(&self) -> Result<String, DemoError> {
        let dir = DeviceDir::init(&self.folder, &dev_info(self.dev_id.clone()))?;
        Ok(std::fs::read_to_string(dir.request_file())?)
    }

    /// Takes the certificate in.
    pub(super) fn certify(&self, certificate: &str) -> Result<(), DemoError> {
        let dir = DeviceDir::open(&self.folder)?;
        Ok(std::fs::write(dir.certificate_file(), certificate)?)
    }

    /// What the document lies in: the factory image, or the card in the reader.
    pub(super) fn carrier(&self) -> PathBuf {
        self.folder.join(match self.method {
            DemoMethod::Smartcard => "card.json",
            DemoMethod::Factory | DemoMethod::Client | DemoMethod::Server => "factory.wbxml",
        })
    }

    /// A start of the device.
    pub(super) fn start(self, timeline: &Timeline) -> Result<Dm1Device, DemoError> {
        let dir = DeviceDir::open(&self.folder)?;
        let mut builder = builder(&dir, &self.server, timeline)?;
        builder = match self.method {
            DemoMethod::Factory => builder.factory_image(self.carrier()),
            DemoMethod::Smartcard => builder.card_file(self.carrier()),
            DemoMethod::Client => {
                let url = format!("https://localhost:{}{BOOTSTRAP_PATH}", self.port);
                builder.source(ServerUri::parse(&url)?, vec![self.server.clone()])
            }
            DemoMethod::Server => {
                let policy = Dm1Policy {
                    pushed_bootstraps: vec![BootstrapProfileKind::Cp, BootstrapProfileKind::Dm],
                    subscribers: Imsi::parse(IMSI).map(Into::into).into_iter().collect(),
                    ..Dm1Policy::default()
                };
                let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
                builder.dm1(policy).listen(ListenAddresses {
                    udp: Some(any),
                    ..ListenAddresses::default()
                })
            }
        };
        Ok(Dm1Device {
            client: builder.build()?,
            place: self,
        })
    }
}

impl Dm1Device {
    /// The server of its account; none without one.
    pub(super) fn server(&self) -> Result<Option<SrvId>, DemoError> {
        let accounts = self.client.accounts()?;
        Ok(accounts.into_iter().next().map(|account| account.srv_id))
    }
}
