//! What a session in vain leaves behind: `dm1x.md` M01, M20, M25, §6.3.

use omadm_bootstrap::DeviceView;
use omadm_bootstrap::plan::TreePlan;
use omadm_mo::TreeError;

use super::effect::{Dm1Fault, Dm1Outcome};
use super::machine::Talk;
use super::opening::Dm1Set;

/// None where nothing changes, or nothing of the account is left.
pub(super) fn plan_failure(
    talk: &Talk,
    view: &dyn DeviceView,
    outcome: &Dm1Outcome,
) -> Result<Option<TreePlan>, TreeError> {
    let Some(before) = view.account(&talk.opening.server)? else {
        return Ok(None);
    };
    let mut account = before.clone();
    let state = &mut account.dm1;
    if state.sessions.last() != Some(&talk.session) {
        state.used(talk.session);
    }
    // What the former set comes to says nothing of the account's own (M25).
    let own = talk.opening.set == Dm1Set::Current;
    let exhausted = matches!(
        outcome,
        Dm1Outcome::NotBelieved | Dm1Outcome::ServerNotProven
    );
    if exhausted && own {
        state.exhausted = state.exhausted.saturating_add(1);
    }
    let met = talk.server.is_proven() && talk.taken;
    if breaks_off(outcome) && !met && own {
        state.broken_with_event = match (&talk.event, &talk.withheld) {
            (Some(_), _) => state.broken_with_event.saturating_add(1),
            // Without the event it fails too: the event is not to blame.
            (None, Some(_)) => 0,
            (None, None) => state.broken_with_event,
        };
    }
    let mut plan = TreePlan::at(view.version());
    if account != before {
        plan.accounts.push(account);
    }
    Ok((!plan.is_empty()).then_some(plan))
}

/// Whether the server broke the session off, rather than being out of reach, too busy or not believed.
const fn breaks_off(outcome: &Dm1Outcome) -> bool {
    match outcome {
        Dm1Outcome::Refused { status, .. } => !matches!(*status, 429 | 503),
        Dm1Outcome::HeaderRefused(_) | Dm1Outcome::Aborted => true,
        Dm1Outcome::Fault(fault) => matches!(fault, Dm1Fault::Unreadable(_)),
        Dm1Outcome::Ended { .. }
        | Dm1Outcome::NotBelieved
        | Dm1Outcome::WeakerAsked
        | Dm1Outcome::ServerNotProven
        | Dm1Outcome::Lost(_)
        | Dm1Outcome::Cancelled
        | Dm1Outcome::NoAccount => false,
    }
}
