//! A DM 1.x server for a device under test: messages written by hand, over real TLS, proven by digest; it says and does what a test wants.

use std::sync::{Arc, Mutex};

use omadm_bootstrap::dm1::w7_of_account;
use omadm_client::Client;
use omadm_dm1::credential::{Nonce, UserHash};
use omadm_dm1::markup::{MarkupLimits, Vocabulary};
use omadm_dm1::provisioning::ProvisioningDocument;
use omadm_dm1::syncml::{Alert, Command, Encoding, Message, Status, StatusCode};
use omadm_dm1::wbxml;
use omadm_mo::standard::dm_acc1::{AddrType1, AppAddr1, AppAuth1, AuthLevel1, AuthType1, DmAcc1};
use omadm_mo::{NodeName, Secret};

use super::install;
use super::managed::{SRV, srv};
use super::peer::{Answer, Asked, Peer, Reply, status};

pub(crate) const BOTH: [Encoding; 2] = [Encoding::Xml, Encoding::Wbxml];
pub(crate) const DEVICE: &str = "IMEI:493005100592800";
pub(crate) const CLIENT_SECRET: &str = "clientSecret#1";
pub(crate) const SERVER_SECRET: &str = "serverSecret#1";
pub(crate) const SERVER_NONCE: &[u8] = b"server nonce of the image";

/// What the server says to a message, between the status of its header and the end of the body.
pub(crate) struct Said {
    /// What comes before the statuses of the device's commands.
    pub(crate) before: String,
    pub(crate) body: String,
    /// Whether the message is its package's last.
    pub(crate) last: bool,
    /// What is done to the finished octets.
    pub(crate) spoil: fn(Vec<u8>) -> Vec<u8>,
    /// What stands in the header behind `Source`, beside the credential.
    pub(crate) header: String,
    /// What the digest is made of, in place of the secret.
    pub(crate) secret: &'static str,
    /// The nonce it is made with, in place of the one that is due.
    pub(crate) nonce: Option<&'static [u8]>,
    /// `MsgID`, in place of the one that is due.
    pub(crate) msg_id: Option<u32>,
    /// `SessionID`, in place of the session's.
    pub(crate) session: Option<&'static str>,
}

impl Default for Said {
    fn default() -> Self {
        Self {
            before: String::new(),
            body: String::new(),
            last: true,
            spoil: |octets| octets,
            header: String::new(),
            secret: SERVER_SECRET,
            nonce: None,
            msg_id: None,
            session: None,
        }
    }
}

pub(crate) fn say(body: impl Into<String>) -> Said {
    Said {
        body: body.into(),
        ..Said::default()
    }
}

impl Said {
    /// The package goes on.
    pub(crate) fn more(mut self) -> Self {
        self.last = false;
        self
    }
}

/// The server: a peer that takes DM 1.x messages at `/dm1`.
pub(crate) struct Dm1Server {
    pub(crate) peer: Peer,
    heard: Arc<Mutex<Vec<Message>>>,
    /// The nonce of its next credential.
    nonce: Arc<Mutex<Nonce>>,
}

/// Says something to the n-th message of a session, counted from 0, and the session ends where it says nothing.
type Script = Box<dyn FnMut(usize, &Message) -> Option<Said> + Send>;

impl Dm1Server {
    pub(crate) async fn start() -> Self {
        let server = Self {
            peer: Peer::start().await,
            heard: Arc::default(),
            nonce: Arc::new(Mutex::new(Nonce::new(SERVER_NONCE.to_vec()).unwrap())),
        };
        server.does(|_, _| None);
        server
    }

    /// From now on each session goes so, in the encoding in which the device begins.
    pub(crate) fn does(
        &self,
        script: impl FnMut(usize, &Message) -> Option<Said> + Send + 'static,
    ) {
        self.takes(|_| None, script);
    }

