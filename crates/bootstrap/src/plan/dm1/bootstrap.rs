use std::collections::{BTreeMap, BTreeSet};

use omadm_mo::standard::dm_acc::BootstrapType;
use omadm_mo::standard::{DmAcc1, MoRegistry, dm_acc1};
use omadm_mo::{Acl, AclCommand, Miid, Moid, Node, NodeAddress, ServerUri, SrvId, TreeLayout};

use super::{Dm1Delivery, Dm1Rules};
use crate::dm1::{DeliveredAccount, DeliveredObject, Dm1Document, Dm1Security, Dm1Shadow};
use crate::plan::bootstrap::{Part, storage};
use crate::plan::{
    BootstrapPlan, CredentialCheck, Delivery, PlanStep, Planned, PropertiesChange, SkippedItem,
    SkippedReason, TreePlan, new_miid,
};
use crate::{
    Account, BootstrapFailureCause as Cause, BootstrapKind, BootstrapMethod, BootstrapPolicy,
    CompletionState, DeviceView, Dm1AccountState, OwedCompletion, PayloadHash, ProfileFormat,
    Provenance, ProvidedInstance, Refusal, Utc,
};

/// Plans a delivered document of DM 1.x.
///
/// # Errors
/// [`Refusal`] with its cause; the tree stays as it is.
pub fn plan_bootstrap(
    view: &dyn DeviceView,
    registry: &MoRegistry,
    policy: &BootstrapPolicy,
    rules: &Dm1Rules,
    delivery: &Dm1Delivery<'_>,
) -> Result<BootstrapPlan, Refusal> {
    plan_part(view, registry, policy, rules, delivery, &Part::default())
}

/// Plans a part of a document.
pub(in crate::plan) fn plan_part(
    view: &dyn DeviceView,
    registry: &MoRegistry,
    policy: &BootstrapPolicy,
    rules: &Dm1Rules,
    delivery: &Dm1Delivery<'_>,
    part: &Part,
) -> Result<BootstrapPlan, Refusal> {
    check_policy(policy, delivery)?;
    let document = Dm1Document::read(delivery.document, rules.app_srv, rules.limits)
        .map_err(|fault| Cause::NotDm1Document.refusal().because(fault))?;
    if document.accounts.is_empty() {
        return Err(Cause::NoAccount.refusal());
    }
    let mut planner = Planner {
        view,
        delivery,
        part,
        layout: TreeLayout::of(registry),
        format: document.format.profile(),
        hash: PayloadHash::of(delivery.document),
        existing: view.accounts().map_err(storage)?,
        plan: TreePlan::at(view.version()),
        taken: BTreeMap::new(),
    };
    planner.plan.time = delivery.at;
    let mut due = Vec::new();
    let mut beside_dm2 = None;
    let mut seen = BTreeSet::new();
    for one in &document.accounts {
        let server = &one.account.server_id;
        if !seen.insert(server) {
            return Err(Cause::DuplicateSrvId.refusal().on(server));
        }
        if part.left_out.contains(server) {
            continue;
        }
        match planner.verdict(one)? {
            Verdict::Apply => due.push(one),
            Verdict::InForce => {}
            Verdict::Dm2 => beside_dm2 = Some(server),
        }
    }
    let Some(first) = due.first() else {
        return match beside_dm2 {
            Some(server) if beside_all(&planner, &document) => {
                Err(Cause::Dm2AccountExists.refusal().on(server))
            }
            _ => Ok(BootstrapPlan::AlreadyApplied),
        };
    };
    let owner = first.account.server_id.clone();
    let (placed, provided, skipped) = planner.objects(&document, rules, &owner)?;
    for (n, one) in due.iter().enumerate() {
        let provided = if n == 0 { provided.clone() } else { Vec::new() };
        planner.account(one, &placed, provided, &skipped)?;
    }
    if planner.accounts_afterwards() > policy.max_accounts {
        return Err(Cause::TooManyAccounts
            .refusal()
            .because(format!("at most {}", policy.max_accounts)));
    }
    let accounts = planner.plan.accounts.iter();
    Ok(BootstrapPlan::Apply(Planned {
        servers: accounts.map(|account| account.srv_id.clone()).collect(),
        plan: planner.plan,
        skipped,
    }))
}

