//! The server of `cargo bench --bench sessions`, in a process of its own.
#![allow(clippy::print_stderr, reason = "its last word")]

use std::path::Path;
use std::process::ExitCode;

fn main() -> ExitCode {
    let Some(folder) = std::env::args_os().nth(1) else {
        eprintln!("usage: held_server FOLDER");
        return ExitCode::FAILURE;
    };
    match omadm_benches::sessions::serve(Path::new(&folder)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(broken) => {
            eprintln!("the server broke off: {broken}");
            ExitCode::FAILURE
        }
    }
}
