//! Package 0 of DM 1.x on the client (`dm1x.md` §7): proved by the account that it names, remembered together with the session that is owed to it.

use omadm_bootstrap::{DeviceView as _, Utc};
use omadm_dm1::credential::{Nonce, UserHash};
use omadm_dm1::trigger::{Initiator, ReceivedTrigger, Trigger, TriggerFault, UiMode};
use omadm_dm2::package0::{ReplayWindow, ServerId};
use omadm_mo::standard::dm_acc1::{self, AuthLevel1, DmAcc1};
use omadm_mo::{NodeAddress, SrvId, TreeError, TreeView as _};

use super::host::Shared;
use super::notification::{Notified, UnprovenTimes};
use super::{Engine, IgnoredNotification};
use crate::observer::ClientEvent;
use crate::store::OwedNotification;

/// A Package 0 of DM 1.x that counts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AcceptedTrigger {
    /// Whose account it is for.
    pub server: SrvId,
    /// SessionID of the session it asks for.
    pub session: u16,
    /// How much of the session the user is to see: for the host, which has the screen.
    pub ui_mode: UiMode,
    /// Who wanted it.
    pub initiator: Initiator,
    /// Which nonce proves it.
    pub nonce: TriggerNonce,
}

/// The nonce that the digest of a Package 0 was made with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum TriggerNonce {
    /// That of the account.
    Stored,
    /// The one before it: the message that told the server the new one may be lost (M17).
    Previous,
    /// The default one, where the account has resynchronisation on (§3.5). Whoever recorded such a Package 0 can send it again.
    Default,
}

/// Why a Package 0 of DM 1.x has no effect. Its sender is told nothing.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum IgnoredTrigger {
    /// The octets are none.
    #[error("it is no Package 0 of DM 1.x: {0}")]
    Unreadable(#[from] TriggerFault),
    /// The device has no account of this server.
    #[error("the device has no account of {0}")]
    Unknown(String),
    /// The server's account is one of DM 2.0 (`push.md` §7).
    #[error("the account of {0} is not one of DM 1.x")]
    OtherGeneration(SrvId),
    /// The account has no secret and nonce to check it by.
    #[error("the account of {0} has no credential of the server that a Package 0 is proved by")]
    NoCredential(SrvId),
    /// It was made with another secret or nonce, or changed on its way.
    #[error("its digest is not one of {0}")]
    Digest(SrvId),
    /// A SessionID among the last 32.
    #[error("session {session:X} of {server} was asked for before")]
    Duplicate {
        /// The server.
        server: SrvId,
        /// The SessionID.
        session: u16,
    },
}

/// The forms of the default nonce, in the order in which they are tried (§3.5).
const DEFAULT_NONCES: [&[u8]; 2] = [&[0; 4], b"0x00000000"];

impl Engine {
    /// Takes a Package 0 of DM 1.x, however it came; `carrier` is for events.
    pub(crate) async fn triggered(
        &self,
        octets: Vec<u8>,
        carrier: &'static str,
    ) -> Result<Notified, TreeError> {
        let (resync, now) = (self.config.dm1.nonce_resync.clone(), self.now());
        let one_at_a_time = self.desk.one_at_a_time();
        let outcome = self
            .host
            .run(move |host| {
                let mut unproven = one_at_a_time.lock();
                take(host, &resync, &octets, now, &mut unproven)
            })
            .await?;
        Ok(match outcome {
            Ok(trigger) => {
                self.tell(&ClientEvent::Triggered {
                    carrier,
                    trigger: trigger.clone(),
                });
                self.desk.bell.notify_one();
                Notified::Triggered(trigger)
            }
            Err(ignored) => {
                let ignored = IgnoredNotification::from(ignored);
                self.ignored(ignored.clone(), carrier);
                Notified::Ignored(ignored)
            }
        })
    }
}

fn take(
    host: &Shared,
    resync: &[SrvId],
    octets: &[u8],
    now: Utc,
    unproven: &mut UnprovenTimes,
) -> Result<Result<AcceptedTrigger, IgnoredTrigger>, TreeError> {
    let received = match ReceivedTrigger::decode(octets) {
        Ok(received) => received,
        Err(fault) => return Ok(Err(fault.into())),
    };
    let named = &received.unproven().server_id;
    let unknown = || Ok(Err(IgnoredTrigger::Unknown(named.clone())));
    let view = host.store.snapshot()?;
    let Ok(server) = SrvId::parse(named) else {
        return unknown();
    };
    let Some(account) = view.account(&server)? else {
        return unknown();
    };
    if !account.is_dm1() {
        return Ok(Err(IgnoredTrigger::OtherGeneration(server)));
    }
    let node = view.subtree(&NodeAddress::root(dm_acc1::moid(), account.miid))?;
    let nodes = node.and_then(|node| DmAcc1::from_node(&node).ok());
    let previous = account.dm1.previous_server_nonce;
    let may_resync = resync.contains(&server);
    let proved = nodes.map(|nodes| prove(&received, &nodes, previous.as_ref(), may_resync));
    let (trigger, nonce) = match proved.unwrap_or(Proof::NoCredential) {
        Proof::NoCredential => return Ok(Err(IgnoredTrigger::NoCredential(server))),
        Proof::Wrong => return Ok(Err(IgnoredTrigger::Digest(server))),
        Proof::Right(trigger, nonce) => (trigger, nonce),
    };
    let session = trigger.session_id;
    let id = ServerId::Account(server.clone());
    let Some(window) = with_session(&host.store.replay_window(&id)?, session) else {
        return Ok(Err(IgnoredTrigger::Duplicate { server, session }));
    };
    let not_before = match nonce {
        TriggerNonce::Stored | TriggerNonce::Previous => None,
        TriggerNonce::Default => unproven.next(&id, now),
    };
    let owed = OwedNotification {
        number: 0,
        notification_id: Some(session),
        req_mos: false,
        attempts: 0,
        not_before,
    };
    host.store.accept_notification(&id, &window, owed)?;
    Ok(Ok(AcceptedTrigger {
        server,
        session,
        ui_mode: trigger.ui_mode,
        initiator: trigger.initiator,
        nonce,
    }))
}

