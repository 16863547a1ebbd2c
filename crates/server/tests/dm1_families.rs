//! The server in composed dialogues of device families (`crates/dm1/tests/data/dialogues`), in XML and in WBXML that libwbxml made; libwbxml and tshark read
//! all that was said.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "../../dm1/tests/judges/mod.rs"]
mod judges;
mod support;

use http::Method;
use judges::dialogue::{Dialogue, FEATURE_PHONE, Facts, HOTSPOT, WINDOWS, cred, heard};
use judges::judge;
use omadm_dm1::credential::{Nonce, UserHash};
use omadm_dm1::syncml::{Command, Encoding, Message};
use omadm_mo::Secret;
use omadm_server::operator::types::{CommandBody, NewDm1Account};
use support::dm1::{NAME, SW_V, codes, commands, words};
use support::{DEVICE, Rig};

/// Where a family sends its further messages.
#[derive(Clone, Copy, PartialEq)]
enum Way {
    /// To `RespURI`.
    RespUri,
    /// Over the connection it has.
    Connection,
    /// Over a further connection.
    Reconnects,
}

/// A family: its model's name, its dialogue, how it numbers sessions, where it goes.
struct Family {
    model: &'static str,
    dialogue: &'static str,
    session: &'static str,
    /// Whether it uses the nonce of its bootstrap; else it is challenged first.
    has_nonce: bool,
    way: Way,
}

/// What the server answered, and what became of the commands.
struct Told {
    answers: Vec<Message>,
    commands: Vec<CommandBody>,
    rig: Rig,
}

impl Family {
    async fn tells(&self, encoding: Encoding, wanted: &[&[&str]]) -> Told {
        let rig = Rig::one_node(|_| {}, |server| server).await;
        rig.device(DEVICE).await;
        let new = NewDm1Account {
            model: Some(self.model.to_owned()),
            ..NewDm1Account::default()
        };
        let added = rig.api.add_dm1(DEVICE, &new).await.unwrap();
        let wanted = wanted.iter().map(|command| words(command)).collect();
        let queued = rig.api.queue_commands(DEVICE, wanted).await.unwrap();
        let user = &added.account.user;
        let hash = UserHash::new(user, &Secret::from(added.client_secret.clone()));
        let mut nonce = self
            .has_nonce
            .then(|| Nonce::of_base64(&added.client_nonce).unwrap());
        let (mut said, mut answers) = (Vec::new(), Vec::<Message>::new());
        let mut wire = rig.connect(None).await;
        let mut path = "/dm/1.x?mode=Maintenance".to_owned();
        for (n, message) in (1_u32..).zip(Dialogue::read(self.dialogue).client) {
            let mut facts = Facts::default()
                .with("device", DEVICE)
                .with("user", user)
                .with("session", self.session)
                .with("url", &added.address)
                .with("n", n.to_string());
            if let Some(last) = answers.last() {
                facts = facts
                    .with("of", last.header.msg_id.to_string())
                    .commands_of(last);
            }
            if let Some(nonce) = &nonce {
                facts = facts.with("cred", cred(&hash.md5(nonce)));
            }
            let body = facts.said(&message, encoding);
            if self.way == Way::Reconnects {
                wire = rig.connect(None).await;
            }
            let headers = [("Content-Type", encoding.media_type())];
            let answer = wire.send(Method::POST, &path, &headers, body.clone()).await;
            assert_eq!(answer.status, 200);
            // §9, hazard 18: never chunked, to whomever.
            let length = answer.body.len().to_string();
            assert_eq!(answer.header("content-length"), length);
            assert_eq!(answer.header("transfer-encoding"), "");
            said.extend([body, answer.body.to_vec()]);
            let answer = heard(&answer.body, encoding);
            if let (Way::RespUri, Some(uri)) = (self.way, &answer.header.resp_uri) {
                uri[uri.find("/dm/1.x").unwrap()..].clone_into(&mut path);
            }
            let given = answer.statuses().find_map(|status| {
                let given = status.chal.as_ref()?.meta.next_nonce.as_ref()?;
                Some(Nonce::of_base64(given).unwrap())
            });
            nonce = given.or(nonce);
            answers.push(answer);
        }
        assert!(commands(answers.last().unwrap()).is_empty(), "it is over");
        judge(&said);
        let mut ended = Vec::new();
        for one in queued.commands {
            ended.push(rig.api.command(DEVICE, &one.id).await.unwrap());
        }
        Told {
            answers,
            commands: ended,
            rig,
        }
    }
}

