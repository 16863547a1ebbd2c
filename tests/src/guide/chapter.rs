/// A page of the guide, as commands.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Chapter {
    /// The commands in their order.
    pub steps: Vec<Step>,
    /// Blocks that are not executed: line and reason.
    pub left_out: Vec<(usize, String)>,
}

/// A command of a chapter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Step {
    /// Line of the page, from 1.
    pub line: usize,
    /// What is done.
    pub kind: StepKind,
}

/// What is done at a place of a chapter.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum StepKind {
    /// A shell command, over several lines where it has a here-document or ends in `\`.
    Command {
        /// As it stands there.
        text: String,
        /// What it has to come to.
        expected: Expected,
    },
    /// The program started last is stopped.
    CtrlC,
}

/// What a command has to come to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Expected {
    /// Exit code 0.
    Good,
    /// Exit code 0, and this is printed.
    Says(String),
    /// Another exit code, and this is printed.
    Fails(String),
}

/// A chapter that cannot be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ChapterError {
    /// A block is left out without a reason.
    NoReason(usize),
    /// A here-document or comment does not end.
    Endless(usize),
}

/// First words of the blocks that are commands; other blocks are shown alone.
const COMMANDS: [&str; 23] = [
    "omadm",
    "export",
    "cargo",
    "./test",
    "cat",
    "mkdir",
    "cp",
    "mv",
    "rm",
    "printf",
    "echo",
    "sed",
    "grep",
    "head",
    "ls",
    "cmp",
    "test",
    "tar",
    "curl",
    "openssl",
    "pg_dump",
    "psql",
    "pkcs15-tool",
];
const LEFT_OUT: &str = "<!-- not executed:";
const BEFORE: &str = "<!-- before:";
const END: &str = "-->";

impl Chapter {
    /// Reads a page.
    ///
    /// # Errors
    /// [`ChapterError`] with the line.
    pub fn read(page: &str) -> Result<Self, ChapterError> {
        let mut chapter = Self {
            steps: Vec::new(),
            left_out: Vec::new(),
        };
        let lines: Vec<&str> = page.lines().collect();
        let mut reason: Option<String> = None;
        let mut at = 0;
        while let Some(line) = lines.get(at) {
            let text = line.trim();
            if let Some(why) = text.strip_prefix(LEFT_OUT) {
                let why = why.trim_end_matches(END).trim();
                if why.is_empty() {
                    return Err(ChapterError::NoReason(at + 1));
                }
                reason = Some(why.to_owned());
                at += 1;
            } else if text.starts_with(BEFORE) {
                let end = find(&lines, at, |line| line.trim() == END)?;
                chapter.commands(&lines[at + 1..end], at + 2)?;
                at = end + 1;
            } else if let Some(language) = text.strip_prefix("```") {
                let end = find(&lines, at + 1, |line| line.trim() == "```")?;
                if language == "sh" {
                    chapter.block(&lines[at + 1..end], at + 2, reason.take())?;
                }
                reason = None;
                at = end + 1;
            } else if is_indented(line) && (at == 0 || lines[at - 1].trim().is_empty()) {
                let end = block_end(&lines, at);
                chapter.block(&lines[at..end], at + 1, reason.take())?;
                at = end;
            } else {
                if !text.is_empty() {
                    reason = None;
                }
                at += 1;
            }
        }
        Ok(chapter)
    }

    fn block(
        &mut self,
        lines: &[&str],
        number: usize,
        reason: Option<String>,
    ) -> Result<(), ChapterError> {
        let lines: Vec<&str> = lines
            .iter()
            .map(|line| line.strip_prefix("    ").unwrap_or(line))
            .collect();
        let first = lines.iter().find(|line| !line.starts_with('#'));
        let word = first.and_then(|line| line.split_whitespace().next());
        if let Some(why) = reason {
            self.left_out.push((number, why));
            return Ok(());
        }
        let ends = lines.iter().any(|line| line.starts_with(CTRL_C));
        if !ends && !word.is_some_and(|word| COMMANDS.contains(&word)) {
            return Ok(());
        }
        self.commands(&lines, number)
    }

