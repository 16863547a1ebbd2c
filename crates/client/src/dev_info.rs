use omadm_mo::ddf::Ddf;
use omadm_mo::standard::{DevInfo, dev_info};
use omadm_mo::{ExecOutcome, ManagedObject, ManagedObjectError, Node, NodePath};

/// The DevInfo object of this device: read-only, its values held outside the tree store (`dm20.md` §12.1).
pub struct DevInfoObject {
    ddf: Ddf,
    root: Node,
}

impl DevInfoObject {
    /// Takes the device's values.
    #[must_use]
    pub fn new(values: &DevInfo) -> Self {
        Self {
            ddf: dev_info::ddf().clone(),
            root: values.to_node(),
        }
    }
}

impl ManagedObject for DevInfoObject {
    fn ddf(&self) -> &Ddf {
        &self.ddf
    }

    fn read(&self, at: &NodePath) -> Result<Option<Node>, ManagedObjectError> {
        Ok(self.root.at(at).cloned())
    }

    fn plan_write(&self, _: &NodePath, _: &Node) -> Result<(), ManagedObjectError> {
        Err(ManagedObjectError::NotAllowed)
    }

    fn exec(&mut self, _: &NodePath) -> Result<ExecOutcome, ManagedObjectError> {
        Err(ManagedObjectError::NotAllowed)
    }

    fn changed(&mut self, _: &NodePath) {}
}
