use omadm_bootstrap::{Account, DeviceView, GovernedInstance};
use omadm_mo::client_uri::Sight;
use omadm_mo::standard::{MoRegistry, dac, dm_acc};
use omadm_mo::{Miid, Moid, NodeAddress, Rights, TreeError};

use super::dac_view;

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
        self.account.permits(moid)
    }

    /// Whether the server has Write on a node: that on the instance, but for the parts of its own account that only the client writes (D49). Writing into the
    /// DAC MO takes Delegate on the instance it governs.
    #[must_use]
    pub fn may_write(&self, at: &NodeAddress) -> bool {
        if at.moid == dac::moid() {
            let governed = self.governed(&at.miid).ok().flatten();
            return governed.is_some_and(|(_, rights)| rights.has(Rights::DELEGATE));
        }
        let kept = at.moid == dm_acc::moid()
            && dm_acc::names::kept_by_client()
                .iter()
                .any(|kept| at.path.is_within(kept));
        !kept && self.rights(&at.moid, &at.miid).has(Rights::WRITE)
    }

    /// The server's rights on an instance (D49). A tree that cannot be read gives none. Of the DAC MO a server reads what [`super::LiveOverlay::seen_by`]
    /// shows it.
    #[must_use]
    pub fn rights(&self, moid: &Moid, miid: &Miid) -> Rights {
        if *moid == dac::moid() {
            let permitted = self.permits(moid);
            return if permitted {
                Rights::READ
            } else {
                Rights::NONE
            };
        }
        let rights = self.account.rights_on(self.view, moid, miid);
        rights.unwrap_or(Rights::NONE)
    }

    /// The instance that an instance of the DAC MO governs, with the server's rights on it; none where it has none.
    pub(super) fn governed(
        &self,
        miid: &Miid,
    ) -> Result<Option<(GovernedInstance, Rights)>, TreeError> {
        dac_view::governed(self.view, self.account, miid)
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
