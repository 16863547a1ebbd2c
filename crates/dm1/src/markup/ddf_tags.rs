//! Code page 2: TNDS and DDF (`dm1x.md` §2.4). Lower-case names are the formats of a node.

use super::Tag;
use super::name_table::NameTable;

const PAGE: u8 = 2;

/// `AccessType`
pub const ACCESS_TYPE: Tag = Tag::syncml(PAGE, 0x05);
/// `ACL`
pub const ACL: Tag = Tag::syncml(PAGE, 0x06);
/// `Add`
pub const ADD: Tag = Tag::syncml(PAGE, 0x07);
/// `b64`
pub const B64: Tag = Tag::syncml(PAGE, 0x08);
/// `bin`
pub const BIN: Tag = Tag::syncml(PAGE, 0x09);
/// `bool`
pub const BOOL: Tag = Tag::syncml(PAGE, 0x0a);
/// `chr`
pub const CHR: Tag = Tag::syncml(PAGE, 0x0b);
/// `CaseSense`
pub const CASE_SENSE: Tag = Tag::syncml(PAGE, 0x0c);
/// `CIS`
pub const CIS: Tag = Tag::syncml(PAGE, 0x0d);
/// `Copy`
pub const COPY: Tag = Tag::syncml(PAGE, 0x0e);
/// `CS`
pub const CS: Tag = Tag::syncml(PAGE, 0x0f);
/// `date`
pub const DATE: Tag = Tag::syncml(PAGE, 0x10);
/// `DDFName`
pub const DDF_NAME: Tag = Tag::syncml(PAGE, 0x11);
/// `DefaultValue`
pub const DEFAULT_VALUE: Tag = Tag::syncml(PAGE, 0x12);
/// `Delete`
pub const DELETE: Tag = Tag::syncml(PAGE, 0x13);
/// `Description`
pub const DESCRIPTION: Tag = Tag::syncml(PAGE, 0x14);
/// `DFFormat`
pub const DF_FORMAT: Tag = Tag::syncml(PAGE, 0x15);
/// `DFProperties`
pub const DF_PROPERTIES: Tag = Tag::syncml(PAGE, 0x16);
/// `DFTitle`
pub const DF_TITLE: Tag = Tag::syncml(PAGE, 0x17);
/// `DFType`
pub const DF_TYPE: Tag = Tag::syncml(PAGE, 0x18);
/// `Dynamic`
pub const DYNAMIC: Tag = Tag::syncml(PAGE, 0x19);
/// `Exec`
pub const EXEC: Tag = Tag::syncml(PAGE, 0x1a);
/// `float`
pub const FLOAT: Tag = Tag::syncml(PAGE, 0x1b);
/// `Format`
pub const FORMAT: Tag = Tag::syncml(PAGE, 0x1c);
/// `Get`
pub const GET: Tag = Tag::syncml(PAGE, 0x1d);
/// `int`
pub const INT: Tag = Tag::syncml(PAGE, 0x1e);
/// `Man`
pub const MAN: Tag = Tag::syncml(PAGE, 0x1f);
/// `MgmtTree`
pub const MGMT_TREE: Tag = Tag::syncml(PAGE, 0x20);
/// `MIME`
pub const MIME: Tag = Tag::syncml(PAGE, 0x21);
/// `Mod`
pub const MOD: Tag = Tag::syncml(PAGE, 0x22);
/// `Name`
pub const NAME: Tag = Tag::syncml(PAGE, 0x23);
/// `Node`
pub const NODE: Tag = Tag::syncml(PAGE, 0x24);
/// `node`
pub const FORMAT_NODE: Tag = Tag::syncml(PAGE, 0x25);
/// `NodeName`
pub const NODE_NAME: Tag = Tag::syncml(PAGE, 0x26);
/// `null`
pub const NULL: Tag = Tag::syncml(PAGE, 0x27);
/// `Occurrence`
pub const OCCURRENCE: Tag = Tag::syncml(PAGE, 0x28);
/// `One`
pub const ONE: Tag = Tag::syncml(PAGE, 0x29);
/// `OneOrMore`
pub const ONE_OR_MORE: Tag = Tag::syncml(PAGE, 0x2a);
/// `OneOrN`
pub const ONE_OR_N: Tag = Tag::syncml(PAGE, 0x2b);
/// `Path`
pub const PATH: Tag = Tag::syncml(PAGE, 0x2c);
/// `Permanent`
pub const PERMANENT: Tag = Tag::syncml(PAGE, 0x2d);
/// `Replace`
pub const REPLACE: Tag = Tag::syncml(PAGE, 0x2e);
/// `RTProperties`
pub const RT_PROPERTIES: Tag = Tag::syncml(PAGE, 0x2f);
/// `Scope`
pub const SCOPE: Tag = Tag::syncml(PAGE, 0x30);
/// `Size`
pub const SIZE: Tag = Tag::syncml(PAGE, 0x31);
/// `time`
pub const TIME: Tag = Tag::syncml(PAGE, 0x32);
/// `Title`
pub const TITLE: Tag = Tag::syncml(PAGE, 0x33);
/// `TStamp`
pub const T_STAMP: Tag = Tag::syncml(PAGE, 0x34);
/// `Type`
pub const TYPE: Tag = Tag::syncml(PAGE, 0x35);
/// `Value`
pub const VALUE: Tag = Tag::syncml(PAGE, 0x36);
/// `VerDTD`
pub const VER_DTD: Tag = Tag::syncml(PAGE, 0x37);
/// `VerNo`
pub const VER_NO: Tag = Tag::syncml(PAGE, 0x38);
/// `xml`
pub const XML: Tag = Tag::syncml(PAGE, 0x39);
/// `ZeroOrMore`
pub const ZERO_OR_MORE: Tag = Tag::syncml(PAGE, 0x3a);
/// `ZeroOrN`
pub const ZERO_OR_N: Tag = Tag::syncml(PAGE, 0x3b);
/// `ZeroOrOne`
pub const ZERO_OR_ONE: Tag = Tag::syncml(PAGE, 0x3c);

