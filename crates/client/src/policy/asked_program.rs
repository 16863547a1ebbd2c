use std::time::Duration;

use serde::Deserialize;
use toml::Spanned;

use super::policy_file::Reader;
use super::{PolicyError, PolicyFault};

/// A program that is asked something and answers: it reads JSON on standard input. No shell is involved.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AskedProgram {
    /// The program.
    pub program: String,
    /// Its arguments.
    pub arguments: Vec<String>,
    /// How long it may take.
    pub timeout: Duration,
}

/// A table that names such a program.
#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
pub(super) struct AskedTable {
    command: Option<Spanned<Vec<String>>>,
    timeout_seconds: Option<Spanned<u64>>,
}

impl AskedProgram {
    /// How long it may take unless the file says otherwise: two minutes.
    pub const TIMEOUT: Duration = Duration::from_secs(120);
}

impl AskedTable {
    pub(super) fn read(self, reader: &Reader<'_>) -> Result<Option<AskedProgram>, PolicyError> {
        let timeout = reader.seconds(self.timeout_seconds, AskedProgram::TIMEOUT)?;
        let Some(command) = self.command else {
            return Ok(None);
        };
        match command.get_ref().split_first() {
            Some((program, arguments)) if !program.is_empty() => Ok(Some(AskedProgram {
                program: program.clone(),
                arguments: arguments.to_vec(),
                timeout,
            })),
            _ => Err(reader.wrong(&command, PolicyFault::Empty)),
        }
    }
}
