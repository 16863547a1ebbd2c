//! The command queue as sessions move it. A command changes in the commit that makes the session's own change durable, so none is lost and none counts twice.

use std::collections::{BTreeMap, BTreeSet};

use omadm_bootstrap::Utc;
use omadm_dm1::syncml::Command as Command1;
use omadm_dm2::Command;
use omadm_mo::{CacheValidator, DevId, ServerUri};
use omadm_session::server::dm1::WantedCommand1;
use omadm_session::server::queue::{
    DeviceLayout, NeutralCommand, NotExpressible, executes, to_dm1, to_dm2, told,
};
use omadm_session::server::{CommandOutcome, MAX_COMMANDS, SentCommand, WantedCommand};

use super::known::{Keeping, Known};
use crate::model::{
    CommandChange, CommandId, CommandState, Device, EventKind, ExchangeDelta, QueuedCommand,
};
use crate::node::{Node, event};
use crate::repository;
use crate::store::StoreError;

/// Commands whose kept results are looked for: those that are being answered, and those that go next.
const LOOKED_FOR: usize = 2 * MAX_COMMANDS;

/// A device's open commands, and what becomes of them in one exchange.
pub(crate) struct Queue {
    open: Vec<QueuedCommand>,
    changed: BTreeSet<u64>,
    /// What is known of what these commands read, by their numbers.
    known: BTreeMap<u64, Known>,
}

impl Queue {
    /// Reads what is open, without what a session of the other generation is at; where the device's row says that nothing is, without asking the store.
    pub(crate) async fn load(
        node: &Node,
        device: &Device,
        elsewhere: &BTreeSet<String>,
    ) -> Result<Self, StoreError> {
        let mut open = if device.open_commands > 0 {
            node.store.open_commands(&device.dev_id).await?
        } else {
            Vec::new()
        };
        open.retain(|command| !elsewhere.contains(command.id.0.as_str()));
        Ok(Self {
            open,
            changed: BTreeSet::new(),
            known: BTreeMap::new(),
        })
    }

    /// What the session is to send, with the validators of what is kept (§10).
    pub(crate) async fn wanted(
        &mut self,
        node: &Node,
        dev_id: &DevId,
    ) -> Result<Vec<WantedCommand>, StoreError> {
        let mut wanted = Vec::with_capacity(self.open.len());
        let mut keeping = Keeping::of(node, dev_id);
        for queued in &self.open {
            if queued.state == CommandState::Held {
                continue;
            }
            let command = match spoken(node, &queued.id, &queued.words) {
                Spoken::As(command) => command,
                // Of a device with accounts of both generations: a session of DM 1.x takes it.
                Spoken::NotExpressible(_) => continue,
                Spoken::Unreadable => {
                    tracing::warn!(device = %dev_id, command = %queued.id, "a queued command is none that this version sends");
                    continue;
                }
            };
            let known = if wanted.len() < LOOKED_FOR {
                keeping.of_target(&command, &queued.words).await?
            } else {
                None
            };
            let cv = known.as_ref().map(|known| known.cv.clone());
            self.known.extend(known.map(|known| (queued.nr, known)));
            wanted.push(WantedCommand {
                id: queued.id.to_string(),
                command,
                cv: cv.map(CacheValidator::new),
            });
        }
        Ok(wanted)
    }

    /// No session of this generation runs that could still tell the outcome of what was sent.
    pub(crate) fn lose_all(&mut self, delta: &mut ExchangeDelta, correlation: &str) {
        for at in 0..self.open.len() {
            self.lose(at, delta, correlation);
        }
    }

