//! A DM 1.x account whose last bootstrap nobody can prove, on the client as a whole (`dm1x.md` M25).
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use omadm_session::client::Outcome;
use omadm_session::client::dm1::Dm1Outcome;
use support::dm1::{Dm1Server, get, say};
use support::install;
use support::managed::{Device, srv};

#[tokio::test(flavor = "multi_thread")]
async fn m25_after_five_sessions_with_secrets_that_the_server_has_not_the_former_ones_are_back_and_told()
 {
    let server = Dm1Server::start().await;
    let device = Device::fresh();
    let client = device.builder(&server.peer).build().unwrap();
    server.bootstrap(&client).await;
    let (right, wrong) = (b"serverSecret#1", b"serverSecret#2");
    let mut strange = server.image();
    let at = strange.windows(right.len()).position(|part| part == right);
    let at = at.unwrap();
    strange[at..at + wrong.len()].copy_from_slice(wrong);
    install(&client, strange).await;
    server.does(|nth, _| (nth < 3).then(|| say(get(1, "./DMAcc/1/Name"))));
    for session in 1..=5 {
        let report = client.session(&srv()).await.unwrap();
        let refused = Outcome::Dm1(Box::new(Dm1Outcome::ServerNotProven));
        assert_eq!(report.outcome, refused, "{session}");
        let repaired = (session == 5).then_some(Outcome::Ended);
        assert_eq!(report.repair, repaired, "{session}");
        assert_eq!(report.still_owed, session < 5, "{session}");
    }
    let events = server.generic();
    let data = events.last().unwrap().items[0].data.as_ref().unwrap();
    let data = data.text().unwrap();
    assert!(data.contains("kind=re") && data.contains("rev=1"), "{data}");
    let report = client.session(&srv()).await.unwrap();
    assert_eq!((report.outcome, report.repair), (Outcome::Ended, None));
    let tree = client.accounts().unwrap();
    assert!(tree[0].dm1.reverted && tree[0].dm1.shadow.is_none());
}
