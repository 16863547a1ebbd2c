//! The client-initiated method as an embedder meets it: both libraries in one process.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use omadm_bootstrap::BootstrapPolicy;
use omadm_lab::nodes::wanted_nodes;
use support::{DEV_ID, client, server};

#[tokio::test(flavor = "multi_thread")]
async fn b_01_b_08_dm_boot_001_c_m_dm_boot_004_c_o_a_client_fetches_its_bootstrap_from_a_known_url()
{
    let folder = tempfile::tempdir().unwrap();
    let (running, api) = server(folder.path()).await;
    let client = client(
        folder.path(),
        &running,
        &api,
        "minimal",
        BootstrapPolicy::default(),
    )
    .await;
    assert!(client.accounts().unwrap().is_empty());
    let done = client.bootstrap().await.unwrap();
    assert_eq!(client.accounts().unwrap()[0].srv_id, done.servers[0]);
    assert!(!client.settle().await.unwrap()[0].still_owed);
    let detail = api.device(DEV_ID).await.unwrap();
    assert_eq!(detail.bootstraps[0].state, "completed");
    assert_eq!(
        detail.device.bootstrapped_by.as_deref(),
        Some("client-initiated")
    );
    running.answered(3);
    running.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn b_24_the_session_proves_itself_with_auth_trsp_and_not_with_the_device_identity() {
    let folder = tempfile::tempdir().unwrap();
    let (running, api) = server(folder.path()).await;
    let client = client(
        folder.path(),
        &running,
        &api,
        "full",
        BootstrapPolicy::default(),
    )
    .await;
    client.bootstrap().await.unwrap();
    client.settle().await.unwrap();
    let detail = api.device(DEV_ID).await.unwrap();
    let session: Vec<_> = detail
        .credentials
        .iter()
        .filter(|credential| credential.scope == "session")
        .collect();
    assert_eq!(session.len(), 1);
    assert_eq!(
        session[0].generation, "current",
        "used, so no longer pending"
    );
    let connections = if wanted_nodes().unwrap() == 1 {
        // Another credential takes another connection (D79).
        2
    } else {
        3
    };
    assert_eq!(client.counts().await, (connections, 3));
    running.answered(3);
    running.shutdown().await.unwrap();
}
