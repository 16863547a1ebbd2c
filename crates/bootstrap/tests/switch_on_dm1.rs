//! The check at switch-on where cards have bootstraps of DM 1.x (`smartcard.md` §9, `dm1x.md` §5.5, M23).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use omadm_bootstrap::dm1::Dm1Security;
use omadm_bootstrap::plan::{
    AccountFate, EntryOutcome, PropertiesChange, ReaderState, SwitchOn, SwitchOnDecision, TreePlan,
};
use omadm_bootstrap::{
    BootstrapFailureCause as Cause, BootstrapKind, BootstrapMethod, BootstrapSource,
    ChannelSecurity, DeviceView as _, PayloadHash, ProfileFormat,
};
use omadm_card::reading::{CardOutcome, CardReading};
use omadm_card::{CardOid, CardTrouble, LockReason, LockValue};
use omadm_mo::standard::{DmAcc1, dm_acc1};
use omadm_mo::{Acl, AclCommand, Moid, NodeAddress, SrvId, TreeView as _};
use serde_json::json;
use support::cards::*;
use support::dm1::{NAP, cp, dm, dm_of, interior, leaf, tnds_account_of, wbxml};
use support::{Bench, account_item};

const LOCKED: LockReason = LockReason::Foreign(LockValue::Network);
const FORMATS: [ProfileFormat; 2] = [ProfileFormat::Cp, ProfileFormat::Dm];

fn document_of(format: ProfileFormat, servers: &[&str], n: u32) -> Vec<u8> {
    match format {
        ProfileFormat::Cp => wbxml(&cp(servers, n)),
        _ => dm_of(servers, n),
    }
}

fn oid_of(format: ProfileFormat) -> CardOid {
    match format {
        ProfileFormat::Cp => CardOid::CP_BOOTSTRAP,
        _ => CardOid::DM_BOOTSTRAP,
    }
}

/// A card with one document.
fn one(format: ProfileFormat, servers: &[&str], n: u32) -> CardReading {
    let document = document_of(format, servers, n);
    card_of(R1, CARD, &[(oid_of(format), &document)])
}

fn files(identity: &str, files: &[(CardOid, Vec<u8>)]) -> CardReading {
    let lent = files.iter().map(|(oid, file)| (oid.clone(), &**file));
    card_of(R1, identity, &lent.collect::<Vec<_>>())
}

fn read(bench: &Bench, server: &str) -> DmAcc1 {
    let account = bench.account(server);
    assert!(account.is_dm1(), "{server} is of DM 1.x");
    let node = bench.device.subtree(&account.address()).unwrap().unwrap();
    DmAcc1::from_node(&node).unwrap()
}

fn instances(bench: &Bench, moid: &Moid) -> usize {
    bench.device.instances(moid).unwrap().len()
}

fn outcome(decision: &SwitchOnDecision, n: usize) -> &EntryOutcome {
    &decision.entries[n].outcome
}

#[test]
fn b1_c_06_a_card_s_document_of_either_format_is_applied_once_whatever_fills_its_file() {
    for format in FORMATS {
        let document = document_of(format, &["dms"], 1);
        let mut file = document.clone();
        file.extend([0xFF, 0x00, 0xFF]);
        let mut bench = Bench::new();
        let decision = bench.switch(&[card_of(R1, CARD, &[(oid_of(format), &file)])]);
        assert_eq!(decision.entries[0].format, Some(format));
        assert_eq!(decision.servers.len(), 1);
        let account = bench.account("dms");
        assert!(account.owed.is_some());
        assert_eq!(account.dm1.security, Some(Dm1Security::Card));
        assert_eq!(account.provenance.method, BootstrapMethod::Smartcard);
        assert_eq!(account.provenance.format, format);
        assert_eq!(account.provenance.kind, BootstrapKind::First);
        let digest = PayloadHash::of(&document);
        assert_eq!(account.provenance.payload_hash, digest, "without padding");
        let origin = account.card_origin().unwrap();
        assert_eq!((origin.reader.as_str(), origin.card.as_str()), (R1, CARD));
        assert_eq!(
            (origin.oid, origin.digest),
            (oid_of(format).to_string(), digest)
        );
        let told = read(&bench, "dms");
        assert_eq!(told.bootstrap_sec.as_deref(), Some("card"));
        let told = told.bootstrap_type.unwrap();
        assert_eq!(told.method.as_deref(), Some("smartcard"));
        assert_eq!(told.profile.as_deref(), Some(format.node_value()));
        let kept = bench.device.properties(&account.address()).unwrap();
        assert!(kept.acl.unwrap().names(&SrvId::parse("dms").unwrap()));
        assert_eq!(kept.tstamp.as_deref(), Some("20260101T120000Z"));

        // Unchanged but for what fills the file: nothing, be the completion owed or not.
        for _ in 0..2 {
            let decision = bench.switch(&[one(format, &["dms"], 1)]);
            assert!(decision.plan.is_empty(), "{decision}");
            assert!(matches!(outcome(&decision, 0), EntryOutcome::Unchanged(_)));
            assert_eq!(fates(&decision), [("dms", &AccountFate::OnCard)]);
            bench.acknowledge_all();
        }
        // Changed: a re-bootstrap in its place.
        bench.switch(&[one(format, &["dms"], 2)]);
        let again = bench.account("dms");
        assert_eq!(again.provenance.kind, BootstrapKind::Re);
        assert_eq!((again.provenance.seq, again.cards.len()), (2, 1));
        assert_eq!(again.miid, account.miid);
        assert!(again.owed.is_some() && again.dm1.shadow.is_some());
    }
}

