use std::collections::BTreeMap;

use super::{BackEnd, Settings, commit_together, dev, event, exchange, log, registration};
use crate::model::{EventKind, EventLag};

/// One of every kind, with every member and without those that may be missing.
fn every_kind() -> Vec<EventKind> {
    let text = || "x".to_owned();
    let some = || Some("y \"quoted\" ü".to_owned());
    let kinds = vec![
        EventKind::DeviceRegistered,
        EventKind::DeviceHeld {
            waiting: text(),
            claimed: text(),
            fingerprint: text(),
            subject: text(),
            vouched_by: some(),
        },
        EventKind::DeviceAdmitted {
            by: text(),
            fingerprint: text(),
            vouched_by: None,
            waited_since: some(),
        },
        EventKind::DeviceRejected {
            waiting: text(),
            claimed: text(),
            fingerprint: text(),
            why: some(),
        },
        EventKind::DeviceAllowed {
            id: text(),
            pattern: text(),
            fingerprint: some(),
            profile: text(),
        },
        EventKind::DeviceDisallowed { id: text() },
        EventKind::WaitingExpired {
            waiting: text(),
            claimed: text(),
            fingerprint: text(),
            state: text(),
        },
        EventKind::DeviceTriggered {
            source: text(),
            reference: some(),
            address: None,
            bootstrap: text(),
        },
        EventKind::NotifySet {
            addresses: vec![text()],
            on_queue: false,
        },
        EventKind::CredentialAdded {
            proof: text(),
            fingerprint: some(),
            name: None,
        },
        EventKind::CredentialRevoked {
            fingerprint: None,
            name: some(),
        },
        EventKind::BootstrapDrafted {
            bootstrap: text(),
            profile: text(),
            method: text(),
        },
        EventKind::BootstrapExported { bootstrap: text() },
        EventKind::BootstrapFetched { bootstrap: text() },
        EventKind::BootstrapCompleted {
            bootstrap: some(),
            method: some(),
            kind: some(),
            event_id: some(),
        },
        EventKind::BootstrapCompleted {
            bootstrap: None,
            method: None,
            kind: None,
            event_id: None,
        },
        EventKind::BootstrapEnded {
            bootstrap: text(),
            state: text(),
            cause: some(),
        },
        EventKind::SessionStarted {
            causes: vec![text(), text()],
            session: some(),
        },
        EventKind::SessionSuperseded {
            session: some(),
            outcome_unknown: vec![text()],
        },
        EventKind::CommandQueued {
            id: text(),
            command: text(),
            parameters: vec![text()],
        },
        EventKind::CommandSent {
            id: some(),
            session: some(),
            command: text(),
            uri: some(),
            sends: 2,
        },
        EventKind::CommandUnanswered {
            command: text(),
            uri: some(),
            duration_ms: Some(31),
            id: None,
            session: some(),
        },
        EventKind::CommandHeld {
            id: text(),
            session: some(),
            command: text(),
            uri: some(),
            duration_ms: Some(u64::MAX),
        },
        EventKind::CommandReleased {
            id: text(),
            command: text(),
            uri: some(),
        },
        EventKind::CommandCancelled {
            id: text(),
            command: text(),
            uri: None,
        },
        EventKind::CommandAnswered {
            command: text(),
            uri: some(),
            status: 200,
            duration_ms: 1 << 40,
            id: some(),
            session: some(),
            uris: vec![text()],
        },
        EventKind::AlertReceived {
            alert_type: text(),
            source: None,
            session: some(),
            target: some(),
            mark: some(),
            data_type: some(),
            data: Some(serde_json::json!({"state": [25, 1.5, null]})),
            data_octets: Some(1 << 20),
        },
        EventKind::BootstrapPushed {
            bootstrap: text(),
            carrier: text(),
            address: text(),
            attempt: u32::MAX,
        },
        EventKind::BootstrapDelivered { bootstrap: text() },
        EventKind::BootstrapPushFailed {
            bootstrap: text(),
            attempt: 1,
            cause: text(),
            detail: text(),
            retry_at: some(),
        },
        EventKind::BootstrapRefused {
            bootstrap: text(),
            cause: text(),
            item: some(),
            uri: some(),
            detail: None,
        },
        EventKind::SessionEnded { session: None },
        EventKind::SessionAborted {
            reason: text(),
            session: some(),
        },
        EventKind::NotificationQueued {
            carrier: text(),
            notification_id: u16::MAX,
            address: text(),
            srv_id: text(),
            authenticated: true,
            proof: Some("boot".into()),
        },
        EventKind::NotificationSent {
            carrier: text(),
            notification_id: 0,
            address: text(),
            outcome: text(),
            receipt_awaited: true,
            duration_ms: Some(1),
        },
        EventKind::NotificationReceipt {
            carrier: text(),
            notification_id: 7,
            address: text(),
            outcome: text(),
        },
        EventKind::NotificationAnswered {
            notification_id: 1,
            carrier: text(),
            duration_ms: None,
        },
        EventKind::ObjectStored {
            path: text(),
            owner: text(),
            media_type: text(),
            octets: 1 << 40,
        },
        EventKind::ObjectRemoved { path: text() },
        EventKind::RequestRefused {
            path: text(),
            status: 403,
            cause: some(),
            claimed: some(),
            from: some(),
            fingerprint: some(),
            subject: some(),
            detail: text(),
        },
        EventKind::RotationQueued {
            id: text(),
            scope: text(),
            proof: text(),
            fingerprint: some(),
            name: some(),
            reason: text(),
        },
        EventKind::SecretRotated {
            scope: text(),
            proof: text(),
            fingerprint: some(),
            name: some(),
        },
        EventKind::RotationFailed {
            id: text(),
            scope: text(),
            status: 404,
        },
        EventKind::Rebootstrapped {
            bootstrap: some(),
            method: some(),
            event_id: some(),
            recovered: vec![text()],
        },
        EventKind::CredentialHeld {
            fingerprint: some(),
            name: some(),
            cause: some(),
            claimed: some(),
        },
        EventKind::CredentialAccepted {
            scope: text(),
            fingerprint: some(),
            name: some(),
        },
        EventKind::CredentialRejected {
            scope: text(),
            name: some(),
        },
        EventKind::EscrowEnded {
            scope: text(),
            fingerprint: some(),
            name: some(),
        },
        EventKind::HandshakeRefused {
            profile: text(),
            cause: text(),
            identity: text(),
            from: text(),
            detail: text(),
        },
    ];
    for kind in &kinds {
        // A kind that is added to the catalogue is missing here until the list above has it.
        match kind {
            EventKind::DeviceRegistered
            | EventKind::DeviceHeld { .. }
            | EventKind::DeviceAdmitted { .. }
            | EventKind::DeviceRejected { .. }
            | EventKind::DeviceAllowed { .. }
            | EventKind::DeviceDisallowed { .. }
            | EventKind::WaitingExpired { .. }
            | EventKind::DeviceTriggered { .. }
            | EventKind::NotifySet { .. }
            | EventKind::CredentialAdded { .. }
            | EventKind::CredentialRevoked { .. }
            | EventKind::BootstrapDrafted { .. }
            | EventKind::BootstrapExported { .. }
            | EventKind::BootstrapPushed { .. }
            | EventKind::BootstrapDelivered { .. }
            | EventKind::BootstrapPushFailed { .. }
            | EventKind::BootstrapFetched { .. }
            | EventKind::BootstrapCompleted { .. }
            | EventKind::BootstrapEnded { .. }
            | EventKind::BootstrapRefused { .. }
            | EventKind::SessionStarted { .. }
            | EventKind::SessionSuperseded { .. }
            | EventKind::CommandQueued { .. }
            | EventKind::CommandSent { .. }
            | EventKind::CommandUnanswered { .. }
            | EventKind::CommandHeld { .. }
            | EventKind::CommandReleased { .. }
            | EventKind::CommandCancelled { .. }
            | EventKind::CommandAnswered { .. }
            | EventKind::AlertReceived { .. }
            | EventKind::SessionEnded { .. }
            | EventKind::SessionAborted { .. }
            | EventKind::NotificationQueued { .. }
            | EventKind::NotificationSent { .. }
            | EventKind::NotificationReceipt { .. }
            | EventKind::NotificationAnswered { .. }
            | EventKind::ObjectStored { .. }
            | EventKind::ObjectRemoved { .. }
            | EventKind::RequestRefused { .. }
            | EventKind::RotationQueued { .. }
            | EventKind::SecretRotated { .. }
            | EventKind::RotationFailed { .. }
            | EventKind::Rebootstrapped { .. }
            | EventKind::CredentialHeld { .. }
            | EventKind::CredentialAccepted { .. }
            | EventKind::CredentialRejected { .. }
            | EventKind::EscrowEnded { .. }
            | EventKind::HandshakeRefused { .. } => {}
        }
    }
    kinds
}

