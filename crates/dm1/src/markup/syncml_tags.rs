//! Code page 0: the elements of a DM message (`dm1x.md` §2.2).

use super::Tag;
use super::name_table::NameTable;

const PAGE: u8 = 0;

/// `Add`
pub const ADD: Tag = Tag::syncml(PAGE, 0x05);
/// `Alert`
pub const ALERT: Tag = Tag::syncml(PAGE, 0x06);
/// `Archive`
pub const ARCHIVE: Tag = Tag::syncml(PAGE, 0x07);
/// `Atomic`
pub const ATOMIC: Tag = Tag::syncml(PAGE, 0x08);
/// `Chal`
pub const CHAL: Tag = Tag::syncml(PAGE, 0x09);
/// `Cmd`
pub const CMD: Tag = Tag::syncml(PAGE, 0x0a);
/// `CmdID`
pub const CMD_ID: Tag = Tag::syncml(PAGE, 0x0b);
/// `CmdRef`
pub const CMD_REF: Tag = Tag::syncml(PAGE, 0x0c);
/// `Copy`
pub const COPY: Tag = Tag::syncml(PAGE, 0x0d);
/// `Cred`
pub const CRED: Tag = Tag::syncml(PAGE, 0x0e);
/// `Data`
pub const DATA: Tag = Tag::syncml(PAGE, 0x0f);
/// `Delete`
pub const DELETE: Tag = Tag::syncml(PAGE, 0x10);
/// `Exec`
pub const EXEC: Tag = Tag::syncml(PAGE, 0x11);
/// `Final`
pub const FINAL: Tag = Tag::syncml(PAGE, 0x12);
/// `Get`
pub const GET: Tag = Tag::syncml(PAGE, 0x13);
/// `Item`
pub const ITEM: Tag = Tag::syncml(PAGE, 0x14);
/// `Lang`
pub const LANG: Tag = Tag::syncml(PAGE, 0x15);
/// `LocName`
pub const LOC_NAME: Tag = Tag::syncml(PAGE, 0x16);
/// `LocURI`
pub const LOC_URI: Tag = Tag::syncml(PAGE, 0x17);
/// `Map`
pub const MAP: Tag = Tag::syncml(PAGE, 0x18);
/// `MapItem`
pub const MAP_ITEM: Tag = Tag::syncml(PAGE, 0x19);
/// `Meta`
pub const META: Tag = Tag::syncml(PAGE, 0x1a);
/// `MsgID`
pub const MSG_ID: Tag = Tag::syncml(PAGE, 0x1b);
/// `MsgRef`
pub const MSG_REF: Tag = Tag::syncml(PAGE, 0x1c);
/// `NoResp`
pub const NO_RESP: Tag = Tag::syncml(PAGE, 0x1d);
/// `NoResults`
pub const NO_RESULTS: Tag = Tag::syncml(PAGE, 0x1e);
/// `Put`
pub const PUT: Tag = Tag::syncml(PAGE, 0x1f);
/// `Replace`
pub const REPLACE: Tag = Tag::syncml(PAGE, 0x20);
/// `RespURI`
pub const RESP_URI: Tag = Tag::syncml(PAGE, 0x21);
/// `Results`
pub const RESULTS: Tag = Tag::syncml(PAGE, 0x22);
/// `Search`
pub const SEARCH: Tag = Tag::syncml(PAGE, 0x23);
/// `Sequence`
pub const SEQUENCE: Tag = Tag::syncml(PAGE, 0x24);
/// `SessionID`
pub const SESSION_ID: Tag = Tag::syncml(PAGE, 0x25);
/// `SftDel`
pub const SFT_DEL: Tag = Tag::syncml(PAGE, 0x26);
/// `Source`
pub const SOURCE: Tag = Tag::syncml(PAGE, 0x27);
/// `SourceRef`
pub const SOURCE_REF: Tag = Tag::syncml(PAGE, 0x28);
/// `Status`
pub const STATUS: Tag = Tag::syncml(PAGE, 0x29);
/// `Sync`
pub const SYNC: Tag = Tag::syncml(PAGE, 0x2a);
/// `SyncBody`
pub const SYNC_BODY: Tag = Tag::syncml(PAGE, 0x2b);
/// `SyncHdr`
pub const SYNC_HDR: Tag = Tag::syncml(PAGE, 0x2c);
/// `SyncML`
pub const SYNC_ML: Tag = Tag::syncml(PAGE, 0x2d);
/// `Target`
pub const TARGET: Tag = Tag::syncml(PAGE, 0x2e);
/// `TargetRef`
pub const TARGET_REF: Tag = Tag::syncml(PAGE, 0x2f);
/// `VerDTD`
pub const VER_DTD: Tag = Tag::syncml(PAGE, 0x31);
/// `VerProto`
pub const VER_PROTO: Tag = Tag::syncml(PAGE, 0x32);
/// `NumberOfChanges`
pub const NUMBER_OF_CHANGES: Tag = Tag::syncml(PAGE, 0x33);
/// `MoreData`
pub const MORE_DATA: Tag = Tag::syncml(PAGE, 0x34);
/// `Field`
pub const FIELD: Tag = Tag::syncml(PAGE, 0x35);
/// `Filter`
pub const FILTER: Tag = Tag::syncml(PAGE, 0x36);
/// `Record`
pub const RECORD: Tag = Tag::syncml(PAGE, 0x37);
/// `FilterType`
pub const FILTER_TYPE: Tag = Tag::syncml(PAGE, 0x38);
/// `SourceParent`
pub const SOURCE_PARENT: Tag = Tag::syncml(PAGE, 0x39);
/// `TargetParent`
pub const TARGET_PARENT: Tag = Tag::syncml(PAGE, 0x3a);
/// `Move`
pub const MOVE: Tag = Tag::syncml(PAGE, 0x3b);
/// `Correlator`
pub const CORRELATOR: Tag = Tag::syncml(PAGE, 0x3c);

