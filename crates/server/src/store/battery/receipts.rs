//! Receipts that are awaited of SMS.

use omadm_mo::DevId;

use super::{BackEnd, START, Settings, dev, drafted, exchange, record_id};
use crate::model::{AwaitedReceipt, ReceiptChange};

pub(crate) fn awaited(dev_id: &DevId, message_id: &str, notification_id: u16) -> AwaitedReceipt {
    AwaitedReceipt {
        dev_id: dev_id.clone(),
        message_id: message_id.into(),
        notification_id,
        bootstrap: None,
        address: "sms:+15551230001".into(),
        correlation: "00112233aabbccdd".into(),
        at: START,
    }
}

pub(crate) async fn an_awaited_receipt_is_found_by_the_smsc_s_name_until_it_is_settled(
    back_end: &impl BackEnd,
) {
    let store = back_end.open(Settings::default()).await;
    for number in [1, 2] {
        drafted(&*store, &dev(number as usize), number).await;
    }
    let [one, two, other] = [
        awaited(&dev(1), "0A1b'", 7),
        awaited(&dev(1), "2", 7),
        awaited(&dev(1), "3", u16::MAX),
    ];
    // The SMSC uses a name again.
    let newer = AwaitedReceipt {
        at: START.plus_secs(1),
        bootstrap: Some(record_id(2)),
        ..awaited(&dev(2), "2", 9)
    };
    let mut delta = exchange(&dev(1), 1);
    let all = [one.clone(), two.clone(), other.clone()];
    delta.receipts = all.map(ReceiptChange::Await).into();
    store.commit(delta).await.unwrap();
    let mut delta = exchange(&dev(2), 1);
    delta.receipts = vec![ReceiptChange::Await(newer.clone())];
    store.commit(delta).await.unwrap();
    drop(store);
    let store = back_end.open(Settings::default()).await;
    let found = store.awaited_receipt("0A1b'").await.unwrap();
    assert_eq!(found.as_ref(), Some(&one));
    assert_eq!(store.awaited_receipt("2").await.unwrap(), Some(newer));
    assert_eq!(store.awaited_receipt("9").await.unwrap(), None);

    let mut delta = exchange(&dev(1), 2);
    delta.receipts = vec![ReceiptChange::Arrived("0A1b'".into())];
    store.commit(delta).await.unwrap();
    let left = store.awaited_receipts(&dev(1)).await.unwrap();
    assert_eq!(left, [two, other.clone()]);
    let mut delta = exchange(&dev(1), 3);
    delta.receipts = vec![ReceiptChange::Settled(7)];
    store.commit(delta).await.unwrap();
    assert_eq!(store.awaited_receipts(&dev(1)).await.unwrap(), [other]);
    // What nobody will tell of any more goes with the next.
    let late = AwaitedReceipt {
        at: START.plus_millis(AwaitedReceipt::LASTS + 1),
        ..awaited(&dev(1), "4", 8)
    };
    let mut delta = exchange(&dev(1), 4);
    delta.receipts = vec![ReceiptChange::Await(late.clone())];
    store.commit(delta).await.unwrap();
    assert_eq!(store.awaited_receipts(&dev(1)).await.unwrap(), [late]);
}
