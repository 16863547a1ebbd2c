//! The description of one MO type: the DM 1.3 DDF, kept by DM 2.0 (`dm20.md` §8.3).
//!
//! A [`Ddf`] is read from XML within bounds, says what a node is and who may do what with it, and checks instances against itself.
//! "No Get" in a node table is the absence of `Get` among the access types.

mod node;
mod problem;
mod read;
mod validate;

pub use node::{AccessTypes, DdfNode, Occurrence, Scope};
pub use problem::{DdfError, DdfFault, DdfTolerance, DdfWarning};
pub use read::{MAX_DEPTH, MAX_NODES, MAX_OCTETS, MAX_WARNINGS};
pub use validate::{Violation, ViolationKind};

use crate::{Moid, Node, NodePath};

/// The description of one MO type.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Ddf {
    moid: Option<Moid>,
    url: Option<Box<str>>,
    root: DdfNode,
    warnings: Vec<DdfWarning>,
}

impl Ddf {
    /// Reads a DDF document with the tolerances of §8.3; what was tolerated stands in [`Self::warnings`].
    ///
    /// A document type declaration is skipped unread, and no entity but XML's own five is known. Bounds: [`MAX_OCTETS`], [`MAX_DEPTH`], [`MAX_NODES`].
    ///
    /// # Errors
    /// [`DdfError`] with place, node and fault; the document's author is at fault.
    pub fn read(xml: &str) -> Result<Self, DdfError> {
        read::read(xml)
    }

    /// The MOID: that of the root's `DFType/DDFName`, or the one given by [`Self::with_moid`]. Published DDFs sometimes lack it.
    #[must_use]
    pub const fn moid(&self) -> Option<&Moid> {
        self.moid.as_ref()
    }

    /// The same description under this MOID.
    #[must_use]
    pub fn with_moid(mut self, moid: Moid) -> Self {
        self.moid = Some(moid);
        self
    }

    /// Where the document is published, the `DDF` member of an MO serialization item (§9.1).
    #[must_use]
    pub fn url(&self) -> Option<&str> {
        self.url.as_deref()
    }

    /// The same description with this URL.
    #[must_use]
    pub fn with_url(mut self, url: impl Into<Box<str>>) -> Self {
        self.url = Some(url.into());
        self
    }

    /// The root node.
    #[must_use]
    pub const fn root(&self) -> &DdfNode {
        &self.root
    }

    /// The description of the node at a path; none where the DDF has none, below an open `Ext` too.
    #[must_use]
    pub fn node(&self, path: &NodePath) -> Option<&DdfNode> {
        path.names()
            .iter()
            .try_fold(&self.root, |node, name| node.child(name))
    }

    /// The description that governs the node at a path: its own, or that of the open `Ext` it lies below. None where no such node is allowed.
    #[must_use]
    pub fn governing(&self, path: &NodePath) -> Option<&DdfNode> {
        let mut node = &self.root;
        for name in path.names() {
            match node.child(name) {
                Some(child) => node = child,
                None if node.is_open() => return Some(node),
                None => return None,
            }
        }
        Some(node)
    }

    /// Whether a server may ever read the node at a path: it and everything on the way to it has `Get` (§9.3). What the DDF does not know is not readable.
    #[must_use]
    pub fn is_readable(&self, path: &NodePath) -> bool {
        let mut node = &self.root;
        for name in path.names() {
            match node.child(name) {
                _ if !node.access().has(AccessTypes::GET) => return false,
                Some(child) => node = child,
                None => return node.is_open(),
            }
        }
        node.access().has(AccessTypes::GET)
    }

    /// The leaves of an instance that no server may ever read, in stored order.
    #[must_use]
    pub fn unreadable_leaves(&self, instance: &Node) -> Vec<NodePath> {
        instance
            .leaves()
            .into_iter()
            .map(|(path, _)| path)
            .filter(|path| !self.is_readable(path))
            .collect()
    }

    /// Checks a whole instance.
    ///
    /// # Errors
    /// Every [`Violation`], in the order of the tree.
    pub fn validate(&self, instance: &Node) -> Result<(), Vec<Violation>> {
        self.validate_at(&NodePath::root(), instance)
    }

    /// Checks a node with all below it that is to stand at a path of an instance.
    ///
    /// # Errors
    /// Every [`Violation`] with its path from the instance's root, in the order of the tree.
    pub fn validate_at(&self, path: &NodePath, node: &Node) -> Result<(), Vec<Violation>> {
        validate::validate(self, path, node)
    }

    /// What was tolerated while reading, in the order of the document; the first [`MAX_WARNINGS`].
    #[must_use]
    pub fn warnings(&self) -> &[DdfWarning] {
        &self.warnings
    }
}

#[cfg(test)]
mod tests {
    use super::{AccessTypes, Ddf};
    use crate::{Node, NodePath, Value};

    const OPEN: &str = "<MgmtTree><VerDTD>1.3</VerDTD><Node><NodeName>R</NodeName><DFProperties><AccessType><Get/></AccessType><DFFormat><node/></DFFormat></DFProperties>\
        <Node><NodeName>Key</NodeName><DFProperties><AccessType><Replace/></AccessType><DFFormat><bin/></DFFormat></DFProperties></Node>\
        <Node><NodeName>Ext</NodeName><DFProperties><AccessType><Get/></AccessType><DFFormat><node/></DFFormat></DFProperties></Node></Node></MgmtTree>";

    fn path(text: &str) -> NodePath {
        NodePath::of(text).unwrap()
    }

    #[test]
    fn what_lies_below_an_open_ext_is_governed_by_it() {
        let ddf = Ddf::read(OPEN).unwrap();
        assert!(ddf.node(&path("Ext/Acme/Knob")).is_none());
        assert_eq!(
            ddf.governing(&path("Ext/Acme/Knob")),
            ddf.node(&path("Ext"))
        );
        assert!(ddf.governing(&path("Acme")).is_none());
        assert!(ddf.governing(&path("Key/Acme")).is_none());
        assert_eq!(
            ddf.governing(&NodePath::root()).unwrap().access(),
            AccessTypes::GET
        );
    }

    #[test]
    fn leaves_without_get_and_unknown_ones_are_unreadable() {
        let ddf = Ddf::read(OPEN).unwrap();
        let mut instance = Node::empty();
        for leaf in ["Key", "Ext/Acme/Knob", "Unknown"] {
            instance.put(&path(leaf), Value::bin([1]).into());
        }
        assert_eq!(
            ddf.unreadable_leaves(&instance),
            [path("Key"), path("Unknown")]
        );
    }

    #[test]
    fn moid_and_url_can_be_given_where_the_document_lacks_them() {
        let moid = crate::Moid::parse("urn:example:mo:r:1.0").unwrap();
        let ddf = Ddf::read(OPEN).unwrap();
        assert_eq!((ddf.moid(), ddf.url()), (None, None));
        let ddf = ddf
            .with_moid(moid.clone())
            .with_url("https://ddf.example.com/r.ddf");
        assert_eq!(
            (ddf.moid(), ddf.url()),
            (Some(&moid), Some("https://ddf.example.com/r.ddf"))
        );
    }
}
