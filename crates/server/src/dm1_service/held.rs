//! What waits for an operator's decision about an account (`dm1x.md` §6.5): what was proven and did not count, kept once; and what he decides.

use ::http::StatusCode;
use omadm_bootstrap::Utc;
use omadm_bootstrap::generation::Generation;
use omadm_session::server::dm1::{Dm1Delta, Dm1Event, HeldCause, KeptSecret, take_recovery_back};

use super::Account;
use super::unproven::excerpt;
use crate::exchange::{Head, Refusal, of_commit};
use crate::model::{Credential, CredentialChange, Device, EventKind, ExchangeDelta};
use crate::node::{Node, event};
use crate::store::CommitError;

/// What was proven and did not count.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Held {
    pub(crate) cause: Waits,
    /// When it came first.
    pub(crate) since: Utc,
    /// The DevID that another device claims.
    pub(crate) claimed: Option<String>,
}

/// Why it did not count; what can be decided about it comes last and displaces the rest.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Waits {
    /// It came in clear.
    Replayable,
    /// It was revoked.
    Revoked,
    /// Another device proved it.
    OtherDevice,
    /// It was replaced, and no bootstrap is reported with it.
    WithoutEvent,
    /// A recovery replaced it, and is not finished.
    TwoHolders,
}

/// What an acceptance comes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Accepted {
    /// What was replaced counts once more, when it is proven next: it is recovered and replaced as after a bootstrap event.
    Boot,
    /// The recovery is taken back: what it had replaced is in use, and replaced in the next session; what it had brought back is revoked.
    Former,
}

/// Why nothing can be accepted.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub(crate) enum NotAccepted {
    /// He revoked it himself.
    #[error("what the device proved was revoked, and never counts again")]
    Revoked,
    /// An account is one device's.
    #[error("the account was proven by another device, {0}")]
    OtherDevice(String),
    /// Nothing was replaced that could come back.
    #[error("the DM 1.x account has no replaced secret that could come back")]
    Nothing,
}

impl Accepted {
    /// The stable name in interfaces.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Boot => "boot",
            Self::Former => "former",
        }
    }
}

impl NotAccepted {
    /// What an operator can do.
    pub(crate) const fn action(&self) -> &'static str {
        match self {
            Self::Revoked => Waits::Revoked.action(),
            Self::OtherDevice(_) => Waits::OtherDevice.action(),
            Self::Nothing => "Start a new bootstrap for the device.",
        }
    }
}

impl Waits {
    /// Every cause there is.
    pub(crate) const ALL: [Self; 5] = [
        Self::Replayable,
        Self::Revoked,
        Self::OtherDevice,
        Self::WithoutEvent,
        Self::TwoHolders,
    ];

    /// The stable name in stores and interfaces.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Replayable => "replayable",
            Self::Revoked => "revoked",
            Self::OtherDevice => "other-device",
            Self::WithoutEvent => "without-event",
            Self::TwoHolders => "two-holders",
        }
    }

    /// What happened.
    pub(crate) const fn sentence(self) -> &'static str {
        match self {
            Self::Replayable => "a replaced secret came in clear, where anybody can repeat it",
            Self::Revoked => "a revoked secret was proven",
            Self::OtherDevice => "another device proved itself with the account",
            Self::WithoutEvent => "a replaced secret was proven, and no bootstrap reported",
            Self::TwoHolders => {
                "two hold the account: one came back with what was provisioned, then the other with what that replaced"
            }
        }
    }

    /// What an operator can do.
    pub(crate) const fn action(self) -> &'static str {
        match self {
            Self::Replayable => "Have the device come over TLS.",
            Self::Revoked => {
                "Where the device is the right one, revoke its account and start a new bootstrap: `omadm device dm1 revoke`."
            }
            Self::OtherDevice => {
                "Where it took the account over, register it under its own DevID, start a bootstrap for it, and revoke this account: `omadm device dm1 revoke`."
            }
            Self::WithoutEvent => {
                "Where the device was reset, `omadm device accept`; where it was not, `omadm device dm1 reject`, or for good `omadm device dm1 revoke --boot`."
            }
            Self::TwoHolders => {
                "Where the second is the right one, `omadm device accept`: what was provisioned is revoked; where the first is, `omadm device dm1 reject`; else `omadm device dm1 revoke`."
            }
        }
    }
}

