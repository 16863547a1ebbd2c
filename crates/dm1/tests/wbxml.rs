//! WBXML and XML of the same documents: worked octets of `dm1x.md` §2.6, §5.4 and `push.md` §5.1, both header styles, hostile input, round trips.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use omadm_dm1::markup::{
    Event, MarkupFault, MarkupLimits, MarkupReader, MarkupWriter, Name, Tag, Vocabulary,
    XmlVocabulary, copy, ddf_tags, metinf_tags, syncml_tags,
};
use omadm_dm1::wbxml::{WbxmlReader, WbxmlWriter, of_xml};
use omadm_dm1::xml::{XmlReader, XmlWriter};
use proptest::prelude::*;

const LIMITS: MarkupLimits = MarkupLimits::MESSAGE;

fn hex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> = text
        .bytes()
        .filter(|octet| !octet.is_ascii_whitespace())
        .collect();
    digits
        .chunks(2)
        .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
        .collect()
}

fn to_xml(wbxml: &[u8]) -> String {
    let mut writer = XmlWriter::new();
    copy(&mut WbxmlReader::new(wbxml, LIMITS).unwrap(), &mut writer).unwrap();
    String::from_utf8(writer.finish().unwrap()).unwrap()
}

fn to_wbxml(xml: &str, vocabulary: Vocabulary) -> Vec<u8> {
    of_xml(xml.as_bytes(), vocabulary, LIMITS).unwrap()
}

fn fault_of(wbxml: &[u8]) -> MarkupFault {
    let read = |wbxml| {
        let mut reader = WbxmlReader::new(wbxml, LIMITS)?;
        while reader.next_event()?.is_some() {}
        Ok(())
    };
    let error: omadm_dm1::markup::MarkupError = read(wbxml).unwrap_err();
    error.fault().clone()
}

/// `dm1x.md` §2.6.
const MESSAGE: &str = "02 a4 01 6a 00 6d 6c 71 03 31 2e 32 00 01 72 03 44 4d 2f 31 2e 32 00 01 65 03 31 00 01 5b 03 31 00 01
6e 57 03 68 74 74 70 3a 2f 2f 73 2f 64 6d 00 01 01 67 57 03 49 4d 45 49 3a 31 00 01 01
5a 00 01 4c 03 35 30 30 30 00 01 01 01 00 00 6b 46 4b 03 31 00 01 4f 03 31 32 30 31 00 01 01 12 01 01";

const MESSAGE_XML: &str = "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto>\
<SessionID>1</SessionID><MsgID>1</MsgID><Target><LocURI>http://s/dm</LocURI></Target><Source><LocURI>IMEI:1</LocURI></Source>\
<Meta><MaxMsgSize xmlns=\"syncml:metinf\">5000</MaxMsgSize></Meta></SyncHdr>\
<SyncBody><Alert><CmdID>1</CmdID><Data>1201</Data></Alert><Final/></SyncBody></SyncML>";

#[test]
fn the_worked_message_is_these_octets_and_this_xml() {
    let octets = hex(MESSAGE);
    assert_eq!(octets.len(), 97);
    assert_eq!(to_xml(&octets), MESSAGE_XML);
    assert_eq!(to_wbxml(MESSAGE_XML, Vocabulary::SyncMl), octets);
}

/// `dm1x.md` §5.4.
const PROVISIONING: &str = "030b6a00c54503312e310001c600015501873600000603773700018700013800000603636f6d2e6d676d747372762e6d616e6167650001870706034d676d7400
01c60001560187340000060368747470733a2f2f646d2e6578616d706c652e636f6d2f646d00018700013500000603555249000101c600015701873000000603
415050535256000187000133000006034449474553540001870001310000060375736572310001870001320000060370773100018700012f00000603546d3975
5932553d000101c600015701873000000603434c49454e540001870001330000060344494745535400018700013100000603636f6d2e6d676d747372762e6d61
6e6167650001870001320000060370773200018700012f00000603546d39755932553d0001010101";

