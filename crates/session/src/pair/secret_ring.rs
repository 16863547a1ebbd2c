use std::collections::BTreeMap;

use omadm_bootstrap::generation::{
    Attempt, Change, Decision, Generation, GenerationPolicy, NewSecret, Presented, SecretScope,
    Standing, consequences, decide,
};

/// The secrets of one account that a [`super::ServerEnd`] goes by (D83): which open a session, and what becomes of them. What the server proves itself with is
/// kept in a ring of its own.
#[derive(Clone, Debug, Default)]
pub struct SecretRing {
    kept: Vec<Kept>,
    policy: GenerationPolicy,
    /// How often each decision was made durable.
    pub decided: BTreeMap<&'static str, u32>,
}

/// A secret by the name it is found by.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Kept {
    name: Vec<u8>,
    standing: Standing,
    /// The queued command that brings it.
    command: Option<String>,
}

/// What a Package#1 by its secret comes to, not durable yet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Judged {
    decision: Decision,
    used: Option<usize>,
}

impl SecretRing {
    /// A ring with the secret that a document brings: `pending` until it is used, and in escrow, since the document can be delivered again.
    #[must_use]
    pub fn provisioned(name: impl Into<Vec<u8>>) -> Self {
        let mut ring = Self::default();
        ring.add(name.into(), true, None);
        ring
    }

    /// Adds the secret that a queued command brings to the device.
    pub fn coming(&mut self, secret: &NewSecret, command: &str) {
        let name = match secret {
            NewSecret::Trsp(trsp) => trsp.data.clone(),
            NewSecret::HttpAuth(login) => login.user.clone().into_bytes(),
            NewSecret::Noti(noti) => noti.secret.expose().to_vec(),
        };
        self.add(name, false, Some(command.to_owned()));
    }

    /// Generation and whether it opens nothing any more of each secret, oldest first.
    #[must_use]
    pub fn standings(&self) -> Vec<(Generation, bool)> {
        let all = self.kept.iter().map(|kept| kept.standing);
        all.map(|one| (one.generation, one.revoked)).collect()
    }

    /// The name of the one in use.
    #[must_use]
    pub fn current(&self) -> Option<&[u8]> {
        let is_it = |kept: &&Kept| {
            kept.standing.generation == Generation::Current && !kept.standing.revoked
        };
        self.kept
            .iter()
            .find(is_it)
            .map(|kept| kept.name.as_slice())
    }

    /// An operator revokes all of a generation.
    pub fn revoke(&mut self, generation: Generation) {
        for kept in &mut self.kept {
            kept.standing.revoked |= kept.standing.generation == generation;
        }
    }

    /// Judges a Package#1 by the name of the secret it comes with.
    pub(super) fn judge(&self, name: &[u8], completion: bool, same_device: bool) -> Judged {
        let used = self.kept.iter().position(|kept| kept.name == name);
        let by = match used.and_then(|at| self.kept.get(at)) {
            Some(kept) => Presented::Issued {
                generation: kept.standing.generation,
                revoked: kept.standing.revoked,
            },
            None => Presented::Identity { revoked: true },
        };
        let attempt = Attempt {
            by,
            completion,
            same_device,
        };
        Judged {
            decision: decide(attempt, self.policy),
            used,
        }
    }

    /// The document of a bootstrap is installed, and with it the secret of this ring that stands in it.
    pub(super) fn installed(&mut self) {
        let decision = match self.kept.first().map(|kept| kept.standing.generation) {
            Some(Generation::Boot) => Decision::Recover,
            Some(Generation::Pending) => Decision::Promote,
            Some(Generation::Current) | None => return,
        };
        self.settle(Judged {
            decision,
            used: Some(0),
        });
    }

    /// The device answered the command that brings a secret: nothing of it is on its way any more. What the server proves itself with counts at once.
    pub(super) fn answered(&mut self, command: &str, stored: bool, scope: SecretScope) {
        let of = |kept: &Kept| kept.command.as_deref() == Some(command);
        let Some(at) = self.kept.iter().position(of) else {
            return;
        };
        if let Some(kept) = self.kept.get_mut(at) {
            kept.standing.coming = false;
            if !stored || scope != SecretScope::Notification || kept.standing.revoked {
                return;
            }
        }
        self.settle(Judged {
            decision: Decision::Promote,
            used: Some(at),
        });
    }

    /// Makes durable what a judgement does to all secrets.
    pub(super) fn settle(&mut self, judged: Judged) {
        let name = match judged.decision {
            Decision::Accept => "accept",
            Decision::Promote => "promote",
            Decision::Recover => "recover",
            Decision::Refuse(_) => "refuse",
            Decision::Hold(_) => "hold",
        };
        *self.decided.entry(name).or_default() += 1;
        let standings: Vec<_> = self.kept.iter().map(|kept| kept.standing).collect();
        for (at, change) in consequences(judged.decision, judged.used, &standings) {
            let Some(kept) = self.kept.get_mut(at) else {
                continue;
            };
            match change {
                Change::Enforce => kept.standing.generation = Generation::Current,
                Change::Retire => kept.standing.generation = Generation::Boot,
                Change::Kill => kept.standing.revoked = true,
            }
        }
    }

    fn add(&mut self, name: Vec<u8>, escrowed: bool, command: Option<String>) {
        self.kept.push(Kept {
            name,
            standing: Standing {
                generation: Generation::Pending,
                escrowed,
                revoked: false,
                coming: command.is_some(),
            },
            command,
        });
    }
}

impl Judged {
    /// Whether the package is answered.
    pub(super) const fn counts(self) -> bool {
        !matches!(self.decision, Decision::Refuse(_) | Decision::Hold(_))
    }
}
