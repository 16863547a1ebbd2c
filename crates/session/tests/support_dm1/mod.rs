//! A device with a DM 1.x account, and a server that says what a test wants it to say, in XML or WBXML.

#![allow(dead_code, reason = "each suite uses its part")]
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

use std::collections::VecDeque;
use std::sync::Arc;

use omadm_bootstrap::plan::{PlanStep, TreePlan};
use omadm_bootstrap::{
    Account, BootstrapKind, BootstrapMethod, BootstrapSource, ChannelSecurity, DeviceView as _,
    EventId, MemoryDevice, OwedCompletion, PayloadHash, ProfileFormat, Provenance, Utc,
};
use omadm_dm1::credential::{MacHeader, Nonce, UserHash, basic};
use omadm_dm1::markup::{MarkupLimits, Vocabulary};
use omadm_dm1::syncml::{Alert, Command, Encoding, Message};
use omadm_dm1::wbxml;
use omadm_mo::standard::MoRegistry;
use omadm_mo::standard::dm_acc::BootstrapType;
use omadm_mo::standard::dm_acc1::{
    self, AddrType1, AppAddr1, AppAuth1, AuthLevel1, AuthType1, DmAcc1,
};
use omadm_mo::{
    DevId, ExecOutcome, Miid, NodeAddress, NodeName, NodePath, Secret, SrvId, TreeLayout,
    TreeView as _,
};
use omadm_session::client::Cause;
use omadm_session::client::dm1::{
    Dm1ClientSession, Dm1Effect, Dm1Input, Dm1Opening, Dm1Outcome, Dm1Request, Dm1Response,
    Dm1SessionEvent, UserAnswer,
};
use omadm_session::pair::dm1;

pub(crate) const SRV: &str = "com.mgmtsrv.manage";
pub(crate) const DEVICE: &str = "IMEI:493005100592800";
pub(crate) const URL: &str = "https://dms.example.com/dm/1.x";
pub(crate) const CLIENT_SECRET: &str = "clientSecret#1";
pub(crate) const SERVER_SECRET: &str = "serverSecret#1";
pub(crate) const CLIENT_NONCE: &[u8] = b"client nonce of the tree";
pub(crate) const SERVER_NONCE: &[u8] = b"server nonce of the tree";
pub(crate) const BOTH: [Encoding; 2] = [Encoding::Xml, Encoding::Wbxml];

/// What an account is like.
#[derive(Clone)]
pub(crate) struct Shape {
    pub(crate) client: Option<AuthType1>,
    pub(crate) server: Option<AuthType1>,
    pub(crate) pref: Option<&'static str>,
    pub(crate) url: &'static str,
    pub(crate) owed: bool,
    pub(crate) kind: BootstrapKind,
}

impl Default for Shape {
    fn default() -> Self {
        Self {
            client: Some(AuthType1::Digest),
            server: Some(AuthType1::Digest),
            pref: Some("DIGEST"),
            url: URL,
            owed: false,
            kind: BootstrapKind::First,
        }
    }
}

pub(crate) fn srv() -> SrvId {
    SrvId::parse(SRV).unwrap()
}

pub(crate) fn root() -> NodeAddress {
    NodeAddress::root(dm_acc1::moid(), Miid::counted(1))
}

