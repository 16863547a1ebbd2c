use std::collections::BTreeSet;

use omadm_mo::{SrvId, TreeError};

use super::check::{Check, add};
use super::content::format_of;
use super::removal::{
    end_shadows, plan_objects_removal, plan_removal, plan_way_back, removed_uris,
};
use super::verdict::{Verdict, verdict};
use super::{AccountFate, AccountFinding, SwitchOnDecision, storage};
use crate::plan::bootstrap::Part;
use crate::plan::planned_device::PlannedDevice;
use crate::plan::{BootstrapPlan, TreePlan};
use crate::{
    Account, BootstrapFailureCause as Cause, BootstrapMethod, BootstrapSource, CardBrought,
    CardOrigin, DeviceView as _, DeviceWrite as _, ProfileFormat, Refusal,
};

/// What the image brings back: the plan upon the device, the servers that are owed a completion for it, and the device with the plan.
type BroughtBack<'a> = (TreePlan, Vec<SrvId>, PlannedDevice<'a>);

impl<'a> Check<'a> {
    /// What becomes of the accounts that cards brought. Those of another provenance are never touched here.
    pub(super) fn judge_accounts(
        &self,
        device: &mut PlannedDevice<'a>,
        decision: &mut SwitchOnDecision,
    ) -> Result<(), Refusal> {
        let looks = self.looks();
        let on_cards = [false, true].map(|dm1| self.on_cards(dm1));
        let mut going: Vec<Account> = Vec::new();
        for mut account in self.view.accounts().map_err(storage)? {
            let Some(origin) = account.card_origin() else {
                continue;
            };
            let is_dm1 = account.is_dm1();
            let mut verdict = verdict(&origin, self.switch_on.occasion, &looks);
            // Where policy turns a generation off, its accounts are not judged (D1).
            if is_dm1 && self.documents.dm1.is_none() {
                verdict = Verdict::Kept;
            }
            let fate = match verdict {
                _ if on_cards[usize::from(is_dm1)].contains(&account.srv_id) => AccountFate::OnCard,
                Verdict::Kept => AccountFate::Kept,
                Verdict::Unverified => AccountFate::Unverified,
                Verdict::Gone => {
                    going.push(account);
                    continue;
                }
            };
            let unverified = match fate {
                AccountFate::Kept => origin.unverified,
                _ => fate == AccountFate::Unverified,
            };
            if unverified != origin.unverified {
                account.put_card_origin(CardOrigin {
                    unverified,
                    ..origin
                });
                device.put_account(&account).map_err(storage)?;
            }
            decision.accounts.push(AccountFinding {
                srv_id: account.srv_id,
                fate,
            });
        }
        let ids: BTreeSet<SrvId> = going.iter().map(|one| one.srv_id.clone()).collect();
        let (back, gone): (Vec<_>, Vec<_>) =
            going.into_iter().partition(|one| one.factory.is_some());
        for account in &gone {
            self.remove(device, decision, account, &ids, None)?;
        }
        self.judge_former_factory(device, decision, back, &ids)
    }

    /// What becomes of objects that entries without account brought (D57): they go like an account would.
    pub(super) fn judge_objects(
        &self,
        device: &mut PlannedDevice<'a>,
        whole: &mut TreePlan,
    ) -> Result<(), TreeError> {
        let looks = self.looks();
        for before in device.accounts()? {
            let mut account = before.clone();
            for origin in &mut account.cards {
                if origin.brought == CardBrought::Account || self.has_objects_at(origin) {
                    continue;
                }
                match verdict(origin, self.switch_on.occasion, &looks) {
                    Verdict::Kept => {}
                    Verdict::Unverified => origin.unverified = true,
                    Verdict::Gone => {
                        if let CardBrought::Objects(provided) = &mut origin.brought {
                            let plan = plan_objects_removal(&*device, &before.srv_id, provided)?;
                            device.apply(&plan)?;
                            add(whole, plan);
                            provided.clear();
                        }
                    }
                }
            }
            let is_empty = |one: &CardOrigin| one.brought == CardBrought::Objects(Vec::new());
            account.cards.retain(|one| !is_empty(one));
            if account != before {
                device.put_account(&account)?;
            }
        }
        Ok(())
    }

