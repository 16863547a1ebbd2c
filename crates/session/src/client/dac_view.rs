use std::collections::BTreeMap;

use omadm_bootstrap::{Account, DeviceView, GovernedInstance};
use omadm_mo::standard::dac;
use omadm_mo::{AccessEntry, Miid, Node, NodeName, Rights, TreeError};

/// An instance of the DAC MO as one server sees it: made of the rights, never stored.
#[derive(Clone, Debug)]
pub(super) struct DacInstance {
    /// What it governs.
    pub(super) governed: GovernedInstance,
    /// Its content for this server.
    pub(super) root: Node,
}

/// The DAC MO for one server: an instance for each MO instance on which it has rights, with its own entry, and with all of them where it has Delegate
/// (`dm20.md` §12.4). What its Perm list does not name is not among them.
pub(super) fn shown_to(
    view: &dyn DeviceView,
    account: &Account,
) -> Result<BTreeMap<Miid, DacInstance>, TreeError> {
    let all = view.governed()?.into_iter();
    Ok(all
        .filter_map(|governed| {
            let root = root(&governed, account)?;
            let miid = Miid::counted(governed.number);
            Some((miid, DacInstance { governed, root }))
        })
        .collect())
}

/// The instance that an instance of the DAC MO governs, where this server has any right on it, and the rights it has.
pub(super) fn governed(
    view: &dyn DeviceView,
    account: &Account,
    miid: &Miid,
) -> Result<Option<(GovernedInstance, Rights)>, TreeError> {
    let found = view.governed()?;
    let found = found
        .into_iter()
        .find(|governed| Miid::counted(governed.number) == *miid);
    Ok(found.and_then(|governed| {
        let rights = account.rights_by(&governed.moid, &governed.miid, &governed.access);
        (!rights.is_none()).then_some((governed, rights))
    }))
}

fn root(governed: &GovernedInstance, account: &Account) -> Option<Node> {
    let (moid, miid) = (&governed.moid, &governed.miid);
    let rights = account.rights_by(moid, miid, &governed.access);
    if rights.is_none() {
        return None;
    }
    let owner = governed.creator.as_ref();
    if account.standing_rights(moid, miid).is_some() {
        // One entry, of the asking server; its name is the server's own account's, which it knows and which stays.
        let entry = AccessEntry {
            name: NodeName::parse(account.miid.as_str()).ok()?,
            srv_id: account.srv_id.clone(),
            rights,
        };
        return Some(dac::instance(moid, miid, owner, [&entry]));
    }
    let all = rights.has(Rights::DELEGATE);
    let entries = governed.access.entries().iter();
    let shown = entries.filter(|entry| all || entry.srv_id == account.srv_id);
    Some(dac::instance(moid, miid, owner, shown))
}
