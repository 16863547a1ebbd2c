//! Smartcard bootstrap on a running client (`smartcard.md` §9): at switch-on, when a card is inserted, over restarts, and beside a session.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;
use std::time::Duration;

use omadm_bootstrap::plan::{AccountFate, EntryOutcome, PreviewAction};
use omadm_bootstrap::{BootstrapKind, BootstrapMethod, BootstrapPolicy};
use omadm_card::reading::CardOutcome;
use omadm_card::{CardTrouble, LockReason, LockValue};
use omadm_client::{CardCheck, Client, ClientBuilder, ClientEvent, FactoryImage, NoBootstrap};
use omadm_session::client::Outcome;
use serde_json::{Value, json};
use support::slots::{Slots, on_card};
use support::{Clock, DmServer, SENT, SRV_ID, Watcher, causes, device, document, until};
use tokio::sync::watch;

const SLOT: &str = "slot 1";
const CARD: &str = "iccid:8949017201234567890";
const OTHER: &str = "iccid:8949017209999999999";

/// A device with slots, and a DM Server of this machine.
struct Bench {
    folder: tempfile::TempDir,
    slots: Slots,
    watcher: Arc<Watcher>,
    server: DmServer,
}

impl Bench {
    async fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            slots: Slots::default(),
            watcher: Arc::default(),
            server: DmServer::start().await,
        }
    }

    fn builder(&self) -> ClientBuilder {
        device(self.folder.path(), &Clock::at(SENT), &self.watcher)
            .anchors(vec![self.server.anchor.clone()])
            .card_readers(self.slots.clone())
    }

    fn start(&self) -> Client {
        self.builder().build().unwrap()
    }

    /// The document for the server's account.
    fn document(&self) -> Vec<u8> {
        document(self.server.port, false)
    }

    /// The same for an account of another name.
    fn document_of(&self, srv_id: &str) -> Vec<u8> {
        let mut items: Value = serde_json::from_slice(&self.document()).unwrap();
        items[0]["MOData"]["DMAcc"]["SrvID"] = json!(srv_id);
        items.to_string().into_bytes()
    }

    fn checked(&self) -> usize {
        let events = self.watcher.events();
        let checked = events
            .iter()
            .filter(|one| matches!(one, ClientEvent::CardsChecked(_)));
        checked.count()
    }
}

async fn check(client: &Client) -> Box<omadm_bootstrap::plan::SwitchOnDecision> {
    match client.switch_on().await.unwrap().cards {
        CardCheck::Done(decision) => decision,
        other => unreachable!("{other:?}"),
    }
}

