use rustls::client::danger::ServerCertVerifier as _;
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};

use crate::server_verifier::ServerVerifier;
use crate::{
    ClientTrust, ClientTrustError, PeerCertificates, ServerDistrust, ServerTrust, ServerTrustError,
};

/// By what a device that listens recognises the server that calls it (dm20.md §16.4): the same certificate by which it would believe that server if it
/// called there itself, or a client certificate of the same anchors that bears one of the names.
#[derive(Debug)]
pub struct CallerTrust {
    server: ServerVerifier,
    client: ClientTrust,
}

/// Why no trust in callers could be set up. Whoever configured or bootstrapped it is at fault.
#[derive(Debug, thiserror::Error)]
pub enum CallerTrustError {
    /// What servers are checked against.
    #[error(transparent)]
    Server(#[from] ServerTrustError),
    /// What client certificates are checked against.
    #[error(transparent)]
    Client(#[from] ClientTrustError),
}

impl CallerTrust {
    /// Trusts callers that present `pin` itself, or chain to an anchor (DER) and bear a name.
    ///
    /// # Errors
    /// [`CallerTrustError`] where one is no certificate.
    pub fn new(
        anchors: &[CertificateDer<'_>],
        pin: Option<&CertificateDer<'_>>,
    ) -> Result<Self, CallerTrustError> {
        let mut trust = ServerTrust::anchors(anchors)?;
        if let Some(pin) = pin {
            trust = trust.with_server_key(pin)?;
        }
        Ok(Self {
            server: ServerVerifier::new(trust)?,
            client: ClientTrust::new(anchors, &[])?,
        })
    }

    /// Judges what a caller proved possession of. `names` are DNS names, IP addresses, or a common name or SAN URI as a client certificate has it; without
    /// any nobody is believed.
    ///
    /// # Errors
    /// Why the caller is not believed: of several names, what is told of the last.
    pub fn judge(
        &self,
        caller: &PeerCertificates,
        names: &[&str],
        now: UnixTime,
    ) -> Result<(), ServerDistrust> {
        let mut last = ServerDistrust::UnknownIssuer;
        for name in names {
            match self.bears(caller, name, now) {
                Ok(()) => return Ok(()),
                Err(distrust) => last = distrust,
            }
        }
        Err(last)
    }

    fn bears(
        &self,
        caller: &PeerCertificates,
        name: &str,
        now: UnixTime,
    ) -> Result<(), ServerDistrust> {
        if self.client.judge(caller, now).is_trusted()
            && let Some(leaf) = caller.leaf()
        {
            let mut names = leaf.san_uris().iter().chain(leaf.subject_common_names());
            if names.any(|own| own == name) {
                return Ok(());
            }
        }
        let Some((end_entity, intermediates)) = caller.chain().split_first() else {
            return Err(ServerDistrust::UnknownIssuer);
        };
        let name = ServerName::try_from(name).map_err(|_| ServerDistrust::WrongName {
            presented: Vec::new(),
        })?;
        self.server
            .verify_server_cert(end_entity, intermediates, &name, &[], now)
            .map(drop)
            .map_err(|error| match error {
                rustls::Error::InvalidCertificate(cause) => ServerDistrust::of(cause),
                _ => ServerDistrust::Unusable(rustls::CertificateError::BadEncoding),
            })
    }
}
