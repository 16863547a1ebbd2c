//! Where a device is called, as an operator set it, and what queueing a command does with it.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use omadm_server::model::EventKind;
use omadm_server::operator::client::ApiError;
use omadm_server::operator::types::{NewCommands, NotifyAt};
use support::{DEVICE, Rig};

const ADDRESS: &str = "udp://127.0.0.1:9";

fn at(addresses: &[&str]) -> NotifyAt {
    NotifyAt {
        addresses: Some(addresses.iter().map(|&text| text.to_owned()).collect()),
        on_queue: None,
        imsi: None,
        esn: None,
    }
}

fn get(notify: Option<bool>) -> NewCommands {
    NewCommands {
        command: Some(vec!["GET".into(), "urn:example:mo:gps:1.0/1/".into()]),
        notify,
        ..NewCommands::default()
    }
}

fn refused(refused: Result<impl Sized, ApiError>) -> (u16, String) {
    match refused.err() {
        Some(ApiError::Refused(problem)) => (problem.status, problem.detail),
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn an_operator_sets_where_a_device_is_called_member_by_member_and_an_event_tells() {
    let rig = Rig::new().await;
    rig.device(DEVICE).await;
    let shown = rig.api.device(DEVICE).await.unwrap().device.notify;
    let on = |addresses: &[&str], on_queue| NotifyAt {
        on_queue: Some(on_queue),
        ..at(addresses)
    };
    assert_eq!(shown, on(&[], true));
    let https = "https://gateway.example.com/a/notification";
    let set = rig.api.set_notify(DEVICE, &at(&[ADDRESS, https])).await;
    assert_eq!(set.unwrap(), on(&[ADDRESS, https], true));
    let off = NotifyAt {
        addresses: None,
        on_queue: Some(false),
        imsi: None,
        esn: None,
    };
    let set = rig.api.set_notify(DEVICE, &off).await.unwrap();
    assert_eq!(set, on(&[ADDRESS, https], false));
    let shown = rig.api.device(DEVICE).await.unwrap().device.notify;
    assert_eq!(shown, set);
    let events = rig.events().await;
    let told = events
        .into_iter()
        .filter_map(|stored| match stored.event.kind {
            EventKind::NotifySet {
                addresses,
                on_queue,
            } => Some((addresses.len(), on_queue)),
            _ => None,
        });
    assert_eq!(told.collect::<Vec<_>>(), [(2, true), (2, false)]);

    for wrong in [
        &["smsc:1"][..],
        &[ADDRESS, "udp://127.0.0.1"],
        &[ADDRESS; 9],
    ] {
        let (status, detail) = refused(rig.api.set_notify(DEVICE, &at(wrong)).await);
        assert_eq!(status, 400, "{wrong:?}");
        assert!(detail.starts_with("addresses: "), "{detail}");
    }
    let nobody = rig.api.set_notify("IMEI:1", &at(&[])).await;
    assert_eq!(refused(nobody).0, 404);
    let kept = rig.api.device(DEVICE).await.unwrap().device.notify;
    assert_eq!(kept, set);
}

#[tokio::test]
async fn a_command_is_queued_whether_or_not_the_device_can_be_called() {
    let rig = Rig::new().await;
    rig.device(DEVICE).await;
    let (status, detail) = refused(rig.api.queue(DEVICE, &get(Some(true))).await);
    assert_eq!(status, 409);
    assert!(detail.contains("no address"), "{detail}");
    let queued = rig.api.queue(DEVICE, &get(None)).await.unwrap();
    assert_eq!((queued.commands.len(), queued.call), (1, None));

    rig.api.set_notify(DEVICE, &at(&[ADDRESS])).await.unwrap();
    let queued = rig.api.queue(DEVICE, &get(None)).await.unwrap();
    let call = queued.call.unwrap();
    assert_eq!(call.outcome, "failed");
    let why = call.detail.unwrap();
    assert!(why.contains("no completed bootstrap"), "{why}");
    assert!(call.action.unwrap().contains("Bootstrap the device"));
    assert_eq!(queued.commands.len(), 1);
    let quiet = rig.api.queue(DEVICE, &get(Some(false))).await.unwrap();
    assert_eq!(quiet.call, None);

    let off = NotifyAt {
        addresses: None,
        on_queue: Some(false),
        imsi: None,
        esn: None,
    };
    rig.api.set_notify(DEVICE, &off).await.unwrap();
    let quiet = rig.api.queue(DEVICE, &get(None)).await.unwrap();
    assert_eq!(quiet.call, None);
    let asked = rig.api.queue(DEVICE, &get(Some(true))).await.unwrap();
    assert_eq!(asked.call.unwrap().outcome, "failed");
    let listed = rig.api.commands(DEVICE, None).await.unwrap();
    assert_eq!(listed.commands.len(), 5);
}
