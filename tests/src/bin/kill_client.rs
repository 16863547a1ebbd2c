//! The DM Client of the kill tests: halts at a chosen step, to be ended there by SIGKILL.

use omadm_tests::kill::{Fault, run_client};

fn main() -> Result<(), Fault> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    run_client(&arguments)
}
