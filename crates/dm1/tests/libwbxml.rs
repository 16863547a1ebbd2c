//! libwbxml, which nobody here wrote, and this crate read each other's WBXML as the same document (`push.md` §6, §10.2).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

use std::io::Write as _;
use std::process::{Command, Stdio};

use omadm_dm1::markup::{Event, MarkupLimits, MarkupReader, Name, Vocabulary, copy};
use omadm_dm1::wbxml::{self, WbxmlReader};
use omadm_dm1::xml::{XmlReader, XmlWriter};

const LIMITS: MarkupLimits = MarkupLimits::MESSAGE;

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

/// A program that reads standard input and writes standard output.
fn through(program: &str, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new(program)
        .args(arguments)
        .args(["-o", "-", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("Debian's libwbxml2-utils brings it");
    child.stdin.take().unwrap().write_all(input).unwrap();
    let done = child.wait_with_output().unwrap();
    assert!(
        done.status.success(),
        "{program}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
    done.stdout
}

fn ours_to_wbxml(xml: &str, vocabulary: Vocabulary) -> Vec<u8> {
    wbxml::of_xml(xml.as_bytes(), vocabulary, LIMITS).unwrap()
}

/// What a document holds: names, attributes and text, without white space between elements and the seams of text.
fn content<'a>(mut reader: impl MarkupReader<'a>) -> Vec<String> {
    let mut content: Vec<String> = Vec::new();
    while let Some(event) = reader.next_event().unwrap() {
        let piece = match event {
            Event::Start(Name::Known(tag)) => format!("<{}", tag.name().unwrap()),
            Event::Start(Name::Other(name)) => format!("<{name}"),
            Event::Attribute { name, value } => format!("{name}={value}"),
            Event::Text(text) => format!("\"{text}"),
            Event::Opaque(octets) => format!("\"{}", std::str::from_utf8(octets).unwrap()),
            Event::End => ">".to_owned(),
        };
        match content.last_mut() {
            Some(last) if last.starts_with('"') && piece.starts_with('"') => {
                last.push_str(&piece[1..]);
            }
            _ => content.push(piece),
        }
    }
    content.retain(|piece| {
        !piece
            .strip_prefix('"')
            .is_some_and(|text| text.trim().is_empty())
    });
    content
}

fn of_xml(xml: &[u8], vocabulary: Vocabulary) -> Vec<String> {
    content(XmlReader::new(xml, vocabulary.into(), LIMITS).unwrap())
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
