use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

use super::{
    AuthBootstrap, AuthNoti, AuthTrsp, BootstrapType, DmAcc, HttpAuth, PushGcm, SecMode, ddf,
    is_readable, names, unreadable_leaves,
};
use crate::standard::ViewFault;
use crate::{Format, Moid, Node, NodePath, Secret, ServerUri, SrvId, Value};

fn path(text: &str) -> NodePath {
    NodePath::of(text).unwrap()
}

fn minimal() -> DmAcc {
    DmAcc::new(
        SrvId::parse("dms1.example.com").unwrap(),
        ServerUri::parse("https://dms1.example.com/dm").unwrap(),
        "Example DM",
        vec![super::moid()],
    )
}

fn full() -> DmAcc {
    DmAcc {
        bootstrap: Some(AuthBootstrap {
            server_uri: ServerUri::parse("https://boot.example.com/b").unwrap(),
            sec_mode: SecMode::X509,
            client_pub_key: b"client".to_vec(),
            server_pub_key: b"server".to_vec(),
            client_secret_key: Secret::new(b"hunter2-boot".to_vec()),
        }),
        noti: Some(AuthNoti {
            kind: 1,
            data: vec![1],
            secret: Secret::new(b"hunter2-noti".to_vec()),
        }),
        trsp: Some(AuthTrsp {
            data: vec![2],
            secret: Secret::new(b"hunter2-trsp".to_vec()),
        }),
        gcm: Some(PushGcm {
            sender_id: "1".into(),
            reg_uri: "https://r.example.com".into(),
            un_reg_uri: "https://u.example.com".into(),
            reg_params: String::new(),
        }),
        http_auth: Some(HttpAuth {
            user: "u".into(),
            password: Secret::from("hunter2-http".to_owned()),
        }),
        trust: vec![vec![0x30, 1], vec![0x30, 0]],
        bootstrap_type: Some(BootstrapType {
            method: Some("client".into()),
            profile: Some("dm2".into()),
            kind: Some("first".into()),
            seq: Some(1),
            time: Some(String::new()),
            event_id: Some("0".repeat(32)),
            payload_hash: Some("ab".into()),
            state: Some("pending".into()),
        }),
        vendor: vec![
            (path("Push/GCM/Ext/Acme"), Value::Int(1).into()),
            (path("Push/Ext/Acme"), Value::Int(2).into()),
            (path("Ext/Acme"), Node::empty()),
        ],
        ..minimal()
    }
}

fn fault(node: &Node) -> (String, ViewFault) {
    let error = DmAcc::from_node(node).unwrap_err();
    (error.path.to_string(), error.fault)
}

#[test]
fn a_full_account_is_written_valid_and_read_again() {
    for account in [minimal(), full()] {
        let node = account.to_node();
        assert_eq!(ddf().validate(&node), Ok(()));
        assert_eq!(DmAcc::from_node(&node), Ok(account));
    }
}

proptest! {
    #[test]
    fn any_account_is_written_valid_and_read_again(
        name in ".{0,30}",
        perm in vec("urn:x:[a-z]{1,8}", 1..30),
        trsp in option::of((vec(any::<u8>(), 0..40), vec(any::<u8>(), 0..40))),
        sec_mode in any::<u8>(),
        kind in any::<i64>(),
        password in ".{0,20}",
        trust in vec(vec(any::<u8>(), 0..20), 0..30),
    ) {
        let mut account = full();
        account.name = name;
        account.perm = perm.iter().map(|moid| Moid::parse(moid).unwrap()).collect();
        account.trsp = trsp.map(|(data, secret)| AuthTrsp { data, secret: Secret::new(secret) });
        account.bootstrap = account.bootstrap.map(|b| AuthBootstrap { sec_mode: SecMode::from_octet(sec_mode), ..b });
        account.noti = account.noti.map(|noti| AuthNoti { kind, ..noti });
        account.http_auth = Some(HttpAuth { user: String::new(), password: Secret::from(password) });
        account.trust = trust;
        let node = account.to_node();
        prop_assert_eq!(ddf().validate(&node), Ok(()));
        prop_assert_eq!(DmAcc::from_node(&node), Ok(account));
    }
}

#[test]
fn a_required_node_that_is_missing_is_named() {
    for at in [
        "SrvID",
        "SrvURI",
        "Name",
        "Perm/1/MOID",
        "Auth/Bootstrap/ServerURI",
        "Auth/Bootstrap/SecMode",
        "Auth/Bootstrap/ClientPubKey",
        "Auth/Bootstrap/ServerPubKey",
        "Auth/Bootstrap/ClientSecretKey",
        "Auth/Noti/Type",
        "Auth/Noti/Data",
        "Auth/Noti/Secret",
        "Auth/Trsp/Data",
        "Auth/Trsp/Secret",
        "Push/GCM/SenderID",
        "Push/GCM/RegURI",
        "Push/GCM/UnRegURI",
        "Push/GCM/RegParams",
        "Ext/HTTPAuth/User",
        "Ext/HTTPAuth/Password",
    ] {
        let mut node = full().to_node();
        assert!(node.remove(&path(at)).is_some(), "{at}");
        assert_eq!(fault(&node), (at.to_owned(), ViewFault::Missing));
    }
}

