//! A device with accounts of both generations: sessions of DM 2.0 and of DM 1.x run beside each other, and neither takes a command from the other.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::path::Path;

use omadm_dm1::syncml::Encoding;
use omadm_dm2::package0::ReceivedPackage0;
use omadm_push::wsp::{ApplicationId, Push};
use omadm_server::operator::client::ApiError;
use omadm_server::operator::types::{
    CommandBody, NewBootstrap, NewCommands, NewNotification, NotifyAt,
};
use serde_json::json;
use support::dm1::{
    Client, NAME, PACKAGE1 as PACKAGE1_OF_DM1, SW_V, added, commands, status, words,
};
use support::{
    CLIENT_INITIATED, DEV_INFO, DEVICE, PACKAGE1, PACKAGE3, Rig, Wire, completion, soon,
};
use tokio::net::UdpSocket;

const RESET: &str = "urn:oma:mo:oma-dm-dmacc:1.0/1/ToConRef/1/ConRef";
const DONE: &str = r#"{"Status":[{"sc":200}]}"#;

async fn queue(rig: &Rig, command: &[&str]) -> CommandBody {
    let queued = rig.api.queue_commands(DEVICE, vec![words(command)]).await;
    queued.unwrap().commands.remove(0)
}

/// State, number of sends and status.
async fn stand(rig: &Rig, command: &CommandBody) -> (String, u32, Option<u16>) {
    let found = rig.api.command(DEVICE, &command.id).await.unwrap();
    (found.state, found.sends, found.status)
}

fn is(state: &str, sends: u32, status: Option<u16>) -> (String, u32, Option<u16>) {
    (state.to_owned(), sends, status)
}

/// A server, a device's connection for DM 2.0, and its client of DM 1.x.
async fn both() -> (Rig, Wire, Client) {
    let rig = Rig::one_node(|_| {}, |server| server).await;
    let identity = rig.device(DEVICE).await;
    let added = added(&rig).await;
    let wire = rig.connect(Some(&identity)).await;
    (rig, wire, Client::new(&added, Encoding::Xml))
}

/// The names of commands that a session of DM 1.x opens with.
async fn open(client: &mut Client, rig: &Rig) -> Vec<(String, String)> {
    client.begin();
    client.exchange(rig, PACKAGE1_OF_DM1).await;
    let opened = client.exchange(rig, PACKAGE1_OF_DM1).await;
    let sent = commands(&opened).into_iter();
    sent.map(|(name, id)| (name.to_owned(), id.to_owned()))
        .collect()
}

/// Answers the only command of a session of DM 1.x.
async fn answer(client: &mut Client, rig: &Rig, (name, id): &(String, String), code: u16) {
    let done = [
        status(2, "0", "SyncHdr", 212, 1),
        status(2, id, name, code, 2),
    ];
    client.exchange(rig, &done.concat()).await;
}

async fn begin(wire: &mut Wire, number: usize) -> serde_json::Value {
    let package = format!("{CLIENT_INITIATED}{}", " ".repeat(number));
    wire.package(DEVICE, PACKAGE1, package).await.json()
}