/// Plans a delivered document of whichever generation it is by its content (M23).
///
/// # Errors
/// [`Refusal`] with its cause; the tree stays as it is.
pub fn plan_either(
    view: &dyn DeviceView,
    registry: &MoRegistry,
    policy: &BootstrapPolicy,
    credentials: &dyn CredentialCheck,
    rules: &Dm1Rules,
    delivery: &Delivery<'_>,
) -> Result<BootstrapPlan, Refusal> {
    match Dm1Delivery::of(delivery) {
        Some(dm1) => plan_bootstrap(view, registry, policy, rules, &dm1),
        None => crate::plan::plan_bootstrap(view, registry, policy, credentials, delivery),
    }
}

/// §5.7: the generation and the method are on, what came is proven, and whoever has to agree did.
fn check_policy(policy: &BootstrapPolicy, delivery: &Dm1Delivery<'_>) -> Result<(), Refusal> {
    if !policy.dm1 {
        let off = Cause::MethodDisabled.refusal();
        return Err(off.because("bootstraps of DM 1.x"));
    }
    let rules = policy.method(delivery.method);
    if !rules.enabled {
        return Err(Cause::MethodDisabled.refusal().because(delivery.method));
    }
    let fits = match delivery.method {
        BootstrapMethod::Factory => delivery.security == Dm1Security::None,
        BootstrapMethod::Smartcard => delivery.security == Dm1Security::Card,
        BootstrapMethod::ClientInitiated => delivery.security == Dm1Security::Tls,
        BootstrapMethod::ServerInitiated => {
            delivery.security.is_mac() || delivery.security == Dm1Security::Tls
        }
    };
    if !fits {
        let pushed = delivery.method == BootstrapMethod::ServerInitiated;
        let cause = if pushed {
            Cause::PushUnproven
        } else {
            Cause::ChannelNotSecure
        };
        return Err(cause.refusal());
    }
    if rules.require_user_consent && !delivery.consent {
        return Err(Cause::ConsentRefused.refusal());
    }
    Ok(())
}

/// Whether every account of a document belongs to a server of DM 2.0.
fn beside_all(planner: &Planner<'_>, document: &Dm1Document) -> bool {
    let mut accounts = document.accounts.iter();
    accounts.all(|one| {
        planner
            .old(&one.account.server_id)
            .is_some_and(|old| !old.is_dm1())
    })
}

enum Verdict {
    Apply,
    /// The very document is in force (§5.8/5).
    InForce,
    /// The server has a DM 2.0 account (M23).
    Dm2,
}

/// Where an object of the Inbox went, by its name in the document.
type Placed = BTreeMap<String, String>;

struct Planner<'a> {
    view: &'a dyn DeviceView,
    delivery: &'a Dm1Delivery<'a>,
    part: &'a Part,
    layout: TreeLayout,
    format: ProfileFormat,
    hash: PayloadHash,
    existing: Vec<Account>,
    plan: TreePlan,
    taken: BTreeMap<Moid, BTreeSet<Miid>>,
}

