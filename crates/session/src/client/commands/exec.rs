use omadm_dm2::StatusCode;
use omadm_mo::ddf::AccessTypes;
use omadm_mo::{ClientUri, Rights};

use super::{MakeEffect, Need, Progress, done, resolve};
use crate::client::rights::ServerSight;

/// EXEC without ServerURI: exactly one node (D30), with the right, and executable by its DDF.
pub(super) fn exec(sight: &ServerSight<'_>, uri: &ClientUri) -> Progress {
    let nodes = match resolve(sight, uri) {
        Ok(nodes) => nodes,
        Err(code) => return done(code),
    };
    let [at] = nodes.as_slice() else {
        return done(StatusCode::BAD_REQUEST);
    };
    if !sight.rights(&at.moid, &at.miid).has(Rights::EXECUTE) {
        return done(StatusCode::FORBIDDEN);
    }
    let described = sight
        .registry
        .get(&at.moid)
        .and_then(|ddf| ddf.node(&at.path));
    if !described.is_some_and(|node| node.access().has(AccessTypes::EXEC)) {
        return done(StatusCode::NOT_ALLOWED);
    }
    Progress::Wait(MakeEffect::Exec(at.clone()), Need::Executed)
}
