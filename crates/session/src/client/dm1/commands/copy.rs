use omadm_dm1::syncml::{Item, Meta, StatusCode};
use omadm_mo::ddf::AccessTypes;
use omadm_mo::{NodeKind, Place};

use super::super::workspace::Workspace;
use super::Server;
use super::access::described;
use super::add::own_description;
use super::outcome::{Fate, ItemOutcome};
use super::target::{Standing, Target};

impl Server<'_> {
    /// `Copy`: the value of a leaf to a leaf, with the rights of Get, and of Replace where the target stands, else of Add.
    pub(super) fn copy(
        self,
        workspace: &mut Workspace<'_>,
        item: &Item,
        _: &Meta,
    ) -> Fate<ItemOutcome> {
        let source = Target::at(workspace, item.source.as_ref())?.plain()?;
        let target = Target::of(workspace, item)?.plain()?;
        let standing = self.find(workspace, &source)?;
        let Standing::Node(from, NodeKind::Leaf) = &standing else {
            return Err(StatusCode::NOT_ALLOWED.into());
        };
        described(workspace, from, AccessTypes::COPY)?;
        self.may_get(workspace, &standing)?;
        let Place::Node(to) = target.place.clone() else {
            return Err(StatusCode::NOT_ALLOWED.into());
        };
        let value = workspace.leaf(from)?.ok_or(StatusCode::NOT_FOUND)?;
        let own = own_description(workspace, &to);
        if own.is_some_and(|own| own.format() != value.format()) {
            return Err(StatusCode::UNSUPPORTED_FORMAT.into());
        }
        self.hide(workspace, &target.place)?;
        match workspace.kind(&to)? {
            Some(NodeKind::Interior) => return Err(StatusCode::NOT_ALLOWED.into()),
            Some(NodeKind::Leaf) => {
                self.may_replace(workspace, &to)?;
                self.put_value(workspace, &to, value)?;
            }
            None => {
                self.make_way(workspace, &to)?;
                self.put_new(workspace, &to, value.into())?;
            }
        }
        Ok(ItemOutcome::of(StatusCode::OK))
    }
}
