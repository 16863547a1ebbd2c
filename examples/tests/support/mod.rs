//! A DM Server and a device with the FUMO plug-in, over mutual TLS on loopback, through a proxy that can cut.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use omadm_client::{Client, DeviceDir};
use omadm_examples::fumo::{Fumo, Installer, MOID};
use omadm_mo::{DevId, Rights, ServerUri, SrvId};
use omadm_server::config::ServerConfig;
use omadm_server::operator::client::ApiClient;
use omadm_server::operator::types::NewDevice;
use omadm_server::{BOOTSTRAP_PATH, DmServer, Running};
use omadm_session::pair::acme;
use serde_json::Value;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

pub(crate) const DEVICE: &str = "IMEI:493005100592800";
const PROFILE: &str = r#"
[account]
srv_id = "dm.example.com"
srv_uri = "https://{server}/dm/2.0"
name = "Example DM Server"
perm = ["urn:oma:mo:oma-dm-dmacc:1.2", "urn:oma:mo:oma-dm-devinfo:1.2", "urn:oma:mo:oma-fumo:1.0"]
"#;

/// Server and device; what survives the device's power is its folder.
pub(crate) struct Rig {
    folder: tempfile::TempDir,
    running: Running,
    pub(crate) api: ApiClient,
    pub(crate) wire: Arc<Wire>,
    pub(crate) url: String,
}

/// What passed from the server to the device.
#[derive(Default)]
pub(crate) struct Wire {
    pub(crate) octets: AtomicU64,
    /// A connection that carried so many is cut, once; 0 never.
    pub(crate) cut_after: AtomicU64,
    pub(crate) cuts: AtomicU64,
}

/// One start of the device.
pub(crate) struct Powered {
    pub(crate) client: Client,
    pub(crate) fumo: Fumo,
}

impl Rig {
    /// A device that is bootstrapped, and has acknowledged.
    pub(crate) async fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let profiles = folder.path().join("profiles");
        std::fs::create_dir_all(&profiles).unwrap();
        std::fs::write(profiles.join("fumo.toml"), PROFILE).unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut config = ServerConfig::new(folder.path().join("server"));
        config.profiles_dir = Some(profiles);
        config.public_server = Some(format!("localhost:{port}"));
        let running = DmServer::new(config).start().await.unwrap();
        let token = &running.first_start.as_ref().unwrap().token;
        let api_port = running.operator_addr.port();
        let api = ApiClient::new("127.0.0.1", api_port, running.ca_certificate(), token).unwrap();
        let wire = Arc::new(Wire::default());
        tokio::spawn(proxy(listener, running.device_addr, Arc::clone(&wire)));
        let info = acme(DevId::parse(DEVICE).unwrap());
        let dir = DeviceDir::init(&folder.path().join("device"), &info).unwrap();
        let new = NewDevice {
            dev_id: DEVICE.into(),
            csr: Some(std::fs::read_to_string(dir.request_file()).unwrap()),
            profile: Some("fumo".into()),
            ..NewDevice::default()
        };
        let added = api.add_device(&new).await.unwrap();
        std::fs::write(dir.certificate_file(), added.certificate.unwrap()).unwrap();
        let rig = Self {
            url: format!("https://localhost:{port}{BOOTSTRAP_PATH}"),
            folder,
            running,
            api,
            wire,
        };
        let device = rig.power_on();
        device.client.bootstrap().await.unwrap();
        assert!(!device.client.settle().await.unwrap()[0].still_owed);
        rig
    }

    pub(crate) fn dir(&self) -> PathBuf {
        self.folder.path().join("device")
    }

    /// The server's CA, as a device gets it.
    pub(crate) fn ca_file(&self) -> PathBuf {
        self.folder.path().join("server/ca.crt")
    }

    /// Starts the device on what its folder holds, as `fumo_device` does.
    pub(crate) fn power_on(&self) -> Powered {
        let dir = DeviceDir::open(&self.dir()).unwrap();
        let fumo = Fumo::open(self.dir().join("fumo")).unwrap();
        let mut info = dir.dev_info().unwrap();
        info.fw_v = fumo.firmware().unwrap_or(info.fw_v);
        let ca = vec![self.running.ca_certificate().clone()];
        let use_it = Rights::READ.with(Rights::WRITE).with(Rights::EXECUTE);
        let client = Client::builder(info, dir.store_file())
            .identity(dir.identity().unwrap().unwrap())
            .source(ServerUri::parse(&self.url).unwrap(), ca.clone())
            .anchors(ca)
            .managed_object_for(fumo.object().unwrap(), use_it)
            .build()
            .unwrap();
        Powered { client, fumo }
    }

    pub(crate) fn slot(&self) -> Installer {
        Installer::Slot(self.slot_folder())
    }

    pub(crate) fn slot_folder(&self) -> PathBuf {
        self.dir().join("fumo/slot")
    }

    /// Puts an object into the device's repository; its URL.
    pub(crate) async fn put(&self, path: &str, media_type: &str, content: &[u8]) -> String {
        let (octets, source) = (content.len() as u64, std::io::Cursor::new(content.to_vec()));
        let put = self
            .api
            .put_object(DEVICE, path, media_type, octets, source);
        put.await.unwrap().url
    }

    /// An HGET of a text into a leaf.
    pub(crate) async fn text(&self, leaf: &str, text: &str) -> Vec<String> {
        let path = format!("text/{}", leaf.replace('/', "-"));
        let url = self.put(&path, "text/plain", text.as_bytes()).await;
        vec!["HGET".into(), url, node(leaf)]
    }

    /// Queues commands and holds the session in which they are answered; their statuses.
    pub(crate) async fn session(&self, device: &Powered, commands: Vec<Vec<String>>) -> Vec<u16> {
        let queued = self.api.queue_commands(DEVICE, commands).await.unwrap();
        device.client.session(&srv()).await.unwrap();
        let mut statuses = Vec::new();
        for command in queued.commands {
            let found = self.api.command(DEVICE, &command.id).await.unwrap();
            statuses.push(found.status.unwrap_or(0));
        }
        statuses
    }

    /// What the server reads in a leaf.
    pub(crate) async fn get(&self, device: &Powered, uri: &str) -> Value {
        let command = vec!["GET".to_owned(), uri.to_owned()];
        let queued = self.api.queue_commands(DEVICE, vec![command]).await;
        device.client.session(&srv()).await.unwrap();
        let id = &queued.unwrap().commands[0].id;
        let found = self.api.command(DEVICE, id).await.unwrap();
        assert_eq!(found.status, Some(200), "{uri}");
        let name = uri.rsplit('/').next().unwrap();
        found.result.unwrap()[0]["MOData"][name].clone()
    }

    pub(crate) async fn state(&self, device: &Powered) -> i64 {
        self.get(device, &node("State")).await.as_i64().unwrap()
    }

    /// The events of this name that the server told of the device.
    pub(crate) async fn told(&self, name: &str) -> Vec<Value> {
        let mut told = Vec::new();
        let mut after = 0;
        loop {
            let page = self.api.events_of(DEVICE, after).await.unwrap();
            if page.events.is_empty() {
                return told;
            }
            after = page.next;
            let what = page.events.into_iter().map(|event| event.what);
            told.extend(what.filter(|what| what["event"] == name));
        }
    }

    /// The results of executions that came: node and code.
    pub(crate) async fn results(&self) -> Vec<(String, i64)> {
        let told = self.told("alert-received").await;
        let firmware = told.iter().filter(|alert| {
            let of_firmware = "org.openmobilealliance.dm.firmwareupdate.";
            alert["alert_type"]
                .as_str()
                .unwrap()
                .starts_with(of_firmware)
        });
        firmware
            .map(|alert| {
                assert_eq!(alert["data_type"], "int");
                let source = alert["source"].as_str().unwrap();
                let node = source.rsplit('/').next().unwrap();
                assert_eq!(source, format!("{MOID}/1/{node}"));
                let of_node = format!("firmwareupdate.{}", node.to_lowercase());
                assert!(alert["alert_type"].as_str().unwrap().ends_with(&of_node));
                (node.to_owned(), alert["data"]["DM1x"].as_i64().unwrap())
            })
            .collect()
    }
}

