use std::collections::BTreeMap;

use crate::ddf::{Ddf, DdfNode};
use crate::standard::{
    Dm1Version, MoRegistry, dac, dev_detail, dev_info, dev_info1, dm_acc, dm_acc1, session_info,
};
use crate::{LocUri, Miid, Moid, NodeAddress, NodeKind, NodeName, NodePath};

/// The name below the root where DM 1.x servers put new MOs.
pub const INBOX: &str = "Inbox";

/// How a DM 1.x server sees the DM tree: LocURI to place and back.
///
/// `./DevInfo` and `./DevDetail` are single instances, `./Inbox` only takes; every other MO type has a node below the root, named as its DDF's root or, without
/// a name, as the last word of its MOID, and its instances below that by their MIIDs. DM Account, DAC, Device Info and Session Info of DM 2.0 have no place.
#[derive(Clone, Debug)]
pub struct TreeLayout {
    registry: MoRegistry,
    roots: BTreeMap<NodeName, Moid>,
    version: Dm1Version,
}

/// What a LocURI names. Whether anything stands there is the tree's to say.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Place {
    /// The root.
    Root,
    /// The node above the instances of an MO type.
    Mo(Moid),
    /// A node of an instance.
    Node(NodeAddress),
    /// `./Inbox`
    Inbox,
    /// Nothing that can ever be there (404); also below `./Inbox`, and an instance whose name is no MIID.
    Unknown,
}

impl TreeLayout {
    /// The layout of a device that knows these MO types; those of DM 1.x are added.
    #[must_use]
    pub fn of(registry: &MoRegistry) -> Self {
        let registry = registry.clone().with_dm1();
        let mut roots: BTreeMap<NodeName, Moid> = BTreeMap::new();
        let standard = [dm_acc1::moid(), dev_info1::moid(), dev_detail::moid()];
        let others = registry.iter().map(|(moid, _)| moid.clone());
        let others = others.filter(|moid| !standard.contains(moid) && !is_hidden(moid));
        for moid in standard.iter().cloned().chain(others) {
            let wanted = registry.root_name(&moid).unwrap_or_else(|| word(&moid));
            let free = |name: &NodeName| name.as_str() != INBOX && !roots.contains_key(name);
            let names = (1u32..).map(|n| match n {
                1 => NodeName::parse(wanted),
                _ => NodeName::parse(&format!("{}{n}", short(wanted))),
            });
            if let Some(name) = names.take(1 + MAX_TWINS).flatten().find(free) {
                roots.insert(name, moid);
            }
        }
        Self {
            registry,
            roots,
            version: Dm1Version::default(),
        }
    }

    /// The same of a device of this version of DM 1.x.
    #[must_use]
    pub const fn in_version(mut self, version: Dm1Version) -> Self {
        self.version = version;
        self
    }

    /// The version of DM 1.x that the device is of.
    #[must_use]
    pub const fn version(&self) -> Dm1Version {
        self.version
    }

    /// The MO types with those of DM 1.x.
    #[must_use]
    pub const fn registry(&self) -> &MoRegistry {
        &self.registry
    }

    /// The description of a type that has a place here.
    #[must_use]
    pub fn ddf(&self, moid: &Moid) -> Option<&Ddf> {
        self.registry.get(moid).filter(|_| !is_hidden(moid))
    }

    /// The description that governs a node: its own, or that of the open `Ext` it lies below.
    #[must_use]
    pub fn governing(&self, at: &NodeAddress) -> Option<&DdfNode> {
        self.ddf(&at.moid)?.governing(&at.path)
    }

    /// Whether a server may ever read a node, by the access types of its DDF: no secret, no nonce.
    #[must_use]
    pub fn is_readable(&self, at: &NodeAddress) -> bool {
        self.ddf(&at.moid)
            .is_some_and(|ddf| ddf.is_readable(&at.path))
    }

    /// The names below the root with their MO types; `./Inbox` beside.
    pub fn roots(&self) -> impl Iterator<Item = (&NodeName, &Moid)> {
        self.roots.iter()
    }

    /// What a LocURI names.
    #[must_use]
    pub fn resolve(&self, uri: &LocUri) -> Place {
        let Some((first, below)) = uri.segments().split_first() else {
            return Place::Root;
        };
        if first.as_str() == INBOX {
            return if below.is_empty() {
                Place::Inbox
            } else {
                Place::Unknown
            };
        }
        let Some(moid) = self.roots.get(first).cloned() else {
            return Place::Unknown;
        };
        if let Some(miid) = single(&moid) {
            let path: NodePath = below.iter().cloned().collect();
            return Place::Node(NodeAddress { moid, miid, path });
        }
        let Some((instance, below)) = below.split_first() else {
            return Place::Mo(moid);
        };
        let Ok(miid) = Miid::parse(instance.as_str()) else {
            return Place::Unknown;
        };
        let path: NodePath = below.iter().cloned().collect();
        Place::Node(NodeAddress { moid, miid, path })
    }

