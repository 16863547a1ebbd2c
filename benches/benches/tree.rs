//! `cargo bench --bench tree`: what a GET costs on the DM Client by the size of its tree (DESIGN §9). Nothing timed fails.
#![allow(clippy::print_stdout, reason = "its output is what it is for")]
#![allow(clippy::print_stderr, reason = "progress")]

use std::process::ExitCode;

use omadm_benches::tree::{GETS, Measured, Shape, TreeBed, Warmth};

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
        "{:>10} {:>7} {:>11} {:>13} {:>15}",
        "nodes", "levels", "leaf pages", "branch pages", "a page's read"
    );
    for (nodes, bed) in &beds {
        let Shape {
            levels,
            leaf_pages,
            branch_pages,
            read_micros,
        } = bed.shape;
        println!("{nodes:>10} {levels:>7} {leaf_pages:>11} {branch_pages:>13} {read_micros:>15.2}");
    }
    println!(
        "{:<34} {:>10} {:>9} {:>12} {:>14} {:>6} {:>11} {:>13}",
        "GET", "nodes", "matches", "microseconds", "per match", "", "pages read", "of it reading"
    );
    for (warmth, what) in [
        (Warmth::Same, "{} is always the same instance"),
        (Warmth::Other, "{} is another instance each time"),
        (
            Warmth::Listed,
            "the same after a session that began with the list of all instances",
        ),
    ] {
        println!("{what}");
        for get in GETS
            .into_iter()
            .filter(|get| warmth == Warmth::Same || get.contains("{}"))
        {
            let mut first: Option<Measured> = None;
            for (nodes, bed) in &beds {
                let measured = bed.measure(get, warmth)?;
                let base = first.get_or_insert(measured);
                let each = measured.each();
                let ratio = each / base.each();
                // What the pages cost that were not in the store's memory: at least that.
                let reading = measured.pages * bed.shape.read_micros;
                let Measured {
                    matches,
                    micros,
                    pages,
                } = measured;
                println!(
                    "{get:<34} {nodes:>10} {matches:>9} {micros:>12.1} {each:>14.2} x{ratio:<5.2} {pages:>11.1} {reading:>13.1}"
                );
            }
        }
    }
    Ok(())
}
