//! The conformance page says what the tests prove, and the tests prove what it says.

use std::error::Error;
use std::fs;

use omadm_tests::conformance::workshop::Workshop;
use omadm_tests::conformance::{found, items, knobs, page};
use omadm_tests::house::root;

type Checked = Result<(), Box<dyn Error>>;

const NONE: [&str; 0] = [];

#[test]
fn the_conformance_page_is_what_the_generator_writes() -> Checked {
    let written = page::write(&found::tests(root())?);
    let file = root().join(page::PATH);
    if std::env::var_os("OMADM_BLESS").is_some() {
        fs::create_dir_all(root().join("docs"))?;
        fs::write(&file, &written)?;
    }
    let there = fs::read_to_string(&file).unwrap_or_default();
    assert!(
        there == written,
        "{} is stale; write it anew: {}",
        page::PATH,
        page::COMMAND
    );
    Ok(())
}

#[test]
fn no_test_names_an_item_that_there_is_not() -> Checked {
    let tests = found::tests(root())?;
    assert!(tests.len() > 100, "only {} tests were found", tests.len());
    let mistaken: Vec<_> = tests
        .iter()
        .map(|test| test.name.as_str())
        .filter(|name| items::is_mistaken(name))
        .collect();
    assert_eq!(mistaken, NONE);
    Ok(())
}

#[test]
fn every_knob_has_its_place_and_a_test_of_its_item() -> Checked {
    let tests = found::tests(root())?;
    let mut wrong = Vec::new();
    for knob in knobs::all() {
        let text = fs::read_to_string(root().join(knob.file))?;
        if text.matches(knob.from).count() != 1 {
            wrong.push(format!(
                "{}: {:?} does not stand once in {}",
                knob.item, knob.from, knob.file
            ));
        }
        let name = knob.test.rsplit("::").next().unwrap_or_default();
        let named = items::of(name).contains(&knob.item);
        let there = tests
            .iter()
            .any(|test| test.package == knob.package && test.name == name);
        if !named || !there {
            wrong.push(format!("{}: {name} is no test of it", knob.item));
        }
    }
    assert_eq!(wrong, NONE);
    Ok(())
}

/// Ten rounds of an ordinary run are the first knob alone: each costs a build.
#[test]
fn soak_a_turned_knob_fails_its_test() -> Checked {
    let knobs: Vec<_> = knobs::all().collect();
    let turned = omadm_tests::soak::size(knobs.len() * 10) / 10;
    let workshop = Workshop::open(root(), env!("CARGO_TARGET_TMPDIR").as_ref())?;
    let mut survived = Vec::new();
    for knob in &knobs[..turned] {
        if let Some(output) = workshop.turn(knob)? {
            survived.push(format!(
                "{} with {:?} in {}: {output}",
                knob.test, knob.to, knob.file
            ));
        }
    }
    println!("soak: {turned} of {} knobs turned", knobs.len());
    assert_eq!(survived, NONE);
    Ok(())
}
