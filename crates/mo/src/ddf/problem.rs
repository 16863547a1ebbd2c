use std::fmt;

use crate::{Format, MoidError, NodeNameError};

/// Why a text is no DDF, and where. The document's author is at fault.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("line {line}, column {column}, {node}: {fault}")]
pub struct DdfError {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The node being described, as a path of names with `<x>` for unnamed ones; `/` outside any node.
    pub node: Box<str>,
    /// What is wrong.
    pub fault: DdfFault,
}

/// What can be wrong with a DDF.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DdfFault {
    /// Longer than [`super::MAX_OCTETS`].
    #[error("the document has {0} octets, more than the {max} allowed", max = super::MAX_OCTETS)]
    TooLarge(usize),
    /// Elements nested deeper than [`super::MAX_DEPTH`].
    #[error("elements are nested deeper than {max} levels", max = super::MAX_DEPTH)]
    TooDeep,
    /// More nodes than [`super::MAX_NODES`].
    #[error("more than {max} nodes are described", max = super::MAX_NODES)]
    TooManyNodes,
    /// Not well-formed XML.
    #[error("not well-formed XML")]
    Syntax,
    /// The text ends before its elements do.
    #[error("the document ends in the middle of an element")]
    Truncated,
    /// A reference to an entity other than XML's own five; none is ever expanded.
    #[error("the entity {0:?} is not known; entities of a document type are not expanded")]
    Entity(Box<str>),
    /// The document element is another one.
    #[error("the document element is {0:?}, not MgmtTree")]
    NotADdf(Box<str>),
    /// `MgmtTree` holds no `Node`.
    #[error("no node is described")]
    NoRoot,
    /// `MgmtTree` holds more than one `Node`; a DDF describes one MO.
    #[error("a second root node; a DDF describes one management object")]
    SecondRoot,
    /// `NodeName` is no node name.
    #[error("{text:?} is no node name: {error}")]
    NodeName {
        /// What stands there.
        text: Box<str>,
        /// What is wrong with it.
        error: NodeNameError,
    },
    /// Two children of one node have this name.
    #[error("two children are named {0:?}")]
    DuplicateName(Box<str>),
    /// Two children of one node are unnamed: a name could belong to either.
    #[error("two children are unnamed")]
    SecondPlaceholder,
    /// A format other than `node`, and children.
    #[error("a leaf of format {0} has children")]
    LeafWithChildren(Format),
    /// The number of `ZeroOrN` or `OneOrN` is none from 1 to 2³²−1.
    #[error("{0:?} is no number of occurrences")]
    Occurrences(Box<str>),
}

/// Something a DDF should not have or lack, and how it was taken.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DdfWarning {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
    /// The node being described, written as in [`DdfError::node`].
    pub node: Box<str>,
    /// What was tolerated.
    pub tolerance: DdfTolerance,
}

/// What is tolerated in a DDF (`dm20.md` §8.3).
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DdfTolerance {
    /// An element the standard does not have there; skipped with all it holds.
    #[error("the element {0:?} is not known here and was skipped")]
    UnknownElement(Box<str>),
    /// No `NodeName` element; the node counts as unnamed.
    #[error("NodeName is missing; the node counts as unnamed")]
    NoNodeName,
    /// No format; decided by the presence of children.
    #[error("DFFormat is missing; taken as {0}")]
    NoFormat(Format),
    /// No `AccessType`. An interior node then has `Get`, so that what lies below it can be reached; a leaf has nothing, since it may be a secret.
    #[error(
        "AccessType is missing; an interior node is then readable, a leaf neither readable nor writable"
    )]
    NoAccessType,
    /// The root has no `DDFName`, so the document does not say which MO it describes.
    #[error("DDFName is missing at the root; the MOID has to be given")]
    NoMoid,
    /// The root's `DDFName` is no MOID.
    #[error("the DDFName {text:?} is no MOID ({error}); the MOID has to be given")]
    NotAMoid {
        /// What stands there.
        text: Box<str>,
        /// What is wrong with it.
        error: MoidError,
    },
}

impl fmt::Display for DdfWarning {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "line {}, column {}, {}: {}",
            self.line, self.column, self.node, self.tolerance
        )
    }
}
