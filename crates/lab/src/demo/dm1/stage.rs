//! The steps of a demo of DM 1.x.

use std::time::Instant;

use omadm_bootstrap::dm1::Dm1Format;
use omadm_card::CardFileSet;
use omadm_card::test_card::CardProfile;
use omadm_mo::{DevId, Secret};
use omadm_server::model::EventKind;
use omadm_server::operator::types::{NewBootstrap, NewDevice};
use tokio::sync::watch;

use super::device::{Dm1Device, Dm1Place, IMSI};
use crate::demo::measured::is_owing;
use crate::demo::stage::{ICCID, LOOK, PATIENCE, Stage};
use crate::demo::{
    DemoError, DemoMethod, DemoOptions, DemoRow, DemoSecrets, DemoStep, Who, measured,
};

/// What every step needs.
pub(super) struct Dm1Stage<'a>(&'a Stage<'a>);

/// The profile with a part for DM 1.x.
const PROFILE: &str = "dm1x";
/// Most events that a step tells.
const EVENTS: usize = 200;

/// What a step is measured against.
struct Before {
    events: u64,
    measured: measured::Before,
}

impl<'a> Dm1Stage<'a> {
    pub(super) const fn new(stage: &'a Stage<'a>) -> Self {
        Self(stage)
    }

