//! Connections that end between two exchanges, as behind a load balancer: what the client does, and what the server sees of it.
//! One node, whatever `OMADM_TEST_NODES` says: connections are counted, and what ends them is one listener or what stands before it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::net::{Ipv4Addr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use omadm_bootstrap::BootstrapPolicy;
use omadm_client::Client;
use omadm_lab::balancer::Balancer;
use omadm_server::Running;
use omadm_server::config::ServerConfig;
use omadm_session::client::{Cause, Outcome};
use support::{DEV_ID, Served, client_at, one_node_with};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

/// Where no node is yet: the discard port, closed to ordinary users and here unused.
const NOWHERE: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 9);

/// A server that devices know under a port before it, and such a device.
async fn behind(
    folder: &Path,
    port: u16,
    settings: impl FnOnce(&mut ServerConfig),
) -> (Served, Client) {
    let (running, api) = one_node_with(folder, |config| {
        config.public_server = Some(format!("localhost:{port}"));
        settings(config);
    })
    .await;
    let policy = BootstrapPolicy::default();
    let client = client_at(folder, &running, &api, "minimal", policy, port).await;
    (running, client)
}

async fn completed(running: &Running) -> bool {
    let dev_id = omadm_mo::DevId::parse(DEV_ID).unwrap();
    let records = running.store().bootstraps_of(&dev_id).await.unwrap();
    records[0].state.name() == "completed"
}

async fn bootstrap_and_settle(client: &Client) {
    client.bootstrap().await.unwrap();
    let settled = client.settle().await.unwrap();
    assert_eq!(
        (&settled[0].outcome, settled[0].still_owed),
        (&Outcome::Ended, false)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn with_one_exchange_per_connection_each_exchange_of_a_bootstrap_gets_to_the_next_node() {
    let folder = tempfile::tempdir().unwrap();
    let balancer = Balancer::start(vec![NOWHERE; 2]).await.unwrap();
    let port = balancer.address().port();
    let (running, client) = behind(folder.path(), port, |config| {
        config.limits.exchanges_per_connection = Some(1);
    })
    .await;
    balancer.replace(0, running.device_addr);
    balancer.replace(1, running.device_addr);
    bootstrap_and_settle(&client).await;
    assert!(completed(&running).await);
    assert_eq!(client.counts().await, (3, 3));
    let traffic = running.traffic();
    assert_eq!((traffic.connections, traffic.exchanges), (3, 3));
    assert_eq!(balancer.counts(), [2, 1]);
    running.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn by_default_a_bootstrap_stays_on_the_connection_that_the_balancer_gave_it() {
    let folder = tempfile::tempdir().unwrap();
    let balancer = Balancer::start(vec![NOWHERE; 2]).await.unwrap();
    let (running, client) = behind(folder.path(), balancer.address().port(), |_| {}).await;
    balancer.replace(1, running.device_addr);
    bootstrap_and_settle(&client).await;
    assert!(completed(&running).await);
    assert_eq!(client.counts().await, (1, 3));
    assert_eq!(balancer.counts(), [0, 1], "node 0 takes no connection");
    running.shutdown().await.unwrap();
}

/// The client's runtime has one thread, which sleeps while the server closes the idle connection: nothing of the client sees it before the next request.
#[test]
fn a_connection_closed_while_idle_costs_the_next_request_a_fresh_one_and_nothing_else() {
    let folder = tempfile::tempdir().unwrap();
    let others = tokio::runtime::Runtime::new().unwrap();
    let (balancer, running, client) = others.block_on(async {
        let balancer = Balancer::start(vec![NOWHERE]).await.unwrap();
        let (running, client) = behind(folder.path(), balancer.address().port(), |config| {
            config.limits.header_timeout = Duration::from_millis(500);
        })
        .await;
        balancer.replace(0, running.device_addr);
        (balancer, running, client)
    });
    let own = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap();
    own.block_on(async {
        client.bootstrap().await.unwrap();
        std::thread::sleep(Duration::from_millis(1500));
        let settled = client.settle().await.unwrap();
        assert_eq!(
            (&settled[0].outcome, settled[0].still_owed),
            (&Outcome::Ended, false)
        );
        assert_eq!(client.counts().await, (2, 3));
    });
    assert!(others.block_on(completed(&running)));
    let traffic = running.traffic();
    assert_eq!((traffic.connections, traffic.exchanges), (2, 3));
    assert_eq!(balancer.counts(), [2]);
    others.block_on(running.shutdown()).unwrap();
}

/// Forwards to a node. Once armed it closes a connection at its client's next octets, which it swallows; this disarms it.
async fn trap(socket: TcpListener, node: SocketAddr, armed: Arc<AtomicBool>) {
    loop {
        let (mut client, _) = socket.accept().await.unwrap();
        let armed = Arc::clone(&armed);
        tokio::spawn(async move {
            let mut node = TcpStream::connect(node).await.unwrap();
            let (mut up, mut down) = ([0; 4096], [0; 4096]);
            loop {
                let sent = tokio::select! {
                    read = client.read(&mut up) => match read {
                        Ok(octets) if octets > 0 && !armed.swap(false, Ordering::SeqCst) => {
                            node.write_all(&up[..octets]).await
                        }
                        _ => return,
                    },
                    read = node.read(&mut down) => match read {
                        Ok(octets) if octets > 0 => client.write_all(&down[..octets]).await,
                        _ => return,
                    },
                };
                if sent.is_err() {
                    return;
                }
            }
        });
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fetch_that_a_kept_connection_loses_is_made_again_but_a_package_is_not_d02() {
    let folder = tempfile::tempdir().unwrap();
    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
    let port = socket.local_addr().unwrap().port();
    let (running, client) = behind(folder.path(), port, |_| {}).await;
    let armed = Arc::new(AtomicBool::new(false));
    let relay = tokio::spawn(trap(socket, running.device_addr, Arc::clone(&armed)));

    client.bootstrap().await.unwrap();
    armed.store(true, Ordering::SeqCst);
    let done = client.bootstrap().await.unwrap();
    assert!(!armed.load(Ordering::SeqCst), "the trap closed");
    assert_eq!(client.counts().await, (2, 2));

    armed.store(true, Ordering::SeqCst);
    let lost = client.session(&done.servers[0]).await.unwrap();
    assert!(matches!(lost.outcome, Outcome::Lost(Cause::Unreachable(_))));
    assert!(lost.still_owed);
    let traffic = running.traffic();
    assert_eq!(
        (traffic.connections, traffic.exchanges),
        (2, 2),
        "nobody sent the package a second time"
    );

    let ended = client.session(&done.servers[0]).await.unwrap();
    assert_eq!((&ended.outcome, ended.still_owed), (&Outcome::Ended, false));
    assert!(completed(&running).await);
    relay.abort();
    running.shutdown().await.unwrap();
}
