//! Package#0 as the server writes it, and the session that it brings (`dm20.md` §11). The hook has it sent to the kit over UDP.

use std::time::{SystemTime, UNIX_EPOCH};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use omadm_dm2::package0::{DigestCheck, NotificationKey, Package0, ReceivedPackage0};
use omadm_mo::Secret;
use serde_json::{Value, json};
use tokio::net::UdpSocket;
use tokio::time::timeout;

use super::super::ServerKit;
use super::ServerStep;
use super::bootstrap::account_known;
use crate::conformance::check::step;
use crate::conformance::hook::HookCall;
use crate::conformance::transcript::hex;
use crate::conformance::verdict::{Judged, Level, Verdict, expect};

/// How far the server's clock may be from the kit's (D39).
const WINDOW: u64 = 300;

pub(super) const STEPS: &[ServerStep] = &[
    step(
        "noti-form",
        &["X-NOTI-001", "X-NOTI-002"],
        Level::Must,
        ("§11.2", "A Notification keeps to its binary form."),
        |kit| Box::pin(form(kit)),
    ),
    step(
        "noti-server-id",
        &["X-NOTI-002"],
        Level::Must,
        ("§11.3", "SERVER-ID is the SrvID of the account."),
        |kit| Box::pin(server_id(kit)),
    ),
    step(
        "noti-digest",
        &["X-NOTI-003"],
        Level::Must,
        ("§11.4", "SHA256-DIGEST is that of the account's Auth/Noti."),
        |kit| Box::pin(digest(kit)),
    ),
    step(
        "noti-replay",
        &["X-NOTI-003"],
        Level::Should,
        (
            "§11.3",
            "NOTIFICATION-ID stands in it, and the TIMESTAMP of now.",
        ),
        |kit| Box::pin(replay(kit)),
    ),
    step(
        "noti-session",
        &["X-NOTI-001", "X-ALRT-001"],
        Level::Must,
        (
            "§2",
            "The session that a Notification brings is opened with its NOTIFICATION-ID.",
        ),
        |kit| Box::pin(session(kit)),
    ),
];

/// What came, and what the account says about it.
struct Called {
    octets: Vec<u8>,
    account: Value,
}

impl Called {
    fn package(&self) -> Result<ReceivedPackage0<'_>, Verdict> {
        ReceivedPackage0::decode(&self.octets).map_err(|error| {
            Verdict::failed("a Package#0", format!("{error}: {:02x?}", self.octets))
        })
    }

    fn option<T>(&self, of: impl Fn(&Package0) -> Option<T>) -> Result<Option<T>, Verdict> {
        Ok(of(self.package()?.package()))
    }
}

/// Bootstraps the kit, so that it knows the account, and has the server call it.
async fn called(kit: &mut ServerKit) -> Result<Called, Verdict> {
    if kit.subject.hook.is_none() {
        let to = HookCall::Notify("udp://HOST:PORT".to_owned());
        kit.ask(to).await?;
    }
    let account = account_known(kit).await?;
    let package1 = kit.completion().to_string();
    let mut session = kit.open(&package1).await?;
    kit.to_end(&mut session).await?;
    let octets = datagram(kit).await?;
    Ok(Called { octets, account })
}

async fn datagram(kit: &ServerKit) -> Result<Vec<u8>, Verdict> {
    let fault = |error: std::io::Error| Verdict::inconclusive(error.to_string());
    let socket = UdpSocket::bind(kit.subject.notify_listen)
        .await
        .map_err(fault)?;
    let address = socket.local_addr().map_err(fault)?;
    kit.ask(HookCall::Notify(format!("udp://{address}")))
        .await?;
    let mut octets = vec![0; 2048];
    match timeout(kit.subject.limit, socket.recv(&mut octets)).await {
        Err(_) => Err(Verdict::failed("a Notification", "none came")),
        Ok(Err(error)) => Err(fault(error)),
        Ok(Ok(length)) => {
            octets.truncate(length);
            kit.transcript
                .note(format!("UDP from the server: {}", hex(&octets)));
            Ok(octets)
        }
    }
}

async fn form(kit: &mut ServerKit) -> Judged {
    called(kit).await?.package().map(drop)
}

async fn server_id(kit: &mut ServerKit) -> Judged {
    let called = called(kit).await?;
    let found = called.package()?.package().server_id.to_string();
    let expected = called.account["SrvID"].as_str().unwrap_or_default();
    expect(found == expected, expected, || found)
}

async fn digest(kit: &mut ServerKit) -> Judged {
    let called = called(kit).await?;
    let noti = &called.account["Auth"]["Noti"];
    let octets = |name: &str| {
        let text = noti[name].as_str().unwrap_or_default();
        STANDARD.decode(text).unwrap_or_default()
    };
    if noti.is_null() {
        return Err(Verdict::not_tested(
            "needs a bootstrap whose account has Auth/Noti",
        ));
    }
    let key = NotificationKey {
        secret: &Secret::new(octets("Secret")),
        auth_data: &octets("Data"),
    };
    let check = called.package()?.check_digest(key);
    expect(check == DigestCheck::Right, "the digest", || {
        check.as_str().to_owned()
    })
}

async fn replay(kit: &mut ServerKit) -> Judged {
    let called = called(kit).await?;
    let id = called.option(|package| package.notification_id)?;
    expect(id.is_some(), "NOTIFICATION-ID", || "none".to_owned())?;
    let sent = called.option(|package| package.timestamp)?;
    let now = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default()
        .as_secs();
    let near = sent.is_some_and(|sent| sent.abs_diff(now) <= WINDOW);
    expect(near, format!("TIMESTAMP near {now}"), || {
        format!("{sent:?}")
    })
}

async fn session(kit: &mut ServerKit) -> Judged {
    let called = called(kit).await?;
    let id = called.option(|package| package.notification_id)?;
    let mut alert = json!({ "AlertType": "urn:oma:at:dm:2.0:ServerInitiatedMgmt" });
    if let Some(id) = id {
        alert["DataType"] = json!("int");
        alert["Data"] = json!({ "NOTIFICATION-ID": id });
    }
    kit.takes(&json!({ "Alert": [alert] })).await
}
