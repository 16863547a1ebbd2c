//! Codes of content types (`push.md` §1): the OMNA numbers without the high bit. DM 2.0 has none.

/// `text/vnd.wap.connectivity-xml`: a client provisioning document.
pub const CONNECTIVITY_XML: u32 = 0x35;
/// `application/vnd.wap.connectivity-wbxml`: a client provisioning document.
pub const CONNECTIVITY_WBXML: u32 = 0x36;
/// `application/vnd.syncml.dm+wbxml`: a DM 1.x message.
pub const SYNCML_DM_WBXML: u32 = 0x42;
/// `application/vnd.syncml.dm+xml`: a DM 1.x message.
pub const SYNCML_DM_XML: u32 = 0x43;
/// `application/vnd.syncml.notification`: Package #0 of DM 1.x, never that of DM 2.0 (`push.md` §7).
pub const SYNCML_NOTIFICATION: u32 = 0x44;

/// The types that have a code here, as texts.
pub(super) const NAMES: [(u32, &str); 5] = [
    (CONNECTIVITY_XML, "text/vnd.wap.connectivity-xml"),
    (CONNECTIVITY_WBXML, "application/vnd.wap.connectivity-wbxml"),
    (SYNCML_DM_WBXML, "application/vnd.syncml.dm+wbxml"),
    (SYNCML_DM_XML, "application/vnd.syncml.dm+xml"),
    (SYNCML_NOTIFICATION, "application/vnd.syncml.notification"),
];
