//! What a message settles in the tree beside its commands: nonces, the event, the shadow. It goes into the same transaction (`dm1x.md` M18, M27).

use omadm_bootstrap::plan::{PlanStep, ShadowChange, TreePlan};
use omadm_bootstrap::{Account, CompletionState, DeviceView, EventId};
use omadm_dm1::credential::{CredentialType, Nonce};
use omadm_dm1::syncml::Encoding;
use omadm_mo::standard::dm_acc::names;
use omadm_mo::{Node, NodeAddress, NodeKind, TreeError, Value};

use super::account_facts::AccountFacts;
use super::authentication::HandOver;

/// What an answer of a server that has proven itself settles.
#[derive(Clone, Debug, Default)]
pub(super) struct Settlement {
    /// For our credential of the next session.
    pub(super) client_nonce: Option<Nonce>,
    /// For the server's next credential.
    pub(super) hand_over: Option<HandOver>,
    /// What became of the event.
    pub(super) event: Option<(EventId, CompletionState)>,
    /// The server took our message, so both know each other: the set before the last bootstrap is not needed any more (§5.8/3).
    pub(super) mutual: bool,
    /// The type of our credential that was taken.
    pub(super) last_type: Option<CredentialType>,
    /// The encoding that was taken in place of the one that was refused.
    pub(super) encoding: Option<Encoding>,
    /// The session's number.
    pub(super) session: u16,
}

impl Settlement {
    /// Adds it to the plan of a message. An account that the message's commands take away is left alone.
    pub(super) fn add_to(
        &self,
        plan: &mut TreePlan,
        view: &dyn DeviceView,
        facts: &AccountFacts,
    ) -> Result<(), TreeError> {
        let server = &facts.account.srv_id;
        let Some(before) = view.account(server)? else {
            return Ok(());
        };
        if plan.removed_accounts.contains(server) || removes(plan, &facts.root) {
            return Ok(());
        }
        let planned = plan.accounts.iter().find(|one| one.srv_id == *server);
        let is_planned = planned.is_some();
        let mut account = planned.cloned().unwrap_or_else(|| before.clone());
        self.change(&mut account);
        let answered = self.event.as_ref().filter(|_| self.is_of(&before));
        if let Some((_, state)) = answered {
            // That it fell back stays to be read (§6.4).
            let state = if account.dm1.reverted {
                CompletionState::Reverted
            } else {
                *state
            };
            let state_leaf = names::path(&[names::EXT, names::BOOTSTRAP, names::STATE]);
            let at = facts.root.with_path(state_leaf);
            if view.kind(&at)? == Some(NodeKind::Leaf) {
                put(plan, at, Value::chr(state.node_value()));
            }
        }
        let over = self.hand_over.as_ref();
        let stored = [
            (&facts.client, self.client_nonce.as_ref()),
            (&facts.server, over.map(|over| &over.next)),
        ];
        for (auth, nonce) in stored {
            if let (Some(auth), Some(nonce)) = (auth, nonce) {
                let at = facts.nonce_of(auth);
                if !removes(plan, &at) {
                    put(plan, at, Value::bin(nonce.octets()));
                }
            }
        }
        if self.mutual && view.shadow(server)?.is_some() {
            plan.shadows.retain(|change| change.srv_id != *server);
            plan.shadows.push(ShadowChange {
                srv_id: server.clone(),
                shadow: None,
            });
        }
        if account != before || is_planned {
            plan.accounts.retain(|one| one.srv_id != *server);
            plan.accounts.push(account);
        }
        Ok(())
    }

    fn change(&self, account: &mut Account) {
        let of_this = self.is_of(account);
        if of_this {
            account.owed = None;
        }
        let state = &mut account.dm1;
        if let Some(over) = &self.hand_over {
            state.previous_server_nonce = Some(over.used.clone());
        }
        if self.mutual {
            state.exhausted = 0;
            state.broken_with_event = 0;
            state.shadow = None;
            state.last_type = self.last_type.or(state.last_type);
            state.encoding = self.encoding.or(state.encoding);
        }
        if state.sessions.last() != Some(&self.session) {
            state.used(self.session);
        }
    }

    /// Whether the event that was answered is the one that is owed: another bootstrap may have been applied meanwhile.
    fn is_of(&self, account: &Account) -> bool {
        let event = self.event.as_ref();
        account.owed.is_some()
            && event.is_some_and(|(event, _)| *event == account.provenance.event_id)
    }
}

fn put(plan: &mut TreePlan, at: NodeAddress, value: Value) {
    plan.steps.push(PlanStep::Replace {
        at,
        node: Node::Leaf(value),
    });
}

/// Whether the plan takes away what lies at an address, or something above it.
fn removes(plan: &TreePlan, at: &NodeAddress) -> bool {
    plan.steps.iter().any(|step| match step {
        PlanStep::Remove { at: removed } => {
            removed.moid == at.moid && removed.miid == at.miid && at.path.is_within(&removed.path)
        }
        _ => false,
    })
}
