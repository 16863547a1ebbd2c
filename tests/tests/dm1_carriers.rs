//! One profile, every carrier, for DM 1.2 and 1.3: `omadm bootstrap build --profile-format`, `inspect`, `diff`, `decode` of what was built.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use omadm_tests::process::{Device, Ended, Omadm, Server, omadm, profiles};
use serde_json::Value;

const DEVICE: &str = "IMEI:493005100592800";
const FORMATS: [&str; 2] = ["cp", "dm"];
const SECRETS: [&str; 4] = ["hunter2-client", "hunter2-server", "Y25vbmNl", "c25vbmNl"];

/// A table of this many devices, the first of them [`DEVICE`], with all that an account and its push need.
fn table(folder: &Path, devices: usize) -> PathBuf {
    let mut text =
        "dev_id,dm1_client_secret,dm1_client_nonce,dm1_server_secret,dm1_server_nonce,imsi,pin\n"
            .to_owned();
    for n in 0..devices {
        let device = 493_005_100_592_800 + n;
        text += &format!(
            "IMEI:{device},hunter2-client{n},Y25vbmNl,hunter2-server{n},c25vbmNl,31015012345{n:04},471{n}\n"
        );
    }
    let file = folder.join("devices.csv");
    std::fs::write(&file, text).unwrap();
    file
}

fn build(format: &str, carrier: &str, out: &Path) -> Omadm {
    omadm(["bootstrap", "build", "--server", "dm.example.com:8443"])
        .args(["--profile-format", format, "--carrier", carrier, "--out"])
        .arg(out)
        .arg(profiles("dm1x.toml"))
}

/// One device's carrier from the table: the folder is a batch of one.
fn batch(table: &Path, format: &str, carrier: &str, out: &Path) -> Ended {
    build(format, carrier, out)
        .arg("--devices")
        .arg(table)
        .run()
        .good()
}

fn files(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let entries = std::fs::read_dir(folder).unwrap().map(|entry| {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        (name, std::fs::read(entry.path()).unwrap())
    });
    entries.collect()
}

fn file(folder: &Path, name: &str) -> PathBuf {
    folder.join(format!("IMEI%3A493005100592800.{name}"))
}

fn inspect(paths: &[PathBuf]) -> Value {
    let mut command = omadm(["bootstrap", "inspect", "--json"]);
    for path in paths {
        command = command.arg(path);
    }
    serde_json::from_str(&command.run().good().stdout).unwrap()
}

fn diff(one: &Path, other: &Path) -> Ended {
    omadm(["bootstrap", "diff"]).arg(one).arg(other).run()
}

/// The SMS of a push, in order.
fn sms(out: &Path, kind: &str) -> Vec<PathBuf> {
    let parts = (1..).map(|number| file(out, &format!("sms-{number}.{kind}")));
    parts.take_while(|part| part.exists()).collect()
}

#[test]
fn every_carrier_of_both_formats_has_the_same_octets_each_time_and_is_read_back_without_its_secrets()
 {
    let folder = tempfile::tempdir().unwrap();
    let table = table(folder.path(), 2);
    for format in FORMATS {
        for (carrier, main) in [
            ("factory", "factory.wbxml"),
            ("smartcard", "card.json"),
            ("push", "push.wsp"),
        ] {
            let outs =
                ["one", "two"].map(|name| folder.path().join(format).join(carrier).join(name));
            for out in &outs {
                let told = batch(&table, format, carrier, out);
                assert!(!told.stdout.contains("hunter2"), "{told:?}");
            }
            let [out, again] = outs;
            let made = files(&out);
            assert!(made == files(&again), "{format} {carrier}: reproducible");
            #[cfg(unix)]
            for name in made.keys() {
                use std::os::unix::fs::PermissionsExt as _;
                let mode = std::fs::metadata(out.join(name)).unwrap().permissions();
                assert_eq!(mode.mode() & 0o777, 0o600, "{name}");
            }
            let found = inspect(&[file(&out, main)]);
            let document = match carrier {
                "smartcard" => &found["documents"][0],
                _ => &found["document"],
            };
            assert_eq!(document["profile_format"], format, "{found}");
            let account = &document["accounts"][0];
            assert_eq!(account["server_id"], "org.example.dm");
            assert_eq!(
                account["addresses"][0],
                "https://dm.example.com:8443/dm/1.x"
            );
            assert_eq!(account["connectivity"][0], "internet");
            assert_eq!(account["credentials"][0]["name"], DEVICE);
            assert_eq!(account["credentials"][1]["level"], "SRVCRED");
            let hidden = found.to_string();
            assert!(
                SECRETS.iter().all(|secret| !hidden.contains(secret)),
                "{hidden}"
            );
            let shown = omadm(["bootstrap", "inspect", "--secrets"]).arg(file(&out, main));
            assert!(shown.run().good().stdout.contains("hunter2-client0"));
            let batch = inspect(&[out]);
            assert_eq!(batch["devices"][1]["profile_format"], format);
        }
        // The same account by whichever carrier.
        let [image, card, push] = [
            ("factory", "factory.wbxml"),
            ("smartcard", "card.json"),
            ("push", "push.wsp.hex"),
        ]
        .map(|(carrier, name)| file(&folder.path().join(format).join(carrier).join("one"), name));
        for other in [&card, &push] {
            assert_eq!(diff(&image, other).good().stdout.trim(), "the same octets");
        }
    }
}

