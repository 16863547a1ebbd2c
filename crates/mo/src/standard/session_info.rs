//! Session Info (`dm20.md` §12.3, D46): what the device knows about the connection it is on.

use super::view::put;
use crate::{Node, Value};

built_in!(
    "urn:oma:mo:oma-sessioninfomo:1.0",
    "SessionInfo",
    "dm_sessioninfo-v1_0.ddf"
);

/// Leaf: current bearer type; 0 unknown, 1 cellular, 2 WLAN, 3 wireline.
pub const CBT: &str = "CBT";
/// Leaf: 0 unknown, 1 roaming, 2 home.
pub const ROAMING: &str = "ROAMING";

/// What the device is connected by, now. Unknown where nobody said.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SessionInfo {
    /// `CBT`
    pub bearer: Bearer,
    /// `ROAMING`
    pub roaming: Roaming,
}

/// Current bearer type, with the numbers of PREFERRED-CON-TYPE (D46).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Bearer {
    /// 0
    #[default]
    Unknown,
    /// 1
    Cellular,
    /// 2
    Wlan,
    /// 3
    Wireline,
}

/// Whether the device is in a network that is not its own (D46).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Roaming {
    /// 0
    #[default]
    Unknown,
    /// 1
    Roaming,
    /// 2
    Home,
}

impl SessionInfo {
    /// The instance.
    #[must_use]
    pub fn to_node(self) -> Node {
        let bearer = match self.bearer {
            Bearer::Unknown => 0,
            Bearer::Cellular => 1,
            Bearer::Wlan => 2,
            Bearer::Wireline => 3,
        };
        let roaming = match self.roaming {
            Roaming::Unknown => 0,
            Roaming::Roaming => 1,
            Roaming::Home => 2,
        };
        let mut root = Node::empty();
        put(&mut root, &[CBT], Value::Int(bearer));
        put(&mut root, &[ROAMING], Value::Int(roaming));
        root
    }
}

#[cfg(test)]
mod tests {
    use super::{Bearer, Roaming, SessionInfo, ddf};
    use crate::Value;

    #[test]
    fn x_mo_001_session_info_has_the_numbers_of_d46_and_fits_its_ddf() {
        for (bearer, roaming, cbt, number) in [
            (Bearer::Unknown, Roaming::Unknown, 0, 0),
            (Bearer::Cellular, Roaming::Roaming, 1, 1),
            (Bearer::Wlan, Roaming::Home, 2, 2),
            (Bearer::Wireline, Roaming::Home, 3, 2),
        ] {
            let node = SessionInfo { bearer, roaming }.to_node();
            ddf().validate(&node).unwrap();
            let leaf = |name| node.find(&[name]).unwrap().value().cloned();
            assert_eq!(leaf("CBT"), Some(Value::Int(cbt)));
            assert_eq!(leaf("ROAMING"), Some(Value::Int(number)));
        }
    }
}
