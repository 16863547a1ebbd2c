//! What holds for any octets: a decoder gives a value or an error, writing is the inverse of reading, the session machines end and tell no secret.
//! Each function takes what libFuzzer made up and panics where that does not hold.

mod bootstrap;
mod card;
mod carrier;
mod dm1;
mod dm1_bootstrap;
mod dm1_commands;
mod dm1_server;
mod dm1_session;
mod http_auth;
mod names;
mod object_range;
mod policy;
mod push;
mod session;
mod trust;
mod wire;

pub use bootstrap::{bootstrap_document, bootstrap_profile, sealed_image};
pub use card::{card_description, card_dialogue, card_directories};
pub use carrier::{carried_file, given};
pub use dm1::{provisioning, syncml, trigger, wbxml};
pub use dm1_bootstrap::dm1_bootstrap;
pub use dm1_commands::dm1_commands;
pub use dm1_server::dm1_server_session;
pub use dm1_session::dm1_client_session;
pub use http_auth::http_auth;
pub use names::{client_uri, ddf, loc_uri, media_type, server_uri};
pub use object_range::object_range;
pub use policy::client_policy;
pub use push::{smpp, sms_reassembly, wsp_push};
pub use session::{client_session, server_session};
pub use trust::{certificate, pem};
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
