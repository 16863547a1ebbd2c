use std::collections::BTreeMap;

use omadm_mo::NodeName;
use omadm_mo::standard::{MoRegistry, dac, session_info};

use super::{NotExpressible, Target};

/// Longest LocURI that is sent, in octets. Local limit; a device may have a smaller one (`./DevDetail/URI/MaxTotLen`).
const MAX_LOC_URI: usize = 2048;
/// Where a DM 1.x device keeps its management objects (`dm1x.md` §4.6, §4.7). The MOID of any minor version leads to the same root.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DeviceLayout(BTreeMap<String, Root>);

/// The root of an MO type on a device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Root {
    /// The LocURI of its only instance, whatever name that is called by.
    Single(String),
    /// The LocURI of the node whose children are the instances.
    Instances(String),
}

impl Default for DeviceLayout {
    /// What every DM 1.2 device has: DevInfo, DevDetail and DMAcc.
    fn default() -> Self {
        let layout = Self(BTreeMap::new());
        let single = |uri: &str| Root::Single(uri.to_owned());
        layout
            .with("urn:oma:mo:oma-dm-devinfo:1.0", single("./DevInfo"))
            .with("urn:oma:mo:oma-dm-devdetail:1.0", single("./DevDetail"))
            .with(
                "urn:oma:mo:oma-dm-dmacc:1.0",
                Root::Instances("./DMAcc".to_owned()),
            )
    }
}

impl DeviceLayout {
    /// The default, and every described MO under the name of its root.
    #[must_use]
    pub fn of(registry: &MoRegistry) -> Self {
        let mut layout = Self::default();
        let of_dm2 = [dac::moid(), session_info::moid()];
        for (moid, _) in registry.iter() {
            let root = registry
                .root_name(moid)
                .map(|name| format!("./{}", segment(name)));
            let Some(root) = root.filter(|_| !of_dm2.contains(moid)) else {
                continue;
            };
            let key = line(moid.as_str()).to_owned();
            layout.0.entry(key).or_insert(Root::Instances(root));
        }
        layout
    }

    /// The same with this root: a device's model may keep its accounts elsewhere.
    #[must_use]
    pub fn with(mut self, moid: &str, root: Root) -> Self {
        self.0.insert(line(moid).to_owned(), root);
        self
    }

    /// The LocURI of a node.
    ///
    /// # Errors
    /// [`NotExpressible`] where the device's root is unknown, or the instance is not named and may be one of several.
    pub fn loc_uri(&self, target: &Target) -> Result<String, NotExpressible> {
        let moid = &target.moid;
        let mut uri = match self.0.get(line(moid.as_str())) {
            None => return Err(NotExpressible::NoRoot(moid.clone())),
            Some(Root::Single(uri)) => uri.clone(),
            Some(Root::Instances(uri)) => {
                let instance = target.instance.as_ref();
                let instance = instance.ok_or_else(|| NotExpressible::NoInstance(moid.clone()))?;
                format!("{uri}/{}", segment(instance.as_str()))
            }
        };
        for name in target.path.names() {
            uri.push('/');
            uri.push_str(&segment(NodeName::as_str(name)));
        }
        if uri.len() > MAX_LOC_URI {
            return Err(NotExpressible::TooLong);
        }
        Ok(uri)
    }
}

/// A MOID without the minor of its version.
fn line(moid: &str) -> &str {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    match moid.rsplit_once('.') {
        Some((line, minor)) if is_number(minor) => line,
        _ => moid,
    }
}

/// A name as a segment of a LocURI: what RFC 2396 does not take stands escaped (§4.1).
fn segment(name: &str) -> String {
    let mut segment = String::with_capacity(name.len());
    for octet in name.bytes() {
        if octet.is_ascii_alphanumeric() || b"-_.!~*'():@&=+$,".contains(&octet) {
            segment.push(char::from(octet));
        } else {
            segment.push_str(&format!("%{octet:02X}"));
        }
    }
    segment
}

#[cfg(test)]
mod tests {
    use omadm_mo::standard::{MoRegistry, dac};

    use super::{DeviceLayout, NotExpressible, Root, Target};

    fn loc_uri(layout: &DeviceLayout, place: &str) -> Result<String, NotExpressible> {
        layout.loc_uri(&Target::parse(place).unwrap())
    }

    #[test]
    fn every_place_has_its_loc_uri() {
        let layout = DeviceLayout::of(&MoRegistry::standard()).with(
            "urn:example:mo:gps:1.0",
            Root::Instances("./Gps".to_owned()),
        );
        for (place, expected) in [
            ("urn:oma:mo:oma-dm-devinfo:1.0//DevId", "./DevInfo/DevId"),
            ("urn:oma:mo:oma-dm-devinfo:1.2/7/Man", "./DevInfo/Man"),
            ("urn:oma:mo:oma-dm-devdetail:1.0//", "./DevDetail"),
            ("urn:oma:mo:oma-dm-dmacc:1.1/a/Name", "./DMAcc/a/Name"),
            (
                "urn:example:mo:gps:1.3/1/Data/a%2Fb%3F",
                "./Gps/1/Data/a%2Fb%3F",
            ),
        ] {
            assert_eq!(loc_uri(&layout, place).as_deref(), Ok(expected), "{place}");
        }
    }

    #[test]
    fn a_model_moves_the_accounts_elsewhere() {
        let windows = DeviceLayout::default().with(
            "urn:oma:mo:oma-dm-dmacc:1.0",
            Root::Instances("./SyncML/DMAcc".to_owned()),
        );
        let place = "urn:oma:mo:oma-dm-dmacc:1.0/x/AppID";
        assert_eq!(
            loc_uri(&windows, place).as_deref(),
            Ok("./SyncML/DMAcc/x/AppID")
        );
    }

    #[test]
    fn what_a_device_is_not_known_to_have_is_refused_with_its_cause() {
        let layout = DeviceLayout::of(&MoRegistry::standard());
        let unknown = loc_uri(&layout, "urn:example:mo:gps:2.0/1/");
        assert!(matches!(unknown, Err(NotExpressible::NoRoot(_))));
        let of_dm2 = loc_uri(&layout, &format!("{}//", dac::moid()));
        assert!(matches!(of_dm2, Err(NotExpressible::NoRoot(_))));
        let any = loc_uri(&layout, "urn:oma:mo:oma-dm-dmacc:1.0//Name");
        assert!(matches!(any, Err(NotExpressible::NoInstance(_))));
        let long = format!("urn:oma:mo:oma-dm-devinfo:1.0//{}", "abcdefg/".repeat(300));
        assert_eq!(
            loc_uri(&layout, long.trim_end_matches('/')),
            Err(NotExpressible::TooLong)
        );
    }
}
