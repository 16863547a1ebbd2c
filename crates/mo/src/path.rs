use std::fmt;

use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};

use crate::{Miid, Moid};

/// The name of a node, decoded. 1 to 255 octets, no control character.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct NodeName(Box<str>);

/// Why a text is no node name. Its author is at fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum NodeNameError {
    /// Not 1 to 255 octets long.
    #[error("a node name has 1 to 255 octets, this one {0}")]
    Length(usize),
    /// A control character.
    #[error("a node name holds no control character")]
    Control,
}

/// The names from below an instance's root down to a node; empty for the root itself.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct NodePath(Vec<NodeName>);

/// One node of the DM tree: instance and path. What a ClientURI resolves to.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct NodeAddress {
    /// Type of the management object.
    pub moid: Moid,
    /// Which instance.
    pub miid: Miid,
    /// Which node of it.
    pub path: NodePath,
}

impl NodeName {
    /// Reads a decoded name.
    ///
    /// # Errors
    /// [`NodeNameError`] where the text is not one.
    pub fn parse(text: &str) -> Result<Self, NodeNameError> {
        if text.is_empty() || text.len() > 255 {
            return Err(NodeNameError::Length(text.len()));
        }
        if text.chars().any(char::is_control) {
            return Err(NodeNameError::Control);
        }
        Ok(Self(text.into()))
    }

    /// The decoded text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl NodePath {
    /// The path of the instance's root.
    #[must_use]
    pub const fn root() -> Self {
        Self(Vec::new())
    }

    /// Reads names that need no decoding, separated by `/`; for paths that the program itself writes.
    ///
    /// # Errors
    /// [`NodeNameError`] of the first part that is no name.
    pub fn of(text: &str) -> Result<Self, NodeNameError> {
        text.split('/')
            .filter(|part| !part.is_empty())
            .map(NodeName::parse)
            .collect::<Result<_, _>>()
            .map(Self)
    }

    /// The names, outermost first.
    #[must_use]
    pub fn names(&self) -> &[NodeName] {
        &self.0
    }

    /// Whether it is the instance's root.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The path of a child.
    #[must_use]
    pub fn child(&self, name: NodeName) -> Self {
        let mut names = self.0.clone();
        names.push(name);
        Self(names)
    }

    /// The parent's path and the last name; none for the root.
    #[must_use]
    pub fn split_last(&self) -> Option<(Self, &NodeName)> {
        self.0
            .split_last()
            .map(|(last, rest)| (Self(rest.to_vec()), last))
    }

    /// Whether this node is `other` or lies below it.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }

    /// Whether the names are exactly these.
    #[must_use]
    pub fn is(&self, names: &[&str]) -> bool {
        self.0
            .iter()
            .map(NodeName::as_str)
            .eq(names.iter().copied())
    }
}

impl FromIterator<NodeName> for NodePath {
    fn from_iter<I: IntoIterator<Item = NodeName>>(names: I) -> Self {
        Self(names.into_iter().collect())
    }
}

impl NodeAddress {
    /// The root of an instance.
    #[must_use]
    pub const fn root(moid: Moid, miid: Miid) -> Self {
        Self {
            moid,
            miid,
            path: NodePath::root(),
        }
    }

    /// The same instance, another node.
    #[must_use]
    pub fn with_path(&self, path: NodePath) -> Self {
        Self {
            moid: self.moid.clone(),
            miid: self.miid.clone(),
            path,
        }
    }

    /// A child of this node.
    #[must_use]
    pub fn child(&self, name: NodeName) -> Self {
        self.with_path(self.path.child(name))
    }
}

/// What a writer encodes inside names and values (D28), beyond what RFC 3986 forbids anyway.
const ENCODED: &AsciiSet = &CONTROLS
    .add(b'%')
    .add(b'/')
    .add(b'?')
    .add(b'&')
    .add(b'#')
    .add(b':')
    .add(b'*')
    .add(b'(')
    .add(b')')
    .add(b' ')
    .add(b'"')
    .add(b'<')
    .add(b'>')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// A name or value as it is written into a ClientURI (D28).
pub(crate) fn encode(text: &str) -> impl fmt::Display + '_ {
    utf8_percent_encode(text, ENCODED)
}

impl fmt::Display for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for NodeName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

/// `a/b/c`, percent-encoded; empty for the root.
impl fmt::Display for NodePath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (n, name) in self.0.iter().enumerate() {
            if n > 0 {
                f.write_str("/")?;
            }
            write!(f, "{}", encode(name.as_str()))?;
        }
        Ok(())
    }
}

/// The ClientURI of this node, real MIID and names, no query (D33).
impl fmt::Display for NodeAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}/{}/{}",
            self.moid,
            encode(self.miid.as_str()),
            self.path
        )
    }
}

#[cfg(test)]
mod tests {
    use super::{NodeAddress, NodeName, NodePath};
    use crate::{Miid, Moid};

    #[test]
    fn an_address_is_written_as_a_client_uri_d28() {
        let root = NodeAddress::root(
            Moid::parse("urn:oma:mo:moid:1.0").unwrap(),
            Miid::parse("a b").unwrap(),
        );
        assert_eq!(root.to_string(), "urn:oma:mo:moid:1.0/a%20b/");
        let node = root
            .child(NodeName::parse("50%/x").unwrap())
            .child(NodeName::parse("ü").unwrap());
        assert_eq!(
            node.to_string(),
            "urn:oma:mo:moid:1.0/a%20b/50%25%2Fx/%C3%BC"
        );
    }

    #[test]
    fn a_node_lies_within_itself_and_its_ancestors() {
        let auth = NodePath::of("Auth").unwrap();
        assert!(NodePath::of("Auth/Trsp/Data").unwrap().is_within(&auth));
        assert!(auth.is_within(&auth));
        assert!(!NodePath::of("Authority").unwrap().is_within(&auth));
    }
}
