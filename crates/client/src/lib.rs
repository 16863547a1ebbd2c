//! The DM Client: tree store, policy, retry, HTTPS, ManagedObject plug-ins.
//!
//! [`Client::builder`] is the way in for device makers; the binary's `omadm client` is built on it alone.

pub mod policy;
pub mod reader;
pub mod store;

mod change_note;
mod client;
mod client_builder;
mod dev_info;
mod device_dir;
mod download;
mod engine;
mod https;
mod listener;
mod local;
mod observer;
mod session_info;
mod tree_preview;

pub use change_note::ChangeNote;
pub use client::Client;
pub use client_builder::{ClientBuildError, ClientBuilder};
pub use dev_info::DevInfoObject;
pub use device_dir::{DeviceDir, DeviceDirError};
pub use download::{DownloadError, DownloadProgress, Downloaded};
pub use engine::{
    AcceptedNotification, AcceptedTrigger, Bootstrapped, CardCheck, ConsentRequest, DroppedPush,
    FactoryImage, FactoryReset, FetchAnswer, FetchAttempt, IgnoredNotification, IgnoredTrigger,
    LastRefusal, MissingMo, NoBootstrap, Notified, PinAnswer, PinOutcome, PinRequest,
    SessionReport, SwitchedOn, TriggerNonce, UserRequest, WapPushEvent,
};
pub use listener::{BOOTSTRAP_PATH, ListenError, Listening, NOTIFICATION_PATH};
pub use local::{Dm1Node, LocalError, NodeText, TreeInstance, TreeNode};
pub use observer::{ClientEvent, ClientObserver, Exchange, Unobserved};
pub use policy::PolicyFileError;
pub use tree_preview::{TreeStateError, preview_on};
