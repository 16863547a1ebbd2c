//! Content negotiation (`dm20.md` §3.2) against a peer that is particular: `Accept`, 406, 415, `OMADM-Accept`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use omadm_session::client::Outcome;
use serde_json::json;
use support::managed::{Device, GPS, gps, srv, statuses};
use support::peer::{Asked, Peer, Reply, commands, ending, status};

fn uploads(peer: &Peer) -> serde_json::Value {
    let left = format!("{GPS}/left/");
    json!([
        ["HPUT", peer.url("in"), left],
        ["HPOST", peer.url("in"), left]
    ])
}

fn types(peer: &Peer) -> Vec<String> {
    let asked = peer.repository();
    asked
        .iter()
        .map(|one| one.header("Content-Type").unwrap().to_owned())
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn x_nego_001_packages_and_fetches_say_what_they_can_read() {
    let peer = Peer::start().await;
    let device = Device::of(&peer).await;
    let client = device.client(&peer);
    peer.says(
        json!([["HGET", peer.url("in"), format!("{GPS}/left/")]]),
        |_| status(404).into(),
    );
    assert_eq!(statuses(&client, &peer).await, [404]);
    let asked = peer.asked();
    assert_eq!(
        asked[0].header("Accept"),
        Some("application/vnd.oma.dm.request+json")
    );
    let fetch = asked[1].header("Accept").unwrap();
    assert!(fetch.starts_with("application/vnd.oma.dm.mo+json, application/dmmo+json"));
}

#[tokio::test(flavor = "multi_thread")]
async fn x_nego_001_a_server_that_cannot_produce_package_2_answers_406_and_the_session_is_over() {
    let peer = Peer::start().await;
    let device = Device::of(&peer).await;
    let client = device.client(&peer);
    for code in [406, 415] {
        peer.does(move |_| status(code).into());
        let outcome = client.session(&srv()).await.unwrap().outcome;
        assert!(matches!(outcome, Outcome::Refused { status, .. } if status == code));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn x_nego_001_omadm_accept_without_a_type_of_ours_is_406_and_nothing_is_sent() {
    let peer = Peer::start().await;
    let device = Device::of(&peer).await;
    let client = device.client(&peer);
    let list = uploads(&peer);
    peer.does(move |asked| match asked {
        asked if asked.is_package1() => commands(&list)
            .with("OMADM-Accept", "application/vnd.syncml.dmtnds+xml")
            .into(),
        asked => ending(asked),
    });
    assert_eq!(statuses(&client, &peer).await, [406, 406]);
    assert!(peer.repository().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn x_nego_001_omadm_accept_chooses_the_type_of_later_uploads() {
    let peer = Peer::start().await;
    let device = Device::of(&peer).await;
    let client = device.client(&peer);
    let list = uploads(&peer);
    peer.does(move |asked| match asked {
        asked if asked.is_package1() => commands(&list)
            .with("OMADM-Accept", "application/json")
            .into(),
        asked if asked.is_package3() => ending(asked),
        _ => status(201).into(),
    });
    assert_eq!(statuses(&client, &peer).await, [200, 200]);
    assert_eq!(types(&peer), ["application/json", "application/json"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn x_nego_001_an_upload_answered_415_is_tried_once_more_in_a_type_that_is_taken_d06() {
    let peer = Peer::start().await;
    let device = Device::of(&peer).await;
    let client = device.client(&peer);
    peer.says(uploads(&peer), |asked: &Asked| -> Reply {
        if asked.header("Content-Type") == Some("application/dmmo+json") {
            status(200).into()
        } else {
            status(415)
                .with("OMADM-Accept", "application/dmmo+json")
                .into()
        }
    });
    assert_eq!(statuses(&client, &peer).await, [200, 200]);
    assert_eq!(
        types(&peer),
        [
            "application/vnd.oma.dm.mo+json",
            "application/dmmo+json",
            "application/vnd.oma.dm.mo+json",
            "application/dmmo+json"
        ]
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn x_nego_001_a_415_that_stays_is_the_status_after_one_retry_d06() {
    let peer = Peer::start().await;
    let device = Device::of(&peer).await;
    let client = device.client(&peer);
    for (accept, code, tries) in [
        (Some("application/*"), 415, 4),
        (Some("text/xml"), 406, 2),
        (None, 415, 2),
    ] {
        peer.forget();
        peer.says(uploads(&peer), move |_| match accept {
            Some(accept) => status(415).with("OMADM-Accept", accept).into(),
            None => status(415).into(),
        });
        assert_eq!(statuses(&client, &peer).await, [code, code], "{accept:?}");
        assert_eq!(peer.repository().len(), tries, "{accept:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn x_nego_001_a_fetched_type_that_is_not_understood_is_415() {
    let peer = Peer::start().await;
    let device = Device::of(&peer).await;
    let client = device.client(&peer);
    for (content_type, code) in [
        ("application/vnd.oma.dm.mo+json", 200),
        ("application/dmmo+json", 200),
        ("application/json; charset=utf-8", 200),
        ("text/html", 415),
        ("application/json; charset=latin1", 415),
    ] {
        peer.says(json!([["HGET", peer.url("in")]]), move |_| {
            let body = json!([gps("a", 5)]).to_string();
            status(200)
                .with("Content-Type", content_type)
                .body(body)
                .into()
        });
        assert_eq!(statuses(&client, &peer).await, [code], "{content_type}");
    }
}
