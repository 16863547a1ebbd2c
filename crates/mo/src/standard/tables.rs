//! The node tables of `dm20.md` §12.1 and §12.2 row by row against the embedded DDFs.

use super::{dac, dev_info, dm_acc, session_info};
use crate::Format;
use crate::ddf::{AccessTypes, Ddf, DdfNode, Occurrence, Scope};

/// Path with `*` for `<x>`, status, occurrence, format, whether the table gives Get.
type Row = (&'static str, char, &'static str, &'static str, bool);

const DEV_INFO: [Row; 13] = [
    ("", 'R', "One", "node", true),
    ("Bearer", 'O', "ZeroOrOne", "node", true),
    ("DevID", 'R', "One", "chr", true),
    ("Man", 'R', "One", "chr", true),
    ("Mod", 'R', "One", "chr", true),
    ("DmV", 'R', "One", "chr", true),
    ("Lang", 'R', "One", "chr", true),
    ("DevType", 'R', "One", "chr", true),
    ("OEM", 'R', "One", "chr", true),
    ("FwV", 'R', "One", "chr", true),
    ("SwV", 'R', "One", "chr", true),
    ("HwV", 'R', "One", "chr", true),
    ("Ext", 'O', "One", "node", true),
];

/// `Auth/Noti/Secret` and `Ext/HTTPAuth/Password` are No Get by D43.
const DM_ACC: [Row; 45] = [
    ("", 'R', "ZeroOrMore", "node", true),
    ("SrvID", 'R', "One", "chr", true),
    ("SrvURI", 'R', "One", "chr", true),
    ("Name", 'R', "One", "chr", true),
    ("Perm", 'R', "One", "node", false),
    ("Perm/*", 'R', "OneOrMore", "node", false),
    ("Perm/*/MOID", 'R', "One", "chr", false),
    ("Auth", 'O', "One", "node", true),
    ("Auth/Bootstrap", 'O', "One", "node", true),
    ("Auth/Bootstrap/ServerURI", 'R', "One", "chr", true),
    ("Auth/Bootstrap/SecMode", 'R', "One", "bin", true),
    ("Auth/Bootstrap/ClientPubKey", 'R', "One", "bin", false),
    ("Auth/Bootstrap/ServerPubKey", 'R', "One", "bin", false),
    ("Auth/Bootstrap/ClientSecretKey", 'R', "One", "bin", false),
    ("Auth/Noti", 'O', "One", "node", true),
    ("Auth/Noti/Type", 'R', "One", "int", true),
    ("Auth/Noti/Data", 'R', "One", "bin", true),
    ("Auth/Noti/Secret", 'R', "One", "bin", false),
    ("Auth/Trsp", 'O', "One", "node", true),
    ("Auth/Trsp/Data", 'R', "One", "bin", true),
    ("Auth/Trsp/Secret", 'R', "One", "bin", false),
    ("Push", 'O', "One", "node", true),
    ("Push/GCM", 'O', "One", "node", true),
    ("Push/GCM/SenderID", 'R', "One", "chr", true),
    ("Push/GCM/RegURI", 'R', "One", "chr", true),
    ("Push/GCM/UnRegURI", 'R', "One", "chr", true),
    ("Push/GCM/RegParams", 'R', "One", "chr", true),
    ("Push/GCM/Ext", 'O', "One", "node", true),
    ("Push/Ext", 'O', "One", "node", true),
    ("Ext", 'O', "One", "node", true),
    ("Ext/Bootstrap", 'O', "ZeroOrOne", "node", true),
    ("Ext/Bootstrap/Method", 'O', "ZeroOrOne", "chr", true),
    ("Ext/Bootstrap/Profile", 'O', "ZeroOrOne", "chr", true),
    ("Ext/Bootstrap/Kind", 'O', "ZeroOrOne", "chr", true),
    ("Ext/Bootstrap/Seq", 'O', "ZeroOrOne", "int", true),
    ("Ext/Bootstrap/Time", 'O', "ZeroOrOne", "chr", true),
    ("Ext/Bootstrap/EventId", 'O', "ZeroOrOne", "chr", true),
    ("Ext/Bootstrap/PayloadHash", 'O', "ZeroOrOne", "chr", true),
    ("Ext/Bootstrap/State", 'O', "ZeroOrOne", "chr", true),
    ("Ext/Trust", 'O', "ZeroOrOne", "node", true),
    ("Ext/Trust/*", 'O', "ZeroOrMore", "node", true),
    ("Ext/Trust/*/Cert", 'O', "ZeroOrOne", "bin", true),
    ("Ext/HTTPAuth", 'O', "ZeroOrOne", "node", true),
    ("Ext/HTTPAuth/User", 'R', "One", "chr", true),
    ("Ext/HTTPAuth/Password", 'R', "One", "chr", false),
];

/// A DDF has no status: what is optional and stands there once at most is `ZeroOrOne`.
fn occurrence(status: char, text: &str) -> Occurrence {
    match (status, text) {
        ('R', "One") => Occurrence::One,
        ('R', "OneOrMore") => Occurrence::OneOrMore,
        (_, "ZeroOrMore") => Occurrence::ZeroOrMore,
        ('O', "One" | "ZeroOrOne") => Occurrence::ZeroOrOne,
        _ => panic!("{status} {text} is no row of the tables"),
    }
}

fn described<'a>(ddf: &'a Ddf, path: &str) -> &'a DdfNode {
    path.split('/')
        .filter(|step| !step.is_empty())
        .fold(ddf.root(), |node, step| {
            let name = |child: &&DdfNode| child.name().map_or("*", crate::NodeName::as_str) == step;
            node.children()
                .iter()
                .find(name)
                .unwrap_or_else(|| panic!("the DDF has no {path}"))
        })
}

