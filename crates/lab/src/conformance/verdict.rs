/// How strongly a check binds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Level {
    /// The standard demands it: not to do it fails the run.
    Must,
    /// The standard recommends it.
    Should,
    /// The standard allows it; where it is done it has to be done so.
    May,
    /// The reachable text leaves it open, and this decision of omadm fills the hole: another implementation may do otherwise.
    Decision(&'static str),
}

impl Level {
    /// The word for it: `MUST`, `SHOULD`, `MAY`, or the decision's number.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Must => "MUST",
            Self::Should => "SHOULD",
            Self::May => "MAY",
            Self::Decision(number) => number,
        }
    }
}

/// What a check found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// As it has to be.
    Passed,
    /// Otherwise than the standard says.
    Failed {
        /// What had to come.
        expected: String,
        /// What came.
        seen: String,
    },
    /// Otherwise than omadm decided where the standard is silent: information, no failure.
    Differs {
        /// The decision's number.
        decision: &'static str,
        /// What omadm does.
        expected: String,
        /// What came.
        seen: String,
    },
    /// The peer does not have the optional feature, or the check does not concern it; how that is known.
    NotApplicable {
        /// How it is known.
        why: String,
    },
    /// The kit was not given what the check needs.
    NotTested {
        /// What to give.
        needs: String,
    },
    /// The check came to no answer: no connection, no session, no time.
    Inconclusive {
        /// What was in the way.
        why: String,
    },
}

/// What a check gives back: nothing where all was as it has to be, else why not.
pub type Judged = Result<(), Verdict>;

impl Verdict {
    /// The word for it.
    #[must_use]
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Passed => "passed",
            Self::Failed { .. } => "failed",
            Self::Differs { .. } => "differs",
            Self::NotApplicable { .. } => "not applicable",
            Self::NotTested { .. } => "not tested",
            Self::Inconclusive { .. } => "inconclusive",
        }
    }

    /// What there is to say beside the word; empty for one that passed.
    #[must_use]
    pub fn detail(&self) -> String {
        match self {
            Self::Passed => String::new(),
            Self::Failed { expected, seen } => format!("expected {expected}; seen {seen}"),
            Self::Differs {
                decision,
                expected,
                seen,
            } => format!("by {decision} omadm expects {expected}; seen {seen}"),
            Self::NotApplicable { why } | Self::Inconclusive { why } => why.clone(),
            Self::NotTested { needs } => needs.clone(),
        }
    }

    /// A failure.
    pub fn failed(expected: impl Into<String>, seen: impl Into<String>) -> Self {
        Self::Failed {
            expected: expected.into(),
            seen: seen.into(),
        }
    }

    pub(super) fn inconclusive(why: impl Into<String>) -> Self {
        Self::Inconclusive { why: why.into() }
    }

    pub(super) fn not_tested(needs: impl Into<String>) -> Self {
        Self::NotTested {
            needs: needs.into(),
        }
    }

    /// The verdict of a check of this level.
    pub(super) fn of(judged: Judged, level: Level) -> Self {
        match (judged, level) {
            (Ok(()), _) => Self::Passed,
            (Err(Self::Failed { expected, seen }), Level::Decision(decision)) => Self::Differs {
                decision,
                expected,
                seen,
            },
            (Err(verdict), _) => verdict,
        }
    }
}

/// Passes where `so`, else fails with what was expected and what was seen.
pub(super) fn expect(
    so: bool,
    expected: impl Into<String>,
    seen: impl FnOnce() -> String,
) -> Judged {
    if so {
        Ok(())
    } else {
        Err(Verdict::failed(expected, seen()))
    }
}
