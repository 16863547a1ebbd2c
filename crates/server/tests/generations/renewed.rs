//! What is renewed otherwise than by a new key in a session: `Auth/Bootstrap`, and the certificate of a device's own key.

use super::*;

#[tokio::test]
async fn auth_bootstrap_is_rotated_by_a_further_bootstrap_and_both_fetch_until_the_new_one_arrived()
{
    const BOOTSTRAP: &str = "bootstrap";
    let rig = rig(|_| {}).await;
    let fetches = async |identity: &Identity| {
        let headers = [("OMADM-DevID", DEVICE)];
        let mut wire = rig.connect(Some(identity)).await;
        wire.send(Method::GET, "/bootstrap", &headers, "").await
    };
    let credential = |document: &Answer| {
        let json = document.json();
        let node = &json[0]["MOData"]["DMAcc"]["Auth"]["Bootstrap"];
        trsp(&json!({"Data": node["ClientPubKey"], "Secret": node["ClientSecretKey"]}))
    };
    let mut device = Device::new(&rig, DEVICE, "client").await;
    let first = credential(&device.document);
    device.bootstrap().await;
    assert_eq!(device.live(BOOTSTRAP).await, ["current"]);
    let rotated = device.rotate(BOOTSTRAP).await.unwrap();
    let begun = rotated.bootstrap.unwrap();
    let told = (begun.profile.as_str(), begun.method.as_str());
    assert_eq!(
        (told, rotated.command),
        (("full", "client-initiated"), None)
    );
    let (status, detail) = refused(device.rotate(BOOTSTRAP).await);
    assert!(
        status == 409 && detail.contains("is on its way"),
        "{detail}"
    );
    assert_eq!(device.live(BOOTSTRAP).await, ["current", "pending"]);
    // Fetched by the one in use; lost on the way; fetched again by the same, since nothing of it was used.
    for _again in 0..2 {
        device.document = fetches(&first).await;
        assert_eq!(device.document.status, 200);
    }
    let second = credential(&device.document);
    assert_ne!(first.chain(), second.chain());
    assert_eq!(device.live(BOOTSTRAP).await, ["current", "pending"]);
    let json = device.document.json();
    device.boot = trsp(&json[0]["MOData"]["DMAcc"]["Auth"]["Trsp"]);
    device.bootstrap().await;
    // The new one counts; the former is what its own document can bring back, until the operator ends that.
    assert_eq!(device.live(BOOTSTRAP).await, ["boot", "current"]);
    assert_eq!(fetches(&second).await.status, 200);
    let revoked = rig.api.revoke_generation(DEVICE, "boot", Some(BOOTSTRAP));
    assert_eq!(revoked.await.unwrap().revoked.len(), 1);
    assert_eq!(device.live(BOOTSTRAP).await, ["current"]);
    let dead = fetches(&first).await;
    assert_eq!(
        (dead.status, dead.cause()),
        (403, "credential-revoked".to_owned())
    );
    // Out of escrow, the new one does not bring its own document back; it fetches the next one.
    assert_eq!(fetches(&second).await.status, 403);
    device.rotate(BOOTSTRAP).await.unwrap();
    assert_eq!(fetches(&second).await.status, 200);
}

#[tokio::test]
async fn a_new_certificate_for_the_device_s_own_key_brings_no_key() {
    let rig = rig(|_| {}).await;
    let identity = rig.device(DEVICE).await;
    let new = NewBootstrap {
        device: DEVICE.to_owned(),
        profile: Some("minimal".to_owned()),
        ..NewBootstrap::default()
    };
    rig.api.start_bootstrap(&new).await.unwrap();
    let mut wire = rig.connect(Some(&identity)).await;
    let document = wire.fetch(DEVICE).await;
    let completion = support::completion("5f0c1d2e3a4b5c6d7e8f901122334455", &document.body);
    assert_eq!(wire.package(DEVICE, PACKAGE1, completion).await.status, 200);
    wire.package(DEVICE, PACKAGE3, DEV_INFO).await;
    let mut own = identity.clone();
    // The first one is asked for; what replaces it is one again.
    for own_key in [true, false] {
        let new = NewRotation {
            own_key,
            ..NewRotation::default()
        };
        let queued = rig.api.rotate(DEVICE, &new).await.unwrap();
        let mut wire = rig.connect(Some(&own)).await;
        let first = wire.package(DEVICE, PACKAGE1, CLIENT_INITIATED).await;
        let hget = commands(&first).remove(0);
        let path = &hget[1][hget[1].find("/repo/").unwrap()..];
        let headers = [("OMADM-DevID", DEVICE)];
        let found = wire.send(Method::GET, path, &headers, "").await.json();
        let data = &found[0]["MOData"];
        let trsp = if own_key {
            &data["Auth"]["Trsp"]
        } else {
            &data["Trsp"]
        };
        assert_eq!(trsp["Secret"], "", "{found}");
        let status = r#"{"Status":[{"sc":200}]}"#;
        wire.package(DEVICE, PACKAGE3, status).await;
        let data = STANDARD.decode(trsp["Data"].as_str().unwrap()).unwrap();
        let chain = vec![CertificateDer::from(data)];
        assert_eq!(Fingerprint::of(&chain[0]).to_hex(), queued.credential);
        own = Identity::new(chain, identity.key().clone()).unwrap();
        let mut wire = rig.connect(Some(&own)).await;
        let answer = wire.package(DEVICE, PACKAGE1, CLIENT_INITIATED).await;
        assert_eq!(answer.status, 200);
    }
    let bootstrap = NewRotation {
        scope: Some("bootstrap".to_owned()),
        ..NewRotation::default()
    };
    let (status, detail) = refused(rig.api.rotate(DEVICE, &bootstrap).await);
    assert!(
        status == 409 && detail.contains("no Auth/Bootstrap"),
        "{detail}"
    );
}
