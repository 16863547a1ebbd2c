//! libwbxml, which nobody here wrote, and this crate read each other's WBXML as the same document (`push.md` §6, §10.2).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod judges;

use omadm_dm1::markup::{Event, MarkupReader, Name, Vocabulary, copy};
use omadm_dm1::wbxml::{self, WbxmlReader};
use omadm_dm1::xml::XmlWriter;

use judges::dialogue::{Dialogue, FEATURE_PHONE, HOTSPOT, WINDOWS};
use judges::{LIMITS, content, of_xml, through};

/// Name, text, what it is, and how libwbxml has to be told so.
const DOCUMENTS: [(&str, &str, Vocabulary); 8] = [
    (
        "package1-event",
        include_str!("data/package1-event.xml"),
        Vocabulary::SyncMl,
    ),
    (
        "package2-rotation",
        include_str!("data/package2-rotation.xml"),
        Vocabulary::SyncMl,
    ),
    (
        "package1-windows",
        include_str!("data/package1-windows.xml"),
        Vocabulary::SyncMl,
    ),
    (
        "package1-hotspot",
        include_str!("data/package1-hotspot.xml"),
        Vocabulary::SyncMl,
    ),
    (
        "package3-results",
        include_str!("data/package3-results.xml"),
        Vocabulary::SyncMl,
    ),
    (
        "dmacc-tnds",
        include_str!("data/dmacc-tnds.xml"),
        Vocabulary::MgmtTree,
    ),
    (
        "windows-enrollment",
        include_str!("data/windows-enrollment.xml"),
        Vocabulary::Provisioning,
    ),
    (
        "feature-phone",
        include_str!("data/feature-phone.xml"),
        Vocabulary::Provisioning,
    ),
];

fn ours_to_wbxml(xml: &str, vocabulary: Vocabulary) -> Vec<u8> {
    wbxml::of_xml(xml.as_bytes(), vocabulary, LIMITS).unwrap()
}

#[test]
fn libwbxml_reads_what_we_write() {
    for (name, xml, vocabulary) in DOCUMENTS {
        let ours = ours_to_wbxml(xml, vocabulary);
        let theirs = through("wbxml2xml", &["-m", "0"], &ours);
        assert_eq!(
            of_xml(&theirs, vocabulary),
            of_xml(xml.as_bytes(), vocabulary),
            "{name}"
        );
    }
}

#[test]
fn we_read_what_libwbxml_writes_with_and_without_a_string_table() {
    for (name, xml, vocabulary) in DOCUMENTS {
        let version = if vocabulary == Vocabulary::Provisioning {
            "1.3"
        } else {
            "1.2"
        };
        for options in [&["-v", version][..], &["-n", "-v", version]] {
            let theirs = through("xml2wbxml", options, xml.as_bytes());
            let read = content(WbxmlReader::new(&theirs, LIMITS).unwrap());
            assert_eq!(
                read,
                of_xml(xml.as_bytes(), vocabulary),
                "{name} {options:?}"
            );
        }
    }
}

#[test]
fn our_octets_are_libwbxmls_where_both_write_no_string_table_and_no_opaque() {
    let (_, xml, vocabulary) = DOCUMENTS[5];
    let theirs = through("xml2wbxml", &["-n", "-v", "1.2"], xml.as_bytes());
    assert_eq!(ours_to_wbxml(xml, vocabulary), theirs);
}

/// Each element of each page once, in a document of its own page: libwbxml names each token as we do.
#[test]
fn both_know_each_element_by_the_same_token() {
    for (page, root, vocabulary) in [
        (0u8, "SyncML", Vocabulary::SyncMl),
        (1, "SyncML", Vocabulary::SyncMl),
        (2, "MgmtTree", Vocabulary::MgmtTree),
    ] {
        let header = ours_to_wbxml(&format!("<{root}/>"), vocabulary);
        for token in 5..0x3du8 {
            let mut octets = header[..header.len() - 1].to_vec();
            let root_token = header[header.len() - 1];
            octets.extend([root_token | 0x40, 0, page, token, 1]);
            let mut reader = WbxmlReader::new(&octets, LIMITS).unwrap();
            reader.next_event().unwrap();
            let Some(Event::Start(Name::Known(tag))) = reader.next_event().unwrap() else {
                panic!("token {token:#x} of page {page} is no element");
            };
            let Some(name) = tag.name() else { continue };
            let xml = String::from_utf8(through("wbxml2xml", &["-m", "0"], &octets)).unwrap();
            assert!(
                xml.contains(&format!("<{name}/>")) || xml.contains(&format!("<{name} ")),
                "token {token:#x} of page {page} is {name} here, and there: {xml}"
            );
        }
    }
}

#[test]
fn a_tnds_that_libwbxml_embeds_is_a_document_of_its_own_to_us() {
    let message = "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncBody><Add><CmdID>1</CmdID><Item><Target><LocURI>./Inbox</LocURI></Target>\
<Meta><Format xmlns=\"syncml:metinf\">bin</Format><Type xmlns=\"syncml:metinf\">application/vnd.syncml.dmtnds+wbxml</Type></Meta>\
<Data><MgmtTree xmlns=\"syncml:dmddf1.2\"><VerDTD>1.2</VerDTD><Node><NodeName>a</NodeName></Node></MgmtTree></Data></Item></Add></SyncBody></SyncML>";
    let theirs = through("xml2wbxml", &["-n", "-v", "1.2"], message.as_bytes());
    let mut reader = WbxmlReader::new(&theirs, LIMITS).unwrap();
    let mut tnds = None;
    while let Some(event) = reader.next_event().unwrap() {
        if let Event::Opaque(octets) = event {
            tnds = Some(octets);
        }
    }
    let mut writer = XmlWriter::new();
    copy(
        &mut WbxmlReader::new(tnds.unwrap(), LIMITS).unwrap(),
        &mut writer,
    )
    .unwrap();
    assert_eq!(
        String::from_utf8(writer.finish().unwrap()).unwrap(),
        "<MgmtTree xmlns=\"syncml:dmddf1.2\"><VerDTD>1.2</VerDTD><Node><NodeName>a</NodeName></Node></MgmtTree>"
    );
}

#[test]
fn every_line_of_a_dialogue_names_its_clause_and_both_ends_speak() {
    for text in [WINDOWS, FEATURE_PHONE, HOTSPOT] {
        let Dialogue { client, server } = Dialogue::read(text);
        assert!(client.len() >= 2 && server.len() >= 2);
        for message in client.iter().chain(&server) {
            assert!(message.starts_with("<SyncML ") && message.ends_with("</SyncML>"));
        }
    }
}
