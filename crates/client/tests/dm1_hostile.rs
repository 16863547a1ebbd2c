//! Bad input to the client of DM 1.x, from a server that proves itself and misbehaves: each has its answer, none has an effect, and the honest session
//! afterwards works. In XML and in WBXML.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::OnceLock;
use std::time::Duration;

use omadm_client::Client;
use omadm_dm1::syncml::Encoding;
use omadm_mo::ClientUri;
use omadm_session::client::Outcome;
use omadm_session::client::dm1::{Dm1Fault, Dm1Outcome};
use support::dm1::{
    BOTH, CLIENT_SECRET, Dm1Server, SERVER_NONCE, SERVER_SECRET, Said, alerts, get, replace, say,
    statuses,
};
use support::managed::{Device, GPS, srv};

/// What must not be written.
const EVIL: &str = "./DMAcc/1/AppAddr/1/Addr";
/// Where an external entity would be fetched.
static PORT: OnceLock<u16> = OnceLock::new();

struct Bench {
    server: Dm1Server,
    client: Client,
    _device: Device,
}

impl Bench {
    async fn new(encoding: Encoding) -> Self {
        let server = Dm1Server::start().await;
        let device = Device::fresh();
        let client = device.builder(&server.peer).dm1_encoding(encoding);
        let client = client.build().unwrap();
        server.bootstrap(&client).await;
        Self {
            server,
            client,
            _device: device,
        }
    }

    /// A session in which the server says this to the first message, and nothing more.
    async fn session(&self, said: impl Fn() -> Said + Send + 'static) -> Outcome {
        self.server.forget();
        self.server.does(move |nth, _| (nth == 0).then(&said));
        self.client.session(&srv()).await.unwrap().outcome
    }

    /// Statuses of the device to what the server said first.
    fn codes(&self) -> Vec<u16> {
        let statuses = self.server.statuses();
        statuses.into_iter().map(|(_, code)| code).collect()
    }

    /// The account is as it was, the device has no GPS, and nothing hinders the next session.
    async fn is_unharmed(&self) {
        let uri = ClientUri::parse(&format!("{GPS}//")).unwrap();
        assert!(
            self.client.local_get(uri).await.is_err(),
            "an instance was left behind"
        );
        self.server.forget();
        // A session in vain may have left it without the nonce that is due: then it is challenged, and proves itself with that.
        self.server.does(|nth, message| {
            let challenged = statuses(message)
                .first()
                .is_some_and(|(_, code)| *code == 401);
            (nth == 0 || challenged).then(|| say(get(1, EVIL) + &get(2, "./DevInfo/Man")))
        });
        let outcome = self.client.session(&srv()).await.unwrap().outcome;
        assert_eq!(outcome, Outcome::Ended);
        let heard = self.server.heard();
        let mut told = heard.iter().map(support::dm1::texts);
        let texts = told.find(|texts| !texts.is_empty()).unwrap();
        assert_eq!(texts, [self.server.peer.url("dm1"), "Acme".to_owned()]);
    }
}

fn fault(outcome: &Outcome) -> Option<&Dm1Fault> {
    match outcome {
        Outcome::Dm1(told) => match &**told {
            Dm1Outcome::Fault(fault) => Some(fault),
            _ => None,
        },
        _ => None,
    }
}

fn item(uri: &str, value: &str) -> String {
    format!("<Item><Target><LocURI>{uri}</LocURI></Target><Data>{value}</Data></Item>")
}

fn add(id: u32, uri: &str, value: &str) -> String {
    format!("<Add><CmdID>{id}</CmdID>{}</Add>", item(uri, value))
}

/// The octets with the first occurrence of one text replaced.
fn swap(octets: &[u8], from: &str, to: &str) -> Vec<u8> {
    let at = octets
        .windows(from.len())
        .position(|here| here == from.as_bytes());
    let at = at.unwrap();
    [&octets[..at], to.as_bytes(), &octets[at + from.len()..]].concat()
}

fn is_xml(octets: &[u8]) -> bool {
    octets.starts_with(b"<")
}

