//! Gives an object: its ETag, what `If-None-Match`, `Range` and `If-Range` ask for (RFC 9110), its content piece by piece.

use std::ops::Range;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use futures_util::stream;
use http::header::{
    ACCEPT_RANGES, CACHE_CONTROL, CONTENT_LENGTH, CONTENT_RANGE, CONTENT_TYPE, ETAG, HeaderName,
    HeaderValue, IF_NONE_MATCH, IF_RANGE, RANGE,
};
use http::{HeaderMap, Method, StatusCode};
use omadm_dm2::object_range::{AskedRange, ContentRange, holds};
use omadm_mo::DevId;

use super::Place;
use crate::model::{Object, ObjectContent, PIECE_OCTETS, UploadId};
use crate::store::{Store, StoreError};

/// Octets given to the connection at once.
const SLICE_OCTETS: usize = 32 << 10;

/// An answer to GET or HEAD.
pub(crate) struct Served {
    /// 200, 206, 304 or 416.
    pub(crate) status: StatusCode,
    pub(crate) headers: Vec<(HeaderName, HeaderValue)>,
    pub(crate) body: Body,
}

/// Why the body ends before its end; the peer sees the connection cut.
#[derive(Debug, thiserror::Error)]
enum Broken {
    #[error("the object was replaced or removed meanwhile")]
    Replaced,
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Answers GET or HEAD on an object. An object that is replaced meanwhile breaks off: the peer comes again, and `If-Range` tells it the truth.
pub(crate) fn serve(
    store: &Arc<dyn Store>,
    dev_id: &DevId,
    object: Object,
    method: &Method,
    asking: &HeaderMap,
    place: Place,
) -> Served {
    let (head, content) = (object.head, object.content);
    let octets = head.octets;
    let etag = head.etag.map(|etag| format!("\"{etag}\""));
    let mut headers = vec![
        (ACCEPT_RANGES, HeaderValue::from_static("bytes")),
        (CACHE_CONTROL, HeaderValue::from_static("private, no-cache")),
    ];
    let mut put = |name, text: &str| {
        if let Ok(value) = HeaderValue::from_str(text) {
            headers.push((name, value));
        }
    };
    if let Some(etag) = &etag {
        put(ETAG, etag);
    }
    if not_modified(asking, etag.as_deref()) {
        return Served::empty(StatusCode::NOT_MODIFIED, headers);
    }
    let (status, part) = match asked(method, asking, etag.as_deref(), octets) {
        AskedRange::Whole => (StatusCode::OK, 0..octets),
        AskedRange::Part(part) => {
            if let Some(range) = ContentRange::new(part.clone(), octets) {
                put(CONTENT_RANGE, &range.to_string());
            }
            (StatusCode::PARTIAL_CONTENT, part)
        }
        AskedRange::Nowhere => {
            put(CONTENT_RANGE, &format!("bytes */{octets}"));
            return Served::empty(StatusCode::RANGE_NOT_SATISFIABLE, headers);
        }
    };
    put(CONTENT_TYPE, &head.media_type);
    put(CONTENT_LENGTH, &(part.end - part.start).to_string());
    let body = match content {
        _ if *method == Method::HEAD => Body::empty(),
        ObjectContent::Whole(content) => {
            let content = Bytes::from(content);
            let of = |at: u64| usize::try_from(at).unwrap_or(usize::MAX).min(content.len());
            Body::from(content.slice(of(part.start)..of(part.end)))
        }
        ObjectContent::Pieces(upload) => Body::from_stream(stream::try_unfold(
            Giving {
                store: Arc::clone(store),
                dev_id: dev_id.clone(),
                upload,
                left: part,
                piece: Bytes::new(),
                _place: place,
            },
            Giving::next,
        )),
    };
    Served {
        status,
        headers,
        body,
    }
}

impl Served {
    fn empty(status: StatusCode, headers: Vec<(HeaderName, HeaderValue)>) -> Self {
        Self {
            status,
            headers,
            body: Body::empty(),
        }
    }
}

/// Content on its way out: one piece is in memory.
struct Giving {
    store: Arc<dyn Store>,
    dev_id: DevId,
    upload: UploadId,
    left: Range<u64>,
    /// What is left of the piece at `left.start`.
    piece: Bytes,
    _place: Place,
}

impl Giving {
    async fn next(mut self) -> Result<Option<(Bytes, Self)>, Broken> {
        if self.left.is_empty() {
            return Ok(None);
        }
        if self.piece.is_empty() {
            let (size, at) = (PIECE_OCTETS as u64, self.left.start);
            let nr = u32::try_from(at / size).map_err(|_| Broken::Replaced)?;
            let found = self.store.piece(&self.dev_id, &self.upload, nr).await?;
            let mut piece = Bytes::from(found.ok_or(Broken::Replaced)?);
            let skipped = usize::try_from(at % size).unwrap_or(usize::MAX);
            if skipped >= piece.len() {
                return Err(Broken::Replaced);
            }
            self.piece = piece.split_off(skipped);
        }
        let left = usize::try_from(self.left.end - self.left.start).unwrap_or(usize::MAX);
        let now = SLICE_OCTETS.min(self.piece.len()).min(left);
        let slice = self.piece.split_to(now);
        self.left.start += now as u64;
        Ok(Some((slice, self)))
    }
}

/// `If-None-Match` names the ETag.
fn not_modified(asking: &HeaderMap, etag: Option<&str>) -> bool {
    let lists = asking.get_all(IF_NONE_MATCH).iter();
    holds(lists.filter_map(|list| list.to_str().ok()), etag)
}

/// `Range`, of GET alone, and where `If-Range` names the very ETag.
fn asked(method: &Method, asking: &HeaderMap, etag: Option<&str>, octets: u64) -> AskedRange {
    let text = |name| {
        asking
            .get(name)
            .map(|value: &HeaderValue| value.to_str().ok())
    };
    let Some(Some(range)) = text(RANGE).filter(|_| *method == Method::GET) else {
        return AskedRange::Whole;
    };
    if text(IF_RANGE).is_some_and(|held| held.is_none() || held != etag) {
        return AskedRange::Whole;
    }
    AskedRange::read(range, octets)
}

#[cfg(test)]
mod tests {
    use http::header::{IF_RANGE, RANGE};
    use http::{HeaderMap, HeaderName, HeaderValue, Method};