#[test]
fn b1_c_07_the_whole_table_of_9_holds_for_accounts_of_dm_1() {
    let trouble = |why| reading(R1, CARD, CardOutcome::Undetermined(why));
    let lock = CardOutcome::Rejected(LOCKED);
    let broken = |format| {
        let document = document_of(format, &["dms"], 1);
        let cut = &document[..document.len() - 2];
        card_of(R1, CARD, &[(oid_of(format), cut)])
    };
    for format in FORMATS {
        for (name, next, fate) in [
            ("no card", reading(R1, "", CardOutcome::NoCard), None),
            (
                "no bootstrap",
                reading(R1, CARD, CardOutcome::NoBootstrap),
                None,
            ),
            ("another server", one(format, &["other"], 1), None),
            (
                "another card",
                files(
                    OTHER,
                    &[(oid_of(format), document_of(format, &["other"], 1))],
                ),
                None,
            ),
            (
                "rejected",
                reading(R1, OTHER, lock.clone()),
                Some(AccountFate::Kept),
            ),
            (
                "silent",
                trouble(CardTrouble::CardSilent),
                Some(AccountFate::Unverified),
            ),
            (
                "PIN",
                trouble(CardTrouble::PinMissing),
                Some(AccountFate::Unverified),
            ),
            ("cut short", broken(format), Some(AccountFate::Unverified)),
        ] {
            let mut bench = born_of(&[one(format, &["dms"], 1)]);
            let before = bench.account("dms");
            let decision = bench.switch(std::slice::from_ref(&next));
            match fate {
                Some(fate) => {
                    assert_eq!(fates(&decision), [("dms", &fate)], "{name}: {decision}");
                    let now = bench.account("dms");
                    assert_eq!(now.is_unverified(), fate == AccountFate::Unverified);
                    assert_eq!(now.provenance, before.provenance);
                    assert_eq!(decision.is_in_doubt(), fate == AccountFate::Unverified);
                }
                None => {
                    assert_eq!(removed(&decision), ["dms"], "{name}: {decision}");
                    assert!(bench.device.kind(&before.address()).unwrap().is_none());
                    let kept = bench.device.properties(&before.address()).unwrap();
                    assert!(kept.acl.is_none(), "{name}: its ACL is gone");
                    let others = decision.entries.len();
                    assert_eq!(instances(&bench, &dm_acc1::moid()), others, "{name}");
                }
            }
        }
        // No reader at all tells nothing.
        let mut bench = born_of(&[one(format, &["dms"], 1)]);
        assert_eq!(
            fates(&bench.switch(&[])),
            [("dms", &AccountFate::Unverified)]
        );
        // Removed, then put in again with other secrets: as at the first time.
        bench.switch(&[reading(R1, "", CardOutcome::NoCard)]);
        bench.switch(&[one(format, &["dms"], 2)]);
        let again = bench.account("dms");
        assert_eq!(
            (again.provenance.kind, again.provenance.seq),
            (BootstrapKind::First, 1)
        );
    }
}