    /// The same, where HTTP may answer first.
    pub(crate) fn takes(
        &self,
        mut http: impl FnMut(&Asked) -> Option<Answer> + Send + 'static,
        script: impl FnMut(usize, &Message) -> Option<Said> + Send + 'static,
    ) {
        let (heard, nonce) = (Arc::clone(&self.heard), Arc::clone(&self.nonce));
        let mut script: Script = Box::new(script);
        let mut statuses_before = String::new();
        self.peer.does(move |asked| {
            if let Some(answer) = http(asked) {
                return answer.into();
            }
            if asked.path != "/dm1" {
                return Reply::from(status(404));
            }
            let encoding = Encoding::of_body(&asked.body).unwrap();
            let message = Message::decode(&asked.body, encoding, MarkupLimits::MESSAGE).unwrap();
            heard.lock().unwrap().push(message.clone());
            let mut nonce = nonce.lock().unwrap();
            if let Some(next) = handed_over(&message) {
                *nonce = next;
            }
            let nth = usize::try_from(message.header.msg_id).unwrap() - 1;
            let said = script(nth, &message).unwrap_or_default();
            let mut statuses = statuses_for(&message);
            if challenges(&message) {
                // None of them counted, so they go once more (M06).
                statuses.insert_str(0, &statuses_before);
            }
            statuses_before.clone_from(&statuses);
            status(200)
                .with("Content-Type", encoding.media_type())
                .body((said.spoil)(document(
                    &message, &said, &statuses, &nonce, encoding,
                )))
                .into()
        });
    }

    /// Messages of the device so far.
    pub(crate) fn heard(&self) -> Vec<Message> {
        self.heard.lock().unwrap().clone()
    }

    /// The nonce of its next credential.
    pub(crate) fn nonce(&self) -> Nonce {
        self.nonce.lock().unwrap().clone()
    }

    pub(crate) fn forget(&self) {
        self.heard.lock().unwrap().clear();
    }

    /// Statuses of the device's message to what the server said first: `CmdRef`, and code.
    pub(crate) fn statuses(&self) -> Vec<(String, u16)> {
        self.heard().get(1).map(statuses).unwrap_or_default()
    }

    /// Generic alerts of the device, of all its messages.
    pub(crate) fn generic(&self) -> Vec<Alert> {
        let heard = self.heard();
        heard
            .iter()
            .flat_map(|message| alerts(message, 1226))
            .collect()
    }

    /// The device gets an account of this server, from its factory image, and reports it.
    pub(crate) async fn bootstrap(&self, client: &Client) {
        install(client, self.image()).await;
        let report = client.session(&srv()).await.unwrap();
        assert!(!report.still_owed, "{report:?}");
        self.forget();
        self.peer.forget();
    }

    /// A client provisioning document with an account of this server.
    pub(crate) fn image(&self) -> Vec<u8> {
        self.image_named("Peer")
    }

    /// The same, with another name for people.
    pub(crate) fn image_named(&self, name: &str) -> Vec<u8> {
        let auth = |level, name: &str, secret: &str, nonce: &[u8]| AppAuth1 {
            node: NodeName::parse("1").unwrap(),
            level,
            auth_type: AuthType1::Digest,
            name: Some(name.into()),
            secret: Some(Secret::from(secret.to_owned())),
            nonce: Some(Secret::new(nonce.to_vec())),
        };
        let account = DmAcc1 {
            name: Some(name.into()),
            addresses: vec![AppAddr1 {
                node: NodeName::parse("1").unwrap(),
                addr: self.peer.url("dm1"),
                addr_type: AddrType1::Uri,
                ports: Vec::new(),
            }],
            auths: vec![
                auth(AuthLevel1::ClCred, DEVICE, CLIENT_SECRET, b"client nonce"),
                auth(AuthLevel1::SrvCred, SRV, SERVER_SECRET, SERVER_NONCE),
            ],
            ..DmAcc1::new(srv())
        };
        let w7 = w7_of_account(&account, true).unwrap();
        let document = ProvisioningDocument {
            version: "1.0".into(),
            characteristics: vec![w7.characteristic()],
        };
        document.encode(Encoding::Wbxml).unwrap()
    }
}

/// The nonce that the device gives the server with its status for the server's header.
pub(crate) fn handed_over(message: &Message) -> Option<Nonce> {
    message.statuses().find_map(|status| {
        let nonce = status.chal.as_ref()?.meta.next_nonce.as_deref()?;
        Nonce::of_base64(nonce).ok()
    })
}

/// Whether the device did not believe the server's last message.
fn challenges(message: &Message) -> bool {
    let mut header = message.statuses().filter(|status| status.is_of_header());
    header.any(|status| matches!(status.code, Some(StatusCode(401 | 407))))
}

