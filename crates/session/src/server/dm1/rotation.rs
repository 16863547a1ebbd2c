//! Both secrets are replaced (§6.5, M21).

use omadm_bootstrap::generation::{Generation, Standing};
use omadm_dm1::credential::new_password;
use omadm_dm1::syncml::{Command, Data, Group, Item, NodeCommand, StatusCode};

use super::KeptSecret;
use super::state::{Rotation, SentCommand1};
use super::step::{Direction, Dm1Event, Irregularity};
use super::turn::Turn;

/// Both directions, in the order in which they stand in the command.
const DIRECTIONS: [Direction; 2] = [Direction::Client, Direction::Server];

impl Turn<'_> {
    /// The command that replaces the secrets, where that is due. Secrets that are on their way already are sent again: there is one of each direction at most.
    pub(super) fn rotation_command(&mut self) -> Option<(Command, SentCommand1)> {
        if self.account.rotate && self.state.rotation == Rotation::Idle && !self.delta.rotated {
            self.state.rotation = Rotation::Due;
        }
        let in_sequence = match self.state.rotation {
            Rotation::Due => !self.account.model.quirks.atomic,
            Rotation::DueInSequence => true,
            Rotation::Idle | Rotation::SentAtomic | Rotation::SentSequence => return None,
        };
        let Some(account) = self.state.account_uri.clone() else {
            self.state.rotation = Rotation::Idle;
            self.irregular(Irregularity::NoAccountUri);
            return None;
        };
        let names = &self.account.model.quirks.app_auth;
        let members: Vec<_> = DIRECTIONS
            .into_iter()
            .filter_map(|direction| {
                let name = match direction {
                    Direction::Client => &names.client,
                    Direction::Server => &names.server,
                };
                let secret = self.coming(direction)?;
                let uri = format!("{account}/AppAuth/{name}/AAuthSecret");
                let text = String::from_utf8_lossy(secret.expose()).into_owned();
                let item = Item {
                    data: Some(Data::Text(text)),
                    ..Item::at(uri)
                };
                Some(Command::Replace(NodeCommand {
                    items: vec![item],
                    ..NodeCommand::default()
                }))
            })
            .collect();
        self.delta.client_secrets = Some(self.client_secrets.clone());
        if self.account.server.is_some() {
            self.delta.server_secrets = Some(self.server_secrets.clone());
        }
        self.delta.rotated = true;
        self.delta.events.push(Dm1Event::Rotating);
        let group = Group {
            members,
            ..Group::default()
        };
        let (command, sent) = if in_sequence {
            (Command::Sequence(group), Rotation::SentSequence)
        } else {
            (Command::Atomic(group), Rotation::SentAtomic)
        };
        self.state.rotation = sent;
        let sent = SentCommand1::new(None, &command, self.now);
        Some((command, sent))
    }

    /// What the client said to the replacement; called once its package is complete. Refused: what was pending goes. Done, or no status: it stays.
    pub(super) fn rotation_ended(&mut self) {
        let is_it = |sent: &SentCommand1| sent.id.is_none();
        let Some(at) = self.state.sent.iter().position(is_it) else {
            return;
        };
        let sent = self.state.sent.remove(at);
        let was = std::mem::take(&mut self.state.rotation);
        let unsupported = [
            StatusCode::NOT_SUPPORTED,
            StatusCode::COMMAND_FAILED,
            StatusCode::NOT_IMPLEMENTED,
        ];
        let whole = sent.code.map(StatusCode);
        if was == Rotation::SentAtomic && whole.is_some_and(|code| unsupported.contains(&code)) {
            self.state.rotation = Rotation::DueInSequence;
            return;
        }
        let directions = DIRECTIONS
            .into_iter()
            .filter(|direction| *direction == Direction::Client || self.account.server.is_some());
        let directions: Vec<_> = directions.collect();
        for (direction, member) in directions.into_iter().zip(&sent.member_codes) {
            let member = member.map(StatusCode);
            let code = match (was, whole) {
                (Rotation::SentAtomic, Some(code)) => Some(code),
                _ => member,
            };
            match code {
                Some(code) if code.is_success() => self.arrived(direction),
                Some(code) => self.refused(direction, member.unwrap_or(code)),
                None => {}
            }
        }
    }

    /// It goes once more: the client carried nothing out (M06).
    pub(super) fn rotation_again(&mut self) {
        self.state.rotation = match self.state.rotation {
            Rotation::SentAtomic => Rotation::Due,
            Rotation::SentSequence => Rotation::DueInSequence,
            other => other,
        };
    }

    fn arrived(&mut self, direction: Direction) {
        for kept in self
            .secrets(direction)
            .iter_mut()
            .filter(|kept| is_coming(kept))
        {
            kept.standing.coming = false;
        }
        self.keep(direction);
    }

    fn refused(&mut self, direction: Direction, code: StatusCode) {
        self.secrets(direction).retain(|kept| !is_coming(kept));
        self.keep(direction);
        self.delta
            .events
            .push(Dm1Event::RotationRefused { direction, code });
    }

    fn keep(&mut self, direction: Direction) {
        match direction {
            Direction::Client => self.delta.client_secrets = Some(self.client_secrets.clone()),
            Direction::Server => self.delta.server_secrets = Some(self.server_secrets.clone()),
        }
    }

    const fn secrets(&mut self, direction: Direction) -> &mut Vec<KeptSecret> {
        match direction {
            Direction::Client => &mut self.client_secrets,
            Direction::Server => &mut self.server_secrets,
        }
    }

    /// The secret that is on its way in this direction: the one that is already, or a new one.
    fn coming(&mut self, direction: Direction) -> Option<omadm_mo::Secret> {
        if direction == Direction::Server && self.account.server.is_none() {
            return None;
        }
        let label = match direction {
            Direction::Client => "client secret",
            Direction::Server => "server secret",
        };
        let fresh = new_password(&self.derived(label));
        let secrets = self.secrets(direction);
        let on_its_way = |kept: &&mut KeptSecret| {
            kept.standing.generation == Generation::Pending && !kept.standing.escrowed
        };
        if let Some(kept) = secrets.iter_mut().find(on_its_way) {
            kept.standing.coming = true;
            return Some(kept.secret.clone());
        }
        secrets.push(KeptSecret {
            secret: fresh.clone(),
            standing: Standing {
                generation: Generation::Pending,
                escrowed: false,
                revoked: false,
                coming: true,
            },
            previous: false,
        });
        Some(fresh)
    }
}

const fn is_coming(kept: &KeptSecret) -> bool {
    matches!(kept.standing.generation, Generation::Pending)
        && !kept.standing.escrowed
        && kept.standing.coming
}
