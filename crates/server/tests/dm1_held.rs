//! What an operator decides about a DM 1.x account: replaced secrets that come back without a bootstrap event, two holders, another device.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use omadm_dm1::credential::UserHash;
use omadm_dm1::syncml::{Command, Encoding, Message};
use omadm_mo::Secret;
use omadm_server::model::EventKind;
use omadm_server::operator::client::ApiError;
use omadm_server::operator::types::{Dm1AccountAdded, Dm1AccountBody};
use support::dm1::{Client, PACKAGE1, account, codes, status};
use support::{DEVICE, Rig};

/// A Package 1 with a bootstrap event.
fn event(id: char, kind: &str) -> String {
    let id = String::from(id).repeat(32);
    format!(
        "{PACKAGE1}<Alert><CmdID>3</CmdID><Data>1226</Data><Item><Source><LocURI>./DMAcc/1</LocURI></Source>\
         <Meta><Type xmlns='syncml:metinf'>org.example.dm.bootstrap</Type><Format xmlns='syncml:metinf'>chr</Format></Meta>\
         <Data>v=1&amp;id={id}&amp;seq=1&amp;method=smartcard&amp;profile=cp&amp;kind={kind}</Data></Item></Alert>"
    )
}

/// Opens a session, with a challenge; what the server answered to the proof.
async fn open(rig: &Rig, client: &mut Client, package1: &str) -> (u16, Message) {
    client.begin();
    client.nonce = None;
    client.exchange(rig, package1).await;
    let answer = client.exchange(rig, package1).await;
    (codes(&answer)[0], answer)
}

/// A session in which all that is asked and brought is answered; the new secret of the client that came, if one did.
async fn session(rig: &Rig, client: &mut Client, package1: &str) -> (u16, Option<String>) {
    let (code, mut answer) = open(rig, client, package1).await;
    let mut secret = None;
    for _ in 0..4 {
        let msg = answer.header.msg_id;
        let (mut said, mut cmd_id) = (status(msg, "0", "SyncHdr", 212, 1), 1);
        let mut say = |text: String| said += &text;
        let mut next = || {
            cmd_id += 1;
            cmd_id
        };
        let results = |of: &str, uri: &str, data: &str, cmd_id: u32| {
            format!(
                "<Results><CmdID>{cmd_id}</CmdID><MsgRef>{msg}</MsgRef><CmdRef>{of}</CmdRef>\
                 <Item><Source><LocURI>{uri}</LocURI></Source><Data>{data}</Data></Item></Results>"
            )
        };
        for command in &answer.commands {
            let id = |command: &Command| command.cmd_id().unwrap().as_str().to_owned();
            match command {
                Command::Get(_) => {
                    say(status(msg, &id(command), "Get", 200, next()));
                    let names = results(&id(command), "./DMAcc/1/AppAuth", "1/2", next());
                    say(names);
                }
                Command::Sequence(group) | Command::Atomic(group) => {
                    say(status(msg, &id(command), command.name(), 200, next()));
                    for member in &group.members {
                        let of = id(member);
                        say(status(msg, &of, member.name(), 200, next()));
                        let (Command::Get(node) | Command::Replace(node)) = member else {
                            panic!("{member:?}");
                        };
                        let uri = &node.items[0].target.as_ref().unwrap().uri;
                        if let Some(data) = &node.items[0].data {
                            let is_own = uri.contains("AppAuth/1/");
                            secret =
                                secret.or_else(|| is_own.then(|| data.text().unwrap().to_owned()));
                            continue;
                        }
                        let of_client = uri.contains("AppAuth/1/");
                        let level = if of_client { "CLCRED" } else { "SRVCRED" };
                        say(results(&of, uri, level, next()));
                    }
                }
                _ => {}
            }
        }
        if cmd_id == 1 {
            break;
        }
        answer = client.exchange(rig, &said).await;
    }
    (code, secret)
}

/// A client with this password, in sessions of its own.
fn with(added: &Dm1AccountAdded, password: &str, session: u32) -> Client {
    let mut client = Client::new(added, Encoding::Wbxml);
    client.hash = UserHash::new(&client.user, &Secret::from(password.to_owned()));
    client.session = session;
    client
}

