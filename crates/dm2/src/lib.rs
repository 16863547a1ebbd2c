//! DM 2.0 on the wire: Packages #0 to #3, commands, alerts, status codes, media types.
//!
//! Pure: no clock, no randomness, no I/O. Readers take what `dm20.md` §4 and §19 oblige them to take, writers are strict. Both work on
//! [`omadm_mo::json::Json`], so size, depth and double members are judged before a package is read; Package#0 is binary ([`package0`]).

pub mod header;
pub mod http_auth;
pub mod media_type;
pub mod object_range;
pub mod package0;

mod alert;
mod alert_data;
mod command;
mod command_error;
mod command_name;
mod document;
mod error;
mod fault;
mod mask;
mod package1;
mod package2;
mod package3;
mod schema;
mod session_cause;
mod status;
mod status_code;
mod status_table;
mod subscription_uri;

pub use alert::{Alert, AlertType, Mark};
pub use alert_data::AlertData;
pub use command::{ClientUris, Command};
pub use command_error::CommandError;
pub use command_name::CommandName;
pub use document::{Content, Document, DocumentError};
pub use error::{PackageError, PackageProblem};
pub use fault::Fault;
pub use mask::{MASK, mask};
pub use package1::{Package1, SupportedMo};
pub use package2::Package2;
pub use package3::Package3;
pub use session_cause::SessionCause;
pub use status::Status;
pub use status_code::{StatusClass, StatusCode, StatusEntry};
pub use status_table::allowed;
pub use subscription_uri::SubscriptionUri;
