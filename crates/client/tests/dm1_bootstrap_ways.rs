//! Bootstraps of DM 1.x by card and by fetch on a client (`dm1x.md` §5.5, §5.6): what is asked for, what is taken, and what the server is told.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::path::Path;
use std::sync::Arc;

use omadm_bootstrap::plan::{AccountFate, EntryOutcome};
use omadm_bootstrap::{BootstrapKind, BootstrapMethod, BootstrapPolicy, ProfileFormat, Refusal};
use omadm_card::reading::CardOutcome;
use omadm_client::{CardCheck, Client, ClientBuilder, NoBootstrap, Notified};
use omadm_dm1::syncml::Command;
use omadm_dm2::package0::{Package0, ServerId};
use omadm_mo::{Secret, ServerUri};
use omadm_session::client::Outcome;
use support::dm1::{Dm1Server, alerts};
use support::managed::{SRV, srv};
use support::peer::status;
use support::slots::{Slots, on_card};
use support::{Clock, SENT, Watcher};

const SLOT: &str = "slot 1";
const CARD: &str = "iccid:8949017201234567890";
const CP: &str = "application/vnd.wap.connectivity-wbxml";
const DM: &str = "application/vnd.syncml.dm+wbxml";

fn builder(folder: &Path, server: &Dm1Server) -> ClientBuilder {
    let watcher = Arc::new(Watcher::default());
    let anchor = server.peer.ca.certificate().clone();
    support::device(folder, &Clock::at(SENT), &watcher).anchors(vec![anchor])
}

/// The event that the server was told, as its pairs; nothing else was sent to it before, and nothing of it answers a bootstrap.
fn event(server: &Dm1Server) -> Vec<String> {
    let first = &server.heard()[0];
    assert_eq!(alerts(first, 1201).len(), 1, "the device's own session");
    let is_answer = |one: &Command| matches!(one, Command::Status(_) | Command::Results(_));
    assert!(!first.commands.iter().any(is_answer));
    let mut told = server.generic();
    assert_eq!(told.len(), 1);
    let data = told.remove(0).items.remove(0).data.unwrap();
    let text = String::from_utf8(data.octets().to_vec()).unwrap();
    text.split('&').map(str::to_owned).collect()
}

fn says(event: &[String], pairs: &[&str]) {
    for pair in pairs {
        assert!(event.iter().any(|one| one == pair), "{pair}: {event:?}");
    }
}

