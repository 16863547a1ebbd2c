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

/// The worked documents of `dm1x.md` §5.4.
const CP: &str = "030b6a00c54503312e310001c600015501873600000603773700018700013800000603636f6d2e6d676d747372762e6d616e6167650001870706034d676d740001c60001560187340000060368747470733a2f2f646d2e6578616d706c652e636f6d2f646d00018700013500000603555249000101c600015701873000000603415050535256000187000133000006034449474553540001870001310000060375736572310001870001320000060370773100018700012f00000603546d39755932553d000101c600015701873000000603434c49454e540001870001330000060344494745535400018700013100000603636f6d2e6d676d747372762e6d616e6167650001870001320000060370773200018700012f00000603546d39755932553d0001010101";
const DM: &str = "02a4016a006d6c7103312e3200017203444d2f312e32000165033000015b033000016e5703494d45493a34393330303531303035393238303000010167570368747470733a2f2f646d2e6578616d706c652e636f6d2f646d000101016b454b03310001546e57032e2f496e626f780001015a0001470362696e000153036170706c69636174696f6e2f766e642e73796e636d6c2e646d746e64732b7762786d6c00010100004fc382460200006a1a2d2f2f4f4d412f2f4454442d444d2d44444620312e322f2f454e0002607703312e3200016466034d00016f5c250175510375726e3a6f6d613a6d6f3a6f6d612d646d2d646d6163633a312e3000010101646603417070494400016f5c0b01756103746578742f706c61696e0001010176037737000101646603536572766572494400016f5c0b01756103746578742f706c61696e000101017603636f6d2e6d676d747372762e6d616e6167650001016466034170704164647200016f5c2501755103000101016466033100016f5c2501755103000101016466034164647200016f5c0b01756103746578742f706c61696e00010101760368747470733a2f2f646d2e6578616d706c652e636f6d2f646d000101646603416464725479706500016f5c0b01756103746578742f706c61696e00010101760355524900010101010101010101120101";

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
        wrong.stderr.contains("another PIN, IMSI or ESN"),
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

/// Octets of hexadecimal digits.
fn octets(hex: &str) -> Vec<u8> {
    let pair = |at: usize| u8::from_str_radix(&hex[at..at + 2], 16).unwrap();
    (0..hex.len()).step_by(2).map(pair).collect()
}

#[test]
fn the_macs_of_both_profiles_are_verified_by_pin_imsi_and_both() {
    let desk = Desk::new().unwrap();
    let text = |mac: &str| {
        mac.bytes()
            .map(|octet| format!("{octet:02x}"))
            .collect::<String>()
    };
    for (sec, mac, keys, told) in [
        (
            "80",
            "97F464972D78E7ECA7C6FD348718B1CBA6F96EC7",
            "--imsi",
            "MAC valid\n",
        ),
        (
            "80",
            "526AB88B89D171D948B8C000A2C0549198698C7C",
            "--imsi",
            "MAC valid, by the IMSI's digits as ASCII\n",
        ),
        (
            "81",
            "4C6FAC2BBE4D6F24AE1157B2EF7AC9014E19564F",
            "--pin",
            "MAC valid\n",
        ),
        (
            "82",
            "5C535C7C1CE378328EE7D5FB96DC0387EA438FDE",
            "--pin --imsi",
            "MAC valid\n",
        ),
        (
            "80",
            "ED4048B56C07227FD7095E521C3D1BCC98B6052C",
            "dm --imsi",
            "MAC valid\n",
        ),
        (
            "81",
            "EAEAD852FF08500BE53AAF36D8B1000B74EB9467",
            "dm --pin",
            "MAC valid\n",
        ),
        (
            "82",
            "985AE86E4F8C3762FAE5BC8EAFF3CB5F6B0E441C",
            "dm --pin --imsi",
            "MAC valid\n",
        ),
    ] {
        let push = if keys.starts_with("dm") {
            format!("0106311f2dc291{sec}92{}00af87{DM}", text(mac))
        } else {
            format!("01062f1f2db691{sec}92{}00{CP}", text(mac))
        };
        // As octets, in hexadecimal and in base64.
        let binary = octets(&push);
        let spelt = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, &binary);
        for (name, given) in [
            ("bin", binary),
            ("hex", push.into_bytes()),
            ("b64", spelt.into_bytes()),
        ] {
            let file = desk.file(name, given).unwrap();
            let mut command = omadm(["decode"]).arg(&file);
            if keys.contains("--pin") {
                command = command.args(["--pin", "1234"]);
            }
            if keys.contains("--imsi") {
                command = command.args(["--imsi", "310150123456789"]);
            }
            let said = command.run().good().stdout;
            assert!(said.ends_with(told), "{keys} {name}: {said}");
            assert!(said.contains("com.mgmtsrv.manage"), "{said}");
        }
    }
    let typed = desk.file("typed", format!("01060403b69183{CP}")).unwrap();
    let said = omadm(["decode", "--pin", "12345678"])
        .arg(typed)
        .run()
        .good()
        .stdout;
    assert!(
        said.ends_with("the user types 1234567812386509\n"),
        "{said}"
    );
}

