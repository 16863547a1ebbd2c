//! How a server-initiated bootstrap is to reach its device, as an operator asks for it.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::StatusCode;
use omadm_bootstrap::dm1::Dm1Format;
use omadm_bootstrap::{BootstrapMethod, ProfileFormat};
use omadm_dm2::package0::BootstrapSourceId;
use omadm_mo::{DevId, Secret};

use super::answer::Refused;
use super::bootstraps::method_of;
use super::notifications::{advice, refused};
use super::types::{NewBootstrap, NewTrigger, PushBody, SecretText};
use super::wap::{self, Signed};
use crate::bootstrap_service::DraftPush;
use crate::carrier::PushAddress;
use crate::model::{BootstrapPush, PushCarrierKind};
use crate::node::Node;
use crate::notification_service::{NotifyError, certificates, find};
use crate::problem::Problem;
use crate::push_service::{Prover, own_source};

/// Longest address, in octets.
const ADDRESS_OCTETS: usize = 1024;

/// What is asked for of a push.
#[derive(Clone, Copy, Default)]
pub(super) struct Push<'a> {
    method: Option<&'a str>,
    to: Option<&'a str>,
    carrier: Option<&'a str>,
    source: Option<&'a str>,
    noti_secret: Option<&'a SecretText>,
    noti_data: Option<&'a str>,
    /// A certificate of the device comes with it.
    has_certificate: bool,
    /// What a WAP push is signed with.
    signed: Signed<'a>,
}

impl<'a> From<&'a NewBootstrap> for Push<'a> {
    fn from(new: &'a NewBootstrap) -> Self {
        Self {
            method: new.method.as_deref(),
            to: new.to.as_deref(),
            carrier: new.carrier.as_deref(),
            source: new.source.as_deref(),
            noti_secret: new.noti_secret.as_ref(),
            noti_data: new.noti_data.as_deref(),
            has_certificate: false,
            signed: new.into(),
        }
    }
}

impl<'a> From<&'a NewTrigger> for Push<'a> {
    /// The address of a trigger alone is noted, and nothing goes there: it asks for a push by its method, or by what only a push has.
    fn from(new: &'a NewTrigger) -> Self {
        let named = new.method.as_deref() == Some(BootstrapMethod::ServerInitiated.name());
        let is_wanted = named || new.carrier.is_some() || new.noti_secret.is_some();
        Self {
            method: new.method.as_deref(),
            to: new.address.as_deref().filter(|_| is_wanted),
            carrier: new.carrier.as_deref(),
            source: new.bootstrap_source.as_deref(),
            noti_secret: new.noti_secret.as_ref(),
            noti_data: new.noti_data.as_deref(),
            has_certificate: new.certificate.is_some(),
            signed: new.into(),
        }
    }
}

/// The method of a bootstrap: an address means that the server brings it.
pub(super) fn method(new: Push<'_>) -> Result<BootstrapMethod, Refused> {
    let push = new.to.is_some() || new.carrier.is_some() || new.noti_secret.is_some();
    match new.method {
        None if push => Ok(BootstrapMethod::ServerInitiated),
        name => {
            let method = method_of(name)?;
            if push && method != BootstrapMethod::ServerInitiated {
                let detail = format!("to: a bootstrap by the method {method} goes to no address");
                return Err(Refused::bad(detail));
            }
            Ok(method)
        }
    }
}

/// How it is to reach the device, checked; none for the other methods.
pub(super) async fn wanted(
    node: &Arc<Node>,
    dev_id: &DevId,
    new: Push<'_>,
    (method, format): (BootstrapMethod, ProfileFormat),
) -> Result<Option<DraftPush>, Refused> {
    let is_pushed = method == BootstrapMethod::ServerInitiated;
    let is_wap = new.carrier == Some(PushCarrierKind::Wap.name());
    if (new.signed.is_said() || is_wap) && !(is_pushed && Dm1Format::of_profile(format).is_some()) {
        return Err(Refused::bad(
            "sec, pin, imsi, esn, imsi_key and the carrier wap are of a server-initiated bootstrap of DM 1.x: `profile_format` says cp or dm",
        ));
    }
    if !is_pushed {
        return Ok(None);
    }
    let (to, known) = match new.to {
        Some(to) if to.len() > ADDRESS_OCTETS => {
            return Err(Refused::bad(format!(
                "to: more than {ADDRESS_OCTETS} octets"
            )));
        }
        Some(to) => (to.to_owned(), false),
        None => {
            let device = node.store.device(dev_id).await?;
            let first = device.and_then(|device| device.notify.addresses.first().cloned());
            let first = first.ok_or_else(|| nowhere(dev_id))?;
            (first, true)
        }
    };
    let address = PushAddress::parse(&to).map_err(|fault| Refused::bad(format!("to: {fault}")))?;
    if let Some(format) = Dm1Format::of_profile(format) {
        if new.source.is_some() || new.noti_secret.is_some() || new.noti_data.is_some() {
            return Err(Refused::bad(
                "source, noti_secret and noti_data are of a Notification of DM 2.0",
            ));
        }
        let signing = wap::signing(node, dev_id, new.signed, (new.carrier, &address), format);
        return Ok(Some(DraftPush {
            carrier: PushCarrierKind::Wap,
            signing: Some(signing.await?),
            to,
            source: None,
            prover: None,
        }));
    }
    let https = matches!(address, PushAddress::Https(_));
    let carrier = match new.carrier {
        Some(name) => PushCarrierKind::from_name(name).ok_or_else(|| {
            Refused::bad(format!(
                "carrier: {name:?} is neither direct nor notification"
            ))
        })?,
        // The addresses of the record are those of Notifications.
        None if https && !known => PushCarrierKind::Direct,
        None => PushCarrierKind::Notification,
    };
    let (source, prover) = match carrier {
        PushCarrierKind::Direct => {
            check_direct(node, dev_id, https, new).await?;
            (None, None)
        }
        PushCarrierKind::Notification | PushCarrierKind::Wap => {
            called(node, dev_id, &address, new).await?
        }
    };
    Ok(Some(DraftPush {
        carrier,
        to,
        source,
        prover,
        signing: None,
    }))
}

