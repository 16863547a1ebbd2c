//! The data repository (`/repo/…`) as devices see it: each reads its own objects and those that an operator put there for it, and writes its own.

use std::sync::Arc;

use axum::body::Body;
use bytes::Bytes;
use http::header::{CACHE_CONTROL, ETAG, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use omadm_bootstrap::BootstrapFailureCause;
use omadm_dm2::header;
use omadm_dm2::media_type::{MO, MO_READ, is_mo};

use crate::exchange::{Answer, Head, REPOSITORY_PATH, Refusal, of_commit, see_off};
use crate::generations;
use crate::identity::SessionDevice;
use crate::model::{Credential, DeviceChange, Generation, Object, ObjectHead, ObjectOwner};
use crate::node::Node;
use crate::repository::{
    Full, NotPlaced, NotReceived, PATH_OCTETS, Place, RETRIES, Received, Terms, placing, receive,
    serve,
};
use crate::store::CommitError;

/// GET and HEAD give an object; PUT and POST store one under that path, durably before the answer.
pub(super) async fn exchange(
    node: &Node,
    head: &Head,
    mut body: Body,
    kept: &mut Bytes,
) -> Result<Answer, Refusal> {
    head.allow(
        &[Method::GET, Method::HEAD, Method::PUT, Method::POST],
        "GET, HEAD, PUT, POST",
    )?;
    let path = head.path.strip_prefix(REPOSITORY_PATH).unwrap_or_default();
    let path = path.strip_prefix('/').unwrap_or(path);
    if path.len() > PATH_OCTETS {
        return Err(Refusal::plain(
            StatusCode::URI_TOO_LONG,
            format!("a path of the repository has at most {PATH_OCTETS} octets"),
        ));
    }
    if head.method.is_safe() {
        return get(node, head, path).await;
    }
    let stored = put(node, head, &mut body, path, kept).await;
    if let Err(refusal) = &stored
        && !matches!(
            refusal.problem.status,
            StatusCode::BAD_REQUEST | StatusCode::REQUEST_TIMEOUT
        )
    {
        see_off(node, body, node.config.limits.body_octets).await;
    }
    stored
}

async fn get(node: &Node, head: &Head, path: &str) -> Result<Answer, Refusal> {
    let device = SessionDevice::of(node, head).await?;
    let dev_id = device.dev_id();
    unreplaced(&device)?;
    if let Some(secret) = generations::document(node, dev_id, path).await? {
        head.acceptable(MO).map_err(|refusal| refusal.by(dev_id))?;
        let mut answer = Answer::ok(MO, Bytes::copy_from_slice(secret.expose()));
        let unkept = HeaderValue::from_static("no-store");
        answer.headers.push((CACHE_CONTROL, unkept));
        return Ok(answer);
    }
    let object = node.store.object(dev_id, path).await?.ok_or_else(|| {
        Refusal::plain(
            StatusCode::NOT_FOUND,
            format!("this device has nothing at {}", head.path),
        )
    })?;
    head.acceptable(&object.head.media_type)
        .map_err(|refusal| refusal.by(dev_id))?;
    let place = enter(node, &device)?;
    let served = serve(
        &node.store,
        dev_id,
        object,
        &head.method,
        &head.headers,
        place,
    );
    if served.status == StatusCode::RANGE_NOT_SATISFIABLE {
        let mut refusal = Refusal::plain(served.status, "the object ends before this range");
        refusal.problem.headers = served.headers;
        return Err(refusal);
    }
    Ok(Answer {
        headers: served.headers,
        stream: Some(served.body),
        ..Answer::empty(served.status)
    })
}

async fn put(
    node: &Node,
    head: &Head,
    body: &mut Body,
    path: &str,
    kept: &mut Bytes,
) -> Result<Answer, Refusal> {
    let octets = node.config.limits.repository_upload_octets;
    if head
        .announced()
        .is_some_and(|announced| announced > octets as u64)
    {
        return Err(not_received(node, NotReceived::TooLarge(octets)));
    }
    let mut device = SessionDevice::of(node, head).await?;
    let dev_id = device.dev_id().clone();
    unreplaced(&device)?;
    if !is_mo(head.content_type()) {
        let detail = format!("{:?} is no MO serialization; {MO} is", head.content_type());
        let understood = HeaderValue::from_str(&MO_READ.join(", "));
        let mut refusal = Refusal::plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail).by(&dev_id);
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(header::ACCEPT), understood) {
            refusal = refusal.with_header(name, value);
        }
        return Err(refusal);
    }
    let _place = enter(node, &device)?;
    let terms = Terms { octets, json: true };
    let received = receive(node, &dev_id, body, terms)
        .await
        .map_err(|error| not_received(node, error).by(&dev_id))?;
    kept.clone_from(received.document.as_ref().unwrap_or(&Bytes::new()));
    let object = Object {
        head: ObjectHead {
            path: path.to_owned(),
            owner: ObjectOwner::Device,
            media_type: MO.to_owned(),
            octets: received.octets,
            etag: Some(received.etag.clone()),
            at: head.now,
        },
        content: received.content.clone(),
    };
    for _again in 0..=RETRIES {
        let delta = placing(
            node,
            &dev_id,
            device.device().epoch,
            &object,
            &head.correlation,
        );
        let mut delta = delta.await.map_err(|error| not_placed(error).by(&dev_id))?;
        delta.device.push(DeviceChange::Seen);
        match node.store.commit(delta).await {
            Ok(_) => return Ok(stored(received)),
            // What the identity was judged by may be what changed.
            Err(CommitError::Conflict) => device = SessionDevice::of(node, head).await?,
            Err(error) => return Err(of_commit(node, error)),
        }
    }
    Err(of_commit(node, CommitError::Conflict))
}

