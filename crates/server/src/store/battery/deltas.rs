use std::sync::Arc;

use super::{
    BackEnd, Settings, abandon, adding, certificate, commit_together, dev, drafted, event,
    exchange, http_user, log, psk, record, record_id, registration,
};
use crate::model::{
    BootstrapChange, CredentialChange, CredentialProof, DeviceChange, DeviceEpoch, DmGeneration,
    EventKind, Generation, SessionChange, SessionRow,
};
use crate::store::{CommitError, Committed};

pub(crate) async fn a_device_is_registered_once(back_end: &impl BackEnd) {
    let store = back_end.open(Settings::default()).await;
    assert_eq!(store.device(&dev(1)).await.unwrap(), None);
    assert_eq!(
        store.commit(registration(&dev(1))).await,
        Ok(Committed {
            epoch: DeviceEpoch(1)
        })
    );
    assert_eq!(
        store.commit(registration(&dev(1))).await,
        Err(CommitError::DeviceExists)
    );
    let device = store.device(&dev(1)).await.unwrap().unwrap();
    assert_eq!(
        (device.epoch, device.registered_at, device.next_event_seq),
        (DeviceEpoch(1), super::START, 2)
    );
    assert_eq!(
        (device.last_seen_at, device.bootstrapped, device.dev_info),
        (None, None, None)
    );
    assert_eq!(store.events_of(&dev(1), 0, 10).await.unwrap().len(), 1);
}

pub(crate) async fn a_delta_commits_at_its_epoch_only(back_end: &impl BackEnd) {
    let store = back_end.open(Settings::default()).await;
    assert_eq!(
        store.commit(exchange(&dev(1), 1)).await,
        Err(CommitError::Conflict),
        "no such device"
    );
    store.commit(registration(&dev(1))).await.unwrap();
    assert_eq!(
        store.commit(exchange(&dev(1), 0)).await,
        Err(CommitError::Conflict)
    );
    assert_eq!(
        store.commit(exchange(&dev(1), 2)).await,
        Err(CommitError::Conflict)
    );
    assert_eq!(
        store.commit(exchange(&dev(1), 1)).await,
        Ok(Committed {
            epoch: DeviceEpoch(2)
        })
    );
    assert_eq!(
        store.commit(exchange(&dev(1), 1)).await,
        Err(CommitError::Conflict)
    );
    assert_eq!(
        store.device(&dev(1)).await.unwrap().unwrap().epoch,
        DeviceEpoch(2)
    );
}

pub(crate) async fn of_many_writers_at_one_epoch_one_wins(back_end: &impl BackEnd) {
    let store = back_end.open(Settings::default()).await;
    store.commit(registration(&dev(1))).await.unwrap();
    for epoch in 1..=10 {
        let results = commit_together(&store, vec![exchange(&dev(1), epoch); 20]).await;
        let winners: Vec<_> = results
            .iter()
            .filter_map(|result| result.as_ref().ok())
            .collect();
        assert_eq!(
            winners,
            [&Committed {
                epoch: DeviceEpoch(epoch + 1)
            }]
        );
        assert!(
            results
                .iter()
                .all(|result| matches!(result, Ok(_) | Err(CommitError::Conflict)))
        );
    }
    assert_eq!(store.events_of(&dev(1), 0, 100).await.unwrap().len(), 11);
}

pub(crate) async fn a_failing_delta_harms_no_other(back_end: &impl BackEnd) {
    let store = back_end.open(Settings::default()).await;
    store.commit(registration(&dev(0))).await.unwrap();
    store
        .commit(adding(&certificate(&dev(0), 1), 1))
        .await
        .unwrap();
    let deltas = (1..=60)
        .map(|number| match number % 4 {
            1 => registration(&dev(0)),
            2 => exchange(&dev(0), 77),
            3 => {
                let mut delta = registration(&dev(number));
                delta
                    .credentials
                    .push(CredentialChange::Add(certificate(&dev(number), 1)));
                delta
            }
            _ => registration(&dev(number)),
        })
        .collect();
    for (number, result) in (1..).zip(commit_together(&store, deltas).await) {
        let expected = match number % 4 {
            1 => Err(CommitError::DeviceExists),
            2 => Err(CommitError::Conflict),
            3 => Err(CommitError::CredentialTaken),
            _ => Ok(Committed {
                epoch: DeviceEpoch(1),
            }),
        };
        assert_eq!(result, expected);
        assert_eq!(
            store.device(&dev(number)).await.unwrap().is_some(),
            number % 4 == 0,
            "{number}"
        );
    }
}