    use super::{AskedRange, asked};

    const OWN: Option<&str> = Some("\"e\"");

    fn headers(all: &[(HeaderName, &'static str)]) -> HeaderMap {
        let value = |text| HeaderValue::from_static(text);
        all.iter()
            .map(|(name, text)| (name.clone(), value(text)))
            .collect()
    }

    #[test]
    fn a_range_counts_for_get_alone() {
        let asking = headers(&[(RANGE, "bytes=0-0")]);
        assert_eq!(
            asked(&Method::GET, &asking, OWN, 10),
            AskedRange::Part(0..1)
        );
        assert_eq!(asked(&Method::HEAD, &asking, OWN, 10), AskedRange::Whole);
    }

    #[test]
    fn a_range_of_another_version_is_the_whole() {
        for (held, own, expected) in [
            ("\"e\"", OWN, AskedRange::Part(1..10)),
            ("\"f\"", OWN, AskedRange::Whole),
            ("W/\"e\"", OWN, AskedRange::Whole),
            ("Mon, 23 Nov 2026 06:00:00 GMT", OWN, AskedRange::Whole),
            ("\"e\"", None, AskedRange::Whole),
        ] {
            let asking = headers(&[(RANGE, "bytes=1-"), (IF_RANGE, held)]);
            assert_eq!(asked(&Method::GET, &asking, own, 10), expected, "{held}");
        }
    }
}
