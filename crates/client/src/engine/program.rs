//! Programs of the device that are asked something: JSON in, exit code and text out.

use std::io::{self, Read as _, Write as _};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use crate::policy::AskedProgram;

/// What a program said.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Said {
    /// Its exit code; none where a signal ended it.
    pub(super) code: Option<i32>,
    /// What it wrote to standard output; no more than [`MOST`] octets, and nothing where that is no UTF-8.
    pub(super) text: Option<String>,
}

/// Octets of an answer at most.
const MOST: u64 = 64 << 10;
/// Between two looks at the program.
const LOOK: Duration = Duration::from_millis(10);
/// How long what it wrote is waited for once it has ended: a child of its own may hold the pipe.
const REST: Duration = Duration::from_secs(1);

/// Asks a program and waits for its end, no longer than this.
///
/// # Errors
/// It could not be started, or was ended because it took too long ([`io::ErrorKind::TimedOut`]).
pub(super) fn ask(program: &AskedProgram, text: String, longest: Duration) -> io::Result<Said> {
    let mut child = Command::new(&program.program)
        .args(&program.arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()?;
    // A program that does not read may still decide. It is fed from a thread of its own, since one that hangs with a full pipe would hold this one.
    if let Some(mut input) = child.stdin.take() {
        std::thread::spawn(move || {
            let _unread = input.write_all(text.as_bytes());
        });
    }
    let (written, wrote) = mpsc::channel();
    if let Some(mut output) = child.stdout.take() {
        std::thread::spawn(move || {
            let mut octets = Vec::new();
            let read = (&mut output).take(MOST).read_to_end(&mut octets);
            let _nobody_waits = written.send(read.ok().map(|_| octets));
            let _ended = io::copy(&mut output, &mut io::sink());
        });
    }
    let until = Instant::now() + longest;
    while Instant::now() < until {
        if let Some(status) = child.try_wait()? {
            let octets = wrote.recv_timeout(REST).ok().flatten();
            return Ok(Said {
                code: status.code(),
                text: octets.and_then(|octets| String::from_utf8(octets).ok()),
            });
        }
        std::thread::sleep(LOOK);
    }
    end(child);
    Err(io::Error::from(io::ErrorKind::TimedOut))
}

fn end(mut child: Child) {
    if let Err(error) = child.kill().and_then(|()| child.wait()) {
        tracing::warn!(%error, "a program that took too long goes on");
    }
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use std::io::ErrorKind;
    use std::time::{Duration, Instant};

    use super::{Said, ask};
    use crate::policy::AskedProgram;

    fn shell(script: &str) -> AskedProgram {
        AskedProgram {
            program: "/bin/sh".to_owned(),
            arguments: vec!["-c".to_owned(), script.to_owned()],
            timeout: AskedProgram::TIMEOUT,
        }
    }

    fn said(script: &str) -> Said {
        ask(&shell(script), "asked\n".to_owned(), AskedProgram::TIMEOUT).unwrap()
    }

    #[test]
    fn a_program_reads_what_it_is_asked_and_answers_by_code_and_text() {
        let echoed = Said {
            code: Some(3),
            text: Some("asked\n".to_owned()),
        };
        assert_eq!(said("cat; exit 3"), echoed);
        assert_eq!(said("kill -9 $$").code, None);
        assert_eq!(said("printf '\\377'").text, None, "no text");
        let flood = said("head -c 200000 /dev/zero; exit 1");
        assert_eq!((flood.code, flood.text.unwrap().len()), (Some(1), 64 << 10));
    }

    #[test]
    fn one_that_does_not_end_is_ended_and_one_that_is_not_there_is_told() {
        let begun = Instant::now();
        let late = ask(
            &shell("exec sleep 60"),
            String::new(),
            Duration::from_millis(100),
        );
        assert_eq!(late.unwrap_err().kind(), ErrorKind::TimedOut);
        assert!(begun.elapsed() < Duration::from_secs(30));
        let mut missing = shell("");
        missing.program = "/nonexistent/dialog".to_owned();
        assert!(ask(&missing, String::new(), AskedProgram::TIMEOUT).is_err());
    }
}
