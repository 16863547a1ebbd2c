//! The device that the kit is: its packages, its sessions, its answers to commands.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::Method;
use omadm_dm2::header::{DEV_ID, SESSION_COOKIE};
use omadm_dm2::media_type::{PACKAGE1, PACKAGE2, PACKAGE3};
use omadm_dm2::{Command, CommandError, Package2};
use omadm_mo::json::{Json, JsonLimits};
use omadm_mo::{Secret, ServerUri};
use serde_json::{Value, json};

use super::ServerKit;
use super::subject::Who;
use crate::conformance::hook::HookCall;
use crate::conformance::verdict::{Judged, Verdict, expect};
use crate::conformance::wire::{Answer, Ask, Wire};

pub(super) const CLIENT_INITIATED: &str = "urn:oma:at:dm:2.0:ClientInitiatedMgmt";
pub(super) const BOOTSTRAP_COMPLETE: &str = "urn:oma:at:dm:2.0:BootstrapComplete";
pub(super) const DEV_INFO: &str = "urn:oma:mo:oma-dm-devinfo:1.2";
pub(super) const DM_ACC: &str = "urn:oma:mo:oma-dm-dmacc:1.2";
/// The cache validator of the device's DevInfo.
pub(super) const VALIDATOR: &str = "kit-1";
/// How often a request goes out while the server says 503.
const PATIENCE: usize = 4;
/// Packages after which a session without END is given up.
const MOST_PACKAGES: usize = 32;

/// A session that the server has answered.
pub(super) struct Session {
    pub(super) wire: Wire,
    pub(super) cookie: Option<String>,
    /// The last Package#2.
    pub(super) package: Package2,
}

/// A Package#1 with this session cause and nothing else.
pub(super) fn initiation(cause: &str) -> String {
    json!({ "Alert": [{ "AlertType": cause }] }).to_string()
}

/// The commands of an answer.
///
/// # Errors
/// A failure that names what is wrong with it.
pub(super) fn package2(answer: &Answer) -> Result<Package2, Verdict> {
    let expected = "200 with a Package#2";
    if answer.status != 200 {
        return Err(Verdict::failed(expected, answer.shown()));
    }
    if answer.body.is_empty() {
        return Ok(Package2::end());
    }
    let json = Json::read(&answer.body, JsonLimits::default())
        .map_err(|error| Verdict::failed(expected, format!("{error}: {}", answer.shown())))?;
    Package2::read(&json)
        .map_err(|error| Verdict::failed(expected, format!("{error}: {}", answer.shown())))
}

impl ServerKit {
    /// A request with the headers of a package of the device: DevID, types, and the HTTP credential where the device has one.
    pub(super) fn package(&self, content_type: &str, body: impl Into<bytes::Bytes>) -> Ask {
        let ask = self.anonymous(content_type, body);
        // A certificate says enough.
        let Some((user, password)) = self
            .subject
            .user
            .as_ref()
            .filter(|_| self.subject.identity.is_none())
        else {
            return ask;
        };
        ask.header("authorization", basic(user, password))
    }

    /// The same without credential.
    pub(super) fn anonymous(&self, content_type: &str, body: impl Into<bytes::Bytes>) -> Ask {
        Ask::new(Method::POST, &self.subject.url)
            .header(DEV_ID, self.subject.dev_id.as_str())
            .header("content-type", content_type)
            .header("accept", PACKAGE2)
            .body(body)
    }

    /// One request on a connection of its own.
    pub(super) async fn once(&self, ask: Ask) -> Result<Answer, Verdict> {
        let mut wire = self.connect(Who::Device).await?;
        self.tell(&mut wire, ask).await
    }

    /// One request; once more where the server says 503 and when to come again.
    pub(super) async fn tell(&self, wire: &mut Wire, ask: Ask) -> Result<Answer, Verdict> {
        let mut answer = Answer::default();
        for _ in 0..PATIENCE {
            answer = wire
                .send(ask.clone())
                .await
                .map_err(Verdict::inconclusive)?;
            let wait = answer
                .header("retry-after")
                .parse()
                .map(Duration::from_secs);
            match wait {
                Ok(wait) if answer.status == 503 && wait <= self.subject.limit => {
                    tokio::time::sleep(wait).await;
                }
                _ => break,
            }
        }
        Ok(answer)
    }

    /// A fetch of the bootstrap; not tested without its URL.
    pub(super) fn fetch(&self) -> Result<(ServerUri, Ask), Verdict> {
        let Some(url) = self.subject.bootstrap_url.clone() else {
            return Err(Verdict::not_tested(
                "needs --bootstrap-url, and a bootstrap that waits for the device there",
            ));
        };
        let mut ask = self.package("", "").without("content-type");
        ask.method = Method::GET;
        ask.target = crate::conformance::wire::target(&url);
        let accept = omadm_dm2::media_type::MO_READ.join(", ");
        Ok((url, ask.without("accept").header("accept", accept)))
    }

    /// A Package#1 that reports a bootstrap and shows DevInfo and DM Account.
    pub(super) fn completion(&mut self) -> Value {
        let event = self.next_event();
        json!({
            "MOS": [{ "MOID": DM_ACC, "MIID": ["1"] }, { "MOID": DEV_INFO, "MIID": ["1"] }],
            "Alert": [{
                "AlertType": BOOTSTRAP_COMPLETE,
                "SourceURI": format!("{DM_ACC}/1/"),
                "Mark": "informational",
                "DataType": "application/json",
                "Data": { "BootstrapType": {
                    "Method": "client", "Profile": "dm2", "Kind": "first", "Seq": 1,
                    "Time": "20260101T120000Z", "EventId": event, "State": "pending",
                }},
            }],
        })
    }

