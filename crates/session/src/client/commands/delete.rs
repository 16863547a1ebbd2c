use omadm_bootstrap::ShadowCause;
use omadm_bootstrap::plan::{PlanStep, TreePlan, plan_shadows};
use omadm_dm2::StatusCode;
use omadm_mo::ddf::{AccessTypes, Scope};
use omadm_mo::standard::dm_acc;
use omadm_mo::{ClientUri, NodeAddress};

use super::{MakeEffect, Need, Progress, dac, done, matches, tree_status};
use crate::client::rights::ServerSight;

/// DELETE: every node the ClientURI names, all or nothing. A DM Account goes by bootstrap only (D74), a permanent node never (405).
pub(super) fn delete(sight: &ServerSight<'_>, uri: &ClientUri) -> Progress {
    let nodes = match permitted(sight, uri) {
        Ok(nodes) => nodes,
        Err(code) => return done(code),
    };
    let mut plan = TreePlan::at(sight.view.version());
    for at in nodes {
        if dac::is_entry(&at) {
            if let Err(code) = dac::take_away(sight, &mut plan, &at) {
                return done(code);
            }
        } else {
            plan.steps.push(PlanStep::Remove { at });
        }
    }
    if let Err(error) = plan_shadows(sight.view, &mut plan, ShadowCause::Command) {
        return done(tree_status(&error));
    }
    Progress::Wait(MakeEffect::Apply(plan), Need::Deleted)
}

/// The nodes, where all of them may go. That the ClientURI fits nothing is told before that a node stays.
fn permitted(sight: &ServerSight<'_>, uri: &ClientUri) -> Result<Vec<NodeAddress>, StatusCode> {
    let (mut nodes, mut refusal) = (Vec::new(), None);
    for at in matches(sight, uri)? {
        let at = at?;
        refusal = refusal.or_else(|| refused(sight, &at));
        nodes.push(at);
    }
    refusal.map_or(Ok(nodes), Err)
}

/// The order of D48: instance right, access type, permanence.
fn refused(sight: &ServerSight<'_>, at: &NodeAddress) -> Option<StatusCode> {
    if !sight.may_write(at) || (at.moid == dm_acc::moid() && at.path.is_root()) {
        return Some(StatusCode::FORBIDDEN);
    }
    let described = sight
        .registry
        .get(&at.moid)
        .and_then(|ddf| ddf.governing(&at.path));
    let Some(described) = described else {
        return Some(StatusCode::NOT_FOUND);
    };
    let fixed =
        described.scope() == Scope::Permanent || !described.access().has(AccessTypes::DELETE);
    fixed.then_some(StatusCode::NOT_ALLOWED)
}