#[test]
fn a_push_is_signed_by_what_is_given_and_its_sms_are_put_together_again() {
    let folder = tempfile::tempdir().unwrap();
    let all = table(folder.path(), 1);
    let text = std::fs::read_to_string(&all).unwrap();
    for format in FORMATS {
        for (sec, gone, keys) in [
            (
                "USERNETWPIN",
                "",
                &["--pin", "4710", "--imsi", "310150123450000"][..],
            ),
            ("USERPIN", "310150123450000", &["--pin", "4710"]),
            ("NETWPIN", "4710\n", &["--imsi", "310150123450000"]),
        ] {
            let signed = folder.path().join("signed.csv");
            let without = if gone.is_empty() {
                text.clone()
            } else {
                text.replace(
                    &format!(",{gone}"),
                    if gone.ends_with('\n') { ",\n" } else { "," },
                )
            };
            std::fs::write(&signed, without).unwrap();
            let out = folder.path().join(format).join(sec);
            let _told = batch(&signed, format, "push", &out);
            let push = file(&out, "push.wsp");
            for kind in ["bin", "hex"] {
                let mut parts = sms(&out, kind);
                assert!(parts.len() > 2, "{parts:?}");
                let found = inspect(&parts);
                assert_eq!(
                    (&found["kind"], &found["sec"]),
                    (&"push".into(), &sec.into())
                );
                assert_eq!(found["sms"], parts.len());
                assert_eq!(diff(&push, &file(&out, "push.wbxml")).code, Some(0));
                parts.reverse();
                let mut decode = omadm(["decode"]).args(keys);
                for part in &parts {
                    decode = decode.arg(part);
                }
                let told = decode.run().good().stdout;
                assert!(told.ends_with("\nMAC valid\n"), "{told}");
                assert!(told.contains("org.example.dm"), "{told}");
                let missing = omadm(["bootstrap", "inspect"])
                    .arg(&parts[0])
                    .run()
                    .refused();
                assert!(missing.stderr.contains("1 of "), "{missing:?}");
            }
        }
    }
}

#[test]
fn the_push_of_a_cdma_device_is_signed_by_its_esn() {
    let folder = tempfile::tempdir().unwrap();
    let decoded = |push: &Path, esn: &str| omadm(["decode", "--esn", esn]).arg(push).run();
    for (form, told) in [
        ("semi-octets", "MAC valid"),
        ("ascii", "MAC valid, by the ESN's digits as ASCII"),
    ] {
        let out = folder.path().join(form);
        let command = build("cp", "push", &out).args(["--esn", "80a1b2c3", "--imsi-key", form]);
        let _built = command.args(["--dev-id", DEVICE]).run().good();
        let push = out.join("push.wsp.hex");
        let right = decoded(&push, "12810597059").good().stdout;
        assert!(right.ends_with(&format!("\n{told}\n")), "{right}");
        let wrong = decoded(&push, "80A1B2C4").refused().stdout;
        assert!(wrong.contains("MAC INVALID"), "{wrong}");
    }
    let push = folder.path().join("ascii").join("push.wsp.hex");
    let refused = decoded(&push, "80A1B2C").refused().stderr;
    assert!(refused.contains("8 hexadecimal digits"), "{refused}");
    let credentials = std::fs::read_to_string(table(folder.path(), 1)).unwrap();
    let (head, row) = credentials.trim_end().split_once('\n').unwrap();
    let row = row.replace(",310150123450000,4710", ",80A1B2C3,");
    let text = format!("{}\n{row}\n", head.replace("imsi", "esn"));
    let devices = written(folder.path(), "cdma.csv", &text);
    let out = folder.path().join("batch");
    let _told = batch(&devices, "cp", "push", &out);
    let push = file(&out, "push.wsp.hex");
    let right = decoded(&push, "80A1B2C3").good().stdout;
    assert!(right.ends_with("\nMAC valid\n"), "{right}");
}

