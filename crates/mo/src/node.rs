use std::collections::BTreeMap;

use crate::{NodeName, NodePath, Value};

/// The children of an interior node by name; their stored order is the octet order of the names.
pub type Children = BTreeMap<NodeName, Node>;

/// A node with all that is below it (`dm20.md` §8.1).
#[derive(Clone, PartialEq, Debug)]
pub enum Node {
    /// Has children, no value.
    Interior(Children),
    /// Has a value, no children.
    Leaf(Value),
}

/// What kind of node stands at an address.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum NodeKind {
    /// May have children.
    Interior,
    /// Has a value.
    Leaf,
}

impl Node {
    /// An interior node without children.
    #[must_use]
    pub const fn empty() -> Self {
        Self::Interior(Children::new())
    }

    /// Its kind.
    #[must_use]
    pub const fn kind(&self) -> NodeKind {
        match self {
            Self::Interior(_) => NodeKind::Interior,
            Self::Leaf(_) => NodeKind::Leaf,
        }
    }

    /// The children of an interior node; none for a leaf.
    #[must_use]
    pub const fn children(&self) -> Option<&Children> {
        match self {
            Self::Interior(children) => Some(children),
            Self::Leaf(_) => None,
        }
    }

    /// The value of a leaf.
    #[must_use]
    pub const fn value(&self) -> Option<&Value> {
        match self {
            Self::Interior(_) => None,
            Self::Leaf(value) => Some(value),
        }
    }

    /// The node at a path below this one.
    #[must_use]
    pub fn at(&self, path: &NodePath) -> Option<&Self> {
        path.names()
            .iter()
            .try_fold(self, |node, name| node.children()?.get(name))
    }

    /// The node below this one whose names are exactly these.
    #[must_use]
    pub fn find(&self, names: &[&str]) -> Option<&Self> {
        names.iter().try_fold(self, |node, name| {
            node.children()?
                .iter()
                .find(|(n, _)| n.as_str() == *name)
                .map(|(_, c)| c)
        })
    }

    /// Puts a node at a path, making the interior nodes on the way; what stood there is returned. A leaf on the way is replaced.
    pub fn put(&mut self, path: &NodePath, node: Self) -> Option<Self> {
        let mut at = self;
        for name in path.names() {
            if let Self::Leaf(_) = at {
                *at = Self::empty();
            }
            let Self::Interior(children) = at else {
                return None;
            };
            at = children.entry(name.clone()).or_insert_with(Self::empty);
        }
        Some(std::mem::replace(at, node))
    }

    /// Takes the node at a path away; none where nothing stood there, and for the root.
    pub fn remove(&mut self, path: &NodePath) -> Option<Self> {
        let (parent, name) = path.split_last()?;
        let mut at = self;
        for step in parent.names() {
            let Self::Interior(children) = at else {
                return None;
            };
            at = children.get_mut(step)?;
        }
        let Self::Interior(children) = at else {
            return None;
        };
        children.remove(name)
    }

    /// Every leaf with its path, in stored order.
    #[must_use]
    pub fn leaves(&self) -> Vec<(NodePath, &Value)> {
        let mut found = Vec::new();
        let mut open = vec![(NodePath::root(), self)];
        while let Some((path, node)) = open.pop() {
            match node {
                Self::Leaf(value) => found.push((path, value)),
                Self::Interior(children) => {
                    open.extend(
                        children
                            .iter()
                            .rev()
                            .map(|(name, child)| (path.child(name.clone()), child)),
                    );
                }
            }
        }
        found
    }
}

impl From<Value> for Node {
    fn from(value: Value) -> Self {
        Self::Leaf(value)
    }
}

#[cfg(test)]
mod tests {
    use super::Node;
    use crate::{NodePath, Value};

    #[test]
    fn what_is_put_is_found_and_can_be_taken_away() {
        let mut root = Node::empty();
        let date = NodePath::of("Data/1/Date").unwrap();
        root.put(&date, Value::chr("12.1").into());
        root.put(&NodePath::of("ID").unwrap(), Value::chr("GPS").into());
        assert_eq!(
            root.at(&date).and_then(Node::value),
            Some(&Value::chr("12.1"))
        );
        assert_eq!(root.find(&["Data", "1", "Date"]), root.at(&date));
        let paths: Vec<_> = root
            .leaves()
            .into_iter()
            .map(|(path, _)| path.to_string())
            .collect();
        assert_eq!(paths, ["Data/1/Date", "ID"]);
        assert!(root.remove(&NodePath::of("Data").unwrap()).is_some());
        assert!(root.at(&date).is_none());
        assert!(root.remove(&NodePath::root()).is_none());
    }
}
