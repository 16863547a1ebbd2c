//! What a client answers to the HTTP challenges of a peer (`dm20.md` §3.3, §16.2, D45, D78).
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use omadm_client::{Client, SessionReport};
use omadm_dm2::http_auth::{Authorization, Challenge, DigestAlgorithm, DigestChallenge};
use omadm_dm2::{Command, Package2};
use omadm_mo::{Secret, SrvId};
use omadm_tls::{
    Acceptor, AcceptorConfig, CertificateDer, ClientTrust, DevelopmentCa, LiveClientTrust,
};
use serde_json::json;
use support::{Clock, LOOPBACK, SENT, SRV_ID, Watcher, ca, device, install};
use tokio::net::TcpListener;

const USER: &str = "IMEI:493005100592800";
const PASSWORD: &str = "correct horse battery";

/// What a peer's answers are made of: the `Authorization` of the request, its method and target, how many came before.
type Rule = dyn Fn(Option<&str>, &str, &str, usize) -> Answer + Send + Sync;

enum Answer {
    End,
    Challenged(Vec<String>),
    /// END and CONT to this ServerURI.
    Continue(String),
    /// This status, and that address.
    Redirect(u16, String),
}

/// A DM Server that follows a rule, and what the requests to it carried.
struct Peer {
    port: u16,
    ca: DevelopmentCa,
    seen: Arc<Mutex<Vec<Option<String>>>>,
}

