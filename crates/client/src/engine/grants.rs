use std::collections::BTreeMap;

use omadm_bootstrap::plan::{RightsChange, TreePlan};
use omadm_bootstrap::{Account, DeviceView};
use omadm_mo::{Moid, Rights, TreeError};

/// The rights that the device itself gives on the instances of its plug-ins (`dm20.md` §13 rule 2: their creator is a local application).
#[derive(Clone, Default)]
pub(crate) struct Grants(BTreeMap<Moid, Rights>);

impl Grants {
    /// Servers whose Perm list names the MOID get these rights, and those of DM 1.x; none is nothing.
    pub(crate) fn give(&mut self, moid: Moid, rights: Rights) {
        if !rights.is_none() {
            self.0.insert(moid, rights);
        }
    }

    /// What a plan that installs accounts gives them. A server that could use the MOID before keeps what it has, be it nothing: the DAC MO may have said so.
    pub(super) fn of_plan(
        &self,
        view: &dyn DeviceView,
        plan: &TreePlan,
    ) -> Result<Vec<RightsChange>, TreeError> {
        let mut changes = Vec::new();
        for (moid, rights) in &self.0 {
            let mut new = Vec::new();
            for account in plan.accounts.iter().filter(|one| is_given(one, moid)) {
                let before = view.account(&account.srv_id)?;
                if !before.is_some_and(|before| is_given(&before, moid)) {
                    new.push(account.clone());
                }
            }
            changes.extend(to_servers(view, plan, moid, *rights, &new)?);
        }
        Ok(changes)
    }

    /// What the servers that the device has get on an instance that is new.
    pub(super) fn of_new(
        &self,
        view: &dyn DeviceView,
        moid: &Moid,
        change: &mut RightsChange,
    ) -> Result<(), TreeError> {
        if let Some(rights) = self.0.get(moid) {
            for account in view.accounts()?.iter().filter(|one| is_given(one, moid)) {
                change.access.allow(&account.srv_id, *rights);
            }
        }
        Ok(())
    }
}

/// DM 1.x has no Perm list: what its servers may do is the device's to say (`dm1x.md` §4.3).
fn is_given(account: &Account, moid: &Moid) -> bool {
    account.permits(moid) || account.is_dm1()
}

fn to_servers(
    view: &dyn DeviceView,
    plan: &TreePlan,
    moid: &Moid,
    rights: Rights,
    servers: &[Account],
) -> Result<Vec<RightsChange>, TreeError> {
    let mut changes = Vec::new();
    if servers.is_empty() {
        return Ok(changes);
    }
    for miid in view.instances(moid)? {
        let mut planned = plan.rights.iter();
        let planned = planned.rfind(|one| one.moid == *moid && one.miid == miid);
        let mut access = match planned {
            Some(planned) => planned.access.clone(),
            None => view.access(moid, &miid)?,
        };
        for server in servers {
            access.allow(&server.srv_id, rights);
        }
        let moid = moid.clone();
        changes.push(RightsChange { moid, miid, access });
    }
    Ok(changes)
}
