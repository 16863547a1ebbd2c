//! What a device does with a bootstrap of DM 1.x (`dm1x.md` §5.7, §5.8, M23 to M25), on the tree in memory.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use omadm_bootstrap::dm1::Dm1Security;
use omadm_bootstrap::plan::dm1::{
    Dm1Delivery, Dm1Rules, former_account, plan_bootstrap, plan_either, plan_proof, plan_revert,
};
use omadm_bootstrap::plan::{BootstrapPlan, Planned, SkippedReason};
use omadm_bootstrap::{
    Account, BootstrapFailureCause as Cause, BootstrapMethod, BootstrapSource, ChannelSecurity,
    DeviceView as _, EventId, Refusal, Utc,
};
use omadm_mo::standard::{DmAcc1, dm_acc1};
use omadm_mo::{Miid, Moid, Node, NodeAddress, SrvId, TreeView as _};
use serde_json::json;
use support::Bench;
use support::dm1::{NAP, cp, dm, interior, leaf, tnds_account, wbxml};

const AT: Utc = Utc(1_767_268_800_000);

fn by_card(document: &[u8]) -> Dm1Delivery<'_> {
    Dm1Delivery {
        document,
        method: BootstrapMethod::Smartcard,
        source: BootstrapSource::Card("8949".to_owned()),
        security: Dm1Security::Card,
        at: Some(AT),
        event_id: EventId::of([7; 16]),
        consent: false,
        after_reset: false,
        reapply: false,
    }
}

fn by_push(document: &[u8], security: Dm1Security) -> Dm1Delivery<'_> {
    Dm1Delivery {
        method: BootstrapMethod::ServerInitiated,
        source: BootstrapSource::Server("push".to_owned()),
        security,
        ..by_card(document)
    }
}

fn planned(bench: &Bench, delivery: &Dm1Delivery<'_>) -> Result<BootstrapPlan, Refusal> {
    let rules = Dm1Rules::default();
    plan_bootstrap(
        &bench.device,
        &bench.registry,
        &bench.policy,
        &rules,
        delivery,
    )
}

fn apply(bench: &mut Bench, delivery: &Dm1Delivery<'_>) -> Planned {
    match planned(bench, delivery) {
        Ok(BootstrapPlan::Apply(planned)) => {
            bench.device.apply(&planned.plan).unwrap();
            planned
        }
        other => panic!("{other:?}"),
    }
}

/// Refused for this cause, and the tree as it was.
fn refused(bench: &Bench, delivery: &Dm1Delivery<'_>) -> Cause {
    planned(bench, delivery).unwrap_err().cause
}

fn account(bench: &Bench, server: &str) -> (Account, DmAcc1) {
    let account = bench.device.account(&SrvId::parse(server).unwrap());
    let account = account.unwrap().unwrap();
    let node = bench.device.subtree(&root(&account)).unwrap().unwrap();
    dm_acc1::ddf().validate(&node).unwrap();
    (account, DmAcc1::from_node(&node).unwrap())
}

fn root(account: &Account) -> NodeAddress {
    NodeAddress::root(dm_acc1::moid(), account.miid.clone())
}

fn acl(bench: &Bench, account: &Account) -> String {
    let properties = bench.device.properties(&root(account)).unwrap();
    properties.acl.unwrap().to_string()
}

#[test]
fn dm_hlr_3_b1_c_08_b1_c_10_a_new_account_gets_its_rights_its_type_and_owes_the_event() {
    let mut bench = Bench::new();
    let document = cp(&["dms"], 1);
    let made = apply(&mut bench, &by_card(&document));
    assert_eq!(made.servers.len(), 1);
    let (account, read) = account(&bench, "dms");
    assert_eq!(account.miid, Miid::counted(1));
    assert_eq!(acl(&bench, &account), "Delete=dms&Get=dms&Replace=dms");
    assert!(account.owed.is_some() && account.dm1.shadow.is_none());
    assert_eq!(account.dm1.security, Some(Dm1Security::Card));
    let told = read.bootstrap_type.unwrap();
    assert_eq!(told.method.as_deref(), Some("smartcard"));
    assert_eq!(told.profile.as_deref(), Some("cp"));
    assert_eq!((told.kind.as_deref(), told.seq), (Some("first"), Some(1)));
    assert_eq!(told.time.as_deref(), Some("20260101T120000Z"));
    assert_eq!(told.state.as_deref(), Some("pending"));
    assert_eq!(
        told.payload_hash.unwrap(),
        account.provenance.payload_hash.to_hex()
    );
    assert_eq!(read.bootstrap_sec.as_deref(), Some("card"));
}

