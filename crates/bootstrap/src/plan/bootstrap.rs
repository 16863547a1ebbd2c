use std::collections::{BTreeMap, BTreeSet};

use omadm_mo::json::JsonLimits;
use omadm_mo::standard::dm_acc::names;
use omadm_mo::standard::{DmAcc, MoRegistry, dac, dm_acc};
use omadm_mo::{Miid, Moid, Node, NodeAddress, Rights, ServerUri, SrvId, TreeError, Value};

use super::account_item::{check_cap, check_credentials, check_owner, read_account};
use super::document::{BoundItem, Document};
use super::{
    CredentialCheck, Delivery, Placement, PlacementError, PlanStep, RightsChange, SkippedItem,
    TreePlan, merge_permanent, new_miid, plan_shadows,
};
use crate::{
    Account, BootstrapFailureCause as Cause, BootstrapKind, BootstrapMethod, BootstrapPolicy,
    BootstrapSource, CardBrought, CardOrigin, ChannelSecurity, DeviceView, OwedCompletion,
    PayloadHash, ProfileFormat, Provenance, ProvidedInstance, Refusal, ShadowCause, Utc,
};

/// What is to be done with a delivered document.
#[derive(Clone, PartialEq, Debug)]
#[expect(clippy::large_enum_variant, reason = "one a document")]
pub enum BootstrapPlan {
    /// Apply this.
    Apply(Planned),
    /// The bytes last applied, and their completion is still owed: nothing to apply (D88).
    AlreadyApplied,
}

/// A plan with what there is to say about it.
#[derive(Clone, PartialEq, Debug)]
pub struct Planned {
    /// What changes.
    pub plan: TreePlan,
    /// The servers that are owed a BootstrapComplete afterwards, in the document's order.
    pub servers: Vec<SrvId>,
    /// Items that were passed over.
    pub skipped: Vec<SkippedItem>,
}

/// Plans a delivered document by the common processing of `dm20.md` §14.6.1, steps 2 to 10.
///
/// # Errors
/// [`Refusal`] with cause, item and node; the tree stays as it is.
pub fn plan_bootstrap(
    view: &dyn DeviceView,
    registry: &MoRegistry,
    policy: &BootstrapPolicy,
    credentials: &dyn CredentialCheck,
    delivery: &Delivery<'_>,
) -> Result<BootstrapPlan, Refusal> {
    check_policy(policy, delivery)?;
    let payload_hash = PayloadHash::of(delivery.document);
    let accounts = view.accounts().map_err(storage)?;
    if accounts.iter().any(|a| {
        a.owed.is_some()
            && a.provenance.payload_hash == payload_hash
            && a.provenance.source == delivery.source
    }) {
        return Ok(BootstrapPlan::AlreadyApplied);
    }
    plan_part(
        view,
        registry,
        policy,
        credentials,
        delivery,
        &Part::default(),
    )
    .map(BootstrapPlan::Apply)
}

/// What of a document is planned, and what is remembered of it beside its provenance.
#[derive(Clone, Default)]
pub(in crate::plan) struct Part {
    /// Accounts of these servers stay as they are. Where the first of a document of DM 2.0 is among them, its other objects are left out too.
    pub(in crate::plan) left_out: BTreeSet<SrvId>,
    /// The card's entry that the document is.
    pub(in crate::plan) card: Option<CardOrigin>,
}

/// The servers whose accounts a document has, in its order.
///
/// # Errors
/// [`Refusal`] where it is no document, or one of its accounts is none.
pub(super) fn servers_of(
    document: &[u8],
    limits: JsonLimits,
    registry: &MoRegistry,
) -> Result<Vec<SrvId>, Refusal> {
    let document = Document::read(document, limits, registry)?;
    let accounts = document
        .items
        .iter()
        .filter(|one| one.moid == dm_acc::moid());
    accounts
        .map(|item| read_account(item).map(|read| read.srv_id))
        .collect()
}

