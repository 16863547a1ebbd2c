use http::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderName};
use http::{HeaderMap, StatusCode};
use omadm_session::client::Cause;
use serde::{Deserialize, Serialize};

use super::{DownloadError, Ended};

/// What the server says about the object.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub(super) struct RemoteObject {
    /// Its strong ETag with the quotes; a weak one does not tell versions apart.
    pub(super) etag: Option<String>,
    /// Its length.
    pub(super) total: Option<u64>,
    pub(super) content_type: Option<String>,
}

/// What an answer brings.
#[derive(Debug)]
pub(super) enum Answer {
    /// 200: all of it.
    Whole(RemoteObject),
    /// 206: what was asked for, up to its end.
    Rest(RemoteObject),
    /// 304.
    Unchanged,
}

impl Answer {
    /// Reads the head of an answer to a request for everything from `from` on.
    pub(super) fn read(status: StatusCode, headers: &HeaderMap, from: u64) -> Result<Self, Ended> {
        let text = |name: HeaderName| headers.get(name).and_then(|value| value.to_str().ok());
        let etag = text(ETAG).filter(|etag| etag.len() > 2 && etag.starts_with('"'));
        let object = |total| RemoteObject {
            etag: etag.map(str::to_owned),
            total,
            content_type: text(CONTENT_TYPE).map(str::to_owned),
        };
        match status.as_u16() {
            200 => Ok(Self::Whole(object(
                text(CONTENT_LENGTH).and_then(|octets| octets.parse().ok()),
            ))),
            206 if from > 0 => match text(CONTENT_RANGE).and_then(rest) {
                Some((first, total)) if first == from => Ok(Self::Rest(object(Some(total)))),
                range => {
                    let why = format!("asked for octets from {from}, told to get {range:?}");
                    Err(Ended::Useless(Cause::Unreachable(why)))
                }
            },
            304 => Ok(Self::Unchanged),
            416 if from > 0 => Err(Ended::Useless(Cause::Status(416))),
            408 | 425 | 429 | 500 | 502..=504 => Err(Ended::Broken(Cause::Status(status.as_u16()))),
            status => Err(Ended::Final(DownloadError::Status(status))),
        }
    }
}

/// First octet and length of the whole of `bytes first-last/length`, where the range goes to the end.
fn rest(range: &str) -> Option<(u64, u64)> {
    let (range, total) = range.strip_prefix("bytes ")?.split_once('/')?;
    let (first, last) = range.split_once('-')?;
    let (first, last, total): (u64, u64, u64) =
        (first.parse().ok()?, last.parse().ok()?, total.parse().ok()?);
    (first <= last && last.checked_add(1) == Some(total)).then_some((first, total))
}
