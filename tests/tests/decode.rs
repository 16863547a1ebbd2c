//! `omadm decode` of what DM 1.x devices are sent: SMS, pushes, Package 0, documents (`push.md` §5, `dm1x.md`).
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use omadm_tests::process::{Desk, Ended, omadm};
use serde_json::Value;

/// The three parts of `push.md` §5.3: a provisioning document signed with USERPIN 1234.
const PARTS: [&str; 3] = [
    "0b05040b8423f000035a030101062f1f2db69181923734393032304333323236454341454432384637303232313836324335314646374646393732374400030b6a0f636f6d2e6578616d706c652e646d00c54503312e310001c6000155018736000006037737000187000138000006830001870706034578616d706c6520444d0001c6000156018734000006",
    "0b05040b8423f000035a03020368747470733a2f2f646d2e6578616d706c652e636f6d2f646d3132000187000135000006035552490001c653018723060334343300010101c600015701873000000600018d018733000006000193018731000006036465762d30303100018700013200000603636c69656e74707700018700012f00000603626d3975593255",
    "0b05040b8423f000035a0303744d513d3d000101c600015701873000000603434c49454e540001870001330000060001930187310000068300018700013200000603736572766572707700018700012f00000603626d3975593255744d673d3d000101870503494e495400010101",
];

/// A Package 0 of `push.md` §5.4 as user data: server `com.example.dm`, password `serverpw`, nonce `nonce-0`.
const PACKAGE_0: &str = "0605040b8423f0 020603c4af87 69485ccb0bca27714e52a4bbaadd8f51 02e8000000 1234 0e 636f6d2e6578616d706c652e646d";

/// Decodes the parts of the SMS in this order.
fn parts(desk: &Desk, options: &[&str], order: &[usize]) -> Ended {
    let mut command = omadm(["decode"]);
    for option in options {
        command = command.arg(option);
    }
    for part in order {
        let file = desk.file(&format!("part{part}.hex"), PARTS[*part]);
        command = command.arg(file.unwrap());
    }
    command.run()
}

#[test]
fn parts_in_any_order_become_the_document_and_its_mac_is_verified() {
    let desk = Desk::new().unwrap();
    for order in [[0, 1, 2], [2, 0, 1]] {
        let told = parts(&desk, &["--pin", "1234"], &order).good().stdout;
        assert!(told.starts_with("WSP push, transaction 1, application/vnd.wap.connectivity-wbxml, 304 octets\nSEC USERPIN"), "{told}");
        assert!(
            told.contains("<parm name=\"PROVIDER-ID\" value=\"com.example.dm\"/>"),
            "{told}"
        );
        assert!(told.ends_with("\nMAC valid\n"), "{told}");
        assert!(!told.contains("serverpw"), "{told}");
    }
    let told = parts(&desk, &["--secrets"], &[0, 1, 2]).good().stdout;
    assert!(told.contains("serverpw"), "{told}");
    assert!(
        told.ends_with("\nMAC not checked (--pin checks it)\n"),
        "{told}"
    );
}

#[test]
fn a_wrong_pin_and_missing_parts_are_told() {
    let desk = Desk::new().unwrap();
    let wrong = parts(&desk, &["--pin", "1235"], &[0, 1, 2]).refused();
    assert!(wrong.stdout.contains("MAC INVALID"), "{}", wrong.stdout);
    assert!(
        wrong.stderr.contains("another PIN or IMSI"),
        "{}",
        wrong.stderr
    );
    for order in [&[0, 2][..], &[1]] {
        let missing = parts(&desk, &[], order).refused().stderr;
        assert!(
            missing.contains(&format!("{} of 3 parts", order.len())),
            "{missing}"
        );
        assert_eq!(missing.lines().count(), 3, "{missing}");
    }
    let twice = parts(&desk, &[], &[0, 0, 1]).refused().stderr;
    assert!(twice.contains("stands there twice"), "{twice}");
    let imsi = parts(&desk, &["--imsi", "12"], &[0, 1, 2]).refused().stderr;
    assert!(imsi.contains("6 to 15 decimal digits"), "{imsi}");
}

#[test]
fn a_package_0_is_explained_and_its_digest_verified() {
    let desk = Desk::new().unwrap();
    let file = desk.file("trigger.hex", PACKAGE_0).unwrap();
    let told = omadm(["decode"]).arg(&file).run().good().stdout;
    assert_eq!(
        told,
        "WSP push, transaction 2, application/vnd.syncml.notification, 38 octets\n\
         Package 0 of DM 1.x\n\
         version    1.1\n\
         ui-mode    informative\n\
         initiator  server\n\
         session    1234: SessionID of the session it causes\n\
         server     com.example.dm\n\
         digest     not checked (--key-file checks it)\n"
    );
    let verified = |password: &str| {
        omadm(["decode", "--key-file"])
            .arg(desk.file("password", password).unwrap())
            .arg("--auth-data-file")
            .arg(desk.file("nonce", "nonce-0").unwrap())
            .arg(&file)
            .run()
    };
    assert!(
        verified("serverpw")
            .good()
            .stdout
            .ends_with("digest     right\n")
    );
    let wrong = verified("serverpx").refused();
    assert!(
        wrong.stdout.ends_with("digest     wrong\n"),
        "{}",
        wrong.stdout
    );
}

#[test]
fn documents_are_shown_from_both_serializations() {
    let desk = Desk::new().unwrap();
    let xml = "<SyncML xmlns='SYNCML:SYNCML1.2'><SyncBody><Final/></SyncBody></SyncML>";
    let told = omadm(["decode"])
        .arg(desk.file("m.xml", xml).unwrap())
        .run()
        .good()
        .stdout;
    assert_eq!(
        told,
        "DM message (SyncML) in XML, 71 octets\n<SyncML>\n  <SyncBody>\n    <Final/>\n  </SyncBody>\n</SyncML>\n"
    );
    for wbxml in ["02a4016a00 6d 6b 12 01 01", "AqQBagBtaxIBAQ=="] {
        let file = desk.file("m.wbxml", wbxml).unwrap();
        let told = omadm(["decode", "--json"]).arg(&file).run().good().stdout;
        let told: Value = serde_json::from_str(&told).unwrap();
        assert_eq!(told["kind"], "DM message (SyncML) in WBXML");
        assert_eq!(told["document"]["octets"], 10);
    }
    let broken = omadm(["decode"])
        .arg(desk.file("b.xml", "<SyncML><a>").unwrap())
        .run()
        .refused()
        .stderr;
    assert!(
        broken.contains("b.xml is no document of DM 1.x"),
        "{broken}"
    );
    assert!(broken.contains("octet 11"), "{broken}");
}
