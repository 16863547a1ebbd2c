//! Package 0 of DM 1.x: a device is called by its account, proved by what it may have (`dm1x.md` §6.5/8, §7).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::path::Path;
use std::time::{Duration, Instant};

use http::Method;
use omadm_bootstrap::dm1::{AppSrvIs, Dm1Document};
use omadm_dm1::credential::{Nonce, UserHash};
use omadm_dm1::markup::MarkupLimits;
use omadm_dm1::syncml::Encoding;
use omadm_dm1::trigger::{Initiator, ReceivedTrigger, Trigger, UiMode, VERSION};
use omadm_mo::Secret;
use omadm_mo::standard::dm_acc1::AuthLevel1;
use omadm_push::wsp::{ApplicationId, MediaName, Push, well_known};
use omadm_server::config::{PushPolicy, ServerConfig};
use omadm_server::operator::client::ApiError;
use omadm_server::operator::types::{
    Dm1AccountAdded, EventBody, NewBootstrap, NewDm1Account, NewNotification,
};
use support::{DEVICE, Rig, soon};
use tokio::net::UdpSocket;

const PATIENCE: Duration = Duration::from_secs(30);

fn waits(milliseconds: u64) -> impl Fn(&mut ServerConfig) {
    move |config| {
        config.profiles_dir = Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../profiles"));
        config.push = PushPolicy {
            calls: vec![Duration::from_millis(milliseconds)],
            ..PushPolicy::default()
        };
    }
}

async fn account(rig: &Rig) -> Dm1AccountAdded {
    rig.device(DEVICE).await;
    let new = NewDm1Account {
        user: Some("meter-7".to_owned()),
        server_id: Some("com.example.dm".to_owned()),
        ..NewDm1Account::default()
    };
    rig.api.add_dm1(DEVICE, &new).await.unwrap()
}

async fn ear() -> (UdpSocket, NewNotification) {
    let ear = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let new = NewNotification {
        to: Some(format!("udp://{}", ear.local_addr().unwrap())),
        ..NewNotification::default()
    };
    (ear, new)
}

/// The octets of the next Package 0.
async fn heard(ear: &UdpSocket) -> Vec<u8> {
    let mut octets = [0; 1024];
    let length = soon(ear.recv(&mut octets)).await.unwrap();
    let push = Push::decode(&octets[..length]).unwrap();
    assert_eq!(
        push.content_type.media,
        MediaName::Code(well_known::SYNCML_NOTIFICATION)
    );
    assert_eq!(push.application_id, Some(ApplicationId::SYNCML_DM));
    push.body
}

fn proven(octets: &[u8], server_id: &str, secret: &str, nonce: &Nonce) -> Option<Trigger> {
    let key = UserHash::new(server_id, &Secret::from(secret.to_owned()));
    let received = ReceivedTrigger::decode(octets).unwrap();
    received.proven(&key, nonce).cloned()
}