#[test]
fn provisioning_document_and_message_of_one_profile_bring_the_same_account() {
    let folder = tempfile::tempdir().unwrap();
    let table = table(folder.path(), 2);
    let [cp, dm] = FORMATS.map(|format| {
        let out = folder.path().join(format);
        let _told = batch(&table, format, "factory", &out);
        out
    });
    let [one, other] = [&cp, &dm].map(|out| file(out, "factory.wbxml"));
    let same = diff(&one, &other).good().stdout;
    assert!(
        same.starts_with("the same account: org.example.dm (cp, dm)\n"),
        "{same}"
    );
    assert!(same.contains("not compared: NAPDEF"), "{same}");
    let next = cp.join("IMEI%3A493005100592801.factory.wbxml");
    for other in [&one, &other] {
        let differs = diff(&next, other);
        assert_eq!(differs.code, Some(1), "{differs:?}");
        for told in [
            "AppAuth CLCRED DIGEST/AAuthName \"IMEI:493005100592801\" -> \"IMEI:493005100592800\"",
            "AppAuth CLCRED DIGEST/AAuthSecret: the secret differs",
        ] {
            assert!(differs.stdout.contains(told), "{differs:?}");
        }
        assert!(!differs.stdout.contains("hunter2"), "{differs:?}");
    }
    let dm2 = folder.path().join("dm2.json");
    let _built = omadm([
        "bootstrap",
        "build",
        "--server",
        "x",
        "--dev-id",
        DEVICE,
        "-o",
    ])
    .arg(&dm2)
    .arg(profiles("dm1x.toml"))
    .run()
    .good();
    let trouble = diff(&one, &dm2);
    assert_eq!(trouble.code, Some(2), "{trouble:?}");
    assert!(trouble.stderr.contains("one generation"), "{trouble:?}");
}

#[test]
fn a_preview_says_what_a_bootstrap_changes_on_a_device_and_on_its_printed_tree() {
    let folder = tempfile::tempdir().unwrap();
    let table = table(folder.path(), 1);
    let [cp, dm] = FORMATS.map(|format| {
        let out = folder.path().join(format);
        let _told = batch(&table, format, "push", &out);
        file(&out, "push.wsp")
    });
    let device = Device::init(&folder.path().join("device"), DEVICE);
    let preview = |state: &Path, document: &Path| {
        let command = omadm(["bootstrap", "preview", "--json", "--tree"]);
        let told = command.arg(state).arg(document).run().good().stdout;
        told.lines()
            .next()
            .map(|line| serde_json::from_str::<Value>(line).unwrap())
    };
    let printed = folder.path().join("tree.json");
    let print = || {
        let told = device.client("tree").arg("--json").run().good();
        std::fs::write(&printed, told.stdout).unwrap();
    };
    print();
    for state in [device.file(""), printed.clone()] {
        for document in [&cp, &dm] {
            let change = preview(&state, document).unwrap();
            assert_eq!(change["action"], "add");
            assert_eq!(change["uri"], "urn:oma:mo:oma-dm-dmacc:1.0/1/");
            let added = change["added"].to_string();
            assert!(added.contains("AppAuth/1/AAuthSecret"), "{added}");
            assert!(!change.to_string().contains("hunter2"), "{change}");
        }
    }

    // Applied, its server out of reach; then another address for the same server.
    let image = file(&folder.path().join("cp"), "push.wbxml");
    let policy = format!("[bootstrap]\nfactory.image = '{}'\n", image.display());
    std::fs::write(device.file("policy.toml"), policy).unwrap();
    let started = device.client("switch-on").run().refused();
    assert!(
        started.stdout.contains("applied: org.example.dm"),
        "{started:?}"
    );
    print();
    assert!(preview(&device.file(""), &cp).is_none(), "it is in force");
    let text = std::fs::read_to_string(profiles("dm1x.toml")).unwrap();
    let other = written(
        folder.path(),
        "other.toml",
        &text.replace("/dm/1.x", "/other"),
    );
    let out = folder.path().join("other");
    let _built = omadm(["bootstrap", "build", "--server", "dm.example.com:8443"])
        .args([
            "--profile-format",
            "dm",
            "--carrier",
            "factory",
            "--devices",
        ])
        .arg(&table)
        .arg("-o")
        .args([&out, &other])
        .run()
        .good();
    for state in [device.file(""), printed] {
        let change = preview(&state, &file(&out, "factory.wbxml")).unwrap();
        assert_eq!(change["action"], "replace", "{change}");
        let changed = change["changed"].as_array().unwrap();
        assert!(changed.contains(&"AppAddr/1/Addr".into()), "{change}");
        assert!(!changed.contains(&"Name".into()), "{change}");
    }
}

