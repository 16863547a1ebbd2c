//! The node tables of `dm1x.md` §4.6 row by row against the embedded DDFs.

use super::{Dm1Version, dev_detail, dev_info1, dm_acc1};
use crate::Format;
use crate::ddf::{AccessTypes, Ddf, DdfNode, Occurrence};

/// Path with `*` for `<X>`, occurrence, format, access types.
type Row = (&'static str, &'static str, &'static str, &'static str);

/// With the Replace of our own decision, and `Ext/Bootstrap` of §6.4.
const DM_ACC: [Row; 34] = [
    ("", "OneOrMore", "node", "Get"),
    ("AppID", "One", "chr", "Get"),
    ("ServerID", "One", "chr", "Get"),
    ("Name", "ZeroOrOne", "chr", "Get"),
    ("PrefConRef", "ZeroOrOne", "chr", "Get"),
    ("ToConRef", "ZeroOrOne", "node", "Get"),
    ("ToConRef/*", "OneOrMore", "node", "Get"),
    ("ToConRef/*/ConRef", "One", "chr", "Get"),
    ("AppAddr", "One", "node", "Get"),
    ("AppAddr/*", "OneOrMore", "node", "Get"),
    ("AppAddr/*/Addr", "One", "chr", "Get Replace"),
    ("AppAddr/*/AddrType", "One", "chr", "Get"),
    ("AppAddr/*/Port", "ZeroOrOne", "node", "Get"),
    ("AppAddr/*/Port/*", "OneOrMore", "node", "Get"),
    ("AppAddr/*/Port/*/PortNbr", "One", "chr", "Get"),
    ("AAuthPref", "ZeroOrOne", "chr", "Get Replace"),
    ("AppAuth", "ZeroOrOne", "node", "Get"),
    ("AppAuth/*", "OneOrMore", "node", "Get"),
    ("AppAuth/*/AAuthLevel", "One", "chr", "Get"),
    ("AppAuth/*/AAuthType", "One", "chr", "Get"),
    ("AppAuth/*/AAuthName", "ZeroOrOne", "chr", "Get Replace"),
    ("AppAuth/*/AAuthSecret", "ZeroOrOne", "chr", "Replace"),
    ("AppAuth/*/AAuthData", "ZeroOrOne", "bin", "Replace"),
    ("Ext", "ZeroOrOne", "node", "Add Get Replace"),
    ("Ext/Bootstrap", "ZeroOrOne", "node", "Get"),
    ("Ext/Bootstrap/Method", "ZeroOrOne", "chr", "Get"),
    ("Ext/Bootstrap/Profile", "ZeroOrOne", "chr", "Get"),
    ("Ext/Bootstrap/Kind", "ZeroOrOne", "chr", "Get"),
    ("Ext/Bootstrap/Seq", "ZeroOrOne", "int", "Get"),
    ("Ext/Bootstrap/Time", "ZeroOrOne", "chr", "Get"),
    ("Ext/Bootstrap/EventId", "ZeroOrOne", "chr", "Get"),
    ("Ext/Bootstrap/PayloadHash", "ZeroOrOne", "chr", "Get"),
    ("Ext/Bootstrap/Sec", "ZeroOrOne", "chr", "Get"),
    ("Ext/Bootstrap/State", "ZeroOrOne", "chr", "Get"),
];

const DEV_INFO: [Row; 8] = [
    ("", "One", "node", "Get"),
    ("DevId", "One", "chr", "Get"),
    ("Man", "One", "chr", "Get"),
    ("Mod", "One", "chr", "Get"),
    ("DmV", "One", "chr", "Get"),
    ("Lang", "One", "chr", "Get"),
    ("Ext", "ZeroOrOne", "node", "Get"),
    ("Bearer", "ZeroOrOne", "node", "Get"),
];

const DEV_DETAIL: [Row; 13] = [
    ("", "One", "node", "Get"),
    ("URI", "One", "node", "Get"),
    ("URI/MaxDepth", "One", "chr", "Get"),
    ("URI/MaxTotLen", "One", "chr", "Get"),
    ("URI/MaxSegLen", "One", "chr", "Get"),
    ("DevTyp", "One", "chr", "Get"),
    ("OEM", "One", "chr", "Get"),
    ("FwV", "One", "chr", "Get"),
    ("SwV", "One", "chr", "Get"),
    ("HwV", "One", "chr", "Get"),
    ("LrgObj", "One", "bool", "Get"),
    ("Ext", "ZeroOrOne", "node", "Get"),
    ("Bearer", "ZeroOrOne", "node", "Get"),
];

fn described<'a>(node: &'a DdfNode, path: &str, into: &mut Vec<(String, &'a DdfNode)>) {
    into.push((path.to_owned(), node));
    for child in node.children() {
        let name = child.name().map_or("*", crate::NodeName::as_str);
        let path = format!("{path}/{name}");
        described(child, path.trim_start_matches('/'), into);
    }
}

fn access(node: &DdfNode) -> String {
    let named = AccessTypes::NAMED.iter();
    let has = named.filter(|(one, _)| node.access().has(*one));
    has.map(|(_, name)| *name).collect::<Vec<_>>().join(" ")
}

const fn occurrence(node: &DdfNode) -> &'static str {
    match node.occurrence() {
        Occurrence::One => "One",
        Occurrence::ZeroOrOne => "ZeroOrOne",
        Occurrence::OneOrMore => "OneOrMore",
        _ => "another",
    }
}

#[test]
fn the_objects_of_dm_1_2_are_the_tables_of_4_6() {
    for (ddf, rows) in [
        (dm_acc1::ddf(), &DM_ACC[..]),
        (dm_acc1::ddf_in(Dm1Version::V1_3), &DM_ACC[..]),
        (dev_info1::ddf(), &DEV_INFO[..]),
        (dev_detail::ddf(), &DEV_DETAIL[..]),
    ] as [(&Ddf, &[Row]); 4]
    {
        assert_eq!(ddf.warnings(), []);
        let mut found = Vec::new();
        described(ddf.root(), "", &mut found);
        let mut found: Vec<_> = found
            .into_iter()
            .map(|(path, node)| (path, occurrence(node), node.format(), access(node)))
            .collect();
        let format = |name| Format::from_name(name).unwrap();
        let mut rows: Vec<_> = rows
            .iter()
            .map(|(path, many, of, access)| {
                ((*path).to_owned(), *many, format(of), (*access).to_owned())
            })
            .collect();
        found.sort();
        rows.sort();
        assert_eq!(found, rows);
    }
}
