//! DM 1.x: markup in both serializations, DM messages, provisioning documents, Package 0, the header of a MAC.

use omadm_dm1::credential::{MacHeader, Nonce, UserHash};
use omadm_dm1::markup::{MarkupLimits, Vocabulary, copy};
use omadm_dm1::pretty::Pretty;
use omadm_dm1::provisioning::{ProvisioningDocument, W7};
use omadm_dm1::syncml::{Encoding, Message};
use omadm_dm1::trigger::ReceivedTrigger;
use omadm_dm1::wbxml::{WbxmlReader, WbxmlWriter};
use omadm_mo::Secret;

/// Small bounds, so that inputs of a few octets reach them.
const SMALL: MarkupLimits = MarkupLimits {
    octets: 1 << 16,
    depth: 16,
};
/// What was read unfolds when it is written: a string table has no place there.
const WIDE: MarkupLimits = MarkupLimits {
    octets: 1 << 24,
    depth: 16,
};

fn encoding(octets: &[u8]) -> Encoding {
    Encoding::of_body(octets).unwrap_or(Encoding::Wbxml)
}

/// WBXML that was read and written is, read and written again, the same octets; what people are shown is made of any document.
pub fn wbxml(octets: &[u8]) {
    let _shown = Pretty::read(octets, encoding(octets), SMALL, false);
    let Some((vocabulary, once)) = rewritten(octets, SMALL) else {
        return;
    };
    let (again, twice) = rewritten(&once, WIDE).expect("what was written is WBXML");
    assert_eq!(again, vocabulary);
    assert_eq!(twice, once);
}

fn rewritten(octets: &[u8], limits: MarkupLimits) -> Option<(Vocabulary, Vec<u8>)> {
    let mut reader = WbxmlReader::new(octets, limits).ok()?;
    let mut writer = WbxmlWriter::new(reader.vocabulary());
    copy(&mut reader, &mut writer).ok()?;
    assert!(reader.consumed() <= octets.len());
    Some((reader.vocabulary(), writer.finish().ok()?))
}

/// A message that was read is written so that it is read as one that is written alike; in XML it can be read, too, if XML can hold it.
pub fn syncml(octets: &[u8]) {
    let Ok(message) = Message::decode(octets, encoding(octets), SMALL) else {
        return;
    };
    let wbxml = Encoding::Wbxml;
    let once = message.encode(wbxml).expect("WBXML holds every text");
    let again = Message::decode(&once, wbxml, WIDE).expect("what was written is a message");
    // Text with a NUL comes back as octets, so the headers are compared as they are written.
    assert_eq!(again.header.source, message.header.source);
    assert_eq!(again.encode(wbxml).expect("WBXML holds every text"), once);
    if let Ok(xml) = message.encode(Encoding::Xml) {
        let read =
            Message::decode(&xml, Encoding::Xml, WIDE).expect("what was written is a message");
        assert_eq!(read.commands.len(), again.commands.len());
    }
}

/// A provisioning document that was read is written as one that is read as the same; its accounts are read or refused.
pub fn provisioning(octets: &[u8]) {
    let Ok(document) = ProvisioningDocument::decode(octets, encoding(octets), SMALL) else {
        return;
    };
    let _accounts = W7::of_document(&document);
    for encoding in [Encoding::Wbxml, Encoding::Xml] {
        // A control character has no place in XML, a NUL none in either.
        let Ok(written) = document.encode(encoding) else {
            continue;
        };
        let again = ProvisioningDocument::decode(&written, encoding, WIDE);
        assert_eq!(again.as_ref(), Ok(&document));
    }
}

/// A Package 0 that was read and is signed is proven by the key that signed it, and by no other nonce; the header of a MAC is read or refused.
pub fn trigger(octets: &[u8]) {
    if let Ok(text) = str::from_utf8(octets) {
        let _header = MacHeader::read(text);
        let _nonce = Nonce::of_base64(text);
    }
    let Ok(received) = ReceivedTrigger::decode(octets) else {
        return;
    };
    let trigger = received.unproven();
    let key = UserHash::new(&trigger.server_id, &Secret::from("password".to_owned()));
    let nonce = |text: &str| Nonce::new(text.into()).expect("a short nonce");
    let signed = trigger
        .encode(&key, nonce("one").octets())
        .expect("what was read can be sent");
    let again = ReceivedTrigger::decode(&signed).expect("what was written is a Package 0");
    assert_eq!(again.proven(&key, &nonce("one")), Some(trigger));
    assert_eq!(again.proven(&key, &nonce("two")), None);
}
