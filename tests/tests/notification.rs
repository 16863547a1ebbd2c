//! `omadm decode` of a DM Notification (Package#0, `dm20.md` §11).
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use omadm_tests::process::{Desk, Ended, omadm};
use serde_json::Value;

/// Example (c) of `dm20.md` §11.7, with its secret and auth-data.
const FULL: &str = "13001F01646D73312E6578616D706C652E636F6D11021212341F11\n\
    0914D312C7667D4448FED16B1918A47B9AE6AACA75BDE909F50344761E1F3586\n\
    1452C35A8010\n";
const FULL_BASE64: &str =
    "EwAfAWRtczEuZXhhbXBsZS5jb20RAhISNB8RCRTTEsdmfURI/tFrGRike5rmqsp1vekJ9QNEdh4fNYYUUsNagBA=";
const SECRET: &[u8] = b"s3cr3t-noti";
const AUTH_DATA: [u8; 4] = [0x0A, 0x0B, 0x0C, 0x0D];
const DIGEST: &str = "0914d312c7667d4448fed16b1918a47b9ae6aaca75bde909f50344761e1f3586";

/// Decodes with the secret and the auth-data of the example.
fn verify(desk: &Desk, file: &Path, secret: &[u8]) -> Ended {
    omadm(["decode", "--key-file"])
        .arg(desk.file("secret.bin", secret).unwrap())
        .arg("--auth-data-file")
        .arg(desk.file("data.bin", AUTH_DATA).unwrap())
        .arg(file)
        .run()
}

fn decode(file: &Path) -> Ended {
    omadm(["decode"]).arg(file).run()
}

fn binary(hex: &str) -> Vec<u8> {
    let digits: Vec<u8> = hex
        .chars()
        .filter_map(|c| c.to_digit(16))
        .map(|digit| u8::try_from(digit).unwrap())
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

#[test]
fn x_noti_001_x_noti_002_x_noti_003_a_notification_is_explained_however_it_is_given() {
    let desk = Desk::new().unwrap();
    let expected = format!(
        "Package#0\n\
         octet 0    VER                 1: version of the Notification format\n\
         octet 0    OC                  6: number of options\n\
         octet 0    RESERVED            0: as sent by this version\n\
         octet 2    SERVER-ID           dms1.example.com: SrvID of the DM Account whose server wants a session\n\
         octet 20   PREFERRED-CON-TYPE  0x02: WLAN: wireless LAN (802.11) preferred\n\
         octet 22   NOTIFICATION-ID     4660: tells duplicates; the session's first alert repeats it\n\
         octet 25   SHA256-DIGEST       {DIGEST}: proof of the server by Auth/Noti of its account\n\
         octet 59   TIMESTAMP           1388534400: sent 2014-01-01T00:00:00Z\n\
         octet 64   REQ-MOS             present: the MO list (MOS) is wanted in Package#1\n\
         digest not checked (--key-file checks it)\n"
    );
    for given in [
        desk.file("notification.hex", FULL).unwrap(),
        desk.file("notification.b64", FULL_BASE64).unwrap(),
        desk.file("notification.bin", binary(FULL)).unwrap(),
    ] {
        assert_eq!(
            decode(&given).good().stdout,
            expected,
            "{}",
            given.display()
        );
        let piped = omadm(["decode", "-"]).input(&given).unwrap().run().good();
        assert_eq!(piped.stdout, expected, "{}", given.display());
    }
}

#[test]
fn a_notification_as_json_has_its_octets_and_fields() {
    let desk = Desk::new().unwrap();
    let file = desk
        .file("notification.hex", "11 00 13 64 6D 31 50")
        .unwrap();
    let told = omadm(["decode", "--json"]).arg(&file).run().good();
    let told: Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!(told["kind"], "Package#0");
    let document = &told["document"];
    assert_eq!(document["octets"], "110013646d3150");
    assert_eq!(document["digest"], "absent");
    assert_eq!(document["fields"].as_array().unwrap().len(), 5);
    assert_eq!(
        document["fields"][3],
        serde_json::json!({
            "at": 2,
            "octets": "13646d31",
            "field": "SERVER-ID",
            "value": "dm1",
            "meaning": "SrvID of the DM Account whose server wants a session",
        })
    );
    let signed = desk.file("signed.hex", FULL).unwrap();
    let told = omadm(["decode", "--json"]).arg(&signed).run().good();
    let told: Value = serde_json::from_str(&told.stdout).unwrap();
    assert_eq!(told["document"]["digest"], "not checked");
}

#[test]
fn x_noti_003_a_digest_is_verified_with_the_key_of_a_file() {
    let desk = Desk::new().unwrap();
    let file = desk.file("notification.hex", FULL).unwrap();
    let right = verify(&desk, &file, SECRET).good();
    assert!(right.stdout.ends_with("digest right\n"), "{}", right.stdout);

    let broken = desk
        .file("broken.hex", FULL.replace("5A8010", "5A8110"))
        .unwrap();
    for (file, secret, told) in [
        (&broken, SECRET, "an octet was changed"),
        (&file, b"s3cr3t-not1", "another secret"),
        (&file, b"s3cr3t-noti\n", "line break"),
    ] {
        let wrong = verify(&desk, file, secret).refused();
        assert!(wrong.stdout.ends_with("digest wrong\n"), "{}", wrong.stdout);
        assert!(wrong.stderr.contains(told), "no {told:?}: {}", wrong.stderr);
        assert_eq!(wrong.stderr.lines().count(), 3, "{}", wrong.stderr);
        for printed in [wrong.stdout, wrong.stderr] {
            assert!(!printed.contains("s3cr3t"), "{printed}");
        }
    }
}

#[test]
fn a_key_for_what_has_no_digest_is_refused() {
    let desk = Desk::new().unwrap();
    for (name, text, told) in [
        (
            "notification.hex",
            "11 00 13 64 6D 31 50",
            "no SHA256-DIGEST",
        ),
        ("message.json", r#"{"Status":[{"sc":200}]}"#, "Package#3"),
    ] {
        let refused = verify(&desk, &desk.file(name, text).unwrap(), SECRET).refused();
        assert!(refused.stderr.contains(told), "{}", refused.stderr);
    }
    let file = desk.file("notification.hex", FULL).unwrap();
    let refused = omadm(["decode", "--key-file", "no-such-file"])
        .arg(&file)
        .run()
        .refused();
    assert!(
        refused.stderr.contains("no-such-file"),
        "{}",
        refused.stderr
    );
}

#[test]
fn a_broken_notification_is_told_with_the_octet_in_three_lines() {
    let desk = Desk::new().unwrap();
    for (text, told) in [
        (
            "11 80 13 64 6D 31 50",
            "octet 7: OC says 3 options, 2 are there",
        ),
        ("21 00 13 64 6D 31 50", "octet 0: VER 2"),
        (
            "11 00 13 64 6D 31 22 00",
            "octet 7: option 3 needs 2 more octets",
        ),
        (
            "10 80 13 64 6D 31 50",
            "octet 6: octets left behind the last option that OC announces: 1",
        ),
        ("10 80 60", "SERVER-ID is missing"),
        ("11 0", "3 hexadecimal digits"),
    ] {
        let refused = decode(&desk.file("notification.hex", text).unwrap()).refused();
        let shown = &refused.stderr;
        assert!(shown.contains(told), "{text}: no {told:?}: {shown}");
        assert!(
            shown.contains("notification.hex is no Package#0"),
            "{shown}"
        );
        assert_eq!(shown.lines().count(), 3, "{shown}");
        assert_eq!(refused.stdout, "", "{text}");
    }
}
