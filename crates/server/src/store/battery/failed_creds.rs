//! Wrong credentials of DM 1.x accounts.

use omadm_bootstrap::EventId;
use omadm_mo::DevId;

use super::{BackEnd, START, Settings, dev, drafted, exchange};
use crate::model::{DeferredMark, FailedCred};

pub(crate) fn wrong(dev_id: &DevId, nr: u8, source: &str) -> FailedCred {
    FailedCred {
        dev_id: dev_id.clone(),
        id: EventId::of([nr; 16]),
        at: START.plus_millis(i64::from(nr)),
        source: source.to_owned(),
    }
}

pub(crate) async fn wrong_credentials_count_by_device_until_a_right_one_or_their_time_is_over(
    back_end: &impl BackEnd,
) {
    let store = back_end.open(Settings::default()).await;
    for number in [1, 2] {
        drafted(&*store, &dev(number as usize), number).await;
    }
    let of_one = [
        wrong(&dev(1), 1, "192.0.2.1"),
        wrong(&dev(1), 2, "192.0.2.2"),
        wrong(&dev(1), 3, "192.0.2.1"),
        wrong(&dev(1), 4, ""),
    ];
    let of_two = wrong(&dev(2), 5, "192.0.2.1");
    store.flush().await.unwrap();
    let before = store.device(&dev(1)).await.unwrap();
    let position = store.lag().await.unwrap().position;
    for failed in of_one.iter().chain([&of_one[0], &of_two]) {
        store.defer(DeferredMark::FailedCred(failed.clone()));
    }
    // Of a device that nobody knows: nothing.
    store.defer(DeferredMark::FailedCred(wrong(&dev(99), 6, "")));
    store.flush().await.unwrap();
    drop(store);

    let store = back_end.open(Settings::default()).await;
    assert_eq!(
        store.device(&dev(1)).await.unwrap(),
        before,
        "nobody who guesses moves the device on"
    );
    assert_eq!(store.lag().await.unwrap().position, position, "no event");
    let of = async |dev_id: &DevId, after: i64| {
        let found = store.failed_creds(dev_id, START.plus_millis(after), 100);
        found.await.unwrap()
    };
    let [one, two, three, four] = of_one;
    let newest_first = [four.clone(), three.clone(), two.clone(), one];
    assert_eq!(of(&dev(1), 0).await, newest_first);
    assert_eq!(of(&dev(1), 2).await, [four.clone(), three]);
    let few = store.failed_creds(&dev(1), START, 1).await.unwrap();
    assert_eq!(few, std::slice::from_ref(&four));
    assert_eq!(of(&dev(2), 0).await, [of_two]);
    assert_eq!(of(&dev(99), 0).await, []);

    let mut delta = exchange(&dev(1), 1);
    delta.right_from = Some("192.0.2.1".to_owned());
    store.commit(delta).await.unwrap();
    assert_eq!(of(&dev(1), 0).await, [four.clone(), two]);
    assert_eq!(of(&dev(2), 0).await.len(), 1, "another device's");

    store.sweep_failed_creds(four.at).await.unwrap();
    assert_eq!(of(&dev(1), 0).await, [four]);
    assert_eq!(of(&dev(2), 0).await.len(), 1);
}
