//! What some octets are that went over the air, the wire or a file: DM messages of both generations, provisioning documents, Notifications, pushes and
//! the SMS that carry them.

mod kind;
mod mac;

pub use kind::{Decoded, NotDecoded, PushedBody, decode};
pub use mac::{MacKeys, MacVerdict};
