//! Calls of DM 1.x that are repeated.

use omadm_dm1::trigger::UiMode;
use omadm_mo::DevId;

use super::{BackEnd, START, Settings, dev, exchange, registration};
use crate::model::{CallChange, RepeatedCall};

pub(crate) fn called(dev_id: &DevId, secs: i64) -> RepeatedCall {
    RepeatedCall {
        dev_id: dev_id.clone(),
        due: START.plus_secs(secs),
        made: 3,
        address: "sms:+15551230001".into(),
        ui_mode: UiMode::Informative,
        correlation: "00112233aabbccdd".into(),
    }
}

pub(crate) async fn a_call_is_found_when_it_is_due_until_it_ends(back_end: &impl BackEnd) {
    let store = back_end.open(Settings::default()).await;
    for number in [1, 2] {
        store.commit(registration(&dev(number))).await.unwrap();
    }
    let first = called(&dev(1), 20);
    let again = RepeatedCall {
        made: 4,
        ui_mode: UiMode::UserInteraction,
        address: "udp://[::1]:9".into(),
        correlation: "c".into(),
        ..called(&dev(1), 40)
    };
    let other = called(&dev(2), 30);
    for (dev_id, epoch, call) in [
        (dev(1), 1, &first),
        (dev(2), 1, &other),
        (dev(1), 2, &again),
    ] {
        let mut delta = exchange(&dev_id, epoch);
        delta.call = CallChange::Set(Box::new(call.clone()));
        store.commit(delta).await.unwrap();
        assert_eq!(store.call(&dev_id).await.unwrap().as_ref(), Some(call));
    }
    drop(store);
    let store = back_end.open(Settings::default()).await;
    let due = async |secs, limit| store.due_calls(START.plus_secs(secs), limit).await.unwrap();
    assert_eq!(due(29, 10).await, []);
    assert_eq!(due(40, 1).await, std::slice::from_ref(&other));
    assert_eq!(due(40, 10).await, [other.clone(), again]);
    let mut delta = exchange(&dev(1), 3);
    delta.call = CallChange::End;
    store.commit(delta).await.unwrap();
    assert_eq!(store.call(&dev(1)).await.unwrap(), None);
    assert_eq!(due(40, 10).await, [other]);
}
