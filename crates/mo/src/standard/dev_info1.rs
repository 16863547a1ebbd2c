//! Device Info of DM 1.x (`dm1x.md` §4.6), made from the same facts as that of DM 2.0.

use super::DevInfo;
use super::view::{Reader, ViewError, put_texts};
use crate::{DevId, Node};

built_in!(
    "urn:oma:mo:oma-dm-devinfo:1.0",
    "DevInfo",
    "dm_devinfo-v1_0.ddf"
);

/// Leaf: the device identifier.
pub const DEV_ID: &str = "DevId";
/// Leaf: the manufacturer.
pub const MAN: &str = "Man";
/// Leaf: the model.
pub const MOD: &str = "Mod";
/// Leaf: the version of the DM client.
pub const DM_V: &str = "DmV";
/// Leaf: the language.
pub const LANG: &str = "Lang";

/// The required leaves of Device Info. `Bearer` and `Ext` are read from the tree where somebody needs them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DevInfo1 {
    /// `DevId`, for example `IMEI:493005100592800`.
    pub dev_id: DevId,
    /// `Man`
    pub man: String,
    /// `Mod`
    pub mod_: String,
    /// `DmV`; `1.2` for this protocol.
    pub dm_v: String,
    /// `Lang`, for example `en`.
    pub lang: String,
}

impl DevInfo1 {
    /// What a DM 1.x server is told of a device.
    #[must_use]
    pub fn of(device: &DevInfo) -> Self {
        Self {
            dev_id: device.dev_id.clone(),
            man: device.man.clone(),
            mod_: device.mod_.clone(),
            dm_v: "1.2".into(),
            lang: device.lang.clone(),
        }
    }

    /// Reads an instance.
    ///
    /// # Errors
    /// [`ViewError`] with the first node that is missing or wrong.
    pub fn from_node(root: &Node) -> Result<Self, ViewError> {
        let leaves = Reader::root(root)?;
        let [man, mod_, dm_v, lang] = leaves.texts([MAN, MOD, DM_V, LANG])?;
        Ok(Self {
            dev_id: leaves.dev_id(DEV_ID)?,
            man,
            mod_,
            dm_v,
            lang,
        })
    }

    /// The instance.
    #[must_use]
    pub fn to_node(&self) -> Node {
        let mut root = Node::empty();
        let leaves = [
            (DEV_ID, self.dev_id.as_str()),
            (MAN, &*self.man),
            (MOD, &self.mod_),
            (DM_V, &self.dm_v),
            (LANG, &self.lang),
        ];
        put_texts(&mut root, &leaves);
        root
    }
}
