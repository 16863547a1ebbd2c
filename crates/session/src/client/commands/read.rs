use omadm_dm2::{Status, StatusCode, media_type};
use omadm_mo::client_uri::Sight as _;
use omadm_mo::ddf::AccessTypes;
use omadm_mo::json::{Json, JsonLimits};
use omadm_mo::serialization::{readable, write_item};
use omadm_mo::{ClientUri, Node, NodeAddress, NodeKind, Rights, ServerUri, Value};

use super::{MakeEffect, Need, Progress, Terms, done, matches, tree_status};
use crate::client::effect::UploadMethod;
use crate::client::rights::ServerSight;

/// GET: the result stands in the command's own status (D12).
pub(super) fn get(sight: &ServerSight<'_>, uris: &[ClientUri], limits: JsonLimits) -> Status {
    match items(sight, uris) {
        Err(code) => Status::new(code),
        Ok(items) => {
            let octets: usize = items.iter().map(|item| item.to_compact().len()).sum();
            if octets > limits.octets {
                return Status::new(StatusCode::TOO_LARGE);
            }
            Status::new(StatusCode::OK).with_result(items)
        }
    }
}

/// HPUT and HPOST: one body for all ClientURIs; nothing is sent where one of them fails (D17).
pub(super) fn upload(
    sight: &ServerSight<'_>,
    method: UploadMethod,
    to: &ServerUri,
    uris: &[ClientUri],
    terms: Terms<'_>,
) -> Progress {
    let items = match items(sight, uris) {
        Err(code) => return done(code),
        Ok(items) => items,
    };
    // The server named what it takes, and nothing of it can be sent (§3.2).
    let Some(media_type) = media_type::mo_for(terms.omadm_accept) else {
        return done(StatusCode::NOT_ACCEPTABLE);
    };
    let body = Json::Array(items).to_compact().into_bytes();
    Progress::Wait(
        MakeEffect::Upload(method, to.clone(), media_type, body),
        Need::Uploaded,
    )
}

/// One item a resolved node; 304 where every validator still holds (D34), 204 where there is a leaf without value and nothing else (D77).
pub(super) fn items(sight: &ServerSight<'_>, uris: &[ClientUri]) -> Result<Vec<Json>, StatusCode> {
    let mut items = Vec::new();
    let (mut unchanged, mut valueless) = (false, false);
    for uri in uris {
        if let Some(at) = uri.exact()
            && uri.cv.is_none()
        {
            match exact(sight, &at)? {
                Shown::Item(item) => items.push(item),
                Shown::NoValue => valueless = true,
            }
            continue;
        }
        // A validator counts where all nodes are of one instance: it is judged before any of them is shown.
        let nodes: Box<dyn Iterator<Item = _>> = if uri.cv.is_none() {
            Box::new(matches(sight, uri)?)
        } else {
            let all: Vec<_> = matches(sight, uri)?.collect::<Result<_, _>>()?;
            if is_unchanged(sight, uri, &all)? {
                unchanged = true;
                continue;
            }
            Box::new(all.into_iter().map(Ok))
        };
        let several = uri.is_pattern();
        let (mut shown, mut first) = (0, None);
        for at in nodes {
            match item(sight, &at?) {
                Ok(Shown::Item(item)) => {
                    items.push(item);
                    shown += 1;
                }
                Ok(Shown::NoValue) => {
                    valueless = true;
                    shown += 1;
                }
                Err(code) if several => first = first.or(Some(code)),
                Err(code) => return Err(code),
            }
        }
        if let (0, Some(code)) = (shown, first) {
            return Err(code);
        }
    }
    match (items.is_empty(), valueless, unchanged) {
        (false, ..) => Ok(items),
        (true, true, _) => Err(StatusCode::NO_CONTENT),
        (true, false, true) => Err(StatusCode::NOT_MODIFIED),
        (true, false, false) => Ok(items),
    }
}

/// One node by its address. Whether it stands shows when it is read; only where it is not, that is asked for: what is not there is 404 before anything else.
fn exact(sight: &ServerSight<'_>, at: &NodeAddress) -> Result<Shown, StatusCode> {
    if !sight.permits(&at.moid) {
        return Err(StatusCode::FORBIDDEN);
    }
    if !sight.sees(&at.moid, &at.miid) {
        return Err(StatusCode::NOT_FOUND);
    }
    item(sight, at).map_err(|code| match sight.view.kind(at) {
        Ok(None) => StatusCode::NOT_FOUND,
        Ok(Some(_)) => code,
        Err(error) => tree_status(&error),
    })
}

enum Shown {
    Item(Json),
    NoValue,
}

fn item(sight: &ServerSight<'_>, at: &NodeAddress) -> Result<Shown, StatusCode> {
    if !sight.rights(&at.moid, &at.miid).has(Rights::READ) {
        return Err(StatusCode::FORBIDDEN);
    }
    let ddf = sight.registry.get(&at.moid).ok_or(StatusCode::NOT_FOUND)?;
    let described = ddf.node(&at.path);
    let allowed = described.is_none_or(|node| node.access().has(AccessTypes::GET));
    if !allowed || !ddf.is_readable(&at.path) {
        return Err(StatusCode::NOT_ALLOWED);
    }
    let node = sight
        .view
        .subtree(at)
        .map_err(|error| tree_status(&error))?
        .ok_or(StatusCode::NOT_FOUND)?;
    if node == Node::Leaf(Value::Null)
        && described.is_some_and(|d| d.format() != omadm_mo::Format::Null)
    {
        return Ok(Shown::NoValue);
    }
    let node = readable(&node, described).ok_or(StatusCode::NOT_ALLOWED)?;
    let root_name = sight
        .registry
        .root_name(&at.moid)
        .unwrap_or_else(|| at.miid.as_str());
    let name = at
        .path
        .names()
        .last()
        .map_or(root_name, |name| name.as_str());
    let validator = if at.path.is_root() && node.kind() == NodeKind::Interior {
        sight
            .view
            .validator(&at.moid, &at.miid)
            .map_err(|error| tree_status(&error))?
    } else {
        None
    };
    let url = at.path.is_root().then(|| ddf.url()).flatten();
    Ok(Shown::Item(write_item(
        &ClientUri::of(at),
        name,
        &node,
        described,
        url,
        validator.as_ref(),
    )))
}

/// Whether the server's validator is the instance's (§10); with several instances `cv` does not count (D34).
fn is_unchanged(
    sight: &ServerSight<'_>,
    uri: &ClientUri,
    nodes: &[NodeAddress],
) -> Result<bool, StatusCode> {
    let (Some(cv), Some(first)) = (&uri.cv, nodes.first()) else {
        return Ok(false);
    };
    if nodes.iter().any(|at| at.miid != first.miid)
        || !sight.rights(&first.moid, &first.miid).has(Rights::READ)
    {
        return Ok(false);
    }
    let validator = sight
        .view
        .validator(&first.moid, &first.miid)
        .map_err(|error| tree_status(&error))?;
    Ok(validator.as_ref() == Some(cv))
}
