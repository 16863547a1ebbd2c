//! A server that means harm, over TLS: it fills the disk, never ends, asks for everything at once. What it can make the device connect to stands in
//! `address_policy.rs`, what HTTP alone can do in `misbehaving_session.rs`, what of other servers it reaches in `omadm-session`'s
//! `client_hostile_server.rs`.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::{Duration, Instant};

use omadm_client::Client;
use omadm_client::store::MOST_ALERTS;
use omadm_dm2::{Alert, AlertData, AlertType};
use omadm_mo::ClientUri;
use omadm_session::client::{Cause, Outcome};
use serde_json::{Value, json};
use support::managed::{CLOCK, Device, GPS, PUMP, Plan, srv, statuses};
use support::peer::{Asked, Peer, Reply, commands, document, ending, status};

/// An MO instance with a value of so many octets.
fn filled(moid: &str, root: &str, octets: usize) -> Value {
    json!({"ClientURI": format!("{moid}//"), "MOData": {root: {"ID": "x".repeat(octets), "Rate": 1}}})
}

/// One session with these commands, where the repository gives this document; their statuses.
async fn session(client: &Client, peer: &Peer, list: Value, given: Value) -> Vec<u64> {
    peer.forget();
    peer.says(list, move |_| document(&given).into());
    statuses(client, peer).await
}

async fn instances(client: &Client, moid: &str) -> usize {
    let all = ClientUri::parse(&format!("{moid}/*/")).unwrap();
    client.local_get(all).await.map_or(0, |found| found.len())
}

fn count(codes: &[u64], code: u64) -> usize {
    codes.iter().filter(|one| **one == code).count()
}

