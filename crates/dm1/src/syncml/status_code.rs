use std::fmt;

/// A status (§1.8). Numbers outside of the table are judged by their class.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct StatusCode(pub u16);

/// Whose fault a status tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nobody's: done, accepted, or left undone by choice.
    Nobody,
    /// The sender of the command.
    Sender,
    /// Rights or credentials.
    Authority,
    /// The receiver of the command.
    Receiver,
}

macro_rules! codes {
    ($($number:literal $constant:ident $fault:ident $meaning:literal)*) => {
        impl StatusCode {
            $(#[doc = $meaning] pub const $constant: Self = Self($number);)*

            const fn entry(self) -> Option<(&'static str, Fault)> {
                match self.0 {
                    $($number => Some(($meaning, Fault::$fault)),)*
                    _ => None,
                }
            }
        }
    };
}

codes! {
    101 IN_PROGRESS Nobody "in progress"
    200 OK Nobody "OK"
    201 ITEM_ADDED Nobody "item added"
    202 ACCEPTED Nobody "accepted for processing"
    212 AUTHENTICATED Nobody "authenticated for the session"
    213 CHUNK_ACCEPTED Nobody "chunk accepted and buffered"
    214 CANCELLED Nobody "cancelled by the user"
    215 NOT_EXECUTED Nobody "not executed"
    216 ROLLED_BACK Nobody "rolled back with its Atomic"
    304 NOT_MODIFIED Nobody "not modified, or the user said no"
    400 BAD_REQUEST Sender "bad request"
    401 INVALID_CREDENTIALS Authority "invalid credentials"
    403 FORBIDDEN Authority "forbidden, not by the access control list"
    404 NOT_FOUND Sender "not found"
    405 NOT_ALLOWED Sender "command not allowed on this node"
    406 NOT_SUPPORTED Sender "optional feature not supported"
    407 CREDENTIALS_MISSING Authority "credentials missing"
    408 TIMED_OUT Receiver "the user did not answer in time"
    412 INCOMPLETE Sender "incomplete command"
    413 TOO_LARGE Sender "entity too large"
    414 URI_TOO_LONG Sender "URI, segment or depth too long"
    415 UNSUPPORTED_FORMAT Sender "media type or format not supported"
    416 RANGE_NOT_SATISFIABLE Sender "requested size not satisfiable"
    417 RETRY_LATER Receiver "retry later"
    418 ALREADY_EXISTS Sender "already exists"
    420 DEVICE_FULL Receiver "device full"
    424 SIZE_MISMATCH Sender "size differs from what was announced"
    425 PERMISSION_DENIED Authority "permission denied by the access control list"
    500 COMMAND_FAILED Receiver "command failed"
    501 NOT_IMPLEMENTED Sender "command not implemented"
    503 UNAVAILABLE Receiver "service unavailable"
    505 DTD_VERSION Sender "DTD version not supported"
    506 PROCESSING_ERROR Receiver "processing error"
    507 ATOMIC_FAILED Receiver "Atomic failed"
    508 REFRESH_REQUIRED Receiver "refresh required"
    510 STORE_FAILURE Receiver "data store failure"
    511 SERVER_FAILURE Receiver "server failure"
    513 PROTOCOL_VERSION Sender "protocol version not supported"
    514 SESSION_CANCELLED Receiver "operation cancelled"
    516 ROLL_BACK_FAILED Receiver "Atomic could not be rolled back"
    517 ATOMIC_RESPONSE_TOO_LARGE Sender "response to an Atomic too large"
}

impl StatusCode {
    /// The meaning in the table; that of its class for another number.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self.entry() {
            Some((meaning, _)) => meaning,
            None => match self.0 / 100 {
                1 => "in progress",
                2 => "done",
                3 => "not done, by choice",
                _ => "failed",
            },
        }
    }

    /// Whose fault it tells.
    #[must_use]
    pub const fn fault(self) -> Fault {
        match self.entry() {
            Some((_, fault)) => fault,
            None => match self.0 / 100 {
                0..=3 => Fault::Nobody,
                4 => Fault::Sender,
                _ => Fault::Receiver,
            },
        }
    }

    /// Whether the command was carried out or accepted.
    #[must_use]
    pub const fn is_success(self) -> bool {
        matches!(self.0, 200..=213)
    }
}

impl fmt::Display for StatusCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.0, self.meaning())
    }
}
