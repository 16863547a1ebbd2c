use std::time::Duration;

use async_trait::async_trait;
use omadm_dm1::trigger;
use omadm_dm2::package0;
use omadm_mo::ServerUri;
use omadm_push::wsp::{self, MediaName, well_known};
use omadm_tls::{CertificateDer, Connector, Identity};
use tokio::time::{sleep, timeout};

use super::device_post::{self, PostError};
use super::{CarrierError, Delivery, Payload, Push, PushAddress, PushCarrier};

/// Pauses before the second and the third try.
const PAUSES: [Duration; 2] = [Duration::from_millis(500), Duration::from_secs(2)];
/// For one try, handshake and answer included.
const TRY: Duration = Duration::from_secs(10);

/// POST over TLS: the receiver is the device by its certificate, or a gateway that chains to the configured anchors; this server presents its own.
pub(super) struct HttpsCarrier {
    identity: Identity,
    anchors: Vec<CertificateDer<'static>>,
}

impl HttpsCarrier {
    pub(super) const fn new(identity: Identity, anchors: Vec<CertificateDer<'static>>) -> Self {
        Self { identity, anchors }
    }

    fn connector(&self, push: &Push<'_>) -> Result<Connector, CarrierError> {
        device_post::connector(&self.identity, &self.anchors, push.device)
            .map_err(CarrierError::SetUp)
    }
}

#[async_trait]
impl PushCarrier for HttpsCarrier {
    fn name(&self) -> &'static str {
        "https"
    }

    async fn push(&self, push: &Push<'_>) -> Result<Delivery, CarrierError> {
        let PushAddress::Https(url) = push.to else {
            return Err(CarrierError::SetUp(format!("{} is not of HTTPS", push.to)));
        };
        let connector = self.connector(push)?;
        let mut pauses = PAUSES.iter();
        loop {
            let tried = timeout(TRY, post(&connector, url, push));
            let tried = tried.await.unwrap_or_else(|_| {
                let why = format!("no answer within {} s", TRY.as_secs());
                Err(CarrierError::Unreachable(url.to_string(), why))
            });
            match (tried, pauses.next()) {
                (Err(error), Some(pause)) if helps(&error) => sleep(*pause).await,
                (tried, _) => return tried,
            }
        }
    }
}

/// Whether another try may go better.
const fn helps(error: &CarrierError) -> bool {
    match error {
        CarrierError::Unreachable(..) => true,
        CarrierError::Status(_, status) => *status >= 500,
        CarrierError::NotTrusted(..)
        | CarrierError::Smsc(..)
        | CarrierError::Folder(_)
        | CarrierError::Missing(_)
        | CarrierError::SetUp(_) => false,
    }
}

/// Whether it is a Package 0: its proof stands in its body.
fn is_trigger(push: &wsp::Push) -> bool {
    push.content_type.media == MediaName::Code(well_known::SYNCML_NOTIFICATION)
}

async fn post(
    connector: &Connector,
    url: &ServerUri,
    push: &Push<'_>,
) -> Result<Delivery, CarrierError> {
    let (media_type, octets) = match push.payload {
        Payload::Notification(octets) => (package0::MEDIA_TYPE, octets),
        Payload::Wap(push) if is_trigger(push) => (trigger::MEDIA_TYPE, push.body.as_slice()),
        Payload::Wap(_) => {
            let why =
                "a bootstrap of DM 1.x goes by sms:, udp:// or file:, not over HTTPS".to_owned();
            return Err(CarrierError::SetUp(why));
        }
    };
    let answer = device_post::post(connector, url, media_type, octets).await;
    let status = answer
        .map_err(|error| match error {
            PostError::NotTrusted(why) => {
                CarrierError::NotTrusted(url.to_string(), why.to_string())
            }
            PostError::Unreachable(why) => CarrierError::Unreachable(url.to_string(), why),
        })?
        .status();
    if status.is_success() {
        Ok(Delivery::Taken)
    } else {
        Err(CarrierError::Status(url.to_string(), status.as_u16()))
    }
}
