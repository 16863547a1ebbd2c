use std::collections::BTreeMap;

use crate::{
    CacheValidator, Children, Miid, Moid, Node, NodeAddress, NodeKind, NodeName, TreeError,
    TreeVersion, TreeView, TreeWrite, Value,
};

/// A DM tree in memory: for the simulator, for virtual-time tests and for previews.
#[derive(Clone, Debug)]
pub struct MemoryTree {
    epoch: u32,
    version: TreeVersion,
    born: u64,
    instances: BTreeMap<(Moid, Miid), Instance>,
    counted: BTreeMap<Moid, u64>,
    page: usize,
}

#[derive(Clone, Debug)]
struct Instance {
    born: u64,
    touched: TreeVersion,
    root: Node,
}

impl MemoryTree {
    /// An empty tree whose validators carry this epoch (D76).
    #[must_use]
    pub const fn new(epoch: u32) -> Self {
        Self {
            epoch,
            version: TreeVersion(0),
            born: 0,
            instances: BTreeMap::new(),
            counted: BTreeMap::new(),
            page: 64,
        }
    }

    /// Ends a transaction: what was put since the last call belongs to the new version.
    pub fn commit(&mut self) -> TreeVersion {
        self.version.0 += 1;
        self.version
    }

    /// Every instance there is, by MOID and MIID.
    #[must_use]
    pub fn all_instances(&self) -> Vec<(Moid, Miid)> {
        self.instances.keys().cloned().collect()
    }

    /// Grows from one creation of an instance to the next, over all MOIDs, and is never given twice; none where there is no such instance.
    #[must_use]
    pub fn number(&self, moid: &Moid, miid: &Miid) -> Option<u64> {
        let instance = self.instances.get(&(moid.clone(), miid.clone()));
        instance.map(|instance| instance.born)
    }

    fn node(&self, at: &NodeAddress) -> Option<&Node> {
        self.instances
            .get(&(at.moid.clone(), at.miid.clone()))?
            .root
            .at(&at.path)
    }
}

impl TreeView for MemoryTree {
    fn version(&self) -> TreeVersion {
        self.version
    }

    fn instances(&self, moid: &Moid) -> Result<Vec<Miid>, TreeError> {
        let mut found: Vec<_> = self
            .instances
            .iter()
            .filter(|((m, _), _)| m == moid)
            .map(|((_, miid), i)| (i.born, miid.clone()))
            .collect();
        found.sort();
        Ok(found.into_iter().map(|(_, miid)| miid).collect())
    }

    fn kind(&self, at: &NodeAddress) -> Result<Option<NodeKind>, TreeError> {
        Ok(self.node(at).map(Node::kind))
    }

    fn leaf(&self, at: &NodeAddress) -> Result<Option<Value>, TreeError> {
        Ok(self.node(at).and_then(Node::value).cloned())
    }

    fn children(
        &self,
        at: &NodeAddress,
        after: Option<&NodeName>,
    ) -> Result<Vec<(NodeName, NodeKind)>, TreeError> {
        let none = Children::new();
        let children = self.node(at).and_then(Node::children).unwrap_or(&none);
        let rest = children
            .iter()
            .filter(|(name, _)| after.is_none_or(|after| *name > after));
        Ok(rest
            .take(self.page)
            .map(|(name, child)| (name.clone(), child.kind()))
            .collect())
    }

    fn validator(&self, moid: &Moid, miid: &Miid) -> Result<Option<CacheValidator>, TreeError> {
        let instance = self.instances.get(&(moid.clone(), miid.clone()));
        Ok(instance.map(|i| CacheValidator::of_commit(self.epoch, i.touched)))
    }

    fn counted_miids(&self, moid: &Moid) -> Result<u64, TreeError> {
        Ok(self.counted.get(moid).copied().unwrap_or(0))
    }
}

impl TreeWrite for MemoryTree {
    fn put(&mut self, at: &NodeAddress, node: &Node) -> Result<(), TreeError> {
        self.born += 1;
        let touched = TreeVersion(self.version.0 + 1);
        let fresh = || Instance {
            born: self.born,
            touched,
            root: Node::empty(),
        };
        let instance = self
            .instances
            .entry((at.moid.clone(), at.miid.clone()))
            .or_insert_with(fresh);
        instance.touched = touched;
        instance.root.put(&at.path, node.clone());
        Ok(())
    }

    fn remove(&mut self, at: &NodeAddress) -> Result<(), TreeError> {
        let key = (at.moid.clone(), at.miid.clone());
        if at.path.is_root() {
            self.instances.remove(&key);
        } else if let Some(instance) = self.instances.get_mut(&key) {
            instance.touched = TreeVersion(self.version.0 + 1);
            instance.root.remove(&at.path);
        }
        Ok(())
    }

    fn count_miids(&mut self, moid: &Moid, highest: u64) -> Result<(), TreeError> {
        let counted = self.counted.entry(moid.clone()).or_default();
        *counted = highest.max(*counted);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::MemoryTree;
    use crate::{Miid, Moid, Node, NodeAddress, NodePath, TreeView, TreeWrite, Value};

    #[test]
    fn pages_of_children_come_to_an_end_and_miss_nothing() {
        let mut tree = MemoryTree {
            page: 3,
            ..MemoryTree::new(1)
        };
        let root = NodeAddress::root(Moid::parse("urn:x").unwrap(), Miid::counted(1));
        for n in 0..10 {
            tree.put(
                &root.with_path(NodePath::of(&format!("n{n}")).unwrap()),
                &Value::Int(n).into(),
            )
            .unwrap();
        }
        assert_eq!(tree.all_children(&root).unwrap().len(), 10);
        assert_eq!(tree.subtree(&root).unwrap().unwrap().leaves().len(), 10);
    }

    #[test]
    fn the_validator_changes_with_every_commit_that_touches_the_instance_d76() {
        let mut tree = MemoryTree::new(0x5f2a);
        let root = NodeAddress::root(Moid::parse("urn:x").unwrap(), Miid::counted(1));
        tree.put(&root, &Node::empty()).unwrap();
        tree.commit();
        let first = tree.validator(&root.moid, &root.miid).unwrap().unwrap();
        assert_eq!(first.as_str(), "00005f2a-1");
        tree.put(
            &root.with_path(NodePath::of("a").unwrap()),
            &Value::Null.into(),
        )
        .unwrap();
        tree.commit();
        assert_ne!(
            tree.validator(&root.moid, &root.miid).unwrap().unwrap(),
            first
        );
    }
}
