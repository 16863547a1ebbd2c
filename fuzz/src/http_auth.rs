//! `WWW-Authenticate` and `Authorization`.

use omadm_dm2::http_auth::{Authorization, Challenge};
use omadm_mo::Secret;

use crate::parts;

/// A challenge that was read is written as one that is read as the same; who answers a Digest with the password is believed, and with another is not.
pub fn http_auth(octets: &[u8]) {
    let texts: Vec<&str> = parts(octets)
        .filter_map(|part| str::from_utf8(part).ok())
        .collect();
    for text in &texts {
        if let Ok(Authorization::Digest(response)) = Authorization::read(text) {
            let _judged = response.is_made_with(&Secret::from("password".to_owned()), "POST");
        }
    }
    for challenge in Challenge::read_all(texts.iter().copied()) {
        let written = challenge.write();
        let again = Challenge::read_all([written.as_str()]);
        assert_eq!(again, std::slice::from_ref(&challenge));
        let Challenge::Digest(digest) = challenge else {
            continue;
        };
        let right = Secret::from("password".to_owned());
        let wrong = Secret::from("passwort".to_owned());
        let answer = digest.answer("meter-17", &right, "POST", "/dm/2.0", "c0", 1);
        match Authorization::read(&answer.write()) {
            Ok(Authorization::Digest(read)) => {
                assert!(read.is_made_with(&right, "POST"));
                assert!(!read.is_made_with(&wrong, "POST"));
                assert!(!read.is_made_with(&right, "GET"));
            }
            _ => panic!("our own answer is not read: {}", answer.write()),
        }
    }
}
