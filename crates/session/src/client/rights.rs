use omadm_bootstrap::{Account, DeviceView};
use omadm_mo::client_uri::Sight;
use omadm_mo::standard::{MoRegistry, dac, dev_info, dm_acc, session_info};
use omadm_mo::{Miid, Moid, NodeAddress, Rights};

/// What one DM Server can see and do on the device (`dm20.md` §13, D48, D49, D69).
#[derive(Clone, Copy)]
pub struct ServerSight<'a> {
    /// The tree.
    pub view: &'a dyn DeviceView,
    /// The server's account.
    pub account: &'a Account,
    /// The MOs the device has.
    pub registry: &'a MoRegistry,
}

impl ServerSight<'_> {
    /// Whether the server's Perm list names the MOID. Without that nothing of it is permitted, not even its own account (D85).
    #[must_use]
    pub fn permits(&self, moid: &Moid) -> bool {
        self.account.perm.contains(moid)
    }

    /// Whether the server has Write on a node: that on the instance, but for the parts of its own account that only the client writes (D49).
    #[must_use]
    pub fn may_write(&self, at: &NodeAddress) -> bool {
        let kept = at.moid == dm_acc::moid()
            && dm_acc::names::kept_by_client()
                .iter()
                .any(|kept| at.path.is_within(kept));
        !kept && self.rights(&at.moid, &at.miid).has(Rights::WRITE)
    }

    /// The server's rights on an instance (D49). A tree that cannot be read gives none.
    #[must_use]
    pub fn rights(&self, moid: &Moid, miid: &Miid) -> Rights {
        if !self.permits(moid) {
            return Rights::NONE;
        }
        if *moid == dm_acc::moid() {
            let own = *miid == self.account.miid;
            return if own {
                Rights::READ.with(Rights::WRITE)
            } else {
                Rights::NONE
            };
        }
        if *moid == dev_info::moid() || *moid == session_info::moid() {
            return Rights::READ;
        }
        if *moid == dac::moid() {
            return Rights::NONE;
        }
        let creator = self.view.creator(moid, miid).ok().flatten();
        if creator.as_ref() == Some(&self.account.srv_id) {
            Rights::FULL
        } else {
            Rights::NONE
        }
    }
}

impl Sight for ServerSight<'_> {
    fn sees(&self, moid: &Moid, miid: &Miid) -> bool {
        !self.rights(moid, miid).is_none()
    }

    fn reads(&self, leaf: &NodeAddress) -> bool {
        self.rights(&leaf.moid, &leaf.miid).has(Rights::READ)
            && self
                .registry
                .get(&leaf.moid)
                .is_some_and(|ddf| ddf.is_readable(&leaf.path))
    }
}
