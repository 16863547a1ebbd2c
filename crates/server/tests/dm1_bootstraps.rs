//! Bootstraps of DM 1.x by the server's records: made, pushed, fetched, completed by the device's event or by its first session (`dm1x.md` §5.6, §5.9, §6.3).
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test fails by panicking"
)]

mod support;

use std::path::Path;
use std::time::{Duration, Instant};

use http::Method;
use omadm_bootstrap::dm1::{AppSrvIs, Dm1Document};
use omadm_bootstrap::{AwaitedPin, PinJudged, PushJudged, PushKeys, PushedBootstrap};
use omadm_dm1::bootstrap_mac::Imsi;
use omadm_dm1::credential::{Nonce, UserHash};
use omadm_dm1::markup::MarkupLimits;
use omadm_dm1::syncml::{Encoding, Message};
use omadm_mo::Secret;
use omadm_mo::standard::DmAcc1;
use omadm_mo::standard::dm_acc1::AuthLevel1;
use omadm_push::wsp::Push;
use omadm_server::config::ServerConfig;
use omadm_server::operator::client::ApiError;
use omadm_server::operator::types::{BootstrapBody, NewBootstrap, NotifyAt, SecretText};
use sha2::{Digest as _, Sha256};
use support::{DEVICE, Rig, soon};
use tokio::net::UdpSocket;

const PATIENCE: Duration = Duration::from_secs(30);
const IMSI: &str = "310150123456789";

fn profiles(config: &mut ServerConfig) {
    config.profiles_dir = Some(Path::new(env!("CARGO_MANIFEST_DIR")).join("../../profiles"));
}

async fn rig() -> Rig {
    Rig::one_node(profiles, |server| server).await
}

fn new(format: &str) -> NewBootstrap {
    NewBootstrap {
        device: DEVICE.to_owned(),
        profile: Some("dm1x".to_owned()),
        profile_format: Some(format.to_owned()),
        ..NewBootstrap::default()
    }
}

/// A device that was given a document.
struct Device {
    account: DmAcc1,
    document: Vec<u8>,
    session: u32,
}

/// What became of a session's first message.
struct Answered {
    code: u16,
    /// The server's own proof is made with what the document says.
    proven: bool,
}

impl Device {
    fn of(document: &[u8]) -> Self {
        let read = Dm1Document::read(document, AppSrvIs::ClCred, MarkupLimits::MESSAGE).unwrap();
        Self {
            account: read.accounts.into_iter().next().unwrap().account,
            document: document.to_vec(),
            session: 0,
        }
    }

    fn of_level(&self, level: AuthLevel1) -> (UserHash, Nonce) {
        let auth = self.account.auth(level).unwrap();
        let nonce = auth.nonce.as_ref().unwrap().expose().to_vec();
        let hash = UserHash::new(auth.name.as_ref().unwrap(), auth.secret.as_ref().unwrap());
        (hash, Nonce::new(nonce).unwrap())
    }

    /// The data of its bootstrap event.
    fn event(&self, id: u8, method: &str) -> String {
        let hash = Sha256::digest(&self.document);
        let sha: String = hash[..8]
            .iter()
            .map(|octet| format!("{octet:02x}"))
            .collect();
        let id = format!("{id:02x}").repeat(16);
        format!(
            "v=1&amp;id={id}&amp;seq=1&amp;method={method}&amp;profile=cp&amp;kind=first&amp;sha={sha}"
        )
    }