#[tokio::test(flavor = "multi_thread")]
async fn instances_without_end_are_507_once_the_tree_is_full_and_may_be_deleted() {
    let peer = Peer::start().await;
    let device = Device::of(&peer).await;
    let client = device
        .builder(&peer)
        .tree_octets(256 << 10)
        .build()
        .unwrap();
    let hgets = json!(vec![json!(["HGET", peer.url("more")]); 20]);
    let mut codes = Vec::new();
    for _ in 0..6 {
        let given = json!([filled(GPS, "GPS", 4000)]);
        codes.extend(session(&client, &peer, hgets.clone(), given).await);
    }
    let (taken, full) = (count(&codes, 200), count(&codes, 507));
    assert_eq!(taken + full, 120, "{codes:?}");
    assert!((50..=(256 << 10) / 4000).contains(&taken), "{taken}");
    assert_eq!(instances(&client, GPS).await, taken + 1);
    // A delivery that is too large is refused whole.
    let many = json!(vec![filled(GPS, "GPS", 4000); 40]);
    let refused = session(&client, &peer, json!([["HGET", peer.url("more")]]), many).await;
    assert_eq!(refused, [507]);
    let file = std::fs::metadata(device.folder().join("tree.redb")).unwrap();
    assert!(file.len() < 8 << 20, "{}", file.len());
    // The server makes room, and it counts, after a restart too.
    drop(client);
    let client = device
        .builder(&peer)
        .tree_octets(256 << 10)
        .build()
        .unwrap();
    let found = session(
        &client,
        &peer,
        json!([["DELETE", format!("{GPS}/1/")]]),
        json!([]),
    )
    .await;
    assert_eq!(found, [200]);
    let given = json!([filled(GPS, "GPS", 4000)]);
    let again = json!([["HGET", peer.url("more")], ["HGET", peer.url("more")]]);
    assert_eq!(session(&client, &peer, again, given).await, [200, 507]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_value_or_a_document_larger_than_the_limits_is_not_stored() {
    let peer = Peer::start().await;
    let device = Device::of(&peer).await;
    let client = device
        .builder(&peer)
        .tree_octets(256 << 10)
        .build()
        .unwrap();
    let hget = json!([["HGET", peer.url("big")]]);
    for (octets, code) in [(300 << 10, 507), (2 << 20, 413)] {
        let given = json!([filled(CLOCK, "Clock", octets)]);
        assert_eq!(session(&client, &peer, hget.clone(), given).await, [code]);
    }
    peer.forget();
    peer.says(hget, |_| Reply::Endless);
    assert_eq!(statuses(&client, &peer).await, [413]);
    assert_eq!(instances(&client, CLOCK).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn subscriptions_and_defaults_without_end_are_bounded() {
    let peer = Peer::start().await;
    let device = Device::of(&peer).await;
    let client = device.client(&peer);
    let many = json!(vec![filled(GPS, "GPS", 1); 1_700]);
    let hget = json!([["HGET", peer.url("more")]]);
    assert_eq!(session(&client, &peer, hget, many).await, [200]);
    let nodes = (1..=1_700).flat_map(|nr| ["", "ID", "Rate"].map(|name| format!("{nr}/{name}")));
    let subs = nodes.map(|node| json!(["SUB", peer.url("report"), format!("{GPS}/{node}")]));
    let subs: Vec<_> = subs.collect();
    let codes = session(&client, &peer, json!(subs), json!([])).await;
    assert_eq!((count(&codes, 200), count(&codes, 507)), (64, 5_100 - 64));
    let defaults: Vec<_> = (0..500)
        .map(|nr| {
            let moid = match nr % 3 {
                0 => GPS.to_owned(),
                1 => CLOCK.to_owned(),
                _ => format!("urn:example:mo:nowhere:{nr}"),
            };
            json!(["DEFAULT", peer.url(&format!("d{nr}")), moid])
        })
        .collect();
    let codes = session(&client, &peer, json!(defaults), json!([])).await;
    assert_eq!((count(&codes, 200), codes.len()), (334, 500));
    let account = client.accounts().unwrap().remove(0);
    assert_eq!(
        (account.subscriptions.len(), account.defaults.len()),
        (64, 2)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn alerts_and_executions_that_pile_up_are_bounded() {
    let peer = Peer::start().await;
    let device = Device::of(&peer).await;
    let client = device.client(&peer);
    for number in 0..MOST_ALERTS + 20 {
        let alert = Alert::new(AlertType::new("urn:example:alert:1.0"));
        let data = AlertData::object([("Nr", omadm_mo::json::Json::Int(number as i64))]);
        let alert = alert.with_data("application/json", data);
        assert!(client.queue_alert(&srv(), &alert).unwrap());
    }
    let waiting = client.queued_alerts(&srv()).unwrap();
    assert_eq!(waiting.len(), MOST_ALERTS);
    assert!(waiting[0].contains("20"), "{}", waiting[0]);
    assert!(waiting[MOST_ALERTS - 1].contains(&(MOST_ALERTS + 19).to_string()));

    *device.plan.lock().unwrap() = Plan::Later;
    let exec = json!(["EXEC", format!("{PUMP}//Run"), peer.url("result")]);
    let codes = session(&client, &peer, json!(vec![exec; 100]), json!([])).await;
    assert_eq!((count(&codes, 202), count(&codes, 507)), (64, 36));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_a_server_never_ends_is_broken_off_and_others_have_their_turn() {
    let peer = Peer::start().await;
    let device = Device::of(&peer).await;
    let limit = Duration::from_secs(1);
    let client = device
        .builder(&peer)
        .session_timeout(limit)
        .build()
        .unwrap();
    let get = json!([["GET", format!("{GPS}/left/")]]);
    let fetch = json!(vec![json!(["HGET", peer.url("slow")]); 1000]);
    let slow = |asked: &Asked| match asked.path.as_str() {
        "/slow" => {
            std::thread::sleep(Duration::from_millis(100));
            status(503).into()
        }
        _ => ending(asked),
    };
    for list in [get, fetch] {
        peer.forget();
        peer.does(move |asked| {
            if asked.is_package1() || asked.is_package3() {
                commands(&list).into()
            } else {
                slow(asked)
            }
        });
        let began = Instant::now();
        let outcome = client.session(&srv()).await.unwrap().outcome;
        assert_eq!(outcome, Outcome::Lost(Cause::SessionTooLong(limit)));
        let took = began.elapsed();
        assert!(took >= limit && took < 10 * limit, "{took:?}");
        assert!(peer.asked().len() > 3);
    }
    peer.does(ending);
    let outcome = client.session(&srv()).await.unwrap().outcome;
    assert_eq!(outcome, Outcome::Ended);
}