/// B-11: nothing but mutual TLS with a certificate of the device.
async fn check_direct(
    node: &Node,
    dev_id: &DevId,
    https: bool,
    new: Push<'_>,
) -> Result<(), Refused> {
    if !https {
        return Err(Refused::bad(
            "carrier: a document goes over mutual TLS alone, so `direct` needs an https address; by every other carrier goes a Notification, upon which the device fetches it",
        ));
    }
    if new.source.is_some() || new.noti_secret.is_some() || new.noti_data.is_some() {
        return Err(Refused::bad(
            "source, noti_secret and noti_data are of a Notification: `carrier` says notification",
        ));
    }
    if !new.has_certificate && certificates(node, dev_id).await?.is_empty() {
        let detail = format!(
            "no certificate of {dev_id} is known, so the device could not be told from others"
        );
        return Err(Problem::new(StatusCode::CONFLICT, detail)
            .advising("Make the certificate known that it listens with: `omadm device add-credential DEVID --csr …`.")
            .into());
    }
    Ok(())
}

/// Whom the Notification names, and what proves it.
async fn called(
    node: &Arc<Node>,
    dev_id: &DevId,
    address: &PushAddress,
    new: Push<'_>,
) -> Result<(Option<String>, Option<Prover>), Refused> {
    node.carriers
        .of(address)
        .map_err(|error| refused(NotifyError::Carrier(error)))?;
    let octets = |name: &str, text: &str| {
        let octets = STANDARD.decode(text.trim());
        octets.map_err(|_| Refused::bad(format!("{name}: not base64")))
    };
    let Some(secret) = new.noti_secret else {
        if new.source.is_some() || new.noti_data.is_some() {
            return Err(Refused::bad(
                "source and noti_data are the device's own configuration; tell its noti_secret too",
            ));
        }
        let found = find(node, dev_id, None).await.map_err(unproved)?;
        found
            .proving(false)
            .map_err(|error| unproved(error.into()))?;
        let source = own_source(node, dev_id).await.map_err(refused)?;
        let source = source.ok_or_else(|| {
            let detail = "the account of the device has no Auth/Bootstrap, so it knows no bootstrap source of this server";
            Refused::from(Problem::new(StatusCode::CONFLICT, detail).advising(
                "Tell the source of its policy: `--source ID --noti-secret-file FILE`, or push the document itself to an https address.",
            ))
        })?;
        return Ok((Some(source), None));
    };
    let source = new.source.unwrap_or_default();
    BootstrapSourceId::parse(source).map_err(|fault| Refused::bad(format!("source: {fault}")))?;
    let secret = octets("noti_secret", &secret.0)?;
    if secret.is_empty() {
        return Err(Refused::bad("noti_secret: empty"));
    }
    let data = octets("noti_data", new.noti_data.unwrap_or_default())?;
    let prover = Prover {
        data,
        secret: Secret::new(secret),
    };
    Ok((Some(source.to_owned()), Some(prover)))
}

/// Nothing to prove a Notification with: what to do about that here.
fn unproved(error: NotifyError) -> Refused {
    if !matches!(error, NotifyError::Credential(_)) {
        return refused(error);
    }
    let status = advice(&error).map_or(StatusCode::CONFLICT, |(status, _)| status);
    Problem::new(status, error.to_string())
        .advising("Tell what the device's policy has for its source: `--source ID --noti-secret-file FILE`, of a trigger `--bootstrap-source`; or push the document itself to an https address.")
        .into()
}

fn nowhere(dev_id: &DevId) -> Refused {
    Problem::new(
        StatusCode::CONFLICT,
        format!("it is not known where {dev_id} can be reached"),
    )
    .advising("Say where: `omadm bootstrap send DEVID --to https://HOST:PORT/bootstrap`.")
    .into()
}

pub(super) fn body(push: &BootstrapPush) -> PushBody {
    PushBody {
        carrier: push.carrier.name().to_owned(),
        to: push.to.clone(),
        source: push.source.clone(),
        sec: push
            .security
            .as_ref()
            .map(|signed| signed.sec.name().to_owned()),
        worth: push
            .security
            .as_ref()
            .map(|signed| signed.sec.worth().to_owned()),
        attempts: push.attempts,
        next_at: push.due.map(|due| due.to_string()),
        trouble: push.trouble.clone(),
    }
}
