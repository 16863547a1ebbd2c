use omadm_dm1::credential::{CredentialType, Nonce};
use omadm_dm1::syncml::{
    Chal, CmdId, Command, Encoding, Location, Message, Meta, Status, StatusCode, SyncHdr, VER_DTD,
};

use super::ServerFacts;
use super::state::StoredStatus;
use super::step::Dm1Reply;

/// What every answer of ours says in its header.
pub(super) struct Frame<'a> {
    pub(super) server: &'a ServerFacts,
    pub(super) ver_proto: &'a str,
    pub(super) session_id: &'a str,
    pub(super) msg_id: u32,
    pub(super) dev_id: &'a str,
    pub(super) token: &'a str,
}

/// A message in the making: numbers its elements.
#[derive(Default)]
pub(super) struct Answer {
    commands: Vec<Command>,
    cmd_id: u32,
}

impl Frame<'_> {
    pub(super) fn header(&self) -> SyncHdr {
        let limits = self.server.limits;
        SyncHdr {
            ver_dtd: VER_DTD.to_owned(),
            ver_proto: self.ver_proto.to_owned(),
            session_id: clean(self.session_id),
            msg_id: self.msg_id,
            target: Location::new(clean(self.dev_id)),
            source: Location::new(self.server.endpoint.clone()),
            resp_uri: Some(self.resp_uri()),
            cred: None,
            meta: Meta {
                max_msg_size: Some(limits.markup.octets as u64),
                max_obj_size: Some(limits.max_obj_size),
                ..Meta::default()
            },
        }
    }

    /// The endpoint with the token behind it (M02).
    fn resp_uri(&self) -> String {
        let endpoint = &self.server.endpoint;
        let joint = if endpoint.contains('?') { '&' } else { '?' };
        format!("{endpoint}{joint}s={}", self.token)
    }
}

impl Answer {
    fn next(&mut self) -> CmdId {
        self.cmd_id += 1;
        CmdId::number(self.cmd_id)
    }

    /// The number that the next element will have.
    pub(super) const fn upcoming(&self) -> u32 {
        self.cmd_id + 1
    }

    /// Status of a header of the client's.
    pub(super) fn header_status(&mut self, msg_ref: u32, code: StatusCode, chal: Option<Chal>) {
        let status = Status {
            chal,
            ..self.status_of(msg_ref, Some(CmdId::header()), "SyncHdr", code)
        };
        self.commands.push(Command::Status(status));
    }

    /// Status of a command.
    pub(super) fn status(&mut self, stored: &StoredStatus) {
        let cmd_ref = stored
            .cmd_ref
            .as_deref()
            .map(|text| CmdId::of(&clean(text)));
        let mut status = self.status_of(
            stored.msg_ref,
            cmd_ref,
            &clean(&stored.cmd),
            StatusCode(stored.code),
        );
        status.source_refs = stored.source_refs.iter().map(|text| clean(text)).collect();
        self.commands.push(Command::Status(status));
    }

    fn status_of(
        &mut self,
        msg_ref: u32,
        cmd_ref: Option<CmdId>,
        cmd: &str,
        code: StatusCode,
    ) -> Status {
        Status {
            cmd_id: Some(self.next()),
            msg_ref: Some(msg_ref),
            cmd_ref,
            cmd: Some(cmd.to_owned()),
            target_refs: Vec::new(),
            source_refs: Vec::new(),
            chal: None,
            code: Some(code),
            items: Vec::new(),
        }
    }

    /// An alert of ours.
    pub(super) fn alert(&mut self, code: omadm_dm1::syncml::AlertCode) {
        let alert = omadm_dm1::syncml::Alert {
            cmd_id: Some(self.next()),
            code: Some(code),
            correlator: None,
            items: Vec::new(),
        };
        self.commands.push(Command::Alert(alert));
    }

    /// A command and its members, numbered.
    pub(super) fn command(&mut self, mut command: Command) {
        self.number(&mut command);
        self.commands.push(command);
    }

    fn number(&mut self, command: &mut Command) {
        let id = Some(self.next());
        match command {
            Command::Add(one)
            | Command::Replace(one)
            | Command::Copy(one)
            | Command::Delete(one)
            | Command::Get(one) => one.cmd_id = id,
            Command::Exec(exec) => exec.cmd_id = id,
            Command::Alert(alert) => alert.cmd_id = id,
            Command::Atomic(group) | Command::Sequence(group) => {
                group.cmd_id = id;
                for member in &mut group.members {
                    self.number(member);
                }
            }
            Command::Status(_) | Command::Results(_) | Command::Other(_) => {}
        }
    }

    /// The message.
    pub(super) fn message(self, header: SyncHdr, r#final: bool) -> Message {
        Message {
            header,
            commands: self.commands,
            r#final,
        }
    }
}

/// Octets of a message, for an answer whose texts were [`clean`]ed and measured before.
pub(super) fn encode(message: &Message, encoding: Encoding) -> Vec<u8> {
    message.encode(encoding).unwrap_or_default()
}

/// An answer without MAC.
pub(super) const fn plain(body: Vec<u8>, encoding: Encoding) -> Dm1Reply {
    Dm1Reply {
        body,
        encoding,
        mac: None,
    }
}

/// `Chal` for a type of credential, with the nonce to use.
pub(super) fn chal(credential: CredentialType, nonce: Option<&Nonce>) -> Chal {
    Chal {
        meta: Meta {
            r#type: Some(credential.as_str().to_owned()),
            format: Some("b64".to_owned()),
            next_nonce: nonce.map(Nonce::base64),
            ..Meta::default()
        },
    }
}

/// What the client wrote, as any serialization can hold it.
pub(super) fn clean(text: &str) -> String {
    text.chars()
        .filter(|character| !character.is_control())
        .collect()
}
