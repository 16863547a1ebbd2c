//! A DM 1.2 client without a tree: hand-written messages, XML or WBXML.

use http::Method;
use omadm_dm1::credential::{Nonce, UserHash};
use omadm_dm1::markup::{MarkupLimits, Vocabulary};
use omadm_dm1::syncml::{Command, Encoding, Message};
use omadm_dm1::wbxml;
use omadm_mo::Secret;
use omadm_server::operator::types::{Dm1AccountAdded, NewDm1Account};

use super::{Answer, DEVICE, Rig};

pub(crate) const SW_V: &str = "urn:oma:mo:oma-dm-devdetail:1.0//SwV";
pub(crate) const NAME: &str = "urn:oma:mo:oma-dm-dmacc:1.0/1/Name";

/// A DM 1.2 client without a tree.
pub(crate) struct Client {
    pub(crate) encoding: Encoding,
    pub(crate) dev_id: String,
    pub(crate) user: String,
    pub(crate) hash: UserHash,
    pub(crate) server: UserHash,
    pub(crate) session: u32,
    pub(crate) msg_id: u32,
    pub(crate) path: String,
    /// Of the next Cred; none for a message without.
    pub(crate) nonce: Option<Nonce>,
    /// The last message as it was sent.
    pub(crate) sent: Vec<u8>,
}

/// The device's Package 1.
pub(crate) const PACKAGE1: &str = "<Alert><CmdID>1</CmdID><Data>1201</Data></Alert><Replace><CmdID>2</CmdID>\
    <Item><Source><LocURI>./DevInfo/DevId</LocURI></Source><Data>IMEI:493005100592800</Data></Item>\
    <Item><Source><LocURI>./DevInfo/Man</LocURI></Source><Data>Acme</Data></Item>\
    <Item><Source><LocURI>./DevInfo/Mod</LocURI></Source><Data>M1</Data></Item>\
    <Item><Source><LocURI>./DevInfo/DmV</LocURI></Source><Data>1.2</Data></Item>\
    <Item><Source><LocURI>./DevInfo/Lang</LocURI></Source><Data>en</Data></Item></Replace>";

impl Client {
    pub(crate) fn new(added: &Dm1AccountAdded, encoding: Encoding) -> Self {
        let hash = |user: &str, secret: &str| UserHash::new(user, &Secret::from(secret.to_owned()));
        let server_secret = added.server_secret.as_ref().unwrap();
        Self {
            encoding,
            dev_id: DEVICE.to_owned(),
            user: added.account.user.clone(),
            hash: hash(&added.account.user, &added.client_secret),
            server: hash(&added.account.server_id, server_secret),
            session: 0xA0,
            msg_id: 0,
            path: "/dm/1.x".to_owned(),
            nonce: None,
            sent: Vec::new(),
        }
    }

    pub(crate) fn begin(&mut self) {
        self.session += 1;
        self.msg_id = 0;
        "/dm/1.x".clone_into(&mut self.path);
    }

    /// The next message in XML, with these commands.
    pub(crate) fn text(&mut self, commands: &str) -> String {
        self.msg_id += 1;
        let cred = self.nonce.take().map_or_else(String::new, |nonce| {
            format!(
                "<Cred><Meta><Type xmlns='syncml:metinf'>syncml:auth-md5</Type><Format xmlns='syncml:metinf'>b64</Format></Meta><Data>{}</Data></Cred>",
                self.hash.md5(&nonce)
            )
        });
        format!(
            "<SyncML xmlns='SYNCML:SYNCML1.2'><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto><SessionID>{:X}</SessionID><MsgID>{}</MsgID>\
             <Target><LocURI>https://dm.example.com/dm</LocURI></Target><Source><LocURI>{}</LocURI><LocName>{}</LocName></Source>{cred}</SyncHdr>\
             <SyncBody>{commands}<Final/></SyncBody></SyncML>",
            self.session, self.msg_id, self.dev_id, self.user
        )
    }

    pub(crate) fn message(&mut self, commands: &str) -> Vec<u8> {
        let xml = self.text(commands);
        let limits = MarkupLimits::MESSAGE;
        let message = Message::decode(xml.as_bytes(), Encoding::Xml, limits).unwrap();
        self.sent = message.encode(self.encoding).unwrap();
        self.sent.clone()
    }

    /// Sends a message to the server as it stands, and takes its answer.
    pub(crate) async fn exchange(&mut self, rig: &Rig, commands: &str) -> Message {
        let body = self.message(commands);
        let answer = self.post(rig, body).await;
        self.receive(&answer)
    }

