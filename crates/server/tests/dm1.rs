//! Sessions of DM 1.x over the wire, by a client made of hand-written messages: XML and WBXML, TLS and none, every message to a server that was started anew.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::net::{Ipv4Addr, SocketAddr};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full, StreamBody};
use hyper::body::{Bytes, Frame};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use omadm_bootstrap::dm1::{AppSrvIs, Dm1Document};
use omadm_dm1::credential::{MacHeader, Nonce, UserHash};
use omadm_dm1::markup::MarkupLimits;
use omadm_dm1::syncml::{Encoding, Message};
use omadm_mo::standard::dm_acc1::AuthLevel1;
use omadm_server::operator::client::ApiError;
use omadm_server::operator::types::{Dm1Revocation, NewBootstrap, NewDm1Account};
use support::dm1::{Client, NAME, PACKAGE1, SW_V, account, codes, commands, status, words};
use support::{Answer, DEVICE, Rig};
use tokio::net::TcpStream;

fn refused(refused: Result<impl Sized, ApiError>) -> u16 {
    match refused.err() {
        Some(ApiError::Refused(problem)) => problem.status,
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn a_session_goes_on_in_servers_that_know_nothing_but_what_is_stored_in_xml_and_in_wbxml() {
    for encoding in [Encoding::Xml, Encoding::Wbxml] {
        let rig = Rig::one_node(|_| {}, |server| server).await;
        let added = account(&rig).await;
        assert_eq!(
            refused(rig.api.add_dm1(DEVICE, &NewDm1Account::default()).await),
            409
        );
        let wanted = vec![
            words(&["read", SW_V]),
            words(&["replace", NAME, "chr", "hush"]),
        ];
        let queued = rig
            .api
            .queue_commands(DEVICE, wanted)
            .await
            .unwrap()
            .commands;
        for of_dm2 in [words(&["GET", SW_V]), words(&["read", "urn:x:y:1.0/1/"])] {
            assert_eq!(
                refused(rig.api.queue_commands(DEVICE, vec![of_dm2]).await),
                422
            );
        }

        let mut client = Client::new(&added, encoding);
        client.begin();
        let (rig, challenged) = client.tell(rig, PACKAGE1).await;
        assert_eq!(codes(&challenged), [407, 407, 407]);
        assert!(commands(&challenged).is_empty() && challenged.header.cred.is_none());
        let nobody = rig.api.device(DEVICE).await.unwrap();
        assert_eq!(
            nobody.device.dev_info, None,
            "nothing is stored before the proof"
        );

        let (rig, opened) = client.tell(rig, PACKAGE1).await;
        assert_eq!(codes(&opened), [212, 200, 200]);
        let cred = opened.header.cred.as_ref().unwrap();
        let nonce = Nonce::of_base64(added.server_nonce.as_ref().unwrap()).unwrap();
        assert!(client.server.md5_matches(&nonce, cred.data.text().unwrap()));
        let sent = commands(&opened);
        assert_eq!(
            sent.iter().map(|(name, _)| *name).collect::<Vec<_>>(),
            ["Get", "Replace"]
        );
        let next_session = client.nonce.take();

        let msg = opened.header.msg_id;
        let done = [
            status(msg, "0", "SyncHdr", 212, 1),
            status(msg, sent[0].1, "Get", 200, 2),
            format!(
                "<Results><CmdID>3</CmdID><MsgRef>{msg}</MsgRef><CmdRef>{}</CmdRef><Item><Source><LocURI>./DevDetail/SwV</LocURI></Source><Data>7.1</Data></Item></Results>",
                sent[0].1
            ),
            status(msg, sent[1].1, "Replace", 405, 4),
        ];
        let path = client.path.clone();
        let (rig, last) = client.tell(rig, &done.concat()).await;
        assert!(commands(&last).is_empty(), "{:?}", commands(&last));
        client.path = path;
        let again = client.post(&rig, client.sent.clone()).await;
        let repeated = Message::decode(&again.body, encoding, MarkupLimits::MESSAGE);
        assert_eq!(
            repeated.unwrap(),
            last,
            "a repeated message has the same answer"
        );

        let got = rig.api.command(DEVICE, &queued[0].id).await.unwrap();
        assert_eq!((got.state.as_str(), got.status), ("answered", Some(200)));
        assert_eq!(got.result.unwrap()[0]["Data"], "7.1");
        let replaced = rig.api.command(DEVICE, &queued[1].id).await.unwrap();
        assert_eq!(replaced.status, Some(405));
        let detail = rig.api.device(DEVICE).await.unwrap();
        let info = serde_json::to_string(&detail.device.dev_info).unwrap();
        assert!(info.contains("Acme"), "{info}");
        let told = serde_json::to_string(&detail).unwrap();
        for secret in [
            "hush",
            &added.client_secret,
            added.server_secret.as_ref().unwrap(),
        ] {
            assert!(!told.contains(secret), "{told}");
        }
        assert!(
            told.contains("command-answered") && told.contains("session-ended"),
            "{told}"
        );

        // The nonce that came with 212 opens the next session without a round more, and opens it once.
        client.begin();
        client.nonce = next_session.clone();
        let (rig, opened) = client.tell(rig, PACKAGE1).await;
        assert_eq!(codes(&opened)[0], 212);
        client.begin();
        client.nonce = next_session;
        let (rig, stale) = client.tell(rig, PACKAGE1).await;
        assert_eq!(codes(&stale), [401, 401, 401]);

        let revoked = rig
            .api
            .revoke_dm1(DEVICE, &Dm1Revocation { boot: true })
            .await
            .unwrap();
        assert!(!revoked.client[0].escrowed);
        rig.api
            .revoke_dm1(DEVICE, &Dm1Revocation { boot: false })
            .await
            .unwrap();
        let (_rig, unknown) = client.tell(rig, PACKAGE1).await;
        assert_eq!(
            codes(&unknown),
            [401, 401, 401],
            "a revoked account is as unknown"
        );
    }
}

#[tokio::test]
async fn of_two_sessions_by_one_nonce_one_is_challenged_and_a_rotation_is_asked_for_and_shown() {
    let rig = Rig::one_node(|_| {}, |server| server).await;
    let added = account(&rig).await;
    rig.api.rotate_dm1(DEVICE).await.unwrap();
    let shown = rig.api.device(DEVICE).await.unwrap().dm1.unwrap();
    assert!(shown.rotate && shown.client[0].escrowed);
    let mut both = [0xB0, 0xC0].map(|session| {
        let mut client = Client::new(&added, Encoding::Wbxml);
        client.session = session;
        client.nonce = Some(Nonce::of_base64(&added.client_nonce).unwrap());
        client
    });
    for round in 0..12 {
        let bodies = both.each_mut().map(|client| client.message(PACKAGE1));
        let [one, other] = &both;
        let [first, second] = bodies;
        let (first, second) = tokio::join!(one.post(&rig, first), other.post(&rig, second));
        let (mut answered, mut next) = (Vec::new(), None);
        for (client, answer) in both.iter_mut().zip([first, second]) {
            let code = codes(&client.receive(&answer))[0];
            next = client.nonce.take().filter(|_| code == 212).or(next);
            answered.push(code);
        }
        answered.sort_unstable();
        assert_eq!(answered, [212, 401], "round {round}");
        for client in &mut both {
            client.session += 1;
            client.begin();
            client.nonce.clone_from(&next);
        }
    }
}

#[tokio::test]
async fn a_mac_comes_and_goes_in_its_header() {
    let rig = Rig::one_node(|_| {}, |server| server).await;
    rig.device(DEVICE).await;
    let new = NewDm1Account {
        user: Some("meter-7".to_owned()),
        credential: Some("mac".to_owned()),
        server_credential: Some("mac".to_owned()),
        ..NewDm1Account::default()
    };
    let added = rig.api.add_dm1(DEVICE, &new).await.unwrap();
    let mut client = Client::new(&added, Encoding::Xml);
    client.begin();
    let body = client.message(PACKAGE1);
    let nonce = Nonce::of_base64(&added.client_nonce).unwrap();
    let mac = MacHeader {
        username: client.user.clone(),
        mac: client.hash.mac(&nonce, &body),
    };
    let (mac, content_type) = (mac.value(), client.encoding.media_type());
    let headers = [("Content-Type", content_type), ("x-syncml-hmac", &*mac)];
    let mut wire = rig.connect(None).await;
    let answer = wire.send(Method::POST, "/dm/1.x", &headers, body).await;
    let own = MacHeader::read(answer.header("x-syncml-hmac")).unwrap();
    let nonce = Nonce::of_base64(added.server_nonce.as_ref().unwrap()).unwrap();
    assert!(client.server.mac_matches(&nonce, &answer.body, &own.mac));
    assert_eq!(codes(&client.receive(&answer)), [200, 200, 200]);
    assert!(client.nonce.is_some(), "the next message needs one");
}

#[tokio::test]
async fn the_document_of_a_profile_in_either_form_brings_the_account_that_opens_a_session() {
    let profiles = concat!(env!("CARGO_MANIFEST_DIR"), "/../../profiles");
    let rig = Rig::one_node(
        |config| config.profiles_dir = Some(profiles.into()),
        |server| server,
    )
    .await;
    rig.device(DEVICE).await;
    for format in ["cp", "dm"] {
        let new = NewDm1Account {
            profile: Some("dm1x".to_owned()),
            format: Some(format.to_owned()),
            ..NewDm1Account::default()
        };
        let other = format!("IMEI:{}", if format == "cp" { "1" } else { "2" });
        rig.device(&other).await;
        let added = rig.api.add_dm1(&other, &new).await.unwrap();
        let document = STANDARD.decode(added.document.as_ref().unwrap()).unwrap();
        let limits = MarkupLimits::UNPROVEN_BOOTSTRAP;
        let read = Dm1Document::read(&document, AppSrvIs::default(), limits).unwrap();
        let account = &read.accounts[0].account;
        let auth = account.auth(AuthLevel1::ClCred).unwrap();
        let mut client = Client::new(&added, Encoding::Wbxml);
        client.dev_id.clone_from(&other);
        client.hash = UserHash::new(auth.name.as_ref().unwrap(), auth.secret.as_ref().unwrap());
        let nonce = auth.nonce.as_ref().unwrap().expose().to_vec();
        client.nonce = Some(Nonce::new(nonce).unwrap());
        client.begin();
        let package1 = PACKAGE1.replace(DEVICE, &other);
        let body = client.message(&package1);
        let answer = client.post(&rig, body).await;
        assert_eq!(codes(&client.receive(&answer))[0], 212, "{format}");
    }
    let twice = NewDm1Account {
        profile: Some("dm1x".to_owned()),
        user: Some("x".to_owned()),
        ..NewDm1Account::default()
    };
    assert_eq!(refused(rig.api.add_dm1(DEVICE, &twice).await), 400);
    let of_dm2 = NewDm1Account {
        profile: Some("minimal".to_owned()),
        ..NewDm1Account::default()
    };
    assert_eq!(refused(rig.api.add_dm1(DEVICE, &of_dm2).await), 422);
}

#[tokio::test]
async fn the_document_for_a_family_that_reads_aauthlevel_the_other_way_round_is_written_so() {
    let profiles = concat!(env!("CARGO_MANIFEST_DIR"), "/../../profiles");
    let rig = Rig::one_node(
        |config| config.profiles_dir = Some(profiles.into()),
        |server| server,
    )
    .await;
    rig.device(DEVICE).await;
    let new = NewDm1Account {
        profile: Some("dm1x".to_owned()),
        format: Some("cp".to_owned()),
        model: Some("NetComm router".to_owned()),
        ..NewDm1Account::default()
    };
    let added = rig.api.add_dm1(DEVICE, &new).await.unwrap();
    let document = STANDARD.decode(added.document.as_ref().unwrap()).unwrap();
    // A further bootstrap of the same device is written the same way.
    let further = NewBootstrap {
        device: DEVICE.to_owned(),
        profile: Some("dm1x".to_owned()),
        profile_format: Some("cp".to_owned()),
        method: Some("factory".to_owned()),
        ..NewBootstrap::default()
    };
    let further = rig.api.start_bootstrap(&further).await.unwrap();
    let further = rig.api.bootstrap_document(&further.id).await.unwrap();
    for document in [document.as_slice(), further.expose()] {
        let limits = MarkupLimits::UNPROVEN_BOOTSTRAP;
        let by_the_standard = Dm1Document::read(document, AppSrvIs::ClCred, limits).unwrap();
        let by_the_family = Dm1Document::read(document, AppSrvIs::SrvCred, limits).unwrap();
        let name = |read: &Dm1Document, level| {
            let account = &read.accounts[0].account;
            account.auth(level).and_then(|auth| auth.name.clone())
        };
        let user = Some(added.account.user.clone());
        assert_eq!(name(&by_the_family, AuthLevel1::ClCred), user);
        assert_eq!(name(&by_the_standard, AuthLevel1::SrvCred), user);

        let account = &by_the_family.accounts[0].account;
        let auth = account.auth(AuthLevel1::ClCred).unwrap();
        let mut client = Client::new(&added, Encoding::Wbxml);
        client.hash = UserHash::new(auth.name.as_ref().unwrap(), auth.secret.as_ref().unwrap());
        client.begin();
        client.exchange(&rig, PACKAGE1).await;
        let opened = client.exchange(&rig, PACKAGE1).await;
        assert_eq!(codes(&opened)[0], 212);
    }
}

#[tokio::test]
async fn what_is_no_message_gets_an_http_status_and_never_401() {
    let rig = Rig::one_node(|_| {}, |server| server).await;
    let mut wire = rig.connect(None).await;
    let xml = Encoding::Xml.media_type();
    for (headers, body, expected) in [
        (vec![("Content-Type", xml)], "<SyncML/>".to_owned(), 400),
        (vec![("Content-Type", xml)], "nonsense".to_owned(), 400),
        (
            vec![("Content-Type", "application/json")],
            "{}".to_owned(),
            415,
        ),
        (
            vec![("Content-Type", xml), ("Content-Encoding", "gzip")],
            "<SyncML/>".to_owned(),
            415,
        ),
        (
            vec![("Content-Type", xml), ("Content-Encoding", "Identity")],
            "<SyncML/>".to_owned(),
            400,
        ),
        (vec![("Content-Type", xml)], " ".repeat(600 << 10), 413),
    ] {
        let answer = wire.send(Method::POST, "/dm/1.x", &headers, body).await;
        assert_eq!(answer.status, expected, "{headers:?}");
    }
    let get = wire.send(Method::GET, "/dm/1.x", &[], "").await;
    assert_eq!(get.status, 405);
}

#[tokio::test]
async fn a_post_of_http_1_0_without_its_length_is_411() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let rig = Rig::one_node(
        |config| {
            let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            config.plain_device_listeners.push(any);
        },
        |server| server,
    )
    .await;
    let address = rig.server().plain_device_addrs[0];
    let mut stream = TcpStream::connect(address).await.unwrap();
    let request = "POST /dm/1.x HTTP/1.0\r\nContent-Type: application/vnd.syncml.dm+xml\r\n\r\n";
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.0 411 "), "{answer}");
}

#[tokio::test]
async fn without_tls_each_message_proves_itself_and_nothing_else_is_served() {
    let rig = Rig::one_node(
        |config| {
            let any = SocketAddr::from((Ipv4Addr::LOCALHOST, 0));
            config.plain_device_listeners.push(any);
        },
        |server| server,
    )
    .await;
    let added = account(&rig).await;
    let queued = vec![words(&["read", SW_V])];
    rig.api.queue_commands(DEVICE, queued).await.unwrap();
    let address = rig.server().plain_device_addrs[0];
    let mut client = Client::new(&added, Encoding::Xml);
    client.begin();
    client.nonce = Some(Nonce::of_base64(&added.client_nonce).unwrap());
    let body = client.message(PACKAGE1);
    let opened = chunked(address, &client.path, &body).await;
    let opened = client.receive(&opened);
    let uri = opened.header.resp_uri.as_ref().unwrap();
    assert!(
        uri.starts_with(&format!("http://{address}/dm/1.x?")),
        "{uri}"
    );
    assert_eq!(codes(&opened), [200, 200, 200], "for this message only");
    assert_eq!(commands(&opened)[0].0, "Get");

    // Who read the token on the way has no credential for it.
    let (proof, msg) = (client.nonce.take(), opened.header.msg_id);
    let body = client.message(&status(msg, "0", "SyncHdr", 212, 1));
    let stolen = plain(address, Method::POST, &client.path, body).await;
    let path = client.path.clone();
    assert_eq!(codes(&client.receive(&stolen))[0], 407);
    client.path = path;

    (client.nonce, client.msg_id) = (proof, client.msg_id - 1);
    let done = [
        status(msg, "0", "SyncHdr", 212, 1),
        status(msg, commands(&opened)[0].1, "Get", 404, 2),
    ];
    let body = client.message(&done.concat());
    let last = plain(address, Method::POST, &client.path, body).await;
    assert_eq!(codes(&client.receive(&last))[0], 200);
    let answered = rig.api.commands(DEVICE, None).await.unwrap();
    assert_eq!(answered.commands[0].status, Some(404));

    for path in ["/dm/2.0", "/bootstrap", "/repo/x", "/"] {
        let answer = plain(address, Method::GET, path, Vec::new()).await;
        assert_eq!(answer.status, 404, "{path}");
    }
}

async fn plain(address: SocketAddr, method: Method, path: &str, body: Vec<u8>) -> Answer {
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::builder()
        .method(method)
        .uri(path)
        .header("Host", address.to_string())
        .header("Content-Type", Encoding::Xml.media_type())
        .body(Full::new(Bytes::from(body)))
        .unwrap();
    let (head, body) = sender.send_request(request).await.unwrap().into_parts();
    Answer {
        status: head.status.as_u16(),
        headers: head.headers,
        body: body.collect().await.unwrap().to_bytes(),
    }
}

/// The same in chunks, as a client without a buffer for its message sends it.
async fn chunked(address: SocketAddr, path: &str, body: &[u8]) -> Answer {
    let frames = body.chunks(100).map(|chunk| {
        let data = Frame::data(Bytes::copy_from_slice(chunk));
        Ok::<_, std::convert::Infallible>(data)
    });
    let body = StreamBody::new(futures_util::stream::iter(frames.collect::<Vec<_>>()));
    let stream = TcpStream::connect(address).await.unwrap();
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let request = Request::post(path)
        .header("Host", address.to_string())
        .header("Content-Type", Encoding::Xml.media_type())
        .body(body)
        .unwrap();
    let (head, body) = sender.send_request(request).await.unwrap().into_parts();
    Answer {
        status: head.status.as_u16(),
        headers: head.headers,
        body: body.collect().await.unwrap().to_bytes(),
    }
}
