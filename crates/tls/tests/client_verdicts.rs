//! What the server learns of its client: every verdict after a completed handshake, anew on open and resumed connections.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::sync::Arc;

use omadm_tls::{
    CertificateDer, ClientTrust, ClientTrustError, ConnectorConfig, DeviceKey, Fingerprint,
    Identity, Leaf, PeerIdentity, ValidityState, Verdict,
};
use support::{
    DEVICE, Server, between, ca, connector, days, dev_id, device, meet, now, trust, trust_revoking,
};

#[tokio::test]
async fn a_device_of_a_configured_ca_is_trusted_and_names_itself() {
    let server = Server::new();
    let (issued, identity) = device(&server.ca, between(-1, 30));
    let (accepted, connected) = meet(&server, &server.connector(Some(&identity))).await;
    assert_eq!(
        accepted.peer.verdict(),
        &Verdict::Trusted {
            anchor: server.ca.fingerprint()
        }
    );
    assert!(!accepted.resumed);
    let leaf = accepted.peer.leaf().unwrap();
    assert_eq!(leaf.fingerprint(), issued.fingerprint);
    assert_eq!(leaf.serial(), &issued.serial);
    assert_eq!(leaf.subject_common_names(), [DEVICE]);
    assert_eq!(leaf.san_uris(), [DEVICE]);
    assert_eq!(leaf.not_after(), issued.not_after);
    assert!(leaf.not_before().as_secs().abs_diff(days(-1).as_secs()) <= 5);
    assert!(leaf.issuer().contains("test CA"), "{}", leaf.issuer());
    assert_eq!(connected.application_protocol(), Some(&b"http/1.1"[..]));
}

#[tokio::test]
async fn a_client_without_certificate_passes_and_is_told_apart() {
    let server = Server::new();
    let (accepted, _connected) = meet(&server, &server.connector(None)).await;
    assert_eq!(accepted.peer.verdict(), &Verdict::NoCertificate);
    assert!(accepted.peer.leaf().is_none() && accepted.peer.fingerprint().is_none());
    assert_eq!(
        accepted.peer.judged(&server.trust, now()).verdict(),
        &Verdict::NoCertificate
    );
}

#[tokio::test]
async fn refusable_certificates_pass_the_handshake_and_get_their_verdict() {
    let server = Server::new();
    let stranger = ca("test CA");
    let (revoked, revoked_identity) = device(&server.ca, between(-1, 30));
    let (revoked_and_expired, revoked_and_expired_identity) = device(&server.ca, between(-9, -2));
    server.trust.replace(trust_revoking(
        &server.ca,
        &[&revoked, &revoked_and_expired],
    ));
    let cases = [
        (device(&stranger, between(-1, 30)).1, Verdict::UnknownIssuer),
        (device(&stranger, between(-9, -2)).1, Verdict::UnknownIssuer),
        (
            device(&server.ca, between(-9, -2)).1,
            Verdict::Expired {
                not_after: days(-2),
            },
        ),
        (
            device(&server.ca, between(2, 9)).1,
            Verdict::NotYetValid {
                not_before: days(2),
            },
        ),
        (revoked_identity, Verdict::Revoked),
        (revoked_and_expired_identity, Verdict::Revoked),
        (
            server
                .ca
                .issue_server(&["device.test"], between(-1, 30))
                .unwrap(),
            Verdict::WrongPurpose,
        ),
    ];
    for (identity, expected) in cases {
        let (accepted, _connected) = meet(&server, &server.connector(Some(&identity))).await;
        match (accepted.peer.verdict(), &expected) {
            (Verdict::Expired { not_after: one }, Verdict::Expired { not_after: other })
            | (
                Verdict::NotYetValid { not_before: one },
                Verdict::NotYetValid { not_before: other },
            ) => {
                assert!(one.as_secs().abs_diff(other.as_secs()) <= 5);
            }
            (verdict, expected) => assert_eq!(verdict, expected),
        }
    }
}

