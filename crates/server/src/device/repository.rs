//! The data repository (`/repo/…`): what devices upload by HPUT and HPOST, and fetch by HGET. Each device reaches its own objects alone.

use std::io;
use std::path::PathBuf;

use aws_lc_rs::digest::{SHA256, digest};
use axum::body::Body;
use bytes::Bytes;
use http::{Method, StatusCode};
use omadm_dm2::media_type::{MO, is_mo};
use omadm_mo::DevId;
use tokio::fs;

use crate::exchange::{Answer, Head, REPOSITORY_PATH, Refusal};
use crate::identity::SessionDevice;
use crate::node::Node;

/// Longest path below `/repo/`, in octets.
const PATH_OCTETS: usize = 512;

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
    let device = SessionDevice::of(node, head).await?;
    let dev_id = device.dev_id();
    let name = head.path.strip_prefix(REPOSITORY_PATH).unwrap_or_default();
    if name.len() > PATH_OCTETS {
        return Err(Refusal::plain(
            StatusCode::URI_TOO_LONG,
            format!("a path of the repository has at most {PATH_OCTETS} octets"),
        ));
    }
    let folder = node
        .state
        .repository_path()
        .join(hex(dev_id.as_str().as_bytes()));
    let object = folder.join(hex(name.as_bytes()));
    if head.method == Method::GET {
        head.acceptable(MO).map_err(|refusal| refusal.by(dev_id))?;
        return match fs::read(&object).await {
            Ok(content) => Ok(Answer::ok(MO, content.into())),
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => Err(Refusal::plain(
                StatusCode::NOT_FOUND,
                format!("this device has nothing at {}", head.path),
            )),
            Err(cause) => Err(failed(&cause, dev_id)),
        };
    }
    if !is_mo(head.content_type()) {
        let detail = format!("{:?} is no MO serialization; {MO} is", head.content_type());
        return Err(Refusal::plain(StatusCode::UNSUPPORTED_MEDIA_TYPE, detail).by(dev_id));
    }
    omadm_mo::json::Json::read(&body, node.json_limits()).map_err(|cause| {
        Refusal::plain(
            StatusCode::BAD_REQUEST,
            format!("the body is not acceptable JSON: {cause}"),
        )
        .by(dev_id)
    })?;
    let most = node.config.limits.repository_objects;
    let stored = tokio::task::spawn_blocking(move || store(&folder, &object, &body, most)).await;
    match stored {
        Ok(Ok(true)) => Ok(Answer::empty(StatusCode::NO_CONTENT)),
        Ok(Ok(false)) => {
            let detail = format!("the repository keeps at most {most} objects of a device");
            Err(Refusal::plain(StatusCode::INSUFFICIENT_STORAGE, detail).by(dev_id))
        }
        Ok(Err(cause)) => Err(failed(&cause, dev_id)),
        Err(cause) => Err(failed(&io::Error::other(cause), dev_id)),
    }
}

/// Stores an object whole and durably; false where the device has too many already.
fn store(folder: &PathBuf, object: &PathBuf, content: &[u8], most: usize) -> io::Result<bool> {
    use std::fs::{self, File};
    use std::io::Write as _;

    fs::create_dir_all(folder)?;
    if !object.exists() && fs::read_dir(folder)?.count() >= most {
        return Ok(false);
    }
    let temporary = object.with_extension("new");
    let mut file = File::create(&temporary)?;
    file.write_all(content)?;
    file.sync_all()?;
    fs::rename(&temporary, object)?;
    File::open(folder)?.sync_all()?;
    Ok(true)
}

fn failed(cause: &io::Error, dev_id: &DevId) -> Refusal {
    tracing::error!(%cause, device = %dev_id, "the data repository failed");
    Refusal::plain(
        StatusCode::INTERNAL_SERVER_ERROR,
        "the data repository could not read or write; the server's log tells why",
    )
}

/// A file name for any text: no path of a peer reaches the file system.
fn hex(text: &[u8]) -> String {
    digest(&SHA256, text)
        .as_ref()
        .iter()
        .map(|octet| format!("{octet:02x}"))
        .collect()
}
