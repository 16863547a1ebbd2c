//! The names of the nodes of a DM Account of DM 1.x, so that nobody else spells them. `Ext/Bootstrap` has those of [`crate::standard::dm_acc::names`].

/// `AppID`
pub const APP_ID: &str = "AppID";
/// `ServerID`
pub const SERVER_ID: &str = "ServerID";
/// `Name`
pub const NAME: &str = "Name";
/// `PrefConRef`
pub const PREF_CON_REF: &str = "PrefConRef";
/// `ToConRef`
pub const TO_CON_REF: &str = "ToConRef";
/// `ConRef` below `ToConRef/<X>`
pub const CON_REF: &str = "ConRef";
/// `AppAddr`
pub const APP_ADDR: &str = "AppAddr";
/// `Addr` below `AppAddr/<X>`
pub const ADDR: &str = "Addr";
/// `AddrType` below `AppAddr/<X>`
pub const ADDR_TYPE: &str = "AddrType";
/// `Port` below `AppAddr/<X>`
pub const PORT: &str = "Port";
/// `PortNbr` below `AppAddr/<X>/Port/<X>`
pub const PORT_NBR: &str = "PortNbr";
/// `AAuthPref`
pub const AAUTH_PREF: &str = "AAuthPref";
/// `AppAuth`
pub const APP_AUTH: &str = "AppAuth";
/// `AAuthLevel` below `AppAuth/<X>`
pub const AAUTH_LEVEL: &str = "AAuthLevel";
/// `AAuthType` below `AppAuth/<X>`
pub const AAUTH_TYPE: &str = "AAuthType";
/// `AAuthName` below `AppAuth/<X>`
pub const AAUTH_NAME: &str = "AAuthName";
/// `AAuthSecret` below `AppAuth/<X>`
pub const AAUTH_SECRET: &str = "AAuthSecret";
/// `AAuthData` below `AppAuth/<X>`: the nonce.
pub const AAUTH_DATA: &str = "AAuthData";
/// `Ext`
pub const EXT: &str = "Ext";
/// `Sec` below `Ext/Bootstrap`
pub const SEC: &str = "Sec";
