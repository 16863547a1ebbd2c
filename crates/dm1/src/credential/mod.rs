//! Who speaks: basic, MD5 and MAC credentials and their nonces (§3).

mod credential_type;
mod derived;
mod mac_header;
mod nonce;
mod proof;

pub use credential_type::CredentialType;
pub use derived::{derive, new_password};
pub use mac_header::{MacHeader, MacHeaderFault};
pub(crate) use nonce::decode_base64;
pub use nonce::{Nonce, NonceError};
pub use proof::{BodyHash, UserHash, basic, basic_matches};
