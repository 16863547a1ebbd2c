use std::fmt;

use omadm_bootstrap::EventId;
use omadm_bootstrap::generation::{Generation, GenerationPolicy, Standing};
use omadm_dm1::credential::{CredentialType, Nonce};
use omadm_dm1::markup::MarkupLimits;
use omadm_dm1::syncml::Command;
use omadm_mo::Secret;

use super::{DeviceModel, Dm1Delta, Dm1Event};

/// What the reducer is told of the server itself.
#[derive(Clone)]
pub struct ServerFacts {
    /// What challenge nonces and the tokens of unproven sessions are derived of (M16): the same on every node, at least 16 random octets, kept between starts.
    pub key: Secret,
    /// The endpoint as devices reach it: `RespURI` without its token (M02). Scheme and host stay.
    pub endpoint: String,
    /// What is read and announced.
    pub limits: Dm1Limits,
    /// The alert types that mean the bootstrap event, without prefix (§6.2).
    pub event_types: Vec<String>,
    /// Whether other generic alerts and client events are kept (200) or not supported (415, 406).
    pub keep_alerts: bool,
    /// What a credential that does not simply count comes to.
    pub policy: GenerationPolicy,
}

/// Bounds of a session.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Dm1Limits {
    /// Of a received message; its octets are announced as `MaxMsgSize` (M07).
    pub markup: MarkupLimits,
    /// `MaxObjSize`: octets of one object that is put together from chunks.
    pub max_obj_size: u64,
    /// Most commands of one package.
    pub commands: usize,
    /// Most messages of one package of the client's; then the session is aborted.
    pub messages: u32,
}

/// An account of DM 1.x as the store has it.
#[derive(Clone, Debug)]
pub struct AccountFacts {
    /// `AAuthName` of the client's credential.
    pub user: String,
    /// The device it belongs to; none where the first proven session tells.
    pub dev_id: Option<String>,
    /// The server identifier of the account: the server's name in its own credential.
    pub server_id: String,
    /// The type of the client's credential; a weaker one is not evaluated (M19).
    pub credential: CredentialType,
    /// What the client proves itself with.
    pub client_secrets: Vec<KeptSecret>,
    /// The client certificate of the device proves it by itself (`TRANSPORT`, `X509`): a message on it needs no Cred.
    pub by_certificate: bool,
    /// The nonces of the client's credential.
    pub client_nonces: ClientNonces,
    /// How the server proves itself; none where the account has no such credential.
    pub server: Option<ServerSide>,
    /// Creds that failed lately (M20).
    pub failures: Failures,
    /// The peculiarities of the device.
    pub model: DeviceModel,
    /// The last bootstrap event that was stored.
    pub last_event: Option<LastEvent>,
    /// `LocURI` of the account on the device, where it is known: `./DMAcc/1`.
    pub account_uri: Option<String>,
    /// Whether both secrets are to be replaced in the next session (§6.5; after a pushed bootstrap). A recovery replaces them by itself.
    pub rotate: bool,
    /// An operator lets what was replaced count once more, though no bootstrap is reported with it (§6.5).
    pub accepted: bool,
    /// Commands to be answered, in order, those whose status is due included. Those that this message answers are passed over.
    pub wanted: Vec<WantedCommand1>,
}

/// The server's own credential.
#[derive(Clone, Debug)]
pub struct ServerSide {
    /// Its type.
    pub credential: CredentialType,
    /// `AAuthName`; the server identifier where it is absent (§5.3).
    pub user: String,
    /// What the server proves itself with.
    pub secrets: Vec<KeptSecret>,
    /// The nonce that the client expects next (M17).
    pub nonce: Option<Nonce>,
    /// The nonce of the bootstrap, which a re-bootstrap brings back (§6.5).
    pub boot_nonce: Option<Nonce>,
}

/// One secret of one direction. `Debug` does not tell it.
#[derive(Clone, PartialEq, Eq)]
pub struct KeptSecret {
    /// The password.
    pub secret: Secret,
    /// Where it stands. `escrowed`: a card, image or URL can bring it back.
    pub standing: Standing,
    /// It was in use before a recovery that is not finished (§6.5): kept until what is pending was used, and opens nothing.
    pub previous: bool,
    /// The bootstrap that brings it; none where it was told, or replaced one in a session.
    pub brought: Option<Brought>,
}

/// The bootstrap that a secret stands in: secrets of both directions with the same one are on a device together, or neither is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Brought {
    /// Its record.
    pub by: EventId,
    /// The first nonce beside the secret.
    pub nonce: Option<Nonce>,
}

/// Nonces of the client's credential at the server (M16). Challenge nonces are not kept: they are derived.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ClientNonces {
    /// Of the bootstrap; accepted once.
    pub package: Option<Nonce>,
    /// Given with 212, or with 200; accepted once.
    pub next: Option<Nonce>,
    /// How many credentials of the account were accepted. Challenges are bound to it: one that was accepted makes all that were given before void.
    pub proofs: u64,
}

