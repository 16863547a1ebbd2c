//! Bootstrap documents of DM 1.x both ways (`dm1x.md` §5.2 to §5.4).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use omadm_bootstrap::dm1::{
    AppSrvIs, Dm1Document, Dm1DocumentFault, Dm1Format, account_of_w7, document_octets,
    w7_of_account,
};
use omadm_bootstrap::profile::{
    BootstrapProfile, Dm1BuildError, Dm1Credentials, Dm1Package, ProfileInputs,
};
use omadm_dm1::credential::Nonce;
use omadm_dm1::markup::MarkupLimits;
use omadm_dm1::provisioning::{ProvisioningDocument, W7};
use omadm_dm1::syncml::Encoding;
use omadm_mo::standard::dm_acc1::{AuthLevel1, AuthType1};
use omadm_mo::{DevId, Secret};

/// §5.4, computed.
const CP: &str = "030b6a00c54503312e310001c600015501873600000603773700018700013800000603636f6d2e6d676d747372762e6d616e6167650001870706034d676d740001c60001560187340000060368747470733a2f2f646d2e6578616d706c652e636f6d2f646d00018700013500000603555249000101c600015701873000000603415050535256000187000133000006034449474553540001870001310000060375736572310001870001320000060370773100018700012f00000603546d39755932553d000101c600015701873000000603434c49454e540001870001330000060344494745535400018700013100000603636f6d2e6d676d747372762e6d616e6167650001870001320000060370773200018700012f00000603546d39755932553d0001010101";
/// §5.2, computed.
const DM: &str = "02a4016a006d6c7103312e3200017203444d2f312e32000165033000015b033000016e5703494d45493a34393330303531303035393238303000010167570368747470733a2f2f646d2e6578616d706c652e636f6d2f646d000101016b454b03310001546e57032e2f496e626f780001015a0001470362696e000153036170706c69636174696f6e2f766e642e73796e636d6c2e646d746e64732b7762786d6c00010100004fc382460200006a1a2d2f2f4f4d412f2f4454442d444d2d44444620312e322f2f454e0002607703312e3200016466034d00016f5c250175510375726e3a6f6d613a6d6f3a6f6d612d646d2d646d6163633a312e3000010101646603417070494400016f5c0b01756103746578742f706c61696e0001010176037737000101646603536572766572494400016f5c0b01756103746578742f706c61696e000101017603636f6d2e6d676d747372762e6d616e6167650001016466034170704164647200016f5c2501755103000101016466033100016f5c2501755103000101016466034164647200016f5c0b01756103746578742f706c61696e00010101760368747470733a2f2f646d2e6578616d706c652e636f6d2f646d000101646603416464725479706500016f5c0b01756103746578742f706c61696e00010101760355524900010101010101010101120101";

