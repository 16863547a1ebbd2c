//! Factory bootstrap (`dm20.md` §14.3, D50): an image at its place, applied once and again after a factory reset.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::path::PathBuf;
use std::sync::Arc;

use omadm_bootstrap::{
    BootstrapFailureCause as Cause, BootstrapKind, BootstrapMethod, SealedImage,
};
use omadm_client::{Client, ClientEvent, FactoryImage, NoBootstrap};
use omadm_mo::{DevId, Secret};
use omadm_session::client::Outcome;
use omadm_tls::{CertificateValidity, DeviceKey, SealingKey, UnixTime};
use serde_json::{Value, json};
use support::Watcher;
use support::peer::{Peer, ending};
use support::pushing::{DEV_ID, SRV, under};

/// A device with a read-only image; what survives a restart is its folder.
struct Device {
    folder: tempfile::TempDir,
    key: DeviceKey,
    watcher: Arc<Watcher>,
}

impl Device {
    fn new() -> Self {
        Self {
            folder: tempfile::tempdir().unwrap(),
            key: DeviceKey::generate().unwrap(),
            watcher: Arc::default(),
        }
    }

    fn image(&self) -> PathBuf {
        self.folder.path().join("factory.json")
    }

    fn put_image(&self, octets: impl AsRef<[u8]>) {
        let _removed = std::fs::remove_file(self.image());
        std::fs::write(self.image(), octets).unwrap();
        let mut rights = std::fs::metadata(self.image()).unwrap().permissions();
        rights.set_readonly(true);
        std::fs::set_permissions(self.image(), rights).unwrap();
    }

    fn start_with(&self, peer: &Peer, policy: &str, with_key: bool) -> Client {
        let mut builder = under(policy, self.folder.path(), peer, &self.watcher);
        if with_key {
            let key = DeviceKey::from_pkcs8(self.key.pkcs8().clone()).unwrap();
            builder = builder.device_key(key);
        }
        builder.build().unwrap()
    }

    fn start(&self, peer: &Peer) -> Client {
        let policy = "[bootstrap]\nfactory.image = \"factory.json\"";
        self.start_with(peer, policy, true)
    }
}

fn document(peer: &Peer) -> Value {
    json!([{"ClientURI": "urn:oma:mo:oma-dm-dmacc:1.2//", "MOData": {"DMAcc": {
        "SrvID": SRV, "SrvURI": peer.url("dm"), "Name": "Peer",
        "Perm": {"1": {"MOID": "urn:oma:mo:oma-dm-dmacc:1.2"}, "2": {"MOID": "urn:oma:mo:oma-dm-devinfo:1.2"}}}}}])
}

fn sealed(to: &SealingKey, document: &Value) -> String {
    let document = Secret::from(document.to_string());
    let sealed = to.seal(SealedImage::INFO, &document).unwrap();
    SealedImage {
        recipient: to.fingerprint(),
        encapsulated: sealed.encapsulated,
        ciphertext: sealed.ciphertext,
    }
    .write()
}

async fn settle(client: &Client) -> Vec<Outcome> {
    let reports = client.settle().await.unwrap();
    reports.into_iter().map(|report| report.outcome).collect()
}

async fn refused(client: &Client) -> (Cause, String) {
    let done = client.switch_on().await.unwrap();
    let FactoryImage::Refused(refusal) = done.factory else {
        unreachable!("{done:?}")
    };
    let told = client.last_refusal().unwrap().unwrap();
    assert_eq!(told.cause, refusal.cause.code());
    assert_eq!(told.method, BootstrapMethod::Factory);
    assert!(!told.action.is_empty());
    (refusal.cause, refusal.to_string())
}

