use std::env;
use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use super::PrivatePostgresError;
use super::error::Tried;

/// A path of a Unix socket has 107 bytes at most; this leaves room for our folder's name and PostgreSQL's file.
const LONGEST_BASE: usize = 60;

/// The account that PostgreSQL's programs run as.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Account {
    /// Our own.
    Ours,
    /// Another one, since we are root, whom `initdb` and `postgres` refuse.
    Other { name: String, uid: u32, gid: u32 },
}

impl Account {
    /// Our own account; for root that of `postgres`, else of `nobody`.
    pub(super) fn find() -> Result<Self, PrivatePostgresError> {
        if !rustix::process::geteuid().is_root() {
            return Ok(Self::Ours);
        }
        let users = fs::read_to_string("/etc/passwd").tried("/etc/passwd cannot be read")?;
        Self::for_root(&users).ok_or(PrivatePostgresError::NoOrdinaryUser)
    }

    fn for_root(users: &str) -> Option<Self> {
        let find = |wanted: &str| {
            users.lines().find_map(|line| {
                let mut fields = line.split(':');
                let name = fields.next().filter(|name| *name == wanted)?;
                let uid = fields.nth(1)?.parse().ok().filter(|uid| *uid != 0)?;
                let gid = fields.next()?.parse().ok()?;
                Some(Self::Other {
                    name: name.to_owned(),
                    uid,
                    gid,
                })
            })
        };
        find("postgres").or_else(|| find("nobody"))
    }

    /// Has `command` run as this account, in a process group of its own: a Ctrl-C at the terminal is not for it.
    pub(super) fn run<'a>(&self, command: &'a mut Command) -> &'a mut Command {
        if let Self::Other { uid, gid, .. } = self {
            // The standard library drops root's supplementary groups with its identity.
            command.uid(*uid).gid(*gid);
        }
        command.process_group(0)
    }

    /// An empty folder that only this account (and root) can enter; removed on drop.
    pub(super) fn folder(&self) -> Result<TempDir, PrivatePostgresError> {
        let mut tried = Vec::new();
        for base in [env::temp_dir(), "/tmp".into(), "/var/tmp".into()] {
            // Processes are told by their working folder, which has no symbolic links in it.
            let base = base.canonicalize().unwrap_or(base);
            if !tried.contains(&base) {
                if base.as_os_str().len() <= LONGEST_BASE && self.may_use(&base) {
                    let made = tempfile::Builder::new()
                        .prefix("omadm-postgres-")
                        .tempdir_in(&base);
                    if let Ok(folder) = made {
                        self.give(folder.path())?;
                        return Ok(folder);
                    }
                }
                tried.push(base);
            }
        }
        let names: Vec<_> = tried.iter().map(|it| it.display().to_string()).collect();
        Err(PrivatePostgresError::NoFolder {
            tried: names.join(", "),
            user: match self {
                Self::Ours => "you".to_owned(),
                Self::Other { name, .. } => format!("the user `{name}`"),
            },
        })
    }

    /// Writes a file of mode 0600 that this account owns.
    pub(super) fn write(&self, path: &Path, content: &[u8]) -> Result<(), PrivatePostgresError> {
        let what = "a file of PostgreSQL cannot be written";
        let mut file = OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(path)
            .tried(what)?;
        file.write_all(content).tried(what)?;
        self.give(path)
    }

    fn give(&self, path: &Path) -> Result<(), PrivatePostgresError> {
        match self {
            Self::Ours => Ok(()),
            Self::Other { uid, gid, .. } => chown(path, Some(*uid), Some(*gid))
                .tried("a file cannot be given to PostgreSQL's user"),
        }
    }

    /// Whether another account can make files in `base`; our own finds out by trying.
    fn may_use(&self, base: &Path) -> bool {
        let has =
            |path: &Path, bits: u32| fs::metadata(path).is_ok_and(|it| it.mode() & bits == bits);
        *self == Self::Ours || (has(base, 0o003) && base.ancestors().all(|it| has(it, 0o001)))
    }
}

/// The file in a server's folder that both its programs and the watchdog know.
pub(super) fn data(folder: &Path) -> PathBuf {
    folder.join("data")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn other(name: &str, uid: u32, gid: u32) -> Option<Account> {
        Some(Account::Other {
            name: name.to_owned(),
            uid,
            gid,
        })
    }

    #[test]
    fn root_becomes_postgres_where_there_is_one_and_else_nobody() {
        let nobody = "root:x:0:0::/:/bin/sh\nnobody:x:65534:65533::/:/bin/false\n";
        let both = format!("{nobody}postgres:x:101:104::/var/lib/postgresql:/bin/sh\n");
        assert_eq!(Account::for_root(&both), other("postgres", 101, 104));
        assert_eq!(Account::for_root(nobody), other("nobody", 65534, 65533));
        assert_eq!(Account::for_root("postgres:x:0:0::/:/bin/sh\n"), None);
    }

    #[test]
    fn a_folder_that_others_cannot_enter_does_not_suit_another_account() {
        let closed = tempfile::tempdir().unwrap();
        let account = other("nobody", 65534, 65533).unwrap();
        assert!(!account.may_use(closed.path()));
        assert!(Account::Ours.may_use(closed.path()));
    }
}
