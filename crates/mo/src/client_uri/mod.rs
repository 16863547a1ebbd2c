//! ClientURI: how a server names nodes of the DM tree (`dm20.md` §7).

mod matches;
mod parse;
mod resolve;
mod write;

use crate::{CacheValidator, Miid, Moid, NodeAddress, NodeName, NodePath};

pub use matches::Matches;
pub use parse::ClientUriError;
pub use resolve::{Everything, ResolveError, Sight};

/// A parsed ClientURI. Names and values are held decoded; every x-name has its own letter and at least one condition (D28).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClientUri {
    /// Type of the management object.
    pub moid: Moid,
    /// Which instance or instances.
    pub instance: InstanceStep,
    /// The way from the instance's root down.
    pub path: Vec<Step>,
    /// What fixes the x-names; several on one letter must hold together.
    pub conditions: Vec<Condition>,
    /// The cache validator the server knows for the instance (§10).
    pub cv: Option<CacheValidator>,
}

/// The `mo-inst` component.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum InstanceStep {
    /// Empty: the only instance of the MOID.
    Only,
    /// This instance.
    Miid(Miid),
    /// The one instance for which the conditions on this letter hold.
    XName(XName),
    /// `*`: every instance.
    All,
}

/// A step of the path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Step {
    /// The child of this name.
    Name(NodeName),
    /// The child for which the conditions on this letter hold.
    XName(XName),
    /// `*`: every child.
    All,
}

/// `(` letter `)`. Letters are case-sensitive.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct XName(u8);

/// An nv field: a leaf below the node that an x-name stands for, and the text it must have.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Condition {
    /// The x-name it fixes.
    pub x_name: XName,
    /// The leaf, relative to the node the x-name stands for.
    pub leaf: NodePath,
    /// The string form (D28) that the leaf must have.
    pub value: String,
}

impl ClientUri {
    /// Longest accepted ClientURI in octets. Local limit.
    pub const MAX_LEN: usize = 4096;

    /// The URI of one node, without query.
    #[must_use]
    pub fn of(at: &NodeAddress) -> Self {
        Self {
            moid: at.moid.clone(),
            instance: InstanceStep::Miid(at.miid.clone()),
            path: at.path.names().iter().cloned().map(Step::Name).collect(),
            conditions: Vec::new(),
            cv: None,
        }
    }

    /// The URI of the only instance of a MOID: `moid//`.
    #[must_use]
    pub const fn only_instance(moid: Moid) -> Self {
        Self {
            moid,
            instance: InstanceStep::Only,
            path: Vec::new(),
            conditions: Vec::new(),
            cv: None,
        }
    }

    /// Whether no instance is named; in a serialized item: "you assign" (§14.2).
    #[must_use]
    pub const fn names_no_instance(&self) -> bool {
        matches!(self.instance, InstanceStep::Only)
    }

    /// The path where it is made of real names alone.
    #[must_use]
    pub fn plain_path(&self) -> Option<NodePath> {
        let names = self.path.iter().map(|step| {
            if let Step::Name(name) = step {
                Some(name.clone())
            } else {
                None
            }
        });
        names.collect::<Option<Vec<_>>>().map(NodePath::from_iter)
    }

    /// The node that it names by MIID and names alone, whether one stands there or not; none where the tree has to be looked at.
    #[must_use]
    pub fn exact(&self) -> Option<NodeAddress> {
        let InstanceStep::Miid(miid) = &self.instance else {
            return None;
        };
        let root = NodeAddress::root(self.moid.clone(), miid.clone());
        Some(root.with_path(self.plain_path()?))
    }

    /// Whether it has an x-name or a wildcard, which never create a node (D73).
    #[must_use]
    pub fn is_pattern(&self) -> bool {
        matches!(self.instance, InstanceStep::XName(_) | InstanceStep::All)
            || self.plain_path().is_none()
    }
}
