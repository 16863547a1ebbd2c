//! Certificates, certificate requests and CRLs, as DER and as PEM.

use std::sync::{Arc, LazyLock};
use std::time::Duration;

use omadm_tls::pem::{self, PemKind};
use omadm_tls::{
    CertificateDer, CertificateRequest, CertificateRevocationListDer, ClientTrust, DevelopmentCa,
    DeviceKey, Fingerprint, Identity, Leaf, PeerIdentity, PskIdentity, SealingKey, ServerTrust,
    UnixTime, Verdict, is_well_formed_uri,
};

/// A device CA and the certificate it gave the device `urn:example:meter:17`. Both hold for a hundred years.
const DEVICE_CA: &[u8] = include_bytes!("../fixtures/device_ca.der");
const DEVICE: &[u8] = include_bytes!("../fixtures/device.der");
/// In 2027.
const NOW: UnixTime = UnixTime::since_unix_epoch(Duration::from_secs(1_800_000_000));

static TRUST: LazyLock<Arc<ClientTrust>> = LazyLock::new(|| {
    let anchors = [CertificateDer::from(DEVICE_CA)];
    Arc::new(ClientTrust::new(&anchors, &[]).expect("the CA is one"))
});

/// Whoever is trusted was named by the CA; a CRL that nobody signed revokes nothing; a request that was taken is signed, and written is the same. What a
/// certificate says can be shown.
pub fn certificate(octets: &[u8]) {
    let given = CertificateDer::from(octets);
    let device = CertificateDer::from(DEVICE);
    if let Some(leaf) = Leaf::parse(octets) {
        assert!(
            !leaf
                .subject()
                .chars()
                .chain(leaf.issuer().chars())
                .any(char::is_control)
        );
        let _state = leaf.validity_at(NOW);
    }
    let peer = PeerIdentity::judge(std::slice::from_ref(&given), Arc::clone(&TRUST), NOW);
    if peer.verdict().is_trusted() {
        let names = peer.leaf().map(Leaf::subject_common_names);
        assert_eq!(names, Some(&["urn:example:meter:17".to_owned()][..]));
    }
    let with_more = [device.clone(), given.clone()];
    let _verdict = PeerIdentity::judge(&with_more, Arc::clone(&TRUST), NOW);

    if let Ok(trust) = ClientTrust::new(std::slice::from_ref(&given), &[]) {
        let _verdict = PeerIdentity::judge(std::slice::from_ref(&device), Arc::new(trust), NOW);
    }
    let anchors = [CertificateDer::from(DEVICE_CA)];
    let crl = CertificateRevocationListDer::from(octets);
    if let Ok(trust) = ClientTrust::new(&anchors, std::slice::from_ref(&crl)) {
        let judged = PeerIdentity::judge(&[device], Arc::new(trust), NOW);
        assert!(*judged.verdict() != Verdict::Revoked);
    }
    let _anchor = ServerTrust::anchors(std::slice::from_ref(&given));
    let _pin = ServerTrust::pinned(&given);

    if let Ok(request) = CertificateRequest::from_der(octets) {
        assert_eq!(request.der(), octets);
        let again = CertificateRequest::from_pem(&request.to_pem()).expect("it was written");
        assert_eq!(again.der(), octets);
        assert_eq!(again.claimed_common_names(), request.claimed_common_names());
    }
}

/// What a text holds is written as a text that holds the same; keys, identities and names of certificates are taken or refused.
pub fn pem(octets: &[u8]) {
    let Ok(text) = str::from_utf8(octets) else {
        return;
    };
    if let Ok(certificates) = pem::certificates(text) {
        let written: String = certificates
            .iter()
            .map(|der| pem::encode(PemKind::Certificate, der))
            .collect();
        assert_eq!(
            pem::certificates(&written).expect("they were written"),
            certificates
        );
    }
    if let Ok(lists) = pem::revocation_lists(text) {
        let kind = PemKind::CertificateRevocationList;
        let written: String = lists.iter().map(|der| pem::encode(kind, der)).collect();
        assert_eq!(
            pem::revocation_lists(&written).expect("they were written"),
            lists
        );
    }
    if let Ok(key) = pem::private_key(text) {
        let written = pem::encode_private_key(&key);
        let written = str::from_utf8(written.expose()).expect("PEM is text");
        let again = pem::private_key(written).expect("it was written");
        assert!(again.expose() == key.expose());
    }
    if let Ok(request) = pem::certificate_request(text) {
        let written = pem::encode(PemKind::CertificateRequest, &request);
        assert_eq!(
            pem::certificate_request(&written).expect("it was written"),
            request
        );
    }
    if let Ok(key) = DeviceKey::from_pem(text) {
        let _sealing = key.sealing_key();
    }
    let _identity = Identity::from_pem(text, text);
    let _ca = DevelopmentCa::from_pem(text, text);
    let _recipient = SealingKey::from_pem(text);
    if let Ok(fingerprint) = text.parse::<Fingerprint>() {
        assert_eq!(fingerprint.to_string().parse(), Ok(fingerprint));
        assert_eq!(fingerprint.to_hex().parse(), Ok(fingerprint));
    }
    if let Ok(identity) = PskIdentity::new(octets) {
        assert_eq!(identity.as_str(), text);
    }
    if is_well_formed_uri(text) {
        assert!(text.is_ascii() && text.contains(':'));
    }
}
