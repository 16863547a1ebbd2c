//! Codes of content types (`push.md` §1): the OMNA numbers without the high bit. DM 2.0 has none.

/// `application/vnd.wap.connectivity-wbxml`: a client provisioning document.
pub const CONNECTIVITY_WBXML: u32 = 0x36;
/// `application/vnd.syncml.dm+wbxml`: a DM 1.x message.
pub const SYNCML_DM_WBXML: u32 = 0x42;
/// `application/vnd.syncml.dm+xml`: a DM 1.x message.
pub const SYNCML_DM_XML: u32 = 0x43;
/// `application/vnd.syncml.notification`: Package #0 of DM 1.x, never that of DM 2.0 (`push.md` §7).
pub const SYNCML_NOTIFICATION: u32 = 0x44;
