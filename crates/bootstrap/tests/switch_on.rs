//! The check at switch-on: every row of `smartcard.md` §9 for one reader.

mod support;

use omadm_bootstrap::plan::{
    AccountFate, EntryOutcome, ReaderState, RightsChange, SwitchOn, TreePlan,
};
use omadm_bootstrap::{
    BootstrapFailureCause, BootstrapKind, BootstrapMethod, BootstrapSource, ChannelSecurity,
    DeviceView as _, PayloadHash, Subscription, Utc,
};
use omadm_card::reading::CardOutcome;
use omadm_card::{CardTrouble, LockReason, LockValue};
use omadm_mo::{Miid, Moid, Rights, ServerUri, SrvId, TreeView as _};
use serde_json::json;
use support::cards::*;
use support::*;

#[test]
fn b_04_a_card_s_bootstrap_is_applied_at_switch_on_with_its_provenance() {
    let mut bench = Bench::new();
    let readings = [card(R1, CARD, &[with(document(&[A, B]), &[gps("", "x")])])];
    let decision = bench.switch(&readings);
    assert_eq!(bench.servers(), [A, B]);
    let servers: Vec<_> = decision.servers.iter().map(SrvId::as_str).collect();
    assert_eq!(servers, [A, B]);
    let account = bench.account(A);
    assert!(account.owed.is_some());
    assert_eq!(account.provenance.method, BootstrapMethod::Smartcard);
    assert_eq!(account.provenance.kind, BootstrapKind::First);
    let source = BootstrapSource::Card(CARD.to_owned());
    assert_eq!(account.provenance.source, source);
    assert_eq!(account.provenance.channel, ChannelSecurity::Local);
    assert_eq!(account.provided.len(), 1);
    let origin = account.card_origin().unwrap();
    assert_eq!((origin.reader.as_str(), origin.card.as_str()), (R1, CARD));
    assert_eq!(origin.oid, "2.23.43.7.1");
    assert_eq!(origin.path, "3F00/7F50/6432");
    assert_eq!(Some(origin.digest), decision.entries[0].digest);
    assert_eq!(origin.at, Some(Utc(1_767_268_800_000)));
    let method = bench.text(DM_ACC, "1", &["Ext", "Bootstrap", "Method"]);
    assert_eq!(method.as_deref(), Some("smartcard"));
}

#[test]
fn an_unchanged_card_changes_nothing_and_owes_nothing_d51() {
    let readings = [card(R1, CARD, &[with(document(&[A]), &[gps("", "x")])])];
    let mut bench = born_of(&readings);
    // The server rotated a credential and keeps its own name; the card does not undo it.
    let decision = bench.switch(&readings);
    assert!(decision.plan.is_empty(), "{decision}");
    assert_eq!(fates(&decision), [(A, &AccountFate::OnCard)]);
    let outcome = &decision.entries[0].outcome;
    assert!(matches!(outcome, EntryOutcome::Unchanged(servers) if servers.len() == 1));
    assert!(bench.account(A).owed.is_none());
}

#[test]
fn changed_content_is_applied_as_a_re_bootstrap() {
    let mut bench = born_of(&[card(R1, CARD, &[document(&[A])])]);
    let readings = [card(R1, CARD, &[renamed(A)])];
    let decision = bench.switch(&readings);
    assert!(matches!(
        decision.entries[0].outcome,
        EntryOutcome::Applied(_)
    ));
    let account = bench.account(A);
    assert_eq!(account.provenance.kind, BootstrapKind::Re);
    assert_eq!((account.provenance.seq, account.cards.len()), (2, 1));
    assert!(account.owed.is_some());
    assert_eq!(
        bench.text(DM_ACC, "1", &["Name"]).as_deref(),
        Some("New name")
    );
    bench.acknowledge_all();
    assert!(bench.switch(&readings).plan.is_empty());
}

#[test]
fn reapply_always_applies_unchanged_content_once_the_completion_is_settled() {
    let readings = [card(R1, CARD, &[document(&[A])])];
    let mut bench = born_of(&readings);
    let always = SwitchOn {
        reapply: true,
        entropy: [8; 16],
        ..switched_on(&readings)
    };
    bench.switch_as(&always);
    let account = bench.account(A);
    assert_eq!(account.provenance.kind, BootstrapKind::Re);
    assert_eq!(account.provenance.seq, 2);
    assert!(account.owed.is_some());
    // D88: the bytes last applied, and their completion is still owed.
    assert!(bench.switch_as(&always).plan.is_empty());
}

