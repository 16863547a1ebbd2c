//! What an answer of the server is worth, before anything of it is carried out: `dm1x.md` §3.2, M03, M10, M18, M20, M22.

use omadm_bootstrap::{DeviceView, Utc};
use omadm_dm1::credential::Nonce;
use omadm_dm1::syncml::{AlertCode, Command, Encoding, Message, Status, StatusCode, SyncHdr};

use super::authentication::{Judgement, Unanswered};
use super::effect::{Dm1Fault, Dm1Outcome, Dm1Response};
use super::machine::{Sent, Talk};
use super::outbox::{Outbox, Outgoing};
use super::run::Run;

/// What the server said of our message.
enum Taken {
    /// It took it; perhaps with a nonce for the next session.
    Yes(Option<Nonce>),
    /// It wants a credential, and the next message has one.
    Challenged,
    /// It said nothing (M18: then nothing changes).
    Silent,
}

impl Talk {
    pub(super) fn answered(
        &mut self,
        now: Utc,
        view: &dyn DeviceView,
        sent: Box<Sent>,
        response: &Dm1Response,
    ) {
        if let Some(outcome) = sent.leaves {
            return self.finish(view, outcome);
        }
        let sent = match (response.status, sent) {
            (200, sent) => sent,
            (415, sent) => match self.send_in_other_encoding(sent) {
                Ok(()) => return,
                Err(_) => return self.refused(view, response),
            },
            _ => return self.refused(view, response),
        };
        // Over the octets and before they are parsed (M22).
        let mac = self.server.mac(response.mac.as_deref(), &response.body);
        if self.server.demands_mac() && mac != Some(true) {
            return self.finish(view, Dm1Outcome::ServerNotProven);
        }
        let mut message = match self.read(&response.body) {
            Ok(message) => message,
            Err((header, fault)) => {
                let outcome = Dm1Outcome::Fault(fault);
                return match header {
                    Some(header) if self.continues(&header) => {
                        self.leave(view, StatusCode::BAD_REQUEST, outcome);
                    }
                    _ => self.finish(view, outcome),
                };
            }
        };
        // Without Final, as it has to be, but not the beginning of a package.
        message.r#final |= sent.goes_on() && message.commands.iter().all(is_next_message);
        let header = &message.header;
        if !self.is_session(&header.session_id) {
            return self.finish(view, Dm1Outcome::Fault(Dm1Fault::Session));
        }
        if let Some((code, fault)) = unknown_version(header) {
            self.takes_msg_id(header.msg_id);
            return self.leave(view, code, Dm1Outcome::Fault(fault));
        }
        if !self.takes_msg_id(header.msg_id) {
            let outcome = Dm1Outcome::Fault(Dm1Fault::MsgId);
            return self.leave(view, StatusCode::BAD_REQUEST, outcome);
        }
        if let Err(fault) = self.takes_header(header) {
            return self.finish(view, Dm1Outcome::Fault(fault));
        }
        let judgement = self.server.judge(header, mac);
        if judgement == Judgement::Broken {
            return self.finish(view, Dm1Outcome::ServerNotProven);
        }
        match self.taken_by(&message) {
            Err(outcome) => self.finish(view, outcome),
            Ok(Taken::Challenged) => self.once_more(view, sent, judgement, message),
            Ok(Taken::Yes(nonce)) => {
                self.taken = true;
                self.go_on_with(now, view, judgement, message, nonce);
            }
            Ok(Taken::Silent) => self.go_on_with(now, view, judgement, message, None),
        }
    }

    fn refused(&mut self, view: &dyn DeviceView, response: &Dm1Response) {
        let outcome = Dm1Outcome::Refused {
            status: response.status,
            retry_after: response.retry_after,
        };
        self.finish(view, outcome);
    }

    /// Reads an answer by its first octet, whatever its media type says (M13).
    fn read(&self, body: &[u8]) -> Result<Message, (Option<Box<SyncHdr>>, Dm1Fault)> {
        let limits = self.opening.limits;
        let unreadable = |problem: String| Dm1Fault::Unreadable(problem);
        if body.len() > limits.max_msg_size {
            let problem = format!("more than {} octets", limits.max_msg_size);
            return Err((None, unreadable(problem)));
        }
        let neither = match body {
            [] => "it is empty",
            [0x1f, 0x8b, ..] => "neither XML nor WBXML, but gzip, which was not asked for",
            _ => "neither XML nor WBXML",
        };
        let encoding =
            Encoding::of_body(body).ok_or_else(|| (None, unreadable(neither.to_owned())))?;
        Message::decode(body, encoding, limits.markup)
            .map_err(|fault| (fault.header, unreadable(fault.fault.to_string())))
    }

    fn continues(&mut self, header: &SyncHdr) -> bool {
        self.is_session(&header.session_id) && self.takes_msg_id(header.msg_id)
    }

