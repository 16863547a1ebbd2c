//! What people are shown of a document.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use omadm_dm1::markup::{MarkupLimits, Vocabulary};
use omadm_dm1::pretty::{MASK, Pretty};
use omadm_dm1::syncml::Encoding;
use omadm_dm1::wbxml::of_xml;

fn pretty(octets: &[u8], encoding: Encoding, secrets: bool) -> Pretty {
    Pretty::read(octets, encoding, MarkupLimits::MESSAGE, secrets).unwrap()
}

const ROTATION: &[u8] = include_bytes!("data/package2-rotation.xml");
const EVENT: &[u8] = include_bytes!("data/package1-event.xml");
const PHONE: &[u8] = include_bytes!("data/feature-phone.xml");
const TNDS: &[u8] = include_bytes!("data/dmacc-tnds.xml");

#[test]
fn elements_stand_one_below_the_other() {
    let xml = pretty(EVENT, Encoding::Xml, false).xml;
    assert!(
        xml.starts_with(
            "<SyncML>\n  <SyncHdr>\n    <VerDTD>1.2</VerDTD>\n    <VerProto>DM/1.2</VerProto>\n"
        ),
        "{xml}"
    );
    assert!(
        xml.contains("\n      <CmdID>1</CmdID>\n      <Data>1201</Data>\n    </Alert>\n"),
        "{xml}"
    );
    assert!(
        xml.ends_with("    <Final/>\n  </SyncBody>\n</SyncML>\n"),
        "{xml}"
    );
}

#[test]
fn credentials_nonces_and_new_secrets_are_masked_unless_asked_for() {
    for (octets, secrets) in [
        (
            ROTATION,
            &["new client secret", "new server secret", "TmV4dE5vbmNl"][..],
        ),
        (EVENT, &["Zz6EivR3yeaaENcRN6lpAQ=="]),
        (PHONE, &["clientpw", "bm9uY2UtMQ=="]),
        (TNDS, &["Tm9uY2U="]),
    ] {
        let masked = pretty(octets, Encoding::Xml, false).xml;
        let clear = pretty(octets, Encoding::Xml, true).xml;
        assert!(masked.contains(MASK));
        for secret in secrets {
            assert!(!masked.contains(secret), "{secret} in {masked}");
            assert!(clear.contains(secret), "{secret} not in {clear}");
        }
    }
    assert!(
        pretty(PHONE, Encoding::Xml, false)
            .xml
            .contains("<parm name=\"AAUTHNAME\" value=\"dev-001\"/>")
    );
}

#[test]
fn each_document_type_is_told_by_its_root() {
    let vocabulary = |octets| pretty(octets, Encoding::Xml, false).vocabulary;
    assert_eq!(vocabulary(EVENT), Vocabulary::SyncMl);
    assert_eq!(vocabulary(PHONE), Vocabulary::Provisioning);
    assert_eq!(vocabulary(TNDS), Vocabulary::MgmtTree);
    let other = Pretty::read(b"<html/>", Encoding::Xml, MarkupLimits::MESSAGE, false).unwrap_err();
    assert!(
        other.to_string().contains("`html`") || other.to_string().contains("html"),
        "{other}"
    );
}

#[test]
fn a_tnds_within_a_message_is_shown_in_its_place() {
    let tnds =
        b"\x02\x00\x00\x6a\x1b-//OMA//DTD-DM-DDF 1.2//EN\0\x00\x02\x60\x64\x66\x03a\0\x01\x01\x01";
    let length = u8::try_from(tnds.len()).unwrap();
    // SyncML, SyncBody, Add, Item, Data, each with content.
    let before = b"\x02\xa4\x01\x6a\x00\x6d\x6b\x45\x54\x4f\xc3";
    let octets = [&before[..], &[length], tnds, &[1; 5]].concat();
    let shown = pretty(&octets, Encoding::Wbxml, false);
    assert_eq!(
        shown.xml,
        "<SyncML>\n  <SyncBody>\n    <Add>\n      <Item>\n        <Data>\n          <MgmtTree>\n            <Node>\n              <NodeName>a</NodeName>\n            </Node>\n          </MgmtTree>\n        </Data>\n      </Item>\n    </Add>\n  </SyncBody>\n</SyncML>\n"
    );
    assert_eq!(shown.octets, octets.len());
}

/// A message with one item at `uri` whose data is this text.
fn message_with(data: &str) -> Vec<u8> {
    let item = format!("<Item><Target><LocURI>./x</LocURI></Target><Data>{data}</Data></Item>");
    format!("<SyncML><SyncBody><Add><CmdID>1</CmdID>{item}</Add></SyncBody></SyncML>").into_bytes()
}

#[test]
fn documents_written_as_the_text_of_an_item_are_shown_and_masked_too() {
    let tnds = std::str::from_utf8(TNDS).unwrap();
    let tnds = &tnds[tnds.find("<MgmtTree").unwrap()..];
    let octets = message_with(&format!("<![CDATA[{tnds}]]>"));
    let shown = pretty(&octets, Encoding::Xml, false).xml;
    assert!(
        shown.contains("\n        <Data>\n          <MgmtTree>\n"),
        "{shown}"
    );
    assert!(!shown.contains("Tm9uY2U="), "{shown}");
    assert!(
        pretty(&octets, Encoding::Xml, true)
            .xml
            .contains("Tm9uY2U=")
    );
    // The first part of it, in a message of its own.
    let part = &tnds[..tnds.find("Tm9uY2U=").unwrap() + 8];
    let octets = message_with(&format!("<![CDATA[{part}]]>"));
    let shown = pretty(&octets, Encoding::Xml, false).xml;
    assert!(shown.contains(&format!("<Data>{MASK}</Data>")), "{shown}");
    let octets = message_with("1 &lt; 2");
    let shown = pretty(&octets, Encoding::Xml, false).xml;
    assert!(shown.contains("<Data>1 &lt; 2</Data>"), "{shown}");
}

