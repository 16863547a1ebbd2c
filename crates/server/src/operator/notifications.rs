//! Notifications: call a device.

use std::sync::Arc;

use axum::Json;
use axum::extract::{Path, State};
use http::StatusCode;
use omadm_dm2::package0::PreferredConnection;
use omadm_mo::SrvId;

use super::answer::{JsonBody, Refused};
use super::devices::{dev_id, unknown};
use super::types::{NewNotification, NotificationBody};
use crate::carrier::PushAddress;
use crate::entropy::correlation;
use crate::node::Node;
use crate::notification_service::{CredentialError, NotifyError, Wanted, notify};
use crate::problem::{Problem, ProblemBody};

/// Sends a DM Notification (Package#0): the device is asked to open a session. Whether it does, an event `notification-answered` tells.
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
    let to = PushAddress::parse(&new.to).map_err(|fault| Refused::bad(format!("to: {fault}")))?;
    let srv_id = new.srv_id.as_deref().map(SrvId::parse).transpose();
    let wanted = Wanted {
        to,
        srv_id: srv_id.map_err(|fault| Refused::bad(format!("srv_id: {fault}")))?,
        prefer: new.prefer.as_deref().map(connection).transpose()?,
        req_mos: new.req_mos,
        unauthenticated: new.unauthenticated,
    };
    let sent = notify(&node, &dev_id, &wanted, &correlation())
        .await
        .map_err(refused)?;
    match sent.outcome {
        Ok(delivery) => Ok((
            StatusCode::ACCEPTED,
            Json(NotificationBody {
                notification_id: sent.notification_id,
                srv_id: sent.srv_id.to_string(),
                carrier: sent.carrier.to_owned(),
                address: wanted.to.to_string(),
                authenticated: sent.authenticated,
                outcome: delivery.name().to_owned(),
            }),
        )),
        Err(error) => Err(Problem::new(StatusCode::BAD_GATEWAY, error.to_string())
            .advising(error.action())
            .into()),
    }
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

fn refused(error: NotifyError) -> Refused {
    match error {
        NotifyError::UnknownDevice(dev_id) => unknown(&dev_id),
        NotifyError::Credential(error) => {
            let (status, action) = match &error {
                CredentialError::NoBootstrap(_) => (
                    StatusCode::CONFLICT,
                    "Bootstrap the device first; `omadm device show` tells how far it is.",
                ),
                CredentialError::NoNoti(_) => (
                    StatusCode::CONFLICT,
                    "Add `[account.noti]` to the profile and bootstrap the device again, or send it without proof: `unauthenticated`.",
                ),
                CredentialError::Type(..) => (
                    StatusCode::CONFLICT,
                    "Give the account an Auth/Noti of type 1 (SHA256-DIGEST).",
                ),
                CredentialError::Document(_) => (
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "Start the server with the sealing key of this store.",
                ),
            };
            Problem::new(status, error.to_string())
                .advising(action)
                .into()
        }
        NotifyError::Entropy(error) => error.into(),
        NotifyError::Commit(error) => error.into(),
    }
}
