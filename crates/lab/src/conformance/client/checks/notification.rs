//! Notifications over UDP as the client takes them (`dm20.md` §11). They come after the end of the long session.

use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::time::{SystemTime, UNIX_EPOCH};

use omadm_dm2::package0::{Package0, ServerId};
use omadm_mo::Secret;
use serde_json::json;
use tokio::net::UdpSocket;

use super::super::decision;
use super::super::document::{FIRST, NOTI_SECRET};
use super::super::stand::Stand;
use super::ClientStep;
use super::endings::over;
use crate::conformance::check::step;
use crate::conformance::transcript::hex;
use crate::conformance::verdict::{Judged, Level, Verdict, expect};

const SERVER_INITIATED: &str = "urn:oma:at:dm:2.0:ServerInitiatedMgmt";

pub(super) const STEPS: &[ClientStep] = &[
    step(
        "noti-session",
        &["X-NOTI-001", "X-NOTI-002", "X-NOTI-003", "X-ALRT-001"],
        Level::Must,
        (
            "§2, §11",
            "A Notification brings a session with ServerInitiatedMgmt and its NOTIFICATION-ID.",
        ),
        |stand| Box::pin(session(stand)),
    ),
    step(
        "noti-req-mos",
        &["X-NOTI-002"],
        Level::Must,
        ("§2", "REQ-MOS brings MOS in the Package#1."),
        |stand| Box::pin(req_mos(stand)),
    ),
    step(
        "noti-wrong-digest",
        &["X-NOTI-003"],
        Level::Must,
        ("§11.4", "A Notification with a wrong digest is ignored."),
        |stand| Box::pin(wrong_digest(stand)),
    ),
    step(
        "noti-duplicate",
        &["X-NOTI-003"],
        decision("D39"),
        ("§11.5", "The same Notification once more is ignored."),
        |stand| Box::pin(duplicate(stand)),
    ),
];

/// A Notification of the first account with an id that no earlier one had.
fn notification(stand: &mut Stand) -> Option<Package0> {
    let mut package = Package0::new(ServerId::parse(FIRST.srv_id).ok()?);
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    stand.notifications = stand.notifications.wrapping_add(1);
    package.notification_id = Some(stand.notifications);
    package.timestamp = Some(now.as_secs());
    Some(package)
}

async fn send(stand: &Stand, octets: &[u8]) -> Judged {
    let Some(to) = stand.setup.notify_to else {
        return Err(Verdict::not_tested(
            "needs --notify-to, where the client takes Notifications over UDP",
        ));
    };
    stand
        .transcript
        .note(format!("UDP to {to}: {}", hex(octets)));
    let fault = |error: std::io::Error| Verdict::inconclusive(error.to_string());
    let from = match to {
        SocketAddr::V4(_) => SocketAddr::from((Ipv4Addr::UNSPECIFIED, 0)),
        SocketAddr::V6(_) => SocketAddr::from((Ipv6Addr::UNSPECIFIED, 0)),
    };
    let socket = UdpSocket::bind(from).await.map_err(fault)?;
    socket.send_to(octets, to).await.map(drop).map_err(fault)
}

fn sealed(package: Package0) -> Vec<u8> {
    let secret = Secret::new(NOTI_SECRET.to_vec());
    package.sealed(&secret, b"").encode()
}

/// The client knows the account and no session runs.
async fn idle(stand: &mut Stand) -> Judged {
    if stand.setup.notify_to.is_none() {
        return send(stand, b"").await;
    }
    stand.meet().await;
    over(stand).await;
    Ok(())
}

async fn call(stand: &mut Stand, req_mos: bool) -> Result<u16, Verdict> {
    idle(stand).await?;
    let Some(mut package) = notification(stand) else {
        return Err(Verdict::inconclusive("no Notification could be made"));
    };
    package.req_mos = req_mos;
    let id = package.notification_id.unwrap_or_default();
    send(stand, &sealed(package)).await?;
    let limit = stand.setup.limit;
    match stand.hold_at(FIRST.path, limit).await {
        Some(_) => Ok(id),
        None => Err(Verdict::failed(
            "a Package#1",
            format!("none within {limit:?}"),
        )),
    }
}

async fn session(stand: &mut Stand) -> Judged {
    let id = call(stand, false).await?;
    let alert = stand
        .held()
        .and_then(|package| package.alert(SERVER_INITIATED).cloned());
    let told = alert.as_ref().and_then(|alert| alert["Data"].as_object());
    let told = told.is_some_and(|data| data.values().any(|value| *value == json!(id)));
    expect(told, format!("ServerInitiatedMgmt with {id}"), || {
        alert.map_or_else(|| "no such alert".to_owned(), |alert| alert.to_string())
    })
}

async fn req_mos(stand: &mut Stand) -> Judged {
    call(stand, true).await?;
    let mos = stand
        .held()
        .map(|package| package.json["MOS"].clone())
        .unwrap_or_default();
    expect(mos.is_array(), "MOS", || "none".to_owned())
}

/// Whether these octets bring no session.
async fn ignored(stand: &mut Stand, octets: &[u8]) -> Judged {
    send(stand, octets).await?;
    let silence = stand.silence();
    let came = stand.hold_at(FIRST.path, silence).await;
    expect(came.is_none(), "no session", || "a Package#1".to_owned())
}

async fn wrong_digest(stand: &mut Stand) -> Judged {
    idle(stand).await?;
    let Some(mut package) = notification(stand) else {
        return Err(Verdict::inconclusive("no Notification could be made"));
    };
    package.digest = Some([0x5a; 32]);
    ignored(stand, &package.encode()).await
}

async fn duplicate(stand: &mut Stand) -> Judged {
    idle(stand).await?;
    let Some(package) = notification(stand) else {
        return Err(Verdict::inconclusive("no Notification could be made"));
    };
    let octets = sealed(package);
    send(stand, &octets).await?;
    let limit = stand.setup.limit;
    if stand.hold_at(FIRST.path, limit).await.is_none() {
        return Err(Verdict::inconclusive("the first one brought no session"));
    }
    over(stand).await;
    ignored(stand, &octets).await
}
