//! Device Info (`dm20.md` §12.1).

use super::view::{Reader, ViewError, put_texts};
use crate::{DevId, Node};

built_in!(
    "urn:oma:mo:oma-dm-devinfo:1.2",
    "DevInfo",
    "dm_devinfo-v1_2.ddf"
);

/// Leaf: the DevID.
pub const DEV_ID: &str = "DevID";
/// Leaf: the manufacturer.
pub const MAN: &str = "Man";
/// Leaf: the model.
pub const MOD: &str = "Mod";
/// Leaf: the version of the DM protocol.
pub const DM_V: &str = "DmV";
/// Leaf: the language.
pub const LANG: &str = "Lang";
/// Leaf: the kind of device.
pub const DEV_TYPE: &str = "DevType";
/// Leaf: the original equipment manufacturer.
pub const OEM: &str = "OEM";
/// Leaf: the firmware version.
pub const FW_V: &str = "FwV";
/// Leaf: the software version.
pub const SW_V: &str = "SwV";
/// Leaf: the hardware version.
pub const HW_V: &str = "HwV";

/// The required leaves of Device Info. `Bearer` and `Ext` are read from the tree where somebody needs them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DevInfo {
    /// `DevID`
    pub dev_id: DevId,
    /// `Man`
    pub man: String,
    /// `Mod`
    pub mod_: String,
    /// `DmV`; `2.0` for this protocol.
    pub dm_v: String,
    /// `Lang`, for example `en`.
    pub lang: String,
    /// `DevType`, for example `smartphone`.
    pub dev_type: String,
    /// `OEM`, may be empty.
    pub oem: String,
    /// `FwV`
    pub fw_v: String,
    /// `SwV`
    pub sw_v: String,
    /// `HwV`, may be empty.
    pub hw_v: String,
}

impl DevInfo {
    /// Reads an instance.
    ///
    /// # Errors
    /// [`ViewError`] with the first node that is missing or wrong.
    pub fn from_node(root: &Node) -> Result<Self, ViewError> {
        let leaves = Reader::root(root)?;
        let [man, mod_, dm_v, lang] = leaves.texts([MAN, MOD, DM_V, LANG])?;
        let [dev_type, oem, fw_v, sw_v, hw_v] = leaves.texts([DEV_TYPE, OEM, FW_V, SW_V, HW_V])?;
        Ok(Self {
            dev_id: leaves.dev_id(DEV_ID)?,
            man,
            mod_,
            dm_v,
            lang,
            dev_type,
            oem,
            fw_v,
            sw_v,
            hw_v,
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
            (DEV_TYPE, &self.dev_type),
            (OEM, &self.oem),
            (FW_V, &self.fw_v),
            (SW_V, &self.sw_v),
            (HW_V, &self.hw_v),
        ];
        put_texts(&mut root, &leaves);
        root
    }
}

#[cfg(test)]
pub(super) mod tests {
    use proptest::prelude::*;

    use super::{DevInfo, ddf};
    use crate::standard::ViewFault;
    use crate::{DevId, Format, Node, NodePath, Value};

    /// Of which every text is this one.
    pub(in crate::standard) fn dev_info(text: &str) -> DevInfo {
        let text = || text.to_owned();
        DevInfo {
            dev_id: DevId::parse("IMEI:493005100592800").unwrap(),
            man: text(),
            mod_: text(),
            dm_v: "2.0".into(),
            lang: text(),
            dev_type: text(),
            oem: text(),
            fw_v: text(),
            sw_v: text(),
            hw_v: text(),
        }
    }

    proptest! {
        #[test]
        fn what_is_written_fits_the_ddf_and_is_read_again(text in ".{0,40}") {
            let view = dev_info(&text);
            let node = view.to_node();
            prop_assert_eq!(ddf().validate(&node), Ok(()));
            prop_assert_eq!(DevInfo::from_node(&node), Ok(view));
        }
    }

    #[test]
    fn every_leaf_is_required_and_a_wrong_one_is_named() {
        let whole = dev_info("x").to_node();
        for (path, _) in whole.leaves() {
            let mut node = whole.clone();
            node.remove(&path);
            assert_eq!(
                DevInfo::from_node(&node),
                Err(ViewFault::Missing.at(path.clone()))
            );
            node.put(&path, Value::Int(1).into());
            assert_eq!(
                DevInfo::from_node(&node),
                Err(ViewFault::Format(Format::Chr).at(path.clone()))
            );
            node.put(&path, Node::empty());
            assert_eq!(DevInfo::from_node(&node), Err(ViewFault::NotALeaf.at(path)));
        }
        let mut node = whole;
        let dev_id = NodePath::of("DevID").unwrap();
        node.put(&dev_id, Value::chr("a b").into());
        let error = DevInfo::from_node(&node).unwrap_err();
        assert_eq!(error.path, dev_id);
        assert!(matches!(error.fault, ViewFault::DevId(_)), "{error}");
        let leaf = DevInfo::from_node(&Value::Null.into());
        assert_eq!(leaf, Err(ViewFault::NotInterior.at(NodePath::root())));
    }
}
