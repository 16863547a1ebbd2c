use std::ffi::OsStr;
use std::io::{self, BufRead as _, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::Duration;

use super::{Fault, PATIENCE};

/// A process that is to be killed; it is when this is dropped, too.
#[derive(Debug)]
pub struct Victim {
    child: Child,
    lines: Receiver<String>,
}

/// What a harness process tells its parent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Told {
    /// The server listens.
    Ready,
    /// The chosen step is reached.
    At(String),
    /// The client's work is done.
    Done,
    /// Nothing in this time.
    Nothing,
}

impl Victim {
    /// Starts a harness program.
    ///
    /// # Errors
    /// Where the system starts no process.
    pub fn start<S: AsRef<OsStr>>(
        program: &str,
        arguments: impl IntoIterator<Item = S>,
    ) -> io::Result<Self> {
        let mut child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()?;
        let (tell, lines) = channel();
        if let Some(stdout) = child.stdout.take() {
            std::thread::spawn(move || {
                for line in BufReader::new(stdout).lines().map_while(Result::ok) {
                    if tell.send(line).is_err() {
                        return;
                    }
                }
            });
        }
        Ok(Self { child, lines })
    }

    /// The next thing it tells.
    ///
    /// # Errors
    /// Where it ended without telling, or tells that it failed.
    pub fn told(&self, patience: Duration) -> Result<Told, Fault> {
        let line = match self.lines.recv_timeout(patience) {
            Ok(line) => line,
            Err(RecvTimeoutError::Timeout) => return Ok(Told::Nothing),
            Err(RecvTimeoutError::Disconnected) => return Err("the process ended".into()),
        };
        match (line.as_str(), line.strip_prefix("at ")) {
            ("ready", _) => Ok(Told::Ready),
            ("done", _) => Ok(Told::Done),
            (_, Some(name)) => Ok(Told::At(name.to_owned())),
            _ => Err(line.into()),
        }
    }

    /// Waits until a client halts, and answers its step's name; none where its work is done before.
    ///
    /// # Errors
    /// Where it ended, or tells something else.
    pub fn until_halt(&self) -> Result<Option<String>, Fault> {
        match self.told(PATIENCE)? {
            Told::At(name) => Ok(Some(name)),
            Told::Done => Ok(None),
            other => Err(format!("{other:?}").into()),
        }
    }

    /// SIGKILL, and waits until the system has taken everything of it back. True where it was this that ended it.
    ///
    /// # Errors
    /// Where the system cannot.
    pub fn kill(mut self) -> io::Result<bool> {
        self.child.kill()?;
        Ok(self.child.wait()?.code().is_none())
    }
}

impl Drop for Victim {
    fn drop(&mut self) {
        // Both fail where it ended already, which is as good.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}
