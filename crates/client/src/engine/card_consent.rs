//! What a check of the cards has to know beside the cards: who agreed to their documents, and which the device does not take.

use std::sync::Arc;

use omadm_bootstrap::plan::{EntryFinding, EntryOutcome, Preview, SwitchOnDecision};
use omadm_bootstrap::{BootstrapMethod, BootstrapSource, PayloadHash, Refusal};
use omadm_card::reading::{CardIdentity, CardReading};
use omadm_mo::TreeError;

use super::Engine;
use super::cards::CardLook;
use super::consent::{ConsentRequest, is_lifted_by_consent};

/// What is known of the documents of one check.
#[derive(Clone, Default)]
pub(super) struct Known {
    /// Somebody agreed to them.
    pub(super) agreed: Vec<PayloadHash>,
    /// The device does not take them.
    pub(super) refused: Vec<(PayloadHash, Refusal)>,
    /// Somebody was asked and did not agree, or nobody could be.
    declined: Vec<(PayloadHash, Refusal)>,
}

impl Known {
    /// The first document that is refused since nobody agreed to it, while nobody was asked.
    pub(super) fn unasked(&self, decision: &SwitchOnDecision) -> Option<EntryFinding> {
        let mut entries = decision.entries.iter();
        let wanting = entries.find(|one| {
            let asked = |digest: &PayloadHash| {
                let mut declined = self.declined.iter();
                self.agreed.contains(digest) || declined.any(|(other, _)| other == digest)
            };
            let lifted =
                matches!(&one.outcome, EntryOutcome::Refused(why) if is_lifted_by_consent(why));
            lifted && one.digest.as_ref().is_some_and(|digest| !asked(digest))
        });
        wanting.cloned()
    }

    /// A plug-in does not take a step of the plan: the document of that step is refused, and the others go on. The refusal itself where it is no document's.
    pub(super) fn refuse(
        &mut self,
        decision: &SwitchOnDecision,
        step: Option<usize>,
        refusal: Refusal,
    ) -> Option<Refusal> {
        let Some((n, step)) = step.and_then(|n| Some((n, decision.plan.steps.get(n)?))) else {
            return Some(refusal);
        };
        let refusal = refusal.on(step.address());
        let mut entries = decision.entries.iter();
        let digest = entries
            .find(|one| one.steps.contains(&n))
            .and_then(|one| one.digest);
        match digest.filter(|digest| self.refused.iter().all(|(other, _)| other != digest)) {
            Some(digest) => {
                self.refused.push((digest, refusal));
                None
            }
            None => Some(refusal),
        }
    }

    /// Gives the entries that somebody did not agree to the words that belong to it.
    pub(super) fn tell_why(&self, decision: &mut SwitchOnDecision) {
        for entry in &mut decision.entries {
            let mut declined = self.declined.iter();
            let why = declined.find(|(digest, _)| Some(digest) == entry.digest.as_ref());
            if let (EntryOutcome::Refused(refusal), Some((_, why))) = (&mut entry.outcome, why)
                && is_lifted_by_consent(refusal)
            {
                *refusal = why.clone();
            }
        }
    }
}

impl Engine {
    /// Asks whoever decides about one document of a card.
    pub(super) async fn ask_about(
        &self,
        readings: &Arc<Vec<CardReading>>,
        look: &CardLook,
        entry: EntryFinding,
        known: &mut Known,
    ) -> Result<(), TreeError> {
        let EntryOutcome::Refused(refusal) = entry.outcome else {
            return Ok(());
        };
        let Some(digest) = entry.digest else {
            return Ok(());
        };
        let mut with = known.clone();
        with.agreed.push(digest);
        let decided = self.decide(Arc::clone(readings), look, &with).await?;
        let planned = decided.ok().and_then(|(decision, changes)| {
            let mut entries = decision.entries.iter();
            let again = entries.find(|one| one.digest == Some(digest))?;
            let EntryOutcome::Applied(servers) = &again.outcome else {
                return None;
            };
            let lines = changes.lines.get(again.steps.clone())?.to_vec();
            let mut accounts = decision.plan.accounts.iter().collect::<Vec<_>>();
            accounts.retain(|one| servers.contains(&one.srv_id));
            let servers = accounts.iter();
            let servers = servers.map(|one| (one.srv_id.clone(), one.perm.clone()));
            Some((servers.collect(), Preview { lines }))
        });
        let Some((servers, changes)) = planned else {
            // It would be refused for another reason, which the check tells.
            *known = with;
            return Ok(());
        };
        let card = entry.card.as_ref().map(CardIdentity::to_string);
        let request = ConsentRequest {
            method: BootstrapMethod::Smartcard,
            source: BootstrapSource::Card(card.unwrap_or_default()).to_string(),
            servers,
            changes,
        };
        match self.ask(request, refusal).await {
            Ok(()) => *known = with,
            Err(why) => known.declined.push((digest, why)),
        }
        Ok(())
    }
}
