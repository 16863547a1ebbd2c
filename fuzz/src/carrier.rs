//! Files of carriers.

use omadm_bootstrap::PayloadHash;
use omadm_carrier::Found;
use omadm_mo::Secret;

/// A file that is a document is one of these very octets; an address is written as one that is read as the same.
pub fn carried_file(octets: &[u8]) {
    match Found::of(Secret::new(octets.to_vec()), None) {
        Ok(Found::Document(document)) => {
            assert!(document.payload == PayloadHash::of(octets));
            assert!(document.sealed_to.is_none());
        }
        Ok(Found::Url(url)) => {
            let again = Found::of(Secret::new(url.to_string().into_bytes()), None);
            assert!(matches!(again, Ok(Found::Url(again)) if again == url));
        }
        Ok(_) | Err(_) => {}
    }
}