    pub(super) const fn options(&self) -> &'a DemoOptions {
        self.0.options
    }

    /// A fresh device, known to the server, with its account on the way that this method takes.
    pub(super) async fn device(
        &self,
        method: DemoMethod,
        format: Dm1Format,
        number: usize,
    ) -> Result<Dm1Device, DemoError> {
        let stage = self.0;
        let place = Dm1Place {
            dev_id: DevId::parse(&format!("IMEI:49300510059281{number}"))?,
            method,
            format,
            server: stage.nodes.first()?.ca_certificate().clone(),
            port: stage.nodes.port(),
            folder: stage.options.folder.join(format!("device-{number}")),
        };
        let (dev_id, words) = (&place.dev_id, words(format));
        stage.heading(&format!(
            "{}, {words}: {}",
            method.method(),
            sentence(method)
        ));
        let what = format!("{dev_id}: makes its key and a request for its certificate");
        stage.timeline.say(Who::Client, what);
        let new = NewDevice {
            dev_id: dev_id.to_string(),
            csr: Some(place.request()?),
            ..NewDevice::default()
        };
        let added = stage.api.add_device(&new).await?;
        place.certify(&added.certificate.unwrap_or_default())?;
        match method {
            DemoMethod::Factory => {
                let document = self.document(&place).await?;
                std::fs::write(place.carrier(), document.expose())?;
                stage.operator("takes the document, which is the factory image, and puts it into the device's storage");
            }
            DemoMethod::Smartcard => {
                let document = self.document(&place).await?;
                let set = CardFileSet::new(&[document.expose()], dev_id.as_str().as_bytes())?;
                let card = set.description(CardProfile::Uicc, Some(ICCID));
                std::fs::write(place.carrier(), card.write())?;
                stage.operator("takes the document, writes it onto a card and puts that into the device's reader");
            }
            DemoMethod::Client => {
                let _record = self.drafted(&place).await?;
                stage.operator("tells the device the bootstrap URL and the server's CA");
            }
            DemoMethod::Server => stage.operator(
                "tells the device that it may be bootstrapped by WAP push, and has it listen",
            ),
        }
        stage.catch_up().await?;
        place.start(stage.timeline)
    }

    /// Starts the bootstrap at the server, which makes the account; gives its record.
    async fn drafted(&self, place: &Dm1Place) -> Result<String, DemoError> {
        let new = new_bootstrap(place);
        Ok(self.0.api.start_bootstrap(&new).await?.id)
    }

    /// The same, and its document.
    async fn document(&self, place: &Dm1Place) -> Result<Secret, DemoError> {
        let record = self.drafted(place).await?;
        Ok(self.0.api.bootstrap_document(&record).await?)
    }

    /// The first bootstrap of a device.
    pub(super) async fn first(&self, device: &Dm1Device) -> Result<DemoRow, DemoError> {
        let before = self.before(device).await?;
        match device.place.method {
            DemoMethod::Factory | DemoMethod::Smartcard => {
                let _outcome = device.client.switch_on().await?;
            }
            DemoMethod::Client => {
                let _servers = device.client.bootstrap().await?;
            }
            DemoMethod::Server => self.push(device).await?,
        }
        self.settled(DemoStep::Bootstrap, device, before).await
    }

    /// The server sends the document to where the device listens. Over once the device was in its session, or the record has ended.
    async fn push(&self, device: &Dm1Device) -> Result<(), DemoError> {
        let (stage, place) = (self.0, &device.place);
        let listening = device.client.listen().await?;
        let address = listening.udp.map(|address| address.to_string());
        let to = format!("udp://{}", address.unwrap_or_default());
        stage.operator(&format!(
            "starts a bootstrap of the device, to be pushed to {to}, signed with the subscriber's IMSI"
        ));
        let new = NewBootstrap {
            to: Some(to),
            sec: Some("networkid".to_owned()),
            imsi: Some(IMSI.to_owned()),
            ..new_bootstrap(place)
        };
        let record = stage.api.start_bootstrap(&new).await?.id;
        let (stop, stopped) = watch::channel(false);
        let looked_at = async {
            let end = Instant::now() + PATIENCE;
            let mut ended = Ok(());
            while Instant::now() < end {
                match stage.api.bootstrap(&record).await {
                    Ok(now)
                        if now.ended_at.is_some()
                            && (now.state != "completed"
                                || !is_owing(&device.client).unwrap_or(true)) =>
                    {
                        break;
                    }
                    Ok(_) => tokio::time::sleep(LOOK).await,
                    Err(error) => {
                        ended = Err(error);
                        break;
                    }
                }
            }
            stop.send_replace(true);
            ended
        };
        let (ran, looked_at) = tokio::join!(device.client.run(stopped), looked_at);
        listening.end().await;
        ran?;
        looked_at?;
        Ok(())
    }

    /// Both secrets are replaced, and used.
    pub(super) async fn rotated(&self, device: &Dm1Device) -> Result<DemoRow, DemoError> {
        let (stage, dev_id) = (self.0, &device.place.dev_id);
        stage.heading(&format!(
            "new secrets: those of {dev_id} and of its server are replaced; the first ones are kept, since its card can bring them back"
        ));
        stage.operator("has both secrets replaced");
        let _account = stage.api.rotate_dm1(dev_id.as_str()).await?;
        stage.catch_up().await?;
        let before = self.before(device).await?;
        // One that brings the new secrets, and one that uses them.
        self.session(device).await?;
        self.session(device).await?;
        self.settled(DemoStep::Rotated, device, before).await
    }

    /// The device is reset with its card in it, and switched on again.
    pub(super) async fn reset(&self, device: Dm1Device) -> Result<DemoRow, DemoError> {
        let (stage, place) = (self.0, device.place.clone());
        stage.heading(&format!(
            "reset: {} forgets everything and is switched on again; its card brings the first secrets back",
            place.dev_id
        ));
        let miid = measured::miid(&device.client)?;
        stage.operator("resets the device to its factory state and leaves the card in it");
        let _gone = device.client.factory_reset().await?;
        let device = place.start(stage.timeline)?;
        let mut before = self.before(&device).await?;
        before.measured.miid = miid;
        let _outcome = device.client.switch_on().await?;
        let _reports = device.client.settle().await?;
        // The new secrets are used.
        self.session(&device).await?;
        self.settled(DemoStep::Reset, &device, before).await
    }

    async fn session(&self, device: &Dm1Device) -> Result<(), DemoError> {
        if let Some(server) = device.server()? {
            let _report = device.client.session(&server).await?;
        }
        self.0.catch_up().await
    }

    async fn before(&self, device: &Dm1Device) -> Result<Before, DemoError> {
        let dev_id = &device.place.dev_id;
        let known = self.0.nodes.first()?.store().device(dev_id).await?;
        Ok(Before {
            events: known.map_or(0, |known| known.next_event_seq.saturating_sub(1)),
            measured: self.0.before(&device.client).await?,
        })
    }

    /// Has the device report what it owes, then looks at both ends.
    async fn settled(
        &self,
        step: DemoStep,
        device: &Dm1Device,
        before: Before,
    ) -> Result<DemoRow, DemoError> {
        let (stage, dev_id) = (self.0, &device.place.dev_id);
        let row = stage.settled(step, dev_id, &device.client, before.measured);
        let row = row.await?;
        let store = stage.nodes.first()?.store();
        let events = store.events_of(dev_id, before.events, EVENTS).await?;
        let account = stage.api.dm1(dev_id.as_str()).await?;
        let recovered = events.iter().find_map(|event| match &event.event.kind {
            EventKind::Rebootstrapped { recovered, .. } => Some(recovered.clone()),
            _ => None,
        });
        Ok(DemoRow {
            profile: Some(device.place.format.name().to_owned()),
            secrets: Some(DemoSecrets::of(&account.client)),
            recovered: recovered.unwrap_or_default(),
            account: account.server_id,
            ..row
        })
    }
}

/// What the server is asked for.
fn new_bootstrap(place: &Dm1Place) -> NewBootstrap {
    NewBootstrap {
        device: place.dev_id.to_string(),
        profile: Some(PROFILE.to_owned()),
        profile_format: Some(place.format.name().to_owned()),
        method: Some(place.method.method().name().to_owned()),
        ..NewBootstrap::default()
    }
}

const fn words(format: Dm1Format) -> &'static str {
    match format {
        Dm1Format::Cp => "client provisioning (CP profile)",
        Dm1Format::Dm => "a DM message (DM profile)",
    }
}

/// What happens, for the heading.
const fn sentence(method: DemoMethod) -> &'static str {
    match method {
        DemoMethod::Factory => {
            "the image that was put into the device's storage is applied when it is first switched on"
        }
        DemoMethod::Smartcard => {
            "the account is read from the card in the device when it is switched on (a virtual card in this process)"
        }
        DemoMethod::Client => "the device asks the bootstrap server",
        DemoMethod::Server => "the server pushes the account to the device by WAP push, signed",
    }
}
