//! `cargo bench --bench bootstrap [-- --quick | --full]`: ratios of whole bootstraps to their floor (DESIGN §9). Nothing timed fails.
#![allow(clippy::print_stdout, reason = "its output is what it is for")]
#![allow(clippy::print_stderr, reason = "progress")]

use std::path::Path;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use omadm_benches::{Bed, Broken, Plan, Report, Round, run, write_csv};

const USAGE: &str = "usage: cargo bench --bench bootstrap [-- --quick | --full]";

fn main() -> ExitCode {
    // Cargo adds `--bench`.
    let arguments: Vec<_> = std::env::args()
        .skip(1)
        .filter(|argument| argument != "--bench")
        .collect();
    let sizes: &[(usize, usize, usize)] = match arguments
        .iter()
        .map(String::as_str)
        .collect::<Vec<_>>()
        .as_slice()
    {
        [] => &[(1, 200, 5), (32, 800, 5)],
        ["--quick"] => &[(1, 20, 2), (32, 64, 2)],
        ["--full"] => &[(1, 200, 5), (32, 800, 5), (256, 2048, 5)],
        _ => {
            eprintln!("{USAGE}");
            return ExitCode::FAILURE;
        }
    };
    let rounds = sizes.iter().map(|&(concurrency, bootstraps, pairs)| Round {
        concurrency,
        bootstraps,
        pairs,
    });
    match bench(&Plan {
        rounds: rounds.collect(),
    }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(broken) => {
            eprintln!("the benchmark broke off: {broken}");
            ExitCode::FAILURE
        }
    }
}

fn bench(plan: &Plan) -> Result<(), Broken> {
    let results = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("bench");
    std::fs::create_dir_all(&results)?;
    let folder = tempfile::tempdir_in(&results)?;
    let bed = Bed::open(folder.path())?;
    let octets = bed.commit_octets();
    println!(
        "Minimal profile. Floor: the same TLS, 3 empty exchanges, durable commits of {} and {} octets, grouped by one writer.\n\
         Full: real bootstraps; the client is the session machine over a tree in memory, so that no client store is measured.\n\
         Both ends in one process on {} CPUs; \"server\" is the CPU of the threads that serve and write, \"client\" all the rest.\n",
        octets.completion,
        octets.read,
        std::thread::available_parallelism().map_or(0, usize::from)
    );
    let samples = run(&bed, plan, |sample| {
        eprintln!(
            "{:>3} clients, pair {}, {:<5} {:>8.1}/s {:>8.0} us CPU",
            sample.concurrency,
            sample.pair,
            sample.arm.name(),
            sample.per_second(),
            sample.cpu_micros()
        );
    })?;
    bed.close()?;
    println!("{}", Report(&samples));
    println!(
        "Targets are those of DESIGN §9; nothing here fails a run. Connections, exchanges, commits of the full arm: 1, 3, 2.\n\
         A transaction is one fsync of the log; checkpoints add a few. Their target (<= 0.25 at 256 clients) holds with each fsync\n\
         delayed to 10 ms, which is not done here."
    );
    let at = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let csv = results.join(format!("bootstrap-{at}.csv"));
    write_csv(&csv, &samples)?;
    println!("Raw samples: {}", csv.display());
    Ok(())
}
