//! A PC/SC service of one's own with two readers, into which test cards are put (`smartcard.md` §10).
//!
//! The service is a real `pcscd` with the virtual driver of vsmartcard. Whoever is to use it gets [`PrivatePcsc::socket`] in the variable
//! [`SOCKET_VARIABLE`] of its environment, which the PC/SC library reads once a process. Everything here blocks.

mod inserted;
mod port;

use std::io;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use omadm_card::test_card::TestCard;
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;

pub use inserted::{CardFault, InsertedCard};
use port::PortPair;

/// The variable by which the PC/SC library finds a service that is not the system's.
pub const SOCKET_VARIABLE: &str = "PCSCLITE_CSOCK_NAME";

const DRIVER: &str = "/usr/lib/pcsc/drivers/serial/libifdvpcd.so";
const RUNTIME: &str = "/run/pcscd";
/// How long a service may take to open its readers, and a reader to notice a card.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often a card is put in until the service notices it.
const TRIES: u32 = 4;
const LOOK: Duration = Duration::from_millis(10);
const PORTS_TRIED: u32 = 16;

/// The socket becomes descriptor 3, which is what socket activation means; the service dies with the thread that started it.
const START: &str = r#"exec 3<&0 </dev/null
LISTEN_FDS=1 LISTEN_PID=$$ exec setpriv --pdeathsig KILL pcscd --foreground "$@""#;
/// The same where `/run/pcscd` is not there and cannot be made: in a mount namespace that has it.
const START_APART: &str = r#"mount -t tmpfs none /run && mkdir /run/pcscd || exit 1
"#;

/// A running `pcscd`. Dropping it ends the service and removes its folder.
pub struct PrivatePcsc {
    service: Option<Child>,
    ports: PortPair,
    folder: TempDir,
}

/// Why there is no PC/SC service.
#[derive(Debug, thiserror::Error)]
pub enum PrivatePcscError {
    /// The driver of virtual readers is not installed.
    #[error("{DRIVER} is not there: install vsmartcard-vpcd and pcscd, or run ./test setup")]
    NoDriver,
    /// The system refused something.
    #[error("the PC/SC service cannot be started: {0}")]
    System(#[from] io::Error),
    /// It ended, or did not open its readers.
    #[error("pcscd opened no readers in time; it wrote: {0}")]
    NotReady(String),
    /// A card was not noticed.
    #[error("the reader did not notice the card in time")]
    NotNoticed,
}

impl PrivatePcsc {
    /// Starts a service with two empty readers.
    ///
    /// # Errors
    /// Any of [`PrivatePcscError`] but `NotNoticed`.
    pub fn start() -> Result<Self, PrivatePcscError> {
        if !Path::new(DRIVER).exists() {
            return Err(PrivatePcscError::NoDriver);
        }
        let mut tried = 0;
        loop {
            let mut started = Self {
                service: None,
                ports: PortPair::free()?,
                folder: tempfile::tempdir()?,
            };
            tried += 1;
            match started.restart() {
                // Another took the port meanwhile.
                Err(PrivatePcscError::NotReady(_)) if tried < PORTS_TRIED => {}
                ended => return ended.map(|()| started),
            }
        }
    }

    /// What [`SOCKET_VARIABLE`] is to be.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.folder.path().join("socket")
    }

    /// The name of a reader: 0 or 1.
    #[must_use]
    pub fn reader(&self, slot: u16) -> String {
        format!("Test PCD 00 {slot:02}")
    }

    /// Puts a card into a reader, and waits until it is noticed. It stays there until it is pulled or dropped, over restarts of the service.
    ///
    /// # Errors
    /// [`PrivatePcscError::NotNoticed`], or why there is no connection to the reader.
    pub fn insert(&self, slot: u16, card: TestCard) -> Result<InsertedCard, PrivatePcscError> {
        self.insert_with(slot, card, None)
    }

    /// Like [`Self::insert`], of a card that does something wrong at a command, the first being 0.
    ///
    /// # Errors
    /// Like [`Self::insert`].
    pub fn insert_with(
        &self,
        slot: u16,
        card: TestCard,
        fault: Option<(usize, CardFault)>,
    ) -> Result<InsertedCard, PrivatePcscError> {
        let card = InsertedCard::connect(self.ports.of(slot), card, fault)?;
        for _try in 0..TRIES {
            if card.is_noticed(PATIENCE / TRIES) {
                return Ok(card);
            }
            // Swapped for another between two looks of the service, it is taken for that one and not powered on.
            card.put_in_again();
        }
        Err(PrivatePcscError::NotNoticed)
    }