#[test]
fn policy_turns_the_check_off_for_dm_1_alone_or_for_every_card_d1() {
    let mut bench = born_of(&[
        one(ProfileFormat::Cp, &["dms"], 1),
        card(R2, OTHER, &[document(&[A])]),
    ]);
    let empty = || {
        [
            reading(R1, "", CardOutcome::NoCard),
            reading(R2, "", CardOutcome::NoCard),
        ]
    };
    bench.policy.smartcard.enabled = false;
    assert!(bench.keeps(&empty()).readers.is_empty());
    bench.policy.smartcard.enabled = true;
    bench.policy.dm1 = false;
    // Neither applied, nor taken away; the other generation is judged as ever.
    let changed = [
        one(ProfileFormat::Cp, &["dms", "new"], 2),
        card(R2, OTHER, &[document(&[A])]),
    ];
    let decision = bench.keeps(&changed);
    assert_eq!(outcome(&decision, 0), &EntryOutcome::OtherGeneration);
    assert_eq!(fates(&decision)[0], ("dms", &AccountFate::Kept));
    assert!(!decision.is_in_doubt());
    let decision = bench.switch(&empty());
    assert_eq!(removed(&decision), [A]);
    assert_eq!(bench.servers(), ["dms"]);
    bench.policy.dm1 = true;
    assert_eq!(removed(&bench.switch(&empty())), ["dms"]);
}

#[test]
fn consent_is_asked_for_a_document_of_dm_1_too_and_reapply_applies_it_always() {
    let readings = [one(ProfileFormat::Dm, &["dms"], 1)];
    let mut bench = Bench::new();
    bench.policy.smartcard.require_user_consent = true;
    let decision = bench.switch(&readings);
    let EntryOutcome::Refused(why) = outcome(&decision, 0) else {
        panic!("{decision}");
    };
    assert_eq!(why.cause, Cause::ConsentRefused);
    let agreed = SwitchOn {
        agreed: &[decision.entries[0].digest.unwrap()],
        reapply: true,
        ..switched_on(&readings)
    };
    bench.switch_as(&agreed);
    assert!(bench.switch_as(&agreed).plan.is_empty(), "still owed (D88)");
    bench.acknowledge_all();
    bench.switch_as(&agreed);
    let account = bench.account("dms");
    assert_eq!(
        (account.provenance.kind, account.provenance.seq),
        (BootstrapKind::Re, 2)
    );
    // A document that the device does not take counts as invalid.
    let refused = [(agreed.agreed[0], Cause::InvalidInstance.refusal())];
    let not_taken = SwitchOn {
        refused: &refused,
        ..switched_on(&readings)
    };
    let decision = bench.switch_as(&not_taken);
    assert_eq!(decision.readers[0].state, ReaderState::InvalidEntry);
}

#[test]
fn m23_of_one_server_s_documents_the_first_counts_over_entries_and_readers() {
    let mut bench = Bench::new();
    let second = document_of(ProfileFormat::Cp, &["dms", "two"], 2);
    let first = files(
        CARD,
        &[
            (
                CardOid::DM_BOOTSTRAP,
                document_of(ProfileFormat::Dm, &["dms"], 1),
            ),
            (CardOid::CP_BOOTSTRAP, second),
        ],
    );
    let third = document_of(ProfileFormat::Cp, &["two"], 3);
    let readings = [first, card_of(R2, OTHER, &[(CardOid::CP_CONFIG1, &third)])];
    let decision = bench.switch(&readings);
    assert_eq!(bench.account("dms").provenance.format, ProfileFormat::Dm);
    assert_eq!(
        read(&bench, "two").addresses[0].addr,
        "https://dm2.example.com/"
    );
    assert!(matches!(outcome(&decision, 2), EntryOutcome::Overruled(_)));
    bench.acknowledge_all();
    assert!(bench.switch(&readings).plan.is_empty());
    // The first card goes: the second one's takes the place of what it had too, nobody else stays.
    let decision = bench.switch(&[reading(R1, "", CardOutcome::NoCard), readings[1].clone()]);
    assert_eq!(removed(&decision), ["dms"]);
    assert_eq!(
        read(&bench, "two").addresses[0].addr,
        "https://dm3.example.com/"
    );
}

