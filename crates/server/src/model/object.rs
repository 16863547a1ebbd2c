use std::fmt;

use omadm_bootstrap::Utc;
use omadm_mo::DevId;
use sha2::{Digest as _, Sha256};

/// Longest content that lies in the object's own row, in octets. What is longer lies in pieces.
pub const INLINE_OCTETS: usize = 64 << 10;
/// Octets of a piece; the last one of an object may be shorter.
pub const PIECE_OCTETS: usize = 256 << 10;

/// Whose an object of the data repository is. The device reads both kinds and writes its own.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ObjectOwner {
    /// The device stored it (HPUT, HPOST, SUB).
    Device,
    /// An operator, or the server itself, put it there for the device to fetch (HGET).
    Operator,
}

/// What is known of an object without its content.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ObjectHead {
    /// The path below `/repo/`, as it stands in the URL.
    pub path: String,
    /// Whose it is.
    pub owner: ObjectOwner,
    /// Its `Content-Type`.
    pub media_type: String,
    /// Its length.
    pub octets: u64,
    /// SHA-256 of the content, 64 hexadecimal digits: the strong ETag without its quotes. None where a list tells of an object
    /// that an earlier version stored: reading the object itself gives it.
    pub etag: Option<String>,
    /// When it was stored.
    pub at: Utc,
}

/// Where the content of an object is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ObjectContent {
    /// Here. [`INLINE_OCTETS`] at most, unless an earlier version stored it.
    Whole(Vec<u8>),
    /// In the pieces of this upload.
    Pieces(UploadId),
}

/// An object of the data repository.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Object {
    /// What it is.
    pub head: ObjectHead,
    /// Its content, or where that is.
    pub content: ObjectContent,
}

/// Names the pieces of one upload; never used twice. 32 hexadecimal digits.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct UploadId(String);

/// A part of an upload. It is durable by itself and belongs to no object until a delta puts one in place that names the upload.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Piece {
    /// The device whose object it is to become.
    pub dev_id: DevId,
    /// The upload.
    pub upload: UploadId,
    /// Its number, from 0, without gaps.
    pub nr: u32,
    /// When it came: an upload of which nothing came for long is given up.
    pub at: Utc,
    /// [`PIECE_OCTETS`], or fewer where it is the last.
    pub content: Vec<u8>,
}

/// What a device has in the repository under one owner.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct RepositoryUse {
    /// Its objects.
    pub objects: u64,
    /// Their octets.
    pub octets: u64,
}

impl ObjectOwner {
    /// As the store and the API name it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Device => "device",
            Self::Operator => "operator",
        }
    }

    /// The owner of this name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Device, Self::Operator]
            .into_iter()
            .find(|owner| owner.name() == name)
    }
}

impl UploadId {
    /// The upload of these random octets.
    #[must_use]
    pub fn of(octets: [u8; 16]) -> Self {
        Self(octets.iter().map(|octet| format!("{octet:02x}")).collect())
    }

    /// Reads 32 hexadecimal digits in lower case.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let digits = text.bytes().all(|b| b"0123456789abcdef".contains(&b));
        (digits && text.len() == 32).then(|| Self(text.to_owned()))
    }

    /// Its digits.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for UploadId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl Object {
    /// An object whose content lies in its own row; that is to be short, see [`INLINE_OCTETS`].
    #[must_use]
    pub fn whole(
        path: impl Into<String>,
        owner: ObjectOwner,
        media_type: impl Into<String>,
        content: Vec<u8>,
        at: Utc,
    ) -> Self {
        Self {
            head: ObjectHead {
                path: path.into(),
                owner,
                media_type: media_type.into(),
                octets: content.len() as u64,
                etag: Some(etag_of(&content)),
                at,
            },
            content: ObjectContent::Whole(content),
        }
    }
}

/// The strong ETag of a content, without its quotes.
pub(crate) fn etag_of(content: &[u8]) -> String {
    etag(Sha256::new_with_prefix(content))
}

/// The strong ETag of a content that was hashed so, without its quotes.
pub(crate) fn etag(content: Sha256) -> String {
    let digest = content.finalize();
    digest.iter().map(|octet| format!("{octet:02x}")).collect()
}
