//! A device with accounts of both generations: sessions of DM 2.0 and of DM 1.x run beside each other, and neither takes a command from the other.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use omadm_dm1::syncml::Encoding;
use omadm_server::operator::types::CommandBody;
use serde_json::json;
use support::dm1::{Client, PACKAGE1 as PACKAGE1_OF_DM1, SW_V, added, commands, status, words};
use support::{CLIENT_INITIATED, DEVICE, PACKAGE1, PACKAGE3, Rig, Wire};

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
