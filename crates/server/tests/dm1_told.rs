//! What is told of the commands that the server sends by itself in sessions of DM 1.x: it asks where the credentials lie, and replaces secrets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use omadm_dm1::syncml::{Command, Encoding, Message};
use serde_json::{Value, json};
use support::dm1::{Client, PACKAGE1, account, commands, status};
use support::{Rig, soon};

/// The place of the device's credentials.
const APP_AUTH: &str = "./DMAcc/1/AppAuth";
/// A bootstrap event, by which the server learns where the account lies.
const EVENT: &str = "<Alert><CmdID>3</CmdID><Data>1226</Data><Item><Source><LocURI>./DMAcc/1</LocURI></Source><Meta>\
    <Type xmlns='syncml:metinf'>org.example.dm.bootstrap</Type><Format xmlns='syncml:metinf'>chr</Format></Meta>\
    <Data>v=1&amp;id=0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c0c&amp;seq=1&amp;method=factory&amp;profile=cp&amp;kind=first&amp;sha=0011223344556677</Data></Item></Alert>";

/// A device with an account whose secrets are to be replaced.
async fn rotating(encoding: Encoding) -> (Rig, Client) {
    let rig = Rig::one_node(|_| {}, |server| server).await;
    let added = account(&rig).await;
    rig.api.rotate_dm1(support::DEVICE).await.unwrap();
    (rig, Client::new(&added, encoding))
}

/// Opens a session on a challenge; the answer holds the server's question.
async fn open(client: &mut Client, rig: &Rig) -> Message {
    client.begin();
    client.nonce = None;
    let package = format!("{PACKAGE1}{EVENT}");
    client.exchange(rig, &package).await;
    client.exchange(rig, &package).await
}

/// The events of this name, without their durations, which are numbers.
async fn told(rig: &Rig, name: &str) -> Vec<Value> {
    let events = rig.events().await;
    let kinds = events.iter();
    let kinds = kinds.map(|stored| serde_json::to_value(&stored.event.kind).unwrap());
    let of_name = kinds.filter(|kind| kind["event"] == name);
    let told = of_name.map(|mut kind| {
        if name != "command-sent" {
            assert!(kind["duration_ms"].take().is_u64(), "{kind}");
        }
        kind
    });
    told.collect()
}

/// The id of the session that runs.
async fn session(rig: &Rig) -> Value {
    let events = rig.events().await;
    let mut kinds = events.iter().rev();
    let started = kinds.find_map(|stored| {
        let kind = serde_json::to_value(&stored.event.kind).unwrap();
        (kind["event"] == "session-started").then(|| kind["session"].clone())
    });
    started.unwrap()
}

/// Every text of the answer's Replaces.
fn replaced(message: &Message) -> Vec<String> {
    let atomic = message.commands.iter().find_map(|command| match command {
        Command::Atomic(group) => Some(&group.members),
        _ => None,
    });
    let texts = atomic.unwrap().iter().map(|member| match member {
        Command::Replace(node) => node.items[0].data.as_ref().unwrap().text().unwrap(),
        other => panic!("{other:?}"),
    });
    texts.map(str::to_owned).collect()
}

