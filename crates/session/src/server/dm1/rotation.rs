//! Both secrets are replaced (§6.5, M21).

use omadm_bootstrap::generation::{Generation, Standing};
use omadm_dm1::credential::new_password;
use omadm_dm1::syncml::{Command, Data, Group, Item, NodeCommand, StatusCode};

use super::causes::Irregularity;
use super::state::{Rotation, SentCommand1, StoredItem};
use super::step::{Direction, Dm1Event};
use super::turn::Turn;
use super::{AppAuthNames, KeptSecret};

/// The leaf that says whose a credential is.
const LEVEL: &str = "AAuthLevel";
/// Most credentials of an account that are asked for.
const MOST_NODES: usize = 8;
/// Both directions, in the order in which they stand in the command.
const DIRECTIONS: [Direction; 2] = [Direction::Client, Direction::Server];

impl Turn<'_> {
    /// A replacement that an earlier session began and did not finish is taken up again: one of a recovery, and one whose arrival is not known.
    pub(super) fn take_rotation_up(&mut self) {
        let mut all = self.client_secrets.iter().chain(&self.server_secrets);
        if all.any(|kept| kept.previous || is_coming(kept)) && !self.state.server.from_pending {
            self.state.rotation = Rotation::Due;
        }
    }

    /// The command that replaces the secrets, where that is due. Secrets that are on their way already are sent again: there is one of each direction at most.
    /// Where it is not known which node is whose, the device is asked first.
    pub(super) fn rotation_command(&mut self) -> Option<(Command, SentCommand1)> {
        if self.account.rotate && self.state.rotation == Rotation::Idle {
            self.state.rotation = Rotation::Due;
        }
        let in_sequence = match self.state.rotation {
            Rotation::Due => !self.account.model.quirks.atomic,
            Rotation::DueInSequence => true,
            Rotation::Idle
            | Rotation::AskedNodes
            | Rotation::AskedLevels
            | Rotation::SentAtomic
            | Rotation::SentSequence
            | Rotation::Done => return None,
        };
        let Some(account) = self.state.account_uri.clone() else {
            self.state.rotation = Rotation::Done;
            self.irregular(Irregularity::UnknownAccount);
            return None;
        };
        let Some(names) = self.state.app_auth.clone() else {
            let (command, asked) = self.question(&account);
            self.state.rotation = asked;
            let sent = SentCommand1::own(&command, credentials_at(&account), self.now);
            return Some((command, sent));
        };
        let members: Vec<_> = DIRECTIONS
            .into_iter()
            .filter_map(|direction| {
                let name = match direction {
                    Direction::Client => &names.client,
                    Direction::Server => &names.server,
                };
                let secret = self.coming(direction)?;
                let uri = format!("{}/{name}/AAuthSecret", credentials_at(&account));
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
        let sent = SentCommand1::own(&command, credentials_at(&account), self.now);
        Some((command, sent))
    }

    /// What the client said to the replacement; called once its package is complete. Refused: what was pending goes. Done, or no status: it stays.
    pub(super) fn rotation_ended(&mut self) {
        let is_it = |sent: &SentCommand1| sent.id.is_none();
        let Some(at) = self.state.sent.iter().position(is_it) else {
            return;
        };
        let sent = self.state.sent.remove(at);
        self.own_outcome(&sent, sent.told_code());
        let was = std::mem::replace(&mut self.state.rotation, Rotation::Done);
        if matches!(was, Rotation::AskedNodes | Rotation::AskedLevels) {
            return self.told(was, &sent);
        }
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
            Rotation::SentAtomic | Rotation::AskedNodes | Rotation::AskedLevels => Rotation::Due,
            Rotation::SentSequence => Rotation::DueInSequence,
            other => other,
        };
    }

    /// Asks for the nodes below `AppAuth`, or for their levels: with plain reads, which every device has.
    fn question(&self, account: &str) -> (Command, Rotation) {
        let get = |uri: String| {
            Command::Get(NodeCommand {
                items: vec![Item::at(uri)],
                ..NodeCommand::default()
            })
        };
        let nodes = &self.state.app_auth_nodes;
        if nodes.is_empty() {
            return (get(credentials_at(account)), Rotation::AskedNodes);
        }
        let level = |node| get(format!("{}/{node}/{LEVEL}", credentials_at(account)));
        let group = Group {
            members: nodes.iter().map(level).collect(),
            ..Group::default()
        };
        (Command::Sequence(group), Rotation::AskedLevels)
    }

    /// The device answered; where it did not say which node is whose, nothing is replaced.
    fn told(&mut self, was: Rotation, sent: &SentCommand1) {
        if was == Rotation::AskedNodes {
            let first = sent.results.first().map(StoredItem::item);
            let text = first.as_ref().and_then(|item| item.data.text());
            let nodes = text.unwrap_or_default().split('/').map(str::trim);
            let nodes = nodes.filter(|node| !node.is_empty()).take(MOST_NODES);
            self.state.app_auth_nodes = nodes.map(str::to_owned).collect();
        } else {
            self.state.app_auth = self.named(sent);
        }
        if self.state.app_auth.is_some()
            || was == Rotation::AskedNodes && !self.state.app_auth_nodes.is_empty()
        {
            self.state.rotation = Rotation::Due;
        } else {
            self.irregular(Irregularity::UnknownAccount);
        }
    }

    /// The nodes below `AppAuth` by their levels.
    fn named(&self, sent: &SentCommand1) -> Option<AppAuthNames> {
        let of = |level: &str| {
            let mut items = sent.results.iter();
            items.find_map(|item| {
                let item = item.item();
                let parent = item.uri.strip_suffix(LEVEL)?.strip_suffix('/')?;
                let name = parent.rsplit('/').next()?;
                (item.data.text()?.trim() == level).then(|| name.to_owned())
            })
        };
        let server = of("SRVCRED");
        if self.account.server.is_some() && server.is_none() {
            return None;
        }
        Some(AppAuthNames {
            client: of("CLCRED")?,
            server: server.unwrap_or_default(),
        })
    }

    /// What was on its way in this direction is on the device.
    pub(super) fn arrived(&mut self, direction: Direction) {
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
        if let Some(kept) = secrets.iter_mut().find(|kept| kept.is_replacement()) {
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
            brought: None,
        });
        Some(fresh)
    }
}

/// Where an account keeps its credentials.
fn credentials_at(account: &str) -> String {
    format!("{account}/AppAuth")
}

const fn is_coming(kept: &KeptSecret) -> bool {
    kept.is_replacement() && kept.standing.coming
}
