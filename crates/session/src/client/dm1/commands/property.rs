use omadm_dm1::syncml::{Data, Item, StatusCode};
use omadm_mo::{
    Acl, AclCommand, AclError, LocUri, Miid, NodeAddress, NodeName, NodeProperties, Property,
};

use super::super::workspace::Workspace;
use super::Server;
use super::access::is_permanent;
use super::outcome::Fate;
use super::target::Standing;

impl Server<'_> {
    /// The text of a property: §4.2.
    pub(super) fn property(
        self,
        workspace: &Workspace<'_>,
        standing: &Standing,
        uri: &LocUri,
        property: Property,
    ) -> Fate<String> {
        let name = uri.split_last().map(|(_, name)| name.as_str().to_owned());
        let (at, kind) = match standing {
            Standing::Inbox => return Err(StatusCode::NOT_ALLOWED.into()),
            Standing::Root | Standing::Mo(_) => {
                self.may_to_root(AclCommand::Get)?;
                return Ok(match property {
                    Property::Acl if uri.is_root() => Acl::default_of_root().to_string(),
                    Property::Format => omadm_mo::Format::Node.name().into(),
                    Property::Name => name.unwrap_or_default(),
                    Property::VerNo => "0".into(),
                    Property::Size => return Err(StatusCode::NOT_ALLOWED.into()),
                    Property::Acl | Property::Title | Property::TStamp | Property::Type => {
                        String::new()
                    }
                });
            }
            Standing::Node(at, kind) => (at, *kind),
        };
        let kept = workspace.properties(at)?;
        if property == Property::Size {
            self.may_get(workspace, standing)?;
        } else {
            self.may(workspace, at, AclCommand::Get)?;
        }
        Ok(match property {
            Property::Acl => kept.acl.map(|acl| acl.to_string()).unwrap_or_default(),
            Property::Name => name.unwrap_or_default(),
            Property::Title => kept.title.unwrap_or_default(),
            Property::TStamp => kept.tstamp.unwrap_or_default(),
            Property::VerNo => kept.ver_no.to_string(),
            Property::Format => match workspace.leaf(at)? {
                Some(value) => value.format().name().into(),
                None => omadm_mo::Format::Node.name().into(),
            },
            Property::Type => workspace.layout().type_of(at, kind),
            Property::Size => {
                let value = workspace.leaf(at)?.ok_or(StatusCode::NOT_ALLOWED)?;
                value.size().to_string()
            }
        })
    }

    /// `Replace` of a property: ACL, Title, and Name, which is to rename.
    pub(super) fn replace_property(
        self,
        workspace: &mut Workspace<'_>,
        standing: &Standing,
        item: &Item,
        property: Property,
    ) -> Fate {
        let Standing::Node(at, kind) = standing else {
            // The ACL of the root is the default one, always (§4.3).
            return Err(StatusCode::NOT_ALLOWED.into());
        };
        let text = item.data.as_ref().map(Data::text).unwrap_or(Some(""));
        let text = text.ok_or(StatusCode::BAD_REQUEST)?.trim();
        let kept = workspace.properties(at)?;
        match property {
            Property::Acl => {
                self.may_change_acl(workspace, at, *kind)?;
                let acl = Acl::parse(text).map_err(|fault| match fault {
                    AclError::TooLong => StatusCode::DEVICE_FULL,
                    AclError::Entry | AclError::Command | AclError::Server => {
                        StatusCode::BAD_REQUEST
                    }
                })?;
                workspace.set_properties(at, &NodeProperties { acl, ..kept })?;
            }
            Property::Title => {
                self.may(workspace, at, AclCommand::Replace)?;
                if text.len() > NodeProperties::MAX_TITLE {
                    return Err(StatusCode::TOO_LARGE.into());
                }
                let title = (!text.is_empty()).then(|| text.to_owned());
                workspace.set_properties(at, &NodeProperties { title, ..kept })?;
            }
            Property::Name => self.rename(workspace, at, text)?,
            Property::Format
            | Property::Size
            | Property::TStamp
            | Property::Type
            | Property::VerNo => return Err(StatusCode::NOT_ALLOWED.into()),
        }
        Ok(())
    }

    fn rename(self, workspace: &mut Workspace<'_>, at: &NodeAddress, text: &str) -> Fate {
        let name = NodeName::parse(text).map_err(|_| StatusCode::BAD_REQUEST)?;
        let ddf = workspace.layout().ddf(&at.moid);
        // A node whose name the DDF gives is called so or not at all.
        let is_named = ddf
            .and_then(|ddf| ddf.node(&at.path))
            .is_some_and(|node| node.name().is_some() && !at.path.is_root());
        let to = match at.path.split_last() {
            Some((parent, _)) => at.with_path(parent.child(name.clone())),
            None => NodeAddress::root(at.moid.clone(), renamed(&name)?),
        };
        let is_account = at.path.is_root() && at.miid == self.account.miid;
        if is_named || is_permanent(workspace, at) || workspace.layout().loc_uri(&to).is_none() {
            return Err(StatusCode::NOT_ALLOWED.into());
        }
        self.may(workspace, at, AclCommand::Replace)?;
        if to == *at {
            return Ok(());
        }
        if workspace.kind(&to)?.is_some() {
            return Err(StatusCode::ALREADY_EXISTS.into());
        }
        // A name that the DDF describes is another node's.
        let own = workspace.layout().governing(at).map(std::ptr::from_ref);
        if own != workspace.layout().governing(&to).map(std::ptr::from_ref) {
            return Err(StatusCode::NOT_ALLOWED.into());
        }
        let is_dm_acc = at.moid == omadm_mo::standard::dm_acc1::moid();
        if workspace.is_live(at) || (is_dm_acc && (is_account || at.path.is_root())) {
            return Err(StatusCode::FORBIDDEN.into());
        }
        workspace.rename(at, &to, &name)?;
        Ok(())
    }
}

/// The MIID that a server gives; a number must leave the device's own count room to go on (D72).
pub(super) fn renamed(name: &NodeName) -> Fate<Miid> {
    let miid = Miid::parse(name.as_str()).map_err(|_| StatusCode::NOT_ALLOWED)?;
    let is_number = name.as_str().bytes().all(|b| b.is_ascii_digit());
    if is_number && miid.as_str().parse::<u32>().is_err() {
        return Err(StatusCode::NOT_ALLOWED.into());
    }
    Ok(miid)
}
