//! Client-initiated bootstrap against bootstrap servers that misbehave (`dm20.md` §14.5, D08, D55): several of them, in order, and when each is asked again.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use omadm_bootstrap::{BootstrapKind, BootstrapPolicy, BootstrapSource, Refusal};
use omadm_client::{Client, ClientBuilder, FetchAnswer, NoBootstrap};
use omadm_mo::{DevId, ServerUri};
use omadm_tls::DeviceKey;
use serde_json::{Value, json};
use support::peer::{Asked, Peer, Reply, ending, status};
use support::{Clock, SENT, SRV_ID, Watcher, ca, until};

/// A device of this folder that knows these peers, in this order.
fn builder(folder: &Path, clock: &Clock, peers: &[&Peer]) -> ClientBuilder {
    let watcher = Arc::new(Watcher::default());
    let builder = support::device(folder, clock, &watcher);
    let timeouts = builder.timeouts(Duration::from_secs(5), Duration::from_millis(700));
    peers.iter().fold(timeouts, |builder, peer| {
        let url = ServerUri::parse(&peer.url("bootstrap")).unwrap();
        builder.source(url, vec![peer.ca.certificate().clone()])
    })
}

fn device(folder: &Path, clock: &Clock, peers: &[&Peer]) -> Client {
    builder(folder, clock, peers).build().unwrap()
}

fn document(peer: &Peer) -> Value {
    serde_json::from_slice(&support::document(peer.port, false)).unwrap()
}

/// From now on the peer has a bootstrap.
fn serves(peer: &Peer) {
    let document = document(peer);
    peer.does(move |asked| match asked.method.as_str() {
        "GET" => support::peer::document(&document).into(),
        _ => ending(asked),
    });
}

/// How often the document was asked for.
fn fetches(peer: &Peer) -> usize {
    let asked = peer.asked();
    asked.iter().filter(|one| one.method == "GET").count()
}

fn refused(done: Result<omadm_client::Bootstrapped, NoBootstrap>) -> Refusal {
    match done {
        Err(NoBootstrap::Refused(refusal)) => refusal,
        other => unreachable!("{other:?}"),
    }
}