#[tokio::test]
async fn the_servers_own_commands_are_told_with_session_place_status_and_duration_and_no_secret() {
    for encoding in [Encoding::Xml, Encoding::Wbxml] {
        let (rig, mut client) = rotating(encoding).await;
        let asked = open(&mut client, &rig).await;
        let session = session(&rig).await;
        let [("Get", get)] = commands(&asked)[..] else {
            panic!("{asked:?}");
        };
        let nodes = [
            status(2, "0", "SyncHdr", 212, 1),
            status(2, get, "Get", 200, 2),
            results(2, get, 3, APP_AUTH, "7/8"),
        ];
        let asked = client.exchange(&rig, &nodes.concat()).await;
        let [("Sequence", sequence)] = commands(&asked)[..] else {
            panic!("{asked:?}");
        };
        let first: u32 = sequence.parse().unwrap();
        let member = |nr: u32| (first + nr).to_string();
        let levels = [
            status(3, "0", "SyncHdr", 200, 1),
            status(3, sequence, "Sequence", 200, 2),
            status(3, &member(1), "Get", 200, 3),
            status(3, &member(2), "Get", 200, 4),
            results(
                3,
                &member(1),
                5,
                &format!("{APP_AUTH}/7/AAuthLevel"),
                "CLCRED",
            ),
            results(
                3,
                &member(2),
                6,
                &format!("{APP_AUTH}/8/AAuthLevel"),
                "SRVCRED",
            ),
        ];
        let brought = client.exchange(&rig, &levels.concat()).await;
        let [("Atomic", atomic)] = commands(&brought)[..] else {
            panic!("{brought:?}");
        };
        let refused = [
            status(4, "0", "SyncHdr", 200, 1),
            status(4, atomic, "Atomic", 507, 2),
        ];
        client.exchange(&rig, &refused.concat()).await;

        let sent = |command: &str| json!({"event": "command-sent", "command": command, "uri": APP_AUTH, "session": session, "sends": 1});
        assert_eq!(
            told(&rig, "command-sent").await,
            [sent("Get"), sent("Sequence"), sent("Atomic")]
        );
        let answered = |command: &str, status: u16| json!({"event": "command-answered", "command": command, "uri": APP_AUTH, "session": session, "status": status, "duration_ms": null});
        assert_eq!(
            told(&rig, "command-answered").await,
            [
                answered("Get", 200),
                answered("Sequence", 200),
                answered("Atomic", 507)
            ]
        );
        let story = format!("{:?}", rig.events().await);
        for secret in replaced(&brought) {
            assert!(!story.contains(&secret), "a secret stands in an event");
        }
    }
}

#[tokio::test]
async fn an_own_command_that_is_never_answered_is_told_with_the_end_of_its_session() {
    for end in ["superseded", "swept", "found over", "aborted"] {
        let (rig, mut client) = rotating(Encoding::Xml).await;
        open(&mut client, &rig).await;
        let session = session(&rig).await;
        match end {
            "superseded" => {}
            "aborted" => {
                let abort = "<Alert><CmdID>2</CmdID><Data>1223</Data></Alert>";
                let said = status(2, "0", "SyncHdr", 212, 1) + abort;
                client.exchange(&rig, &said).await;
            }
            _ => rig.jump(61 * 60),
        }
        if end == "swept" {
            soon(async {
                while told(&rig, "command-unanswered").await.is_empty() {
                    tokio::time::sleep(std::time::Duration::from_millis(50)).await;
                }
            })
            .await;
        }
        open(&mut client, &rig).await;
        let unanswered = json!({"event": "command-unanswered", "command": "Get", "uri": APP_AUTH, "session": session, "duration_ms": null});
        assert_eq!(
            told(&rig, "command-unanswered").await,
            [unanswered],
            "{end}"
        );
        let ended = rig.events().await.into_iter().filter(|stored| {
            let kind = serde_json::to_value(&stored.event.kind).unwrap();
            let name = kind["event"].as_str().unwrap();
            ["session-superseded", "session-aborted"].contains(&name) && kind["session"] == session
        });
        assert_eq!(ended.count(), 1, "{end}");
    }
}

/// What a `Get` of the server's brought.
fn results(msg_ref: u32, cmd_ref: &str, cmd_id: u32, uri: &str, data: &str) -> String {
    format!(
        "<Results><CmdID>{cmd_id}</CmdID><MsgRef>{msg_ref}</MsgRef><CmdRef>{cmd_ref}</CmdRef><Item><Source><LocURI>{uri}</LocURI></Source>\
         <Data>{data}</Data></Item></Results>"
    )
}
