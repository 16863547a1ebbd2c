use std::fmt::Display;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use omadm_bootstrap::{BootstrapFailureCause, EventId};
use omadm_card::CardSettings;
use omadm_client::policy::{ListenAddresses, NetworkPolicy};
use omadm_client::reader::CardFiles;
use omadm_client::{
    Bootstrapped, CardCheck, Client, ClientObserver, DeviceDir, FactoryImage, NoBootstrap,
};
use omadm_dm1::syncml::Encoding;
use omadm_mo::ddf::Ddf;
use omadm_mo::{DevId, ServerUri};
use omadm_session::client::Outcome;
use omadm_tls::pem;

use super::{DeviceState, Fault, dm1};
use crate::process::Card;

/// A device's folder with all a client needs.
#[derive(Clone, Debug)]
pub struct Device {
    /// Its folder.
    pub folder: PathBuf,
    /// Its name.
    pub dev_id: DevId,
    /// The bootstrap URL.
    pub url: String,
    /// PEM file of the server's CA.
    pub ca: PathBuf,
}

/// ICCID of its card.
const CARD: &str = "894901720123456789";
/// Between two tries while the server is away.
const AGAIN: Duration = Duration::from_millis(20);

impl Device {
    /// Where its factory image lies, if it has one.
    #[must_use]
    pub fn image(folder: &Path) -> PathBuf {
        folder.join("factory.json")
    }

    /// Its card reader, if it has one: a folder in which its card lies while there is one.
    #[must_use]
    pub fn reader(folder: &Path) -> PathBuf {
        folder.join("reader")
    }

    /// Tells the port on which it takes pushed bootstraps, if it does.
    #[must_use]
    pub fn listens(folder: &Path) -> PathBuf {
        folder.join("listens")
    }

    /// Its card.
    #[must_use]
    pub fn card(folder: &Path) -> PathBuf {
        Self::reader(folder).join("card.json")
    }

    /// Puts a card with these documents into its reader.
    ///
    /// # Errors
    /// Where the system refuses.
    pub fn put_card(folder: &Path, documents: &[&[u8]]) -> Result<(), Fault> {
        std::fs::create_dir_all(Self::reader(folder))?;
        Card::new(CARD, documents).insert(&Self::card(folder));
        Ok(())
    }

    /// What its file holds; it must not run.
    ///
    /// # Errors
    /// Where the file cannot be read.
    pub fn state(&self) -> Result<DeviceState, Fault> {
        DeviceState::read(&DeviceDir::open(&self.folder)?.store_file())
    }

    /// What the program `kill_client` is given to halt at a step of its work.
    #[must_use]
    pub fn arguments(&self, step: &impl Display) -> Vec<String> {
        vec![
            self.folder.display().to_string(),
            self.url.clone(),
            self.ca.display().to_string(),
            step.to_string(),
        ]
    }

    /// Its client. `ticks` is called whenever the client looks at the clock.
    ///
    /// # Errors
    /// Where a file of the folder cannot be used.
    pub fn client(
        folder: &Path,
        url: &str,
        ca: &Path,
        observer: Arc<dyn ClientObserver>,
        ticks: impl Fn() + Send + Sync + 'static,
    ) -> Result<Client, Fault> {
        let dir = DeviceDir::open(folder)?;
        let ca = pem::certificates(&std::fs::read_to_string(ca)?)?;
        let ddf = std::fs::read_to_string(crate::process::reporting_ddf())?;
        let identity = dir.identity()?.ok_or("the device has no certificate")?;
        let clock = move || {
            ticks();
            omadm_server::Clock::now(&omadm_server::SystemClock)
        };
        let network = NetworkPolicy {
            allow_loopback: true,
            ..NetworkPolicy::default()
        };
        let dm1 = dm1::marker(folder);
        let mut builder = Client::builder(dir.dev_info()?, dir.store_file());
        if dm1.exists() {
            let encoding = match std::fs::read_to_string(dm1)?.as_str() {
                "xml" => Encoding::Xml,
                _ => Encoding::Wbxml,
            };
            builder = builder.network(network).dm1_encoding(encoding);
        } else if Self::reader(folder).exists() {
            let card = Self::card(folder);
            builder = builder
                .network(network)
                .card_readers(CardFiles::new([card], CardSettings::default()));
        } else {
            builder = builder.source(ServerUri::parse(url)?, ca.clone());
        }
        builder = builder
            .anchors(ca)
            .identity(identity)
            .observer(observer)
            .clock(clock)
            .mo(Ddf::read(&ddf)?);
        let image = Self::image(folder);
        if image.exists() {
            builder = builder.factory_image(image);
        }
        let listens = Self::listens(folder);
        if listens.exists() {
            let port = std::fs::read_to_string(listens)?.parse()?;
            builder = builder.listen(ListenAddresses {
                bootstrap: Some((Ipv4Addr::LOCALHOST, port).into()),
                ..ListenAddresses::default()
            });
        }
        Ok(builder.build()?)
    }
}

