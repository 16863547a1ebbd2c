use omadm_mo::ddf::Ddf;
use omadm_mo::standard::session_info::{self, SessionInfo};
use omadm_mo::{ExecOutcome, ManagedObject, ManagedObjectError, Node, NodePath};

/// Asked for the device's connection at every read.
pub(crate) type TellBearer = Box<dyn Fn() -> SessionInfo + Send + Sync>;

/// The Session Info object of this device: read-only, one permanent instance, its values asked for when they are read (`dm20.md` §12.3).
pub(crate) struct SessionInfoObject {
    ddf: Ddf,
    tell: TellBearer,
}

impl SessionInfoObject {
    pub(crate) fn new(tell: TellBearer) -> Self {
        Self {
            ddf: session_info::ddf().clone(),
            tell,
        }
    }
}

impl ManagedObject for SessionInfoObject {
    fn ddf(&self) -> &Ddf {
        &self.ddf
    }

    fn read(&self, at: &NodePath) -> Result<Option<Node>, ManagedObjectError> {
        Ok((self.tell)().to_node().at(at).cloned())
    }

    fn plan_write(&self, _: &NodePath, _: &Node) -> Result<(), ManagedObjectError> {
        Err(ManagedObjectError::NotAllowed)
    }

    fn exec(&mut self, _: &NodePath) -> Result<ExecOutcome, ManagedObjectError> {
        Err(ManagedObjectError::NotAllowed)
    }

    fn changed(&mut self, _: &NodePath) {}
}
