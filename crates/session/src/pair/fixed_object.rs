use omadm_mo::ddf::Ddf;
use omadm_mo::standard::{DevInfo, dev_info};
use omadm_mo::{ExecOutcome, ManagedObject, ManagedObjectError, Node, NodePath};

/// A managed object whose values never change: Device Info in the first place.
#[derive(Clone, Debug)]
pub struct FixedObject {
    ddf: Ddf,
    node: Result<Option<Node>, ManagedObjectError>,
    exec: Result<ExecOutcome, ManagedObjectError>,
    /// Nodes that were executed, in order.
    pub executed: Vec<NodePath>,
}

impl FixedObject {
    /// An object of this type with this content; EXEC is done at once.
    #[must_use]
    pub const fn new(ddf: Ddf, node: Node) -> Self {
        Self {
            ddf,
            node: Ok(Some(node)),
            exec: Ok(ExecOutcome::Done),
            executed: Vec::new(),
        }
    }

    /// Device Info.
    #[must_use]
    pub fn dev_info(values: &DevInfo) -> Self {
        Self::new(dev_info::ddf().clone(), values.to_node())
    }

    /// The same object, answering an EXEC like this.
    #[must_use]
    pub const fn executing(mut self, exec: Result<ExecOutcome, ManagedObjectError>) -> Self {
        self.exec = exec;
        self
    }

    /// The same object, answering a read like this.
    #[must_use]
    pub fn reading(mut self, node: Result<Option<Node>, ManagedObjectError>) -> Self {
        self.node = node;
        self
    }
}

impl ManagedObject for FixedObject {
    fn ddf(&self) -> &Ddf {
        &self.ddf
    }

    fn read(&self, at: &NodePath) -> Result<Option<Node>, ManagedObjectError> {
        let node = self.node.as_ref().map_err(|refused| *refused)?;
        Ok(node.as_ref().and_then(|root| root.at(at)).cloned())
    }

    fn plan_write(&self, _: &NodePath, _: &Node) -> Result<(), ManagedObjectError> {
        Err(ManagedObjectError::NotAllowed)
    }

    fn exec(&mut self, at: &NodePath) -> Result<ExecOutcome, ManagedObjectError> {
        self.executed.push(at.clone());
        self.exec
    }

    fn changed(&mut self, _: &NodePath) {}
}
