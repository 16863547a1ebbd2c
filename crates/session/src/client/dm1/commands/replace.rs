use omadm_dm1::syncml::{Item, Meta, StatusCode};
use omadm_mo::ddf::AccessTypes;
use omadm_mo::{AclCommand, LocUriQuery, NodeAddress, NodeKind, Value};

use super::super::workspace::Workspace;
use super::Server;
use super::access::described;
use super::add::own_description;
use super::outcome::{Fate, ItemOutcome};
use super::target::{Standing, Target};
use super::tnds;
use super::value::value_of;

impl Server<'_> {
    /// `Replace`: a value, a property, or with TNDS all below a node. Never makes a node otherwise.
    pub(super) fn replace(
        self,
        workspace: &mut Workspace<'_>,
        item: &Item,
        meta: &Meta,
    ) -> Fate<ItemOutcome> {
        let target = Target::of(workspace, item)?;
        let standing = self.find(workspace, &target)?;
        match &target.query {
            Some(LocUriQuery::Prop(property)) => {
                self.replace_property(workspace, &standing, item, *property)?;
                return Ok(ItemOutcome::of(StatusCode::OK));
            }
            Some(LocUriQuery::List(_)) => return Err(StatusCode::NOT_ALLOWED.into()),
            None => {}
        }
        if tnds::is_tnds(meta) {
            self.replace_tnds(workspace, &target, &standing, item)?;
            return Ok(ItemOutcome::of(StatusCode::OK));
        }
        let Standing::Node(at, NodeKind::Leaf) = &standing else {
            return Err(StatusCode::NOT_ALLOWED.into());
        };
        self.may_replace(workspace, at)?;
        let value = value_of(meta, item.data.as_ref(), own_description(workspace, at))?;
        self.put_value(workspace, at, value)?;
        Ok(ItemOutcome::of(StatusCode::OK))
    }

    pub(super) fn may_replace(self, workspace: &Workspace<'_>, at: &NodeAddress) -> Fate {
        described(workspace, at, AccessTypes::REPLACE)?;
        self.may(workspace, at, AclCommand::Replace)
    }

    /// Puts a value in place of another.
    pub(super) fn put_value(
        self,
        workspace: &mut Workspace<'_>,
        at: &NodeAddress,
        value: Value,
    ) -> Fate {
        workspace.put(at, value.into(), &self.account.srv_id)?;
        Ok(())
    }
}