/// Plans a part of a document, whether it was applied before or not.
pub(super) fn plan_part(
    view: &dyn DeviceView,
    registry: &MoRegistry,
    policy: &BootstrapPolicy,
    credentials: &dyn CredentialCheck,
    delivery: &Delivery<'_>,
    part: &Part,
) -> Result<Planned, Refusal> {
    check_policy(policy, delivery)?;
    let document = Document::read(delivery.document, delivery.limits, registry)?;
    let (account_items, others): (Vec<_>, Vec<_>) = document
        .items
        .into_iter()
        .partition(|i| i.moid == dm_acc::moid());
    let mut planner = Planner {
        view,
        registry,
        delivery,
        part,
        payload_hash: PayloadHash::of(delivery.document),
        existing: view.accounts().map_err(storage)?,
        plan: TreePlan::at(view.version()),
        taken: BTreeMap::new(),
    };
    let mut objects = true;
    for (n, item) in account_items.into_iter().enumerate() {
        let planned = planner.plan_account(item, policy, credentials)?;
        objects &= planned || n > 0;
    }
    if objects {
        planner.plan_others(others)?;
    }
    if planner.existing.len() + planner.added_accounts() > policy.max_accounts {
        return Err(Cause::TooManyAccounts
            .refusal()
            .because(format!("at most {}", policy.max_accounts)));
    }
    plan_shadows(view, &mut planner.plan, ShadowCause::Bootstrap).map_err(storage)?;
    let servers = planner
        .plan
        .accounts
        .iter()
        .map(|account| account.srv_id.clone())
        .collect();
    Ok(Planned {
        plan: planner.plan,
        servers,
        skipped: document.skipped,
    })
}

fn check_policy(policy: &BootstrapPolicy, delivery: &Delivery<'_>) -> Result<(), Refusal> {
    let rules = policy.method(delivery.method);
    if !rules.enabled {
        return Err(Cause::MethodDisabled.refusal().because(delivery.method));
    }
    if delivery.channel == ChannelSecurity::Open {
        return Err(Cause::ChannelNotSecure.refusal());
    }
    if rules.require_user_consent && !delivery.consent {
        return Err(Cause::ConsentRefused.refusal());
    }
    Ok(())
}

struct Planner<'a> {
    view: &'a dyn DeviceView,
    registry: &'a MoRegistry,
    delivery: &'a Delivery<'a>,
    part: &'a Part,
    payload_hash: PayloadHash,
    existing: Vec<Account>,
    plan: TreePlan,
    taken: BTreeMap<Moid, BTreeSet<Miid>>,
}

