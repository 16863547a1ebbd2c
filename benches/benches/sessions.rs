//! `cargo bench --bench sessions`: what an idle session with its connection costs a server, and the idle daemon a device, in anonymous resident memory
//! (DESIGN §9). Nothing measured fails.
#![allow(clippy::print_stdout, reason = "its output is what it is for")]
#![allow(clippy::print_stderr, reason = "progress")]

use std::path::Path;
use std::process::ExitCode;

use omadm_benches::sessions::hold;
use omadm_benches::{Broken, idle_client};

const USAGE: &str = "usage: cargo bench --bench sessions [-- [--quick] [--held N] [--rows N]...]
  --quick    200 connections
  --held N   connections held at once, each with a session begun: 2000 by default
  --rows N   session rows of other devices in the store; without any: 0, then 10000";
/// DESIGN §9.
const TARGET_KIB: f64 = 64.0;
/// DESIGN §9.
const DAEMON_TARGET_KIB: u64 = 8 << 10;

fn main() -> ExitCode {
    let (mut held, mut rows) = (2_000, Vec::new());
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        let mut number = || arguments.next().and_then(|text| text.parse::<u64>().ok());
        match argument.as_str() {
            // Cargo adds it.
            "--bench" => {}
            "--quick" => held = 200,
            "--held" => match number().and_then(|number| usize::try_from(number).ok()) {
                Some(number) => held = number,
                None => return usage(),
            },
            "--rows" => match number() {
                Some(number) => rows.push(number),
                None => return usage(),
            },
            _ => return usage(),
        }
    }
    if rows.is_empty() {
        rows = vec![0, 10_000];
    }
    match run(held, &rows) {
        Ok(()) => ExitCode::SUCCESS,
        Err(broken) => {
            eprintln!("the benchmark broke off: {broken}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    eprintln!("{USAGE}");
    ExitCode::FAILURE
}

fn run(held: usize, rows: &[u64]) -> Result<(), Broken> {
    println!(
        "{:>9} {:>13} {:>12} {:>10} {:>11} {:>16}   target <= {TARGET_KIB} KiB",
        "sessions", "rows stored", "before KiB", "held KiB", "closed KiB", "KiB per session"
    );
    for rows in rows {
        eprintln!("holding {held} sessions with {rows} rows of others stored");
        let folder = tempfile::tempdir()?;
        let program = Path::new(env!("CARGO_BIN_EXE_held_server"));
        let found = hold(program, &folder.path().join("server"), held, *rows)?;
        println!(
            "{:>9} {:>13} {:>12} {:>10} {:>11} {:>16.1}",
            found.sessions,
            found.rows,
            found.before,
            found.held,
            found.after,
            found.each()
        );
    }
    let folder = tempfile::tempdir()?;
    let program = Path::new(env!("CARGO_BIN_EXE_idle_client"));
    let daemon = idle_client::measure(program, &folder.path().join("client"))?;
    println!(
        "DM Client daemon, idle without account: {daemon} KiB   target <= {DAEMON_TARGET_KIB} KiB"
    );
    Ok(())
}