    /// Opens a session with this Package#1.
    pub(super) async fn open(&self, package1: &str) -> Result<Session, Verdict> {
        let mut wire = self.connect(Who::Device).await?;
        let ask = self.package(PACKAGE1, package1.to_owned());
        let answer = self.tell(&mut wire, ask).await?;
        Ok(Session {
            wire,
            cookie: cookie(&answer),
            package: package2(&answer)?,
        })
    }

    /// A session in which the server sent commands: after a bootstrap most servers read something, else the hook makes this one.
    pub(super) async fn open_with_commands(&mut self) -> Result<Session, Verdict> {
        let package1 = self.completion().to_string();
        let session = self.open(&package1).await?;
        if !session.package.has_end() {
            return Ok(session);
        }
        let get = HookCall::Send(vec!["GET".to_owned(), format!("{DEV_INFO}//")]);
        self.ask(get).await?;
        let session = self.open(&initiation(CLIENT_INITIATED)).await?;
        if session.package.has_end() {
            let why = "the hook was asked to queue a GET, and the next session brought END";
            return Err(Verdict::inconclusive(why));
        }
        Ok(session)
    }

    /// Answers with a Package#3; what comes is the session's next Package#2.
    pub(super) async fn respond(&self, session: &mut Session, body: &Value) -> Judged {
        let answer = self.response(session, body.to_string()).await?;
        session.package = package2(&answer)?;
        Ok(())
    }

    /// Sends a Package#3 and gives the answer back as it is.
    pub(super) async fn response(
        &self,
        session: &mut Session,
        body: impl Into<bytes::Bytes>,
    ) -> Result<Answer, Verdict> {
        let mut ask = self.package(PACKAGE3, body);
        if let Some(cookie) = &session.cookie {
            ask = ask.header("cookie", format!("{SESSION_COOKIE}={cookie}"));
        }
        self.tell(&mut session.wire, ask).await
    }

    /// Answers every command until END. Gives back every command that came, the session's last Package#2 among them.
    pub(super) async fn to_end(&self, session: &mut Session) -> Result<Vec<CommandRead>, Verdict> {
        let mut commands = Vec::new();
        for _ in 0..MOST_PACKAGES {
            commands.extend(session.package.commands.iter().cloned());
            if session.package.has_end() {
                return Ok(commands);
            }
            let statuses = self.statuses(&session.package);
            self.respond(session, &json!({ "Status": statuses }))
                .await?;
        }
        let seen = format!("{MOST_PACKAGES} Packages#2 without END");
        Err(Verdict::failed("END at last", seen))
    }

    /// One status for each command, as a device of DevInfo and DM Account alone answers.
    pub(super) fn statuses(&self, package: &Package2) -> Vec<Value> {
        let status = |command: &CommandRead| match command {
            Ok(Command::Get { clients }) => match clients.iter().next() {
                Some(uri) if uri.moid.as_str() == DEV_INFO && uri.path.is_empty() => {
                    json!({ "sc": 200, "Result": [self.dev_info_item()] })
                }
                _ => json!({ "sc": 404 }),
            },
            Ok(Command::Exec { .. }) => json!({ "sc": 405 }),
            // The kit stays where it is.
            Ok(Command::Cont { .. }) => json!({ "sc": 403 }),
            Ok(_) => json!({ "sc": 200 }),
            Err(error) => json!({ "sc": error.status().get() }),
        };
        package.commands.iter().map(status).collect()
    }

    /// DevInfo of the device in the MO serialization.
    pub(super) fn dev_info_item(&self) -> Value {
        json!({
            "ClientURI": format!("{DEV_INFO}/1/"),
            "CV": VALIDATOR,
            "MOData": { "DevInfo": {
                "DevID": self.subject.dev_id.as_str(), "Man": "Conformance", "Mod": "Kit", "DmV": "2.0", "Lang": "en",
                "DevType": "lab", "OEM": "", "FwV": "1", "SwV": "1", "HwV": "",
            }},
        })
    }

    /// Whether the server takes this Package#1: 200 with a Package#2.
    pub(super) async fn takes(&self, package1: &Value) -> Judged {
        self.open(&package1.to_string()).await.map(drop)
    }

    /// Whether this request gets one of these statuses.
    pub(super) async fn gets(&self, ask: Ask, statuses: &[u16]) -> Result<Answer, Verdict> {
        let answer = self.once(ask).await?;
        let words: Vec<_> = statuses.iter().map(u16::to_string).collect();
        expect(
            statuses.contains(&answer.status),
            words.join(" or "),
            || answer.shown(),
        )?;
        Ok(answer)
    }
}

/// A command as it was read.
pub(super) type CommandRead = Result<Command, CommandError>;

fn cookie(answer: &Answer) -> Option<String> {
    let all = answer.headers.get_all("set-cookie").iter();
    let pairs = all.filter_map(|value| value.to_str().ok()?.split(';').next()?.split_once('='));
    let mut values = pairs.filter(|(name, _)| name.trim() == SESSION_COOKIE);
    values.next().map(|(_, value)| value.trim().to_owned())
}

/// The value of `Authorization` for HTTP Basic.
pub(super) fn basic(user: &str, password: &Secret) -> String {
    let mut pair = format!("{user}:").into_bytes();
    pair.extend_from_slice(password.expose());
    format!("Basic {}", STANDARD.encode(pair))
}