/// Creds that failed in the last 15 minutes (M20).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Failures {
    /// From the source of this message.
    pub from_source: u32,
    /// From all sources.
    pub from_all: u32,
}

impl Failures {
    /// After so many from one source nothing is evaluated for the rest of the window.
    pub const MOST_FROM_SOURCE: u32 = 10;
    /// After so many from all sources.
    pub const MOST_FROM_ALL: u32 = 100;
    /// Length of the window in milliseconds.
    pub const WINDOW_MILLIS: i64 = 15 * 60 * 1000;

    /// Whether Creds go unevaluated.
    #[must_use]
    pub const fn are_too_many(self) -> bool {
        self.from_source >= Self::MOST_FROM_SOURCE || self.from_all >= Self::MOST_FROM_ALL
    }
}

/// The newest bootstrap event of an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastEvent {
    /// Names it.
    pub id: EventId,
    /// Its number.
    pub seq: u32,
}

/// A command the server wants answered, translated to LocURIs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WantedCommand1 {
    /// Names it over all sessions in which it is sent.
    pub id: String,
    /// The command, without `CmdID`s, with one Item (M05): `Get`, `Replace`, `Add`, `Delete`, `Exec`, `Copy`, `Alert`, `Atomic` or `Sequence`.
    pub command: Command,
}

impl KeptSecret {
    /// Whether a session is to bring it, or has, and it was not used yet.
    pub(super) const fn is_replacement(&self) -> bool {
        matches!(self.standing.generation, Generation::Pending)
            && !self.standing.escrowed
            && self.brought.is_none()
    }

    /// Whether it came, or comes, by this bootstrap.
    pub(super) fn is_of(&self, bootstrap: &EventId) -> bool {
        let brought = self.brought.as_ref();
        brought.is_some_and(|brought| brought.by == *bootstrap)
    }
}

impl AccountFacts {
    /// Takes over what a message changed: what a store does in one commit. Commands that got their outcome are no longer wanted.
    pub fn apply(&mut self, delta: &Dm1Delta) {
        if delta.failed {
            self.failures.from_source += 1;
            self.failures.from_all += 1;
        }
        if !delta.proven {
            return;
        }
        self.failures.from_source = 0;
        replace(&mut self.client_nonces, delta.client_nonces.as_ref());
        replace(&mut self.client_secrets, delta.client_secrets.as_ref());
        if let Some(server) = &mut self.server {
            replace(&mut server.secrets, delta.server_secrets.as_ref());
            server.nonce = delta.server_nonce.clone().or_else(|| server.nonce.take());
        }
        self.dev_id = delta.dev_id.clone().or_else(|| self.dev_id.take());
        let account_uri = delta.account_uri.clone();
        self.account_uri = account_uri.or_else(|| self.account_uri.take());
        let last_event = delta.last_event.clone();
        self.last_event = last_event.or_else(|| self.last_event.take());
        self.rotate &= !delta.rotated;
        self.accepted &= !delta.recovers_client();
        for event in &delta.events {
            if let Dm1Event::Outcome(outcome) = event {
                self.wanted.retain(|wanted| wanted.id != outcome.id);
            }
        }
    }

    /// An account of no device yet, without secrets.
    #[must_use]
    pub fn new(user: &str, server_id: &str) -> Self {
        Self {
            user: user.to_owned(),
            dev_id: None,
            server_id: server_id.to_owned(),
            credential: CredentialType::Md5,
            client_secrets: Vec::new(),
            by_certificate: false,
            client_nonces: ClientNonces::default(),
            server: None,
            failures: Failures::default(),
            model: DeviceModel::default(),
            last_event: None,
            account_uri: None,
            rotate: false,
            accepted: false,
            wanted: Vec::new(),
        }
    }

    /// What an account is like that nobody knows: evaluated like any other, so that neither answer nor time tells (M19).
    pub(super) fn nobody(name: &str) -> Self {
        Self::new(name, "")
    }
}

fn replace<T: Clone>(place: &mut T, by: Option<&T>) {
    if let Some(by) = by {
        place.clone_from(by);
    }
}

impl fmt::Debug for KeptSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeptSecret")
            .field("standing", &self.standing)
            .field("previous", &self.previous)
            .field("brought", &self.brought)
            .finish_non_exhaustive()
    }
}

impl fmt::Debug for ServerFacts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ServerFacts")
            .field("endpoint", &self.endpoint)
            .field("limits", &self.limits)
            .finish_non_exhaustive()
    }
}

impl Default for Dm1Limits {
    /// 512 KiB a message, 1 MiB an object (§1.6), 32 commands a package, 256 messages a package.
    fn default() -> Self {
        Self {
            markup: MarkupLimits {
                octets: 512 << 10,
                ..MarkupLimits::MESSAGE
            },
            max_obj_size: 1 << 20,
            commands: 32,
            messages: 256,
        }
    }
}