const PROVISIONING_XML: &str = "<wap-provisioningdoc version=\"1.1\"><characteristic type=\"APPLICATION\">\
<parm name=\"APPID\" value=\"w7\"/><parm name=\"PROVIDER-ID\" value=\"com.mgmtsrv.manage\"/><parm name=\"NAME\" value=\"Mgmt\"/>\
<characteristic type=\"APPADDR\"><parm name=\"ADDR\" value=\"https://dm.example.com/dm\"/><parm name=\"ADDRTYPE\" value=\"URI\"/></characteristic>\
<characteristic type=\"APPAUTH\"><parm name=\"AAUTHLEVEL\" value=\"APPSRV\"/><parm name=\"AAUTHTYPE\" value=\"DIGEST\"/>\
<parm name=\"AAUTHNAME\" value=\"user1\"/><parm name=\"AAUTHSECRET\" value=\"pw1\"/><parm name=\"AAUTHDATA\" value=\"Tm9uY2U=\"/></characteristic>\
<characteristic type=\"APPAUTH\"><parm name=\"AAUTHLEVEL\" value=\"CLIENT\"/><parm name=\"AAUTHTYPE\" value=\"DIGEST\"/>\
<parm name=\"AAUTHNAME\" value=\"com.mgmtsrv.manage\"/><parm name=\"AAUTHSECRET\" value=\"pw2\"/><parm name=\"AAUTHDATA\" value=\"Tm9uY2U=\"/></characteristic>\
</characteristic></wap-provisioningdoc>";

#[test]
fn the_worked_provisioning_document_is_these_octets_and_this_xml() {
    let octets = hex(PROVISIONING);
    assert_eq!(to_xml(&octets), PROVISIONING_XML);
    assert_eq!(to_wbxml(PROVISIONING_XML, Vocabulary::Provisioning), octets);
}

/// `push.md` §5.1: libwbxml's octets, with a string table and value tokens of page 1.
const PROVISIONING_WITH_STRING_TABLE: &str = "030b6a0f636f6d2e6578616d706c652e646d00c54503312e310001c6000155018736000006037737000187000138000006830001870706034578616d706c6520444d0001c600
01560187340000060368747470733a2f2f646d2e6578616d706c652e636f6d2f646d3132000187000135000006035552490001c653018723060334343300010101c600015701
873000000600018d018733000006000193018731000006036465762d30303100018700013200000603636c69656e74707700018700012f00000603626d3975593255744d513d
3d000101c600015701873000000603434c49454e540001870001330000060001930187310000068300018700013200000603736572766572707700018700012f00000603626d
3975593255744d673d3d000101870503494e495400010101";

#[test]
fn a_string_table_and_value_tokens_are_read_as_the_text_they_stand_for() {
    let xml = to_xml(&hex(PROVISIONING_WITH_STRING_TABLE));
    assert_eq!(
        xml,
        "<wap-provisioningdoc version=\"1.1\"><characteristic type=\"APPLICATION\"><parm name=\"APPID\" value=\"w7\"/>\
<parm name=\"PROVIDER-ID\" value=\"com.example.dm\"/><parm name=\"NAME\" value=\"Example DM\"/>\
<characteristic type=\"APPADDR\"><parm name=\"ADDR\" value=\"https://dm.example.com/dm12\"/><parm name=\"ADDRTYPE\" value=\"URI\"/>\
<characteristic type=\"PORT\"><parm name=\"PORTNBR\" value=\"443\"/></characteristic></characteristic>\
<characteristic type=\"APPAUTH\"><parm name=\"AAUTHLEVEL\" value=\"APPSRV\"/><parm name=\"AAUTHTYPE\" value=\"DIGEST\"/>\
<parm name=\"AAUTHNAME\" value=\"dev-001\"/><parm name=\"AAUTHSECRET\" value=\"clientpw\"/><parm name=\"AAUTHDATA\" value=\"bm9uY2UtMQ==\"/></characteristic>\
<characteristic type=\"APPAUTH\"><parm name=\"AAUTHLEVEL\" value=\"CLIENT\"/><parm name=\"AAUTHTYPE\" value=\"DIGEST\"/>\
<parm name=\"AAUTHNAME\" value=\"com.example.dm\"/><parm name=\"AAUTHSECRET\" value=\"serverpw\"/><parm name=\"AAUTHDATA\" value=\"bm9uY2UtMg==\"/></characteristic>\
<parm name=\"INIT\"/></characteristic></wap-provisioningdoc>"
    );
    assert_eq!(to_xml(&to_wbxml(&xml, Vocabulary::Provisioning)), xml);
}

