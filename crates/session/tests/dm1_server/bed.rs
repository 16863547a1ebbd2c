//! The reducer, what a store would keep for it, and a client that is written by hand.

use omadm_bootstrap::Utc;
use omadm_bootstrap::generation::{Generation, GenerationPolicy, Standing};
use omadm_dm1::credential::{CredentialType, MacHeader, Nonce, UserHash, basic};
use omadm_dm1::markup::MarkupLimits;
use omadm_dm1::syncml::{
    Alert, AlertCode, Chal, CmdId, Command, Cred, Data, Encoding, Item, Location, Message, Meta,
    NodeCommand, Results, Status, StatusCode, SyncHdr,
};
use omadm_mo::Secret;
use omadm_session::server::dm1::{
    AccountFacts, Channel, ClientNonces, Dm1Delta, Dm1Event, Dm1Limits, Dm1SessionState,
    KeptSecret, MessageIn, Outcome, ServerFacts, ServerSide, WantedCommand1, advance, identify,
};

pub(crate) const DEVICE: &str = "IMEI:493005100592800";
pub(crate) const SERVER: &str = "com.mgmtsrv.manage";
pub(crate) const ENDPOINT: &str = "https://dm.example.com/dm/1.x";
pub(crate) const ENCODINGS: [Encoding; 2] = [Encoding::Xml, Encoding::Wbxml];

pub(crate) fn secret(text: &str) -> Secret {
    Secret::from(text.to_owned())
}

pub(crate) fn nonce(text: &str) -> Nonce {
    Nonce::new(text.as_bytes().to_vec()).unwrap()
}

pub(crate) fn kept(text: &str, generation: Generation, escrowed: bool) -> KeptSecret {
    KeptSecret {
        secret: secret(text),
        standing: Standing {
            generation,
            escrowed,
            revoked: false,
            coming: false,
        },
        previous: false,
        brought: None,
    }
}

/// One account and its session, as a store has them.
pub(crate) struct Bed {
    pub(crate) now: Utc,
    pub(crate) server: ServerFacts,
    pub(crate) account: AccountFacts,
    pub(crate) state: Option<Dm1SessionState>,
    pub(crate) encoding: Encoding,
    pub(crate) channel: Channel<'static>,
    /// Everything that happened.
    pub(crate) events: Vec<Dm1Event>,
    pub(crate) delta: Dm1Delta,
    entropy: u64,
}

/// An answer, read.
pub(crate) struct Answer {
    pub(crate) message: Message,
    pub(crate) body: Vec<u8>,
    pub(crate) mac: Option<String>,
}

impl Bed {
    /// An account as a bootstrap made it: one secret a direction, in escrow, with the package's nonces.
    pub(crate) fn new(encoding: Encoding) -> Self {
        let account = AccountFacts {
            dev_id: Some(DEVICE.to_owned()),
            client_secrets: vec![kept("client boot", Generation::Current, true)],
            client_nonces: ClientNonces {
                package: Some(nonce("client package nonce")),
                ..ClientNonces::default()
            },
            server: Some(ServerSide {
                credential: CredentialType::Md5,
                user: SERVER.to_owned(),
                secrets: vec![kept("server boot", Generation::Current, true)],
                nonce: Some(nonce("server package nonce")),
                boot_nonce: Some(nonce("server package nonce")),
            }),
            ..AccountFacts::new(DEVICE, SERVER)
        };
        Self {
            now: Utc(1_700_000_000_000),
            server: ServerFacts {
                key: Secret::new(vec![42; 32]),
                endpoint: ENDPOINT.to_owned(),
                limits: Dm1Limits::default(),
                event_types: omadm_bootstrap::EventData::ALERT_TYPES
                    .map(str::to_owned)
                    .into(),
                keep_alerts: true,
                policy: GenerationPolicy::default(),
            },
            account,
            state: None,
            encoding,
            channel: Channel {
                encrypted: true,
                connection: None,
                certificate: None,
            },
            events: Vec::new(),
            delta: Dm1Delta::default(),
            entropy: 1,
        }
    }

    pub(crate) fn want(&mut self, id: &str, command: Command) {
        self.account.wanted.push(WantedCommand1 {
            id: id.to_owned(),
            command,
        });
    }

