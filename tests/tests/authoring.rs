//! `omadm bootstrap` and `omadm decode`: what an author and a lab do without a server.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::{Path, PathBuf};

use omadm_tests::process::{Device, Ended, omadm, profiles};
use serde_json::Value;

const DEVICE: &str = "IMEI:493005100592800";

fn written(folder: &Path, name: &str, text: &str) -> PathBuf {
    let file = folder.join(name);
    std::fs::write(&file, text).unwrap();
    file
}

fn check(profile: &Path) -> Ended {
    omadm(["bootstrap", "check"]).arg(profile).run()
}

fn build(profile: &Path, out: &Path) -> Ended {
    omadm(["bootstrap", "build", "--dev-id", DEVICE])
        .args(["--server", "localhost:8443", "--out"])
        .arg(out)
        .arg(profile)
        .run()
}

fn decode(file: &Path) -> Ended {
    omadm(["decode"]).arg(file).run()
}

#[test]
fn a_new_profile_is_good_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let new = omadm(["bootstrap", "new"]).run().good();
    let mine = written(folder.path(), "mine.toml", &new.stdout);
    assert!(check(&mine).good().stdout.contains("good (0 warnings)"));
    let built = build(&mine, &folder.path().join("document.json")).good();
    assert!(built.stdout.contains("SHA-256 "), "{}", built.stdout);

    let full = omadm(["bootstrap", "new", "--template", "full"])
        .run()
        .good();
    let full = written(folder.path(), "full.toml", &full.stdout);
    let without_ddf = check(&full).refused();
    assert!(
        without_ddf.stderr.contains("reporting-1.0.ddf"),
        "{}",
        without_ddf.stderr
    );
}

#[test]
fn the_profiles_of_the_repository_are_good() {
    for name in ["minimal.toml", "full.toml", "http.toml"] {
        let checked = check(&profiles(name)).good();
        assert!(
            checked.stdout.contains("good (0 warnings)"),
            "{}",
            checked.stdout
        );
    }
}

#[test]
fn an_unknown_key_is_named_with_its_line_and_a_caret() {
    let folder = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(profiles("minimal.toml")).unwrap();
    let wrong = text.replace("srv_uri", "srv_url");
    let at = wrong
        .lines()
        .position(|line| line.starts_with("srv_url"))
        .unwrap();
    let profile = written(folder.path(), "mine.toml", &wrong);
    let refused = check(&profile).refused();
    let lines: Vec<_> = refused.stderr.lines().collect();
    let why = lines
        .iter()
        .position(|line| line.contains("unknown field `srv_url`"))
        .unwrap();
    assert!(
        lines[why].contains(&format!("line {}, column 1", at + 1)),
        "{lines:#?}"
    );
    let (shown, caret) = (lines[why + 1], lines[why + 2]);
    assert_eq!(shown.find("srv_url"), caret.find('^'), "{lines:#?}");
    assert!(caret.contains('^'), "{lines:#?}");
}

#[test]
fn what_devices_would_refuse_is_found_before_it_is_built() {
    let folder = tempfile::tempdir().unwrap();
    let text = std::fs::read_to_string(profiles("minimal.toml")).unwrap();
    let plain = text.replace("https://{server}", "http://{server}");
    let profile = written(folder.path(), "plain.toml", &plain);
    let refused = check(&profile).refused();
    let told = format!("{}{}", refused.stdout, refused.stderr);
    assert!(
        told.contains("srv_uri") || told.contains("SrvURI"),
        "{told}"
    );
    let out = folder.path().join("document.json");
    let _refused = build(&profile, &out).refused();
    assert!(!out.exists(), "nothing is written");
}

#[test]
fn the_same_profile_and_inputs_give_the_same_octets() {
    let folder = tempfile::tempdir().unwrap();
    let [one, two] = ["one.json", "two.json"].map(|name| folder.path().join(name));
    for out in [&one, &two] {
        let _built = build(&profiles("minimal.toml"), out).good();
    }
    let octets = std::fs::read(&one).unwrap();
    assert_eq!(octets, std::fs::read(&two).unwrap());
    assert!(!octets.is_empty());
}

#[test]
fn a_built_document_is_decoded_and_previewed_on_a_device() {
    let folder = tempfile::tempdir().unwrap();
    let document = folder.path().join("document.json");
    let _built = build(&profiles("minimal.toml"), &document).good();
    let decoded = decode(&document).good();
    assert_eq!(decoded.stdout.lines().next(), Some("DM Bootstrap"));
    assert!(
        decoded.stdout.contains("\"SrvID\": \"dm.example.com\""),
        "{}",
        decoded.stdout
    );
    let piped = omadm(["decode", "--json", "-"])
        .input(&document)
        .unwrap()
        .run()
        .good();
    let piped: Value = serde_json::from_str(&piped.stdout).unwrap();
    assert_eq!(piped["kind"], "DM Bootstrap");
    assert_eq!(
        piped["document"][0]["MOData"]["DMAcc"]["SrvID"],
        "dm.example.com"
    );

    let device = Device::init(&folder.path().join("device"), DEVICE);
    let before = device.client("tree").run().good().stdout;
    let preview = omadm(["bootstrap", "preview", "--dir"])
        .arg(folder.path().join("device"))
        .arg(&document)
        .run()
        .good();
    for part in [
        "add      urn:oma:mo:oma-dm-dmacc:1.2/",
        "+ SrvID",
        "+ SrvURI",
    ] {
        assert!(
            preview.stdout.contains(part),
            "{part:?}: {}",
            preview.stdout
        );
    }
    assert_eq!(
        device.client("tree").run().good().stdout,
        before,
        "a preview changes nothing"
    );
}