    /// Kills the service: its socket is there and nobody answers.
    pub fn kill(&mut self) {
        self.end(Signal::KILL);
    }

    /// Stops the service on the spot as it is, without ending it: connections are accepted and never answered. [`Self::thaw`] lets it go on.
    pub fn freeze(&self) {
        self.tell(Signal::STOP);
    }

    /// Lets a frozen service go on.
    pub fn thaw(&self) {
        self.tell(Signal::CONT);
    }

    /// Starts the service anew, at the same socket and ports.
    ///
    /// # Errors
    /// Any of [`PrivatePcscError`] but `NotNoticed`.
    pub fn restart(&mut self) -> Result<(), PrivatePcscError> {
        self.begin(&self.ports.configuration(DRIVER))?;
        self.until_served()
    }

    /// Starts the service anew without any reader, as if they had been unplugged; [`Self::restart`] brings them back.
    ///
    /// # Errors
    /// [`PrivatePcscError::System`].
    pub fn unplug(&mut self) -> Result<(), PrivatePcscError> {
        self.begin("")
    }

    fn begin(&mut self, configuration: &str) -> Result<(), PrivatePcscError> {
        self.end(Signal::TERM);
        let socket = self.socket();
        if socket.exists() {
            std::fs::remove_file(&socket)?;
        }
        let conf = self.folder.path().join("conf");
        std::fs::create_dir_all(&conf)?;
        std::fs::write(conf.join("readers"), configuration)?;
        let listener = UnixListener::bind(&socket)?;
        let written = std::fs::File::create(self.log())?;
        let mut command = shell();
        command
            .arg("-c")
            .arg(&conf)
            .stdin(OwnedFd::from(listener))
            .stdout(written.try_clone()?)
            .stderr(written);
        self.service = Some(command.spawn()?);
        Ok(())
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("log")
    }

    fn until_served(&mut self) -> Result<(), PrivatePcscError> {
        let end = Instant::now() + PATIENCE;
        while !self.ports.are_served()? {
            let ended = match &mut self.service {
                Some(service) => service.try_wait()?.is_some(),
                None => true,
            };
            if ended || Instant::now() > end {
                self.end(Signal::KILL);
                let log = std::fs::read_to_string(self.log())?;
                return Err(PrivatePcscError::NotReady(log));
            }
            std::thread::sleep(LOOK);
        }
        Ok(())
    }

    fn tell(&self, signal: Signal) {
        let id = self.service.as_ref().map(Child::id);
        let id = id.and_then(|id| Pid::from_raw(id.try_into().ok()?));
        if let Some(id) = id {
            // It ended by itself otherwise.
            let _ended = kill_process(id, signal);
        }
    }

    fn end(&mut self, signal: Signal) {
        self.tell(signal);
        self.tell(Signal::CONT);
        if let Some(mut service) = self.service.take() {
            let end = Instant::now() + PATIENCE;
            while matches!(service.try_wait(), Ok(None)) {
                if Instant::now() > end {
                    // Reaped below.
                    let _ended = service.kill();
                }
                std::thread::sleep(LOOK);
            }
        }
    }
}

impl Drop for PrivatePcsc {
    fn drop(&mut self) {
        self.end(Signal::KILL);
    }
}

/// The shell that becomes the service.
fn shell() -> Command {
    let runtime = Path::new(RUNTIME);
    let apart = !runtime.is_dir() && std::fs::create_dir(runtime).is_err() && !runtime.is_dir();
    let mut command = if apart {
        let mut command = Command::new("unshare");
        command.args(["--map-root-user", "--mount", "sh", "-c"]);
        command.arg(format!("{START_APART}{START}"));
        command
    } else {
        let mut command = Command::new("sh");
        command.args(["-c", START]);
        command
    };
    command.arg("pcscd");
    if has_polkit() {
        command.arg("--disable-polkit");
    }
    let path = std::env::var("PATH").unwrap_or_default();
    command.env("PATH", format!("{path}:/usr/sbin:/usr/bin:/sbin:/bin"));
    command
}

/// From 2.0.0 on, pcscd may ask polkit who may use it.
fn has_polkit() -> bool {
    let version = Command::new("/usr/sbin/pcscd")
        .arg("--version")
        .stdin(Stdio::null())
        .output();
    version.is_ok_and(|version| String::from_utf8_lossy(&version.stdout).contains("polkit"))
}
