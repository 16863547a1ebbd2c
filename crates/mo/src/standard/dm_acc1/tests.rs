use proptest::prelude::*;

use super::{
    AddrType1, AppAddr1, AppAuth1, AuthLevel1, AuthType1, DmAcc1, ddf, ddf_in, moid, moid_in,
    names::SERVER_ID,
};
use crate::ddf::AccessTypes;
use crate::standard::dm_acc::BootstrapType;
use crate::standard::{Dm1Version, ViewFault};
use crate::{Node, NodeName, NodePath, Secret, SrvId, Value};

fn path(text: &str) -> NodePath {
    NodePath::of(text).unwrap()
}

fn whole(text: &str) -> DmAcc1 {
    let node = |name: &str| NodeName::parse(name).unwrap();
    let some = || Some(text.to_owned());
    DmAcc1 {
        name: some(),
        pref_con_ref: some(),
        to_con_refs: vec![text.to_owned(); 11],
        addresses: vec![
            AppAddr1 {
                node: node("1"),
                addr: text.to_owned(),
                addr_type: AddrType1::Uri,
                ports: vec![443, 80],
            },
            AppAddr1 {
                node: node("2"),
                addr: "10.0.0.1".into(),
                addr_type: AddrType1::Ipv4,
                ports: Vec::new(),
            },
        ],
        auth_pref: Some("DIGEST".into()),
        auths: vec![
            AppAuth1 {
                node: node("CLCRED"),
                level: AuthLevel1::ClCred,
                auth_type: AuthType1::Digest,
                name: some(),
                secret: Some(Secret::from(text.to_owned())),
                nonce: Some(Secret::new(vec![0, 255])),
            },
            AppAuth1 {
                node: node("SRVCRED"),
                level: AuthLevel1::SrvCred,
                auth_type: AuthType1::Hmac,
                name: None,
                secret: None,
                nonce: None,
            },
        ],
        bootstrap_type: Some(BootstrapType {
            method: Some("server".into()),
            seq: Some(3),
            ..BootstrapType::default()
        }),
        bootstrap_sec: Some("userpin".into()),
        vendor: vec![(path("Ext/Vendor/Colour"), Value::Int(1).into())]
            .into_iter()
            .map(|(_, leaf): (NodePath, Node)| {
                let mut vendor = Node::empty();
                vendor.put(&path("Colour"), leaf);
                (path("Ext/Vendor"), vendor)
            })
            .collect(),
        ..DmAcc1::new(SrvId::parse("com.mgmtsrv.manage").unwrap())
    }
}

proptest! {
    #[test]
    fn what_is_written_fits_the_ddf_and_is_read_again(text in ".{0,40}") {
        let view = whole(&text);
        let node = view.to_node();
        for version in Dm1Version::ALL {
            prop_assert_eq!(ddf_in(version).validate(&node), Ok(()));
        }
        prop_assert!(DmAcc1::from_node(&node).unwrap() == view);
    }
}

#[test]
fn the_account_of_dm_1_3_differs_from_that_of_1_2_by_its_moid_alone() {
    let [of_1_2, of_1_3] = Dm1Version::ALL.map(moid_in);
    assert_eq!(of_1_2, moid());
    assert_eq!(of_1_3.as_str(), "urn:oma:mo:oma-dm-dmacc:1.1");
    let ddf_1_3 = ddf_in(Dm1Version::V1_3);
    assert_eq!(ddf_1_3.moid(), Some(&of_1_3));
    assert!(ddf_1_3.url().unwrap().ends_with("/dm_dmacc-v1_3.ddf"));
    assert_eq!(ddf_1_3.unreadable_leaves(&whole("x").to_node()).len(), 2);
}

#[test]
fn the_least_account_has_an_application_and_a_server() {
    let least = DmAcc1::new(SrvId::parse("s").unwrap());
    assert!(DmAcc1::from_node(&least.to_node()).unwrap() == least);
    let mut node = least.to_node();
    node.put(&path("AppID"), Value::chr("w4").into());
    let error = DmAcc1::from_node(&node).unwrap_err();
    assert_eq!(error, ViewFault::NotListed.at(path("AppID")));
    let mut node = least.to_node();
    node.remove(&path(SERVER_ID));
    let error = DmAcc1::from_node(&node).unwrap_err();
    assert_eq!(error, ViewFault::Missing.at(path(SERVER_ID)));
    for (at, value, fault) in [
        ("AppAuth/1/AAuthLevel", "ROOT", ViewFault::NotListed),
        ("AppAddr/1/Port/1/PortNbr", "65536", ViewFault::NotANumber),
        ("AppAddr/1/AddrType", "E164", ViewFault::NotListed),
    ] {
        let mut node = least.to_node();
        node.put(&path(at), Value::chr(value).into());
        assert_eq!(DmAcc1::from_node(&node), Err(fault.at(path(at))));
    }
}

#[test]
fn secret_and_nonce_are_never_readable_and_what_rotates_can_be_replaced() {
    assert_eq!(ddf().moid(), Some(&moid()));
    assert_eq!(ddf().warnings(), []);
    let unreadable = ddf().unreadable_leaves(&whole("x").to_node());
    let data = path("AppAuth/CLCRED/AAuthData");
    assert_eq!(unreadable, [data, path("AppAuth/CLCRED/AAuthSecret")]);
    let node = whole("x").to_node();
    let replaceable: Vec<_> = node
        .leaves()
        .into_iter()
        .map(|(path, _)| path)
        .filter(|path| !path.is_within(&NodePath::of("Ext/Vendor").unwrap()))
        .filter(|path| {
            let described = ddf().governing(path).unwrap();
            described.access().has(AccessTypes::REPLACE)
        })
        .map(|path| path.to_string())
        .collect();
    assert_eq!(
        replaceable,
        [
            "AAuthPref",
            "AppAddr/1/Addr",
            "AppAddr/2/Addr",
            "AppAuth/CLCRED/AAuthData",
            "AppAuth/CLCRED/AAuthName",
            "AppAuth/CLCRED/AAuthSecret",
        ]
    );
    assert!(!format!("{:?}", whole("secret").auths).contains("secret"));
}
