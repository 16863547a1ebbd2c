//! Bootstrap documents of DM 1.x.

use std::fmt::Write as _;

use omadm_dm1::markup::MarkupLimits;
use omadm_dm1::provisioning::ProvisioningDocument;
use omadm_dm1::syncml::{
    Command, Data, Encoding, Item, Location, Message, Meta, NodeCommand, SyncHdr,
};
use omadm_dm1::tnds::{MgmtTree, NodeType, RtProperties, TndsNode};
use omadm_mo::Format;

/// A provisioning document with a w7 for each server, its secret and address made of `n`.
pub(crate) fn cp(servers: &[&str], n: u32) -> Vec<u8> {
    let mut text = "<wap-provisioningdoc>".to_owned();
    for server in servers {
        write!(
            text,
            "<characteristic type='APPLICATION'><parm name='APPID' value='w7'/><parm name='PROVIDER-ID' value='{server}'/><parm name='NAME' value='N'/>\
             <characteristic type='APPADDR'><parm name='ADDR' value='https://dm{n}.example.com/'/></characteristic>\
             <characteristic type='APPAUTH'><parm name='AAUTHSECRET' value='client{n}'/><parm name='AAUTHDATA' value='Tm9uY2U='/></characteristic>\
             <characteristic type='APPAUTH'><parm name='AAUTHLEVEL' value='CLIENT'/><parm name='AAUTHSECRET' value='server{n}'/></characteristic></characteristic>"
        )
        .unwrap();
    }
    (text + "</wap-provisioningdoc>").into_bytes()
}

/// The same in WBXML.
pub(crate) fn wbxml(document: &[u8]) -> Vec<u8> {
    let read = ProvisioningDocument::decode(document, Encoding::Xml, MarkupLimits::MESSAGE);
    read.unwrap().encode(Encoding::Wbxml).unwrap()
}

pub(crate) const NAP: &str = "urn:oma:mo:oma-connmo-nap:1.0";

pub(crate) fn leaf(name: &str, value: &str) -> TndsNode {
    TndsNode {
        name: Some(name.to_owned()),
        properties: RtProperties {
            format: Some(Format::Chr),
            ..RtProperties::default()
        },
        value: Some(Data::from(value)),
        ..TndsNode::default()
    }
}

pub(crate) fn interior(name: &str, moid: &str, nodes: Vec<TndsNode>) -> TndsNode {
    TndsNode {
        name: Some(name.to_owned()),
        properties: RtProperties {
            format: Some(Format::Node),
            r#type: Some(NodeType::DdfName(moid.to_owned())),
            ..RtProperties::default()
        },
        nodes,
        ..TndsNode::default()
    }
}

pub(crate) fn dm(nodes: Vec<TndsNode>) -> Vec<u8> {
    let tnds = MgmtTree {
        nodes,
        ..MgmtTree::default()
    };
    let item = Item {
        data: Some(tnds.encode(Encoding::Wbxml).unwrap()),
        ..Item::at("./Inbox")
    };
    let message = Message {
        header: SyncHdr {
            ver_dtd: "1.2".into(),
            ver_proto: "DM/1.2".into(),
            session_id: "0".into(),
            msg_id: 0,
            target: Location::new("IMEI:1"),
            source: Location::new("https://a/"),
            resp_uri: None,
            cred: None,
            meta: Meta::default(),
        },
        commands: vec![Command::Add(NodeCommand {
            items: vec![item],
            ..NodeCommand::default()
        })],
        r#final: true,
    };
    message.encode(Encoding::Wbxml).unwrap()
}

pub(crate) fn tnds_account(reference: &str) -> TndsNode {
    tnds_account_of("dms", reference, "https://a/")
}

pub(crate) fn tnds_account_of(server: &str, reference: &str, address: &str) -> TndsNode {
    let address = interior("1", "", vec![leaf("Addr", address)]);
    interior(
        "M",
        "urn:oma:mo:oma-dm-dmacc:1.1",
        vec![
            leaf("AppID", "w7"),
            leaf("ServerID", server),
            leaf("PrefConRef", reference),
            interior("AppAddr", "", vec![address]),
        ],
    )
}

/// A bootstrap message with an account of each server and what tells versions apart.
pub(crate) fn dm_of(servers: &[&str], n: u32) -> Vec<u8> {
    let address = format!("https://dm{n}.example.com/");
    let one = |server: &&str| tnds_account_of(server, "net", &address);
    dm(servers.iter().map(one).collect())
}
