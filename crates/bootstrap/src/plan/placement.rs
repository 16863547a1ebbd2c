use std::collections::BTreeSet;

use omadm_mo::ddf::{Ddf, DdfNode, Occurrence, Scope};
use omadm_mo::{Children, Miid, Moid, Node, NodeAddress, TreeError};

use crate::DeviceView;

/// Where an item without DM Account goes (D15 b to d).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Placement {
    /// In place of this instance.
    Replace(Miid),
    /// As a new instance.
    Add(Miid),
}

/// Why an item has no place.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PlacementError {
    /// The instance belongs to another server or to the device (D49, D75).
    #[error("the instance {0} was created by somebody else")]
    Foreign(NodeAddress),
    /// The DDF allows one instance, and there would be a second (D87).
    #[error("{0} occurs at most once, and there would be a second instance")]
    Second(Moid),
    /// The tree could not be read.
    #[error(transparent)]
    Tree(#[from] TreeError),
}

/// Highest number that a proposed MIID may have. Local limit.
const HIGHEST_PROPOSAL: u64 = u32::MAX as u64;

impl Placement {
    /// Decides for a server: a MIID that exists is replaced; an MO that occurs at most once is replaced where it exists; anything else is added.
    /// `taken` are the MIIDs that earlier items of the same delivery got; `may_replace` tells whether an instance is the server's to replace.
    ///
    /// # Errors
    /// [`PlacementError`] where the place belongs to somebody else, or the tree cannot be read.
    pub fn decide(
        view: &dyn DeviceView,
        ddf: &Ddf,
        moid: &Moid,
        proposed: Option<&Miid>,
        may_replace: impl FnOnce(&Miid) -> Result<bool, TreeError>,
        taken: &BTreeSet<Miid>,
    ) -> Result<Self, PlacementError> {
        let instances = view.instances(moid)?;
        let single = matches!(
            ddf.root().occurrence(),
            Occurrence::One | Occurrence::ZeroOrOne
        );
        let existing = match proposed {
            Some(miid) if instances.contains(miid) => Some(miid.clone()),
            None if single => instances.first().cloned(),
            _ => None,
        };
        match existing {
            Some(miid) if may_replace(&miid)? => Ok(Self::Replace(miid)),
            Some(miid) => Err(PlacementError::Foreign(NodeAddress::root(
                moid.clone(),
                miid,
            ))),
            None if single && !(instances.is_empty() && taken.is_empty()) => {
                Err(PlacementError::Second(moid.clone()))
            }
            None => Ok(Self::Add(new_miid(view, moid, proposed, taken)?)),
        }
    }

    /// The instance either way.
    #[must_use]
    pub const fn miid(&self) -> &Miid {
        match self {
            Self::Replace(miid) | Self::Add(miid) => miid,
        }
    }
}

/// The MIID of a new instance (D72): the proposal where it is free and plain, else the next number that nobody has or had.
///
/// # Errors
/// [`TreeError`] where the tree cannot be read.
pub fn new_miid(
    view: &dyn DeviceView,
    moid: &Moid,
    proposed: Option<&Miid>,
    taken: &BTreeSet<Miid>,
) -> Result<Miid, TreeError> {
    let instances = view.instances(moid)?;
    let counted = view.counted_miids(moid)?;
    let is_free = |miid: &Miid| !instances.contains(miid) && !taken.contains(miid);
    // A number beyond this would leave the counter no room to go on.
    let was_given = |miid: &Miid| {
        let number = miid.as_str().parse::<u128>();
        number.is_ok_and(|n| n <= u128::from(counted) || n > u128::from(HIGHEST_PROPOSAL))
    };
    if let Some(miid) = proposed
        && miid.is_assignable()
        && is_free(miid)
        && !was_given(miid)
    {
        return Ok(miid.clone());
    }
    let mut next = counted;
    loop {
        next += 1;
        let miid = Miid::counted(next);
        if is_free(&miid) {
            return Ok(miid);
        }
    }
}

/// What replaces a node: the delivered content, and the permanent nodes that were not delivered with the value they have (D15).
#[must_use]
pub fn merge_permanent(
    delivered: Node,
    existing: Option<&Node>,
    described: Option<&DdfNode>,
) -> Node {
    let (Node::Interior(mut new), Some(Node::Interior(old)), Some(described)) =
        (delivered.clone(), existing, described)
    else {
        return delivered;
    };
    for (name, child) in old {
        let below = described.child(name);
        if let Some(node) = new.remove(name) {
            new.insert(name.clone(), merge_permanent(node, Some(child), below));
        } else if below.is_some_and(|below| below.scope() == Scope::Permanent) {
            new.insert(name.clone(), child.clone());
        }
    }
    Node::Interior(Children::from_iter(new))
}
