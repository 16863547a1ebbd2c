//! Clients that mean harm: they act for another device, hold connections, send too much. Each is cut or refused with a cause, and an honest device is
//! served meanwhile. Whose credential opens what stands in `identity.rs` and `http_auth.rs`, the data repository in `repository.rs`.
//! One node, whatever `OMADM_TEST_NODES` says: it is about the connections and the log of one process.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod support;

use std::time::{Duration, Instant};

use http::Method;
use omadm_mo::DevId;
use omadm_server::config::Limits;
use omadm_server::model::EventKind;
use omadm_tls::{ConnectedStream, Identity};
use serde_json::json;
use support::{
    Answer, CLIENT_INITIATED, DEV_INFO, DEVICE, DOCUMENT, PACKAGE1, PACKAGE3, Rig, Wire,
    completion, soon,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

const OTHER: &str = "IMEI:490000000000001";
const EVENT: &str = "5f0c1d2e3a4b5c6d7e8f901122334455";
const MO: &str = "application/vnd.oma.dm.mo+json";
/// As [`Limits::body_timeout`] and [`Limits::header_timeout`] of the slow ones' server.
const PATIENCE: Duration = Duration::from_secs(1);

async fn rig(limits: impl FnOnce(&mut Limits)) -> Rig {
    Rig::one_node(|config| limits(&mut config.limits), |server| server).await
}

fn cookie(answer: &Answer) -> String {
    let line = answer.header("set-cookie");
    line.split(';').next().unwrap().to_owned()
}

/// Octets as they are, on a connection of this device or of nobody.
async fn bare(rig: &Rig, identity: Option<&Identity>) -> ConnectedStream {
    let stream = TcpStream::connect(rig.device_addr()).await.unwrap();
    let connector = rig.connector(identity);
    connector.connect(stream, "127.0.0.1").await.unwrap()
}

/// What comes until the server closes.
async fn rest(stream: &mut ConnectedStream) -> String {
    let mut octets = Vec::new();
    let _reset = soon(stream.read_to_end(&mut octets)).await;
    String::from_utf8_lossy(&octets).into_owned()
}

#[tokio::test]
async fn a_stolen_cookie_opens_nothing_with_the_thiefs_own_certificate_nor_in_its_owners_name() {
    let rig = rig(|_| {}).await;
    let (owner, thief) = (rig.device(DEVICE).await, rig.device(OTHER).await);
    let get = ["GET", "urn:example:mo:gps:1.0/1/"].map(str::to_owned);
    let queued = rig.api.queue_commands(DEVICE, vec![get.to_vec()]).await;
    let command = queued.unwrap().commands.remove(0);
    let mut wire = rig.connect(Some(&owner)).await;
    let begun = wire.package(DEVICE, PACKAGE1, CLIENT_INITIATED).await;
    assert_eq!(begun.json()["CMD"][0][0], "GET");
    let stolen = cookie(&begun);

    let mut theirs = rig.connect(Some(&thief)).await;
    for (dev_id, status) in [(OTHER, 409), (DEVICE, 403)] {
        let headers = [
            ("OMADM-DevID", dev_id),
            ("Content-Type", PACKAGE3),
            ("Cookie", &stolen),
        ];
        let lie = r#"{"Status":[{"sc":200,"Result":[]}]}"#;
        let answer = theirs.send(Method::POST, "/dm/2.0", &headers, lie).await;
        assert_eq!(answer.status, status, "{dev_id}");
        assert!(!String::from_utf8_lossy(&answer.body).contains("urn:example"));
    }
    // In a session of its own it tells what it likes: of its own commands alone.
    let begun = theirs.package(OTHER, PACKAGE1, CLIENT_INITIATED).await;
    assert_eq!(begun.json(), json!({"CMD": [["END"]]}));
    let stands = rig.api.command(DEVICE, &command.id).await.unwrap();
    assert_eq!(stands.state, "sent");
    assert!(rig.api.command(OTHER, &command.id).await.is_err());
    // The owner goes on.
    let headers = [
        ("OMADM-DevID", DEVICE),
        ("Content-Type", PACKAGE3),
        ("Cookie", &stolen),
    ];
    let body = r#"{"Status":[{"sc":404}]}"#;
    let answer = wire.send(Method::POST, "/dm/2.0", &headers, body).await;
    assert_eq!(answer.json(), json!({"CMD": [["END"]]}));
    let stands = rig.api.command(DEVICE, &command.id).await.unwrap();
    assert_eq!(stands.status, Some(404));
}

#[tokio::test]
async fn one_device_neither_reads_nor_writes_nor_completes_in_anothers_name() {
    let rig = rig(|_| {}).await;
    let (owner, thief) = (rig.device(DEVICE).await, rig.device(OTHER).await);
    let id = rig.seed(DEVICE, DOCUMENT, 3600).await;
    let own = [("OMADM-DevID", DEVICE), ("Content-Type", MO)];
    let mut wire = rig.connect(Some(&owner)).await;
    let put = wire.send(Method::PUT, "/repo/in/a", &own, "[1]").await;
    assert_eq!(put.status, 204);

    let mut theirs = rig.connect(Some(&thief)).await;
    for (method, path) in [
        (Method::GET, "/bootstrap"),
        (Method::GET, "/repo/in/a"),
        (Method::HEAD, "/repo/in/a"),
        (Method::PUT, "/repo/in/a"),
        (Method::POST, "/repo/in/b"),
    ] {
        let answer = theirs.send(method.clone(), path, &own, "[2]").await;
        assert_eq!(answer.status, 403, "{method} {path}");
        assert!(!answer.body.starts_with(b"["));
    }
    let report = completion(EVENT, DOCUMENT);
    let answer = theirs.package(DEVICE, PACKAGE1, report.clone()).await;
    assert_eq!(answer.status, 403);
    // Under its own name it completes nothing of another's, whatever it reports.
    let answer = theirs.package(OTHER, PACKAGE1, report).await;
    assert_eq!(answer.status, 200);
    assert!(!rig.record(&id).await.state.is_terminal());
    let stands = wire.send(Method::GET, "/repo/in/a", &own[..1], "").await;
    assert_eq!(stands.body, "[1]");
    assert_eq!(wire.fetch(DEVICE).await.body, DOCUMENT);
}

/// Sessions that one device begins, one after the other.
const SESSIONS: usize = 5_000;

#[tokio::test]
async fn five_thousand_sessions_begun_by_one_device_are_one_session() {
    let rig = rig(|limits| limits.exchanges_per_connection = None).await;
    let identity = rig.device(DEVICE).await;
    rig.seed(DEVICE, DOCUMENT, 3600).await;
    let mut wire = rig.connect(Some(&identity)).await;
    // Each differs from the one before, or it would be its repetition.
    for number in 0..SESSIONS {
        let report = completion(EVENT, DOCUMENT) + &" ".repeat(1 + number % 2);
        let answer = wire.package(DEVICE, PACKAGE1, report).await;
        assert_eq!(answer.status, 200);
    }
    let file = rig.dir.path().join("state/server.sqlite");
    let store = rusqlite::Connection::open(file).unwrap();
    let rows = store.query_row("SELECT COUNT(*) FROM sessions", [], |row| row.get(0));
    assert_eq!(rows, Ok(1));
    let dev_id = DevId::parse(DEVICE).unwrap();
    assert!(!rig.store().sessions(&dev_id).await.unwrap().is_empty());
    assert_eq!(wire.package(DEVICE, PACKAGE3, DEV_INFO).await.status, 200);
    assert!(rig.store().sessions(&dev_id).await.unwrap().is_empty());
}

/// Connections that are open and of which nothing more comes, in each state.
async fn held(rig: &Rig, identity: &Identity) -> (Vec<TcpStream>, Vec<ConnectedStream>) {
    let mut bare_tcp = Vec::new();
    for hello in [&b""[..], b"\x16\x03\x01"] {
        let mut stream = TcpStream::connect(rig.device_addr()).await.unwrap();
        stream.write_all(hello).await.unwrap();
        bare_tcp.push(stream);
    }
    let length = format!("OMADM-DevID: {DEVICE}\r\nContent-Type: {PACKAGE1}\r\n");
    let mut in_tls = Vec::new();
    for head in [
        String::new(),
        "POST /dm/2.0 HT".to_owned(),
        "POST /dm/2.0 HTTP/1.1\r\nHost: a\r\n".to_owned(),
        format!("POST /dm/2.0 HTTP/1.1\r\nHost: a\r\n{length}Content-Length: 100\r\n\r\n{{"),
        format!(
            "POST /dm/2.0 HTTP/1.1\r\nHost: a\r\n{length}Transfer-Encoding: chunked\r\n\r\n1\r\n{{\r\n"
        ),
        format!(
            "PUT /repo/in/a HTTP/1.1\r\nHost: a\r\nOMADM-DevID: {DEVICE}\r\nContent-Type: {MO}\r\nContent-Length: 100\r\n\r\n["
        ),
    ] {
        let mut stream = bare(rig, Some(identity)).await;
        stream.write_all(head.as_bytes()).await.unwrap();
        in_tls.push(stream);
    }
    (bare_tcp, in_tls)
}

#[tokio::test]
async fn connections_on_which_nothing_comes_are_cut_and_an_honest_device_is_served() {
    let rig = rig(|limits| {
        limits.header_timeout = PATIENCE;
        limits.body_timeout = PATIENCE;
        // As many as are held: the honest one gets the place of the first that is cut.
        limits.connections = 8;
    })
    .await;
    let (hostile, honest) = (rig.device(DEVICE).await, rig.device(OTHER).await);
    let (silent, slow) = held(&rig, &hostile).await;
    assert_eq!(silent.len() + slow.len(), 8);
    let began = Instant::now();
    let mut wire = rig.connect(Some(&honest)).await;
    let answer = wire.package(OTHER, PACKAGE1, CLIENT_INITIATED).await;
    assert_eq!(answer.status, 200);
    assert!(began.elapsed() < 5 * PATIENCE, "{:?}", began.elapsed());
    for mut stream in slow {
        let told = rest(&mut stream).await;
        let timed_out = told.is_empty() || told.starts_with("HTTP/1.1 408 ");
        assert!(timed_out, "{told}");
    }
    // Within the 10 s of a handshake.
    for mut stream in silent {
        let mut octets = Vec::new();
        let _reset = soon(stream.read_to_end(&mut octets)).await;
    }
    assert!(began.elapsed() < Duration::from_secs(15));
}

#[tokio::test]
async fn a_body_that_trickles_is_cut_though_something_always_comes() {
    let rig = rig(|limits| limits.body_timeout = PATIENCE).await;
    let identity = rig.device(DEVICE).await;
    let mut stream = bare(&rig, Some(&identity)).await;
    let head = format!(
        "POST /dm/2.0 HTTP/1.1\r\nHost: a\r\nOMADM-DevID: {DEVICE}\r\nContent-Type: {PACKAGE1}\r\nContent-Length: 100000\r\n\r\n"
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    let began = Instant::now();
    let answered = async {
        let mut octet = [0];
        loop {
            tokio::select! {
                read = stream.read(&mut octet) => return read,
                () = tokio::time::sleep(PATIENCE / 10) => {}
            }
            if stream.write_all(b" ").await.is_err() {
                return Ok(0);
            }
        }
    };
    let _answered = soon(answered).await;
    assert!(began.elapsed() < 10 * PATIENCE, "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_head_without_end_and_a_body_without_end_are_refused_before_they_are_held() {
    let rig = rig(|_| {}).await;
    let identity = rig.device(DEVICE).await;
    let begin = format!(
        "POST /dm/2.0 HTTP/1.1\r\nHost: a\r\nOMADM-DevID: {DEVICE}\r\nContent-Type: {PACKAGE1}\r\n"
    );
    let chunk = format!("10000\r\n{}\r\n", " ".repeat(0x10000));
    let lines = format!("X-Pad: {}\r\n", "x".repeat(1000)).repeat(64);
    let many = "X: y\r\n".repeat(10_000);
    for (head, more, status) in [
        (
            begin.clone(),
            format!("X-Pad: {}", "x".repeat(65_536)),
            "431",
        ),
        (begin.clone(), lines, "431"),
        (begin.clone(), many, "431"),
        (
            format!("{begin}Transfer-Encoding: chunked\r\n\r\n"),
            chunk,
            "413",
        ),
    ] {
        let mut stream = bare(&rig, Some(&identity)).await;
        stream.write_all(head.as_bytes()).await.unwrap();
        let (mut read, mut write) = tokio::io::split(stream);
        // 64 MiB and more, as long as somebody takes it.
        let sending = tokio::spawn(async move {
            let mut taken = 0;
            for _ in 0..1000 {
                if write.write_all(more.as_bytes()).await.is_err() {
                    break;
                }
                taken += more.len();
            }
            taken
        });
        let mut told = Vec::new();
        let _reset = soon(read.read_to_end(&mut told)).await;
        let taken = soon(sending).await.unwrap();
        // What the sockets of both ends hold included.
        assert!(taken < 24 << 20, "{taken} octets were taken");
        let told = String::from_utf8_lossy(&told);
        let line = told.lines().next().unwrap_or_default();
        assert!(line.contains(status), "{status}: {line}");
    }
    let mut wire = rig.connect(Some(&identity)).await;
    let answer = wire.package(DEVICE, PACKAGE1, CLIENT_INITIATED).await;
    assert_eq!(answer.status, 200);
}

/// So many of something, as a JSON array; at most a mebibyte with all of its package.
fn array(of: &str, number: usize) -> String {
    let all = vec![of; number].join(",");
    assert!(all.len() < (1 << 20) - 200);
    format!("[{all}]")
}

#[tokio::test]
async fn packages_of_very_many_parts_are_refused_with_a_cause_and_leave_no_events() {
    let rig = rig(|_| {}).await;
    let identity = rig.device(DEVICE).await;
    rig.seed(DEVICE, DOCUMENT, 3600).await;
    let mut wire = rig.connect(Some(&identity)).await;
    let begun = wire.package(DEVICE, PACKAGE1, completion(EVENT, DOCUMENT));
    assert_eq!(begun.await.status, 200);
    let before = rig.events().await.len();

    let cause = r#"{"AlertType":"urn:oma:at:dm:2.0:ClientInitiatedMgmt"}"#;
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let members: Vec<_> = (0..60_000).map(|nr| format!("\"m{nr}\":0")).collect();
    let (alerts, causes, numbers) = (
        array(r#"{"AlertType":"a"}"#, 55_000),
        array(cause, 18_000),
        array("0", 500_000),
    );
    for (body, status, told) in [
        (format!(r#"{{"Alert":{alerts}}}"#), 413, "55000 alerts"),
        (format!(r#"{{"Alert":{causes}}}"#), 413, "18000 alerts"),
        (format!(r#"{{"Alert":{numbers}}}"#), 400, "Alert[0]"),
        (format!(r#"{{"MOS":{numbers}}}"#), 400, "MOS[0]"),
        (format!("{{{}}}", members.join(",")), 400, "session-cause"),
        (deep, 400, "nested deeper than 64"),
    ] {
        let answer = soon(wire.package(DEVICE, PACKAGE1, body)).await;
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert_eq!(answer.status, status, "{detail}");
        assert!(detail.contains(told), "{detail}");
    }
    let statuses = array(r#"{"sc":200}"#, 90_000);
    let one = r#""Status":[{"sc":200}]"#;
    for (body, status, told) in [
        (format!(r#"{{"Status":{statuses}}}"#), 400, "90000 statuses"),
        (
            format!(r#"{{{one},"Alert":{alerts}}}"#),
            413,
            "55000 alerts",
        ),
    ] {
        let answer = soon(wire.package(DEVICE, PACKAGE3, body)).await;
        let detail = answer.json()["detail"].as_str().unwrap().to_owned();
        assert_eq!(answer.status, status, "{detail}");
        assert!(detail.contains(told), "{detail}");
    }
    // Each refusal is told once, and the session goes on where it was.
    assert_eq!(rig.events().await.len(), before + 8);
    assert_eq!(wire.package(DEVICE, PACKAGE3, DEV_INFO).await.status, 200);
}

/// The events of refusals that the store has under this device, how many were left out, and the log's file.
async fn recorded(rig: &Rig, dev_id: &str) -> (usize, u64) {
    let dev_id = DevId::parse(dev_id).unwrap();
    rig.flush().await;
    let (mut found, mut left_out) = (0, 0);
    for stored in rig.store().events_after(0, 10_000).await.unwrap() {
        let EventKind::RequestRefused { detail, .. } = &stored.event.kind else {
            continue;
        };
        if stored.dev_id.as_ref() != Some(&dev_id) {
            continue;
        }
        found += 1;
        let note = detail.split_once('(').map(|(_, note)| note);
        let number = note.and_then(|note| note.split(' ').next()?.parse::<u64>().ok());
        left_out += number.unwrap_or_default();
    }
    (found, left_out)
}

#[tokio::test]
async fn refused_requests_of_a_known_device_do_not_fill_the_event_log() {
    let rig = rig(|limits| limits.exchanges_per_connection = None).await;
    let (hostile, honest) = (rig.device(DEVICE).await, rig.device(OTHER).await);
    let mut wire = rig.connect(Some(&hostile)).await;
    let refuse = async |wire: &mut Wire, number: usize| {
        for _ in 0..number {
            let answer = wire.package(DEVICE, PACKAGE3, DEV_INFO).await;
            assert_eq!(answer.status, 409);
        }
    };
    refuse(&mut wire, 1000).await;
    // A slow machine may take a minute for it.
    let (found, _) = recorded(&rig, DEVICE).await;
    assert!((64..70).contains(&found), "{found}");
    // Of another device it is told at once.
    let mut other = rig.connect(Some(&honest)).await;
    assert_eq!(other.package(OTHER, PACKAGE3, DEV_INFO).await.status, 409);
    assert_eq!(recorded(&rig, OTHER).await, (1, 0));
    // A minute later one more, which tells how many were not.
    rig.jump(61);
    refuse(&mut wire, 10).await;
    let (then, left_out) = recorded(&rig, DEVICE).await;
    assert!((found + 1..found + 4).contains(&then), "{then}");
    assert!(left_out >= 1000 - 70, "{left_out}");
}