fn count(node: &DdfNode) -> usize {
    1 + node.children().iter().map(count).sum::<usize>()
}

fn compare(ddf: &Ddf, rows: &[Row]) {
    for (path, status, text, format, get) in rows {
        let node = described(ddf, path);
        assert_eq!(node.occurrence(), occurrence(*status, text), "{path}");
        assert_eq!(node.format(), Format::from_name(format).unwrap(), "{path}");
        assert_eq!(node.access().has(AccessTypes::GET), *get, "{path}");
    }
    assert_eq!(
        count(ddf.root()),
        rows.len(),
        "the DDF has nodes that the table lacks"
    );
}

#[test]
fn x_mo_001_dev_info_is_the_table_of_12_1_permanent_and_read_only() {
    let ddf = dev_info::ddf();
    compare(ddf, &DEV_INFO);
    for (path, ..) in DEV_INFO {
        assert_eq!(
            (described(ddf, path).scope(), described(ddf, path).access()),
            (Scope::Permanent, AccessTypes::GET),
            "{path}"
        );
    }
}

#[test]
fn x_mo_001_dm_account_is_the_table_of_12_2() {
    compare(dm_acc::ddf(), &DM_ACC);
}

#[test]
fn what_an_account_requires_comes_and_goes_with_its_parent() {
    for (path, status, _, format, _) in DM_ACC {
        if status == 'R' && format != "node" {
            assert_eq!(
                described(dm_acc::ddf(), path).scope(),
                Scope::Permanent,
                "{path}"
            );
        }
    }
}

#[test]
fn every_ext_of_the_tables_is_open_and_nothing_else_is() {
    for (ddf, rows) in [
        (dev_info::ddf(), &DEV_INFO[..]),
        (dm_acc::ddf(), &DM_ACC[..]),
    ] {
        for (path, ..) in rows {
            assert_eq!(
                described(ddf, path).is_open(),
                path.ends_with("Ext"),
                "{path}"
            );
        }
    }
}

#[test]
fn session_info_has_two_readable_numbers_d46() {
    let ddf = session_info::STANDARD.ddf();
    compare(
        &ddf,
        &[
            ("", 'R', "One", "node", true),
            (session_info::CBT, 'R', "One", "int", true),
            (session_info::ROAMING, 'R', "One", "int", true),
        ],
    );
}

#[test]
fn delegation_access_control_is_the_table_of_12_4_d47() {
    let rows = [
        ("", 'O', "ZeroOrMore", "node", true),
        ("MOID", 'R', "One", "chr", true),
        ("MIID", 'R', "One", "chr", true),
        ("Owner", 'O', "ZeroOrOne", "chr", true),
        ("Servers", 'O', "ZeroOrOne", "node", true),
        ("Servers/*", 'O', "ZeroOrMore", "node", true),
        ("Servers/*/SrvID", 'R', "One", "chr", true),
        ("Servers/*/Rights", 'R', "One", "int", true),
    ];
    compare(&dac::STANDARD.ddf(), &rows);
    assert!(
        rows.iter().any(|row| row.0 == dac::OWNER) && rows.iter().any(|row| row.0 == dac::SERVERS)
    );
}
