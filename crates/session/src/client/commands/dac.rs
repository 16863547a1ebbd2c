//! Writing into the DAC MO: how a server with Delegate passes rights on (`dm20.md` §13 rule 5, D49).
//!
//! Written are whole entries, `Servers/<x>`, and their `Rights`; what governs what, the owner and the list as a whole are the client's. Local decisions where
//! the standard is silent:
//!
//! * A server gives no right that it does not have itself. It may take away any that others have.
//! * The entries of the creator and of the writing server stay as they are: nobody locks the creator out, nobody raises itself.
//! * An entry may name a server that the device does not know, or one whose Perm list lacks the MOID: it stands and takes effect if that changes. To refuse
//!   it would tell who else manages the device, and what they may manage.

use omadm_bootstrap::GovernedInstance;
use omadm_bootstrap::plan::{RightsChange, TreePlan};
use omadm_dm2::StatusCode;
use omadm_mo::standard::dac;
use omadm_mo::{
    AccessEntry, AccessList, AccessListError, Moid, Node, NodeAddress, NodeName, Rights, SrvId,
    Value,
};

use super::tree_status;
use crate::client::rights::ServerSight;

/// Whether it is the DAC MO.
pub(super) fn is_dac(moid: &Moid) -> bool {
    *moid == dac::moid()
}

/// Whether the node is an entry of the DAC MO or lies in one.
pub(super) fn is_entry(at: &NodeAddress) -> bool {
    is_dac(&at.moid) && entry_name(at).is_some()
}

/// Plans an entry as it is to be: `at` is the entry or its `Rights`, which the caller found to be writable, and the node fits its DDF.
pub(super) fn give(
    sight: &ServerSight<'_>,
    plan: &mut TreePlan,
    at: &NodeAddress,
    node: &Node,
) -> Result<(), StatusCode> {
    let name = entry_name(at).ok_or(StatusCode::FORBIDDEN)?;
    let (governed, own, mut access) = delegated(sight, plan, at)?;
    let old = access.entry(name).cloned();
    let (srv_id, rights) = if at.path.names().len() == 2 {
        let text = node.find(&[dac::SRV_ID]).and_then(Node::value);
        let srv_id = text
            .and_then(Value::as_text)
            .and_then(|text| SrvId::parse(text).ok());
        (srv_id, node.find(&[dac::RIGHTS]).and_then(Node::value))
    } else {
        (old.as_ref().map(|old| old.srv_id.clone()), node.value())
    };
    let srv_id = srv_id.ok_or(StatusCode::BAD_REQUEST)?;
    let rights = rights
        .and_then(read_rights)
        .ok_or(StatusCode::BAD_REQUEST)?;
    if old
        .as_ref()
        .is_some_and(|old| old.srv_id == srv_id && old.rights == rights)
    {
        return Ok(());
    }
    let kept = old
        .as_ref()
        .is_some_and(|old| is_kept(sight, &governed, &old.srv_id));
    if kept || is_kept(sight, &governed, &srv_id) {
        return Err(StatusCode::FORBIDDEN);
    }
    let before = old.filter(|old| old.srv_id == srv_id);
    let before = before.map_or(Rights::NONE, |old| old.rights);
    if !own.with(before).has(rights) {
        return Err(StatusCode::FORBIDDEN);
    }
    let entry = AccessEntry {
        name: name.clone(),
        srv_id,
        rights,
    };
    access.put(entry).map_err(|error| match error {
        AccessListError::Twice => StatusCode::BAD_REQUEST,
        AccessListError::Full => StatusCode::NO_ROOM,
    })?;
    change(plan, governed, access);
    Ok(())
}

/// Plans that an entry goes: `at` is the entry, which the caller found to be deletable.
pub(super) fn take_away(
    sight: &ServerSight<'_>,
    plan: &mut TreePlan,
    at: &NodeAddress,
) -> Result<(), StatusCode> {
    let name = entry_name(at).ok_or(StatusCode::FORBIDDEN)?;
    let (governed, _, mut access) = delegated(sight, plan, at)?;
    let entry = access.entry(name).ok_or(StatusCode::NOT_FOUND)?;
    if is_kept(sight, &governed, &entry.srv_id) {
        return Err(StatusCode::FORBIDDEN);
    }
    access.remove(name);
    change(plan, governed, access);
    Ok(())
}

/// The governed instance, the server's rights on it, and the entries as this plan has them so far.
fn delegated(
    sight: &ServerSight<'_>,
    plan: &TreePlan,
    at: &NodeAddress,
) -> Result<(GovernedInstance, Rights, AccessList), StatusCode> {
    let found = sight
        .governed(&at.miid)
        .map_err(|error| tree_status(&error))?;
    let (governed, own) = found.ok_or(StatusCode::NOT_FOUND)?;
    if !own.has(Rights::DELEGATE) {
        return Err(StatusCode::FORBIDDEN);
    }
    let planned = plan.rights.iter().find(|change| is_of(change, &governed));
    let access = planned.map_or_else(|| governed.access.clone(), |change| change.access.clone());
    Ok((governed, own, access))
}

fn change(plan: &mut TreePlan, governed: GovernedInstance, access: AccessList) {
    plan.rights.retain(|change| !is_of(change, &governed));
    plan.rights.push(RightsChange {
        moid: governed.moid,
        miid: governed.miid,
        access,
    });
}

fn is_of(change: &RightsChange, governed: &GovernedInstance) -> bool {
    change.moid == governed.moid && change.miid == governed.miid
}

/// The creator's entry and that of the writing server.
fn is_kept(sight: &ServerSight<'_>, governed: &GovernedInstance, srv_id: &SrvId) -> bool {
    governed.creator.as_ref() == Some(srv_id) || sight.account.srv_id == *srv_id
}

/// A number of four bits.
fn read_rights(value: &Value) -> Option<Rights> {
    let Value::Int(number) = value else {
        return None;
    };
    let bits = u8::try_from(*number).ok()?;
    let rights = Rights::from_bits(bits);
    (rights.bits() == bits).then_some(rights)
}

/// The name below `Servers`.
fn entry_name(at: &NodeAddress) -> Option<&NodeName> {
    match at.path.names() {
        [servers, name, ..] if servers.as_str() == dac::SERVERS => Some(name),
        _ => None,
    }
}
