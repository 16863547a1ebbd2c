//! `cargo bench --bench tree`: what a GET costs on the DM Client by the size of its tree (DESIGN §9). Nothing timed fails.
#![allow(clippy::print_stdout, reason = "its output is what it is for")]
#![allow(clippy::print_stderr, reason = "progress")]

use std::process::ExitCode;

use omadm_benches::tree::{GETS, Measured, TreeBed};

const USAGE: &str = "usage: cargo bench --bench tree [-- [--quick] [--nodes N]...]
  --quick     trees of 1000 and 10000 nodes only
  --nodes N   a tree of so many nodes; without any: 1000, 100000, 1000000";

fn main() -> ExitCode {
    let mut sizes = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            // Cargo adds it.
            "--bench" => {}
            "--quick" => sizes = vec![1_000, 10_000],
            "--nodes" => match arguments.next().and_then(|text| text.parse().ok()) {
                Some(nodes) => sizes.push(nodes),
                None => return usage(),
            },
            _ => return usage(),
        }
    }
    if sizes.is_empty() {
        sizes = vec![1_000, 100_000, 1_000_000];
    }
    match run(&sizes) {
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

fn run(sizes: &[usize]) -> Result<(), String> {
    let mut beds = Vec::new();
    for nodes in sizes {
        eprintln!("making a tree of {nodes} nodes");
        beds.push((*nodes, TreeBed::new(*nodes)?));
    }
    println!(
        "{:<44} {:>10} {:>9} {:>12} {:>14}",
        "GET", "nodes", "matches", "microseconds", "per match"
    );
    for get in GETS {
        let mut first: Option<Measured> = None;
        for (nodes, bed) in &beds {
            let measured = bed.measure(get)?;
            let base = first.get_or_insert(measured);
            let Measured { matches, micros } = measured;
            let each = micros / matches.max(1) as f64;
            let ratio = each / (base.micros / base.matches.max(1) as f64);
            println!("{get:<44} {nodes:>10} {matches:>9} {micros:>12.1} {each:>8.2} x{ratio:.2}");
        }
    }
    Ok(())
}
