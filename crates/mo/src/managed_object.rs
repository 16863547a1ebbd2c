use crate::ddf::Ddf;
use crate::json::Json;
use crate::{Node, NodePath};

/// A management object whose content lives outside the tree store: the plug-in seam of the DM Client.
///
/// Called on the client's store thread, synchronously, with a deadline; it must not block for long. Rights, URIs and formats are the engine's job:
/// a path or value that reaches the object fits its DDF.
pub trait ManagedObject: Send {
    /// The DDF that describes it. Its root names the MOID.
    fn ddf(&self) -> &Ddf;

    /// The node at a path of its one instance, as it is now; none where it has none.
    ///
    /// # Errors
    /// [`ManagedObjectError`] where the device cannot tell.
    fn read(&self, at: &NodePath) -> Result<Option<Node>, ManagedObjectError>;

    /// Asks whether this node may be written at a path, before anything is.
    ///
    /// # Errors
    /// [`ManagedObjectError`] where it refuses; the whole delivery is then refused.
    fn plan_write(&self, at: &NodePath, node: &Node) -> Result<(), ManagedObjectError>;

    /// Executes a node.
    ///
    /// # Errors
    /// [`ManagedObjectError`] where it cannot.
    fn exec(&mut self, at: &NodePath) -> Result<ExecOutcome, ManagedObjectError>;

    /// Tells that a write below this path was committed.
    fn changed(&mut self, at: &NodePath);

    /// Asks how an execution ended that [`Self::exec`] answered with [`ExecOutcome::Later`]; none while it goes on. Asked again and again until it
    /// answers, after a restart of the client too: the object then has to find out from the device. One that never answers `Later` leaves this as it is.
    ///
    /// # Errors
    /// [`ManagedObjectError`] where the execution failed or the object knows nothing of it; reported with the status of that error.
    fn finished(&mut self, at: &NodePath) -> Result<Option<ExecResult>, ManagedObjectError> {
        let _ = at;
        Err(ManagedObjectError::Device)
    }
}

/// How an EXEC goes on (`dm20.md` §5.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ExecOutcome {
    /// Done; status 200.
    Done,
    /// Accepted; status 202, an alert follows in a new session.
    Later,
}

/// How an asynchronous execution ended: what the generic alert says (`dm20.md` §5.4, §6).
#[derive(Clone, PartialEq, Debug)]
pub struct ExecResult {
    /// The result code, in the numbers of the MO's enabler, or a DM status code.
    pub code: u16,
    /// The URN of the alert type; none for the client's own.
    pub alert_type: Option<String>,
    /// The alert's `Data`, in place of the code alone.
    pub data: Option<Json>,
}

impl ExecResult {
    /// This code, reported with the client's own alert type.
    #[must_use]
    pub const fn new(code: u16) -> Self {
        Self {
            code,
            alert_type: None,
            data: None,
        }
    }
}

/// Why a plug-in refuses. Each has one DM status.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ManagedObjectError {
    /// The node is not one this object has; 404.
    #[error("the managed object has no such node")]
    NoSuchNode,
    /// The object does not allow this on the node; 405.
    #[error("the managed object does not allow this")]
    NotAllowed,
    /// The value is not acceptable; 400.
    #[error("the managed object does not accept the value")]
    BadValue,
    /// Conflicts with what the object is doing; 409.
    #[error("the managed object is busy")]
    Busy,
    /// The device failed; 500.
    #[error("the device failed to answer for the managed object")]
    Device,
}
