//! Devices that wait for an operator, and triggers.

use omadm_mo::DevId;

use super::{BackEnd, SCHEMA, START, Settings, dev, drafted, exchange, record_id, registration};
use crate::model::{
    AllowEntry, ExchangeDelta, Trigger, WaitingChange, WaitingDevice, WaitingId, WaitingState,
    WaitingWrite,
};
use crate::store::{CommitError, Store};

/// A device that waits with the certificate of this octet.
pub(crate) fn waiting(number: usize, octet: u8) -> WaitingDevice {
    let (claimed, fingerprint) = (dev(number), [octet; 32]);
    WaitingDevice {
        id: WaitingId::of(&claimed, &fingerprint),
        claimed,
        fingerprint,
        subject: "CN=\"meter\"".into(),
        issuer: "CN=Acme ü".into(),
        not_after: START.plus_secs(1_000_000),
        vouched_by: None,
        profile: None,
        since: START,
        seen_at: START,
        expires_at: START.plus_secs(3600),
        state: WaitingState::Waiting,
        why: None,
    }
}

/// An entry of the allow-list.
pub(crate) fn allowed(pattern: &str) -> AllowEntry {
    AllowEntry {
        pattern: pattern.into(),
        certificate: None,
        profile: "minimal".into(),
        changed_at: START,
    }
}

/// A trigger of this record under a key of its own.
pub(crate) fn trigger(dev_id: &DevId, number: u32) -> Trigger {
    Trigger {
        key: format!("ø{number}"),
        dev_id: dev_id.clone(),
        record: record_id(number),
        asked: "00".repeat(32),
        at: START,
    }
}

pub(crate) async fn hold(
    store: &dyn Store,
    device: &WaitingDevice,
    most: u64,
) -> Result<(), CommitError> {
    let device = Box::new(device.clone());
    store
        .write_waiting(WaitingWrite::Hold { device, most })
        .await
}

async fn all(store: &dyn Store) -> Vec<WaitingDevice> {
    let mut all = store.waiting_devices(None, 100).await.unwrap();
    all.sort_by(|one, other| {
        (&one.claimed, one.fingerprint).cmp(&(&other.claimed, other.fingerprint))
    });
    all
}

pub(crate) async fn every_member_of_a_waiting_device_comes_back(back_end: &impl BackEnd) {
    let store = back_end.open(Settings::default()).await;
    let plain = waiting(1, 1);
    let full = WaitingDevice {
        vouched_by: Some("Acme".into()),
        profile: Some("minimal".into()),
        state: WaitingState::Rejected,
        why: Some("not 'ours'".into()),
        ..waiting(2, 2)
    };
    for device in [&plain, &full] {
        hold(&*store, device, 10).await.unwrap();
        let found = store.waiting_device(&device.id).await.unwrap();
        assert_eq!(found.as_ref(), Some(device));
    }
    assert_eq!(all(&*store).await, [plain.clone(), full.clone()]);
    let first = store.waiting_devices(None, 1).await.unwrap();
    let second = store.waiting_devices(Some(&first[0].id), 9).await.unwrap();
    assert_eq!(second.len(), 1);
    assert_ne!(first[0].id, second[0].id);
    let unknown = WaitingId::of(&dev(9), &[9; 32]);
    assert_eq!(store.waiting_device(&unknown).await.unwrap(), None);
    drop(store);
    let store = back_end.open(Settings::default()).await;
    assert_eq!(all(&*store).await, [plain, full], "schema {SCHEMA}");
}

pub(crate) async fn one_entry_for_each_device_and_credential(back_end: &impl BackEnd) {
    let store = back_end.open(Settings::default()).await;
    for (number, octet) in [(1, 1), (1, 2), (2, 1)] {
        hold(&*store, &waiting(number, octet), 10).await.unwrap();
    }
    let again = WaitingDevice {
        since: START.plus_secs(9),
        seen_at: START.plus_secs(9),
        expires_at: START.plus_secs(9999),
        ..waiting(1, 2)
    };
    hold(&*store, &again, 10).await.unwrap();
    let seen = WaitingDevice {
        seen_at: again.seen_at,
        ..waiting(1, 2)
    };
    let expected = [waiting(1, 1), seen, waiting(2, 1)];
    assert_eq!(all(&*store).await, expected, "it does not wait anew");
}

pub(crate) async fn no_more_devices_of_a_kind_wait_than_may(back_end: &impl BackEnd) {
    let store = back_end.open(Settings::default()).await;
    for octet in [1, 2] {
        hold(&*store, &waiting(1, octet), 2).await.unwrap();
    }
    let third = waiting(1, 3);
    assert_eq!(hold(&*store, &third, 2).await, Err(CommitError::NoPlace));
    hold(&*store, &waiting(1, 2), 2).await.unwrap();
    let vouched = WaitingDevice {
        vouched_by: Some("Acme".into()),
        ..waiting(1, 4)
    };
    hold(&*store, &vouched, 1).await.unwrap();
    let reject = WaitingWrite::Reject {
        id: waiting(1, 1).id,
        why: None,
        until: START.plus_secs(60),
    };
    store.write_waiting(reject).await.unwrap();
    hold(&*store, &third, 2).await.unwrap();
    assert_eq!(all(&*store).await.len(), 4);
}