impl Account {
    /// Decides for what is held, or for what was replaced and may come back.
    pub(crate) fn accept(&mut self) -> Result<Accepted, NotAccepted> {
        match &self.held {
            Some(Held {
                cause: Waits::Revoked,
                ..
            }) => return Err(NotAccepted::Revoked),
            Some(Held {
                cause: Waits::OtherDevice,
                claimed,
                ..
            }) => {
                let claimed = claimed.clone().unwrap_or_default();
                return Err(NotAccepted::OtherDevice(claimed));
            }
            Some(Held {
                cause: Waits::TwoHolders,
                ..
            }) => {
                let mut none = Vec::new();
                let server = self.server.as_mut().map(|side| &mut side.secrets);
                take_recovery_back(&mut self.client_secrets, server.unwrap_or(&mut none));
                self.held = None;
                // The first holder's sessions used up the nonce that the second has: a command is what the server proves itself for.
                self.rotate = true;
                return Ok(Accepted::Former);
            }
            Some(Held {
                cause: Waits::Replayable | Waits::WithoutEvent,
                ..
            })
            | None => {}
        }
        let can_come_back = |kept: &KeptSecret| {
            kept.standing.generation == Generation::Boot && !kept.standing.revoked
        };
        if !self.client_secrets.iter().any(can_come_back) {
            return Err(NotAccepted::Nothing);
        }
        self.held = None;
        self.accepted = true;
        Ok(Accepted::Boot)
    }

    /// Leaves out what is held, and takes an acceptance back that was not used. Whether there was anything.
    pub(crate) fn reject(&mut self) -> bool {
        self.held.take().is_some() | std::mem::take(&mut self.accepted)
    }

    /// What is over by what became of the secrets: an acceptance that was used, or two holders of whom one is left. Whether anything was.
    pub(super) fn decided(&mut self, is_recovered: bool) -> bool {
        let previous = self.client_secrets.iter().any(|kept| kept.previous);
        let is_settled = |held: &Held| match held.cause {
            Waits::TwoHolders => !previous,
            Waits::WithoutEvent => is_recovered,
            Waits::Replayable | Waits::Revoked | Waits::OtherDevice => false,
        };
        let held = self.held.take_if(|held| is_settled(held)).is_some();
        held | (is_recovered && std::mem::take(&mut self.accepted))
    }
}

/// Keeps what an unproven message makes an operator's decision, with an event, unless as much waits already. False where the device moved on in between.
pub(super) async fn keep(
    node: &Node,
    head: &Head,
    (device, row, account): (&Device, &Credential, &mut Account),
    said: &Dm1Delta,
) -> Result<bool, Refusal> {
    let Some((cause, claimed)) = said.events.iter().find_map(waits) else {
        return Ok(true);
    };
    if account
        .held
        .as_ref()
        .is_some_and(|held| held.cause >= cause)
    {
        return Ok(true);
    }
    account.held = Some(Held {
        cause,
        since: head.now,
        claimed: claimed.clone(),
    });
    let sealed = account.seal(node, &row.proof, &device.dev_id);
    let sealed = sealed
        .map_err(|error| Refusal::plain(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()))?;
    let mut delta = ExchangeDelta::new(device.dev_id.clone(), Some(device.epoch), head.now);
    let reseal = CredentialChange::Reseal(row.proof.clone(), sealed);
    delta.credentials.push(reseal);
    let kind = EventKind::CredentialHeld {
        fingerprint: None,
        name: row.proof.name().map(str::to_owned),
        cause: Some(cause.name().to_owned()),
        claimed,
    };
    delta.events.push(event(kind, &head.correlation));
    match node.store.commit(delta).await {
        Ok(_) => Ok(true),
        Err(CommitError::Conflict) => Ok(false),
        Err(error) => Err(of_commit(node, error)),
    }
}

fn waits(what: &Dm1Event) -> Option<(Waits, Option<String>)> {
    match what {
        Dm1Event::RecoveryHeld { cause } => {
            let cause = match cause {
                HeldCause::Revoked => Waits::Revoked,
                HeldCause::WithoutEvent => Waits::WithoutEvent,
                HeldCause::Replayable => Waits::Replayable,
            };
            Some((cause, None))
        }
        Dm1Event::OtherDevice { claimed } => Some((Waits::OtherDevice, Some(excerpt(claimed)))),
        Dm1Event::TwoHolders => Some((Waits::TwoHolders, None)),
        _ => None,
    }
}