pub(crate) async fn every_kind_of_event_comes_back(back_end: &impl BackEnd) {
    let store = back_end.open(Settings::default()).await;
    let mut delta = registration(&dev(1));
    delta.events = every_kind().into_iter().map(event).collect();
    store.commit(delta.clone()).await.unwrap();
    let stored = store.events_of(&dev(1), 0, 100).await.unwrap();
    assert_eq!(
        stored
            .iter()
            .map(|stored| stored.event.clone())
            .collect::<Vec<_>>(),
        delta.events
    );
    assert!(
        stored
            .iter()
            .all(|stored| stored.at == delta.at && stored.dev_id == Some(dev(1)))
    );
}

pub(crate) async fn events_are_dense_by_device(back_end: &impl BackEnd) {
    let store = back_end.open(Settings::default()).await;
    for number in [1, 2] {
        store.commit(registration(&dev(number))).await.unwrap();
    }
    for epoch in 1..=5_u64 {
        let mut delta = exchange(&dev(1), epoch);
        delta.events = vec![event(EventKind::SessionEnded { session: None }); epoch as usize - 1];
        store.commit(delta).await.unwrap();
    }
    let seqs: Vec<_> = store
        .events_of(&dev(1), 0, 100)
        .await
        .unwrap()
        .iter()
        .map(|event| event.seq)
        .collect();
    assert_eq!(seqs, (1..=11).collect::<Vec<_>>());
    assert_eq!(
        store.device(&dev(1)).await.unwrap().unwrap().next_event_seq,
        12
    );
    let page: Vec<_> = store
        .events_of(&dev(1), 4, 3)
        .await
        .unwrap()
        .iter()
        .map(|event| event.seq)
        .collect();
    assert_eq!(page, [5, 6, 7]);
    assert_eq!(store.events_of(&dev(2), 0, 100).await.unwrap().len(), 1);
    assert_eq!(store.events_of(&dev(3), 0, 100).await.unwrap(), []);
}