fn servers(client: &Client) -> Vec<String> {
    let accounts = client.accounts().unwrap().into_iter();
    accounts.map(|one| one.srv_id.as_str().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn b_02_b_04_a_card_is_read_applied_and_reported_as_smartcard_and_then_left_alone() {
    let bench = Bench::new().await;
    bench.slots.put(SLOT, CARD, on_card(&[bench.document()]));
    let client = bench.start();
    let decision = check(&client).await;
    assert!(matches!(
        decision.entries[0].outcome,
        EntryOutcome::Applied(_)
    ));
    let account = &client.accounts().unwrap()[0];
    assert_eq!(account.provenance.method, BootstrapMethod::Smartcard);
    assert_eq!(client.settle().await.unwrap()[0].outcome, Outcome::Ended);
    let package = &bench.server.packages()[0];
    assert_eq!(causes(package), [("BootstrapComplete".to_owned(), None)]);
    let told = &package["Alert"][0]["Data"]["BootstrapType"];
    assert_eq!(told["Method"], "smartcard");
    assert_eq!(told["Kind"], "first");
    drop(client);
    // The next start: retrieved, compared, nothing to do.
    let client = bench.start();
    let decision = check(&client).await;
    assert!(decision.plan.is_empty(), "{decision}");
    assert_eq!(bench.slots.looks(), 2);
    assert!(client.settle().await.unwrap().is_empty());
    assert_eq!(bench.server.packages().len(), 1);
    drop(client);
    // `reapply = "always"`: applied, and reported as a re-bootstrap.
    let client = bench.builder().reapply_cards(true).build().unwrap();
    check(&client).await;
    assert_eq!(
        client.accounts().unwrap()[0].provenance.kind,
        BootstrapKind::Re
    );
    client.settle().await.unwrap();
    let told = bench.server.packages()[1]["Alert"][0]["Data"]["BootstrapType"].clone();
    assert_eq!(
        (&told["Method"], &told["Kind"]),
        (&json!("smartcard"), &json!("re"))
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn b_05_b_06_what_is_no_longer_on_the_card_is_gone_after_the_next_start_and_doubt_removes_nothing()
 {
    let bench = Bench::new().await;
    let (a, b) = (bench.document_of("a"), bench.document_of("b"));
    bench.slots.put(SLOT, CARD, on_card(&[a.clone(), b]));
    let client = bench.start();
    check(&client).await;
    assert_eq!(servers(&client), ["a", "b"]);
    client
        .queue_alert(&client.accounts().unwrap()[1].srv_id, &alert())
        .unwrap();
    drop(client);
    for outcome in [
        CardOutcome::Undetermined(CardTrouble::NoService),
        CardOutcome::Undetermined(CardTrouble::CardPulled),
        CardOutcome::Rejected(LockReason::Foreign(LockValue::Network)),
    ] {
        let doubtful = matches!(outcome, CardOutcome::Undetermined(_));
        bench.slots.put(SLOT, "", outcome);
        let client = bench.start();
        let decision = check(&client).await;
        assert_eq!(decision.is_in_doubt(), doubtful);
        assert_eq!(servers(&client), ["a", "b"]);
        drop(client);
        // The mark is durable, and the rejected card leaves it.
        let client = bench.start();
        assert!(
            client
                .accounts()
                .unwrap()
                .iter()
                .all(|one| one.is_unverified())
        );
    }
    bench.slots.put(SLOT, CARD, on_card(&[a]));
    let client = bench.start();
    let decision = check(&client).await;
    assert_eq!(servers(&client), ["a"]);
    assert!(!client.accounts().unwrap()[0].is_unverified());
    assert!(
        matches!(&decision.accounts[1].fate, AccountFate::Removed(nodes, None) if nodes.len() == 1)
    );
    let gone = omadm_mo::SrvId::parse("b").unwrap();
    assert!(client.queued_alerts(&gone).unwrap().is_empty());
    drop(client);
    bench.slots.put(SLOT, "", CardOutcome::NoCard);
    let client = bench.start();
    check(&client).await;
    assert!(servers(&client).is_empty());
}

fn alert() -> omadm_dm2::Alert {
    omadm_dm2::Alert::new(omadm_dm2::AlertType::BOOTSTRAP_COMPLETE)
}

#[tokio::test(flavor = "multi_thread")]
async fn dm_boot_002_c_o_b_03_no_card_is_touched_where_policy_turns_the_method_off() {
    let bench = Bench::new().await;
    bench.slots.put(SLOT, CARD, on_card(&[bench.document()]));
    let client = bench.start();
    check(&client).await;
    drop(client);
    bench.slots.put(SLOT, "", CardOutcome::NoCard);
    let looks = bench.slots.looks();
    let mut policy = BootstrapPolicy::default();
    policy.smartcard.enabled = false;
    let client = bench.builder().bootstrap_policy(policy).build().unwrap();
    let done = client.switch_on().await.unwrap();
    assert_eq!(done.cards, CardCheck::Off);
    assert_eq!(client.preview_cards().await, Ok(None));
    let (stop, stopped) = watch::channel(false);
    let running = tokio::spawn(async move { client.run(stopped).await.map(|()| client) });
    bench.slots.insert(SLOT, OTHER, &[bench.document_of("b")]);
    tokio::time::sleep(Duration::from_millis(100)).await;
    stop.send_replace(true);
    let client = running.await.unwrap().unwrap();
    assert_eq!(
        (servers(&client), bench.slots.looks()),
        (vec![SRV_ID.to_owned()], looks)
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_preview_tells_what_a_card_would_change_and_changes_nothing() {
    let bench = Bench::new().await;
    bench
        .slots
        .put(SLOT, CARD, on_card(&[bench.document_of("a")]));
    let client = bench.start();
    check(&client).await;
    bench
        .slots
        .put(SLOT, OTHER, on_card(&[bench.document_of("b")]));
    let (decision, shown) = client.preview_cards().await.unwrap().unwrap();
    let actions: Vec<_> = shown.lines.iter().map(|line| line.action).collect();
    assert_eq!(actions, [PreviewAction::Remove, PreviewAction::Add]);
    assert!(decision.to_string().contains("a: removed"), "{decision}");
    assert_eq!(servers(&client), ["a"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_card_put_in_while_running_is_a_switch_on_for_its_reader_and_one_pulled_changes_nothing_d54()
 {
    let bench = Bench::new().await;
    bench
        .slots
        .put("slot 2", OTHER, on_card(&[bench.document_of("beside")]));
    bench.slots.put(SLOT, "", CardOutcome::NoCard);
    let client = Arc::new(bench.start());
    let (stop, stopped) = watch::channel(false);
    let runs = Arc::clone(&client);
    let running = tokio::spawn(async move { runs.run(stopped).await });
    until("the first check", || servers(&client) == ["beside"]).await;
    bench.slots.insert(SLOT, CARD, &[bench.document_of("a")]);
    until("both completions", || bench.server.packages().len() == 2).await;
    assert_eq!(servers(&client), ["beside", "a"]);
    // Both pulled: nothing.
    let looks = bench.slots.looks();
    bench.slots.put(SLOT, "", CardOutcome::NoCard);
    bench.slots.put("slot 2", "", CardOutcome::NoCard);
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert_eq!((bench.slots.looks(), servers(&client).len()), (looks, 2));
    // Another card in the one reader: the account of that reader goes, the other one's stays.
    bench
        .slots
        .insert(SLOT, "serial:0102", &[bench.document_of("b")]);
    until("the exchange", || servers(&client) == ["beside", "b"]).await;
    stop.send_replace(true);
    running.await.unwrap().unwrap();
    assert_eq!(bench.checked(), 3);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_open_session_with_a_server_that_is_removed_ends() {
    let bench = Bench::new().await;
    bench.server.answers.forget_permits(1000);
    bench.slots.put(SLOT, CARD, on_card(&[bench.document()]));
    let client = Arc::new(bench.start());
    let (stop, stopped) = watch::channel(false);
    let runs = Arc::clone(&client);
    let running = tokio::spawn(async move { runs.run(stopped).await });
    until("its Package#1", || bench.server.packages().len() == 1).await;
    // The server does not answer; the card goes, another one comes.
    bench.slots.insert(SLOT, OTHER, &[bench.document_of("b")]);
    until("the next session", || bench.server.packages().len() == 2).await;
    assert_eq!(servers(&client), ["b"]);
    bench.server.answers.add_permits(10);
    until("its completion", || {
        client
            .accounts()
            .unwrap()
            .iter()
            .all(|one| one.owed.is_none())
    })
    .await;
    stop.send_replace(true);
    running.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn factory_then_card_then_fetch_and_the_image_s_account_comes_back_when_the_card_goes() {
    let bench = Bench::new().await;
    let image = bench.folder.path().join("factory.json");
    std::fs::write(&image, bench.document()).unwrap();
    let mut on_it: Value = serde_json::from_slice(&bench.document()).unwrap();
    on_it[0]["MOData"]["DMAcc"]["Name"] = json!("from the card");
    bench
        .slots
        .put(SLOT, CARD, on_card(&[on_it.to_string().into_bytes()]));
    let start = || bench.builder().factory_image(&image).build().unwrap();
    let client = start();
    let done = client.switch_on().await.unwrap();
    assert!(matches!(done.factory, FactoryImage::Applied(_)) && done.fetched.is_none());
    let account = &client.accounts().unwrap()[0];
    assert_eq!(account.provenance.method, BootstrapMethod::Smartcard);
    assert_eq!(client.settle().await.unwrap().len(), 1);
    drop(client);
    bench.slots.put(SLOT, "", CardOutcome::NoCard);
    let client = start();
    let decision = check(&client).await;
    assert_eq!(decision.accounts[0].fate, AccountFate::FactoryAgain);
    let account = &client.accounts().unwrap()[0];
    assert_eq!(account.provenance.method, BootstrapMethod::Factory);
    client.settle().await.unwrap();
    let told = bench.server.packages()[1]["Alert"][0]["Data"]["BootstrapType"].clone();
    assert_eq!(
        (&told["Method"], &told["Kind"]),
        (&json!("factory"), &json!("re"))
    );
    drop(client);
    // Without the image the account is lost with the card; the image is applied once it is back.
    bench
        .slots
        .put(SLOT, CARD, on_card(&[on_it.to_string().into_bytes()]));
    let client = start();
    check(&client).await;
    drop(client);
    std::fs::remove_file(&image).unwrap();
    bench.slots.put(SLOT, "", CardOutcome::NoCard);
    let client = start();
    let done = client.switch_on().await.unwrap();
    assert!(servers(&client).is_empty());
    assert!(matches!(done.fetched, Some(Err(NoBootstrap::NoSource))));
    drop(client);
    std::fs::write(&image, bench.document()).unwrap();
    let client = start();
    let done = client.switch_on().await.unwrap();
    assert!(matches!(done.factory, FactoryImage::Applied(_)));
    assert_eq!(servers(&client), [SRV_ID]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_entry_is_told_and_remembered_and_the_next_one_counts() {
    let bench = Bench::new().await;
    bench
        .slots
        .put(SLOT, CARD, on_card(&[b"[{}]".to_vec(), bench.document()]));
    let client = bench.start();
    let decision = check(&client).await;
    assert_eq!(servers(&client), [SRV_ID]);
    assert!(decision.is_in_doubt());
    let told = client.last_refusal().unwrap().unwrap();
    assert_eq!(told.method, BootstrapMethod::Smartcard);
    let refused = |one: &ClientEvent| matches!(one, ClientEvent::Refused(_));
    assert_eq!(
        bench
            .watcher
            .events()
            .iter()
            .filter(|one| refused(one))
            .count(),
        1
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_entry_is_told_once_to_the_server_whose_account_it_names() {
    let bench = Bench::new().await;
    bench.slots.put(SLOT, CARD, on_card(&[bench.document()]));
    let client = bench.start();
    check(&client).await;
    let wrong = String::from_utf8(bench.document()).unwrap();
    let wrong = wrong.replace("\"Name\":", "\"Nome\":").into_bytes();
    // Beside another one that is refused too: neither makes the other one news.
    let foreign = bench.document_of("nobody.example");
    let foreign = String::from_utf8(foreign).unwrap();
    let foreign = foreign.replace("\"Name\":", "\"Nome\":").into_bytes();
    bench.slots.put(SLOT, CARD, on_card(&[wrong, foreign]));
    for _start in 0..2 {
        check(&client).await;
    }
    let server = omadm_mo::SrvId::parse(SRV_ID).unwrap();
    let alerts = client.queued_alerts(&server).unwrap();
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    for part in ["bootstrap-refused", "unknown-node", "smartcard"] {
        assert!(alerts[0].contains(part), "{alerts:?}");
    }
}
