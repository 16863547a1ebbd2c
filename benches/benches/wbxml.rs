//! `cargo bench --bench wbxml`: XML to WBXML and back, beside libwbxml (DESIGN §9, `push.md` §10.2). Nothing timed fails.
#![allow(clippy::print_stdout, reason = "its output is what it is for")]
#![allow(clippy::print_stderr, reason = "progress")]

use std::process::ExitCode;
use std::time::Duration;

use omadm_benches::Broken;
use omadm_benches::wbxml::{COMMANDS_OF_1_KB, COMMANDS_OF_100_KB, Direction, Turn, WbxmlBed};

const USAGE: &str = "usage: cargo bench --bench wbxml [-- [--quick] [--turns N]]
  --turns N   so many turns of each end at each size; 9 without
  --quick     one short turn: shows that it works, measures little";

fn main() -> ExitCode {
    let (mut turns, mut octets) = (9, 20_000_000);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            // Cargo adds it.
            "--bench" => {}
            "--quick" => (turns, octets) = (1, 500_000),
            "--turns" => match arguments.next().and_then(|text| text.parse().ok()) {
                Some(wanted @ 1..) => turns = wanted,
                _ => return usage(),
            },
            _ => return usage(),
        }
    }
    match run(turns, octets) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("the benchmark broke off: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn usage() -> ExitCode {
    eprintln!("{USAGE}");
    ExitCode::FAILURE
}

fn run(turns: usize, octets: usize) -> Result<(), Broken> {
    let folder = tempfile::tempdir()?;
    println!(
        "{:<8} {:>8} {:>8} {:>14} {:>14} {:>22} {:>8}",
        "", "XML", "WBXML", "omadm, us", "libwbxml, us", "times as fast (spread)", "target"
    );
    for commands in [COMMANDS_OF_1_KB, COMMANDS_OF_100_KB] {
        let mut bed = WbxmlBed::new(folder.path(), commands)?;
        let (xml, wbxml) = bed.octets();
        let times = u32::try_from(octets / xml)?.max(1);
        for direction in [Direction::Encode, Direction::Decode] {
            eprintln!("{direction:?} {xml} octets, {turns} turns of {times}");
            let mut measured = Vec::new();
            for _ in 0..turns {
                measured.push(bed.turn(direction, times)?);
            }
            measured.sort_by(|one, other| ratio(one).total_cmp(&ratio(other)));
            let (least, median, most) = (
                ratio(&measured[0]),
                measured[turns / 2],
                ratio(&measured[turns - 1]),
            );
            println!(
                "{:<8} {xml:>8} {wbxml:>8} {:>14.2} {:>14.2} {:>9.2} ({least:.2}..{most:.2}) {:>8}",
                format!("{direction:?}"),
                micros(median.ours),
                micros(median.theirs),
                ratio(&median),
                ">= 5"
            );
        }
    }
    println!(
        "CPU time of one conversion; median of the turns, in which both ends follow each other. No string table at either end."
    );
    Ok(())
}

fn ratio(turn: &Turn) -> f64 {
    micros(turn.theirs) / micros(turn.ours).max(f64::MIN_POSITIVE)
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