async fn event(rig: &Rig, name: &str) -> EventBody {
    let end = Instant::now() + PATIENCE;
    loop {
        let shown = rig.api.device(DEVICE).await.unwrap();
        let found = shown
            .events
            .into_iter()
            .rev()
            .find(|event| event.what["event"] == name);
        if let Some(found) = found {
            return found;
        }
        assert!(Instant::now() < end, "there is no {name}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn refused(refused: Result<impl Sized, ApiError>) -> (u16, String) {
    match refused.err() {
        Some(ApiError::Refused(problem)) => (problem.status, problem.detail.clone()),
        other => panic!("not refused: {other:?}"),
    }
}

/// The first message of the session that a trigger asks for.
fn package1(added: &Dm1AccountAdded, session: &str) -> Vec<u8> {
    let secret = Secret::from(added.client_secret.clone());
    let nonce = Nonce::of_base64(&added.client_nonce).unwrap();
    let cred = UserHash::new("meter-7", &secret).md5(&nonce);
    format!(
        "<SyncML xmlns='SYNCML:SYNCML1.2'><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto><SessionID>{session}</SessionID><MsgID>1</MsgID>\
         <Target><LocURI>https://dm.example.com/dm</LocURI></Target><Source><LocURI>{DEVICE}</LocURI><LocName>meter-7</LocName></Source>\
         <Cred><Meta><Type xmlns='syncml:metinf'>syncml:auth-md5</Type><Format xmlns='syncml:metinf'>b64</Format></Meta><Data>{cred}</Data></Cred></SyncHdr>\
         <SyncBody><Alert><CmdID>1</CmdID><Data>1200</Data></Alert><Replace><CmdID>2</CmdID><Item><Source><LocURI>./DevInfo/DevId</LocURI></Source>\
         <Data>{DEVICE}</Data></Item></Replace><Final/></SyncBody></SyncML>"
    )
    .into_bytes()
}

#[tokio::test]
async fn a_package_0_of_dm_1_x_is_proved_by_the_server_s_secret_and_the_session_it_brings_answers_it()
 {
    let rig = Rig::one_node(waits(60_000), |server| server).await;
    let added = account(&rig).await;
    let (ear, new) = ear().await;
    let new = NewNotification {
        ui_mode: Some("informative".to_owned()),
        ..new
    };
    let sent = rig.api.notify(DEVICE, &new).await.unwrap();
    assert!(sent.authenticated);
    assert_eq!(
        (sent.srv_id.as_str(), sent.carrier.as_str()),
        ("com.example.dm", "udp")
    );
    let octets = heard(&ear).await;
    let secret = added.server_secret.clone().unwrap();
    let nonce = Nonce::of_base64(added.server_nonce.as_ref().unwrap()).unwrap();
    let trigger = proven(&octets, "com.example.dm", &secret, &nonce).unwrap();
    assert_eq!(
        trigger,
        Trigger {
            version: VERSION,
            ui_mode: UiMode::Informative,
            initiator: Initiator::Server,
            session_id: sent.notification_id,
            server_id: "com.example.dm".to_owned(),
            vendor: Vec::new(),
        }
    );
    assert_eq!(proven(&octets, "com.example.dm", "another", &nonce), None);
    let queued = event(&rig, "notification-queued").await;
    assert_eq!(queued.what["proof"], "current");

    let mut wire = rig.connect(None).await;
    let headers = [("Content-Type", Encoding::Xml.media_type())];
    let body = package1(&added, &trigger.session_text());
    let answer = wire.send(Method::POST, "/dm/1.x", &headers, body).await;
    assert_eq!(answer.status, 200);
    let answered = event(&rig, "notification-answered").await;
    assert_eq!(answered.what["notification_id"], sent.notification_id);
    assert_eq!(answered.what["carrier"], "udp");
}

#[tokio::test]
async fn where_no_session_follows_it_goes_again_proved_by_what_else_the_device_may_have() {
    let rig = Rig::one_node(waits(300), |server| server).await;
    rig.device(DEVICE).await;
    let mut brought = Vec::new();
    for _image in 0..2 {
        let new = NewBootstrap {
            device: DEVICE.to_owned(),
            profile: Some("dm1x".to_owned()),
            profile_format: Some("cp".to_owned()),
            method: Some("factory".to_owned()),
            ..NewBootstrap::default()
        };
        let begun = rig.api.start_bootstrap(&new).await.unwrap();
        let image = rig.api.bootstrap_document(&begun.id).await.unwrap();
        let limits = MarkupLimits::MESSAGE;
        let read = Dm1Document::read(image.expose(), AppSrvIs::ClCred, limits).unwrap();
        let account = &read.accounts[0].account;
        let auth = account.auth(AuthLevel1::SrvCred).unwrap();
        let nonce = Nonce::new(auth.nonce.as_ref().unwrap().expose().to_vec()).unwrap();
        let secret = String::from_utf8(auth.secret.as_ref().unwrap().expose().to_vec()).unwrap();
        brought.push((account.server_id.to_string(), secret, nonce));
    }
    let (ear, new) = ear().await;
    let first = rig.api.notify(DEVICE, &new).await.unwrap();
    // What is to go again does so although the server is started anew.
    let rig = rig.restarted().await;
    let mut ids = Vec::new();
    for (server_id, secret, nonce) in brought.iter().rev() {
        let octets = heard(&ear).await;
        let trigger = proven(&octets, server_id, secret, nonce).unwrap();
        ids.push(trigger.session_id);
    }
    assert_eq!(ids[0], first.notification_id);
    assert_ne!(ids[0], ids[1], "each has a session of its own");
    let mut octets = [0; 1024];
    let more = tokio::time::timeout(Duration::from_secs(5), ear.recv(&mut octets)).await;
    assert!(more.is_err(), "after the last one it rests");
    let dev_id = omadm_mo::DevId::parse(DEVICE).unwrap();
    assert_eq!(rig.store().call(&dev_id).await.unwrap(), None);
}

#[tokio::test]
async fn a_device_that_lost_the_nonce_is_called_by_the_default_one_and_gets_new_secrets() {
    let rig = Rig::one_node(waits(60_000), |server| server).await;
    let added = account(&rig).await;
    let (ear, new) = ear().await;
    let new = NewNotification {
        resync: true,
        ..new
    };
    rig.api.notify(DEVICE, &new).await.unwrap();
    let octets = heard(&ear).await;
    let secret = added.server_secret.clone().unwrap();
    let zero = Nonce::new(vec![0; 4]).unwrap();
    assert!(proven(&octets, "com.example.dm", &secret, &zero).is_some());
    assert!(rig.api.device(DEVICE).await.unwrap().dm1.unwrap().rotate);
}

#[tokio::test]
async fn what_the_other_generation_has_is_refused_with_its_cause() {
    let rig = Rig::one_node(waits(60_000), |server| server).await;
    rig.device(DEVICE).await;
    let (_ear, new) = ear().await;
    let text = |text: &str| Some(text.to_owned());
    let dm1 = NewNotification {
        generation: text("1.x"),
        ..new.clone()
    };
    let (status, detail) = refused(rig.api.notify(DEVICE, &dm1).await);
    assert!(
        status == 409 && detail.contains("no DM 1.x account"),
        "{detail}"
    );
    account_of_none(&rig).await;
    for (new, status, part) in [
        (dm1.clone(), 409, "no credential of the server"),
        (
            NewNotification {
                req_mos: true,
                ..dm1.clone()
            },
            400,
            "are of DM 2.0",
        ),
        (
            NewNotification {
                generation: text("3"),
                ..new.clone()
            },
            400,
            "neither 1.x nor 2.0",
        ),
        (
            NewNotification {
                ui_mode: text("loud"),
                ..dm1.clone()
            },
            400,
            "none of unspecified",
        ),
        (
            NewNotification {
                generation: text("2.0"),
                resync: true,
                ..new.clone()
            },
            400,
            "are of DM 1.x",
        ),
    ] {
        let (is, detail) = refused(rig.api.notify(DEVICE, &new).await);
        assert!(is == status && detail.contains(part), "{is}: {detail}");
    }
}

/// An account in which the server does not prove itself.
async fn account_of_none(rig: &Rig) {
    let new = NewDm1Account {
        server_credential: Some("none".to_owned()),
        ..NewDm1Account::default()
    };
    rig.api.add_dm1(DEVICE, &new).await.unwrap();
}
