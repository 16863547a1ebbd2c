//! The worked values of `dm1x.md` §3.6, §5.4 and §7 and of `push.md` §4 and §5.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use omadm_dm1::bootstrap_mac::{
    BootstrapProfileKind, Esn, Imsi, ImsiKey, bootstrap_mac, joined_key, user_pin_mac_code,
};
use omadm_dm1::credential::{
    CredentialType, MacHeader, MacHeaderFault, Nonce, NonceError, UserHash, basic, basic_matches,
};
use omadm_dm1::trigger::{Initiator, ReceivedTrigger, Trigger, TriggerFault, UiMode};
use omadm_mo::Secret;
use proptest::prelude::*;

fn secret(text: &str) -> Secret {
    Secret::from(text.to_owned())
}

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text.bytes().filter(u8::is_ascii_hexdigit).collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn nonce(octets: &[u8]) -> Nonce {
    Nonce::new(octets.to_vec()).unwrap()
}

fn text(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02X}")).collect()
}

#[test]
fn basic_is_the_specifications_example() {
    let data = basic("Bruce2", &secret("OhBehave"));
    assert_eq!(data.expose(), b"QnJ1Y2UyOk9oQmVoYXZl");
    assert!(basic_matches(
        "Bruce2",
        &secret("OhBehave"),
        " QnJ1Y2Uy\nOk9oQmVoYXZl"
    ));
    assert!(!basic_matches(
        "Bruce2",
        &secret("OhBehave!"),
        "QnJ1Y2UyOk9oQmVoYXZl"
    ));
    assert!(!basic_matches("Bruce2", &secret("OhBehave"), "not base64"));
}

#[test]
fn md5_hashes_the_nonces_octets_and_not_its_text() {
    let hash = UserHash::new("Bruce2", &secret("OhBehave"));
    let nonce = Nonce::of_base64("Tm9uY2U=").unwrap();
    assert_eq!(nonce.octets(), b"Nonce");
    assert_eq!(hash.md5(&nonce), "Zz6EivR3yeaaENcRN6lpAQ==");
    assert!(hash.md5_matches(&nonce, "Zz6EivR3yeaaENcRN6lpAQ"));
    assert!(!hash.md5_matches(&nonce, "CmO/kTaDnxgwUdBvdtRh4A=="));
    assert!(!hash.md5_matches(&nonce, "AAAA"));
    assert!(!hash.md5_matches(&nonce, ""));
}

#[test]
fn the_worked_credentials_of_both_directions() {
    let client = UserHash::new("IMEI:493005100592800", &secret("clientSecret#1"));
    let server = UserHash::new("com.mgmtsrv.manage", &secret("serverSecret#1"));
    let of_client = nonce(&hex("00112233445566778899aabbccddeeff"));
    let of_server = nonce(&hex("0f1e2d3c4b5a69788796a5b4c3d2e1f0"));
    assert_eq!(client.md5(&of_client), "vJ2q9wC/74cq8DLmiS4QsA==");
    assert_eq!(server.md5(&of_server), "dgI9JtHzUveC/iWCG0y+RA==");
    assert_eq!(
        server.md5(&nonce(&Nonce::RESYNC)),
        "gutHAT3yStLurKKbbsHkAQ=="
    );
    assert_eq!(
        server.md5(&nonce(Nonce::RESYNC_TEXT)),
        "L8kxYJX4mlKmfFfL5ckWgw=="
    );
    assert_eq!(
        client.md5(&nonce(&Nonce::RESYNC)),
        "+dl+n2eqxft7O6A2q1xgPA=="
    );
    let body = b"<SyncML xmlns='SYNCML:SYNCML1.2'><SyncHdr/><SyncBody><Final/></SyncBody></SyncML>";
    assert_eq!(client.mac(&of_client, body), "hya43Urkg/3fIV0MQTiBow==");
    assert!(client.mac_matches(&of_client, body, "hya43Urkg/3fIV0MQTiBow=="));
    assert!(!client.mac_matches(&of_client, &body[1..], "hya43Urkg/3fIV0MQTiBow=="));
}

#[test]
fn a_nonce_of_ours_survives_poor_decoders() {
    let mut entropy = [0u8; 48];
    for (at, octet) in entropy.iter_mut().enumerate() {
        *octet = u8::try_from(at * 5).unwrap();
    }
    let nonce = Nonce::of_entropy(&entropy);
    assert_eq!(nonce.octets().len(), 24);
    assert!(nonce.octets().iter().all(u8::is_ascii_alphanumeric));
    assert!(
        nonce
            .base64()
            .bytes()
            .all(|digit| digit.is_ascii_alphanumeric())
    );
    assert_eq!(Nonce::of_base64(&nonce.base64()).unwrap(), nonce);
}

