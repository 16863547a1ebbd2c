//! An external short message entity (ESME): one link to an SMSC that is bound as transceiver, kept and bound again (`push.md` §8). It submits SMS with
//! user data headers, tells what became of each by the SMSC's receipts, and gives out what the SMSC delivers. The DM Server sends by it, the DM Client
//! receives.

mod config;
mod delivered;
mod esme;
mod frame;
mod link;
mod link_error;
mod receipt;
mod serve;
mod status;

pub use config::{EsmeConfig, EsmeConfigError, MessageIds, SourceAddress};
pub use delivered::{Delivered, delivered};
pub use esme::{Accepted, Esme, LinkState, Outgoing, SubmitError};
pub use frame::FrameError;
pub use link_error::LinkError;
pub use receipt::{LateReceipt, MessageFate};
pub use status::Status;
