//! A careless private PostgreSQL server for a test run: prints the URL of a superuser's connection on one line, and ends
//! the server when its standard input does, or on SIGINT or SIGTERM.

use std::error::Error;
use std::io::{self, Write};
use std::thread;

use omadm_lab::postgres::{PostgresSettings, PrivatePostgres};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::oneshot;

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let server = PrivatePostgres::start(PostgresSettings::careless())?;
    let mut stdout = io::stdout();
    writeln!(stdout, "{}", server.url("postgres"))?;
    stdout.flush()?;

    let (ended, input) = oneshot::channel();
    // Not one of tokio's: its runtime would wait for the thread at the end.
    thread::spawn(move || {
        let read = io::copy(&mut io::stdin(), &mut io::sink());
        // Nobody listens any more where a signal came first.
        let _ = ended.send(read);
    });
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
        _ = input => {}
    }
    drop(server);
    Ok(())
}