    /// Brings octets to the reducer and stores what it says.
    pub(crate) fn post(&mut self, body: &[u8], token: Option<&str>, mac: Option<&str>) -> Answer {
        let (step, answer) = self.decide(body, token, mac, true);
        self.store(step.0, step.1);
        answer
    }

    /// The same without storing: the server died before its commit, or another node decides too.
    pub(crate) fn decide(
        &mut self,
        body: &[u8],
        token: Option<&str>,
        mac: Option<&str>,
        known: bool,
    ) -> ((Option<Dm1SessionState>, Dm1Delta), Answer) {
        let identified = identify(body, self.encoding, MarkupLimits::MESSAGE).unwrap();
        self.entropy += 1;
        let mut entropy = [0; 32];
        entropy[..8].copy_from_slice(&self.entropy.to_be_bytes());
        let message = MessageIn {
            body,
            identified: &identified,
            mac,
            token,
            channel: self.channel,
        };
        let account = known.then_some(&self.account);
        let step = advance(
            self.now,
            &entropy,
            &self.server,
            self.state.clone(),
            account,
            message,
        );
        let message = Message::decode(&step.reply.body, step.reply.encoding, MarkupLimits::MESSAGE);
        let answer = Answer {
            message: message.unwrap(),
            body: step.reply.body,
            mac: step.reply.mac,
        };
        assert_eq!(step.reply.encoding, self.encoding);
        ((step.state, step.delta), answer)
    }

    pub(crate) fn store(&mut self, state: Option<Dm1SessionState>, delta: Dm1Delta) {
        self.state = state.map(|state| {
            let text = state.to_text();
            Dm1SessionState::from_text(text.expose()).unwrap()
        });
        if !delta.proven {
            assert!(delta.client_nonces.is_none() && delta.client_secrets.is_none());
            assert!(delta.bootstrap.is_none() && delta.dev_info.is_none());
        }
        self.account.apply(&delta);
        self.events.extend(delta.events.clone());
        self.delta = delta;
    }

    pub(crate) fn outcome(&self, id: &str) -> Option<&Outcome> {
        self.events.iter().find_map(|event| match event {
            Dm1Event::Outcome(outcome) if outcome.id == id => Some(&outcome.outcome),
            _ => None,
        })
    }

    pub(crate) fn has(&self, event: &Dm1Event) -> bool {
        self.events.contains(event)
    }

    /// Generations of the client's direction.
    pub(crate) fn client_generations(&self) -> Vec<Generation> {
        let all = self.account.client_secrets.iter();
        all.map(|kept| kept.standing.generation).collect()
    }
}

impl Answer {
    pub(crate) fn statuses(&self) -> impl Iterator<Item = &Status> {
        self.message.statuses()
    }

    pub(crate) fn header(&self) -> &Status {
        let first = self.statuses().next().unwrap();
        assert!(first.is_of_header(), "the status of the header comes first");
        first
    }

    pub(crate) fn code(&self) -> u16 {
        self.header().code.unwrap().0
    }

    /// Codes of all statuses after the header's.
    pub(crate) fn codes(&self) -> Vec<u16> {
        self.statuses()
            .skip(1)
            .map(|status| status.code.unwrap().0)
            .collect()
    }

