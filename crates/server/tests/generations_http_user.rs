//! A generation of an HTTP user over the wire (D83): rotation in sessions that the device opens by Basic and by Digest.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::path::Path;

use http::Method;
use omadm_dm2::http_auth::{self, Challenge};
use omadm_mo::Secret;
use omadm_server::config::{ReBootstrap, ServerConfig};
use omadm_server::operator::types::{NewBootstrap, NewRotation};
use support::secrets::{SESSION, commands};
use support::{Answer, CLIENT_INITIATED, DEV_INFO, PACKAGE1, PACKAGE3, Rig, Wire};

#[tokio::test]
async fn x_sec_001_an_http_user_is_rotated_in_sessions_by_basic_and_by_digest() {
    let settings = |config: &mut ServerConfig| {
        config.profiles_dir = Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../profiles"));
        config.re_bootstrap = ReBootstrap::Same;
    };
    let rig = Rig::with(settings, |server| server).await;
    for (number, by_basic) in [(1, true), (2, false)] {
        let dev_id = &format!("IMEI:{number:015}");
        let identity = rig.device(dev_id).await;
        let new = NewBootstrap {
            device: dev_id.clone(),
            profile: Some("http".to_owned()),
            ..NewBootstrap::default()
        };
        rig.api.start_bootstrap(&new).await.unwrap();
        let document = rig.connect(Some(&identity)).await.fetch(dev_id).await;
        let account = &document.json()[0]["MOData"]["DMAcc"]["Ext"]["HTTPAuth"];
        let login = |node: &serde_json::Value| {
            let text = |name: &str| node[name].as_str().unwrap().to_owned();
            (text("User"), Secret::from(text("Password")))
        };
        let provisioned = login(account);
        let mut wire = rig.connect(None).await;
        let completion = support::completion(&format!("{number:032x}"), &document.body);
        let report = (PACKAGE1, completion);
        let answer = by_user(&mut wire, dev_id, by_basic, &provisioned, Some(report)).await;
        assert_eq!(answer.status, 200, "{:?}", answer.json());
        let info = Some((PACKAGE3, DEV_INFO.to_owned()));
        let answer = by_user(&mut wire, dev_id, by_basic, &provisioned, info).await;
        assert_eq!(commands(&answer), [["END"]]);
        let credentials = async |generation: &str| {
            let all = rig.api.device(dev_id).await.unwrap().credentials;
            let users = all.into_iter().filter(|one| {
                one.proof == "http-user" && one.generation == generation && one.revoked_at.is_none()
            });
            users.map(|one| one.id).collect::<Vec<_>>()
        };
        let id = |(user, _): &(String, Secret)| format!("http-user:{user}");
        assert_eq!(credentials("current").await, [id(&provisioned)]);

        let session = NewRotation {
            scope: Some(SESSION.to_owned()),
            ..NewRotation::default()
        };
        let queued = rig.api.rotate(dev_id, &session).await.unwrap();
        assert!(queued.credential.starts_with("http-user:"), "{queued:?}");
        let opened = || Some((PACKAGE1, CLIENT_INITIATED.to_owned()));
        let answer = by_user(&mut wire, dev_id, by_basic, &provisioned, opened()).await;
        let hget = commands(&answer).remove(0);
        assert_eq!(hget[2], "urn:oma:mo:oma-dm-dmacc:1.2//Ext/HTTPAuth");
        let path = hget[1][hget[1].find("/repo/").unwrap()..].to_owned();
        let found = by_user_at(&mut wire, dev_id, by_basic, &provisioned, &path, None).await;
        let fresh = login(&found.json()[0]["MOData"]["HTTPAuth"]);
        let stored = Some((PACKAGE3, r#"{"Status":[{"sc":200}]}"#.to_owned()));
        let answer = by_user(&mut wire, dev_id, by_basic, &provisioned, stored).await;
        assert_eq!(answer.status, 200, "{:?}", answer.json());
        // It counts once it is used, and the former one until then.
        assert_eq!(credentials("current").await, [id(&provisioned)]);
        assert_eq!(credentials("pending").await, [id(&fresh)]);
        let answer = by_user(&mut wire, dev_id, by_basic, &fresh, opened()).await;
        assert_eq!(answer.status, 200, "{:?}", answer.json());
        assert_eq!(credentials("current").await, [id(&fresh)]);
        assert_eq!(credentials("boot").await, [id(&provisioned)]);
        let answer = by_user(&mut wire, dev_id, by_basic, &provisioned, opened()).await;
        assert_eq!(
            (answer.status, &answer.cause()[..]),
            (403, "credential-replaced")
        );
    }
}

/// A request to the session URI by this HTTP user: Basic, or Digest with the first challenge.
async fn by_user(
    wire: &mut Wire,
    dev_id: &str,
    basic: bool,
    login: &(String, Secret),
    package: Option<(&str, String)>,
) -> Answer {
    by_user_at(wire, dev_id, basic, login, "/dm/2.0", package).await
}

async fn by_user_at(
    wire: &mut Wire,
    dev_id: &str,
    basic: bool,
    (user, password): &(String, Secret),
    path: &str,
    package: Option<(&str, String)>,
) -> Answer {
    let (content, body) = package.unwrap_or_default();
    let method = if content.is_empty() {
        Method::GET
    } else {
        Method::POST
    };
    let mut line = String::from_utf8(http_auth::basic(user, password).expose().to_vec()).unwrap();
    if !basic {
        let headers = [("OMADM-DevID", dev_id)];
        let refused = wire.send(method.clone(), path, &headers, "").await;
        let offered = refused.headers.get_all("www-authenticate").iter();
        let offered = offered.map(|line| line.to_str().unwrap());
        let Some(Challenge::Digest(digest)) = Challenge::read_all(offered).into_iter().next()
        else {
            panic!("no Digest: {:?}", refused.headers)
        };
        let answer = digest.answer(user, password, method.as_str(), path, "c", 1);
        line = answer.write();
    }
    let mut headers = vec![("OMADM-DevID", dev_id), ("Authorization", &line)];
    if !content.is_empty() {
        headers.push(("Content-Type", content));
    }
    wire.send(method, path, &headers, body).await
}
