//! A WAP push as the model of its device takes it: signed by the digits of the IMSI, or with exchanged levels (`push.md` §4, `dm1x.md` §5.3).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    reason = "a test fails by panicking"
)]

mod support;

use std::path::Path;

use omadm_bootstrap::PushedBootstrap;
use omadm_bootstrap::dm1::{AppSrvIs, Dm1Document};
use omadm_dm1::bootstrap_mac::{Imsi, ImsiKey, bootstrap_mac};
use omadm_dm1::markup::MarkupLimits;
use omadm_mo::standard::dm_acc1::AuthLevel1;
use omadm_push::wsp::{Mac, Push};
use omadm_server::operator::client::ApiError;
use omadm_server::operator::types::{Dm1Revocation, NewBootstrap, NewDm1Account, NewTrigger};
use support::{DEVICE, Rig, soon};
use tokio::net::UdpSocket;

const IMSI: &str = "310150123456789";

/// A server with a device that is registered, and has no account.
async fn rig() -> Rig {
    let profiles = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../profiles");
    let rig = Rig::one_node(
        |config| config.profiles_dir = Some(profiles.clone()),
        |server| server,
    );
    let rig = rig.await;
    rig.device(DEVICE).await;
    rig
}

/// A bootstrap in client provisioning, of no method.
fn new(model: Option<&str>) -> NewBootstrap {
    NewBootstrap {
        device: DEVICE.to_owned(),
        profile: Some("dm1x".to_owned()),
        profile_format: Some("cp".to_owned()),
        model: model.map(str::to_owned),
        ..NewBootstrap::default()
    }
}

async fn taken(ear: &UdpSocket) -> PushedBootstrap {
    let mut octets = vec![0; 65_536];
    let length = soon(ear.recv(&mut octets)).await.unwrap();
    let push = Push::decode(&octets[..length]).unwrap();
    PushedBootstrap::of_push(&push).unwrap()
}

#[tokio::test]
async fn a_model_outlives_the_account_that_is_revoked_for_a_new_one() {
    let rig = rig().await;
    let by_hand = NewDm1Account {
        model: Some("ASCII IMSI".to_owned()),
        ..NewDm1Account::default()
    };
    rig.api.add_dm1(DEVICE, &by_hand).await.unwrap();
    let model = async || rig.api.dm1(DEVICE).await.unwrap().model;
    let whole = Dm1Revocation { boot: false };
    rig.api.revoke_dm1(DEVICE, &whole).await.unwrap();
    let revoked = rig.api.dm1(DEVICE).await.unwrap();
    assert!(revoked.revoked_at.is_some(), "{revoked:?}");
    assert_eq!(revoked.model.as_deref(), Some("ASCII IMSI"));

    let again = NewDm1Account {
        user: Some("again".to_owned()),
        ..NewDm1Account::default()
    };
    let added = rig.api.add_dm1(DEVICE, &again).await.unwrap();
    assert_eq!(added.account.model.as_deref(), Some("ASCII IMSI"));
    rig.api.revoke_dm1(DEVICE, &whole).await.unwrap();
    rig.api.start_bootstrap(&new(None)).await.unwrap();
    assert_eq!(model().await.as_deref(), Some("ASCII IMSI"));
    rig.api.revoke_dm1(DEVICE, &whole).await.unwrap();
    let other = new(Some("NetComm router"));
    rig.api.start_bootstrap(&other).await.unwrap();
    assert_eq!(model().await.as_deref(), Some("NetComm router"), "as told");
}

/// The push to a device of this model, its key as asked for.
async fn pushed(model: Option<&str>, imsi_key: Option<&str>) -> PushedBootstrap {
    let rig = rig().await;
    let account = NewDm1Account {
        profile: Some("dm1x".to_owned()),
        model: model.map(str::to_owned),
        ..NewDm1Account::default()
    };
    rig.api.add_dm1(DEVICE, &account).await.unwrap();
    let ear = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let new = NewBootstrap {
        to: Some(format!("udp://{}", ear.local_addr().unwrap())),
        imsi: Some(IMSI.to_owned()),
        imsi_key: imsi_key.map(str::to_owned),
        ..new(None)
    };
    rig.api.start_bootstrap(&new).await.unwrap();
    taken(&ear).await
}

/// The MAC of a push to the subscriber, by this form of the IMSI.
fn signed(pushed: &PushedBootstrap, key: ImsiKey) -> Option<Mac> {
    let key = Imsi::parse(IMSI).unwrap().key(key);
    Some(Mac::new(bootstrap_mac(&key, pushed.document.expose())))
}

/// Whose name the client's credential bears, for a device that reads levels so.
fn client_of(document: &[u8], app_srv: AppSrvIs) -> Option<String> {
    let limits = MarkupLimits::UNPROVEN_BOOTSTRAP;
    let read = Dm1Document::read(document, app_srv, limits).unwrap();
    let account = &read.accounts[0].account;
    account.auth(AuthLevel1::ClCred).unwrap().name.clone()
}

