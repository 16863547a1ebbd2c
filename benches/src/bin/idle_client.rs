//! The DM Client of `cargo bench --bench sessions`, in a process of its own.
#![allow(clippy::print_stderr, reason = "its last word")]

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1) else {
        eprintln!("usage: idle_client FOLDER");
        return ExitCode::FAILURE;
    };
    match omadm_benches::idle_client::run(Path::new(&folder)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(broken) => {
            eprintln!("the client broke off: {broken}");
            ExitCode::FAILURE
        }
    }
}