    pub(crate) fn chal(&self) -> Option<(CredentialType, Option<Nonce>)> {
        let Chal { meta } = self.header().chal.as_ref()?;
        let nonce = meta
            .next_nonce
            .as_deref()
            .map(|text| Nonce::of_base64(text).unwrap());
        Some((CredentialType::of(meta.r#type.as_deref()?)?, nonce))
    }

    pub(crate) fn next_nonce(&self) -> Nonce {
        self.chal().unwrap().1.unwrap()
    }

    pub(crate) fn token(&self) -> String {
        let uri = self.message.header.resp_uri.as_deref().unwrap();
        uri.strip_prefix(&format!("{ENDPOINT}?s="))
            .unwrap()
            .to_owned()
    }

    /// Commands other than statuses.
    pub(crate) fn commands(&self) -> Vec<&Command> {
        let all = self.message.commands.iter();
        all.filter(|command| !matches!(command, Command::Status(_)))
            .collect()
    }

    pub(crate) fn alerts(&self) -> Vec<u16> {
        let codes = self
            .message
            .commands
            .iter()
            .filter_map(|command| match command {
                Command::Alert(alert) => Some(alert.code?.0),
                _ => None,
            });
        codes.collect()
    }
}

/// A message of the client's in the making.
#[derive(Clone)]
pub(crate) struct Say {
    pub(crate) message: Message,
    cmd: u32,
}

impl Say {
    pub(crate) fn new(session: &str, msg_id: u32) -> Self {
        Self {
            message: Message {
                header: SyncHdr {
                    ver_dtd: "1.2".into(),
                    ver_proto: "DM/1.2".into(),
                    session_id: session.into(),
                    msg_id,
                    target: Location::new(ENDPOINT),
                    source: Location::new(DEVICE),
                    resp_uri: None,
                    cred: None,
                    meta: Meta::default(),
                },
                commands: Vec::new(),
                r#final: true,
            },
            cmd: 0,
        }
    }

    /// A package 1: session alert and DevInfo.
    pub(crate) fn package1(session: &str, msg_id: u32) -> Self {
        Self::new(session, msg_id)
            .alert(AlertCode::CLIENT_INITIATED)
            .dev_info(DEVICE)
    }

    pub(crate) fn user(mut self, user: &str) -> Self {
        self.message.header.source.name = Some(user.into());
        self
    }

    pub(crate) fn md5(mut self, password: &str, nonce: &Nonce) -> Self {
        let source = &self.message.header.source;
        let user = source.name.as_ref().unwrap_or(&source.uri);
        let proof = UserHash::new(user, &secret(password)).md5(nonce);
        self.message.header.cred = Some(cred(CredentialType::Md5, proof));
        self
    }

    pub(crate) fn basic(mut self, password: &str) -> Self {
        let proof = basic(DEVICE, &secret(password));
        let text = String::from_utf8(proof.expose().to_vec()).unwrap();
        self.message.header.cred = Some(cred(CredentialType::Basic, text));
        self
    }

    pub(crate) fn open(mut self) -> Self {
        self.message.r#final = false;
        self
    }

    pub(crate) fn id(&mut self) -> Option<CmdId> {
        self.cmd += 1;
        Some(CmdId::number(self.cmd))
    }

    pub(crate) fn command(mut self, make: impl FnOnce(Option<CmdId>) -> Command) -> Self {
        let id = self.id();
        self.message.commands.push(make(id));
        self
    }

    pub(crate) fn alert(self, code: AlertCode) -> Self {
        self.command(|cmd_id| {
            Command::Alert(Alert {
                cmd_id,
                code: Some(code),
                correlator: None,
                items: Vec::new(),
            })
        })
    }

    pub(crate) fn generic(self, kind: &str, data: &str) -> Self {
        self.command(|cmd_id| {
            Command::Alert(Alert {
                cmd_id,
                code: Some(AlertCode::GENERIC_ALERT),
                correlator: None,
                items: vec![Item {
                    source: Some(Location::new("./DMAcc/1")),
                    meta: Meta {
                        r#type: Some(kind.into()),
                        format: Some("chr".into()),
                        ..Meta::default()
                    },
                    data: Some(Data::from(data)),
                    ..Item::default()
                }],
            })
        })
    }

    pub(crate) fn event(self, data: &str) -> Self {
        self.generic(omadm_bootstrap::EventData::ALERT_TYPE, data)
    }

    pub(crate) fn dev_info(self, dev_id: &str) -> Self {
        let leaves = [
            ("DevId", dev_id),
            ("Man", "Acme"),
            ("Mod", "M1"),
            ("DmV", "1.2"),
        ];
        let items = leaves.map(|(leaf, text)| Item {
            source: Some(Location::new(format!("./DevInfo/{leaf}"))),
            data: Some(Data::from(text)),
            ..Item::default()
        });
        self.command(|cmd_id| {
            Command::Replace(NodeCommand {
                cmd_id,
                items: items.into(),
                ..NodeCommand::default()
            })
        })
    }

    /// A status of a command of the answer's.
    pub(crate) fn status(
        self,
        answer: &Answer,
        cmd_ref: Option<&CmdId>,
        cmd: &str,
        code: u16,
    ) -> Self {
        let msg_ref = answer.message.header.msg_id;
        self.command(|cmd_id| {
            Command::Status(Status {
                cmd_id,
                msg_ref: Some(msg_ref),
                cmd_ref: Some(cmd_ref.cloned().unwrap_or_else(CmdId::header)),
                cmd: Some(cmd.into()),
                target_refs: Vec::new(),
                source_refs: Vec::new(),
                chal: None,
                code: Some(StatusCode(code)),
                items: Vec::new(),
            })
        })
    }

    /// Status of the answer's header, with a challenge where a nonce is given.
    pub(crate) fn header(mut self, answer: &Answer, code: u16, next: Option<&Nonce>) -> Self {
        self = self.status(answer, None, "SyncHdr", code);
        if let (Some(Command::Status(status)), Some(next)) =
            (self.message.commands.last_mut(), next)
        {
            status.chal = Some(Chal {
                meta: Meta {
                    r#type: Some("syncml:auth-md5".into()),
                    format: Some("b64".into()),
                    next_nonce: Some(next.base64()),
                    ..Meta::default()
                },
            });
        }
        self
    }

    /// The same status for every command of the answer, members included.
    pub(crate) fn all(mut self, answer: &Answer, code: u16) -> Self {
        for command in answer.commands() {
            self = self.of(answer, command, code);
        }
        self
    }

    pub(crate) fn of(mut self, answer: &Answer, command: &Command, code: u16) -> Self {
        self = self.status(answer, command.cmd_id(), command.name(), code);
        if let Command::Atomic(group) | Command::Sequence(group) = command {
            for member in &group.members {
                self = self.of(answer, member, code);
            }
        }
        self
    }

    pub(crate) fn results(self, answer: &Answer, command: &Command, uri: &str, data: Data) -> Self {
        let msg_ref = answer.message.header.msg_id;
        let item = Item {
            source: Some(Location::new(uri)),
            data: Some(data),
            ..Item::default()
        };
        self.command(|cmd_id| {
            Command::Results(Results {
                cmd_id,
                msg_ref: Some(msg_ref),
                cmd_ref: command.cmd_id().cloned(),
                meta: Meta::default(),
                items: vec![item],
            })
        })
    }

    pub(crate) fn octets(&self, encoding: Encoding) -> Vec<u8> {
        self.message.encode(encoding).unwrap()
    }

    /// Value of the MAC header.
    pub(crate) fn mac(&self, encoding: Encoding, password: &str, nonce: &Nonce) -> String {
        let header = MacHeader {
            username: DEVICE.into(),
            mac: UserHash::new(DEVICE, &secret(password)).mac(nonce, &self.octets(encoding)),
        };
        header.value()
    }
}

impl Bed {
    pub(crate) fn say(&mut self, say: &Say, token: Option<&str>) -> Answer {
        self.post(&say.octets(self.encoding), token, None)
    }
}

fn cred(kind: CredentialType, proof: String) -> Cred {
    Cred {
        meta: Meta {
            r#type: Some(kind.as_str().into()),
            format: Some("b64".into()),
            ..Meta::default()
        },
        data: Data::Text(proof),
    }
}

pub(crate) fn get(uri: &str) -> Command {
    Command::Get(NodeCommand {
        items: vec![Item::at(uri)],
        ..NodeCommand::default()
    })
}

pub(crate) fn replace(uri: &str, data: &str) -> Command {
    Command::Replace(NodeCommand {
        items: vec![Item {
            data: Some(Data::from(data)),
            ..Item::at(uri)
        }],
        ..NodeCommand::default()
    })
}

pub(crate) fn event(id: u8, seq: u32, kind: &str) -> String {
    format!("v=1&id={id:032x}&seq={seq}&method=smartcard&profile=cp&kind={kind}&sec=card")
}

/// A session that is proven on a fresh challenge. `more` adds to each package 1.
pub(crate) fn proven(
    bed: &mut Bed,
    session: &str,
    password: &str,
    more: impl Fn(Say) -> Say,
) -> Answer {
    let challenged = bed.say(&more(Say::package1(session, 1)), None);
    assert_eq!(challenged.code(), 407);
    let second = more(Say::package1(session, 2)).md5(password, &challenged.next_nonce());
    bed.say(&second, Some(&challenged.token()))
}

/// A session whose package 1 is proven on the package's nonce; the answer to it.
pub(crate) fn opened(bed: &mut Bed) -> Answer {
    let package1 = Say::package1("A5", 1).md5("client boot", &nonce("client package nonce"));
    let answer = bed.say(&package1, None);
    assert!(matches!(answer.code(), 200 | 212), "{}", answer.code());
    answer
}