#[test]
fn a_wrong_value_is_named_with_its_path() {
    let with = |at: &str, node: Node| {
        let mut account = full().to_node();
        account.put(&path(at), node);
        fault(&account)
    };
    assert!(
        matches!(with("SrvID", Value::chr("bs:x").into()), (at, ViewFault::SrvId(_)) if at == "SrvID")
    );
    assert!(
        matches!(with("SrvURI", Value::chr("ftp://x").into()), (at, ViewFault::ServerUri(_)) if at == "SrvURI")
    );
    assert!(
        matches!(with("Perm/1/MOID", Value::chr("").into()), (at, ViewFault::Moid(_)) if at == "Perm/1/MOID")
    );
    let sec_mode = |octets: &[u8]| with("Auth/Bootstrap/SecMode", Value::bin(octets).into()).1;
    assert_eq!(
        (sec_mode(&[]), sec_mode(&[0, 2])),
        (ViewFault::SecModeLength(0), ViewFault::SecModeLength(2))
    );
    assert_eq!(
        with("Auth/Noti/Type", Value::chr("1").into()),
        ("Auth/Noti/Type".into(), ViewFault::Format(Format::Int))
    );
    assert_eq!(
        with("Auth", Value::Null.into()),
        ("Auth".into(), ViewFault::NotInterior)
    );
    assert_eq!(
        with("Name", Node::empty()),
        ("Name".into(), ViewFault::NotALeaf)
    );
}

#[test]
fn a_bootstrap_account_needs_a_perm_list_and_https() {
    assert_eq!(
        (full().require_perm(), full().require_https()),
        (Ok(()), Ok(()))
    );
    let none = DmAcc {
        perm: Vec::new(),
        ..minimal()
    };
    assert_eq!(
        none.require_perm(),
        Err(ViewFault::Missing.at(path("Perm")))
    );
    assert_eq!(DmAcc::from_node(&none.to_node()), Ok(none));
    let plain = ServerUri::parse("http://dms1.example.com/dm").unwrap();
    let account = DmAcc {
        srv_uri: plain.clone(),
        ..minimal()
    };
    assert_eq!(
        account.require_https(),
        Err(ViewFault::PlainHttp.at(path("SrvURI")))
    );
    let mut account = full();
    account.bootstrap = account.bootstrap.map(|bootstrap| AuthBootstrap {
        server_uri: plain,
        ..bootstrap
    });
    assert_eq!(
        account.require_https(),
        Err(ViewFault::PlainHttp.at(path("Auth/Bootstrap/ServerURI")))
    );
}

#[test]
fn b_20_perm_keys_and_secrets_are_unreadable_by_the_ddf_d43() {
    let unreadable: Vec<_> = unreadable_leaves(&full().to_node())
        .iter()
        .map(NodePath::to_string)
        .collect();
    assert_eq!(
        unreadable,
        [
            "Auth/Bootstrap/ClientPubKey",
            "Auth/Bootstrap/ClientSecretKey",
            "Auth/Bootstrap/ServerPubKey",
            "Auth/Noti/Secret",
            "Auth/Trsp/Secret",
            "Ext/HTTPAuth/Password",
            "Perm/1/MOID",
        ]
    );
    for hidden in ["Perm", "Perm/1", "Perm/1/Other"] {
        assert!(!is_readable(&path(hidden)), "{hidden}");
    }
    for shown in [
        "",
        "SrvID",
        "Auth",
        "Auth/Bootstrap",
        "Ext/Bootstrap/Seq",
        "Ext/Acme/x",
    ] {
        assert!(is_readable(&path(shown)), "{shown}");
    }
}

#[test]
fn debug_output_tells_no_secret() {
    let debug = format!("{:?}", full());
    assert!(
        debug.contains("dms1.example.com") && !debug.contains("hunter2"),
        "{debug}"
    );
}

#[test]
fn more_than_nine_permissions_keep_their_order() {
    let perm: Vec<_> = (0..12)
        .map(|n| Moid::parse(&format!("urn:x:{n}")).unwrap())
        .collect();
    let node = DmAcc {
        perm: perm.clone(),
        ..minimal()
    }
    .to_node();
    assert!(node.find(&["Perm", "01", "MOID"]).is_some());
    assert_eq!(DmAcc::from_node(&node).unwrap().perm, perm);
}

#[test]
fn the_ddf_gives_no_write_access_to_what_the_client_keeps_d49() {
    use crate::ddf::AccessTypes;
    for kept in names::kept_by_client() {
        let node = ddf().node(&kept).unwrap();
        for access in [
            AccessTypes::ADD,
            AccessTypes::DELETE,
            AccessTypes::REPLACE,
            AccessTypes::EXEC,
        ] {
            assert!(!node.access().has(access), "{kept}");
            assert!(
                node.children()
                    .iter()
                    .all(|child| !child.access().has(access)),
                "{kept}"
            );
        }
    }
}

#[test]
fn notification_types_0_and_1_are_the_digest_d42() {
    let noti = |kind| AuthNoti {
        kind,
        data: Vec::new(),
        secret: Secret::new(Vec::new()),
    };
    assert!(
        noti(0).is_sha256_digest() && noti(1).is_sha256_digest() && !noti(2).is_sha256_digest()
    );
}
