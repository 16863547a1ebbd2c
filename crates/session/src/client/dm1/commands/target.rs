use omadm_dm1::syncml::{Item, Location, StatusCode};
use omadm_mo::{LocUri, LocUriQuery, Moid, NodeAddress, NodeKind, Place, TreeError, UriLimits};

use super::super::workspace::Workspace;
use super::outcome::Fate;

/// What an item addresses.
pub(super) struct Target {
    pub(super) uri: LocUri,
    pub(super) query: Option<LocUriQuery>,
    pub(super) place: Place,
}

/// A node that stands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Standing {
    /// The root.
    Root,
    /// The node above the instances of an MO type.
    Mo(Moid),
    /// `./Inbox`
    Inbox,
    /// A node of an instance.
    Node(NodeAddress, NodeKind),
}

impl Target {
    pub(super) fn of(workspace: &Workspace<'_>, item: &Item) -> Fate<Self> {
        Self::at(workspace, item.target.as_ref())
    }

    /// Nothing about a target is guessed (M13).
    pub(super) fn at(workspace: &Workspace<'_>, location: Option<&Location>) -> Fate<Self> {
        let location = location.ok_or(StatusCode::INCOMPLETE)?;
        let (uri, query) = LocUri::parse_within(location.uri.trim(), &UriLimits::OURS)?;
        let place = workspace.layout().resolve(&uri);
        Ok(Self { uri, query, place })
    }

    /// A target without a query; what a property or a list cannot be done to is 405 (§4.2).
    pub(super) fn plain(self) -> Fate<Self> {
        match self.query {
            None => Ok(self),
            Some(_) => Err(StatusCode::NOT_ALLOWED.into()),
        }
    }

    pub(super) fn standing(
        &self,
        workspace: &Workspace<'_>,
    ) -> Result<Option<Standing>, TreeError> {
        Ok(match &self.place {
            Place::Root => Some(Standing::Root),
            Place::Mo(moid) => Some(Standing::Mo(moid.clone())),
            Place::Inbox => Some(Standing::Inbox),
            Place::Unknown => None,
            Place::Node(at) => workspace
                .kind(at)?
                .map(|kind| Standing::Node(at.clone(), kind)),
        })
    }
}