#[test]
fn a_document_with_an_account_that_no_device_takes_is_refused_by_the_preview() {
    let folder = tempfile::tempdir().unwrap();
    let _device = Device::init(&folder.path().join("device"), DEVICE);
    let document = written(
        folder.path(),
        "document.json",
        r#"[{"ClientURI":"urn:oma:mo:oma-dm-dmacc:1.2//","MOData":{"DMAcc":{"SrvID":"dms","Name":"n","Perm":{}}}}]"#,
    );
    let refused = omadm(["bootstrap", "preview", "--dir"])
        .arg(folder.path().join("device"))
        .arg(&document)
        .run()
        .refused();
    assert!(refused.stderr.contains("SrvURI"), "{}", refused.stderr);
}

#[test]
fn each_kind_of_document_is_told() {
    let folder = tempfile::tempdir().unwrap();
    for (text, kind) in [
        (
            r#"{"MOS":[{"MOID":"urn:oma:mo:oma-dm-devinfo:1.2","MIID":["1"]}],"Alert":[{"AlertType":"urn:oma:at:dm:2.0:ClientInitiatedMgmt"}]}"#,
            "Package#1",
        ),
        (
            r#"{"CMD":[["GET","urn:oma:mo:oma-dm-devinfo:1.2//"],["END"]]}"#,
            "Package#2",
        ),
        (r#"{"Status":[{"sc":200}]}"#, "Package#3"),
        (
            r#"{"Alert":[{"AlertType":"urn:x:finding"}]}"#,
            "Generic Alert",
        ),
        (
            r#"{"MOData":{"DevInfo":{"Man":"Acme"}}}"#,
            "MO serialization",
        ),
        (
            r#"[{"ClientURI":"urn:oma:mo:oma-dm-dmacc:1.2//","MOData":{"DMAcc":{"SrvID":"s","Perm":{}}}}]"#,
            "DM Bootstrap",
        ),
    ] {
        let decoded = decode(&written(folder.path(), "message.json", text)).good();
        assert_eq!(decoded.stdout.lines().next(), Some(kind), "{text}");
        let body: String = decoded
            .stdout
            .lines()
            .skip(1)
            .collect::<Vec<_>>()
            .join("\n");
        let (told, read): (Value, Value) = (
            serde_json::from_str(&body).unwrap(),
            serde_json::from_str(text).unwrap(),
        );
        assert_eq!(told, read);
    }
}

#[test]
fn a_broken_document_is_told_with_the_place() {
    let folder = tempfile::tempdir().unwrap();
    let deep = format!("{}{}", "[".repeat(65), "]".repeat(65));
    let long = format!("[\"{}\"]", "x".repeat(1 << 20));
    for (text, told) in [
        (r#"{"CMD":[["GET","#, "line 1, column 15"),
        ("{\"CMD\":\n  [}", "line 2, column 4"),
        (r#"{"CMD":[],"CMD":[]}"#, "the member \"CMD\" occurs twice"),
        (&deep, "64"),
        (&long, "1048576"),
        (r#"{"CMD":[[1]]}"#, "$.CMD[0][0]: has to be a string"),
        (r#"{"Status":[{"sc":"a"}]}"#, "$.Status[0].sc"),
        ("{}", "no document of DM 2.0"),
        ("", "line 1, column 0"),
    ] {
        let refused = decode(&written(folder.path(), "message.json", text)).refused();
        let shown = &text[..text.len().min(40)];
        assert!(
            refused.stderr.contains(told),
            "{shown}: no {told:?}: {}",
            refused.stderr
        );
        assert!(
            refused.stderr.contains("message.json"),
            "{}",
            refused.stderr
        );
        assert_eq!(refused.stdout, "", "{shown}");
    }
}

#[test]
fn the_limits_of_decode_are_settable() {
    let folder = tempfile::tempdir().unwrap();
    let text = format!("{{\"CMD\":[],\"x\":{}1{}}}", "[".repeat(70), "]".repeat(70));
    let file = written(folder.path(), "message.json", &text);
    let _refused = decode(&file).refused();
    let read = omadm(["decode", "--max-depth", "80"])
        .arg(&file)
        .run()
        .good();
    assert_eq!(read.stdout.lines().next(), Some("Package#2"));
    let refused = omadm(["decode", "--max-octets", "10"])
        .arg(&file)
        .run()
        .refused();
    assert!(refused.stderr.contains("10"), "{}", refused.stderr);
}

#[test]
fn secrets_are_shown_only_where_asked_for() {
    let folder = tempfile::tempdir().unwrap();
    let text = r#"[{"ClientURI":"urn:oma:mo:oma-dm-dmacc:1.2//","MOData":{"DMAcc":{"SrvID":"s","Perm":{},"Auth":{"Noti":{"Type":1,"Secret":"c2VjcmV0IG9mIG1pbmU="}}}}}]"#;
    let file = written(folder.path(), "message.json", text);
    let masked = decode(&file).good();
    assert!(!masked.stdout.contains("c2VjcmV0IG9mIG1pbmU="));
    assert!(masked.stdout.contains("\"Secret\": \"•••\""));
    let told = omadm(["decode", "--secrets"]).arg(&file).run().good();
    assert!(told.stdout.contains("c2VjcmV0IG9mIG1pbmU="));
}