#[test]
fn what_the_server_makes_for_an_image_or_a_card_completes_its_record_on_the_device() {
    let folder = tempfile::tempdir().unwrap();
    let server = Server::start(&folder.path().join("server")).unwrap();
    let token = server.token.clone().unwrap();
    for (dev_id, carrier, format) in [
        ("IMEI:493005100592801", "factory", "dm"),
        ("IMEI:493005100592802", "smartcard", "cp"),
    ] {
        let out = folder.path().join(carrier);
        let command = omadm(["bootstrap", "build", "--from-server", "--register"])
            .args(["--server-profile", "dm1x", "--profile-format", format])
            .args(["--carrier", carrier, "--dev-id", dev_id, "--out"])
            .arg(&out);
        let _told = server.reached(command, &token).run().good();
        assert_eq!(
            inspect(std::slice::from_ref(&out))["description"]["profile_format"],
            format
        );
        let device = Device::init(&folder.path().join(format), dev_id);
        let image = if carrier == "factory" {
            let image = out.join("factory.wbxml");
            format!("[bootstrap]\nfactory.image = '{}'\n", image.display())
        } else {
            String::new()
        };
        let policy = format!("{image}[network]\nallow_loopback = true\n");
        std::fs::write(device.file("policy.toml"), policy).unwrap();
        let mut client = device.client("switch-on").arg("--ca").arg(server.ca());
        if carrier == "smartcard" {
            client = client.arg("--card").arg(out.join("card.json"));
        }
        let done = client.run().good();
        assert!(done.stdout.contains("org.example.dm"), "{done:?}");
        let shown = server
            .operator(&token, &["show", dev_id])
            .run()
            .good()
            .stdout;
        let record = shown
            .lines()
            .find(|line| line.contains(carrier) && line.contains("dm1x"));
        assert!(
            record.is_some_and(|line| line.contains("completed")),
            "{shown}"
        );
    }
}

#[test]
fn a_batch_goes_on_where_it_was_and_builds_again_what_changed() {
    let folder = tempfile::tempdir().unwrap();
    let table = table(folder.path(), 9);
    let out = folder.path().join("pushes");
    let run = || {
        let command = build("cp", "push", &out).arg("--json").arg("--devices");
        let told = command.arg(&table).run().good().stdout;
        let told: Value = serde_json::from_str(&told).unwrap();
        (
            told["built"].as_u64().unwrap(),
            told["kept"].as_u64().unwrap(),
        )
    };
    assert_eq!(run(), (9, 0));
    let before = files(&out);
    assert_eq!(run(), (0, 9));
    std::fs::remove_file(file(&out, "sms-2.hex")).unwrap();
    assert_eq!(run(), (1, 8));
    assert!(files(&out) == before);
    let text = std::fs::read_to_string(&table).unwrap();
    std::fs::write(&table, text.replace(",4713\n", ",9999\n")).unwrap();
    assert_eq!(run(), (1, 8));
    assert!(files(&out) != before);
}

#[test]
fn one_device_gets_secrets_of_its_own_and_its_address_is_that_of_dm_2() {
    let folder = tempfile::tempdir().unwrap();
    let [one, two, url] = ["one", "two", "url"].map(|name| folder.path().join(name));
    for out in [&one, &two] {
        let told = build("dm", "push", out).args(["--dev-id", DEVICE, "--pin", "4711"]);
        let told = told.run().good().stdout;
        assert!(told.contains("signed by USERPIN, "), "{told}");
        assert!(told.contains("made secrets of both ends"), "{told}");
    }
    let differs = diff(&one, &two);
    assert_eq!(differs.code, Some(1), "drawn anew each time: {differs:?}");
    assert_eq!(differs.stdout.lines().count(), 4, "{differs:?}");
    let found = inspect(std::slice::from_ref(&one));
    assert_eq!(found["description"]["push"]["sec"], "USERPIN");
    assert_eq!(
        found["description"]["content_type"],
        "application/vnd.syncml.dm+wbxml"
    );
    let built = build("cp", "url", &url).run().good();
    assert!(built.stdout.contains("form: the server's"), "{built:?}");
    let found = inspect(&[url]);
    assert_eq!(
        found["description"]["url"],
        "https://dm.example.com:8443/bootstrap"
    );
    let xml = omadm(["bootstrap", "inspect"])
        .arg(written(
            folder.path(),
            "account.xml",
            "<wap-provisioningdoc><characteristic type='APPLICATION'><parm name='APPID' value='w7'/><parm name='PROVIDER-ID' value='a.b'/>\
             <parm name='ADDR' value='https://a.b/'/><characteristic type='APPAUTH'><parm name='AAUTHLEVEL' value='APPSRV'/>\
             <parm name='AAUTHSECRET' value='hunter2'/></characteristic></characteristic></wap-provisioningdoc>",
        ))
        .run()
        .good()
        .stdout;
    assert!(xml.contains("account:  a.b\n"), "{xml}");
    assert!(xml.contains("  client  DIGEST, a secret\n"), "{xml}");
    assert!(!xml.contains("hunter2"), "{xml}");
}

