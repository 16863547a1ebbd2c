//! What idle sessions cost a server: anonymous resident memory of a server in a process of its own, while many devices hold a connection with a session
//! begun and not gone on with (DESIGN §9).

use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use http::Request;
use http::header::{CONTENT_TYPE, HOST};
use http_body_util::Full;
use omadm_dm2::{header, media_type};
use omadm_mo::Secret;
use omadm_server::{DmServer, SESSION_PATH};
use omadm_tls::{CertificateDer, pem};
use rustix::process::{Resource, getrlimit, setrlimit};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;

use crate::cpu::SERVER_THREADS;
use crate::device::Device;
use crate::registrar::{Numbers, Registrar};
use crate::stand::{Ground, Place};
use crate::stored::{fill_sessions, fill_sqlite};
use crate::wire::{self, Wire};
use crate::{Broken, Unexpected};

/// Connections being opened at once, and devices being registered.
const AT_ONCE: usize = 16;
/// Sessions begun and closed before anything is measured: what the first ones make the server hold for good.
const WARMING: usize = 64;
/// A connection waits so long for its next request before the server cuts it: longer than a run takes.
const PATIENCE: Duration = Duration::from_secs(3600);
/// Connections that the server accepts.
const CONNECTIONS: usize = 100_000;
/// After which memory that is not needed any more is given back.
const SETTLING: Duration = Duration::from_secs(1);

/// What was measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Held {
    /// Connections, each of another device with a session of its own.
    pub sessions: usize,
    /// Session rows of other devices in the store.
    pub rows: u64,
    /// Anonymous resident memory of the server before they came, in KiB.
    pub before: u64,
    /// The same while all wait for their next package.
    pub held: u64,
    /// The same once they are closed: what stays are caches.
    pub after: u64,
}

impl Held {
    /// KiB of one session: what came with them all, caches that grew meanwhile included.
    #[must_use]
    pub fn each(&self) -> f64 {
        self.held.saturating_sub(self.before) as f64 / self.sessions.max(1) as f64
    }
}

/// The server's process: serves from this folder until its standard input ends. Tells its ports and, at the first start, its token in one line.
///
/// # Errors
/// [`Broken`] where the server does not start.
pub fn serve(folder: &Path) -> Result<(), Broken> {
    raise_open_files()?;
    let mut config = Ground::new(folder.to_owned(), Place::StateDirectory).config(0)?;
    config.limits.header_timeout = PATIENCE;
    config.limits.connections = CONNECTIONS;
    let mut runtime = Builder::new_multi_thread();
    let runtime = runtime
        .thread_name(SERVER_THREADS[0])
        .enable_all()
        .build()?;
    let server = runtime.block_on(DmServer::new(config).start())?;
    let token = match &server.first_start {
        Some(first) => String::from_utf8(first.token.expose().to_vec())?,
        None => "-".to_owned(),
    };
    let (devices, operators) = (server.device_addr, server.operator_addr);
    let mut told = io::stdout();
    writeln!(told, "{devices} {operators} {token}")?;
    told.flush()?;
    io::stdin().read_to_end(&mut Vec::new())?;
    Ok(runtime.block_on(server.shutdown())?)
}

/// Measures `sessions` held sessions, with `rows` of other devices in the store. `program` calls [`serve`] with its first argument; `folder` is empty or does
/// not exist.
///
/// # Errors
/// [`Broken`] where something does not go as it should, or the system tells nothing of a process's memory.
pub fn hold(program: &Path, folder: &Path, sessions: usize, rows: u64) -> Result<Held, Broken> {
    raise_open_files()?;
    let load = Runtime::new()?;
    fs::create_dir_all(folder)?;
    let mut server = Process::start(program, folder)?;
    let numbers = Numbers::new();
    let ca = fs::read_to_string(server.state.join("ca.crt"))?;
    let anchor = pem::certificates(&ca)?.pop();
    let anchor = anchor.ok_or(Unexpected::NoCertificate)?;
    let token = server.token.clone();
    let registrar =
        |server: &Process| Registrar::new(server.operators.port(), &anchor, &token, &numbers);
    if rows > 0 {
        let template = load.block_on(register(registrar(&server)?, 1))?.pop();
        let template = template.ok_or(Unexpected::NoCertificate)?;
        load.block_on(begin(&template, server.devices, &anchor))?;
        let file = server.state.join("server.sqlite");
        server.end()?;
        fill_sqlite(&file, &template.dev_id, rows)?;
        fill_sessions(&file, &template.dev_id, rows)?;
        server = Process::start(program, folder)?;
    }
    let warming = WARMING.min(sessions);
    let devices = load.block_on(register(registrar(&server)?, sessions + warming))?;
    let (first, rest) = devices.split_at(warming);
    for device in first {
        load.block_on(async { begin(device, server.devices, &anchor).await?.close().await })?;
    }
    let before = server.settled()?;
    let wires = load.block_on(begin_all(rest, server.devices, &anchor))?;
    let held = server.settled()?;
    load.block_on(async {
        for wire in wires {
            wire.close().await?;
        }
        Ok::<_, Broken>(())
    })?;
    let after = server.settled()?;
    server.end()?;
    Ok(Held {
        sessions,
        rows,
        before,
        held,
        after,
    })
}

