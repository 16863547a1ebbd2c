use std::io::{self, Read};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use super::Ended;

/// A process under watch; killed where it is dropped before its end.
#[derive(Debug)]
pub struct Running {
    child: Child,
    stdout: Stream,
    stderr: Stream,
}

/// What a process can be told.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Signal {
    /// Ctrl-C.
    Int,
    /// What a service manager sends.
    Term,
    /// It ends on the spot.
    Kill,
}

/// One of its streams, read as it is written so that it never blocks.
#[derive(Debug)]
struct Stream {
    octets: Arc<Mutex<Vec<u8>>>,
    reader: Option<JoinHandle<()>>,
}

/// How often something awaited is looked at.
const LOOK: Duration = Duration::from_millis(10);

impl Running {
    /// Starts any command and watches it.
    ///
    /// # Errors
    /// Where the system starts no process.
    pub fn start(mut command: Command) -> io::Result<Self> {
        let mut child = command
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        let (stdout, stderr) = (
            Stream::read(child.stdout.take()),
            Stream::read(child.stderr.take()),
        );
        Ok(Self {
            child,
            stdout,
            stderr,
        })
    }

    /// What it wrote on standard error so far.
    #[must_use]
    pub fn stderr(&self) -> String {
        self.stderr.text()
    }

    /// Waits until standard output holds this text, and gives all of it.
    ///
    /// # Errors
    /// With everything it wrote, where it ended or the time passed without the text.
    pub fn until(&mut self, text: &str, patience: Duration) -> io::Result<String> {
        let end = Instant::now() + patience;
        loop {
            let ended = self.child.try_wait()?;
            let stdout = match ended {
                Some(_) => self.stdout.end(),
                None => self.stdout.text(),
            };
            if stdout.contains(text) {
                return Ok(stdout);
            }
            if ended.is_some() || Instant::now() > end {
                let stderr = self.stderr.text();
                let why = format!("no {text:?} came (ended: {ended:?}): {stdout}\n{stderr}");
                return Err(io::Error::other(why));
            }
            std::thread::sleep(LOOK);
        }
    }

    /// Ends it as a service manager does; all that it wrote.
    ///
    /// # Errors
    /// With everything it wrote, where it does not end in time.
    ///
    /// # Panics
    /// Where it failed.
    pub fn ended_well(self) -> io::Result<String> {
        self.signal(Signal::Term)?;
        let ended = self.wait(super::PATIENCE)?.good();
        Ok(format!("{}{}", ended.stdout, ended.stderr))
    }

    /// Its process id.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Sends a signal.
    ///
    /// # Errors
    /// Where it is gone already.
    pub fn signal(&self, signal: Signal) -> io::Result<()> {
        let name = match signal {
            Signal::Int => "INT",
            Signal::Term => "TERM",
            Signal::Kill => "KILL",
        };
        // The shell's own `kill` is there on every system; a program of that name is not.
        let sent = Command::new("sh")
            .args(["-c", "kill -s \"$0\" \"$1\"", name])
            .arg(self.child.id().to_string())
            .status()?;
        if sent.success() {
            Ok(())
        } else {
            Err(io::Error::other(format!("SIG{name} was not sent: {sent}")))
        }
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// With everything it wrote, where it does not end in time; it is killed then.
    pub fn wait(mut self, patience: Duration) -> io::Result<Ended> {
        let end = Instant::now() + patience;
        let status = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            if Instant::now() > end {
                let (stdout, stderr) = (self.stdout.text(), self.stderr.text());
                let why = format!("not ended within {patience:?}: {stdout}\n{stderr}");
                return Err(io::Error::other(why));
            }
            std::thread::sleep(LOOK);
        };
        Ok(Ended {
            code: status.code(),
            stdout: self.stdout.end(),
            stderr: self.stderr.end(),
        })
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // Both fail where it ended already, which is as good.
        let _ended = self.child.kill();
        let _reaped = self.child.wait();
    }
}

impl Stream {
    fn read(from: Option<impl Read + Send + 'static>) -> Self {
        let octets = Arc::new(Mutex::new(Vec::new()));
        let into = Arc::clone(&octets);
        let reader = from.map(|mut from| {
            std::thread::spawn(move || {
                let mut piece = [0; 4096];
                while let Ok(count @ 1..) = from.read(&mut piece) {
                    into.lock()
                        .unwrap_or_else(PoisonError::into_inner)
                        .extend_from_slice(&piece[..count]);
                }
            })
        });
        Self { octets, reader }
    }

    fn text(&self) -> String {
        let octets = self.octets.lock().unwrap_or_else(PoisonError::into_inner);
        String::from_utf8_lossy(&octets).into_owned()
    }

    /// All of it, once the process ended.
    fn end(&mut self) -> String {
        if let Some(reader) = self.reader.take() {
            let _panicked = reader.join();
        }
        self.text()
    }
}

#[cfg(test)]
mod tests {
    use std::process::Command;
    use std::time::Duration;

    use super::{Running, Signal};

    fn shell(script: &str) -> Running {
        let mut command = Command::new("sh");
        command.args(["-c", script]);
        Running::start(command).unwrap()
    }

    #[test]
    fn both_streams_and_the_code_are_kept() {
        let ended = shell("echo out; echo err >&2; exit 3")
            .wait(Duration::from_secs(10))
            .unwrap();
        assert_eq!(ended.code, Some(3));
        assert_eq!(
            (ended.stdout.as_str(), ended.stderr.as_str()),
            ("out\n", "err\n")
        );
    }

    #[test]
    fn a_process_that_hangs_is_ended_and_told_with_what_it_wrote() {
        let error = shell("echo begun; exec sleep 60")
            .wait(Duration::from_millis(300))
            .unwrap_err();
        assert!(error.to_string().contains("begun"), "{error}");
    }

    #[test]
    fn a_text_that_never_comes_is_an_error_once_the_process_ended() {
        let error = shell("echo another")
            .until("the one", Duration::from_secs(10))
            .unwrap_err();
        assert!(error.to_string().contains("another"), "{error}");
    }

    #[test]
    fn a_signal_reaches_it() {
        let mut running = shell("trap 'exit 7' TERM; echo ready; while :; do sleep 0.05; done");
        running.until("ready", Duration::from_secs(10)).unwrap();
        running.signal(Signal::Term).unwrap();
        let ended = running.wait(Duration::from_secs(10)).unwrap();
        assert_eq!(ended.code, Some(7));
    }
}