pub(crate) fn device(shape: &Shape) -> MemoryDevice {
    let auth =
        |node: &str, level, kind: Option<AuthType1>, name: &str, secret: &str, nonce: &[u8]| {
            kind.map(|auth_type| AppAuth1 {
                node: NodeName::parse(node).unwrap(),
                level,
                auth_type,
                name: Some(name.into()),
                secret: Some(Secret::from(secret.to_owned())),
                nonce: Some(Secret::new(nonce.to_vec())),
            })
        };
    let (client, server) = (AuthLevel1::ClCred, AuthLevel1::SrvCred);
    let auths = [
        auth(
            "CLCRED",
            client,
            shape.client,
            DEVICE,
            CLIENT_SECRET,
            CLIENT_NONCE,
        ),
        auth(
            "SRVCRED",
            server,
            shape.server,
            SRV,
            SERVER_SECRET,
            SERVER_NONCE,
        ),
    ];
    let node = DmAcc1 {
        name: Some("Example".into()),
        addresses: vec![AppAddr1 {
            node: NodeName::parse("1").unwrap(),
            addr: shape.url.into(),
            addr_type: AddrType1::Uri,
            ports: Vec::new(),
        }],
        auth_pref: shape.pref.map(str::to_owned),
        auths: auths.into_iter().flatten().collect(),
        bootstrap_type: Some(BootstrapType {
            state: Some("pending".into()),
            ..BootstrapType::default()
        }),
        ..DmAcc1::new(srv())
    };
    let provenance = Provenance {
        method: BootstrapMethod::Smartcard,
        format: ProfileFormat::Cp,
        kind: shape.kind,
        seq: 2,
        at: Some(Utc(1_767_268_800_000)),
        event_id: EventId::of([7; 16]),
        payload_hash: PayloadHash::of(b"document"),
        source: BootstrapSource::Card("1".into()),
        channel: ChannelSecurity::Local,
    };
    let mut account = Account::new(srv(), Miid::counted(1), provenance);
    account.owed = shape.owed.then(OwedCompletion::fresh);
    let mut device = MemoryDevice::new(1);
    let mut plan = TreePlan::at(device.version());
    plan.steps.push(PlanStep::Add {
        moid: dm_acc1::moid(),
        miid: Miid::counted(1),
        root: node.to_node(),
        creator: Some(srv()),
    });
    plan.accounts.push(account);
    device.apply(&plan).unwrap();
    device
}

/// One session, and what happened in it.
pub(crate) struct Talk {
    pub(crate) device: MemoryDevice,
    session: Dm1ClientSession,
    pub(crate) encoding: Encoding,
    /// Requests that were sent, each with what it says.
    pub(crate) sent: Vec<(Dm1Request, Message)>,
    pub(crate) effects: Vec<Dm1Effect>,
    pub(crate) events: Vec<Dm1SessionEvent>,
    pub(crate) outcome: Option<Dm1Outcome>,
    /// The next Apply effects fail with these.
    pub(crate) refuse: VecDeque<Cause>,
    pub(crate) user: UserAnswer,
    /// `MsgID` of the server's last message.
    pub(crate) server_msg: u32,
}

pub(crate) fn opening(encoding: Encoding) -> Dm1Opening {
    dm1::opening(srv(), DevId::parse(DEVICE).unwrap(), encoding, [5; 32])
}

pub(crate) fn start(shape: &Shape, encoding: Encoding) -> Talk {
    start_on(device(shape), opening(encoding))
}

pub(crate) fn start_on(device: MemoryDevice, opening: Dm1Opening) -> Talk {
    let encoding = opening.encoding;
    let layout = Arc::new(TreeLayout::of(&MoRegistry::standard()));
    let session = Dm1ClientSession::start(opening, layout, &device);
    let mut talk = Talk {
        device,
        session,
        encoding,
        sent: Vec::new(),
        effects: Vec::new(),
        events: Vec::new(),
        outcome: None,
        refuse: VecDeque::new(),
        user: UserAnswer::Ok,
        server_msg: 0,
    };
    talk.drain();
    talk
}

impl Talk {
    /// Carries effects out until the server has to answer or the session is over.
    fn drain(&mut self) {
        for _ in 0..10_000 {
            let Some(effect) = self.session.poll_effect() else {
                return;
            };
            self.effects.push(effect.clone());
            let input = match effect {
                Dm1Effect::Send(request) => {
                    let encoding = Encoding::of_body(&request.body).unwrap();
                    assert_eq!(request.content_type, encoding.media_type());
                    let message =
                        Message::decode(&request.body, encoding, MarkupLimits::MESSAGE).unwrap();
                    self.sent.push((request, message));
                    continue;
                }
                Dm1Effect::Report(event) => {
                    self.events.push(event);
                    continue;
                }
                Dm1Effect::Finish(outcome) => {
                    assert!(self.outcome.replace(outcome).is_none());
                    continue;
                }
                Dm1Effect::Apply(id, plan) => {
                    let done = match self.refuse.pop_front() {
                        Some(cause) => Err(cause),
                        None => self.device.apply(&plan).map_err(|_| Cause::Stale),
                    };
                    Dm1Input::ApplyDone(id, done)
                }
                Dm1Effect::ReadLive(id, _) => Dm1Input::ReadLiveDone(id, Ok(Vec::new())),
                Dm1Effect::Exec(id, ..) => Dm1Input::ExecDone(id, Ok(ExecOutcome::Done)),
                Dm1Effect::AskUser(id, _) => Dm1Input::UserAnswered(id, self.user.clone()),
            };
            self.session.handle_input(Utc(0), &self.device, input);
        }
        panic!("the session does not wait for anything");
    }