#[test]
fn the_same_server_again_is_updated_in_place_and_keeps_name_and_rights() {
    let mut bench = Bench::new();
    apply(&mut bench, &by_card(&cp(&["dms"], 1)));
    let (before, _) = account(&bench, "dms");
    let bare = "<wap-provisioningdoc><characteristic type='APPLICATION'><parm name='APPID' value='w7'/><parm name='PROVIDER-ID' value='dms'/><parm name='ADDR' value='https://new.example.com/'/></characteristic></wap-provisioningdoc>";
    let again = apply(&mut bench, &by_card(bare.as_bytes()));
    assert!(again.plan.properties.is_empty(), "the ACL stays");
    let (after, read) = account(&bench, "dms");
    assert_eq!(after.miid, before.miid);
    assert_eq!(acl(&bench, &after), "Delete=dms&Get=dms&Replace=dms");
    assert_eq!(read.addresses[0].addr, "https://new.example.com/");
    assert!(
        read.name.is_none() && read.auths.is_empty(),
        "not mentioned, so gone"
    );
    let told = read.bootstrap_type.unwrap();
    assert_eq!((told.kind.as_deref(), told.seq), (Some("re"), Some(2)));
    assert!(after.dm1.shadow.is_some());
    assert!(
        !format!("{after:?}").contains("client1"),
        "no secret is told"
    );
}

#[test]
fn the_same_document_on_a_live_account_changes_nothing_unless_it_is_to_be_applied_always() {
    let mut bench = Bench::new();
    let document = cp(&["dms"], 1);
    apply(&mut bench, &by_card(&document));
    assert_eq!(
        planned(&bench, &by_card(&document)),
        Ok(BootstrapPlan::AlreadyApplied)
    );
    let always = Dm1Delivery {
        reapply: true,
        ..by_card(&document)
    };
    apply(&mut bench, &always);
    assert_eq!(account(&bench, "dms").0.provenance.seq, 2);
}

#[test]
fn another_servers_account_is_left_as_it_is() {
    let mut bench = Bench::new();
    apply(&mut bench, &by_card(&cp(&["one"], 1)));
    let before = account(&bench, "one");
    apply(&mut bench, &by_card(&cp(&["two"], 2)));
    assert_eq!(account(&bench, "one"), before);
    assert_eq!(account(&bench, "two").0.miid, Miid::counted(2));
}

#[test]
fn what_is_refused_has_its_cause_and_leaves_the_tree_untouched() {
    let mut bench = Bench::new();
    let document = cp(&["dms"], 1);
    let before = bench.device.version();
    let twice = cp(&["dms", "dms"], 1);
    let none = b"<wap-provisioningdoc/>";
    let unsigned = by_push(&document, Dm1Security::None);
    let open = Dm1Delivery {
        security: Dm1Security::None,
        ..by_card(&document)
    };
    for (delivery, cause) in [
        (by_card(b"{}"), Cause::NotDm1Document),
        (by_card(none), Cause::NoAccount),
        (by_card(&twice), Cause::DuplicateSrvId),
        (unsigned, Cause::PushUnproven),
        (open, Cause::ChannelNotSecure),
    ] {
        assert_eq!(refused(&bench, &delivery), cause);
    }
    bench.policy.smartcard.require_user_consent = true;
    assert_eq!(refused(&bench, &by_card(&document)), Cause::ConsentRefused);
    bench.policy.smartcard.enabled = false;
    assert_eq!(refused(&bench, &by_card(&document)), Cause::MethodDisabled);
    bench.policy.smartcard = omadm_bootstrap::MethodPolicy::default();
    bench.policy.max_accounts = 0;
    assert_eq!(refused(&bench, &by_card(&document)), Cause::TooManyAccounts);
    assert_eq!(bench.device.version(), before);
    assert!(bench.device.accounts().unwrap().is_empty());
}

#[test]
fn an_account_is_taken_over_only_by_what_is_trusted_as_much_or_agreed_to() {
    let ranks = [
        vec![Dm1Security::UserPin],
        vec![Dm1Security::NetworkId],
        vec![Dm1Security::Both],
        vec![Dm1Security::Tls],
    ];
    for (made, securities) in ranks.iter().enumerate() {
        for (taking, others) in ranks.iter().enumerate() {
            let mut bench = Bench::new();
            apply(&mut bench, &by_push(&cp(&["dms"], 1), securities[0]));
            let document = cp(&["dms"], 2);
            let delivery = by_push(&document, others[0]);
            if taking < made {
                assert_eq!(refused(&bench, &delivery), Cause::LessTrusted);
                let agreed = Dm1Delivery {
                    consent: true,
                    ..delivery
                };
                apply(&mut bench, &agreed);
            } else {
                apply(&mut bench, &delivery);
            }
        }
    }
    let mut bench = Bench::new();
    apply(&mut bench, &by_card(&cp(&["dms"], 1)));
    let document = cp(&["dms"], 2);
    assert_eq!(
        refused(&bench, &by_push(&document, Dm1Security::Both)),
        Cause::LessTrusted
    );
    apply(&mut bench, &by_push(&document, Dm1Security::Tls));
}