    /// Opens a session; answers a challenge once.
    async fn open(&mut self, rig: &Rig, event: Option<&str>) -> Answered {
        self.session += 1;
        let (client, nonce) = self.of_level(AuthLevel1::ClCred);
        let (server, server_nonce) = self.of_level(AuthLevel1::SrvCred);
        let alert = event.map_or_else(String::new, |data| {
            format!(
                "<Alert><CmdID>3</CmdID><Data>1226</Data><Item><Source><LocURI>./DMAcc/1</LocURI></Source><Meta><Type xmlns='syncml:metinf'>org.example.dm.bootstrap</Type>\
                 <Format xmlns='syncml:metinf'>chr</Format></Meta><Data>{data}</Data></Item></Alert>"
            )
        });
        let name = self.account.auth(AuthLevel1::ClCred).unwrap().name.clone();
        let name = name.unwrap();
        let (mut nonce, mut path) = (nonce, "/dm/1.x".to_owned());
        for msg_id in 1..=2 {
            let xml = format!(
                "<SyncML xmlns='SYNCML:SYNCML1.2'><SyncHdr><VerDTD>1.2</VerDTD><VerProto>DM/1.2</VerProto><SessionID>{:X}</SessionID><MsgID>{msg_id}</MsgID>\
                 <Target><LocURI>https://dm.example.com/dm</LocURI></Target><Source><LocURI>{DEVICE}</LocURI><LocName>{name}</LocName></Source>\
                 <Cred><Meta><Type xmlns='syncml:metinf'>syncml:auth-md5</Type><Format xmlns='syncml:metinf'>b64</Format></Meta><Data>{}</Data></Cred></SyncHdr>\
                 <SyncBody><Alert><CmdID>1</CmdID><Data>1201</Data></Alert><Replace><CmdID>2</CmdID><Item><Source><LocURI>./DevInfo/DevId</LocURI></Source>\
                 <Data>{DEVICE}</Data></Item></Replace>{alert}<Final/></SyncBody></SyncML>",
                self.session,
                client.md5(&nonce)
            );
            let headers = [("Content-Type", Encoding::Xml.media_type())];
            let mut wire = rig.connect(None).await;
            let answer = wire
                .send(Method::POST, &path, &headers, xml.into_bytes())
                .await;
            assert_eq!(
                answer.status,
                200,
                "{}",
                String::from_utf8_lossy(&answer.body)
            );
            let limits = MarkupLimits::MESSAGE;
            let message = Message::decode(&answer.body, Encoding::Xml, limits).unwrap();
            let header = message.statuses().next().unwrap();
            let code = header.code.unwrap().0;
            if code == 212 {
                let cred = message.header.cred.as_ref();
                let proven = cred.is_some_and(|cred| {
                    server.md5_matches(&server_nonce, cred.data.text().unwrap())
                });
                return Answered { code, proven };
            }
            let next = header
                .chal
                .as_ref()
                .unwrap()
                .meta
                .next_nonce
                .as_ref()
                .unwrap();
            nonce = Nonce::of_base64(next).unwrap();
            if let Some(uri) = &message.header.resp_uri {
                uri[uri.find("/dm/1.x").unwrap()..].clone_into(&mut path);
            }
            if msg_id == 2 {
                return Answered {
                    code,
                    proven: false,
                };
            }
        }
        panic!("two messages have two answers");
    }
}

