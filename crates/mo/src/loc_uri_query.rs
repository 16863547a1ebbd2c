use std::collections::BTreeSet;
use std::fmt;

use crate::LocUriError;

/// What a LocURI asks for instead of the node itself (`dm1x.md` §4.1).
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum LocUriQuery {
    /// `?prop=`: one property of the node.
    Prop(Property),
    /// `?list=`: the node with all below it.
    List(List),
}

/// A property of a node (`dm1x.md` §4.2).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Property {
    /// Who may do what: Get, Replace.
    Acl,
    /// Format of the value: Get.
    Format,
    /// The last segment: Get, Replace (rename).
    Name,
    /// Octets of the value; leaves only: Get.
    Size,
    /// For people: Get, Replace.
    Title,
    /// Time of the last change: Get.
    TStamp,
    /// Media type of a leaf, MO identifier of an interior node: Get.
    Type,
    /// Number of changes, 16 bits, wraps: Get.
    VerNo,
}

/// The form in which a subtree is listed.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum List {
    /// One Item a node, without values.
    Struct,
    /// One Item a node, leaves with their values.
    StructData,
    /// One TNDS object.
    Tnds(TndsSelection),
}

/// What a TNDS object is to say of each node. Its name it always says.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub enum TndsSelection {
    /// All there is.
    #[default]
    All,
    /// `+`: these alone.
    Only(BTreeSet<TndsMember>),
    /// `-`: all but these.
    Without(BTreeSet<TndsMember>),
}

/// What a TNDS object can say of a node.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum TndsMember {
    /// A property.
    Property(Property),
    /// The value of a leaf.
    Value,
}

impl Property {
    /// All, in the order of the standard.
    pub const ALL: [Self; 8] = [
        Self::Acl,
        Self::Format,
        Self::Name,
        Self::Size,
        Self::Title,
        Self::TStamp,
        Self::Type,
        Self::VerNo,
    ];

    /// Its name behind `?prop=`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Acl => "ACL",
            Self::Format => "Format",
            Self::Name => "Name",
            Self::Size => "Size",
            Self::Title => "Title",
            Self::TStamp => "TStamp",
            Self::Type => "Type",
            Self::VerNo => "VerNo",
        }
    }

    /// The property of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|property| property.name() == name)
    }
}

impl TndsSelection {
    /// Whether a member is to be said.
    #[must_use]
    pub fn has(&self, member: TndsMember) -> bool {
        match self {
            Self::All => true,
            Self::Only(members) => members.contains(&member),
            Self::Without(members) => !members.contains(&member),
        }
    }
}

impl TndsMember {
    /// Its name in a list.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Property(property) => property.name(),
            Self::Value => "Value",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        if name == "Value" {
            return Some(Self::Value);
        }
        Property::from_name(name).map(Self::Property)
    }
}

impl LocUriQuery {
    /// Reads what follows the `?`.
    ///
    /// # Errors
    /// [`LocUriError::Query`], [`LocUriError::Property`] or [`LocUriError::List`].
    pub fn parse(text: &str) -> Result<Self, LocUriError> {
        match text.split_once('=') {
            Some(("prop", name)) => Property::from_name(name)
                .map(Self::Prop)
                .ok_or(LocUriError::Property),
            Some(("list", list)) => List::parse(list).map(Self::List),
            _ => Err(LocUriError::Query),
        }
    }
}

impl List {
    fn parse(text: &str) -> Result<Self, LocUriError> {
        match text {
            "Struct" => return Ok(Self::Struct),
            "StructData" => return Ok(Self::StructData),
            _ => {}
        }
        let members = text.strip_prefix("TNDS").ok_or(LocUriError::List)?;
        if members.is_empty() {
            return Ok(Self::Tnds(TndsSelection::All));
        }
        if members.contains('+') && members.contains('-') {
            return Err(LocUriError::Query);
        }
        let read = |separator| {
            let names = members.split(separator).skip(1);
            names
                .map(|name| TndsMember::from_name(name).ok_or(LocUriError::List))
                .collect::<Result<_, _>>()
        };
        if members.starts_with('+') {
            return Ok(Self::Tnds(TndsSelection::Only(read('+')?)));
        }
        if members.starts_with('-') {
            return Ok(Self::Tnds(TndsSelection::Without(read('-')?)));
        }
        Err(LocUriError::List)
    }
}

/// With its `?`.
impl fmt::Display for LocUriQuery {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Prop(property) => write!(f, "?prop={}", property.name()),
            Self::List(List::Struct) => f.write_str("?list=Struct"),
            Self::List(List::StructData) => f.write_str("?list=StructData"),
            Self::List(List::Tnds(selection)) => {
                f.write_str("?list=TNDS")?;
                let (sign, members) = match selection {
                    TndsSelection::All => return Ok(()),
                    TndsSelection::Only(members) => ('+', members),
                    TndsSelection::Without(members) => ('-', members),
                };
                members
                    .iter()
                    .try_for_each(|member| write!(f, "{sign}{}", member.name()))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{List, LocUriQuery, Property, TndsMember, TndsSelection};

    #[test]
    fn a_list_names_what_it_wants_or_what_it_does_not() {
        let read = |text: &str| match LocUriQuery::parse(text) {
            Ok(LocUriQuery::List(List::Tnds(selection))) => selection,
            other => panic!("{text}: {other:?}"),
        };
        let acl = TndsMember::Property(Property::Acl);
        assert_eq!(read("list=TNDS"), TndsSelection::All);
        let only = read("list=TNDS+ACL+Value");
        assert!(only.has(acl) && only.has(TndsMember::Value));
        assert!(!only.has(TndsMember::Property(Property::Type)));
        let without = read("list=TNDS-Value-ACL");
        assert!(!without.has(acl) && without.has(TndsMember::Property(Property::Type)));
        let written = LocUriQuery::List(List::Tnds(without)).to_string();
        assert_eq!(written, "?list=TNDS-ACL-Value");
    }
}