impl Powered {
    /// Works until the operation that goes on is over.
    pub(crate) async fn work(&self, installer: &Installer) {
        while self.fumo.record().operation.is_some() {
            self.fumo.step(&self.client, installer).await.unwrap();
        }
    }
}

/// An installer that is a script; its first argument is the package.
pub(crate) fn script(text: &str) -> Installer {
    Installer::Command {
        program: "/bin/sh".into(),
        arguments: vec![
            "-c".into(),
            text.into(),
            "sh".into(),
            Installer::PACKAGE.into(),
        ],
    }
}

pub(crate) fn exec(name: &str) -> Vec<String> {
    vec!["EXEC".into(), node(name)]
}

pub(crate) fn node(name: &str) -> String {
    format!("{MOID}//{name}")
}

pub(crate) fn srv() -> SrvId {
    SrvId::parse("dm.example.com").unwrap()
}

/// Octets that tell where they stand.
pub(crate) fn firmware(octets: usize) -> Vec<u8> {
    (0..octets).map(|at| (at / 251 + at) as u8).collect()
}

pub(crate) fn sha256(octets: &[u8]) -> String {
    use sha2::Digest as _;
    let digest = sha2::Sha256::digest(octets);
    digest.iter().map(|octet| format!("{octet:02x}")).collect()
}

pub(crate) fn read(file: &Path) -> Vec<u8> {
    std::fs::read(file).unwrap()
}

async fn proxy(listener: TcpListener, server: std::net::SocketAddr, wire: Arc<Wire>) {
    while let Ok((device, _)) = listener.accept().await {
        let wire = Arc::clone(&wire);
        tokio::spawn(async move {
            let server = TcpStream::connect(server).await.unwrap();
            let (mut up, mut down) = server.into_split();
            let (mut from, mut to) = device.into_split();
            let upwards = tokio::spawn(async move {
                let _ = tokio::io::copy(&mut from, &mut down).await;
            });
            let (mut passed, mut octets) = (0, vec![0; 16 << 10]);
            while let Ok(read) = up.read(&mut octets).await {
                if read == 0 || to.write_all(&octets[..read]).await.is_err() {
                    break;
                }
                passed += read as u64;
                wire.octets.fetch_add(read as u64, Ordering::SeqCst);
                let most = wire.cut_after.load(Ordering::SeqCst);
                if most > 0 && passed > most {
                    wire.cut_after.store(0, Ordering::SeqCst);
                    wire.cuts.fetch_add(1, Ordering::SeqCst);
                    break;
                }
            }
            upwards.abort();
        });
    }
}
