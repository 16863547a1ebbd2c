//! One profile, several carriers: `omadm bootstrap build`, `inspect`, `diff` and `preview`, and batches that are killed and go on.
#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    reason = "a test fails by panicking, and a soak case tells what it counted"
)]

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use omadm_tests::process::{Device, Ended, Omadm, Signal, omadm, profiles};
use omadm_tests::soak;
use serde_json::Value;

const DEVICE: &str = "IMEI:493005100592800";
const LONG: Duration = Duration::from_secs(7200);

fn build(carrier: &str, out: &Path) -> Omadm {
    omadm(["bootstrap", "build", "--server", "dm.example.com:8443"])
        .args(["--carrier", carrier, "--out"])
        .arg(out)
        .arg(profiles("minimal.toml"))
}

/// A profile that brings HTTP user and password, and no certificate.
fn http_profile(folder: &Path) -> PathBuf {
    let text = std::fs::read_to_string(profiles("http.toml")).unwrap();
    let file = folder.join("http.toml");
    let without = text.replace("trust_server_ca = true", "trust_server_ca = false");
    std::fs::write(&file, without).unwrap();
    file
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder).unwrap();
    entries
        .map(|entry| {
            let entry = entry.unwrap();
            let name = entry.file_name().into_string().unwrap();
            (name, std::fs::read(entry.path()).unwrap())
        })
        .collect()
}

fn inspect(path: &Path) -> Value {
    let told = omadm(["bootstrap", "inspect", "--json"])
        .arg(path)
        .run()
        .good();
    serde_json::from_str(&told.stdout).unwrap()
}

fn diff(one: &Path, other: &Path) -> Ended {
    omadm(["bootstrap", "diff"]).arg(one).arg(other).run()
}

#[test]
fn every_carrier_of_one_profile_has_the_same_octets_each_time_and_is_read_back() {
    let folder = tempfile::tempdir().unwrap();
    for (carrier, names) in [
        ("factory", vec!["carrier.json", "factory.json"]),
        ("push", vec!["carrier.json", "push.json"]),
        ("url", vec!["carrier.json", "url.png", "url.txt"]),
    ] {
        let made = ["one", "two"].map(|name| {
            let out = folder.path().join(carrier).join(name);
            let command = build(carrier, &out).args(["--dev-id", DEVICE]);
            let _told = command.run().good();
            out
        });
        let [one, two] = made.each_ref().map(|out| files(out));
        assert_eq!(one, two, "{carrier}");
        assert_eq!(one.keys().collect::<Vec<_>>(), names);
        let found = inspect(&made[0]);
        assert_eq!(found["kind"], "carrier");
        assert_eq!(found["description"]["carrier"], carrier);
        assert_eq!(found["description"]["device"], DEVICE);
        if carrier == "url" {
            let url = "https://dm.example.com:8443/bootstrap";
            assert_eq!(found["description"]["url"], url);
            for name in ["url.png", "url.txt"] {
                let found = inspect(&made[0].join(name));
                assert_eq!(
                    (&found["kind"], &found["url"]),
                    (&"url".into(), &url.into())
                );
            }
        } else {
            assert_eq!(found["document"]["servers"][0], "dm.example.com");
            let document = &found["document"]["document"][0]["MOData"]["DMAcc"];
            assert_eq!(document["SrvURI"], "https://dm.example.com:8443/dm/2.0");
        }
    }
    let factory = folder.path().join("factory/one");
    let push = folder.path().join("push/one/push.json");
    let same = diff(&factory, &push).good();
    assert_eq!(same.stdout.trim(), "the same octets");

    // A file that was changed behind the description's back is noticed.
    std::fs::write(factory.join("factory.json"), "[]").unwrap();
    let refused = omadm(["bootstrap", "inspect"])
        .arg(&factory)
        .run()
        .refused();
    assert!(
        refused.stderr.contains("factory.json"),
        "{}",
        refused.stderr
    );
}

#[test]
fn a_picture_shows_its_address_to_a_reader_of_pictures() {
    let folder = tempfile::tempdir().unwrap();
    let _told = build("url", folder.path()).run().good();
    let picture = std::fs::read(folder.path().join("url.png")).unwrap();
    assert!(picture.starts_with(b"\x89PNG\r\n\x1a\n"));
    let plain = omadm(["bootstrap", "build", "--carrier", "url", "--server", "x"])
        .args(["--url", "http://dm.example.com/", "--out"])
        .arg(folder.path())
        .arg(profiles("minimal.toml"))
        .run()
        .refused();
    assert!(plain.stderr.contains("https"), "{}", plain.stderr);
}