pub(crate) async fn positions_are_dense_over_concurrent_writers(back_end: &impl BackEnd) {
    let store = back_end.open(Settings::default()).await;
    commit_together(
        &store,
        (0..40).map(|number| registration(&dev(number))).collect(),
    )
    .await;
    for epoch in 1..=3 {
        let mut deltas: Vec<_> = (0..40)
            .map(|number| exchange(&dev(number), epoch))
            .collect();
        deltas.extend((0..40).map(|number| exchange(&dev(number), 99)));
        commit_together(&store, deltas).await;
    }
    let log = log(&*store).await;
    let positions: Vec<_> = log.iter().map(|event| event.position.unwrap()).collect();
    assert_eq!(positions, (1..=160).collect::<Vec<_>>());
    let mut seqs: BTreeMap<_, Vec<u64>> = BTreeMap::new();
    for event in log {
        seqs.entry(event.dev_id.unwrap())
            .or_default()
            .push(event.seq);
    }
    assert_eq!(seqs.len(), 40);
    assert!(seqs.values().all(|seqs| seqs == &[1, 2, 3, 4]));
}

pub(crate) async fn a_consumer_resumes_after_its_position(back_end: &impl BackEnd) {
    let store = back_end.open(Settings::default()).await;
    let mut seen = Vec::new();
    let mut position = 0;
    for round in 0..4 {
        commit_together(
            &store,
            (0..10)
                .map(|number| registration(&dev(round * 10 + number)))
                .collect(),
        )
        .await;
        store.flush().await.unwrap();
        while let Some(event) = store.events_after(position, 1).await.unwrap().pop() {
            position = event.position.unwrap();
            seen.push(event);
        }
        assert_eq!(store.events_after(position, 10).await.unwrap(), []);
    }
    assert_eq!(seen, store.events_after(0, 1000).await.unwrap());
    assert_eq!(seen.len(), 40);
}

pub(crate) async fn a_refused_delta_takes_no_number_and_no_position(back_end: &impl BackEnd) {
    let store = back_end.open(Settings::default()).await;
    store.commit(registration(&dev(1))).await.unwrap();
    let mut delta = exchange(&dev(1), 1);
    delta.events = vec![event(EventKind::SessionEnded { session: None }); 5];
    let mut refused = delta.clone();
    refused.credentials =
        vec![crate::model::CredentialChange::Add(super::certificate(&dev(1), 1)); 2];
    for _ in 0..3 {
        store.commit(refused.clone()).await.unwrap_err();
    }
    store.commit(delta).await.unwrap();
    let log = log(&*store).await;
    let numbers: Vec<_> = log
        .iter()
        .map(|event| (event.position.unwrap(), event.seq))
        .collect();
    assert_eq!(
        numbers,
        (1..=6).map(|number| (number, number)).collect::<Vec<_>>()
    );
}

pub(crate) async fn the_lag_ends_with_the_last_position(back_end: &impl BackEnd) {
    let store = back_end.open(Settings::default()).await;
    assert_eq!(store.lag().await.unwrap(), EventLag::default());
    for number in 1..=3 {
        store.commit(registration(&dev(number))).await.unwrap();
    }
    store.flush().await.unwrap();
    let over = EventLag {
        position: 3,
        ..EventLag::default()
    };
    assert_eq!(store.lag().await.unwrap(), over);
}
