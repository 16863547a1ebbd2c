//! Which secret counts, and what the use of one does to the others (§6.5, M21), by the tables of [`omadm_bootstrap::generation`].

use omadm_bootstrap::generation::{
    Attempt, Change, Decision, Denial, Generation, GenerationPolicy, Presented, consequences,
    decide,
};

use super::proof::NonceKind;
use super::{HeldCause, KeptSecret};

/// What a proven secret comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Judgement {
    /// The message counts; what that does to the secrets.
    Counts(Decision),
    /// It has to be proven once more, on a fresh challenge.
    Again,
    /// Two hold the account.
    TwoHolders,
    /// An operator has to decide.
    Held(HeldCause),
    /// The account is another device's.
    OtherDevice,
}

/// What is known of a message whose Cred matched.
#[derive(Clone, Copy, Debug)]
pub(super) struct Proven {
    pub(super) nonce: NonceKind,
    /// It reports a bootstrap that was not known, the device's model reports none, or an operator accepts that none is reported.
    pub(super) has_event: bool,
    pub(super) same_device: bool,
    pub(super) encrypted: bool,
}

/// Judges a message by the secret it was proven with.
pub(super) fn judge(kept: &KeptSecret, proven: Proven, policy: GenerationPolicy) -> Judgement {
    if kept.previous {
        return Judgement::TwoHolders;
    }
    let attempt = Attempt {
        by: Presented::Issued {
            generation: kept.standing.generation,
            revoked: kept.standing.revoked,
        },
        completion: proven.has_event,
        same_device: proven.same_device,
    };
    match decide(attempt, policy) {
        Decision::Refuse(denial) | Decision::Hold(denial) => match denial {
            Denial::OtherDevice => Judgement::OtherDevice,
            Denial::Revoked => Judgement::Held(HeldCause::Revoked),
            Denial::Replaced => match freshness(proven) {
                Freshness::Stale => Judgement::Again,
                _ => Judgement::Held(HeldCause::WithoutEvent),
            },
        },
        Decision::Recover => match freshness(proven) {
            Freshness::Fresh => Judgement::Counts(Decision::Recover),
            Freshness::Stale => Judgement::Again,
            Freshness::Never => Judgement::Held(HeldCause::Replayable),
        },
        counts => Judgement::Counts(counts),
    }
}

/// Takes a recovery back that is not finished, as an operator decides where two hold the account: what it had replaced is in use again, what it had brought back
/// opens nothing any more, and what was on its way to whoever came with that is dropped. Whether there was one.
pub fn take_recovery_back(client: &mut Vec<KeptSecret>, server: &mut Vec<KeptSecret>) -> bool {
    let is_unfinished = client.iter().any(|kept| kept.previous);
    if is_unfinished {
        put_back(client);
        put_back(server);
    }
    is_unfinished
}

enum Freshness {
    Fresh,
    Stale,
    Never,
}

/// A recovery never goes by what could be a replay (§6.5).
const fn freshness(proven: Proven) -> Freshness {
    match proven.nonce {
        NonceKind::Challenge => Freshness::Fresh,
        NonceKind::Without if proven.encrypted => Freshness::Fresh,
        NonceKind::Without => Freshness::Never,
        NonceKind::Next | NonceKind::Package => Freshness::Stale,
    }
}

/// Carries out what the use of the secret at `used` does to all of its direction. What a recovery replaces stays until its successor is in use.
pub(super) fn settle(secrets: &mut Vec<KeptSecret>, decision: Decision, used: usize) {
    let standings: Vec<_> = secrets.iter().map(|kept| kept.standing).collect();
    let mut dropped = Vec::new();
    for (at, change) in consequences(decision, Some(used), &standings) {
        let Some(kept) = secrets.get_mut(at) else {
            continue;
        };
        match change {
            Change::Enforce => {
                kept.standing.generation = Generation::Current;
                kept.standing.coming = false;
            }
            Change::Retire => kept.standing.generation = Generation::Boot,
            Change::Kill if decision == Decision::Recover && was_in_use(kept) => {
                kept.previous = true;
                kept.standing.revoked = true;
            }
            Change::Kill => dropped.push(at),
        }
    }
    if decision == Decision::Promote {
        let previous = |(at, kept): (usize, &KeptSecret)| kept.previous.then_some(at);
        dropped.extend(secrets.iter().enumerate().filter_map(previous));
    }
    let mut at = 0;
    secrets.retain(|_| {
        at += 1;
        !dropped.contains(&(at - 1))
    });
}

/// What a session was bringing to a device that was bootstrapped anew since is not on it.
pub(super) fn forget_coming(secrets: &mut Vec<KeptSecret>) {
    secrets.retain(|kept| !kept.is_replacement());
}

/// A direction that was not recovered keeps what is in use.
fn put_back(secrets: &mut Vec<KeptSecret>) {
    forget_coming(secrets);
    let is_recovered = secrets.iter().any(|kept| kept.previous);
    for kept in secrets
        .iter_mut()
        .filter(|kept| is_recovered && was_in_use(kept))
    {
        if kept.previous {
            kept.previous = false;
            kept.standing.revoked = false;
        } else {
            kept.standing.generation = Generation::Boot;
            kept.standing.escrowed = false;
            kept.standing.revoked = true;
        }
    }
}

/// What the server has not used yet, and a device that used its own beside it has, is kept as what a recovery replaces is; what is still on its way is dropped.
pub(super) fn set_aside(secrets: &mut Vec<KeptSecret>) {
    let is_there = |kept: &KeptSecret| kept.is_replacement() && !kept.standing.coming;
    if secrets.iter().any(is_there) {
        secrets.retain(|kept| !kept.previous);
    }
    for kept in secrets.iter_mut().filter(|kept| is_there(kept)) {
        kept.standing.generation = Generation::Current;
        kept.standing.revoked = true;
        kept.previous = true;
    }
    forget_coming(secrets);
}

/// What was set aside is of no use once the device proved itself with the client's secret that came beside the server's.
pub(super) fn drop_set_aside(secrets: &mut Vec<KeptSecret>) {
    if secrets.iter().any(KeptSecret::is_replacement) {
        secrets.retain(|kept| !kept.previous);
    }
}

fn was_in_use(kept: &KeptSecret) -> bool {
    kept.standing.generation == Generation::Current
}
