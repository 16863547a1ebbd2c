//! EXEC whose result comes later: 202, then a generic alert in a new session, whatever happens in between.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::time::Duration;

use omadm_client::LocalError;
use omadm_mo::{ClientUri, ExecOutcome, ManagedObjectError};
use omadm_session::client::EXEC_COMPLETE;
use serde_json::{Value, json};
use support::managed::{Device, PUMP, Plan, srv, statuses};
use support::peer::{Asked, Peer, Reply, status};
use support::until;

fn run_node() -> String {
    format!("{PUMP}//Run")
}

fn set(device: &Device, plan: Plan) {
    *device.plan.lock().unwrap() = plan;
}

async fn exec(device: &Device, peer: &Peer, command: Value) -> u64 {
    let client = device.client(peer);
    peer.says(json!([command]), |_| status(404).into());
    let statuses = statuses(&client, peer).await;
    peer.forget();
    statuses[0]
}

/// Generic alerts of Package#1s at this path: code by code.
fn results(peer: &Peer, path: &str) -> Vec<Value> {
    let packages = peer.asked();
    let packages = packages
        .iter()
        .filter(|asked| asked.is_package1() && asked.path == path);
    packages
        .flat_map(|asked| asked.json()["Alert"].as_array().cloned().unwrap())
        .filter(|alert| alert["AlertType"] == EXEC_COMPLETE)
        .map(|alert| {
            assert_eq!(alert["SourceURI"], format!("{PUMP}/1/Run"));
            assert_eq!(alert.get("TargetURI"), None);
            alert["Data"]["DM1x"].clone()
        })
        .collect()
}

