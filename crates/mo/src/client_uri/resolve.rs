use super::{ClientUri, InstanceStep, Step, XName};
use crate::{Miid, Moid, NodeAddress, NodeKind, TreeError, TreeView};

/// What the asking server can see of the tree (D69).
pub trait Sight {
    /// Whether the instance counts for `""`, `*` and x-names, and may be named.
    fn sees(&self, moid: &Moid, miid: &Miid) -> bool;

    /// Whether an nv condition may look at this leaf.
    fn reads(&self, leaf: &NodeAddress) -> bool;
}

/// The sight of the device itself.
#[derive(Clone, Copy, Debug)]
pub struct Everything;

impl Sight for Everything {
    fn sees(&self, _: &Moid, _: &Miid) -> bool {
        true
    }
    fn reads(&self, _: &NodeAddress) -> bool {
        true
    }
}

/// Why a ClientURI names nothing. The first three are DM status 404 (D24), the last one is the tree's own.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ResolveError {
    /// No instance, or none that fits.
    #[error("no instance fits")]
    NoInstance,
    /// `""` or an x-name with more than one instance.
    #[error("several instances fit where exactly one has to")]
    SeveralInstances,
    /// No node at the path.
    #[error("no node fits the path")]
    NoNode,
    /// An x-name with more than one child.
    #[error("several nodes fit {0} where exactly one has to")]
    SeveralNodes(XName),
    /// The tree could not be read.
    #[error(transparent)]
    Tree(#[from] TreeError),
}

impl ClientUri {
    /// The nodes of one instance. What is asked of an instance is asked at once: it lies together in a store.
    pub(super) fn nodes_of(
        &self,
        root: NodeAddress,
        tree: &dyn TreeView,
        sight: &dyn Sight,
    ) -> Result<Vec<NodeAddress>, ResolveError> {
        let mut found = vec![root];
        for (n, step) in self.path.iter().enumerate() {
            // A node stands only where all above it stand, and nothing has no children: to look at the last name is enough.
            let last = n + 1 == self.path.len();
            let mut next = Vec::new();
            for at in found {
                match step {
                    Step::Name(name) => {
                        let child = at.child(name.clone());
                        let stands = !last || tree.kind(&child)?.is_some();
                        next.extend(stands.then_some(child));
                    }
                    Step::All => next.extend(
                        tree.all_children(&at)?
                            .into_iter()
                            .map(|(name, _)| at.child(name)),
                    ),
                    Step::XName(x) => next.extend(self.matching_child(*x, &at, tree, sight)?),
                }
            }
            found = next;
        }
        Ok(found)
    }

    /// The one instance. With a MIID and a path it may turn out not to be there.
    pub(super) fn resolve_instance(
        &self,
        tree: &dyn TreeView,
        sight: &dyn Sight,
    ) -> Result<NodeAddress, ResolveError> {
        // One instance by its key: what else the device holds does not matter. Where a path follows, its end is looked at.
        if let InstanceStep::Miid(miid) = &self.instance {
            let root = NodeAddress::root(self.moid.clone(), miid.clone());
            let stands = !self.path.is_empty() || tree.kind(&root)?.is_some();
            let seen = stands && sight.sees(&self.moid, miid);
            return if seen {
                Ok(root)
            } else {
                Err(ResolveError::NoInstance)
            };
        }
        let instances = tree
            .instances(&self.moid)?
            .into_iter()
            .filter(|miid| sight.sees(&self.moid, miid));
        let mut roots: Vec<_> = instances
            .map(|miid| NodeAddress::root(self.moid.clone(), miid))
            .collect();
        if let InstanceStep::XName(x) = &self.instance {
            let mut fitting = Vec::new();
            for root in roots {
                if self.conditions_hold(*x, &root, tree, sight)? {
                    fitting.push(root);
                }
            }
            roots = fitting;
        }
        match (roots.pop(), roots.is_empty()) {
            (None, _) => Err(ResolveError::NoInstance),
            (Some(root), true) => Ok(root),
            (Some(_), false) => Err(ResolveError::SeveralInstances),
        }
    }

