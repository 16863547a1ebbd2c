use omadm_dm1::syncml::{CmdId, Command, Item, StatusCode};
use omadm_mo::{LocUri, LocUriError, TreeError};

/// What became of a command, or of one item of it: one status, and the results behind it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandOutcome {
    /// `CmdRef`; none where the command had no `CmdID`.
    pub cmd_id: Option<CmdId>,
    /// `Cmd`: its name.
    pub cmd: String,
    /// `TargetRef`: the item's target; none where the status is that of several items (M05).
    pub target_refs: Vec<String>,
    /// The status.
    pub code: StatusCode,
    /// What the status says beside: the node that could not be made, what the user said.
    pub items: Vec<Item>,
    /// What was read.
    pub results: Option<Vec<Item>>,
}

/// What became of one item.
#[derive(Clone, Debug)]
pub(super) struct ItemOutcome {
    pub(super) code: StatusCode,
    pub(super) items: Vec<Item>,
    pub(super) results: Option<Vec<Item>>,
}

/// Why an item is not carried out.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    pub(super) code: StatusCode,
    /// A node other than the target that it failed on (§1.7).
    pub(super) at: Option<LocUri>,
}

pub(super) type Fate<T = ()> = Result<T, Failure>;

/// The outcomes of a command's items as they come.
pub(super) struct Items<'c> {
    command: &'c Command,
    items: &'c [Item],
    done: Vec<ItemOutcome>,
}

impl CommandOutcome {
    /// A status of the whole command.
    pub(super) fn of(command: &Command, code: StatusCode) -> Self {
        Self {
            cmd_id: command.cmd_id().cloned(),
            cmd: command.name().to_owned(),
            target_refs: Vec::new(),
            code,
            items: Vec::new(),
            results: None,
        }
    }
}

impl ItemOutcome {
    pub(super) const fn of(code: StatusCode) -> Self {
        Self {
            code,
            items: Vec::new(),
            results: None,
        }
    }

    pub(super) const fn read(results: Vec<Item>) -> Self {
        Self {
            code: StatusCode::OK,
            items: Vec::new(),
            results: Some(results),
        }
    }
}

impl<'c> Items<'c> {
    pub(super) fn of(command: &'c Command, items: &'c [Item]) -> Self {
        Self {
            command,
            items,
            done: Vec::new(),
        }
    }

    pub(super) fn push(&mut self, outcome: ItemOutcome) {
        self.done.push(outcome);
    }

    /// M05: one status where all items fared alike, else one each.
    pub(super) fn outcomes(self) -> Vec<CommandOutcome> {
        let Some(first) = self.done.first() else {
            return vec![CommandOutcome::of(self.command, StatusCode::INCOMPLETE)];
        };
        let like_first = |one: &ItemOutcome| one.code == first.code && one.items.is_empty();
        if self.done.len() > 1 && self.done.iter().all(like_first) {
            let mut whole = CommandOutcome::of(self.command, first.code);
            let results: Vec<_> = self
                .done
                .into_iter()
                .filter_map(|one| one.results)
                .collect();
            whole.results = (!results.is_empty()).then(|| results.concat());
            return vec![whole];
        }
        let targets = self.items.iter().map(|item| item.target.as_ref());
        let each = self
            .done
            .into_iter()
            .zip(targets)
            .map(|(one, target)| CommandOutcome {
                target_refs: target.into_iter().map(|at| at.uri.clone()).collect(),
                items: one.items,
                results: one.results,
                ..CommandOutcome::of(self.command, one.code)
            });
        each.collect()
    }
}

impl Failure {
    /// The same, of a node other than the target.
    pub(super) fn at(self, uri: Option<LocUri>) -> Self {
        Self { at: uri, ..self }
    }
}

impl From<StatusCode> for Failure {
    fn from(code: StatusCode) -> Self {
        Self { code, at: None }
    }
}

impl From<TreeError> for Failure {
    fn from(error: TreeError) -> Self {
        let code = match error {
            TreeError::NoRoom => StatusCode::DEVICE_FULL,
            TreeError::Storage(_) | TreeError::Damaged(_) => StatusCode::STORE_FAILURE,
        };
        code.into()
    }
}

impl From<LocUriError> for Failure {
    fn from(error: LocUriError) -> Self {
        StatusCode(error.status()).into()
    }
}

impl From<Failure> for ItemOutcome {
    fn from(failure: Failure) -> Self {
        let node = failure.at.map(|uri| Item::at(uri.to_string()));
        Self {
            items: node.into_iter().collect(),
            ..Self::of(failure.code)
        }
    }
}
