use std::fmt;

use super::BootstrapProfile;

/// What is wrong with a profile's text, and where. Its author is at fault.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProfileError {
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// What is wrong there, naming the key.
    pub problem: String,
    /// The line itself.
    pub source_line: String,
}

impl BootstrapProfile {
    /// Reads a profile.
    ///
    /// # Errors
    /// [`ProfileError`] with line, column and key: not TOML, an unknown key, a missing one, a value of another type.
    pub fn read(text: &str) -> Result<Self, ProfileError> {
        toml::from_str(text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            let before = text.get(..start).unwrap_or_default();
            let line_start = before.rfind('\n').map_or(0, |at| at + 1);
            ProfileError {
                line: before.matches('\n').count() + 1,
                column: before[line_start..].chars().count() + 1,
                problem: error.message().to_owned(),
                source_line: text[line_start..]
                    .lines()
                    .next()
                    .unwrap_or_default()
                    .to_owned(),
            }
        })
    }
}

/// The place, the line itself and a caret below it.
impl fmt::Display for ProfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "line {}, column {}: {}",
            self.line, self.column, self.problem
        )?;
        writeln!(f, "  {}", self.source_line)?;
        write!(f, "  {}^", " ".repeat(self.column - 1))
    }
}

impl std::error::Error for ProfileError {}

#[cfg(test)]
mod tests {
    use super::BootstrapProfile;

    #[test]
    fn an_unknown_key_is_named_with_line_and_caret() {
        let text = "[account]\nsrv_id = \"a\"\nsrv_url = \"b\"\nname = \"c\"\n";
        let error = BootstrapProfile::read(text).unwrap_err();
        assert_eq!((error.line, error.column), (3, 1));
        assert!(error.problem.contains("srv_url"), "{error}");
        assert!(
            error.to_string().ends_with("  srv_url = \"b\"\n  ^"),
            "{error}"
        );
    }

    #[test]
    fn a_missing_key_and_a_wrong_type_are_named() {
        let error = BootstrapProfile::read("[account]\nsrv_id = \"a\"\n").unwrap_err();
        assert!(error.problem.contains("srv_uri"), "{error}");
        let error = BootstrapProfile::read("[account]\nsrv_id = 7\n").unwrap_err();
        assert_eq!(error.line, 2);
        assert!(BootstrapProfile::read("[account").is_err());
        assert!(
            BootstrapProfile::read("")
                .unwrap_err()
                .problem
                .contains("account")
        );
    }
}
