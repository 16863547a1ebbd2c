//! The rules of the house as functions over data. Each returns one sentence per violation; none means the rule holds.

pub mod files;
pub mod graph;
pub mod layers;
pub mod licences;
pub mod purity;

use std::path::Path;

/// The root of the workspace.
pub fn root() -> &'static Path {
    let member = Path::new(env!("CARGO_MANIFEST_DIR"));
    member.parent().unwrap_or(member)
}