    /// The outcomes of these commands of a session that is over are unknown.
    pub(crate) fn lose_these(
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

    /// What a session of DM 1.x is to send.
    pub(crate) fn wanted1(&self, layout: &DeviceLayout) -> Vec<WantedCommand1> {
        let ready = self.open.iter();
        let ready = ready.filter(|queued| queued.state != CommandState::Held);
        let wanted = ready.filter_map(|queued| match spoken1(&queued.words, layout) {
            Spoken::As(command) => Some(WantedCommand1 {
                id: queued.id.to_string(),
                command,
            }),
            // Of a device with accounts of both generations: a session of DM 2.0 takes it.
            Spoken::NotExpressible(_) => None,
            Spoken::Unreadable => {
                tracing::warn!(command = %queued.id, "a queued command is none that this version sends");
                None
            }
        });
        wanted.collect()
    }

    /// The outcome of this command is unknown.
    pub(crate) fn lose_by(&mut self, id: &str, delta: &mut ExchangeDelta, correlation: &str) {
        if let Some(at) = self.place_of(id) {
            self.lose(at, delta, correlation);
        }
    }

    /// This command was answered with this status and result; its name and place.
    pub(crate) fn answered_by(
        &mut self,
        id: &str,
        status: u16,
        result: Option<String>,
        now: Utc,
    ) -> Option<(String, Option<String>)> {
        let at = self.place_of(id)?;
        let command = self.open.get_mut(at)?;
        self.changed.insert(command.nr);
        command.state = CommandState::Answered;
        command.status = Some(status);
        command.result = result;
        command.ended_at = Some(now);
        Some(title(&command.words))
    }

    /// The command of this id stands in the answer to the device.
    pub(crate) fn sent_by(
        &mut self,
        id: &str,
        session: Option<&String>,
        now: Utc,
    ) -> Option<EventKind> {
        let at = self.place_of(id)?;
        let command = self.open.get_mut(at)?;
        self.changed.insert(command.nr);
        command.state = CommandState::Sent;
        command.sends = command.sends.saturating_add(1);
        command.session = session.cloned();
        command.sent_at = Some(now);
        let (name, uri) = title(&command.words);
        Some(EventKind::CommandSent {
            id: Some(command.id.to_string()),
            session: session.cloned(),
            command: name,
            uri,
            sends: command.sends,
        })
    }

    /// Its status came.
    pub(crate) fn answered(&mut self, outcome: &CommandOutcome, now: Utc) {
        let Some(at) = self.place(outcome.id.as_ref()) else {
            return;
        };
        let Some(command) = self.open.get_mut(at) else {
            return;
        };
        self.changed.insert(command.nr);
        let known = self.known.remove(&command.nr);
        let known = known.filter(|known| outcome.unchanged.as_ref() == Some(&known.cv));
        if outcome.unchanged.is_some() && known.is_none() {
            // What was kept under that validator went meanwhile: it is asked for again, without one.
            command.state = CommandState::Queued;
            return;
        }
        command.state = CommandState::Answered;
        command.status = Some(outcome.status.get());
        command.uris.clone_from(&outcome.uris);
        (command.result, command.cv) = match known {
            Some(known) => (known.result, known.whole.then_some(known.cv)),
            None => (outcome.result.clone(), outcome.cv.clone()),
        };
        command.ended_at = Some(now);
    }

    /// Whether nothing became of any command.
    pub(crate) fn is_unchanged(&self) -> bool {
        self.changed.is_empty()
    }

    /// What became of the commands, each once.
    pub(crate) fn changes(self) -> impl Iterator<Item = CommandChange> {
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
        let (name, uri) = title(&command.words);
        let id = command.id.to_string();
        let session = command.session.clone();
        let duration_ms = command.sent_at.map(|sent| millis(delta.at, sent));
        let kind = if executes(&command.words) {
            command.state = CommandState::Held;
            EventKind::CommandHeld {
                id,
                session,
                command: name,
                uri,
                duration_ms,
            }
        } else {
            command.state = CommandState::Queued;
            EventKind::CommandUnanswered {
                command: name,
                uri,
                duration_ms,
                id: Some(id),
                session,
            }
        };
        delta.events.push(event(kind, correlation));
    }

    fn place(&self, id: Option<&String>) -> Option<usize> {
        self.place_of(id?)
    }

    fn place_of(&self, id: &str) -> Option<usize> {
        self.open
            .iter()
            .position(|command| command.id.0.as_str() == id)
    }
}

/// How a generation says a queued command.
pub(crate) enum Spoken<C> {
    /// So.
    As(C),
    /// It has no word for it.
    NotExpressible(NotExpressible),
    /// This version does not read it.
    Unreadable,
}

impl<C> Spoken<C> {
    pub(crate) fn map<D>(self, with: impl FnOnce(C) -> D) -> Spoken<D> {
        match self {
            Self::As(command) => Spoken::As(with(command)),
            Self::NotExpressible(cause) => Spoken::NotExpressible(cause),
            Self::Unreadable => Spoken::Unreadable,
        }
    }
}

/// The DM 2.0 command for these queued words.
pub(crate) fn spoken(node: &Node, id: &CommandId, words: &[String]) -> Spoken<Command> {
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    let Some(neutral) = NeutralCommand::read(&words) else {
        return Command::read(&words).map_or(Spoken::Unreadable, Spoken::As);
    };
    let document_at = ServerUri::parse(&repository::command_url(node, id));
    let (Ok(neutral), Ok(document_at)) = (neutral, document_at) else {
        return Spoken::Unreadable;
    };
    to_dm2(&neutral, &document_at).map_or_else(Spoken::NotExpressible, Spoken::As)
}

/// The DM 1.x command for these queued words.
pub(crate) fn spoken1(words: &[String], layout: &DeviceLayout) -> Spoken<Command1> {
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    match NeutralCommand::read(&words) {
        Some(Ok(neutral)) => {
            to_dm1(&neutral, layout).map_or_else(Spoken::NotExpressible, Spoken::As)
        }
        Some(Err(_)) => Spoken::Unreadable,
        None => match Command::read(&words) {
            Ok(command) => Spoken::NotExpressible(NotExpressible::Dm2InDm1(command.name())),
            Err(_) => Spoken::Unreadable,
        },
    }
}

/// From one time to another; clocks may differ.
pub(crate) fn millis(now: Utc, since: Utc) -> u64 {
    u64::try_from(now.millis_since(since)).unwrap_or_default()
}

/// A command's name and the first place that it names, for events: never a value. A raw command is named with the one that it wraps.
pub(crate) fn title(words: &[String]) -> (String, Option<String>) {
    let mut told = told(words).into_iter();
    let mut name = told.next().unwrap_or_default();
    if name == "raw"
        && let Some(wrapped) = told.next()
    {
        name = format!("raw {wrapped}");
    }
    (name, told.next())
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeMap, BTreeSet};

