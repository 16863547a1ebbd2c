//! Firmware updates from the operator's command to the alert, with a real server, real TLS and a device that loses its power.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::process::{Child, Command, Stdio};
use std::sync::atomic::Ordering;
use std::time::Duration;

use omadm_examples::fumo::{FumoState, Operation, ResultCode, Step};
use support::{DEVICE, Rig, exec, firmware, node, read, script, sha256};

const DOWNLOAD_AND_UPDATE: &str = "DownloadAndUpdate";
const MIB: usize = 1 << 20;

/// A package in the repository, and the commands that have it installed.
async fn commands(rig: &Rig, package: &[u8], digest: &str) -> Vec<Vec<String>> {
    let media_type = "application/octet-stream";
    let url = rig.put("fw/2.0.bin", media_type, package).await;
    vec![
        rig.text("DownloadAndUpdate/PkgURL", &url).await,
        rig.text("PkgVersion", "2.0").await,
        rig.text("Ext/Digest", digest).await,
        exec(DOWNLOAD_AND_UPDATE),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_updates_the_firmware_and_is_told_in_a_new_session() {
    let rig = Rig::new().await;
    let device = rig.power_on();
    assert_eq!(rig.state(&device).await, 10);
    let package = firmware(3 * MIB);
    let commands = commands(&rig, &package, &sha256(&package)).await;
    assert_eq!(rig.session(&device, commands).await, [200, 200, 200, 202]);
    assert_eq!(rig.state(&device).await, 30);
    let busy = rig.session(&device, vec![exec("Download")]).await;
    assert_eq!(busy, [409], "one at a time");
    device.client.settle().await.unwrap();
    assert_eq!(rig.results().await, [], "it goes on");

    device.fumo.run(&device.client, &rig.slot()).await.unwrap();
    drop(device);
    let device = rig.power_on();
    device.client.settle().await.unwrap();
    let results = rig.results().await;
    assert_eq!(results, [(DOWNLOAD_AND_UPDATE.to_owned(), 200)]);
    let told = rig.told("alert-received").await;
    let answered = rig.told("command-answered").await;
    let of_exec = answered.iter().find(|one| one["status"] == 202).unwrap();
    assert_ne!(told.last().unwrap()["session"], of_exec["session"]);

    assert_eq!(read(&rig.slot_folder().join("slot")), package);
    let version = rig.get(&device, "urn:oma:mo:oma-dm-devinfo:1.2//FwV").await;
    assert_eq!(version, "2.0");
    assert_eq!(rig.state(&device).await, 100);
    device.client.settle().await.unwrap();
    assert_eq!(rig.results().await.len(), 1, "told once");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_corrupted_package_is_not_installed() {
    let rig = Rig::new().await;
    let device = rig.power_on();
    let package = firmware(100_000);
    let commands = commands(&rig, &package, &sha256(b"another one")).await;
    assert_eq!(rig.session(&device, commands).await, [200, 200, 200, 202]);
    device.work(&rig.slot()).await;
    device.client.settle().await.unwrap();
    assert_eq!(rig.state(&device).await, 20);

    // The same, brought by the server itself.
    let url = rig
        .put("fw/raw", "application/octet-stream", &package)
        .await;
    let data = vec!["HGET".to_owned(), url, node("Update/PkgData")];
    assert_eq!(rig.session(&device, vec![data]).await, [200]);
    assert_eq!(rig.state(&device).await, 40);
    assert_eq!(rig.session(&device, vec![exec("Update")]).await, [202]);
    device.work(&rig.slot()).await;
    device.client.settle().await.unwrap();
    assert_eq!(rig.state(&device).await, 80);
    let results = [
        (DOWNLOAD_AND_UPDATE.to_owned(), 402),
        ("Update".to_owned(), 402),
    ];
    assert_eq!(rig.results().await, results);
    assert!(!rig.slot_folder().exists() && !device.fumo.package().exists());
    assert_eq!(device.fumo.firmware(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_installer_that_refuses_leaves_the_package_for_another_update() {
    let rig = Rig::new().await;
    let device = rig.power_on();
    let package = firmware(50_000);
    let url = rig
        .put("fw/2.0.bin", "application/octet-stream", &package)
        .await;
    let bring = vec![rig.text("Download/PkgURL", &url).await, exec("Download")];
    assert_eq!(rig.session(&device, bring).await, [200, 202]);
    device.work(&rig.slot()).await;
    device.client.settle().await.unwrap();
    assert_eq!(rig.state(&device).await, 40);

    assert_eq!(rig.session(&device, vec![exec("Update")]).await, [202]);
    device.work(&script("exit 3")).await;
    device.client.settle().await.unwrap();
    assert_eq!(rig.state(&device).await, 70);
    let copy = rig.dir().join("copy");
    let copying = script(&format!("cp \"$1\" '{}'", copy.display()));
    assert_eq!(rig.session(&device, vec![exec("Update")]).await, [202]);
    device.work(&copying).await;
    device.client.settle().await.unwrap();
    assert_eq!(rig.state(&device).await, 90);
    assert_eq!(read(&copy), package);
    // Nobody told a version.
    assert_eq!(
        device.fumo.firmware(),
        Some(sha256(&package)[..16].to_owned())
    );
    let results = [("Download", 200), ("Update", 410), ("Update", 200)];
    let results = results.map(|(node, code)| (node.to_owned(), code));
    assert_eq!(rig.results().await, results);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_package_that_is_not_there_is_told_as_a_bad_url() {
    let rig = Rig::new().await;
    let device = rig.power_on();
    let there = rig.put("fw/a", "application/octet-stream", b"a").await;
    let nowhere = there.replace("fw/a", "fw/b");
    // Nothing listens at the discard port, and the policy lets the device connect to the host of its source alone.
    let closed = "https://localhost:9/fw";
    let foreign = "https://127.0.0.2/fw";
    for (url, code) in [
        (nowhere.as_str(), 411),
        ("no url", 411),
        (closed, 503),
        (foreign, 411),
    ] {
        let bring = vec![rig.text("Download/PkgURL", url).await, exec("Download")];
        assert_eq!(rig.session(&device, bring).await, [200, 202]);
        device.work(&rig.slot()).await;
        device.client.settle().await.unwrap();
        assert_eq!(rig.state(&device).await, 20, "{url}");
        let last = rig.results().await.pop();
        assert_eq!(last, Some(("Download".to_owned(), code)), "{url}");
    }
    let update = rig.session(&device, vec![exec("Update")]).await;
    assert_eq!(update, [405], "there is no package");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_download_that_is_cut_goes_on_where_it_was() {
    let rig = Rig::new().await;
    let device = rig.power_on();
    let package = firmware(6 * MIB);
    let commands = commands(&rig, &package, &sha256(&package)).await;
    assert_eq!(rig.session(&device, commands).await, [200, 200, 200, 202]);
    let before = rig.wire.octets.load(Ordering::SeqCst);
    rig.wire.cut_after.store(5 * MIB as u64, Ordering::SeqCst);
    device.work(&rig.slot()).await;
    assert_eq!(rig.wire.cuts.load(Ordering::SeqCst), 1);
    let passed = rig.wire.octets.load(Ordering::SeqCst) - before;
    assert!(
        passed < 9 * MIB as u64,
        "{passed} octets: not from the beginning"
    );
    assert_eq!(read(&rig.slot_folder().join("slot")), package);
    device.client.settle().await.unwrap();
    let results = rig.results().await;
    assert_eq!(results, [(DOWNLOAD_AND_UPDATE.to_owned(), 200)]);
}

#[tokio::test(flavor = "multi_thread")]
async fn wherever_the_power_is_cut_the_update_goes_on_and_is_told_once() {
    let rig = Rig::new().await;
    let package = firmware(200_000);
    let stops = [
        FumoState::Downloading,
        FumoState::Downloaded,
        FumoState::ReadyToUpdate,
    ];
    for (steps, state) in stops.into_iter().enumerate() {
        let device = rig.power_on();
        let commands = commands(&rig, &package, &sha256(&package)).await;
        assert_eq!(rig.session(&device, commands).await, [200, 200, 200, 202]);
        for _ in 0..steps {
            let step = device.fumo.step(&device.client, &rig.slot()).await;
            assert!(matches!(step.unwrap(), Step::Reached(_)));
        }
        drop(device);
        let device = rig.power_on();
        assert_eq!(device.fumo.record().state, state);
        device.client.settle().await.unwrap();
        assert_eq!(rig.results().await.len(), steps, "nothing is told yet");
        device.fumo.run(&device.client, &rig.slot()).await.unwrap();
        drop(device);
        for _ in 0..2 {
            rig.power_on().client.settle().await.unwrap();
        }
        let results = rig.results().await;
        assert_eq!(results.len(), steps + 1, "{state:?}");
        assert_eq!(results[steps], (DOWNLOAD_AND_UPDATE.to_owned(), 200));
        std::fs::remove_dir_all(rig.slot_folder()).unwrap();
    }
}

/// The program itself; killed when it is dropped.
struct Program(Child);

impl Program {
    fn start(rig: &Rig, installer: &str) -> Self {
        let child = Command::new(env!("CARGO_BIN_EXE_fumo_device"))
            .arg("--dir")
            .arg(rig.dir())
            .args(["--url", &rig.url])
            .arg("--ca")
            .arg(rig.ca_file())
            .args(["--", "/bin/sh", "-c", installer])
            // No card reader of this machine.
            .env("PCSCLITE_CSOCK_NAME", "/dev/null/pcscd")
            .stderr(Stdio::null())
            .spawn();
        Self(child.unwrap())
    }

    /// Ctrl-C: it ends what it is about. One that is killed may tell an alert twice.
    async fn end(mut self) {
        let pid = self.0.id().to_string();
        let asked = Command::new("kill").args(["-INT", &pid]).status();
        assert!(asked.unwrap().success());
        for _ in 0..300 {
            if self.0.try_wait().unwrap().is_some() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        panic!("it did not end");
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

async fn until<F: Future<Output = bool>>(what: &str, mut is: impl FnMut() -> F) {
    for _ in 0..300 {
        if is().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    panic!("{what} did not happen");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_device_that_is_killed_while_it_installs_tells_that_it_failed_and_stays_usable() {
    let rig = Rig::new().await;
    let package = firmware(100_000);
    let device = rig.power_on();
    let order = commands(&rig, &package, &sha256(&package)).await;
    assert_eq!(rig.session(&device, order).await, [200, 200, 200, 202]);
    drop(device);
    let listen = "[listen]\nudp = \"127.0.0.1:0\"\n";
    std::fs::write(rig.dir().join("policy.toml"), listen).unwrap();
    let begun = rig.dir().join("begun");
    let program = Program::start(&rig, &format!("touch '{}'; exec sleep 5", begun.display()));
    until("the installation", async || begun.exists()).await;
    drop(program);

    let program = Program::start(&rig, "exit 0");
    until("the alert", async || !rig.results().await.is_empty()).await;
    program.end().await;
    let device = rig.power_on();
    assert_eq!(rig.state(&device).await, 70);
    let failed = (DOWNLOAD_AND_UPDATE.to_owned(), 410);
    assert_eq!(rig.results().await, std::slice::from_ref(&failed));

    // The package is still there; this time the program installs it, starts the device anew and tells.
    assert_eq!(rig.session(&device, vec![exec("Update")]).await, [202]);
    drop(device);
    let program = Program::start(&rig, "exit 0");
    until("the alert", async || rig.results().await.len() > 1).await;
    drop(program);
    assert_eq!(rig.results().await, [failed, ("Update".to_owned(), 200)]);
    let device = rig.power_on();
    let version = rig.get(&device, "urn:oma:mo:oma-dm-devinfo:1.2//FwV").await;
    assert_eq!(version, "2.0");
    let record = device.fumo.record();
    assert_eq!(
        record.results[Operation::Update.node()],
        ResultCode::SUCCESS
    );
    assert!(!rig.api.device(DEVICE).await.unwrap().events.is_empty());
}