/// `dm1x.md` §5.4: the DM profile; its TNDS has the identifier in a string table without NUL.
const DM_PROFILE: &str = "02a4016a006d6c7103312e3200017203444d2f312e32000165033000015b033000016e5703494d45493a34393330303531303035393238303000010167570368
747470733a2f2f646d2e6578616d706c652e636f6d2f646d000101016b454b03310001546e57032e2f496e626f780001015a0001470362696e00015303617070
6c69636174696f6e2f766e642e73796e636d6c2e646d746e64732b7762786d6c00010100004fc382460200006a1a2d2f2f4f4d412f2f4454442d444d2d444446
20312e322f2f454e0002607703312e3200016466034d00016f5c250175510375726e3a6f6d613a6d6f3a6f6d612d646d2d646d6163633a312e30000101016466
03417070494400016f5c0b01756103746578742f706c61696e0001010176037737000101646603536572766572494400016f5c0b01756103746578742f706c61
696e000101017603636f6d2e6d676d747372762e6d616e6167650001016466034170704164647200016f5c2501755103000101016466033100016f5c25017551
03000101016466034164647200016f5c0b01756103746578742f706c61696e00010101760368747470733a2f2f646d2e6578616d706c652e636f6d2f646d0001
01646603416464725479706500016f5c0b01756103746578742f706c61696e00010101760355524900010101010101010101120101";

#[test]
fn the_tnds_within_the_worked_dm_profile_is_a_document_of_its_own() {
    let octets = hex(DM_PROFILE);
    let mut reader = WbxmlReader::new(&octets, LIMITS).unwrap();
    let mut tnds = None;
    while let Some(event) = reader.next_event().unwrap() {
        if let Event::Opaque(inner) = event {
            assert!(tnds.replace(inner).is_none());
        }
    }
    let tnds = tnds.unwrap();
    assert_eq!((reader.consumed(), tnds.len()), (501, 326));
    assert_eq!(
        WbxmlReader::new(tnds, LIMITS).unwrap().vocabulary(),
        Vocabulary::MgmtTree
    );
    let xml = to_xml(tnds);
    assert!(
        xml.starts_with("<MgmtTree xmlns=\"syncml:dmddf1.2\"><VerDTD>1.2</VerDTD><Node><NodeName>M</NodeName><RTProperties><Format><node/></Format>"),
        "{xml}"
    );
    let ours = to_wbxml(&xml, Vocabulary::MgmtTree);
    assert_eq!(ours[..5], [0x02, 0x00, 0x00, 0x6a, 0x1b], "with NUL (M14)");
    assert_eq!(to_xml(&ours), xml);
}

#[test]
fn both_header_styles_with_and_without_nul_and_every_version_are_read() {
    let name = b"-//SYNCML//DTD SyncML 1.2//EN";
    let body = &hex(MESSAGE)[5..];
    for version in 0..=3u8 {
        let charset: &[u8] = if version == 0 { &[] } else { &[0x6a] };
        let numeric = [&[version, 0xa4, 0x01], charset, &[0], body].concat();
        let bare = [&[version, 0, 0], charset, &[29], name, body].concat();
        let ended = [&[version, 0, 0], charset, &[30], name, b"\0", body].concat();
        for octets in [numeric, bare, ended] {
            assert_eq!(to_xml(&octets), MESSAGE_XML, "{octets:02x?}");
        }
    }
}

#[test]
fn what_follows_the_root_is_padding() {
    let octets = [hex(MESSAGE), vec![0xff; 20]].concat();
    let mut reader = WbxmlReader::new(&octets, LIMITS).unwrap();
    while reader.next_event().unwrap().is_some() {}
    assert_eq!(reader.consumed(), 97);
}

#[test]
fn literal_names_entities_and_processing_instructions_are_read() {
    // String table: "Foo\0"; <SyncML><Foo>A&#233;B</Foo></SyncML>, a processing instruction before.
    let octets = b"\x02\xa4\x01\x6a\x04Foo\0\x43\x04\x00\x03x\0\x01\x6d\x44\x00\x03A\0\x02\x81\x69\x03B\0\x01\x01";
    let mut reader = WbxmlReader::new(octets, LIMITS).unwrap();
    let mut events = Vec::new();
    while let Some(event) = reader.next_event().unwrap() {
        events.push(event);
    }
    assert_eq!(
        events,
        [
            Event::Start(Name::Known(syncml_tags::SYNC_ML)),
            Event::Start(Name::Other("Foo".into())),
            Event::Text("A".into()),
            Event::Text("é".into()),
            Event::Text("B".into()),
            Event::End,
            Event::End,
        ]
    );
}