enum Proof<'a> {
    NoCredential,
    Wrong,
    Right(&'a Trigger, TriggerNonce),
}

/// By each `SRVCRED` of the account; its type does not matter, since a Package 0 is always digested. Every nonce is tried, whichever proves it.
fn prove<'a>(
    received: &'a ReceivedTrigger<'_>,
    account: &DmAcc1,
    previous: Option<&Nonce>,
    resync: bool,
) -> Proof<'a> {
    let auths = account.auths.iter();
    let mut proof = Proof::NoCredential;
    for auth in auths.filter(|auth| auth.level == AuthLevel1::SrvCred) {
        let Some(secret) = &auth.secret else {
            continue;
        };
        let key = UserHash::new(account.server_id.as_str(), secret);
        let stored = auth.nonce.as_ref().map(|nonce| nonce.expose().to_vec());
        let stored = stored.and_then(|octets| Nonce::new(octets).ok());
        let default = DEFAULT_NONCES.iter().filter(|_| resync);
        let default = default.filter_map(|octets| Nonce::new(octets.to_vec()).ok());
        let nonces = stored.map(|nonce| (nonce, TriggerNonce::Stored));
        let nonces = nonces.into_iter().chain(
            previous
                .cloned()
                .map(|nonce| (nonce, TriggerNonce::Previous)),
        );
        let nonces = nonces.chain(default.map(|nonce| (nonce, TriggerNonce::Default)));
        for (nonce, which) in nonces {
            let trigger = received.proven(&key, &nonce);
            proof = match (proof, trigger) {
                (right @ Proof::Right(..), _) => right,
                (_, Some(trigger)) => Proof::Right(trigger, which),
                (_, None) => Proof::Wrong,
            };
        }
    }
    proof
}

/// The window with one more SessionID; none where it holds it already (§7).
fn with_session(window: &ReplayWindow, session: u16) -> Option<ReplayWindow> {
    let mut recent: Vec<u16> = window.recent().collect();
    if recent.contains(&session) {
        return None;
    }
    recent.push(session);
    let unproven: Vec<u16> = window.unproven().collect();
    Some(ReplayWindow::restore(window.newest(), &recent, &unproven))
}

#[cfg(test)]
mod tests {
    use omadm_dm1::credential::{Nonce, UserHash};
    use omadm_dm1::trigger::{Initiator, ReceivedTrigger, Trigger, UiMode, VERSION};
    use omadm_mo::standard::dm_acc1::{AppAuth1, AuthLevel1, AuthType1, DmAcc1};
    use omadm_mo::{NodeName, Secret, SrvId};

    use super::{DEFAULT_NONCES, Proof, TriggerNonce, prove};

    const SERVER: &str = "com.mgmtsrv.manage";

    fn account(level: AuthLevel1) -> DmAcc1 {
        let auth = AppAuth1 {
            node: NodeName::parse("1").unwrap(),
            level,
            auth_type: AuthType1::Hmac,
            name: Some("other".into()),
            secret: Some(Secret::from("serverSecret#1".to_owned())),
            nonce: Some(Secret::new(b"stored".to_vec())),
        };
        DmAcc1 {
            auths: vec![auth],
            ..DmAcc1::new(SrvId::parse(SERVER).unwrap())
        }
    }

    #[test]
    fn m17_the_stored_nonce_and_the_one_before_it_prove_a_package_0_and_the_default_one_where_it_is_on()
     {
        let secret = Secret::from("serverSecret#1".to_owned());
        let key = UserHash::new(SERVER, &secret);
        let trigger = Trigger {
            version: VERSION,
            ui_mode: UiMode::Background,
            initiator: Initiator::Server,
            session_id: 0xA5,
            server_id: SERVER.into(),
            vendor: vec![1],
        };
        let previous = Nonce::new(b"previous".to_vec()).unwrap();
        let previous = Some(&previous);
        for (nonce, resync, expected) in [
            (&b"stored"[..], false, Some(TriggerNonce::Stored)),
            (b"previous", false, Some(TriggerNonce::Previous)),
            (b"older", true, None),
            (DEFAULT_NONCES[0], false, None),
            (DEFAULT_NONCES[0], true, Some(TriggerNonce::Default)),
            (DEFAULT_NONCES[1], true, Some(TriggerNonce::Default)),
        ] {
            let octets = trigger.encode(&key, nonce).unwrap();
            let received = ReceivedTrigger::decode(&octets).unwrap();
            let proof = prove(&received, &account(AuthLevel1::SrvCred), previous, resync);
            let found = match proof {
                Proof::Right(of, which) => {
                    assert_eq!(of, &trigger);
                    Some(which)
                }
                Proof::Wrong => None,
                Proof::NoCredential => panic!("there is one"),
            };
            assert_eq!(found, expected, "{nonce:?}");
            let without = prove(&received, &account(AuthLevel1::ClCred), previous, resync);
            assert!(matches!(without, Proof::NoCredential));
        }
    }
}