impl Told {
    fn statuses(&self) -> Vec<Option<u16>> {
        self.commands.iter().map(|command| command.status).collect()
    }

    /// What the event log holds of the session.
    async fn events(&self) -> String {
        let detail = self.rig.api.device(DEVICE).await.unwrap();
        serde_json::to_string(&detail).unwrap()
    }
}

const BOTH: [Encoding; 2] = [Encoding::Xml, Encoding::Wbxml];

#[tokio::test]
async fn windows_is_challenged_keeps_its_connection_and_is_asked_where_it_has_its_account() {
    let family = Family {
        model: "Windows",
        dialogue: WINDOWS,
        session: "165",
        has_nonce: false,
        way: Way::Connection,
    };
    for encoding in BOTH {
        let wanted: [&[&str]; 2] = [&["read", SW_V], &["replace", NAME, "chr", "x"]];
        let told = family.tells(encoding, &wanted).await;
        let all: Vec<_> = told.answers.iter().map(codes).collect();
        assert_eq!(all, [vec![407; 4], vec![212, 200, 200, 200], vec![200]]);
        let Some(Command::Replace(replace)) = told.answers[1].commands.last() else {
            panic!("{:?}", told.answers[1].commands);
        };
        let target = replace.items[0].target.as_ref().unwrap();
        assert_eq!(target.uri, "./SyncML/DMAcc/1/Name");
        assert_eq!(told.statuses(), [Some(200), Some(200)]);
        let result = told.commands[0].result.as_ref().unwrap();
        assert_eq!(result[0]["Data"], "10.0.26200.1");
        assert!(told.events().await.contains("LoginStatus"));
    }
}

#[tokio::test]
async fn a_feature_phone_gets_a_sequence_for_an_atomic_and_answers_it_behind_its_members() {
    let family = Family {
        model: "Feature phone",
        dialogue: FEATURE_PHONE,
        session: "2A",
        has_nonce: true,
        way: Way::RespUri,
    };
    let member = |uri: &str| {
        format!(
            "<Replace><CmdID>8</CmdID><Item><Target><LocURI>{uri}</LocURI></Target><Data>5</Data></Item></Replace>"
        )
    };
    let atomic = format!(
        "<Atomic><CmdID>9</CmdID>{}{}</Atomic>",
        member("./Setting/A"),
        member("./Setting/B")
    );
    for encoding in BOTH {
        let wanted: [&[&str]; 3] = [
            &["read", SW_V],
            &["raw", &atomic],
            &["replace", NAME, "chr", "x"],
        ];
        let told = family.tells(encoding, &wanted).await;
        assert_eq!(codes(&told.answers[0]), [212, 200, 200]);
        let names: Vec<_> = commands(&told.answers[0])
            .into_iter()
            .map(|(name, _)| name.to_owned())
            .collect();
        assert_eq!(names, ["Get", "Sequence", "Replace"]);
        assert_eq!(codes(&told.answers[1]), [200, 200], "its event is taken");
        assert_eq!(told.statuses(), [Some(200), Some(200), Some(450)]);
        let failed = &told.commands[2].state;
        assert_eq!(failed, "answered");
        let update = "org.openmobilealliance.dm.firmwareupdate.downloadandupdate";
        assert!(told.events().await.contains(update));
    }
}

#[tokio::test]
async fn a_hotspot_station_names_its_operation_and_proves_each_message_on_its_own_connection() {
    let family = Family {
        model: "Hotspot 2.0",
        dialogue: HOTSPOT,
        session: "1",
        has_nonce: true,
        way: Way::Reconnects,
    };
    for encoding in BOTH {
        let told = family.tells(encoding, &[&["read", SW_V]]).await;
        let all: Vec<_> = told.answers.iter().map(codes).collect();
        assert_eq!(all, [vec![200, 200, 200, 200], vec![200]]);
        assert_eq!(told.statuses(), [Some(404)]);
        let events = told.events().await;
        assert!(events.contains("hotspot2dot0.SubscriptionRemediation"));
    }
}