#[test]
fn m23_a_server_s_account_of_dm_2_wins_over_its_account_of_dm_1_on_the_same_card() {
    let dm1 = document_of(ProfileFormat::Cp, &[A], 1);
    let dm2 = document(&[A]).to_string().into_bytes();
    let both = files(
        CARD,
        &[
            (CardOid::DM_BOOTSTRAP, dm1.clone()),
            (CardOid::DM_BOOTSTRAP, dm2),
        ],
    );
    let mut bench = born_of(std::slice::from_ref(&both));
    assert!(!bench.account(A).is_dm1());
    let decision = bench.switch(std::slice::from_ref(&both));
    assert!(decision.plan.is_empty(), "{decision}");
    assert_eq!(
        outcome(&decision, 0),
        &EntryOutcome::BesideDm2(vec![SrvId::parse(A).unwrap()])
    );
    assert_eq!(decision.refusals().count(), 0);
    // DM 2.0's is no longer on it: DM 1.x's comes in the same plan, and nothing of the other is left.
    let alone = files(CARD, &[(CardOid::DM_BOOTSTRAP, dm1)]);
    let decision = bench.switch(std::slice::from_ref(&alone));
    assert_eq!(removed(&decision), [A]);
    assert!(bench.account(A).is_dm1());
    assert!(bench.miids(support::DM_ACC).is_empty());
    let shadow = bench.device.shadow(&SrvId::parse(A).unwrap()).unwrap();
    assert!(shadow.is_none());
    bench.acknowledge_all();
    assert!(bench.switch(std::slice::from_ref(&alone)).plan.is_empty());
    // And back.
    bench.switch(&[both]);
    assert!(!bench.account(A).is_dm1());
    assert_eq!(instances(&bench, &dm_acc1::moid()), 0);
    // In doubt nothing of it happens.
    let doubt = with_content(
        files(
            CARD,
            &[
                (
                    CardOid::DM_BOOTSTRAP,
                    document_of(ProfileFormat::Cp, &[A], 1),
                ),
                (CardOid::DM_BOOTSTRAP, Vec::from(b"{}")),
            ],
        ),
        1,
        Err(CardTrouble::CardSilent),
    );
    let decision = bench.switch(&[doubt]);
    assert!(matches!(outcome(&decision, 0), EntryOutcome::BesideDm2(_)));
    assert_eq!(fates(&decision), [(A, &AccountFate::Unverified)]);
}

#[test]
fn m23_an_account_of_dm_2_that_no_card_brought_stays_and_that_is_no_refusal() {
    let mut bench = Bench::new();
    bench.apply(&json!([account_item(&support::account("dms"))]));
    bench.acknowledge_all();
    let decision = bench.switch(&[one(ProfileFormat::Dm, &["dms", "two"], 1)]);
    assert!(matches!(outcome(&decision, 0), EntryOutcome::Applied(servers) if servers.len() == 1));
    assert_eq!(bench.servers(), ["dms", "two"]);
    assert!(!bench.account("dms").is_dm1());
}

#[test]
fn m23_files_of_client_provisioning_without_account_are_passed_over_and_raise_no_doubt() {
    let bookmark = b"<wap-provisioningdoc><characteristic type='BOOTSTRAP'><parm name='NAME' value='x'/></characteristic></wap-provisioningdoc>";
    let bookmark = wbxml(bookmark);
    let mut bench = born_of(&[one(ProfileFormat::Cp, &["dms"], 1)]);
    let strange = b"\x03\x01\x6A\x00\x45\x01".to_vec();
    let decision = bench.switch(&[files(
        CARD,
        &[
            (CardOid::CP_BOOTSTRAP, bookmark.clone()),
            (CardOid::CP_CONFIG1, b"<xml/>".to_vec()),
            (CardOid::CP_CONFIG2, strange.clone()),
            (CardOid::DM_BOOTSTRAP, strange),
        ],
    )]);
    for n in 0..4 {
        assert_eq!(outcome(&decision, n), &EntryOutcome::Foreign, "{n}");
    }
    assert_eq!(decision.readers[0].state, ReaderState::Read);
    assert_eq!(removed(&decision), ["dms"]);
    // Where a DM Bootstrap has to be, they do.
    let decision = bench.switch(&[files(CARD, &[(CardOid::DM_BOOTSTRAP, bookmark)])]);
    assert!(
        matches!(outcome(&decision, 0), EntryOutcome::Refused(why) if why.cause == Cause::NoAccount)
    );
    let decision = bench.switch(&[files(CARD, &[(CardOid::DM_BOOTSTRAP, b"<xml/>".to_vec())])]);
    assert!(matches!(outcome(&decision, 0), EntryOutcome::Unreadable(_)));
}

#[test]
fn what_the_server_did_since_stays_where_only_another_account_of_the_card_is_missing() {
    let readings = [one(ProfileFormat::Cp, &["dms", "two"], 1)];
    let mut bench = born_of(&readings);
    // One is bootstrapped anew by its server, the other one is gone.
    let pushed = wbxml(&cp(&["dms"], 9));
    let mut plan = TreePlan::at(bench.device.version());
    let mut account = bench.account("dms");
    account.provenance.method = BootstrapMethod::ServerInitiated;
    account.provenance.payload_hash = PayloadHash::of(&pushed);
    plan.accounts.push(account.clone());
    plan.removed_accounts.push(SrvId::parse("two").unwrap());
    bench.device.apply(&plan).unwrap();
    bench.remove_instance("urn:oma:mo:oma-dm-dmacc:1.0", "2");
    let decision = bench.switch(&readings);
    assert!(matches!(outcome(&decision, 0), EntryOutcome::Applied(_)));
    let [owed] = &decision.servers[..] else {
        panic!("{decision}");
    };
    assert_eq!(owed.as_str(), "two");
    assert_eq!(bench.account("dms").provenance, account.provenance);
    assert_eq!(bench.servers(), ["dms", "two"]);
}

