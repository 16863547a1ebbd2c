//! The report for people.

use std::fmt::Write as _;

use super::{CheckResult, ItemState, Report, VERDICTS};
use crate::conformance::verdict::Verdict;

impl Report {
    /// One line a check, then what there is to say to each that did not pass with its exchanges, then the items, then the counts.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = format!("DM {} {}\n\n", self.side.as_str(), self.target);
        for result in &self.results {
            text.push_str(&result.line());
        }
        text + &self.summary()
    }

    /// What there is to say to each check that failed or was inconclusive, with its exchanges; then the items, then the counts.
    #[must_use]
    pub fn summary(&self) -> String {
        let mut text = String::new();
        let failed = self.results.iter();
        let failed = failed.filter(|result| {
            matches!(
                result.verdict,
                Verdict::Failed { .. } | Verdict::Inconclusive { .. }
            )
        });
        for result in failed {
            text.push_str(&explained(result));
        }
        text.push_str("\nitems\n");
        for one in self.items() {
            let item = one.item;
            let _ = write!(
                text,
                "  {:<16} {:<15} {:<28} {}",
                item.id,
                one.state.as_str(),
                item.level,
                item.says
            );
            let _ = match one.why.as_str() {
                "" => writeln!(text),
                why => writeln!(text, "\n                   {why}"),
            };
        }
        let unreached = self.items();
        let unreached = unreached.filter(|one| one.state <= ItemState::NotTested);
        let counts = VERDICTS
            .iter()
            .map(|verdict| format!("{} {verdict}", self.count(verdict)));
        let _ = writeln!(
            text,
            "\n{} checks: {}; {} items without a tested check\n{}",
            self.results.len(),
            counts.collect::<Vec<_>>().join(", "),
            unreached.count(),
            self.last_word(),
        );
        text
    }

    const fn passed_word() -> &'static str {
        "no obligation of level MUST failed in what was tested"
    }

    fn last_word(&self) -> &'static str {
        if self.is_passed() {
            Self::passed_word()
        } else {
            "at least one obligation of level MUST failed or got no answer"
        }
    }
}

impl CheckResult {
    /// The check in one line, with a line break behind it.
    #[must_use]
    pub fn line(&self) -> String {
        let check = &self.check;
        let detail = self.verdict.detail();
        let detail = if detail.is_empty() {
            detail
        } else {
            format!("\n                   {detail}")
        };
        format!(
            "  {:<15}  {:<28} {:<6} {} ({}){detail}\n",
            self.verdict.as_str(),
            check.id,
            check.level.as_str(),
            check.says,
            check.clause
        )
    }
}

/// What was asked, what had to come and what came, then every exchange.
fn explained(result: &CheckResult) -> String {
    let check = &result.check;
    let mut text = format!(
        "\n{} {} ({}, {})\n  asked     {} ({})\n",
        result.verdict.as_str(),
        check.id,
        check.level.as_str(),
        check.items.join(", "),
        check.says,
        check.clause,
    );
    let _ = match &result.verdict {
        Verdict::Failed { expected, seen } => {
            writeln!(text, "  expected  {expected}\n  seen      {seen}")
        }
        other => writeln!(text, "  because   {}", other.detail()),
    };
    for exchange in &result.exchanges {
        for (mark, lines, body) in [
            (">", &exchange.request, &exchange.sent),
            ("<", &exchange.answer, &exchange.received),
        ] {
            for line in lines
                .iter()
                .chain(Some(body).filter(|body| !body.is_empty()))
            {
                let _ = writeln!(text, "  {mark} {line}");
            }
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use super::super::sample;

    #[test]
    fn the_text_names_each_check_the_exchanges_of_a_failed_one_and_the_counts() {
        let text = sample().text();
        for line in [
            "passed           one",
            "failed           two",
            "by D70 omadm expects 400; seen 422",
            "give --hook",
            "  > POST /dm",
            "  < 500",
            "B-10             not checkable",
            "X-CMD-001        not tested",
            "asked     says <so> & \"thus\" (§2)",
            "expected  200",
            "seen      500",
            "4 checks: 1 passed, 1 failed, 1 differs, 0 not applicable, 1 not tested, 0 inconclusive",
            "at least one obligation of level MUST failed",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        assert_eq!(text.matches("> POST").count(), 1, "of the failed one alone");
    }
}
