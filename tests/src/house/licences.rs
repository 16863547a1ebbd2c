//! Every package may be used under licences that ask no more than attribution, or keep their demands to their own files.

use spdx::{Expression, ParseMode};

use super::graph::{Graph, Package};

/// SPDX terms that may be relied on. An `OR` needs one of them, an `AND` needs all its sides.
const ALLOWED: [&str; 14] = [
    "0BSD",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "CC0-1.0",
    "CDLA-Permissive-2.0",
    "ISC",
    "MIT",
    "MPL-2.0",
    "OpenSSL",
    "Unicode-3.0",
    "Unlicense",
    "Zlib",
];

/// Packages without a licence expression, with one that cannot be read, or with one that the list does not satisfy.
pub fn violations(graph: &Graph) -> Vec<String> {
    graph.packages.values().filter_map(violation).collect()
}

fn violation(package: &Package) -> Option<String> {
    let name = &package.name;
    let Some(written) = &package.licence else {
        return Some(format!("{name} names no licence expression"));
    };
    // The slash for OR is older than SPDX expressions in manifests and means the same.
    let mode = ParseMode {
        allow_slash_as_or_operator: true,
        ..ParseMode::STRICT
    };
    match Expression::parse_mode(written, mode) {
        Err(_) => Some(format!("{name}: {written:?} is not a licence expression")),
        Ok(expression) => {
            let allowed = |term: &spdx::LicenseReq| ALLOWED.contains(&term.to_string().as_str());
            (!expression.evaluate(allowed))
                .then(|| format!("{name}: {written} is not on the list of allowed licences"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(licence: &str) -> bool {
        let package = Package {
            licence: Some(licence.to_owned()),
            ..Package::default()
        };
        violation(&package).is_some()
    }

    #[test]
    fn one_allowed_side_satisfies_or_and_every_side_satisfies_and() {
        assert!(!refused("MIT OR GPL-3.0-only"));
        assert!(!refused("MIT/Apache-2.0"));
        assert!(!refused("ISC AND (Apache-2.0 OR BSL-1.0)"));
        assert!(!refused("Apache-2.0 WITH LLVM-exception"));
        assert!(refused("MIT AND GPL-3.0-only"));
        assert!(refused("MIT AND (BSL-1.0 OR AGPL-3.0-only)"));
    }

    #[test]
    fn a_licence_off_the_list_is_found() {
        assert!(refused("GPL-2.0-only"));
        assert!(refused("LGPL-2.1-or-later"));
        assert!(refused("Apache-2.0 WITH Classpath-exception-2.0"));
    }

    #[test]
    fn every_entry_of_the_list_is_a_licence_expression_that_passes() {
        for entry in ALLOWED {
            assert!(!refused(entry), "{entry}");
        }
    }

    #[test]
    fn a_missing_or_unreadable_licence_is_found() {
        assert!(violation(&Package::default()).is_some());
        assert!(refused("see LICENSE"));
        assert!(refused(""));
    }
}