pub(crate) async fn a_failing_delta_leaves_nothing_behind(back_end: &impl BackEnd) {
    let store = back_end.open(Settings::default()).await;
    store.commit(registration(&dev(1))).await.unwrap();
    let before = store.device(&dev(1)).await.unwrap();
    let mut delta = exchange(&dev(1), 1);
    delta.device = vec![DeviceChange::Seen, DeviceChange::DevInfo("{}".into())];
    delta.bootstraps.push(BootstrapChange::Create(
        Box::new(record(&dev(1), 1)),
        vec![1],
    ));
    delta.session = SessionChange::Set(SessionRow {
        generation: DmGeneration::Dm2,
        state: "{}".into(),
        expires_at: super::START,
    });
    delta.credentials = vec![CredentialChange::Add(certificate(&dev(1), 1)); 2];
    assert_eq!(store.commit(delta).await, Err(CommitError::CredentialTaken));
    assert_eq!(store.device(&dev(1)).await.unwrap(), before);
    assert_eq!(store.bootstrap(&record_id(1)).await.unwrap(), None);
    assert_eq!(
        store.sealed_document(&dev(1), &record_id(1)).await.unwrap(),
        None
    );
    assert_eq!(store.sessions(&dev(1)).await.unwrap(), []);
    assert_eq!(store.credentials(&dev(1)).await.unwrap(), []);
    assert_eq!(
        store
            .credential(&CredentialProof::Certificate([1; 32]))
            .await
            .unwrap(),
        None
    );
    assert_eq!(log(&*store).await.len(), 1);
}

pub(crate) async fn a_certificate_belongs_to_one_device(back_end: &impl BackEnd) {
    let store = back_end.open(Settings::default()).await;
    for number in [1, 2] {
        store.commit(registration(&dev(number))).await.unwrap();
    }
    store
        .commit(adding(&certificate(&dev(1), 7), 1))
        .await
        .unwrap();
    assert_eq!(
        store.commit(adding(&certificate(&dev(1), 7), 2)).await,
        Err(CommitError::CredentialTaken)
    );
    assert_eq!(
        store.commit(adding(&certificate(&dev(2), 7), 1)).await,
        Err(CommitError::CredentialTaken)
    );
    store
        .commit(adding(&certificate(&dev(2), 8), 1))
        .await
        .unwrap();
    let owner = store
        .credential(&CredentialProof::Certificate([7; 32]))
        .await
        .unwrap()
        .unwrap()
        .dev_id;
    assert_eq!(owner, dev(1));
}

pub(crate) async fn a_name_belongs_to_one_device(back_end: &impl BackEnd) {
    let store = back_end.open(Settings::default()).await;
    for number in [1, 2] {
        store.commit(registration(&dev(number))).await.unwrap();
    }
    // 28 octets: with its kind as long as a fingerprint.
    let name = "identity with ü of 28 octets";
    assert_eq!(name.len(), 28 + 1);
    let (key, password) = (psk(&dev(1), name), http_user(&dev(1), name));
    store.commit(adding(&key, 1)).await.unwrap();
    store.commit(adding(&password, 2)).await.unwrap();
    for taken in [psk(&dev(2), name), http_user(&dev(2), name)] {
        let refused = store.commit(adding(&taken, 1)).await;
        assert_eq!(refused, Err(CommitError::CredentialTaken));
    }
    let other = http_user(&dev(2), "Identity");
    store.commit(adding(&other, 1)).await.unwrap();
    for credential in [key, password, other] {
        let found = store.credential(&credential.proof).await.unwrap();
        assert_eq!(found, Some(credential));
    }
    let unknown = psk(&dev(1), "Identity").proof;
    assert_eq!(store.credential(&unknown).await.unwrap(), None);
}

pub(crate) async fn a_delta_finishes_though_its_caller_is_gone(back_end: &impl BackEnd) {
    let store = back_end.open(Settings::default()).await;
    for number in 0..50 {
        abandon(store.commit(registration(&dev(number)))).await;
    }
    store.flush().await.unwrap();
    assert_eq!(store.devices(None, 100).await.unwrap().len(), 50);
}

pub(crate) async fn a_full_queue_refuses_and_loses_nothing(back_end: &impl BackEnd) {
    let store = back_end
        .open(Settings {
            queue: 1,
            ..Settings::default()
        })
        .await;
    let results = commit_together(
        &store,
        (0..1000).map(|number| registration(&dev(number))).collect(),
    )
    .await;
    let busy = results
        .iter()
        .filter(|result| **result == Err(CommitError::Busy))
        .count();
    assert!(busy > 0);
    for (number, result) in results.iter().enumerate() {
        assert!(
            matches!(result, Ok(_) | Err(CommitError::Busy)),
            "{result:?}"
        );
        assert_eq!(
            store.device(&dev(number)).await.unwrap().is_some(),
            result.is_ok()
        );
    }
    store.commit(registration(&dev(1000))).await.unwrap();
}

