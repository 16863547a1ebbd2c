//! The operator's API: closed without the token, strict about what it takes, silent about secrets.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use http::{Method, Request};
use http_body_util::{BodyExt as _, Full};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use omadm_mo::{DevId, Secret};
use omadm_server::operator::client::{ApiClient, ApiError};
use omadm_server::operator::types::{NewBootstrap, NewCredential, NewDevice};
use omadm_server::{DmServer, ExchangeObserver, ObservedExchange, StartError};
use omadm_tls::DeviceKey;
use proptest::strategy::{Strategy as _, ValueTree as _};
use proptest::string::{RegexGeneratorStrategy, string_regex};
use proptest::test_runner::TestRunner;
use support::{CLIENT_INITIATED, DEVICE, DOCUMENT, PACKAGE1, Rig};
use tokio::net::TcpStream;

/// A raw request to the operator listener.
async fn raw(
    rig: &Rig,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> (u16, serde_json::Value) {
    let stream = TcpStream::connect(rig.operator_addr()).await.unwrap();
    let stream = rig
        .connector(None)
        .connect(stream, "127.0.0.1")
        .await
        .unwrap();
    let (mut sender, connection) = handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let mut request = Request::builder()
        .method(method)
        .uri(path)
        .header("Host", "127.0.0.1");
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let answer = sender
        .send_request(
            request
                .body(Full::new(Bytes::from(body.to_owned())))
                .unwrap(),
        )
        .await
        .unwrap();
    let status = answer.status().as_u16();
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    (status, serde_json::from_slice(&body).unwrap_or_default())
}

fn bearer(rig: &Rig) -> String {
    format!("Bearer {}", String::from_utf8_lossy(rig.token.expose()))
}

fn status(refused: Result<impl Sized, ApiError>) -> (u16, String) {
    match refused.err() {
        Some(ApiError::Refused(problem)) => (problem.status, problem.detail),
        other => panic!("not refused: {other:?}"),
    }
}

#[tokio::test]
async fn every_path_of_the_api_is_closed_without_the_token() {
    let rig = Rig::new().await;
    let paths = [
        "devices",
        "devices/x",
        "bootstraps",
        "bootstraps/x",
        "events",
        "profiles",
        "openapi.json",
        "nothing",
    ];
    for path in paths.map(|path| format!("/api/v1/{path}")) {
        for headers in [
            &[][..],
            &[("Authorization", "Bearer wrong")],
            &[("Authorization", "Basic YTpi")],
            &[("Authorization", "Bearer ")],
        ] {
            assert_eq!(
                raw(&rig, Method::GET, &path, headers, "").await.0,
                401,
                "{path}"
            );
        }
    }
    assert_eq!(raw(&rig, Method::GET, "/healthz", &[], "").await.0, 200);
    assert_eq!(raw(&rig, Method::GET, "/readyz", &[], "").await.0, 200);
    let wrong = ApiClient::new(
        "127.0.0.1",
        rig.operator_addr().port(),
        rig.server().ca_certificate(),
        &Secret::from("x".repeat(43)),
    )
    .unwrap();
    assert_eq!(status(wrong.devices(None).await).0, 401);
}

#[tokio::test]
async fn devices_and_operators_never_share_a_port() {
    let rig = Rig::new().await;
    let auth = bearer(&rig);
    let mut wire = rig.connect(None).await;
    assert_eq!(
        wire.send(
            Method::GET,
            "/api/v1/devices",
            &[("Authorization", &auth)],
            ""
        )
        .await
        .status,
        404
    );
    assert_eq!(
        raw(
            &rig,
            Method::POST,
            "/dm/2.0",
            &[("Authorization", &auth), ("Content-Type", PACKAGE1)],
            CLIENT_INITIATED
        )
        .await
        .0,
        404
    );
}

#[tokio::test]
async fn unknown_members_and_broken_bodies_are_400_with_their_place() {
    let rig = Rig::new().await;
    let auth = bearer(&rig);
    let json = [
        ("Authorization", auth.as_str()),
        ("Content-Type", "application/json"),
    ];
    for (body, told) in [
        (r#"{"dev_id":"a","colour":"red"}"#, "colour"),
        ("{", "line 1"),
        (r#"{"code":true}"#, "dev_id"),
        (r#"{"dev_id":"a b"}"#, "DevID"),
        (r#"{"dev_id":"a","csr":"no"}"#, "csr"),
        (r#"{"dev_id":"a","profile":"none"}"#, "none"),
    ] {
        let (status, problem) = raw(&rig, Method::POST, "/api/v1/devices", &json, body).await;
        assert_eq!(status, 400, "{body}");
        assert!(
            problem["detail"].as_str().unwrap().contains(told),
            "{problem}"
        );
    }
    assert_eq!(
        raw(&rig, Method::POST, "/api/v1/devices", &json[..1], "{}")
            .await
            .0,
        415
    );
    assert_eq!(
        raw(&rig, Method::GET, "/api/v1/events?colour=red", &json, "")
            .await
            .0,
        400
    );
    assert_eq!(
        raw(&rig, Method::PATCH, "/api/v1/devices", &json, "")
            .await
            .0,
        405
    );
    assert!(
        rig.api.devices(None).await.unwrap().devices.is_empty(),
        "a refused request registered a device"
    );
}

#[tokio::test]
async fn a_device_is_registered_once_and_shown_without_secrets() {
    let rig = Rig::new().await;
    let new = NewDevice {
        dev_id: DEVICE.to_owned(),
        code: true,
        ..NewDevice::default()
    };
    let added = rig.api.add_device(&new).await.unwrap();
    let code = added.code.unwrap();
    assert_eq!(status(rig.api.add_device(&new).await).0, 409);
    let shown = rig.api.device(DEVICE).await.unwrap();
    rig.flush().await;
    let text = serde_json::to_string(&shown).unwrap()
        + &serde_json::to_string(&rig.api.events(0, None).await.unwrap()).unwrap();
    assert!(!text.contains(&code));
    assert_eq!(
        (
            shown.credentials[0].proof.as_str(),
            shown.credentials[0].tries_left
        ),
        ("bootstrap-code", Some(5))
    );
    assert_eq!(status(rig.api.device("IMEI:1").await).0, 404);
    rig.api
        .revoke_credential(DEVICE, &shown.credentials[0].id)
        .await
        .unwrap();
    assert!(
        rig.api.device(DEVICE).await.unwrap().credentials[0]
            .revoked_at
            .is_some()
    );
    assert_eq!(
        status(rig.api.revoke_credential(DEVICE, "code-0").await).0,
        404
    );
    let nothing = NewCredential::default();
    assert_eq!(
        status(rig.api.add_credential(DEVICE, &nothing).await).0,
        400
    );
}

#[tokio::test]
async fn lists_come_in_pages_and_events_resume_by_position() {
    let rig = Rig::new().await;
    for number in 0..3 {
        rig.api
            .add_device(&NewDevice {
                dev_id: format!("IMEI:{number}"),
                ..NewDevice::default()
            })
            .await
            .unwrap();
    }
    let auth = bearer(&rig);
    let headers = [("Authorization", auth.as_str())];
    let (_, page) = raw(&rig, Method::GET, "/api/v1/devices?limit=2", &headers, "").await;
    assert_eq!(
        (
            page["devices"].as_array().unwrap().len(),
            page["next"].as_str()
        ),
        (2, Some("IMEI:1"))
    );
    let rest = rig.api.devices(Some("IMEI:1")).await.unwrap();
    assert_eq!((rest.devices.len(), rest.next), (1, None));
    rig.flush().await;
    let events = rig.api.events(0, None).await.unwrap();
    assert_eq!(events.events.len(), 3);
    assert!(
        rig.api
            .events(events.next, None)
            .await
            .unwrap()
            .events
            .is_empty()
    );
    let (_, own) = raw(
        &rig,
        Method::GET,
        "/api/v1/events?device=IMEI:1",
        &headers,
        "",
    )
    .await;
    assert_eq!(own["events"][0]["what"]["event"], "device-registered");
    rig.seed("IMEI:0", DOCUMENT, 60).await;
    let bootstraps = rig.api.bootstraps(None).await.unwrap().bootstraps;
    assert_eq!(
        (bootstraps.len(), bootstraps[0].state.as_str()),
        (1, "queued")
    );
    assert_eq!(
        rig.api.bootstrap(&bootstraps[0].id).await.unwrap(),
        bootstraps[0]
    );
}

#[tokio::test]
async fn a_bootstrap_that_cannot_be_started_is_refused_with_a_reason() {
    let rig = Rig::new().await;
    rig.device(DEVICE).await;
    let new = |profile: Option<&str>, method: Option<&str>| NewBootstrap {
        device: DEVICE.to_owned(),
        profile: profile.map(str::to_owned),
        method: method.map(str::to_owned),
        ..NewBootstrap::default()
    };
    assert_eq!(
        status(rig.api.start_bootstrap(&new(None, None)).await).0,
        400
    );
    assert_eq!(
        status(rig.api.start_bootstrap(&new(Some("none"), None)).await).0,
        400
    );
    assert_eq!(
        status(
            rig.api
                .start_bootstrap(&new(Some("none"), Some("pigeon")))
                .await
        )
        .0,
        400
    );
    assert_eq!(
        status(
            rig.api
                .start_bootstrap(&new(Some("none"), Some("server-initiated")))
                .await
        )
        .0,
        400
    );
    let inline = NewBootstrap {
        profile_toml: Some("colour = 1".to_owned()),
        ..new(None, None)
    };
    assert!(
        status(rig.api.start_bootstrap(&inline).await)
            .1
            .contains("profile_toml")
    );
}

#[tokio::test]
async fn the_openapi_document_names_every_path() {
    let rig = Rig::new().await;
    let auth = bearer(&rig);
    let (_, document) = raw(
        &rig,
        Method::GET,
        "/api/v1/openapi.json",
        &[("Authorization", &auth)],
        "",
    )
    .await;
    let paths: Vec<_> = document["paths"]
        .as_object()
        .unwrap()
        .keys()
        .map(String::as_str)
        .collect();
    for path in [
        "/api/v1/devices",
        "/api/v1/devices/{dev_id}",
        "/api/v1/bootstraps",
        "/api/v1/bootstraps/{id}",
        "/api/v1/events",
        "/api/v1/profiles",
    ] {
        assert!(paths.contains(&path), "{path}");
    }
    assert!(document["components"]["schemas"]["NewDevice"].is_object());
    assert!(document["components"]["securitySchemes"]["token"].is_object());
}

#[tokio::test]
async fn http_without_tls_is_for_loopback_alone() {
    let rig = Rig::with(|config| config.operator_plain = true, |server| server).await;
    let plain = ApiClient::plain("127.0.0.1", rig.operator_addr().port(), &rig.token).unwrap();
    assert!(plain.devices(None).await.unwrap().devices.is_empty());
    let dir = tempfile::tempdir().unwrap();
    let mut config = omadm_server::config::ServerConfig::new(dir.path());
    config.operator_plain = true;
    config.operator_listen = "0.0.0.0:0".parse().unwrap();
    assert!(matches!(
        DmServer::new(config).start().await.err(),
        Some(StartError::PlainBeyondLoopback(_))
    ));
}

#[derive(Default)]
struct Seen(Mutex<Vec<ObservedExchange>>);

impl ExchangeObserver for Seen {
    fn exchange(&self, exchange: &ObservedExchange) {
        self.0.lock().unwrap().push(exchange.clone());
    }
}

#[tokio::test]
async fn an_observer_sees_every_exchange_with_its_secrets_masked() {
    const SECRET: &str = "AAECAwQFBgcICQoLDA0ODw==";
    let document = format!(
        r#"[{{"ClientURI":"urn:oma:mo:oma-dm-dmacc:1.2//","MOData":{{"DMAcc":{{"SrvID":"dms","Auth":{{"Trsp":{{"Data":"AA==","Secret":"{SECRET}"}}}}}}}}}}]"#
    );
    let seen = Arc::new(Seen::default());
    let observer = Arc::clone(&seen);
    let rig = Rig::with(|_| {}, |server| server.with_observer(observer.clone())).await;
    let identity = rig.device(DEVICE).await;
    rig.seed(DEVICE, document.as_bytes(), 60).await;
    let mut wire = rig.connect(Some(&identity)).await;
    assert!(String::from_utf8_lossy(&wire.fetch(DEVICE).await.body).contains(SECRET));
    wire.package(DEVICE, PACKAGE1, CLIENT_INITIATED).await;
    let seen = seen.0.lock().unwrap();
    assert_eq!(
        seen.iter()
            .map(|it| (it.method.as_str(), it.path.as_str(), it.status))
            .collect::<Vec<_>>(),
        [("GET", "/bootstrap", 200), ("POST", "/dm/2.0", 200)]
    );
    assert!(seen[0].response.as_ref().unwrap().contains("SrvID"));
    assert!(
        seen[1]
            .request
            .as_ref()
            .unwrap()
            .contains("ClientInitiatedMgmt")
    );
    assert!(!format!("{seen:?}").contains(SECRET));
}

/// Cursors, numbers and names as nobody would write them, NUL among them: PostgreSQL takes none.
#[tokio::test]
async fn no_query_and_no_path_of_a_request_is_a_fault_of_the_server() {
    let rig = Rig::new().await;
    rig.known(DEVICE).await;
    let device = format!("/api/v1/devices/{DEVICE}");
    let lists = [
        "/api/v1/devices".to_owned(),
        "/api/v1/bootstraps".to_owned(),
        "/api/v1/events".to_owned(),
        format!("{device}/commands"),
        format!("{device}/objects"),
    ];
    let auth = bearer(&rig);
    let headers = [("Authorization", auth.as_str())];
    let text = "(%00|%FF|%C3%BC|%|[0-9]{1,30}|[a-zA-Z~/.:-]{1,8}|-|[+]){0,4}";
    let query = format!("((after|before|limit|device|scope|[a-z]{{1,4}})={text}&?){{1,3}}");
    let (query, name) = (string_regex(&query).unwrap(), string_regex(text).unwrap());
    let mut runner = TestRunner::deterministic();
    let mut one = |of: &RegexGeneratorStrategy<String>| of.new_tree(&mut runner).unwrap().current();
    let mut asked = Vec::new();
    for turn in 0..60 {
        let list = &lists[turn % lists.len()];
        asked.push((Method::GET, format!("{list}?{}", one(&query))));
        let path = format!("{device}/objects/{}", one(&name));
        asked.push(([Method::GET, Method::DELETE][turn % 2].clone(), path));
        asked.push((Method::GET, format!("{list}/{}", one(&name))));
    }
    for path in [
        "objects?after=%00",
        "objects/a%00",
        "commands?before=18446744073709551615",
    ] {
        asked.push((Method::GET, format!("{device}/{path}")));
    }
    for (method, path) in asked {
        let (status, _) = raw(&rig, method.clone(), &path, &headers, "").await;
        assert!(
            matches!(status, 200 | 400 | 404 | 405),
            "{method} {path}: {status}"
        );
    }
}

/// Bodies of every operation that takes one, of the members that its schema names: values of the right type that mean nothing, of another type, too long, and
/// octets that are no JSON.
#[tokio::test]
async fn no_body_of_a_request_is_a_fault_of_the_server() {
    let rig = Rig::new().await;
    let device = NewDevice {
        dev_id: DEVICE.to_owned(),
        ..NewDevice::default()
    };
    rig.api.add_device(&device).await.unwrap();
    let auth = bearer(&rig);
    let json = ("Content-Type", "application/json");
    let headers = [("Authorization", auth.as_str()), json];
    let openapi = "/api/v1/openapi.json";
    let (_, document) = raw(&rig, Method::GET, openapi, &headers, "").await;
    let text =
        "(IMEI:|urn:|https://|-----BEGIN |\\\\u0000|\\\\n|ü|[0-9]{1,30}|[a-zA-Z~/.:*-]{1,8}|){0,4}";
    let value = format!(
        "(\"{text}\"|\"{text}\"|\"{text}\"|null|true|-?[1-9][0-9]{{0,24}}|1e9|\\[\"{text}\"\\]|\\{{\"{text}\":\"{text}\"\\}}|\\[\\[\\[\\]\\]\\])"
    );
    let value = string_regex(&value).unwrap();
    let mut runner = TestRunner::deterministic();
    let mut one = || value.new_tree(&mut runner).unwrap().current();
    let mut taken = 0;
    for (path, methods) in document["paths"].as_object().unwrap() {
        let at = path.replace("{dev_id}", DEVICE).replace(['{', '}'], "");
        for (method, operation) in methods.as_object().unwrap() {
            let schema = &operation["requestBody"]["content"]["application/json"]["schema"];
            let Some(name) = schema["$ref"].as_str() else {
                continue;
            };
            let name = name.rsplit('/').next().unwrap();
            let members = &document["components"]["schemas"][name]["properties"];
            let members: Vec<_> = members.as_object().unwrap().keys().collect();
            let method = Method::from_bytes(method.to_uppercase().as_bytes()).unwrap();
            for turn in 0..8 {
                let some = members.iter().enumerate();
                let some = some.filter(|(n, _)| turn == 0 || (turn + n) % 3 != 0);
                let some = some.map(|(_, member)| format!("\"{member}\":{}", one()));
                let mut body = format!("{{{}}}", some.collect::<Vec<_>>().join(","));
                match turn {
                    6 => body = r#"{"dev_id":"IMEI:490154203237518"}"#.to_owned(),
                    7 => body.truncate(body.len() / 2),
                    _ => {}
                }
                let (status, _) = raw(&rig, method.clone(), &at, &headers, &body).await;
                assert!(
                    (200..500).contains(&status),
                    "{method} {at} {body}: {status}"
                );
                taken += usize::from(status < 300);
            }
        }
    }
    // Some of it means something: what lies behind the parsing is reached.
    assert!(taken > 0);
}

#[tokio::test]
async fn a_request_that_names_another_registered_device_is_refused_unless_it_takes_over() {
    let rig = Rig::new().await;
    rig.device(DEVICE).await;
    let request = |dev_id: &str| {
        let key = DeviceKey::generate().unwrap();
        let request = key.certificate_request(&DevId::parse(dev_id).unwrap());
        Some(request.unwrap().to_pem())
    };
    let other = |csr: Option<String>, take_over: bool| NewDevice {
        dev_id: "IMEI:600".to_owned(),
        csr,
        take_over,
        ..NewDevice::default()
    };
    let (told, detail) = status(rig.api.add_device(&other(request(DEVICE), false)).await);
    assert_eq!(told, 409);
    assert!(
        detail.contains(&format!("the request is for {DEVICE}")),
        "{detail}"
    );
    assert!(
        rig.api.device("IMEI:600").await.is_err(),
        "nothing was registered"
    );
    // A name that nobody has, and one that is no DevID, are claims alone.
    rig.api
        .add_device(&other(request("IMEI:601"), false))
        .await
        .unwrap();
    let new = |take_over| NewCredential {
        csr: request(DEVICE),
        take_over,
        ..NewCredential::default()
    };
    let (told, _) = status(rig.api.add_credential("IMEI:600", &new(false)).await);
    assert_eq!(told, 409);
    let added = rig
        .api
        .add_credential("IMEI:600", &new(true))
        .await
        .unwrap();
    assert!(added.certificate.is_some());
    let own = rig.api.add_credential(DEVICE, &new(false)).await.unwrap();
    assert!(own.certificate.is_some());
}
