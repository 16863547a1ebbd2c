use omadm_mo::client_uri::ClientUriError;
use omadm_mo::{MoidError, ServerUriError};

use crate::{CommandName, StatusCode};

/// Why one inner array of a Package#2 is no command. The server that sent it is at fault; the other commands are not harmed (D11, D14).
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum CommandError {
    /// An inner array without elements.
    #[error("the command is empty")]
    Empty,
    /// No command of this name; names are upper case.
    #[error("there is no command {0:?}")]
    Unknown(String),
    /// A mandatory parameter is missing.
    #[error("{command} lacks its {parameter}")]
    Missing {
        /// The command.
        command: CommandName,
        /// The parameter in the words of §5.1.
        parameter: &'static str,
    },
    /// More parameters than the command has, or one of a kind it does not take.
    #[error("{command} has one parameter too many: {parameter:?}")]
    TooMany {
        /// The command.
        command: CommandName,
        /// The first superfluous parameter.
        parameter: String,
    },
    /// A ServerURI that is none.
    #[error("{command}: {error}")]
    ServerUri {
        /// The command.
        command: CommandName,
        /// What is wrong with it.
        error: ServerUriError,
    },
    /// A ClientURI that is none.
    #[error("{command}: {error}")]
    ClientUri {
        /// The command.
        command: CommandName,
        /// What is wrong with it.
        error: ClientUriError,
    },
    /// A MOID that is none.
    #[error("{command}: {error}")]
    Moid {
        /// The command.
        command: CommandName,
        /// What is wrong with it.
        error: MoidError,
    },
}

impl CommandError {
    /// The status that answers it: 501 for an unknown command, else 400.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        match self {
            Self::Unknown(_) => StatusCode::NOT_IMPLEMENTED,
            _ => StatusCode::BAD_REQUEST,
        }
    }
}