#[tokio::test]
async fn revocation_takes_effect_on_an_open_and_on_a_resumed_connection() {
    let server = Server::new();
    let (issued, identity) = device(&server.ca, between(-1, 30));
    let connector = server.connector(Some(&identity));
    let (open, _held) = meet(&server, &connector).await;
    assert!(
        open.peer
            .judged(&server.trust, now())
            .verdict()
            .is_trusted()
    );

    server.trust.replace(trust_revoking(&server.ca, &[&issued]));
    assert_eq!(
        open.peer.judged(&server.trust, now()).verdict(),
        &Verdict::Revoked
    );
    let (resumed, _connected) = meet(&server, &connector).await;
    assert!(resumed.resumed, "the session was to be resumed");
    assert_eq!(resumed.peer.verdict(), &Verdict::Revoked);
    assert_eq!(resumed.peer.fingerprint(), Some(issued.fingerprint));

    server.trust.replace(trust(&[&ca("another CA")]));
    let (resumed, _connected) = meet(&server, &connector).await;
    assert!(resumed.resumed, "the session was to be resumed");
    assert_eq!(resumed.peer.verdict(), &Verdict::UnknownIssuer);
}

#[tokio::test]
async fn an_open_connection_is_judged_again_when_its_certificate_expires_or_the_clock_jumps() {
    let server = Server::new();
    let (_, identity) = device(&server.ca, between(-1, 30));
    let (open, _held) = meet(&server, &server.connector(Some(&identity))).await;
    for (moment, expected) in [
        (days(29), "trusted"),
        (days(31), "expired"),
        (days(-2), "not_yet_valid"),
        (now(), "trusted"),
    ] {
        let judged = open.peer.judged(&server.trust, moment);
        assert_eq!(judged.verdict().code(), expected);
        assert!(judged.judged(&server.trust, now()).verdict().is_trusted());
    }
}

#[test]
fn a_self_signed_certificate_is_left_to_registration_and_its_validity_is_told() {
    let server = trust(&[&ca("test CA")]);
    let self_signed = rcgen::generate_simple_self_signed(vec!["device.test".to_owned()]).unwrap();
    // A CA certificate used as a leaf is what people make by hand.
    let by_hand = ca("self-made").certificate().clone();
    let server = Arc::new(server);
    for (chain, expected) in [
        ([self_signed.cert.der().clone()], Verdict::UnknownIssuer),
        ([by_hand.clone()], Verdict::WrongPurpose),
    ] {
        let peer = PeerIdentity::judge(&chain, Arc::clone(&server), now());
        assert_eq!(peer.fingerprint(), Some(Fingerprint::of(&chain[0])));
        assert_eq!(peer.verdict(), &expected);
        assert!(peer.verdict().leaves_it_to_registration());
    }
    let leaf = Leaf::parse(&by_hand).unwrap();
    assert_eq!(leaf.validity_at(now()), ValidityState::Valid);
    assert_eq!(leaf.validity_at(leaf.not_after()), ValidityState::Valid);
    assert_eq!(leaf.validity_at(days(366)), ValidityState::Expired);
    assert_eq!(leaf.validity_at(days(-31)), ValidityState::NotYetValid);
}

#[test]
fn a_certificate_of_another_purpose_is_still_told_apart_when_revoked_or_of_a_stranger() {
    let (ca, stranger) = (ca("test CA"), ca("another CA"));
    let identity = ca.issue_server(&["device.test"], between(-9, 9)).unwrap();
    let serial = Leaf::parse(&identity.chain()[0]).unwrap().serial().clone();
    let crl = ca
        .crl(
            &[omadm_tls::Revocation {
                serial,
                at: days(-1),
            }],
            1,
            days(-1),
            days(9),
        )
        .unwrap();
    let judge = |identity: &Identity, crls: &[_]| {
        let trust = ClientTrust::new(&[ca.certificate().clone()], crls).unwrap();
        PeerIdentity::judge(identity.chain(), Arc::new(trust), now())
            .verdict()
            .clone()
    };
    assert_eq!(judge(&identity, &[]), Verdict::WrongPurpose);
    assert_eq!(judge(&identity, &[crl]), Verdict::Revoked);
    for validity in [between(-9, 9), between(-9, -2), between(2, 9)] {
        let foreign = stranger.issue_server(&["device.test"], validity).unwrap();
        assert_eq!(judge(&foreign, &[]), Verdict::UnknownIssuer);
    }
}

#[test]
fn of_several_crls_the_newest_decides_in_whatever_order_they_come() {
    let ca = ca("test CA");
    let (issued, identity) = device(&ca, between(-1, 30));
    let revocation = omadm_tls::Revocation {
        serial: issued.serial,
        at: days(-1),
    };
    let older = ca.crl(&[], 1, days(-3), days(-2)).unwrap();
    let newer = ca.crl(&[revocation], 2, days(-1), days(1)).unwrap();
    for crls in [[older.clone(), newer.clone()], [newer, older]] {
        let trust = ClientTrust::new(&[ca.certificate().clone()], &crls).unwrap();
        let peer = PeerIdentity::judge(identity.chain(), Arc::new(trust), now());
        assert_eq!(peer.verdict(), &Verdict::Revoked);
    }
}

