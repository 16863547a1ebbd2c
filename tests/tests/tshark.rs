//! `tshark`, which nobody here wrote, reads what is sent by SMPP and by UDP (`push.md` §10.1).
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::fmt::Write as _;
use std::process::Command;

use omadm_push::sms::{Ports, Reference, segment};
use omadm_push::wsp::{
    ApplicationId, ContentType, HeaderText, Mac, MediaName, Push, Sec, Security, well_known,
};

const FIELDS: [&str; 9] = [
    "wsp.TID",
    "wsp.pdu_type",
    "wsp.headers_length",
    "wsp.header.content_type",
    "wsp.parameter.sec",
    "wsp.parameter.mac",
    "wsp.header.x_wap_application_id",
    "gsm_sms_ud.fragment.count",
    "gsm_sms_ud.reassembled.length",
];
const MAC: &str = "749020C3226ECAED28F70221862C51FF7FF9727D";

/// What tshark says of these packets on these ports: the rows that hold WSP.
fn dissected(packets: &[Vec<u8>], transport: [&str; 2]) -> Vec<Vec<String>> {
    let folder = tempfile::tempdir().unwrap();
    let (hex, pcap) = (folder.path().join("in.hex"), folder.path().join("out.pcap"));
    let mut dump = String::new();
    for packet in packets {
        dump.push_str("000000");
        for octet in packet {
            write!(dump, " {octet:02x}").unwrap();
        }
        dump.push('\n');
    }
    std::fs::write(&hex, dump).unwrap();
    let made = Command::new("text2pcap")
        .arg("-q")
        .args(transport)
        .args([&hex, &pcap])
        .output()
        .unwrap();
    assert!(made.status.success(), "{made:?}");
    let mut tshark = Command::new("tshark");
    tshark
        .arg("-r")
        .arg(&pcap)
        .args(["-Y", "wsp", "-T", "fields", "-E", "separator=|"]);
    for field in FIELDS {
        tshark.args(["-e", field]);
    }
    let read = tshark.output().unwrap();
    assert!(read.status.success(), "{read:?}");
    let text = String::from_utf8(read.stdout).unwrap();
    text.lines()
        .map(|line| line.split('|').map(str::to_owned).collect())
        .collect()
}

/// submit_sm as `push.md` §3 has it, around user data.
fn submit_sm(sequence: u32, user_data: &[u8]) -> Vec<u8> {
    let mut body = vec![0, 1, 1];
    body.extend(b"15550001\0");
    body.extend([1, 1]);
    body.extend(b"15551230001\0");
    body.extend([
        0x40,
        0,
        0,
        0,
        0,
        1,
        0,
        4,
        0,
        u8::try_from(user_data.len()).unwrap(),
    ]);
    body.extend(user_data);
    let length = u32::try_from(16 + body.len()).unwrap();
    let head = [length, 4, 0, sequence].map(u32::to_be_bytes);
    [head.concat(), body].concat()
}

fn signed() -> Push {
    Push {
        transaction_id: 1,
        content_type: ContentType {
            media: MediaName::Code(well_known::CONNECTIVITY_WBXML),
            security: Some(Security {
                sec: Sec::UserPin,
                mac: Some(Mac::parse(MAC).unwrap()),
            }),
        },
        application_id: None,
        body: vec![0; 304],
    }
}

#[test]
fn tshark_reads_a_signed_bootstrap_in_three_sms() {
    for reference in [Reference::Octet(0x5A), Reference::Word(0x1234)] {
        let parts = segment(&signed().encode(), Ports::PUSH, reference, 8).unwrap();
        let packets: Vec<_> = (1..)
            .zip(&parts)
            .map(|(nth, part)| submit_sm(nth, part))
            .collect();
        let rows = dissected(&packets, ["-T", "40000,2775"]);
        assert_eq!(rows.len(), 1, "{rows:?}");
        let row = &rows[0];
        assert_eq!(
            (row[1].as_str(), row[2].as_str()),
            ("0x06", "47"),
            "{row:?}"
        );
        assert_eq!(row[3], "application/vnd.wap.connectivity-wbxml");
        assert_eq!((row[4].as_str(), row[5].as_str()), ("0x01", MAC), "{row:?}");
        assert_eq!((row[7].as_str(), row[8].as_str()), ("3", "354"), "{row:?}");
    }
}

#[test]
fn tshark_reads_a_notification_by_sms_and_by_udp() {
    let push = Push {
        transaction_id: 1,
        content_type: MediaName::Text(
            HeaderText::new("application/vnd.oma.dm.notification").unwrap(),
        )
        .into(),
        application_id: Some(ApplicationId::SYNCML_DM),
        body: vec![0x11, 0x00, 0x13, 0x64, 0x6D, 0x31, 0x50],
    };
    let parts = segment(&push.encode(), Ports::PUSH, Reference::Octet(0), 8).unwrap();
    for rows in [
        dissected(&[submit_sm(1, &parts[0])], ["-T", "40000,2775"]),
        dissected(&[push.encode()], ["-u", "9200,2948"]),
    ] {
        assert_eq!(rows.len(), 1, "{rows:?}");
        assert_eq!(rows[0][3], "application/vnd.oma.dm.notification");
        assert!(rows[0][6].ends_with("syncml.dm"), "{rows:?}");
    }
}
