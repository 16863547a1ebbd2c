//! Both arms at size 10: what they do is counted, not how long they take.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use omadm_benches::{Arm, Bed, Plan, Report, Round, run, write_csv};

#[test]
fn both_arms_make_one_connection_three_exchanges_and_two_commits_for_each_bootstrap() {
    let folder = tempfile::tempdir().unwrap();
    let bed = Bed::open(&folder.path().join("bed")).unwrap();
    let octets = bed.commit_octets();
    assert!(octets.completion > octets.read && octets.read > 100);
    let rounds = [1, 4].map(|concurrency| Round {
        concurrency,
        bootstraps: 10,
        pairs: 1,
    });
    let plan = Plan {
        rounds: rounds.to_vec(),
    };
    let samples = run(&bed, &plan, |_| {}).unwrap();
    bed.close().unwrap();
    let arms: Vec<_> = samples
        .iter()
        .map(|sample| (sample.arm, sample.concurrency))
        .collect();
    assert_eq!(
        arms,
        [
            (Arm::Floor, 1),
            (Arm::Full, 1),
            (Arm::Floor, 4),
            (Arm::Full, 4)
        ]
    );
    for sample in &samples {
        let counts = (sample.connections, sample.exchanges, sample.commits);
        assert_eq!(counts, (10, 30, 20), "{sample:?}");
        // A deferred mark that left alone on a slow machine has a transaction of its own.
        assert!((1..=30).contains(&sample.transactions), "{sample:?}");
        assert!(sample.cpu.as_nanos() > 0, "{sample:?}");
    }

    let csv = folder.path().join("results/samples.csv");
    write_csv(&csv, &samples).unwrap();
    let lines: Vec<_> = std::fs::read_to_string(csv)
        .unwrap()
        .lines()
        .map(str::to_owned)
        .collect();
    assert_eq!(lines.len(), 5);
    assert!(
        lines
            .iter()
            .all(|line| line.split(',').count() == lines[0].split(',').count())
    );
    let report = Report(&samples).to_string();
    assert_eq!(report.matches("CPU per bootstrap, both ends").count(), 2);
}
