//! What holds for any octets: a decoder gives a value or an error, writing is the inverse of reading, the session machines end and tell no secret.
//! Each function takes what libFuzzer made up and panics where that does not hold.

mod bootstrap;
mod http_auth;
mod names;
mod push;
mod session;
mod wire;

pub use bootstrap::{bootstrap_document, bootstrap_profile, sealed_image};
pub use http_auth::http_auth;
pub use names::{client_uri, ddf, media_type, server_uri};
pub use push::{sms_reassembly, wsp_push};
pub use session::{client_session, server_session};
pub use wire::{json, mo_serialization, package0, packages};

use omadm_mo::json::{Json, JsonLimits};

/// Small bounds, so that inputs of a few octets reach them.
const LIMITS: JsonLimits = JsonLimits {
    depth: 16,
    octets: 1 << 16,
};

/// What was written, read again.
fn reread(json: &Json) -> Json {
    match Json::read(json.to_compact().as_bytes(), JsonLimits::default()) {
        Ok(json) => json,
        Err(error) => panic!("what was written cannot be read: {error}: {json:?}"),
    }
}

/// Parts of an input: no UTF-8 text holds the octet between them.
fn parts(octets: &[u8]) -> impl Iterator<Item = &[u8]> {
    octets.split(|octet| *octet == 0xFF)
}
