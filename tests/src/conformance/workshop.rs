//! Turns knobs in a copy of the workspace.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::found;
use super::knobs::Knob;

/// A copy of the workspace with a target folder of its own, kept from run to run so that little is built anew.
#[derive(Debug)]
pub struct Workshop {
    tree: PathBuf,
    target: PathBuf,
}

impl Workshop {
    /// Brings the copy up to date; files that did not change keep their time.
    ///
    /// # Errors
    /// When the workspace cannot be listed or copied.
    pub fn open(root: &Path, folder: &Path) -> io::Result<Self> {
        let workshop = Self {
            tree: folder.join("knobs/tree"),
            target: folder.join("knobs/target"),
        };
        for name in found::listed(root)? {
            let (from, to) = (root.join(&name), workshop.tree.join(&name));
            let content = fs::read(&from)?;
            if fs::read(&to).ok().as_ref() != Some(&content) {
                if let Some(parent) = to.parent() {
                    fs::create_dir_all(parent)?;
                }
                fs::write(&to, &content)?;
            }
        }
        Ok(workshop)
    }

    /// Turns a knob and runs its test; none when the test failed as it must, else what the run said.
    ///
    /// # Errors
    /// When the copy cannot be changed or cargo cannot be started.
    pub fn turn(&self, knob: &Knob) -> io::Result<Option<String>> {
        let file = self.tree.join(knob.file);
        let whole = fs::read_to_string(&file)?;
        fs::write(&file, whole.replacen(knob.from, knob.to, 1))?;
        let run = self.run(knob);
        fs::write(&file, whole)?;
        let output = run?;
        let failed = format!("test {} ... FAILED", knob.test);
        Ok((!output.contains(&failed)).then_some(output))
    }

    fn run(&self, knob: &Knob) -> io::Result<String> {
        let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
        cargo
            .args([
                "test",
                "--offline",
                "--locked",
                "--color=never",
                "--all-features",
                "-p",
                knob.package,
            ])
            .env("CARGO_TARGET_DIR", &self.target)
            .env("CARGO_INCREMENTAL", "1")
            .current_dir(&self.tree);
        match knob.target {
            Some(target) => cargo.args(["--test", target]),
            None => cargo.arg("--lib"),
        };
        let output = cargo.args(["--", "--exact", knob.test]).output()?;
        let said = [output.stdout, output.stderr].concat();
        Ok(String::from_utf8_lossy(&said).into_owned())
    }
}
