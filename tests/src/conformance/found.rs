//! The tests of the workspace and the items their names begin with, read from the sources: no build is needed.

use std::io;
use std::path::Path;
use std::process::Command;

/// A test function.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Found {
    /// The package.
    pub package: String,
    /// The function.
    pub name: String,
}

/// The files of the working tree, tracked or not, without those git ignores; sorted.
///
/// # Errors
/// When `root` is no git working tree or git is missing.
pub fn listed(root: &Path) -> io::Result<Vec<String>> {
    let listing = Command::new("git")
        .args(["-c", "safe.directory=*", "ls-files", "-z"])
        .args([
            "--cached",
            "--others",
            "--exclude-standard",
            "--deduplicate",
        ])
        .current_dir(root)
        .output()?;
    if !listing.status.success() {
        return Err(io::Error::other(
            String::from_utf8_lossy(&listing.stderr).into_owned(),
        ));
    }
    let text = String::from_utf8_lossy(&listing.stdout);
    let mut names: Vec<_> = text.split_terminator('\0').map(str::to_owned).collect();
    names.retain(|name| root.join(name).is_file());
    names.sort();
    Ok(names)
}

/// Every test function below `root`, sorted.
///
/// # Errors
/// As [`listed`], and when a file cannot be read.
pub fn tests(root: &Path) -> io::Result<Vec<Found>> {
    let mut found = Vec::new();
    for file in listed(root)? {
        let Some(package) = package(&file).filter(|_| file.ends_with(".rs")) else {
            continue;
        };
        let text = std::fs::read_to_string(root.join(&file))?;
        found.extend(names(&text).into_iter().map(|name| Found {
            package: package.clone(),
            name,
        }));
    }
    found.sort();
    Ok(found)
}

/// The package a file belongs to.
fn package(file: &str) -> Option<String> {
    let mut parts = file.split('/');
    match (parts.next()?, parts.next()?) {
        ("crates", folder) if parts.next().is_some() => Some(match folder {
            "omadm" => "omadm".to_owned(),
            folder => format!("omadm-{folder}"),
        }),
        (folder @ ("tests" | "benches" | "examples"), _) => Some(format!("omadm-{folder}")),
        _ => None,
    }
}

/// The functions of a text that stand below a test attribute.
fn names(text: &str) -> Vec<String> {
    let mut found = Vec::new();
    let mut marked = false;
    for line in text.lines().map(str::trim) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            marked = true;
        } else if let Some((_, rest)) = line.split_once("fn ")
            && marked
            && !line.starts_with("//")
            && !line.starts_with("#[")
        {
            marked = false;
            let name = rest.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
            found.extend(name.take(1).map(str::to_owned));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::{names, package};

    #[test]
    fn functions_below_a_test_attribute_are_found_and_no_others() {
        let mark = "#[test]";
        let text = format!(
            "fn helper() {{}}\n  {mark}\n  #[should_panic] // fn of no name\n  fn b_01_one() {{\n    fn inner() {{}}\n  }}\n#[tokio::test(start_paused = true)]\npub async fn two() {{}}\n"
        );
        assert_eq!(names(&text), ["b_01_one", "two"]);
    }

    #[test]
    fn a_file_belongs_to_the_package_of_its_folder() {
        let of = |file| package(file).unwrap_or_default();
        assert_eq!(of("crates/mo/src/lib.rs"), "omadm-mo");
        assert_eq!(of("crates/omadm/src/main.rs"), "omadm");
        assert_eq!(of("tests/src/lib.rs"), "omadm-tests");
        assert_eq!(of("README.md"), "");
    }
}
