//! Downloads of large objects to files of the device: bounded, and resumed where a connection or the process ended (RFC 9110 Range and If-Range).
//!
//! A management object that needs one (firmware, software) calls [`crate::Client::download`]. What an HGET stores in the tree does not come this way: it is
//! bounded by the limits of a document.

mod answer;
mod download_error;
mod part;
#[cfg(test)]
mod tests;

use std::ops::ControlFlow;
use std::path::{Path, PathBuf};
use std::time::Duration;

use http::header::{IF_NONE_MATCH, IF_RANGE, LOCATION, RANGE};
use http::{HeaderMap, HeaderName, HeaderValue};
use http_body_util::BodyExt as _;
use omadm_mo::ServerUri;
use omadm_session::client::{Cause, REDIRECTS, redirected};
use tokio::time::timeout;

pub use download_error::DownloadError;

use self::answer::Answer;
use self::part::Part;
use crate::https::{Call, Https, Target};

/// How often a download that brought nothing new is taken up again before it is given up.
const FRUITLESS: u32 = 5;
/// What a try has to bring to count as fruitful, in octets.
const LEAST_OCTETS: u64 = 16 << 10;
/// How often a download may begin anew because the object changed or the server does not resume.
const RESTARTS: u32 = 3;
/// Before the first try again; it doubles with each fruitless one.
const PAUSE: Duration = Duration::from_millis(200);
/// Downloads on disk at most, finished or not; the one that was not touched for longest goes.
const KEPT: usize = 4;

/// Where a download stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DownloadProgress {
    /// Octets that are there.
    pub octets: u64,
    /// All of them, where the server told.
    pub total: Option<u64>,
}

/// A finished download.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Downloaded {
    /// The file, in the client's own folder. It stays until the caller moves or removes it, or until newer downloads need its place.
    pub file: PathBuf,
    /// Its length.
    pub octets: u64,
    /// The object's `Content-Type`.
    pub content_type: Option<String>,
    /// The object's strong ETag, with its quotes.
    pub etag: Option<String>,
    /// How many tries it took; 0 where the file was there already and the server said that it is unchanged.
    pub tries: u32,
}

/// What watches a download and may end it; what is there stays for the next time.
pub(crate) type OnProgress<'a> = dyn FnMut(DownloadProgress) -> ControlFlow<()> + Send + 'a;

/// What is requested where, for a download from a URL: the one it began with, or one that a redirect leads to.
pub(crate) type Place<'a> = dyn Fn(ServerUri) -> (Target, Call) + Send + Sync + 'a;

/// The client's downloads.
pub(crate) struct Downloads {
    folder: PathBuf,
    /// Octets of one download at most.
    limit: u64,
    /// D01: without an octet for so long a try is over.
    read_timeout: Duration,
    /// Held during a download: there is one at a time.
    alone: tokio::sync::Mutex<()>,
}

/// Why a try did not finish.
enum Ended {
    /// Another one may.
    Broken(Cause),
    /// What is there is of no use: another one begins anew.
    Useless(Cause),
    /// No other one would.
    Final(DownloadError),
}

impl Downloads {
    /// Downloads in this folder, which is made when the first one begins.
    pub(crate) fn new(folder: PathBuf, limit: u64, read_timeout: Duration) -> Self {
        Self {
            folder,
            limit,
            read_timeout,
            alone: tokio::sync::Mutex::default(),
        }
    }

    /// Where they lie.
    pub(crate) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Brings an object into a file, from where an earlier try ended.
    pub(crate) async fn fetch(
        &self,
        https: &Https,
        place: &Place<'_>,
        from: &ServerUri,
        progress: &mut OnProgress<'_>,
    ) -> Result<Downloaded, DownloadError> {
        let _alone = self.alone.lock().await;
        part::make_room(&self.folder, from, KEPT).await?;
        let mut part = Part::open(&self.folder, from).await?;
        let (mut tries, mut fruitless, mut restarts) = (0, 0, 0);
        loop {
            tries += 1;
            let before = part.octets();
            let ended = self.attempt(https, place, from, &mut part, progress).await;
            let cause = match ended {
                Ok(true) => return part.finish(tries).await,
                Ok(false) => return part.unchanged(),
                Err(Ended::Final(error)) => {
                    if error.is_lasting() {
                        part.remove().await;
                    }
                    return Err(error);
                }
                Err(Ended::Useless(cause)) => {
                    part.restart().await?;
                    restarts += 1;
                    fruitless += 1;
                    cause
                }
                Err(Ended::Broken(cause)) => {
                    part.keep().await?;
                    // One that began anew on the way counts as such.
                    if part.octets() >= before.saturating_add(LEAST_OCTETS) {
                        fruitless = 0;
                    } else {
                        restarts += u32::from(part.octets() < before);
                        fruitless += 1;
                    }
                    cause
                }
            };
            if fruitless > FRUITLESS || restarts > RESTARTS {
                return Err(DownloadError::GivenUp { tries, cause });
            }
            tracing::info!(url = %from, octets = part.octets(), %cause, "a download broke off and is taken up again");
            if fruitless > 0 {
                tokio::time::sleep(PAUSE * 2_u32.pow(fruitless - 1)).await;
            }
        }
    }