#[test]
fn an_account_that_is_missing_is_applied_again_though_the_card_is_unchanged() {
    let readings = [card(R1, CARD, &[document(&[A, B])])];
    let mut bench = born_of(&readings);
    let mut plan = TreePlan::at(bench.device.version());
    plan.removed_accounts.push(SrvId::parse(B).unwrap());
    bench.device.apply(&plan).unwrap();
    bench.remove_instance(DM_ACC, "2");
    bench.switch(&readings);
    assert_eq!(bench.servers(), [A, B]);
}

#[test]
fn b_05_every_server_of_the_card_is_looked_for_and_b_06_the_one_that_is_gone_is_removed() {
    let mut bench = born_of(&[card(R1, CARD, &[document(&[A]), document(&[B])])]);
    let readings = [card(R1, CARD, &[document(&[A])])];
    let decision = bench.switch(&readings);
    assert_eq!(removed(&decision), [B]);
    assert_eq!(fates(&decision)[0], (A, &AccountFate::OnCard));
    assert_eq!(bench.servers(), [A]);
    assert_eq!(bench.miids(DM_ACC), ["1"]);
    assert!(
        bench.account(A).owed.is_none(),
        "the other one is left alone"
    );
}

#[test]
fn b_06_removal_covers_all_that_the_bootstrap_brought_d53() {
    let items = [gps("", "a"), gps("", "shared")];
    let mut bench = born_of(&[card(R1, CARD, &[with(document(&[A]), &items)])]);
    bench.apply(&document(&[B]));
    bench.acknowledge_all();
    let gps_moid = Moid::parse(GPS).unwrap();
    let b = SrvId::parse(B).unwrap();
    let mut plan = TreePlan::at(bench.device.version());
    let mut account = bench.account(A);
    account.subscriptions.push(Subscription {
        client: format!("{GPS}//"),
        server: ServerUri::parse("https://a.example.com/report").unwrap(),
        media_type: "application/vnd.oma.dm.mo+json".to_owned(),
        reported: PayloadHash::of(b""),
        attempts: 0,
        not_before: None,
    });
    plan.accounts.push(account);
    let shared = Miid::counted(2);
    let mut access = bench.device.access(&gps_moid, &shared).unwrap();
    access.allow(&b, Rights::READ);
    plan.rights.push(RightsChange {
        moid: gps_moid.clone(),
        miid: shared.clone(),
        access,
    });
    bench.device.apply(&plan).unwrap();

    let decision = bench.switch(&[reading(R1, "", CardOutcome::NoCard)]);
    let AccountFate::Removed(nodes, None) = &decision.accounts[0].fate else {
        panic!("{decision}");
    };
    assert_eq!(nodes, &[format!("{GPS}/1/"), format!("{DM_ACC}/1/")]);
    // Account with Perm list and subscriptions, and what no one else may use; the rights of the server on the rest.
    assert_eq!(bench.servers(), [B]);
    assert_eq!(bench.miids(DM_ACC), ["2"]);
    assert_eq!(bench.miids(GPS), ["2"]);
    let access = bench.device.access(&gps_moid, &shared).unwrap();
    assert_eq!(access.entries().len(), 1);
    assert_eq!(access.rights(&b), Rights::READ);
}

#[test]
fn b_06_another_card_brings_its_servers_and_those_of_the_former_go() {
    let clock = |id: &str| item(CLOCK, "", "Clock", &json!({"ID": id}));
    let before = with(document(&[A]), &[clock("a")]);
    let mut bench = born_of(&[card(R1, CARD, &[before])]);
    // The former card's account makes room first: one instance, one account.
    bench.policy.max_accounts = 1;
    let other = with(document(&[B]), &[clock("b")]);
    let decision = bench.switch(&[card(R1, OTHER, &[other])]);
    assert_eq!(removed(&decision), [A]);
    assert_eq!(bench.servers(), [B]);
    let ids = bench.miids(CLOCK);
    assert_eq!(ids.len(), 1);
    assert_eq!(bench.text(CLOCK, &ids[0], &["ID"]).as_deref(), Some("b"));
    assert_eq!(bench.creator(CLOCK, &ids[0]).as_deref(), Some(B));
}

