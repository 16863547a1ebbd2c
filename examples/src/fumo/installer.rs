use std::ffi::OsString;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};

use super::record::{move_durably, put_durably};
use super::result_code::ResultCode;

/// How a package becomes the device's firmware.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Installer {
    /// This program with these arguments, without a shell; `{package}` in them stands for the file. Success is its exit status 0; the package stays.
    Command {
        /// The program.
        program: OsString,
        /// Its arguments.
        arguments: Vec<String>,
    },
    /// The package is moved into this folder, which a boot loader reads: `slot` and, beside it, `version`.
    Slot(PathBuf),
}

/// Why a package was not installed. The package or the environment is at fault.
#[derive(Debug, thiserror::Error)]
pub enum InstallError {
    /// The program cannot be started.
    #[error("{}: {cause}", program.display())]
    Start {
        /// The program.
        program: PathBuf,
        /// What the operating system says.
        #[source]
        cause: io::Error,
    },
    /// The installation broke off.
    #[error(transparent)]
    Broken(#[from] io::Error),
    /// The program says no.
    #[error("the installer ended with {0}")]
    Refused(ExitStatus),
    /// A file cannot be moved or written.
    #[error("{}: {cause}", file.display())]
    File {
        /// The file.
        file: PathBuf,
        /// What the operating system says.
        #[source]
        cause: io::Error,
    },
}

impl Installer {
    /// What stands for the package in arguments.
    pub const PACKAGE: &str = "{package}";

    /// Installs a package; whether it is still there afterwards. Blocks.
    ///
    /// # Errors
    /// [`InstallError`]; what a command did by then is the command's matter.
    pub fn install(&self, package: &Path, version: &str) -> Result<bool, InstallError> {
        match self {
            Self::Command { program, arguments } => {
                let arguments = arguments
                    .iter()
                    .map(|one| one.replace(Self::PACKAGE, &package.to_string_lossy()));
                let mut command = Command::new(program);
                command.args(arguments).stdin(Stdio::null());
                let status = command.status().map_err(|cause| InstallError::Start {
                    program: program.into(),
                    cause,
                })?;
                if !status.success() {
                    return Err(InstallError::Refused(status));
                }
                Ok(true)
            }
            Self::Slot(folder) => {
                let failed = |file: &Path| {
                    let file = file.to_owned();
                    move |cause| InstallError::File { file, cause }
                };
                fs::create_dir_all(folder).map_err(failed(folder))?;
                let file = folder.join("version");
                put_durably(&file, version.as_bytes()).map_err(failed(&file))?;
                move_durably(package, &folder.join("slot")).map_err(failed(package))?;
                Ok(false)
            }
        }
    }

    /// What became of an installation that a power cut interrupted: whether it was done, where that can be known. Without an answer it counts as failed.
    #[must_use]
    pub fn was_done(&self, package: &Path) -> Option<bool> {
        match self {
            // The program may have done anything.
            Self::Command { .. } => None,
            // The package is moved last.
            Self::Slot(folder) => Some(!package.exists() && folder.join("slot").exists()),
        }
    }
}

impl InstallError {
    /// What the server is told.
    #[must_use]
    pub fn code(&self) -> ResultCode {
        match self {
            Self::Start { .. } | Self::Refused(_) | Self::Broken(_) => ResultCode::UPDATE_FAILED,
            Self::File { cause, .. } if cause.kind() == io::ErrorKind::StorageFull => {
                ResultCode::NO_ROOM_TO_INSTALL
            }
            Self::File { .. } => ResultCode::CLIENT_ERROR,
        }
    }
}