impl Planner<'_> {
    fn added_accounts(&self) -> usize {
        self.plan
            .accounts
            .iter()
            .filter(|new| !self.existing.iter().any(|old| old.srv_id == new.srv_id))
            .count()
    }

    fn is_local(&self) -> bool {
        matches!(
            self.delivery.method,
            BootstrapMethod::Factory | BootstrapMethod::Smartcard
        )
    }

    /// False where it is left out.
    fn plan_account(
        &mut self,
        item: BoundItem,
        policy: &BootstrapPolicy,
        credentials: &dyn CredentialCheck,
    ) -> Result<bool, Refusal> {
        let at = item.at.clone();
        let read = read_account(&item)?;
        if self
            .plan
            .accounts
            .iter()
            .any(|account| account.srv_id == read.srv_id)
        {
            return Err(Cause::DuplicateSrvId.refusal().at(at).on(&read.srv_id));
        }
        if self.part.left_out.contains(&read.srv_id) {
            return Ok(false);
        }
        check_credentials(&read, credentials, &at)?;
        if self.delivery.method == BootstrapMethod::Factory {
            check_owner(&read, credentials, &at)?;
        }
        check_cap(&read, policy, &at)?;
        let old = self
            .existing
            .iter()
            .find(|account| account.srv_id == read.srv_id)
            .cloned();
        // That of DM 2.0 takes the place of one of DM 1.x (dm1x.md M23).
        let (former, old) = match old {
            Some(old) if old.is_dm1() => (Some(old), None),
            old => (None, old),
        };
        if let Some(former) = &former {
            let own = former.provenance.source == self.delivery.source;
            if !own && !self.is_local() && !self.delivery.consent {
                return Err(Cause::ForeignAccount.refusal().at(at).on(&former.srv_id));
            }
            self.plan.steps.push(PlanStep::Remove {
                at: former.address(),
            });
        }
        let moid = dm_acc::moid();
        let miid = match &old {
            Some(account) => account.miid.clone(),
            None => self.new_miid(&moid, item.miid.as_ref())?,
        };
        let root = NodeAddress::root(moid.clone(), miid.clone());
        let mut node = item.node;
        let before = match &old {
            Some(account) => {
                let before = self
                    .view
                    .subtree(&root)
                    .map_err(storage)?
                    .unwrap_or_else(Node::empty);
                self.guard(account, &before, &mut node, &at)?;
                node = merge_permanent(
                    node,
                    Some(&before),
                    self.registry.get(&moid).map(omadm_mo::ddf::Ddf::root),
                );
                Some(before)
            }
            None => None,
        };
        let account = self.account(read, miid.clone(), old.as_ref(), former.as_ref());
        node.remove(&names::path(&[names::PERM]));
        write_bootstrap_type(&mut node, &account.provenance);
        self.plan.steps.push(match before {
            Some(_) => PlanStep::Replace { at: root, node },
            None => PlanStep::Add {
                moid,
                miid,
                root: node,
                creator: Some(account.srv_id.clone()),
            },
        });
        self.plan.accounts.push(account);
        Ok(true)
    }

    fn account(
        &self,
        read: DmAcc,
        miid: Miid,
        old: Option<&Account>,
        former: Option<&Account>,
    ) -> Account {
        let delivery = self.delivery;
        let kind = match old {
            _ if delivery.after_reset => BootstrapKind::Reset,
            Some(_) => BootstrapKind::Re,
            None => BootstrapKind::First,
        };
        let provenance = Provenance {
            method: delivery.method,
            format: ProfileFormat::Dm2,
            kind,
            seq: old
                .map_or(0, |account| account.provenance.seq)
                .saturating_add(1),
            at: delivery.at,
            event_id: delivery.event_id.clone(),
            payload_hash: self.payload_hash,
            source: delivery.source.clone(),
            channel: delivery.channel,
        };
        let mut account = Account {
            bootstrapped_host: Some(read.srv_uri.host().to_owned()),
            perm: read.perm,
            owed: Some(OwedCompletion::fresh()),
            ..Account::new(read.srv_id, miid, provenance)
        };
        if let Some(before) = old.or(former) {
            account.inherit(before);
        }
        if let Some(card) = &self.part.card {
            account.cards.push(card.clone());
        }
        account
    }

    /// Step 7: B-17 without exception for servers, then D58. A server that may not change `Auth/Bootstrap` keeps it by leaving it out. The one that the account
    /// itself names there needs no consent: these keys authorise it (B-18), and the account hands the device over to it.
    fn guard(
        &self,
        account: &Account,
        before: &Node,
        after: &mut Node,
        at: &str,
    ) -> Result<(), Refusal> {
        if self.is_local() {
            return Ok(());
        }
        let path = [names::AUTH, names::BOOTSTRAP];
        let guarded = before.find(&path);
        let authorised = guarded.is_some_and(|keys| self.is_bootstrap_server_of(keys));
        if let Some(guarded) = guarded.filter(|_| !authorised) {
            match after.find(&path) {
                None => {
                    after.put(&names::path(&path), guarded.clone());
                }
                Some(delivered) if delivered != guarded => {
                    return Err(Cause::BootstrapCredentialGuard
                        .refusal()
                        .at(at)
                        .on(&account.srv_id));
                }
                Some(_) => {}
            }
        }
        let own_source = account.provenance.source == self.delivery.source;
        if !own_source && !authorised && !self.delivery.consent {
            return Err(Cause::ForeignAccount.refusal().at(at).on(&account.srv_id));
        }
        Ok(())
    }

    /// Whether the document comes from the server that an account's `Auth/Bootstrap` names.
    fn is_bootstrap_server_of(&self, auth_bootstrap: &Node) -> bool {
        let uri = auth_bootstrap
            .find(&[names::SERVER_URI])
            .and_then(Node::value)
            .and_then(Value::as_text);
        let origin = uri
            .and_then(|uri| ServerUri::parse(uri).ok())
            .map(|uri| uri.origin().to_string());
        origin.map(BootstrapSource::Server).as_ref() == Some(&self.delivery.source)
    }

    /// D15 and D75 for the items that are no DM Account; they belong to the first account of the document, or to one the source owns (D57).
    fn plan_others(&mut self, items: Vec<BoundItem>) -> Result<(), Refusal> {
        let guests = self.plan.accounts.is_empty();
        if guests {
            self.plan_guests_account(items.is_empty())?;
        }
        let owner = self.plan.accounts[0].srv_id.clone();
        let before = self.provided_before(&owner, guests);
        let mut provided: Vec<ProvidedInstance> = Vec::new();
        for item in items {
            let position = provided.iter().filter(|p| p.moid == item.moid).count();
            let again = before
                .iter()
                .find(|p| p.moid == item.moid && p.position == position);
            let miid = self.plan_other(&item, again.map(|p| &p.miid), &owner)?;
            provided.push(ProvidedInstance {
                moid: item.moid,
                position,
                miid,
            });
        }
        let further = self.plan.accounts.iter().skip(1);
        let left: Vec<_> = further
            .flat_map(|account| self.provided_before(&account.srv_id, false))
            .collect();
        for gone in before.iter().chain(&left).filter(|old| {
            !provided
                .iter()
                .any(|new| new.moid == old.moid && new.miid == old.miid)
        }) {
            self.plan.steps.push(PlanStep::Remove {
                at: NodeAddress::root(gone.moid.clone(), gone.miid.clone()),
            });
        }
        let account = &mut self.plan.accounts[0];
        match &self.part.card {
            Some(card) if guests => account.cards.push(CardOrigin {
                brought: CardBrought::Objects(provided),
                ..card.clone()
            }),
            _ => account.provided = provided,
        }
        Ok(())
    }

    /// The account of a document that has none: bootstrapped again, with what it has.
    fn plan_guests_account(&mut self, nothing: bool) -> Result<(), Refusal> {
        let is_again = |account: &&Account| {
            let place = self.part.card.as_ref();
            place.is_some_and(|card| account.objects_of(card).is_some())
        };
        let own = |account: &&Account| account.provenance.source == self.delivery.source;
        let mut accounts = self.existing.iter().filter(|one| !one.is_dm1());
        let owner = (accounts.clone().find(is_again))
            .or_else(|| accounts.clone().find(own))
            .or_else(|| accounts.next().filter(|_| self.is_local()));
        let Some(mut again) = owner.filter(|_| !nothing).cloned() else {
            return Err(Cause::NoAccount.refusal());
        };
        again.provenance.seq = again.provenance.seq.saturating_add(1);
        again.provenance.event_id = self.delivery.event_id.clone();
        again.provenance.payload_hash = self.payload_hash;
        again.provenance.kind = BootstrapKind::Re;
        again.provenance.at = self.delivery.at;
        again.owed = Some(OwedCompletion::fresh());
        if let Some(card) = &self.part.card {
            again.forget_objects_of(card);
        } else {
            again.provided = Vec::new();
        }
        let root = NodeAddress::root(dm_acc::moid(), again.miid.clone());
        let mut node = self
            .view
            .subtree(&root)
            .map_err(storage)?
            .unwrap_or_else(Node::empty);
        write_bootstrap_type(&mut node, &again.provenance);
        self.plan.steps.push(PlanStep::Replace { at: root, node });
        self.plan.accounts.push(again);
        Ok(())
    }

    /// What the same source brought a server before (D75). All cards are one source: what another card brought does not stay beside the account that this one brings.
    fn provided_before(&self, srv_id: &SrvId, guests: bool) -> Vec<ProvidedInstance> {
        let mut accounts = self.existing.iter();
        let Some(account) = accounts.find(|account| account.srv_id == *srv_id) else {
            return Vec::new();
        };
        if let Some(card) = self.part.card.as_ref().filter(|_| guests) {
            let objects = account.objects_of(card);
            return objects.map(<[_]>::to_vec).unwrap_or_default();
        }
        let card = BootstrapMethod::Smartcard;
        let both_cards = account.provenance.method == card && self.delivery.method == card;
        if both_cards || account.provenance.source == self.delivery.source {
            return account.provided.clone();
        }
        Vec::new()
    }

    fn plan_other(
        &mut self,
        item: &BoundItem,
        again: Option<&Miid>,
        owner: &SrvId,
    ) -> Result<Miid, Refusal> {
        if item.moid == dac::moid() {
            return Err(Cause::ForeignInstance
                .refusal()
                .at(&*item.at)
                .on(&item.moid)
                .because("the device itself makes the DAC MO"));
        }
        let Some(ddf) = self.registry.get(&item.moid) else {
            return Err(Cause::UnknownNode.refusal().at(&*item.at).on(&item.moid));
        };
        let taken = self.taken.entry(item.moid.clone()).or_default();
        let exists = again
            .map(|miid| {
                self.view
                    .instances(&item.moid)
                    .map(|all| all.contains(miid))
            })
            .transpose();
        let placement =
            match again.filter(|_| exists.as_ref().is_ok_and(|exists| *exists == Some(true))) {
                Some(miid) => Placement::Replace(miid.clone()),
                None => {
                    let own = |miid: &Miid| {
                        let creator = self.view.creator(&item.moid, miid)?;
                        Ok(creator.as_ref() == Some(owner))
                    };
                    Placement::decide(self.view, ddf, &item.moid, item.miid.as_ref(), own, taken)
                        .map_err(|e| match e {
                            PlacementError::Foreign(address) => {
                                Cause::ForeignInstance.refusal().at(&*item.at).on(address)
                            }
                            PlacementError::Second(_) => Cause::InvalidInstance
                                .refusal()
                                .at(&*item.at)
                                .on(&item.moid)
                                .because(e),
                            PlacementError::Tree(error) => storage(error),
                        })?
                }
            };
        exists.map_err(storage)?;
        taken.insert(placement.miid().clone());
        let root = NodeAddress::root(item.moid.clone(), placement.miid().clone());
        if let Placement::Replace(miid) = &placement {
            self.give(&item.moid, miid, owner)?;
        }
        self.plan.steps.push(match &placement {
            Placement::Replace(_) => {
                let before = self.view.subtree(&root).map_err(storage)?;
                let node = merge_permanent(item.node.clone(), before.as_ref(), Some(ddf.root()));
                PlanStep::Replace { at: root, node }
            }
            Placement::Add(miid) => PlanStep::Add {
                moid: item.moid.clone(),
                miid: miid.clone(),
                root: item.node.clone(),
                creator: Some(owner.clone()),
            },
        });
        Ok(placement.miid().clone())
    }

    /// D49: what a bootstrap delivers is its server's, whatever became of the rights on an instance that it replaces.
    fn give(&mut self, moid: &Moid, miid: &Miid, owner: &SrvId) -> Result<(), Refusal> {
        let mut access = self.view.access(moid, miid).map_err(storage)?;
        if access.rights(owner) != Rights::FULL {
            access.allow(owner, Rights::FULL);
            self.plan.rights.push(RightsChange {
                moid: moid.clone(),
                miid: miid.clone(),
                access,
            });
        }
        Ok(())
    }

    fn new_miid(&mut self, moid: &Moid, proposed: Option<&Miid>) -> Result<Miid, Refusal> {
        let taken = self.taken.entry(moid.clone()).or_default();
        let miid = new_miid(self.view, moid, proposed, taken).map_err(storage)?;
        taken.insert(miid.clone());
        Ok(miid)
    }
}

/// Writes `Ext/Bootstrap` as the client alone does; what a document delivers there is ignored (§12.2).
fn write_bootstrap_type(account: &mut Node, provenance: &Provenance) {
    let mut values = Node::empty();
    let mut put = |name: &str, value: Value| values.put(&names::path(&[name]), value.into());
    put(names::METHOD, Value::chr(provenance.method.node_value()));
    put(names::PROFILE, Value::chr(provenance.format.node_value()));
    put(names::KIND, Value::chr(provenance.kind.node_value()));
    put(names::SEQ, Value::Int(i64::from(provenance.seq)));
    put(
        names::TIME,
        Value::chr(provenance.at.map(Utc::to_basic).unwrap_or_default()),
    );
    put(names::EVENT_ID, Value::chr(provenance.event_id.as_str()));
    put(
        names::PAYLOAD_HASH,
        Value::chr(provenance.payload_hash.to_hex()),
    );
    put(names::STATE, Value::chr("pending"));
    account.put(&names::bootstrap_type(), values);
}

pub(super) fn storage(error: TreeError) -> Refusal {
    let cause = if error == TreeError::NoRoom {
        Cause::NoRoom
    } else {
        Cause::StorageFailed
    };
    cause.refusal().because(error)
}