#[test]
fn m23_where_the_server_has_a_dm_2_account_that_of_dm_1_is_not_applied() {
    let mut bench = Bench::new();
    bench.apply(&json!([support::account_item(&support::account("dms"))]));
    let before = bench.snapshot();
    let document = cp(&["dms"], 1);
    assert_eq!(
        refused(&bench, &by_card(&document)),
        Cause::Dm2AccountExists
    );
    assert_eq!(bench.snapshot(), before);
    let made = apply(&mut bench, &by_card(&cp(&["dms", "other"], 1)));
    assert_eq!(made.servers, [SrvId::parse("other").unwrap()]);
}

#[test]
fn m23_an_account_of_dm_2_takes_the_place_of_one_of_dm_1() {
    let mut bench = Bench::new();
    apply(&mut bench, &by_card(&cp(&["dms"], 1)));
    let document = json!([support::account_item(&support::account("dms"))]);
    bench.refuses(&document, Cause::ForeignAccount);
    bench.apply_as(&document, |delivery| delivery.consent = true);
    assert!(!bench.account("dms").is_dm1());
    assert!(bench.device.instances(&dm_acc1::moid()).unwrap().is_empty());
    assert!(
        bench
            .device
            .shadow(&SrvId::parse("dms").unwrap())
            .unwrap()
            .is_none()
    );
}

#[test]
fn m23_a_document_is_of_a_generation_by_its_content() {
    let bench = Bench::new();
    let wbxml = wbxml(&cp(&["dms"], 1));
    let json = support::minimal().to_string();
    let plan = |document: &[u8], channel| {
        let mut delivery = support::fetched(document);
        delivery.channel = channel;
        let rules = Dm1Rules::default();
        let (view, registry) = (&bench.device, &bench.registry);
        plan_either(
            view,
            registry,
            &bench.policy,
            &support::OnePair,
            &rules,
            &delivery,
        )
    };
    for (document, is_dm1) in [(wbxml.as_slice(), true), (json.as_bytes(), false)] {
        match plan(document, ChannelSecurity::MutualTls) {
            Ok(BootstrapPlan::Apply(planned)) => {
                assert_eq!(planned.plan.accounts[0].is_dm1(), is_dm1);
            }
            other => panic!("{other:?}"),
        }
        let open = plan(document, ChannelSecurity::Open).unwrap_err();
        assert_eq!(open.cause, Cause::ChannelNotSecure);
    }
}

#[test]
fn m24_a_push_that_was_applied_before_and_is_not_the_newest_is_dropped() {
    fn network(document: &[u8]) -> Dm1Delivery<'_> {
        by_push(document, Dm1Security::NetworkId)
    }
    let mut bench = Bench::new();
    for n in 0..34 {
        apply(&mut bench, &network(&cp(&["dms"], n)));
    }
    let before = account(&bench, "dms");
    for n in 2..33 {
        assert_eq!(refused(&bench, &network(&cp(&["dms"], n))), Cause::Replayed);
    }
    assert_eq!(account(&bench, "dms"), before);
    let newest = cp(&["dms"], 33);
    assert_eq!(
        planned(&bench, &network(&newest)),
        Ok(BootstrapPlan::AlreadyApplied)
    );
    assert_eq!(before.0.dm1.pushed.len(), 32, "only so many are remembered");
    apply(&mut bench, &network(&cp(&["dms"], 1)));
}

#[test]
fn m25_the_former_set_is_restored_by_a_plan_that_says_so_and_forgotten_once_the_new_one_is_proven()
{
    let mut bench = Bench::new();
    apply(&mut bench, &by_card(&cp(&["dms"], 1)));
    let (_, first) = account(&bench, "dms");
    apply(&mut bench, &by_card(&cp(&["dms"], 2)));
    apply(&mut bench, &by_card(&cp(&["dms"], 3)));
    let (now, third) = account(&bench, "dms");
    let former = former_account(&bench.device, &now).unwrap().unwrap();
    assert!(
        former.auths == first.auths,
        "the last set in use, not the second"
    );
    assert_eq!(former.addresses, first.addresses);

    let server = SrvId::parse("dms").unwrap();
    let mut proven = bench.device.clone();
    proven
        .apply(&plan_proof(&proven, &server).unwrap().unwrap())
        .unwrap();
    assert_eq!(plan_proof(&proven, &server).unwrap(), None);
    assert_eq!(
        plan_revert(&proven, &server, EventId::of([9; 16]), None).unwrap(),
        None
    );

    let plan = plan_revert(&bench.device, &server, EventId::of([9; 16]), Some(AT));
    bench.device.apply(&plan.unwrap().unwrap()).unwrap();
    let (reverted, read) = account(&bench, "dms");
    assert!(read.auths == first.auths && read.auths != third.auths);
    let told = read.bootstrap_type.unwrap();
    assert_eq!(told.state.as_deref(), Some("reverted"));
    assert_eq!(told.kind.as_deref(), Some("re"));
    assert_eq!(
        told.event_id.as_deref(),
        Some(EventId::of([9; 16]).as_str())
    );
    assert!(reverted.dm1.reverted && reverted.owed.is_some());
    assert!(reverted.dm1.shadow.is_none());
    let text = serde_json::to_string(&now).unwrap();
    assert_eq!(serde_json::from_str::<Account>(&text).unwrap(), now);
}

