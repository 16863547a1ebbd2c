use super::Generation;

/// A Package#1 by its credential. TLS or HTTP proved possession of the secret before anybody asks here.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Attempt {
    /// What the device proved itself with.
    pub by: Presented,
    /// Whether the package reports BootstrapComplete.
    pub completion: bool,
    /// Whether the package claims the DevID that the credential belongs to.
    pub same_device: bool,
}

/// What a device proved itself with.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Presented {
    /// The device identity (D78): given outside DM, no generation of any secret.
    Identity {
        /// It opens nothing any more.
        revoked: bool,
    },
    /// A secret that a bootstrap or a rotation brought.
    Issued {
        /// Where it stands.
        generation: Generation,
        /// It opens nothing any more.
        revoked: bool,
    },
}

/// What the operator wants where a credential does not simply count.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct GenerationPolicy {
    /// `boot` that was replaced, without BootstrapComplete.
    pub without_event: Verdict,
    /// A revoked credential.
    pub revoked: Verdict,
    /// A credential of another DevID than the one that is claimed.
    pub other_device: Verdict,
}

/// How a credential that does not count is answered.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Verdict {
    /// 403.
    #[default]
    Refuse,
    /// Held until an operator decides; the device is told to come again.
    Hold,
}

/// What a Package#1 by its credential comes to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Decision {
    /// It counts.
    Accept,
    /// It counts, and is the one in use from now on: what it replaced is over.
    Promote,
    /// It counts again: the device was rolled back to it, and what came after it is dead. A new one is to follow.
    Recover,
    /// It does not count.
    Refuse(Denial),
    /// It does not count until an operator decides.
    Hold(Denial),
}

/// Why a credential does not count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Denial {
    /// It belongs to another device.
    OtherDevice,
    /// It was revoked.
    Revoked,
    /// A newer one took its place, and the device reports no bootstrap that brought it back.
    Replaced,
}

/// Decides by which credential a device may open a session (D83).
#[must_use]
pub const fn decide(attempt: Attempt, policy: GenerationPolicy) -> Decision {
    if !attempt.same_device {
        return policy.other_device.on(Denial::OtherDevice);
    }
    match attempt.by {
        Presented::Identity { revoked: true } | Presented::Issued { revoked: true, .. } => {
            policy.revoked.on(Denial::Revoked)
        }
        Presented::Identity { .. } if attempt.completion => Decision::Recover,
        Presented::Identity { .. } => Decision::Accept,
        Presented::Issued { generation, .. } => match generation {
            Generation::Current => Decision::Accept,
            Generation::Pending => Decision::Promote,
            Generation::Boot if attempt.completion => Decision::Recover,
            Generation::Boot => policy.without_event.on(Denial::Replaced),
        },
    }
}

impl Verdict {
    const fn on(self, denial: Denial) -> Decision {
        match self {
            Self::Refuse => Decision::Refuse(denial),
            Self::Hold => Decision::Hold(denial),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{
        Attempt, Decision, Denial, Generation, GenerationPolicy, Presented, Verdict, decide,
    };

    const BOOT: Presented = issued(Generation::Boot, false);
    const CURRENT: Presented = issued(Generation::Current, false);
    const PENDING: Presented = issued(Generation::Pending, false);
    const IDENTITY: Presented = Presented::Identity { revoked: false };

    const fn issued(generation: Generation, revoked: bool) -> Presented {
        Presented::Issued {
            generation,
            revoked,
        }
    }

    fn presented() -> Vec<Presented> {
        let mut all = Vec::new();
        for revoked in [false, true] {
            all.push(Presented::Identity { revoked });
            all.extend(Generation::ALL.map(|generation| issued(generation, revoked)));
        }
        all
    }

    const fn is_revoked(by: Presented) -> bool {
        matches!(
            by,
            Presented::Identity { revoked: true } | Presented::Issued { revoked: true, .. }
        )
    }

    /// The rows of the table for a live credential of the device itself: without and with BootstrapComplete.
    fn expected(by: Presented, policy: GenerationPolicy) -> [Decision; 2] {
        use Decision::{Accept, Promote, Recover};
        let replaced = match policy.without_event {
            Verdict::Refuse => Decision::Refuse(Denial::Replaced),
            Verdict::Hold => Decision::Hold(Denial::Replaced),
        };
        let rows = [
            (IDENTITY, [Accept, Recover]),
            (CURRENT, [Accept, Accept]),
            (PENDING, [Promote, Promote]),
            (BOOT, [replaced, Recover]),
        ];
        rows.into_iter().find(|(row, _)| *row == by).unwrap().1
    }

    #[test]
    fn every_credential_with_and_without_event_under_every_policy_comes_to_its_row() {
        let verdicts = [Verdict::Refuse, Verdict::Hold];
        let mut seen = 0;
        for without_event in verdicts {
            for revoked in verdicts {
                for other_device in verdicts {
                    let policy = GenerationPolicy {
                        without_event,
                        revoked,
                        other_device,
                    };
                    for by in presented() {
                        for completion in [false, true] {
                            for same_device in [false, true] {
                                let attempt = Attempt {
                                    by,
                                    completion,
                                    same_device,
                                };
                                let expected = match (same_device, is_revoked(by)) {
                                    (false, _) => other_device.on(Denial::OtherDevice),
                                    (true, true) => revoked.on(Denial::Revoked),
                                    (true, false) => expected(by, policy)[usize::from(completion)],
                                };
                                assert_eq!(decide(attempt, policy), expected, "{attempt:?}");
                                seen += 1;
                            }
                        }
                    }
                }
            }
        }
        assert_eq!(seen, 8 * 8 * 4);
    }

    #[test]
    fn nothing_that_was_revoked_or_belongs_to_another_ever_counts() {
        for by in presented() {
            for (completion, same_device) in
                [(false, false), (true, false), (false, true), (true, true)]
            {
                let attempt = Attempt {
                    by,
                    completion,
                    same_device,
                };
                let counts = !matches!(
                    decide(attempt, GenerationPolicy::default()),
                    Decision::Refuse(_) | Decision::Hold(_)
                );
                if !same_device || is_revoked(by) {
                    assert!(!counts, "{attempt:?}");
                }
            }
        }
    }
}