    /// Where a DM 1.x server sees a node; none where it does not.
    #[must_use]
    pub fn loc_uri(&self, at: &NodeAddress) -> Option<LocUri> {
        let root = self.mo_uri(&at.moid)?;
        let instance = match single(&at.moid) {
            Some(only) if only == at.miid => None,
            Some(_) => return None,
            None => Some(NodeName::parse(at.miid.as_str()).ok()?),
        };
        let names = root.segments().iter().cloned();
        let names = names.chain(instance).chain(at.path.names().iter().cloned());
        Some(names.collect())
    }

    /// Where a DM 1.x server sees the instances of a type; none where it does not.
    #[must_use]
    pub fn mo_uri(&self, moid: &Moid) -> Option<LocUri> {
        let (name, _) = self.roots.iter().find(|(_, of)| *of == moid)?;
        Some(LocUri::ROOT.child(name.clone()))
    }

    /// The property `Type` of a node of this kind (`dm1x.md` §4.2): of a leaf its media type, of an interior node the MO whose root it is, or nothing.
    #[must_use]
    pub fn type_of(&self, at: &NodeAddress, kind: NodeKind) -> String {
        if at.path.is_root() {
            return self.identifier(&at.moid);
        }
        let described = self.ddf(&at.moid).and_then(|ddf| ddf.node(&at.path));
        let own = match kind {
            NodeKind::Interior => described.and_then(DdfNode::df_type).unwrap_or_default(),
            NodeKind::Leaf => described.and_then(DdfNode::mime).unwrap_or("text/plain"),
        };
        own.to_owned()
    }

    /// The MO identifier that a DM 1.x server is told of a type: that of the device's version for the objects of DM 1.x (`dm1x.md` §4.7), else the MOID.
    #[must_use]
    pub fn identifier(&self, moid: &Moid) -> String {
        let standard = [dm_acc1::moid(), dev_info1::moid(), dev_detail::moid()];
        match (self.version, moid.as_str().strip_suffix(":1.0")) {
            (Dm1Version::V1_3, Some(name)) if standard.contains(moid) => format!("{name}:1.1"),
            _ => moid.as_str().to_owned(),
        }
    }

    /// The type of this device that a foreign MO identifier means: the same; of the objects of DM 1.x any minor version of major 1; the former name of the DM
    /// Account (`dm1x.md` §4.4, §4.7).
    #[must_use]
    pub fn moid_of(&self, identifier: &str) -> Option<Moid> {
        if identifier == FORMER_DM_ACC {
            return Some(dm_acc1::moid());
        }
        let moid = Moid::parse(identifier).ok()?;
        if self.roots.values().any(|known| *known == moid) {
            return Some(moid);
        }
        let (name, _) = of_major_1(&moid)?;
        let mut known = [dm_acc1::moid(), dev_info1::moid(), dev_detail::moid()].into_iter();
        known.find(|known| of_major_1(known).is_some_and(|(other, _)| other == name))
    }
}

/// What older DM 1.2 bootstraps call the DM Account.
const FORMER_DM_ACC: &str = "org.openmobilealliance/1.0/w7";

/// Types of one root name that get a number behind it. Further ones have no place.
const MAX_TWINS: usize = 64;

/// The MIID of the single instance of a type that has one.
fn single(moid: &Moid) -> Option<Miid> {
    let is_single = *moid == dev_info1::moid() || *moid == dev_detail::moid();
    is_single.then(|| Miid::counted(1))
}

/// What DM 1.x servers do not see.
fn is_hidden(moid: &Moid) -> bool {
    [
        dm_acc::moid(),
        dac::moid(),
        dev_info::moid(),
        session_info::moid(),
    ]
    .contains(moid)
}

/// The last word of a MOID that is no version.
fn word(moid: &Moid) -> &str {
    let words = moid.as_str().rsplit(':');
    let is_version = |word: &str| word.chars().all(|c| c.is_ascii_digit() || c == '.');
    let mut words = words.filter(|word| !is_version(word));
    words.next().unwrap_or("MO")
}

/// What leaves room for a number behind it.
fn short(name: &str) -> &str {
    let end = (0..=name.len().min(250)).rev();
    let end = end.into_iter().find(|end| name.is_char_boundary(*end));
    end.and_then(|end| name.get(..end)).unwrap_or_default()
}

