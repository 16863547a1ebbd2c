//! The document itself, by HTTPS POST to the device's bootstrap listener: over mutual TLS with a certificate of the device and nobody else (D56, D78, B-11).

use std::time::Duration;

use http::header::RETRY_AFTER;
use http::{Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Incoming;
use omadm_bootstrap::BootstrapFailureCause as Cause;
use omadm_dm2::media_type;
use omadm_mo::json::{Json, JsonLimits};

use super::Tried;
use crate::bootstrap_service::open_document;
use crate::carrier::PushAddress;
use crate::carrier::device_post::{self, PostError};
use crate::model::BootstrapRecord;
use crate::node::Node;
use crate::notification_service::certificates;

/// Octets that are read of what a device says about its refusal.
const PROBLEM_OCTETS: usize = 16 * 1024;

/// Sends the document of a record.
pub(super) async fn send(node: &Node, record: &BootstrapRecord) -> Tried {
    let address = record.push.as_ref().map(|push| push.to.as_str());
    let Some(Ok(PushAddress::Https(url))) = address.map(PushAddress::parse) else {
        return never(
            Cause::ChannelNotSecure,
            "a document is pushed to an https address alone",
        );
    };
    let device = match certificates(node, &record.dev_id).await {
        Ok(device) if device.is_empty() => {
            return never(
                Cause::DeviceNotTrusted,
                "no certificate of the device is valid, so nobody could be told from it",
            );
        }
        Ok(device) => device,
        Err(error) => return later(Cause::StorageFailed, error.to_string()),
    };
    let document = match open_document(node, record).await {
        Ok(document) => document,
        Err(error) => return later(Cause::StorageFailed, error.to_string()),
    };
    // By its certificates alone: no CA and no gateway stands between (B-11).
    let connector = match device_post::connector(node.state.identity(), &[], &device) {
        Ok(connector) => connector,
        Err(why) => return later(Cause::StorageFailed, why),
    };
    match device_post::post(&connector, &url, media_type::MO, document.expose()).await {
        Ok(answer) => read(answer).await,
        Err(PostError::NotTrusted(why)) => never(Cause::DeviceNotTrusted, format!("{url}: {why}")),
        Err(PostError::Unreachable(why)) => {
            later(Cause::DeviceUnreachable, format!("{url}: {why}"))
        }
    }
}

/// What an answer of D56 says. A redirect is not followed: the document is for who proved to be the device.
async fn read(answer: Response<Incoming>) -> Tried {
    let status = answer.status();
    if status == StatusCode::ACCEPTED {
        return Tried::Taken;
    }
    let after = answer.headers().get(RETRY_AFTER);
    let after = after.and_then(|value| value.to_str().ok()?.trim().parse().ok());
    let after = after.map(Duration::from_secs);
    let body = Limited::new(answer.into_body(), PROBLEM_OCTETS);
    let body = body
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes);
    let json = body
        .ok()
        .and_then(|body| Json::read(&body, JsonLimits::default()).ok());
    let member = |name: &str| json.as_ref()?.member(name).and_then(Json::as_text);
    let told = member("cause").and_then(Cause::from_code);
    let mut detail = format!("the device answered with HTTP status {}", status.as_u16());
    for name in ["title", "detail", "item", "uri"] {
        if let Some(text) = member(name) {
            detail.push_str(": ");
            detail.extend(text.chars().filter(|c| !c.is_control()));
        }
    }
    let refused = told.unwrap_or(Cause::DeviceRefused);
    match status {
        StatusCode::BAD_REQUEST
        | StatusCode::FORBIDDEN
        | StatusCode::PAYLOAD_TOO_LARGE
        | StatusCode::UNSUPPORTED_MEDIA_TYPE => never(refused, detail),
        StatusCode::CONFLICT => Tried::Later {
            cause: Cause::DeviceBusy,
            detail,
            after,
        },
        StatusCode::REQUEST_TIMEOUT | StatusCode::TOO_MANY_REQUESTS => Tried::Later {
            cause: Cause::DeviceUnreachable,
            detail,
            after,
        },
        status if status.is_server_error() => Tried::Later {
            cause: told.unwrap_or(Cause::DeviceUnreachable),
            detail,
            after,
        },
        _ => never(Cause::DeviceMisbehaved, detail),
    }
}

fn later(cause: Cause, detail: impl Into<String>) -> Tried {
    Tried::Later {
        cause,
        detail: detail.into(),
        after: None,
    }
}

fn never(cause: Cause, detail: impl Into<String>) -> Tried {
    Tried::Never {
        cause,
        detail: detail.into(),
    }
}
