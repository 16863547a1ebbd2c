//! The command queue as sessions move it. A command changes in the commit that makes the session's own change durable, so none is lost and none counts twice.

use std::collections::BTreeSet;

use omadm_bootstrap::Utc;
use omadm_dm2::{Command, CommandName};
use omadm_mo::{CacheValidator, DevId};
use omadm_session::server::{
    CommandOutcome, MAX_COMMANDS, SentCommand, WantedCommand, is_whole_instance,
};

use crate::model::{CommandChange, CommandState, Device, EventKind, ExchangeDelta, QueuedCommand};
use crate::node::{Node, event};
use crate::store::StoreError;

/// Commands whose kept results are looked for: those that are being answered, and those that go next.
const LOOKED_FOR: usize = 2 * MAX_COMMANDS;

/// A device's open commands, and what becomes of them in one exchange.
pub(super) struct Queue {
    open: Vec<QueuedCommand>,
    changed: BTreeSet<u64>,
    /// Earlier results of the same commands that came with a cache validator.
    kept: Vec<QueuedCommand>,
}

impl Queue {
    /// Reads what is open; where the device's row says that nothing is, without asking the store.
    pub(super) async fn load(node: &Node, device: &Device) -> Result<Self, StoreError> {
        let open = if device.open_commands > 0 {
            node.store.open_commands(&device.dev_id).await?
        } else {
            Vec::new()
        };
        Ok(Self {
            open,
            changed: BTreeSet::new(),
            kept: Vec::new(),
        })
    }

    /// What the session is to send, with the validators of what is kept (§10).
    pub(super) async fn wanted(
        &mut self,
        node: &Node,
        dev_id: &DevId,
    ) -> Result<Vec<WantedCommand>, StoreError> {
        let mut wanted = Vec::with_capacity(self.open.len());
        for queued in &self.open {
            if queued.state == CommandState::Held {
                continue;
            }
            let words: Vec<_> = queued.words.iter().map(String::as_str).collect();
            let Ok(command) = Command::read(&words) else {
                tracing::warn!(device = %dev_id, command = %queued.id, "a queued command is none that this version sends");
                continue;
            };
            let cv = if wanted.len() < LOOKED_FOR && is_whole_instance(&command) {
                kept(&mut self.kept, node, dev_id, &queued.words).await?
            } else {
                None
            };
            wanted.push(WantedCommand {
                id: queued.id.to_string(),
                command,
                cv: cv.map(CacheValidator::new),
            });
        }
        Ok(wanted)
    }

    /// No session runs that could still tell the outcome of what was sent.
    pub(super) fn lose_all(&mut self, delta: &mut ExchangeDelta, correlation: &str) {
        for at in 0..self.open.len() {
            self.lose(at, delta, correlation);
        }
    }

    /// The outcomes of these commands of a session that is over are unknown.
    pub(super) fn lose_these(
        &mut self,
        sent: &[SentCommand],
        delta: &mut ExchangeDelta,
        correlation: &str,
    ) {
        for sent in sent {
            if let Some(at) = self.place(sent.id.as_ref()) {
                self.lose(at, delta, correlation);
            }
        }
    }

    /// The command stands in the answer to the device.
    pub(super) fn sent(
        &mut self,
        sent: &SentCommand,
        session: Option<&String>,
        now: Utc,
    ) -> Option<EventKind> {
        let at = self.place(sent.id.as_ref())?;
        let command = self.open.get_mut(at)?;
        self.changed.insert(command.nr);
        command.state = CommandState::Sent;
        command.sends = command.sends.saturating_add(1);
        command.session = session.cloned();
        command.sent_at = Some(now);
        Some(EventKind::CommandSent {
            id: command.id.to_string(),
            session: session.cloned(),
            command: name(command),
            uri: uri(command),
            sends: command.sends,
        })
    }

    /// Its status came.
    pub(super) fn answered(&mut self, outcome: &CommandOutcome, now: Utc) {
        let Some(at) = self.place(outcome.id.as_ref()) else {
            return;
        };
        let Some(command) = self.open.get_mut(at) else {
            return;
        };
        self.changed.insert(command.nr);
        let kept = self.kept.iter().find(|kept| {
            let is_it = |cv| kept.words == command.words && kept.cv.as_ref() == Some(cv);
            outcome.unchanged.as_ref().is_some_and(is_it)
        });
        command.state = CommandState::Answered;
        command.status = Some(outcome.status.get());
        command.uris.clone_from(&outcome.uris);
        (command.result, command.cv) = match kept {
            Some(kept) => (kept.result.clone(), kept.cv.clone()),
            None => (outcome.result.clone(), outcome.cv.clone()),
        };
        command.ended_at = Some(now);
    }

    /// Whether nothing became of any command.
    pub(super) fn is_unchanged(&self) -> bool {
        self.changed.is_empty()
    }

    /// What became of the commands, each once.
    pub(super) fn changes(self) -> impl Iterator<Item = CommandChange> {
        let Self { open, changed, .. } = self;
        let changed = open
            .into_iter()
            .filter(move |command| changed.contains(&command.nr));
        changed.map(|command| CommandChange::Update(Box::new(command)))
    }

    /// The outcome of a sent command is unknown (D02): an EXEC waits for an operator, others are sent again.
    fn lose(&mut self, at: usize, delta: &mut ExchangeDelta, correlation: &str) {
        let sent = self.open.get_mut(at);
        let Some(command) = sent.filter(|command| command.state == CommandState::Sent) else {
            return;
        };
        self.changed.insert(command.nr);
        if command.words.first().map(String::as_str) != Some(CommandName::Exec.as_str()) {
            command.state = CommandState::Queued;
            return;
        }
        command.state = CommandState::Held;
        let held = EventKind::CommandHeld {
            id: command.id.to_string(),
            session: command.session.clone(),
            command: name(command),
            uri: uri(command),
        };
        delta.events.push(event(held, correlation));
    }

    fn place(&self, id: Option<&String>) -> Option<usize> {
        let id = id?;
        self.open
            .iter()
            .position(|command| command.id.0.as_str() == id)
    }
}

/// The validator of the newest result that the same words brought; the result is held for a 304.
async fn kept(
    known: &mut Vec<QueuedCommand>,
    node: &Node,
    dev_id: &DevId,
    words: &[String],
) -> Result<Option<String>, StoreError> {
    if !known.iter().any(|kept| kept.words == words) {
        known.extend(node.store.newest_result(dev_id, words).await?);
    }
    let found = known.iter().find(|kept| kept.words == words);
    Ok(found.and_then(|kept| kept.cv.clone()))
}

/// A command's name.
pub(crate) fn name(command: &QueuedCommand) -> String {
    command.words.first().cloned().unwrap_or_default()
}

/// A command's first parameter.
pub(crate) fn uri(command: &QueuedCommand) -> Option<String> {
    command.words.get(1).cloned()
}
