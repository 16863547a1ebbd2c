//! A build without the feature `psk`: `cargo test -p omadm-tls`.
#![cfg(not(feature = "psk"))]
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

mod support;

use std::sync::Arc;

use omadm_mo::Secret;
use omadm_tls::{
    Acceptor, AcceptorConfig, Connector, ConnectorConfig, ListenerProfile, LiveClientTrust, Psk,
    PskKeys,
};
use support::{between, ca, trust};

#[test]
fn both_ends_refuse_what_needs_openssl_and_name_the_feature() {
    let ca = ca("test CA");
    let rsa = ca.issue_rsa_server(&["localhost"], between(-1, 9)).unwrap();
    let keys = Arc::new(PskKeys::default());
    for profile in [
        ListenerProfile::Psk {
            keys,
            rsa: rsa.clone(),
        },
        ListenerProfile::Legacy { rsa: rsa.clone() },
    ] {
        let trust = Arc::new(LiveClientTrust::new(trust(&[&ca])));
        let mut config = AcceptorConfig::new(rsa.clone(), trust);
        config.profile = profile;
        let refused = Acceptor::new(config).err().unwrap().to_string();
        assert!(refused.contains("the feature `psk`"), "{refused}");
    }
    let psk = Psk::new(b"device", Secret::new(vec![7; 16])).unwrap();
    let trust = omadm_tls::ServerTrust::anchors(&[]).unwrap();
    let refused = Connector::new(ConnectorConfig::new(trust).with_psk(psk));
    let refused = refused.err().unwrap().to_string();
    assert!(refused.contains("the feature `psk`"), "{refused}");
}
