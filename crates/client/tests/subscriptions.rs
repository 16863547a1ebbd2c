//! SUB on a running client: when reports leave, what they hold, and what becomes of those that fail.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use omadm_client::policy::NetworkPolicy;
use omadm_client::{Client, ClientEvent};
use omadm_session::client::{AddressRule, Cause};
use serde_json::json;
use support::managed::{Device, GPS, PUMP, gps, srv, statuses};
use support::peer::{Asked, Peer, Reply, document, status};
use support::{ON_LOOPBACK, until};
use tokio::sync::watch;
use tokio::task::JoinHandle;

/// A client that runs as a daemon until it is told to stop.
struct Running {
    client: Arc<Client>,
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

fn run(client: Client) -> Running {
    let (stop, stopped) = watch::channel(false);
    let client = Arc::new(client);
    let daemon = Arc::clone(&client);
    let task = tokio::spawn(async move { daemon.run(stopped).await.unwrap() });
    Running { client, stop, task }
}

impl Running {
    async fn end(self) {
        self.stop.send(true).unwrap();
        self.task.await.unwrap();
    }
}

fn reports(peer: &Peer) -> Vec<Asked> {
    let mut asked = peer.repository();
    asked.retain(|one| one.path == "/report");
    asked
}

fn rate(report: &Asked) -> i64 {
    report.json()[0]["MOData"]["GPS"]["Rate"].as_i64().unwrap()
}

async fn subscribed(peer: &Peer, device: &Device, uri: &str) {
    let client = device.client(peer);
    peer.says(json!([["SUB", peer.url("report"), uri]]), |_| {
        status(404).into()
    });
    assert_eq!(statuses(&client, peer).await, [200]);
    peer.forget();
}

/// Sends a new Rate by HGET; reports get what the closure says.
async fn change(
    client: &Client,
    peer: &Peer,
    rates: &[i64],
    mut reported: impl FnMut(&Asked) -> Reply + Send + 'static,
) {
    let commands: Vec<_> = rates
        .iter()
        .map(|rate| {
            json!([
                "HGET",
                peer.url(&format!("rate/{rate}")),
                format!("{GPS}/left/")
            ])
        })
        .collect();
    peer.says(json!(commands), move |asked| {
        match asked.path.strip_prefix("/rate/") {
            Some(rate) => document(&json!([gps("a", rate.parse().unwrap())])).into(),
            None => reported(asked),
        }
    });
    let done = statuses(client, peer).await;
    assert!(done.iter().all(|code| *code == 200), "{done:?}");
}

fn failures(device: &Device) -> Vec<(Cause, bool)> {
    let events = device.watcher.events().into_iter();
    events
        .filter_map(|event| match event {
            ClientEvent::ReportFailed { cause, dropped, .. } => Some((cause, dropped)),
            _ => None,
        })
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn x_cmd_003_changes_of_one_second_leave_as_one_report_with_the_whole_subtree() {
    let peer = Peer::start().await;
    let device = Device::of(&peer).await;
    subscribed(&peer, &device, &format!("{GPS}/left/")).await;
    let running = run(device.client(&peer));
    change(&running.client, &peer, &[6, 7, 8], |_| status(204).into()).await;
    until("a report", || !reports(&peer).is_empty()).await;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let all = reports(&peer);
    assert_eq!(all.len(), 1, "coalesced");
    assert_eq!(all[0].method, "PUT");
    assert_eq!(
        all[0].header("Content-Type"),
        Some("application/vnd.oma.dm.mo+json")
    );
    assert_eq!(rate(&all[0]), 8);
    assert_eq!(all[0].json()[0]["ClientURI"], format!("{GPS}/left/"));
    change(&running.client, &peer, &[9], |_| status(200).into()).await;
    until("the next report", || reports(&peer).len() == 2).await;
    assert_eq!(rate(&reports(&peer)[1]), 9);
    running.end().await;
    assert!(failures(&device).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn x_cmd_003_a_live_value_is_reported_once_the_plug_in_says_it_changed() {
    let peer = Peer::start().await;
    let device = Device::of(&peer).await;
    subscribed(&peer, &device, &format!("{PUMP}//Level")).await;
    peer.does(|_| status(200).into());
    let builder = device.builder(&peer);
    let note = builder.change_note();
    let running = run(builder.build().unwrap());
    tokio::time::sleep(Duration::from_millis(400)).await;
    assert!(reports(&peer).is_empty(), "nothing changed yet");
    device.level.store(8, Ordering::SeqCst);
    note.changed();
    until("a report", || !reports(&peer).is_empty()).await;
    assert_eq!(reports(&peer)[0].json()[0]["MOData"], json!({"Level": 8}));
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn x_cmd_003_a_failed_report_is_tried_three_times_more_then_dropped_until_the_next_change_d22()
 {
    let peer = Peer::start().await;
    let device = Device::of(&peer).await;
    subscribed(&peer, &device, &format!("{GPS}/left/")).await;
    let running = run(device.client(&peer));
    change(&running.client, &peer, &[6], |_| status(500).into()).await;
    until("it is dropped", || {
        failures(&device).iter().any(|(_, dropped)| *dropped)
    })
    .await;
    let dropped: Vec<_> = failures(&device).into_iter().map(|(_, d)| d).collect();
    assert_eq!(dropped, [false, false, false, true]);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(reports(&peer).len(), 4);
    change(&running.client, &peer, &[7], |_| status(200).into()).await;
    until("the next change", || reports(&peer).len() == 5).await;
    assert_eq!(rate(&reports(&peer)[4]), 7);
    running.end().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn x_cmd_003_a_report_that_is_due_survives_a_restart() {
    let peer = Peer::start().await;
    let device = Device::of(&peer).await;
    subscribed(&peer, &device, &format!("{GPS}/left/")).await;
    let client = device.client(&peer);
    change(&client, &peer, &[6], |_| status(200).into()).await;
    assert!(reports(&peer).is_empty(), "nobody waited for it");
    drop(client);
    let running = run(device.client(&peer));
    until("the report after the restart", || {
        !reports(&peer).is_empty()
    })
    .await;
    assert_eq!(rate(&reports(&peer)[0]), 6);
    running.end().await;
    let again = device.client(&peer);
    again.settle().await.unwrap();
    assert_eq!(reports(&peer).len(), 1, "told once");
}

#[tokio::test(flavor = "multi_thread")]
async fn x_nego_001_a_415_with_a_usable_type_is_retried_once_in_it_d06() {
    let peer = Peer::start().await;
    let device = Device::of(&peer).await;
    subscribed(&peer, &device, &format!("{GPS}/left/")).await;
    let client = device.client(&peer);
    let answer = |asked: &Asked| {
        if asked.header("Content-Type") == Some("application/json") {
            status(200).into()
        } else {
            let accept = "text/xml, application/json;q=0.5";
            status(415).with("OMADM-Accept", accept).into()
        }
    };
    change(&client, &peer, &[6], answer).await;
    client.settle().await.unwrap();
    let types: Vec<_> = reports(&peer)
        .iter()
        .map(|one| one.header("Content-Type").unwrap().to_owned())
        .collect();
    assert_eq!(
        types,
        ["application/vnd.oma.dm.mo+json", "application/json"]
    );
    change(&client, &peer, &[7], answer).await;
    client.settle().await.unwrap();
    assert_eq!(
        reports(&peer).len(),
        3,
        "the type that was taken is remembered"
    );
    assert!(failures(&device).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_follows_redirects_where_policy_permits_d08() {
    let peer = Peer::start().await;
    let device = Device::of(&peer).await;
    subscribed(&peer, &device, &format!("{GPS}/left/")).await;
    let client = device.client(&peer);
    let victim = peer.beside().await;
    let moved = |asked: &Asked| match asked.path.as_str() {
        "/moved" => status(200).into(),
        _ => status(307).with("Location", "/moved").into(),
    };
    change(&client, &peer, &[6], moved).await;
    client.settle().await.unwrap();
    let mut moved = peer.repository();
    moved.retain(|one| one.path == "/moved");
    assert_eq!((reports(&peer).len(), moved.len()), (1, 1));
    assert_eq!((moved[0].method.as_str(), rate(&moved[0])), ("PUT", 6));
    assert!(failures(&device).is_empty());
    let away = format!("https://localhost:{}/x", victim.port);
    change(&client, &peer, &[7], move |_| {
        status(308).with("Location", &away).into()
    })
    .await;
    client.settle().await.unwrap();
    let last = failures(&device).pop();
    assert_eq!(
        last.map(|(cause, _)| cause),
        Some(Cause::Forbidden(AddressRule::Loopback))
    );
    assert_eq!(victim.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn x_nego_001_a_415_without_usable_type_ends_the_report_with_an_event() {
    let peer = Peer::start().await;
    let device = Device::of(&peer).await;
    subscribed(&peer, &device, &format!("{GPS}/left/")).await;
    let client = device.client(&peer);
    for (rate, accept, code) in [(6, Some("text/xml"), 406), (7, None, 415)] {
        let answer = move |_: &Asked| match accept {
            Some(accept) => status(415).with("OMADM-Accept", accept).into(),
            None => status(415).into(),
        };
        peer.forget();
        change(&client, &peer, &[rate], answer).await;
        client.settle().await.unwrap();
        client.settle().await.unwrap();
        assert_eq!(reports(&peer).len(), 1);
        let last = failures(&device).pop();
        assert_eq!(last, Some((Cause::Status(code), true)));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn x_cmd_003_no_report_leaves_after_unsub() {
    let peer = Peer::start().await;
    let device = Device::of(&peer).await;
    let uri = format!("{GPS}/left/");
    subscribed(&peer, &device, &uri).await;
    let client = device.client(&peer);
    peer.says(json!([["UNSUB", uri], ["UNSUB", uri]]), |_| {
        status(404).into()
    });
    assert_eq!(statuses(&client, &peer).await, [200, 404]);
    change(&client, &peer, &[6], |_| status(200).into()).await;
    client.settle().await.unwrap();
    assert!(reports(&peer).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_goes_to_no_address_that_policy_forbids_by_then() {
    let peer = Peer::start().await;
    let mut device = Device::of(&peer).await;
    device.network = ON_LOOPBACK;
    let client = device.client(&peer);
    let elsewhere = format!("https://localhost:{}/report", peer.port);
    peer.says(json!([["SUB", elsewhere, format!("{GPS}/left/")]]), |_| {
        status(404).into()
    });
    assert_eq!(statuses(&client, &peer).await, [200]);
    drop(client);
    device.network = NetworkPolicy::default();
    let client = device.client(&peer);
    change(&client, &peer, &[6], |_| status(200).into()).await;
    client.settle().await.unwrap();
    assert!(reports(&peer).is_empty());
    assert_eq!(
        failures(&device),
        [(Cause::Forbidden(AddressRule::Loopback), true)]
    );
    assert_eq!(client.accounts().unwrap()[0].srv_id, srv());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_report_does_not_wait_for_a_session_with_another_server() {
    let peer = Peer::start().await;
    let mut device = Device::of(&peer).await;
    device.read_timeout = Duration::from_secs(90);
    subscribed(&peer, &device, &format!("{PUMP}//Level")).await;
    // Another server, which is owed a completion and says nothing to it.
    let hanging = peer.beside().await;
    hanging.does(|_| Reply::Silence);
    let builder = device.builder(&peer);
    let note = builder.change_note();
    let client = builder.build().unwrap();
    let account = json!({ "SrvID": "hanging", "SrvURI": hanging.url("dm"), "Name": "Hanging", "Perm": { "1": { "MOID": GPS } } });
    let item =
        json!([{ "ClientURI": "urn:oma:mo:oma-dm-dmacc:1.2//", "MOData": { "DMAcc": account } }]);
    support::install(&client, item.to_string().into_bytes()).await;
    let running = run(client);
    until("its session", || !hanging.asked().is_empty()).await;
    device.level.store(8, Ordering::SeqCst);
    note.changed();
    until("a report", || !reports(&peer).is_empty()).await;
    let accounts = running.client.accounts().unwrap();
    let waiting = accounts.iter().find(|one| one.srv_id.as_str() == "hanging");
    let owed = waiting.unwrap().owed.as_ref().unwrap();
    assert_eq!(owed.attempts, 0, "its session goes on");
    running.task.abort();
}
