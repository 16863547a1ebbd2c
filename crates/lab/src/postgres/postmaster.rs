use std::fs::{self, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::PrivatePostgresError;
use super::account::{Account, data};
use super::error::Tried;
use super::programs::{Programs, command};
use super::settings::Shutdown;

/// Longest that a start may take, recovery included.
const START: Duration = Duration::from_secs(60);

/// Longest that a shutdown may take before it is ended by force.
const STOP: Duration = Duration::from_secs(30);

const PAUSE: Duration = Duration::from_millis(10);

/// Line of `postmaster.pid` that tells how far the start is, from 0.
const STATUS_LINE: usize = 7;

/// Everything needed to start PostgreSQL over the same data again.
pub(super) struct Plan {
    pub(super) programs: Programs,
    pub(super) account: Account,
    /// The server's own folder: data, log, Unix socket.
    pub(super) folder: PathBuf,
    /// `name=value` of each setting.
    pub(super) configuration: Vec<String>,
}

/// PostgreSQL's parent process, our child. Ended at once on drop.
pub(super) struct Postmaster(Child);

/// Why there is no postmaster.
pub(super) enum NotStarted {
    /// Another process took the port in the meantime.
    PortTaken,
    /// Anything else.
    Failed(PrivatePostgresError),
}

impl From<PrivatePostgresError> for NotStarted {
    fn from(error: PrivatePostgresError) -> Self {
        Self::Failed(error)
    }
}

impl Postmaster {
    /// Returns when PostgreSQL takes connections.
    pub(super) fn start(plan: &Plan, port: u16) -> Result<Self, NotStarted> {
        let what = "PostgreSQL's log cannot be written";
        let path = plan.folder.join("server.log");
        let log = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .tried(what)?;
        let before = log.metadata().tried(what)?.len();
        let mut command = command(&plan.programs.postgres);
        command.arg("-D").arg(data(&plan.folder));
        let own = [
            format!("port={port}"),
            "listen_addresses=127.0.0.1".to_owned(),
            format!("unix_socket_directories={}", plan.folder.display()),
        ];
        for setting in own.iter().chain(&plan.configuration) {
            command.arg("-c").arg(setting);
        }
        command
            .current_dir(&plan.folder)
            .stdin(Stdio::null())
            .stdout(log.try_clone().tried(what)?)
            .stderr(log);
        let child = plan.account.run(&mut command).spawn();
        let mut postmaster = Self(child.tried("PostgreSQL cannot be started")?);
        let said = || {
            let text = fs::read(&path).unwrap_or_default();
            let new = usize::try_from(before)
                .ok()
                .and_then(|from| text.get(from..));
            String::from_utf8_lossy(new.unwrap_or_default())
                .trim()
                .to_owned()
        };
        let deadline = Instant::now() + START;
        while !postmaster.is_ready(&plan.folder) {
            if postmaster.ended()?.is_some() {
                let said = said();
                return Err(if said.contains("Address already in use") {
                    NotStarted::PortTaken
                } else {
                    PrivatePostgresError::NotStarted(said).into()
                });
            }
            if Instant::now() > deadline {
                let said = format!("not ready after {} s: {}", START.as_secs(), said());
                return Err(PrivatePostgresError::NotStarted(said).into());
            }
            sleep(PAUSE);
        }
        Ok(postmaster)
    }

    /// Shuts down and waits for the end; a frozen server is woken first.
    pub(super) fn stop(&mut self, how: Shutdown) -> Result<(), PrivatePostgresError> {
        self.thaw()?;
        self.signal(match how {
            Shutdown::Fast => Signal::INT,
            Shutdown::Immediate => Signal::QUIT,
        })?;
        let deadline = Instant::now() + STOP;
        while self.ended()?.is_none() {
            if Instant::now() > deadline {
                let what = "PostgreSQL cannot be ended";
                for process in self.children()? {
                    send(process, Signal::KILL)?;
                }
                self.0.kill().tried(what)?;
                self.0.wait().tried(what)?;
            }
            sleep(PAUSE);
        }
        Ok(())
    }

    /// Halts every process of the server where it is.
    pub(super) fn freeze(&self) -> Result<(), PrivatePostgresError> {
        // The parent first: from then on it has no new children.
        self.signal(Signal::STOP)?;
        self.signal_children(Signal::STOP)
    }

    /// Lets every process of the server go on.
    pub(super) fn thaw(&self) -> Result<(), PrivatePostgresError> {
        self.signal_children(Signal::CONT)?;
        self.signal(Signal::CONT)
    }

    /// Process id of the postmaster and of each of its children.
    pub(super) fn processes(&self) -> Result<Vec<u32>, PrivatePostgresError> {
        let children = self.children()?.into_iter();
        let raw = children.filter_map(|pid| u32::try_from(pid.as_raw_nonzero().get()).ok());
        Ok(std::iter::once(self.0.id()).chain(raw).collect())
    }

    /// Whether PostgreSQL has written "ready" into its lock file (as `pg_ctl --wait` asks).
    fn is_ready(&self, folder: &Path) -> bool {
        let Ok(text) = fs::read_to_string(data(folder).join("postmaster.pid")) else {
            return false;
        };
        let lines: Vec<&str> = text.lines().map(str::trim).collect();
        lines.first() == Some(&self.0.id().to_string().as_str())
            && lines.get(STATUS_LINE) == Some(&"ready")
    }

    fn ended(&mut self) -> Result<Option<ExitStatus>, PrivatePostgresError> {
        self.0.try_wait().tried("PostgreSQL cannot be waited for")
    }

    /// The postmaster is our child and not waited for yet, so its id is nobody else's.
    fn signal(&self, signal: Signal) -> Result<(), PrivatePostgresError> {
        send(Pid::from_child(&self.0), signal)
    }

    fn signal_children(&self, signal: Signal) -> Result<(), PrivatePostgresError> {
        self.children()?
            .into_iter()
            .try_for_each(|child| send(child, signal))
    }

    fn children(&self) -> Result<Vec<Pid>, PrivatePostgresError> {
        let mut found = Vec::new();
        for entry in fs::read_dir("/proc")
            .tried("/proc cannot be read")?
            .flatten()
        {
            let name = entry.file_name();
            let pid = name.to_str().and_then(|name| name.parse().ok());
            let Some(pid) = pid.and_then(Pid::from_raw) else {
                continue;
            };
            // A process may end between the listing and the reading.
            let stat = fs::read_to_string(entry.path().join("stat")).unwrap_or_default();
            if parent(&stat) == Some(self.0.id()) {
                found.push(pid);
            }
        }
        Ok(found)
    }
}

impl Drop for Postmaster {
    fn drop(&mut self) {
        if matches!(self.ended(), Ok(None)) {
            // The watchdog ends what remains.
            let _ = self.stop(Shutdown::Immediate);
        }
    }
}

/// A process that has ended in the meantime needs no signal.
fn send(process: Pid, signal: Signal) -> Result<(), PrivatePostgresError> {
    match kill_process(process, signal) {
        Err(error) if error != rustix::io::Errno::SRCH => {
            Err(io::Error::from(error)).tried("a process of PostgreSQL takes no signal")
        }
        _ => Ok(()),
    }
}

/// The parent's id in `/proc/<pid>/stat`: `pid (name, of any characters) state ppid …`.
fn parent(stat: &str) -> Option<u32> {
    let (_, after) = stat.rsplit_once(')')?;
    after.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_parent_is_read_past_a_name_with_spaces_and_brackets() {
        assert_eq!(parent("12 (a) (b c) S 7 12 12 0"), Some(7));
        assert_eq!(parent(""), None);
    }
}