    fn taken_by(&mut self, message: &Message) -> Result<Taken, Dm1Outcome> {
        let ours = self.last_msg_id();
        let status = message.commands.iter().find_map(|command| match command {
            Command::Status(status)
                if status.is_of_header() && status.msg_ref.is_none_or(|of| of == ours) =>
            {
                Some(status)
            }
            _ => None,
        });
        let Some((status, code)) = status.and_then(|status| Some((status, status.code?))) else {
            return Ok(Taken::Silent);
        };
        let chal = status.chal.as_ref();
        match code {
            StatusCode::INVALID_CREDENTIALS | StatusCode::CREDENTIALS_MISSING => {
                match self.client.challenged(chal) {
                    Ok(()) => Ok(Taken::Challenged),
                    Err(Unanswered::Weaker) => Err(Dm1Outcome::WeakerAsked),
                    Err(Unanswered::Exhausted) => Err(Dm1Outcome::NotBelieved),
                }
            }
            StatusCode(300..) => Err(Dm1Outcome::HeaderRefused(code)),
            code => {
                let nonce = self.client.taken(code, chal);
                if code == StatusCode::AUTHENTICATED {
                    self.client.accept();
                }
                Ok(Taken::Yes(nonce))
            }
        }
    }

    /// The server did not believe us: the message once more, with the next number (§1.5/10). Nothing of such an answer is carried out.
    fn once_more(
        &mut self,
        view: &dyn DeviceView,
        sent: Box<Sent>,
        judgement: Judgement,
        message: Message,
    ) {
        // The event counts from a message that was itself authenticated (M26).
        self.refs.clear();
        self.outbox.put_back(sent.content);
        for command in message.commands {
            if !matches!(command, Command::Status(_)) {
                self.outbox.push(Outgoing::of(answer(
                    &self.header_status(StatusCode::NOT_EXECUTED),
                    &command,
                    StatusCode::NOT_EXECUTED,
                )));
            }
        }
        let mut status = self.header_status(StatusCode::OK);
        if judgement == Judgement::Wrong && self.server.may_try_again() {
            status.code = Some(StatusCode::INVALID_CREDENTIALS);
            status.chal = self.server.challenge(&mut self.nonces);
        }
        self.send(view, Some(status), None, true, None);
    }

    fn go_on_with(
        &mut self,
        now: Utc,
        view: &dyn DeviceView,
        judgement: Judgement,
        message: Message,
        nonce: Option<Nonce>,
    ) {
        if matches!(judgement, Judgement::Right | Judgement::Settled) {
            let run = Run::new(judgement, message, nonce);
            if self.reverts {
                return self.revert(now, view, run);
            }
            return self.begin(now, view, run);
        }
        let aborts = message.commands.iter().any(is_abort);
        let commands: Vec<Command> = message
            .commands
            .into_iter()
            .filter(|command| !matches!(command, Command::Status(_)))
            .collect();
        if aborts {
            return self.finish(view, Dm1Outcome::Aborted);
        }
        if commands.is_empty() {
            // No lone challenge (§3.2/5).
            let outcome = Dm1Outcome::Ended {
                server_proven: false,
            };
            return self.finish(view, outcome);
        }
        let code = if judgement == Judgement::Wrong {
            StatusCode::INVALID_CREDENTIALS
        } else {
            StatusCode::CREDENTIALS_MISSING
        };
        let mut first = self.header_status(code);
        let statuses: Vec<Outgoing> = commands
            .iter()
            .map(|command| Outgoing::of(answer(&first, command, code)))
            .collect();
        let again = self.server.may_try_again();
        first.chal = self.server.challenge(&mut self.nonces);
        if !again || first.chal.is_none() {
            for status in statuses {
                self.outbox.push(status);
            }
            let outcome = Dm1Outcome::ServerNotProven;
            return self.send(
                view,
                Some(first),
                Some(AlertCode::SESSION_ABORT),
                true,
                Some(outcome),
            );
        }
        for status in statuses {
            self.outbox.push(status);
        }
        let last = (!message.r#final).then_some(AlertCode::NEXT_MESSAGE);
        self.send(view, Some(first), last, message.r#final, None);
    }

    /// Tells the server what is wrong with its message, and ends the session with Alert 1223.
    fn leave(&mut self, view: &dyn DeviceView, code: StatusCode, outcome: Dm1Outcome) {
        self.outbox = Outbox::default();
        let first = self.header_status(code);
        self.send(
            view,
            Some(first),
            Some(AlertCode::SESSION_ABORT),
            true,
            Some(outcome),
        );
    }
}

/// The status of a command of the message that `header` is the header's status of.
pub(super) fn answer(header: &Status, command: &Command, code: StatusCode) -> Command {
    Command::Status(Status {
        cmd_ref: command.cmd_id().cloned(),
        cmd: Some(command.name().to_owned()),
        chal: None,
        code: Some(code),
        ..header.clone()
    })
}

pub(super) fn is_abort(command: &Command) -> bool {
    matches!(command, Command::Alert(alert) if alert.code == Some(AlertCode::SESSION_ABORT))
}

/// Whether a command may stand in the answer to a part of our package: a status, or the request for the rest (§1.5/4).
fn is_next_message(command: &Command) -> bool {
    match command {
        Command::Status(_) => true,
        Command::Alert(alert) => alert.code == Some(AlertCode::NEXT_MESSAGE),
        _ => false,
    }
}

/// §1.1: with the status that it gets.
fn unknown_version(header: &SyncHdr) -> Option<(StatusCode, Dm1Fault)> {
    if !matches!(header.ver_dtd.trim(), "1.2" | "1.3") {
        return Some((StatusCode::DTD_VERSION, Dm1Fault::DtdVersion));
    }
    let known = matches!(header.ver_proto.trim(), "DM/1.2" | "DM/1.3");
    (!known).then_some((StatusCode::PROTOCOL_VERSION, Dm1Fault::ProtocolVersion))
}