/// 403 for a credential that was replaced: before anything else the device reports, in a session, the bootstrap that brought it back (D83).
fn unreplaced(device: &SessionDevice) -> Result<(), Refusal> {
    let replaced = |credential: &Credential| credential.generation == Generation::Boot;
    if device.credential().is_some_and(replaced) {
        let detail = "this credential was replaced by a newer one";
        let about = Some(device.dev_id());
        return Err(Refusal::of(
            StatusCode::FORBIDDEN,
            BootstrapFailureCause::CredentialReplaced,
            about,
            detail,
        ));
    }
    Ok(())
}

fn stored(received: Received) -> Answer {
    let mut answer = Answer::empty(StatusCode::NO_CONTENT);
    let etag = HeaderValue::from_str(&format!("\"{}\"", received.etag));
    answer.headers.extend(etag.map(|etag| (ETAG, etag)));
    received.kept();
    answer
}

fn enter(node: &Node, device: &SessionDevice) -> Result<Place, Refusal> {
    let places = Arc::clone(&node.transfers);
    places.enter(device.dev_id()).map_err(|full| {
        let refusal = Refusal::from(node.over_capacity());
        match full {
            Full::Node => refusal,
            Full::Device => {
                refusal.advising("The device has as many transfers under way as it may have.")
            }
        }
    })
}

fn not_received(node: &Node, error: NotReceived) -> Refusal {
    let status = match error {
        NotReceived::TooLarge(_) => StatusCode::PAYLOAD_TOO_LARGE,
        NotReceived::TooSlow => StatusCode::REQUEST_TIMEOUT,
        NotReceived::Cut | NotReceived::NotJson(_) => StatusCode::BAD_REQUEST,
        NotReceived::Commit(error) => return of_commit(node, error),
        NotReceived::NoRandomness(_) => StatusCode::INTERNAL_SERVER_ERROR,
    };
    Refusal::plain(status, error.to_string())
}

fn not_placed(error: NotPlaced) -> Refusal {
    match error {
        NotPlaced::TooMany(_) | NotPlaced::TooMuch(_) => {
            Refusal::plain(StatusCode::INSUFFICIENT_STORAGE, error.to_string())
        }
        NotPlaced::NotItsOwn => Refusal::plain(StatusCode::FORBIDDEN, error.to_string()),
        NotPlaced::Store(error) => error.into(),
    }
}
