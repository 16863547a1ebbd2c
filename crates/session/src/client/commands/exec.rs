use omadm_dm2::StatusCode;
use omadm_mo::ddf::AccessTypes;
use omadm_mo::{ClientUri, NodeAddress, Rights};

use super::resolve;
use crate::client::rights::ServerSight;

/// What an EXEC runs: exactly one node (D30), with the right, and executable by its DDF.
pub(super) fn executable(
    sight: &ServerSight<'_>,
    uri: &ClientUri,
) -> Result<NodeAddress, StatusCode> {
    let nodes = resolve(sight, uri)?;
    let [at] = nodes.as_slice() else {
        return Err(StatusCode::BAD_REQUEST);
    };
    if !sight.rights(&at.moid, &at.miid).has(Rights::EXECUTE) {
        return Err(StatusCode::FORBIDDEN);
    }
    let described = sight
        .registry
        .get(&at.moid)
        .and_then(|ddf| ddf.node(&at.path));
    if !described.is_some_and(|node| node.access().has(AccessTypes::EXEC)) {
        return Err(StatusCode::NOT_ALLOWED);
    }
    Ok(at.clone())
}
