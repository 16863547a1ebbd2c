use std::fmt;
use std::process::ExitCode;

use serde::{Deserialize, Serialize};

/// A command that failed, in three lines: what failed, why, what to do.
#[derive(Serialize, Deserialize)]
pub(crate) struct Failure {
    what: String,
    why: String,
    todo: String,
}

impl Failure {
    pub(crate) fn new(
        what: impl fmt::Display,
        why: impl fmt::Display,
        todo: impl fmt::Display,
    ) -> Self {
        Self {
            what: what.to_string(),
            why: why.to_string(),
            todo: todo.to_string(),
        }
    }

    /// The same with another reason.
    pub(crate) fn because(mut self, why: impl fmt::Display) -> Self {
        self.why = why.to_string();
        self
    }

    /// Prints it on standard error and gives the exit code 1.
    #[expect(clippy::print_stderr, reason = "the last word of a command")]
    pub(crate) fn report(self) -> ExitCode {
        // In one call, so that no line of the log gets in between.
        eprint!("{}", self.text());
        ExitCode::FAILURE
    }

    /// The three lines.
    pub(crate) fn text(&self) -> String {
        let mut text = format!("error: {}\n", self.what);
        for (label, said) in [("why", &self.why), ("do", &self.todo)] {
            if !said.is_empty() {
                let said = said.replace('\n', "\n       ");
                text.push_str(&format!("  {label}: {said}\n"));
            }
        }
        text
    }
}

/// Adds the three lines to an error.
pub(crate) trait Explain<T> {
    /// What failed and what to do next; the error itself is the why.
    fn explain(self, what: impl fmt::Display, todo: impl fmt::Display) -> Result<T, Failure>;
}

impl<T, E: fmt::Display> Explain<T> for Result<T, E> {
    fn explain(self, what: impl fmt::Display, todo: impl fmt::Display) -> Result<T, Failure> {
        self.map_err(|error| Failure::new(what, error, todo))
    }
}
