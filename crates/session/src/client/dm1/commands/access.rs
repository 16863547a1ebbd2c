//! Who may do what: the DDF's access types hold for everybody (405), ACLs for each server (425): §4.3.

use omadm_dm1::syncml::StatusCode;
use omadm_mo::ddf::{AccessTypes, DdfNode, Scope};
use omadm_mo::standard::dm_acc1;
use omadm_mo::{Acl, AclCommand, Moid, NodeAddress, NodeKind, Place, TreeError};

use super::super::workspace::Workspace;
use super::Server;
use super::outcome::Fate;
use super::target::Standing;

/// The ACL that holds at a node. None lets nobody do anything.
pub(super) type Holding = Option<Acl>;

impl Server<'_> {
    /// The nearest ACL upwards decides, wholly.
    pub(super) fn holding(
        self,
        workspace: &Workspace<'_>,
        at: &NodeAddress,
    ) -> Result<Holding, TreeError> {
        let mut at = at.clone();
        loop {
            if let Some(own) = workspace.properties(&at)?.acl {
                return Ok(Some(own));
            }
            match at.path.split_last() {
                Some((parent, _)) => at = at.with_path(parent),
                None => return self.at_root(workspace, &at),
            }
        }
    }

    /// What holds at an instance's root without an ACL of its own: the rights of DM 2.0 where they govern it, else what is inherited. They govern what a server made,
    /// also after that server lost its rights. An account is its server's alone.
    fn at_root(self, workspace: &Workspace<'_>, root: &NodeAddress) -> Result<Holding, TreeError> {
        let is_account = root.moid == dm_acc1::moid();
        if is_account && root.miid == self.account.miid {
            let own = AclCommand::ALL.map(|command| (command, self.account.srv_id.clone()));
            return Ok(Acl::of_all(own));
        }
        let access = workspace.access(&root.moid, &root.miid)?;
        let governed = is_account || workspace.view().creator(&root.moid, &root.miid)?.is_some();
        if access.entries().is_empty() && !governed {
            return Ok(Some(Acl::default_of_root()));
        }
        let given = access.entries().iter().flat_map(|entry| {
            let commands = commands_of(entry.rights);
            commands.map(|command| (command, entry.srv_id.clone()))
        });
        Ok(Acl::of_all(given))
    }

    pub(super) fn allows(self, holding: &Holding, command: AclCommand) -> bool {
        holding
            .as_ref()
            .is_some_and(|acl| acl.allows(command, &self.account.srv_id))
    }

    /// Whether the ACL lets the server do this to a node.
    pub(super) fn may(
        self,
        workspace: &Workspace<'_>,
        at: &NodeAddress,
        command: AclCommand,
    ) -> Fate {
        let holding = self.holding(workspace, at)?;
        if self.allows(&holding, command) {
            Ok(())
        } else {
            Err(StatusCode::PERMISSION_DENIED.into())
        }
    }

    /// The same of the parent; that of an instance's root has the root's ACL.
    pub(super) fn may_to_parent(
        self,
        workspace: &Workspace<'_>,
        at: &NodeAddress,
        command: AclCommand,
    ) -> Fate {
        match at.path.split_last() {
            Some((parent, _)) => self.may(workspace, &at.with_path(parent), command),
            None => self.may_to_root(command),
        }
    }

    /// The same of the root and what lies above the instances: their ACL is the default one, always.
    pub(super) fn may_to_root(self, command: AclCommand) -> Fate {
        if self.allows(&Some(Acl::default_of_root()), command) {
            Ok(())
        } else {
            Err(StatusCode::PERMISSION_DENIED.into())
        }
    }

    /// A change of the ACL: Replace on an interior node itself or on its parent, of a leaf on the parent alone.
    pub(super) fn may_change_acl(
        self,
        workspace: &Workspace<'_>,
        at: &NodeAddress,
        kind: NodeKind,
    ) -> Fate {
        if kind == NodeKind::Interior && self.may(workspace, at, AclCommand::Replace).is_ok() {
            return Ok(());
        }
        self.may_to_parent(workspace, at, AclCommand::Replace)
    }

    /// What a command's target has to be: a node that stands. Of an account that the server may not read, nothing is told, not even what it has (§4.3).
    pub(super) fn find(
        self,
        workspace: &Workspace<'_>,
        target: &super::target::Target,
    ) -> Fate<Standing> {
        if let Some(standing) = target.standing(workspace)? {
            return Ok(standing);
        }
        self.hide(workspace, &target.place)?;
        Err(StatusCode::NOT_FOUND.into())
    }

    /// 425 for whatever may or may not stand in a foreign account.
    pub(super) fn hide(self, workspace: &Workspace<'_>, place: &Place) -> Fate {
        let Place::Node(at) = place else {
            return Ok(());
        };
        let root = NodeAddress::root(at.moid.clone(), at.miid.clone());
        if at.moid == dm_acc1::moid() && workspace.kind(&root)?.is_some() {
            self.may(workspace, at, AclCommand::Get)?;
        }
        Ok(())
    }

    /// Whether an instance is listed: a foreign account is not.
    pub(super) fn sees(
        self,
        workspace: &Workspace<'_>,
        root: &NodeAddress,
    ) -> Result<bool, TreeError> {
        if root.moid != dm_acc1::moid() {
            return Ok(true);
        }
        let holding = self.holding(workspace, root)?;
        Ok(self.allows(&holding, AclCommand::Get))
    }
}

/// The description of a node that has this access type.
pub(super) fn described<'w>(
    workspace: &Workspace<'w>,
    at: &NodeAddress,
    access: AccessTypes,
) -> Fate<&'w DdfNode> {
    let described = workspace.layout().governing(at);
    let described = described.filter(|node| node.access().has(access));
    Ok(described.ok_or(StatusCode::NOT_ALLOWED)?)
}

/// Whether a server can neither make nor remove a node. What lies below an open `Ext` is none of it.
pub(super) fn is_permanent(workspace: &Workspace<'_>, at: &NodeAddress) -> bool {
    let ddf = workspace.layout().ddf(&at.moid);
    let own = ddf.and_then(|ddf| ddf.node(&at.path));
    own.is_some_and(|node| node.scope() == Scope::Permanent)
}

/// Whether a type can have one instance at most.
pub(super) fn is_single(workspace: &Workspace<'_>, moid: &Moid) -> bool {
    let ddf = workspace.layout().ddf(moid);
    ddf.is_some_and(|ddf| ddf.root().occurrence().at_most() == Some(1))
}

fn commands_of(rights: omadm_mo::Rights) -> impl Iterator<Item = AclCommand> {
    use omadm_mo::Rights;
    let needs = |command| match command {
        AclCommand::Get => Rights::READ,
        AclCommand::Add | AclCommand::Replace | AclCommand::Delete => Rights::WRITE,
        AclCommand::Exec => Rights::EXECUTE,
    };
    let all = AclCommand::ALL.into_iter();
    all.filter(move |command| rights.has(needs(*command)))
}
