//! Names that DM 2.0 adds to HTTP (`dm20.md` §3.1).

/// Carries the DevID on every Package#1 and Package#3.
pub const DEV_ID: &str = "OMADM-DevID";
/// In a server's response: the further media types it understands. The syntax is that of `Accept`.
pub const ACCEPT: &str = "OMADM-Accept";
/// The cookie that tells sessions apart (D02).
pub const SESSION_COOKIE: &str = "omadm-session";
