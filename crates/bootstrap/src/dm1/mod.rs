//! Bootstrap documents of DM 1.x, both ways: a client provisioning document or a DM message, and the DM Account in it (`dm1x.md` §5.2, §5.3).

mod account_map;
mod compare;
mod document;
mod security;
mod shadow;
mod tnds_node;

pub use account_map::{AccountMapFault, AppSrvIs, account_of_w7, w7_of_account};
pub(crate) use account_map::{with_proxies, written_for};
pub use compare::compare_dm1;
pub use document::{
    DeliveredAccount, DeliveredObject, Dm1Document, Dm1DocumentFault, Dm1Format, document_octets,
};
pub use security::Dm1Security;
pub use shadow::Dm1Shadow;

pub(crate) use document::dm_message;
