use std::path::{Path, PathBuf};
use std::time::Duration;

use omadm_mo::standard::session_info::{Bearer, Roaming, SessionInfo};

use omadm_bootstrap::{BootstrapMethod, BootstrapSource, MethodPolicy};

use super::{CardReaderName, ClientPolicy, PolicyError, PolicyFault, ShowCommand, SourceTrust};

fn read(toml: &str) -> Result<ClientPolicy, PolicyError> {
    ClientPolicy::read(toml, Path::new("/etc/device"))
}

fn wrong(toml: &str) -> PolicyError {
    read(toml).unwrap_err()
}

#[test]
fn an_empty_file_and_the_template_are_the_closed_default_d61() {
    let policy = read("").unwrap();
    assert_eq!(policy, ClientPolicy::default());
    assert_eq!(read(ClientPolicy::TEMPLATE).unwrap(), policy);
    assert!(policy.sources.is_empty() && policy.trust.anchors.is_empty() && !policy.trust.system);
    assert_eq!(
        (policy.connect_timeout, policy.read_timeout),
        (Duration::from_secs(30), Duration::from_secs(300))
    );
}

#[test]
fn the_template_with_its_keys_set_free_gives_the_defaults_it_tells() {
    let free: String = ClientPolicy::TEMPLATE
        .lines()
        .filter_map(|line| line.strip_prefix("# "))
        .map(|line| format!("{line}\n"))
        .collect();
    let policy = read(&free).unwrap();
    let default = ClientPolicy::default();
    assert_eq!(
        policy.bootstrap.allowed_moids.as_ref().map(Vec::len),
        Some(2)
    );
    assert_eq!(policy.trust.anchors, [PathBuf::from("/etc/device/ca.pem")]);
    let ids: Vec<_> = policy
        .sources
        .iter()
        .map(|source| source.id.as_str())
        .collect();
    assert_eq!(ids, ["boot", "pinned"]);
    assert_eq!(
        policy.source("pinned").unwrap().trust,
        SourceTrust::Pin("/etc/device/boot2.pem".into())
    );
    assert_eq!(policy.listen.udp, Some(([127, 0, 0, 1], 5683).into()));
    assert_eq!(
        policy.identity.as_ref().unwrap().key,
        PathBuf::from("/etc/device/device.psk")
    );
    let mut told = policy;
    told.listen = super::ListenAddresses::default();
    let smpp = told.smpp.take().unwrap();
    assert_eq!((smpp.port, smpp.number.digits()), (3550, "15551230001"));
    assert_eq!(smpp.parts, super::SmppFiles::PARTS);
    told.identity = None;
    told.bootstrap.allowed_moids = None;
    assert_eq!(
        told.show.take(),
        Some(ShowCommand {
            program: "/usr/bin/xdg-open".to_owned(),
            arguments: vec!["{uri}".to_owned()]
        })
    );
    assert_eq!(
        told.factory_image.take(),
        Some("/usr/share/device/factory.json".into())
    );
    let consent = told.consent.take().unwrap();
    assert_eq!(consent.program, "/usr/bin/device-consent");
    assert_eq!(consent.timeout, super::AskedProgram::TIMEOUT);
    let dialog = told.user_alerts.take().unwrap();
    assert_eq!(dialog.program, "/usr/bin/device-dialog");
    assert_eq!(dialog.timeout, super::AskedProgram::TIMEOUT);
    let resynchronised = std::mem::take(&mut told.dm1.nonce_resync);
    assert_eq!(resynchronised[0].as_str(), "com.example.dm");
    assert_eq!(told.dm1.pin.take().unwrap().program, "/usr/bin/device-pin");
    assert_eq!(std::mem::take(&mut told.dm1.pushed_bootstraps).len(), 2);
    assert_eq!(std::mem::take(&mut told.dm1.subscribers).len(), 2);
    let card = "/etc/device/card.json".into();
    assert_eq!(told.cards.readers, [CardReaderName::File(card)]);
    assert!(!told.cards.sim_lock.is_open() && told.cards.pin_file.is_some());
    (told.cards.pin_file, told.cards.sim_lock) = (None, Default::default());
    told.cards.readers = vec![CardReaderName::Present];
    told.sources.clear();
    told.trust.anchors.clear();
    let login = told.http_login.take().unwrap();
    assert_eq!(login.user, "meter-7");
    assert_eq!(login.password, Path::new("/etc/device/http-password"));
    assert_eq!(told, default);
}