#[test]
fn an_element_written_by_its_name_is_that_which_its_token_means() {
    // String table: "SyncML", "s:SyncHdr", "Meta", "MaxMsgSize", "Final"; the third element by its token.
    let literal = b"\x02\xa4\x01\x6a\x27SyncML\0s:SyncHdr\0Meta\0MaxMsgSize\0Final\0\x44\x00\x44\x07\x5a\x44\x16\x039\0\x01\x01\x01\x04\x21\x01";
    let text = "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncHdr><Meta><MaxMsgSize xmlns=\"syncml:metinf\">9</MaxMsgSize></Meta></SyncHdr><Final></Final></SyncML>";
    let events = |reader: &mut dyn MarkupReader<'_>| {
        let mut all = Vec::new();
        while let Some(event) = reader.next_event().unwrap() {
            all.push(format!("{event:?}"));
        }
        all
    };
    let read = events(&mut WbxmlReader::new(literal, LIMITS).unwrap());
    let meant =
        events(&mut XmlReader::new(text.as_bytes(), Vocabulary::SyncMl.into(), LIMITS).unwrap());
    assert_eq!(read, meant);
}

#[test]
fn each_fault_of_a_header_is_told_apart() {
    assert_eq!(fault_of(&[]), MarkupFault::TooShort);
    assert_eq!(fault_of(&[4, 1, 0x6a, 0]), MarkupFault::WbxmlVersion(4));
    assert_eq!(
        fault_of(&[3, 5, 0x6a, 0]),
        MarkupFault::PublicId("0x5".into())
    );
    assert_eq!(
        fault_of(&[3, 0x0b, 0x88, 0x08, 0]),
        MarkupFault::Charset(1032)
    );
    assert_eq!(
        fault_of(&[3, 0, 9, 0x6a, 1, b'x']),
        MarkupFault::StringReference(9)
    );
    assert_eq!(fault_of(&[3, 0x0b, 0x6a, 200, 1]), MarkupFault::TooShort);
    assert_eq!(
        fault_of(&[3, 0x90, 0x80, 0x80, 0x80, 0x80, 0x00, 0x6a, 0]),
        MarkupFault::Integer
    );
}

#[test]
fn each_fault_of_a_body_is_told_apart() {
    let body = |octets: &[u8]| fault_of(&[&[2, 0xa4, 1, 0x6a, 0], octets].concat());
    assert_eq!(body(&[]), MarkupFault::TooShort);
    assert_eq!(body(&[0x6d]), MarkupFault::TooShort);
    assert_eq!(body(&[0x6d, 3, b'a']), MarkupFault::TooShort);
    assert_eq!(body(&[0x6d, 3, 0xff, 0]), MarkupFault::NotUtf8);
    assert_eq!(
        body(&[0x6d, 0xc3, 0x8f, 0xff, 0xff, 0xff, 0x7f]),
        MarkupFault::TooShort
    );
    assert_eq!(body(&[0x6d, 0x83, 3, 1]), MarkupFault::StringReference(3));
    assert_eq!(
        body(&[0x6d, 0x02, 0x83, 0xb0, 0x00, 1]),
        MarkupFault::Character(0xd800)
    );
    assert_eq!(body(&[0x6d, 0x02, 0x00, 1]), MarkupFault::Character(0));
    assert_eq!(body(&[0x6d, 0xc0, 1]), MarkupFault::Token(0xc0));
    assert_eq!(body(&[3, b'a', 0]), MarkupFault::OutsideRoot);
    assert_eq!(body(&[0x6d; 65]), MarkupFault::TooDeep(64));
    let attribute = fault_of(&[3, 0x0b, 0x6a, 0, 0xc5, 0x4d, 1, 1]);
    assert_eq!(
        attribute,
        MarkupFault::AttributeToken {
            page: 0,
            token: 0x4d
        }
    );
}

#[test]
fn references_into_the_string_table_cannot_unfold_without_bound() {
    let mut octets = vec![2, 0xa4, 1, 0x6a, 0x90, 0x00];
    octets.extend([b'x'; 2047]);
    octets.push(0);
    octets.push(0x6d);
    for _ in 0..1000 {
        octets.extend([0x83, 0]);
    }
    octets.push(1);
    assert_eq!(fault_of(&octets), MarkupFault::TooMuchText(LIMITS.octets));
}

fn xml_fault(xml: &[u8]) -> MarkupFault {
    let read = |xml| {
        let mut reader = XmlReader::new(xml, XmlVocabulary::SyncMlAndMgmtTree, LIMITS)?;
        while reader.next_event()?.is_some() {}
        Ok(())
    };
    let error: omadm_dm1::markup::MarkupError = read(xml).unwrap_err();
    error.fault().clone()
}