    pub(crate) fn input(&mut self, input: Dm1Input) {
        self.session.handle_input(Utc(0), &self.device, input);
        self.drain();
    }

    pub(crate) fn last(&self) -> &Message {
        &self.sent.last().unwrap().1
    }

    pub(crate) fn request(&self) -> &Dm1Request {
        &self.sent.last().unwrap().0
    }

    /// Octets that come back with HTTP 200.
    pub(crate) fn octets(&mut self, body: Vec<u8>, mac: Option<String>) {
        self.input(Dm1Input::Response(Dm1Response {
            status: 200,
            content_type: None,
            retry_after: None,
            mac,
            body,
        }));
    }

    pub(crate) fn http(&mut self, status: u16) {
        self.input(Dm1Input::Response(Dm1Response {
            status,
            content_type: None,
            retry_after: None,
            mac: None,
            body: Vec::new(),
        }));
    }

    /// The server's next message, written in XML: what stands in its header behind `Source`, and its body.
    pub(crate) fn xml(&mut self, header: &str, body: &str) -> Vec<u8> {
        self.server_msg += 1;
        let session = self.last().header.session_id.clone();
        document(&session, self.server_msg, header, body, self.encoding)
    }

    /// The server answers.
    pub(crate) fn answer(&mut self, header: &str, body: &str) {
        let body = self.xml(header, body);
        self.octets(body, None);
    }

    /// A server that proves itself with the nonce of the tree takes our message for the session, and says this.
    pub(crate) fn proven(&mut self, body: &str) {
        let status = self.header_status(212, "");
        let cred = server_cred(SERVER_NONCE);
        self.answer(&cred, &format!("{status}{body}"));
    }

    /// The status of our last message's header.
    pub(crate) fn header_status(&self, code: u16, chal: &str) -> String {
        let of = self.last().header.msg_id;
        format!(
            "<Status><CmdID>90</CmdID><MsgRef>{of}</MsgRef><CmdRef>0</CmdRef><Cmd>SyncHdr</Cmd>{chal}<Data>{code}</Data></Status>"
        )
    }

    /// The status of the event in our last message.
    pub(crate) fn event_status(&self, code: u16) -> String {
        let alert = self.alerts(1226).next().expect("an event");
        let id = alert.cmd_id.as_ref().unwrap().as_str();
        let of = self.last().header.msg_id;
        format!(
            "<Status><CmdID>91</CmdID><MsgRef>{of}</MsgRef><CmdRef>{id}</CmdRef><Cmd>Alert</Cmd><Data>{code}</Data></Status>"
        )
    }

    /// The alerts of our last message with this number.
    pub(crate) fn alerts(&self, code: u16) -> impl Iterator<Item = &Alert> {
        self.last()
            .commands
            .iter()
            .filter_map(move |command| match command {
                Command::Alert(alert) if alert.code.is_some_and(|c| c.0 == code) => Some(alert),
                _ => None,
            })
    }

    /// The statuses of our last message: `CmdRef`, and code.
    pub(crate) fn statuses(&self) -> Vec<(String, u16)> {
        let told = self.last().statuses().map(|status| {
            let of = status.cmd_ref.as_ref().map(|of| of.as_str().to_owned());
            (of.unwrap_or_default(), status.code.unwrap().0)
        });
        told.collect()
    }

    /// The challenge in our last message.
    pub(crate) fn challenge(&self) -> Option<Nonce> {
        self.last().statuses().find_map(|status| {
            let nonce = status.chal.as_ref()?.meta.next_nonce.as_deref()?;
            Some(Nonce::of_base64(nonce).unwrap())
        })
    }

    pub(crate) fn account(&self) -> Account {
        self.device.account(&srv()).unwrap().unwrap()
    }

    /// A text below the account.
    pub(crate) fn leaf(&self, path: &str) -> Option<String> {
        let at = root().with_path(NodePath::of(path).unwrap());
        let value = self.device.leaf(&at).unwrap()?;
        Some(value.as_text()?.to_owned())
    }

    /// The nonce of a credential.
    pub(crate) fn nonce(&self, node: &str) -> Vec<u8> {
        let path = NodePath::of(&format!("AppAuth/{node}/AAuthData")).unwrap();
        let value = self.device.leaf(&root().with_path(path)).unwrap().unwrap();
        value.as_octets().unwrap().to_vec()
    }
}

