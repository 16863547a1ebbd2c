//! The check at switch-on with several readers, with other methods and older stores beside it, and what is told of it.

mod support;

use omadm_bootstrap::plan::{
    AccountFate, EntryOutcome, PreviewAction, SwitchOn, SwitchOnOccasion, preview,
};
use omadm_bootstrap::{
    BootstrapFailureCause, BootstrapMethod, BootstrapSource, CardBrought, ChannelSecurity,
    DeviceView as _, EventId,
};
use omadm_card::CardTrouble;
use omadm_card::reading::CardOutcome;
use serde_json::{Value, json};
use support::cards::*;
use support::*;

#[test]
fn two_cards_are_united_and_the_first_reader_wins_d2() {
    let mut bench = Bench::new();
    let readings = [
        card(R1, CARD, &[document(&[A])]),
        card(
            R2,
            OTHER,
            &[renamed(A), with(document(&[A, B]), &[gps("", "x")])],
        ),
    ];
    let decision = bench.switch(&readings);
    assert_eq!(bench.servers(), [A, B]);
    let name = bench.text(DM_ACC, "1", &["Name"]);
    assert_eq!(name.as_deref(), Some("Example DM"));
    assert_eq!(bench.account(A).card_origin().unwrap().reader, R1);
    assert_eq!(bench.account(B).card_origin().unwrap().reader, R2);
    assert!(matches!(
        decision.entries[1].outcome,
        EntryOutcome::Overruled(_)
    ));
    // The objects of a document belong to its first account, which another card has.
    assert!(bench.miids(GPS).is_empty());
    bench.acknowledge_all();
    assert!(bench.switch(&readings).plan.is_empty());
    // The first card goes: the second one's account takes its place, nobody is removed.
    let decision = bench.switch(&[reading(R1, "", CardOutcome::NoCard), readings[1].clone()]);
    assert!(removed(&decision).is_empty());
    assert_eq!(
        bench.text(DM_ACC, "1", &["Name"]).as_deref(),
        Some("New name")
    );
}

#[test]
fn a_doubtful_reader_keeps_its_own_and_the_definite_one_judges_the_rest() {
    let both = [
        card(R1, CARD, &[document(&[A])]),
        card(R2, OTHER, &[document(&[B])]),
    ];
    let mut bench = born_of(&both);
    let trouble = CardOutcome::Undetermined(CardTrouble::CardSilent);
    let doubtful = reading(R2, OTHER, trouble);
    let decision = bench.switch(&[reading(R1, "", CardOutcome::NoCard), doubtful]);
    assert_eq!(removed(&decision), [A]);
    assert_eq!(bench.servers(), [B]);
    assert!(bench.account(B).is_unverified());
}

#[test]
fn an_insertion_concerns_its_reader_and_its_card_alone_d54() {
    let both = [
        card(R1, CARD, &[document(&[A])]),
        card(R2, OTHER, &[document(&[B])]),
    ];
    let mut bench = born_of(&both);
    let third = [card(R2, "serial:0102", &[document(&["c.example.com"])])];
    let inserted = SwitchOn {
        occasion: SwitchOnOccasion::Insertion,
        ..switched_on(&third)
    };
    let decision = bench.switch_as(&inserted);
    assert_eq!(removed(&decision), [B]);
    assert_eq!(bench.servers(), [A, "c.example.com"]);
    assert_eq!(fates(&decision)[0], (A, &AccountFate::Kept));
}

#[test]
fn accounts_of_other_methods_are_never_removed_by_the_check() {
    for method in [
        BootstrapMethod::Factory,
        BootstrapMethod::ClientInitiated,
        BootstrapMethod::ServerInitiated,
    ] {
        let mut bench = Bench::new();
        bench.apply_as(&minimal(), |delivery| delivery.method = method);
        bench.acknowledge_all();
        let decision = bench.keeps(&[reading(R1, "", CardOutcome::NoCard)]);
        assert!(decision.accounts.is_empty() && decision.plan.is_empty());
    }
}