#[test]
fn connectivity_of_a_provisioning_document_is_passed_over_with_what_is_kept_of_it() {
    let mut bench = Bench::new();
    let text = String::from_utf8(cp(&["dms"], 1)).unwrap();
    let beside = "<wap-provisioningdoc><characteristic type='NAPDEF'><parm name='NAPID' value='net'/></characteristic>\
                  <characteristic type='PXLOGICAL'><parm name='PROXY-ID' value='wap'/></characteristic><characteristic type='ACCESS'/>";
    let text = text.replace("<wap-provisioningdoc>", beside);
    let refers =
        "<parm name='TO-PROXY' value='wap'/><parm name='TO-NAPID' value='net'/><parm name='NAME'";
    let made = apply(
        &mut bench,
        &by_card(text.replace("<parm name='NAME'", refers).as_bytes()),
    );
    let skipped = made.skipped.iter().map(|one| (&*one.uri, one.reason));
    let skipped: Vec<_> = skipped.collect();
    let expected = [
        ("NAPDEF", SkippedReason::Connectivity),
        ("PXLOGICAL", SkippedReason::Connectivity),
        ("ACCESS", SkippedReason::UnknownMo),
    ];
    assert_eq!(skipped, expected);
    assert_eq!(account(&bench, "dms").1.to_con_refs, ["wap", "net"]);
}

#[test]
fn b1_c_03_a_message_brings_connectivity_and_references_lead_to_where_it_went() {
    let mut bench = Bench::new();
    bench.insert(NAP, "NAP", "ZeroOrMore");
    let nodes = || {
        vec![
            tnds_account("./Inbox/Net/ID"),
            interior("Net", NAP, vec![leaf("ID", "x")]),
            interior("Clock", support::CLOCK, vec![leaf("ID", "x")]),
        ]
    };
    let made = apply(&mut bench, &by_card(&dm(nodes())));
    let (one, read) = account(&bench, "dms");
    assert_eq!(read.pref_con_ref.as_deref(), Some("./NAP/1/ID"));
    assert_eq!(made.skipped[0].uri, support::CLOCK, "not on the list");
    assert_eq!(one.dm1.skipped, [support::CLOCK]);
    let moid = Moid::parse(NAP).unwrap();
    assert_eq!(bench.device.instances(&moid).unwrap(), [Miid::counted(1)]);
    assert!(
        bench
            .device
            .instances(&Moid::parse(support::CLOCK).unwrap())
            .unwrap()
            .is_empty()
    );

    // Again with other content: in its place. Without it: it goes.
    let mut other = nodes();
    other[1] = interior("Net", NAP, vec![leaf("ID", "y")]);
    apply(&mut bench, &by_card(&dm(other)));
    let at = NodeAddress::root(moid.clone(), Miid::counted(1));
    let node = bench.device.subtree(&at).unwrap().unwrap();
    assert_eq!(
        node.find(&["ID"]).and_then(Node::value).unwrap().as_text(),
        Some("y")
    );
    apply(&mut bench, &by_card(&dm(vec![tnds_account("./Inbox/Net")])));
    assert!(bench.device.instances(&moid).unwrap().is_empty());
    assert_eq!(
        account(&bench, "dms").1.pref_con_ref,
        None,
        "it leads nowhere"
    );
}

#[test]
fn an_object_that_is_not_what_its_ddf_says_refuses_the_whole_document() {
    let mut bench = Bench::new();
    bench.insert(NAP, "NAP", "ZeroOrMore");
    let document = dm(vec![
        tnds_account("n"),
        interior("Net", NAP, vec![leaf("Nope", "x")]),
    ]);
    assert_eq!(refused(&bench, &by_card(&document)), Cause::InvalidInstance);
    assert!(bench.device.accounts().unwrap().is_empty());
}