#[test]
fn entities_are_never_expanded_and_external_ones_never_fetched() {
    let laughs = br#"<!DOCTYPE SyncML [<!ENTITY a "ha"><!ENTITY b "&a;&a;"><!ENTITY c SYSTEM "file:///etc/passwd">]><SyncML>&b;</SyncML>"#;
    assert_eq!(xml_fault(laughs), MarkupFault::Entity("b".into()));
    let external =
        br#"<!DOCTYPE SyncML [<!ENTITY c SYSTEM "file:///etc/passwd">]><SyncML>&c;</SyncML>"#;
    assert_eq!(xml_fault(external), MarkupFault::Entity("c".into()));
}

#[test]
fn malformed_xml_is_refused_with_what_is_wrong() {
    assert!(matches!(
        xml_fault(b"<SyncML><SyncHdr></SyncML>"),
        MarkupFault::NotWellFormed(_)
    ));
    assert_eq!(xml_fault(b"<SyncML>"), MarkupFault::TooShort);
    assert_eq!(xml_fault(b"  "), MarkupFault::NoRoot);
    assert_eq!(xml_fault(b"x<SyncML/>"), MarkupFault::OutsideRoot);
    assert_eq!(xml_fault(b"<SyncML>\xff</SyncML>"), MarkupFault::NotUtf8);
    assert!(matches!(
        xml_fault(b"<SyncML>&#0;</SyncML>"),
        MarkupFault::NotWellFormed(_)
    ));
    assert_eq!(
        xml_fault(b"<?xml version=\"1.0\" encoding=\"UTF-16\"?><SyncML/>"),
        MarkupFault::Encoding("UTF-16".into())
    );
    let deep = [b"<Node>".repeat(65), b"</Node>".repeat(65)].concat();
    assert_eq!(xml_fault(&deep), MarkupFault::TooDeep(64));
}

#[test]
fn sloppy_xml_is_read_as_it_was_meant() {
    let xml = "\u{feff}<?xml version='1.0' encoding='utf-8'?>\r\n<!DOCTYPE SyncML PUBLIC '-//SYNCML//DTD SyncML 1.2//EN' 'x'>\n\
<s:SyncML xmlns:s='SYNCML:SYNCML1.2'>\n <!-- by hand -->\n <s:SyncBody><Replace><CmdID>1</CmdID><Meta><Type>text/plain</Type></Meta>\
<Item><Data><![CDATA[a<b]]>&amp;c</Data></Item></Replace>\n</s:SyncBody></s:SyncML>\n<!-- end -->";
    let mut writer = XmlWriter::new();
    let mut reader =
        XmlReader::new(xml.as_bytes(), XmlVocabulary::SyncMlAndMgmtTree, LIMITS).unwrap();
    copy(&mut reader, &mut writer).unwrap();
    assert_eq!(
        String::from_utf8(writer.finish().unwrap()).unwrap(),
        "<SyncML xmlns=\"SYNCML:SYNCML1.2\"><SyncBody><Replace><CmdID>1</CmdID><Meta><Type xmlns=\"syncml:metinf\">text/plain</Type></Meta>\
<Item><Data>a&lt;b&amp;c</Data></Item></Replace></SyncBody></SyncML>"
    );
}

#[test]
fn lines_end_by_a_line_feed_however_the_document_ends_them() {
    let data = |line_end: &str| {
        let xml = format!("<Item><Data>one{line_end}two<![CDATA[{line_end}]]>&#13;</Data></Item>");
        to_wbxml(&xml, Vocabulary::SyncMl)
    };
    assert!(data("\n").ends_with(b"\x03one\ntwo\n\r\0\x01\x01"));
    assert_eq!(data("\r\n"), data("\n"));
    assert_eq!(data("\r"), data("\n"));
}

#[test]
fn attributes_count_for_each_element_that_has_them() {
    let xml = "<Item><Meta><Type xmlns='syncml:metinf'>a</Type></Meta><Data xmlns='SYNCML:SYNCML1.2'/><Meta><Type xmlns='syncml:metinf'/><Format>b</Format>\
<Type xmlns='syncml:dmddf1.2'/></Meta></Item>";
    let names = XmlVocabulary::SyncMlAndMgmtTree;
    let mut reader = XmlReader::new(xml.as_bytes(), names, LIMITS).unwrap();
    let mut pages = Vec::new();
    while let Some(event) = reader.next_event().unwrap() {
        if let Event::Start(Name::Known(tag)) = event {
            pages.push((tag.name().unwrap(), tag.page()));
        }
    }
    let expected = [
        ("Item", 0),
        ("Meta", 0),
        ("Type", 1),
        ("Data", 0),
        ("Meta", 0),
        ("Type", 1),
        ("Format", 1),
        ("Type", 2),
    ];
    assert_eq!(pages, expected);
}

