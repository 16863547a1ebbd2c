//! A pushed document that needs consent (D56): kept durably before 202, asked for by the daemon.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use omadm_client::ClientBuilder;
use support::pushing::{Place, problems};
use support::until;

/// Decides as it is told, once it is told.
struct Decider(Arc<AtomicU8>, Arc<Mutex<Vec<String>>>);

const UNDECIDED: u8 = 0;
const YES: u8 = 1;
const NO: u8 = 2;

impl Decider {
    fn new() -> Self {
        Self(Arc::default(), Arc::default())
    }

    fn decide(&self, builder: ClientBuilder) -> ClientBuilder {
        let (decision, asked) = (Arc::clone(&self.0), Arc::clone(&self.1));
        builder.consent(move |request| {
            asked.lock().unwrap().push(request.source.clone());
            while decision.load(Ordering::SeqCst) == UNDECIDED {
                std::thread::sleep(Duration::from_millis(5));
            }
            decision.load(Ordering::SeqCst) == YES
        })
    }

    fn asked(&self) -> usize {
        self.1.lock().unwrap().len()
    }
}

const CONSENT: &str = "[bootstrap]\nserver_initiated = { require_user_consent = true }\n";

#[tokio::test]
async fn a_push_that_needs_consent_is_kept_over_a_restart_and_applied_once_it_is_given() {
    let place = Place::new().await;
    let policy = format!("{}{CONSENT}", place.source(""));
    let decider = Decider::new();
    let client = decider.decide(place.builder(&policy)).build().unwrap();
    let listening = client.listen().await.unwrap();
    for (n, status) in [(1, 202), (1, 202), (2, 409)] {
        let told = place.deliver(&listening, n).await;
        assert_eq!(told.status, status);
    }
    assert!(client.accounts().unwrap().is_empty());
    assert_eq!(decider.asked(), 0, "asked by the daemon alone");
    listening.end().await;
    drop(client);

    let client = Arc::new(decider.decide(place.builder(&policy)).build().unwrap());
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let running = tokio::spawn({
        let client = Arc::clone(&client);
        async move { client.run(stopped).await }
    });
    until("somebody is asked", || decider.asked() == 1).await;
    assert!(client.accounts().unwrap().is_empty());
    decider.0.store(YES, Ordering::SeqCst);
    until("the completion is reported", || {
        client
            .accounts()
            .unwrap()
            .first()
            .is_some_and(|one| one.owed.is_none())
    })
    .await;
    stop.send_replace(true);
    running.await.unwrap().unwrap();
    assert_eq!(client.accounts().unwrap()[0].provenance.seq, 1);
    assert_eq!(problems(&place.peer.asked()), Vec::<String>::new());
}

#[tokio::test]
async fn a_push_that_is_not_agreed_to_changes_nothing_and_its_source_is_told() {
    let place = Place::new().await;
    let policy = format!("{}{CONSENT}", place.source(""));
    let decider = Decider::new();
    let client = Arc::new(decider.decide(place.builder(&policy)).build().unwrap());
    let listening = client.listen().await.unwrap();
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let running = tokio::spawn({
        let client = Arc::clone(&client);
        async move { client.run(stopped).await }
    });
    let told = place.deliver(&listening, 1).await;
    assert_eq!(told.status, 202);
    decider.0.store(NO, Ordering::SeqCst);
    until("the source is told", || {
        !problems(&place.peer.asked()).is_empty()
    })
    .await;
    assert_eq!(problems(&place.peer.asked()), ["consent-refused"]);
    assert!(client.accounts().unwrap().is_empty());
    assert_eq!(
        client.last_refusal().unwrap().unwrap().cause,
        "consent-refused"
    );
    // Whoever is refused may ask again.
    until("it waits no more", || client.accounts().is_ok()).await;
    stop.send_replace(true);
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn consent_that_nobody_can_give_is_refused_at_once() {
    let place = Place::new().await;
    let policy = format!("{}{CONSENT}", place.source(""));
    let (client, listening) = place.start(&policy).await;
    let told = place.deliver(&listening, 1).await;
    assert_eq!(
        (told.status, told.cause.as_deref()),
        (403, Some("consent-refused"))
    );
    assert!(client.accounts().unwrap().is_empty());
}