#[test]
fn what_is_no_nonce_is_refused() {
    assert_eq!(Nonce::of_base64("*").unwrap_err(), NonceError::NotBase64);
    assert_eq!(Nonce::of_base64("").unwrap_err(), NonceError::Length(0));
    assert_eq!(
        Nonce::new(vec![1; 256]).unwrap_err(),
        NonceError::Length(256)
    );
}

#[test]
fn credential_types_are_ordered_and_read_in_any_letter_case() {
    assert!(
        CredentialType::Basic < CredentialType::Md5 && CredentialType::Md5 < CredentialType::Mac
    );
    assert_eq!(
        CredentialType::of(" syncml:AUTH-md5 "),
        Some(CredentialType::Md5)
    );
    assert_eq!(CredentialType::of("syncml:auth-X509"), None);
    for known in [
        CredentialType::Basic,
        CredentialType::Md5,
        CredentialType::Mac,
    ] {
        assert_eq!(CredentialType::of_account(known.aauth_type()), Some(known));
    }
}

#[test]
fn the_mac_header_is_read_in_every_shape() {
    let header = MacHeader {
        username: "Robert \"Bob\", Jordan".into(),
        mac: "NTI2OTJhMDAwNjYxODkwYmQ3NWUxN2RhN2ZmYmJlMzk=".into(),
    };
    assert_eq!(
        header.value(),
        "algorithm=MD5, username=\"Robert \\\"Bob\\\", Jordan\", mac=NTI2OTJhMDAwNjYxODkwYmQ3NWUxN2RhN2ZmYmJlMzk="
    );
    assert_eq!(MacHeader::read(&header.value()).unwrap(), header);
    let plain = MacHeader::read("mac=\"ab==\",\r\n Username=bob").unwrap();
    assert_eq!(
        (plain.username.as_str(), plain.mac.as_str()),
        ("bob", "ab==")
    );
    assert_eq!(
        MacHeader::read("algorithm=SHA1, username=a, mac=b").unwrap_err(),
        MacHeaderFault::Algorithm("SHA1".into())
    );
    assert_eq!(
        MacHeader::read("username=\"a").unwrap_err(),
        MacHeaderFault::Lacks("mac")
    );
    assert_eq!(
        MacHeader::read("").unwrap_err(),
        MacHeaderFault::Lacks("username")
    );
}

fn trigger() -> Trigger {
    Trigger {
        version: 11,
        ui_mode: UiMode::Informative,
        initiator: Initiator::Server,
        session_id: 0x00a5,
        server_id: "com.mgmtsrv.manage".into(),
        vendor: Vec::new(),
    }
}

#[test]
fn the_worked_package_0_is_these_octets() {
    let key = UserHash::new("com.mgmtsrv.manage", &secret("serverSecret#1"));
    let of_server = nonce(&hex("0f1e2d3c4b5a69788796a5b4c3d2e1f0"));
    let octets = trigger().encode(&key, of_server.octets()).unwrap();
    assert_eq!(
        text(&octets[..16]),
        text(&hex("00 09 36 F7 79 B8 53 F3 0F 22 C6 AF 7F 5D BA 1F"))
    );
    assert_eq!(
        octets[16..],
        hex("02 E8 00 00 00 00 A5 12 63 6F 6D 2E 6D 67 6D 74 73 72 76 2E 6D 61 6E 61 67 65")
    );
    assert_eq!(trigger().session_text(), "A5");
    let resync = trigger().encode(&key, &Nonce::RESYNC).unwrap();
    assert_eq!(
        text(&resync[..16]),
        text(&hex("C8 D4 D4 36 73 83 09 7E 77 AC 0D 67 75 EB 15 17"))
    );
    let received = ReceivedTrigger::decode(&octets).unwrap();
    assert_eq!(received.proven(&key, &of_server), Some(&trigger()));
    assert_eq!(received.proven(&key, &nonce(b"other")), None);
    let other = UserHash::new("com.mgmtsrv.manage", &secret("serverSecret#2"));
    assert_eq!(received.proven(&other, &of_server), None);
}

#[test]
fn the_package_0_of_push_md_in_four_versions() {
    let key = UserHash::new("com.example.dm", &secret("serverpw"));
    for (version, octets) in [
        (10, "872a1b7468a4bcd1d8ee8d2c2507b156 02a8000000 1234 0e"),
        (11, "69485ccb0bca27714e52a4bbaadd8f51 02e8000000 1234 0e"),
        (12, "8c512e4d23c7b307c963b95c4c542a8a 0328000000 1234 0e"),
        (13, "bb3b1263a1d1cfba776185cb858541f1 0368000000 1234 0e"),
    ] {
        let trigger = Trigger {
            version,
            session_id: 0x1234,
            server_id: "com.example.dm".into(),
            ..trigger()
        };
        let encoded = trigger.encode(&key, b"nonce-0").unwrap();
        assert_eq!(encoded, [hex(octets), b"com.example.dm".to_vec()].concat());
    }
}