#[test]
fn text_with_nul_travels_as_opaque_and_xml_refuses_it() {
    let mut wbxml = WbxmlWriter::new(Vocabulary::SyncMl);
    let mut xml = XmlWriter::new();
    for writer in [&mut wbxml as &mut dyn MarkupWriter, &mut xml] {
        writer.start(syncml_tags::DATA);
        writer.text("a\0b");
        writer.end();
    }
    assert_eq!(
        wbxml.finish().unwrap()[5..],
        [0x4f, 0xc3, 3, b'a', 0, b'b', 1]
    );
    assert_eq!(xml.finish().unwrap_err(), MarkupFault::Character(0));
}

#[derive(Clone, Debug)]
enum Piece {
    Element(Tag, Vec<Self>),
    Text(String),
}

fn pieces() -> impl Strategy<Value = Piece> {
    let tag = prop::sample::select(vec![
        syncml_tags::ITEM,
        syncml_tags::DATA,
        syncml_tags::META,
        metinf_tags::FORMAT,
        metinf_tags::NEXT_NONCE,
        ddf_tags::NODE,
        ddf_tags::VALUE,
    ]);
    let leaf = (tag.clone(), "[ -~äß\r\n\t€😀]{0,20}")
        .prop_map(|(tag, text)| Piece::Element(tag, vec![Piece::Text(text)]));
    leaf.prop_recursive(5, 40, 6, move |inner| {
        (tag.clone(), prop::collection::vec(inner, 0..6))
            .prop_map(|(tag, pieces)| Piece::Element(tag, pieces))
    })
}

fn write(piece: &Piece, writer: &mut impl MarkupWriter) {
    match piece {
        Piece::Text(text) => writer.text(text),
        Piece::Element(tag, pieces) => {
            writer.start(*tag);
            for piece in pieces {
                write(piece, writer);
            }
            writer.end();
        }
    }
}

fn events_of_wbxml(octets: &[u8]) -> Vec<String> {
    events(WbxmlReader::new(octets, LIMITS).unwrap())
}

fn events_of_xml(octets: &[u8]) -> Vec<String> {
    events(XmlReader::new(octets, XmlVocabulary::SyncMlAndMgmtTree, LIMITS).unwrap())
}

fn events<'a>(mut reader: impl MarkupReader<'a>) -> Vec<String> {
    let mut events: Vec<String> = Vec::new();
    while let Some(event) = reader.next_event().unwrap() {
        match (event, events.last_mut()) {
            (Event::Text(more), Some(text)) if text.starts_with("text ") => text.push_str(&more),
            (Event::Text(text), _) => events.push(format!("text {text}")),
            (event, _) => events.push(format!("{event:?}")),
        }
    }
    events
}

proptest! {
    #[test]
    fn what_was_written_is_read_in_both_serializations(piece in pieces()) {
        let root = Piece::Element(syncml_tags::SYNC_ML, vec![piece]);
        let mut wbxml = WbxmlWriter::new(Vocabulary::SyncMl);
        let mut xml = XmlWriter::new();
        write(&root, &mut wbxml);
        write(&root, &mut xml);
        let (wbxml, xml) = (wbxml.finish().unwrap(), xml.finish().unwrap());
        let of_wbxml = events_of_wbxml(&wbxml);
        let of_xml = events_of_xml(&xml);
        prop_assert_eq!(of_wbxml, of_xml);
    }

    #[test]
    fn any_octets_are_read_or_refused(octets in prop::collection::vec(any::<u8>(), 0..300), style in 0..4usize) {
        const HEADERS: [&[u8]; 4] = [b"", b"\x02\xa4\x01\x6a\x04abc\0", b"\x03\x0b\x6a\x00", b"\x03\x0b\x6a\x00\xc5"];
        let octets = [HEADERS[style], &octets].concat();
        let Ok(mut reader) = WbxmlReader::new(&octets, LIMITS) else { return Ok(()) };
        while let Ok(Some(_)) = reader.next_event() {}
        prop_assert!(reader.consumed() <= octets.len());
    }
}
