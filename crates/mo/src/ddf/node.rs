use std::fmt;

use crate::{Format, NodeKind, NodeName};

/// The description of one node (`dm20.md` §8.1).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DdfNode {
    pub(super) name: Option<NodeName>,
    pub(super) format: Format,
    pub(super) access: AccessTypes,
    pub(super) occurrence: Occurrence,
    pub(super) scope: Scope,
    pub(super) default_value: Option<Box<str>>,
    pub(super) title: Option<Box<str>>,
    pub(super) description: Option<Box<str>>,
    pub(super) df_type: Option<Box<str>>,
    pub(super) mime: Option<Box<str>>,
    pub(super) children: Vec<Self>,
}

/// What may be done to a node at most: the set of a DDF's `AccessType` (`dm20.md` §8.2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct AccessTypes(u8);

/// How often a node may stand under its parent (`dm20.md` §8.1). A named node stands there once at most.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Occurrence {
    /// Exactly once.
    One,
    /// Once or not at all.
    ZeroOrOne,
    /// Any number of times.
    ZeroOrMore,
    /// At least once.
    OneOrMore,
    /// Not more often than this.
    ZeroOrN(u32),
    /// At least once, not more often than this.
    OneOrN(u32),
}

/// Whether a server can make and remove a node at run time (`dm20.md` §8.1).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Scope {
    /// Never made, removed or renamed by a server (405); comes and goes with its parent.
    Permanent,
    /// Made by HGET, removed by DELETE.
    Dynamic,
}

impl DdfNode {
    /// Its name; none for an unnamed node, a placeholder for names given at run time.
    #[must_use]
    pub const fn name(&self) -> Option<&NodeName> {
        self.name.as_ref()
    }

    /// Its format.
    #[must_use]
    pub const fn format(&self) -> Format {
        self.format
    }

    /// Interior node or leaf.
    #[must_use]
    pub const fn kind(&self) -> NodeKind {
        if matches!(self.format, Format::Node) {
            NodeKind::Interior
        } else {
            NodeKind::Leaf
        }
    }

    /// What may be done to it.
    #[must_use]
    pub const fn access(&self) -> AccessTypes {
        self.access
    }

    /// How often it may stand under its parent.
    #[must_use]
    pub const fn occurrence(&self) -> Occurrence {
        self.occurrence
    }

    /// Whether a server can make and remove it.
    #[must_use]
    pub const fn scope(&self) -> Scope {
        self.scope
    }

    /// The text of `DefaultValue`.
    #[must_use]
    pub fn default_value(&self) -> Option<&str> {
        self.default_value.as_deref()
    }

    /// The text of `DFTitle`.
    #[must_use]
    pub fn title(&self) -> Option<&str> {
        self.title.as_deref()
    }

    /// The text of `Description`.
    #[must_use]
    pub fn description(&self) -> Option<&str> {
        self.description.as_deref()
    }

    /// The text of `DFType/DDFName`: the MOID an interior node stands for.
    #[must_use]
    pub fn df_type(&self) -> Option<&str> {
        self.df_type.as_deref()
    }

    /// The text of `DFType/MIME`: the media type of a leaf's value.
    #[must_use]
    pub fn mime(&self) -> Option<&str> {
        self.mime.as_deref()
    }

    /// The nodes described below it, in the order of the document.
    #[must_use]
    pub fn children(&self) -> &[Self] {
        &self.children
    }

    /// The description of a child of this name: the named one, else the placeholder.
    #[must_use]
    pub fn child(&self, name: &NodeName) -> Option<&Self> {
        let named = self
            .children
            .iter()
            .find(|child| child.name.as_ref() == Some(name));
        named.or_else(|| self.children.iter().find(|child| child.name.is_none()))
    }

    /// Whether it is an `Ext` node: what stands below it and is not described is the vendor's and allowed.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.format == Format::Node
            && self
                .name
                .as_ref()
                .is_some_and(|name| name.as_str() == "Ext")
    }
}

impl AccessTypes {
    /// Nothing: a node that only the client itself touches.
    pub const NONE: Self = Self(0);
    /// `Add`
    pub const ADD: Self = Self(1);
    /// `Copy`
    pub const COPY: Self = Self(2);
    /// `Delete`
    pub const DELETE: Self = Self(4);
    /// `Exec`
    pub const EXEC: Self = Self(8);
    /// `Get`
    pub const GET: Self = Self(16);
    /// `Replace`
    pub const REPLACE: Self = Self(32);

    /// Each access type with its element name in a DDF, in the order of the standard.
    pub const NAMED: [(Self, &'static str); 6] = [
        (Self::ADD, "Add"),
        (Self::COPY, "Copy"),
        (Self::DELETE, "Delete"),
        (Self::EXEC, "Exec"),
        (Self::GET, "Get"),
        (Self::REPLACE, "Replace"),
    ];

    /// Both sets together.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    /// Whether all of `other` are among these.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }

    pub(super) fn from_name(name: &str) -> Option<Self> {
        Self::NAMED
            .into_iter()
            .find(|(_, n)| *n == name)
            .map(|(access, _)| access)
    }
}

impl Occurrence {
    /// Whether the node has to be there when its parent is.
    #[must_use]
    pub const fn is_required(self) -> bool {
        matches!(self, Self::One | Self::OneOrMore | Self::OneOrN(_))
    }

    /// How often it may be there at most; none where there is no bound.
    #[must_use]
    pub const fn at_most(self) -> Option<u32> {
        match self {
            Self::One | Self::ZeroOrOne => Some(1),
            Self::ZeroOrMore | Self::OneOrMore => None,
            Self::ZeroOrN(n) | Self::OneOrN(n) => Some(n),
        }
    }
}

impl fmt::Debug for AccessTypes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set()
            .entries(
                Self::NAMED
                    .iter()
                    .filter(|(access, _)| self.has(*access))
                    .map(|(_, name)| name),
            )
            .finish()
    }
}
