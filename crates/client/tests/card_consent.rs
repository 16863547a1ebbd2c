//! A check of the cards that does not depend on the cards alone: who agrees to their documents, and which a plug-in does not take.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::{Arc, Mutex};

use omadm_bootstrap::plan::{EntryOutcome, ReaderState, SwitchOnDecision};
use omadm_bootstrap::{BootstrapFailureCause as Cause, BootstrapMethod, BootstrapPolicy, Refusal};
use omadm_client::{CardCheck, Client, ClientBuilder, ConsentRequest};
use omadm_mo::ddf::Ddf;
use omadm_mo::{ManagedObjectError, Node};
use omadm_session::pair::FixedObject;
use serde_json::{Value, json};
use support::slots::{Slots, on_card};
use support::{Clock, SENT, Watcher, device, document};

const SLOT: &str = "slot 1";
const CARD: &str = "iccid:8949017201234567890";
const LAMP: &str = "urn:example:mo:lamp:1.0";

/// A plug-in that takes no instance beside its own.
fn lamp() -> FixedObject {
    let text = format!(
        "<MgmtTree><Node><NodeName>Lamp</NodeName><DFProperties><AccessType><Add/><Get/></AccessType><DFFormat><node/></DFFormat>\
             <Occurrence><ZeroOrMore/></Occurrence><Scope><Dynamic/></Scope><DFType><DDFName>{LAMP}</DDFName></DFType></DFProperties></Node></MgmtTree>"
    );
    FixedObject::new(Ddf::read(&text).unwrap(), Node::empty())
        .executing(Err(ManagedObjectError::NotAllowed))
}

fn of(srv_id: &str, more: &[Value]) -> Vec<u8> {
    let mut items: Vec<Value> = serde_json::from_slice(&document(1, false)).unwrap();
    items[0]["MOData"]["DMAcc"]["SrvID"] = json!(srv_id);
    items.extend_from_slice(more);
    Value::Array(items).to_string().into_bytes()
}

fn servers(client: &Client) -> Vec<String> {
    let accounts = client.accounts().unwrap().into_iter();
    accounts.map(|one| one.srv_id.as_str().to_owned()).collect()
}

async fn check(client: &Client) -> Box<SwitchOnDecision> {
    match client.switch_on().await.unwrap().cards {
        CardCheck::Done(decision) => decision,
        other => unreachable!("{other:?}"),
    }
}

fn refused(outcome: &EntryOutcome) -> &Refusal {
    match outcome {
        EntryOutcome::Refused(refusal) => refusal,
        other => unreachable!("{other:?}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn b_22_each_document_of_a_card_is_put_to_the_person_who_decides() {
    let (folder, watcher) = (tempfile::tempdir().unwrap(), Arc::new(Watcher::default()));
    let slots = Slots::default();
    slots.put(
        SLOT,
        CARD,
        on_card(&[of("a", &[]), of("b", &[]), of("c", &[])]),
    );
    let mut policy = BootstrapPolicy::default();
    policy.smartcard.require_user_consent = true;
    let asked = Arc::new(Mutex::new(Vec::<ConsentRequest>::new()));
    let builder = || {
        device(folder.path(), &Clock::at(SENT), &watcher)
            .card_readers(slots.clone())
            .bootstrap_policy(policy.clone())
    };
    let start = |agree: &'static str| {
        let asked = Arc::clone(&asked);
        let decides = move |request: &ConsentRequest| {
            asked.lock().unwrap().push(request.clone());
            request
                .servers
                .iter()
                .all(|(server, _)| agree.contains(server.as_str()))
        };
        builder().consent(decides).build().unwrap()
    };
    let take = || std::mem::take(&mut *asked.lock().unwrap());

    // Nobody is there.
    let client = builder().build().unwrap();
    let decision = check(&client).await;
    assert!(servers(&client).is_empty());
    for entry in &decision.entries {
        let why = refused(&entry.outcome);
        assert_eq!(why.cause, Cause::ConsentRefused);
        assert_eq!(why.detail.as_deref(), Some("nobody is there to be asked"));
    }
    assert!(!decision.is_in_doubt());
    drop(client);

    // Each is asked about by itself, and what one says of it counts for it alone.
    let client = start("a c");
    let decision = check(&client).await;
    assert_eq!(servers(&client), ["a", "c"]);
    assert_eq!(
        refused(&decision.entries[1].outcome).cause,
        Cause::ConsentRefused
    );
    let requests = take();
    let about: Vec<_> = requests
        .iter()
        .map(|one| one.servers[0].0.as_str())
        .collect();
    assert_eq!(about, ["a", "b", "c"]);
    for request in &requests {
        assert_eq!(request.method, BootstrapMethod::Smartcard);
        assert_eq!(request.source, format!("card {CARD}"));
        assert_eq!(
            (request.servers.len(), request.changes.lines.len()),
            (1, 1),
            "{request:?}"
        );
        assert!(
            request.servers[0]
                .1
                .iter()
                .any(|moid| moid.as_str().contains("devinfo"))
        );
        assert!(request.changes.lines[0].uri.contains("dmacc"));
    }
    assert_eq!(
        client.last_refusal().unwrap().unwrap().cause,
        "consent-refused"
    );
    drop(client);

    // What is applied is no question any more.
    let client = start("b");
    check(&client).await;
    assert_eq!(servers(&client), ["a", "c", "b"]);
    assert_eq!(take().len(), 1);
    drop(client);
    let client = start("");
    assert!(check(&client).await.plan.is_empty());
    assert!(take().is_empty());
    drop(client);
    // Removal needs nobody's consent.
    slots.put(SLOT, CARD, on_card(&[of("a", &[])]));
    let client = start("");
    check(&client).await;
    assert_eq!(servers(&client), ["a"]);
    assert!(take().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_document_that_a_plug_in_does_not_take_fails_alone_with_its_cause() {
    let (folder, watcher) = (tempfile::tempdir().unwrap(), Arc::new(Watcher::default()));
    let slots = Slots::default();
    let second = json!({"ClientURI": format!("{LAMP}//"), "MOData": {"Lamp": {}}});
    let documents = [
        of("a", &[]),
        of("b", std::slice::from_ref(&second)),
        of("c", &[]),
        of("d", &[second]),
    ];
    slots.put(SLOT, CARD, on_card(&documents));
    let builder: ClientBuilder = device(folder.path(), &Clock::at(SENT), &watcher);
    let builder = builder.card_readers(slots.clone()).managed_object(lamp());
    let client = builder.build().unwrap();
    let decision = check(&client).await;
    assert_eq!(servers(&client), ["a", "c"]);
    for n in [1, 3] {
        let why = refused(&decision.entries[n].outcome);
        assert_eq!(why.cause, Cause::InvalidInstance);
        assert!(why.uri.as_deref().unwrap().starts_with(LAMP), "{why:?}");
        assert!(why.detail.is_some(), "{why:?}");
    }
    // It may take it another time: the reader is looked at again.
    assert_eq!(decision.readers[0].state, ReaderState::InvalidEntry);
    let kept = client.last_refusal().unwrap().unwrap();
    assert_eq!(kept.cause, "invalid-instance");
}
