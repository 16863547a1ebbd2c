//! A WAP push as the model of its device takes it: signed by the digits of the IMSI, or with exchanged levels (`push.md` §4, `dm1x.md` §5.3).
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::path::Path;

use omadm_bootstrap::PushedBootstrap;
use omadm_bootstrap::dm1::{AppSrvIs, Dm1Document};
use omadm_dm1::bootstrap_mac::{Imsi, ImsiKey, bootstrap_mac};
use omadm_dm1::markup::MarkupLimits;
use omadm_mo::standard::dm_acc1::AuthLevel1;
use omadm_push::wsp::{Mac, Push};
use omadm_server::operator::types::{NewBootstrap, NewDm1Account};
use support::{DEVICE, Rig, soon};
use tokio::net::UdpSocket;

const IMSI: &str = "310150123456789";

/// The push to a device of this model, its key as asked for.
async fn pushed(model: Option<&str>, imsi_key: Option<&str>) -> PushedBootstrap {
    let profiles = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../profiles");
    let rig = Rig::one_node(
        |config| config.profiles_dir = Some(profiles.clone()),
        |server| server,
    );
    let rig = rig.await;
    rig.device(DEVICE).await;
    let account = NewDm1Account {
        profile: Some("dm1x".to_owned()),
        model: model.map(str::to_owned),
        ..NewDm1Account::default()
    };
    rig.api.add_dm1(DEVICE, &account).await.unwrap();
    let ear = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let new = NewBootstrap {
        device: DEVICE.to_owned(),
        profile: Some("dm1x".to_owned()),
        profile_format: Some("cp".to_owned()),
        to: Some(format!("udp://{}", ear.local_addr().unwrap())),
        imsi: Some(IMSI.to_owned()),
        imsi_key: imsi_key.map(str::to_owned),
        ..NewBootstrap::default()
    };
    rig.api.start_bootstrap(&new).await.unwrap();
    let mut octets = vec![0; 65_536];
    let length = soon(ear.recv(&mut octets)).await.unwrap();
    let push = Push::decode(&octets[..length]).unwrap();
    PushedBootstrap::of_push(&push).unwrap()
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
        let key = Imsi::parse(IMSI).unwrap().key(key);
        let expected = Mac::new(bootstrap_mac(&key, pushed.document.expose()));
        assert!(pushed.security.unwrap().mac == Some(expected), "{model:?}");
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