#[test]
fn a_card_s_account_that_a_server_bootstrapped_anew_is_its_own_and_the_card_does_not_undo_it() {
    let readings = [card(R1, CARD, &[document(&[A])])];
    let mut bench = born_of(&readings);
    bench.apply_as(&renamed(A), |delivery| delivery.consent = true);
    bench.acknowledge_all();
    assert!(bench.switch(&readings).plan.is_empty());
    let decision = bench.switch(&[reading(R1, "", CardOutcome::NoCard)]);
    assert!(decision.accounts.is_empty());
    assert_eq!(bench.servers(), [A]);
    // New content of the card counts again.
    let members = json!([account_item(&account(A)), account_item(&account(B))]);
    bench.switch(&[card(R1, CARD, &[members])]);
    assert_eq!(
        bench.account(A).provenance.method,
        BootstrapMethod::Smartcard
    );
}

/// A device with the image's accounts of A and B, and a card that took the place of A.
fn over_a_factory_account(image: &Value) -> Bench {
    let mut bench = Bench::new();
    bench.apply_as(image, |delivery| {
        delivery.method = BootstrapMethod::Factory;
        delivery.source = BootstrapSource::FactoryImage;
        delivery.channel = ChannelSecurity::Local;
        delivery.event_id = EventId::of([3; 16]);
    });
    bench.acknowledge_all();
    let on_card = with(renamed(A), &[gps("", "card")]);
    bench.switch(&[card(R1, CARD, &[on_card])]);
    bench.acknowledge_all();
    assert_eq!(
        bench.text(DM_ACC, "1", &["Name"]).as_deref(),
        Some("New name")
    );
    bench
}

#[test]
fn the_factory_account_comes_back_when_the_card_s_goes() {
    let image = with(document(&[A, B]), &[gps("", "image")]);
    let mut bench = over_a_factory_account(&image);
    let other = bench.account_node(B);
    let (octets, readings) = (image.to_string(), [reading(R1, "", CardOutcome::NoCard)]);
    let gone = SwitchOn {
        factory_image: Some(octets.as_bytes()),
        ..switched_on(&readings)
    };
    let decision = bench.switch_as(&gone);
    assert_eq!(fates(&decision), [(A, &AccountFate::FactoryAgain)]);
    assert_eq!(bench.servers(), [A, B]);
    let account = bench.account(A);
    assert_eq!(account.provenance.method, BootstrapMethod::Factory);
    assert_eq!(account.provenance.source, BootstrapSource::FactoryImage);
    assert!(account.owed.is_some() && account.cards.is_empty() && account.factory.is_none());
    assert_eq!(
        bench.text(DM_ACC, "1", &["Name"]).as_deref(),
        Some("Example DM")
    );
    let kept = bench.device.shadow(&account.srv_id).unwrap();
    assert!(kept.is_none(), "nothing of the card's credentials stays");
    // The image's object in its place, the card's gone; the other account of the image untouched.
    let ids = bench.miids(GPS);
    assert_eq!(ids.len(), 1);
    assert_eq!(bench.text(GPS, &ids[0], &["ID"]).as_deref(), Some("image"));
    assert_eq!(bench.account_node(B), other);
    assert!(bench.account(B).owed.is_none());
    // And the card comes back.
    bench.acknowledge_all();
    bench.switch(&[card(R1, CARD, &[with(renamed(A), &[gps("", "card")])])]);
    assert_eq!(
        bench.account(A).provenance.method,
        BootstrapMethod::Smartcard
    );
}

#[test]
fn without_its_image_the_card_s_account_goes_all_the_same_and_says_why() {
    let image = document(&[A, B]);
    let broken = &b"[{"[..];
    let without = document(&[B]).to_string();
    for (found, cause) in [
        (None, BootstrapFailureCause::NoAccount),
        (Some(broken), BootstrapFailureCause::Unparsable),
        (Some(without.as_bytes()), BootstrapFailureCause::NoAccount),
    ] {
        let mut bench = over_a_factory_account(&image);
        let readings = [reading(R1, "", CardOutcome::NoCard)];
        let gone = SwitchOn {
            factory_image: found,
            ..switched_on(&readings)
        };
        let decision = bench.switch_as(&gone);
        assert!(
            matches!(&decision.accounts[0].fate, AccountFate::Removed(_, Some(why)) if why.cause == cause)
        );
        assert_eq!(bench.servers(), [B]);
        assert!(bench.miids(GPS).is_empty());
    }
}

