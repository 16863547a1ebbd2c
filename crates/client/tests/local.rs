//! The tree as a local application of the device sees and changes it.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use omadm_bootstrap::{BootstrapMethod, BootstrapSource, ChannelSecurity};
use omadm_client::{Client, LocalError, NodeText};
use omadm_mo::ddf::Ddf;
use omadm_mo::{ClientUri, DevId, ManagedObjectError, Rights};
use omadm_session::pair::acme;
use tempfile::TempDir;

const DOCUMENT: &str = r#"[{"ClientURI":"urn:oma:mo:oma-dm-dmacc:1.2//","MOData":{"DMAcc":{"SrvID":"dms","SrvURI":"https://dms.example/","Name":"DM",
    "Perm":{"1":{"MOID":"urn:oma:mo:oma-dm-dmacc:1.2"},"2":{"MOID":"urn:example:mo:reporting:1.0"}},"Auth":{"Noti":{"Type":1,"Data":"","Secret":"UVVJRVQ="}}}}},
    {"ClientURI":"urn:example:mo:reporting:1.0//","MOData":{"Reporting":{"Enabled":true,"IntervalSeconds":300,"Target":{"URI":"https://r.example/"}}}}]"#;

struct Device {
    client: Client,
    _dir: TempDir,
}

impl Device {
    /// Bootstrapped at the factory, with an MO that is given by its DDF alone.
    async fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let dev_info = acme(DevId::parse("IMEI:493005100592800").unwrap());
        let ddf = Ddf::read(include_str!("../../../profiles/ddf/reporting-1.0.ddf")).unwrap();
        let builder = Client::builder(dev_info, dir.path().join("tree.redb")).mo(ddf);
        let client = builder.build().unwrap();
        let (method, source) = (BootstrapMethod::Factory, BootstrapSource::FactoryImage);
        let document = DOCUMENT.as_bytes().to_vec();
        let delivered = client.deliver(document, method, source, ChannelSecurity::Local);
        delivered.await.unwrap();
        Self { client, _dir: dir }
    }

    async fn get(&self, uri: &str) -> Result<Vec<String>, LocalError> {
        let items = self
            .client
            .local_get(ClientUri::parse(uri).unwrap())
            .await?;
        Ok(items.iter().map(|item| item.to_compact()).collect())
    }

    async fn set(&self, uri: &str, text: &str) -> Result<String, LocalError> {
        let uri = ClientUri::parse(uri).unwrap();
        let at = self.client.local_set(uri, text.to_owned()).await?;
        Ok(ClientUri::of(&at).to_string())
    }
}

#[tokio::test]
async fn an_mo_of_a_ddf_alone_is_read_and_set_without_any_code_of_its_own() {
    let device = Device::new().await;
    let interval = "urn:example:mo:reporting:1.0//IntervalSeconds";
    let read = device.get(interval).await.unwrap();
    assert_eq!(
        read,
        [
            r#"{"ClientURI":"urn:example:mo:reporting:1.0/1/IntervalSeconds","MOData":{"IntervalSeconds":300}}"#
        ]
    );
    let set = device.set(interval, "600").await.unwrap();
    assert_eq!(set, "urn:example:mo:reporting:1.0/1/IntervalSeconds");
    assert!(device.get(interval).await.unwrap()[0].ends_with("600}}"));
    let wrong = device.set(interval, "often").await;
    assert!(matches!(wrong, Err(LocalError::Value { .. })), "{wrong:?}");
    assert!(device.get(interval).await.unwrap()[0].ends_with("600}}"));
}

#[tokio::test]
async fn the_tree_is_told_with_formats_rights_and_validators_and_without_secrets() {
    let device = Device::new().await;
    let before = device.client.tree().await.unwrap();
    let of = |tree: &[omadm_client::TreeInstance], moid: &str| {
        let found = tree.iter().find(|one| one.at.moid.as_str() == moid);
        found.unwrap().clone()
    };
    let reporting = of(&before, "urn:example:mo:reporting:1.0");
    assert_eq!(reporting.creator.as_ref().unwrap().as_str(), "dms");
    let [(server, rights)] = reporting.rights.as_slice() else {
        panic!("{:?}", reporting.rights);
    };
    assert_eq!((server.as_str(), *rights), ("dms", Rights::FULL));
    device
        .set("urn:example:mo:reporting:1.0//IntervalSeconds", "7")
        .await
        .unwrap();
    let after = of(
        &device.client.tree().await.unwrap(),
        "urn:example:mo:reporting:1.0",
    );
    assert_ne!(after.validator, reporting.validator);

    let account = of(&before, "urn:oma:mo:oma-dm-dmacc:1.2");
    let value = |path: &str| {
        let found = account
            .nodes
            .iter()
            .find(|node| node.path.to_string() == path);
        found.unwrap().value.clone()
    };
    assert_eq!(value("SrvID"), NodeText::Text("dms".to_owned()));
    assert_eq!(value("Auth/Noti/Secret"), NodeText::Withheld);
    let is_perm = |path: &str| path.starts_with("Perm");
    let mut paths = account.nodes.iter().map(|node| node.path.to_string());
    assert!(
        !paths.any(|path| is_perm(&path)),
        "the Perm list is no part of the tree"
    );
    assert!(!format!("{before:?}").contains("UVVJRVQ="));
    // Device Info is live: it has values, and no validator (D76).
    let dev_info = of(&before, "urn:oma:mo:oma-dm-devinfo:1.2");
    assert_eq!(dev_info.validator, None);
    assert!(
        dev_info
            .nodes
            .iter()
            .any(|node| node.value == NodeText::Text("Acme".to_owned()))
    );
}

#[tokio::test]
async fn what_cannot_be_done_locally_is_refused_with_its_reason() {
    let device = Device::new().await;
    let account = "urn:oma:mo:oma-dm-dmacc:1.2//";
    let fixed = device
        .set(&format!("{account}SrvURI"), "https://evil.example/")
        .await;
    assert!(matches!(fixed, Err(LocalError::Fixed(_))), "{fixed:?}");
    let secret = device.get(&format!("{account}Auth/Noti/Secret")).await;
    assert!(
        matches!(secret, Err(LocalError::Unreadable(_))),
        "{secret:?}"
    );
    let nowhere = device.get("urn:example:mo:reporting:1.0/9/Enabled").await;
    assert!(
        matches!(nowhere, Err(LocalError::NotFound(_))),
        "{nowhere:?}"
    );
    let several = device.set("urn:example:mo:reporting:1.0//*", "1").await;
    assert!(
        matches!(several, Err(LocalError::Several { count: 2.., .. })),
        "{several:?}"
    );
    let undescribed = device.set("urn:example:mo:reporting:1.0//Frob", "1").await;
    assert!(
        matches!(undescribed, Err(LocalError::Undescribed(_))),
        "{undescribed:?}"
    );
    let fixed_object = device
        .set("urn:oma:mo:oma-dm-devinfo:1.2//Man", "Evil")
        .await;
    let refused = LocalError::Refused(ManagedObjectError::NotAllowed);
    assert_eq!(fixed_object, Err(refused));
    let exec = ClientUri::parse("urn:example:mo:reporting:1.0//Enabled").unwrap();
    let exec = device.client.local_exec(exec).await;
    assert!(
        matches!(exec, Err(LocalError::NotExecutable(_))),
        "{exec:?}"
    );
}