pub(super) const NAMES: NameTable = NameTable::new(&[
    (0x05, "Add"),
    (0x06, "Alert"),
    (0x07, "Archive"),
    (0x08, "Atomic"),
    (0x09, "Chal"),
    (0x0a, "Cmd"),
    (0x0b, "CmdID"),
    (0x0c, "CmdRef"),
    (0x0d, "Copy"),
    (0x0e, "Cred"),
    (0x0f, "Data"),
    (0x10, "Delete"),
    (0x11, "Exec"),
    (0x12, "Final"),
    (0x13, "Get"),
    (0x14, "Item"),
    (0x15, "Lang"),
    (0x16, "LocName"),
    (0x17, "LocURI"),
    (0x18, "Map"),
    (0x19, "MapItem"),
    (0x1a, "Meta"),
    (0x1b, "MsgID"),
    (0x1c, "MsgRef"),
    (0x1d, "NoResp"),
    (0x1e, "NoResults"),
    (0x1f, "Put"),
    (0x20, "Replace"),
    (0x21, "RespURI"),
    (0x22, "Results"),
    (0x23, "Search"),
    (0x24, "Sequence"),
    (0x25, "SessionID"),
    (0x26, "SftDel"),
    (0x27, "Source"),
    (0x28, "SourceRef"),
    (0x29, "Status"),
    (0x2a, "Sync"),
    (0x2b, "SyncBody"),
    (0x2c, "SyncHdr"),
    (0x2d, "SyncML"),
    (0x2e, "Target"),
    (0x2f, "TargetRef"),
    (0x31, "VerDTD"),
    (0x32, "VerProto"),
    (0x33, "NumberOfChanges"),
    (0x34, "MoreData"),
    (0x35, "Field"),
    (0x36, "Filter"),
    (0x37, "Record"),
    (0x38, "FilterType"),
    (0x39, "SourceParent"),
    (0x3a, "TargetParent"),
    (0x3b, "Move"),
    (0x3c, "Correlator"),
]);
