use std::io::{ErrorKind, Write};
use std::path::Path;
use std::process::Stdio;
use std::thread;

use super::PrivatePostgresError;
use super::error::Tried;
use super::programs::command;
use super::url::ServerUrl;

/// Seconds that `psql` waits for a connection.
const CONNECT_TIMEOUT: &str = "30";

/// Exit status of `psql` where there was no connection, or it was lost.
const NO_CONNECTION: i32 = 2;

/// Runs the statements of `sql` one by one, stopping at the first that fails. Gives the rows: a line each, columns
/// parted by `|`, without the last line's end.
pub(super) fn execute(
    psql: &Path,
    server: &ServerUrl,
    database: &str,
    sql: &str,
) -> Result<String, PrivatePostgresError> {
    let mut command = command(psql);
    command
        .args(["-X", "-q", "-A", "-t", "-w", "-v", "ON_ERROR_STOP=1", "-d"])
        .arg(server.without_password(database))
        .env("PGCONNECT_TIMEOUT", CONNECT_TIMEOUT)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    if let Some(password) = server.password() {
        let password = String::from_utf8_lossy(&password).into_owned();
        command.env("PGPASSWORD", password);
    }
    let mut child = command.spawn().tried("psql cannot be started")?;
    let stdin = child.stdin.take();
    // In a thread of its own: psql answers while it still reads.
    let (written, output) = thread::scope(|scope| {
        let writer = scope.spawn(move || match stdin {
            Some(mut stdin) => stdin.write_all(sql.as_bytes()),
            None => Ok(()),
        });
        let output = child.wait_with_output();
        (writer.join(), output)
    });
    let output = output.tried("psql cannot be waited for")?;
    let said = || String::from_utf8_lossy(&output.stderr).trim().to_owned();
    match output.status.code() {
        Some(0) => {}
        Some(NO_CONNECTION) => return Err(PrivatePostgresError::Unreachable(said())),
        _ => return Err(PrivatePostgresError::Statement(said())),
    }
    match written {
        // psql that ended before it had read everything has said why by its exit status.
        Ok(Err(error)) if error.kind() != ErrorKind::BrokenPipe => {
            return Err(error).tried("psql does not take the statements");
        }
        _ => {}
    }
    let rows = String::from_utf8_lossy(&output.stdout);
    Ok(rows.trim_end_matches('\n').to_owned())
}