/// What a bad bootstrap server does, and the cause that the device gives.
fn misbehaviours(elsewhere: &Peer) -> Vec<(&'static str, Reply, &'static str)> {
    let whole = support::document(1, false);
    let mo = || status(200).with("Content-Type", "application/vnd.oma.dm.mo+json");
    let to = |status_: u16, location: &str| status(status_).with("Location", location);
    vec![
        (
            "redirects to a stranger",
            to(307, &elsewhere.url("b")).into(),
            "source-not-trusted",
        ),
        (
            "redirects to http",
            to(308, "http://127.0.0.1:1/b").into(),
            "source-not-trusted",
        ),
        (
            "redirects in a loop",
            to(307, "/bootstrap").into(),
            "peer-misbehaved",
        ),
        ("redirects nowhere", status(307).into(), "peer-misbehaved"),
        (
            "redirects as one that moved",
            to(302, &elsewhere.url("b")).into(),
            "server-refused",
        ),
        (
            "hangs before the headers",
            Reply::Silence,
            "server-unreachable",
        ),
        (
            "hangs in mid-body",
            Reply::Stall(mo().body(whole.clone())),
            "server-unreachable",
        ),
        (
            "breaks off in mid-body",
            Reply::Half(mo().body(whole.clone())),
            "server-unreachable",
        ),
        ("drips", Reply::Drip(mo().body(whole)), "server-unreachable"),
        ("hangs up", Reply::Close, "server-unreachable"),
        (
            "sends another type",
            status(200)
                .with("Content-Type", "text/html")
                .body("<html>")
                .into(),
            "peer-misbehaved",
        ),
        ("sends a gigabyte", Reply::Gigabyte, "document-too-big"),
        ("sends without end", Reply::Endless, "document-too-big"),
        ("sends no JSON", mo().body("{").into(), "unparsable"),
        (
            "sends other JSON",
            mo().body("{}").into(),
            "not-mo-serialization",
        ),
        ("sends no account", mo().body("[]").into(), "no-account"),
        ("refuses", status(403).into(), "credential-refused"),
        ("knows no such path", status(404).into(), "server-refused"),
        ("fails", status(500).into(), "server-failed"),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn b_08_a_bad_bootstrap_server_changes_nothing_and_the_next_one_is_asked() {
    let (bad, elsewhere) = (Peer::start().await, Peer::start().await);
    let good = bad.beside().await;
    serves(&good);
    let clock = Clock::at(SENT);
    for (what, reply, cause) in misbehaviours(&elsewhere) {
        bad.does(move |asked| match asked.method.as_str() {
            "GET" => reply.clone(),
            _ => ending(asked),
        });
        let folder = tempfile::tempdir().unwrap();
        let alone = device(folder.path(), &clock, &[&bad]);
        let before = alone.readable_tree().await.unwrap();
        let refusal = refused(alone.bootstrap().await);
        assert_eq!(refusal.cause.code(), cause, "{what}: {refusal}");
        assert_eq!(alone.readable_tree().await.unwrap(), before, "{what}");
        assert!(alone.accounts().unwrap().is_empty(), "{what}");
        let told = alone.last_refusal().unwrap().unwrap();
        assert!(
            !told.action.is_empty() && !told.sentence.is_empty(),
            "{what}: {told:?}"
        );
        let attempts = alone.fetch_attempts().await.unwrap();
        assert_eq!((attempts.len(), attempts[0].failures), (1, 1), "{what}");
        assert_eq!(attempts[0].url, bad.url("bootstrap"));
        let FetchAnswer::Refused(kept) = &attempts[0].answer else {
            unreachable!("{what}: {attempts:?}")
        };
        assert_eq!(kept.cause, cause);
        drop(alone);

        let both = device(folder.path(), &clock, &[&bad, &good]);
        both.bootstrap().await.unwrap();
        let account = both.accounts().unwrap().remove(0);
        let origin = format!("https://127.0.0.1:{}", good.port);
        assert_eq!(
            account.provenance.source,
            BootstrapSource::Server(origin),
            "{what}"
        );
        assert!(both.last_refusal().unwrap().is_none(), "{what}");
        assert!(both.fetch_attempts().await.unwrap().is_empty(), "{what}");
    }
    assert_eq!(elsewhere.connections(), 0, "a stranger was asked");
    // With an account, what a bad server sends leaves the account as it is, too.
    let folder = tempfile::tempdir().unwrap();
    let client = device(folder.path(), &clock, &[&good]);
    client.bootstrap().await.unwrap();
    drop(client);
    for (what, reply, cause) in misbehaviours(&elsewhere) {
        bad.does(move |_| reply.clone());
        let client = device(folder.path(), &clock, &[&bad]);
        let before = (
            client.readable_tree().await.unwrap(),
            client.accounts().unwrap(),
        );
        assert_eq!(
            refused(client.bootstrap().await).cause.code(),
            cause,
            "{what}"
        );
        let after = (
            client.readable_tree().await.unwrap(),
            client.accounts().unwrap(),
        );
        assert_eq!(after, before, "{what}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_loop_of_redirects_ends_and_a_redirect_to_a_trusted_source_is_followed_d08() {
    let first = Peer::start().await;
    let second = first.beside().await;
    serves(&second);
    let clock = Clock::at(SENT);
    first.does(|_| status(307).with("Location", "/again").into());
    let folder = tempfile::tempdir().unwrap();
    let client = device(folder.path(), &clock, &[&first]);
    refused(client.bootstrap().await);
    assert_eq!(fetches(&first), 4, "the first and three hops");
    drop(client);

    // The other one is a source of its own: its trust holds there, and it is where the document came from.
    first.forget();
    let location = second.url("there");
    first.does(move |_| status(308).with("Location", &location).into());
    let client = device(folder.path(), &clock, &[&first, &second]);
    client.bootstrap().await.unwrap();
    assert_eq!((fetches(&first), fetches(&second)), (1, 1));
    let origin = format!("https://127.0.0.1:{}", second.port);
    let source = client.accounts().unwrap().remove(0).provenance.source;
    assert_eq!(source, BootstrapSource::Server(origin));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_keeps_starting_asks_no_more_often_than_the_schedule_says_d55() {
    let peer = Peer::start().await;
    peer.does(|_| status(500).into());
    let (folder, clock) = (tempfile::tempdir().unwrap(), Clock::at(SENT));
    let start = async || {
        device(folder.path(), &clock, &[&peer])
            .switch_on()
            .await
            .unwrap()
            .fetched
    };
    refused(start().await.unwrap());
    let mut now = SENT;
    // Failures, and the shortest and longest wait after each, in seconds.
    for (failures, least, most) in [
        (1, 48, 72),
        (2, 240, 360),
        (3, 1440, 2160),
        (4, 69_120, 103_680),
    ] {
        for early in [1, least / 2, least - 1] {
            clock.set(now + early);
            let Some(Err(NoBootstrap::Later { at })) = start().await else {
                unreachable!("asked {early} s after failure {failures}")
            };
            let wait = at.0 / 1000 - i64::try_from(now).unwrap();
            assert!(
                (least..=most).contains(&u64::try_from(wait).unwrap()),
                "{wait}"
            );
        }
        assert_eq!(fetches(&peer), failures);
        now += most + 1;
        clock.set(now);
        refused(start().await.unwrap());
        assert_eq!(fetches(&peer), failures + 1);
    }
    // A clock that comes back to where it began does not start the questions anew, nor end them.
    clock.set(SENT);
    assert!(matches!(
        start().await,
        Some(Err(NoBootstrap::Later { .. }))
    ));
    clock.set(SENT + 103_681);
    refused(start().await.unwrap());
    // On command it is asked at once.
    let client = device(folder.path(), &clock, &[&peer]);
    refused(client.bootstrap().await);
    serves(&peer);
    client.bootstrap().await.unwrap();
    assert!(client.fetch_attempts().await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn retry_after_is_honoured_over_restarts_and_for_each_server_by_itself() {
    let first = Peer::start().await;
    let second = first.beside().await;
    first.does(|_| status(503).with("Retry-After", "600").into());
    second.does(|_| status(202).with("Retry-After", "90").into());
    let (folder, clock) = (tempfile::tempdir().unwrap(), Clock::at(SENT));
    let start = async || {
        let client = device(folder.path(), &clock, &[&first, &second]);
        client
            .switch_on()
            .await
            .unwrap()
            .fetched
            .unwrap()
            .unwrap_err()
    };
    assert_eq!(
        start().await,
        NoBootstrap::Nothing {
            retry_after: Some(90)
        }
    );
    for (after, asked_first, asked_second) in [
        (89, 1, 1),
        (90, 1, 2),
        (179, 1, 2),
        (180, 1, 3),
        (599, 1, 4),
        (600, 2, 4),
    ] {
        clock.set(SENT + after);
        let _problem = start().await;
        assert_eq!(
            (fetches(&first), fetches(&second)),
            (asked_first, asked_second),
            "{after}"
        );
    }
    // 204: there is nothing. The next start asks again, but not each one of a row of them.
    second.does(|_| status(204).into());
    clock.set(SENT + 1300);
    assert_eq!(start().await, NoBootstrap::Nothing { retry_after: None });
    let before = fetches(&second);
    clock.set(SENT + 1330);
    assert!(matches!(start().await, NoBootstrap::Later { .. }));
    clock.set(SENT + 1361);
    start().await;
    assert_eq!(fetches(&second), before + 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_an_operator_has_to_approve_knows_it_over_restarts_and_asks_when_it_was_told()
{
    let peer = Peer::start().await;
    let problem = r#"{"cause":"awaiting-approval","detail":"compare 12:34"}"#;
    peer.does(move |_| {
        let held = status(202).with("Retry-After", "90");
        held.body(problem).into()
    });
    let (folder, clock) = (tempfile::tempdir().unwrap(), Clock::at(SENT));
    let start = async || {
        let client = device(folder.path(), &clock, &[&peer]);
        client.switch_on().await.unwrap().fetched.unwrap()
    };
    let held = NoBootstrap::Held {
        retry_after: 90,
        detail: "compare 12:34".to_owned(),
    };
    assert_eq!(start().await, Err(held.clone()));
    clock.set(SENT + 89);
    assert!(matches!(start().await, Err(NoBootstrap::Later { .. })));
    let client = device(folder.path(), &clock, &[&peer]);
    let attempts = client.fetch_attempts().await.unwrap();
    let detail = "compare 12:34".to_owned();
    assert_eq!(
        (&attempts[0].answer, attempts[0].failures),
        (&FetchAnswer::Held { detail }, 0)
    );
    drop(client);
    clock.set(SENT + 90);
    assert_eq!(start().await, Err(held));
    assert_eq!(fetches(&peer), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_dies_while_it_asks_has_asked() {
    let peer = Peer::start().await;
    peer.does(|_| Reply::Silence);
    let (folder, clock) = (tempfile::tempdir().unwrap(), Clock::at(SENT));
    let client = device(folder.path(), &clock, &[&peer]);
    tokio::select! {
        done = client.switch_on() => unreachable!("{done:?}"),
        () = until("it asks", || fetches(&peer) == 1) => {}
    }
    drop(client);
    let client = device(folder.path(), &clock, &[&peer]);
    let attempts = client.fetch_attempts().await.unwrap();
    assert_eq!(
        (&attempts[0].answer, attempts[0].failures),
        (&FetchAnswer::Awaited, 1)
    );
    let again = client.switch_on().await.unwrap().fetched;
    assert!(
        matches!(again, Some(Err(NoBootstrap::Later { .. }))),
        "{again:?}"
    );
    assert_eq!(fetches(&peer), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_running_device_asks_again_when_the_server_said_and_then_reports() {
    let peer = Peer::start().await;
    let mut asked = 0;
    let answer = document(&peer);
    peer.does(move |request: &Asked| {
        if request.method != "GET" {
            return ending(request);
        }
        asked += 1;
        match asked {
            1 => status(202).with("Retry-After", "1").into(),
            2 => status(503).with("Retry-After", "1").into(),
            _ => support::peer::document(&answer).into(),
        }
    });
    let folder = tempfile::tempdir().unwrap();
    let watcher = Arc::new(Watcher::default());
    let now = std::time::SystemTime::UNIX_EPOCH;
    let builder = support::device(folder.path(), &Clock::at(SENT), &watcher).clock(move || {
        omadm_bootstrap::Utc(now.elapsed().unwrap().as_millis().try_into().unwrap())
    });
    let ca = vec![peer.ca.certificate().clone()];
    let url = ServerUri::parse(&peer.url("bootstrap")).unwrap();
    let client = builder.source(url, ca.clone()).anchors(ca).build().unwrap();
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let reported = async {
        until("BootstrapComplete", || {
            peer.asked().iter().any(Asked::is_package1)
        })
        .await;
        stop.send_replace(true);
    };
    let (done, ()) = tokio::join!(client.run(stopped), reported);
    done.unwrap();
    assert_eq!(fetches(&peer), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_with_nothing_but_auth_bootstrap_hands_the_device_over_b_18() {
    let (factory, other) = (Peer::start().await, Peer::start().await);
    let (own, validity) = ca();
    let dev_id = DevId::parse("IMEI:493005100592800").unwrap();
    let key = DeviceKey::generate().unwrap();
    let request = key.certificate_request(&dev_id).unwrap();
    let issued = own.issue_from_csr(&request, &dev_id, validity).unwrap();
    let (certificate, key) = (
        STANDARD.encode(&issued.der),
        STANDARD.encode(key.pkcs8().expose()),
    );
    let mut image = document(&factory);
    // The DM Server is elsewhere: the keys of the bootstrap server prove nothing there.
    let account = &mut image[0]["MOData"]["DMAcc"];
    account["SrvURI"] = json!("https://dms.example.com/dm");
    account["Auth"] = json!({ "Bootstrap": {
        "ServerURI": other.url("bootstrap"),
        "SecMode": STANDARD.encode([2]),
        "ClientPubKey": certificate,
        "ServerPubKey": STANDARD.encode(other.ca.certificate()),
        "ClientSecretKey": key,
    }});
    let file_of = tempfile::tempdir().unwrap();
    let file = file_of.path().join("image.json");
    std::fs::write(&file, image.to_string()).unwrap();

    // A server that hands over to itself again and again is asked once a day.
    let handing_over = image.clone();
    other.does(move |_| support::peer::document(&handing_over).into());
    let (folder, clock) = (tempfile::tempdir().unwrap(), Clock::at(SENT));
    let start = || {
        builder(folder.path(), &clock, &[])
            .factory_image(&file)
            .build()
            .unwrap()
    };
    let client = start();
    client.switch_on().await.unwrap().fetched.unwrap().unwrap();
    assert!(client.seeks_bootstrap().await.unwrap());
    drop(client);
    let client = start();
    let again = client.switch_on().await.unwrap().fetched;
    assert!(
        matches!(again, Some(Err(NoBootstrap::Later { .. }))),
        "{again:?}"
    );
    assert_eq!(fetches(&other), 1);
    drop(client);

    // One that brings what a session takes ends it: the account is its own now, without consent of anybody.
    let folder = tempfile::tempdir().unwrap();
    let mut whole = image.clone();
    whole[0]["MOData"]["DMAcc"]["Auth"]["Trsp"] = json!({
        "Data": certificate,
        "Secret": key,
    });
    other.does(move |_| support::peer::document(&whole).into());
    let client = builder(folder.path(), &clock, &[])
        .factory_image(&file)
        .build()
        .unwrap();
    client.switch_on().await.unwrap().fetched.unwrap().unwrap();
    let account = client.accounts().unwrap().remove(0);
    assert_eq!(account.srv_id.as_str(), SRV_ID);
    assert_eq!(account.provenance.kind, BootstrapKind::Re);
    let origin = format!("https://127.0.0.1:{}", other.port);
    assert_eq!(account.provenance.source, BootstrapSource::Server(origin));
    assert!(!client.seeks_bootstrap().await.unwrap());
    assert_eq!(client.switch_on().await.unwrap().fetched, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn where_a_person_said_no_the_next_server_is_not_asked() {
    let first = Peer::start().await;
    let second = first.beside().await;
    serves(&first);
    serves(&second);
    let mut policy = BootstrapPolicy::default();
    policy.client_initiated.require_user_consent = true;
    let (folder, clock) = (tempfile::tempdir().unwrap(), Clock::at(SENT));
    let builder = builder(folder.path(), &clock, &[&first, &second]);
    let client = builder
        .bootstrap_policy(policy)
        .consent(|_| false)
        .build()
        .unwrap();
    assert_eq!(
        refused(client.bootstrap().await).cause.code(),
        "consent-refused"
    );
    assert_eq!((fetches(&first), fetches(&second)), (1, 0));
}