pub(crate) fn document(
    session: &str,
    msg_id: u32,
    header: &str,
    body: &str,
    encoding: Encoding,
) -> Vec<u8> {
    let text = format!(
        "<SyncML xmlns='SYNCML:SYNCML1.2'><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto><SessionID>{session}</SessionID>\
         <MsgID>{msg_id}</MsgID><Target><LocURI>{DEVICE}</LocURI></Target><Source><LocURI>{URL}</LocURI></Source>{header}</SyncHdr>\
         <SyncBody>{body}</SyncBody></SyncML>"
    );
    in_encoding(&text, encoding)
}

/// The same document in the encoding that is asked for.
pub(crate) fn in_encoding(text: &str, encoding: Encoding) -> Vec<u8> {
    if encoding == Encoding::Xml {
        return text.as_bytes().to_vec();
    }
    let limits = MarkupLimits::MESSAGE;
    wbxml::of_xml(text.as_bytes(), Vocabulary::SyncMl, limits).unwrap()
}

pub(crate) fn meta(members: &str) -> String {
    let mut text = String::from("<Meta>");
    for member in members.split_whitespace() {
        let (name, value) = member.split_once('=').unwrap();
        text.push_str(&format!("<{name} xmlns='syncml:metinf'>{value}</{name}>"));
    }
    text + "</Meta>"
}

/// `Chal` of a type, with a nonce.
pub(crate) fn chal(kind: &str, nonce: &[u8]) -> String {
    let nonce = Nonce::new(nonce.to_vec()).unwrap().base64();
    let members = format!("Type=syncml:auth-{kind} Format=b64 NextNonce={nonce}");
    format!("<Chal>{}</Chal>", meta(&members))
}

pub(crate) fn cred(kind: &str, data: &str) -> String {
    let members = format!("Type=syncml:auth-{kind} Format=b64");
    format!("<Cred>{}<Data>{data}</Data></Cred>", meta(&members))
}

fn hash(user: &str, secret: &str) -> UserHash {
    UserHash::new(user, &Secret::from(secret.to_owned()))
}

/// The server's digest over a nonce.
pub(crate) fn server_cred(nonce: &[u8]) -> String {
    let nonce = Nonce::new(nonce.to_vec()).unwrap();
    cred("md5", &hash(SRV, SERVER_SECRET).md5(&nonce))
}

pub(crate) fn server_basic() -> String {
    let credential = basic(SRV, &Secret::from(SERVER_SECRET.to_owned()));
    cred("basic", std::str::from_utf8(credential.expose()).unwrap())
}

/// The server's MAC over a message.
pub(crate) fn server_mac(nonce: &[u8], body: &[u8]) -> String {
    let nonce = Nonce::new(nonce.to_vec()).unwrap();
    let header = MacHeader {
        username: SRV.into(),
        mac: hash(SRV, SERVER_SECRET).mac(&nonce, body),
    };
    header.value()
}

/// The digest that the client has to present.
pub(crate) fn client_digest(nonce: &[u8]) -> String {
    hash(DEVICE, CLIENT_SECRET).md5(&Nonce::new(nonce.to_vec()).unwrap())
}

/// Whether the client's MAC over its last message is that of a nonce.
pub(crate) fn client_mac_is(request: &Dm1Request, nonce: &[u8]) -> bool {
    let header = MacHeader::read(request.mac.as_ref().unwrap()).unwrap();
    let nonce = Nonce::new(nonce.to_vec()).unwrap();
    hash(DEVICE, CLIENT_SECRET).mac_matches(&nonce, &request.body, &header.mac)
}

pub(crate) fn get(id: u32, uri: &str) -> String {
    format!("<Get><CmdID>{id}</CmdID><Item><Target><LocURI>{uri}</LocURI></Target></Item></Get>")
}

pub(crate) fn replace(id: u32, uri: &str, value: &str) -> String {
    format!(
        "<Replace><CmdID>{id}</CmdID><Item><Target><LocURI>{uri}</LocURI></Target><Data>{value}</Data></Item></Replace>"
    )
}

/// What the results of a message hold.
pub(crate) fn texts(commands: &[Command]) -> Vec<String> {
    let mut texts = Vec::new();
    for command in commands {
        if let Command::Results(results) = command {
            let data = results.items.iter().filter_map(|item| item.data.as_ref());
            texts.extend(data.map(|data| data.text().unwrap().to_owned()));
        }
    }
    texts
}