pub(crate) async fn what_a_delta_names_must_exist(back_end: &impl BackEnd) {
    let store = back_end.open(Settings::default()).await;
    drafted(&*store, &dev(1), 1).await;
    drafted(&*store, &dev(2), 2).await;
    let mut refused = Vec::new();
    for change in [
        BootstrapChange::Update(Box::new(record(&dev(1), 3))),
        BootstrapChange::Update(Box::new(record(&dev(2), 2))),
        BootstrapChange::Update(Box::new(record(&dev(1), 2))),
        BootstrapChange::Create(Box::new(record(&dev(1), 1)), vec![]),
        BootstrapChange::Create(Box::new(record(&dev(1), 2)), vec![]),
    ] {
        let mut delta = exchange(&dev(1), 1);
        delta.bootstraps.push(change);
        refused.push(store.commit(delta).await);
    }
    let mut of_unknown_record = certificate(&dev(1), 1);
    of_unknown_record.record = Some(record_id(9));
    for change in [
        CredentialChange::Promote(CredentialProof::Certificate([1; 32]), Generation::Current),
        CredentialChange::Revoke(CredentialProof::Certificate([1; 32])),
        CredentialChange::Add(certificate(&dev(2), 1)),
        CredentialChange::Add(of_unknown_record),
    ] {
        let mut delta = exchange(&dev(1), 1);
        delta.credentials.push(change);
        refused.push(store.commit(delta).await);
    }
    assert!(
        refused
            .iter()
            .all(|result| matches!(result, Err(CommitError::Contradiction(_)))),
        "{refused:?}"
    );
    assert_eq!(
        store.device(&dev(1)).await.unwrap().unwrap().epoch,
        DeviceEpoch(1)
    );
    assert_eq!(
        store.sealed_document(&dev(2), &record_id(2)).await.unwrap(),
        Some(b"sealed".to_vec())
    );
}

pub(crate) async fn a_reopened_store_has_everything(back_end: &impl BackEnd) {
    let store = back_end.open(Settings::default()).await;
    drafted(&*store, &dev(1), 1).await;
    let mut delta = adding(&certificate(&dev(1), 1), 1);
    delta.session = SessionChange::Set(SessionRow {
        generation: DmGeneration::Dm2,
        state: "{}".into(),
        expires_at: super::START,
    });
    store.commit(delta).await.unwrap();
    let device = store.device(&dev(1)).await.unwrap();
    let (records, credentials) = (
        store.bootstraps_of(&dev(1)).await,
        store.credentials(&dev(1)).await,
    );
    let (session, events) = (store.sessions(&dev(1)).await, log(&*store).await);
    drop(store);

    let store = back_end.open(Settings::default()).await;
    assert_eq!(store.device(&dev(1)).await.unwrap(), device);
    assert_eq!(
        (
            store.bootstraps_of(&dev(1)).await,
            store.credentials(&dev(1)).await
        ),
        (records, credentials)
    );
    assert_eq!(
        store.sealed_document(&dev(1), &record_id(1)).await.unwrap(),
        Some(b"sealed".to_vec())
    );
    assert_eq!(
        (store.sessions(&dev(1)).await, log(&*store).await),
        (session, events)
    );
    store.commit(exchange(&dev(1), 2)).await.unwrap();
    let positions: Vec<_> = log(&*store)
        .await
        .iter()
        .map(|event| event.position)
        .collect();
    assert_eq!(positions, [Some(1), Some(2), Some(3)]);
}

pub(crate) async fn commits_are_counted(back_end: &impl BackEnd) {
    let store = back_end.open(Settings::default()).await;
    let start = store.commits();
    drafted(&*store, &dev(1), 1).await;
    store.commit(exchange(&dev(1), 1)).await.unwrap();
    store.commit(exchange(&dev(1), 1)).await.unwrap_err();
    let deltas = store.commits();
    assert_eq!(
        (
            deltas.deltas - start.deltas,
            deltas.deferred,
            deltas.transactions - start.transactions
        ),
        (2, 0, 2)
    );
    // The second changes nothing and costs no commit.
    for _ in 0..2 {
        store.defer(super::fetched(&dev(1), 1, super::START));
        store.flush().await.unwrap();
    }
    let alone = store.commits();
    assert_eq!(
        (alone.deltas, alone.deferred, alone.transactions),
        (deltas.deltas, 1, deltas.transactions + 1)
    );
    store.defer(crate::model::DeferredMark::Refused {
        dev_id: Some(dev(1)),
        at: super::START,
        event: event(EventKind::SessionEnded { session: None }),
    });
    store.commit(exchange(&dev(1), 2)).await.unwrap();
    let riding = store.commits();
    assert_eq!(
        (riding.deltas, riding.deferred, riding.transactions),
        (deltas.deltas + 1, 1, alone.transactions + 1)
    );
    assert_eq!(Arc::strong_count(&store), 1);
}