#[test]
fn what_two_bootstraps_install_is_compared_and_secrets_stay_masked() {
    let folder = tempfile::tempdir().unwrap();
    let table =
        |password: &str| format!("dev_id,http_user,http_password\n{DEVICE},meter-7,{password}\n");
    let out = ["a", "b"].map(|name| {
        let devices = folder.path().join(name).with_extension("csv");
        std::fs::write(&devices, table(&format!("hunter2-hunter2-{name}"))).unwrap();
        let out = folder.path().join(name);
        let command = omadm([
            "bootstrap",
            "build",
            "--server",
            "dm.example.com",
            "--carrier",
            "factory",
        ]);
        let command = command
            .arg("--devices")
            .arg(&devices)
            .arg("--out")
            .arg(&out);
        let _told = command.arg(http_profile(folder.path())).run().good();
        out.join("IMEI%3A493005100592800.factory.json")
    });
    let differs = diff(&out[0], &out[1]);
    assert_eq!(differs.code, Some(1), "{differs:?}");
    assert!(
        differs
            .stdout
            .contains("Ext/HTTPAuth/Password: the secret differs"),
        "{differs:?}"
    );
    assert!(!differs.stdout.contains("hunter2"), "{differs:?}");
    let shown = omadm(["bootstrap", "inspect"]).arg(&out[0]).run().good();
    assert!(!shown.stdout.contains("hunter2"), "{shown:?}");
    let shown = omadm(["bootstrap", "inspect", "--secrets"])
        .arg(&out[0])
        .run()
        .good();
    assert!(shown.stdout.contains("hunter2-hunter2-a"), "{shown:?}");
    let trouble = diff(&out[0], &folder.path().join("none"));
    assert_eq!(trouble.code, Some(2), "{trouble:?}");
    assert_eq!(diff(&out[0], &out[0]).code, Some(0));
}

#[test]
fn a_preview_says_what_a_carrier_changes_on_a_printed_tree() {
    let folder = tempfile::tempdir().unwrap();
    let image = folder.path().join("image");
    let _told = build("factory", &image)
        .args(["--dev-id", DEVICE])
        .run()
        .good();
    let device = Device::init(&folder.path().join("device"), DEVICE);
    let policy = format!(
        "[bootstrap]\nfactory.image = '{}'\n",
        image.join("factory.json").display()
    );
    std::fs::write(device.file("policy.toml"), policy).unwrap();
    let tree = folder.path().join("tree.json");
    let print_tree = || {
        let printed = device.client("tree").arg("--json").run().good();
        std::fs::write(&tree, printed.stdout).unwrap();
    };
    let preview = |image: &Path| {
        let command = omadm(["bootstrap", "preview", "--json", "--tree"]);
        command.arg(&tree).arg(image).run().good().stdout
    };
    print_tree();
    let change: Value = serde_json::from_str(&preview(&image)).unwrap();
    assert_eq!(
        (&change["action"], &change["uri"]),
        (&"add".into(), &"urn:oma:mo:oma-dm-dmacc:1.2/1/".into())
    );
    // Applied without reaching its server: the completion stays owed, the account is there.
    let started = device.client("switch-on").run().refused();
    assert!(
        started.stdout.contains("applied: dm.example.com"),
        "{started:?}"
    );
    assert!(started.stderr.contains("still owed"), "{started:?}");
    print_tree();
    let other = folder.path().join("other");
    let text = std::fs::read_to_string(profiles("minimal.toml")).unwrap();
    let profile = folder.path().join("other.toml");
    std::fs::write(&profile, text.replace("Example DM Server", "Another")).unwrap();
    let command = omadm([
        "bootstrap",
        "build",
        "--carrier",
        "factory",
        "--server",
        "dm.example.com:8443",
    ]);
    let command = command.args(["--dev-id", DEVICE, "--out"]).arg(&other);
    let _told = command.arg(&profile).run().good();
    let change: Value = serde_json::from_str(&preview(&other)).unwrap();
    assert_eq!(change["action"], "replace");
    let changed: Vec<_> = change["changed"].as_array().unwrap().iter().collect();
    assert!(changed.contains(&&Value::from("Name")), "{change}");
    assert!(!changed.contains(&&Value::from("SrvURI")), "{change}");
}

/// A table of this many devices, each with a password.
fn table(folder: &Path, devices: usize) -> PathBuf {
    let mut text = "dev_id,http_user,http_password\n".to_owned();
    for n in 0..devices {
        writeln!(text, "IMEI:{n:015},meter-{n},a-password-that-is-long-{n}").unwrap();
    }
    let file = folder.join("devices.csv");
    std::fs::write(&file, text).unwrap();
    file
}

