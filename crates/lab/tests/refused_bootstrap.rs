//! A refused bootstrap leaves tree and accounts as they were, and both ends can say why.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use omadm_bootstrap::{BootstrapFailureCause as Cause, BootstrapPolicy};
use omadm_client::NoBootstrap;
use omadm_mo::standard::dev_info;
use omadm_server::operator::types::DeviceDetail;
use support::{DEV_ID, client, server};

fn told(detail: &DeviceDetail) -> Option<&serde_json::Value> {
    detail
        .events
        .iter()
        .map(|event| &event.what)
        .find(|what| what["event"] == "bootstrap-refused")
}

#[tokio::test(flavor = "multi_thread")]
async fn b_22_a_perm_list_beyond_the_policy_is_refused_and_both_ends_say_why() {
    let folder = tempfile::tempdir().unwrap();
    let (running, api) = server(folder.path()).await;
    let policy = BootstrapPolicy {
        allowed_moids: Some(vec![dev_info::moid()]),
        ..BootstrapPolicy::default()
    };
    let client = client(folder.path(), &running, &api, "minimal", policy).await;
    let before = client.readable_tree().await.unwrap();

    let NoBootstrap::Refused(refusal) = client.bootstrap().await.unwrap_err() else {
        panic!("not refused")
    };
    assert_eq!(refusal.cause, Cause::PermissionRefused);
    assert_eq!(client.readable_tree().await.unwrap(), before);
    assert!(client.accounts().unwrap().is_empty());
    let kept = client.last_refusal().unwrap().unwrap();
    assert_eq!(
        (kept.cause.as_str(), kept.item.as_deref()),
        ("permission-refused", Some("$[0]"))
    );
    assert_eq!(kept.uri.as_deref(), Some("urn:oma:mo:oma-dm-dacmo:1.0"));

    let detail = api.device(DEV_ID).await.unwrap();
    let record = &detail.bootstraps[0];
    assert_eq!(
        (record.state.as_str(), record.cause.as_deref()),
        ("failed", Some("permission-refused"))
    );
    assert!(
        record
            .action
            .as_deref()
            .is_some_and(|action| action.contains("allowed_moids"))
    );
    let told = told(&detail).expect("the server has the device's words");
    assert_eq!(told["item"], "$[0]");
    assert_eq!(told["uri"], "urn:oma:mo:oma-dm-dacmo:1.0");
    running.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_record_ends_and_a_further_fetch_finds_nothing() {
    let folder = tempfile::tempdir().unwrap();
    let (running, api) = server(folder.path()).await;
    let policy = BootstrapPolicy {
        max_accounts: 0,
        ..BootstrapPolicy::default()
    };
    let client = client(folder.path(), &running, &api, "minimal", policy).await;
    assert!(matches!(
        client.bootstrap().await,
        Err(NoBootstrap::Refused(_))
    ));
    assert!(matches!(
        client.bootstrap().await,
        Err(NoBootstrap::Nothing { .. })
    ));
    let detail = api.device(DEV_ID).await.unwrap();
    assert_eq!(detail.bootstraps.len(), 1);
    assert_eq!(
        detail.bootstraps[0].cause.as_deref(),
        Some("too-many-accounts")
    );
    running.shutdown().await.unwrap();
}
