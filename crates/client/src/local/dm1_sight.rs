//! What DM 1.x servers see of a device's tree, for its local applications: the device's own objects, and the properties of nodes (`dm1x.md` §4.2, §4.6).

use std::collections::BTreeMap;

use omadm_bootstrap::{Account, DeviceView as _};
use omadm_mo::json::Json;
use omadm_mo::standard::{DevDetail, dev_detail, dev_info1};
use omadm_mo::{
    Format, LocUri, Miid, Moid, Node, NodeAddress, NodeProperties, TreeError, TreeLayout,
};

use crate::engine::EngineConfig;
use crate::store::Snapshot;

/// Instances by their roots.
pub(super) type Instances = BTreeMap<(Moid, Miid), Node>;

/// The device's own objects of DM 1.x, which no store has.
pub(super) fn own(config: &EngineConfig) -> Instances {
    let objects = [
        (dev_info1::moid(), config.dm1_dev_info().to_node()),
        (
            dev_detail::moid(),
            DevDetail::of(&config.dev_info).to_node(),
        ),
    ];
    let objects = objects.map(|(moid, node)| ((moid, Miid::counted(1)), node));
    objects.into()
}

/// A node as DM 1.x servers see it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Dm1Node {
    /// Where.
    pub loc_uri: LocUri,
    /// `Format`: that of its value.
    pub format: Format,
    /// `Type`: of a leaf its media type, of an interior node the MO whose root it is, or nothing.
    pub r#type: String,
    /// `Size`: octets of its value; none of an interior node, and of what no server may read.
    pub size: Option<usize>,
    /// `ACL`, `Title`, `TStamp` and `VerNo`.
    pub kept: NodeProperties,
}

/// The tree as DM 1.x servers see it.
pub(super) struct Dm1Sight {
    layout: TreeLayout,
    own: Instances,
}

impl Dm1Sight {
    /// None on a device that no DM 1.x server manages.
    pub(super) fn of(accounts: &[Account], layout: TreeLayout, own: Instances) -> Option<Self> {
        let is_seen = accounts.iter().any(Account::is_dm1);
        is_seen.then_some(Self { layout, own })
    }

    /// The device's own objects.
    pub(super) const fn own(&self) -> &Instances {
        &self.own
    }

    /// Every node of an instance that servers see, each before those below it.
    pub(super) fn nodes(
        &self,
        view: &Snapshot,
        root: &NodeAddress,
        node: &Node,
    ) -> Result<Vec<(NodeAddress, Dm1Node)>, TreeError> {
        let mut seen = Vec::new();
        self.collect(root, node, &mut seen);
        for (path, kept) in view.properties_within(root)? {
            if let Some((_, one)) = seen.iter_mut().find(|(at, _)| at.path == path) {
                one.kept = kept;
            }
        }
        Ok(seen)
    }

    fn collect(&self, at: &NodeAddress, node: &Node, seen: &mut Vec<(NodeAddress, Dm1Node)>) {
        let Some(loc_uri) = self.layout.loc_uri(at) else {
            return;
        };
        let value = node.value();
        let told = value.filter(|_| self.layout.is_readable(at));
        let one = Dm1Node {
            loc_uri,
            format: value.map_or(Format::Node, |value| value.format()),
            r#type: self.layout.type_of(at, node.kind()),
            size: told.map(|value| value.size()),
            kept: NodeProperties::default(),
        };
        seen.push((at.clone(), one));
        for (name, child) in node.children().into_iter().flatten() {
            self.collect(&at.child(name.clone()), child, seen);
        }
    }
}

impl Dm1Node {
    /// `Name`: the last segment of its LocURI.
    #[must_use]
    pub fn name(&self) -> &str {
        let last = self.loc_uri.segments().last();
        last.map_or("", |name| name.as_str())
    }

    /// The properties that it has, each by its name.
    #[must_use]
    pub fn properties(&self) -> Json {
        let text = |text: &str| Json::text(text);
        let size = self.size.and_then(|size| i64::try_from(size).ok());
        let has = [
            (
                "ACL",
                self.kept.acl.as_ref().map(|acl| text(&acl.to_string())),
            ),
            ("Format", Some(text(self.format.name()))),
            ("Name", Some(text(self.name()))),
            ("Size", size.map(Json::Int)),
            ("Title", self.kept.title.as_deref().map(text)),
            ("TStamp", self.kept.tstamp.as_deref().map(text)),
            (
                "Type",
                Some(text(&self.r#type)).filter(|_| !self.r#type.is_empty()),
            ),
            ("VerNo", Some(Json::Int(self.kept.ver_no.into()))),
        ];
        let has = has.into_iter();
        Json::Object(
            has.filter_map(|(name, value)| Some((name.to_owned(), value?)))
                .collect(),
        )
    }
}
