//! The data repository through TLS: who reaches what, ETag and ranges, uploads that are large, slow, broken, many.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod support;

use std::collections::VecDeque;
use std::time::Duration;

use bytes::Bytes;
use futures_util::stream;
use http::{Method, Request};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::Frame;
use hyper::client::conn::http1::{SendRequest, handshake};
use hyper_util::rt::TokioIo;
use omadm_mo::DevId;
use omadm_server::model::{EventKind, ObjectContent};
use omadm_server::operator::client::ApiError;
use omadm_tls::Identity;
use support::{Answer, DEVICE, Rig, Wire, soon};
use tokio::net::TcpStream;

const OTHER: &str = "IMEI:490000000000001";
const MO: &str = "application/vnd.oma.dm.mo+json";
const NAMED: [(&str, &str); 2] = [("OMADM-DevID", DEVICE), ("Content-Type", MO)];
const KIB: usize = 1024;

/// Octets that tell where they stand.
fn content(octets: usize) -> Vec<u8> {
    (0..octets).map(|at| (at / 251 + at) as u8).collect()
}

async fn place(rig: &Rig, dev_id: &str, path: &str, media_type: &str, content: &[u8]) -> String {
    let (octets, source) = (content.len() as u64, std::io::Cursor::new(content.to_vec()));
    let placed = rig.api.put_object(dev_id, path, media_type, octets, source);
    placed.await.unwrap().etag.unwrap()
}

async fn get(wire: &mut Wire, path: &str, more: &[(&str, &str)]) -> Answer {
    let headers = [&NAMED[..1], more].concat();
    wire.send(Method::GET, path, &headers, "").await
}

/// A body that comes in parts, each after a pause; it stays open after the last where `hangs`.
struct Parts {
    left: VecDeque<(Duration, Bytes)>,
    hangs: bool,
}

impl Parts {
    fn body(self) -> UnsyncBoxBody<Bytes, std::convert::Infallible> {
        let parts = stream::unfold(self, async |mut parts| match parts.left.pop_front() {
            Some((pause, octets)) => {
                tokio::time::sleep(pause).await;
                Some((Ok(Frame::data(octets)), parts))
            }
            None if parts.hangs => std::future::pending().await,
            None => None,
        });
        UnsyncBoxBody::new(StreamBody::new(parts))
    }
}

type Sender = SendRequest<UnsyncBoxBody<Bytes, std::convert::Infallible>>;