impl Planner<'_> {
    fn old(&self, server: &SrvId) -> Option<&Account> {
        self.existing.iter().find(|old| old.srv_id == *server)
    }

    fn accounts_afterwards(&self) -> usize {
        let planned = self.plan.accounts.iter();
        let added = planned.filter(|new| self.old(&new.srv_id).is_none());
        self.existing.len() + added.count()
    }

    fn verdict(&self, one: &DeliveredAccount) -> Result<Verdict, Refusal> {
        let server = &one.account.server_id;
        if one.account.addresses.is_empty() {
            let refusal = Cause::InvalidAccount.refusal().on(server);
            return Err(refusal.because("it has no address"));
        }
        let Some(old) = self.old(server) else {
            return Ok(Verdict::Apply);
        };
        if !old.is_dm1() {
            return Ok(Verdict::Dm2);
        }
        if old.dm1.is_replay(self.hash) && self.delivery.security.is_mac() {
            return Err(Cause::Replayed.refusal().on(server));
        }
        let live = self.view.kind(&old.address()).map_err(storage)?.is_some();
        let of_this_card = || {
            let card = self.part.card.as_ref();
            let before = card.and_then(|_| old.last_of_a_card());
            before.is_some_and(|before| before.digest == self.hash)
        };
        let same = old.provenance.payload_hash == self.hash || of_this_card();
        if live && same && !self.delivery.reapply {
            return Ok(Verdict::InForce);
        }
        let made_by = old.dm1.security.unwrap_or(Dm1Security::None);
        if self.delivery.security.trust() < made_by.trust() && !self.delivery.consent {
            let refusal = Cause::LessTrusted.refusal().on(server);
            return Err(refusal.because(format!("{} after {made_by}", self.delivery.security)));
        }
        Ok(Verdict::Apply)
    }

    /// §5.8/1 to 4.
    fn account(
        &mut self,
        one: &DeliveredAccount,
        placed: &Placed,
        provided: Vec<ProvidedInstance>,
        skipped: &[SkippedItem],
    ) -> Result<(), Refusal> {
        let server = one.account.server_id.clone();
        let old = self.old(&server).cloned();
        let moid = dm_acc1::moid();
        let miid = match &old {
            Some(old) => old.miid.clone(),
            None => self.new_miid(&moid)?,
        };
        let root = NodeAddress::root(moid.clone(), miid.clone());
        let before = self.view.subtree(&root).map_err(storage)?;
        let account = self.kept(&server, miid.clone(), old.as_ref(), one, provided, skipped);
        let node = self.node(&one.account, &account, placed);
        let mut account = account;
        if let (Some(before), Some(old)) = (&before, &old) {
            let former = Dm1Shadow::of(before);
            let changed = former != Dm1Shadow::of(&node);
            account.dm1.shadow = match &old.dm1.shadow {
                Some(kept) => Some(kept.clone()),
                None => changed.then_some(former),
            };
        }
        self.plan.steps.push(match before {
            Some(_) => PlanStep::Replace { at: root, node },
            None => {
                let commands = [AclCommand::Get, AclCommand::Replace, AclCommand::Delete];
                self.plan.properties.push(PropertiesChange {
                    live: false,
                    at: root,
                    acl: Acl::of(&server, &commands),
                    title: None,
                });
                PlanStep::Add {
                    moid,
                    miid,
                    root: node,
                    creator: None,
                }
            }
        });
        self.plan.accounts.push(account);
        Ok(())
    }

    /// What is kept beside the tree.
    fn kept(
        &self,
        server: &SrvId,
        miid: Miid,
        old: Option<&Account>,
        one: &DeliveredAccount,
        provided: Vec<ProvidedInstance>,
        skipped: &[SkippedItem],
    ) -> Account {
        let delivery = self.delivery;
        let provenance = Provenance {
            method: delivery.method,
            format: self.format,
            kind: match old {
                _ if delivery.after_reset => BootstrapKind::Reset,
                Some(_) => BootstrapKind::Re,
                None => BootstrapKind::First,
            },
            seq: old.map_or(0, |old| old.provenance.seq).saturating_add(1),
            at: delivery.at,
            event_id: delivery.event_id.clone(),
            payload_hash: self.hash,
            source: delivery.source.clone(),
            channel: delivery.channel(),
        };
        let host = one.account.addresses.first();
        let host = host.and_then(|address| ServerUri::parse(&address.addr).ok());
        let mut dm1 = Dm1AccountState {
            security: Some(delivery.security),
            skipped: skipped.iter().map(|one| one.uri.clone()).collect(),
            pushed: old.map(|old| old.dm1.pushed.clone()).unwrap_or_default(),
            sessions: old.map(|old| old.dm1.sessions.clone()).unwrap_or_default(),
            ..Dm1AccountState::new()
        };
        if delivery.method == BootstrapMethod::ServerInitiated {
            dm1.was_pushed(self.hash);
        }
        let mut account = Account {
            provided,
            owed: Some(OwedCompletion::fresh()),
            bootstrapped_host: host.map(|uri| uri.host().to_owned()),
            dm1,
            ..Account::new(server.clone(), miid, provenance)
        };
        if let Some(old) = old {
            account.inherit(old);
        }
        account.cards.extend(self.part.card.clone());
        account
    }

    /// The account's instance: references to what this document brought lead to where it went, `Ext` is the device's own (§6.4).
    fn node(&self, delivered: &DmAcc1, account: &Account, placed: &Placed) -> Node {
        let rewritten = |reference: &String| match reference.strip_prefix("./Inbox/") {
            None => Some(reference.clone()),
            Some(within) => placed.iter().find_map(|(inbox, at)| {
                let rest = within.strip_prefix(inbox.as_str())?;
                (rest.is_empty() || rest.starts_with('/')).then(|| format!("{at}{rest}"))
            }),
        };
        let provenance = &account.provenance;
        let references = delivered.to_con_refs.iter();
        let own = DmAcc1 {
            pref_con_ref: delivered.pref_con_ref.as_ref().and_then(rewritten),
            to_con_refs: references.filter_map(rewritten).collect(),
            bootstrap_type: Some(BootstrapType {
                method: Some(provenance.method.node_value().to_owned()),
                profile: Some(provenance.format.node_value().to_owned()),
                kind: Some(provenance.kind.node_value().to_owned()),
                seq: Some(i64::from(provenance.seq)),
                time: Some(provenance.at.map(Utc::to_basic).unwrap_or_default()),
                event_id: Some(provenance.event_id.as_str().to_owned()),
                payload_hash: Some(provenance.payload_hash.to_hex()),
                state: Some(CompletionState::Pending.node_value().to_owned()),
            }),
            bootstrap_sec: Some(self.delivery.security.node_value().to_owned()),
            vendor: Vec::new(),
            ..delivered.clone()
        };
        own.to_node()
    }

    /// What a document has beside its accounts: placed, or passed over (§5.2, §5.7). It belongs to the first account; delivered again it replaces what it
    /// brought before, and what it has no longer goes (D75).
    fn objects(
        &mut self,
        document: &Dm1Document,
        rules: &Dm1Rules,
        owner: &SrvId,
    ) -> Result<(Placed, Vec<ProvidedInstance>, Vec<SkippedItem>), Refusal> {
        let before = self.old(owner).map(|old| old.provided.clone());
        let before = before.unwrap_or_default();
        let skip = |uri: &str| SkippedItem {
            item: document.format.name().to_owned(),
            uri: uri.to_owned(),
            reason: match uri {
                "NAPDEF" | "PXLOGICAL" => SkippedReason::Connectivity,
                _ => SkippedReason::UnknownMo,
            },
        };
        let mut skipped: Vec<_> = document
            .others
            .iter()
            .map(|one| skip(&one.r#type))
            .collect();
        let mut placed = Placed::new();
        let mut provided: Vec<ProvidedInstance> = Vec::new();
        for object in &document.objects {
            let settable = rules.settable.iter();
            let settable = settable
                .clone()
                .any(|one| object.identifier.starts_with(one));
            let moid = self.layout.moid_of(&object.identifier);
            let Some(moid) = moid.filter(|_| settable) else {
                skipped.push(skip(&object.identifier));
                continue;
            };
            let position = provided.iter().filter(|one| one.moid == moid).count();
            let again = before
                .iter()
                .find(|one| one.moid == moid && one.position == position);
            let miid = self.object(object, &moid, again.map(|one| &one.miid), owner)?;
            let root = NodeAddress::root(moid.clone(), miid.clone());
            if let Some(uri) = self.layout.loc_uri(&root) {
                placed.insert(object.inbox.clone(), uri.to_string());
            }
            provided.push(ProvidedInstance {
                moid,
                position,
                miid,
            });
        }
        for gone in &before {
            let mut kept = provided.iter();
            if !kept.any(|new| new.moid == gone.moid && new.miid == gone.miid) {
                self.plan.steps.push(PlanStep::Remove {
                    at: NodeAddress::root(gone.moid.clone(), gone.miid.clone()),
                });
            }
        }
        Ok((placed, provided, skipped))
    }

    fn object(
        &mut self,
        object: &DeliveredObject,
        moid: &Moid,
        again: Option<&Miid>,
        owner: &SrvId,
    ) -> Result<Miid, Refusal> {
        if let Some(ddf) = self.layout.ddf(moid)
            && let Err(violations) = ddf.validate(&object.node)
            && let Some(first) = violations.first()
        {
            let refusal = Cause::InvalidInstance.refusal().on(moid);
            return Err(refusal.because(first));
        }
        if let Some(miid) = again {
            let root = NodeAddress::root(moid.clone(), miid.clone());
            if self.view.kind(&root).map_err(storage)?.is_some() {
                self.plan.steps.push(PlanStep::Replace {
                    at: root,
                    node: object.node.clone(),
                });
                return Ok(miid.clone());
            }
        }
        let miid = self.new_miid(moid)?;
        self.plan.steps.push(PlanStep::Add {
            moid: moid.clone(),
            miid: miid.clone(),
            root: object.node.clone(),
            creator: Some(owner.clone()),
        });
        Ok(miid)
    }

    fn new_miid(&mut self, moid: &Moid) -> Result<Miid, Refusal> {
        let taken = self.taken.entry(moid.clone()).or_default();
        let miid = new_miid(self.view, moid, None, taken).map_err(storage)?;
        taken.insert(miid.clone());
        Ok(miid)
    }
}
