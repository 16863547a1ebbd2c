use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::PrivatePostgresError;

/// The oldest major version that omadm's store supports.
pub(super) const OLDEST: u32 = 15;

/// Where Debian keeps one folder a major version, out of PATH.
const DEBIAN: &str = "/usr/lib/postgresql";

/// PostgreSQL's programs, all of one version.
#[derive(Clone, Debug)]
pub(super) struct Programs {
    pub(super) initdb: PathBuf,
    pub(super) postgres: PathBuf,
    pub(super) psql: PathBuf,
}

impl Programs {
    /// The ones in PATH, else Debian's newest.
    pub(super) fn find() -> Result<Self, PrivatePostgresError> {
        path_folders()
            .chain(debian_folders(Path::new(DEBIAN)))
            .find_map(|folder| Self::in_folder(&folder))
            .ok_or(PrivatePostgresError::NotInstalled)
    }

    fn in_folder(folder: &Path) -> Option<Self> {
        let [initdb, postgres, psql] = ["initdb", "postgres", "psql"].map(|name| folder.join(name));
        let complete = [&initdb, &postgres, &psql].iter().all(|it| it.is_file());
        (complete && version(&postgres)? >= OLDEST).then_some(Self {
            initdb,
            postgres,
            psql,
        })
    }
}

/// `psql` of any version, for a server that somebody else runs.
pub(super) fn find_psql() -> Result<PathBuf, PrivatePostgresError> {
    path_folders()
        .chain(debian_folders(Path::new(DEBIAN)))
        .map(|folder| folder.join("psql"))
        .find(|psql| psql.is_file())
        .ok_or(PrivatePostgresError::NotInstalled)
}

/// A command that no `PG…` variable of the caller's environment reaches, and that speaks English.
pub(super) fn command(program: &Path) -> Command {
    let mut command = Command::new(program);
    for (name, _) in env::vars_os() {
        if name.to_string_lossy().starts_with("PG") {
            command.env_remove(name);
        }
    }
    command.env("LC_ALL", "C");
    command
}

fn path_folders() -> impl Iterator<Item = PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).collect::<Vec<_>>().into_iter()
}

/// `<root>/<major version>/bin`, newest first.
fn debian_folders(root: &Path) -> Vec<PathBuf> {
    let mut versions: Vec<u32> = std::fs::read_dir(root)
        .into_iter()
        .flatten()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .collect();
    versions.sort_unstable_by(|a, b| b.cmp(a));
    versions
        .into_iter()
        .map(|version| root.join(version.to_string()).join("bin"))
        .collect()
}

/// The major version in `postgres (PostgreSQL) 17.6 (Debian …)`.
fn version(postgres: &Path) -> Option<u32> {
    let said = command(postgres).arg("--version").output().ok()?;
    major(std::str::from_utf8(&said.stdout).ok()?)
}

fn major(said: &str) -> Option<u32> {
    let number = said.split_whitespace().nth(2)?;
    let digits = number.find(|c: char| !c.is_ascii_digit());
    number[..digits.unwrap_or(number.len())].parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read_of_releases_and_of_betas() {
        assert_eq!(
            major("postgres (PostgreSQL) 17.6 (Debian 17.6-0)\n"),
            Some(17)
        );
        assert_eq!(major("postgres (PostgreSQL) 19beta1\n"), Some(19));
        assert_eq!(major("postgres"), None);
    }

    #[test]
    fn the_newest_version_of_debian_comes_first() {
        let root = tempfile::tempdir().unwrap();
        for name in ["9", "17", "15", "not-a-version"] {
            std::fs::create_dir(root.path().join(name)).unwrap();
        }
        let found = debian_folders(root.path());
        let expected = ["17/bin", "15/bin", "9/bin"].map(|it| root.path().join(it));
        assert_eq!(found, expected);
    }
}
