//! The client's machine of DM 1.x against a server that says anything.

use std::collections::BTreeSet;
use std::sync::Arc;

use omadm_bootstrap::plan::{PlanStep, TreePlan};
use omadm_bootstrap::{
    Account, BootstrapKind, BootstrapMethod, BootstrapSource, ChannelSecurity, EventId,
    MemoryDevice, OwedCompletion, PayloadHash, ProfileFormat, Provenance, Utc,
};
use omadm_dm1::markup::MarkupLimits;
use omadm_dm1::syncml::{Command, Encoding, Message};
use omadm_mo::standard::MoRegistry;
use omadm_mo::standard::dm_acc1::{
    self, AddrType1, AppAddr1, AppAuth1, AuthLevel1, AuthType1, DmAcc1,
};
use omadm_mo::{DevId, ExecOutcome, Miid, NodeName, Secret, SrvId, TreeLayout, TreeView as _};
use omadm_session::client::Cause;
use omadm_session::client::dm1::{
    Dm1ClientSession, Dm1Effect, Dm1Input, Dm1Opening, Dm1Reason, Dm1Response, UserAnswer,
};
use omadm_session::pair::dm1;

use crate::parts;

const SERVER: &str = "dms.example.com";
/// Stands for the SessionID in an input, which is four digits wide as well.
const SESSION: &[u8] = b"SESS";
const SECRET: &str = "QUIET";
/// Effects after which a session that goes on is taken for endless.
const EFFECTS: usize = 10_000;

/// The client's machine ends, writes messages that can be read and hold no secret, and carries nothing out for a server that has not proven itself. The first
/// octet chooses the account: whether a digest proves the server, or its TLS; XML or WBXML; and whether somebody can be asked.
pub fn dm1_client_session(octets: &[u8]) {
    let Some((choice, octets)) = octets.split_first() else {
        return;
    };
    let [digest, xml, user] = [1, 2, 4].map(|bit| choice & bit != 0);
    let mut device = device(digest);
    let layout = Arc::new(TreeLayout::of(&MoRegistry::standard()));
    let encoding = if xml { Encoding::Xml } else { Encoding::Wbxml };
    let mut session =
        Dm1ClientSession::start(opening(encoding, user), Arc::clone(&layout), &device);
    let mut said = parts(octets);
    let mut count = 0;
    while let Some(effect) = session.poll_effect() {
        count += 1;
        assert!(count < EFFECTS, "the session does not end");
        let input = match effect {
            Dm1Effect::Send(request) => {
                let message = well_formed(&request.body);
                let end = Dm1Input::SendFailed(Cause::ServerNotTrusted("gone".to_owned()));
                match said.next() {
                    None => end,
                    Some(body) => Dm1Input::Response(Dm1Response {
                        status: 200,
                        content_type: None,
                        retry_after: None,
                        mac: None,
                        body: with_session(body, &message.header.session_id),
                    }),
                }
            }
            Dm1Effect::ReadLive(id, _) => Dm1Input::ReadLiveDone(id, Ok(Vec::new())),
            Dm1Effect::Apply(id, plan) => {
                assert!(!digest || plan.steps.is_empty(), "a stranger writes");
                let applied = device.apply(&plan).map_err(|_| Cause::Stale);
                Dm1Input::ApplyDone(id, applied)
            }
            Dm1Effect::Exec(id, ..) => {
                assert!(!digest, "a stranger executes");
                Dm1Input::ExecDone(id, Ok(ExecOutcome::Done))
            }
            Dm1Effect::AskUser(id, _) => {
                assert!(!digest && user, "a stranger asks");
                Dm1Input::UserAnswered(id, UserAnswer::Ok)
            }
            Dm1Effect::Report(_) | Dm1Effect::Finish(_) => continue,
        };
        session.handle_input(Utc(0), &device, input);
    }
    assert!(session.is_over());
}

/// A message as any server reads it.
fn well_formed(body: &[u8]) -> Message {
    let text = String::from_utf8_lossy(body);
    assert!(!text.contains(SECRET), "a secret leaves: {text}");
    let encoding = Encoding::of_body(body).expect("XML or WBXML");
    let message = Message::decode(body, encoding, MarkupLimits::MESSAGE).expect("a message");
    let ids: Vec<_> = message.commands.iter().map(Command::cmd_id).collect();
    let distinct: BTreeSet<_> = ids.iter().copied().collect();
    assert_eq!(ids.len(), distinct.len(), "each CmdID once");
    assert!(ids.iter().all(Option::is_some));
    if message.header.msg_id > 1 {
        let first = message.commands.first();
        assert!(matches!(first, Some(Command::Status(status)) if status.is_of_header()));
    }
    message
}

fn with_session(body: &[u8], session: &str) -> Vec<u8> {
    let mut octets = body.to_vec();
    let found = octets.windows(SESSION.len()).position(|at| at == SESSION);
    if let Some(at) = found {
        octets.splice(at..at + SESSION.len(), session.bytes());
    }
    octets
}

fn opening(encoding: Encoding, user: bool) -> Dm1Opening {
    let server = SrvId::parse(SERVER).expect("a ServerID");
    let dev_id = DevId::parse("IMEI:493005100592800").expect("a DevID");
    Dm1Opening {
        reason: Dm1Reason::Triggered { session: 0xABCD },
        user,
        ..dm1::opening(server, dev_id, encoding, [9; 32])
    }
}

/// A device whose bootstrap is not acknowledged yet.
fn device(digest: bool) -> MemoryDevice {
    let server = SrvId::parse(SERVER).expect("a ServerID");
    let auth = |node: &str, level| AppAuth1 {
        node: NodeName::parse(node).expect("a name"),
        level,
        auth_type: AuthType1::Digest,
        name: Some(SERVER.into()),
        secret: Some(Secret::from(SECRET.to_owned())),
        nonce: Some(Secret::new(b"nonce".to_vec())),
    };
    let mut auths = vec![auth("CLCRED", AuthLevel1::ClCred)];
    if digest {
        auths.push(auth("SRVCRED", AuthLevel1::SrvCred));
    }
    let node = DmAcc1 {
        addresses: vec![AppAddr1 {
            node: NodeName::parse("1").expect("a name"),
            addr: "https://dms.example.com/dm".into(),
            addr_type: AddrType1::Uri,
            ports: Vec::new(),
        }],
        auth_pref: Some("DIGEST".into()),
        auths,
        ..DmAcc1::new(server.clone())
    };
    let provenance = Provenance {
        method: BootstrapMethod::Factory,
        format: ProfileFormat::Cp,
        kind: BootstrapKind::First,
        seq: 1,
        at: None,
        event_id: EventId::of([7; 16]),
        payload_hash: PayloadHash::of(b"document"),
        source: BootstrapSource::FactoryImage,
        channel: ChannelSecurity::Local,
    };
    let mut account = Account::new(server.clone(), Miid::counted(1), provenance);
    account.owed = Some(OwedCompletion::fresh());
    let mut device = MemoryDevice::new(1);
    let mut plan = TreePlan::at(device.version());
    plan.steps.push(PlanStep::Add {
        moid: dm_acc1::moid(),
        miid: Miid::counted(1),
        root: node.to_node(),
        creator: Some(server),
    });
    plan.accounts.push(account);
    device.apply(&plan).expect("a new device");
    device
}
