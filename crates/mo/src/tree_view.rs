use std::fmt;

use crate::{Miid, Moid, Node, NodeAddress, NodeKind, NodeName, Value};

/// The number of the store's last commit; a plan made at one version applies at that version only.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct TreeVersion(pub u64);

/// A cache validator: opaque text that changes whenever anything in its instance changes (`dm20.md` §10).
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct CacheValidator(Box<str>);

/// Why the tree could not be read or written. The environment is at fault.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum TreeError {
    /// No room is left on the device's storage; DM status 507.
    #[error("the tree store has no room left")]
    NoRoom,
    /// The storage did not do what it was asked to; DM status 500.
    #[error("the tree store failed: {0}")]
    Storage(Box<str>),
    /// What was read back is no tree; DM status 500.
    #[error("the tree store is damaged at {0}")]
    Damaged(Box<str>),
}

/// A snapshot of the DM tree, lent for one call. Reads leaves and pages, never whole trees.
pub trait TreeView {
    /// The commit this snapshot was taken at.
    fn version(&self) -> TreeVersion;

    /// The instances of a MOID in the order of their creation.
    ///
    /// # Errors
    /// [`TreeError`] where the storage fails.
    fn instances(&self, moid: &Moid) -> Result<Vec<Miid>, TreeError>;

    /// Which kind of node stands at an address; none where nothing does.
    ///
    /// # Errors
    /// [`TreeError`] where the storage fails.
    fn kind(&self, at: &NodeAddress) -> Result<Option<NodeKind>, TreeError>;

    /// The value of a leaf; none where no leaf stands there.
    ///
    /// # Errors
    /// [`TreeError`] where the storage fails.
    fn leaf(&self, at: &NodeAddress) -> Result<Option<Value>, TreeError>;

    /// A page of the children that come after a name, in stored order; an empty page is the end.
    ///
    /// # Errors
    /// [`TreeError`] where the storage fails.
    fn children(
        &self,
        at: &NodeAddress,
        after: Option<&NodeName>,
    ) -> Result<Vec<(NodeName, NodeKind)>, TreeError>;

    /// The cache validator of an instance; none where it is not cacheable.
    ///
    /// # Errors
    /// [`TreeError`] where the storage fails.
    fn validator(&self, moid: &Moid, miid: &Miid) -> Result<Option<CacheValidator>, TreeError>;

    /// The highest MIID counted so far for a MOID; 0 where none was (D72).
    ///
    /// # Errors
    /// [`TreeError`] where the storage fails.
    fn counted_miids(&self, moid: &Moid) -> Result<u64, TreeError>;

    /// A node with all below it; none where nothing stands there.
    ///
    /// # Errors
    /// [`TreeError`] where the storage fails.
    fn subtree(&self, at: &NodeAddress) -> Result<Option<Node>, TreeError> {
        match self.kind(at)? {
            None => Ok(None),
            Some(NodeKind::Leaf) => Ok(self.leaf(at)?.map(Node::Leaf)),
            Some(NodeKind::Interior) => {
                let mut children = crate::Children::new();
                for (name, _) in self.all_children(at)? {
                    if let Some(child) = self.subtree(&at.child(name.clone()))? {
                        children.insert(name, child);
                    }
                }
                Ok(Some(Node::Interior(children)))
            }
        }
    }

    /// Every child, page after page.
    ///
    /// # Errors
    /// [`TreeError`] where the storage fails.
    fn all_children(&self, at: &NodeAddress) -> Result<Vec<(NodeName, NodeKind)>, TreeError> {
        let mut all = self.children(at, None)?;
        let mut more = !all.is_empty();
        while more {
            let page = self.children(at, all.last().map(|(name, _)| name))?;
            more = !page.is_empty();
            all.extend(page);
        }
        Ok(all)
    }
}

/// A tree inside one transaction: what is written is visible to the reads that follow, and to nobody else until the commit.
pub trait TreeWrite: TreeView {
    /// Puts a node with all below it at an address, in place of what stood there. A new instance comes last in the order of creation.
    ///
    /// # Errors
    /// [`TreeError`] where the storage fails; nothing of the transaction may then be committed.
    fn put(&mut self, at: &NodeAddress, node: &Node) -> Result<(), TreeError>;

    /// Takes a node with all below it away; the root takes the instance away. Nothing there is no error.
    ///
    /// # Errors
    /// [`TreeError`] where the storage fails; nothing of the transaction may then be committed.
    fn remove(&mut self, at: &NodeAddress) -> Result<(), TreeError>;

    /// Remembers the highest MIID counted for a MOID (D72). Lower than before has no effect.
    ///
    /// # Errors
    /// [`TreeError`] where the storage fails; nothing of the transaction may then be committed.
    fn count_miids(&mut self, moid: &Moid, highest: u64) -> Result<(), TreeError>;
}

impl CacheValidator {
    /// Takes the text of a peer's or of our own validator.
    #[must_use]
    pub fn new(text: impl Into<Box<str>>) -> Self {
        Self(text.into())
    }

    /// The validator of D76: the store's epoch and the commit that last touched the instance.
    #[must_use]
    pub fn of_commit(epoch: u32, commit: TreeVersion) -> Self {
        Self(format!("{epoch:08x}-{:x}", commit.0).into())
    }

    /// The opaque text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for CacheValidator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}
