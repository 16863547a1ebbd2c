//! MO serialization: management objects as JSON (`dm20.md` §9), the form of every HGET, HPUT and HPOST body and of the DM Bootstrap.
//!
//! Reading goes in two steps. [`MoItem::read_all`] takes the document apart without knowing any MO; [`MoItem::bind`] gives an item's data the
//! formats of its DDF. Writing is one step, [`write_item`].

mod bind;
mod read;
mod readable;
mod write;

use crate::json::Json;
use crate::{CacheValidator, ClientUri};

pub use bind::{BindError, BindProblem, Bound};
pub use read::{SerializationError, SerializationProblem};
pub use readable::readable;
pub use write::{write_item, write_value};

/// One item of a serialized document: an MO instance or a part of one.
#[derive(Clone, PartialEq, Debug)]
pub struct MoItem {
    /// Its place in the document, from 0.
    pub position: usize,
    /// Link to the DDF.
    pub ddf: Option<String>,
    /// What the data is, or where it belongs. Required by the schema; sloppy repositories leave it out where the command names the place.
    pub client_uri: Option<ClientUri>,
    /// The instance's cache validator.
    pub cv: Option<CacheValidator>,
    /// `MOData`, always an object.
    pub data: Json,
}
