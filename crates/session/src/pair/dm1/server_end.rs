use omadm_bootstrap::generation::{Generation, GenerationPolicy, Standing};
use omadm_bootstrap::{EventData, Utc};
use omadm_dm1::credential::{CredentialType, Nonce};
use omadm_dm1::markup::MarkupLimits;
use omadm_dm1::syncml::{Command, Encoding};
use omadm_mo::Secret;
use omadm_mo::standard::dm_acc1::AuthType1;

use super::Dm1Credentials;
use crate::client::dm1::{Dm1Request, Dm1Response};
use crate::pair::Seed;
use crate::server::dm1::{
    AccountFacts, BootstrapReport, Channel, Dm1Delta, Dm1Event, Dm1Limits, Dm1SessionState,
    Dm1Step, KeptSecret, MessageIn, ServerFacts, ServerSide, WantedCommand1, advance, identify,
};

/// The server: the reducer, and what it made durable for one account.
#[derive(Clone)]
pub struct Dm1ServerEnd {
    /// The server itself.
    pub facts: ServerFacts,
    /// The account.
    pub account: AccountFacts,
    /// Whether the name that a message gives is known.
    pub knows_account: bool,
    /// The bootstrap events that it stored.
    pub reports: Vec<BootstrapReport>,
    /// Everything that happened, in order.
    pub events: Vec<Dm1Event>,
    /// The account's session in its stored form.
    session: Option<Secret>,
}

/// What a message leads to, not durable yet.
pub(super) struct Prepared {
    step: Option<Dm1Step>,
    refused: u16,
}

impl Dm1ServerEnd {
    pub(super) fn new(server_id: &str, dev_id: &str, endpoint: &str, key: [u8; 32]) -> Self {
        Self {
            facts: ServerFacts {
                key: Secret::new(key.to_vec()),
                endpoint: endpoint.to_owned(),
                limits: Dm1Limits::default(),
                event_types: EventData::ALERT_TYPES.map(str::to_owned).into(),
                keep_alerts: true,
                policy: GenerationPolicy::default(),
            },
            account: AccountFacts {
                dev_id: Some(dev_id.to_owned()),
                ..AccountFacts::new(dev_id, server_id)
            },
            knows_account: true,
            reports: Vec::new(),
            events: Vec::new(),
            session: None,
        }
    }

    /// Issues the credentials of a bootstrap: in use, and in escrow.
    pub fn issue(&mut self, credentials: &Dm1Credentials) {
        let kept = |secret: &Secret| KeptSecret {
            secret: secret.clone(),
            standing: Standing {
                generation: Generation::Current,
                escrowed: true,
                revoked: false,
                coming: false,
            },
            previous: false,
            brought: None,
        };
        let nonce = |octets: &[u8]| Nonce::new(octets.to_vec()).ok();
        let kind = match credentials.kind {
            AuthType1::Basic => CredentialType::Basic,
            AuthType1::Hmac => CredentialType::Mac,
            _ => CredentialType::Md5,
        };
        let account = &mut self.account;
        account.credential = kind;
        account.client_secrets = vec![kept(&credentials.client.0)];
        account.client_nonces.package = nonce(&credentials.client.1);
        account.server = Some(ServerSide {
            credential: kind,
            user: account.server_id.clone(),
            secrets: vec![kept(&credentials.server.0)],
            nonce: nonce(&credentials.server.1),
            boot_nonce: nonce(&credentials.server.1),
        });
    }

    /// Queues a command.
    pub fn want(&mut self, id: &str, command: Command) {
        self.account.wanted.push(WantedCommand1 {
            id: id.to_owned(),
            command,
        });
    }

    /// How often this happened.
    #[must_use]
    pub fn count(&self, event: &Dm1Event) -> usize {
        self.events.iter().filter(|it| *it == event).count()
    }

    /// The account's session.
    #[must_use]
    pub fn session(&self) -> Option<Dm1SessionState> {
        Dm1SessionState::from_text(self.session.as_ref()?.expose()).ok()
    }

    pub(super) fn prepare(&self, now: Utc, request: &Dm1Request, seed: &mut Seed) -> Prepared {
        let encoding = if request.content_type == Encoding::Xml.media_type() {
            Encoding::Xml
        } else {
            Encoding::Wbxml
        };
        let identified = match identify(&request.body, encoding, MarkupLimits::MESSAGE) {
            Ok(identified) => identified,
            Err(refusal) => {
                return Prepared {
                    step: None,
                    refused: refusal.http_status(),
                };
            }
        };
        let mut entropy = [0; 32];
        entropy[..16].copy_from_slice(&seed.octets());
        entropy[16..].copy_from_slice(&seed.octets());
        let query = request.to.as_str().split_once("?s=");
        let message = MessageIn {
            body: &request.body,
            identified: &identified,
            mac: request.mac.as_deref(),
            token: query.map(|(_, token)| token),
            channel: Channel {
                encrypted: true,
                ..Channel::default()
            },
        };
        let account = Some(&self.account).filter(|_| self.knows_account);
        let step = advance(now, &entropy, &self.facts, self.session(), account, message);
        Prepared {
            step: Some(step),
            refused: 0,
        }
    }

    pub(super) fn commit(&mut self, prepared: Prepared) -> Dm1Response {
        let mut response = Dm1Response {
            status: prepared.refused,
            content_type: None,
            retry_after: None,
            mac: None,
            body: Vec::new(),
        };
        if let Some(step) = prepared.step {
            self.session = step.state.as_ref().map(Dm1SessionState::to_text);
            self.store(&step.delta);
            response.status = 200;
            response.content_type = Some(step.reply.encoding.media_type().to_owned());
            response.mac = step.reply.mac;
            response.body = step.reply.body;
        }
        response
    }

    fn store(&mut self, delta: &Dm1Delta) {
        self.account.apply(delta);
        self.reports.extend(delta.bootstrap.clone());
        self.events.extend(delta.events.iter().cloned());
    }
}
