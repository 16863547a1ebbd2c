use std::fmt;

use super::{Ddf, DdfNode};
use crate::{Children, Format, Node, NodeKind, NodePath};

/// One way in which an instance does not fit its DDF. The instance's author is at fault.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub struct Violation {
    /// Path of the node from the instance's root.
    pub path: NodePath,
    /// What is wrong with it.
    pub kind: ViolationKind,
}

/// What can be wrong with a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ViolationKind {
    /// The DDF has no such node, and it does not lie below an `Ext` (D87).
    #[error("there is no such node in the DDF")]
    Unknown,
    /// A required named node is not there.
    #[error("the node is required and missing")]
    Missing,
    /// An interior node needs at least one child with a name of its own, and has none.
    #[error("at least one child is required and there is none")]
    NoChild,
    /// More children with a name of their own than allowed.
    #[error("there are {found} children and at most {allowed} are allowed")]
    TooMany {
        /// How many there are.
        found: usize,
        /// How many there may be.
        allowed: u32,
    },
    /// The leaf's value has another format.
    #[error("the value has format {found} and has to have {expected}")]
    Format {
        /// What the DDF says.
        expected: Format,
        /// What is there.
        found: Format,
    },
    /// An interior node stands where the DDF has a leaf.
    #[error("an interior node stands where a leaf belongs")]
    NotALeaf,
    /// A leaf stands where the DDF has an interior node.
    #[error("a leaf stands where an interior node belongs")]
    NotInterior,
}

pub(super) fn validate(ddf: &Ddf, path: &NodePath, node: &Node) -> Result<(), Vec<Violation>> {
    let mut found = Vec::new();
    match (ddf.node(path), ddf.governing(path)) {
        (Some(described), _) => check(described, path, node, &mut found),
        (None, Some(_)) => {}
        (None, None) => found.push(Violation {
            path: path.clone(),
            kind: ViolationKind::Unknown,
        }),
    }
    if found.is_empty() { Ok(()) } else { Err(found) }
}

/// Descends at most as deep as the DDF does, which is bounded by its reader.
fn check(described: &DdfNode, path: &NodePath, node: &Node, found: &mut Vec<Violation>) {
    let kind = match (described.kind(), node) {
        (NodeKind::Interior, Node::Interior(children)) => {
            return check_children(described, path, children, found);
        }
        (NodeKind::Leaf, Node::Leaf(value)) if value.format() == described.format() => return,
        (NodeKind::Leaf, Node::Leaf(value)) => ViolationKind::Format {
            expected: described.format(),
            found: value.format(),
        },
        (NodeKind::Leaf, Node::Interior(_)) => ViolationKind::NotALeaf,
        (NodeKind::Interior, Node::Leaf(_)) => ViolationKind::NotInterior,
    };
    found.push(Violation {
        path: path.clone(),
        kind,
    });
}

