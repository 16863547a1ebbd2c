//! Dependencies point one way, from the binary down to the tree.

use super::graph::Graph;

/// The crates from the top down. A crate may depend only on crates of a later row, never on its neighbours.
const ROWS: [&[&str]; 8] = [
    &["omadm"],
    &["omadm-lab"],
    &["omadm-server", "omadm-client", "omadm-carrier"],
    &["omadm-smpp"],
    &["omadm-tls", "omadm-session"],
    &["omadm-bootstrap"],
    &["omadm-card", "omadm-push", "omadm-dm2", "omadm-dm1"],
    &["omadm-mo"],
];

/// Members that look at the others from outside: they may use any crate, and none may use them.
const OBSERVERS: [&str; 3] = ["omadm-tests", "omadm-benches", "omadm-examples"];

/// Members without a place, dependencies that point upwards or sideways, and dependencies on an observer.
pub fn violations(graph: &Graph) -> Vec<String> {
    let mut found = Vec::new();
    for member in graph.members() {
        let from = &member.name;
        let observer = OBSERVERS.contains(&from.as_str());
        let place = row(from);
        if place.is_none() && !observer {
            found.push(format!("{from} has no place in the order of the house"));
            continue;
        }
        for to in member.normal.iter().filter_map(|key| graph.name(key)) {
            if OBSERVERS.contains(&to) {
                found.push(format!("{from} depends on {to}, which only looks on"));
            } else if row(to).zip(place).is_some_and(|(to, from)| to <= from) {
                found.push(format!("{from} depends on {to}, which is not below it"));
            }
        }
    }
    found
}

fn row(name: &str) -> Option<usize> {
    ROWS.iter().position(|row| row.contains(&name))
}

#[cfg(test)]
mod tests {
    use super::super::graph::sample;
    use super::*;

    #[test]
    fn a_dependency_may_skip_rows_downwards() {
        let graph = sample(&[
            ("omadm", &["omadm-mo", "serde"]),
            ("omadm-mo", &[]),
            ("serde", &[]),
        ]);
        assert_eq!(violations(&graph), Vec::<String>::new());
    }

    #[test]
    fn a_dependency_upwards_is_found() {
        let graph = sample(&[("omadm-mo", &["omadm-dm2"]), ("omadm-dm2", &[])]);
        assert_eq!(
            violations(&graph),
            ["omadm-mo depends on omadm-dm2, which is not below it"]
        );
    }

    #[test]
    fn a_dependency_on_a_neighbour_is_found() {
        let graph = sample(&[("omadm-client", &["omadm-server"]), ("omadm-server", &[])]);
        assert_eq!(violations(&graph).len(), 1);
    }

    #[test]
    fn a_member_without_a_place_and_a_dependency_on_an_observer_are_found() {
        let graph = sample(&[
            ("omadm-utils", &[]),
            ("omadm-lab", &["omadm-tests"]),
            ("omadm-tests", &["omadm-mo"]),
            ("omadm-mo", &[]),
        ]);
        assert_eq!(
            violations(&graph),
            [
                "omadm-lab depends on omadm-tests, which only looks on",
                "omadm-utils has no place in the order of the house",
            ]
        );
    }
}