const SECRET: &str = "hunter2 of the account";

/// An account's TNDS; the names before the secret make it stand at another octet.
fn account(before: &str) -> String {
    let leaf = |name: &str, value: &str| {
        format!("<Node><NodeName>{name}</NodeName><Value>{value}</Value></Node>")
    };
    let name = leaf("Name", before);
    let secret = leaf("AAuthSecret", SECRET);
    format!(
        "<MgmtTree><VerDTD>1.2</VerDTD><Node><NodeName>1</NodeName>{name}{secret}</Node></MgmtTree>"
    )
}

/// The digits of base64 that a secret decides alone, wherever in a triple it begins.
fn alignments() -> [String; 3] {
    [0, 1, 2].map(|before: usize| {
        let octets = [&vec![0; before], SECRET.as_bytes()].concat();
        let digits = STANDARD_NO_PAD.encode(&octets);
        digits[(before * 8).div_ceil(6)..octets.len() * 8 / 6].to_owned()
    })
}

#[test]
fn no_part_of_an_encoded_document_tells_its_secrets() {
    let wbxml =
        |xml: &str| of_xml(xml.as_bytes(), Vocabulary::MgmtTree, MarkupLimits::MESSAGE).unwrap();
    let tells = |digits: &str| {
        alignments()
            .iter()
            .any(|part| digits.contains(part.as_str()))
    };
    let mut shown = Vec::new();
    for before in ["", "a", "ab"] {
        let xml = account(before);
        for octets in [xml.clone().into_bytes(), wbxml(&xml)] {
            let whole = STANDARD.encode(&octets);
            assert!(tells(&whole));
            let lines: Vec<_> = whole
                .as_bytes()
                .chunks(60)
                .map(String::from_utf8_lossy)
                .collect();
            let twice = STANDARD.encode(message_with(&whole));
            // An item of a message, cut where the transport cuts it, and a node of a TNDS.
            for data in [
                whole.clone(),
                lines.join("\r\n"),
                whole.replace('+', "-").replace('/', "_"),
                twice,
            ] {
                shown.push(message_with(&data));
                let node = format!("<Node><NodeName>x</NodeName><Value>{data}</Value></Node>");
                shown.push(message_with(&format!(
                    "<![CDATA[<MgmtTree>{node}</MgmtTree>]]>"
                )));
                shown.push(format!("<MgmtTree>{node}</MgmtTree>").into_bytes());
            }
            for at in 1..whole.len() {
                let (first, rest) = whole.split_at(at);
                let more = "</Data><MoreData/></Item><Item><Meta><Type>application/vnd.syncml.dmtnds+wbxml</Type></Meta><Data>";
                shown.push(message_with(&format!("{first}{more}{rest}")));
            }
        }
        for at in 1..xml.len() {
            let (first, rest) = xml.split_at(at);
            let more = "]]></Data><MoreData/></Item><Item><Data><![CDATA[";
            shown.push(message_with(&format!("<![CDATA[{first}{more}{rest}]]>")));
        }
    }
    for octets in shown {
        let masked = pretty(&octets, Encoding::Xml, false).xml;
        let given = String::from_utf8_lossy(&octets);
        assert!(masked.contains(MASK), "{given}");
        assert!(
            !masked.contains(SECRET) && !tells(&masked),
            "{given}\n{masked}"
        );
    }
}

#[test]
fn base64_that_is_no_document_with_a_secret_is_shown() {
    let tnds = account("a").replace("AAuthSecret", "Label");
    for octets in [tnds.as_bytes(), &[7; 40], b"certificate of the server"] {
        let digits = STANDARD.encode(octets);
        let shown = pretty(&message_with(&digits), Encoding::Xml, false).xml;
        assert!(shown.contains(&digits), "{shown}");
    }
}

#[test]
fn documents_within_documents_end_at_the_depth_of_a_message() {
    let mut wbxml =
        b"\x02\xa4\x01\x6a\x00\x6d\x6b\x45\x54\x4f\x03x\0\x01\x01\x01\x01\x01\x01".to_vec();
    for _ in 0..10_000 {
        let length = wbxml.len();
        let mut octets = b"\x02\xa4\x01\x6a\x00\x6d\x6b\x45\x54\x4f\xc3".to_vec();
        octets.extend([14, 7, 0].map(|shift| {
            let septet = u8::try_from((length >> shift) & 0x7f).unwrap();
            if shift == 0 { septet } else { septet | 0x80 }
        }));
        octets.extend(&wbxml);
        octets.extend([1; 5]);
        wbxml = octets;
    }
    let shown = pretty(&wbxml, Encoding::Wbxml, false);
    assert_eq!(shown.octets, wbxml.len());
    assert!(shown.xml.matches("<SyncML>").count() <= MarkupLimits::MESSAGE.depth);
}