fn check_children(
    described: &DdfNode,
    path: &NodePath,
    children: &Children,
    found: &mut Vec<Violation>,
) {
    for (name, child) in children {
        let below = path.child(name.clone());
        match described.child(name) {
            Some(description) => check(description, &below, child, found),
            None if described.is_open() => {}
            None => found.push(Violation {
                path: below,
                kind: ViolationKind::Unknown,
            }),
        }
    }
    let unnamed = children
        .keys()
        .filter(|name| described.child(name).is_some_and(|d| d.name().is_none()))
        .count();
    for description in described.children() {
        let occurrence = description.occurrence();
        match description.name() {
            Some(name) if occurrence.is_required() && !children.contains_key(name) => {
                found.push(Violation {
                    path: path.child(name.clone()),
                    kind: ViolationKind::Missing,
                });
            }
            Some(_) => {}
            None if occurrence.is_required() && unnamed == 0 => {
                found.push(Violation {
                    path: path.clone(),
                    kind: ViolationKind::NoChild,
                });
            }
            None => {
                if let Some(allowed) = occurrence
                    .at_most()
                    .filter(|n| unnamed > usize::try_from(*n).unwrap_or(usize::MAX))
                {
                    let kind = ViolationKind::TooMany {
                        found: unnamed,
                        allowed,
                    };
                    found.push(Violation {
                        path: path.clone(),
                        kind,
                    });
                }
            }
        }
    }
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_root() {
            write!(f, "the root: {}", self.kind)
        } else {
            write!(f, "{}: {}", self.path, self.kind)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Violation, ViolationKind};
    use crate::ddf::Ddf;
    use crate::{Format, Node, NodePath, Value};

    fn node(name: &str, format: &str, occurrence: &str, inner: &str) -> String {
        format!(
            "<Node><NodeName>{name}</NodeName><DFProperties><AccessType><Get/></AccessType><DFFormat><{format}/></DFFormat>\
             <Occurrence>{occurrence}</Occurrence></DFProperties>{inner}</Node>"
        )
    }

    fn ddf() -> Ddf {
        let inner = [
            node("ID", "chr", "<One/>", ""),
            node("Opt", "int", "<ZeroOrOne/>", ""),
            node(
                "Two",
                "node",
                "<ZeroOrOne/>",
                &node("", "bin", "<OneOrN>2</OneOrN>", ""),
            ),
            node(
                "Any",
                "node",
                "<ZeroOrOne/>",
                &node(
                    "",
                    "node",
                    "<ZeroOrMore/>",
                    &node("Req", "bool", "<One/>", ""),
                ),
            ),
            node(
                "Ext",
                "node",
                "<ZeroOrOne/>",
                &node("Known", "chr", "<ZeroOrOne/>", ""),
            ),
        ];
        Ddf::read(&format!(
            "<MgmtTree>{}</MgmtTree>",
            node("R", "node", "<One/>", &inner.concat())
        ))
        .unwrap()
    }

    fn path(text: &str) -> NodePath {
        NodePath::of(text).unwrap()
    }

    fn instance(leaves: &[(&str, Value)]) -> Node {
        let mut root = Node::empty();
        root.put(&path("ID"), Value::chr("x").into());
        for (at, value) in leaves {
            root.put(&path(at), value.clone().into());
        }
        root
    }

    fn only(instance: &Node) -> (String, ViolationKind) {
        let found = ddf().validate(instance).unwrap_err();
        assert_eq!(found.len(), 1, "{found:?}");
        (found[0].path.to_string(), found[0].kind)
    }

    #[test]
    fn what_fits_passes_whatever_lies_below_ext() {
        let fits = instance(&[
            ("Opt", Value::Int(1)),
            ("Two/a", Value::bin([1])),
            ("Two/b", Value::bin([1])),
            ("Any/1/Req", Value::Bool(true)),
            ("Ext/Known", Value::chr("k")),
            ("Ext/Acme/deep/down", Value::Null),
        ]);
        assert_eq!(ddf().validate(&fits), Ok(()));
        assert_eq!(ddf().validate(&instance(&[])), Ok(()));
    }

    #[test]
    fn an_unknown_node_outside_ext_is_a_violation_d87() {
        assert_eq!(
            only(&instance(&[("Foo", Value::Null)])),
            ("Foo".into(), ViolationKind::Unknown)
        );
        assert_eq!(
            only(&instance(&[
                ("Any/1/Req", Value::Bool(true)),
                ("Any/1/Foo", Value::Null)
            ])),
            ("Any/1/Foo".into(), ViolationKind::Unknown)
        );
    }

    #[test]
    fn a_missing_required_node_is_a_violation() {
        let mut any = instance(&[]);
        any.put(&path("Any/1"), Node::empty());
        assert_eq!(only(&any), ("Any/1/Req".into(), ViolationKind::Missing));
        assert_eq!(only(&Node::empty()), ("ID".into(), ViolationKind::Missing));
    }

    #[test]
    fn placeholders_are_counted() {
        let mut none = instance(&[]);
        none.put(&path("Two"), Node::empty());
        assert_eq!(only(&none), ("Two".into(), ViolationKind::NoChild));
        let three = instance(&[
            ("Two/a", Value::bin([])),
            ("Two/b", Value::bin([])),
            ("Two/c", Value::bin([])),
        ]);
        assert_eq!(
            only(&three),
            (
                "Two".into(),
                ViolationKind::TooMany {
                    found: 3,
                    allowed: 2
                }
            )
        );
    }

    #[test]
    fn kind_and_format_have_to_match() {
        let format = ViolationKind::Format {
            expected: Format::Int,
            found: Format::Chr,
        };
        assert_eq!(
            only(&instance(&[("Opt", Value::chr("1"))])),
            ("Opt".into(), format)
        );
        assert_eq!(
            only(&instance(&[("Any", Value::Null)])),
            ("Any".into(), ViolationKind::NotInterior)
        );
        assert_eq!(
            only(&instance(&[("Opt/x", Value::Null)])),
            ("Opt".into(), ViolationKind::NotALeaf)
        );
        assert_eq!(
            only(&instance(&[("Ext/Known", Value::Null)])).0,
            "Ext/Known"
        );
    }

    #[test]
    fn every_violation_is_told_in_one_go() {
        let mut bad = instance(&[
            ("Foo", Value::Null),
            ("Opt", Value::Null),
            ("Any/1/x", Value::Null),
        ]);
        bad.remove(&path("ID"));
        let paths: Vec<_> = ddf()
            .validate(&bad)
            .unwrap_err()
            .iter()
            .map(|v| v.path.to_string())
            .collect();
        assert_eq!(paths, ["Any/1/x", "Any/1/Req", "Foo", "Opt", "ID"]);
    }

    #[test]
    fn a_part_is_checked_with_its_path_from_the_root() {
        let unknown = |at: &str| Violation {
            path: path(at),
            kind: ViolationKind::Unknown,
        };
        assert_eq!(
            ddf().validate_at(&path("Opt"), &Value::Int(1).into()),
            Ok(())
        );
        assert_eq!(ddf().validate_at(&path("Ext/Acme"), &Node::empty()), Ok(()));
        assert_eq!(
            ddf().validate_at(&path("Nope/x"), &Node::empty()),
            Err(vec![unknown("Nope/x")])
        );
        let missing = Violation {
            path: path("Any/1/Req"),
            kind: ViolationKind::Missing,
        };
        assert_eq!(
            ddf().validate_at(&path("Any/1"), &Node::empty()),
            Err(vec![missing])
        );
    }
}