async fn until(rig: &Rig, id: &str, state: &str) -> BootstrapBody {
    let end = Instant::now() + PATIENCE;
    loop {
        let now = rig.api.bootstrap(id).await.unwrap();
        if now.state == state {
            return now;
        }
        assert!(Instant::now() < end, "it never came about: {now:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn refused(refused: Result<impl Sized, ApiError>) -> (u16, String) {
    match refused.err() {
        Some(ApiError::Refused(problem)) => (problem.status, problem.detail.clone()),
        other => panic!("not refused: {other:?}"),
    }
}

/// An ear for WAP pushes over UDP, and what is asked for to reach it.
async fn ear(format: &str) -> (UdpSocket, NewBootstrap) {
    let ear = UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let to = Some(format!("udp://{}", ear.local_addr().unwrap()));
    let new = NewBootstrap { to, ..new(format) };
    (ear, new)
}

async fn heard(ear: &UdpSocket) -> PushedBootstrap {
    let mut octets = vec![0; 65_536];
    let length = soon(ear.recv(&mut octets)).await.unwrap();
    let push = Push::decode(&octets[..length]).unwrap();
    PushedBootstrap::of_push(&push).unwrap()
}

/// The document of a push that a device with this IMSI takes, its user typing this PIN.
fn taken(pushed: &PushedBootstrap, pin: &str) -> Secret {
    let keys = PushKeys {
        subscribers: vec![Imsi::parse(IMSI).unwrap().into()],
        user_pin_mac: false,
    };
    let awaited: AwaitedPin = match pushed.judge(&keys) {
        PushJudged::Proved(_) => return pushed.document.clone(),
        PushJudged::NeedsPin(awaited) => awaited,
        PushJudged::Dropped(fault) => panic!("{fault}"),
    };
    match awaited.answer(&Secret::from(pin.to_owned()), &keys) {
        PinJudged::Right(_, pushed) => pushed.document,
        PinJudged::Wrong(_) | PinJudged::Exhausted => panic!("wrong PIN"),
    }
}

#[tokio::test]
async fn b1_s_01_a_signed_push_brings_an_account_and_the_event_completes_its_record_by_name() {
    for (format, sec, pin, imsi) in [
        ("cp", "userpin", Some("12345678"), None),
        ("dm", "networkid", None, Some(IMSI)),
        ("cp", "both", Some("1234"), Some(IMSI)),
    ] {
        let rig = rig().await;
        rig.device(DEVICE).await;
        let (ear, new) = ear(format).await;
        let new = NewBootstrap {
            pin: pin.map(|pin| SecretText(pin.to_owned())),
            imsi: imsi.map(str::to_owned),
            ..new
        };
        let begun = rig.api.start_bootstrap(&new).await.unwrap();
        assert_eq!(begun.profile_format, format);
        assert_eq!(begun.method, "server-initiated");
        let push = begun.push.unwrap();
        assert_eq!(
            (push.carrier.as_str(), push.sec.as_deref()),
            ("wap", Some(sec))
        );
        assert!(
            push.worth.is_some(),
            "the operator is told what it is worth"
        );
        let document = taken(&heard(&ear).await, pin.unwrap_or_default());
        let end = Instant::now() + PATIENCE;
        // Nobody tells whether it came, so none follows.
        while until(&rig, &begun.id, "sent")
            .await
            .push
            .unwrap()
            .next_at
            .is_some()
        {
            assert!(
                Instant::now() < end,
                "what became of the try is not written down"
            );
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        let shown = rig.api.device(DEVICE).await.unwrap().dm1.unwrap();
        assert_eq!(shown.client[0].generation, "pending");

        let mut device = Device::of(document.expose());
        let event = device.event(7, "server");
        let answered = device.open(&rig, Some(&event)).await;
        assert_eq!((answered.code, answered.proven), (212, true));
        let done = until(&rig, &begun.id, "completed").await;
        assert_eq!(done.event_id, Some("07".repeat(16)));
        assert_eq!(done.kind.as_deref(), Some("first"));
        let shown = rig.api.device(DEVICE).await.unwrap();
        let completed = shown
            .events
            .iter()
            .find(|event| event.what["event"] == "bootstrap-completed");
        assert_eq!(completed.unwrap().what["bootstrap"], begun.id.as_str());
        let account = shown.dm1.unwrap();
        assert_eq!(account.client[0].generation, "current");
        assert!(account.rotate, "what went in clear is replaced at once");
        assert!(!account.client[0].escrowed);
    }
}

#[tokio::test]
async fn b1_s_02_dm_hlr_2_the_first_session_completes_the_record_of_a_device_that_reports_no_event()
{
    let rig = rig().await;
    rig.device(DEVICE).await;
    let factory = NewBootstrap {
        method: Some("factory".to_owned()),
        ..new("dm")
    };
    let begun = rig.api.start_bootstrap(&factory).await.unwrap();
    assert_eq!(begun.state, "drafted");
    let image = rig.api.bootstrap_document(&begun.id).await.unwrap();
    let mut device = Device::of(image.expose());
    let answered = device.open(&rig, None).await;
    assert_eq!((answered.code, answered.proven), (212, true));
    let done = rig.api.bootstrap(&begun.id).await.unwrap();
    assert_eq!((done.state.as_str(), done.event_id), ("completed", None));
    let event = device.event(9, "factory");
    device.open(&rig, Some(&event)).await;
    let told = rig.api.bootstrap(&begun.id).await.unwrap();
    assert_eq!(told.event_id, Some("09".repeat(16)), "its event came later");
}

#[tokio::test]
async fn a_push_that_comes_late_counts_until_a_newer_one_was_used() {
    let rig = rig().await;
    rig.device(DEVICE).await;
    let imsi = NotifyAt {
        imsi: Some(IMSI.to_owned()),
        ..NotifyAt::default()
    };
    rig.api.set_notify(DEVICE, &imsi).await.unwrap();
    let mut all = Vec::new();
    for format in ["cp", "dm", "cp"] {
        let (ear, new) = ear(format).await;
        let begun = rig.api.start_bootstrap(&new).await.unwrap();
        let document = taken(&heard(&ear).await, "");
        until(&rig, &begun.id, "sent").await;
        all.push((begun.id, Device::of(document.expose())));
    }
    let [(first, one), (second, two), (third, three)] = &mut all[..] else {
        panic!("three were pushed");
    };
    for (id, device, superseded) in [(second, two, Some(first)), (third, three, None)] {
        let answered = device.open(&rig, None).await;
        assert_eq!((answered.code, answered.proven), (212, true));
        assert_eq!(rig.api.bootstrap(id).await.unwrap().state, "completed");
        if let Some(older) = superseded {
            assert_eq!(rig.api.bootstrap(older).await.unwrap().state, "superseded");
            assert_eq!(
                one.open(&rig, None).await.code,
                401,
                "it opens nothing any more"
            );
        }
    }
}

#[tokio::test]
async fn what_a_push_brought_opens_nothing_once_its_time_is_over() {
    let rig = rig().await;
    rig.device(DEVICE).await;
    let (ear, new) = ear("cp").await;
    let new = NewBootstrap {
        imsi: Some(IMSI.to_owned()),
        expires_in: Some(60),
        ..new
    };
    let begun = rig.api.start_bootstrap(&new).await.unwrap();
    let mut device = Device::of(taken(&heard(&ear).await, "").expose());
    rig.jump(61);
    assert_eq!(device.open(&rig, None).await.code, 401);
    let ended = until(&rig, &begun.id, "expired").await;
    assert_eq!(ended.cause.as_deref(), Some("expired"));
}

#[tokio::test]
async fn a_push_that_nobody_could_check_or_carry_is_refused_with_its_cause() {
    let rig = rig().await;
    rig.device(DEVICE).await;
    let (_ear, wap) = ear("cp").await;
    let pin = || Some(SecretText("1234".to_owned()));
    let imsi = || Some(IMSI.to_owned());
    let text = |text: &str| Some(text.to_owned());
    let cases = [
        (NewBootstrap { ..wap.clone() }, 409, "nobody could sign"),
        (
            NewBootstrap {
                sec: text("none"),
                pin: pin(),
                ..wap.clone()
            },
            400,
            "drop a bootstrap that nobody signed",
        ),
        (
            NewBootstrap {
                sec: text("userpinmac"),
                pin: pin(),
                ..wap.clone()
            },
            400,
            "none of networkid",
        ),
        (
            NewBootstrap {
                sec: text("networkid"),
                ..wap.clone()
            },
            409,
            "IMSI",
        ),
        (
            NewBootstrap {
                sec: text("both"),
                imsi: imsi(),
                ..wap.clone()
            },
            409,
            "PIN",
        ),
        (
            NewBootstrap {
                sec: text("networkid"),
                imsi: imsi(),
                pin: pin(),
                ..wap.clone()
            },
            400,
            "`both`",
        ),
        (
            NewBootstrap {
                pin: Some(SecretText("12a4".to_owned())),
                ..wap.clone()
            },
            400,
            "pin",
        ),
        (
            NewBootstrap {
                imsi: text("31015012345678901"),
                ..wap.clone()
            },
            400,
            "imsi",
        ),
        (
            NewBootstrap {
                carrier: text("notification"),
                imsi: imsi(),
                ..wap.clone()
            },
            400,
            "fetches nothing",
        ),
        (
            NewBootstrap {
                carrier: text("direct"),
                imsi: imsi(),
                ..wap.clone()
            },
            400,
            "HTTPS",
        ),
        (
            NewBootstrap {
                to: text("https://192.0.2.7/bootstrap"),
                imsi: imsi(),
                ..wap.clone()
            },
            400,
            "HTTPS",
        ),
        (
            NewBootstrap {
                to: text("sms:+15551230001"),
                imsi: imsi(),
                ..wap.clone()
            },
            409,
            "no SMSC is configured",
        ),
        (
            NewBootstrap {
                profile_format: None,
                imsi: imsi(),
                ..wap.clone()
            },
            400,
            "profile_format",
        ),
        (
            NewBootstrap {
                profile_format: text("xml"),
                ..wap.clone()
            },
            400,
            "neither cp nor dm",
        ),
        (
            NewBootstrap {
                profile: text("minimal"),
                imsi: imsi(),
                ..wap.clone()
            },
            422,
            "says nothing of DM 1.x",
        ),
    ];
    for (new, status, part) in cases {
        let (is, detail) = refused(rig.api.start_bootstrap(&new).await);
        assert!(is == status && detail.contains(part), "{is}: {detail}");
    }
    let shown = rig.api.device(DEVICE).await.unwrap();
    assert!(
        shown.bootstraps.is_empty() && shown.dm1.is_none(),
        "nothing was made"
    );
}

#[tokio::test]
async fn a_bootstrap_follows_a_revoked_account_under_a_name_of_its_own() {
    let rig = rig().await;
    rig.device(DEVICE).await;
    let new = || NewBootstrap {
        method: Some("factory".to_owned()),
        ..new("cp")
    };
    rig.api.start_bootstrap(&new()).await.unwrap();
    let whole = omadm_server::operator::types::Dm1Revocation { boot: false };
    rig.api.revoke_dm1(DEVICE, &whole).await.unwrap();
    let begun = rig.api.start_bootstrap(&new()).await.unwrap();
    let image = rig.api.bootstrap_document(&begun.id).await.unwrap();
    let mut device = Device::of(image.expose());
    let name = device
        .account
        .auth(AuthLevel1::ClCred)
        .unwrap()
        .name
        .clone();
    assert_eq!(name.unwrap(), format!("{DEVICE}-2"));
    assert_eq!(device.open(&rig, None).await.code, 212);
}

#[tokio::test]
async fn a_client_that_names_dm_1_x_fetches_what_the_profile_has_for_it() {
    let rig = rig().await;
    let identity = rig.device(DEVICE).await;
    let begun = rig
        .api
        .start_bootstrap(&NewBootstrap {
            profile_format: None,
            ..new("cp")
        })
        .await
        .unwrap();
    let fetch = async |accept: &str| {
        let mut wire = rig.connect(Some(&identity)).await;
        let headers = [("OMADM-DevID", DEVICE), ("Accept", accept)];
        wire.send(Method::GET, "/bootstrap", &headers, Vec::new())
            .await
    };
    let dm = "application/vnd.syncml.dm+wbxml";
    let cp = "application/vnd.wap.connectivity-wbxml";
    assert_eq!(fetch("text/html").await.status, 406);
    let got = fetch(&format!("{dm}, {cp}")).await;
    assert_eq!((got.status, got.header("content-type")), (200, dm));
    assert_eq!(got.header("cache-control"), "no-store");
    assert_eq!(
        rig.api.bootstrap(&begun.id).await.unwrap().state,
        "superseded"
    );
    let again = fetch(dm).await;
    assert_eq!(
        again.body, got.body,
        "the same octets until the record ends"
    );
    assert_eq!(fetch("application/vnd.oma.dm.mo+json").await.status, 204);

    let mut device = Device::of(&got.body);
    let event = device.event(3, "client");
    assert_eq!(device.open(&rig, Some(&event)).await.code, 212);
    let shown = rig.api.device(DEVICE).await.unwrap();
    let newest = &shown.bootstraps[0];
    assert_eq!(
        (newest.state.as_str(), newest.profile_format.as_str()),
        ("completed", "dm")
    );
    assert_eq!(newest.method, "client-initiated");
    assert_eq!(
        fetch(dm).await.status,
        403,
        "a completed device is let in again by policy alone"
    );
}