#[tokio::test]
async fn a_push_is_signed_as_the_model_takes_the_imsi_unless_the_operator_says_how() {
    for (model, asked, key) in [
        (None, None, ImsiKey::SemiOctet),
        (Some("Feature phone"), None, ImsiKey::SemiOctet),
        (Some("ASCII IMSI"), None, ImsiKey::Ascii),
        (Some("ASCII IMSI"), Some("semi-octet"), ImsiKey::SemiOctet),
    ] {
        let pushed = pushed(model, asked).await;
        let expected = signed(&pushed, key);
        assert!(pushed.security.unwrap().mac == expected, "{model:?}");
    }
}

#[tokio::test]
async fn a_model_that_reads_levels_the_other_way_round_gets_them_exchanged() {
    for (model, app_srv) in [
        (None, AppSrvIs::ClCred),
        (Some("NetComm router"), AppSrvIs::SrvCred),
    ] {
        let pushed = pushed(model, None).await;
        let limits = MarkupLimits::UNPROVEN_BOOTSTRAP;
        let read = Dm1Document::read(pushed.document.expose(), app_srv, limits).unwrap();
        let account = &read.accounts[0].account;
        let named = |level| account.auth(level).unwrap().name.clone().unwrap();
        assert_eq!(named(AuthLevel1::ClCred), DEVICE);
        assert_eq!(named(AuthLevel1::SrvCred), account.server_id.as_str());
    }
}

#[tokio::test]
async fn a_record_makes_the_account_of_the_model_that_its_operator_names() {
    let rig = rig().await;
    let factory = |model| NewBootstrap {
        method: Some("factory".to_owned()),
        ..new(model)
    };
    let of_dm2 = NewBootstrap {
        profile_format: None,
        ..factory(Some("NetComm router"))
    };
    for (wrong, status, why) in [
        (factory(Some("Nonesuch")), 422, "NetComm router"),
        (of_dm2, 400, "profile_format"),
    ] {
        let Err(ApiError::Refused(problem)) = rig.api.start_bootstrap(&wrong).await else {
            panic!("not refused: {why}");
        };
        assert_eq!(problem.status, status, "{problem:?}");
        assert!(problem.detail.contains(why), "{problem:?}");
    }
    let shown = rig.api.device(DEVICE).await.unwrap();
    assert!(shown.bootstraps.is_empty() && shown.dm1.is_none());

    // The further one says nothing: the account has it. The last says otherwise.
    for (told, kept, app_srv) in [
        (Some("NetComm router"), "NetComm router", AppSrvIs::SrvCred),
        (None, "NetComm router", AppSrvIs::SrvCred),
        (Some("Feature phone"), "Feature phone", AppSrvIs::ClCred),
    ] {
        let begun = rig.api.start_bootstrap(&factory(told)).await.unwrap();
        let document = rig.api.bootstrap_document(&begun.id).await.unwrap();
        let client = client_of(document.expose(), app_srv);
        assert_eq!(client.as_deref(), Some(DEVICE), "{told:?}");
        let account = rig.api.device(DEVICE).await.unwrap().dm1.unwrap();
        assert_eq!(account.model.as_deref(), Some(kept), "{told:?}");
    }
}

#[tokio::test]
async fn the_first_push_of_a_record_or_a_trigger_is_signed_as_the_named_model_takes_the_imsi() {
    let rig = rig().await;
    let ear = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let to = format!("udp://{}", ear.local_addr().unwrap());
    let record = NewBootstrap {
        to: Some(to.clone()),
        imsi: Some(IMSI.to_owned()),
        ..new(Some("ASCII IMSI"))
    };
    rig.api.start_bootstrap(&record).await.unwrap();
    let pushed = taken(&ear).await;
    assert!(pushed.security.as_ref().unwrap().mac == signed(&pushed, ImsiKey::Ascii));

    let unknown = "IMEI:493005100592817";
    let trigger = |model: &str| NewTrigger {
        key: "hlr-10".to_owned(),
        source: "network".to_owned(),
        dev_id: unknown.to_owned(),
        profile: "dm1x".to_owned(),
        profile_format: Some("cp".to_owned()),
        model: Some(model.to_owned()),
        address: Some(to.clone()),
        method: Some("server-initiated".to_owned()),
        imsi: Some(IMSI.to_owned()),
        ..NewTrigger::default()
    };
    let Err(ApiError::Refused(wrong)) = rig.api.trigger(&trigger("Nonesuch")).await else {
        panic!("not refused");
    };
    assert_eq!(wrong.status, 422, "{wrong:?}");
    rig.api.trigger(&trigger("ASCII IMSI")).await.unwrap();
    let pushed = taken(&ear).await;
    assert!(pushed.security.as_ref().unwrap().mac == signed(&pushed, ImsiKey::Ascii));
    let account = rig.api.device(unknown).await.unwrap().dm1.unwrap();
    assert_eq!(account.model.as_deref(), Some("ASCII IMSI"));
    let Err(ApiError::Refused(other)) = rig.api.trigger(&trigger("Feature phone")).await else {
        panic!("the key was taken");
    };
    assert_eq!(other.status, 409, "{other:?}");
}
