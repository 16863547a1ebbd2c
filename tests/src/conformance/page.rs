//! `docs/conformance.md`, written from the items and the names of the tests.

use std::fmt::Write as _;

use super::found::Found;
use super::items::{self, Item};
use super::knobs;

/// Where the page stands, from the root of the workspace.
pub const PATH: &str = "docs/conformance.md";

/// How the page is written anew.
pub const COMMAND: &str = "OMADM_BLESS=1 cargo test -p omadm-tests --test conformance";

/// The page for these tests.
pub fn write(tests: &[Found]) -> String {
    let mut page = format!(
        "# Conformance\n\n\
        Every obligation of the bootstrap chapter, every item of the static conformance tables and every item of DM 1.x, with the tests that hold it. \
        A test names its item: `b_23_…` is B-23. \"not yet\" means that no test proves the item; it may be built in part.\n\n\
        A *knob* is a change of one place of the implementation after which the named test must fail. `./test --soak soak_a_turned_knob_fails_its_test` turns \
        every knob in a copy of the workspace; an ordinary run turns the first and checks that the others still have their place. \
        {} of the {} items with tests have a knob.\n\n\
        Written by `{COMMAND}`; do not edit.\n",
        count(tests, true),
        count(tests, false),
    );
    for (title, table) in [
        ("Bootstrap", items::BOOTSTRAP),
        ("Static conformance of bootstrap", items::STATIC),
        ("Static conformance of the protocol", items::PROTOCOL),
        ("DM 1.x", items::DM1X),
    ] {
        let _ = write!(
            page,
            "\n## {title}\n\n| id | who | level | obligation | tests | knob |\n|---|---|---|---|---|---|\n"
        );
        for item in table {
            let _ = writeln!(
                page,
                "| {} | {} | {} | {} | {} | {} |",
                item.id,
                item.who,
                item.level,
                item.says,
                cell(item, tests),
                knob(item, tests),
            );
        }
    }
    page
}

fn of<'a>(item: &'a Item, tests: &'a [Found]) -> impl Iterator<Item = &'a Found> {
    tests
        .iter()
        .filter(|test| items::of(&test.name).contains(&item.id))
}

fn cell(item: &Item, tests: &[Found]) -> String {
    let names: Vec<_> = of(item, tests)
        .map(|test| format!("`{}::{}`", test.package, test.name))
        .collect();
    if names.is_empty() {
        "not yet".to_owned()
    } else {
        names.join("<br>")
    }
}

fn knob(item: &Item, tests: &[Found]) -> &'static str {
    if of(item, tests).next().is_none() {
        ""
    } else if knobs::all().any(|knob| knob.item == item.id) {
        "yes"
    } else {
        "not built yet"
    }
}

fn count(tests: &[Found], with_knob: bool) -> usize {
    items::all()
        .filter(|item| match knob(item, tests) {
            "" => false,
            text => !with_knob || text == "yes",
        })
        .count()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_item_shows_its_tests_or_not_yet() {
        let test = |name: &str| Found {
            package: "omadm-mo".to_owned(),
            name: name.to_owned(),
        };
        let page = write(&[test("b_23_x_uri_001_is_so"), test("b_2_is_none")]);
        let row = |id: &str| {
            page.lines()
                .find(|line| line.starts_with(&format!("| {id} |")))
                .unwrap_or_default()
        };
        let shown = "`omadm-mo::b_23_x_uri_001_is_so`";
        assert!(row("B-23").contains(shown) && row("X-URI-001").contains(shown));
        assert!(row("B-02").contains("| not yet |"));
        assert!(!page.contains("b_2_is_none"));
    }
}