    fn matching_child(
        &self,
        x: XName,
        at: &NodeAddress,
        tree: &dyn TreeView,
        sight: &dyn Sight,
    ) -> Result<Option<NodeAddress>, ResolveError> {
        let mut fitting = None;
        for (name, kind) in tree.all_children(at)? {
            let child = at.child(name);
            if kind == NodeKind::Interior && self.conditions_hold(x, &child, tree, sight)? {
                if fitting.is_some() {
                    return Err(ResolveError::SeveralNodes(x));
                }
                fitting = Some(child);
            }
        }
        Ok(fitting)
    }

    fn conditions_hold(
        &self,
        x: XName,
        at: &NodeAddress,
        tree: &dyn TreeView,
        sight: &dyn Sight,
    ) -> Result<bool, TreeError> {
        for condition in self
            .conditions
            .iter()
            .filter(|condition| condition.x_name == x)
        {
            let names = at
                .path
                .names()
                .iter()
                .chain(condition.leaf.names())
                .cloned();
            let leaf = at.with_path(names.collect());
            let value = if sight.reads(&leaf) {
                tree.leaf(&leaf)?
            } else {
                None
            };
            if value.is_none_or(|value| value.to_text().as_str() != condition.value) {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::{Everything, ResolveError, Sight};
    use crate::{ClientUri, MemoryTree, Miid, Moid, NodeAddress, NodePath, TreeWrite, Value};

    /// The tree of `dm20.md` §7.4.
    pub(in super::super) fn tree() -> MemoryTree {
        let mut tree = MemoryTree::new(1);
        let mut put = |miid: &str, path: &str, value: &str| {
            let root = NodeAddress::root(
                Moid::parse("urn:oma:mo:moid:1.0").unwrap(),
                Miid::parse(miid).unwrap(),
            );
            tree.put(
                &root.with_path(NodePath::of(path).unwrap()),
                &Value::chr(value).into(),
            )
            .unwrap();
        };
        for (miid, id, setting, dates) in [
            ("left", "GPS", "0xA1", ["12.1", "12.2"]),
            ("right", "Temperature", "0xB2", ["12.1", "12.3"]),
        ] {
            put(miid, "ID", id);
            put(miid, "Setting", setting);
            for (n, date) in dates.into_iter().enumerate() {
                put(miid, &format!("Data/{}/Date", n + 1), date);
                put(miid, &format!("Data/{}/Value", n + 1), "v");
            }
        }
        tree
    }

    fn resolve_as(uri: &str, sight: &dyn Sight) -> Result<Vec<String>, ResolveError> {
        let found = ClientUri::parse(uri).unwrap().resolve(&tree(), sight)?;
        Ok(found
            .into_iter()
            .map(|at| format!("{}/{}", at.miid, at.path))
            .collect())
    }

    #[track_caller]
    fn resolves(uri: &str, expected: Result<&[&str], ResolveError>) {
        let expected = expected.map(|nodes| {
            nodes
                .iter()
                .map(|node| (*node).to_owned())
                .collect::<Vec<_>>()
        });
        assert_eq!(resolve_as(uri, &Everything), expected, "{uri}");
    }

    #[test]
    fn a_uri_of_miid_and_names_alone_is_of_the_node_that_it_resolves_to() {
        let exact = |uri: &str| ClientUri::parse(uri).unwrap().exact();
        for uri in [
            "urn:oma:mo:moid:1.0/left/",
            "urn:oma:mo:moid:1.0/right/Data/1/Date",
        ] {
            let resolved = ClientUri::parse(uri).unwrap().resolve(&tree(), &Everything);
            assert_eq!(resolved, Ok(vec![exact(uri).unwrap()]));
        }
        for uri in [
            "urn:oma:mo:moid:1.0//ID",
            "urn:oma:mo:moid:1.0/*/ID",
            "urn:oma:mo:moid:1.0/left/Data/*",
            "urn:oma:mo:moid:1.0/(x)/ID?nv=(x)/ID:GPS",
        ] {
            assert_eq!(exact(uri), None, "{uri}");
        }
    }

    #[test]
    fn x_uri_001_published_examples_1_to_10_of_section_7_4() {
        resolves("urn:oma:mo:moid:1.0/left/", Ok(&["left/"]));
        resolves("urn:oma:mo:moid:1.0//", Err(ResolveError::SeveralInstances));
        resolves(
            "urn:oma:mo:moid:1.0/(x)/?nv=(x)/ID:Temperature",
            Ok(&["right/"]),
        );
        resolves(
            "urn:oma:mo:moid:1.0/(x)/Data/1/Value?nv=(x)/ID:GPS",
            Ok(&["left/Data/1/Value"]),
        );
        resolves(
            "urn:oma:mo:moid:1.0/right/Data/(x)/Value?nv=(x)/Date:12.1",
            Ok(&["right/Data/1/Value"]),
        );
        resolves(
            "urn:oma:mo:moid:1.0/(x)/Data/(y)/Value?nv=(x)/ID:GPS&nv=(y)/Date:12.2",
            Ok(&["left/Data/2/Value"]),
        );
        resolves(
            "urn:oma:mo:moid:1.0/*/Setting",
            Ok(&["left/Setting", "right/Setting"]),
        );
        resolves(
            "urn:oma:mo:moid:1.0/(x)/Data/*/Value?nv=(x)/ID:GPS",
            Ok(&["left/Data/1/Value", "left/Data/2/Value"]),
        );
        resolves(
            "urn:oma:mo:moid:1.0/(x)/Data/*/Value?nv=(x)/ID:GPS&nv=(x)/Setting:0xB2",
            Err(ResolveError::NoInstance),
        );
        resolves(
            "urn:oma:mo:moid:1.0/*/Data/*/Value",
            Ok(&[
                "left/Data/1/Value",
                "left/Data/2/Value",
                "right/Data/1/Value",
                "right/Data/2/Value",
            ]),
        );
    }

    #[test]
    fn x_uri_002_further_vectors_of_section_7_4() {
        resolves(
            "urn:oma:mo:moid:1.0/(x)/ID?nv=(x)/ID:Temperature",
            Ok(&["right/ID"]),
        );
        resolves("urn:oma:mo:moid:1.0/left?cv=abc", Ok(&["left/"]));
        resolves("urn:oma:mo:moid:1.0/*/", Ok(&["left/", "right/"]));
        resolves(
            "urn:oma:mo:moid:1.0/left/Data/*",
            Ok(&["left/Data/1", "left/Data/2"]),
        );
        resolves(
            "urn:oma:mo:moid:1.0/(x)/ID?nv=(x)/Data/2/Date:12.3",
            Ok(&["right/ID"]),
        );
        resolves(
            "urn:oma:mo:moid:1.0/(x)/ID?nv=(x)/Data/1/Date:12.1",
            Err(ResolveError::SeveralInstances),
        );
        assert!(ClientUri::parse("urn:oma:mo:moid:1.0/(x)/ID").is_err());
        resolves("urn:oma:mo:moid:1.0/up/ID", Err(ResolveError::NoInstance));
        resolves(
            "urn:oma:mo:moid:1.0/left/Data/9/Value",
            Err(ResolveError::NoNode),
        );
        resolves("urn:oma:mo:other:1.0//", Err(ResolveError::NoInstance));
    }

    #[test]
    fn under_a_wildcard_candidates_without_match_drop_out_d29() {
        resolves(
            "urn:oma:mo:moid:1.0/*/Data/(y)/Value?nv=(y)/Date:12.3",
            Ok(&["right/Data/2/Value"]),
        );
        resolves(
            "urn:oma:mo:moid:1.0/*/Data/(y)/Value?nv=(y)/Value:v",
            Err(ResolveError::SeveralNodes(super::XName(b'y'))),
        );
    }

    #[test]
    fn what_a_server_cannot_see_does_not_count_d69() {
        struct OnlyRight;
        impl Sight for OnlyRight {
            fn sees(&self, _: &Moid, miid: &Miid) -> bool {
                miid.as_str() == "right"
            }
            fn reads(&self, leaf: &NodeAddress) -> bool {
                !leaf.path.is(&["ID"])
            }
        }
        assert_eq!(
            resolve_as("urn:oma:mo:moid:1.0//ID", &OnlyRight),
            Ok(vec!["right/ID".to_owned()])
        );
        assert_eq!(
            resolve_as("urn:oma:mo:moid:1.0/left/", &OnlyRight),
            Err(ResolveError::NoInstance)
        );
        let unreadable = resolve_as("urn:oma:mo:moid:1.0/(x)/?nv=(x)/ID:Temperature", &OnlyRight);
        assert_eq!(unreadable, Err(ResolveError::NoInstance));
    }
}
