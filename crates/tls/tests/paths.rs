//! Chains that the development CA does not make: intermediates, namesakes, too long ones.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::sync::Arc;

use omadm_mo::Secret;
use omadm_tls::{
    CertificateDer, CertificateRevocationListDer, ClientTrust, ConnectError, Identity,
    PeerIdentity, ServerDistrust, ServerTrust, Verdict,
};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose,
    RevokedCertParams, SerialNumber, date_time_ymd,
};
use support::{Server, connector, handshake, now};

struct Authority {
    issuer: Issuer<'static, KeyPair>,
    der: CertificateDer<'static>,
}

fn params(name: &str, serial: u64) -> CertificateParams {
    let mut params = CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
    params.distinguished_name.push(DnType::CommonName, name);
    params.serial_number = Some(SerialNumber::from(serial));
    params.use_authority_key_identifier_extension = true;
    params
}

impl Authority {
    fn new(name: &str, serial: u64, parent: Option<&Self>) -> Self {
        let mut params = params(name, serial);
        params.subject_alt_names.clear();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().unwrap();
        let certificate = match parent {
            None => params.self_signed(&key),
            Some(parent) => params.signed_by(&key, &parent.issuer),
        };
        Self {
            der: certificate.unwrap().into(),
            issuer: Issuer::new(params, key),
        }
    }

    fn leaf(&self, serial: u64, purpose: ExtendedKeyUsagePurpose, above: &[&Self]) -> Identity {
        let mut params = params("leaf", serial);
        params.extended_key_usages = vec![purpose];
        let key = KeyPair::generate().unwrap();
        let mut chain = vec![params.signed_by(&key, &self.issuer).unwrap().into()];
        chain.extend(above.iter().map(|authority| authority.der.clone()));
        Identity::new(chain, Secret::new(key.serialize_der())).unwrap()
    }

    fn crl(&self, revoked: u64) -> CertificateRevocationListDer<'static> {
        CertificateRevocationListParams {
            this_update: date_time_ymd(2020, 1, 1),
            next_update: date_time_ymd(2120, 1, 1),
            crl_number: SerialNumber::from(1),
            issuing_distribution_point: None,
            revoked_certs: vec![RevokedCertParams {
                serial_number: SerialNumber::from(revoked),
                revocation_time: date_time_ymd(2020, 1, 1),
                reason_code: None,
                invalidity_date: None,
            }],
            key_identifier_method: KeyIdMethod::Sha256,
        }
        .signed_by(&self.issuer)
        .unwrap()
        .into()
    }
}

fn verdict(
    identity: &Identity,
    anchor: &Authority,
    crls: &[CertificateRevocationListDer<'static>],
) -> Verdict {
    let trust = ClientTrust::new(std::slice::from_ref(&anchor.der), crls).unwrap();
    PeerIdentity::judge(identity.chain(), Arc::new(trust), now())
        .verdict()
        .clone()
}

#[test]
fn an_intermediate_carries_the_trust_unless_it_is_missing_or_revoked() {
    let root = Authority::new("root", 1, None);
    let middle = Authority::new("middle", 2, Some(&root));
    let purpose = ExtendedKeyUsagePurpose::ClientAuth;
    let whole = middle.leaf(3, purpose.clone(), &[&middle]);
    let short = middle.leaf(4, purpose, &[]);
    assert!(verdict(&whole, &root, &[]).is_trusted());
    assert!(verdict(&short, &middle, &[]).is_trusted());
    assert_eq!(verdict(&short, &root, &[]), Verdict::UnknownIssuer);
    assert_eq!(verdict(&whole, &root, &[root.crl(2)]), Verdict::Revoked);
    assert_eq!(verdict(&whole, &root, &[middle.crl(3)]), Verdict::Revoked);
    assert!(verdict(&whole, &root, &[root.crl(9), middle.crl(9)]).is_trusted());
}

#[test]
fn a_crl_of_an_intermediate_that_is_forged_is_no_excuse_to_let_anyone_in() {
    let root = Authority::new("root", 1, None);
    let middle = Authority::new("middle", 2, Some(&root));
    let forger = Authority::new("middle", 2, None);
    let device = middle.leaf(3, ExtendedKeyUsagePurpose::ClientAuth, &[&middle]);
    assert_eq!(
        verdict(&device, &root, &[forger.crl(9)]),
        Verdict::RevocationUndetermined
    );
}

#[test]
fn a_namesake_of_a_device_ca_vouches_for_nobody() {
    let root = Authority::new("root", 1, None);
    let namesake = Authority::new("root", 1, None);
    let device = namesake.leaf(3, ExtendedKeyUsagePurpose::ClientAuth, &[&namesake]);
    assert_eq!(verdict(&device, &root, &[]), Verdict::UnknownIssuer);
}

#[test]
fn a_path_deeper_than_path_building_goes_is_too_long() {
    let root = Authority::new("root", 1, None);
    let mut line = vec![Authority::new("ca 0", 2, Some(&root))];
    for depth in 1..12 {
        let next = Authority::new(&format!("ca {depth}"), 2, line.last());
        line.push(next);
    }
    let above: Vec<_> = line.iter().rev().collect();
    let device = line
        .last()
        .unwrap()
        .leaf(3, ExtendedKeyUsagePurpose::ClientAuth, &above);
    assert_eq!(verdict(&device, &root, &[]), Verdict::ChainTooLong);
}

#[tokio::test]
async fn a_server_of_a_namesake_of_the_anchor_is_of_an_unknown_issuer_and_pins_mismatch() {
    let root = Authority::new("root", 1, None);
    let namesake = Authority::new("root", 1, None);
    let identity = namesake.leaf(3, ExtendedKeyUsagePurpose::ServerAuth, &[]);
    let server = Server::presenting(support::ca("unused"), identity);
    for (trust, expected) in [
        (
            ServerTrust::anchors(std::slice::from_ref(&root.der)),
            ServerDistrust::UnknownIssuer,
        ),
        (ServerTrust::pinned(&root.der), ServerDistrust::PinMismatch),
    ] {
        let (_, connected) = handshake(
            &server.acceptor,
            &connector(trust.unwrap(), None),
            "localhost",
        )
        .await;
        match connected {
            Err(ConnectError::ServerNotTrusted(why)) => assert_eq!(why, expected),
            other => panic!("{other:?}"),
        }
    }
}