#[test]
fn every_kind_of_document_is_named_in_xml_and_in_wbxml() {
    let desk = Desk::new().unwrap();
    let node = "<Node><NodeName>AAuthSecret</NodeName><Value>hunter2</Value></Node>";
    let ddf = "<MgmtTree><VerDTD>1.2</VerDTD><Node><NodeName>Man</NodeName><DFProperties><AccessType><Get/></AccessType></DFProperties></Node></MgmtTree>";
    let tnds = format!("<MgmtTree><VerDTD>1.2</VerDTD>{node}</MgmtTree>");
    let w7 = "<wap-provisioningdoc version='1.1'><characteristic type='APPLICATION'><parm name='APPID' value='w7'/><parm name='AAUTHSECRET' value='hunter2'/></characteristic></wap-provisioningdoc>";
    for (name, document, told) in [
        (
            "tnds.xml",
            tnds.as_str(),
            "management tree (TNDS or DDF) in XML",
        ),
        ("ddf.xml", ddf, "management tree (TNDS or DDF) in XML"),
        ("w7.xml", w7, "client provisioning document in XML"),
        (
            "w7.hex",
            CP,
            "client provisioning document in WBXML, 296 octets",
        ),
        ("dm.hex", DM, "DM message (SyncML) in WBXML, 501 octets"),
    ] {
        let said = omadm(["decode"])
            .arg(desk.file(name, document).unwrap())
            .run();
        let said = said.good().stdout;
        assert!(said.starts_with(told), "{name}: {said}");
        assert!(!said.contains("hunter2") && !said.contains("pw1"), "{said}");
    }
    let inner = DM.find("0200006a1a").unwrap();
    let tnds = desk.file("tnds.hex", &DM[inner..inner + 2 * 326]).unwrap();
    let said = omadm(["decode"]).arg(tnds).run().good().stdout;
    assert!(
        said.starts_with("management tree (TNDS or DDF) in WBXML, 326 octets"),
        "{said}"
    );
    for hostile in [
        "<!DOCTYPE a [<!ENTITY b 'c'>]><SyncML>&b;</SyncML>",
        "<!DOCTYPE a SYSTEM 'file:///etc/passwd'><SyncML>&a;</SyncML>",
    ] {
        let file = desk.file("hostile.xml", hostile).unwrap();
        let refused = omadm(["decode"]).arg(file).run().refused();
        assert_eq!(refused.stderr.lines().count(), 3, "{refused:?}");
    }
}

#[test]
fn the_credential_of_a_dm_message_is_verified() {
    let desk = Desk::new().unwrap();
    let message = |kind: &str, data: &str| {
        format!(
            "<SyncML xmlns='SYNCML:SYNCML1.2'><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto><SessionID>1</SessionID><MsgID>1</MsgID>\
             <Target><LocURI>https://a/</LocURI></Target><Source><LocURI>IMEI:1</LocURI><LocName>Bruce2</LocName></Source>\
             <Cred><Meta><Type xmlns='syncml:metinf'>syncml:auth-{kind}</Type></Meta><Data>{data}</Data></Cred></SyncHdr><SyncBody><Final/></SyncBody></SyncML>"
        )
    };
    let nonce = desk.file("nonce", "Nonce").unwrap();
    for (kind, data) in [
        ("md5", "Zz6EivR3yeaaENcRN6lpAQ=="),
        ("basic", "QnJ1Y2UyOk9oQmVoYXZl"),
    ] {
        let file = desk.file(kind, message(kind, data)).unwrap();
        let verify = |secret: &str| {
            let command = omadm(["decode", "--key-file"]).arg(desk.file("secret", secret).unwrap());
            command.arg("--auth-data-file").arg(&nonce).arg(&file).run()
        };
        let right = verify("OhBehave").good().stdout;
        assert!(right.ends_with("\ncredential right\n"), "{right}");
        assert!(!right.contains(data), "{right}");
        let wrong = verify("OhNo").refused();
        assert!(wrong.stdout.ends_with("\ncredential wrong\n"), "{wrong:?}");
        assert!(
            wrong.stderr.contains("another user, secret or nonce"),
            "{wrong:?}"
        );
    }
    // §3.6: the MAC of a header beside the message; what it is made over are these very octets.
    let body = "<SyncML xmlns='SYNCML:SYNCML1.2'><SyncHdr/><SyncBody><Final/></SyncBody></SyncML>";
    let file = desk.file("mac", body).unwrap();
    let secret = desk.file("secret", "clientSecret#1").unwrap();
    let nonce = desk
        .file("nonce", octets("00112233445566778899aabbccddeeff"))
        .unwrap();
    let verify = |mac: &str| {
        let header = format!("algorithm=MD5, username=\"IMEI:493005100592800\", mac={mac}");
        omadm(["decode", "--mac-header", &header, "--key-file"])
            .arg(&secret)
            .arg("--auth-data-file")
            .args([&nonce, &file])
            .run()
    };
    let right = verify("hya43Urkg/3fIV0MQTiBow==").good().stdout;
    assert!(right.ends_with("\ncredential right\n"), "{right}");
    let wrong = verify("AAAAAAAAAAAAAAAAAAAAAA==").refused();
    assert!(wrong.stdout.ends_with("\ncredential wrong\n"), "{wrong:?}");
}
