//! Notifications: call a device.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use omadm_dm1::trigger::UiMode;
use omadm_dm2::package0::PreferredConnection;
use omadm_mo::{DevId, SrvId};

use super::answer::{JsonBody, Refused};
use super::devices::{dev_id, registered, unknown};
use super::types::{NewNotification, NotificationBody};
use crate::carrier::PushAddress;
use crate::entropy::correlation;
use crate::model::DmGeneration;
use crate::node::Node;
use crate::notification_service::{CredentialError, NotifyError, Wanted, notify, parse_addresses};
use crate::problem::{Problem, ProblemBody};

/// Sends a DM Notification (Package#0), or a Package 0 of DM 1.x: the device is asked to open a session. Whether it does, an event `notification-answered` tells.
#[utoipa::path(post, path = "/api/v1/devices/{dev_id}/notifications", tag = "devices", params(("dev_id" = String, Path)),
    request_body = NewNotification,
    responses((status = 202, body = NotificationBody), (status = 404, body = ProblemBody), (status = 409, body = ProblemBody),
        (status = 502, body = ProblemBody), (status = "default", body = ProblemBody)))]
pub(super) async fn send(
    State(node): State<Arc<Node>>,
    Path(id): Path<String>,
    JsonBody(new): JsonBody<NewNotification>,
) -> Result<(StatusCode, Json<NotificationBody>), Refused> {
    let dev_id = dev_id(&id)?;
    let to = match &new.to {
        Some(to) => {
            vec![PushAddress::parse(to).map_err(|fault| Refused::bad(format!("to: {fault}")))?]
        }
        None => known(&node, &dev_id).await?,
    };
    let srv_id = new.srv_id.as_deref().map(SrvId::parse).transpose();
    let wanted = Wanted {
        to,
        srv_id: srv_id.map_err(|fault| Refused::bad(format!("srv_id: {fault}")))?,
        prefer: new.prefer.as_deref().map(connection).transpose()?,
        req_mos: new.req_mos,
        unauthenticated: new.unauthenticated,
        generation: new.generation.as_deref().map(generation).transpose()?,
        ui_mode: new.ui_mode.as_deref().map(ui_mode).transpose()?,
        resync: new.resync,
    };
    let sent = notify(&node, &dev_id, &wanted, &correlation())
        .await
        .map_err(refused)?;
    match sent.outcome {
        Ok(delivery) => Ok((
            StatusCode::ACCEPTED,
            Json(NotificationBody {
                notification_id: sent.notification_id,
                generation: sent.generation.version().to_owned(),
                srv_id: sent.srv_id.to_string(),
                carrier: sent.carrier.to_owned(),
                address: sent.to.to_string(),
                authenticated: sent.authenticated,
                outcome: delivery.name().to_owned(),
            }),
        )),
        Err(error) => Err(Problem::new(StatusCode::BAD_GATEWAY, error.to_string())
            .advising(error.action())
            .into()),
    }
}

/// The addresses of the device's record.
async fn known(node: &Node, dev_id: &DevId) -> Result<Vec<PushAddress>, Refused> {
    let device = registered(node, dev_id).await?;
    parse_addresses(&device.notify.addresses)
        .map_err(|(text, fault)| Refused::bad(format!("the device's address {text:?}: {fault}")))
}

fn connection(text: &str) -> Result<PreferredConnection, Refused> {
    Ok(match text {
        "any" => PreferredConnection::AnyAvailable,
        "cellular" => PreferredConnection::Cellular,
        "wlan" => PreferredConnection::Wlan,
        "wireline" => PreferredConnection::Wireline,
        other => {
            return Err(Refused::bad(format!(
                "prefer: {other:?} is none of any, cellular, wlan, wireline"
            )));
        }
    })
}

fn generation(text: &str) -> Result<DmGeneration, Refused> {
    let all = [DmGeneration::Dm1, DmGeneration::Dm2];
    let found = all
        .into_iter()
        .find(|generation| generation.version() == text);
    found.ok_or_else(|| Refused::bad(format!("generation: {text:?} is neither 1.x nor 2.0")))
}

fn ui_mode(text: &str) -> Result<UiMode, Refused> {
    UiMode::from_name(text).ok_or_else(|| {
        Refused::bad(format!(
            "ui_mode: {text:?} is none of unspecified, background, informative, interactive"
        ))
    })
}

pub(super) fn refused(error: NotifyError) -> Refused {
    if let Some((status, action)) = advice(&error) {
        return Problem::new(status, error.to_string())
            .advising(action)
            .into();
    }
    match error {
        NotifyError::Entropy(error) => error.into(),
        NotifyError::Commit(error) => error.into(),
        NotifyError::UnknownDevice(dev_id) | NotifyError::NoAddress(dev_id) => unknown(&dev_id),
        NotifyError::OtherGeneration(why) => Refused::bad(why),
        NotifyError::Credential(error) => Refused::bad(error.to_string()),
        NotifyError::Carrier(error) => Refused::bad(error.to_string()),
    }
}

/// What to do where no Notification could be made; none where the server is at fault.
pub(super) const fn advice(error: &NotifyError) -> Option<(StatusCode, &'static str)> {
    Some(match error {
        NotifyError::NoAddress(_) => (
            StatusCode::CONFLICT,
            "Say where: `omadm device notify DEVID --to udp://HOST:PORT`, or for ever `omadm device set DEVID --notify-at …`.",
        ),
        NotifyError::Credential(CredentialError::NoBootstrap(_)) => (
            StatusCode::CONFLICT,
            "Bootstrap the device first; `omadm device show` tells how far it is.",
        ),
        NotifyError::Credential(CredentialError::NoNoti(_)) => (
            StatusCode::CONFLICT,
            "Add `[account.noti]` to the profile and bootstrap the device again, or send it without proof: `unauthenticated`.",
        ),
        NotifyError::Credential(CredentialError::Type(..)) => (
            StatusCode::CONFLICT,
            "Give the account an Auth/Noti of type 1 (SHA256-DIGEST).",
        ),
        NotifyError::Credential(CredentialError::NoDm1(_)) => (
            StatusCode::CONFLICT,
            "Bootstrap it: `omadm bootstrap send DEVID --profile-format cp …`; or make its account known: `omadm device dm1 add`.",
        ),
        NotifyError::Credential(CredentialError::NoServerCredential(_)) => (
            StatusCode::CONFLICT,
            "Give the account a credential of the server: `server_credential`, or `auth` in the profile's [dm1].",
        ),
        NotifyError::Credential(CredentialError::Document(_)) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            "Start the server with the sealing key of this store.",
        ),
        NotifyError::Carrier(error) => (StatusCode::CONFLICT, error.action()),
        NotifyError::UnknownDevice(_)
        | NotifyError::Entropy(_)
        | NotifyError::OtherGeneration(_)
        | NotifyError::Commit(_) => {
            return None;
        }
    })
}
