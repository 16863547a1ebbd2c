//! The steps of a demo: each acts on one device, and tells what it came to as a row.

use std::time::{Duration, Instant};

use omadm_carrier::{BuildOptions, CardOptions, CarriedDocument, Carrier};
use omadm_client::BOOTSTRAP_PATH;
use omadm_mo::DevId;
use omadm_server::operator::client::ApiClient;
use omadm_server::operator::types::NewBootstrap;

use super::device::{DemoDevice, Place};
use super::event_log::EventLog;
use super::measured::is_owing;
use super::nodes::DemoNodes;
use super::{DemoError, DemoMethod, DemoOptions, DemoRow, DemoStep, Timeline, Who};

/// What every step needs.
pub(super) struct Stage<'a> {
    pub(super) nodes: &'a DemoNodes,
    pub(super) api: &'a ApiClient,
    pub(super) options: &'a DemoOptions,
    pub(super) timeline: &'a Timeline,
    pub(super) log: EventLog,
}

/// DevIDs of the devices, in the order in which they are made.
const DEVICES: [&str; 4] = [
    "IMEI:493005100592800",
    "IMEI:493005100592801",
    "IMEI:493005100592802",
    "IMEI:493005100592803",
];
/// ICCID of the card.
pub(super) const ICCID: &str = "8949017201234567890";

/// How often it is looked whether a pushed document was applied, and for how long.
pub(super) const LOOK: Duration = Duration::from_millis(2);
pub(super) const PATIENCE: Duration = Duration::from_secs(60);