#[test]
fn session_info_is_what_the_file_says_d46() {
    let policy = read("[session_info]\nbearer = \"wlan\"\nroaming = \"home\"\n").unwrap();
    let expected = SessionInfo {
        bearer: Bearer::Wlan,
        roaming: Roaming::Home,
    };
    assert_eq!(policy.session_info, expected);
    let why = wrong("[session_info]\nbearer = \"pigeon\"\n");
    assert_eq!((why.line, why.column), (2, 10));
    assert!(why.to_string().contains("cellular"), "{why}");
}

#[test]
fn every_key_has_its_effect() {
    let policy = read(
        r#"
        [bootstrap]
        smartcard = { enabled = false, reapply = "always", oids = ["2.23.43.5.1"], readers = ["ACR 1", "virtual:/c"] }
        server_initiated.require_user_consent = true
        dm1 = false
        max_accounts = 2
        allowed_moids = []
        [[source]]
        id = "a"
        url = "https://Boot.example.com/x"
        [trust]
        system = true
        [limits]
        document_octets = 10
        document_depth = 3
        download_octets = 20
        tree_octets = 30
        [report]
        bootstrap_type = false
        [timeouts]
        connect_seconds = 1
        read_seconds = 2
        session_seconds = 4
        managed_object_seconds = 3
        [network]
        allow_private = true
        allow_loopback = true
        allow_plain_http = true
        [show]
        command = ["browse", "--new", "{uri}"]
        [reports]
        coalesce_millis = 50
        retry_seconds = 4
        "#,
    )
    .unwrap();
    assert_eq!(
        policy.bootstrap.method(BootstrapMethod::Smartcard),
        MethodPolicy {
            enabled: false,
            require_user_consent: false
        }
    );
    assert!(policy.cards.reapply && policy.cards.sim_lock.is_open());
    assert_eq!(policy.cards.oids[0].to_string(), "2.23.43.5.1");
    assert!(!policy.bootstrap.dm1);
    for (dm1, oids) in [(true, 4), (false, 1)] {
        let policy = read(&format!("[bootstrap]\ndm1 = {dm1}\n")).unwrap();
        assert_eq!((policy.bootstrap.dm1, policy.cards.oids.len()), (dm1, oids));
    }
    assert_eq!(
        policy.cards.readers,
        [
            CardReaderName::System("ACR 1".to_owned()),
            CardReaderName::File("/c".into())
        ]
    );
    assert_eq!(
        policy.bootstrap.method(BootstrapMethod::ServerInitiated),
        MethodPolicy {
            enabled: true,
            require_user_consent: true
        }
    );
    assert_eq!(
        (
            policy.bootstrap.max_accounts,
            policy.bootstrap.allowed_moids
        ),
        (2, Some(Vec::new()))
    );
    assert_eq!(policy.sources[0].trust, SourceTrust::Local);
    assert_eq!(
        policy.sources[0].bootstrap_source(),
        BootstrapSource::Server(policy.sources[0].url.origin().to_string())
    );
    assert!(policy.trust.system && !policy.report_bootstrap_type);
    assert_eq!((policy.limits.octets, policy.limits.depth), (10, 3));
    assert_eq!((policy.download_octets, policy.tree_octets), (20, 30));
    assert_eq!(policy.session_timeout.as_secs(), 4);
    assert_eq!(
        (
            policy.connect_timeout.as_secs(),
            policy.read_timeout.as_secs()
        ),
        (1, 2)
    );
    assert_eq!(policy.managed_object_deadline.as_secs(), 3);
    let network = policy.network;
    assert!(network.allow_private && network.allow_loopback && network.allow_plain_http);
    let show = policy.show.unwrap();
    assert_eq!(show.program, "browse");
    assert_eq!(show.arguments, ["--new", "{uri}"]);
    assert_eq!(policy.reports.coalesce, Duration::from_millis(50));
    assert_eq!(policy.reports.retry, Duration::from_secs(4));
}

#[test]
fn a_sim_lock_or_oid_that_cannot_be_compared_is_an_error_at_its_place() {
    for (value, column, said) in [
        ("sim_lock = { mcc_mnc = [\"26\"] }", 12, "MCC and MNC"),
        ("sim_lock = { gid1 = [\"x\"] }", 12, "GID1"),
        ("oids = [\"1.2\", \"3.x\"]", 16, "object identifier"),
        ("reapply = \"never\"", 11, "always"),
    ] {
        let why = wrong(&format!("[bootstrap.smartcard]\n{value}\n"));
        assert_eq!((why.line, why.column), (2, column), "{why}");
        assert!(why.to_string().contains(said), "{why}");
    }
}