#[test]
fn a_server_that_is_on_the_new_card_too_is_taken_over_from_it() {
    let first = with(document(&[A]), &[gps("", "a"), gps("", "b")]);
    let mut bench = born_of(&[card(R1, CARD, &[first])]);
    let next = with(renamed(A), &[gps("", "c")]);
    let decision = bench.switch(&[card(R1, OTHER, &[next])]);
    assert_eq!(fates(&decision), [(A, &AccountFate::OnCard)]);
    let account = bench.account(A);
    assert_eq!(account.card_origin().unwrap().card, OTHER);
    assert_eq!(account.provenance.kind, BootstrapKind::Re);
    // What the former card had brought does not stay beside it.
    assert_eq!(bench.miids(GPS), ["1"]);
    assert_eq!(bench.text(GPS, "1", &["ID"]).as_deref(), Some("c"));
}

#[test]
fn the_same_content_on_another_card_is_not_applied_again_and_counts_for_that_card() {
    let mut bench = born_of(&[card(R1, CARD, &[document(&[A])])]);
    bench.keeps(&[card(R2, OTHER, &[document(&[A])])]);
    let origin = bench.account(A).card_origin().unwrap();
    assert_eq!((origin.reader.as_str(), origin.card.as_str()), (R2, OTHER));
    assert!(bench.account(A).owed.is_none());
    let decision = bench.switch(&[reading(R2, OTHER, CardOutcome::NoBootstrap)]);
    assert_eq!(removed(&decision), [A]);
}

#[test]
fn b_06_a_card_without_bootstrap_and_an_empty_reader_are_definite() {
    for outcome in [
        CardOutcome::NoBootstrap,
        CardOutcome::NoCard,
        CardOutcome::Read(Vec::new()),
    ] {
        let mut bench = born_of(&[card(R1, CARD, &[document(&[A])])]);
        let decision = bench.switch(&[reading(R1, "", outcome)]);
        assert_eq!(removed(&decision), [A]);
        assert!(bench.servers().is_empty() && bench.miids(DM_ACC).is_empty());
        assert!(!decision.is_in_doubt());
    }
}

#[test]
fn a_file_that_holds_nothing_any_more_is_definite() {
    let mut bench = born_of(&[card(R1, CARD, &[document(&[A])])]);
    let empty = with_content(card(R1, CARD, &[document(&[A])]), 0, Ok(b"\xFF\xFF"));
    let empty = with_content(empty, 0, Ok(b"  "));
    let decision = bench.switch(&[empty]);
    assert!(matches!(decision.entries[0].outcome, EntryOutcome::Nothing));
    assert_eq!(removed(&decision), [A]);
}

#[test]
fn a_rejected_card_keeps_what_is_there_and_marks_nothing_d5() {
    let mut bench = born_of(&[card(R1, CARD, &[document(&[A])])]);
    let lock = LockReason::Foreign(LockValue::Network);
    let decision = bench.keeps(&[reading(R1, OTHER, CardOutcome::Rejected(lock))]);
    assert_eq!(fates(&decision), [(A, &AccountFate::Kept)]);
    assert!(!bench.account(A).is_unverified() && !decision.is_in_doubt());
    assert!(decision.plan.is_empty());
}

#[test]
fn dm_boot_002_c_o_b_03_a_policy_that_turns_the_method_off_neither_applies_nor_removes_d1() {
    let readings = [card(R1, CARD, &[document(&[A])])];
    let mut bench = born_of(&readings);
    bench.policy.smartcard.enabled = false;
    for readings in [
        vec![card(R1, OTHER, &[document(&[B])])],
        vec![reading(R1, "", CardOutcome::NoCard)],
    ] {
        let decision = bench.switch(&readings);
        assert!(decision.plan.is_empty() && decision.accounts.is_empty());
        assert_eq!(bench.servers(), [A]);
    }
}

#[test]
fn doubt_keeps_and_marks_until_a_definite_result_d6() {
    let readings = [card(R1, CARD, &[document(&[A])])];
    let mut bench = born_of(&readings);
    for trouble in [
        CardTrouble::NoService,
        CardTrouble::ReaderFailed,
        CardTrouble::CardPulled,
        CardTrouble::PinMissing,
    ] {
        let decision = bench.keeps(&[reading(R1, "", CardOutcome::Undetermined(trouble))]);
        assert_eq!(fates(&decision), [(A, &AccountFate::Unverified)]);
        assert!(bench.account(A).is_unverified() && decision.is_in_doubt());
        assert!(
            matches!(&decision.readers[0].state, ReaderState::Undetermined(why) if *why == trouble)
        );
    }
    // Marked once, written once.
    let trouble = CardOutcome::Undetermined(CardTrouble::NoService);
    assert!(bench.switch(&[reading(R1, "", trouble)]).plan.is_empty());
    // No reader at all.
    bench.keeps(&[]);
    assert!(bench.account(A).is_unverified());
    bench.keeps(&readings);
    assert!(!bench.account(A).is_unverified());
    assert_eq!(
        removed(&bench.switch(&[reading(R1, "", CardOutcome::NoCard)])),
        [A]
    );
}