#[tokio::test(flavor = "multi_thread")]
async fn malformed_xml_and_wbxml_end_the_session_and_behind_a_good_header_with_400_and_1223() {
    for encoding in BOTH {
        let bench = Bench::new(encoding).await;
        let spoils: [fn(Vec<u8>) -> Vec<u8>; 5] = [
            |_| Vec::new(),
            |_| b"nonsense".to_vec(),
            |_| b"<html><body>Proxy</body></html>".to_vec(),
            |octets| octets[..40].to_vec(),
            |_| b"\x02\xa4\x01\x6a\x00\x6d\x6c\xc3\x8f\xff\xff\x7f".to_vec(),
        ];
        for spoil in spoils {
            let outcome = bench
                .session(move || Said {
                    spoil,
                    ..say(replace(1, EVIL, "https://evil.example.com/"))
                })
                .await;
            assert!(
                matches!(fault(&outcome), Some(Dm1Fault::Unreadable(_))),
                "{outcome:?}"
            );
            assert_eq!(bench.server.heard().len(), 1, "nobody to answer to");
        }
        let broken: fn(Vec<u8>) -> Vec<u8> = |octets| {
            if is_xml(&octets) {
                swap(&octets, "</SyncBody>", "<Alert></SyncBody>")
            } else {
                octets[..octets.len() - 3].to_vec()
            }
        };
        let outcome = bench
            .session(move || Said {
                spoil: broken,
                ..say(replace(1, EVIL, "https://evil.example.com/"))
            })
            .await;
        assert!(matches!(fault(&outcome), Some(Dm1Fault::Unreadable(_))));
        assert_eq!(bench.codes(), [400]);
        assert_eq!(alerts(&bench.server.heard()[1], 1223).len(), 1);
        bench.is_unharmed().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_dtd_is_505_and_a_wrong_protocol_513_and_nothing_is_carried_out() {
    for encoding in BOTH {
        let bench = Bench::new(encoding).await;
        let dtd: fn(Vec<u8>) -> Vec<u8> = |octets| match is_xml(&octets) {
            true => swap(&octets, "<VerDTD>1.2", "<VerDTD>2.0"),
            false => swap(&octets, "1.2", "2.0"),
        };
        let protocol: fn(Vec<u8>) -> Vec<u8> = |octets| swap(&octets, "DM/1.2", "DM/9.9");
        for (spoil, code, told) in [
            (dtd, 505, Dm1Fault::DtdVersion),
            (protocol, 513, Dm1Fault::ProtocolVersion),
        ] {
            let outcome = bench
                .session(move || Said {
                    spoil,
                    ..say(replace(1, EVIL, "https://evil.example.com/"))
                })
                .await;
            assert_eq!(fault(&outcome), Some(&told));
            assert_eq!(bench.codes(), [code]);
        }
        bench.is_unharmed().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn unknown_commands_are_501_left_out_ones_406_and_one_without_cmd_id_400() {
    for encoding in BOTH {
        let bench = Bench::new(encoding).await;
        let evil = item(EVIL, "https://evil.example.com/");
        let mut rows = vec![
            (format!("<Put><CmdID>1</CmdID>{evil}</Put>"), 406),
            (format!("<Sync><CmdID>2</CmdID>{evil}</Sync>"), 406),
            (format!("<Map><CmdID>3</CmdID>{evil}</Map>"), 406),
            (format!("<Replace>{evil}</Replace>"), 400),
            (format!("<Get>{evil}</Get>"), 400),
            (
                "<Alert><CmdID>5</CmdID><Data>1226</Data></Alert>".to_owned(),
                406,
            ),
            ("<Replace><CmdID>6</CmdID></Replace>".to_owned(), 412),
            (
                "<Replace><CmdID>7</CmdID><Item><Data>x</Data></Item></Replace>".to_owned(),
                412,
            ),
        ];
        if encoding == Encoding::Xml {
            rows.push((
                format!("<Frobnicate><CmdID>8</CmdID>{evil}</Frobnicate>"),
                501,
            ));
        }
        let all: String = rows.iter().map(|(command, _)| command.as_str()).collect();
        let outcome = bench.session(move || say(all.clone())).await;
        assert_eq!(outcome, Outcome::Ended);
        let expected: Vec<u16> = rows.iter().map(|(_, code)| *code).collect();
        assert_eq!(bench.codes()[1..], expected);
        bench.is_unharmed().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_order_of_msg_ids_ends_the_session_and_a_gap_does_not() {
    for encoding in BOTH {
        let bench = Bench::new(encoding).await;
        bench.server.forget();
        bench.server.does(|nth, _| match nth {
            0 => Some(Said {
                msg_id: Some(7),
                ..say(get(1, EVIL))
            }),
            1 => Some(Said {
                msg_id: Some(3),
                ..say(replace(1, EVIL, "https://evil.example.com/"))
            }),
            _ => None,
        });
        let outcome = bench.client.session(&srv()).await.unwrap().outcome;
        assert_eq!(fault(&outcome), Some(&Dm1Fault::MsgId));
        assert_eq!(bench.codes()[1..], [200], "the gap");
        let last = bench.server.heard().pop().unwrap();
        assert_eq!(statuses(&last), [("0".into(), 400)]);
        assert_eq!(alerts(&last, 1223).len(), 1);
        bench.is_unharmed().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn messages_over_the_limit_with_ten_thousand_items_or_deep_nesting_are_not_carried_out() {
    for encoding in BOTH {
        let bench = Bench::new(encoding).await;
        let long = replace(1, EVIL, &"x".repeat(70_000));
        let empty = "<Item/>".repeat(10_000);
        let many = replace(1, EVIL, "https://evil.example.com/")
            + &format!("<Replace><CmdID>2</CmdID>{empty}</Replace>");
        let sequences = 3000;
        let deep = "<Sequence>".repeat(sequences) + &"</Sequence>".repeat(sequences);
        for body in [long, many, replace(1, EVIL, "x") + &deep] {
            // What our own writer would not write.
            let outcome = bench.session(move || say(body.clone())).await;
            let is_fault = matches!(fault(&outcome), Some(Dm1Fault::Unreadable(_)));
            assert!(
                is_fault || matches!(outcome, Outcome::Lost(_)),
                "{outcome:?}"
            );
            let heard = bench.server.heard();
            if heard.len() > 1 {
                assert_eq!(bench.codes(), [400]);
                assert_eq!(alerts(&heard[1], 1223).len(), 1);
            }
        }
        bench.is_unharmed().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_atomic_with_a_failing_member_is_rolled_back_and_one_within_another_is_500() {
    for encoding in BOTH {
        let bench = Bench::new(encoding).await;
        let failing = format!(
            "<Atomic><CmdID>1</CmdID>{}{}{}</Atomic>",
            add(2, "./GPS/a/ID", "x"),
            replace(3, EVIL, "https://evil.example.com/"),
            replace(4, "./GPS/nowhere/ID", "y"),
        );
        bench.session(move || say(failing.clone())).await;
        assert_eq!(bench.codes()[1..], [507, 216, 216, 404]);
        bench.is_unharmed().await;
        let nested = format!(
            "<Atomic><CmdID>1</CmdID>{}<Atomic><CmdID>3</CmdID>{}</Atomic></Atomic>",
            replace(2, EVIL, "https://evil.example.com/"),
            add(4, "./GPS/a/ID", "x"),
        );
        bench.session(move || say(nested.clone())).await;
        assert_eq!(bench.codes()[1..], [507, 216, 500, 215]);
        bench.is_unharmed().await;
        // A Get in an Atomic, likewise (§1.7).
        let reading = format!(
            "<Atomic><CmdID>1</CmdID>{}{}</Atomic>",
            replace(2, EVIL, "https://evil.example.com/"),
            get(3, EVIL),
        );
        bench.session(move || say(reading.clone())).await;
        assert_eq!(bench.codes()[1..], [507, 216, 500]);
        bench.is_unharmed().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn entities_are_not_expanded_and_external_ones_not_fetched() {
    let bench = Bench::new(Encoding::Xml).await;
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    listener.set_nonblocking(true).unwrap();
    PORT.set(listener.local_addr().unwrap().port()).unwrap();
    let spoils: [fn(Vec<u8>) -> Vec<u8>; 2] = [
        |octets| {
            let text = String::from_utf8(octets).unwrap();
            let text = text.replacen("https://evil", "&evil;", 1);
            format!("<!DOCTYPE SyncML [<!ENTITY evil \"https://evil\">]>{text}").into_bytes()
        },
        |octets| {
            let text = String::from_utf8(octets).unwrap();
            let text = text.replacen("https://evil", "&evil;", 1);
            let url = format!("http://127.0.0.1:{}/", PORT.get().unwrap());
            format!("<!DOCTYPE SyncML [<!ENTITY evil SYSTEM \"{url}\">]>{text}").into_bytes()
        },
    ];
    for spoil in spoils {
        let outcome = bench
            .session(move || Said {
                spoil,
                ..say(replace(1, EVIL, "https://evil"))
            })
            .await;
        assert!(
            matches!(fault(&outcome), Some(Dm1Fault::Unreadable(_))),
            "{outcome:?}"
        );
    }
    assert!(listener.accept().is_err(), "nothing was fetched");
    bench.is_unharmed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn endless_more_data_is_stopped_by_the_size_that_was_announced() {
    for encoding in BOTH {
        let bench = Bench::new(encoding).await;
        let rows = [("", 411), ("9000", 424), ("99999999", 413)];
        for (size, code) in rows {
            bench.server.forget();
            let announced = match size {
                "" => String::new(),
                size => format!("<Meta><Size xmlns='syncml:metinf'>{size}</Size></Meta>"),
            };
            bench.server.does(move |nth, _| {
                let meta = if nth == 0 { announced.as_str() } else { "" };
                let data = "x".repeat(4000);
                let chunk = format!(
                    "<Replace><CmdID>1</CmdID><Item><Target><LocURI>{EVIL}</LocURI></Target>{meta}<Data>{data}</Data><MoreData/></Item></Replace>"
                );
                (nth < 3).then(|| say(chunk).more())
            });
            bench.client.session(&srv()).await.unwrap();
            let heard = bench.server.heard();
            let told: Vec<u16> = heard
                .iter()
                .flat_map(statuses)
                .map(|(_, code)| code)
                .collect();
            assert!(told.contains(&code), "{size}: {told:?}");
        }
        bench.is_unharmed().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_never_sends_final_is_left() {
    let bench = Bench::new(Encoding::Wbxml).await;
    bench.server.forget();
    bench.server.does(|_, _| Some(say("").more()));
    let server = srv();
    let session = bench.client.session(&server);
    let report = tokio::time::timeout(Duration::from_secs(300), session).await;
    let outcome = report.unwrap().unwrap().outcome;
    assert_eq!(fault(&outcome), Some(&Dm1Fault::Endless));
    assert_eq!(bench.server.heard().len(), 1000);
    bench.is_unharmed().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_with_a_wrong_digest_is_challenged_twice_and_left_and_told_nothing() {
    for encoding in BOTH {
        let bench = Bench::new(encoding).await;
        bench.server.forget();
        bench.server.does(|_, _| {
            Some(Said {
                secret: "guessed",
                ..say(replace(1, EVIL, "https://evil.example.com/") + &get(2, EVIL))
            })
        });
        let outcome = bench.client.session(&srv()).await.unwrap().outcome;
        assert_eq!(outcome, Outcome::Dm1(Box::new(Dm1Outcome::ServerNotProven)));
        let heard = bench.server.heard();
        for message in &heard[1..] {
            assert!(statuses(message).iter().all(|(_, code)| *code == 401));
            assert!(support::dm1::texts(message).is_empty());
        }
        let all = bench.server.peer.asked();
        let octets: Vec<u8> = all.iter().flat_map(|asked| asked.body.clone()).collect();
        let told = String::from_utf8_lossy(&octets);
        assert!(!told.contains(CLIENT_SECRET) && !told.contains(SERVER_SECRET));
        bench.is_unharmed().await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_of_another_session_or_with_a_used_nonce_is_a_replay_and_not_taken() {
    for encoding in BOTH {
        let bench = Bench::new(encoding).await;
        let evil = || say(replace(1, EVIL, "https://evil.example.com/"));
        let of_another = move || Said {
            session: Some("FFFF0"),
            ..evil()
        };
        let outcome = bench.session(of_another).await;
        assert_eq!(fault(&outcome), Some(&Dm1Fault::Session));
        // The nonce of the image was used in the session that reported the bootstrap; so was the one before the last.
        bench.server.forget();
        bench.session(|| say(get(1, EVIL))).await;
        bench.session(|| say(get(1, EVIL))).await;
        let with_used = move || Said {
            nonce: Some(SERVER_NONCE),
            ..evil()
        };
        bench.session(with_used).await;
        assert_eq!(bench.codes()[..2], [401, 401]);
        bench.is_unharmed().await;
    }
}
