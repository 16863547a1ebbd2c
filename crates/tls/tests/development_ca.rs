//! What the development CA issues, and what it refuses to.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::time::Duration;

use omadm_mo::DevId;
use omadm_tls::{
    CertificateRequest, CertificateRequestError, CertificateValidity, DevelopmentCa,
    DevelopmentCaError, DeviceKey, DeviceKeyError, Leaf,
};
use support::{DEVICE, between, ca, days, dev_id, device, now};

fn text(secret: &omadm_mo::Secret) -> &str {
    std::str::from_utf8(secret.expose()).unwrap()
}

#[test]
fn a_certificate_carries_the_dev_id_of_the_operator_and_not_the_claimed_one() {
    let ca = ca("test CA");
    let key = DeviceKey::generate().unwrap();
    let request = key
        .certificate_request(&DevId::parse("IMEI:000000000000000").unwrap())
        .unwrap();
    let request = CertificateRequest::from_pem(&request.to_pem()).unwrap();
    assert_eq!(request.claimed_common_names(), ["IMEI:000000000000000"]);
    let issued = ca
        .issue_from_csr(&request, &dev_id(), between(0, 9))
        .unwrap();
    let leaf = Leaf::parse(&issued.der).unwrap();
    assert_eq!(
        (leaf.subject_common_names(), leaf.san_uris()),
        (&[DEVICE.to_owned()][..], &[DEVICE.to_owned()][..])
    );
    assert!(key.identity(vec![issued.der.clone()]).is_ok());
    assert!(
        DeviceKey::generate()
            .unwrap()
            .identity(vec![issued.der])
            .is_err()
    );
}

#[test]
fn a_dev_id_that_is_no_uri_stands_in_the_cn_alone_d71() {
    let ca = ca("test CA");
    for name in ["493005100592800", &"x".repeat(128)] {
        let (issued, _) = ca
            .issue_for_generated_key(&DevId::parse(name).unwrap(), between(0, 9))
            .unwrap();
        let leaf = Leaf::parse(&issued.der).unwrap();
        assert_eq!(leaf.subject_common_names(), [name]);
        assert!(leaf.san_uris().is_empty());
    }
}

#[test]
fn a_request_that_was_altered_proves_nothing() {
    let request = DeviceKey::generate()
        .unwrap()
        .certificate_request(&dev_id())
        .unwrap();
    let der = request.der();
    let position = der.windows(4).position(|window| window == b"IMEI").unwrap();
    let mut altered = der.to_vec();
    altered[position] = b'X';
    assert!(matches!(
        CertificateRequest::from_der(&altered),
        Err(CertificateRequestError::SignatureInvalid)
    ));
    assert!(matches!(
        CertificateRequest::from_der(&der[..der.len() - 1]),
        Err(CertificateRequestError::Malformed)
    ));
    let trailing = [der, &[0]].concat();
    assert!(matches!(
        CertificateRequest::from_der(&trailing),
        Err(CertificateRequestError::Malformed)
    ));
    assert!(matches!(
        CertificateRequest::from_pem("nothing"),
        Err(CertificateRequestError::Pem(_))
    ));
}

#[test]
fn every_truncation_of_a_request_and_of_a_certificate_is_an_error_and_no_panic() {
    let (issued, _) = device(&ca("test CA"), between(0, 9));
    for end in 0..issued.der.len() {
        assert!(Leaf::parse(&issued.der[..end]).is_none());
    }
    let request = DeviceKey::generate()
        .unwrap()
        .certificate_request(&dev_id())
        .unwrap();
    for end in 0..request.der().len() {
        assert!(CertificateRequest::from_der(&request.der()[..end]).is_err());
    }
}

#[test]
fn a_stored_ca_is_read_back_and_issues_under_the_same_anchor() {
    let made = ca("test CA");
    let read = DevelopmentCa::from_pem(&made.certificate_pem(), text(&made.key_pem())).unwrap();
    assert_eq!(read.fingerprint(), made.fingerprint());
    let (issued, identity) = device(&read, between(-1, 9));
    let crl = read
        .crl(
            &[omadm_tls::Revocation {
                serial: issued.serial,
                at: now(),
            }],
            2,
            days(-1),
            days(9),
        )
        .unwrap();
    let judge =
        |trust| omadm_tls::PeerIdentity::judge(identity.chain(), std::sync::Arc::new(trust), now());
    assert!(judge(support::trust(&[&made])).verdict().is_trusted());
    let revoking = omadm_tls::ClientTrust::new(&[made.certificate().clone()], &[crl]).unwrap();
    assert_eq!(judge(revoking).verdict(), &omadm_tls::Verdict::Revoked);
}

#[test]
fn files_that_are_no_ca_are_refused_for_what_they_are() {
    let (one, two) = (ca("one"), ca("two"));
    let wrong = DevelopmentCa::from_pem(&one.certificate_pem(), text(&two.key_pem()));
    assert!(matches!(wrong, Err(DevelopmentCaError::WrongKey)));
    let (issued, identity) = device(&one, between(0, 9));
    let key = DeviceKey::from_pkcs8(identity.key().clone())
        .unwrap()
        .to_pem();
    assert!(matches!(
        DevelopmentCa::from_pem(&issued.to_pem(), text(&key)),
        Err(DevelopmentCaError::NotACa)
    ));
    let both = one.certificate_pem() + &two.certificate_pem();
    assert!(matches!(
        DevelopmentCa::from_pem(&both, text(&one.key_pem())),
        Err(DevelopmentCaError::NotACa)
    ));
    assert!(matches!(
        DevelopmentCa::from_pem("", text(&one.key_pem())),
        Err(DevelopmentCaError::Pem(_))
    ));
    assert!(matches!(
        DevelopmentCa::from_pem(&one.certificate_pem(), ""),
        Err(DevelopmentCaError::Pem(_))
    ));
}

#[test]
fn names_and_times_that_make_no_sense_are_refused() {
    let ca = ca("test CA");
    for names in [&[][..], &["not a name"], &["localhost", "-"], &["a..b"]] {
        assert!(
            matches!(
                ca.issue_server(names, between(0, 9)),
                Err(DevelopmentCaError::ServerName(_))
            ),
            "{names:?}"
        );
    }
    assert!(matches!(
        ca.issue_server(&["::1"], between(1, 0)),
        Err(DevelopmentCaError::Validity)
    ));
    assert!(matches!(
        ca.crl(&[], 1, now(), now()),
        Err(DevelopmentCaError::Validity)
    ));
    assert!(
        ca.issue_server(
            &["::1"],
            CertificateValidity::starting(now(), Duration::from_secs(u64::MAX))
        )
        .is_ok()
    );
}

#[test]
fn a_key_is_read_back_from_pem_and_nothing_else_is_a_key() {
    let key = DeviceKey::generate().unwrap();
    let read = DeviceKey::from_pem(text(&key.to_pem())).unwrap();
    assert!(read.pkcs8() == key.pkcs8());
    assert!(matches!(
        DeviceKey::from_pem("nothing"),
        Err(DeviceKeyError::Pem(_))
    ));
    assert!(matches!(
        DeviceKey::from_pkcs8(omadm_mo::Secret::new(vec![1])),
        Err(DeviceKeyError::Malformed)
    ));
}

#[test]
fn serials_are_never_given_twice() {
    let ca = ca("test CA");
    let serials: std::collections::BTreeSet<_> = (0..50)
        .map(|_| device(&ca, between(0, 9)).0.serial)
        .collect();
    assert_eq!(serials.len(), 50);
    assert!(serials.iter().all(|serial| serial.octets().len() == 16));
}