    /// The same without `Final`.
    pub(crate) async fn unfinished(&mut self, rig: &Rig, commands: &str) -> Message {
        let text = self.text(commands).replace("<Final/>", "");
        let answer = self.post(rig, in_encoding(&text, self.encoding)).await;
        self.receive(&answer)
    }

    /// Numbers of the server's alerts.
    pub(crate) fn alerts(&self, message: &Message) -> Vec<u16> {
        let alerts = message.commands.iter().filter_map(|command| match command {
            Command::Alert(alert) => alert.code.map(|code| code.0),
            _ => None,
        });
        alerts.collect()
    }

    /// Takes note of where the next message goes, and of the nonce of its Cred.
    pub(crate) fn receive(&mut self, answer: &Answer) -> Message {
        let text = String::from_utf8_lossy(&answer.body);
        assert_eq!(answer.status, 200, "{text}");
        assert_eq!(answer.header("content-type"), self.encoding.media_type());
        assert_eq!(answer.header("cache-control"), "no-store");
        assert_eq!(
            answer.header("content-length"),
            answer.body.len().to_string()
        );
        let limits = MarkupLimits::MESSAGE;
        let message = Message::decode(&answer.body, self.encoding, limits).unwrap();
        if let Some(uri) = &message.header.resp_uri {
            uri[uri.find("/dm/1.x").unwrap()..].clone_into(&mut self.path);
        }
        let nonce = message.statuses().find_map(|status| {
            let nonce = status.chal.as_ref()?.meta.next_nonce.as_ref()?;
            Some(Nonce::of_base64(nonce).unwrap())
        });
        self.nonce = nonce;
        message
    }

    /// Sends over TLS to a server that knows nothing but what is stored.
    pub(crate) async fn tell(&mut self, rig: Rig, commands: &str) -> (Rig, Message) {
        let rig = rig.restarted().await;
        let body = self.message(commands);
        let answer = self.post(&rig, body).await;
        (rig, self.receive(&answer))
    }

    pub(crate) async fn post(&self, rig: &Rig, body: Vec<u8>) -> Answer {
        let content_type = format!("{}; charset=utf-8", self.encoding.media_type());
        let headers = [("Content-Type", content_type.as_str())];
        let mut wire = rig.connect(None).await;
        wire.send(Method::POST, &self.path, &headers, body).await
    }
}

/// The code of the header and those of the commands.
pub(crate) fn codes(message: &Message) -> Vec<u16> {
    message
        .statuses()
        .map(|status| status.code.unwrap().0)
        .collect()
}

/// Names and `CmdID`s of the server's commands.
pub(crate) fn commands(message: &Message) -> Vec<(&str, &str)> {
    let own = message.commands.iter();
    let own = own.filter(|command| !matches!(command, Command::Status(_)));
    own.map(|command| (command.name(), command.cmd_id().unwrap().as_str()))
        .collect()
}

pub(crate) fn status(msg_ref: u32, cmd_ref: &str, cmd: &str, code: u16, cmd_id: u32) -> String {
    format!(
        "<Status><CmdID>{cmd_id}</CmdID><MsgRef>{msg_ref}</MsgRef><CmdRef>{cmd_ref}</CmdRef><Cmd>{cmd}</Cmd><Data>{code}</Data></Status>"
    )
}

pub(crate) async fn account(rig: &Rig) -> Dm1AccountAdded {
    rig.device(DEVICE).await;
    added(rig).await
}

/// Gives a registered device its account.
pub(crate) async fn added(rig: &Rig) -> Dm1AccountAdded {
    let new = NewDm1Account {
        user: Some("meter-7".to_owned()),
        server_id: Some("com.example.dm".to_owned()),
        ..NewDm1Account::default()
    };
    rig.api.add_dm1(DEVICE, &new).await.unwrap()
}

pub(crate) fn words(words: &[&str]) -> Vec<String> {
    words.iter().map(|&word| word.to_owned()).collect()
}

/// The document in an encoding, whatever it says.
pub(crate) fn in_encoding(text: &str, encoding: Encoding) -> Vec<u8> {
    if encoding == Encoding::Xml {
        return text.as_bytes().to_vec();
    }
    let limits = MarkupLimits {
        octets: 8 << 20,
        ..MarkupLimits::MESSAGE
    };
    wbxml::of_xml(text.as_bytes(), Vocabulary::SyncMl, limits).unwrap()
}
