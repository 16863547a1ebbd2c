//! Bootstraps of DM 1.x by WAP push (`dm1x.md` §5.4, §5.7, M24): proved before they are read, kept until they are decided on, and never answered.

use std::fmt;

use omadm_bootstrap::dm1::Dm1Format;
use omadm_bootstrap::{
    AwaitedPin, BootstrapFailureCause as Failure, BootstrapMethod, BootstrapSource,
    ChannelSecurity, DeviceView as _, EventId, PayloadHash, PinJudged, PushFault, PushJudged,
    PushKeys, PushProof, PushedBootstrap, Refusal, Utc,
};
use omadm_dm1::bootstrap_mac::BootstrapProfileKind;
use omadm_mo::{Secret, TreeError};

use super::bootstrap::Arrived;
use super::{Bootstrapped, Engine, entropy};
use crate::observer::ClientEvent;
use crate::store::{WaitingWapPush, WapPushKept};

/// What happened to a bootstrap that came by WAP push.
#[derive(Clone, PartialEq, Debug)]
pub enum WapPushEvent {
    /// It lies durably on the device until its PIN is given.
    AwaitsPin {
        /// Its number.
        number: u64,
        /// Whom it says it is from.
        from: String,
        /// How many PINs may be tried.
        tries_left: u8,
    },
    /// A PIN was wrong.
    WrongPin {
        /// The number of the push.
        number: u64,
        /// How many may still be tried.
        tries_left: u8,
    },
    /// It is proved, and applied next.
    Proved {
        /// Whom it says it is from.
        from: String,
        /// What was proved.
        proof: PushProof,
    },
    /// It was dropped without being read; ten of these are told in a minute.
    Dropped {
        /// Whom it says it is from.
        from: String,
        /// Why.
        cause: DroppedPush,
        /// How many before it were not told.
        unreported: u64,
    },
}

/// Why a pushed bootstrap is dropped without being read. Nobody but the device is told.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum DroppedPush {
    /// Policy does not take the method, or not this profile by it.
    #[error("policy takes no bootstrap of this profile by WAP push")]
    Off,
    /// Nothing proves it.
    #[error(transparent)]
    Unproven(#[from] PushFault),
    /// It is in force.
    #[error("it was applied before")]
    Applied,
    /// It was applied before, and a newer one since: somebody recorded it (M24).
    #[error("it was applied before, and a newer one since")]
    Replayed,
    /// As many wait as may.
    #[error("as many pushes wait for their PINs as may")]
    Crowded,
    /// The user did not want it.
    #[error("the user did not give its PIN")]
    Declined,
    /// It waited for its PIN for a day.
    #[error("it waited for its PIN too long")]
    Expired,
}

/// What a PIN came to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PinOutcome {
    /// It was right, and the document is applied.
    Applied(Bootstrapped),
    /// It was right, but the device does not take the document.
    Refused(Refusal),
    /// It was wrong; so many may still be tried.
    Wrong(u8),
    /// It was wrong once too often, or nothing can prove the push any more: it was dropped.
    Dropped,
    /// No push of this number waits for a PIN.
    NotThere,
}

const METHOD: BootstrapMethod = BootstrapMethod::ServerInitiated;
/// Seconds for which a push waits for its PIN.
const WAITS_SECS: i64 = 86_400;
/// Seconds after which somebody who was not there is asked again, and what the device failed at is tried again.
pub(super) const AGAIN_SECS: i64 = 600;

impl Engine {
    /// Takes a bootstrap that came by WAP push; `from` is whom it says it is from. What is proved is applied by [`Self::decide_wap_pushes`].
    pub(crate) async fn wap_pushed(
        &self,
        pushed: PushedBootstrap,
        from: String,
    ) -> Result<(), TreeError> {
        match self.take(pushed, &from).await? {
            Ok(event) => {
                self.tell(&ClientEvent::WapPush(event));
                self.desk.bell.notify_one();
            }
            Err(cause) => self.dropped(from, cause),
        }
        Ok(())
    }

