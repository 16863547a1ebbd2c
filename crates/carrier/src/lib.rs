//! From a DM Bootstrap to what carries it to a device (DESIGN §4): factory image, card files, bootstrap URL with its QR code, push document. Whole batches of
//! them, and reading any of them back.
//!
//! What is built from the same inputs has the same octets, with one exception: what is sealed to a device's key differs each time by design.

mod batch;
mod build;
mod card_files;
mod carrier;
mod carrier_error;
mod credential_files;
mod device_table;
mod document;
mod found;
mod found_push;
mod given;
mod manifest;
mod opened;
mod push_files;
mod qr;
mod values;
mod written;

pub use batch::{Batch, BatchDone, BatchError, DocumentSource, ProfileSource, SourceError};
pub use build::{BuildOptions, build, build_url};
pub use card_files::{CardOptions, Iccid, IccidError, card_oid, provisions_dm};
pub use carrier::{Carrier, CarrierFile, CarrierSet, DescribedFile, DescribedPush, Description};
pub use carrier_error::CarrierError;
pub use credential_files::CredentialFileError;
pub use device_table::{DeviceRow, DeviceTable, DeviceTableError};
pub use document::CarriedDocument;
pub use found::{Found, FoundCard, FoundError};
pub use found_push::{FoundPush, PushReadError};
pub use given::{Given, GivenError};
pub use manifest::{MANIFEST, ManifestEntry};
pub use opened::{DocumentContent, OpenedDocument};
pub use push_files::{PushOptions, sec_name};
pub use qr::terminal_qr;
pub use values::{Values, ValuesError};
pub use written::write_private;