async fn raw(rig: &Rig, identity: &Identity) -> Sender {
    let stream = TcpStream::connect(rig.device_addr()).await.unwrap();
    let connector = rig.connector(Some(identity));
    let stream = connector.connect(stream, "127.0.0.1").await.unwrap();
    let (sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    sender
}

fn upload(path: &str, parts: Parts) -> Request<UnsyncBoxBody<Bytes, std::convert::Infallible>> {
    let mut request = Request::put(path).header("Host", "127.0.0.1");
    for (name, value) in NAMED {
        request = request.header(name, value);
    }
    request.body(parts.body()).unwrap()
}

fn at_once(content: &[u8]) -> Parts {
    let chunks = content.chunks(30 * KIB);
    Parts {
        left: chunks
            .map(|chunk| (Duration::ZERO, Bytes::copy_from_slice(chunk)))
            .collect(),
        hangs: false,
    }
}

#[tokio::test]
async fn a_device_reaches_what_was_put_there_for_it_and_nobody_elses() {
    let rig = Rig::new().await;
    let (identity, other) = (rig.device(DEVICE).await, rig.device(OTHER).await);
    let firmware = content(300 * KIB);
    place(
        &rig,
        DEVICE,
        "fw/2.bin",
        "application/x-firmware",
        &firmware,
    )
    .await;
    let mut wire = rig.connect(Some(&identity)).await;
    let own = get(&mut wire, "/repo/fw/2.bin", &[]).await;
    assert_eq!((own.status, &own.body[..]), (200, &firmware[..]));
    assert_eq!(own.header("content-type"), "application/x-firmware");

    let mut wire = rig.connect(Some(&other)).await;
    for path in [
        "/repo/fw/2.bin",
        "/repo/fw",
        "/repo/fw/",
        "/repo/./fw/2.bin",
        "/repo/../repo/fw/2.bin",
        "/repo/%66w/2.bin",
        "/repo/IMEI:493005100592800/fw/2.bin",
        "/repo/IMEI%3A493005100592800/fw/2.bin",
        "/repo//fw/2.bin",
    ] {
        let found = wire
            .send(Method::GET, path, &[("OMADM-DevID", OTHER)], "")
            .await;
        assert_eq!(found.status, 404, "{path}");
        let claimed = get(&mut wire, path, &[]).await;
        assert_eq!(claimed.status, 403, "{path} as another");
    }
    let mut nobody = rig.connect(None).await;
    assert_eq!(get(&mut nobody, "/repo/fw/2.bin", &[]).await.status, 401);
    let listed = rig.api.objects(OTHER, None).await.unwrap();
    assert_eq!(listed.objects, []);
}

#[tokio::test]
async fn a_device_reads_what_an_operator_put_there_and_does_not_write_it() {
    let rig = Rig::new().await;
    let identity = rig.device(DEVICE).await;
    place(&rig, DEVICE, "conf/a", MO, b"[1]").await;
    let mut wire = rig.connect(Some(&identity)).await;
    let refused = wire.send(Method::PUT, "/repo/conf/a", &NAMED, "[2]").await;
    assert_eq!(refused.status, 403);
    let stored = wire.send(Method::POST, "/repo/conf/b", &NAMED, "[3]").await;
    assert_eq!(stored.status, 204);
    assert_eq!(get(&mut wire, "/repo/conf/a", &[]).await.body, "[1]");
    let listed = rig.api.objects(DEVICE, None).await.unwrap().objects;
    let listed: Vec<_> = listed
        .iter()
        .map(|it| (&it.path[..], &it.owner[..]))
        .collect();
    assert_eq!(listed, [("conf/a", "operator"), ("conf/b", "device")]);

    let mut read = Vec::new();
    let got = rig.api.get_object(DEVICE, "conf/b", &mut read, |_, _| {});
    assert_eq!(got.await.unwrap(), 3);
    assert_eq!(read, b"[3]");
    rig.api.delete_object(DEVICE, "conf/b").await.unwrap();
    let gone = rig.api.delete_object(DEVICE, "conf/b").await;
    assert!(matches!(gone, Err(ApiError::Refused(problem)) if problem.status == 404));
    assert_eq!(get(&mut wire, "/repo/conf/b", &[]).await.status, 404);
    let told: Vec<_> = rig
        .events()
        .await
        .into_iter()
        .map(|it| it.event.kind)
        .collect();
    for (kind, owner) in [("conf/a", "operator"), ("conf/b", "device")] {
        assert!(told.iter().any(|it| matches!(it, EventKind::ObjectStored { path, owner: by, .. } if path == kind && by == owner)));
    }
    assert!(told.contains(&EventKind::ObjectRemoved {
        path: "conf/b".to_owned()
    }));
}

#[tokio::test]
async fn an_answer_names_the_url_and_paths_are_plain() {
    let rig = Rig::new().await;
    rig.device(DEVICE).await;
    let source = std::io::Cursor::new(b"x".to_vec());
    let put = rig.api.put_object(DEVICE, "fw/a.bin", "a/b", 1, source);
    let placed = put.await.unwrap();
    assert!(
        placed.url.starts_with("https://localhost:"),
        "{}",
        placed.url
    );
    assert!(placed.url.ends_with("/repo/fw/a.bin"), "{}", placed.url);
    for (dev_id, path, media_type, status) in [
        (DEVICE, "../x", "a/b", 400),
        (DEVICE, "a b", "a/b", 400),
        (DEVICE, "a//b", "a/b", 400),
        (DEVICE, "a", "firmware", 400),
        (OTHER, "a", "a/b", 404),
    ] {
        let source = std::io::Cursor::new(b"x".to_vec());
        let refused = rig
            .api
            .put_object(dev_id, path, media_type, 1, source)
            .await;
        let Err(ApiError::Refused(problem)) = refused else {
            unreachable!("{path}: {refused:?}")
        };
        assert_eq!(problem.status, status, "{path} {media_type}");
    }
    // A source that ends early leaves what was there.
    let source = std::io::Cursor::new(b"y".to_vec());
    let torn = rig.api.put_object(DEVICE, "fw/a.bin", "a/b", 2, source);
    assert!(torn.await.is_err());
    let mut read = Vec::new();
    let got = rig.api.get_object(DEVICE, "fw/a.bin", &mut read, |_, _| {});
    got.await.unwrap();
    assert_eq!(read, b"x");
}

#[tokio::test]
async fn etags_and_ranges_serve_objects_of_one_row_and_of_many_pieces() {
    let rig = Rig::new().await;
    let identity = rig.device(DEVICE).await;
    let mut wire = rig.connect(Some(&identity)).await;
    for octets in [1000, 600 * KIB] {
        let whole = content(octets);
        let etag = place(&rig, DEVICE, "o", "a/b", &whole).await;
        let quoted = format!("\"{etag}\"");
        let answer = get(&mut wire, "/repo/o", &[]).await;
        assert_eq!((answer.status, &answer.body[..]), (200, &whole[..]));
        assert_eq!(answer.header("etag"), quoted);
        assert_eq!(answer.header("accept-ranges"), "bytes");
        assert_eq!(answer.header("content-length"), octets.to_string());
        let head = wire.send(Method::HEAD, "/repo/o", &NAMED[..1], "").await;
        assert_eq!((head.status, head.body.len()), (200, 0));
        assert_eq!(head.header("content-length"), octets.to_string());
        let same = get(&mut wire, "/repo/o", &[("If-None-Match", &quoted)]).await;
        assert_eq!((same.status, same.body.len()), (304, 0));
        assert_eq!(same.header("etag"), quoted);

        let last = octets - 1;
        for (first, last) in [
            (0, 0),
            (1, 999),
            (last, last),
            (500, last),
            (octets / 3, octets / 2),
        ] {
            let range = format!("bytes={first}-{last}");
            let part = get(&mut wire, "/repo/o", &[("Range", &range)]).await;
            assert_eq!(part.status, 206, "{range}");
            assert_eq!(&part.body[..], &whole[first..=last], "{range}");
            let told = format!("bytes {first}-{last}/{octets}");
            assert_eq!(part.header("content-range"), told);
        }
        let rest = [("Range", "bytes=990-"), ("If-Range", &quoted)];
        let part = get(&mut wire, "/repo/o", &rest).await;
        assert_eq!((part.status, &part.body[..]), (206, &whole[990..]));
        let stale = [("Range", "bytes=990-"), ("If-Range", "\"other\"")];
        let all = get(&mut wire, "/repo/o", &stale).await;
        assert_eq!((all.status, all.body.len()), (200, octets));
        let beyond = format!("bytes={octets}-");
        let beyond = get(&mut wire, "/repo/o", &[("Range", &beyond)]).await;
        assert_eq!(beyond.status, 416);
        assert_eq!(beyond.header("content-range"), format!("bytes */{octets}"));
    }
    let refused = get(&mut wire, "/repo/o", &[("Accept", "text/plain")]).await;
    assert_eq!(refused.status, 406);
}

#[tokio::test]
async fn what_a_device_uploads_is_bounded_in_size_type_count_and_sum() {
    let limits = |config: &mut omadm_server::config::ServerConfig| {
        config.limits.repository_upload_octets = 400 * KIB;
        config.limits.repository_octets = 500 * KIB as u64;
        config.limits.body_octets = 100 * KIB;
    };
    let rig = Rig::with(limits, |server| server).await;
    let identity = rig.device(DEVICE).await;
    let mut wire = rig.connect(Some(&identity)).await;
    let typed = [NAMED[0], ("Content-Type", "image/png")];
    let refused = wire.send(Method::PUT, "/repo/a", &typed, "x").await;
    assert_eq!(refused.status, 415);
    assert_eq!(
        refused.header("omadm-accept"),
        "application/vnd.oma.dm.mo+json, application/dmmo+json, application/json"
    );
    let mut wire = rig.connect(Some(&identity)).await;
    let large = content(401 * KIB);
    let refused = wire
        .send(Method::PUT, "/repo/a", &NAMED, large.clone())
        .await;
    assert_eq!(refused.status, 413);
    // Nobody told its length.
    let mut sender = raw(&rig, &identity).await;
    let refused = sender.send_request(upload("/repo/a", at_once(&large)));
    assert_eq!(soon(refused).await.unwrap().status(), 413);

    // Longer than what is looked at, so it is stored unread.
    let mut wire = rig.connect(Some(&identity)).await;
    for (path, octets, status) in [
        ("/repo/a", 400, 204),
        ("/repo/b", 101, 507),
        ("/repo/a", 350, 204),
        ("/repo/b", 101, 204),
    ] {
        let sent = content(octets * KIB);
        let answer = wire.send(Method::PUT, path, &NAMED, sent.clone()).await;
        assert_eq!(answer.status, status, "{path} {octets}");
        if status == 204 {
            assert_eq!(get(&mut wire, path, &[]).await.body, sent);
        } else {
            wire = rig.connect(Some(&identity)).await;
        }
    }
    // What an operator puts there does not count.
    place(&rig, DEVICE, "c", "a/b", &content(450 * KIB)).await;
    assert_eq!(get(&mut wire, "/repo/c", &[]).await.body.len(), 450 * KIB);
}

#[tokio::test]
async fn a_slow_body_is_cut_off_and_leaves_nothing() {
    let limits = |config: &mut omadm_server::config::ServerConfig| {
        config.limits.body_timeout = Duration::from_millis(700);
        config.limits.repository_least_rate = 1 << 30;
    };
    let rig = Rig::one_node(limits, |server| server).await;
    let identity = rig.device(DEVICE).await;
    let stalls = Parts {
        hangs: true,
        ..at_once(&content(600 * KIB))
    };
    let drips = Parts {
        left: vec![(Duration::from_millis(100), Bytes::from_static(b"[")); 100].into(),
        hangs: false,
    };
    for slow in [stalls, drips] {
        let mut sender = raw(&rig, &identity).await;
        let answer = soon(sender.send_request(upload("/repo/a", slow))).await;
        assert_eq!(answer.unwrap().status(), 408);
    }
    let mut wire = rig.connect(Some(&identity)).await;
    assert_eq!(get(&mut wire, "/repo/a", &[]).await.status, 404);
    no_upload_is_left(&rig).await;
}

/// What is given up goes in the background.
async fn no_upload_is_left(rig: &Rig) {
    let file = rig.dir.path().join("state/server.sqlite");
    let left = async {
        loop {
            let file = file.clone();
            let left = tokio::task::spawn_blocking(move || -> i64 {
                let store = rusqlite::Connection::open(file).unwrap();
                let all = "SELECT (SELECT COUNT(*) FROM uploads) + (SELECT COUNT(*) FROM pieces)";
                store.query_row(all, [], |row| row.get(0)).unwrap()
            });
            if left.await.unwrap() == 0 {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    soon(left).await;
}

#[tokio::test]
async fn a_body_that_is_cut_leaves_the_former_object() {
    let rig = Rig::one_node(|_| {}, |server| server).await;
    let identity = rig.device(DEVICE).await;
    let mut wire = rig.connect(Some(&identity)).await;
    let stored = wire.send(Method::PUT, "/repo/a", &NAMED, "[1]").await;
    assert_eq!(stored.status, 204);
    let mut sender = raw(&rig, &identity).await;
    let stalls = Parts {
        hangs: true,
        ..at_once(&content(600 * KIB))
    };
    let sending = sender.send_request(upload("/repo/a", stalls));
    let under_way = tokio::time::timeout(Duration::from_millis(500), sending).await;
    assert!(under_way.is_err());
    drop(sender);
    no_upload_is_left(&rig).await;
    assert_eq!(get(&mut wire, "/repo/a", &[]).await.body, "[1]");
}

#[tokio::test]
async fn two_uploads_at_once_both_end_and_one_more_than_a_device_may_have_is_503() {
    let limits = |config: &mut omadm_server::config::ServerConfig| {
        config.limits.repository_transfers_per_device = 2;
        // No JSON, so it has to be longer than what is looked at.
        config.limits.body_octets = 64 * KIB;
    };
    let rig = Rig::one_node(limits, |server| server).await;
    let (identity, other) = (rig.device(DEVICE).await, rig.device(OTHER).await);
    let mut running = Vec::new();
    for octet in [b'1', b'2'] {
        let mut parts = at_once(&vec![octet; 600 * KIB]);
        parts
            .left
            .push_back((Duration::from_secs(1), Bytes::from_static(b" ")));
        let mut sender = raw(&rig, &identity).await;
        running.push(tokio::spawn(async move {
            let answer = sender.send_request(upload("/repo/a", parts)).await;
            answer.unwrap().status()
        }));
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    let mut wire = rig.connect(Some(&identity)).await;
    let third = wire.send(Method::PUT, "/repo/b", &NAMED, "[]").await;
    assert_eq!(third.status, 503);
    assert!(third.headers.contains_key("retry-after"));
    let mut wire = rig.connect(Some(&other)).await;
    let named = [("OMADM-DevID", OTHER), NAMED[1]];
    let others = wire.send(Method::PUT, "/repo/b", &named, "[]").await;
    assert_eq!(others.status, 204);
    for upload in running {
        assert_eq!(soon(upload).await.unwrap(), 204);
    }
    let mut wire = rig.connect(Some(&identity)).await;
    let kept = get(&mut wire, "/repo/a", &[]).await.body;
    assert_eq!(kept.len(), 600 * KIB + 1);
    assert!(kept[..600 * KIB].iter().all(|octet| *octet == kept[0]));
    let dev_id = DevId::parse(DEVICE).unwrap();
    let object = rig.store().object(&dev_id, "a").await.unwrap().unwrap();
    assert!(matches!(object.content, ObjectContent::Pieces(_)));
}

#[tokio::test]
async fn an_object_that_is_replaced_while_it_is_read_breaks_off_and_is_never_mixed() {
    let rig = Rig::new().await;
    let identity = rig.device(DEVICE).await;
    place(&rig, DEVICE, "o", "a/b", &vec![1; 8 << 20]).await;
    let mut sender = raw(&rig, &identity).await;
    let request = Request::get("/repo/o")
        .header("Host", "127.0.0.1")
        .header("OMADM-DevID", DEVICE)
        .body(at_once(b"").body())
        .unwrap();
    let mut body = sender.send_request(request).await.unwrap().into_body();
    let first = body.frame().await.unwrap().unwrap().into_data().unwrap();
    place(&rig, DEVICE, "o", "a/b", &vec![2; 8 << 20]).await;
    let (mut octets, mut broken) = (first.len(), false);
    while let Some(frame) = soon(body.frame()).await {
        match frame {
            Ok(frame) => {
                let data = frame.into_data().unwrap();
                assert!(data.iter().all(|octet| *octet == 1));
                octets += data.len();
            }
            Err(_) => broken = true,
        }
    }
    assert!(broken && octets < 8 << 20, "{octets}");
}

#[tokio::test]
async fn who_asks_for_much_and_reads_none_of_it_is_cut_off() {
    let limits = |config: &mut omadm_server::config::ServerConfig| {
        config.limits.repository_transfers_per_device = 1;
        config.limits.body_timeout = Duration::from_secs(2);
    };
    let rig = Rig::one_node(limits, |server| server).await;
    let identity = rig.device(DEVICE).await;
    place(&rig, DEVICE, "o", "a/b", &vec![1; 24 << 20]).await;
    let mut sender = raw(&rig, &identity).await;
    let request = Request::get("/repo/o")
        .header("Host", "127.0.0.1")
        .header("OMADM-DevID", DEVICE)
        .body(at_once(b"").body())
        .unwrap();
    let unread = sender.send_request(request).await.unwrap();
    let mut wire = rig.connect(Some(&identity)).await;
    let part = [("Range", "bytes=0-9")];
    assert_eq!(get(&mut wire, "/repo/o", &part).await.status, 503);
    let freed = async {
        while get(&mut wire, "/repo/o", &part).await.status != 206 {
            tokio::time::sleep(Duration::from_millis(200)).await;
        }
    };
    soon(freed).await;
    drop(unread);
}