#[test]
fn a_crl_past_its_next_update_still_revokes_and_locks_nobody_out() {
    let ca = ca("test CA");
    let (issued, revoked) = device(&ca, between(-30, 30));
    let (_, good) = device(&ca, between(-30, 30));
    let crl = ca
        .crl(
            &[omadm_tls::Revocation {
                serial: issued.serial,
                at: days(-9),
            }],
            1,
            days(-9),
            days(-8),
        )
        .unwrap();
    let trust = Arc::new(ClientTrust::new(&[ca.certificate().clone()], &[crl]).unwrap());
    assert_eq!(
        PeerIdentity::judge(revoked.chain(), Arc::clone(&trust), now()).verdict(),
        &Verdict::Revoked
    );
    assert!(
        PeerIdentity::judge(good.chain(), trust, now())
            .verdict()
            .is_trusted()
    );
}

#[test]
fn unusable_anchors_and_crls_are_refused_by_their_place() {
    let (ca, namesake) = (ca("test CA"), ca("other"));
    let anchor = ca.certificate().clone();
    let (issued, _) = device(&ca, between(-1, 30));
    let bad = ClientTrust::new(&[anchor.clone(), CertificateDer::from(vec![1, 2])], &[]);
    assert!(matches!(
        bad,
        Err(ClientTrustError::AnchorMalformed { position: 1 })
    ));
    let leaf = ClientTrust::new(&[issued.der], &[]);
    assert!(
        matches!(leaf, Err(ClientTrustError::AnchorIsNoCa { position: 0, fingerprint }) if fingerprint == issued.fingerprint)
    );
    let broken = ClientTrust::new(std::slice::from_ref(&anchor), &[vec![0x30, 0].into()]);
    assert!(matches!(
        broken,
        Err(ClientTrustError::CrlMalformed { position: 0, .. })
    ));
    let mut forged = ca.crl(&[], 1, now(), days(1)).unwrap().as_ref().to_vec();
    *forged.last_mut().unwrap() ^= 1;
    let forged = ClientTrust::new(
        &[anchor.clone(), namesake.certificate().clone()],
        &[forged.into()],
    );
    assert!(matches!(
        forged,
        Err(ClientTrustError::CrlSignature { position: 0 })
    ));
    assert!(ClientTrust::new(&[anchor], &[namesake.crl(&[], 1, now(), days(1)).unwrap()]).is_ok());
}

#[test]
fn a_chain_that_cannot_be_read_is_malformed_and_keeps_its_fingerprint() {
    let garbage = [CertificateDer::from(vec![0x30, 3, 1, 2, 3])];
    let peer = PeerIdentity::judge(&garbage, Arc::new(trust(&[&ca("test CA")])), now());
    assert_eq!(peer.verdict(), &Verdict::Malformed);
    assert_eq!(peer.fingerprint(), Some(Fingerprint::of(&garbage[0])));
}

#[test]
fn a_key_and_certificate_that_do_not_belong_together_are_no_identity() {
    let (_, identity) = device(&ca("test CA"), between(-1, 30));
    let other = DeviceKey::generate().unwrap();
    assert!(Identity::new(identity.chain().to_vec(), other.pkcs8().clone()).is_err());
    assert!(Identity::new(Vec::new(), other.pkcs8().clone()).is_err());
    assert!(other.certificate_request(&dev_id()).is_ok());
}

#[tokio::test]
async fn another_credential_never_resumes_the_session_of_the_first() {
    let server = Server::new();
    let (_, one) = device(&server.ca, between(-1, 30));
    let (_, two) = device(&server.ca, between(-1, 30));
    let _first = meet(&server, &server.connector(Some(&one))).await;
    let second = omadm_tls::Connector::new(
        ConnectorConfig::new(server.trusted()).with_identity(two.clone()),
    )
    .unwrap();
    let (accepted, _connected) = meet(&server, &second).await;
    assert!(!accepted.resumed);
    assert_eq!(
        accepted.peer.fingerprint(),
        Some(Fingerprint::of(&two.chain()[0]))
    );
    let (anonymous, _connected) = meet(&server, &connector(server.trusted(), None)).await;
    assert_eq!(anonymous.peer.verdict(), &Verdict::NoCertificate);
}
