//! Downloads from a peer that misbehaves.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::net::Ipv4Addr;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use omadm_mo::ServerUri;
use omadm_mo::standard::MoRegistry;
use omadm_tls::{
    Acceptor, AcceptorConfig, CertificateDer, CertificateValidity, ClientTrust, DevelopmentCa,
    LiveClientTrust, UnixTime,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use super::{DownloadError, DownloadProgress, Downloaded, Downloads, FRUITLESS, RESTARTS};
use crate::https::{Call, Https, HttpsOptions, Target, Trust};
use crate::observer::Unobserved;

const CUT: usize = 100_000;
const OCTETS: usize = 1_050_000;

/// What a request asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
struct Asked {
    from: usize,
    if_range: Option<String>,
    if_none_match: Option<String>,
}

/// A head, and the octets that follow before the connection is closed.
type Answering = dyn Fn(usize, &Asked) -> (String, Vec<u8>) + Send + Sync;

struct Peer {
    target: Target,
    url: ServerUri,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Peer {
    /// Answers each request as this says, which gets its number, and closes the connection.
    async fn new(
        answering: impl Fn(usize, &Asked) -> (String, Vec<u8>) + Send + Sync + 'static,
    ) -> Self {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
        let (now, hour) = (now.unwrap(), Duration::from_secs(3600));
        let validity = CertificateValidity {
            not_before: UnixTime::since_unix_epoch(now - hour),
            not_after: UnixTime::since_unix_epoch(now + hour),
        };
        let ca = DevelopmentCa::create("peer", validity).unwrap();
        let nobody = ClientTrust::new(&[] as &[CertificateDer<'_>], &[]).unwrap();
        let acceptor = Acceptor::new(AcceptorConfig::new(
            ca.issue_server(&["localhost"], validity).unwrap(),
            Arc::new(LiveClientTrust::new(nobody)),
        ));
        let acceptor = Arc::new(acceptor.unwrap());
        let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = socket.local_addr().unwrap().port();
        let asked: Arc<Mutex<Vec<Asked>>> = Arc::default();
        let (log, answering): (_, Arc<Answering>) = (Arc::clone(&asked), Arc::new(answering));
        tokio::spawn(async move {
            loop {
                let (stream, _) = socket.accept().await.unwrap();
                let (acceptor, log) = (Arc::clone(&acceptor), Arc::clone(&log));
                let answering = Arc::clone(&answering);
                tokio::spawn(async move {
                    let mut stream = acceptor.accept(stream).await.unwrap().stream;
                    let mut head = Vec::new();
                    while !head.ends_with(b"\r\n\r\n") {
                        head.push(stream.read_u8().await.unwrap());
                    }
                    let asked = Asked::read(&String::from_utf8(head).unwrap());
                    let number = {
                        let mut log = log.lock().unwrap();
                        log.push(asked.clone());
                        log.len()
                    };
                    let (head, body) = answering(number, &asked);
                    stream.write_all(head.as_bytes()).await.unwrap();
                    // The client may have had enough.
                    let _sent = stream.write_all(&body).await;
                    let _closed = stream.shutdown().await;
                });
            }
        });
        let url = ServerUri::parse(&format!("https://localhost:{port}/fw.bin")).unwrap();
        Self {
            target: Target {
                origin: url.origin(),
                credential: None,
                trust: Trust {
                    anchors: vec![ca.certificate().clone()],
                    server_key: None,
                },
                reach: crate::https::Reach::Any,
            },
            url,
            asked,
        }
    }

    fn call(&self, url: ServerUri) -> Call {
        Call {
            method: http::Method::GET,
            url,
            content_type: None,
            accept: "*/*".to_owned(),
            dev_id: None,
            cookie: None,
            login: None,
            body: Vec::new(),
        }
    }

    async fn fetch(&self, folder: &Path) -> Result<Downloaded, DownloadError> {
        self.watched(folder, 10_000_000, |_| ControlFlow::Continue(()))
            .await
    }

    async fn watched(
        &self,
        folder: &Path,
        limit: u64,
        mut progress: impl FnMut(DownloadProgress) -> ControlFlow<()> + Send,
    ) -> Result<Downloaded, DownloadError> {
        let seconds = Duration::from_secs(20);
        let options = HttpsOptions {
            connect_timeout: seconds,
            read_timeout: seconds,
            body_limit: 1000,
            network: crate::policy::NetworkPolicy::default(),
        };
        let https = Https::new(options, MoRegistry::default(), Arc::new(Unobserved));
        // Anew each time: as after a restart.
        let downloads = Downloads::new(folder.join("downloads"), limit, seconds);
        let place = |url: ServerUri| {
            let origin = url.origin();
            let target = self.target.clone();
            (Target { origin, ..target }, self.call(url))
        };
        downloads
            .fetch(&https, &place, &self.url, &mut progress)
            .await
    }

    fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap().clone()
    }
}

impl Asked {
    fn read(head: &str) -> Self {
        let value = |name: &str| {
            let mut lines = head.lines().filter_map(|line| line.split_once(": "));
            let found = lines.find(|(found, _)| found.eq_ignore_ascii_case(name));
            found.map(|(_, value)| value.to_owned())
        };
        let range = value("range").unwrap_or_default();
        let from = range
            .strip_prefix("bytes=")
            .and_then(|range| range.strip_suffix('-'));
        Self {
            from: from.map_or(0, |from| from.parse().unwrap()),
            if_range: value("if-range"),
            if_none_match: value("if-none-match"),
        }
    }
}

fn content(seed: usize) -> Vec<u8> {
    (0..OCTETS).map(|at| (at / 251 + at + seed) as u8).collect()
}

fn whole(etag: &str, body: &[u8]) -> String {
    let octets = body.len();
    format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {octets}\r\nContent-Type: a/b\r\nETag: {etag}\r\n\r\n"
    )
}

fn rest(etag: &str, from: usize, told: usize, total: usize) -> String {
    let octets = total - from;
    format!(
        "HTTP/1.1 206 Partial Content\r\nContent-Length: {octets}\r\nContent-Range: bytes {told}-{}/{total}\r\nETag: {etag}\r\n\r\n",
        total - 1
    )
}

fn cut(body: &[u8], from: usize) -> Vec<u8> {
    body[from..body.len().min(from + CUT)].to_vec()
}

/// A server that does everything right, but for its network.
fn honest(etag: &'static str, body: Vec<u8>) -> impl Fn(usize, &Asked) -> (String, Vec<u8>) {
    move |_, asked| {
        if asked.if_none_match.as_deref() == Some(etag) {
            return ("HTTP/1.1 304 Not Modified\r\n\r\n".to_owned(), Vec::new());
        }
        match asked.from {
            from if from > 0 && asked.if_range.as_deref() == Some(etag) => {
                (rest(etag, from, from, body.len()), cut(&body, from))
            }
            _ => (whole(etag, &body), cut(&body, 0)),
        }
    }
}

#[tokio::test]
async fn a_download_goes_on_where_each_connection_was_cut() {
    let folder = tempfile::tempdir().unwrap();
    let peer = Peer::new(honest("\"e\"", content(0))).await;
    let done = peer.fetch(folder.path()).await.unwrap();
    assert_eq!(std::fs::read(&done.file).unwrap(), content(0));
    assert_eq!(done.octets, OCTETS as u64);
    assert_eq!(done.content_type.as_deref(), Some("a/b"));
    assert_eq!(done.tries, 11);
    let froms: Vec<_> = peer.asked().iter().map(|asked| asked.from).collect();
    assert_eq!(froms, (0..11).map(|nr| nr * CUT).collect::<Vec<_>>());
    // What is there and unchanged is not fetched again.
    let again = peer.fetch(folder.path()).await.unwrap();
    assert_eq!((again.tries, again.octets), (0, OCTETS as u64));
    assert_eq!(again.file, done.file);
}

#[tokio::test]
async fn a_download_goes_on_after_a_restart_of_the_client() {
    let folder = tempfile::tempdir().unwrap();
    let peer = Peer::new(honest("\"e\"", content(0))).await;
    let stop = |now: DownloadProgress| {
        assert_eq!(now.total, Some(OCTETS as u64));
        if now.octets >= 450_000 {
            ControlFlow::Break(())
        } else {
            ControlFlow::Continue(())
        }
    };
    let stopped = peer.watched(folder.path(), 10_000_000, stop).await;
    assert!(matches!(stopped, Err(DownloadError::Stopped)));
    let before = peer.asked().len();
    let done = peer.fetch(folder.path()).await.unwrap();
    assert_eq!(std::fs::read(&done.file).unwrap(), content(0));
    let first = &peer.asked()[before];
    assert!((450_000..OCTETS).contains(&first.from), "{first:?}");
    assert_eq!(first.if_range.as_deref(), Some("\"e\""));
}

#[tokio::test]
async fn an_object_that_changes_midway_is_fetched_anew() {
    let folder = tempfile::tempdir().unwrap();
    let (old, new) = (honest("\"old\"", content(0)), honest("\"new\"", content(7)));
    let peer = Peer::new(move |number, asked| {
        if number <= 3 {
            old(number, asked)
        } else {
            new(number, asked)
        }
    });
    let peer = peer.await;
    let done = peer.fetch(folder.path()).await.unwrap();
    assert_eq!(std::fs::read(&done.file).unwrap(), content(7));
    assert_eq!(done.etag.as_deref(), Some("\"new\""));
    assert_eq!(done.tries, 3 + 11);
}

#[tokio::test]
async fn a_server_that_ignores_range_is_believed_when_it_sends_all() {
    let folder = tempfile::tempdir().unwrap();
    let body = content(0);
    let peer = Peer::new(move |number, _| {
        let sent = if number == 1 {
            cut(&body, 0)
        } else {
            body.clone()
        };
        (whole("\"e\"", &body), sent)
    });
    let done = peer.await.fetch(folder.path()).await.unwrap();
    assert_eq!(std::fs::read(&done.file).unwrap(), content(0));
    assert_eq!(done.tries, 2);
}

#[tokio::test]
async fn a_server_that_never_gets_on_is_given_up() {
    let folder = tempfile::tempdir().unwrap();
    let body = content(0);
    let ignores = Peer::new(move |_, _| (whole("\"e\"", &body), cut(&body, 0))).await;
    let given_up = ignores.fetch(folder.path()).await;
    assert!(matches!(given_up, Err(DownloadError::GivenUp { .. })));
    assert!(ignores.asked().len() <= (FRUITLESS + RESTARTS + 2) as usize);

    let folder = tempfile::tempdir().unwrap();
    let drips = Peer::new(|_, asked| {
        let head = match asked.from {
            0 => whole("\"e\"", &[0; OCTETS]),
            from => rest("\"e\"", from, from, OCTETS),
        };
        (head, vec![0; 10])
    });
    let drips = drips.await;
    let given_up = drips.fetch(folder.path()).await.unwrap_err();
    assert!(matches!(given_up, DownloadError::GivenUp { tries, .. } if tries == FRUITLESS + 1));
}

#[tokio::test]
async fn a_server_that_lies_about_the_range_gets_nothing_mixed_in() {
    for (told, total, etag) in [
        (CUT + 1, OCTETS, "\"e\""),
        (0, OCTETS, "\"e\""),
        (CUT, OCTETS + 1, "\"e\""),
        (CUT, OCTETS, "\"other\""),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let body = content(0);
        let peer = Peer::new(move |number, asked| match (number, asked.from) {
            (1, _) => (whole("\"e\"", &body), cut(&body, 0)),
            (_, from) if from > 0 => (rest(etag, from, told, total), vec![9; OCTETS]),
            _ => (whole("\"e\"", &body), body.clone()),
        });
        let done = peer.await.fetch(folder.path()).await.unwrap();
        assert_eq!(std::fs::read(&done.file).unwrap(), content(0));
        assert_eq!(done.tries, 3, "{told} {total} {etag}");
    }
}

#[tokio::test]
async fn what_is_too_long_is_refused_whether_it_is_told_or_not() {
    for head in [
        whole("\"e\"", &content(0)),
        "HTTP/1.1 200 OK\r\nETag: \"e\"\r\n\r\n".to_owned(),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let peer = Peer::new(move |_, _| (head.clone(), content(0))).await;
        let most = AtomicUsize::new(0);
        let refused = peer.watched(folder.path(), 500_000, |now| {
            most.fetch_max(now.octets as usize, Ordering::Relaxed);
            ControlFlow::Continue(())
        });
        let refused = refused.await.unwrap_err();
        assert!(matches!(refused, DownloadError::TooLarge(500_000)));
        assert_eq!(refused.status().get(), 413);
        assert!(most.into_inner() <= 500_000);
        let left = std::fs::read_dir(folder.path().join("downloads")).unwrap();
        assert_eq!(left.count(), 0);
    }
}

#[tokio::test]
async fn a_refusal_is_final_and_an_old_part_goes_with_it() {
    let folder = tempfile::tempdir().unwrap();
    let body = content(0);
    let peer = Peer::new(move |number, _| match number {
        1 => (whole("\"e\"", &body), cut(&body, 0)),
        _ => (
            "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n".to_owned(),
            Vec::new(),
        ),
    });
    let peer = peer.await;
    let refused = peer.fetch(folder.path()).await.unwrap_err();
    assert!(matches!(refused, DownloadError::Status(404)));
    assert_eq!(refused.status().get(), 404);
    assert_eq!(peer.asked().len(), 2);
    let left = std::fs::read_dir(folder.path().join("downloads")).unwrap();
    assert_eq!(left.count(), 0);
}

#[tokio::test]
async fn a_body_without_length_ends_where_it_ends_and_an_empty_one_is_a_file() {
    for body in [content(0), Vec::new()] {
        let folder = tempfile::tempdir().unwrap();
        let sent = body.clone();
        let head = "HTTP/1.1 200 OK\r\n\r\n";
        let peer = Peer::new(move |_, _| (head.to_owned(), sent.clone())).await;
        let done = peer.fetch(folder.path()).await.unwrap();
        assert_eq!(std::fs::read(&done.file).unwrap(), body);
    }
}

#[tokio::test]
async fn only_the_latest_downloads_stay_on_disk() {
    let folder = tempfile::tempdir().unwrap();
    for seed in 0..6 {
        let peer = Peer::new(honest("\"e\"", content(seed)[..1000].to_vec())).await;
        peer.fetch(folder.path()).await.unwrap();
    }
    let left = std::fs::read_dir(folder.path().join("downloads")).unwrap();
    assert_eq!(left.count(), 2 * super::KEPT);
}

#[tokio::test]
async fn a_download_follows_three_redirects_and_goes_on_behind_them_d08() {
    let folder = tempfile::tempdir().unwrap();
    let moved = |status: u16| {
        let head =
            format!("HTTP/1.1 {status} Moved\r\nContent-Length: 0\r\nLocation: /fw.bin\r\n\r\n");
        (head, Vec::new())
    };
    let behind = honest("\"e\"", content(0));
    let peer = Peer::new(move |number, asked| match number % 4 {
        1 | 3 => moved(307),
        2 => moved(308),
        _ => behind(number, asked),
    });
    let peer = peer.await;
    let done = peer.fetch(folder.path()).await.unwrap();
    assert_eq!(std::fs::read(&done.file).unwrap(), content(0));
    let asked = peer.asked();
    assert_eq!(asked.len() % 4, 0);
    assert!(asked.last().unwrap().from > 0, "it was resumed behind them");

    for (status, requests) in [(307, 4), (301, 1), (302, 1), (303, 1)] {
        let peer = Peer::new(move |_, _| moved(status)).await;
        let folder = tempfile::tempdir().unwrap();
        let refused = peer.fetch(folder.path()).await;
        assert!(
            matches!(refused, Err(DownloadError::Status(told)) if told == status),
            "{refused:?}"
        );
        assert_eq!(peer.asked().len(), requests);
    }
}
