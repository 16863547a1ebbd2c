//! Which commands go with a Package#2.

use omadm_dm2::{Command, Package2};

use super::caching::with_validator;
use super::{SentCommand, WantedCommand, dev_info};

/// Commands of one Package#2. Their statuses come together in one Package#3, and where that is lost the outcome of all of them is unknown (D02): so few that
/// both stay small. What is left over follows in the next Package#2 of the session.
pub const MAX_COMMANDS: usize = 32;

/// Octets of the commands of one Package#2, beyond which no further one is taken. The answer is kept with the session, and written with it. One command goes
/// whatever its length is.
pub const MAX_OCTETS: usize = 32 << 10;

/// Commands as they are sent, with what is kept of them.
#[derive(Default)]
pub(super) struct Sending {
    pub(super) commands: Vec<Command>,
    pub(super) sent: Vec<SentCommand>,
    octets: usize,
}

impl Sending {
    /// The server's own read of DevInfo.
    pub(super) fn dev_info() -> Self {
        let mut sending = Self::default();
        sending.add(dev_info::get(), SentCommand::own(&dev_info::get()));
        sending
    }

    /// Takes commands in their order until one has no room. END is passed over.
    pub(super) fn take<'a>(mut self, wanted: impl Iterator<Item = &'a WantedCommand>) -> Self {
        for wanted in wanted.filter(|wanted| wanted.command != Command::End) {
            let command = match &wanted.cv {
                Some(cv) => with_validator(&wanted.command, cv),
                None => wanted.command.clone(),
            };
            let octets: usize = command.write().iter().map(|word| word.len() + 3).sum();
            let full = self.sent.len() >= MAX_COMMANDS || self.octets + octets > MAX_OCTETS;
            if full && !self.sent.is_empty() {
                break;
            }
            self.octets += octets;
            self.add(command, SentCommand::of(wanted));
        }
        self
    }

    /// The Package#2; END where there is nothing to send.
    pub(super) fn package(&self) -> String {
        let end = [Command::End];
        let commands = if self.commands.is_empty() {
            &end[..]
        } else {
            &self.commands
        };
        Package2::write(commands).to_compact()
    }

    fn add(&mut self, command: Command, sent: SentCommand) {
        self.commands.push(command);
        self.sent.push(sent);
    }
}

#[cfg(test)]
mod tests {
    use omadm_dm2::Command;

    use super::{MAX_COMMANDS, MAX_OCTETS, Sending};
    use crate::server::WantedCommand;

    fn wanted(id: usize, length: usize) -> WantedCommand {
        let uri = format!("https://a/{}", "x".repeat(length));
        WantedCommand {
            id: id.to_string(),
            command: Command::read(&["HGET", &uri]).unwrap(),
            cv: None,
        }
    }

    fn taken(all: &[WantedCommand]) -> usize {
        Sending::default().take(all.iter()).sent.len()
    }

    #[test]
    fn so_many_commands_go_as_their_number_and_their_octets_allow() {
        let short: Vec<_> = (0..100).map(|id| wanted(id, 10)).collect();
        assert_eq!(taken(&short), MAX_COMMANDS);
        let long: Vec<_> = (0..100).map(|id| wanted(id, 1980)).collect();
        assert_eq!(taken(&long), MAX_OCTETS / 2000);
        assert_eq!(taken(&[]), 0);
    }
}
