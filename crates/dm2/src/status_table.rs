//! The table of status codes: meaning, fault, advice, and the commands each can answer (`dm20.md` D24).

use crate::CommandName::{Cont, Default, Delete, Exec, Get, HGet, HPost, HPut, Show, Sub, Unsub};
use crate::{CommandName, Fault, StatusClass, StatusCode, StatusEntry};

/// Every command that is answered at all; END is not.
const ALL: &[CommandName] = &[
    HGet, HPut, HPost, Delete, Exec, Get, Show, Cont, Default, Sub, Unsub,
];

/// In the order of the codes.
const TABLE: [StatusEntry; 16] = [
    StatusEntry {
        code: StatusCode::OK,
        name: "OK",
        meaning: "done",
        fault: Fault::Nobody,
        advice: "nothing",
        commands: ALL,
    },
    StatusEntry {
        code: StatusCode::ACCEPTED,
        name: "Accepted",
        meaning: "the execution has begun; an alert brings its result",
        fault: Fault::Nobody,
        advice: "wait for the alert",
        commands: &[Exec],
    },
    StatusEntry {
        code: StatusCode::NO_CONTENT,
        name: "No Content",
        meaning: "the node exists, but has no value now",
        fault: Fault::Nobody,
        advice: "ask again later if a value is expected",
        commands: &[HPut, HPost, Get],
    },
    StatusEntry {
        code: StatusCode::NOT_MODIFIED,
        name: "Not Modified",
        meaning: "the cache validator is still good; nothing was sent",
        fault: Fault::Nobody,
        advice: "use the stored copy",
        commands: &[HPut, HPost, Get],
    },
    StatusEntry {
        code: StatusCode::BAD_REQUEST,
        name: "Bad Request",
        meaning: "the command, one of its URIs or the management data is malformed",
        fault: Fault::Server,
        advice: "correct the command or the document it names",
        commands: ALL,
    },
    StatusEntry {
        code: StatusCode::FORBIDDEN,
        name: "Forbidden",
        meaning: "the server lacks the right, or the MOID is not in its permission list",
        fault: Fault::Policy,
        advice: "have the owner of the instance delegate the right, or bootstrap with the MOID in Perm",
        commands: &[
            HGet, HPut, HPost, Delete, Exec, Get, Cont, Default, Sub, Unsub,
        ],
    },
    StatusEntry {
        code: StatusCode::NOT_FOUND,
        name: "Not Found",
        meaning: "the ClientURI names no node, or not the one it has to, or the MOID is unknown",
        fault: Fault::Server,
        advice: "read the instance to see which nodes the device has",
        commands: &[HGet, HPut, HPost, Delete, Exec, Get, Default, Sub, Unsub],
    },
    StatusEntry {
        code: StatusCode::NOT_ALLOWED,
        name: "Command Not Allowed",
        meaning: "the node is permanent, not executable, or its access types forbid the command",
        fault: Fault::Server,
        advice: "see the access types in the DDF of the MO",
        commands: &[HGet, HPut, HPost, Delete, Exec, Get],
    },
    StatusEntry {
        code: StatusCode::NOT_ACCEPTABLE,
        name: "Not Acceptable",
        meaning: "device and server have no media type in common",
        fault: Fault::Server,
        advice: "accept the media type of MO serialization",
        commands: &[HPut, HPost, Sub],
    },
    StatusEntry {
        code: StatusCode::CONFLICT,
        name: "Conflict",
        meaning: "the command conflicts with what the device is doing",
        fault: Fault::Device,
        advice: "repeat it later",
        commands: &[HGet, Exec],
    },
    StatusEntry {
        code: StatusCode::TOO_LARGE,
        name: "Too Large",
        meaning: "the data is larger than the device handles at once",
        fault: Fault::Server,
        advice: "ask for, or send, smaller parts",
        commands: &[HGet, Get],
    },
    StatusEntry {
        code: StatusCode::UNSUPPORTED_MEDIA_TYPE,
        name: "Unsupported Media Type",
        meaning: "the device does not understand the media type of what it fetched",
        fault: Fault::Repository,
        advice: "serve the document as MO serialization",
        commands: &[HGet],
    },
    StatusEntry {
        code: StatusCode::FAILED,
        name: "Failed",
        meaning: "the device failed internally",
        fault: Fault::Device,
        advice: "see the log of the device; repeat the command",
        commands: &[
            HGet, HPut, HPost, Delete, Exec, Get, Show, Default, Sub, Unsub,
        ],
    },
    StatusEntry {
        code: StatusCode::NOT_IMPLEMENTED,
        name: "Not Implemented",
        meaning: "the device does not implement the command or the feature",
        fault: Fault::Device,
        advice: "do without it on this device",
        commands: ALL,
    },
    StatusEntry {
        code: StatusCode::BAD_GATEWAY,
        name: "Bad Gateway",
        meaning: "the repository could not be reached, its TLS or credentials failed, or it answered 5xx",
        fault: Fault::Repository,
        advice: "check that the repository is up, and that the device trusts it and may use it",
        commands: &[HGet, HPut, HPost],
    },
    StatusEntry {
        code: StatusCode::NO_ROOM,
        name: "Insufficient Storage",
        meaning: "the device has no room",
        fault: Fault::Device,
        advice: "delete what is not needed on the device",
        commands: &[HGet, Default, Sub],
    },
];

