use std::fmt;

use crate::{
    Children, DevId, DevIdError, Format, MoidError, Node, NodeName, NodePath, ServerUriError,
    SrvIdError, Value,
};

/// Why an instance is no object of its type, and which node is at fault. The instance's author is at fault.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub struct ViewError {
    /// Path of the node from the instance's root.
    pub path: NodePath,
    /// What is wrong with it.
    pub fault: ViewFault,
}

/// What can be wrong with a node of a standard object.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ViewFault {
    /// Required and not there.
    #[error("is missing")]
    Missing,
    /// An interior node stands where a leaf belongs.
    #[error("is an interior node and has to be a leaf")]
    NotALeaf,
    /// A leaf stands where an interior node belongs.
    #[error("is a leaf and has to be an interior node")]
    NotInterior,
    /// The value has another format than this.
    #[error("has to have format {0}")]
    Format(Format),
    /// No DevID.
    #[error("{0}")]
    DevId(#[from] DevIdError),
    /// No SrvID.
    #[error("{0}")]
    SrvId(#[from] SrvIdError),
    /// No ServerURI.
    #[error("{0}")]
    ServerUri(#[from] ServerUriError),
    /// No MOID.
    #[error("{0}")]
    Moid(#[from] MoidError),
    /// `http://`, where credentials are to travel over it.
    #[error("is an http:// URI and has to be an https:// one")]
    PlainHttp,
    /// `SecMode` is not exactly one octet long (D41).
    #[error("has {0} octets and has to have exactly one")]
    SecModeLength(usize),
    /// None of the values that the standard lists for it.
    #[error("has none of the values that it may have")]
    NotListed,
    /// No number of its range.
    #[error("is not a number, or beyond its range")]
    NotANumber,
}

/// Reads leaves below one interior node and says which one is wrong.
#[derive(Clone)]
pub(super) struct Reader<'a> {
    path: NodePath,
    children: &'a Children,
}

impl ViewFault {
    /// This fault of the node at a path.
    #[must_use]
    pub fn at(self, path: NodePath) -> ViewError {
        ViewError { path, fault: self }
    }
}

impl<'a> Reader<'a> {
    pub(super) fn root(node: &'a Node) -> Result<Self, ViewError> {
        let path = NodePath::root();
        match node.children() {
            Some(children) => Ok(Self { path, children }),
            None => Err(ViewFault::NotInterior.at(path)),
        }
    }

    pub(super) const fn children(&self) -> &'a Children {
        self.children
    }

    pub(super) const fn path(&self) -> &NodePath {
        &self.path
    }

    pub(super) fn fault(&self, name: &str, fault: impl Into<ViewFault>) -> ViewError {
        fault.into().at(below(&self.path, name))
    }

    fn get(&self, name: &str) -> Option<&'a Node> {
        self.children
            .iter()
            .find(|(n, _)| n.as_str() == name)
            .map(|(_, node)| node)
    }

    pub(super) fn interior(&self, name: &str) -> Result<Option<Self>, ViewError> {
        match self.get(name) {
            None => Ok(None),
            Some(Node::Interior(children)) => Ok(Some(Self {
                path: below(&self.path, name),
                children,
            })),
            Some(Node::Leaf(_)) => Err(self.fault(name, ViewFault::NotInterior)),
        }
    }

    /// The children, each as interior node, in stored order.
    pub(super) fn groups(&self) -> Result<Vec<Self>, ViewError> {
        self.children
            .keys()
            .filter_map(|name| self.interior(name.as_str()).transpose())
            .collect()
    }

    fn leaf(&self, name: &str, format: Format) -> Result<Option<&'a Value>, ViewError> {
        match self.get(name) {
            None => Ok(None),
            Some(Node::Interior(_)) => Err(self.fault(name, ViewFault::NotALeaf)),
            Some(Node::Leaf(value)) if value.format() == format => Ok(Some(value)),
            Some(Node::Leaf(_)) => Err(self.fault(name, ViewFault::Format(format))),
        }
    }

    fn required<T>(&self, name: &str, found: Option<T>) -> Result<T, ViewError> {
        found.ok_or_else(|| self.fault(name, ViewFault::Missing))
    }

    pub(super) fn optional_text(&self, name: &str) -> Result<Option<&'a str>, ViewError> {
        Ok(self.leaf(name, Format::Chr)?.and_then(Value::as_text))
    }

    pub(super) fn text(&self, name: &str) -> Result<&'a str, ViewError> {
        self.required(name, self.optional_text(name)?)
    }

    /// The texts of these leaves, in this order.
    pub(super) fn texts<const N: usize>(&self, names: [&str; N]) -> Result<[String; N], ViewError> {
        let mut texts = [const { String::new() }; N];
        for (text, name) in texts.iter_mut().zip(names) {
            self.text(name)?.clone_into(text);
        }
        Ok(texts)
    }

    pub(super) fn dev_id(&self, name: &str) -> Result<DevId, ViewError> {
        DevId::parse(self.text(name)?).map_err(|error| self.fault(name, error))
    }

    pub(super) fn optional_octets(&self, name: &str) -> Result<Option<&'a [u8]>, ViewError> {
        Ok(self.leaf(name, Format::Bin)?.and_then(Value::as_octets))
    }

    pub(super) fn octets(&self, name: &str) -> Result<&'a [u8], ViewError> {
        self.required(name, self.optional_octets(name)?)
    }

    pub(super) fn optional_int(&self, name: &str) -> Result<Option<i64>, ViewError> {
        Ok(self.leaf(name, Format::Int)?.and_then(Value::as_int))
    }

    pub(super) fn bool(&self, name: &str) -> Result<bool, ViewError> {
        let found = self.leaf(name, Format::Bool)?;
        self.required(name, found.map(|value| matches!(value, Value::Bool(true))))
    }

    pub(super) fn int(&self, name: &str) -> Result<i64, ViewError> {
        self.required(name, self.optional_int(name)?)
    }
}

/// The path of a child whose name this crate or a stored node spells; a text that is no name does not occur.
fn below(path: &NodePath, name: &str) -> NodePath {
    NodeName::parse(name).map_or_else(|_| path.clone(), |name| path.child(name))
}

/// Puts a node below `into` at names that this crate spells.
pub(super) fn put(into: &mut Node, names: &[&str], node: impl Into<Node>) {
    let path: NodePath = names
        .iter()
        .filter_map(|name| NodeName::parse(name).ok())
        .collect();
    into.put(&path, node.into());
}

/// Puts leaves of text below `into`.
pub(super) fn put_texts(into: &mut Node, leaves: &[(&str, &str)]) {
    for (name, text) in leaves {
        put(into, &[name], Value::chr(*text));
    }
}

/// Names whose octet order is the order of the items.
pub(super) fn numbered<T>(items: &[T]) -> impl Iterator<Item = (String, &T)> {
    let width = items.len().to_string().len();
    items
        .iter()
        .enumerate()
        .map(move |(n, item)| (format!("{:0width$}", n + 1), item))
}

impl fmt::Display for ViewError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.path.is_root() {
            write!(f, "the root: {}", self.fault)
        } else {
            write!(f, "{}: {}", self.path, self.fault)
        }
    }
}