fn batch(table: &Path, out: &Path) -> Omadm {
    omadm(["bootstrap", "build", "--carrier", "factory", "--json"])
        .args(["--server", "dm.example.com", "--devices"])
        .arg(table)
        .arg("--out")
        .arg(out)
        .arg(http_profile(table.parent().unwrap()))
}

fn whole(done: Ended) -> (u64, u64) {
    let told: Value = serde_json::from_str(&done.good().stdout).unwrap();
    (
        told["built"].as_u64().unwrap(),
        told["kept"].as_u64().unwrap(),
    )
}

/// Builds a batch undisturbed, and once more killed on the way; the results have to be the same octet by octet.
fn killed_and_resumed(devices: usize) -> (u64, u64) {
    let folder = tempfile::tempdir().unwrap();
    let table = table(folder.path(), devices);
    let [smooth, killed] = ["smooth", "killed"].map(|name| folder.path().join(name));
    let done = batch(&table, &smooth).start().unwrap().wait(LONG).unwrap();
    assert_eq!(whole(done), (devices as u64, 0));
    // As soon as a third is there; a machine that was too fast for that is given another chance.
    let wanted = devices / 3;
    let mut left = devices;
    for _chance in 0..5 {
        let _gone = std::fs::remove_dir_all(&killed);
        let running = batch(&table, &killed).start().unwrap();
        let until = Instant::now() + LONG;
        let built = || {
            let entries = std::fs::read_dir(&killed).map_or(0, Iterator::count);
            entries.saturating_sub(1)
        };
        while built() < wanted && Instant::now() < until {
            std::thread::yield_now();
        }
        let sent = running.signal(Signal::Kill);
        let ended = running.wait(LONG).unwrap();
        left = built();
        if sent.is_ok() && ended.code.is_none() && !killed.join("manifest.jsonl").exists() {
            break;
        }
    }
    assert!(
        !killed.join("manifest.jsonl").exists(),
        "killed before its end"
    );
    assert!(left > 0 && left <= devices + 2, "{left}");
    let done = batch(&table, &killed).start().unwrap().wait(LONG).unwrap();
    let (built, kept) = whole(done);
    assert_eq!(built + kept, devices as u64);
    let (one, other) = (files(&smooth), files(&killed));
    assert_eq!(one.len(), devices + 1);
    assert!(one == other, "the same files with the same octets");
    // A third run finds all of it done.
    let done = batch(&table, &killed).start().unwrap().wait(LONG).unwrap();
    assert_eq!(whole(done), (0, devices as u64));
    (built, kept)
}

#[test]
fn a_batch_of_a_thousand_that_is_killed_goes_on_and_comes_to_the_same() {
    let (built, kept) = killed_and_resumed(1000);
    assert!(
        built > 0 && kept > 0,
        "{built} built after the kill, {kept} before"
    );
}

#[test]
fn soak_a_batch_of_factory_images_that_is_killed_goes_on_and_comes_to_the_same() {
    // Fewer are built before a signal can reach the process.
    let devices = soak::size(100_000).max(700);
    let (built, kept) = killed_and_resumed(devices);
    println!("soak: {devices} images, {kept} before SIGKILL, {built} after it");
}

#[test]
fn a_damaged_or_changed_device_of_a_batch_is_built_again_and_no_other() {
    let folder = tempfile::tempdir().unwrap();
    let table = table(folder.path(), 20);
    let out = folder.path().join("images");
    assert_eq!(whole(batch(&table, &out).run()), (20, 0));
    let before = files(&out);
    std::fs::write(out.join("IMEI%3A000000000000003.factory.json"), "[]").unwrap();
    std::fs::remove_file(out.join("IMEI%3A000000000000004.factory.json")).unwrap();
    let damaged = omadm(["bootstrap", "inspect"]).arg(&out).run().refused();
    assert!(
        damaged
            .stderr
            .contains("IMEI:000000000000003, IMEI:000000000000004"),
        "{damaged:?}"
    );
    assert_eq!(whole(batch(&table, &out).run()), (2, 18));
    assert!(files(&out) == before);
    let text = std::fs::read_to_string(&table).unwrap();
    std::fs::write(&table, text.replace("is-long-7\n", "is-longer-7\n")).unwrap();
    assert_eq!(whole(batch(&table, &out).run()), (1, 19));
    let found = inspect(&out);
    assert_eq!(found["kind"], "batch");
    assert_eq!(found["devices"].as_array().map(Vec::len), Some(20));
    let wrong = folder.path().join("wrong.csv");
    std::fs::write(&wrong, "dev_id,http_user\nIMEI:1,hunter2\n").unwrap();
    let refused = batch(&wrong, &out).run().refused();
    assert!(refused.stderr.contains("line 2"), "{refused:?}");
    assert!(!refused.stderr.contains("hunter2"), "{refused:?}");
}