#[test]
fn objects_without_account_belong_to_the_card_s_account_and_go_with_their_entry_d57() {
    let both = card(
        R1,
        CARD,
        &[
            with(document(&[A]), &[gps("", "own")]),
            json!([gps("", "x"), gps("", "y")]),
        ],
    );
    let mut bench = born_of(std::slice::from_ref(&both));
    assert_eq!(bench.miids(GPS), ["1", "2", "3"]);
    assert_eq!(bench.creator(GPS, "2").as_deref(), Some(A));
    assert!(
        bench.switch(&[both]).plan.is_empty(),
        "unchanged, both of them"
    );
    // One less in the second entry; the first entry's stay.
    let fewer = card(
        R1,
        CARD,
        &[
            with(document(&[A]), &[gps("", "own")]),
            json!([gps("", "z")]),
        ],
    );
    bench.switch(&[fewer]);
    assert_eq!(bench.miids(GPS), ["1", "2"]);
    assert_eq!(bench.text(GPS, "2", &["ID"]).as_deref(), Some("z"));
    let objects = |bench: &Bench| {
        let cards = bench.account(A).cards;
        cards
            .iter()
            .filter(|one| one.brought != CardBrought::Account)
            .count()
    };
    assert_eq!(objects(&bench), 1);
    bench.switch(&[card(R1, CARD, &[with(document(&[A]), &[gps("", "own")])])]);
    assert_eq!(bench.miids(GPS), ["1"]);
    assert_eq!((bench.servers(), objects(&bench)), (vec![A.to_owned()], 0));
}

#[test]
fn an_account_that_an_older_build_stored_is_judged_by_its_provenance() {
    let mut bench = Bench::new();
    bench.apply_as(&minimal(), |delivery| {
        delivery.method = BootstrapMethod::Smartcard;
        delivery.source = BootstrapSource::Card(CARD.to_owned());
        delivery.channel = ChannelSecurity::Local;
    });
    bench.acknowledge_all();
    assert!(bench.account("dms.example.com").cards.is_empty());
    let stored = serde_json::to_value(bench.account("dms.example.com")).unwrap();
    let mut older = stored.clone();
    for member in ["cards", "factory"] {
        assert!(older.as_object_mut().unwrap().remove(member).is_some());
    }
    let read: omadm_bootstrap::Account = serde_json::from_value(older).unwrap();
    assert_eq!(read, bench.account("dms.example.com"));
    bench.keeps(&[card(R1, CARD, &[minimal()])]);
    assert_eq!(bench.account("dms.example.com").cards[0].reader, R1);
    let decision = bench.switch(&[reading(R1, "", CardOutcome::NoCard)]);
    assert_eq!(removed(&decision), ["dms.example.com"]);
}

#[test]
fn the_decision_is_previewed_and_printed_without_a_secret() {
    let bench = born_of(&[card(R1, CARD, &[document(&[A])])]);
    let mut members = account(B);
    members["Auth"] = json!({"Trsp": {"Data": CERT, "Secret": KEY}});
    let readings = [card(R1, OTHER, &[json!([account_item(&members)])])];
    let decision = bench.decide_as(&switched_on(&readings));
    let shown = preview(&decision.plan, &bench.device).unwrap();
    let actions: Vec<_> = shown.lines.iter().map(|line| line.action).collect();
    assert_eq!(actions, [PreviewAction::Remove, PreviewAction::Add]);
    let text = decision.to_string();
    for part in [
        R1,
        OTHER,
        "applied for b.example.com",
        "a.example.com: removed",
        DM_ACC,
    ] {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(!text.contains("key") && !text.contains(KEY));
    assert_eq!(bench.servers(), [A], "nothing happened");
}
