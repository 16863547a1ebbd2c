use std::io;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use omadm_mo::ServerUri;

use super::Browser;
use crate::policy::ShowCommand;

/// A starter that fails does so within this time; one that still runs then has started.
const START: Duration = Duration::from_secs(2);
/// Between two looks at it.
const LOOK: Duration = Duration::from_millis(10);

/// The browser component that policy names. No shell is involved: the ServerURI reaches the program as a part of one argument.
pub(crate) fn of_command(command: ShowCommand) -> Browser {
    Arc::new(move |uri| start(&command, uri))
}

fn start(command: &ShowCommand, uri: &ServerUri) -> io::Result<()> {
    let arguments = command.arguments.iter();
    let mut child = Command::new(&command.program)
        .args(arguments.map(|one| one.replace(ShowCommand::URI, uri.as_str())))
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let until = Instant::now() + START;
    while Instant::now() < until {
        match child.try_wait()? {
            Some(status) if status.success() => return Ok(()),
            Some(status) => {
                let why = format!("{} ended with {status}", command.program);
                return Err(io::Error::other(why));
            }
            None => std::thread::sleep(LOOK),
        }
    }
    take_leave(child);
    Ok(())
}

/// The UI session goes on by itself; its process is collected when it ends.
fn take_leave(mut child: Child) {
    std::thread::spawn(move || {
        if let Err(error) = child.wait() {
            tracing::debug!(%error, "the browser's end was not seen");
        }
    });
}

#[cfg(all(test, unix))]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use omadm_mo::ServerUri;

    use super::start;
    use crate::policy::ShowCommand;

    fn run(program: &str, arguments: &[&str]) -> std::io::Result<()> {
        let command = ShowCommand {
            program: program.to_owned(),
            arguments: arguments.iter().map(|one| (*one).to_owned()).collect(),
        };
        start(
            &command,
            &ServerUri::parse("https://ui.example.com/?a=$(id);b&c").unwrap(),
        )
    }

    #[test]
    fn x_cmd_002_the_address_is_one_argument_and_nothing_of_it_is_run() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("seen");
        let script = format!("printf '%s|' \"$@\" > '{}'", file.display());
        run("/bin/sh", &["-c", &script, "sh", "--new", "{uri}"]).unwrap();
        let seen = std::fs::read_to_string(file).unwrap();
        assert_eq!(seen, "--new|https://ui.example.com/?a=$(id);b&c|");
    }

    #[test]
    fn x_cmd_002_a_starter_that_fails_or_is_not_there_did_not_start() {
        assert!(run("/bin/sh", &["-c", "exit 3", "{uri}"]).is_err());
        assert!(run("/nonexistent/browser", &["{uri}"]).is_err());
    }

    #[test]
    fn x_cmd_002_a_browser_that_runs_on_has_started() {
        assert!(run("/bin/sh", &["-c", "sleep 4", "{uri}"]).is_ok());
    }
}