/// The server as its parent sees it.
struct Process {
    child: Child,
    devices: SocketAddr,
    operators: SocketAddr,
    token: Secret,
    state: PathBuf,
}

impl Process {
    fn start(program: &Path, folder: &Path) -> Result<Self, Broken> {
        let mut child = Command::new(program)
            .arg(folder)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()?;
        let mut line = String::new();
        if let Some(told) = child.stdout.take() {
            BufReader::new(told).read_line(&mut line)?;
        }
        let mut words = line.split_whitespace();
        let mut word = || words.next().ok_or(Unexpected::ServerEnded);
        Ok(Self {
            devices: word()?.parse()?,
            operators: word()?.parse()?,
            token: Secret::from(word()?.to_owned()),
            state: Ground::new(folder.to_owned(), Place::StateDirectory).state_dir(0),
            child,
        })
    }

    fn settled(&self) -> Result<u64, Broken> {
        anonymous(self.child.id())
    }

    /// Has it write out what it holds, and waits until it is gone.
    fn end(mut self) -> Result<(), Broken> {
        drop(self.child.stdin.take());
        if self.child.wait()?.success() {
            Ok(())
        } else {
            Err(Unexpected::ServerEnded.into())
        }
    }
}

impl Drop for Process {
    /// One that is not over by then is of a run that broke off.
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Anonymous resident memory of a process in KiB, once it gave back what it does not need any more.
pub(crate) fn anonymous(process: u32) -> Result<u64, Broken> {
    std::thread::sleep(SETTLING);
    let status = fs::read_to_string(format!("/proc/{process}/status"))?;
    let mut lines = status.lines();
    let line = lines.find_map(|line| line.strip_prefix("RssAnon:"));
    let octets = line.ok_or(Unexpected::MemoryUnknown)?.trim();
    Ok(octets.trim_end_matches(" kB").parse()?)
}

async fn register(registrar: Registrar, count: usize) -> Result<Vec<Device>, Broken> {
    let registrar = Arc::new(registrar);
    let (mut running, mut devices) = (JoinSet::new(), Vec::with_capacity(count));
    for _ in 0..count {
        if running.len() == AT_ONCE
            && let Some(registered) = running.join_next().await
        {
            devices.push(registered??);
        }
        let registrar = Arc::clone(&registrar);
        running.spawn(async move { registrar.register().await });
    }
    while let Some(registered) = running.join_next().await {
        devices.push(registered??);
    }
    Ok(devices)
}

async fn begin_all(
    devices: &[Device],
    address: SocketAddr,
    anchor: &CertificateDer<'static>,
) -> Result<Vec<Wire>, Broken> {
    let mut wires = Vec::with_capacity(devices.len());
    for some in devices.chunks(AT_ONCE) {
        let begun = some.iter().map(|device| begin(device, address, anchor));
        wires.extend(futures_util::future::try_join_all(begun).await?);
    }
    Ok(wires)
}

/// Connects and begins a session, which the server answers with its read of DevInfo; it waits for the Package#3 then.
async fn begin(
    device: &Device,
    address: SocketAddr,
    anchor: &CertificateDer<'static>,
) -> Result<Wire, Broken> {
    let mut wire = Wire::open(address, anchor, device.identity.clone()).await?;
    let request = Request::post(SESSION_PATH)
        .header(HOST, format!("{}:{}", wire::HOST, address.port()))
        .header(header::DEV_ID, device.dev_id.as_str())
        .header(CONTENT_TYPE, media_type::PACKAGE1)
        .body(Full::from(PACKAGE1))?;
    let answer = wire.exchange(request).await?.into_body();
    let text = String::from_utf8_lossy(&answer);
    if text.contains("GET") {
        Ok(wire)
    } else {
        Err(Unexpected::Session(text.into_owned()).into())
    }
}

/// Reports a bootstrap that the server knows nothing of, such as a factory image's, so that it reads DevInfo.
const PACKAGE1: &str = r#"{"MOS":[{"MOID":"urn:oma:mo:oma-dm-devinfo:1.2","MIID":["1"]}],"Alert":[{"AlertType":"urn:oma:at:dm:2.0:BootstrapComplete",
"SourceURI":"urn:oma:mo:oma-dm-dmacc:1.2/1/","Mark":"informational"}]}"#;

/// Each connection is an open file at both ends: as many as the system lets this process have.
fn raise_open_files() -> io::Result<()> {
    let mut limit = getrlimit(Resource::Nofile);
    limit.current = limit.maximum;
    Ok(setrlimit(Resource::Nofile, limit)?)
}