#[test]
fn an_unknown_key_is_an_error_with_line_column_and_caret() {
    let why = wrong("[bootstrap]\nmax_accounts = 3\nfactory = { enabld = true }\n");
    assert_eq!((why.key.as_str(), why.line, why.column), ("enabld", 3, 13));
    let shown = why.to_string();
    assert!(
        shown.starts_with("line 3, column 13, `enabld`: unknown field `enabld`"),
        "{shown}"
    );
    assert!(
        shown.ends_with("\n  |\n3 | factory = { enabld = true }\n  |             ^^^^^^"),
        "{shown}"
    );
    for (toml, key, line) in [
        ("a = 1", "a", 1),
        ("\n[[source]]\nid='a'\nurl='https://x'\npin='p'", "pin", 5),
        ("[trust]\nsytem=true", "sytem", 2),
    ] {
        let why = wrong(toml);
        assert_eq!((why.key.as_str(), why.line), (key, line), "{why}");
    }
    assert_eq!(wrong("[nonsense]\nx = 1").key, "nonsense");
}

#[test]
fn wrong_values_are_shown_where_they_stand() {
    let source = |rest: &str| format!("[trust]\nsystem = true\n[[source]]\n{rest}");
    let plain = wrong(&source("id = 'a'\nurl = 'http://x/'"));
    assert_eq!(
        (&plain.fault, plain.key.as_str(), plain.line, plain.column),
        (&PolicyFault::PlainHttp, "url", 5, 7)
    );
    let twice = wrong(&source(
        "id = 'a'\nurl = 'https://x/'\n[[source]]\nid = 'a'\nurl = 'https://y/'",
    ));
    assert_eq!((&twice.fault, twice.line), (&PolicyFault::SourceTwice, 7));
    let faults = [
        (
            source("id = 'a b'\nurl = 'https://x/'"),
            PolicyFault::SourceId,
        ),
        (
            source("id = 'a'\nurl = 'https://x/'\nca_files = ['a']\npin_file = 'b'"),
            PolicyFault::TwoTrusts,
        ),
        (
            source("id = 'a'\nurl = 'https://x/'\nca_files = []"),
            PolicyFault::Empty,
        ),
        (
            "[[source]]\nid = 'a'\nurl = 'https://x/'".to_owned(),
            PolicyFault::NoTrust,
        ),
        (
            "bootstrap.max_accounts = 0".to_owned(),
            PolicyFault::Range {
                least: 1,
                most: 256,
            },
        ),
        (
            "limits.document_depth = 129".to_owned(),
            PolicyFault::Range {
                least: 1,
                most: 128,
            },
        ),
        ("show.command = []".to_owned(), PolicyFault::ShowCommand),
        (
            "show.command = ['/usr/bin/xdg-open']".to_owned(),
            PolicyFault::ShowCommand,
        ),
        (
            "timeouts.read_seconds = 3601".to_owned(),
            PolicyFault::Range {
                least: 1,
                most: 3600,
            },
        ),
    ];
    for (toml, fault) in faults {
        assert_eq!(wrong(&toml).fault, fault, "{toml}");
    }
    let moid = wrong("[bootstrap]\nallowed_moids = ['urn:a', 'urn:ü b']");
    assert!(
        matches!(moid.fault, PolicyFault::Moid(_)) && (moid.line, moid.column) == (2, 27),
        "{moid}"
    );
    assert!(matches!(
        wrong(&source("id = 'a'\nurl = 'https://'")).fault,
        PolicyFault::Url(_)
    ));
}

#[test]
fn b_27_the_bootstrap_url_of_a_source_is_a_server_uri() {
    let source = |url: &str| format!("[trust]\nsystem = true\n[[source]]\nid = 'a'\nurl = '{url}'");
    let policy = read(&source("https://Boot.example.com:8443/dm?x=1")).unwrap();
    assert_eq!(
        policy.sources[0].url.as_str(),
        "https://Boot.example.com:8443/dm?x=1"
    );
    for none in [
        "ftp://a/",
        "urn:a",
        "/bootstrap",
        "https://",
        "https://u@a/",
        "https://a/#b",
    ] {
        let why = wrong(&source(none));
        assert!(matches!(why.fault, PolicyFault::Url(_)), "{none}: {why}");
        assert_eq!((why.key.as_str(), why.line), ("url", 5), "{none}");
    }
}