    async fn take(
        &self,
        pushed: PushedBootstrap,
        from: &str,
    ) -> Result<Result<WapPushEvent, DroppedPush>, TreeError> {
        let on = self.config.dm1.pushed_bootstraps.contains(&pushed.profile);
        if !on || !self.config.policy.method(METHOD).enabled {
            return Ok(Err(DroppedPush::Off));
        }
        if let Some(cause) = self.came_before(&pushed).await? {
            return Ok(Err(cause));
        }
        let proof = match pushed.judge(&self.push_keys()) {
            PushJudged::Dropped(fault) => return Ok(Err(fault.into())),
            PushJudged::Proved(proof) => Some(proof),
            PushJudged::NeedsPin(_) => None,
        };
        let event_id = entropy().map_err(|error| TreeError::Storage(error.to_string().into()))?;
        let waiting = WaitingWapPush {
            number: 0,
            pushed,
            from: from.to_owned(),
            at: self.now(),
            event_id: EventId::of(event_id),
            proof,
            tries_left: AwaitedPin::TRIES,
            asked: None,
        };
        let kept = self.host.run(move |host| host.store.keep_wap_push(waiting));
        let from = from.to_owned();
        Ok(match (kept.await?, proof) {
            (WapPushKept::Full, _) => Err(DroppedPush::Crowded),
            (WapPushKept::Again, _) => Err(DroppedPush::Applied),
            (WapPushKept::Waits(_), Some(proof)) => Ok(WapPushEvent::Proved { from, proof }),
            (WapPushKept::Waits(number), None) => Ok(WapPushEvent::AwaitsPin {
                number,
                from,
                tries_left: AwaitedPin::TRIES,
            }),
        })
    }

    /// By its hash alone: nobody is asked for the PIN of what changes nothing, or must not (§5.8/5, M24).
    async fn came_before(
        &self,
        pushed: &PushedBootstrap,
    ) -> Result<Option<DroppedPush>, TreeError> {
        let hash = PayloadHash::of(pushed.document.expose());
        let accounts = self.host.run(|host| host.store.snapshot()?.accounts());
        let accounts = accounts.await?;
        if accounts.iter().any(|one| one.dm1.is_replay(hash)) {
            return Ok(Some(DroppedPush::Replayed));
        }
        let mut accounts = accounts.iter().filter(|one| one.is_dm1());
        let in_force = accounts.any(|one| {
            one.provenance.payload_hash == hash
                && one.provenance.method == METHOD
                && !one.dm1.reverted
        });
        Ok(in_force.then_some(DroppedPush::Applied))
    }

    /// What a PIN comes to. The try is counted before it is judged, so that no restart gives it back.
    pub(crate) async fn answer_wap_push(
        &self,
        number: u64,
        pin: &Secret,
    ) -> Result<PinOutcome, TreeError> {
        let _alone = self.in_wap_push.lock().await;
        let found = self.waiting_wap_push(number).await?;
        let Some(mut waiting) = found.filter(|one| one.proof.is_none()) else {
            return Ok(PinOutcome::NotThere);
        };
        let awaited = match waiting.pushed.judge(&self.push_keys()) {
            PushJudged::NeedsPin(awaited) => awaited.with_tries_left(waiting.tries_left),
            PushJudged::Dropped(fault) => return self.give_up(waiting, fault.into()).await,
            PushJudged::Proved(_) => return Ok(PinOutcome::NotThere),
        };
        waiting.tries_left = waiting.tries_left.saturating_sub(1);
        self.note(&waiting).await?;
        match awaited.answer(pin, &self.push_keys()) {
            PinJudged::Exhausted => self.give_up(waiting, PushFault::Exhausted.into()).await,
            PinJudged::Wrong(awaited) => {
                let tries_left = awaited.tries_left();
                self.tell(&ClientEvent::WapPush(WapPushEvent::WrongPin {
                    number,
                    tries_left,
                }));
                Ok(PinOutcome::Wrong(tries_left))
            }
            PinJudged::Right(proof, _) => {
                waiting.proof = Some(proof);
                self.note(&waiting).await?;
                let from = waiting.from.clone();
                self.tell(&ClientEvent::WapPush(WapPushEvent::Proved { from, proof }));
                Ok(match self.apply_wap_push(waiting, proof).await? {
                    Ok(done) => PinOutcome::Applied(done),
                    Err(refusal) => PinOutcome::Refused(refusal),
                })
            }
        }
    }

    /// The push of this number, as it is now; none where it does not wait any more.
    pub(super) async fn waiting_wap_push(
        &self,
        number: u64,
    ) -> Result<Option<WaitingWapPush>, TreeError> {
        let waiting = self.host.run(|host| host.store.wap_pushes()).await?;
        Ok(waiting.into_iter().find(|one| one.number == number))
    }

