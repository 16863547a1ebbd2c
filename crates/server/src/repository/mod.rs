//! The data repository: what devices upload by HPUT, HPOST and SUB, and fetch by HGET. It lies in the store, so any node gives what another took. An
//! object is received and given piece by piece; no body is ever in memory as a whole.

mod places;
mod placing;
mod receive;
mod serve;

use std::time::Duration;

pub(crate) use places::{Full, Place, Places};
pub(crate) use placing::{NotPlaced, is_plain_path, placing};
pub(crate) use receive::{NotReceived, Received, Terms, receive};
pub(crate) use serve::serve;

use crate::exchange::REPOSITORY_PATH;
use crate::node::Node;
use crate::store::CommitError;

/// Longest path below `/repo/`, in octets.
pub(crate) const PATH_OCTETS: usize = 512;
/// How often an object is put in place again after other commits of the device came between.
pub(crate) const RETRIES: usize = 8;
/// An upload of which nothing came for so long is given up with its pieces.
const ORPHANED: Duration = Duration::from_secs(3600);

/// The URL under which the device reaches what lies under this path.
pub(crate) fn url(node: &Node, path: &str) -> String {
    format!("https://{}{REPOSITORY_PATH}/{path}", node.public_server)
}

/// Gives up uploads that nobody goes on with: their server was killed.
pub(crate) async fn sweep(node: &Node) -> Result<(), CommitError> {
    let ago = i64::try_from(ORPHANED.as_millis()).unwrap_or(i64::MAX);
    let since = node.now().plus_millis(-ago);
    node.store.sweep_uploads(since).await
}
