use std::ffi::OsStr;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;

use omadm_lab::pcsc::SOCKET_VARIABLE;

use super::{PATIENCE, Running};

/// Where no PC/SC service is.
pub(crate) const NO_SERVICE: &str = "/dev/null/pcscd";

/// What a process left behind.
#[derive(Clone, Debug)]
pub struct Ended {
    /// Exit code; none where a signal ended it.
    pub code: Option<i32>,
    /// All of standard output.
    pub stdout: String,
    /// All of standard error.
    pub stderr: String,
}

/// A command line of `omadm`, to be started. No `OMADM_…` variable of the caller reaches it.
#[derive(Debug)]
pub struct Omadm(Command);

/// Begins a command line. It finds no PC/SC service of this machine.
///
/// # Panics
/// Where there is no binary and it cannot be built.
#[must_use]
pub fn omadm<S: AsRef<OsStr>>(arguments: impl IntoIterator<Item = S>) -> Omadm {
    let mut command = Command::new(binary());
    command.args(arguments).stdin(Stdio::null());
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("OMADM_") {
            command.env_remove(name);
        }
    }
    command.env(SOCKET_VARIABLE, NO_SERVICE);
    Omadm(command)
}

impl Omadm {
    /// Adds an argument.
    #[must_use]
    pub fn arg(mut self, argument: impl AsRef<OsStr>) -> Self {
        self.0.arg(argument);
        self
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<S: AsRef<OsStr>>(mut self, arguments: impl IntoIterator<Item = S>) -> Self {
        self.0.args(arguments);
        self
    }

    /// Sets a variable of its environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: impl AsRef<OsStr>) -> Self {
        self.0.env(name, value);
        self
    }

    /// What it reads on standard input; nothing otherwise.
    ///
    /// # Errors
    /// Where the file cannot be opened.
    pub fn input(mut self, file: &Path) -> io::Result<Self> {
        self.0.stdin(std::fs::File::open(file)?);
        Ok(self)
    }

    /// Starts it.
    ///
    /// # Errors
    /// Where the system starts no process.
    pub fn start(self) -> io::Result<Running> {
        Running::start(self.0)
    }

    /// Runs it to its end.
    ///
    /// # Panics
    /// Where it cannot be started, or has not ended in [`PATIENCE`]; what it wrote is told.
    #[must_use]
    #[expect(
        clippy::expect_used,
        reason = "a suite ends where its process cannot run"
    )]
    pub fn run(self) -> Ended {
        self.start()
            .expect("omadm starts")
            .wait(PATIENCE)
            .expect("omadm ends")
    }
}

impl Ended {
    /// Insists on exit code 0.
    ///
    /// # Panics
    /// With all output, where it is another.
    #[must_use]
    #[track_caller]
    pub fn good(self) -> Self {
        assert_eq!(self.code, Some(0), "{self:#?}");
        self
    }

    /// Insists on exit code 1 and the three lines of a failure: what, why, what to do.
    ///
    /// # Panics
    /// With all output, where anything else came.
    #[must_use]
    #[track_caller]
    pub fn refused(self) -> Self {
        assert_eq!(self.code, Some(1), "{self:#?}");
        let mut lines = self
            .stderr
            .lines()
            .skip_while(|line| !line.starts_with("error: "));
        assert!(lines.next().is_some(), "no what: {self:#?}");
        assert!(
            lines.next().is_some_and(|line| line.starts_with("  why: ")),
            "no why: {self:#?}"
        );
        assert!(
            lines.any(|line| line.starts_with("  do: ")),
            "no remedy: {self:#?}"
        );
        self
    }

    /// The rest of the first line of standard output that begins so.
    ///
    /// # Panics
    /// With all output, where no line does.
    #[must_use]
    #[track_caller]
    pub fn field(&self, beginning: &str) -> String {
        let found = self
            .stdout
            .lines()
            .find_map(|line| line.strip_prefix(beginning));
        assert!(found.is_some(), "no {beginning:?}: {self:#?}");
        found.unwrap_or_default().trim().to_owned()
    }
}

/// The binary beside the test programs. `./test` builds it first; where it is missing, it is built here, once a process.
///
/// # Panics
/// Where there is none and it cannot be built.
#[must_use]
#[expect(
    clippy::expect_used,
    reason = "a suite ends where there is nothing to test"
)]
pub fn binary() -> &'static PathBuf {
    static BINARY: OnceLock<PathBuf> = OnceLock::new();
    BINARY.get_or_init(|| {
        let program = std::env::current_exe().expect("a test program has a path");
        let folder = program
            .ancestors()
            .nth(2)
            .expect("test programs lie in target/<profile>/deps");
        let binary = folder.join(format!("omadm{}", std::env::consts::EXE_SUFFIX));
        if !binary.exists() {
            let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
            let built = Command::new(cargo)
                .args(["build", "--workspace", "--all-features", "--bins"])
                .current_dir(crate::house::root())
                .status()
                .expect("cargo runs");
            assert!(built.success(), "omadm does not build");
        }
        binary
    })
}
