//! Who may use the instance of a plug-in: nobody, unless the device's maker says so.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use std::path::Path;

use omadm_bootstrap::{BootstrapMethod, BootstrapSource, ChannelSecurity};
use omadm_client::store::TreeStore;
use omadm_client::{Client, DevInfoObject};
use omadm_mo::ddf::Ddf;
use omadm_mo::standard::DevInfo;
use omadm_mo::{AccessList, DevId, ManagedObjectError, Miid, Moid, Node, Rights, TreeView as _};
use omadm_session::pair::{FixedObject, acme};

const LAMP: &str = "urn:example:mo:lamp:1.0";

fn lamp() -> FixedObject {
    let text = format!(
        "<MgmtTree><Node><NodeName>Lamp</NodeName><DFProperties><AccessType><Get/></AccessType><DFFormat><node/></DFFormat><Occurrence><One/></Occurrence>\
             <Scope><Permanent/></Scope><DFType><DDFName>{LAMP}</DDFName></DFType></DFProperties></Node></MgmtTree>"
    );
    FixedObject::new(Ddf::read(&text).unwrap(), Node::empty())
        .executing(Err(ManagedObjectError::NotAllowed))
}

fn dev_info() -> DevInfo {
    acme(DevId::parse("IMEI:493005100592800").unwrap())
}

fn client(folder: &Path, rights: Option<Rights>) -> Client {
    let builder = Client::builder(dev_info(), folder.join("tree.redb"));
    match rights {
        Some(rights) => builder.managed_object_for(lamp(), rights),
        None => builder.managed_object(DevInfoObject::new(&dev_info())),
    }
    .build()
    .unwrap()
}

/// A factory image with one account; its Perm list names the lamp or not.
async fn install(client: &Client, srv_id: &str, lamp: bool) {
    let second = if lamp {
        LAMP
    } else {
        "urn:example:mo:other:1.0"
    };
    let document = format!(
        r#"[{{"ClientURI":"urn:oma:mo:oma-dm-dmacc:1.2//","MOData":{{"DMAcc":{{"SrvID":"{srv_id}","SrvURI":"https://{srv_id}.example/","Name":"DM",
        "Perm":{{"1":{{"MOID":"urn:oma:mo:oma-dm-dmacc:1.2"}},"2":{{"MOID":"{second}"}}}}}}}}}}]"#
    );
    let (method, source) = (BootstrapMethod::Factory, BootstrapSource::FactoryImage);
    let delivered = client.deliver(
        document.into_bytes(),
        method,
        source,
        ChannelSecurity::Local,
    );
    delivered.await.unwrap();
}

async fn rights(client: &Client) -> Vec<(String, Rights)> {
    let tree = client.tree().await.unwrap();
    let lamp = tree.into_iter().find(|one| one.at.moid.as_str() == LAMP);
    let given = lamp.unwrap().rights.into_iter();
    given
        .map(|(server, rights)| (server.as_str().to_owned(), rights))
        .filter(|(_, rights)| !rights.is_none())
        .collect()
}

#[tokio::test]
async fn x_dac_001_a_plug_in_gives_no_server_rights_by_itself() {
    let folder = tempfile::tempdir().unwrap();
    let client = client(folder.path(), Some(Rights::NONE));
    install(&client, "a", true).await;
    assert_eq!(rights(&client).await, []);
}

#[tokio::test]
async fn x_dac_001_what_a_plug_in_gives_goes_to_servers_whose_perm_list_names_it_and_once() {
    let folder = tempfile::tempdir().unwrap();
    let use_it = Rights::READ.with(Rights::EXECUTE);
    let first = client(folder.path(), Some(use_it));
    install(&first, "a", true).await;
    install(&first, "b", false).await;
    assert_eq!(rights(&first).await, [("a".to_owned(), use_it)]);
    drop(first);

    // The DAC MO takes it away from one; neither a restart nor a repeated bootstrap gives it back.
    let store = TreeStore::open(folder.path().join("tree.redb"), 1).unwrap();
    let mut plan = omadm_bootstrap::plan::TreePlan::at(store.snapshot().unwrap().version());
    plan.rights.push(omadm_bootstrap::plan::RightsChange {
        moid: Moid::parse(LAMP).unwrap(),
        miid: Miid::counted(1),
        access: AccessList::none(),
    });
    store.apply(&plan).unwrap();
    drop(store);
    let again = client(folder.path(), Some(use_it));
    install(&again, "a", true).await;
    assert_eq!(rights(&again).await, []);
    install(&again, "c", true).await;
    assert_eq!(rights(&again).await, [("c".to_owned(), use_it)]);
}

#[tokio::test]
async fn x_dac_001_a_plug_in_that_is_new_is_open_to_the_servers_that_are_there() {
    let folder = tempfile::tempdir().unwrap();
    let before = client(folder.path(), None);
    install(&before, "a", true).await;
    drop(before);
    let after = client(folder.path(), Some(Rights::FULL));
    assert_eq!(rights(&after).await, [("a".to_owned(), Rights::FULL)]);
}
