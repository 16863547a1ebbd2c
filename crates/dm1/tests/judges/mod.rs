//! Programs that nobody here wrote judge SyncML: libwbxml (`wbxml2xml`, `xml2wbxml`) and `tshark`.

#![allow(dead_code, reason = "each suite uses its part")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

pub(crate) mod dialogue;

use std::fmt::Write as _;
use std::io::Write as _;
use std::process::{Command, Stdio};

use omadm_dm1::markup::{Event, MarkupLimits, MarkupReader, Name, Vocabulary};
use omadm_dm1::syncml::Encoding;
use omadm_dm1::wbxml::WbxmlReader;
use omadm_dm1::xml::XmlReader;

pub(crate) const LIMITS: MarkupLimits = MarkupLimits::MESSAGE;

/// What a program of libwbxml makes of a document.
pub(crate) fn through(program: &str, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let arguments = [arguments, &["-o", "-", "-"]].concat();
    piped(program, &arguments, input)
}

/// A program that reads standard input and writes standard output.
#[allow(
    clippy::disallowed_methods,
    reason = "the program may write before it has read all"
)]
fn piped(program: &str, arguments: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("Debian's libwbxml2-utils and tshark bring it");
    let mut stdin = child.stdin.take().unwrap();
    let input = input.to_vec();
    let written = std::thread::spawn(move || stdin.write_all(&input));
    let done = child.wait_with_output().unwrap();
    written.join().unwrap().unwrap();
    assert!(
        done.status.success(),
        "{program}: {}",
        String::from_utf8_lossy(&done.stderr)
    );
    done.stdout
}

/// What a document holds: names, attributes and text, without white space between elements and the seams of text.
pub(crate) fn content<'a>(mut reader: impl MarkupReader<'a>) -> Vec<String> {
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

pub(crate) fn of_xml(xml: &[u8], vocabulary: Vocabulary) -> Vec<String> {
    content(XmlReader::new(xml, vocabulary.into(), LIMITS).unwrap())
}

/// libwbxml and tshark read these DM messages as this crate does, each as it was sent.
pub(crate) fn judge(messages: &[Vec<u8>]) {
    let read: Vec<_> = messages
        .iter()
        .map(|message| by_libwbxml(message))
        .collect();
    let elements = by_tshark(messages);
    assert_eq!(elements.len(), read.len());
    for (theirs, ours) in elements.iter().zip(&read) {
        let ours = ours.iter().filter_map(|piece| piece.strip_prefix('<'));
        assert!(ours.clone().count() > 3);
        assert!(ours.eq(theirs), "{theirs:?}");
    }
}

/// The content of a message, upon which libwbxml agrees.
fn by_libwbxml(message: &[u8]) -> Vec<String> {
    let of_wbxml = |octets: &[u8]| content(WbxmlReader::new(octets, LIMITS).unwrap());
    let (ours, theirs) = match Encoding::of_body(message).unwrap() {
        Encoding::Wbxml => {
            let xml = through("wbxml2xml", &["-m", "0"], message);
            (of_wbxml(message), of_xml(&xml, Vocabulary::SyncMl))
        }
        Encoding::Xml => {
            let wbxml = through("xml2wbxml", &["-n", "-v", "1.2"], message);
            (of_xml(message, Vocabulary::SyncMl), of_wbxml(&wbxml))
        }
    };
    assert_eq!(ours, theirs);
    ours
}

/// The elements of each message in the order in which they begin, as tshark tells them; nothing is malformed.
fn by_tshark(messages: &[Vec<u8>]) -> Vec<Vec<String>> {
    let mut dump = String::new();
    for message in messages {
        let media_type = Encoding::of_body(message).unwrap().media_type();
        let mut request = format!(
            "POST /dm HTTP/1.1\r\nHost: dm.example.com\r\nContent-Type: {media_type}\r\nContent-Length: {}\r\n\r\n",
            message.len()
        )
        .into_bytes();
        request.extend(message);
        dump.push_str("000000");
        for octet in request {
            write!(dump, " {octet:02x}").unwrap();
        }
        dump.push('\n');
    }
    let capture = piped(
        "text2pcap",
        &["-q", "-T", "40000,80", "-", "-"],
        dump.as_bytes(),
    );
    // To tshark SyncML's XML is any media type, unless it is told.
    let xml = "media_type==application/vnd.syncml.dm+xml,xml";
    let read = piped(
        "tshark",
        &["-r", "-", "-d", xml, "-V", "-O", "wbxml,xml"],
        &capture,
    );
    let read = String::from_utf8(read).unwrap();
    assert!(!read.contains("Malformed"), "{read}");
    let frames = read.split("\nHypertext Transfer Protocol").skip(1);
    frames.map(elements).collect()
}

/// XML has one element a line; a row of WBXML ends with what it renders.
fn elements(frame: &str) -> Vec<String> {
    let lines = frame.lines().filter_map(|line| {
        let rendered = line.rsplit('|').next()?.trim().strip_prefix('<')?;
        let name = rendered.split([' ', '/', '>']).next()?;
        (!name.is_empty() && !name.starts_with('?')).then(|| name.to_owned())
    });
    lines.collect()
}
