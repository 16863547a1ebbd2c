//! Takes a body piece by piece: hashed as it comes, each piece durable before the next is read.

use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use http_body_util::BodyExt as _;
use omadm_mo::DevId;
use omadm_mo::json::Json;
use sha2::{Digest as _, Sha256};
use tokio::time::{Instant, timeout_at};

use crate::config::Limits;
use crate::entropy::{NoRandomness, random};
use crate::model::{INLINE_OCTETS, ObjectContent, PIECE_OCTETS, Piece, UploadId, etag};
use crate::node::Node;
use crate::store::{CommitError, Store};

/// What a body has to keep to.
pub(crate) struct Terms {
    /// Its octets at most.
    pub(crate) octets: usize,
    /// Whether it has to be JSON. That is looked at up to [`Limits::body_octets`]; a longer body is stored unread.
    pub(crate) json: bool,
}

/// A body whose pieces are durable. Dropped without [`Received::kept`], they are given up.
pub(crate) struct Received {
    pub(crate) octets: u64,
    pub(crate) etag: String,
    pub(crate) content: ObjectContent,
    /// The body itself, where it was looked at.
    pub(crate) document: Option<Bytes>,
    pieces: Option<Pieces>,
}

/// Why a body was not received. Nothing of it stays.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NotReceived {
    /// The peer is at fault.
    #[error("the body is longer than the {0} octets that are allowed")]
    TooLarge(usize),
    /// The peer or its network is at fault.
    #[error("the body did not arrive in time")]
    TooSlow,
    /// The peer or its network is at fault.
    #[error("the body ended before its end")]
    Cut,
    /// The content is at fault.
    #[error("the body is not acceptable JSON: {0}")]
    NotJson(String),
    /// The store did not keep a piece.
    #[error(transparent)]
    Commit(#[from] CommitError),
    /// The environment is at fault.
    #[error(transparent)]
    NoRandomness(#[from] NoRandomness),
}

/// An upload that is no object yet.
struct Pieces {
    store: Arc<dyn Store>,
    dev_id: DevId,
    upload: UploadId,
    next: u32,
    kept: bool,
}

/// How long the peer has for what it still owes.
struct Pace {
    began: Instant,
    octets: u64,
    patience: Duration,
    least_rate: u64,
}

/// Receives a body for an object of this device.
pub(crate) async fn receive(
    node: &Node,
    dev_id: &DevId,
    body: &mut Body,
    terms: Terms,
) -> Result<Received, NotReceived> {
    let limits = &node.config.limits;
    let mut pace = Pace::new(limits);
    let (mut hash, mut octets) = (Sha256::new(), 0_usize);
    let (mut waiting, mut pieces) = (Vec::new(), None);
    let mut document = terms.json.then(Vec::new);
    while let Some(data) = pace.next(body).await? {
        octets = octets.saturating_add(data.len());
        if octets > terms.octets {
            return Err(NotReceived::TooLarge(terms.octets));
        }
        hash.update(&data);
        document = document.filter(|_| octets <= limits.body_octets);
        if let Some(document) = &mut document {
            document.extend_from_slice(&data);
        }
        waiting.extend_from_slice(&data);
        while waiting.len() > PIECE_OCTETS {
            let rest = waiting.split_off(PIECE_OCTETS);
            let piece = std::mem::replace(&mut waiting, rest);
            put(node, dev_id, &mut pieces, piece, &mut pace).await?;
        }
    }
    if let Some(document) = &document {
        Json::read(document, node.json_limits())
            .map_err(|cause| NotReceived::NotJson(cause.to_string()))?;
    }
    if octets > INLINE_OCTETS {
        let last = std::mem::take(&mut waiting);
        put(node, dev_id, &mut pieces, last, &mut pace).await?;
    }
    Ok(Received {
        octets: octets as u64,
        etag: etag(hash),
        content: match &pieces {
            Some(pieces) => ObjectContent::Pieces(pieces.upload.clone()),
            None => ObjectContent::Whole(waiting),
        },
        document: document.map(Bytes::from),
        pieces,
    })
}

/// Makes a piece durable. The time that takes is not the peer's.
async fn put(
    node: &Node,
    dev_id: &DevId,
    pieces: &mut Option<Pieces>,
    content: Vec<u8>,
    pace: &mut Pace,
) -> Result<(), NotReceived> {
    let began = Instant::now();
    let pieces = match pieces {
        Some(pieces) => pieces,
        None => pieces.insert(Pieces {
            store: Arc::clone(&node.store),
            dev_id: dev_id.clone(),
            upload: UploadId::of(random()?),
            next: 0,
            kept: false,
        }),
    };
    let piece = Piece {
        dev_id: dev_id.clone(),
        upload: pieces.upload.clone(),
        nr: pieces.next,
        at: node.now(),
        content,
    };
    node.store.put_piece(piece).await?;
    pieces.next += 1;
    pace.began += began.elapsed();
    Ok(())
}

impl Received {
    /// An object holds its pieces now.
    pub(crate) fn kept(mut self) {
        if let Some(pieces) = &mut self.pieces {
            pieces.kept = true;
        }
    }
}

impl Drop for Pieces {
    /// The pieces go at once where they can; else the sweep finds them.
    fn drop(&mut self) {
        let Ok(runtime) = tokio::runtime::Handle::try_current() else {
            return;
        };
        if self.kept {
            return;
        }
        let (store, dev_id) = (Arc::clone(&self.store), self.dev_id.clone());
        let upload = self.upload.clone();
        runtime.spawn(async move {
            if let Err(error) = store.give_up_upload(&dev_id, &upload).await {
                tracing::info!(%error, device = %dev_id, "the pieces of a broken upload wait for the sweep");
            }
        });
    }
}

impl Pace {
    fn new(limits: &Limits) -> Self {
        Self {
            began: Instant::now(),
            octets: 0,
            patience: limits.body_timeout,
            least_rate: limits.repository_least_rate.max(1),
        }
    }

    /// The next octets. A pause is too long after the patience, and the whole after that of its octets at the least rate.
    async fn next(&mut self, body: &mut Body) -> Result<Option<Bytes>, NotReceived> {
        loop {
            let earned = Duration::from_secs(self.octets / self.least_rate);
            let whole = self.began + self.patience + earned;
            let pause = Instant::now() + self.patience;
            match timeout_at(pause.min(whole), body.frame()).await {
                Err(_elapsed) => return Err(NotReceived::TooSlow),
                Ok(None) => return Ok(None),
                Ok(Some(Err(_cut))) => return Err(NotReceived::Cut),
                Ok(Some(Ok(frame))) => {
                    if let Ok(data) = frame.into_data() {
                        self.octets += data.len() as u64;
                        return Ok(Some(data));
                    }
                }
            }
        }
    }
}
