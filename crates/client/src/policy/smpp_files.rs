use std::path::PathBuf;

use omadm_mo::Secret;
use omadm_push::PhoneNumber;
use omadm_smpp::EsmeConfig;
use omadm_tls::{CertificateDer, Connector, ConnectorConfig, ServerTrust};

use super::HttpLoginFile;
use crate::PolicyFileError;
use crate::listener::SmppListener;

/// `[listen.smpp]`: the SMSC that the device binds to as an entity of its own, for its own number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SmppFiles {
    /// Its DNS name or IP address.
    pub host: String,
    /// Its port.
    pub port: u16,
    /// Who the device is there.
    pub system_id: String,
    /// The file that holds the password; the end of its last line is no part of it.
    pub password: PathBuf,
    /// The device's number.
    pub number: PhoneNumber,
    /// Whether the link has TLS; the SMSC is then checked against `[trust]`.
    pub tls: bool,
    /// Most parts of a message, 1 to 255 (`push.md` §3); what announces more is dropped.
    pub parts: u8,
}

impl SmppFiles {
    /// Parts that are taken by default: a bootstrap of the DM profile has about eleven.
    pub const PARTS: u8 = 16;

    /// Reads the password, and makes the link's settings.
    pub(crate) fn read(
        &self,
        anchors: &[CertificateDer<'static>],
    ) -> Result<SmppListener, PolicyFileError> {
        let login = HttpLoginFile {
            user: self.system_id.clone(),
            password: self.password.clone(),
        };
        let password: Secret = login.read()?;
        let range = format!("^{}$", self.number.digits());
        let esme = EsmeConfig::new(&self.host, self.port, &self.system_id, password);
        let mut esme = esme.and_then(|esme| esme.with_address_range(range))?;
        if self.tls {
            let trust = ServerTrust::anchors(anchors)?;
            let config = ConnectorConfig::new(trust).without_http();
            esme.tls = Some(Connector::new(config)?);
        }
        Ok(SmppListener {
            esme,
            number: self.number.clone(),
            parts: self.parts,
        })
    }
}
