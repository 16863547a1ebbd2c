use omadm_mo::json::Json;

use crate::schema::{array, object, required, text, write_texts};
use crate::{Command, CommandError, PackageError};

/// Package#2 (`dm20.md` §4.2): the server's commands, each to be answered by one status at its place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Package2 {
    /// One entry for each inner array, so that statuses stay aligned; one that is no command has its error (D11).
    pub commands: Vec<Result<Command, CommandError>>,
}

impl Package2 {
    /// Reads the body. No command at all stands for END (D11).
    ///
    /// # Errors
    /// [`PackageError`] naming the first member that violates the schema; the client then abandons the session (D11).
    pub fn read(body: &Json) -> Result<Self, PackageError> {
        object(body, "$")?;
        let entries = array(required(body, "CMD", "$")?, "$.CMD")?;
        if entries.is_empty() {
            return Ok(Self::end());
        }
        let mut commands = Vec::with_capacity(entries.len());
        for (n, entry) in entries.iter().enumerate() {
            let at = format!("$.CMD[{n}]");
            let parts = array(entry, &at)?.iter().enumerate();
            let parts = parts
                .map(|(m, part)| text(part, &format!("{at}[{m}]")))
                .collect::<Result<Vec<_>, _>>()?;
            commands.push(Command::read(&parts));
        }
        Ok(Self { commands })
    }

    /// What a 2xx answer without body stands for (D11): END alone.
    #[must_use]
    pub fn end() -> Self {
        Self {
            commands: vec![Ok(Command::End)],
        }
    }

    /// Whether the session ends with this package, and no Package#3 follows (D20: wherever END stands).
    #[must_use]
    pub fn has_end(&self) -> bool {
        self.commands.contains(&Ok(Command::End))
    }

    /// Writes the body.
    #[must_use]
    pub fn write(commands: &[Command]) -> Json {
        let commands = commands.iter().map(|command| write_texts(&command.write()));
        Json::object([("CMD", Json::Array(commands.collect()))])
    }
}

#[cfg(test)]
mod tests {
    use omadm_mo::json::{Json, JsonLimits};

    use super::Package2;
    use crate::{Command, CommandError};

    fn read(text: &str) -> Result<Package2, crate::PackageError> {
        Package2::read(&Json::read(text.as_bytes(), JsonLimits::default()).unwrap())
    }

    #[test]
    fn entries_stay_aligned_whatever_is_wrong_with_one_d11() {
        let package = read(r#"{"CMD":[["SHOW"],["REBOOT","x"],[],["END"]]}"#).unwrap();
        assert_eq!(package.commands.len(), 4);
        assert!(matches!(
            package.commands[0],
            Err(CommandError::Missing { .. })
        ));
        assert_eq!(
            package.commands[1],
            Err(CommandError::Unknown("REBOOT".to_owned()))
        );
        assert_eq!(package.commands[2], Err(CommandError::Empty));
        assert_eq!(package.commands[3], Ok(Command::End));
        assert!(package.has_end());
    }

    #[test]
    fn no_command_is_end_d11() {
        assert_eq!(read(r#"{"CMD":[]}"#).unwrap(), Package2::end());
        assert!(Package2::end().has_end());
    }

    #[test]
    fn a_violation_names_the_member() {
        for (text, at) in [
            ("7", "$"),
            ("{}", "$"),
            (r#"{"cmd":[]}"#, "$"),
            (r#"{"CMD":null}"#, "$"),
            (r#"{"CMD":"END"}"#, "$.CMD"),
            (r#"{"CMD":["END"]}"#, "$.CMD[0]"),
            (r#"{"CMD":[["END"],["GET",7]]}"#, "$.CMD[1][1]"),
        ] {
            assert_eq!(read(text).unwrap_err().at, at, "{text}");
        }
    }
}