fn written(folder: &Path, name: &str, text: &str) -> PathBuf {
    let file = folder.join(name);
    std::fs::write(&file, text).unwrap();
    file
}

#[test]
fn a_model_says_how_its_devices_read_levels_and_take_the_imsi() {
    let folder = tempfile::tempdir().unwrap();
    let table = table(folder.path(), 1);
    let own = "name = 'Own'\nsource = 'a bench'\n[quirks]\ninverted-auth-level = true\n";
    let own = written(folder.path(), "own.toml", own);
    let bad = written(folder.path(), "bad.toml", "needs-content-length = true\n");
    let made = |name: &str, options: &[&str]| {
        let out = folder.path().join(name);
        let command = build("cp", "push", &out).args(options).arg("--devices");
        let _told = command.arg(&table).run().good();
        let document = inspect(&[file(&out, "push.wsp")])["payload_sha256"].clone();
        (document, std::fs::read(file(&out, "push.wsp")).unwrap())
    };
    let plain = made("plain", &[]);
    let inverted = made("inverted", &["--model", "NetComm router"]);
    assert!(plain.1 != inverted.1);
    assert!(inverted == made("own", &["--model", own.to_str().unwrap()]));
    let ascii = made("ascii", &["--model", "ASCII IMSI"]);
    assert_eq!(ascii.0, plain.0, "the same document");
    assert!(ascii.1 != plain.1, "another signature");
    assert!(ascii.1 == made("said", &["--imsi-key", "ascii"]).1);
    let over = ["--model", "ASCII IMSI", "--imsi-key", "semi-octets"];
    assert!(plain.1 == made("over", &over).1);
    for (model, told) in [
        ("Typewriter", "NetComm router"),
        (bad.to_str().unwrap(), "no device model"),
    ] {
        let command = build("cp", "factory", &folder.path().join("none"));
        let refused = command.args(["--model", model, "--dev-id", DEVICE]).run();
        let refused = refused.refused();
        assert!(refused.stderr.contains(told), "{refused:?}");
    }
}

#[test]
fn what_cannot_be_built_is_refused_with_what_to_do() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let refused = |command: Omadm, told: &[&str]| {
        let refused = command.args(["--dev-id", DEVICE]).run().refused();
        for part in told {
            assert!(refused.stderr.contains(part), "{part}: {refused:?}");
        }
        assert!(!out.exists(), "nothing half-made");
    };
    refused(
        build("cp", "push", &out),
        &["nobody signed", "--pin, --imsi"],
    );
    refused(
        build("cp", "factory", &out).args(["--pin", "4711"]),
        &["about a push of DM 1.x"],
    );
    refused(
        build("cp", "push", &out).args(["--pin", "hunter2"]),
        &["--pin is no PIN"],
    );
    refused(
        build("cp", "push", &out).args(["--imsi", "12"]),
        &["6 to 15 decimal digits"],
    );
    refused(
        build("dm", "push", &out).args(["--pin", "4711", "--sms-parts", "1"]),
        &["SMS, at most 1 are allowed", "--sms-parts"],
    );
    let plain = omadm([
        "bootstrap",
        "build",
        "--server",
        "x",
        "--carrier",
        "factory",
    ])
    .args(["--profile-format", "cp", "-o"])
    .arg(&out)
    .arg(profiles("minimal.toml"));
    refused(plain, &["no [dm1]", "profiles/dm1x.toml"]);
    let bare = written(folder.path(), "bare.csv", "dev_id\nIMEI:1\n");
    let batch = build("cp", "factory", &out).arg("--devices").arg(bare);
    let refused = batch.run().refused();
    assert!(refused.stderr.contains("dm1_client_secret"), "{refused:?}");
}
