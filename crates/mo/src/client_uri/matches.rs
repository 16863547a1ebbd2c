use std::vec;

use super::{ClientUri, InstanceStep, ResolveError, Sight};
use crate::{Miid, NodeAddress, TreeView};

/// The nodes that a ClientURI names, each as it is come to: instance by instance in the order of creation, the children of a node in stored order. What is
/// asked of an instance is asked before the next one is looked at, so its caller reads a node while the store still has its surroundings at hand.
///
/// Ends after the first error; ends with one where nothing fits, so it yields something at least.
pub struct Matches<'a> {
    uri: &'a ClientUri,
    tree: &'a dyn TreeView,
    sight: &'a dyn Sight,
    /// The instances to come; none before the first look.
    instances: Option<vec::IntoIter<Miid>>,
    /// What is left of the instance come to last.
    nodes: vec::IntoIter<NodeAddress>,
    /// Whether any instance was seen, and any node found.
    seen: bool,
    found: bool,
    over: bool,
}

impl ClientUri {
    /// The nodes this URI names, one after the other (§7.3, D29, D69). A node is yielded once it is known that it fits; a later one may still make an
    /// error of the whole.
    #[must_use]
    pub fn matches<'a>(&'a self, tree: &'a dyn TreeView, sight: &'a dyn Sight) -> Matches<'a> {
        Matches {
            uri: self,
            tree,
            sight,
            instances: None,
            nodes: Vec::new().into_iter(),
            seen: false,
            found: false,
            over: false,
        }
    }

    /// All of [`Self::matches`], at least one.
    ///
    /// # Errors
    /// [`ResolveError`] where there is none, or not exactly one where the URI asks for one.
    pub fn resolve(
        &self,
        tree: &dyn TreeView,
        sight: &dyn Sight,
    ) -> Result<Vec<NodeAddress>, ResolveError> {
        self.matches(tree, sight).collect()
    }
}

impl Matches<'_> {
    /// The nodes of the next instance; none behind the last.
    fn next_instance(&mut self) -> Result<Option<Vec<NodeAddress>>, ResolveError> {
        let Self {
            uri, tree, sight, ..
        } = *self;
        if uri.instance != InstanceStep::All {
            if self.seen {
                return Ok(None);
            }
            self.seen = true;
            let root = uri.resolve_instance(tree, sight)?;
            return uri.nodes_of(root, tree, sight).map(Some);
        }
        let instances = match &mut self.instances {
            Some(instances) => instances,
            unread => unread.insert(tree.instances(&uri.moid)?.into_iter()),
        };
        let Some(miid) = instances.find(|miid| sight.sees(&uri.moid, miid)) else {
            return Ok(None);
        };
        self.seen = true;
        let root = NodeAddress::root(uri.moid.clone(), miid);
        uri.nodes_of(root, tree, sight).map(Some)
    }

    /// Why nothing was found.
    fn nothing(&self) -> ResolveError {
        if !self.seen {
            return ResolveError::NoInstance;
        }
        if let InstanceStep::Miid(miid) = &self.uri.instance {
            let root = NodeAddress::root(self.uri.moid.clone(), miid.clone());
            return match self.tree.kind(&root) {
                Ok(None) => ResolveError::NoInstance,
                Ok(Some(_)) => ResolveError::NoNode,
                Err(error) => error.into(),
            };
        }
        ResolveError::NoNode
    }
}

impl Iterator for Matches<'_> {
    type Item = Result<NodeAddress, ResolveError>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.over {
            if let Some(at) = self.nodes.next() {
                self.found = true;
                return Some(Ok(at));
            }
            match self.next_instance() {
                Ok(Some(nodes)) => self.nodes = nodes.into_iter(),
                Ok(None) => {
                    self.over = true;
                    return (!self.found).then(|| Err(self.nothing()));
                }
                Err(error) => {
                    self.over = true;
                    return Some(Err(error));
                }
            }
        }
        None
    }
}

impl std::iter::FusedIterator for Matches<'_> {}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::super::resolve::tests::tree;
    use super::super::{Everything, XName};
    use super::{ResolveError, Sight};
    use crate::{ClientUri, Miid, Moid, NodeAddress};

    #[test]
    fn an_instance_is_looked_at_when_the_nodes_of_the_one_before_were_yielded() {
        struct Watch(RefCell<Vec<String>>);
        impl Sight for Watch {
            fn sees(&self, _: &Moid, miid: &Miid) -> bool {
                self.0.borrow_mut().push(miid.as_str().to_owned());
                true
            }
            fn reads(&self, _: &NodeAddress) -> bool {
                true
            }
        }
        let (tree, watch) = (tree(), Watch(RefCell::default()));
        let uri = ClientUri::parse("urn:oma:mo:moid:1.0/*/Data/*/Value").unwrap();
        let mut nodes = uri.matches(&tree, &watch);
        for seen in [1, 1, 2, 2] {
            assert!(nodes.next().unwrap().is_ok());
            assert_eq!(watch.0.borrow().len(), seen);
        }
        assert_eq!(nodes.next(), None);
    }

    #[test]
    fn nothing_is_yielded_behind_an_error() {
        for (uri, error) in [
            (
                "urn:oma:mo:moid:1.0/*/Data/(y)/Value?nv=(y)/Value:v",
                ResolveError::SeveralNodes(XName(b'y')),
            ),
            ("urn:oma:mo:moid:1.0/*/Nothing", ResolveError::NoNode),
            ("urn:oma:mo:other:1.0/*/", ResolveError::NoInstance),
            ("urn:oma:mo:moid:1.0//", ResolveError::SeveralInstances),
        ] {
            let (tree, uri) = (tree(), ClientUri::parse(uri).unwrap());
            let mut nodes = uri.matches(&tree, &Everything);
            assert_eq!(nodes.next(), Some(Err(error)));
            assert_eq!(nodes.next(), None);
        }
    }
}
