use std::fmt;

use super::BootstrapProfile;

/// What is wrong with a profile's text, and where. Its author is at fault. It repeats keys and never a value: values may be secrets.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ProfileError {
    /// Line, from 1.
    pub line: usize,
    /// Column, from 1.
    pub column: usize,
    /// What is wrong there, naming the key.
    pub problem: String,
    /// The line up to its `=`, then `…`; `…` alone where the line begins with no key.
    pub source_line: String,
}

impl BootstrapProfile {
    /// Longest text that is read, in octets. Local limit.
    pub const MAX_LEN: usize = 1 << 20;

    /// Reads a profile.
    ///
    /// # Errors
    /// [`ProfileError`] with line, column and key: longer than [`Self::MAX_LEN`], not TOML, an unknown key, a missing one, a value of another type.
    pub fn read(text: &str) -> Result<Self, ProfileError> {
        if text.len() > Self::MAX_LEN {
            return Err(ProfileError {
                line: 1,
                column: 1,
                problem: format!(
                    "the profile has {} octets, and at most {} are read",
                    text.len(),
                    Self::MAX_LEN
                ),
                source_line: ELLIPSIS.to_owned(),
            });
        }
        toml::from_str(text).map_err(|error| {
            let start = error.span().map_or(0, |span| span.start);
            let before = text.get(..start).unwrap_or_default();
            let line_start = before.rfind('\n').map_or(0, |at| at + 1);
            let line = text[line_start..].lines().next().unwrap_or_default();
            ProfileError {
                line: before.matches('\n').count() + 1,
                column: before[line_start..].chars().count() + 1,
                problem: without_value(error.message()),
                source_line: key_part(&text[..line_start], line),
            }
        })
    }
}

const ELLIPSIS: &str = "…";

/// serde's `invalid type: string "…", expected …` without what was found beyond its type.
fn without_value(message: &str) -> String {
    if !message.starts_with("invalid ") {
        return message.to_owned();
    }
    let (found, expected) = message.rsplit_once(", expected ").unwrap_or((message, ""));
    let kind = found
        .split(['"', '`'])
        .next()
        .unwrap_or_default()
        .trim_end();
    if expected.is_empty() {
        kind.to_owned()
    } else {
        format!("{kind}, expected {expected}")
    }
}

/// The line's key or table header; of anything else nothing, since it may go on with a value begun above.
fn key_part(above: &str, line: &str) -> String {
    let bare = |text: &str| {
        text.chars()
            .all(|c| c.is_ascii_alphanumeric() || "_-. \t".contains(c))
    };
    let in_text = ["\"\"\"", "'''"]
        .iter()
        .any(|quotes| above.matches(quotes).count() % 2 == 1);
    let header = line
        .trim_start_matches('[')
        .trim_end()
        .trim_end_matches(']');
    if in_text {
        return ELLIPSIS.to_owned();
    }
    match line.split_once('=') {
        Some((key, _)) if bare(key) => format!("{key}= {ELLIPSIS}"),
        None if line.starts_with('[')
            && bare(header)
            && header.starts_with(|c: char| c.is_ascii_alphabetic()) =>
        {
            line.trim_end().to_owned()
        }
        _ => ELLIPSIS.to_owned(),
    }
}

/// The place, what is shown of the line, and a caret below it.
impl fmt::Display for ProfileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "line {}, column {}: {}",
            self.line, self.column, self.problem
        )?;
        writeln!(f, "  {}", self.source_line)?;
        let shown = self.source_line.chars().count();
        write!(f, "  {}^", " ".repeat((self.column - 1).min(shown)))
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
        assert!(error.to_string().ends_with("  srv_url = …\n  ^"), "{error}");
    }

    #[test]
    fn a_missing_key_and_a_wrong_type_are_named() {
        let error = BootstrapProfile::read("\n[account]\nsrv_id = \"a\"\n").unwrap_err();
        assert!(error.problem.contains("srv_uri"), "{error}");
        assert_eq!((error.line, error.source_line.as_str()), (2, "[account]"));
        let error = BootstrapProfile::read("[account]\nsrv_id = 7\n").unwrap_err();
        assert_eq!((error.line, error.source_line.as_str()), (2, "srv_id = …"));
        assert!(BootstrapProfile::read("[account").is_err());
        assert!(
            BootstrapProfile::read("")
                .unwrap_err()
                .problem
                .contains("account")
        );
    }

    #[test]
    fn no_value_is_repeated_whatever_is_wrong_with_it() {
        for text in [
            "[account]\nsrv_id = \"a\"\nnoti = \"s3cr3t\"\n",
            "[account]\nsrv_id = [\"s3cr3t\"]\n",
            "[account]\nsrv_id = \"s3cr3t\n",
            "[account]\nsrv_id = s3cr3t\n",
            "[[mo]]\nmoid = \"m\"\n[mo.data]\nKey = \"s3cr3t\" x\n",
            "[[mo]]\n[mo.data]\nKey = \"\"\"\nq\ns3cr3t=\\q\"\"\"\n",
            "[[mo]]\n[mo.data]\nKeys = [\n  \"s3cr3t=\", \"s3cr3t\" \"s3cr3t\",\n]\n",
            "[[mo]]\n[mo.data]\nKeys = { A = \"s3cr3t\", \"s3cr3t\" }\n",
        ] {
            let error = BootstrapProfile::read(text).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("s3cr3t"), "{error}");
        }
    }

    #[test]
    fn a_text_over_the_limit_is_not_read() {
        let within = "#".repeat(BootstrapProfile::MAX_LEN);
        assert!(
            BootstrapProfile::read(&within).is_err_and(|error| error.problem.contains("account"))
        );
        let error = BootstrapProfile::read(&format!("{within}#")).unwrap_err();
        assert!(error.problem.contains("1048576"), "{error}");
    }
}
