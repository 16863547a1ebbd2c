//! Where a hostile server may not send the device (`[network]` of the policy): each command, redirects, and the keys that open it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use omadm_client::MissingMo;
use omadm_client::policy::NetworkPolicy;
use omadm_mo::Moid;
use omadm_session::client::{AddressRule, Cause, Outcome};
use serde_json::{Value, json};
use support::ON_LOOPBACK;
use support::managed::{CLOCK, Device, GPS, PUMP, gps, srv, statuses};
use support::peer::{Peer, document, status};

/// Every command that makes the device connect somewhere, and its status where policy forbids that.
fn commands(to: &str) -> Vec<(Value, u64)> {
    let left = format!("{GPS}/left/");
    vec![
        (json!(["HGET", to, left]), 403),
        (json!(["HPUT", to, left]), 403),
        (json!(["HPOST", to, left]), 403),
        (json!(["SUB", to, left]), 403),
        (json!(["DEFAULT", to, CLOCK]), 403),
        (json!(["EXEC", format!("{PUMP}//Run"), to]), 403),
        (json!(["CONT", to]), 403),
        // D24 has no 403 for SHOW.
        (json!(["SHOW", to]), 500),
    ]
}

/// Names and numbers that all resolve to this device, or to its surroundings.
fn hidden(port: u16) -> Vec<String> {
    let hosts = [
        "localhost",
        "LOCALHOST",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0.0.0.0",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "10.0.0.1",
        "192.168.1.1",
        "169.254.169.254",
        "[fd00::1]",
        "[fe80::1]",
    ];
    let urls = hosts.iter();
    urls.map(|host| format!("https://{host}:{port}/x"))
        .collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn no_command_makes_the_device_connect_to_itself_or_its_network() {
    let peer = Peer::start().await;
    let mut device = Device::of(&peer).await;
    device.browser = true;
    let victim = peer.beside().await;
    let client = device.client(&peer);
    for url in hidden(victim.port) {
        let (list, expected): (Vec<_>, Vec<_>) = commands(&url).into_iter().unzip();
        peer.says(json!(list), |_| status(404).into());
        assert_eq!(statuses(&client, &peer).await, expected, "{url}");
    }
    assert_eq!(victim.connections(), 0);
    assert!(device.shown.lock().unwrap().is_empty());
    let account = client.accounts().unwrap().remove(0);
    assert!(account.subscriptions.is_empty() && account.defaults.is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn plain_http_is_403_and_other_schemes_are_400_d24() {
    let peer = Peer::start().await;
    let mut device = Device::of(&peer).await;
    device.browser = true;
    device.network = ON_LOOPBACK;
    let client = device.client(&peer);
    let plain = format!("http://127.0.0.1:{}/x", peer.port);
    let (list, expected): (Vec<_>, Vec<_>) = commands(&plain).into_iter().unzip();
    peer.says(json!(list), |_| status(404).into());
    assert_eq!(statuses(&client, &peer).await, expected);
    for other in ["file:///etc/passwd", "ftp://example.com/x", "unix:/run/x"] {
        let (list, _): (Vec<_>, Vec<_>) = commands(other).into_iter().unzip();
        let count = list.len();
        peer.says(json!(list), |_| status(404).into());
        assert_eq!(statuses(&client, &peer).await, vec![400; count], "{other}");
    }
    assert!(device.shown.lock().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_named_key_opens_loopback_to_every_command() {
    let peer = Peer::start().await;
    let mut device = Device::of(&peer).await;
    device.browser = true;
    device.network = ON_LOOPBACK;
    let client = device.client(&peer);
    let url = format!("https://localhost:{}/x", peer.port);
    let (list, _): (Vec<_>, Vec<_>) = commands(&url).into_iter().unzip();
    peer.says(json!(list), |asked| match asked.method.as_str() {
        "GET" => document(&json!([gps("b", 6)])).into(),
        _ => status(204).into(),
    });
    let done = statuses(&client, &peer).await;
    assert_eq!(done, [200, 200, 200, 200, 200, 202, 200, 200]);
    assert_eq!(*device.shown.lock().unwrap(), [url]);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_key_for_plain_http_opens_repositories_but_never_a_session() {
    let peer = Peer::start().await;
    let mut device = Device::of(&peer).await;
    device.browser = true;
    device.network = NetworkPolicy {
        allow_plain_http: true,
        ..ON_LOOPBACK
    };
    let client = device.client(&peer);
    let socket = tokio::net::TcpListener::bind(support::LOOPBACK)
        .await
        .unwrap();
    let url = format!("http://127.0.0.1:{}/x", socket.local_addr().unwrap().port());
    let served = tokio::spawn(async move {
        use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
        let (mut stream, _) = socket.accept().await.unwrap();
        let mut request = vec![0; 4];
        stream.read_exact(&mut request).await.unwrap();
        let body = json!([gps("plain", 6)]).to_string();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", body.len());
        stream.write_all((head + &body).as_bytes()).await.unwrap();
        stream.flush().await.unwrap();
        request
    });
    let list = json!([
        ["HGET", url, format!("{GPS}/left/")],
        ["CONT", url],
        ["EXEC", format!("{PUMP}//Run"), url],
        ["SHOW", url]
    ]);
    peer.says(list, |_| status(404).into());
    assert_eq!(statuses(&client, &peer).await, [200, 403, 403, 200]);
    assert_eq!(served.await.unwrap(), b"GET ");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_redirect_leads_to_no_forbidden_address() {
    let peer = Peer::start().await;
    let device = Device::of(&peer).await;
    let victim = peer.beside().await;
    let client = device.client(&peer);
    for url in hidden(victim.port) {
        let location = url.clone();
        peer.does(move |_| status(307).with("Location", &location).into());
        let report = client.session(&srv()).await.unwrap();
        let forbidden = matches!(report.outcome, Outcome::Lost(Cause::Forbidden(_)));
        assert!(forbidden, "{url}: {:?}", report.outcome);
    }
    // A repository is not followed anywhere.
    let location = format!("https://localhost:{}/x", victim.port);
    peer.says(
        json!([["HGET", peer.url("x"), format!("{GPS}/left/")]]),
        move |_| status(302).with("Location", &location).into(),
    );
    assert_eq!(statuses(&client, &peer).await, [502]);
    assert_eq!(victim.connections(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_moves_its_srv_uri_is_judged_at_its_new_place() {
    let peer = Peer::start().await;
    let mut device = Device::of(&peer).await;
    let client = device.client(&peer);
    let moved = format!("https://localhost:{}/dm", peer.port);
    let value = json!([{"MOData": {"SrvURI": moved}}]);
    let at = "urn:oma:mo:oma-dm-dmacc:1.2/1/SrvURI";
    peer.says(json!([["HGET", peer.url("x"), at]]), move |_| {
        document(&value).into()
    });
    assert_eq!(statuses(&client, &peer).await, [200]);
    let report = client.session(&srv()).await.unwrap();
    assert_eq!(
        report.outcome,
        Outcome::Lost(Cause::Forbidden(AddressRule::Loopback))
    );
    // Whoever asks why is told which key of the policy it was, until a session gets through.
    let why = client.forbidden_address(&srv()).unwrap();
    assert_eq!(why.and_then(AddressRule::key), Some("allow_loopback"));
    drop(client);
    device.network = ON_LOOPBACK;
    let client = device.client(&peer);
    peer.says(json!([["END"]]), |_| status(404).into());
    let report = client.session(&srv()).await.unwrap();
    assert_eq!(report.outcome, Outcome::Ended);
    assert_eq!(client.forbidden_address(&srv()).unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn x_cmd_002_a_missing_configuration_is_fetched_from_its_default_and_nobody_is_told() {
    let peer = Peer::start().await;
    let device = Device::of(&peer).await;
    let client = device.client(&peer);
    let clock = Moid::parse(CLOCK).unwrap();
    assert_eq!(client.missing(&clock).await.unwrap(), MissingMo::NoDefault);
    let gps_moid = Moid::parse(GPS).unwrap();
    assert_eq!(client.missing(&gps_moid).await.unwrap(), MissingMo::Present);
    peer.says(json!([["DEFAULT", peer.url("clock"), CLOCK]]), |_| {
        status(404).into()
    });
    assert_eq!(statuses(&client, &peer).await, [200]);
    drop(client);
    let client = device.client(&peer);
    peer.forget();
    peer.does(|_| status(503).into());
    assert_eq!(
        client.missing(&clock).await.unwrap(),
        MissingMo::NotFetched(Cause::Status(503))
    );
    let foreign =
        json!([{"ClientURI": "urn:example:mo:private:1.0//", "MOData": {"P": {"ID": "x"}}}]);
    peer.does(move |_| document(&foreign).into());
    let refused = client.missing(&clock).await.unwrap();
    assert!(
        matches!(refused, MissingMo::NotInstalled(code) if code.get() == 403),
        "{refused:?}"
    );
    let wanted =
        json!([{"ClientURI": format!("{CLOCK}//"), "MOData": {"Clock": {"ID": "c", "Rate": 1}}}]);
    peer.does(move |_| document(&wanted).into());
    assert_eq!(client.missing(&clock).await.unwrap(), MissingMo::Installed);
    assert_eq!(client.missing(&clock).await.unwrap(), MissingMo::Present);
    assert!(peer.asked().iter().all(|asked| asked.method == "GET"));
    let tree = client.readable_tree().await.unwrap();
    let tree: Vec<_> = tree.iter().map(omadm_mo::json::Json::to_compact).collect();
    assert!(
        tree.iter()
            .any(|item| item.contains(r#""Clock":{"ID":"c","Rate":1}"#))
    );
}
