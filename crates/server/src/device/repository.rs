//! The data repository (`/repo/…`): what devices upload by HPUT and HPOST, and fetch by HGET. It lies in the store, so any node gives what another took.
//! Each device reaches its own objects alone.

use axum::body::Body;
use bytes::Bytes;
use http::{Method, StatusCode};
use omadm_dm2::media_type::{MO, is_mo};

use crate::exchange::{Answer, Head, REPOSITORY_PATH, Refusal, of_commit};
use crate::identity::SessionDevice;
use crate::model::{DeviceChange, ExchangeDelta, ObjectChange};
use crate::node::Node;
use crate::store::CommitError;

/// Longest path below `/repo/`, in octets.
const PATH_OCTETS: usize = 512;
/// How often an object is stored again after other commits of the device came between.
const RETRIES: usize = 8;

/// GET gives an object of the device; PUT and POST store one under that path, durably before the answer.
pub(super) async fn exchange(
    node: &Node,
    head: &Head,
    body: Body,
    kept: &mut Bytes,
) -> Result<Answer, Refusal> {
    head.allow(&[Method::GET, Method::PUT, Method::POST], "GET, PUT, POST")?;
    let limit = node.config.limits.repository_object_octets;
    let body = head.read_body(node, body, limit).await?;
    kept.clone_from(&body);
    let mut device = SessionDevice::of(node, head).await?;
    let dev_id = device.dev_id().clone();
    let path = head.path.strip_prefix(REPOSITORY_PATH).unwrap_or_default();
    let path = path.strip_prefix('/').unwrap_or(path);
    if path.len() > PATH_OCTETS {
        return Err(Refusal::plain(
            StatusCode::URI_TOO_LONG,
            format!("a path of the repository has at most {PATH_OCTETS} octets"),
        ));
    }
    if head.method == Method::GET {
        head.acceptable(MO).map_err(|refusal| refusal.by(&dev_id))?;
        let object = node.store.object(&dev_id, path).await?.ok_or_else(|| {
            Refusal::plain(
                StatusCode::NOT_FOUND,
                format!("this device has nothing at {}", head.path),
            )
        })?;
        return Ok(Answer::ok(MO, object.into()));
    }
    if !is_mo(head.content_type()) {
        let detail = format!("{:?} is no MO serialization; {MO} is", head.content_type());
        return Err(Refusal::plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail).by(&dev_id));
    }
    omadm_mo::json::Json::read(&body, node.json_limits()).map_err(|cause| {
        Refusal::plain(
            StatusCode::BAD_REQUEST,
            format!("the body is not acceptable JSON: {cause}"),
        )
        .by(&dev_id)
    })?;
    for _again in 0..RETRIES {
        match put(node, head, &device, path, &body).await? {
            Put::Stored => return Ok(Answer::empty(StatusCode::NO_CONTENT)),
            // What the identity was judged by may be what changed.
            Put::Conflict => device = SessionDevice::of(node, head).await?,
        }
    }
    Err(of_commit(node, CommitError::Conflict))
}

/// What became of an object.
enum Put {
    /// It is durable.
    Stored,
    /// The device moved on in between; nothing was kept.
    Conflict,
}

async fn put(
    node: &Node,
    head: &Head,
    device: &SessionDevice,
    path: &str,
    content: &[u8],
) -> Result<Put, Refusal> {
    let dev_id = device.dev_id();
    // Read behind the epoch that the delta commits at, so the limit is exact on several nodes too.
    let paths = node.store.object_paths(dev_id).await?;
    let most = node.config.limits.repository_objects;
    if paths.len() >= most && !paths.iter().any(|known| known == path) {
        let detail = format!("the repository keeps at most {most} objects of a device");
        return Err(Refusal::plain(StatusCode::INSUFFICIENT_STORAGE, detail).by(dev_id));
    }
    let mut delta = ExchangeDelta::new(dev_id.clone(), Some(device.device().epoch), head.now);
    delta.device.push(DeviceChange::Seen);
    delta.objects.push(ObjectChange::Put {
        path: path.to_owned(),
        content: content.to_vec(),
    });
    match node.store.commit(delta).await {
        Ok(_) => Ok(Put::Stored),
        Err(CommitError::Conflict) => Ok(Put::Conflict),
        Err(error) => Err(of_commit(node, error)),
    }
}