    /// Drops a push that waits, on command; answers whether it did.
    pub(crate) async fn discard_wap_push(&self, number: u64) -> Result<bool, TreeError> {
        self.host
            .run(move |host| host.store.drop_wap_push(number))
            .await
    }

    /// Processes the document of a proved push as every delivered one. It waits until that is done: a cut in between makes it be processed again, which
    /// changes nothing where it was applied. What the device itself fails at is tried again later.
    pub(super) async fn apply_wap_push(
        &self,
        mut waiting: WaitingWapPush,
        proof: PushProof,
    ) -> Result<Result<Bootstrapped, Refusal>, TreeError> {
        let alone = self.in_bootstrap.lock().await;
        let number = waiting.number;
        let document = waiting.pushed.document.clone();
        self.tell(&ClientEvent::Delivered {
            method: METHOD,
            octets: document.len(),
        });
        let arrived = Arrived {
            document,
            method: METHOD,
            source: BootstrapSource::WapPush(waiting.from.clone()),
            channel: ChannelSecurity::Open,
            event_id: waiting.event_id.clone(),
            at: waiting.at,
            proof: Some(proof),
        };
        let outcome = match check_profile(&waiting.pushed) {
            Ok(()) => self.process(&arrived, true).await,
            Err(refusal) => Err(refusal),
        };
        let outcome = self.processed(&arrived, outcome).await;
        drop(alone);
        let own =
            |refusal: &Refusal| matches!(refusal.cause, Failure::NoRoom | Failure::StorageFailed);
        if outcome.as_ref().err().is_some_and(own) {
            waiting.asked = Some(self.now());
            self.note(&waiting).await?;
        } else {
            self.discard_wap_push(number).await?;
        }
        Ok(outcome)
    }

    /// Drops a push that waited.
    pub(super) async fn give_up(
        &self,
        waiting: WaitingWapPush,
        cause: DroppedPush,
    ) -> Result<PinOutcome, TreeError> {
        self.discard_wap_push(waiting.number).await?;
        self.dropped(waiting.from, cause);
        Ok(PinOutcome::Dropped)
    }

    /// Keeps what is known of a push that waits.
    pub(super) async fn note(&self, waiting: &WaitingWapPush) -> Result<(), TreeError> {
        let waiting = waiting.clone();
        self.host
            .run(move |host| host.store.set_wap_push(&waiting))
            .await
    }

    fn dropped(&self, from: String, cause: DroppedPush) {
        tracing::debug!(%from, %cause, "a pushed bootstrap was dropped");
        if let Some(unreported) = self.desk.turned_away.one_more() {
            self.tell(&ClientEvent::WapPush(WapPushEvent::Dropped {
                from,
                cause,
                unreported,
            }));
        }
    }

    fn push_keys(&self) -> PushKeys {
        PushKeys {
            subscribers: self.config.dm1.subscribers.clone(),
            user_pin_mac: self.config.dm1.user_pin_mac,
        }
    }
}

impl WaitingWapPush {
    pub(super) fn is_expired(&self, now: Utc) -> bool {
        self.at.plus_secs(WAITS_SECS) <= now
    }
}

/// What was signed as the one profile is not read as the other: they join the parts of a key differently, and XML is for one of them alone (§5.7).
fn check_profile(pushed: &PushedBootstrap) -> Result<(), Refusal> {
    let format = match pushed.profile {
        BootstrapProfileKind::Cp => Dm1Format::Cp,
        BootstrapProfileKind::Dm => Dm1Format::Dm,
    };
    if Dm1Format::of_document(pushed.document.expose()) == Some(format) {
        return Ok(());
    }
    let refusal = Failure::NotDm1Document.refusal();
    Err(refusal.because("its media type is that of another document"))
}

impl fmt::Display for WapPushEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::AwaitsPin {
                number,
                from,
                tries_left,
            } => write!(
                f,
                "a bootstrap pushed by {from} waits for its PIN as number {number}, tries: {tries_left}"
            ),
            Self::WrongPin { number, tries_left } => {
                write!(f, "a wrong PIN for push {number}, tries left: {tries_left}")
            }
            Self::Proved { from, proof } => {
                write!(
                    f,
                    "a bootstrap pushed by {from} is proved: {}",
                    proof.as_str()
                )
            }
            Self::Dropped { from, cause, .. } => {
                write!(f, "a bootstrap pushed by {from} was dropped: {cause}")
            }
        }
    }
}