/// Name and minor version of a MOID of major version 1.
fn of_major_1(moid: &Moid) -> Option<(&str, &str)> {
    let (name, version) = moid.as_str().rsplit_once(':')?;
    let minor = version.strip_prefix("1.")?;
    let is_number = !minor.is_empty() && minor.bytes().all(|b| b.is_ascii_digit());
    is_number.then_some((name, minor))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{Place, TreeLayout};
    use crate::ddf::Ddf;
    use crate::standard::{MoRegistry, dev_detail, dev_info1, dm_acc, dm_acc1};
    use crate::{LocUri, Miid, Moid, NodeAddress, NodeName, NodePath};

    fn moid(name: &str) -> Moid {
        Moid::parse(&format!("urn:example:mo:{name}:1.0")).unwrap()
    }

    fn layout() -> TreeLayout {
        let mut registry = MoRegistry::standard();
        for (word, name) in [("a", "GPS"), ("b", "GPS"), ("gps3", ""), ("inbox", "Inbox")] {
            let properties = "<DFProperties><AccessType><Get/></AccessType><DFFormat><node/></DFFormat></DFProperties>";
            let ddf = format!(
                "<MgmtTree><Node><NodeName>{name}</NodeName>{properties}</Node></MgmtTree>"
            );
            registry
                .insert(Ddf::read(&ddf).unwrap().with_moid(moid(word)))
                .unwrap();
        }
        TreeLayout::of(&registry)
    }

    fn resolve(text: &str) -> Place {
        layout().resolve(&LocUri::parse(text).unwrap().0)
    }

    fn node(moid: Moid, miid: &str, path: &str) -> Place {
        let root = NodeAddress::root(moid, Miid::parse(miid).unwrap());
        Place::Node(root.with_path(NodePath::of(path).unwrap()))
    }

    #[test]
    fn every_object_has_its_place_and_those_of_dm_2_0_have_none() {
        for (text, place) in [
            (".", Place::Root),
            ("./Inbox", Place::Inbox),
            ("./Inbox/1", Place::Unknown),
            ("./DevInfo", node(dev_info1::moid(), "1", "")),
            ("./DevInfo/DevId", node(dev_info1::moid(), "1", "DevId")),
            (
                "DevDetail/URI/MaxDepth",
                node(dev_detail::moid(), "1", "URI/MaxDepth"),
            ),
            ("./DMAcc", Place::Mo(dm_acc1::moid())),
            ("./DMAcc/X/AppAddr", node(dm_acc1::moid(), "X", "AppAddr")),
            ("./DMAcc/*", Place::Unknown),
            ("./DAC", Place::Unknown),
            ("./SessionInfo/1", Place::Unknown),
            ("./GPS/1/a", node(moid("a"), "1", "a")),
            ("./GPS2/1", node(moid("b"), "1", "")),
            ("./gps3", Place::Mo(moid("gps3"))),
            ("./Inbox2", Place::Mo(moid("inbox"))),
        ] {
            assert_eq!(resolve(text), place, "{text}");
        }
        let hidden = NodeAddress::root(dm_acc::moid(), Miid::counted(1));
        assert_eq!(layout().loc_uri(&hidden), None);
        assert!(!layout().is_readable(&hidden));
    }

    #[test]
    fn an_mo_identifier_may_have_another_minor_version_or_its_former_name() {
        let layout = layout();
        for (text, known) in [
            ("urn:oma:mo:oma-dm-dmacc:1.0", Some(dm_acc1::moid())),
            ("urn:oma:mo:oma-dm-dmacc:1.1", Some(dm_acc1::moid())),
            ("org.openmobilealliance/1.0/w7", Some(dm_acc1::moid())),
            ("urn:oma:mo:oma-dm-devinfo:1.7", Some(dev_info1::moid())),
            ("urn:oma:mo:oma-dm-dmacc:2.0", None),
            ("urn:oma:mo:oma-dm-dmacc:1.", None),
            ("urn:example:mo:a:1.0", Some(moid("a"))),
            ("urn:example:mo:a:1.1", None),
            ("urn:oma:mo:oma-dm-dacmo:1.0", None),
            ("", None),
        ] {
            assert_eq!(layout.moid_of(text), known, "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_node_is_found_where_it_is_seen(miid in "[^\\p{C}]{1,16}", names in proptest::collection::vec("[^\\p{C}]{1,8}", 0..4)) {
            let Ok(miid) = Miid::parse(&miid) else { return Ok(()) };
            let path: NodePath = names.iter().map(|name| NodeName::parse(name).unwrap()).collect();
            let at = NodeAddress { moid: dm_acc1::moid(), miid, path };
            let uri = layout().loc_uri(&at).unwrap();
            let (read, _) = LocUri::parse(&uri.to_string()).unwrap();
            prop_assert_eq!(layout().resolve(&read), Place::Node(at));
        }
    }
}
