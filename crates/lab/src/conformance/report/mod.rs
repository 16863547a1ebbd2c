//! What a run found, for people (text), programs (JSON) and build servers (JUnit).

mod json;
mod junit;
mod text;

use super::check::Check;
use super::item::{self, Item, Side};
use super::reach::beyond;
use super::transcript::Exchange;
use super::verdict::{Level, Verdict};

/// A check and what it found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CheckResult {
    /// The check.
    pub check: Check,
    /// What it found.
    pub verdict: Verdict,
    /// The exchanges it made, secrets masked.
    pub exchanges: Vec<Exchange>,
    /// How long it took, in milliseconds.
    pub millis: u64,
}

/// What a run of the kit found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// Which end was driven.
    pub side: Side,
    /// The peer: its URL, or where it was awaited.
    pub target: String,
    /// The checks in the order in which they ran.
    pub results: Vec<CheckResult>,
}

/// What all checks of an item say together.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum ItemState {
    /// The kit has no check for it: it does not show outside.
    OutOfReach,
    /// None of its checks was run.
    NotTested,
    /// The peer does not have it.
    NotApplicable,
    /// Each check that was run passed.
    Passed,
    /// Passed, but otherwise than omadm where the standard is silent.
    Differs,
    /// At least one check came to no answer.
    Inconclusive,
    /// At least one check failed.
    Failed,
}

impl ItemState {
    /// The words for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::OutOfReach => "not checkable",
            Self::NotTested => "not tested",
            Self::NotApplicable => "not applicable",
            Self::Passed => "passed",
            Self::Differs => "differs",
            Self::Inconclusive => "inconclusive",
            Self::Failed => "failed",
        }
    }

    const fn of(verdict: &Verdict) -> Self {
        match verdict {
            Verdict::Passed => Self::Passed,
            Verdict::Failed { .. } => Self::Failed,
            Verdict::Differs { .. } => Self::Differs,
            Verdict::NotApplicable { .. } => Self::NotApplicable,
            Verdict::NotTested { .. } => Self::NotTested,
            Verdict::Inconclusive { .. } => Self::Inconclusive,
        }
    }
}

impl Report {
    /// Whether no obligation of level MUST failed or stayed without an answer. What was not tested does not count: the report says it.
    #[must_use]
    pub fn is_passed(&self) -> bool {
        !self.results.iter().any(|result| {
            result.check.level == Level::Must
                && matches!(
                    result.verdict,
                    Verdict::Failed { .. } | Verdict::Inconclusive { .. }
                )
        })
    }

    /// How many checks have this verdict ([`Verdict::as_str`]).
    #[must_use]
    pub fn count(&self, verdict: &str) -> usize {
        let results = self.results.iter();
        results
            .filter(|result| result.verdict.as_str() == verdict)
            .count()
    }

    /// Each item that binds this end, and what its checks say together.
    pub fn items(&self) -> impl Iterator<Item = ItemResult> + '_ {
        item::of_side(self.side).map(|item| {
            let results = self.results.iter();
            let of_item = results.filter(|result| result.check.items.contains(&item.id));
            let each = of_item.map(|result| (ItemState::of(&result.verdict), result));
            let state = each.clone().map(|(state, _)| state).max();
            let why = match state {
                Some(ItemState::Passed) => String::new(),
                Some(worst) => {
                    let so = each.filter(|(state, _)| *state == worst);
                    let names = so.map(|(_, result)| result.check.id);
                    names.collect::<Vec<_>>().join(", ")
                }
                None => match beyond(self.side, item.id) {
                    Some(why) => why.to_owned(),
                    None => "its checks were not picked".to_owned(),
                },
            };
            let unpicked = || match beyond(self.side, item.id) {
                Some(_) => ItemState::OutOfReach,
                None => ItemState::NotTested,
            };
            ItemResult {
                item,
                state: state.unwrap_or_else(unpicked),
                why,
            }
        })
    }
}

/// An item and what its checks say together.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ItemResult {
    /// The item.
    pub item: &'static Item,
    /// The worst that its checks found.
    pub state: ItemState,
    /// Which checks found that, or why there is none; empty where all passed.
    pub why: String,
}

/// The verdicts in the order in which they are counted.
const VERDICTS: [&str; 6] = [
    "passed",
    "failed",
    "differs",
    "not applicable",
    "not tested",
    "inconclusive",
];

#[cfg(test)]
pub(super) fn sample() -> Report {
    let result = |id, items, level, verdict| CheckResult {
        check: Check {
            id,
            items,
            level,
            says: "says <so> & \"thus\"",
            clause: "§2",
        },
        verdict,
        exchanges: vec![Exchange {
            request: vec!["POST /dm".to_owned(), "host: a".to_owned()],
            sent: "{}".to_owned(),
            answer: vec!["500".to_owned()],
            received: "]]>\u{1}".to_owned(),
        }],
        millis: 12,
    };
    Report {
        side: Side::Server,
        target: "https://a/dm".to_owned(),
        results: vec![
            result("one", &["X-FLOW-001"], Level::Must, Verdict::Passed),
            result(
                "two",
                &["X-FLOW-001", "X-JSON-001"],
                Level::Must,
                Verdict::failed("200", "500"),
            ),
            result(
                "three",
                &["X-NEGO-001"],
                Level::Decision("D70"),
                Verdict::of(Err(Verdict::failed("400", "422")), Level::Decision("D70")),
            ),
            result(
                "four",
                &["X-NOTI-001"],
                Level::Must,
                Verdict::not_tested("give --hook"),
            ),
        ],
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::*;

    #[test]
    fn an_item_is_as_bad_as_its_worst_check_and_one_without_check_is_out_of_reach() {
        let report = sample();
        let state = |id| {
            let mut items = report.items();
            items.find(|one| one.item.id == id).map(|one| one.state)
        };
        assert_eq!(state("X-FLOW-001"), Some(ItemState::Failed));
        assert_eq!(state("X-NEGO-001"), Some(ItemState::Differs));
        assert_eq!(state("X-NOTI-001"), Some(ItemState::NotTested));
        assert_eq!(state("B-28"), Some(ItemState::OutOfReach));
        assert_eq!(state("B-20"), None, "it binds the client alone");
        assert_eq!(state("X-URI-001"), Some(ItemState::NotTested));
        let mut items = report.items();
        let failed = items.find(|one| one.item.id == "X-FLOW-001").unwrap();
        assert_eq!(failed.why, "two");
        let beyond = report.items().find(|one| one.item.id == "B-28").unwrap();
        assert!(beyond.why.contains("operator"), "{}", beyond.why);
    }

    #[test]
    fn a_must_that_fails_or_has_no_answer_fails_the_run_and_a_difference_does_not() {
        let mut report = sample();
        assert!(!report.is_passed());
        report.results[1].verdict = Verdict::inconclusive("no connection");
        assert!(!report.is_passed());
        report.results[1].verdict = Verdict::Passed;
        assert!(report.is_passed());
        report.results[1].verdict = Verdict::failed("200", "500");
        report.results[1].check.level = Level::Should;
        assert!(report.is_passed());
    }
}