/// A device whose secrets were replaced since its bootstrap, with what it proves itself with.
async fn replaced(rig: &Rig) -> (Dm1AccountAdded, Client) {
    let added = account(rig).await;
    let mut device = with(&added, &added.client_secret, 0xA0);
    assert_eq!(session(rig, &mut device, &event('a', "first")).await.0, 212);
    rig.api.rotate_dm1(DEVICE).await.unwrap();
    let (code, secret) = session(rig, &mut device, PACKAGE1).await;
    assert_eq!(code, 212);
    let mut device = with(&added, &secret.expect("a new secret"), 0xB0);
    assert_eq!(session(rig, &mut device, PACKAGE1).await.0, 212);
    assert_eq!(stand(rig).await, ["boot", "current"]);
    (added, device)
}

async fn shown(rig: &Rig) -> Dm1AccountBody {
    rig.api.dm1(DEVICE).await.unwrap()
}

async fn stand(rig: &Rig) -> Vec<String> {
    let each = shown(rig).await.client;
    let mut each: Vec<_> = each.into_iter().map(|one| one.generation).collect();
    each.sort();
    each
}

/// How often what waits was told, accepted and rejected.
async fn told(rig: &Rig) -> [usize; 3] {
    let events = rig.events().await;
    let count = |of: fn(&EventKind) -> bool| {
        let kinds = events.iter().map(|event| &event.event.kind);
        kinds.filter(|kind| of(kind)).count()
    };
    [
        count(|kind| matches!(kind, EventKind::CredentialHeld { .. })),
        count(|kind| matches!(kind, EventKind::CredentialAccepted { scope, .. } if scope == "dm1")),
        count(|kind| matches!(kind, EventKind::CredentialRejected { scope, .. } if scope == "dm1")),
    ]
}

