//! Alerts that wait for a server go into as many Package#1 as it takes, none larger than a server takes.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::{Arc, Mutex};

use omadm_client::Client;
use omadm_dm2::{Alert, AlertData, AlertType};
use omadm_mo::json::Json;
use omadm_session::client::Outcome;
use support::managed::{Device, srv};
use support::peer::{Asked, Peer, ending, status};

/// An alert of about so many octets.
fn queue(client: &Client, number: usize, octets: usize) {
    let data = AlertData::object([
        ("Number", Json::Text(number.to_string())),
        ("Filler", Json::Text("x".repeat(octets))),
    ]);
    let alert =
        Alert::new(AlertType::new("urn:example:at:long")).with_data("application/json", data);
    assert!(client.queue_alert(&srv(), &alert).unwrap());
}

/// The numbers of the alerts in a package.
fn numbers(package: &Asked) -> Vec<usize> {
    let json = package.json();
    let alerts = json["Alert"].as_array().unwrap().iter();
    let numbers = alerts.filter_map(|alert| alert["Data"]["Number"].as_str()?.parse().ok());
    numbers.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn what_does_not_fit_into_a_package_goes_in_the_next_session_and_none_is_lost() {
    let peer = Peer::start().await;
    let device = Device::of(&peer).await;
    let client = device.client(&peer);
    for number in 0..10 {
        queue(&client, number, 100 << 10);
    }
    let mut came = Vec::new();
    while !client.queued_alerts(&srv()).unwrap().is_empty() {
        peer.forget();
        assert_eq!(
            client.session(&srv()).await.unwrap().outcome,
            Outcome::Ended
        );
        let package = peer.asked().remove(0);
        assert!(package.body.len() < 300 << 10, "{}", package.body.len());
        came.push(numbers(&package));
    }
    assert_eq!(came, [[0, 1], [2, 3], [4, 5], [6, 7], [8, 9]]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_takes_less_gets_less_and_an_alert_it_never_takes_stands_in_nobodys_way() {
    let peer = Peer::start().await;
    let device = Device::of(&peer).await;
    let client = device.client(&peer);
    for number in 0..6 {
        // The third is larger than the server ever takes.
        queue(
            &client,
            number,
            if number == 2 { 40 << 10 } else { 10 << 10 },
        );
    }
    let taken = Arc::new(Mutex::new(Vec::new()));
    let takes = Arc::clone(&taken);
    peer.does(move |asked| {
        if asked.body.len() > 32 << 10 {
            return status(413).into();
        }
        if asked.is_package1() {
            takes.lock().unwrap().extend(numbers(asked));
        }
        ending(asked)
    });
    for _ in 0..12 {
        client.session(&srv()).await.unwrap();
    }
    assert!(client.queued_alerts(&srv()).unwrap().is_empty());
    assert_eq!(*taken.lock().unwrap(), [0, 1, 3, 4, 5]);
}
