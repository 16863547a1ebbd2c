use omadm_dm1::syncml::{Item, Meta, StatusCode};
use omadm_mo::AclCommand;
use omadm_mo::ddf::AccessTypes;

use super::super::workspace::Workspace;
use super::Server;
use super::access::{described, is_permanent};
use super::outcome::{Fate, ItemOutcome};
use super::target::{Standing, Target};

impl Server<'_> {
    /// `Delete`: a node with all below it. Access types and ACLs of what lies below do not count.
    pub(super) fn delete(
        self,
        workspace: &mut Workspace<'_>,
        item: &Item,
        _: &Meta,
    ) -> Fate<ItemOutcome> {
        let target = Target::of(workspace, item)?.plain()?;
        let Standing::Node(at, _) = self.find(workspace, &target)? else {
            return Err(StatusCode::NOT_ALLOWED.into());
        };
        described(workspace, &at, AccessTypes::DELETE)?;
        if is_permanent(workspace, &at) {
            return Err(StatusCode::NOT_ALLOWED.into());
        }
        self.may(workspace, &at, AclCommand::Delete)?;
        // What lives outside the store is in use.
        if workspace.is_live(&at) {
            return Err(StatusCode::FORBIDDEN.into());
        }
        workspace.remove(&at)?;
        Ok(ItemOutcome::of(StatusCode::OK))
    }
}