#[tokio::test(flavor = "multi_thread")]
async fn b_07_dm_boot_003_c_o_the_image_is_applied_once_at_the_first_start_and_its_completion_reported()
 {
    let peer = Peer::start().await;
    peer.does(ending);
    let device = Device::new();
    device.put_image(document(&peer).to_string());
    let client = device.start(&peer);
    let done = client.switch_on().await.unwrap();
    assert!(matches!(done.factory, FactoryImage::Applied(_)), "{done:?}");
    assert_eq!(done.fetched, None, "there is an account already");
    let account = client.accounts().unwrap().remove(0);
    assert_eq!(account.provenance.method, BootstrapMethod::Factory);
    assert_eq!(account.provenance.kind, BootstrapKind::First);
    assert!(account.owed.is_some());
    drop(client);

    // The completion is owed across a restart; the image is not applied again, whatever lies there.
    device.put_image("changed");
    let client = device.start(&peer);
    let again = client.switch_on().await.unwrap();
    let hash = account.provenance.payload_hash;
    assert_eq!(again.factory, FactoryImage::Before(hash));
    assert_eq!(settle(&client).await, [Outcome::Ended]);
    let asked = peer.asked().into_iter().find(|asked| asked.is_package1());
    let package1 = asked.unwrap().json();
    let alert = &package1["Alert"][0];
    assert_eq!(alert["AlertType"], "urn:oma:at:dm:2.0:BootstrapComplete");
    assert_eq!(alert["Data"]["BootstrapType"]["Method"], "factory");
    assert_eq!(alert["Data"]["BootstrapType"]["Kind"], "first");
    assert!(client.accounts().unwrap()[0].owed.is_none());
    let again = client.switch_on().await.unwrap();
    assert_eq!(
        (again.factory, settle(&client).await),
        (FactoryImage::Before(hash), vec![])
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn b_07_after_a_factory_reset_the_image_is_applied_again_as_a_reset() {
    let peer = Peer::start().await;
    peer.does(ending);
    let device = Device::new();
    device.put_image(document(&peer).to_string());
    let client = device.start(&peer);
    client.switch_on().await.unwrap();
    settle(&client).await;
    let would = client.before_factory_reset().await.unwrap();
    let gone = client.factory_reset().await.unwrap();
    assert_eq!(would, gone);
    let accounts: Vec<_> = gone.accounts.iter().map(ToString::to_string).collect();
    assert_eq!(accounts, [SRV]);
    assert!(gone.factory_image.is_some() && gone.instances >= 3);

    let client = device.start(&peer);
    assert!(client.accounts().unwrap().is_empty());
    let done = client.switch_on().await.unwrap();
    assert!(matches!(done.factory, FactoryImage::Applied(_)), "{done:?}");
    let account = client.accounts().unwrap().remove(0);
    assert_eq!(account.provenance.kind, BootstrapKind::Reset);
    assert_eq!(settle(&client).await, [Outcome::Ended]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_daemon_applies_the_image_before_it_asks_anybody() {
    let peer = Peer::start().await;
    peer.does(ending);
    let device = Device::new();
    device.put_image(document(&peer).to_string());
    let client = Arc::new(device.start(&peer));
    let (stop, stopped) = tokio::sync::watch::channel(false);
    let running = Arc::clone(&client);
    let daemon = tokio::spawn(async move { running.run(stopped).await });
    let acknowledged = || {
        let accounts = client.accounts().unwrap();
        accounts
            .first()
            .is_some_and(|account| account.owed.is_none())
    };
    support::until("the completion is acknowledged", acknowledged).await;
    stop.send(true).unwrap();
    daemon.await.unwrap().unwrap();
    let fetched = |event: &ClientEvent| matches!(event, ClientEvent::Fetching { .. });
    assert!(!device.watcher.events().iter().any(fetched));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_that_cannot_be_used_leaves_the_device_as_it_was_and_says_why() {
    let peer = Peer::start().await;
    let device = Device::new();
    let good = document(&peer).to_string();
    let of_other = good.replace("\"Name\":", "\"Nome\":");
    for (image, cause) in [
        (Vec::new(), Cause::Unparsable),
        (
            good.as_bytes()[..good.len() / 2].to_vec(),
            Cause::Unparsable,
        ),
        (b"\x7fELF\0\0".to_vec(), Cause::Unparsable),
        (b"<html>".to_vec(), Cause::Unparsable),
        (b"{\"a\":1}".to_vec(), Cause::NotMoSerialization),
        (b"[1]".to_vec(), Cause::NotMoSerialization),
        (of_other.into_bytes(), Cause::UnknownNode),
        (vec![b'['; 20_001], Cause::DocumentTooBig),
        (vec![b'{'; 40_000], Cause::DocumentTooBig),
    ] {
        device.put_image(&image);
        let client = device.start(&peer);
        let (found, told) = refused(&client).await;
        assert_eq!(found, cause, "{told}");
        assert!(client.accounts().unwrap().is_empty());
    }
    std::fs::remove_file(device.image()).unwrap();
    let client = device.start(&peer);
    let (found, told) = refused(&client).await;
    assert_eq!(found, Cause::ImageUnreadable);
    assert!(told.contains("factory.json"), "{told}");
    drop(client);
    // Once it is mended, the next start applies it.
    device.put_image(good);
    let done = device.start(&peer).switch_on().await.unwrap();
    assert!(matches!(done.factory, FactoryImage::Applied(_)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_sealed_image_opens_with_the_key_it_was_sealed_to_alone() {
    let peer = Peer::start().await;
    let device = Device::new();
    let own = device.key.sealing_key().unwrap();
    let image = sealed(&own, &document(&peer));
    let policy = "[bootstrap]\nfactory.image = \"factory.json\"";
    device.put_image(&image);
    let without = device.start_with(&peer, policy, false);
    assert_eq!(refused(&without).await.0, Cause::WrongDevice);
    drop(without);
    let other = DeviceKey::generate().unwrap().sealing_key().unwrap();
    let at = image.find("\"ciphertext\":\"").unwrap() + 20;
    let mut altered = image.clone().into_bytes();
    altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
    for (image, cause) in [
        (
            sealed(&other, &document(&peer)).into_bytes(),
            Cause::WrongDevice,
        ),
        (altered, Cause::SealBroken),
        (
            image.replace("P256", "P384").into_bytes(),
            Cause::NotMoSerialization,
        ),
        (
            image.as_bytes()[..image.len() - 9].to_vec(),
            Cause::Unparsable,
        ),
    ] {
        device.put_image(image);
        let client = device.start(&peer);
        let (found, told) = refused(&client).await;
        assert_eq!(found, cause, "{told}");
        assert!(client.accounts().unwrap().is_empty());
    }
    device.put_image(image);
    let client = device.start(&peer);
    let done = client.switch_on().await.unwrap();
    assert!(matches!(done.factory, FactoryImage::Applied(_)), "{done:?}");
    let hash = omadm_bootstrap::PayloadHash::of(document(&peer).to_string().as_bytes());
    assert_eq!(client.accounts().unwrap()[0].provenance.payload_hash, hash);
}

fn with_certificate_of(peer: &Peer, dev_id: &str) -> Value {
    use base64::Engine as _;
    let base64 = base64::engine::general_purpose::STANDARD;
    let since = std::time::UNIX_EPOCH.elapsed().unwrap();
    let now = UnixTime::since_unix_epoch(since);
    let validity = CertificateValidity::starting(now, std::time::Duration::from_secs(900));
    let dev_id = DevId::parse(dev_id).unwrap();
    let (issued, identity) = peer.ca.issue_for_generated_key(&dev_id, validity).unwrap();
    let mut document = document(peer);
    document[0]["MOData"]["DMAcc"]["Auth"] = json!({"Trsp": {
        "Data": base64.encode(&issued.der), "Secret": base64.encode(identity.key().expose())}});
    document
}

#[tokio::test(flavor = "multi_thread")]
async fn an_image_with_the_credentials_of_another_device_is_refused() {
    let peer = Peer::start().await;
    let device = Device::new();
    let other = "IMEI:490154203237518";
    device.put_image(with_certificate_of(&peer, other).to_string());
    let (found, told) = refused(&device.start(&peer)).await;
    assert_eq!(found, Cause::WrongDevice);
    assert!(told.contains(other), "{told}");
    for own in [DEV_ID, "urn:example:fleet"] {
        let device = Device::new();
        device.put_image(with_certificate_of(&peer, own).to_string());
        let done = device.start(&peer).switch_on().await.unwrap();
        assert!(matches!(done.factory, FactoryImage::Applied(_)), "{done:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_method_that_is_off_does_not_even_look_at_the_image() {
    let peer = Peer::start().await;
    let device = Device::new();
    let policy = "[bootstrap]\nfactory = { enabled = false, image = \"not-there.json\" }";
    let client = device.start_with(&peer, policy, true);
    let done = client.switch_on().await.unwrap();
    assert_eq!(done.factory, FactoryImage::None);
    assert_eq!(done.fetched, Some(Err(NoBootstrap::NoSource)));
}

/// A device that asks `decide`, a shell command; what it was asked lies in the file `asked`.
fn asking(decide: &str) -> String {
    format!(
        "[bootstrap]\nfactory = {{ image = \"factory.json\", require_user_consent = true }}\n\
         [consent]\ncommand = [\"/bin/sh\", \"-c\", \"{decide}\"]\ntimeout_seconds = 1\n"
    )
}

#[cfg(unix)]
#[tokio::test(flavor = "multi_thread")]
async fn b_22_where_consent_is_needed_the_program_decides_by_the_permissions() {
    let peer = Peer::start().await;
    let device = Device::new();
    device.put_image(document(&peer).to_string());
    let asked = device.folder.path().join("asked");
    for decide in ["exit 1", "exec sleep 30", "exec /nonexistent/program"] {
        let client = device.start_with(&peer, &asking(decide), true);
        assert_eq!(refused(&client).await.0, Cause::ConsentRefused, "{decide}");
        assert!(client.accounts().unwrap().is_empty());
    }
    let without =
        "[bootstrap]\nfactory = { image = \"factory.json\", require_user_consent = true }";
    let client = device.start_with(&peer, without, true);
    let (cause, told) = refused(&client).await;
    assert_eq!(cause, Cause::ConsentRefused);
    assert!(told.contains("nobody is there to be asked"), "{told}");
    drop(client);

    let decide = format!("cat > {}", asked.display());
    let client = device.start_with(&peer, &asking(&decide), true);
    let done = client.switch_on().await.unwrap();
    assert!(matches!(done.factory, FactoryImage::Applied(_)), "{done:?}");
    let request: Value = serde_json::from_slice(&std::fs::read(asked).unwrap()).unwrap();
    assert_eq!(
        (&request["method"], &request["source"]),
        (&"factory".into(), &"factory image".into())
    );
    assert_eq!(request["servers"][0]["server"], SRV);
    let permissions = json!([
        "urn:oma:mo:oma-dm-dmacc:1.2",
        "urn:oma:mo:oma-dm-devinfo:1.2"
    ]);
    assert_eq!(request["servers"][0]["permissions"], permissions);
    assert_eq!(
        request["changes"][0]["uri"],
        "urn:oma:mo:oma-dm-dmacc:1.2/1/"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn a_refused_image_is_told_once_to_the_server_whose_account_it_names() {
    let peer = Peer::start().await;
    peer.does(ending);
    let device = Device::new();
    let client = device.start_with(&peer, "", true);
    // The account came some other way.
    let (method, source) = (
        BootstrapMethod::Smartcard,
        omadm_bootstrap::BootstrapSource::Card("1".into()),
    );
    let local = omadm_bootstrap::ChannelSecurity::Local;
    let brought = document(&peer).to_string().into_bytes();
    client
        .deliver(brought, method, source, local)
        .await
        .unwrap();
    settle(&client).await;
    drop(client);
    let wrong = document(&peer)
        .to_string()
        .replace("\"Name\":", "\"Nome\":");
    device.put_image(wrong);
    for _start in 0..2 {
        assert_eq!(refused(&device.start(&peer)).await.0, Cause::UnknownNode);
    }
    let client = device.start(&peer);
    let srv = omadm_mo::SrvId::parse(SRV).unwrap();
    let alerts = client.queued_alerts(&srv).unwrap();
    assert_eq!(alerts.len(), 1, "{alerts:?}");
    let alert: Value = serde_json::from_str(&alerts[0]).unwrap();
    assert_eq!(alert["AlertType"], "urn:omadm:at:bootstrap-refused:1.0");
    let told = &alert["Data"]["BootstrapRefused"];
    assert_eq!(
        (&told["Cause"], &told["Method"]),
        (&"unknown-node".into(), &"factory".into())
    );
    peer.forget();
    assert_eq!(client.session(&srv).await.unwrap().outcome, Outcome::Ended);
    let package1 = peer
        .asked()
        .into_iter()
        .find(|asked| asked.is_package1())
        .unwrap();
    assert!(
        package1
            .alerts()
            .contains(&"urn:omadm:at:bootstrap-refused:1.0".to_owned())
    );
}
