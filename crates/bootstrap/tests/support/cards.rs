//! Cards in readers, and a device that is switched on.

use std::sync::LazyLock;

use omadm_bootstrap::plan::dm1::Dm1Rules;
use omadm_bootstrap::plan::{
    AccountFate, SwitchOn, SwitchOnDecision, SwitchOnOccasion, plan_switch_on,
};
use omadm_bootstrap::{DeviceView as _, Utc};
use omadm_card::reading::{CardDocument, CardEntry, CardOutcome, CardReading, ReaderName};
use omadm_card::{CardOid, CardTrouble};
use omadm_mo::SrvId;
use omadm_mo::json::JsonLimits;
use serde_json::{Value, json};

use super::{Bench, OnePair, account, account_item};

pub(crate) const A: &str = "a.example.com";
pub(crate) const B: &str = "b.example.com";
pub(crate) const R1: &str = "reader 1";
pub(crate) const R2: &str = "reader 2";
pub(crate) const CARD: &str = "iccid:8949017201234567890";
pub(crate) const OTHER: &str = "iccid:8949017209999999999";

/// How documents of DM 1.x are taken.
pub(crate) static RULES: LazyLock<Dm1Rules> = LazyLock::new(Dm1Rules::default);

/// A reader's card with these files, each with the OID that names it.
pub(crate) fn card_of(reader: &str, identity: &str, files: &[(CardOid, &[u8])]) -> CardReading {
    let entries = files.iter().enumerate().map(|(n, (oid, file))| CardEntry {
        oid: oid.clone(),
        path: format!("3F00/7F50/{:04X}", 0x6432 + n).parse().unwrap(),
        content: CardDocument::from_file(file, false),
    });
    reading(reader, identity, CardOutcome::Read(entries.collect()))
}

/// A reader's card with these documents, the first at `3F00/7F50/6432`.
pub(crate) fn card(reader: &str, identity: &str, documents: &[Value]) -> CardReading {
    let entries = documents.iter().enumerate().map(|(n, document)| CardEntry {
        oid: CardOid::DM_BOOTSTRAP,
        path: format!("3F00/7F50/{:04X}", 0x6432 + n).parse().unwrap(),
        content: CardDocument::from_file(document.to_string().as_bytes(), true),
    });
    reading(reader, identity, CardOutcome::Read(entries.collect()))
}

pub(crate) fn reading(reader: &str, identity: &str, outcome: CardOutcome) -> CardReading {
    CardReading {
        reader: ReaderName::new(reader),
        identity: (!identity.is_empty()).then(|| identity.parse().unwrap()),
        outcome,
    }
}

pub(crate) fn with_content(
    mut reading: CardReading,
    n: usize,
    content: Result<&[u8], CardTrouble>,
) -> CardReading {
    if let CardOutcome::Read(entries) = &mut reading.outcome {
        entries[n].content = content.and_then(|octets| CardDocument::from_file(octets, true));
    }
    reading
}

pub(crate) fn document(servers: &[&str]) -> Value {
    servers
        .iter()
        .map(|one| account_item(&account(one)))
        .collect()
}

pub(crate) fn with(mut document: Value, items: &[Value]) -> Value {
    document
        .as_array_mut()
        .unwrap()
        .extend(items.iter().cloned());
    document
}

pub(crate) fn renamed(server: &str) -> Value {
    let mut members = account(server);
    members["Name"] = json!("New name");
    json!([account_item(&members)])
}

/// How a test takes the readings.
pub(crate) fn switched_on(readings: &[CardReading]) -> SwitchOn<'_> {
    SwitchOn {
        readings,
        occasion: SwitchOnOccasion::SwitchOn,
        reapply: false,
        agreed: &[],
        refused: &[],
        after_reset: false,
        at: Some(Utc(1_767_268_800_000)),
        entropy: [7; 16],
        limits: JsonLimits::default(),
        dm1: &RULES,
        factory_image: None,
    }
}

pub(crate) trait Switch {
    fn decide_as(&self, switch_on: &SwitchOn<'_>) -> SwitchOnDecision;
    fn switch_as(&mut self, switch_on: &SwitchOn<'_>) -> SwitchOnDecision;
    fn switch(&mut self, readings: &[CardReading]) -> SwitchOnDecision;
    /// The device stays as it is but for marks beside the tree.
    fn keeps(&mut self, readings: &[CardReading]) -> SwitchOnDecision;
    fn servers(&self) -> Vec<String>;
}

impl Switch for Bench {
    fn decide_as(&self, switch_on: &SwitchOn<'_>) -> SwitchOnDecision {
        plan_switch_on(
            &self.device,
            &self.registry,
            &self.policy,
            &OnePair,
            switch_on,
        )
        .unwrap()
    }

    fn switch_as(&mut self, switch_on: &SwitchOn<'_>) -> SwitchOnDecision {
        let decision = self.decide_as(switch_on);
        if !decision.plan.is_empty() {
            self.device.apply(&decision.plan).unwrap();
        }
        decision
    }

    fn switch(&mut self, readings: &[CardReading]) -> SwitchOnDecision {
        self.switch_as(&switched_on(readings))
    }

    fn keeps(&mut self, readings: &[CardReading]) -> SwitchOnDecision {
        let before = self.servers();
        let decision = self.switch(readings);
        assert!(decision.plan.steps.is_empty(), "{decision}");
        assert!(decision.servers.is_empty(), "{decision}");
        assert_eq!(self.servers(), before);
        decision
    }

    fn servers(&self) -> Vec<String> {
        let accounts = self.device.accounts().unwrap().into_iter();
        accounts.map(|one| one.srv_id.as_str().to_owned()).collect()
    }
}

/// A device that was switched on with this card, and whose servers acknowledged.
pub(crate) fn born_of(readings: &[CardReading]) -> Bench {
    let mut bench = Bench::new();
    bench.switch(readings);
    bench.acknowledge_all();
    bench
}

pub(crate) fn fates(decision: &SwitchOnDecision) -> Vec<(&str, &AccountFate)> {
    let accounts = decision.accounts.iter();
    accounts
        .map(|one| (one.srv_id.as_str(), &one.fate))
        .collect()
}

pub(crate) fn removed(decision: &SwitchOnDecision) -> Vec<&str> {
    decision.removed().map(SrvId::as_str).collect()
}