#[test]
fn what_is_no_package_0_is_told_apart() {
    let fault = |octets: &[u8]| ReceivedTrigger::decode(octets).unwrap_err();
    let whole = [
        hex("69485ccb0bca27714e52a4bbaadd8f51 02e8000000 1234 03"),
        b"abc".to_vec(),
    ]
    .concat();
    assert!(ReceivedTrigger::decode(&whole).is_ok());
    assert_eq!(fault(&whole[..15]), TriggerFault::TooShort);
    assert_eq!(fault(&whole[..26]), TriggerFault::TooShort);
    let with = |at: usize, octet: u8| {
        let mut octets = whole.clone();
        octets[at] = octet;
        octets
    };
    assert_eq!(fault(&with(16, 0xff)), TriggerFault::Version(1023));
    let mut no_session = whole.clone();
    no_session[21..23].fill(0);
    assert_eq!(fault(&no_session), TriggerFault::NoSession);
    assert_eq!(fault(&with(24, 0xff)), TriggerFault::ServerId);
    assert_eq!(fault(&with(23, 0)), TriggerFault::ServerId);
    // Set bits of `future use` are passed over.
    assert!(ReceivedTrigger::decode(&with(19, 0xff)).is_ok());
}

#[test]
fn an_imsi_becomes_semi_octets() {
    let key = |digits| Imsi::parse(digits).unwrap().key(ImsiKey::SemiOctet);
    assert_eq!(key("001010123456789"), hex("09 10 10 10 32 54 76 98"));
    assert_eq!(key("310150123456789"), hex("39 01 51 10 32 54 76 98"));
    assert_eq!(key("31015012345678"), hex("31 01 51 10 32 54 76 F8"));
    assert_eq!(key("25001123456789"), hex("21 05 10 21 43 65 87 F9"));
    let esn = Esn::parse("80a1B2c3").unwrap();
    assert_eq!(esn.key(ImsiKey::SemiOctet), [0x80, 0xA1, 0xB2, 0xC3]);
    assert_eq!(esn.key(ImsiKey::Ascii), b"80A1B2C3");
    // The maker's eight bits, then 0xA1B2C3.
    assert_eq!(Esn::parse("12810597059"), Ok(esn));
    for wrong in [
        "",
        "80A1B2C",
        "80A1B2C3D",
        "25616777215",
        "25516777216",
        "+0A1B2C3",
    ] {
        assert!(Esn::parse(wrong).is_err(), "{wrong}");
    }
    assert!(Imsi::parse("12345").is_err());
    assert!(Imsi::parse("1234567890123456").is_err());
    assert!(Imsi::parse("31015012345678a").is_err());
}

/// `dm1x.md` §5.4.
const CP_DOCUMENT: &str = "030b6a00c54503312e310001c600015501873600000603773700018700013800000603636f6d2e6d676d747372762e6d616e6167650001870706034d676d7400
01c60001560187340000060368747470733a2f2f646d2e6578616d706c652e636f6d2f646d00018700013500000603555249000101c600015701873000000603
415050535256000187000133000006034449474553540001870001310000060375736572310001870001320000060370773100018700012f00000603546d3975
5932553d000101c600015701873000000603434c49454e540001870001330000060344494745535400018700013100000603636f6d2e6d676d747372762e6d61
6e6167650001870001320000060370773200018700012f00000603546d39755932553d0001010101";
/// `dm1x.md` §5.4.
const DM_DOCUMENT: &str = "02a4016a006d6c7103312e3200017203444d2f312e32000165033000015b033000016e5703494d45493a34393330303531303035393238303000010167570368
747470733a2f2f646d2e6578616d706c652e636f6d2f646d000101016b454b03310001546e57032e2f496e626f780001015a0001470362696e00015303617070
6c69636174696f6e2f766e642e73796e636d6c2e646d746e64732b7762786d6c00010100004fc382460200006a1a2d2f2f4f4d412f2f4454442d444d2d444446
20312e322f2f454e0002607703312e3200016466034d00016f5c250175510375726e3a6f6d613a6d6f3a6f6d612d646d2d646d6163633a312e30000101016466
03417070494400016f5c0b01756103746578742f706c61696e0001010176037737000101646603536572766572494400016f5c0b01756103746578742f706c61
696e000101017603636f6d2e6d676d747372762e6d616e6167650001016466034170704164647200016f5c2501755103000101016466033100016f5c25017551
03000101016466034164647200016f5c0b01756103746578742f706c61696e00010101760368747470733a2f2f646d2e6578616d706c652e636f6d2f646d0001
01646603416464725479706500016f5c0b01756103746578742f706c61696e00010101760355524900010101010101010101120101";
/// `push.md` §5.1.
const PUSHED_DOCUMENT: &str = "030b6a0f636f6d2e6578616d706c652e646d00c54503312e310001c6000155018736000006037737000187000138000006830001870706034578616d706c6520444d0001c600
01560187340000060368747470733a2f2f646d2e6578616d706c652e636f6d2f646d3132000187000135000006035552490001c653018723060334343300010101c600015701
873000000600018d018733000006000193018731000006036465762d30303100018700013200000603636c69656e74707700018700012f00000603626d3975593255744d513d
3d000101c600015701873000000603434c49454e540001870001330000060001930187310000068300018700013200000603736572766572707700018700012f00000603626d
3975593255744d673d3d000101870503494e495400010101";

