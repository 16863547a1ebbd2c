use std::collections::BTreeSet;

use omadm_mo::{ClientUri, NodeAddress, SrvId, TreeError};

use crate::plan::{PlanStep, ShadowChange, TreePlan};
use crate::{Account, BootstrapMethod, BootstrapSource, CardBrought, DeviceView, ProvidedInstance};

/// Plans that an account goes with all that its bootstraps brought (D53). Its row takes Perm list, subscriptions, defaults, shadow, queued alerts and its rights along.
pub(super) fn plan_removal(
    view: &dyn DeviceView,
    account: &Account,
    going: &BTreeSet<SrvId>,
) -> Result<TreePlan, TreeError> {
    let mut plan = TreePlan::at(view.version());
    let beneath = account.factory.iter().flat_map(|factory| &factory.provided);
    let all: Vec<_> = brought(account).chain(beneath).collect();
    plan.steps = instances(view, all.into_iter(), going)?;
    plan.steps.push(PlanStep::Remove {
        at: account.address(),
    });
    plan.removed_accounts.push(account.srv_id.clone());
    Ok(plan)
}

/// Plans that what a card brought an account goes, while the account itself is about to be the factory image's again.
pub(super) fn plan_way_back(
    view: &dyn DeviceView,
    account: &Account,
    going: &BTreeSet<SrvId>,
) -> Result<TreePlan, TreeError> {
    let mut plan = TreePlan::at(view.version());
    let factory = account.factory.iter().flat_map(|factory| &factory.provided);
    let factory: Vec<_> = factory.collect();
    let stays = |one: &&ProvidedInstance| {
        let mut factory = factory.iter();
        factory.any(|other| other.moid == one.moid && other.miid == one.miid)
    };
    plan.steps = instances(view, brought(account).filter(|one| !stays(one)), going)?;
    let mut account = account.clone();
    let beneath = account.factory.take();
    account.provided = beneath.map(|beneath| beneath.provided).unwrap_or_default();
    account.cards = Vec::new();
    account.provenance.method = BootstrapMethod::Factory;
    account.provenance.source = BootstrapSource::FactoryImage;
    plan.accounts.push(account);
    Ok(plan)
}

/// The card's credentials go: nothing of them is kept as a former set.
pub(super) fn end_shadows(plan: &mut TreePlan, accounts: &[Account]) {
    let none = |account: &Account| ShadowChange {
        srv_id: account.srv_id.clone(),
        shadow: None,
    };
    plan.shadows.extend(accounts.iter().map(none));
    for planned in &mut plan.accounts {
        if accounts.iter().any(|one| one.srv_id == planned.srv_id) {
            planned.dm1.shadow = None;
        }
    }
}

/// Plans that objects go which a card's entry without account brought (D57).
pub(super) fn plan_objects_removal(
    view: &dyn DeviceView,
    owner: &SrvId,
    provided: &[ProvidedInstance],
) -> Result<TreePlan, TreeError> {
    let mut plan = TreePlan::at(view.version());
    let going = BTreeSet::from([owner.clone()]);
    plan.steps = instances(view, provided.iter(), &going)?;
    Ok(plan)
}

/// ClientURIs of what a plan takes away.
pub(super) fn removed_uris(plan: &TreePlan) -> Vec<String> {
    let gone = |step: &PlanStep| match step {
        PlanStep::Remove { at } => Some(ClientUri::of(at).to_string()),
        PlanStep::Add { .. } | PlanStep::Replace { .. } | PlanStep::Rename { .. } => None,
    };
    plan.steps.iter().filter_map(gone).collect()
}

fn brought(account: &Account) -> impl Iterator<Item = &ProvidedInstance> {
    let objects = account.cards.iter().filter_map(|card| match &card.brought {
        CardBrought::Objects(provided) => Some(provided),
        CardBrought::Account => None,
    });
    account.provided.iter().chain(objects.flatten())
}

/// Those that stand and that no server has rights on, nor is named in the ACL of, but those that go.
fn instances<'a>(
    view: &dyn DeviceView,
    provided: impl Iterator<Item = &'a ProvidedInstance>,
    going: &BTreeSet<SrvId>,
) -> Result<Vec<PlanStep>, TreeError> {
    let mut staying = view.accounts()?;
    staying.retain(|one| !going.contains(&one.srv_id));
    let mut steps: Vec<PlanStep> = Vec::new();
    for one in provided {
        let access = view.access(&one.moid, &one.miid)?;
        let mut others = access.entries().iter();
        let at = NodeAddress::root(one.moid.clone(), one.miid.clone());
        let acl = view.properties(&at)?.acl;
        let mut stays = staying.iter();
        if others.any(|entry| !entry.rights.is_none() && !going.contains(&entry.srv_id))
            || stays.any(|one| acl.as_ref().is_some_and(|acl| acl.names(&one.srv_id)))
            || !view.instances(&one.moid)?.contains(&one.miid)
        {
            continue;
        }
        let step = PlanStep::Remove { at };
        if !steps.contains(&step) {
            steps.push(step);
        }
    }
    Ok(steps)
}
