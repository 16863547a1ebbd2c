//! The report for programs.

use serde_json::{Value, json};

use super::{CheckResult, Report, VERDICTS};
use crate::conformance::verdict::Verdict;

impl Report {
    /// The report as one JSON object: `side`, `target`, `passed`, `counts`, `checks` and `items`. Exchanges stand with checks that did not pass.
    #[must_use]
    pub fn json(&self) -> Value {
        let counts = VERDICTS
            .iter()
            .map(|verdict| ((*verdict).to_owned(), json!(self.count(verdict))));
        let items = self.items().map(|one| {
            let item = one.item;
            json!({
                "id": item.id, "level": item.level, "says": item.says, "state": one.state.as_str(), "why": one.why,
            })
        });
        json!({
            "side": self.side.as_str(),
            "target": self.target,
            "passed": self.is_passed(),
            "counts": counts.collect::<serde_json::Map<_, _>>(),
            "checks": self.results.iter().map(check).collect::<Vec<_>>(),
            "items": items.collect::<Vec<_>>(),
        })
    }
}

fn check(result: &CheckResult) -> Value {
    let check = &result.check;
    let mut value = json!({
        "id": check.id,
        "items": check.items,
        "level": check.level.as_str(),
        "says": check.says,
        "clause": check.clause,
        "verdict": result.verdict.as_str(),
        "millis": result.millis,
    });
    let detail = result.verdict.detail();
    if let (Some(members), false) = (value.as_object_mut(), detail.is_empty()) {
        members.insert("detail".to_owned(), json!(detail));
        members.insert("exchanges".to_owned(), json!(result.exchanges));
    }
    if let (
        Some(members),
        Verdict::Failed { expected, seen } | Verdict::Differs { expected, seen, .. },
    ) = (value.as_object_mut(), &result.verdict)
    {
        members.insert("expected".to_owned(), json!(expected));
        members.insert("seen".to_owned(), json!(seen));
    }
    value
}

#[cfg(test)]
mod tests {
    use super::super::sample;

    #[test]
    fn the_object_holds_checks_items_and_counts() {
        let json = sample().json();
        assert_eq!(json["passed"], false);
        assert_eq!(json["counts"]["failed"], 1);
        assert_eq!(json["checks"][1]["detail"], "expected 200; seen 500");
        assert_eq!(json["checks"][1]["seen"], "500");
        assert_eq!(json["checks"][1]["exchanges"][0]["request"][0], "POST /dm");
        assert_eq!(json["checks"][0].get("exchanges"), None);
        let items = json["items"].as_array().unwrap();
        let state = |id: &str| &items.iter().find(|item| item["id"] == id).unwrap()["state"];
        assert_eq!(state("X-FLOW-001"), "failed");
    }
}