#[test]
fn a_missing_key_a_wrong_type_and_broken_toml_have_their_line() {
    let why = wrong("\n[[source]]\nid = 'a'\n");
    assert!(
        why.line == 2 && why.to_string().contains("missing field `url`"),
        "{why}"
    );
    let why = wrong("[limits]\ndocument_octets = 'many'\n");
    assert_eq!(
        (why.key.as_str(), why.line, why.column),
        ("document_octets", 2, 19)
    );
    assert_eq!(
        wrong("bootstrap.factory = { enabled = true, require_user_consent = 3 }").key,
        "require_user_consent"
    );
    let why = wrong("[limits\nx = ü");
    assert!(
        matches!(why.fault, PolicyFault::Form(_)) && why.line == 1,
        "{why}"
    );
    let why = wrong("ü = \n");
    assert!(matches!(why.fault, PolicyFault::Form(_)), "{why}");
}

#[test]
fn x_noti_001_listeners_and_the_secret_of_a_source_are_off_until_they_are_named() {
    let policy = read("").unwrap();
    assert_eq!(policy.listen, super::ListenAddresses::default());
    assert!(!policy.accept_unproven_notifications);
    let policy = read(
        "[listen]\nudp = '127.0.0.1:5683'\nhttps = '[::1]:5684'\naccept_unproven_notifications = true\n\
         [trust]\nsystem = true\n[[source]]\nid = 'a'\nurl = 'https://a/'\nnoti_secret_file = 's'\nnoti_data_file = 'd'",
    )
    .unwrap();
    assert_eq!(policy.listen.udp, Some(([127, 0, 0, 1], 5683).into()));
    assert_eq!(policy.listen.https.unwrap().port(), 5684);
    assert!(policy.accept_unproven_notifications);
    let noti = policy.sources[0].noti.as_ref().unwrap();
    assert!(noti.secret.ends_with("s") && noti.data.as_ref().unwrap().ends_with("d"));

    let smpp = |address: &str, number: &str| {
        wrong(&format!(
            "[listen.smpp]\naddress = '{address}'\nsystem_id = 'm'\npassword_file = 'p'\nnumber = '{number}'\n"
        ))
    };
    let why = smpp("smsc.example.com", "+15551230001");
    assert!(why.to_string().contains("smsc.example.com:2775"), "{why}");
    let why = smpp("smsc.example.com:2775", "15551230001");
    assert!(why.to_string().contains("+15551230001"), "{why}");
    let why = wrong("[listen]\nudp = 'localhost'\n");
    assert_eq!((why.key.as_str(), why.line), ("udp", 2));
    let why = wrong(
        "[trust]\nsystem = true\n[[source]]\nid = 'a'\nurl = 'https://a/'\nnoti_data_file = 'd'",
    );
    assert_eq!(why.fault, PolicyFault::NoNotificationSecret);
}

#[test]
fn a_pre_shared_key_of_the_device_has_identity_and_key_file() {
    let policy = read("[identity]\npsk_identity = \"meter 7\"\npsk_key_file = \"k\"\n").unwrap();
    let psk = policy.identity.unwrap();
    assert_eq!(psk.identity.as_str(), "meter 7");
    assert_eq!(psk.key, PathBuf::from("/etc/device/k"));
    for half in ["psk_identity = \"meter 7\"", "psk_key_file = \"k\""] {
        let wrong = wrong(&format!("[identity]\n{half}\n"));
        assert_eq!((wrong.line, wrong.fault), (2, PolicyFault::HalfPsk));
    }
    let long = format!(
        "psk_identity = \"{}\"\npsk_key_file = \"k\"",
        "x".repeat(129)
    );
    let refused = wrong(&format!("[identity]\n{long}\n"));
    assert!(matches!(refused.fault, PolicyFault::Psk(_)), "{refused}");
}

#[test]
fn an_http_user_and_its_password_file_go_together_d45() {
    for half in [
        "[identity]\nhttp_user = \"u\"",
        "[identity]\nhttp_password_file = \"p\"",
    ] {
        assert_eq!(wrong(half).fault, PolicyFault::HttpLoginHalf);
    }
    let policy = read("[identity]\nallow_http_basic = false").unwrap();
    assert!(!policy.allow_http_basic && policy.http_login.is_none());
}
