//! What becomes of a device that asks for its bootstrap and that no record names (DESIGN §4 rule 5): refused unless the settings say otherwise; let in by
//! an allow-list or its maker's CA; or held for an operator.
//!
//! A certificate alone proves that its key is there, and nothing of the DevID. So a claim counts where a CA vouches for it, where the list names the
//! certificate, or where an operator approved this very certificate for it; the document then goes to whoever holds that certificate's key.

mod decide;
mod enter;
mod file;
mod hold;
mod pattern;
mod policy;

pub use file::AdmissionFileError;
pub use pattern::{DevIdPattern, DevIdRule, PatternError};
pub use policy::{AdmissionPolicy, AllowList, Hold, Maker, Permit};

pub(crate) use decide::{Admission, Considered, consider};
pub(crate) use enter::{Entrant, enter_into};
pub(crate) use hold::{print_of, record, sweep};