impl Peer {
    async fn start(
        rule: impl Fn(Option<&str>, &str, &str, usize) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let (ca, validity) = ca();
        let identity = ca.issue_server(&["localhost"], validity).unwrap();
        let nobody = ClientTrust::new(&[] as &[CertificateDer<'_>], &[]).unwrap();
        let trust = Arc::new(LiveClientTrust::new(nobody));
        let acceptor = Acceptor::new(AcceptorConfig::new(identity, trust)).unwrap();
        let socket = TcpListener::bind(LOOPBACK).await.unwrap();
        let port = socket.local_addr().unwrap().port();
        let seen = Arc::<Mutex<Vec<Option<String>>>>::default();
        let (kept, rule): (_, Arc<Rule>) = (Arc::clone(&seen), Arc::new(rule));
        tokio::spawn(async move {
            loop {
                let (stream, _) = socket.accept().await.unwrap();
                let (acceptor, kept, rule) =
                    (acceptor.clone(), Arc::clone(&kept), Arc::clone(&rule));
                tokio::spawn(async move {
                    let stream = acceptor.accept(stream).await.unwrap().stream;
                    let service = service_fn(|request| answer(request, &kept, &*rule));
                    let http = hyper::server::conn::http1::Builder::new();
                    let _closed = http.serve_connection(TokioIo::new(stream), service).await;
                });
            }
        });
        Self { port, ca, seen }
    }

    fn seen(&self) -> Vec<Option<String>> {
        self.seen.lock().unwrap().clone()
    }

    /// The schemes of the requests in order, `-` where one had none.
    fn schemes(&self) -> Vec<String> {
        let scheme = |line: &Option<String>| {
            let line = line.as_deref().unwrap_or("-");
            line.split(' ').next().unwrap().to_owned()
        };
        self.seen().iter().map(scheme).collect()
    }
}

async fn answer(
    request: Request<Incoming>,
    kept: &Mutex<Vec<Option<String>>>,
    rule: &Rule,
) -> Result<Response<Full<Bytes>>, hyper::Error> {
    let (head, body) = request.into_parts();
    body.collect().await?;
    let line = head.headers.get("authorization");
    let line = line.map(|line| line.to_str().unwrap().to_owned());
    let nth = kept.lock().unwrap().len();
    kept.lock().unwrap().push(line.clone());
    let target = head.uri.path_and_query().unwrap().as_str();
    let mut response = Response::new(Full::default());
    let commands = match rule(line.as_deref(), head.method.as_str(), target, nth) {
        Answer::Challenged(lines) => {
            *response.status_mut() = StatusCode::UNAUTHORIZED;
            for line in lines {
                let line = http::HeaderValue::from_bytes(line.as_bytes()).unwrap();
                response.headers_mut().append("www-authenticate", line);
            }
            return Ok(response);
        }
        Answer::Redirect(status, to) => {
            *response.status_mut() = StatusCode::from_u16(status).unwrap();
            let to = http::HeaderValue::try_from(to).unwrap();
            response.headers_mut().insert("location", to);
            return Ok(response);
        }
        Answer::End => vec![Command::End],
        Answer::Continue(to) => vec![Command::Cont {
            server: omadm_mo::ServerUri::parse(&to).unwrap(),
        }],
    };
    *response.body_mut() = Full::new(Bytes::from(Package2::write(&commands).to_compact()));
    Ok(response)
}

fn digest(algorithm: DigestAlgorithm, nonce: &str, stale: bool) -> String {
    let challenge = DigestChallenge {
        realm: "peer".to_owned(),
        nonce: nonce.to_owned(),
        opaque: Some("opaque".to_owned()),
        algorithm,
        stale,
    };
    Challenge::Digest(challenge).write()
}

fn basic() -> String {
    let realm = "peer".to_owned();
    Challenge::Basic { realm }.write()
}

/// Whether a request carries the right password, by whatever scheme.
fn is_right(line: Option<&str>, method: &str, target: &str) -> bool {
    let password = Secret::from(PASSWORD.to_owned());
    match line.map(Authorization::read) {
        Some(Ok(Authorization::Basic(pairs))) => pairs
            .iter()
            .any(|pair| pair.user == USER && pair.password == password),
        Some(Ok(Authorization::Digest(made))) => {
            made.user == USER && made.uri == target && made.is_made_with(&password, method)
        }
        _ => false,
    }
}

fn nonce_of(line: &str) -> (String, u32) {
    match Authorization::read(line) {
        Ok(Authorization::Digest(made)) => (made.nonce, made.nc),
        _ => unreachable!("no Digest: {line}"),
    }
}

async fn client(folder: &std::path::Path, peers: &[&Peer], allow_basic: bool) -> Client {
    use base64::Engine as _;
    let base64 = |octets: &[u8]| base64::engine::general_purpose::STANDARD.encode(octets);
    let trust: serde_json::Map<_, _> = (1..)
        .zip(peers)
        .map(|(nr, peer)| {
            (
                nr.to_string(),
                json!({"Cert": base64(peer.ca.certificate())}),
            )
        })
        .collect();
    let account = json!({
        "SrvID": SRV_ID,
        "SrvURI": format!("https://localhost:{}/dm?a=b", peers[0].port),
        "Name": "Peer",
        "Perm": {"1": {"MOID": "urn:oma:mo:oma-dm-devinfo:1.2"}},
        "Ext": {"HTTPAuth": {"User": USER, "Password": PASSWORD}, "Trust": trust},
    });
    let document =
        json!([{"ClientURI": "urn:oma:mo:oma-dm-dmacc:1.2//", "MOData": {"DMAcc": account}}]);
    let (clock, watcher) = (Clock::at(SENT), Arc::<Watcher>::default());
    let client = device(folder, &clock, &watcher)
        .allow_http_basic(allow_basic)
        .build()
        .unwrap();
    install(&client, document.to_string().into_bytes()).await;
    client
}

async fn session(client: &Client) -> SessionReport {
    client
        .session(&SrvId::parse(SRV_ID).unwrap())
        .await
        .unwrap()
}

/// The schemes of the requests of one session with a peer that offers these challenges, and whether the completion is still owed.
async fn with(lines: Vec<String>, allow_basic: bool) -> (Vec<String>, bool) {
    let peer = Peer::start(move |line, method, target, _| {
        if is_right(line, method, target) {
            Answer::End
        } else {
            Answer::Challenged(lines.clone())
        }
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let client = client(folder.path(), &[&peer], allow_basic).await;
    let report = session(&client).await;
    (peer.schemes(), report.still_owed)
}

#[tokio::test]
async fn x_sec_001_the_strongest_scheme_that_is_offered_is_answered() {
    let both = [DigestAlgorithm::Md5, DigestAlgorithm::Sha256];
    let all = move || {
        let mut all = vec!["Negotiate".to_owned(), basic()];
        all.extend(both.map(|algorithm| digest(algorithm, "n", false)));
        all
    };
    let md5 = vec![digest(DigestAlgorithm::Md5, "n", false)];
    for (lines, scheme) in [(all(), "Digest"), (md5, "Digest"), (vec![basic()], "Basic")] {
        let (schemes, owed) = with(lines, true).await;
        assert_eq!(
            (schemes, owed),
            (vec!["-".to_owned(), scheme.to_owned()], false)
        );
    }
    let peer = Peer::start(move |line, _, _, _| match line {
        None => Answer::Challenged(all()),
        Some(_) => Answer::End,
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    session(&client(folder.path(), &[&peer], true).await).await;
    let line = peer.seen().pop().unwrap().unwrap();
    assert!(line.contains("algorithm=SHA-256") && line.contains("opaque=\"opaque\""));
}

#[tokio::test]
async fn x_sec_001_basic_is_not_answered_where_the_policy_forbids_it() {
    let (schemes, owed) = with(vec![basic()], false).await;
    assert_eq!((schemes, owed), (vec!["-".to_owned()], true));
    let both = vec![basic(), digest(DigestAlgorithm::Md5, "n", false)];
    let (schemes, owed) = with(both, false).await;
    assert_eq!(
        (schemes, owed),
        (vec!["-".to_owned(), "Digest".to_owned()], false)
    );
}

#[tokio::test]
async fn x_sec_001_a_challenge_is_answered_once_and_a_stale_one_once_more() {
    for (stale, requests) in [(false, 2), (true, 3)] {
        let peer = Peer::start(move |_, _, _, nth| {
            let nonce = format!("n{nth}");
            Answer::Challenged(vec![digest(DigestAlgorithm::Sha256, &nonce, stale)])
        })
        .await;
        let folder = tempfile::tempdir().unwrap();
        let report = session(&client(folder.path(), &[&peer], true).await).await;
        assert!(report.still_owed);
        assert_eq!(peer.seen().len(), requests);
    }
}

#[tokio::test]
async fn what_cannot_be_answered_is_left_alone() {
    for garbage in [
        "",
        "Digest",
        "Digest realm=\"never ends",
        "Digest realm=x, nonce=y, qop=auth, algorithm=SHA-1",
        "=,=,\"\"",
        "Bearer error=\"x\"",
        "Digest \u{fc}=1",
    ] {
        let (schemes, owed) = with(vec![garbage.to_owned()], true).await;
        assert_eq!((schemes, owed), (vec!["-".to_owned()], true), "{garbage}");
    }
}

#[tokio::test]
async fn x_sec_001_further_requests_answer_ahead_with_a_counter_that_grows() {
    let peer = Peer::start(move |line, method, target, _| {
        if is_right(line, method, target) {
            Answer::End
        } else {
            Answer::Challenged(vec![digest(DigestAlgorithm::Sha256, "n", false)])
        }
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let client = client(folder.path(), &[&peer], true).await;
    for _ in 0..3 {
        session(&client).await;
    }
    let seen = peer.seen();
    assert_eq!(seen[0], None);
    let counted: Vec<_> = seen[1..]
        .iter()
        .map(|line| nonce_of(line.as_deref().unwrap()))
        .collect();
    let wanted: Vec<_> = (1..=3).map(|nc| ("n".to_owned(), nc)).collect();
    assert_eq!(counted, wanted);
}

#[tokio::test]
async fn x_sec_001_no_password_goes_to_another_origin_after_cont() {
    let elsewhere = Peer::start(|_, _, _, _| Answer::Challenged(vec![basic()])).await;
    let to = format!("https://localhost:{}/dm", elsewhere.port);
    let home = Peer::start(move |line, method, target, _| {
        if is_right(line, method, target) {
            Answer::Continue(to.clone())
        } else {
            Answer::Challenged(vec![basic()])
        }
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    session(&client(folder.path(), &[&home, &elsewhere], true).await).await;
    assert_eq!(home.schemes(), ["-", "Basic"]);
    assert_eq!(elsewhere.seen(), [None]);
}

#[tokio::test]
async fn x_sec_001_no_password_follows_a_redirect_to_another_origin() {
    for status in [307, 308] {
        for challenges in [
            vec![basic()],
            vec![digest(DigestAlgorithm::Sha256, "n", false)],
        ] {
            let offered = challenges.clone();
            let elsewhere =
                Peer::start(move |_, _, _, _| Answer::Challenged(offered.clone())).await;
            let to = format!("https://localhost:{}/dm?a=b", elsewhere.port);
            let offered = challenges.clone();
            let home = Peer::start(move |line, method, target, _| {
                if is_right(line, method, target) {
                    Answer::Redirect(status, to.clone())
                } else {
                    Answer::Challenged(offered.clone())
                }
            })
            .await;
            let folder = tempfile::tempdir().unwrap();
            let client = client(folder.path(), &[&home, &elsewhere], true).await;
            assert!(session(&client).await.still_owed);
            // Answered ahead at home, and once more not there.
            session(&client).await;
            let scheme = challenges[0].split(' ').next().unwrap();
            assert_eq!(home.schemes(), ["-", scheme, scheme]);
            assert_eq!(elsewhere.seen(), [None, None]);
        }
    }
}

#[tokio::test]
async fn x_sec_001_a_redirect_within_the_origin_is_followed_with_the_password() {
    let peer = Peer::start(move |line, method, target, _| {
        match (is_right(line, method, target), target) {
            (false, _) => Answer::Challenged(vec![digest(DigestAlgorithm::Sha256, "n", false)]),
            (true, "/there") => Answer::End,
            (true, _) => Answer::Redirect(307, "/there".to_owned()),
        }
    })
    .await;
    let folder = tempfile::tempdir().unwrap();
    let client = client(folder.path(), &[&peer], true).await;
    assert!(!session(&client).await.still_owed);
    assert_eq!(peer.schemes(), ["-", "Digest", "Digest"]);
}