#[tokio::test]
async fn sessions_of_both_generations_overlap_and_neither_takes_a_command_from_the_other() {
    let (rig, mut wire, mut client) = both().await;
    let first = queue(&rig, &["execute", RESET]).await;
    let sent = begin(&mut wire, 0).await;
    assert_eq!(sent["CMD"][0][0], "EXEC");
    let second = queue(&rig, &["read", SW_V]).await;
    let opened = open(&mut client, &rig).await;
    assert_eq!(opened.len(), 1, "{opened:?}");
    assert_eq!(opened[0].0, "Get");
    assert_eq!(stand(&rig, &first).await, is("sent", 1, None));

    // Each goes on where it was, and what comes meanwhile goes to whoever asks first.
    let third = queue(&rig, &["execute", RESET]).await;
    let more = wire.package(DEVICE, PACKAGE3, DONE).await.json();
    assert_eq!(more["CMD"][0][0], "EXEC");
    assert_eq!(more["CMD"].as_array().unwrap().len(), 1);
    assert_eq!(stand(&rig, &first).await, is("answered", 1, Some(200)));
    answer(&mut client, &rig, &opened[0], 404).await;
    assert_eq!(stand(&rig, &second).await, is("answered", 1, Some(404)));
    let ended = wire.package(DEVICE, PACKAGE3, DONE).await.json();
    assert_eq!(ended, json!({"CMD": [["END"]]}));
    assert_eq!(stand(&rig, &third).await, is("answered", 1, Some(200)));

    // The other way round.
    let fourth = queue(&rig, &["execute", RESET]).await;
    let opened = open(&mut client, &rig).await;
    assert_eq!(opened[0].0, "Exec");
    let alone = begin(&mut wire, 1).await;
    assert_eq!(alone, json!({"CMD": [["END"]]}));
    assert_eq!(stand(&rig, &fourth).await, is("sent", 1, None));
    answer(&mut client, &rig, &opened[0], 200).await;
    assert_eq!(stand(&rig, &fourth).await, is("answered", 1, Some(200)));
    let events = rig.api.device(DEVICE).await.unwrap().events;
    for event in events {
        let name = event.what["event"].as_str().unwrap().to_owned();
        let lost = ["session-aborted", "session-superseded", "command-held"];
        assert!(!lost.contains(&name.as_str()), "{name}");
    }
}

#[tokio::test]
async fn the_end_of_one_generations_session_loses_only_what_that_session_sent() {
    let (rig, mut wire, mut client) = both().await;
    let of_dm2 = queue(&rig, &["execute", RESET]).await;
    begin(&mut wire, 0).await;
    let of_dm1 = queue(&rig, &["execute", RESET]).await;
    let opened = open(&mut client, &rig).await;
    rig.jump(16 * 60);
    let end = tokio::time::Instant::now() + std::time::Duration::from_secs(30);
    while stand(&rig, &of_dm2).await.0 != "held" {
        assert!(tokio::time::Instant::now() < end, "the session is not over");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
    assert_eq!(stand(&rig, &of_dm1).await, is("sent", 1, None));
    let rig = rig.restarted().await;
    answer(&mut client, &rig, &opened[0], 200).await;
    assert_eq!(stand(&rig, &of_dm1).await, is("answered", 1, Some(200)));

    // An hour for those of DM 1.x.
    let of_dm1 = queue(&rig, &["execute", RESET]).await;
    open(&mut client, &rig).await;
    rig.jump(61 * 60);
    let end = tokio::time::Instant::now() + std::time::Duration::from_secs(30);
    while stand(&rig, &of_dm1).await.0 != "held" {
        assert!(tokio::time::Instant::now() < end, "the session is not over");
        tokio::time::sleep(std::time::Duration::from_millis(50)).await;
    }
}

#[tokio::test]
async fn get_and_set_go_with_the_session_that_comes_first_whatever_its_generation() {
    for (command, in_dm2, in_dm1) in [
        (&["read", NAME][..], "GET", "Get"),
        (&["replace", NAME, "chr", "north"], "HGET", "Replace"),
    ] {
        let (rig, mut wire, mut client) = both().await;
        let first = queue(&rig, command).await;
        let sent = begin(&mut wire, 0).await;
        assert_eq!(sent["CMD"][0][0], in_dm2);
        wire.package(DEVICE, PACKAGE3, DONE).await;
        assert_eq!(stand(&rig, &first).await, is("answered", 1, Some(200)));
        let second = queue(&rig, command).await;
        let opened = open(&mut client, &rig).await;
        assert_eq!(opened.len(), 1, "what DM 2.0 answered does not go again");
        assert_eq!(opened[0].0, in_dm1);
        answer(&mut client, &rig, &opened[0], 200).await;
        assert_eq!(stand(&rig, &second).await, is("answered", 1, Some(200)));
    }
}

/// A device of both generations: its account of DM 2.0 came by a bootstrap from this profile; and the socket at which it is called.
async fn called(profile: &str) -> (Rig, UdpSocket, NewNotification) {
    let profiles = |config: &mut omadm_server::config::ServerConfig| {
        config.profiles_dir = Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../profiles"));
    };
    let rig = Rig::one_node(profiles, |server| server).await;
    let identity = rig.device(DEVICE).await;
    added(&rig).await;
    let new = NewBootstrap {
        device: DEVICE.to_owned(),
        profile: Some(profile.to_owned()),
        ..NewBootstrap::default()
    };
    rig.api.start_bootstrap(&new).await.unwrap();
    let mut wire = rig.connect(Some(&identity)).await;
    let document = wire.fetch(DEVICE).await;
    let done = completion("5f0c1d2e3a4b5c6d7e8f901122334455", &document.body);
    assert_eq!(wire.package(DEVICE, PACKAGE1, done).await.status, 200);
    wire.package(DEVICE, PACKAGE3, DEV_INFO).await;
    let ear = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let new = NewNotification {
        to: Some(format!("udp://{}", ear.local_addr().unwrap())),
        ..NewNotification::default()
    };
    (rig, ear, new)
}

/// The generation of the next Notification that arrives.
async fn heard(ear: &UdpSocket) -> &'static str {
    let mut octets = [0; 1024];
    let length = soon(ear.recv(&mut octets)).await.unwrap();
    let octets = &octets[..length];
    match Push::decode(octets) {
        Ok(push) if push.application_id == Some(ApplicationId::SYNCML_DM) => "1.x",
        _ => {
            ReceivedPackage0::decode(octets).unwrap();
            "2.0"
        }
    }
}