/// Statuses of the device's commands: its alerts and DevInfo are taken.
pub(crate) fn statuses_for(to: &Message) -> String {
    let of = to.header.msg_id;
    let mut statuses = String::new();
    for (n, command) in to.commands.iter().enumerate() {
        if matches!(command, Command::Status(_) | Command::Results(_)) {
            continue;
        }
        let (id, name) = (command.cmd_id().unwrap().as_str(), command.name());
        let cmd_id = format!("{of}{:03}", 901 + n);
        statuses.push_str(&format!(
            "<Status><CmdID>{cmd_id}</CmdID><MsgRef>{of}</MsgRef><CmdRef>{id}</CmdRef><Cmd>{name}</Cmd><Data>200</Data></Status>"
        ));
    }
    statuses
}

/// The server's answer; the device is believed for the session.
fn document(
    to: &Message,
    said: &Said,
    statuses: &str,
    nonce: &Nonce,
    encoding: Encoding,
) -> Vec<u8> {
    let of = to.header.msg_id;
    let stale = said
        .nonce
        .map(|octets| Nonce::new(octets.to_vec()).unwrap());
    let nonce = stale.as_ref().unwrap_or(nonce);
    let digest = UserHash::new(SRV, &Secret::from(said.secret.to_owned())).md5(nonce);
    let header = format!(
        "<Status><CmdID>900</CmdID><MsgRef>{of}</MsgRef><CmdRef>0</CmdRef><Cmd>SyncHdr</Cmd><Data>212</Data></Status>{}",
        said.before
    );
    let last = if said.last { "<Final/>" } else { "" };
    let text = format!(
        "<SyncML xmlns='SYNCML:SYNCML1.2'><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto><SessionID>{}</SessionID><MsgID>{}</MsgID>\
         <Target><LocURI>{DEVICE}</LocURI></Target><Source><LocURI>https://dm.example.com/</LocURI></Source>\
         <Cred><Meta><Type xmlns='syncml:metinf'>syncml:auth-md5</Type><Format xmlns='syncml:metinf'>b64</Format></Meta><Data>{digest}</Data></Cred>{}</SyncHdr>\
         <SyncBody>{header}{statuses}{}{last}</SyncBody></SyncML>",
        said.session.unwrap_or(&to.header.session_id),
        said.msg_id.unwrap_or(of),
        said.header,
        said.body
    );
    in_encoding(&text, encoding)
}

/// The document in an encoding.
pub(crate) fn in_encoding(text: &str, encoding: Encoding) -> Vec<u8> {
    if encoding == Encoding::Xml {
        return text.as_bytes().to_vec();
    }
    // Also what no device takes.
    let limits = MarkupLimits {
        octets: 8 << 20,
        depth: 100_000,
    };
    wbxml::of_xml(text.as_bytes(), Vocabulary::SyncMl, limits).unwrap()
}

/// Statuses of a message: `CmdRef`, and code.
pub(crate) fn statuses(message: &Message) -> Vec<(String, u16)> {
    let statuses = message.statuses().map(|status| {
        let of = status.cmd_ref.as_ref().map(|of| of.as_str().to_owned());
        (of.unwrap_or_default(), status.code.unwrap().0)
    });
    statuses.collect()
}

/// The status of a command in a message.
pub(crate) fn status_of(message: &Message, cmd_ref: &str) -> Status {
    let found = message.statuses().find(|status| {
        status
            .cmd_ref
            .as_ref()
            .is_some_and(|of| of.as_str() == cmd_ref)
    });
    found.unwrap().clone()
}

/// Alerts of a message with this number.
pub(crate) fn alerts(message: &Message, code: u16) -> Vec<Alert> {
    let alerts = message.commands.iter().filter_map(|command| match command {
        Command::Alert(alert) if alert.code.is_some_and(|c| c.0 == code) => Some(alert.clone()),
        _ => None,
    });
    alerts.collect()
}

/// A `Get`.
pub(crate) fn get(id: u32, uri: &str) -> String {
    format!("<Get><CmdID>{id}</CmdID><Item><Target><LocURI>{uri}</LocURI></Target></Item></Get>")
}

/// A `Replace` of a text.
pub(crate) fn replace(id: u32, uri: &str, value: &str) -> String {
    format!(
        "<Replace><CmdID>{id}</CmdID><Item><Target><LocURI>{uri}</LocURI></Target><Data>{value}</Data></Item></Replace>"
    )
}

/// Texts of a message's Results.
pub(crate) fn texts(message: &Message) -> Vec<String> {
    let results = message.commands.iter().filter_map(|command| match command {
        Command::Results(results) => Some(&results.items),
        _ => None,
    });
    let data = results.flatten().filter_map(|item| item.data.as_ref());
    data.map(|data| data.text().unwrap().to_owned()).collect()
}
