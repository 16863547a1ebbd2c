//! The DM tree of OMA Device Management: names, nodes, management objects and their JSON serialization.
//!
//! Pure: no clock, no randomness, no I/O. Everything read from a peer is parsed once into a type that cannot hold an
//! illegal value. The facts are those of `dm20.md` §7 to §10 and §12, and for DM 1.x those of
//! `dm1x.md` §4.

pub mod client_uri;
pub mod ddf;
pub mod json;
pub mod serialization;
pub mod standard;

mod access_list;
mod acl;
mod dev_id;
mod fault;
mod layout;
mod loc_uri;
mod loc_uri_query;
mod managed_object;
mod memory_tree;
mod miid;
mod moid;
mod node;
mod node_properties;
mod path;
mod rights;
mod secret;
mod server_uri;
mod srv_id;
mod tree_view;
mod value;

pub use access_list::{AccessEntry, AccessList, AccessListError};
pub use acl::{Acl, AclCommand, AclError};
pub use client_uri::ClientUri;
pub use dev_id::{DevId, DevIdError};
pub use fault::Fault;
pub use layout::{INBOX, Place, TreeLayout};
pub use loc_uri::{LocUri, LocUriError, UriLimits};
pub use loc_uri_query::{List, LocUriQuery, Property, TndsMember, TndsSelection};
pub use managed_object::{ExecOutcome, ExecResult, ManagedObject, ManagedObjectError};
pub use memory_tree::MemoryTree;
pub use miid::{Miid, MiidError};
pub use moid::{Moid, MoidError};
pub use node::{Children, Node, NodeKind};
pub use node_properties::NodeProperties;
pub use path::{NodeAddress, NodeName, NodeNameError, NodePath};
pub use rights::Rights;
pub use secret::Secret;
pub use server_uri::{Origin, Scheme, ServerUri, ServerUriError};
pub use srv_id::{SrvId, SrvIdError};
pub use tree_view::{CacheValidator, TreeError, TreeVersion, TreeView, TreeWrite};
pub use value::{Format, Value, ValueError};