/// What a device does that listens: waits for its bootstrap, reports what is owed, and runs a session to its end.
///
/// # Errors
/// Where anything goes wrong.
pub async fn finish_with_push(client: &Client) -> Result<(), Fault> {
    let listening = client.listen().await?;
    while client.accounts()?.is_empty() {
        tokio::time::sleep(AGAIN).await;
    }
    let done = settle(client).await;
    listening.end().await;
    done
}

/// What a device with a card reader does from its start on: looks at the card, then what [`finish`] does, unless no account is left.
///
/// # Errors
/// Where anything goes wrong.
pub async fn finish_with_card(client: &Client) -> Result<(), Fault> {
    match client.switch_on().await?.cards {
        CardCheck::Done(decision) if decision.refusals().next().is_none() => {}
        other => return Err(format!("{other:?}").into()),
    }
    if client.accounts()?.is_empty() {
        return Ok(());
    }
    settle(client).await
}

/// What a device does from its start on: applies its factory image, or fetches its bootstrap unless it has a newer one than `former`, reports what is owed, and runs a session to its end.
/// A server that is away is asked again.
///
/// # Errors
/// Where anything else goes wrong.
pub async fn finish(client: &Client, former: Option<&EventId>) -> Result<(), Fault> {
    while client
        .accounts()?
        .first()
        .is_none_or(|account| Some(&account.provenance.event_id) == former)
    {
        let done = match former {
            None => {
                let done = client.switch_on().await?;
                if let FactoryImage::Refused(refusal) = done.factory {
                    return Err(refusal.into());
                }
                match done.fetched {
                    // Killed as it asked, it would wait for its minute (D55): somebody tells it to ask.
                    Some(Err(NoBootstrap::Later { .. })) => Some(client.bootstrap().await),
                    fetched => fetched,
                }
            }
            Some(_) => Some(client.bootstrap().await),
        };
        match done.unwrap_or(Ok(Bootstrapped {
            servers: Vec::new(),
        })) {
            Ok(_) => {}
            Err(NoBootstrap::Refused(refusal))
                if refusal.cause == BootstrapFailureCause::ServerUnreachable =>
            {
                tokio::time::sleep(AGAIN).await;
            }
            Err(other) => return Err(other.into()),
        }
    }
    settle(client).await
}

/// Reports what is owed, and runs a session to its end.
async fn settle(client: &Client) -> Result<(), Fault> {
    loop {
        let mut ended = false;
        for report in client.settle().await? {
            ended |= report.outcome == Outcome::Ended && !report.still_owed;
        }
        let account = client.accounts()?.into_iter().next();
        let account = account.ok_or("the account is gone")?;
        if !ended && account.owed.is_none() {
            ended = client.session(&account.srv_id).await?.outcome == Outcome::Ended;
        }
        if ended && account.owed.is_none() {
            return Ok(());
        }
        tokio::time::sleep(AGAIN).await;
    }
}