#[test]
fn one_bad_entry_stops_no_other_and_leaves_its_reader_in_doubt() {
    let three = card(
        R1,
        CARD,
        &[document(&[A]), document(&[B]), document(&["c.example.com"])],
    );
    let mut bench = born_of(std::slice::from_ref(&three));
    let mut missing_uri = account(B);
    missing_uri.as_object_mut().unwrap().remove("SrvURI");
    let bad = json!([account_item(&missing_uri)]).to_string();
    for content in [
        Err(CardTrouble::PinMissing),
        Ok(&b"[{]"[..]),
        Ok(bad.as_bytes()),
        Ok(br#"[{"ClientURI":"urn:oma:mo:oma-dm-dmacc:1.2//"}]"#),
    ] {
        // The second is bad, the third is gone, the first is new.
        let two = card(R1, CARD, &[renamed(A), document(&[B])]);
        let decision = bench.switch(&[with_content(two, 1, content)]);
        assert!(
            matches!(decision.entries[0].outcome, EntryOutcome::Applied(_)),
            "{decision}"
        );
        let fate = AccountFate::Unverified;
        assert_eq!(
            fates(&decision)[1..],
            [(B, &fate), ("c.example.com", &fate)]
        );
        assert_eq!(bench.servers().len(), 3);
        assert!(!bench.account(A).is_unverified() && bench.account(B).is_unverified());
        bench.switch(std::slice::from_ref(&three));
        bench.acknowledge_all();
    }
}

#[test]
fn an_entry_that_turns_out_invalid_late_takes_back_what_it_would_have_removed() {
    let mut bench = born_of(&[card(R1, CARD, &[document(&[A]), document(&[B])])]);
    // Well formed, but with a credential that this build cannot use; B is gone.
    let mut members = account("c.example.com");
    members["Auth"] = json!({"Trsp": {"Data": "eA==", "Secret": "eQ=="}});
    let next = [document(&[A]), json!([account_item(&members)])];
    let decision = bench.keeps(&[card(R1, CARD, &next)]);
    let EntryOutcome::Refused(refusal) = &decision.entries[1].outcome else {
        panic!("{decision}");
    };
    assert_eq!(refusal.cause, BootstrapFailureCause::UnusableCredential);
    assert_eq!(decision.refusals().count(), 1);
    assert_eq!(fates(&decision)[1], (B, &AccountFate::Unverified));
    assert!(matches!(
        decision.readers[0].state,
        ReaderState::InvalidEntry
    ));
}

#[test]
fn what_policy_refuses_is_on_the_card_nevertheless() {
    let mut bench = born_of(&[card(R1, CARD, &[document(&[A]), document(&[B])])]);
    bench.policy.allowed_moids = Some(vec![Moid::parse(DM_ACC).unwrap()]);
    let decision = bench.switch(&[card(R1, CARD, &[renamed(A)])]);
    let EntryOutcome::Refused(refusal) = &decision.entries[0].outcome else {
        panic!("{decision}");
    };
    assert_eq!(refusal.cause, BootstrapFailureCause::PermissionRefused);
    // Definite all the same: B is gone, A stays as it was.
    assert_eq!(bench.servers(), [A]);
    assert_eq!(
        bench.text(DM_ACC, "1", &["Name"]).as_deref(),
        Some("Example DM")
    );
    assert!(!decision.is_in_doubt());

    bench.policy.allowed_moids = None;
    bench.policy.smartcard.require_user_consent = true;
    let readings = [card(R1, CARD, &[renamed(A)])];
    let decision = bench.switch(&readings);
    assert!(
        matches!(&decision.entries[0].outcome, EntryOutcome::Refused(why)
        if why.cause == BootstrapFailureCause::ConsentRefused)
    );
    let digest = decision.entries[0].digest.unwrap();
    let other = SwitchOn {
        agreed: &[PayloadHash::of(b"another document")],
        ..switched_on(&readings)
    };
    assert!(bench.switch_as(&other).servers.is_empty());
    let agreed = SwitchOn {
        agreed: &[digest],
        ..switched_on(&readings)
    };
    assert_eq!(bench.switch_as(&agreed).servers.len(), 1);
}
