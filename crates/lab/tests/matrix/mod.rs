//! Judges a whole run of the kit with an altered peer: the altered check fails, its followers with it, and nothing else.

use std::collections::BTreeSet;

use omadm_lab::conformance::Verdict;
use omadm_lab::conformance::peer::Alteration;
use omadm_lab::conformance::report::Report;

/// So many of them, from all over the table.
pub(crate) fn spread(all: &[Alteration], size: usize) -> Vec<Alteration> {
    (0..size).map(|n| all[n * all.len() / size]).collect()
}

/// What this run found otherwise than the alteration's table says.
pub(crate) fn misjudged(alteration: &Alteration, report: &Report) -> Option<String> {
    let verdict = |id: &str| {
        let mut results = report.results.iter();
        let result = results.find(|result| result.check.id == id).unwrap();
        result.verdict.clone()
    };
    let altered = verdict(alteration.check);
    if !matches!(altered, Verdict::Failed { .. } | Verdict::Differs { .. }) {
        return Some(format!("{} did not fail: {altered:?}", alteration.check));
    }
    let failed = |id: &&str| verdict(id) != Verdict::Passed;
    let all = report.results.iter().map(|result| result.check.id);
    let others: BTreeSet<_> = all.filter(|id| *id != alteration.check).collect();
    let found: BTreeSet<_> = others.iter().copied().filter(failed).collect();
    let expected = alteration.followers.of(&others);
    let others = found.symmetric_difference(&expected);
    let others: Vec<_> = others
        .map(|id| format!("{id} {}: {}", verdict(id).as_str(), verdict(id).detail()))
        .collect();
    (!others.is_empty()).then(|| format!("{}: {others:#?}", alteration.check))
}

/// Names of the checks that did not pass, with what they said.
pub(crate) fn not_passed(report: &Report) -> Vec<(&'static str, String)> {
    let results = report.results.iter();
    let others = results.filter(|result| result.verdict != Verdict::Passed);
    others
        .map(|result| {
            let said = format!("{}: {}", result.verdict.as_str(), result.verdict.detail());
            (result.check.id, said)
        })
        .collect()
}
