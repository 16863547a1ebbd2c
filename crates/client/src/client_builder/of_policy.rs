//! What a policy file says, as the builder takes it.

use omadm_dm2::package0::AbsentDigest;

use super::ClientBuilder;
use crate::engine::{Source, browser_of, consent_of, pin_of, user_of};
use crate::https::Trust;
use crate::policy::{ClientPolicy, NotificationFiles, PolicyFileError, SourceTrust, certificates};
use crate::reader::ReaderList;

impl ClientBuilder {
    /// Takes everything a policy file says; the files it names are read now.
    ///
    /// # Errors
    /// [`PolicyFileError`] naming the file that cannot be used.
    pub fn policy(mut self, policy: &ClientPolicy) -> Result<Self, PolicyFileError> {
        self.policy = policy.bootstrap.clone();
        self.limits = policy.limits;
        if let Some(command) = &policy.consent {
            self.consent = Some(consent_of(command.clone()));
        }
        self.reapply_cards = policy.cards.reapply;
        self.card_settings = policy.cards.settings()?;
        for reader in &policy.cards.readers {
            ReaderList::supports(reader)?;
            self.readers.push(reader.clone());
        }
        if let Some(file) = &policy.factory_image {
            self.factory_image = Some(file.clone());
        }
        self.download_octets = policy.download_octets;
        self.tree_octets = policy.tree_octets;
        self.session_timeout = policy.session_timeout;
        self.report_type = policy.report_bootstrap_type;
        let connected = policy.session_info;
        self.bearer = Box::new(move || connected);
        (self.connect_timeout, self.read_timeout) = (policy.connect_timeout, policy.read_timeout);
        self.listen = policy.listen;
        if policy.accept_unproven_notifications {
            self.absent_digest = AbsentDigest::Accept;
        }
        self.managed_object_deadline = policy.managed_object_deadline;
        (self.network, self.reports) = (policy.network, policy.reports);
        if let Some(command) = &policy.show {
            self.browser = Some(browser_of(command.clone()));
        }
        if let Some(command) = &policy.user_alerts {
            self.ask_user = Some(user_of(command.clone()));
        }
        self.dm1 = policy.dm1.clone();
        if let Some(command) = &policy.dm1.pin {
            self.ask_pin = Some(pin_of(command.clone()));
        }
        self.allow_http_basic = policy.allow_http_basic;
        if let Some(login) = &policy.http_login {
            self.http_login = Some((login.user.clone(), login.read()?));
        }
        if policy.trust.system {
            return Err(PolicyFileError::SystemTrust);
        }
        if let Some(files) = &policy.identity {
            self = self.psk(files.read()?)?;
        }
        self.anchors.extend(certificates(&policy.trust.anchors)?);
        if let Some(smpp) = &policy.smpp {
            self.smpp = Some(smpp.read(&self.anchors)?);
        }
        for source in &policy.sources {
            let trust = match &source.trust {
                SourceTrust::Local => Trust {
                    anchors: self.anchors.clone(),
                    server_key: None,
                },
                SourceTrust::Anchors(files) => Trust {
                    anchors: certificates(files)?,
                    server_key: None,
                },
                SourceTrust::Pin(file) => {
                    let pin = certificates(std::slice::from_ref(file))?.into_iter().next();
                    Trust {
                        anchors: Vec::new(),
                        server_key: pin,
                    }
                }
            };
            self.sources.push(Source {
                id: Some(source.id.clone()),
                noti: source
                    .noti
                    .as_ref()
                    .map(NotificationFiles::read)
                    .transpose()?,
                url: source.url.clone(),
                trust,
                credential: None,
                push_names: source.push_names.clone(),
            });
        }
        Ok(self)
    }
}