    /// §14.3: the image's accounts come back where cards had taken their place. Where they cannot, the cards' go all the same.
    fn judge_former_factory(
        &self,
        device: &mut PlannedDevice<'a>,
        decision: &mut SwitchOnDecision,
        accounts: Vec<Account>,
        going: &BTreeSet<SrvId>,
    ) -> Result<(), Refusal> {
        if accounts.is_empty() {
            return Ok(());
        }
        let missing = Cause::NoAccount
            .refusal()
            .because("the factory image does not have it any more");
        let image = self.switch_on.factory_image.ok_or_else(|| missing.clone());
        let in_image = image.and_then(|image| {
            let found = self.documents.servers(image, format_of(image));
            found.map(|found| (image, found))
        });
        let (mut lost, why) = match in_image {
            Ok((image, in_image)) => {
                let (back, lost): (Vec<_>, Vec<_>) = accounts
                    .into_iter()
                    .partition(|one| in_image.contains(&one.srv_id));
                match self.plan_factory(device, &back, going, image, &in_image) {
                    Ok((plan, servers, planned)) => {
                        *device = planned;
                        add(&mut decision.plan, plan);
                        decision.servers.extend(servers);
                        let fate = AccountFate::FactoryAgain;
                        decision
                            .accounts
                            .extend(back.into_iter().map(|one| AccountFinding {
                                srv_id: one.srv_id,
                                fate: fate.clone(),
                            }));
                        (lost, missing)
                    }
                    Err(refusal) => ([back, lost].concat(), refusal),
                }
            }
            Err(refusal) => (accounts, refusal),
        };
        for account in lost.drain(..) {
            self.remove(device, decision, &account, going, Some(why.clone()))?;
        }
        Ok(())
    }

    fn plan_factory(
        &self,
        device: &PlannedDevice<'a>,
        accounts: &[Account],
        going: &BTreeSet<SrvId>,
        image: &[u8],
        in_image: &[SrvId],
    ) -> Result<BroughtBack<'a>, Refusal> {
        let mut device = device.clone();
        let mut whole = TreePlan::at(self.view.version());
        let dm1 = format_of(image) != ProfileFormat::Dm2;
        if accounts.is_empty() {
            return Ok((whole, Vec::new(), device));
        }
        for account in accounts {
            let way = if account.is_dm1() == dm1 {
                plan_way_back(&device, account, going)
            } else {
                plan_removal(&device, account, going)
            };
            let way = way.map_err(storage)?;
            device.apply(&way).map_err(storage)?;
            add(&mut whole, way);
        }
        let returns = |id: &&SrvId| accounts.iter().any(|one| one.srv_id == **id);
        let part = Part {
            left_out: in_image.iter().filter(|id| !returns(id)).cloned().collect(),
            card: None,
        };
        let (method, source) = (BootstrapMethod::Factory, BootstrapSource::FactoryImage);
        let delivery = self.delivery(image, method, source, usize::MAX);
        let BootstrapPlan::Apply(mut planned) = self.plan_part(&device, &delivery, &part)? else {
            return Ok((whole, Vec::new(), device));
        };
        end_shadows(&mut planned.plan, accounts);
        device.apply(&planned.plan).map_err(storage)?;
        add(&mut whole, planned.plan);
        Ok((whole, planned.servers, device))
    }

    fn remove(
        &self,
        device: &mut PlannedDevice<'a>,
        decision: &mut SwitchOnDecision,
        account: &Account,
        going: &BTreeSet<SrvId>,
        lost: Option<Refusal>,
    ) -> Result<(), Refusal> {
        let plan = plan_removal(&*device, account, going).map_err(storage)?;
        device.apply(&plan).map_err(storage)?;
        decision.accounts.push(AccountFinding {
            srv_id: account.srv_id.clone(),
            fate: AccountFate::Removed(removed_uris(&plan), lost),
        });
        add(&mut decision.plan, plan);
        Ok(())
    }
}
