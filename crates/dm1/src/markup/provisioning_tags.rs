//! The elements of a provisioning document (`dm1x.md` §2.7). Both tag pages hold the same; page 0 is written.

use super::Tag;
use super::name_table::NameTable;

/// `wap-provisioningdoc`
pub const WAP_PROVISIONINGDOC: Tag = Tag::provisioning(0, 0x05);
/// `characteristic`
pub const CHARACTERISTIC: Tag = Tag::provisioning(0, 0x06);
/// `parm`
pub const PARM: Tag = Tag::provisioning(0, 0x07);

pub(super) const NAMES: NameTable = NameTable::new(&[
    (0x05, "wap-provisioningdoc"),
    (0x06, "characteristic"),
    (0x07, "parm"),
]);
