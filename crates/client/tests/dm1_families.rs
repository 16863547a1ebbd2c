//! The client with the servers of device families, in composed dialogues (`crates/dm1/tests/data/dialogues`): XML, and WBXML that libwbxml made; libwbxml and
//! tshark read all that was said.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

#[path = "../../dm1/tests/judges/mod.rs"]
mod judges;
mod support;

use std::sync::{Arc, Mutex};

use judges::dialogue::{Dialogue, FEATURE_PHONE, Facts, HOTSPOT, WINDOWS, cred, heard};
use judges::judge;
use omadm_dm1::credential::{Nonce, UserHash};
use omadm_dm1::syncml::{Encoding, Message};
use omadm_mo::Secret;
use omadm_mo::standard::Dm1Version;
use omadm_session::client::Outcome;
use support::dm1::{
    BOTH, CLIENT_SECRET, DEVICE, Dm1Server, SERVER_SECRET, handed_over, statuses, statuses_for,
    texts,
};
use support::managed::{Device, SRV, srv};
use support::peer::status;

/// What one end said, and where to.
#[derive(Default)]
struct Said {
    octets: Vec<Vec<u8>>,
    device: Vec<Message>,
    paths: Vec<String>,
    /// Nonces that the server gave, each with the message that follows.
    given: Vec<Nonce>,
}

/// A session of the client with this server.
async fn session(dialogue: &str, encoding: Encoding, version: Dm1Version) -> Said {
    let server = Dm1Server::start().await;
    let device = Device::fresh();
    let builder = device
        .builder(&server.peer)
        .dm1_encoding(encoding)
        .dm1_version(version);
    let client = builder.build().unwrap();
    server.bootstrap(&client).await;
    let mut own_nonce = server.nonce();
    let said = Arc::new(Mutex::new(Said::default()));
    let (log, url) = (Arc::clone(&said), server.peer.url("dm1"));
    let mut answers = (1_u32..).zip(Dialogue::read(dialogue).server);
    server.peer.does(move |asked| {
        let Some((n, answer)) = answers.next() else {
            return status(500).into();
        };
        let message = heard(&asked.body, encoding);
        own_nonce = handed_over(&message).unwrap_or_else(|| own_nonce.clone());
        let digest = UserHash::new(SRV, &Secret::from(SERVER_SECRET.to_owned())).md5(&own_nonce);
        let next = Nonce::new(format!("next nonce {n:013}").into_bytes()).unwrap();
        let body = Facts::default()
            .with("device", DEVICE)
            .with("url", &url)
            .with("session", &message.header.session_id)
            .with("n", n.to_string())
            .with("of", message.header.msg_id.to_string())
            .with("cred", cred(&digest))
            .with("nonce", next.base64())
            .with("statuses", statuses_for(&message))
            .with("refused", statuses_for(&message).replace(">200<", ">407<"))
            .said(&answer, encoding);
        let mut log = log.lock().unwrap();
        log.octets.extend([asked.body.clone(), body.clone()]);
        log.device.push(message);
        log.paths.push(asked.path.clone());
        log.given.push(next);
        status(200)
            .with("Content-Type", encoding.media_type())
            .body(body)
            .into()
    });
    let report = client.session(&srv()).await.unwrap();
    let said = std::mem::take(&mut *said.lock().unwrap());
    assert_eq!(report.outcome, Outcome::Ended, "{:?}", said.device);
    let expected = Dialogue::read(dialogue).server.len();
    assert_eq!(said.device.len(), expected, "{:?}", said.device);
    judge(&said.octets);
    assert!(said.is_proven(1), "the challenge is answered");
    said
}

impl Said {
    /// What the client thought of the server's header and commands, message by message: `CmdRef`, and code.
    fn codes(&self, of: usize) -> Vec<(String, u16)> {
        statuses(&self.device[of])
    }

    /// Whether a message proves itself by the nonce that the one before gave.
    fn is_proven(&self, of: usize) -> bool {
        let hash = UserHash::new(DEVICE, &Secret::from(CLIENT_SECRET.to_owned()));
        let cred = self.device[of].header.cred.as_ref();
        cred.is_some_and(|cred| hash.md5_matches(&self.given[of - 1], cred.data.text().unwrap()))
    }
}

fn coded(codes: &[(&str, u16)]) -> Vec<(String, u16)> {
    let coded = codes.iter().map(|(of, code)| ((*of).to_owned(), *code));
    coded.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_windows_reads_device_info_and_finds_none_of_its_nodes() {
    for encoding in BOTH {
        let said = session(WINDOWS, encoding, Dm1Version::V1_2).await;
        let codes = said.codes(2);
        let expected = [
            ("0", 212),
            ("11", 200),
            ("12", 404),
            ("13", 507),
            ("14", 500),
        ];
        assert_eq!(codes, coded(&expected));
        assert_eq!(texts(&said.device[2]), ["Acme"]);
        assert!(
            said.device[2].header.cred.is_none(),
            "212 is for the session"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_feature_phones_shows_a_text_sends_a_sequence_and_is_followed() {
    for encoding in BOTH {
        let said = session(FEATURE_PHONE, encoding, Dm1Version::V1_2).await;
        let codes = said.codes(2);
        let expected = [
            ("0", 212),
            ("11", 406),
            ("12", 200),
            ("13", 200),
            ("14", 200),
        ];
        assert_eq!(codes, coded(&expected));
        assert_eq!(texts(&said.device[2]), ["Acme"]);
        assert_eq!(said.paths, ["/dm1", "/dm1", "/dm1?s=1"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_of_hotspot_stations_has_each_message_proven_anew() {
    for encoding in BOTH {
        // A server of DM 1.2 has nothing against a device of DM 1.3.
        let said = session(HOTSPOT, encoding, Dm1Version::V1_3).await;
        assert_eq!(said.device[0].header.ver_proto, "DM/1.3");
        assert!(said.is_proven(2) && said.is_proven(3));
        for (message, text) in [(2, "Acme"), (3, "1.3")] {
            assert_eq!(said.codes(message)[1..], coded(&[("11", 200)]));
            assert_eq!(texts(&said.device[message]), [text]);
        }
    }
}