fn octets(hex: &str) -> Vec<u8> {
    (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect()
}

fn read(document: &[u8]) -> Result<Dm1Document, Dm1DocumentFault> {
    Dm1Document::read(document, AppSrvIs::ClCred, MarkupLimits::UNPROVEN_BOOTSTRAP)
}

fn xml(application: &str) -> Dm1Document {
    let text = format!("<wap-provisioningdoc>{application}</wap-provisioningdoc>");
    read(text.as_bytes()).unwrap()
}

fn inputs() -> ProfileInputs {
    let dev_id = DevId::parse("IMEI:493005100592800").unwrap();
    ProfileInputs::new(dev_id, "dm.example.com".to_owned())
}

fn credentials() -> Dm1Credentials {
    Dm1Credentials {
        client_secret: Secret::from("pw1".to_owned()),
        client_nonce: Nonce::of_base64("Tm9uY2U=").unwrap(),
        server_secret: Secret::from("pw2".to_owned()),
        server_nonce: Nonce::of_base64("Tm9uY2U=").unwrap(),
    }
}

fn build(dm1: &str, format: Dm1Format) -> Result<Dm1Package, Dm1BuildError> {
    let text = format!(
        "[account]\nsrv_id = \"com.mgmtsrv.manage\"\nsrv_uri = \"https://{{server}}/dm/2.0\"\nname = \"Mgmt\"\n{dm1}"
    );
    let profile = BootstrapProfile::read(&text).unwrap();
    profile.build_dm1(&inputs(), &credentials(), format)
}

const WORKED: &str = "[dm1]\naddress = \"https://{server}/dm\"\nuser = \"user1\"\n";

#[test]
fn the_worked_provisioning_document_is_built_octet_by_octet() {
    let built = build(&format!("{WORKED}version = \"1.1\"\n"), Dm1Format::Cp).unwrap();
    assert_eq!(built.document.expose(), octets(CP));
    let again = build(&format!("{WORKED}version = \"1.1\"\n"), Dm1Format::Cp).unwrap();
    assert_eq!(again.hash, built.hash);
    assert_eq!(
        read(&octets(CP)).unwrap().accounts[0].account,
        built.account
    );
}

#[test]
fn b1_c_01_the_worked_provisioning_document_is_the_account_of_5_11() {
    let document = read(&octets(CP)).unwrap();
    assert_eq!(
        (document.format, document.accounts.len()),
        (Dm1Format::Cp, 1)
    );
    let account = &document.accounts[0].account;
    assert_eq!(account.server_id.as_str(), "com.mgmtsrv.manage");
    assert_eq!(account.name.as_deref(), Some("Mgmt"));
    assert_eq!(account.addresses[0].node.as_str(), "1");
    assert_eq!(account.addresses[0].addr, "https://dm.example.com/dm");
    let told: Vec<_> = (account.auths.iter())
        .map(|auth| {
            (
                auth.node.as_str(),
                auth.level,
                auth.auth_type,
                auth.name.as_deref().unwrap(),
            )
        })
        .collect();
    let digest = AuthType1::Digest;
    assert_eq!(
        told,
        [
            ("1", AuthLevel1::ClCred, digest, "user1"),
            ("2", AuthLevel1::SrvCred, digest, "com.mgmtsrv.manage")
        ]
    );
    let nonce = account.auths[0].nonce.as_ref().unwrap();
    assert_eq!(nonce.expose(), b"Nonce", "decoded, not its base64");
}

#[test]
fn the_worked_message_is_read_as_the_account_in_its_tnds() {
    let document = read(&octets(DM)).unwrap();
    assert_eq!(document.format, Dm1Format::Dm);
    let one = &document.accounts[0];
    assert_eq!(one.inbox.as_deref(), Some("M"));
    assert_eq!(one.account.server_id.as_str(), "com.mgmtsrv.manage");
    assert_eq!(one.account.addresses[0].addr, "https://dm.example.com/dm");
    assert!(one.account.auths.is_empty());
}

#[test]
fn a_message_that_was_built_brings_the_same_account_with_its_rights() {
    let built = build(WORKED, Dm1Format::Dm).unwrap();
    let document = read(built.document.expose()).unwrap();
    assert_eq!(document.accounts[0].account, built.account);
    let text = String::from_utf8_lossy(built.document.expose()).into_owned();
    let acl = "Delete=com.mgmtsrv.manage&Get=com.mgmtsrv.manage&Replace=com.mgmtsrv.manage";
    assert!(text.contains(acl), "{text}");
    assert!(text.contains("IMEI:493005100592800") && text.contains("./Inbox"));
}

#[test]
fn a_profile_chooses_type_init_connectivity_and_further_characteristics() {
    let more = format!(
        "{WORKED}auth = \"mac\"\ninit = true\nconnectivity = [\"net\"]\n[[dm1.characteristic]]\ntype = \"NAPDEF\"\nparms = [[\"NAPID\", \"net\"], [\"INTERNET\"]]\n"
    );
    let built = build(&more, Dm1Format::Cp).unwrap();
    let limits = MarkupLimits::UNPROVEN_BOOTSTRAP;
    let written =
        ProvisioningDocument::decode(built.document.expose(), Encoding::Wbxml, limits).unwrap();
    assert_eq!(written.version, "1.0");
    assert_eq!(written.characteristics[0].value("NAPID"), Some("net"));
    let document = read(built.document.expose()).unwrap();
    let one = &document.accounts[0];
    assert!(one.init);
    assert_eq!(one.account.pref_con_ref.as_deref(), Some("net"));
    assert_eq!(one.account.auths[0].auth_type, AuthType1::Hmac);
    assert_eq!(document.others[0].r#type, "NAPDEF");
    assert_eq!(document.others.len(), 1);
    for (wrong, error) in [
        ("", Dm1BuildError::NotSaid),
        ("[dm1]\naddress = \"dm\"\n", Dm1BuildError::Address),
        (
            "[dm1]\naddress = \"https://a/\"\nserver_id = \"a+b\"\n",
            Dm1BuildError::NotForAcl,
        ),
        (
            "[dm1]\naddress = \"https://a/\"\nauth = \"basic\"\n",
            Dm1BuildError::Colon,
        ),
        (
            "[dm1]\naddress = \"https://a/\"\n[[dm1.characteristic]]\ntype = \"APPLICATION\"\n",
            Dm1BuildError::Characteristic("APPLICATION".to_owned()),
        ),
    ] {
        assert_eq!(build(wrong, Dm1Format::Cp).err(), Some(error));
    }
}

#[test]
fn m15_secrets_and_nonces_differ_between_directions_and_devices() {
    let mut entropy = [0; Dm1Credentials::ENTROPY];
    for (octet, at) in entropy.iter_mut().zip(0_u8..) {
        *octet = at.wrapping_mul(37);
    }
    let made = Dm1Credentials::of_entropy(&entropy);
    assert_ne!(made.client_secret.expose(), made.server_secret.expose());
    assert_ne!(made.client_nonce, made.server_nonce);
    assert_eq!(made.client_secret.len(), 32);
}

#[test]
fn hazards_are_read_as_what_they_mean() {
    let document = xml(
        "<characteristic type='APPLICATION'><parm name='APPID' value='w7'/><parm name='PROVIDER-ID' value='dms'/><parm name='ADDR' value='https://a/'/><parm name='TO-NAPID' value='n1'/><parm name='TO-PROXY' value='p1'/><characteristic type='APPAUTH'><parm name='AAUTHTYPE' value='DIGEST,MD5'/></characteristic><characteristic type='APPAUTH'><parm name='AAUTHLEVEL' value='CLIENT'/></characteristic></characteristic>",
    );
    let account = &document.accounts[0].account;
    assert_eq!(account.addresses[0].addr, "https://a/");
    assert_eq!(account.to_con_refs, ["n1", "p1"]);
    assert_eq!(account.auths[0].level, AuthLevel1::ClCred);
    assert_eq!(account.auths[0].auth_type, AuthType1::Digest);
    assert_eq!(
        account.auths[1].name.as_deref(),
        Some("dms"),
        "its own name"
    );
}

#[test]
fn an_application_refers_to_the_proxies_of_its_document_as_such_and_the_account_to_all_in_their_order()
 {
    let more = format!(
        "{WORKED}connectivity = [\"wap\", \"net\", \"other\"]\n[[dm1.characteristic]]\ntype = \"NAPDEF\"\nparms = [[\"NAPID\", \"net\"]]\n\
         [[dm1.characteristic]]\ntype = \"PXLOGICAL\"\nparms = [[\"PROXY-ID\", \"wap\"], [\"NAME\", \"net\"]]\n"
    );
    let built = build(&more, Dm1Format::Cp).unwrap();
    let limits = MarkupLimits::UNPROVEN_BOOTSTRAP;
    let written =
        ProvisioningDocument::decode(built.document.expose(), Encoding::Wbxml, limits).unwrap();
    let application = &written.characteristics[2];
    let of = |parm: &str| {
        application
            .values(parm)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        (of("TO-PROXY"), of("TO-NAPID")),
        (vec!["wap".into()], vec!["net".into(), "other".into()])
    );
    let account = &read(built.document.expose()).unwrap().accounts[0].account;
    assert_eq!(account.to_con_refs, ["wap", "net", "other"]);
}

#[test]
fn levels_are_inverted_behind_a_switch_only() {
    let inverted = Dm1Document::read(
        &octets(CP),
        AppSrvIs::SrvCred,
        MarkupLimits::UNPROVEN_BOOTSTRAP,
    );
    let inverted = inverted.unwrap().accounts.remove(0).account;
    assert_eq!(
        inverted.auth(AuthLevel1::SrvCred).unwrap().name.as_deref(),
        Some("user1")
    );
}

#[test]
fn a_dm_message_names_its_account_by_the_version_of_the_device_and_is_read_in_either() {
    for (protocol, moid) in [("1.2", "dmacc:1.0"), ("1.3", "dmacc:1.1")] {
        let built = build(
            &format!("{WORKED}protocol = \"{protocol}\"\n"),
            Dm1Format::Dm,
        )
        .unwrap();
        let octets = built.document.expose();
        let stands = |text: &str| octets.windows(text.len()).any(|at| at == text.as_bytes());
        assert!(
            stands(moid) && stands(&format!("DM/{protocol}")),
            "{protocol}"
        );
        let read = Dm1Document::read(octets, AppSrvIs::ClCred, MarkupLimits::UNPROVEN_BOOTSTRAP);
        assert_eq!(read.unwrap().accounts[0].account, built.account);
    }
    let cp = |protocol: &str| {
        let built = build(
            &format!("{WORKED}protocol = \"{protocol}\"\n"),
            Dm1Format::Cp,
        );
        built.unwrap().hash
    };
    assert_eq!(
        cp("1.2"),
        cp("1.3"),
        "a provisioning document has no place for it"
    );
    let text = format!(
        "[account]\nsrv_id = \"a\"\nsrv_uri = \"https://a/\"\nname = \"A\"\n{WORKED}protocol = \"2.0\"\n"
    );
    assert!(BootstrapProfile::read(&text).is_err());
}

#[test]
fn a_device_that_reads_levels_the_other_way_round_gets_the_account_that_was_meant() {
    let text = format!(
        "[account]\nsrv_id = \"com.mgmtsrv.manage\"\nsrv_uri = \"https://{{server}}/dm/2.0\"\nname = \"Mgmt\"\n{WORKED}"
    );
    let profile = BootstrapProfile::read(&text).unwrap();
    for format in [Dm1Format::Cp, Dm1Format::Dm] {
        let build = |app_srv| {
            let built = profile.build_dm1_for(&inputs(), &credentials(), format, app_srv);
            built.unwrap()
        };
        let read = |package: &Dm1Package, app_srv| {
            let document = package.document.expose();
            let read = Dm1Document::read(document, app_srv, MarkupLimits::UNPROVEN_BOOTSTRAP);
            read.unwrap().accounts[0].account.clone()
        };
        let [usual, other] = [AppSrvIs::ClCred, AppSrvIs::SrvCred].map(build);
        assert_eq!(usual.account, other.account, "the server's own view");
        // TNDS names the levels in full: nothing is turned round there.
        let is_cp = format == Dm1Format::Cp;
        assert_eq!(usual.hash != other.hash, is_cp);
        let meant = read(&usual, AppSrvIs::ClCred);
        let taken = read(&other, AppSrvIs::SrvCred);
        for level in [AuthLevel1::ClCred, AuthLevel1::SrvCred] {
            let secret =
                |account: &omadm_mo::standard::DmAcc1| account.auth(level).unwrap().secret.clone();
            assert!(secret(&meant).is_some() && secret(&meant) == secret(&taken));
        }
        let mistaken = read(&usual, AppSrvIs::SrvCred);
        let secret = |account: &omadm_mo::standard::DmAcc1| {
            account.auth(AuthLevel1::ClCred).unwrap().secret.clone()
        };
        assert_eq!(secret(&mistaken) != secret(&meant), is_cp);
    }
}

#[test]
fn an_account_and_its_application_stand_for_each_other() {
    let account = read(&octets(CP)).unwrap().accounts.remove(0).account;
    let w7: W7 = w7_of_account(&account, false).unwrap();
    assert_eq!(account_of_w7(&w7, AppSrvIs::ClCred).unwrap(), account);
}

#[test]
fn a_message_is_wbxml_and_nothing_but_add_to_the_inbox() {
    let limits = MarkupLimits::UNPROVEN_BOOTSTRAP;
    let message = omadm_dm1::syncml::Message::decode(&octets(DM), Encoding::Wbxml, limits).unwrap();
    let text = message.encode(Encoding::Xml);
    if let Ok(text) = text {
        assert_eq!(read(&text), Err(Dm1DocumentFault::XmlMessage));
    }
    let mut other = message.clone();
    let omadm_dm1::syncml::Command::Add(add) = &mut other.commands[0] else {
        panic!("an Add")
    };
    add.items[0].target = Some(omadm_dm1::syncml::Location::new("./DMAcc"));
    let other = other.encode(Encoding::Wbxml).unwrap();
    assert!(matches!(read(&other), Err(Dm1DocumentFault::NotAnAdd(_))));
    assert_eq!(read(b"{}"), Err(Dm1DocumentFault::Neither));
    assert_eq!(read(b""), Err(Dm1DocumentFault::Neither));
}

#[test]
fn m23_a_document_ends_with_its_root_and_what_follows_is_padding() {
    for document in [octets(CP), octets(DM)] {
        let mut file = document.clone();
        file.resize(file.len() + 40_000, 0xff);
        assert_eq!(document_octets(&file), Some(document.as_slice()));
    }
    assert_eq!(document_octets(b"[]"), None);
    assert_eq!(document_octets(&octets(CP)[..200]), None);
    assert_eq!(Dm1Format::of_document(&octets(CP)), Some(Dm1Format::Cp));
    assert_eq!(Dm1Format::of_document(&octets(DM)), Some(Dm1Format::Dm));
    assert_eq!(Dm1Format::of_document(b"{}"), None);
}

#[test]
fn the_example_profile_builds_both_forms() {
    let profile = BootstrapProfile::read(include_str!("../../../profiles/dm1x.toml")).unwrap();
    for format in [Dm1Format::Cp, Dm1Format::Dm] {
        let built = profile
            .build_dm1(&inputs(), &credentials(), format)
            .unwrap();
        let document = read(built.document.expose()).unwrap();
        assert_eq!(document.accounts[0].account, built.account);
    }
}