fn packages(peer: &Peer) -> Vec<Asked> {
    peer.asked()
        .into_iter()
        .filter(Asked::is_package1)
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn x_asyn_001_without_server_uri_a_quick_execution_is_synchronous() {
    let peer = Peer::start().await;
    let device = Device::of(&peer).await;
    for (plan, code) in [
        (Plan::Done, 200),
        (Plan::Fails(ManagedObjectError::Busy), 409),
        (Plan::Fails(ManagedObjectError::Device), 500),
    ] {
        set(&device, plan);
        assert_eq!(
            exec(&device, &peer, json!(["EXEC", run_node()])).await,
            code
        );
    }
    device.client(&peer).settle().await.unwrap();
    assert!(packages(&peer).is_empty(), "nothing is owed");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_local_application_executes_is_owed_to_nobody() {
    let peer = Peer::start().await;
    let device = Device::of(&peer).await;
    let client = device.client(&peer);
    let run = ClientUri::parse(&run_node()).unwrap();
    for (plan, outcome) in [
        (Plan::Done, Ok(ExecOutcome::Done)),
        (Plan::Later, Ok(ExecOutcome::Later)),
        (
            Plan::Fails(ManagedObjectError::Busy),
            Err(LocalError::Refused(ManagedObjectError::Busy)),
        ),
    ] {
        set(&device, plan);
        assert_eq!(client.local_exec(run.clone()).await, outcome);
    }
    client.settle().await.unwrap();
    assert!(packages(&peer).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn x_asyn_001_with_server_uri_the_result_goes_there_in_a_new_session() {
    let peer = Peer::start().await;
    let device = Device::of(&peer).await;
    let command = json!(["EXEC", run_node(), peer.url("results")]);
    assert_eq!(exec(&device, &peer, command).await, 202);
    let client = device.client(&peer);
    client.settle().await.unwrap();
    assert_eq!(results(&peer, "/results"), [json!(200)]);
    let alerts = packages(&peer)[0].alerts();
    assert_eq!(alerts[0], "urn:oma:at:dm:2.0:ClientInitiatedMgmt");
    client.settle().await.unwrap();
    assert_eq!(packages(&peer).len(), 1, "reported once");
}

#[tokio::test(flavor = "multi_thread")]
async fn x_asyn_001_a_refused_execution_is_no_202() {
    let peer = Peer::start().await;
    let device = Device::of(&peer).await;
    set(&device, Plan::Fails(ManagedObjectError::Busy));
    let command = json!(["EXEC", run_node(), peer.url("results")]);
    assert_eq!(exec(&device, &peer, command).await, 409);
    device.client(&peer).settle().await.unwrap();
    assert!(packages(&peer).is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn x_asyn_001_an_execution_outlives_restarts_between_202_and_its_end() {
    let peer = Peer::start().await;
    let device = Device::of(&peer).await;
    set(&device, Plan::Later);
    for (to, path) in [(Some(peer.url("results")), "/results"), (None, "/dm")] {
        let mut command = vec![json!("EXEC"), json!(run_node())];
        command.extend(to.map(|to| json!(to)));
        assert_eq!(exec(&device, &peer, json!(command)).await, 202);
        device.client(&peer).settle().await.unwrap();
        assert!(packages(&peer).is_empty(), "it goes on");
        std::fs::write(device.folder().join("finished"), "1200").unwrap();
        device.client(&peer).settle().await.unwrap();
        assert_eq!(results(&peer, path), [json!(1200)]);
        std::fs::remove_file(device.folder().join("finished")).unwrap();
        peer.forget();
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn x_asyn_001_the_daemon_asks_the_plug_in_and_reports_by_itself() {
    let peer = Peer::start().await;
    let device = Device::of(&peer).await;
    set(&device, Plan::Later);
    assert_eq!(exec(&device, &peer, json!(["EXEC", run_node()])).await, 202);
    let client = device.client(&peer);
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let daemon = tokio::spawn(async move { client.run(stopped).await.unwrap() });
    std::fs::write(device.folder().join("finished"), "200").unwrap();
    until("the alert", || results(&peer, "/dm") == [json!(200)]).await;
    stop.send(true).unwrap();
    daemon.await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn x_asyn_001_an_execution_that_overruns_its_deadline_is_202_and_reported_once_it_ends() {
    let peer = Peer::start().await;
    let device = Device::of(&peer).await;
    set(&device, Plan::Takes(Duration::from_millis(900)));
    let client = device.client(&peer);
    peer.says(json!([["EXEC", run_node()], ["GET", run_node()]]), |_| {
        status(404).into()
    });
    assert_eq!(
        statuses(&client, &peer).await,
        [202, 500],
        "meanwhile the object answers nothing else"
    );
    peer.forget();
    tokio::time::sleep(Duration::from_millis(1000)).await;
    client.settle().await.unwrap();
    assert_eq!(results(&peer, "/dm"), [json!(200)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn x_asyn_001_a_report_refused_with_an_http_error_joins_the_servers_queue_d07() {
    let peer = Peer::start().await;
    let device = Device::of(&peer).await;
    let command = json!(["EXEC", run_node(), peer.url("results")]);
    assert_eq!(exec(&device, &peer, command).await, 202);
    peer.does(|asked| match asked.path.as_str() {
        "/results" => status(403).into(),
        _ => support::peer::ending(asked),
    });
    let client = device.client(&peer);
    client.settle().await.unwrap();
    client.settle().await.unwrap();
    assert_eq!(packages(&peer).len(), 1, "no retry by itself");
    assert_eq!(client.queued_alerts(&srv()).unwrap().len(), 1);
    client.session(&srv()).await.unwrap();
    assert_eq!(results(&peer, "/dm"), [json!(200)]);
    assert!(client.queued_alerts(&srv()).unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn x_asyn_001_a_report_whose_connection_is_lost_stays_owed() {
    let peer = Peer::start().await;
    let device = Device::of(&peer).await;
    let command = json!(["EXEC", run_node(), peer.url("results")]);
    assert_eq!(exec(&device, &peer, command).await, 202);
    peer.does(|_| Reply::Close);
    device.client(&peer).settle().await.unwrap();
    peer.forget();
    peer.does(support::peer::ending);
    device.client(&peer).settle().await.unwrap();
    assert_eq!(results(&peer, "/results"), [json!(200)]);
}
