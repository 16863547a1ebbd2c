//! `cargo bench --bench bootstrap`: ratios of whole bootstraps to their floor, and to themselves with fewer devices stored (DESIGN §9). Nothing timed fails.
#![allow(clippy::print_stdout, reason = "its output is what it is for")]
#![allow(clippy::print_stderr, reason = "progress")]

use std::path::Path;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use omadm_benches::{Arm, Bed, Broken, Plan, Report, Round, Setup, run, write_csv};

const USAGE: &str = "\
usage: cargo bench --bench bootstrap [-- [--quick | --full] [--arm NAME]... [--stored N] [--postgres NAME=VALUE]...]
  --arm NAME             this arm and those that it is a ratio to; without any: all
                         floor, postgres-floor, full, postgres, postgres2, few, many, postgres-few, postgres-many
  --stored N             devices stored for many and postgres-many: 20000 with --quick, 100000 by default, 1000000 with --full
  --postgres NAME=VALUE  a setting of PostgreSQL";

/// What is run.
struct Asked {
    plan: Plan,
    setup: Setup,
}

fn main() -> ExitCode {
    // Cargo adds `--bench`.
    let arguments = std::env::args().skip(1);
    let Some(asked) = asked(arguments.filter(|argument| argument != "--bench")) else {
        eprintln!("{USAGE}");
        return ExitCode::FAILURE;
    };
    match bench(&asked) {
        Ok(()) => ExitCode::SUCCESS,
        Err(broken) => {
            eprintln!("the benchmark broke off: {broken}");
            ExitCode::FAILURE
        }
    }
}

/// None where the arguments are not understood.
fn asked(mut arguments: impl Iterator<Item = String>) -> Option<Asked> {
    let mut sizes: (&[(usize, usize, usize)], u64) = (&[(1, 100, 3), (32, 320, 4)], 100_000);
    let (mut arms, mut stored, mut postgres) = (Vec::new(), None, Vec::new());
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--quick" => sizes = (&[(1, 20, 2), (32, 96, 3)], 20_000),
            "--full" => sizes = (&[(1, 200, 5), (32, 800, 5), (256, 2048, 5)], 1_000_000),
            "--arm" => arms.push(Arm::from_name(&arguments.next()?)?),
            "--stored" => stored = Some(arguments.next()?.parse().ok()?),
            "--postgres" => {
                let setting = arguments.next()?;
                let (name, value) = setting.split_once('=')?;
                postgres.push((name.to_owned(), value.to_owned()));
            }
            _ => return None,
        }
    }
    if arms.is_empty() {
        arms.extend(Arm::ALL);
    }
    let (rounds, many) = sizes;
    let rounds = rounds
        .iter()
        .map(|&(concurrency, bootstraps, turns)| Round {
            concurrency,
            bootstraps,
            turns,
        });
    Some(Asked {
        plan: Plan {
            rounds: rounds.collect(),
        },
        setup: Setup {
            arms: Arm::with_bases(&arms),
            few: 1_000,
            many: stored.unwrap_or(many),
            postgres,
        },
    })
}

fn bench(asked: &Asked) -> Result<(), Broken> {
    let Asked { plan, setup } = asked;
    let names: Vec<_> = setup.arms.iter().map(|arm| arm.name()).collect();
    println!("Arms, taking turns: {}.", names.join(", "));
    for round in &plan.rounds {
        let (concurrency, bootstraps, turns) = (round.concurrency, round.bootstraps, round.turns);
        println!("{concurrency} clients: {turns} turns of {bootstraps} bootstraps an arm.");
    }
    println!(
        "Devices stored: {} in the arms \"few\", {} in the arms \"many\".",
        setup.few, setup.many
    );
    for (name, value) in &setup.postgres {
        println!("PostgreSQL: {name} = {value}.");
    }
    let results = Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("bench");
    std::fs::create_dir_all(&results)?;
    let folder = tempfile::tempdir_in(&results)?;
    let bed = Bed::open(folder.path(), setup, |line| eprintln!("{line}"))?;
    let octets = bed.commit_octets();
    println!(
        "Minimal profile. Floor: the same TLS, 3 empty exchanges, durable commits of {} and {} octets, grouped by one writer; in \"postgres-floor\" each \
         is one INSERT.\n\
         The others: real bootstraps; the client is the session machine over a tree in memory, so that no client store is measured.\n\
         Both ends in one process on {} CPUs; \"server\" is the CPU of the threads that serve and write, \"client\" all the rest of it. \"database\" is\n\
         the CPU of PostgreSQL, which runs on the same CPUs; nodes that have nothing to do take some of it as well.\n",
        octets.completion,
        octets.read,
        std::thread::available_parallelism().map_or(0, usize::from)
    );
    let samples = run(&bed, plan, |sample| {
        eprintln!(
            "{:>3} clients, turn {}, {:<14} {:>8.1}/s {:>8.0} us CPU",
            sample.concurrency,
            sample.turn,
            sample.arm.name(),
            sample.per_second(),
            sample.cpu_micros()
        );
    })?;
    bed.close()?;
    println!("{}", Report(&samples));
    println!(
        "Targets are those of DESIGN §9, that of \"many / few\" for 1 000 000 and 1000 devices; nothing here fails a run. Connections, exchanges, commits\n\
         of a bootstrap: 1, 3, 2. A transaction of SQLite is one fsync of the log; checkpoints add a few. Their target (<= 0.25 at 256 clients) holds with\n\
         each fsync delayed to 10 ms, which is not done here."
    );
    let at = SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs();
    let csv = results.join(format!("bootstrap-{at}.csv"));
    write_csv(&csv, &samples)?;
    println!("Raw samples: {}", csv.display());
    Ok(())
}
