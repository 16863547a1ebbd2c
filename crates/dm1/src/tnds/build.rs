//! From a TNDS object to a piece of a tree, whatever its reader knows of the tree.

use omadm_mo::{Children, Node, NodeKind, NodeName, Value};

use super::TndsNode;

/// What the reader of an object knows of the places that its nodes come to.
pub trait TndsPlaces {
    /// Where a node comes to.
    type Place;
    /// Why it cannot come there.
    type Fault;

    /// Whether a node is interior at its place. Asked from the top down, and first of each node.
    ///
    /// # Errors
    /// It cannot come there.
    fn kind(&mut self, place: &Self::Place, node: &TndsNode) -> Result<NodeKind, Self::Fault>;

    /// The value of a leaf.
    ///
    /// # Errors
    /// It has none that fits there.
    fn value(&mut self, place: &Self::Place, node: &TndsNode) -> Result<Value, Self::Fault>;

    /// The place of a node below another. No name: it has none that a tree can have, or one that stands there already.
    ///
    /// # Errors
    /// There is none.
    fn below(
        &mut self,
        place: &Self::Place,
        name: Option<&NodeName>,
        node: &TndsNode,
    ) -> Result<Self::Place, Self::Fault>;

    /// Whether a node below another may come as it was built.
    ///
    /// # Errors
    /// It may not.
    fn judge(&mut self, _place: &Self::Place, _built: &Node) -> Result<(), Self::Fault> {
        Ok(())
    }

    /// The fault of a node below another, or of one below it, as it is told.
    fn told(&self, _place: &Self::Place, fault: Self::Fault) -> Self::Fault {
        fault
    }
}

impl TndsNode {
    /// The node with all below it.
    ///
    /// # Errors
    /// The first fault, in the object's order.
    pub fn build<P: TndsPlaces>(&self, place: &P::Place, places: &mut P) -> Result<Node, P::Fault> {
        if places.kind(place, self)? == NodeKind::Leaf {
            return places.value(place, self).map(Node::Leaf);
        }
        let mut children = Children::new();
        for node in &self.nodes {
            let name = NodeName::parse(node.name.as_deref().unwrap_or_default()).ok();
            let name = name.filter(|name| !children.contains_key(name));
            let below = places.below(place, name.as_ref(), node)?;
            let built = node.build(&below, places);
            let built = built.and_then(|built| places.judge(&below, &built).map(|()| built));
            let built = built.map_err(|fault| places.told(&below, fault))?;
            children.extend(name.map(|name| (name, built)));
        }
        Ok(Node::Interior(children))
    }
}