    fn commands(&mut self, lines: &[&str], number: usize) -> Result<(), ChapterError> {
        let mut at = 0;
        while let Some(line) = lines.get(at) {
            let from = at;
            at += 1;
            let line_number = number + from;
            if line.starts_with(CTRL_C) {
                self.steps.push(Step {
                    line: line_number,
                    kind: StepKind::CtrlC,
                });
                continue;
            }
            if line.trim().is_empty() || line.starts_with('#') {
                continue;
            }
            let mut text = (*line).to_owned();
            if let Some(word) = here_document(line) {
                let end = find(lines, at, |line| *line == word)
                    .map_err(|_| ChapterError::Endless(line_number))?;
                for line in &lines[at..=end] {
                    text.push('\n');
                    text.push_str(line);
                }
                at = end + 1;
            }
            while text.ends_with('\\') {
                let more = lines.get(at).ok_or(ChapterError::Endless(line_number))?;
                text.push('\n');
                text.push_str(more);
                at += 1;
            }
            self.steps.push(Step {
                line: line_number,
                kind: StepKind::Command {
                    expected: expected(&text),
                    text,
                },
            });
        }
        Ok(())
    }
}

const CTRL_C: &str = "# Ctrl-C";

fn is_indented(line: &str) -> bool {
    line.starts_with("    ") && !line.trim().is_empty()
}

/// The line behind an indented block; blank lines inside belong to it.
fn block_end(lines: &[&str], from: usize) -> usize {
    let mut end = from;
    for (at, line) in lines.iter().enumerate().skip(from) {
        if is_indented(line) {
            end = at + 1;
        } else if !line.trim().is_empty() {
            break;
        }
    }
    end
}

fn find(
    lines: &[&str],
    from: usize,
    is_end: impl Fn(&&str) -> bool,
) -> Result<usize, ChapterError> {
    let rest = lines.iter().skip(from);
    let end = rest.into_iter().position(is_end);
    end.map(|end| from + end).ok_or(ChapterError::Endless(from))
}

/// The word that ends the here-document of this line.
fn here_document(line: &str) -> Option<&str> {
    let word = line.split_once("<<")?.1.split_whitespace().next()?;
    Some(word.trim_matches('\''))
}

fn expected(text: &str) -> Expected {
    let behind = |mark: &str| {
        let lines = text.lines();
        let mut found = lines.filter_map(|line| Some(line.split_once(mark)?.1.trim().to_owned()));
        found.next()
    };
    match (behind("  # says: "), behind("  # fails: ")) {
        (_, Some(why)) => Expected::Fails(why),
        (Some(what), None) => Expected::Says(what),
        (None, None) => Expected::Good,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "# A chapter

Text, and a list:

* one
    with more text

    omadm serve --state server   # says: here

Output:

    a table   of
    values

More:

    cat > policy.toml <<'END'
    [a]

      b = 1
    END
    omadm one \\
        --two   # fails: no two
    # a remark
    # Ctrl-C in the first terminal

<!-- not executed: it needs a card -->

    omadm card read

```sh
export A=1
```

```json
export B=1
```

<!-- before:
omadm hidden
-->
";

    fn command(line: usize, text: &str, expected: Expected) -> Step {
        let text = text.to_owned();
        let kind = StepKind::Command { text, expected };
        Step { line, kind }
    }

    #[test]
    fn a_page_gives_its_commands_in_order_with_what_they_come_to() {
        let chapter = Chapter::read(PAGE).unwrap();
        let says = Expected::Says("here".to_owned());
        let fails = Expected::Fails("no two".to_owned());
        let made = "cat > policy.toml <<'END'\n[a]\n\n  b = 1\nEND";
        let ctrl_c = Step {
            line: 25,
            kind: StepKind::CtrlC,
        };
        assert_eq!(
            chapter.steps,
            [
                command(8, "omadm serve --state server   # says: here", says),
                command(17, made, Expected::Good),
                command(22, "omadm one \\\n    --two   # fails: no two", fails),
                ctrl_c,
                command(32, "export A=1", Expected::Good),
                command(40, "omadm hidden", Expected::Good),
            ]
        );
        assert_eq!(chapter.left_out, [(29, "it needs a card".to_owned())]);
    }

    #[test]
    fn what_cannot_be_read_is_told_by_its_line() {
        let endless = Chapter::read("    cat > a <<'END'\n    b\n");
        assert_eq!(endless, Err(ChapterError::Endless(1)));
        let idle = Chapter::read("\n<!-- not executed: -->\n");
        assert_eq!(idle, Err(ChapterError::NoReason(2)));
    }
}