impl Stage<'_> {
    /// A fresh device, known to the server, with its DM Bootstrap on the way that this method takes.
    pub(super) async fn device(
        &self,
        method: DemoMethod,
        number: usize,
    ) -> Result<DemoDevice, DemoError> {
        let dev_id = DevId::parse(DEVICES.get(number).copied().unwrap_or_default())?;
        self.heading(&format!("{}: {}", method.method(), method.sentence()));
        let place = Place {
            folder: self.options.folder.join(format!("device-{number}")),
            server: self.nodes.first()?.ca_certificate(),
            port: self.nodes.port(),
        };
        self.timeline.say(
            Who::Client,
            format!("{dev_id}: makes its key and a request for its certificate"),
        );
        let profile = self.options.profile.name();
        let (device, record) = place
            .make(dev_id, method, profile, self.api, self.timeline)
            .await?;
        self.catch_up().await?;
        let missing = || DemoError::NoRecord(device.dev_id.clone());
        match method {
            DemoMethod::Factory => {
                let record = record.ok_or_else(missing)?;
                self.build(Carrier::Factory, &record, &device).await?;
                self.operator("takes the document, builds a factory image of it and puts it into the device's storage");
            }
            DemoMethod::Smartcard => {
                let record = record.ok_or_else(missing)?;
                self.build(Carrier::Smartcard, &record, &device).await?;
                self.operator("takes the document, writes it onto a card and puts that into the device's reader");
            }
            DemoMethod::Client => {
                self.operator("tells the device the bootstrap URL and the server's CA");
            }
            DemoMethod::Server => {
                self.operator(
                    "tells the device which server it may be bootstrapped by, and has it listen",
                );
            }
        }
        self.catch_up().await?;
        Ok(device)
    }

    /// The first bootstrap of a device.
    pub(super) async fn first(
        &self,
        method: DemoMethod,
        device: &DemoDevice,
    ) -> Result<DemoRow, DemoError> {
        let before = self.before(&device.client).await?;
        match method {
            DemoMethod::Server => self.push(device).await?,
            DemoMethod::Factory | DemoMethod::Smartcard => {
                let _outcome = device.client.switch_on().await?;
            }
            DemoMethod::Client => {
                let _servers = device.client.bootstrap().await?;
            }
        }
        self.settled(DemoStep::Bootstrap, &device.dev_id, &device.client, before)
            .await
    }

    /// The server sends the document to where the device listens. Over once both know that the device has it, or the record has ended.
    async fn push(&self, device: &DemoDevice) -> Result<(), DemoError> {
        let listening = device.client.listen().await?;
        let address = listening.bootstrap.map(|address| address.to_string());
        let to = format!("https://{}{BOOTSTRAP_PATH}", address.unwrap_or_default());
        self.operator(&format!(
            "starts a bootstrap of the device, to be pushed to {to}"
        ));
        let new = NewBootstrap {
            device: device.dev_id.to_string(),
            profile: Some(self.options.profile.name().to_owned()),
            method: Some(DemoMethod::Server.method().name().to_owned()),
            to: Some(to),
            ..NewBootstrap::default()
        };
        let record = self.api.start_bootstrap(&new).await?.id;
        let end = Instant::now() + PATIENCE;
        while Instant::now() < end {
            let now = self.api.bootstrap(&record).await?;
            let on_its_way = ["drafted", "queued", "sent"].contains(&now.state.as_str());
            if now.ended_at.is_some() || (!on_its_way && is_owing(&device.client)?) {
                break;
            }
            tokio::time::sleep(LOOK).await;
        }
        listening.end().await;
        Ok(())
    }

    /// A further bootstrap of the same account, which an operator starts and the device fetches.
    pub(super) async fn again(&self, device: &DemoDevice) -> Result<DemoRow, DemoError> {
        let dev_id = &device.dev_id;
        self.heading(&format!(
            "again: {dev_id} is bootstrapped once more by the server it has; the account is replaced where it is"
        ));
        self.operator("starts another bootstrap of the device, from the same profile");
        let new = NewBootstrap {
            device: dev_id.to_string(),
            profile: Some(self.options.profile.name().to_owned()),
            ..NewBootstrap::default()
        };
        let _record = self.api.start_bootstrap(&new).await?;
        self.catch_up().await?;
        let before = self.before(&device.client).await?;
        let _servers = device.client.bootstrap().await?;
        self.settled(
            DemoStep::Rebootstrap,
            &device.dev_id,
            &device.client,
            before,
        )
        .await
    }

    /// The card is taken out, and the device switched on again.
    pub(super) async fn card_removed(&self, device: &DemoDevice) -> Result<DemoRow, DemoError> {
        self.heading(&format!(
            "card removed: the card is taken out of {} and the device is switched on again; what the card brought goes with it",
            device.dev_id
        ));
        std::fs::remove_file(device.card())?;
        self.operator("takes the card out");
        let before = self.before(&device.client).await?;
        let _outcome = device.client.switch_on().await?;
        self.settled(
            DemoStep::CardRemoved,
            &device.dev_id,
            &device.client,
            before,
        )
        .await
    }

    /// Takes the record's document away and builds this carrier of it for the device.
    async fn build(
        &self,
        carrier: Carrier,
        record: &str,
        device: &DemoDevice,
    ) -> Result<(), DemoError> {
        let document = self.api.bootstrap_document(record).await?;
        let document = CarriedDocument::new(document, Some(&device.dev_id))?;
        let card = CardOptions {
            iccid: ICCID.parse().ok(),
            ..CardOptions::default()
        };
        let options = BuildOptions {
            card,
            ..BuildOptions::default()
        };
        let set = omadm_carrier::build(carrier, &document, &options)?;
        Ok(set.write_into(&device.carrier())?)
    }

    pub(super) fn heading(&self, what: &str) {
        self.timeline.say(Who::Step, what);
    }

    pub(super) fn operator(&self, what: &str) {
        self.timeline.say(Who::Operator, what);
    }

    /// Lets the timeline tell what the server did until now.
    pub(super) async fn catch_up(&self) -> Result<(), DemoError> {
        self.nodes.flush().await?;
        self.log.tell().await;
        Ok(())
    }
}
