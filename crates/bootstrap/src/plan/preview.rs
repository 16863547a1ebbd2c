use omadm_mo::{Node, TreeError};

use super::{PlanStep, TreePlan};
use crate::DeviceView;

/// What applying a plan would change, for people to read before it happens.
#[derive(Clone, PartialEq, Eq, Default, Debug)]
pub struct Preview {
    /// One line a step, in order.
    pub lines: Vec<PreviewLine>,
}

/// What one step would change. Values are never shown, any of them may be secret.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PreviewLine {
    /// What happens.
    pub action: PreviewAction,
    /// ClientURI of the node it happens to.
    pub uri: String,
    /// Leaves below it that would be new.
    pub added: Vec<String>,
    /// Leaves below it whose value would change.
    pub changed: Vec<String>,
    /// Leaves below it that would be gone.
    pub removed: Vec<String>,
}

/// What happens to a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PreviewAction {
    /// It is new.
    Add,
    /// Its content is replaced.
    Replace,
    /// It goes.
    Remove,
    /// It gets another name.
    Rename,
}

/// Compares a plan with the tree it was made for.
///
/// # Errors
/// [`TreeError`] where the tree cannot be read.
pub fn preview(plan: &TreePlan, view: &dyn DeviceView) -> Result<Preview, TreeError> {
    let lines = plan
        .steps
        .iter()
        .map(|step| line(step, view))
        .collect::<Result<_, _>>()?;
    Ok(Preview { lines })
}

fn line(step: &PlanStep, view: &dyn DeviceView) -> Result<PreviewLine, TreeError> {
    let at = step.address();
    if matches!(step, PlanStep::Rename { .. }) {
        return Ok(PreviewLine {
            action: PreviewAction::Rename,
            uri: at.to_string(),
            added: Vec::new(),
            changed: Vec::new(),
            removed: Vec::new(),
        });
    }
    let empty = Node::empty();
    let (action, new) = match step {
        PlanStep::Add { root, .. } => (PreviewAction::Add, root),
        PlanStep::Replace { node, .. } => (PreviewAction::Replace, node),
        PlanStep::Remove { .. } | PlanStep::Rename { .. } => (PreviewAction::Remove, &empty),
    };
    let old = if action == PreviewAction::Add {
        None
    } else {
        view.subtree(&at)?
    }
    .unwrap_or_else(Node::empty);
    let mut line = PreviewLine {
        action,
        uri: at.to_string(),
        added: Vec::new(),
        changed: Vec::new(),
        removed: Vec::new(),
    };
    for (path, value) in new.leaves() {
        match old.at(&path).and_then(Node::value) {
            None => line.added.push(path.to_string()),
            Some(before) if before != value => line.changed.push(path.to_string()),
            Some(_) => {}
        }
    }
    let gone = old
        .leaves()
        .into_iter()
        .filter(|(path, _)| new.at(path).and_then(Node::value).is_none());
    line.removed = gone.map(|(path, _)| path.to_string()).collect();
    Ok(line)
}
