//! What every tracked file keeps to: one concern, a name that says which, and nothing of the machine it was written on.

use std::io;
use std::path::Path;
use std::process::Command;

/// Lines at which a Rust file must be parted.
const LONGEST: usize = 600;

/// Names that say nothing of what is inside.
const DRAWERS: [&str; 6] = ["util", "utils", "common", "helper", "helpers", "misc"];

/// Beginnings of paths that exist on one machine only. Written in halves, so that this file does not hold them.
const MACHINE: [&str; 5] = [
    concat!("/ho", "me/"),
    concat!("/ro", "ot/."),
    concat!("/wo", "rk/"),
    concat!("/work", "space/"),
    concat!("/bui", "lds/"),
];

/// Hosts of package registries and mirrors: which one is used is the reader's setting.
const REGISTRIES: [&str; 5] = [
    concat!("static.", "crates.io"),
    concat!("index.", "crates.io"),
    concat!("registry.", "npmjs"),
    concat!("deb.", "debian.org"),
    concat!("py", "pi.org"),
];

/// A tracked file: its path from the root with `/`, and its bytes.
#[derive(Clone, Debug)]
pub struct Tracked {
    /// Path from the root of the workspace.
    pub path: String,
    /// Content in the working tree.
    pub bytes: Vec<u8>,
}

/// The files git tracks under `root`, as they stand in the working tree; files deleted there are left out.
///
/// # Errors
/// When `root` is no git working tree, git is missing, or a file cannot be read.
pub fn tracked(root: &Path) -> io::Result<Vec<Tracked>> {
    let listing = Command::new("git")
        .args(["-c", "safe.directory=*", "ls-files", "-z"])
        .current_dir(root)
        .output()?;
    if !listing.status.success() {
        return Err(io::Error::other(
            String::from_utf8_lossy(&listing.stderr).into_owned(),
        ));
    }
    let names = String::from_utf8_lossy(&listing.stdout).into_owned();
    let mut files = Vec::new();
    for name in names.split_terminator('\0') {
        match std::fs::read(root.join(name)) {
            Ok(bytes) => files.push(Tracked {
                path: name.to_owned(),
                bytes,
            }),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(files)
}

/// Whatever is wrong with one file: too long, named like a drawer, or with a machine path or registry address in it.
pub fn violations(file: &Tracked) -> Vec<String> {
    let mut found = Vec::new();
    let path = &file.path;
    if let Some(lines) = too_long(file) {
        found.push(format!("{path} has {lines} lines: part it at its seam"));
    }
    if let Some(drawer) = drawer(path) {
        found.push(format!("{path}: {drawer:?} does not say what is inside"));
    }
    // Lock files name the registry they were resolved against.
    if !path.ends_with(".lock") && !path.ends_with("package-lock.json") {
        let text = String::from_utf8_lossy(&file.bytes);
        for (number, line) in text.lines().enumerate() {
            for trace in MACHINE
                .iter()
                .chain(&REGISTRIES)
                .filter(|trace| line.contains(*trace))
            {
                found.push(format!("{path}:{}: holds {trace:?}", number + 1));
            }
        }
    }
    found
}

fn too_long(file: &Tracked) -> Option<usize> {
    let lines = file.bytes.iter().filter(|byte| **byte == b'\n').count();
    (file.path.ends_with(".rs") && lines > LONGEST).then_some(lines)
}

fn drawer(path: &str) -> Option<&str> {
    let stems = path
        .split('/')
        .map(|part| part.split('.').next().unwrap_or(part));
    stems.into_iter().find(|stem| DRAWERS.contains(stem))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn file(path: &str, text: &str) -> Tracked {
        Tracked {
            path: path.to_owned(),
            bytes: text.as_bytes().to_vec(),
        }
    }

    #[test]
    fn a_rust_file_of_601_lines_is_found_and_one_of_600_is_not() {
        assert!(violations(&file("a.rs", &"\n".repeat(600))).is_empty());
        assert_eq!(violations(&file("a.rs", &"\n".repeat(601))).len(), 1);
        assert!(violations(&file("a.md", &"\n".repeat(601))).is_empty());
    }

    #[test]
    fn drawers_are_found_as_files_and_as_folders() {
        for path in [
            "crates/mo/src/utils.rs",
            "common/mod.rs",
            "docs/misc",
            "src/helpers/uri.rs",
        ] {
            assert_eq!(violations(&file(path, "")).len(), 1, "{path}");
        }
        assert!(violations(&file("src/uncommon_case.rs", "")).is_empty());
    }

    #[test]
    fn every_machine_path_and_registry_address_is_found_with_its_line() {
        for trace in MACHINE.iter().chain(&REGISTRIES) {
            let found = violations(&file("README.md", &format!("first\nsee {trace}x\n")));
            assert_eq!(found, [format!("README.md:2: holds {trace:?}")]);
            assert!(violations(&file("Cargo.lock", trace)).is_empty());
        }
    }

    #[test]
    fn listing_outside_a_git_tree_is_an_error_and_not_an_empty_list() {
        assert!(tracked(Path::new("/")).is_err());
    }
}
