//! The command line itself: help, exit codes, errors in three lines.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use omadm_tests::process::omadm;

/// Names of the subcommands that a help text lists.
fn subcommands(help: &str) -> Vec<String> {
    help.lines()
        .skip_while(|line| *line != "Commands:")
        .skip(1)
        .take_while(|line| !line.is_empty())
        .filter(|line| line.starts_with("  ") && !line.starts_with("   "))
        .filter_map(|line| line.split_whitespace().next())
        .filter(|name| *name != "help")
        .map(str::to_owned)
        .collect()
}

/// Looks at a command's help and at that of every command below it; gives how many there were.
fn every_help_has_examples(path: &[String]) -> usize {
    let help = omadm(path).arg("--help").run().good().stdout;
    let examples: Vec<_> = help
        .lines()
        .skip_while(|line| *line != "Examples:")
        .skip(1)
        .take_while(|line| line.starts_with("  "))
        .collect();
    let words = format!("omadm {}", path.join(" "));
    assert!(
        examples.iter().any(|line| line.contains(words.trim_end())),
        "{words} --help shows no example of itself:\n{help}"
    );
    let below = subcommands(&help);
    let deeper = below.iter().map(|name| {
        let mut path = path.to_vec();
        path.push(name.clone());
        every_help_has_examples(&path)
    });
    1 + deeper.sum::<usize>()
}

#[test]
fn every_help_shows_examples_of_its_command() {
    // omadm, its 10 commands, and below them bootstrap 7, device 22 with object 4, allow 3 and dm1 5, client 13, card 4, store 3, conformance 2.
    assert_eq!(every_help_has_examples(&[]), 74);
}

#[test]
fn exit_codes_tell_done_failed_and_a_wrong_command_line_apart() {
    assert_eq!(omadm(["--version"]).run().code, Some(0));
    assert_eq!(omadm(["decode", "no-such-file.json"]).run().code, Some(1));
    for wrong in [
        &["fly"][..],
        &[],
        &["decode"],
        &["demo", "--profile", "other"],
        &["--log", "xml", "demo"],
    ] {
        let ended = omadm(wrong).run();
        assert_eq!(ended.code, Some(2), "{wrong:?}: {ended:?}");
        assert_eq!(ended.stdout, "", "{wrong:?}");
    }
}

#[test]
fn a_failure_is_three_lines() {
    for (failing, what) in [
        (&["decode", "no-such-file.json"][..], "no-such-file.json"),
        (
            &["bootstrap", "check", "no-such-file.toml"],
            "no-such-file.toml",
        ),
        (&["client", "tree", "--dir", "no-such-dir"], "the device"),
        (
            &["client", "init", "--dir", "no-such-dir", "--dev-id", ""],
            "the device was not made",
        ),
        (&["device", "list"], "API"),
        (&["--log-filter", "a=b=c", "decode", "-"], "a=b=c"),
    ] {
        let refused = omadm(failing).run().refused();
        let first = refused.stderr.lines().next().unwrap();
        assert!(first.contains(what), "{failing:?}: {}", refused.stderr);
        assert_eq!(
            refused.stderr.lines().count(),
            3,
            "{failing:?}: {}",
            refused.stderr
        );
        assert_eq!(refused.stdout, "", "{failing:?}");
    }
}

#[test]
fn a_server_state_that_is_no_state_is_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("letter.txt");
    std::fs::write(&file, "mine").unwrap();
    let refused = omadm(["serve", "--devices", "127.0.0.1:0"])
        .args(["--operators", "127.0.0.1:0", "--state"])
        .arg(&file)
        .run()
        .refused();
    assert!(refused.stderr.contains("letter.txt"), "{}", refused.stderr);
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "mine");
}
