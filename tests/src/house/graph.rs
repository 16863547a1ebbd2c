//! The packages of the workspace and of everything it depends on, as `cargo metadata` tells them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use cargo_metadata::{CargoOpt, DependencyKind, Metadata, MetadataCommand};

/// One package of the resolved graph.
#[derive(Clone, Debug, Default)]
pub struct Package {
    /// Its name on the registry or in the workspace.
    pub name: String,
    /// Its licence expression, absent where the manifest has none.
    pub licence: Option<String>,
    /// Whether it belongs to this workspace.
    pub member: bool,
    /// Keys of its normal dependencies, on every platform: no build and no dev-dependencies.
    pub normal: BTreeSet<String>,
}

/// Packages by an opaque key that tells versions of one name apart.
#[derive(Clone, Debug, Default)]
pub struct Graph {
    /// Every package of the graph, dev- and build-dependencies included.
    pub packages: BTreeMap<String, Package>,
}

impl Graph {
    /// Reads the graph of the workspace at `root`, with all features, for all platforms.
    ///
    /// # Errors
    /// When cargo cannot resolve the workspace; without network, when `cargo fetch` has not run.
    pub fn read(root: &Path) -> Result<Self, cargo_metadata::Error> {
        let metadata = MetadataCommand::new()
            .manifest_path(root.join("Cargo.toml"))
            .features(CargoOpt::AllFeatures)
            .exec()?;
        Ok(Self::from(&metadata))
    }

    /// The members of the workspace.
    pub fn members(&self) -> impl Iterator<Item = &Package> {
        self.packages.values().filter(|package| package.member)
    }

    /// Every package that `name` reaches by normal dependencies, itself left out.
    pub fn closure(&self, name: &str) -> BTreeSet<&str> {
        let own = self
            .packages
            .values()
            .filter(|package| package.name == name);
        let mut open: Vec<&String> = own.flat_map(|package| &package.normal).collect();
        let mut keys = BTreeSet::new();
        while let Some(key) = open.pop() {
            if keys.insert(key) {
                open.extend(
                    self.packages
                        .get(key)
                        .into_iter()
                        .flat_map(|package| &package.normal),
                );
            }
        }
        keys.into_iter().filter_map(|key| self.name(key)).collect()
    }

    /// The name of the package under `key`.
    pub fn name(&self, key: &str) -> Option<&str> {
        self.packages.get(key).map(|package| package.name.as_str())
    }
}

impl From<&Metadata> for Graph {
    fn from(metadata: &Metadata) -> Self {
        let mut packages = BTreeMap::new();
        for package in &metadata.packages {
            packages.insert(
                package.id.repr.clone(),
                Package {
                    name: package.name.to_string(),
                    licence: package.license.clone(),
                    member: metadata.workspace_members.contains(&package.id),
                    normal: BTreeSet::new(),
                },
            );
        }
        for node in metadata.resolve.iter().flat_map(|resolve| &resolve.nodes) {
            let normal = node.deps.iter().filter(|dep| {
                dep.dep_kinds
                    .iter()
                    .any(|kind| kind.kind == DependencyKind::Normal)
            });
            if let Some(package) = packages.get_mut(&node.id.repr) {
                package.normal = normal.map(|dep| dep.pkg.repr.clone()).collect();
            }
        }
        Self { packages }
    }
}

/// A graph of members and foreign packages, each `(name, its normal dependencies)`, for tests of the rules.
#[cfg(test)]
pub(crate) fn sample(packages: &[(&str, &[&str])]) -> Graph {
    let entry = |(name, normal): &(&str, &[&str])| {
        let package = Package {
            name: (*name).to_owned(),
            licence: Some("MIT".to_owned()),
            member: name.starts_with("omadm"),
            normal: normal.iter().map(|&to| to.to_owned()).collect(),
        };
        ((*name).to_owned(), package)
    };
    Graph {
        packages: packages.iter().map(entry).collect(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_closure_follows_every_normal_dependency_once_even_round_a_cycle() {
        let graph = sample(&[
            ("omadm-mo", &["a"]),
            ("a", &["b"]),
            ("b", &["a"]),
            ("c", &[]),
        ]);
        assert_eq!(graph.closure("omadm-mo"), BTreeSet::from(["a", "b"]));
        assert!(graph.closure("unknown").is_empty());
    }
}
