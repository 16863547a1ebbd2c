//! The data repository: what devices upload by HPUT, HPOST and SUB, and fetch by HGET. It lies in the store, so any node gives what another took. An
//! object is received and given piece by piece; no body is ever in memory as a whole.

mod places;
mod placing;
mod receive;
mod serve;

use std::time::Duration;

use omadm_mo::{DevId, ServerUri};

pub(crate) use places::{Full, Place, Places};
pub(crate) use placing::{NotPlaced, is_plain_path, placing};
pub(crate) use receive::{NotReceived, Received, Terms, receive};
pub(crate) use serve::serve;

use crate::exchange::REPOSITORY_PATH;
use crate::model::{CommandId, Object, ObjectContent};
use crate::node::Node;
use crate::store::{CommitError, StoreError};

/// Longest path below `/repo/`, in octets.
pub(crate) const PATH_OCTETS: usize = 512;
/// Where documents of queued commands lie, by their ids.
pub(crate) const COMMANDS: &str = "cmd/";
/// How often an object is put in place again after other commits of the device came between.
pub(crate) const RETRIES: usize = 8;
/// An upload of which nothing came for so long is given up with its pieces.
const ORPHANED: Duration = Duration::from_secs(3600);

/// The URL under which the device reaches what lies under this path.
pub(crate) fn url(node: &Node, path: &str) -> String {
    format!("https://{}{REPOSITORY_PATH}/{path}", node.public_server)
}

/// Where the document of a queued command lies, while its device has not answered it.
pub(crate) fn command_url(node: &Node, id: &CommandId) -> String {
    url(node, &format!("{COMMANDS}{id}"))
}

/// The path of an object of this repository, as the device stores it under that URL; none of another server's.
pub(crate) fn path_of<'a>(node: &Node, url: &'a ServerUri) -> Option<&'a str> {
    let below = url
        .as_str()
        .strip_prefix("https://")?
        .strip_prefix(node.public_server.as_str())?
        .strip_prefix(REPOSITORY_PATH)?
        .strip_prefix('/')?;
    is_plain_path(below).then_some(below)
}

/// The whole content of an object, for one that is short; none where it was replaced or removed meanwhile.
pub(crate) async fn content(
    node: &Node,
    dev_id: &DevId,
    object: Object,
) -> Result<Option<Vec<u8>>, StoreError> {
    let upload = match object.content {
        ObjectContent::Whole(content) => return Ok(Some(content)),
        ObjectContent::Pieces(upload) => upload,
    };
    let mut whole = Vec::new();
    let mut nr = 0;
    while (whole.len() as u64) < object.head.octets {
        let Some(piece) = node.store.piece(dev_id, &upload, nr).await? else {
            return Ok(None);
        };
        whole.extend_from_slice(&piece);
        nr += 1;
    }
    Ok(Some(whole))
}

/// Gives up uploads that nobody goes on with: their server was killed.
pub(crate) async fn sweep(node: &Node) -> Result<(), CommitError> {
    let ago = i64::try_from(ORPHANED.as_millis()).unwrap_or(i64::MAX);
    let since = node.now().plus_millis(-ago);
    node.store.sweep_uploads(since).await
}
