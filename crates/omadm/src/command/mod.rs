mod api;
pub(crate) mod bootstrap;
pub(crate) mod card;
pub(crate) mod card_write;
pub(crate) mod client;
mod client_alerts;
mod client_asked;
pub(crate) mod client_cards;
#[cfg(unix)]
mod client_door;
mod client_log;
mod client_pushes;
mod client_status;
mod client_switch;
pub(crate) mod client_tree;
pub(crate) mod conformance;
pub(crate) mod decode;
pub(crate) mod demo;
pub(crate) mod device;
mod device_notify;
pub(crate) mod events;
mod object;
mod repository_limits;
pub(crate) mod serve;
pub(crate) mod store;

use std::cell::RefCell;
use std::io::Write as _;

use omadm_server::operator::types::SecretText;

use crate::failure::{Explain as _, Failure};

tokio::task_local! {
    static HEARD: RefCell<Vec<String>>;
}

/// What is said within this, instead of printing it.
pub(crate) async fn heard<T>(command: impl Future<Output = T>) -> (T, Vec<String>) {
    let listening = async {
        let done = command.await;
        (done, HEARD.with(RefCell::take))
    };
    HEARD.scope(RefCell::default(), listening).await
}

/// Writes a line to standard output, or to who [`heard`]s it; a closed pipe ends the command quietly.
pub(crate) fn say(line: impl std::fmt::Display) -> Result<(), Failure> {
    let hear = |lines: &RefCell<Vec<String>>| lines.borrow_mut().push(line.to_string());
    if HEARD.try_with(hear).is_ok() {
        return Ok(());
    }
    let mut out = std::io::stdout().lock();
    match writeln!(out, "{line}").and_then(|()| out.flush()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => std::process::exit(0),
        done => done.explain("standard output cannot be written", ""),
    }
}

/// Reads a file, or standard input for `-`.
pub(crate) fn read_input(file: &str) -> Result<Vec<u8>, Failure> {
    if file == "-" {
        let mut octets = Vec::new();
        std::io::Read::read_to_end(&mut std::io::stdin(), &mut octets)
            .explain("standard input cannot be read", "")?;
        return Ok(octets);
    }
    std::fs::read(file).explain(format!("{file} cannot be read"), "check the path")
}

/// Reads a secret from a file; the end of its line is the editor's.
pub(crate) fn secret_text(file: &std::path::Path) -> Result<SecretText, Failure> {
    let mut text = SecretText(read_text(file)?);
    let end = text.0.trim_end_matches(['\r', '\n']).len();
    text.0.truncate(end);
    Ok(text)
}

/// Reads a text file.
pub(crate) fn read_text(file: &std::path::Path) -> Result<String, Failure> {
    std::fs::read_to_string(file).explain(
        format!("{} cannot be read", file.display()),
        "check the path",
    )
}
