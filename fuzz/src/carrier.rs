//! Files of carriers, and what a file holds.

use omadm_bootstrap::PayloadHash;
use omadm_carrier::{Found, Given};
use omadm_mo::Secret;

/// A file that is a document is one of these very octets; an address is written as one that is read as the same.
pub fn carried_file(octets: &[u8]) {
    match Found::of(Secret::new(octets.to_vec()), None) {
        Ok(Found::Document(document)) => {
            if document.format().is_none() {
                assert!(document.payload == PayloadHash::of(octets));
            } else {
                // Of DM 1.x: what follows the document is padding, and it may be spelt in text.
                let read = document.octets.expose();
                let spelt = match Given::of(octets) {
                    Ok(Given::Octets(spelt) | Given::Base64(spelt)) => spelt,
                    Ok(Given::Json | Given::Xml) | Err(_) => octets.to_vec(),
                };
                assert!(document.payload == PayloadHash::of(read));
                assert!(spelt.starts_with(read));
            }
            assert!(document.sealed_to.is_none());
        }
        Ok(Found::Url(url)) => {
            let again = Found::of(Secret::new(url.to_string().into_bytes()), None);
            assert!(matches!(again, Ok(Found::Url(again)) if again == url));
        }
        Ok(_) | Err(_) => {}
    }
}

/// Octets spelt in hexadecimal are those octets, whatever they are; what else a file holds is told without a fault.
pub fn given(octets: &[u8]) {
    let spelt: String = octets.iter().map(|octet| format!("{octet:02x} ")).collect();
    let again = Given::of(spelt.as_bytes());
    if octets.is_empty() {
        assert!(again == Ok(Given::Json));
    } else {
        assert!(again == Ok(Given::Octets(octets.to_vec())));
    }
    match Given::of(octets) {
        Ok(Given::Octets(read)) => assert!(read.len() <= octets.len()),
        Ok(Given::Base64(read)) => assert!(read.len() < octets.len()),
        Ok(Given::Json | Given::Xml) | Err(_) => {}
    }
}
