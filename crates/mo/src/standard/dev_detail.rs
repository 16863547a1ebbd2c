//! Device Detail of DM 1.x (`dm1x.md` §4.6), made from the facts of DM 2.0's Device Info.

use super::DevInfo;
use super::view::{Reader, ViewError, ViewFault, put, put_texts};
use crate::{Node, UriLimits, Value};

built_in!(
    "urn:oma:mo:oma-dm-devdetail:1.0",
    "DevDetail",
    "dm_devdetail-v1_0.ddf"
);

/// Interior node: the limits of URIs.
pub const URI: &str = "URI";
/// Leaf below [`URI`]: most segments.
pub const MAX_DEPTH: &str = "MaxDepth";
/// Leaf below [`URI`]: most octets.
pub const MAX_TOT_LEN: &str = "MaxTotLen";
/// Leaf below [`URI`]: most octets of a segment.
pub const MAX_SEG_LEN: &str = "MaxSegLen";
/// Leaf: the kind of device.
pub const DEV_TYP: &str = "DevTyp";
/// Leaf: the original equipment manufacturer.
pub const OEM: &str = "OEM";
/// Leaf: the firmware version.
pub const FW_V: &str = "FwV";
/// Leaf: the software version.
pub const SW_V: &str = "SwV";
/// Leaf: the hardware version.
pub const HW_V: &str = "HwV";
/// Leaf: whether large objects are taken.
pub const LRG_OBJ: &str = "LrgObj";

/// The required leaves of Device Detail.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DevDetail {
    /// `URI/MaxDepth`, `URI/MaxTotLen`, `URI/MaxSegLen`.
    pub uri: UriLimits,
    /// `DevTyp`, for example `smartphone`.
    pub dev_typ: String,
    /// `OEM`, may be empty.
    pub oem: String,
    /// `FwV`
    pub fw_v: String,
    /// `SwV`
    pub sw_v: String,
    /// `HwV`, may be empty.
    pub hw_v: String,
    /// `LrgObj`
    pub lrg_obj: bool,
}

impl DevDetail {
    /// What a DM 1.x server is told of a device of ours: [`UriLimits::OURS`], large objects.
    #[must_use]
    pub fn of(device: &DevInfo) -> Self {
        Self {
            uri: UriLimits::OURS,
            dev_typ: device.dev_type.clone(),
            oem: device.oem.clone(),
            fw_v: device.fw_v.clone(),
            sw_v: device.sw_v.clone(),
            hw_v: device.hw_v.clone(),
            lrg_obj: true,
        }
    }

    /// Reads an instance.
    ///
    /// # Errors
    /// [`ViewError`] with the first node that is missing or wrong.
    pub fn from_node(root: &Node) -> Result<Self, ViewError> {
        let leaves = Reader::root(root)?;
        let [dev_typ, oem, fw_v, sw_v, hw_v] = leaves.texts([DEV_TYP, OEM, FW_V, SW_V, HW_V])?;
        let uri = leaves.interior(URI)?;
        let uri = uri.ok_or_else(|| leaves.fault(URI, ViewFault::Missing))?;
        let number = |name| {
            let number = uri.text(name)?.parse();
            number.map_err(|_| uri.fault(name, ViewFault::NotANumber))
        };
        Ok(Self {
            uri: UriLimits {
                max_depth: number(MAX_DEPTH)?,
                max_tot_len: number(MAX_TOT_LEN)?,
                max_seg_len: number(MAX_SEG_LEN)?,
            },
            dev_typ,
            oem,
            fw_v,
            sw_v,
            hw_v,
            lrg_obj: leaves.bool(LRG_OBJ)?,
        })
    }

    /// The instance.
    #[must_use]
    pub fn to_node(&self) -> Node {
        let mut root = Node::empty();
        for (name, number) in [
            (MAX_DEPTH, self.uri.max_depth),
            (MAX_TOT_LEN, self.uri.max_tot_len),
            (MAX_SEG_LEN, self.uri.max_seg_len),
        ] {
            put(&mut root, &[URI, name], Value::chr(number.to_string()));
        }
        let leaves = [
            (DEV_TYP, &*self.dev_typ),
            (OEM, &self.oem),
            (FW_V, &self.fw_v),
            (SW_V, &self.sw_v),
            (HW_V, &self.hw_v),
        ];
        put_texts(&mut root, &leaves);
        put(&mut root, &[LRG_OBJ], Value::Bool(self.lrg_obj));
        root
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{DevDetail, ddf};
    use crate::standard::dev_info::tests::dev_info;
    use crate::standard::{DevInfo1, ViewFault, dev_info1};
    use crate::{NodePath, UriLimits, Value};

    proptest! {
        #[test]
        fn what_is_written_fits_the_ddf_and_is_read_again(text in ".{0,40}", depth: u16) {
            let uri = UriLimits { max_depth: depth, ..UriLimits::OURS };
            let detail = DevDetail { uri, ..DevDetail::of(&dev_info(&text)) };
            let node = detail.to_node();
            prop_assert_eq!(ddf().validate(&node), Ok(()));
            prop_assert_eq!(DevDetail::from_node(&node), Ok(detail));
            let info = DevInfo1::of(&dev_info(&text));
            let node = info.to_node();
            prop_assert_eq!(dev_info1::ddf().validate(&node), Ok(()));
            prop_assert_eq!(DevInfo1::from_node(&node), Ok(info));
        }
    }

    #[test]
    fn a_limit_that_is_no_number_is_named() {
        let mut node = DevDetail::of(&dev_info("x")).to_node();
        let depth = NodePath::of("URI/MaxDepth").unwrap();
        node.put(&depth, Value::chr("65536").into());
        assert_eq!(
            DevDetail::from_node(&node),
            Err(ViewFault::NotANumber.at(depth))
        );
    }
}
