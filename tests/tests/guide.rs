//! Every command of the README and of the guide in `docs/`, executed as `omadm_tests::guide` says.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use omadm_tests::guide::{Chapter, Session};
use omadm_tests::house::root;

/// Chapters with a test of their own, which may so run side by side; `every_other_chapter_can_be_followed` is for the rest.
const OWN: [&str; 6] = [
    "managing.md",
    "dm1x.md",
    "bootstrap-client-initiated.md",
    "bootstrap-factory.md",
    "bootstrap-smartcard.md",
    "bootstrap-server-initiated.md",
];

/// Follows a page and gives the number of its commands.
#[track_caller]
fn follow(page: &str) -> usize {
    let text = std::fs::read_to_string(root().join(page)).unwrap();
    let chapter = Chapter::read(&text).unwrap();
    let followed = Session::new().unwrap().follow(&chapter);
    assert!(followed.is_ok(), "{page}, {}", followed.unwrap_err());
    chapter.steps.len()
}

#[test]
fn the_readme_can_be_followed() {
    assert!(follow("README.md") > 20);
}

#[test]
fn the_chapter_on_managing_can_be_followed() {
    assert!(follow("docs/managing.md") > 5);
}

#[test]
fn the_chapter_on_dm_1_x_can_be_followed() {
    assert!(follow("docs/dm1x.md") > 70);
}

#[test]
fn the_chapter_on_factory_images_can_be_followed() {
    assert!(follow("docs/bootstrap-factory.md") > 20);
}

#[test]
fn the_chapter_on_smartcards_can_be_followed() {
    assert!(follow("docs/bootstrap-smartcard.md") > 20);
}

#[test]
fn the_chapter_on_client_initiated_bootstrap_can_be_followed() {
    assert!(follow("docs/bootstrap-client-initiated.md") > 30);
}

#[test]
fn the_chapter_on_server_initiated_bootstrap_can_be_followed() {
    assert!(follow("docs/bootstrap-server-initiated.md") > 40);
}

#[test]
fn every_other_chapter_can_be_followed() {
    for entry in std::fs::read_dir(root().join("docs")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if name.ends_with(".md") && !OWN.contains(&name.as_str()) {
            let _commands = follow(&format!("docs/{name}"));
        }
    }
}

#[test]
fn every_chapter_stands_in_the_summary() {
    let summary = std::fs::read_to_string(root().join("docs/SUMMARY.md")).unwrap();
    for entry in std::fs::read_dir(root().join("docs")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        // What soak runs left behind is a record, not a chapter.
        if name.ends_with(".md") && !["SUMMARY.md", "soak.md"].contains(&name.as_str()) {
            assert!(summary.contains(&format!("]({name})")), "{name}");
        }
    }
}