    /// One request, and those that redirects ask for (D08). False where the file is there already and unchanged.
    async fn attempt(
        &self,
        https: &Https,
        place: &Place<'_>,
        from: &ServerUri,
        part: &mut Part,
        progress: &mut OnProgress<'_>,
    ) -> Result<bool, Ended> {
        let mut more = HeaderMap::new();
        let mut put = |name: HeaderName, text: &str| {
            if let Ok(value) = HeaderValue::from_str(text) {
                more.insert(name, value);
            }
        };
        let first = match part.resumable() {
            Some((octets, etag)) => {
                put(RANGE, &format!("bytes={octets}-"));
                put(IF_RANGE, etag);
                octets
            }
            None => 0,
        };
        if let Some(etag) = part.finished() {
            put(IF_NONE_MATCH, etag);
        }
        let (mut url, mut hops) = (from.clone(), 0);
        let (response, _connection) = loop {
            let (target, call) = place(url);
            let begun = https.begin(&target, &call, &more).await;
            let (response, connection) = begun.map_err(|cause| match cause {
                Cause::Unreachable(_) => Ended::Broken(cause),
                refused => Ended::Final(DownloadError::Connection(refused)),
            })?;
            let location = response.headers().get(LOCATION);
            let location = location.and_then(|value| value.to_str().ok());
            match redirected(&call.url, response.status().as_u16(), location) {
                Some(next) if hops < REDIRECTS => (url, hops) = (next, hops + 1),
                _ => break (response, connection),
            }
        };
        let (head, mut body) = response.into_parts();
        let whole = match Answer::read(head.status, &head.headers, first)? {
            Answer::Unchanged if part.finished().is_some() => return Ok(false),
            Answer::Unchanged => return Err(Ended::Final(DownloadError::Status(304))),
            Answer::Whole(object) => {
                self.bounded(object.total)?;
                part.begin(&object).await.map_err(Ended::Final)?;
                object.total
            }
            Answer::Rest(object) => {
                self.bounded(object.total)?;
                if !part.is_of(&object) {
                    let why = "the rest is another object's".to_owned();
                    return Err(Ended::Useless(Cause::Unreachable(why)));
                }
                object.total
            }
        };
        loop {
            let frame = match timeout(self.read_timeout, body.frame()).await {
                Err(_elapsed) => {
                    let why = format!("nothing came within {:?}", self.read_timeout);
                    return Err(Ended::Broken(Cause::Unreachable(why)));
                }
                Ok(None) => break,
                Ok(Some(Err(error))) => {
                    let why = format!("the answer broke off: {error}");
                    return Err(Ended::Broken(Cause::Unreachable(why)));
                }
                Ok(Some(Ok(frame))) => frame,
            };
            let Ok(data) = frame.into_data() else {
                continue;
            };
            let then = part.octets() + data.len() as u64;
            self.bounded(Some(then))?;
            if whole.is_some_and(|whole| then > whole) {
                let why = "more came than the server told".to_owned();
                return Err(Ended::Useless(Cause::Unreachable(why)));
            }
            part.write(&data).await.map_err(Ended::Final)?;
            let now = DownloadProgress {
                octets: then,
                total: whole,
            };
            if progress(now).is_break() {
                part.keep().await.map_err(Ended::Final)?;
                return Err(Ended::Final(DownloadError::Stopped));
            }
        }
        match whole {
            Some(whole) if part.octets() < whole => {
                let why = "the answer ended before its end".to_owned();
                Err(Ended::Broken(Cause::Unreachable(why)))
            }
            _ => Ok(true),
        }
    }

    fn bounded(&self, octets: Option<u64>) -> Result<(), Ended> {
        if octets.is_some_and(|octets| octets > self.limit) {
            return Err(Ended::Final(DownloadError::TooLarge(self.limit)));
        }
        Ok(())
    }
}
