use std::sync::Arc;

use rustls_pki_types::{CertificateDer, UnixTime};

use crate::{
    ClientTrust, Fingerprint, Leaf, LiveClientTrust, PeerCertificates, PskIdentity, Verdict,
};

/// Who is at the other end of a connection, as far as the handshake tells: the certificate it presented and proved
/// possession of, with the verdict on it, or the pre-shared key it holds. Cloning is cheap.
///
/// It is the TLS layer's word only: which device it is, the server finds in its records (DESIGN §5, D71).
#[derive(Clone, Debug)]
pub struct PeerIdentity {
    certificates: Option<PeerCertificates>,
    psk: Option<(Arc<PskIdentity>, u32)>,
    verdict: Verdict,
    judged_by: Arc<ClientTrust>,
    judged_at: UnixTime,
}

impl PeerIdentity {
    /// Judges what the peer presented, leaf first; an empty chain is a client without a certificate.
    #[must_use]
    pub fn judge(chain: &[CertificateDer<'_>], trust: Arc<ClientTrust>, now: UnixTime) -> Self {
        Self::decide(PeerCertificates::new(chain), trust, now)
    }

    /// Somebody who holds the pre-shared key of this identity and number. There is no chain to judge; the trust is kept
    /// for [`PeerIdentity::judged`].
    #[must_use]
    pub fn of_psk(identity: PskIdentity, nr: u32, trust: Arc<ClientTrust>) -> Self {
        Self {
            certificates: None,
            psk: Some((Arc::new(identity), nr)),
            verdict: Verdict::NoCertificate,
            judged_by: trust,
            judged_at: UnixTime::since_unix_epoch(std::time::Duration::ZERO),
        }
    }

    /// The identity under the trust in force now. A server asks before each request, so that a revocation takes effect
    /// at once on an open connection. Signatures are checked again only where the trust was replaced, or a certificate
    /// began or ceased to be valid since (a clock that is set back counts too).
    #[must_use]
    pub fn judged(&self, trust: &LiveClientTrust, now: UnixTime) -> Self {
        if self.psk.is_some() {
            return self.clone();
        }
        let current = trust.current();
        let unchanged = Arc::ptr_eq(&current, &self.judged_by)
            && self
                .certificates
                .as_ref()
                .is_none_or(|peer| peer.same_validity(self.judged_at, now));
        if unchanged {
            self.clone()
        } else {
            Self::decide(self.certificates.clone(), current, now)
        }
    }

    /// The verdict of the last judgement.
    #[must_use]
    pub const fn verdict(&self) -> &Verdict {
        &self.verdict
    }

    /// What the leaf says; `None` without a certificate, or where it cannot be read.
    #[must_use]
    pub fn leaf(&self) -> Option<&Leaf> {
        self.certificates.as_ref()?.leaf()
    }

    /// SHA-256 of the leaf; `None` without a certificate.
    #[must_use]
    pub fn fingerprint(&self) -> Option<Fingerprint> {
        self.certificates
            .as_ref()
            .map(PeerCertificates::fingerprint)
    }

    /// The identity of the pre-shared key whose possession was proven; `None` where the connection has none.
    #[must_use]
    pub fn psk_identity(&self) -> Option<&PskIdentity> {
        self.psk.as_ref().map(|(identity, _)| &**identity)
    }

    /// Which of the keys of its identity that is ([`crate::Psk::nr`]); `None` where the connection has none.
    #[must_use]
    pub fn psk_nr(&self) -> Option<u32> {
        self.psk.as_ref().map(|(_, nr)| *nr)
    }

    /// What was presented.
    #[must_use]
    pub const fn certificates(&self) -> Option<&PeerCertificates> {
        self.certificates.as_ref()
    }

    fn decide(
        certificates: Option<PeerCertificates>,
        trust: Arc<ClientTrust>,
        now: UnixTime,
    ) -> Self {
        let verdict = certificates
            .as_ref()
            .map_or(Verdict::NoCertificate, |peer| trust.judge(peer, now));
        Self {
            certificates,
            psk: None,
            verdict,
            judged_by: trust,
            judged_at: now,
        }
    }
}