    use omadm_bootstrap::{EventId, Utc};
    use omadm_dm2::StatusCode;
    use omadm_session::server::CommandOutcome;

    use super::{Queue, title};
    use crate::model::{CommandChange, CommandId, CommandState, QueuedCommand};
    use crate::session_service::known::Known;

    const WORDS: [&str; 2] = ["GET", "urn:example:mo:gps:1.0/1/"];

    fn sent() -> QueuedCommand {
        QueuedCommand {
            nr: 7,
            id: CommandId(EventId::of([7; 16])),
            words: WORDS.map(str::to_owned).to_vec(),
            state: CommandState::Sent,
            sends: 1,
            session: None,
            status: None,
            result: None,
            uris: Vec::new(),
            cv: None,
            queued_at: Utc(0),
            sent_at: Some(Utc(1)),
            ended_at: None,
        }
    }

    /// What becomes of a GET that was answered by 304, where this was kept at that moment.
    fn after_304(known: Option<Known>) -> QueuedCommand {
        let mut queue = Queue {
            open: vec![sent()],
            changed: BTreeSet::new(),
            known: known
                .map(|known| (7, known))
                .into_iter()
                .collect::<BTreeMap<_, _>>(),
        };
        let outcome = CommandOutcome {
            command: WORDS.map(str::to_owned).to_vec(),
            id: Some(sent().id.to_string()),
            status: StatusCode::NOT_MODIFIED,
            result: None,
            uris: Vec::new(),
            cv: None,
            unchanged: Some("5f2a".to_owned()),
            duration_ms: 3,
        };
        queue.answered(&outcome, Utc(9));
        let Some(CommandChange::Update(command)) = queue.changes().next() else {
            unreachable!("nothing became of it");
        };
        *command
    }

    fn known(cv: &str) -> Known {
        Known {
            cv: cv.to_owned(),
            result: Some("kept".to_owned()),
            whole: true,
        }
    }

    #[test]
    fn a_304_brings_what_was_kept_under_that_validator_and_else_the_command_is_queued_again() {
        let answered = after_304(Some(known("5f2a")));
        assert_eq!(answered.state, CommandState::Answered);
        assert_eq!(answered.result.as_deref(), Some("kept"));
        for gone in [None, Some(known("5f2b"))] {
            let again = after_304(gone);
            assert_eq!((again.state, again.status), (CommandState::Queued, None));
            assert!(again.ended_at.is_none() && again.result.is_none());
        }
    }

    #[test]
    fn a_command_is_titled_by_name_and_place_and_never_by_a_value() {
        let place = "urn:example:mo:gps:1.0/1/Rate";
        let raw = "<Add><Item><Target><LocURI>./a</LocURI></Target><Data>hush</Data></Item></Add>";
        for (words, name, uri) in [
            (&WORDS[..], "GET", Some(WORDS[1])),
            (&["replace", place, "chr", "hush"], "replace", Some(place)),
            (&["raw", raw], "raw Add", Some("./a")),
            (&["raw", "hush"], "raw", None),
            (&["END"], "END", None),
        ] {
            let words: Vec<_> = words.iter().map(|&word| word.to_owned()).collect();
            assert_eq!(title(&words), (name.to_owned(), uri.map(str::to_owned)));
        }
    }
}