#[test]
fn what_a_card_s_message_brought_goes_with_its_account_unless_another_server_is_named_in_its_acl() {
    for named in [false, true] {
        let mut bench = Bench::new();
        bench.insert(NAP, "NAP", "ZeroOrMore");
        let document = dm(vec![
            tnds_account_of("dms", "./Inbox/Net", "https://a/"),
            interior("Net", NAP, vec![leaf("ID", "x")]),
        ]);
        let other = one(ProfileFormat::Cp, &["other"], 1);
        let other = CardReading {
            reader: omadm_card::ReaderName::new(R2),
            identity: Some(OTHER.parse().unwrap()),
            ..other
        };
        bench.switch(&[
            card_of(R1, CARD, &[(CardOid::DM_BOOTSTRAP, &document)]),
            other.clone(),
        ]);
        let nap = Moid::parse(NAP).unwrap();
        assert_eq!(instances(&bench, &nap), 1);
        assert_eq!(read(&bench, "dms").pref_con_ref.as_deref(), Some("./NAP/1"));
        if named {
            let miid = bench.device.instances(&nap).unwrap().remove(0);
            let mut plan = TreePlan::at(bench.device.version());
            plan.properties.push(PropertiesChange {
                live: false,
                at: NodeAddress::root(nap.clone(), miid),
                acl: Acl::of(&SrvId::parse("other").unwrap(), &[AclCommand::Get]),
                title: None,
            });
            bench.device.apply(&plan).unwrap();
        }
        let decision = bench.switch(&[reading(R1, "", CardOutcome::NoCard), other]);
        assert_eq!(removed(&decision), ["dms"]);
        assert_eq!(instances(&bench, &nap), usize::from(named));
    }
}

#[test]
fn the_image_s_account_comes_back_in_its_generation_when_the_card_s_goes() {
    let image = wbxml(&cp(&[A], 1));
    for (dm2, readings) in [
        (false, [one(ProfileFormat::Dm, &[A], 2)]),
        (true, [card(R1, CARD, &[document(&[A])])]),
    ] {
        let mut bench = Bench::new();
        let factory = omadm_bootstrap::plan::Delivery {
            method: BootstrapMethod::Factory,
            source: BootstrapSource::FactoryImage,
            channel: ChannelSecurity::Local,
            ..support::fetched(&image)
        };
        let planned = omadm_bootstrap::plan::dm1::plan_either(
            &bench.device,
            &bench.registry,
            &bench.policy,
            &support::OnePair,
            &RULES,
            &factory,
        );
        let Ok(omadm_bootstrap::plan::BootstrapPlan::Apply(planned)) = planned else {
            panic!("{planned:?}");
        };
        bench.device.apply(&planned.plan).unwrap();
        bench.acknowledge_all();
        let first = read(&bench, A);
        bench.switch(&readings);
        bench.acknowledge_all();
        assert_eq!(bench.account(A).is_dm1(), !dm2);
        assert!(bench.account(A).factory.is_some());
        let none = [reading(R1, "", CardOutcome::NoCard)];
        let gone = SwitchOn {
            factory_image: Some(&image),
            ..switched_on(&none)
        };
        let decision = bench.switch_as(&gone);
        assert_eq!(fates(&decision), [(A, &AccountFate::FactoryAgain)]);
        let account = bench.account(A);
        assert_eq!(account.provenance.method, BootstrapMethod::Factory);
        assert!(account.dm1.shadow.is_none() && account.factory.is_none());
        assert!(account.owed.is_some() && account.cards.is_empty());
        assert_eq!(read(&bench, A).addresses, first.addresses);
        assert!(read(&bench, A).auths == first.auths);
        assert!(bench.miids(support::DM_ACC).is_empty());
        let shadow = bench.device.shadow(&account.srv_id).unwrap();
        assert!(shadow.is_none());
    }
}

#[test]
fn the_decision_names_generation_and_format_and_no_secret() {
    let bench = Bench::new();
    let decision = bench.decide_as(&switched_on(&[one(ProfileFormat::Cp, &["dms"], 1)]));
    let text = decision.to_string();
    assert!(
        text.contains("2.23.43.5.1 3F00/7F50/6432: applied for dms (DM 1.x, client provisioning)"),
        "{text}"
    );
    assert!(!text.contains("client1") && !format!("{decision:?}").contains("client1"));
}