pub(super) const NAMES: NameTable = NameTable::new(&[
    (0x05, "AccessType"),
    (0x06, "ACL"),
    (0x07, "Add"),
    (0x08, "b64"),
    (0x09, "bin"),
    (0x0a, "bool"),
    (0x0b, "chr"),
    (0x0c, "CaseSense"),
    (0x0d, "CIS"),
    (0x0e, "Copy"),
    (0x0f, "CS"),
    (0x10, "date"),
    (0x11, "DDFName"),
    (0x12, "DefaultValue"),
    (0x13, "Delete"),
    (0x14, "Description"),
    (0x15, "DFFormat"),
    (0x16, "DFProperties"),
    (0x17, "DFTitle"),
    (0x18, "DFType"),
    (0x19, "Dynamic"),
    (0x1a, "Exec"),
    (0x1b, "float"),
    (0x1c, "Format"),
    (0x1d, "Get"),
    (0x1e, "int"),
    (0x1f, "Man"),
    (0x20, "MgmtTree"),
    (0x21, "MIME"),
    (0x22, "Mod"),
    (0x23, "Name"),
    (0x24, "Node"),
    (0x25, "node"),
    (0x26, "NodeName"),
    (0x27, "null"),
    (0x28, "Occurrence"),
    (0x29, "One"),
    (0x2a, "OneOrMore"),
    (0x2b, "OneOrN"),
    (0x2c, "Path"),
    (0x2d, "Permanent"),
    (0x2e, "Replace"),
    (0x2f, "RTProperties"),
    (0x30, "Scope"),
    (0x31, "Size"),
    (0x32, "time"),
    (0x33, "Title"),
    (0x34, "TStamp"),
    (0x35, "Type"),
    (0x36, "Value"),
    (0x37, "VerDTD"),
    (0x38, "VerNo"),
    (0x39, "xml"),
    (0x3a, "ZeroOrMore"),
    (0x3b, "ZeroOrN"),
    (0x3c, "ZeroOrOne"),
]);