async fn check(client: &Client) -> Box<omadm_bootstrap::plan::SwitchOnDecision> {
    match client.switch_on().await.unwrap().cards {
        CardCheck::Done(decision) => decision,
        other => unreachable!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn b1_c_06_b1_c_07_b1_c_04_a_card_brings_an_account_that_reports_itself_and_goes_with_it() {
    let server = Dm1Server::start().await;
    let (folder, slots) = (tempfile::tempdir().unwrap(), Slots::default());
    let start = || {
        let builder = builder(folder.path(), &server).card_readers(slots.clone());
        builder.build().unwrap()
    };
    slots.put(SLOT, CARD, on_card(&[server.image()]));
    let client = start();
    let decision = check(&client).await;
    assert_eq!(decision.entries[0].format, Some(ProfileFormat::Cp));
    assert!(server.peer.asked().is_empty(), "no bootstrap is answered");
    assert_eq!(client.settle().await.unwrap()[0].outcome, Outcome::Ended);
    let told = event(&server);
    says(
        &told,
        &[
            "method=smartcard",
            "profile=cp",
            "kind=first",
            "seq=1",
            "sec=card",
        ],
    );
    assert!(client.accounts().unwrap()[0].owed.is_none());
    drop(client);

    // The next start: what fills the file counts for nothing, and there is nothing to say.
    server.forget();
    let padded = [server.image(), vec![0xFF; 9]].concat();
    slots.put(SLOT, CARD, on_card(&[padded]));
    let client = start();
    let decision = check(&client).await;
    assert!(matches!(
        decision.entries[0].outcome,
        EntryOutcome::Unchanged(_)
    ));
    assert!(decision.plan.is_empty() && client.settle().await.unwrap().is_empty());
    assert!(server.heard().is_empty());

    // It is put in while the device runs, with the same account in another document: bootstrapped anew.
    let changed = server.image_named("Renamed");
    slots.put(SLOT, CARD, on_card(std::slice::from_ref(&changed)));
    let _decision = check(&client).await;
    assert_eq!(client.settle().await.unwrap()[0].outcome, Outcome::Ended);
    says(&event(&server), &["kind=re", "seq=2", "sec=card"]);
    drop(client);

    // A doubtful reader keeps it; an empty one does not.
    server.forget();
    let client = start();
    let cut = changed[..changed.len() - 3].to_vec();
    slots.put(SLOT, CARD, on_card(&[cut]));
    let decision = check(&client).await;
    assert_eq!(decision.accounts[0].fate, AccountFate::Unverified);
    slots.put(SLOT, "", CardOutcome::NoCard);
    let decision = check(&client).await;
    assert!(matches!(
        decision.accounts[0].fate,
        AccountFate::Removed(..)
    ));
    assert!(client.accounts().unwrap().is_empty());
    // The card comes back.
    slots.put(SLOT, CARD, on_card(&[changed]));
    let _decision = check(&client).await;
    let account = &client.accounts().unwrap()[0];
    assert_eq!(account.provenance.kind, BootstrapKind::First);
    assert_eq!(account.provenance.method, BootstrapMethod::Smartcard);
}

/// A device that fetches from the server.
fn fetching(folder: &Path, server: &Dm1Server, dm1: bool) -> Client {
    let url = ServerUri::parse(&server.peer.url("bootstrap")).unwrap();
    let anchor = server.peer.ca.certificate().clone();
    let policy = BootstrapPolicy {
        dm1,
        ..BootstrapPolicy::default()
    };
    let builder = builder(folder, server).source(url, vec![anchor]);
    builder.bootstrap_policy(policy).build().unwrap()
}

fn serves(server: &Dm1Server, media_type: Option<&str>, body: Vec<u8>) {
    let media_type = media_type.map(str::to_owned);
    let answer = move || {
        let answer = status(200).body(body.clone());
        match &media_type {
            Some(named) => answer.with("Content-Type", named),
            None => answer,
        }
    };
    server.takes(
        move |asked| (asked.path == "/bootstrap").then(&answer),
        |_, _| None,
    );
}

fn refused(done: Result<omadm_client::Bootstrapped, NoBootstrap>) -> Refusal {
    match done {
        Err(NoBootstrap::Refused(refusal)) => refusal,
        other => unreachable!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn b1_c_04_a_document_of_dm_1_is_asked_for_fetched_and_applied_and_no_message_answers_it() {
    let server = Dm1Server::start().await;
    let utf8 = format!("{CP}; charset=utf-8");
    for named in [
        Some(CP),
        Some(&*utf8),
        Some(DM),
        None,
        Some("application/octet-stream"),
        Some("application/json"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let client = fetching(folder.path(), &server, true);
        serves(&server, named, server.image());
        server.peer.forget();
        let done = client
            .bootstrap()
            .await
            .unwrap_or_else(|why| unreachable!("{named:?}: {why}"));
        assert_eq!(done.servers, [srv()], "{named:?}");
        let asked = server.peer.asked();
        assert_eq!(asked.len(), 1, "fetched, and not answered: {named:?}");
        let accept = asked[0].header("Accept").unwrap();
        let types: Vec<_> = accept.split(", ").collect();
        assert_eq!(types[0], "application/vnd.oma.dm.mo+json");
        assert_eq!(types[types.len() - 2..], [DM, CP]);
        assert_eq!(client.settle().await.unwrap()[0].outcome, Outcome::Ended);
        says(&event(&server), &["method=client", "profile=cp", "sec=tls"]);
        server.forget();
    }
    // The other way round: DM 2.0 under a type of DM 1.x.
    let folder = tempfile::tempdir().unwrap();
    let client = fetching(folder.path(), &server, true);
    serves(
        &server,
        Some(CP),
        support::document(server.peer.port, false),
    );
    client.bootstrap().await.unwrap();
    assert!(!client.accounts().unwrap()[0].is_dm1());
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_no_bootstrap_of_dm_1_or_not_wanted_is_refused_with_its_cause() {
    let server = Dm1Server::start().await;
    let image = server.image();
    let cut = image[..image.len() - 3].to_vec();
    let xml = b"<wap-provisioningdoc/>".to_vec();
    for (dm1, named, body, cause) in [
        (true, CP, cut, "not-dm1-document"),
        (true, "text/html", image.clone(), "peer-misbehaved"),
        (
            true,
            "application/octet-stream",
            b"hello".to_vec(),
            "peer-misbehaved",
        ),
        (
            true,
            "text/vnd.wap.connectivity-xml",
            xml,
            "peer-misbehaved",
        ),
        (false, CP, image, "method-disabled"),
    ] {
        let folder = tempfile::tempdir().unwrap();
        let client = fetching(folder.path(), &server, dm1);
        serves(&server, Some(named), body);
        server.peer.forget();
        let refusal = refused(client.bootstrap().await);
        assert_eq!(refusal.cause.code(), cause, "{named}: {refusal}");
        assert!(client.accounts().unwrap().is_empty());
        let asked = server.peer.asked();
        let accept = asked[0].header("Accept").unwrap();
        assert_eq!(accept.contains(CP) && accept.contains(DM), dm1);
        assert!(server.heard().is_empty(), "nothing of DM 1.x is said");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_of_dm_1_lends_no_other_account_s_keys_and_is_no_bootstrap_source() {
    let server = Dm1Server::start().await;
    let folder = tempfile::tempdir().unwrap();
    let client = fetching(folder.path(), &server, true);
    // DM 2.0's account is instance 1 of its own object, that of DM 1.x instance 1 of the other one.
    let document = support::document(server.peer.port, true);
    serves(&server, None, document);
    client.bootstrap().await.unwrap();
    serves(&server, None, server.image());
    client.bootstrap().await.unwrap();
    let accounts = client.accounts().unwrap();
    assert_eq!(accounts.len(), 2);
    assert_eq!(accounts[0].miid, accounts[1].miid);
    assert!(!client.seeks_bootstrap().await.unwrap());
    // A Notification in the name of the one, with the other's key.
    for (server, is_known) in [(support::SRV_ID, true), (SRV, false)] {
        let package = Package0 {
            notification_id: Some(7),
            timestamp: Some(SENT),
            ..Package0::new(ServerId::parse(server).unwrap())
        };
        let key = Secret::new(support::SECRET.to_vec());
        let octets = package.sealed(&key, &support::DATA).encode();
        let notified = client.notified(&octets).await.unwrap();
        let accepted = matches!(notified, Notified::Accepted(_));
        assert_eq!(accepted, is_known, "{server}: {notified:?}");
    }
}
