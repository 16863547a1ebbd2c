//! The data repository between real processes: large objects through a server that stays small, and a server that is killed in the middle of one.
//! One node, whatever `OMADM_TEST_NODES` says: it is about the memory and the file of one process.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::ops::ControlFlow;
use std::path::Path;
use std::pin::Pin;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use omadm_client::policy::NetworkPolicy;
use omadm_client::{Client, DeviceDir};
use omadm_mo::ServerUri;
use omadm_tests::process::{Device, PATIENCE, Server, Signal};
use omadm_tls::pem;
use tokio::io::{AsyncRead, AsyncReadExt as _, ReadBuf};
use tokio::runtime::Runtime;

const DEVICE: &str = "IMEI:493005100592800";
const MIB: usize = 1 << 20;

/// A device that is bootstrapped by this server.
fn bootstrapped(server: Server, folder: &Path) -> (Server, String, Device) {
    let token = server.token.clone().unwrap();
    let device = Device::bootstrapped(&folder.join("device"), DEVICE, &server, "minimal");
    (server, token, device)
}

/// The device's client in this process.
fn client(device: &Device, server: &Server) -> Client {
    let dir = DeviceDir::open(device.file("devinfo.toml").parent().unwrap()).unwrap();
    let ca = pem::certificates(&std::fs::read_to_string(server.ca()).unwrap()).unwrap();
    Client::builder(dir.dev_info().unwrap(), dir.store_file())
        .anchors(ca)
        .identity(dir.identity().unwrap().unwrap())
        .network(NetworkPolicy {
            allow_loopback: true,
            ..NetworkPolicy::default()
        })
        .build()
        .unwrap()
}

fn content(octets: usize) -> Vec<u8> {
    (0..octets).map(|at| (at / 251 + at) as u8).collect()
}

/// Anonymous resident memory of a process, in KiB.
fn anonymous(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap();
    let line = status
        .lines()
        .find_map(|line| line.strip_prefix("RssAnon:"));
    line.unwrap()
        .trim()
        .trim_end_matches(" kB")
        .parse()
        .unwrap()
}

/// The most that a process has while something is done.
fn most_memory_of(process: u32, work: impl FnOnce()) -> u64 {
    let (most, done) = (
        Arc::new(AtomicU64::new(0)),
        Arc::new(AtomicBool::new(false)),
    );
    let watch = {
        let (most, done) = (Arc::clone(&most), Arc::clone(&done));
        std::thread::spawn(move || {
            while !done.load(Ordering::Relaxed) {
                most.fetch_max(anonymous(process), Ordering::Relaxed);
                std::thread::sleep(Duration::from_millis(2));
            }
        })
    };
    work();
    done.store(true, Ordering::Relaxed);
    watch.join().unwrap();
    most.load(Ordering::Relaxed)
}

#[test]
fn forty_mebibytes_go_to_a_device_through_a_server_that_stays_small() {
    let folder = tempfile::tempdir().unwrap();
    // SQLite would keep pages of what it wrote and read last: up to 64 MiB, and 32 MiB for each reader.
    let server = Server::start_one_on_postgres(&folder.path().join("server")).unwrap();
    let (server, token, device) = bootstrapped(server, folder.path());
    let file = folder.path().join("fw.bin");
    let runtime = Runtime::new().unwrap();
    let there_and_back = |octets: usize| {
        std::fs::write(&file, content(octets)).unwrap();
        let put = server
            .operator(&token, &["object", "put", DEVICE, "fw/2.bin"])
            .arg(&file)
            .run()
            .good();
        let url = ServerUri::parse(&put.field("url:")).unwrap();
        let client = client(&device, &server);
        let account = client.accounts().unwrap().pop().unwrap().srv_id;
        let progress = |_| ControlFlow::Continue(());
        let done = runtime.block_on(client.download(&account, &url, progress));
        let done = done.unwrap();
        assert_eq!((done.octets, done.tries), (octets as u64, 1));
        assert!(std::fs::read(&done.file).unwrap() == content(octets));
        assert_eq!(
            done.content_type.as_deref(),
            Some("application/octet-stream")
        );
    };
    let process = server.processes()[0];
    // What is held once, whatever is transferred: connections, threads.
    there_and_back(6 * MIB);
    let before = anonymous(process);
    let most = most_memory_of(process, || there_and_back(40 * MIB));
    let grown = most.saturating_sub(before);
    assert!(grown < 8 * 1024, "from {before} KiB by {grown} KiB");
}

/// A source that gives so many octets and then nothing more, without an end.
struct Stalling(u64);

impl AsyncRead for Stalling {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        if self.0 == 0 {
            return Poll::Pending;
        }
        let now = self.0.min(buffer.remaining() as u64);
        buffer.put_slice(&vec![9; now as usize]);
        self.0 -= now;
        Poll::Ready(Ok(()))
    }
}

fn sqlite3(server: &Path, sql: &str) -> String {
    let done = Command::new("sqlite3")
        .args(["-cmd", ".timeout 5000"])
        .arg(server.join("server.sqlite"))
        .arg(sql)
        .output()
        .unwrap();
    assert!(done.status.success(), "{done:?}");
    String::from_utf8(done.stdout).unwrap().trim().to_owned()
}

fn until(what: impl Fn() -> bool) {
    let end = Instant::now() + PATIENCE;
    while !what() {
        assert!(Instant::now() < end, "it did not come about");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn a_server_killed_amid_an_upload_has_the_former_object_and_sweeps_the_rest() {
    let folder = tempfile::tempdir().unwrap();
    let state = folder.path().join("server");
    let server = Server::start_one(&state).unwrap();
    let (server, token, device) = bootstrapped(server, folder.path());
    let file = folder.path().join("fw.bin");
    std::fs::write(&file, content(MIB)).unwrap();
    let put = ["object", "put", DEVICE, "fw/2.bin"];
    let _put = server.operator(&token, &put).arg(&file).run().good();

    let runtime = Runtime::new().unwrap();
    let api = server.api(&token).unwrap();
    let source = Stalling(10 * MIB as u64);
    let upload = runtime.spawn(async move {
        let octets = 20 * MIB as u64;
        api.put_object(DEVICE, "fw/2.bin", "a/b", octets, source.take(octets))
            .await
    });
    let pieces = || {
        sqlite3(&state, "SELECT COUNT(*) FROM pieces")
            .parse::<u32>()
            .unwrap()
    };
    until(|| pieces() > 4 + 30);
    server.signal(Signal::Kill).unwrap();
    assert!(runtime.block_on(upload).unwrap().is_err());
    drop(server);

    let server = Server::start_one(&state).unwrap();
    let read = folder.path().join("read.bin");
    let get = ["object", "get", DEVICE, "fw/2.bin"];
    let _got = server.operator(&token, &get).arg(&read).run().good();
    assert!(std::fs::read(&read).unwrap() == content(MIB));
    let list = server.operator(&token, &["object", "list", DEVICE]);
    assert!(list.run().good().stdout.contains("1048576"));
    assert!(pieces() > 4 + 30);
    // As if an hour had passed.
    sqlite3(&state, "UPDATE uploads SET at = 0");
    until(|| pieces() == 4);
    let account = client(&device, &server).accounts().unwrap();
    assert_eq!(account.len(), 1);
    let delete = ["object", "delete", DEVICE, "fw/2.bin"];
    let _gone = server.operator(&token, &delete).run().good();
    assert_eq!(pieces(), 0);
    let again = server.operator(&token, &get).run().refused();
    assert!(again.stderr.contains("no object"), "{again:?}");
}