#[test]
fn the_macs_of_the_worked_bootstraps() {
    let imsi = Imsi::parse("310150123456789").unwrap();
    let (semi, ascii) = (imsi.key(ImsiKey::SemiOctet), imsi.key(ImsiKey::Ascii));
    let pin = secret("1234");
    let cp = |key: &[u8]| text(&bootstrap_mac(key, &hex(CP_DOCUMENT)));
    assert_eq!(cp(&semi), "97F464972D78E7ECA7C6FD348718B1CBA6F96EC7");
    assert_eq!(cp(&ascii), "526AB88B89D171D948B8C000A2C0549198698C7C");
    assert_eq!(cp(pin.expose()), "4C6FAC2BBE4D6F24AE1157B2EF7AC9014E19564F");
    let both = joined_key(BootstrapProfileKind::Cp, &semi, &pin);
    assert_eq!(
        cp(both.expose()),
        "5C535C7C1CE378328EE7D5FB96DC0387EA438FDE"
    );
    let dm = |key: &[u8]| text(&bootstrap_mac(key, &hex(DM_DOCUMENT)));
    assert_eq!(dm(&semi), "ED4048B56C07227FD7095E521C3D1BCC98B6052C");
    assert_eq!(dm(&ascii), "FB824BC0F3D086CCAD0D757FAD5CC8F947A953F7");
    assert_eq!(dm(pin.expose()), "EAEAD852FF08500BE53AAF36D8B1000B74EB9467");
    let both = |imsi| joined_key(BootstrapProfileKind::Dm, imsi, &pin);
    assert_eq!(
        dm(both(&semi).expose()),
        "985AE86E4F8C3762FAE5BC8EAFF3CB5F6B0E441C"
    );
    assert_eq!(
        dm(both(&ascii).expose()),
        "CC77AF4B53D39700AACD07323E1CBA5D78C02D79"
    );
}

#[test]
fn the_macs_of_push_md() {
    let semi = Imsi::parse("001010123456789")
        .unwrap()
        .key(ImsiKey::SemiOctet);
    let mac = |key: &[u8]| text(&bootstrap_mac(key, &hex(PUSHED_DOCUMENT)));
    assert_eq!(mac(&semi), "4BFD4F6662C92BF77562A0252CC4C92F4883FDE2");
    assert_eq!(mac(b"1234"), "749020C3226ECAED28F70221862C51FF7FF9727D");
    let both = joined_key(BootstrapProfileKind::Cp, &semi, &secret("1234"));
    assert_eq!(
        mac(both.expose()),
        "13B28F9CDDCA385BDD1565DA51EDD04E998CA57A"
    );
}

#[test]
fn the_code_a_user_types_for_userpinmac() {
    let code = user_pin_mac_code(&secret("12345678"), &hex(CP_DOCUMENT)).unwrap();
    assert_eq!(code.expose(), b"1234567812386509");
    assert!(user_pin_mac_code(&secret(""), b"x").is_none());
    assert!(user_pin_mac_code(&secret("12a4"), b"x").is_none());
    assert!(user_pin_mac_code(&secret("123456789012345678901"), b"x").is_none());
}

proptest! {
    #[test]
    fn a_package_0_is_read_as_it_was_written(version in 10..=13u16, session_id in 1..=u16::MAX, server_id in "[a-zä.]{1,60}", vendor: Vec<u8>) {
        let key = UserHash::new(&server_id, &secret("pw"));
        let trigger = Trigger { version, session_id, server_id, vendor, ..trigger() };
        let octets = trigger.encode(&key, b"n").unwrap();
        let received = ReceivedTrigger::decode(&octets).unwrap();
        prop_assert_eq!(received.proven(&key, &nonce(b"n")), Some(&trigger));
    }

    #[test]
    fn any_octets_are_a_package_0_or_none(octets: Vec<u8>) {
        let _ = ReceivedTrigger::decode(&octets);
    }
}
