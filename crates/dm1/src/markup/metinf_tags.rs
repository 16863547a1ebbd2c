//! Code page 1: meta information (`dm1x.md` §2.3).

use super::Tag;
use super::name_table::NameTable;

const PAGE: u8 = 1;

/// `Anchor`
pub const ANCHOR: Tag = Tag::syncml(PAGE, 0x05);
/// `EMI`
pub const EMI: Tag = Tag::syncml(PAGE, 0x06);
/// `Format`
pub const FORMAT: Tag = Tag::syncml(PAGE, 0x07);
/// `FreeID`
pub const FREE_ID: Tag = Tag::syncml(PAGE, 0x08);
/// `FreeMem`
pub const FREE_MEM: Tag = Tag::syncml(PAGE, 0x09);
/// `Last`
pub const LAST: Tag = Tag::syncml(PAGE, 0x0a);
/// `Mark`
pub const MARK: Tag = Tag::syncml(PAGE, 0x0b);
/// `MaxMsgSize`
pub const MAX_MSG_SIZE: Tag = Tag::syncml(PAGE, 0x0c);
/// `Mem`
pub const MEM: Tag = Tag::syncml(PAGE, 0x0d);
/// `MetInf`
pub const MET_INF: Tag = Tag::syncml(PAGE, 0x0e);
/// `Next`
pub const NEXT: Tag = Tag::syncml(PAGE, 0x0f);
/// `NextNonce`
pub const NEXT_NONCE: Tag = Tag::syncml(PAGE, 0x10);
/// `SharedMem`
pub const SHARED_MEM: Tag = Tag::syncml(PAGE, 0x11);
/// `Size`
pub const SIZE: Tag = Tag::syncml(PAGE, 0x12);
/// `Type`
pub const TYPE: Tag = Tag::syncml(PAGE, 0x13);
/// `Version`
pub const VERSION: Tag = Tag::syncml(PAGE, 0x14);
/// `MaxObjSize`
pub const MAX_OBJ_SIZE: Tag = Tag::syncml(PAGE, 0x15);
/// `FieldLevel`
pub const FIELD_LEVEL: Tag = Tag::syncml(PAGE, 0x16);

pub(super) const NAMES: NameTable = NameTable::new(&[
    (0x05, "Anchor"),
    (0x06, "EMI"),
    (0x07, "Format"),
    (0x08, "FreeID"),
    (0x09, "FreeMem"),
    (0x0a, "Last"),
    (0x0b, "Mark"),
    (0x0c, "MaxMsgSize"),
    (0x0d, "Mem"),
    (0x0e, "MetInf"),
    (0x0f, "Next"),
    (0x10, "NextNonce"),
    (0x11, "SharedMem"),
    (0x12, "Size"),
    (0x13, "Type"),
    (0x14, "Version"),
    (0x15, "MaxObjSize"),
    (0x16, "FieldLevel"),
]);
