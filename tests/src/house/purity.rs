//! The pure crates have no way to a socket, a file, a clock or a random source, and no collection without an order.

use toml::{Table, Value};

use super::graph::Graph;

/// Crates that take time, entropy and bytes as arguments.
pub const PURE: [&str; 7] = ["mo", "dm2", "dm1", "card", "push", "bootstrap", "session"];

/// Packages that bring I/O, a clock or entropy; none may be among the normal dependencies of a pure crate, however far.
const FORBIDDEN: [&str; 26] = [
    "async-std",
    "aws-lc-rs",
    "axum",
    "chrono",
    "fastrand",
    "getrandom",
    "hyper",
    "jiff",
    "mio",
    "openssl",
    "rand",
    "rand_core",
    "redb",
    "reqwest",
    "ring",
    "rusqlite",
    "rustls",
    "smol",
    "socket2",
    "tempfile",
    "time",
    "tokio",
    "tokio-postgres",
    "tracing-subscriber",
    "uuid",
    "web-time",
];

/// Types that a pure crate's `clippy.toml` must disallow: their order would break deterministic bytes.
const TYPES: [&str; 2] = ["std::collections::HashMap", "std::collections::HashSet"];

/// Functions that it must disallow: time is an argument.
const METHODS: [&str; 2] = ["std::time::Instant::now", "std::time::SystemTime::now"];

/// Modules of which it must disallow at least one item, as a type or as a function.
const MODULES: [&str; 5] = [
    "std::fs::",
    "std::net::",
    "std::thread::",
    "std::env::",
    "std::process::",
];

/// Forbidden packages among the normal dependencies of the pure crates that exist.
pub fn dependency_violations(graph: &Graph) -> Vec<String> {
    let mut found = Vec::new();
    for room in PURE {
        let name = format!("omadm-{room}");
        for reached in graph.closure(&name).intersection(&FORBIDDEN.into()) {
            found.push(format!("{name} is pure, but reaches {reached}"));
        }
    }
    found
}

/// What the `clippy.toml` of the pure crate `room` fails to disallow.
pub fn clippy_violations(room: &str, text: &str) -> Vec<String> {
    let table = match text.parse::<Table>() {
        Ok(table) => table,
        Err(error) => {
            return vec![format!(
                "{room}/clippy.toml cannot be read: {}",
                error.message()
            )];
        }
    };
    let types = disallowed(&table, "disallowed-types");
    let methods = disallowed(&table, "disallowed-methods");
    let mut missing: Vec<&str> = Vec::new();
    missing.extend(TYPES.iter().filter(|path| !types.contains(*path)));
    missing.extend(METHODS.iter().filter(|path| !methods.contains(*path)));
    let within = |module: &str| {
        types
            .iter()
            .chain(&methods)
            .any(|path| path.starts_with(module))
    };
    missing.extend(MODULES.iter().filter(|module| !within(module)));
    let sentence = |path| format!("{room}/clippy.toml does not disallow {path}");
    missing.into_iter().map(sentence).collect()
}

/// The paths under `key`, each written as a string or as a table with a `path`.
fn disallowed<'t>(table: &'t Table, key: &str) -> Vec<&'t str> {
    let entries = table
        .get(key)
        .and_then(Value::as_array)
        .into_iter()
        .flatten();
    entries
        .filter_map(|entry| entry.as_str().or_else(|| entry.get("path")?.as_str()))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::super::graph::sample;
    use super::*;

    const WHOLE: &str = r#"
        disallowed-types = [
            { path = "std::collections::HashMap" }, "std::collections::HashSet",
            "std::net::TcpStream",
        ]
        disallowed-methods = [
            "std::time::Instant::now", "std::time::SystemTime::now", "std::fs::read",
            "std::thread::spawn", "std::env::var", "std::process::exit",
        ]
    "#;

    #[test]
    fn a_forbidden_package_is_found_however_far_away() {
        let graph = sample(&[
            ("omadm-session", &["omadm-mo"]),
            ("omadm-mo", &["innocent"]),
            ("innocent", &["getrandom"]),
            ("getrandom", &[]),
        ]);
        assert_eq!(
            dependency_violations(&graph),
            [
                "omadm-mo is pure, but reaches getrandom",
                "omadm-session is pure, but reaches getrandom",
            ]
        );
    }

    #[test]
    fn crates_at_the_rim_may_do_io() {
        let graph = sample(&[("omadm-server", &["tokio"]), ("tokio", &[])]);
        assert!(dependency_violations(&graph).is_empty());
    }

    #[test]
    fn a_whole_clippy_file_passes_and_each_missing_line_is_found() {
        assert_eq!(clippy_violations("mo", WHOLE), Vec::<String>::new());
        for line in TYPES.iter().chain(&METHODS).chain(&MODULES) {
            let without = WHOLE.replace(line, "std::vec::");
            let found = clippy_violations("mo", &without);
            assert_eq!(found, [format!("mo/clippy.toml does not disallow {line}")]);
        }
    }

    #[test]
    fn a_type_listed_among_the_methods_does_not_count() {
        let swapped = WHOLE
            .replace("-types", "-nothing")
            .replace("-methods", "-types");
        assert!(
            clippy_violations("mo", &swapped)
                .iter()
                .any(|found| found.contains("HashMap"))
        );
    }

    #[test]
    fn an_unreadable_clippy_file_is_found() {
        assert_eq!(clippy_violations("mo", "disallowed-types = [").len(), 1);
    }
}
