//! HTTP on the session itself (`dm20.md` §3.3): redirects (D08), errors (D07), timeouts (D01), bodies that lie.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::{Duration, Instant};

use omadm_client::Client;
use omadm_dm2::{Alert, AlertType};
use omadm_session::client::{Cause, Outcome};
use serde_json::json;
use support::managed::{Device, GPS, srv};
use support::peer::{Peer, Reply, commands, ending, status};

async fn outcome(client: &Client) -> Outcome {
    client.session(&srv()).await.unwrap().outcome
}

fn refused(outcome: &Outcome) -> u16 {
    match outcome {
        Outcome::Refused { status, .. } => *status,
        other => unreachable!("{other:?}"),
    }
}

/// An alert that waits for the next session.
fn queue(client: &Client) {
    let alert = Alert::new(AlertType::new("urn:example:alert:1.0"));
    assert!(client.queue_alert(&srv(), &alert).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn x_flow_001_redirects_307_and_308_are_followed_for_three_hops_d08() {
    let peer = Peer::start().await;
    let device = Device::of(&peer).await;
    let client = device.client(&peer);
    for code in [307, 308] {
        peer.forget();
        peer.does(move |asked| match asked.path.as_str() {
            "/dm" => status(code).with("Location", "/hop/1").into(),
            "/hop/1" => status(code).with("Location", "/hop/2").into(),
            "/hop/2" => status(code).with("Location", "/hop/3").into(),
            _ => ending(asked),
        });
        assert_eq!(outcome(&client).await, Outcome::Ended);
        let asked = peer.asked();
        let paths: Vec<_> = asked.iter().map(|one| one.path.as_str()).collect();
        assert_eq!(paths, ["/dm", "/hop/1", "/hop/2", "/hop/3"]);
        assert!(
            asked
                .iter()
                .all(|one| one.method == "POST" && one.body == asked[0].body)
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn cookies_of_a_server_come_back_whatever_their_names_and_in_its_session_alone_d02() {
    let peer = Peer::start().await;
    let device = Device::of(&peer).await;
    let client = device.client(&peer);
    for _ in 0..2 {
        peer.forget();
        let mut left = [
            Some("omadm-session=3"),
            Some("JSESSIONID=2; Path=/; SameSite=Odd"),
        ];
        peer.does(
            move |asked| match left.iter_mut().rev().find_map(Option::take) {
                Some(cookie) => {
                    let get = json!({"CMD": [["GET", "urn:oma:mo:oma-dm-devinfo:1.2//Man"]]});
                    let answer = status(200).with("Set-Cookie", cookie);
                    answer.body(get.to_string().into_bytes()).into()
                }
                None => ending(asked),
            },
        );
        assert_eq!(outcome(&client).await, Outcome::Ended);
        let asked = peer.asked();
        let sent: Vec<_> = asked.iter().map(|one| one.header("Cookie")).collect();
        let both = "JSESSIONID=2; omadm-session=3";
        assert_eq!(sent, [None, Some("JSESSIONID=2"), Some(both)]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn x_flow_001_a_fourth_redirect_is_refused_d08() {
    let peer = Peer::start().await;
    let device = Device::of(&peer).await;
    let client = device.client(&peer);
    peer.does(|_| status(307).with("Location", "/round").into());
    assert_eq!(refused(&outcome(&client).await), 307);
    assert_eq!(peer.asked().len(), 4);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_to_plain_http_is_refused_d08() {
    let peer = Peer::start().await;
    let device = Device::of(&peer).await;
    let client = device.client(&peer);
    let plain = format!("http://127.0.0.1:{}/dm", peer.port);
    peer.does(move |_| status(308).with("Location", &plain).into());
    assert_eq!(refused(&outcome(&client).await), 308);
    assert_eq!(peer.asked().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn redirects_301_302_303_and_bad_locations_are_as_4xx_d08() {
    let peer = Peer::start().await;
    let device = Device::of(&peer).await;
    let client = device.client(&peer);
    for code in [301, 302, 303] {
        peer.does(move |_| status(code).with("Location", "/elsewhere").into());
        assert_eq!(refused(&outcome(&client).await), code);
    }
    for location in ["file:///etc/passwd", "//", "dm", ""] {
        peer.does(move |_| status(307).with("Location", location).into());
        assert_eq!(refused(&outcome(&client).await), 307, "{location}");
    }
    assert!(peer.asked().iter().all(|one| one.path == "/dm"));
}

#[tokio::test(flavor = "multi_thread")]
async fn x_alrt_001_after_4xx_and_5xx_alerts_are_kept_and_nothing_is_retried_d07() {
    let peer = Peer::start().await;
    let device = Device::of(&peer).await;
    let client = device.client(&peer);
    queue(&client);
    for code in [400, 403, 404, 409, 413, 500, 502, 503] {
        peer.forget();
        peer.does(move |_| status(code).with("Retry-After", "1").into());
        assert_eq!(refused(&outcome(&client).await), code);
        client.settle().await.unwrap();
        assert_eq!(peer.asked().len(), 1, "{code}: no retry");
        assert_eq!(client.queued_alerts(&srv()).unwrap().len(), 1);
    }
    peer.forget();
    peer.does(ending);
    assert_eq!(outcome(&client).await, Outcome::Ended);
    let told = peer.asked()[0].alerts();
    assert_eq!(
        told,
        [
            "urn:oma:at:dm:2.0:ClientInitiatedMgmt",
            "urn:example:alert:1.0"
        ]
    );
    assert!(client.queued_alerts(&srv()).unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn b_23_an_owed_completion_is_retried_after_an_http_error_d07() {
    let peer = Peer::start().await;
    let device = Device::of(&peer).await;
    let client = device.client(&peer);
    device.bootstrap_again(&client, &peer).await;
    peer.does(|_| status(503).into());
    let report = client.session(&srv()).await.unwrap();
    assert!(report.still_owed && refused(&report.outcome) == 503);
    peer.forget();
    peer.does(ending);
    let reports = client.settle().await.unwrap();
    assert_eq!((reports.len(), reports[0].still_owed), (1, false));
    let told = peer.asked()[0].alerts();
    assert_eq!(told, ["urn:oma:at:dm:2.0:BootstrapComplete"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_error_to_package_3_ends_the_session() {
    let peer = Peer::start().await;
    let device = Device::of(&peer).await;
    let client = device.client(&peer);
    let get = json!([["GET", format!("{GPS}/left/ID")]]);
    peer.does(move |asked| {
        if asked.is_package1() {
            commands(&get).into()
        } else {
            status(409).into()
        }
    });
    assert!(matches!(
        outcome(&client).await,
        Outcome::Refused {
            status: 409,
            after_first_answer: true,
            ..
        }
    ));
}

#[tokio::test(flavor = "multi_thread")]
async fn x_flow_001_a_server_that_says_nothing_is_given_up_after_the_read_timeout_d01() {
    let peer = Peer::start().await;
    let mut device = Device::of(&peer).await;
    device.read_timeout = Duration::from_millis(400);
    let client = device.client(&peer);
    queue(&client);
    let endless = " ".repeat(100_000);
    for reply in [
        Reply::Silence,
        Reply::Drip(status(200).body("{\"CMD\":[[\"END\"]]}".repeat(4))),
        Reply::Drip(status(200).body(endless)),
    ] {
        let (begun, told) = (Instant::now(), reply.clone());
        peer.does(move |_| told.clone());
        let lost = outcome(&client).await;
        assert!(
            matches!(lost, Outcome::Lost(Cause::Unreachable(_))),
            "{lost:?}"
        );
        assert!(begun.elapsed() < Duration::from_secs(5));
        assert_eq!(client.queued_alerts(&srv()).unwrap().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_takes_connections_and_does_nothing_is_given_up_after_the_connect_timeout_d01()
 {
    let peer = Peer::start().await;
    let device = Device::of(&peer).await;
    let socket = tokio::net::TcpListener::bind(support::LOOPBACK)
        .await
        .unwrap();
    let url = format!(
        "https://127.0.0.1:{}/x",
        socket.local_addr().unwrap().port()
    );
    let client = device
        .builder(&peer)
        .timeouts(Duration::from_millis(300), Duration::from_secs(20))
        .build()
        .unwrap();
    peer.says(json!([["HGET", url, format!("{GPS}/left/")]]), ending);
    let begun = Instant::now();
    assert_eq!(support::managed::statuses(&client, &peer).await, [502]);
    assert!(begun.elapsed() < Duration::from_secs(5));
    drop(socket);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_connection_that_closes_or_breaks_off_loses_the_session_and_keeps_the_alerts() {
    let peer = Peer::start().await;
    let device = Device::of(&peer).await;
    let client = device.client(&peer);
    queue(&client);
    for reply in [Reply::Close, Reply::Half(commands(&json!([["END"]])))] {
        peer.does(move |_| reply.clone());
        let lost = outcome(&client).await;
        assert!(matches!(lost, Outcome::Lost(_)), "{lost:?}");
        assert_eq!(client.queued_alerts(&srv()).unwrap().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_answer_larger_than_the_limit_is_not_taken() {
    let peer = Peer::start().await;
    let device = Device::of(&peer).await;
    let limits = omadm_mo::json::JsonLimits {
        octets: 10_000,
        ..omadm_mo::json::JsonLimits::default()
    };
    let client = device.builder(&peer).limits(limits).build().unwrap();
    for reply in [
        Reply::Answer(status(200).body(" ".repeat(20_000))),
        // What is announced as too large is not waited for.
        Reply::Stall(status(200).body(" ".repeat(20_000))),
        Reply::Endless,
    ] {
        let told = reply.clone();
        peer.does(move |_| told.clone());
        assert_eq!(
            outcome(&client).await,
            Outcome::Lost(Cause::TooLarge(10_000))
        );
        let list = json!([["HGET", peer.url("x"), format!("{GPS}/left/")]]);
        peer.says(list, move |_| reply.clone());
        assert_eq!(support::managed::statuses(&client, &peer).await, [413]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_package_2_ends_the_session_d11() {
    let peer = Peer::start().await;
    let device = Device::of(&peer).await;
    let client = device.client(&peer);
    for body in ["<html>", "{}", "{\"CMD\":[[1]]}", "[]"] {
        peer.does(move |_| status(200).body(body).into());
        let lost = outcome(&client).await;
        assert!(matches!(lost, Outcome::Unparsable(_)), "{body}: {lost:?}");
    }
}
