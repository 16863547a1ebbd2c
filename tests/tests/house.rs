//! The workspace itself keeps the rules of the house.

use std::error::Error;
use std::fs;

use omadm_tests::house::files;
use omadm_tests::house::graph::Graph;
use omadm_tests::house::{layers, licences, purity, root};

type Checked = Result<(), Box<dyn Error>>;

const NONE: [&str; 0] = [];

#[test]
fn dependencies_point_one_way() -> Checked {
    let graph = Graph::read(root())?;
    assert!(
        graph.members().any(|member| member.name == "omadm"),
        "the binary was not looked at"
    );
    assert_eq!(layers::violations(&graph), NONE);
    Ok(())
}

#[test]
fn pure_crates_reach_no_io_no_clock_and_no_entropy() -> Checked {
    let graph = Graph::read(root())?;
    assert!(
        graph.closure("omadm-session").contains("omadm-mo"),
        "the closure was not walked"
    );
    assert_eq!(purity::dependency_violations(&graph), NONE);
    Ok(())
}

#[test]
fn pure_crates_disallow_io_clocks_and_unordered_collections() -> Checked {
    let mut looked_at = 0;
    for room in purity::PURE {
        let folder = root().join("crates").join(room);
        if folder.join("Cargo.toml").is_file() {
            let text = fs::read_to_string(folder.join("clippy.toml"))
                .map_err(|error| format!("{room}/clippy.toml: {error}"))?;
            assert_eq!(purity::clippy_violations(room, &text), NONE);
            looked_at += 1;
        }
    }
    assert!(
        looked_at >= 4,
        "only {looked_at} pure crates were looked at"
    );
    Ok(())
}

#[test]
fn every_package_has_an_allowed_licence() -> Checked {
    let graph = Graph::read(root())?;
    assert!(
        graph.packages.values().any(|package| !package.member),
        "no dependency was looked at"
    );
    assert_eq!(licences::violations(&graph), NONE);
    Ok(())
}

#[test]
fn tracked_files_are_short_well_named_and_free_of_this_machine() -> Checked {
    let files = files::tracked(root())?;
    assert!(
        files.iter().any(|file| file.path == "tests/tests/house.rs"),
        "git lists no files"
    );
    let found: Vec<String> = files.iter().flat_map(files::violations).collect();
    assert_eq!(found, NONE);
    Ok(())
}
