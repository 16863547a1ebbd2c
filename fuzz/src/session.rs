//! Both ends of a session against a peer that says anything.

use omadm_bootstrap::Utc;
use omadm_dm2::{Command, Package1, Package2, Package3, media_type};
use omadm_mo::json::Json;
use omadm_mo::{CacheValidator, DevId, SrvId};
use omadm_session::client::{
    Cause, ClientSession, Effect, Fetched, Input, Opening, Response, SessionReason,
};
use omadm_session::pair::{Delivered, FaultPlan, FixedObject, Pair, acme};
use omadm_session::server::{DeviceFacts, PackageIn, Reply, SessionState, WantedCommand, advance};

use crate::{LIMITS, parts};

const SERVER: &str = "dms.example.com";
/// Every secret in it is the marker, as text or in base64.
const DOCUMENT: &str = r#"[{"ClientURI":"urn:oma:mo:oma-dm-dmacc:1.2//","MOData":{"DMAcc":{"SrvID":"dms.example.com",
    "SrvURI":"https://dms.example.com/dm/2.0","Name":"DM","Perm":{"1":{"MOID":"urn:oma:mo:oma-dm-dmacc:1.2"},"2":{"MOID":"urn:oma:mo:oma-dm-devinfo:1.2"},
    "3":{"MOID":"urn:oma:mo:oma-dm-dacmo:1.0"}},
    "Auth":{"Bootstrap":{"ServerURI":"https://boot.example.com/","SecMode":"Ag==","ClientPubKey":"UVVJRVQ=","ServerPubKey":"UVVJRVQ=","ClientSecretKey":"UVVJRVQ="},
    "Noti":{"Type":1,"Data":"","Secret":"UVVJRVQ="},"Trsp":{"Data":"cHVibGlj","Secret":"UVVJRVQ="}},
    "Ext":{"HTTPAuth":{"User":"u","Password":"QUIET"}}}}}]"#;
const MARKERS: [&str; 2] = ["QUIET", "UVVJRVQ="];
/// Effects after which a session that goes on is taken for endless: the peer's parts are used up long before.
const EFFECTS: usize = 10_000;

/// The client's machine ends, writes packages that are well-formed and hold no secret, and keeps one account.
pub fn client_session(octets: &[u8]) {
    let mut pair = device();
    let opening = Opening {
        reason: SessionReason::Client,
        to: None,
        server: SrvId::parse(SERVER).expect("a SrvID"),
        alerts: Vec::new(),
        report_type: true,
        browser: true,
        live: pair.end.live(),
        limits: LIMITS,
    };
    let mut session = ClientSession::start(opening, pair.end.registry.clone(), &pair.end.device);
    let mut said = parts(octets);
    let mut count = 0;
    while let Some(effect) = session.poll_effect() {
        count += 1;
        assert!(count < EFFECTS, "the session does not end");
        let input = match effect {
            Effect::Send(request) => {
                quiet(&request.body);
                well_formed(request.content_type, &request.body);
                match said.next() {
                    None => Some(Input::SendFailed(Cause::Unreachable("gone".to_owned()))),
                    Some(body) => Some(Input::Response(Response {
                        status: 200,
                        set_cookie: None,
                        location: None,
                        retry_after: None,
                        content_type: Some(media_type::PACKAGE2.to_owned()),
                        omadm_accept: None,
                        body: body.to_vec(),
                    })),
                }
            }
            Effect::Fetch(id, _) => {
                let fetched = said.next().map(|body| Fetched {
                    content_type: None,
                    body: body.to_vec(),
                });
                Some(Input::FetchDone(id, fetched.ok_or(Cause::Status(404))))
            }
            Effect::Upload(id, _, _, _, body) => {
                quiet(&body);
                Some(Input::UploadDone(id, Ok(())))
            }
            Effect::Finish(_) => None,
            effect => pair.end.perform(effect),
        };
        if let Some(input) = input {
            session.handle_input(&pair.end.device, input);
        }
    }
    assert!(session.is_over());
}

/// A device whose one account is acknowledged.
fn device() -> Pair {
    let mut pair = Pair::new(FaultPlan::none());
    pair.end.plug_in(FixedObject::dev_info(&acme(
        DevId::parse("IMEI:493005100592800").expect("a DevID"),
    )));
    let delivered = pair.deliver(DOCUMENT.as_bytes(), "https://boot.example.com:443");
    assert!(matches!(delivered, Delivered::Applied(..)), "{delivered:?}");
    pair
}

fn quiet(body: &[u8]) {
    let text = String::from_utf8_lossy(body);
    for marker in MARKERS {
        assert!(!text.contains(marker), "a secret leaves: {text}");
    }
}

fn well_formed(content_type: &str, body: &[u8]) {
    let json = Json::read(body, Default::default()).expect("the client writes JSON");
    if content_type == media_type::PACKAGE1 {
        let package = Package1::read(&json).expect("a Package#1");
        assert!(!package.session_causes().is_empty());
    } else {
        let package = Package3::read(&json).expect("a Package#3");
        assert!(!package.statuses.is_empty());
    }
}

/// The server's reducer answers a Package#2 or a refusal, and its state is read as it was written. The first octet of each part chooses the package,
/// and how many commands are wanted.
pub fn server_session(octets: &[u8]) {
    let mut state: Option<SessionState> = None;
    let mut cookie: Option<String> = None;
    let queued = [
        ["GET", "urn:oma:mo:oma-dm-devinfo:1.2//?cv=5f2a"],
        ["GET", "urn:oma:mo:oma-dm-devinfo:1.2/1/"],
        ["EXEC", "urn:oma:mo:oma-dm-devinfo:1.2/1/DevID"],
    ];
    let wanted: Vec<_> = queued
        .iter()
        .map(|words| WantedCommand {
            id: words.join(" "),
            command: Command::read(words).expect("a command"),
            cv: Some(CacheValidator::new("5f2a")),
        })
        .collect();
    for (n, part) in parts(octets).enumerate() {
        let Some((which, body)) = part.split_first() else {
            continue;
        };
        let package = match which % 3 {
            0 => PackageIn::Package1 { body },
            1 => PackageIn::Package3 {
                body,
                cookie: cookie.as_deref(),
            },
            _ => PackageIn::Package3 { body, cookie: None },
        };
        let facts = DeviceFacts {
            wanted: wanted
                .iter()
                .take(1 + usize::from(which >> 4) % 3)
                .cloned()
                .collect(),
            read_dev_info: which & 4 == 0,
            dev_info_missing: which & 8 == 0,
            entropy: [n as u8; 16],
        };
        let step = advance(Utc(n as i64), state.take(), &facts, package, LIMITS);
        if let Reply::Package2 { body, set_cookie } = step.reply {
            let json = Json::read(&body, Default::default()).expect("the server writes JSON");
            let package = Package2::read(&json).expect("a Package#2");
            assert!(package.commands.iter().all(Result::is_ok));
            assert_eq!(package.has_end(), step.state.is_none());
            cookie = set_cookie.or(cookie);
        }
        if let Some(state) = &step.state {
            assert_eq!(
                SessionState::from_text(&state.to_text()).as_ref(),
                Ok(state)
            );
        }
        state = step.state;
    }
}
