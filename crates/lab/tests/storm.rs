//! A storm: many devices ask one server for their bootstrap at the same moment (DESIGN §5). Each is a DM Client as a device runs it, with its tree on the
//! disk, over TLS of its own; the server takes on fewer than there are, so that most of them are told to come later.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and tells what it counted"
)]

mod support;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use omadm_bootstrap::BootstrapKind;
use omadm_client::{Client, ClientEvent, ClientObserver, DeviceDir};
use omadm_lab::soak;
use omadm_mo::standard::DevInfo;
use omadm_mo::{DevId, ServerUri};
use omadm_server::BOOTSTRAP_PATH;
use omadm_server::operator::client::ApiClient;
use omadm_server::operator::types::NewDevice;
use omadm_session::client::SessionEvent;
use omadm_session::pair::acme;
use rustix::process::{Resource, getrlimit, setrlimit};
use support::{Served, one_node_with};
use tokio::sync::{Barrier, Notify, Semaphore};
use tokio::task::JoinSet;

/// A device that has not come to its end by then was lost.
const PATIENCE: Duration = Duration::from_secs(1800);

/// What one device tells.
#[derive(Default)]
struct Watch {
    /// How often it was sent away, or not heard at all.
    put_off: AtomicUsize,
    delivered: Notify,
}

impl ClientObserver for Watch {
    fn event(&self, event: &ClientEvent) {
        match event {
            ClientEvent::FetchAgainIn { .. } | ClientEvent::RetryIn { .. } => {
                self.put_off.fetch_add(1, Ordering::Relaxed);
            }
            ClientEvent::Session(SessionEvent::AlertsDelivered { .. }) => {
                self.delivered.notify_one();
            }
            _ => {}
        }
    }
}

fn dev_info(number: usize) -> DevInfo {
    acme(DevId::parse(&format!("IMEI:{number:015}")).unwrap())
}

/// Makes and registers a device.
async fn register(folder: &Path, api: &ApiClient, number: usize) -> DeviceDir {
    let (info, folder) = (dev_info(number), folder.join(number.to_string()));
    let made = {
        let info = info.clone();
        tokio::task::spawn_blocking(move || DeviceDir::init(&folder, &info))
    };
    let dir = made.await.unwrap().unwrap();
    let new = NewDevice {
        dev_id: info.dev_id.to_string(),
        csr: Some(std::fs::read_to_string(dir.request_file()).unwrap()),
        profile: Some("minimal".to_owned()),
        ..NewDevice::default()
    };
    let added = api.add_device(&new).await.unwrap();
    std::fs::write(dir.certificate_file(), added.certificate.unwrap()).unwrap();
    dir
}

fn client(dir: &DeviceDir, number: usize, served: &Served, watch: &Arc<Watch>) -> Client {
    let url = format!("https://localhost:{}{BOOTSTRAP_PATH}", served.device_port());
    let ca = vec![served.ca_certificate().clone()];
    Client::builder(dev_info(number), dir.store_file())
        .identity(dir.identity().unwrap().unwrap())
        .source(ServerUri::parse(&url).unwrap(), ca.clone())
        .anchors(ca)
        .observer(Arc::clone(watch) as _)
        .build()
        .unwrap()
}

/// Runs a device as its daemon does until its completion is acknowledged; gives how often it was put off.
async fn live(client: Client, watch: Arc<Watch>) -> usize {
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let (done, ()) = tokio::join!(client.run(stopped), async {
        watch.delivered.notified().await;
        stop.send_replace(true);
    });
    done.unwrap();
    let accounts = client.accounts().unwrap();
    assert_eq!(accounts.len(), 1);
    assert_eq!(accounts[0].owed, None);
    assert_eq!(accounts[0].provenance.kind, BootstrapKind::First);
    watch.put_off.load(Ordering::Relaxed)
}

/// The states of the bootstraps of each device, as the server has them.
async fn records(api: &ApiClient) -> BTreeMap<String, Vec<String>> {
    let mut records = BTreeMap::<String, Vec<String>>::new();
    let mut before = None;
    loop {
        let page = api.bootstraps(before.as_deref()).await.unwrap();
        for record in page.bootstraps {
            records.entry(record.device).or_default().push(record.state);
        }
        before = page.next;
        if before.is_none() {
            return records;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn soak_storm_of_devices_that_ask_at_once_all_complete_none_twice() {
    let devices = soak::size(2000);
    let mut files = getrlimit(Resource::Nofile);
    files.current = files.maximum;
    setrlimit(Resource::Nofile, files).unwrap();
    let folder = tempfile::tempdir().unwrap();
    // A tenth of them is taken on at once.
    let (served, api) = one_node_with(folder.path(), |config| {
        config.limits.beginnings = (devices / 10).max(1);
    })
    .await;
    let (served, api) = (Arc::new(served), Arc::new(api));
    let (doors, ready) = (
        Arc::new(Semaphore::new(8)),
        Arc::new(Barrier::new(devices + 1)),
    );
    let mut all = JoinSet::new();
    for number in 0..devices {
        let (folder, api, served) = (
            folder.path().to_owned(),
            Arc::clone(&api),
            Arc::clone(&served),
        );
        let (doors, ready) = (Arc::clone(&doors), Arc::clone(&ready));
        all.spawn(async move {
            let permit = doors.acquire_owned().await.unwrap();
            let dir = register(&folder, &api, number).await;
            let watch = Arc::new(Watch::default());
            let client = client(&dir, number, &served, &watch);
            drop(permit);
            ready.wait().await;
            live(client, watch).await
        });
    }
    ready.wait().await;
    let begun = Instant::now();
    let mut put_off = Vec::new();
    let ended = async {
        while let Some(one) = all.join_next().await {
            put_off.push(one.unwrap());
        }
    };
    let ended = tokio::time::timeout(PATIENCE, ended).await;
    assert!(
        ended.is_ok(),
        "{} of {devices} devices completed",
        put_off.len()
    );
    let seconds = begun.elapsed().as_secs_f64();

    let records = records(&api).await;
    assert_eq!(records.len(), devices);
    for (device, states) in &records {
        assert_eq!(states, &["completed"], "{device}");
    }
    let (times, most) = (put_off.iter().sum::<usize>(), put_off.iter().max().unwrap());
    println!(
        "soak: {devices} devices at once, all completed with one record each; goodput {:.1}/s over {seconds:.1} s; put off {times} times, one device {most} times at most",
        f64::from(u32::try_from(devices).unwrap()) / seconds
    );
    drop(served);
}
