use std::net::SocketAddr;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use omadm_mo::{DevId, Secret, ServerUri};
use omadm_tls::{
    CertificateDer, CertificateValidity, Connector, ConnectorConfig, ConnectorSetupError,
    DevelopmentCa, DevelopmentCaError, Identity, Psk, ServerTrust, ServerTrustError, UnixTime,
};

use crate::conformance::hook::Hook;

/// The server that is driven, and the device that the kit is to it.
#[derive(Clone)]
pub struct ServerSubject {
    /// Where Package#1 goes.
    pub url: ServerUri,
    /// Where the server gives bootstraps to clients that ask; without it those checks are not run.
    pub bootstrap_url: Option<ServerUri>,
    /// The DevID under which the server knows the kit.
    pub dev_id: DevId,
    /// A well-formed DevID that is not the kit's.
    pub other_dev_id: DevId,
    /// What the server's certificate chains to.
    pub anchors: Vec<CertificateDer<'static>>,
    /// The kit's certificate and key, where the server authenticates by X.509.
    pub identity: Option<Identity>,
    /// HTTP user and password, where it authenticates by HTTP.
    pub user: Option<(String, Secret)>,
    /// The longest body in octets that the server takes, where that is to be checked.
    pub body_limit: Option<usize>,
    /// A listener of the server for PSK, where its suites are to be checked.
    pub psk_url: Option<ServerUri>,
    /// Where the kit takes Notifications over UDP; port 0 takes a free one.
    pub notify_listen: SocketAddr,
    /// A pre-shared key of the device, with which a session is opened there.
    pub psk: Option<Psk>,
    /// A listener of the server for the older suites of the X.509 list; without it those of `url` are looked at.
    pub suites_url: Option<ServerUri>,
    /// Where the device may put MO data into the server's data repository.
    pub repository_url: Option<ServerUri>,
    /// A bootstrap that the device had before: what the server's account says, where none waits any more.
    pub document: Option<Vec<u8>>,
    /// Whether every suite of the X.509 list has to be there, weak and old ones too.
    pub every_suite: bool,
    /// What makes the server do something of its own accord.
    pub hook: Option<Hook>,
    /// For a connection, and for an answer.
    pub limit: Duration,
}

/// Why the kit cannot be the device. Whoever started it is at fault.
#[derive(Debug, thiserror::Error)]
pub enum SubjectError {
    /// An anchor.
    #[error(transparent)]
    Trust(#[from] ServerTrustError),
    /// The device's certificate and key, or its pre-shared key.
    #[error(transparent)]
    Identity(#[from] ConnectorSetupError),
    /// The certificate of a stranger could not be made.
    #[error(transparent)]
    Stranger(#[from] DevelopmentCaError),
}

impl ServerSubject {
    /// A subject without credential, bootstrap URL and hook; 10 s for each answer.
    #[must_use]
    pub fn new(
        url: ServerUri,
        dev_id: DevId,
        other_dev_id: DevId,
        anchors: Vec<CertificateDer<'static>>,
    ) -> Self {
        Self {
            url,
            bootstrap_url: None,
            dev_id,
            other_dev_id,
            anchors,
            identity: None,
            user: None,
            body_limit: None,
            psk_url: None,
            psk: None,
            suites_url: None,
            repository_url: None,
            document: None,
            notify_listen: SocketAddr::from(([127, 0, 0, 1], 0)),
            every_suite: false,
            hook: None,
            limit: Duration::from_secs(10),
        }
    }
}

/// Who the kit is on a connection.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Who {
    /// The device, with its certificate where it has one.
    Device,
    /// Somebody with a certificate of a CA that nobody knows, on which the device's DevID stands.
    Stranger,
    /// Somebody without certificate.
    Nobody,
    /// The device with its pre-shared key.
    Psk,
}

pub(super) struct Connectors {
    device: Connector,
    stranger: Connector,
    nobody: Connector,
    psk: Option<Connector>,
}

impl Connectors {
    pub(super) fn of(subject: &ServerSubject) -> Result<Self, SubjectError> {
        let trust = ServerTrust::anchors(&subject.anchors)?;
        let connector = |identity: Option<Identity>| {
            let mut config = ConnectorConfig::new(trust.clone());
            (config.identity, config.handshake_timeout) = (identity, subject.limit);
            Connector::new(config)
        };
        let now = SystemTime::now().duration_since(UNIX_EPOCH);
        let now = UnixTime::since_unix_epoch(now.unwrap_or_default());
        let validity = CertificateValidity::starting(now, Duration::from_secs(86_400));
        let stranger = DevelopmentCa::create("nobody knows this CA", validity)?
            .issue_for_generated_key(&subject.dev_id, validity)?
            .1;
        let psk = subject.psk.clone().map(|psk| {
            let mut config = ConnectorConfig::new(trust.clone()).with_psk(psk);
            config.handshake_timeout = subject.limit;
            Connector::new(config)
        });
        Ok(Self {
            psk: psk.transpose()?,
            device: connector(subject.identity.clone())?,
            stranger: connector(Some(stranger))?,
            nobody: connector(None)?,
        })
    }

    pub(super) const fn of_peer(&self, who: Who) -> &Connector {
        match who {
            Who::Device => &self.device,
            Who::Stranger => &self.stranger,
            Who::Nobody => &self.nobody,
            Who::Psk => match &self.psk {
                Some(psk) => psk,
                None => &self.nobody,
            },
        }
    }
}
