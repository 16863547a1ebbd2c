//! Repositories that move objects, for HGET, HPUT and HPOST, and those that say what did not change (D08, RFC 9110 §13).
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use omadm_client::Client;
use serde_json::json;
use support::ON_LOOPBACK;
use support::managed::{Device, GPS, gps, statuses};
use support::peer::{Answer, Asked, Peer, document, status};

fn versioned(rate: i64, etag: &str) -> Answer {
    document(&json!([gps("a", rate)])).with("ETag", etag)
}

/// Whether the tree has these values.
async fn stored(client: &Client, rate: i64, id: &str) -> bool {
    let tree = client.readable_tree().await.unwrap();
    let wanted = format!(r#""GPS":{{"ID":"{id}","Rate":{rate}}}"#);
    tree.iter().any(|item| item.to_compact().contains(&wanted))
}

/// The requests for the object since the last call: what each asked not to get again.
fn conditions(peer: &Peer) -> Vec<Option<String>> {
    let asked = peer.repository();
    peer.forget();
    let header = |one: &Asked| one.header("if-none-match").map(str::to_owned);
    asked.iter().map(header).collect()
}

/// No redirect of another kind is followed, nor one to another scheme.
async fn follows_no_other(client: &Client, peer: &Peer, command: &str, elsewhere: &str) {
    let plain = elsewhere.replace("https:", "http:");
    for (code, to) in [
        (301, elsewhere),
        (302, elsewhere),
        (303, elsewhere),
        (307, &plain),
    ] {
        let list = json!([[command, peer.url("x"), format!("{GPS}/left/")]]);
        peer.forget();
        let to = to.to_owned();
        peer.says(list, move |_| status(code).with("Location", &to).into());
        let told = statuses(client, peer).await;
        assert!(told[0] >= 300, "{code}: {told:?}");
        assert_eq!(peer.repository().len(), 1);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hget_of_what_did_not_change_brings_no_body_and_stores_the_same() {
    let peer = Peer::start().await;
    let device = Device::of(&peer).await;
    let client = device.client(&peer);
    let left = format!("{GPS}/left/");
    let hget = |path: &str| json!([["HGET", peer.url(path), left]]);
    peer.says(hget("a"), |_| versioned(5, "\"v1\"").into());
    assert_eq!(statuses(&client, &peer).await, [200]);
    assert_eq!(conditions(&peer), [None]);
    // Another object takes its place in the tree; the first then comes back although no body does.
    peer.says(hget("b"), |_| versioned(6, "\"v1\"").into());
    assert_eq!(statuses(&client, &peer).await, [200]);
    assert_eq!(conditions(&peer), [None], "an ETag is of one URL");
    assert!(stored(&client, 6, "a").await);
    peer.says(hget("a"), |_| status(304).into());
    assert_eq!(statuses(&client, &peer).await, [200]);
    assert_eq!(conditions(&peer), [Some("\"v1\"".to_owned())]);
    assert!(stored(&client, 5, "a").await);
    // A newer version takes its place.
    peer.says(hget("a"), |_| versioned(7, "W/\"v2\"").into());
    assert_eq!(statuses(&client, &peer).await, [200]);
    assert_eq!(conditions(&peer), [Some("\"v1\"".to_owned())]);
    assert!(stored(&client, 7, "a").await);
    // What is not to be stored is not kept.
    peer.says(hget("a"), |_| {
        let secret = versioned(8, "\"v3\"").with("Cache-Control", "private, No-Store");
        secret.into()
    });
    assert_eq!(statuses(&client, &peer).await, [200]);
    assert_eq!(conditions(&peer), [Some("W/\"v2\"".to_owned())]);
    peer.says(hget("a"), |_| status(304).into());
    assert_eq!(
        statuses(&client, &peer).await,
        [502],
        "nobody asked for that"
    );
    assert_eq!(conditions(&peer), [None]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hget_follows_three_redirects_and_tells_nobody_else_who_the_device_is_d08() {
    let peer = Peer::start().await;
    let mut device = Device::of(&peer).await;
    device.network = ON_LOOPBACK;
    let client = device.client(&peer);
    let other = peer.beside().await;
    let elsewhere = format!("https://localhost:{}/there", other.port);
    other.does(|_| document(&json!([gps("moved", 6)])).into());
    let list = json!([["HGET", peer.url("1"), format!("{GPS}/left/")]]);
    let last = elsewhere.clone();
    peer.says(list, move |asked| match asked.path.as_str() {
        "/1" => status(307).with("Location", "/2").into(),
        "/2" => status(308).with("Location", "/3").into(),
        _ => status(307).with("Location", &last).into(),
    });
    assert_eq!(statuses(&client, &peer).await, [200]);
    assert!(stored(&client, 6, "moved").await);
    let home = peer.repository();
    assert_eq!(home.len(), 3);
    assert!(home.iter().all(|one| one.header("omadm-devid").is_some()));
    let asked = other.asked();
    assert_eq!((asked.len(), asked[0].header("omadm-devid")), (1, None));

    // The fourth is not followed, nor any other kind, nor one to another scheme.
    let list = json!([["HGET", peer.url("0"), format!("{GPS}/left/")]]);
    peer.forget();
    peer.says(list, |asked| {
        let next = asked.path[1..].parse::<u32>().unwrap() + 1;
        status(307).with("Location", &format!("/{next}")).into()
    });
    assert_eq!(statuses(&client, &peer).await.len(), 1);
    assert_eq!(peer.repository().len(), 4);
    follows_no_other(&client, &peer, "HGET", &elsewhere).await;
    assert_eq!(other.asked().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn no_redirect_of_a_transfer_leads_where_policy_forbids() {
    let peer = Peer::start().await;
    let device = Device::of(&peer).await;
    let client = device.client(&peer);
    let victim = peer.beside().await;
    for host in ["localhost", "[::1]", "127.1", "10.0.0.1", "169.254.169.254"] {
        let to = format!("https://{host}:{}/x", victim.port);
        let list = json!([["HGET", peer.url("x"), format!("{GPS}/left/")]]);
        let location = to.clone();
        peer.says(list, move |_| {
            status(307).with("Location", &location).into()
        });
        assert_eq!(statuses(&client, &peer).await, [403], "{to}");
        for method in ["HPUT", "HPOST"] {
            let list = json!([[method, peer.url("x"), format!("{GPS}/left/")]]);
            let location = to.clone();
            peer.says(list, move |_| {
                status(308).with("Location", &location).into()
            });
            assert_eq!(statuses(&client, &peer).await, [403], "{method} {to}");
        }
        let url = omadm_mo::ServerUri::parse(&peer.url("fw.bin")).unwrap();
        let server = support::managed::srv();
        let refused = client.download(&server, &url, |_| std::ops::ControlFlow::Continue(()));
        let refused = refused.await.unwrap_err();
        assert_eq!(refused.status().get(), 403, "{to}: {refused}");
    }
    assert_eq!(victim.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_follows_three_redirects_with_its_method_and_body_d08() {
    let peer = Peer::start().await;
    let mut device = Device::of(&peer).await;
    device.network = ON_LOOPBACK;
    let client = device.client(&peer);
    let other = peer.beside().await;
    let elsewhere = format!("https://localhost:{}/there", other.port);
    // The type that the last one takes is asked for there, not where the upload began.
    other.does(|asked| match asked.header("Content-Type") {
        Some("application/json") => status(201).into(),
        _ => status(415).with("OMADM-Accept", "application/json").into(),
    });
    for method in ["HPUT", "HPOST"] {
        let list = json!([[method, peer.url("1"), format!("{GPS}/left/")]]);
        let last = elsewhere.clone();
        peer.forget();
        other.forget();
        peer.says(list, move |asked| match asked.path.as_str() {
            "/1" => status(307).with("Location", "/2").into(),
            "/2" => status(308).with("Location", "/3").into(),
            _ => status(307).with("Location", &last).into(),
        });
        assert_eq!(statuses(&client, &peer).await, [200]);
        let home = peer.repository();
        assert_eq!(home.len(), 3);
        assert!(home.iter().all(|one| one.header("omadm-devid").is_some()));
        let asked = other.asked();
        assert_eq!(asked.len(), 2);
        for one in home.iter().chain(&asked) {
            assert_eq!(one.method, method[1..]);
            assert_eq!(one.body, home[0].body);
        }
        assert!(asked.iter().all(|one| one.header("omadm-devid").is_none()));

        // The fourth is not followed.
        let list = json!([[method, peer.url("0"), format!("{GPS}/left/")]]);
        peer.forget();
        peer.says(list, |asked| {
            let next = asked.path[1..].parse::<u32>().unwrap() + 1;
            status(308).with("Location", &format!("/{next}")).into()
        });
        assert_eq!(statuses(&client, &peer).await.len(), 1);
        assert_eq!(peer.repository().len(), 4);
    }
    other.forget();
    follows_no_other(&client, &peer, "HPUT", &elsewhere).await;
    assert!(other.asked().is_empty());
}
