//! The guide as its reader types it: every command of a chapter, in order, in one folder of its own.
//!
//! In a chapter, a code block (indented by four columns, or fenced with `sh`) whose first word is a command is executed; `cat > FILE <<'END'` makes files. What a
//! command has to come to is said behind it, visible to the reader:
//!
//! | comment | the command |
//! |---|---|
//! | none | ends with exit code 0 |
//! | `  # says: TEXT` | does, and prints TEXT |
//! | `  # fails: TEXT` | ends with another exit code, and prints TEXT |
//! | `# Ctrl-C` on a line of its own | the program started last is ended that way |
//!
//! `omadm serve`, `omadm client run` and whatever else runs until it is stopped stays in the background; a program that is started on the same folder again
//! takes the place of the one before, which gets Ctrl-C. `export NAME=…   # printed after "LABEL"` takes the word that was printed behind LABEL last; for
//! `OMADM_TOKEN` and `OMADM_BOOTSTRAP_CODE` the label is known. Ports become free ones, other addresses loopback.
//!
//! `node smsc/smsc.js` is the SMSC of the tests.
//!
//! A block that no machine can execute follows `<!-- not executed: WHY -->`; commands that a chapter takes for granted stand in `<!-- before: … -->`.

mod chapter;
mod session;

pub use chapter::{Chapter, ChapterError, Expected, Step, StepKind};
pub use session::Session;