/// Status, detail and advice of a refused acceptance.
async fn not_accepted(rig: &Rig) -> (u16, String) {
    match rig.api.accept_boot(DEVICE).await {
        Err(ApiError::Refused(problem)) => {
            let action = problem.action.unwrap_or_default();
            (problem.status, format!("{}: {action}", problem.detail))
        }
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn a_device_that_came_back_without_an_event_waits_until_an_operator_accepts_or_rejects_it() {
    let rig = Rig::new().await;
    let (added, mut device) = replaced(&rig).await;
    let mut reset = with(&added, &added.client_secret, 0xC0);
    for _ in 0..2 {
        assert_eq!(open(&rig, &mut reset, PACKAGE1).await.0, 401);
    }
    assert_eq!(told(&rig).await, [1, 0, 0], "it is told once");
    let held = shown(&rig).await.held.expect("it waits");
    assert_eq!(held.cause, "without-event");
    assert!(held.action.contains("omadm device accept"), "{held:?}");

    let rejected = rig.api.reject_dm1(DEVICE).await.unwrap();
    assert!(rejected.held.is_none());
    rig.api.reject_dm1(DEVICE).await.unwrap();
    assert_eq!(told(&rig).await, [1, 0, 1], "there was nothing more");
    assert_eq!(open(&rig, &mut reset, PACKAGE1).await.0, 401);
    assert_eq!(told(&rig).await, [2, 0, 1], "it came again");

    let accepted = rig.api.accept_boot(DEVICE).await.unwrap();
    assert_eq!((accepted.accepted, &*accepted.dm1.unwrap()), (0, "boot"));
    let account = shown(&rig).await;
    assert!(account.accepted && account.held.is_none());
    // Make before break: what is in use counts until the other was proven.
    assert_eq!(session(&rig, &mut device, PACKAGE1).await.0, 212);
    rig.api.reject_dm1(DEVICE).await.unwrap();
    assert_eq!(open(&rig, &mut reset, PACKAGE1).await.0, 401, "taken back");
    rig.api.accept_boot(DEVICE).await.unwrap();
    let (code, secret) = session(&rig, &mut reset, PACKAGE1).await;
    assert_eq!(code, 212);
    let mut reset = with(&added, &secret.expect("it is replaced again"), 0xD0);
    assert_eq!(session(&rig, &mut reset, PACKAGE1).await.0, 212);
    assert!(!shown(&rig).await.accepted, "once");
    assert_eq!(open(&rig, &mut device, PACKAGE1).await.0, 401);
    let mut again = with(&added, &added.client_secret, 0xE0);
    assert_eq!(open(&rig, &mut again, PACKAGE1).await.0, 401);
    assert_eq!(shown(&rig).await.held.unwrap().cause, "without-event");
}

#[tokio::test]
async fn of_two_holders_an_operator_lets_the_second_in_and_the_first_is_out_for_good() {
    let rig = Rig::new().await;
    let (added, mut device) = replaced(&rig).await;
    let mut thief = with(&added, &added.client_secret, 0xC0);
    let (code, opened) = open(&rig, &mut thief, &event('b', "reset")).await;
    assert_eq!(code, 212, "a reset device comes back by itself");
    assert_eq!(open(&rig, &mut device, PACKAGE1).await.0, 401);
    assert_eq!(shown(&rig).await.held.unwrap().cause, "two-holders");

    let accepted = rig.api.accept_boot(DEVICE).await.unwrap();
    assert_eq!(accepted.dm1.as_deref(), Some("former"));
    // Nor does its session go on.
    let done = status(opened.header.msg_id, "0", "SyncHdr", 212, 1);
    assert_eq!(codes(&thief.exchange(&rig, &done).await)[0], 401);
    assert_eq!(session(&rig, &mut device, PACKAGE1).await.0, 212);
    for kind in ["reset", "re"] {
        assert_eq!(open(&rig, &mut thief, &event('c', kind)).await.0, 401);
    }
    let held = shown(&rig).await.held.unwrap();
    assert_eq!(held.cause, "revoked");
    let (status, detail) = not_accepted(&rig).await;
    assert!(
        status == 409 && detail.contains("new bootstrap"),
        "{detail}"
    );
    assert_eq!(session(&rig, &mut device, PACKAGE1).await.0, 212);
    assert_eq!(told(&rig).await, [2, 1, 0]);
}

#[tokio::test]
async fn two_holders_wait_no_longer_once_the_first_has_its_new_secret() {
    let rig = Rig::new().await;
    let (added, mut device) = replaced(&rig).await;
    let mut reset = with(&added, &added.client_secret, 0xC0);
    let (code, secret) = session(&rig, &mut reset, &event('b', "reset")).await;
    assert_eq!(code, 212);
    assert_eq!(open(&rig, &mut device, PACKAGE1).await.0, 401);
    assert_eq!(shown(&rig).await.held.unwrap().cause, "two-holders");
    let mut reset = with(&added, &secret.unwrap(), 0xD0);
    assert_eq!(session(&rig, &mut reset, PACKAGE1).await.0, 212);
    assert!(shown(&rig).await.held.is_none());
}

#[tokio::test]
async fn an_account_that_another_device_proved_stays_its_own_and_the_operator_is_told_what_to_do() {
    let rig = Rig::new().await;
    let added = account(&rig).await;
    let (status, detail) = not_accepted(&rig).await;
    assert!(
        status == 409 && detail.contains("no replaced secret"),
        "{detail}"
    );
    let other = "IMEI:493005100592899";
    let mut swapped = with(&added, &added.client_secret, 0xC0);
    other.clone_into(&mut swapped.dev_id);
    assert_eq!(open(&rig, &mut swapped, PACKAGE1).await.0, 401);
    let held = shown(&rig).await.held.unwrap();
    assert_eq!(held.cause, "other-device");
    assert_eq!(held.claimed.as_deref(), Some(other));
    let (status, detail) = not_accepted(&rig).await;
    assert!(status == 409 && detail.contains(other), "{detail}");
    assert!(detail.contains("register it"), "{detail}");
    let mut device = with(&added, &added.client_secret, 0xD0);
    assert_eq!(session(&rig, &mut device, PACKAGE1).await.0, 212);
    assert!(shown(&rig).await.held.is_some(), "it is for the operator");
    assert!(rig.api.reject_dm1(DEVICE).await.unwrap().held.is_none());
}
