use omadm_bootstrap::{PayloadHash, Subscription};
use omadm_dm2::{StatusCode, SubscriptionUri, media_type};
use omadm_mo::json::Json;
use omadm_mo::{ClientUri, ServerUri};

use super::{Progress, Terms, done, read, remembered};
use crate::client::rights::ServerSight;

/// Most subscriptions of one server; 507 beyond. A local limit: each is looked at after every change.
const MOST: usize = 64;

/// Whether a server may subscribe a ClientURI: what it reports now, and in which media type.
pub(super) fn permitted(
    sight: &ServerSight<'_>,
    client: &SubscriptionUri,
    terms: Terms<'_>,
) -> Result<(Vec<u8>, &'static str), StatusCode> {
    let body = body(sight, client.uri())?;
    let media_type = media_type::mo_for(terms.omadm_accept).ok_or(StatusCode::NOT_ACCEPTABLE)?;
    let account = sight.account;
    if account.subscription(client.as_str()).is_none() && account.subscriptions.len() >= MOST {
        return Err(StatusCode::NO_ROOM);
    }
    Ok((body, media_type))
}

/// SUB: the same ClientURI again has its ServerURI replaced (D22); a report that is due stays due.
pub(super) fn subscribe(
    sight: &ServerSight<'_>,
    server: &ServerUri,
    client: &SubscriptionUri,
    terms: Terms<'_>,
) -> Progress {
    let (body, media_type) = match permitted(sight, client, terms) {
        Ok(permitted) => permitted,
        Err(code) => return done(code),
    };
    let mut account = sight.account.clone();
    let known = account
        .subscriptions
        .iter_mut()
        .find(|one| one.client == client.as_str());
    match known {
        Some(known) => {
            known.server = server.clone();
            media_type.clone_into(&mut known.media_type);
            known.attempts = 0;
            known.not_before = None;
        }
        None => account.subscriptions.push(Subscription {
            client: client.as_str().to_owned(),
            server: server.clone(),
            media_type: media_type.to_owned(),
            reported: PayloadHash::of(&body),
            attempts: 0,
            not_before: None,
        }),
    }
    remembered(sight, vec![account])
}

/// UNSUB: the very text of an earlier SUB of this server, else 404 (D23).
pub(super) fn unsubscribe(sight: &ServerSight<'_>, client: &SubscriptionUri) -> Progress {
    if !sight.permits(&client.uri().moid) {
        return done(StatusCode::FORBIDDEN);
    }
    let mut account = sight.account.clone();
    account
        .subscriptions
        .retain(|one| one.client != client.as_str());
    if account.subscriptions.len() == sight.account.subscriptions.len() {
        return done(StatusCode::NOT_FOUND);
    }
    remembered(sight, vec![account])
}

/// The body of the report that a subscription makes now (D22): every node the ClientURI resolves to, an empty array where there is none any more.
///
/// # Errors
/// 403 where the server may not read it, 500 where the tree cannot be read.
pub(in crate::client) fn report(
    sight: &ServerSight<'_>,
    uri: &ClientUri,
) -> Result<Vec<u8>, StatusCode> {
    match body(sight, uri) {
        Err(StatusCode::NOT_FOUND) => Ok(b"[]".to_vec()),
        other => other,
    }
}

/// A validator in the ClientURI would make the report depend on what the server knew at SUB time, so it does not count.
fn body(sight: &ServerSight<'_>, uri: &ClientUri) -> Result<Vec<u8>, StatusCode> {
    let uri = ClientUri {
        cv: None,
        ..uri.clone()
    };
    match read::items(sight, std::slice::from_ref(&uri)) {
        Ok(items) => Ok(Json::Array(items).to_compact().into_bytes()),
        Err(StatusCode::NO_CONTENT) => Ok(b"[]".to_vec()),
        Err(StatusCode::NOT_ALLOWED) => Err(StatusCode::FORBIDDEN),
        Err(code) => Err(code),
    }
}