pub(crate) async fn a_rejected_device_stays_known_until_its_time_is_over(back_end: &impl BackEnd) {
    let store = back_end.open(Settings::default()).await;
    let device = waiting(1, 1);
    let reject = WaitingWrite::Reject {
        id: device.id.clone(),
        why: Some("sold".into()),
        until: START.plus_secs(7200),
    };
    let nobody = store.write_waiting(reject.clone()).await;
    assert_eq!(nobody, Err(CommitError::NotWaiting));
    hold(&*store, &device, 10).await.unwrap();
    hold(&*store, &waiting(2, 2), 10).await.unwrap();
    store.write_waiting(reject).await.unwrap();
    hold(&*store, &device, 10).await.unwrap();
    let found = store.waiting_device(&device.id).await.unwrap().unwrap();
    assert_eq!(
        (found.state, found.why.as_deref()),
        (WaitingState::Rejected, Some("sold"))
    );
    let now = START.plus_secs(3600);
    let over = store.waited_too_long(now, 10).await.unwrap();
    assert_eq!(over, [waiting(2, 2)]);
    let expire = |id: &WaitingId, now| WaitingWrite::Expire {
        id: id.clone(),
        now,
    };
    let early = store.write_waiting(expire(&device.id, now)).await;
    assert_eq!(early, Err(CommitError::NotWaiting));
    for again in [Ok(()), Err(CommitError::NotWaiting)] {
        let expired = store.write_waiting(expire(&over[0].id, now)).await;
        assert_eq!(expired, again);
    }
    assert_eq!(all(&*store).await.len(), 1);
}

pub(crate) async fn an_approval_takes_all_that_claim_the_device(back_end: &impl BackEnd) {
    let store = back_end.open(Settings::default()).await;
    for (number, octet) in [(1, 1), (1, 2), (2, 1)] {
        hold(&*store, &waiting(number, octet), 10).await.unwrap();
    }
    let approval = |octet| {
        let mut delta = registration(&dev(1));
        let id = waiting(1, octet).id;
        delta.waiting = vec![WaitingChange::Approved(id), WaitingChange::Known];
        delta
    };
    assert_eq!(
        store.commit(approval(9)).await,
        Err(CommitError::NotWaiting)
    );
    assert_eq!(store.device(&dev(1)).await.unwrap(), None);
    store.commit(approval(2)).await.unwrap();
    assert_eq!(all(&*store).await, [waiting(2, 1)]);
    assert_eq!(
        store.commit(approval(2)).await,
        Err(CommitError::DeviceExists)
    );
}

pub(crate) async fn a_trigger_is_taken_once(back_end: &impl BackEnd) {
    let store = back_end.open(Settings::default()).await;
    for number in [1, 2] {
        drafted(&*store, &dev(number as usize), number).await;
    }
    let triggered = |number: u32, mut delta: ExchangeDelta| {
        let trigger = Trigger {
            key: "shop 7/1".into(),
            ..trigger(&delta.dev_id, number)
        };
        delta.trigger = Some(trigger.clone());
        (trigger, delta)
    };
    assert_eq!(store.trigger("shop 7/1").await.unwrap(), None);
    let (first, delta) = triggered(1, exchange(&dev(1), 1));
    store.commit(delta).await.unwrap();
    let (_, delta) = triggered(2, exchange(&dev(2), 1));
    assert_eq!(store.commit(delta).await, Err(CommitError::Conflict));
    assert_eq!(store.trigger("shop 7/1").await.unwrap(), Some(first));
}

pub(crate) async fn an_allowed_device_is_found_by_its_name_and_by_each_pattern(
    back_end: &impl BackEnd,
) {
    let store = back_end.open(Settings::default()).await;
    let listed = AllowEntry {
        certificate: Some([7; 32]),
        profile: "ø'".into(),
        ..allowed("IMEI:1")
    };
    let all = [
        allowed("IMEI:1"),
        listed,
        allowed("IMEI:*"),
        allowed("IMEI:2"),
    ];
    for entry in all.clone() {
        let allow = WaitingWrite::Allow(entry);
        store.write_waiting(allow).await.unwrap();
    }
    let one = DevId::parse("IMEI:1").unwrap();
    let found = store.allowed(&one).await.unwrap();
    assert!(found.len() == 3 && all[..2].iter().all(|entry| found[..2].contains(entry)));
    assert_eq!(found[2], all[2], "names come before patterns");
    let mut pages = store.allow_list(None, 3).await.unwrap();
    let rest = store.allow_list(Some(&pages[2].id()), 3).await.unwrap();
    pages.extend(rest);
    assert_eq!(pages.len(), 4);
    // Another profile takes the place of the former.
    let changed = AllowEntry {
        profile: "full".into(),
        changed_at: START.plus_secs(1),
        ..allowed("IMEI:2")
    };
    let allow = WaitingWrite::Allow(changed.clone());
    store.write_waiting(allow).await.unwrap();
    let two = DevId::parse("IMEI:2").unwrap();
    assert_eq!(store.allowed(&two).await.unwrap()[0], changed);
    drop(store);
    let store = back_end.open(Settings::default()).await;
    for again in [Ok(()), Err(CommitError::NotWaiting)] {
        let gone = WaitingWrite::Disallow(changed.id());
        assert_eq!(store.write_waiting(gone).await, again);
    }
    assert_eq!(store.allowed(&two).await.unwrap(), [allowed("IMEI:*")]);
}