#[tokio::test]
async fn a_device_of_both_is_called_in_the_generation_that_is_asked_for_or_that_can_prove_it() {
    let wanted = |change: fn(&mut NewNotification)| change;
    let rows = [
        (wanted(|_| {}), "2.0", "1.x"),
        (
            wanted(|new| new.generation = Some("1.x".into())),
            "1.x",
            "1.x",
        ),
        (
            wanted(|new| new.ui_mode = Some("informative".into())),
            "1.x",
            "1.x",
        ),
        (wanted(|new| new.unauthenticated = true), "2.0", "2.0"),
        (
            wanted(|new| new.generation = Some("2.0".into())),
            "2.0",
            "no Auth/Noti",
        ),
        (wanted(|new| new.req_mos = true), "2.0", "no Auth/Noti"),
    ];
    for (profile, of_profile) in [("full", 0), ("minimal", 1)] {
        let (rig, ear, new) = called(profile).await;
        for (nr, (change, with_noti, without)) in rows.iter().enumerate() {
            let due = [*with_noti, *without][of_profile];
            let mut new = new.clone();
            change(&mut new);
            match rig.api.notify(DEVICE, &new).await {
                Ok(sent) => {
                    assert_eq!(sent.generation, due, "{profile} {nr}");
                    assert_eq!(heard(&ear).await, due, "{profile} {nr}");
                }
                Err(ApiError::Refused(problem)) => {
                    assert!(problem.detail.contains(due), "{profile} {nr}: {problem:?}");
                }
                Err(other) => panic!("{other:?}"),
            }
        }
    }
}

#[tokio::test]
async fn a_queued_command_calls_a_device_of_both_in_the_generation_that_takes_it() {
    let (rig, ear, new) = called("full").await;
    let at = NotifyAt {
        addresses: Some(vec![new.to.unwrap()]),
        ..NotifyAt::default()
    };
    rig.api.set_notify(DEVICE, &at).await.unwrap();
    let raw = "<Get><Item><Target><LocURI>./DevInfo</LocURI></Target></Item></Get>";
    for (command, generation) in [
        (&["raw", raw][..], "1.x"),
        (&["GET", "urn:oma:mo:oma-dm-devinfo:1.2//"], "2.0"),
        (&["read", NAME], "2.0"),
    ] {
        let new = NewCommands {
            command: Some(words(command)),
            ..NewCommands::default()
        };
        let call = rig.api.queue(DEVICE, &new).await.unwrap().call.unwrap();
        assert_eq!(call.generation.as_deref(), Some(generation), "{call:?}");
        assert_eq!(heard(&ear).await, generation);
        // Another call within five seconds would be none.
        rig.jump(6);
    }
}