/// What is said of a code that has no row, by class.
const BY_CLASS: [(StatusClass, &str, &str, Fault, &str); 6] = [
    (
        StatusClass::Informational,
        "Informational",
        "the device gave no final answer",
        Fault::Device,
        "read the state the command was to change",
    ),
    (
        StatusClass::Success,
        "Success",
        "done",
        Fault::Nobody,
        "nothing",
    ),
    (
        StatusClass::Unchanged,
        "Unchanged",
        "nothing was done or sent",
        Fault::Nobody,
        "use what is stored",
    ),
    (
        StatusClass::Refused,
        "Refused",
        "the command, or the request to the repository, cannot be done as it stands",
        Fault::Server,
        "correct the command",
    ),
    (
        StatusClass::Failed,
        "Failed",
        "the device, or what it depends on, failed",
        Fault::Device,
        "see the log of the device; repeat the command",
    ),
    (
        StatusClass::Unknown,
        "Unknown",
        "a code the protocol does not know",
        Fault::Device,
        "see the manual of the device",
    ),
];

impl StatusCode {
    /// The rows of the table in the order of the codes.
    #[must_use]
    pub const fn table() -> &'static [StatusEntry] {
        &TABLE
    }

    /// What the code says: its row, else what holds for its class.
    #[must_use]
    pub fn explain(self) -> StatusEntry {
        if let Some(row) = TABLE.iter().find(|row| row.code == self) {
            return *row;
        }
        let class = BY_CLASS.iter().find(|(class, ..)| *class == self.class());
        let (_, name, meaning, fault, advice) = class.copied().unwrap_or(BY_CLASS[5]);
        StatusEntry {
            code: self,
            name,
            meaning,
            fault,
            advice,
            commands: &[],
        }
    }
}

/// Whether our client may answer the command with the code: the matrix of D24; 405 for an unreadable target of HPUT and HPOST (D77); and for HGET, HPUT
/// and HPOST any 4xx that a repository can have given (§5.3). A server accepts any code from a peer.
#[must_use]
pub fn allowed(command: CommandName, code: StatusCode) -> bool {
    let relayed = matches!(command, HGet | HPut | HPost)
        && code.class() == StatusClass::Refused
        && !matches!(code.get(), 401 | 407);
    relayed
        || TABLE
            .iter()
            .any(|row| row.code == code && row.commands.contains(&command))
}

#[cfg(test)]
mod tests {
    use super::{BY_CLASS, TABLE, allowed};
    use crate::{CommandName, Fault, StatusClass, StatusCode};

    /// The table of D24 as the digest prints it, with the two 405 of D77 (marked `+`).
    const D24: &str = "\
200|x|x|x|x|x|x|x|x|x|x|x
202| | | | |x| | | | | | 
204| |x|x| | |x| | | | | 
304| |x|x| | |x| | | | | 
400|x|x|x|x|x|x|x|x|x|x|x
403|x|x|x|x|x|x| |x|x|x|x
404|x|x|x|x|x|x| | |x|x|x
405|x|+|+|x|x|x| | | | | 
406| |x|x| | | | | | |x| 
409|x| | | |x| | | | | | 
413|x| | | | |x| | | | | 
415|x| | | | | | | | | | 
500|x|x|x|x|x|x|x| |x|x|x
501|x|x|x|x|x|x|x|x|x|x|x
502|x|x|x| | | | | | | | 
507|x| | | | | | | |x|x| ";

    #[test]
    fn the_matrix_is_that_of_d24() {
        let commands: Vec<_> = CommandName::ALL
            .into_iter()
            .filter(|name| *name != CommandName::End)
            .collect();
        assert_eq!(D24.lines().count(), TABLE.len());
        for (line, row) in D24.lines().zip(&TABLE) {
            let cells: Vec<_> = line.split('|').collect();
            assert_eq!(cells[0], row.code.to_string());
            for (command, cell) in commands.iter().zip(&cells[1..]) {
                assert_eq!(
                    row.commands.contains(command),
                    *cell != " ",
                    "{command} {}",
                    row.code
                );
            }
        }
    }

    #[test]
    fn rows_stand_in_order_and_end_is_never_answered() {
        assert!(TABLE.is_sorted_by(|a, b| a.code < b.code));
        for number in 100..=999 {
            assert!(!allowed(CommandName::End, StatusCode::new(number).unwrap()));
        }
    }

    #[test]
    fn a_repositorys_own_refusal_is_relayed_but_not_its_challenge() {
        let teapot = StatusCode::new(418).unwrap();
        assert!(allowed(CommandName::HPut, teapot));
        assert!(!allowed(CommandName::Get, teapot));
        assert!(!allowed(CommandName::HGet, StatusCode::new(401).unwrap()));
        for http in 100..600 {
            assert!(
                allowed(CommandName::HGet, StatusCode::of_repository(http)),
                "{http}"
            );
        }
    }

    #[test]
    fn every_code_is_explained_and_only_2xx_and_3xx_are_nobodys_fault() {
        for number in 100..=999 {
            let code = StatusCode::new(number).unwrap();
            let entry = code.explain();
            assert_eq!(entry.code, code);
            assert!(
                !entry.meaning.is_empty() && !entry.advice.is_empty() && !entry.name.is_empty()
            );
            let harmless = matches!(code.class(), StatusClass::Success | StatusClass::Unchanged);
            assert_eq!(entry.fault == Fault::Nobody, harmless, "{code}");
        }
        for (class, ..) in BY_CLASS {
            assert_eq!(
                BY_CLASS
                    .iter()
                    .filter(|(other, ..)| *other == class)
                    .count(),
                1
            );
        }
    }
}
