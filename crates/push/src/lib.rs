//! Push to devices that have not called: connectionless WSP (`push.md` §2) in SMS user data (§3). Pure: references, transaction ids, limits and
//! times are arguments. What is pushed is the caller's; nothing here reads it.

mod phone_number;
pub mod sms;
pub mod wsp;

pub use phone_number::{PhoneNumber, PhoneNumberError};

/// Port of connectionless push without WTLS (`push.md` §1).
pub const PUSH_PORT: u16 = 2948;
/// Port of connectionless push with WTLS: known, never sent to.
pub const SECURE_PUSH_PORT: u16 = 2949;
/// Source port of what is sent; receivers ignore it.
pub const SOURCE_PORT: u16 = 9200;
