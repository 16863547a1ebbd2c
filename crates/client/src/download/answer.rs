use http::header::{CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderName};
use http::{HeaderMap, StatusCode};
use omadm_dm2::object_range::ContentRange;
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
            206 if from > 0 => match text(CONTENT_RANGE).and_then(ContentRange::read) {
                Some(range) if *range.part() == (from..range.total()) => {
                    Ok(Self::Rest(object(Some(range.total()))))
                }
                range => {
                    let told = range.map_or_else(|| "no range".to_owned(), |it| it.to_string());
                    let why = format!("asked for octets from {from}, told to get {told}");
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
