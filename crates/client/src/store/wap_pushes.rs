//! Bootstraps of DM 1.x that came by WAP push and are not decided on: signed with a PIN that nobody has given yet, or proved and not yet applied
//! (`dm1x.md` §5.4). What is left of their tries outlives a restart.

use std::fmt;

use omadm_bootstrap::{EventId, PushProof, PushedBootstrap, Utc};
use omadm_dm1::bootstrap_mac::BootstrapProfileKind;
use omadm_mo::{Secret, TreeError};
use omadm_push::wsp::{Mac, Sec, Security};
use serde::{Deserialize, Serialize};

use super::storage_error::damaged;
use super::{TreeStore, facts};

/// Most that wait at a time. Anybody can send one that only a PIN tells from a right one.
pub const MOST_WAP_PUSHES: usize = 8;
const ROWS: &str = "client/wap-push/";
/// How many were ever kept, 8 octets.
const COUNT: &str = "wap-pushes";

/// A pushed bootstrap that waits.
#[derive(Clone, PartialEq)]
pub struct WaitingWapPush {
    /// Tells it from others, from 1; given by the store.
    pub number: u64,
    /// What came.
    pub pushed: PushedBootstrap,
    /// Whom it says it is from; nothing proves that.
    pub from: String,
    /// When it came.
    pub at: Utc,
    /// Names its bootstrap.
    pub event_id: EventId,
    /// What was proved of it; none while a PIN is missing.
    pub proof: Option<PushProof>,
    /// How many PINs may still be tried.
    pub tries_left: u8,
    /// When somebody was asked for the PIN last, or it could not be applied for reasons of the device's own.
    pub asked: Option<Utc>,
}

/// What became of a push that was to be kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WapPushKept {
    /// It waits, under this number.
    Waits(u64),
    /// The very same one waits already.
    Again,
    /// [`MOST_WAP_PUSHES`] wait.
    Full,
}

#[derive(Serialize, Deserialize)]
struct Head {
    number: u64,
    from: String,
    at: Utc,
    event_id: EventId,
    profile: Profile,
    sec: Option<u32>,
    mac: Option<String>,
    proof: Option<Proof>,
    tries_left: u8,
    asked: Option<Utc>,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Profile {
    Cp,
    Dm,
}

#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Proof {
    UserPin,
    NetworkId,
    Both,
}

impl WaitingWapPush {
    /// Its head as JSON behind the head's length, then the document.
    fn write(&self) -> Result<Secret, TreeError> {
        let security = self.pushed.security.as_ref();
        let head = Head {
            number: self.number,
            from: self.from.clone(),
            at: self.at,
            event_id: self.event_id.clone(),
            profile: match self.pushed.profile {
                BootstrapProfileKind::Cp => Profile::Cp,
                BootstrapProfileKind::Dm => Profile::Dm,
            },
            sec: security.map(|one| one.sec.code().into()),
            mac: security.and_then(|one| Some(one.mac?.to_string())),
            proof: self.proof.map(|proof| match proof {
                PushProof::UserPin => Proof::UserPin,
                PushProof::NetworkId => Proof::NetworkId,
                PushProof::Both => Proof::Both,
            }),
            tries_left: self.tries_left,
            asked: self.asked,
        };
        let head = serde_json::to_vec(&head).map_err(damaged)?;
        let length = u32::try_from(head.len()).map_err(|_| damaged(ROWS))?;
        let document = self.pushed.document.expose();
        let mut octets = Vec::with_capacity(4 + head.len() + document.len());
        octets.extend_from_slice(&length.to_be_bytes());
        octets.extend_from_slice(&head);
        octets.extend_from_slice(document);
        Ok(Secret::new(octets))
    }

    fn read(octets: &[u8]) -> Option<Self> {
        let (length, rest) = octets.split_first_chunk()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (head, document) = rest.split_at_checked(length)?;
        let head: Head = serde_json::from_slice(head).ok()?;
        let mac = head.mac.as_deref().map(Mac::parse).transpose().ok()?;
        let security = match head.sec {
            Some(sec) => Some(Security {
                sec: Sec::of(sec)?,
                mac,
            }),
            None => None,
        };
        Some(Self {
            number: head.number,
            pushed: PushedBootstrap {
                profile: match head.profile {
                    Profile::Cp => BootstrapProfileKind::Cp,
                    Profile::Dm => BootstrapProfileKind::Dm,
                },
                security,
                document: Secret::new(document.to_vec()),
            },
            from: head.from,
            at: head.at,
            event_id: head.event_id,
            proof: head.proof.map(|proof| match proof {
                Proof::UserPin => PushProof::UserPin,
                Proof::NetworkId => PushProof::NetworkId,
                Proof::Both => PushProof::Both,
            }),
            tries_left: head.tries_left,
            asked: head.asked,
        })
    }
}

impl fmt::Debug for WaitingWapPush {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitingWapPush")
            .field("number", &self.number)
            .field("pushed", &self.pushed)
            .field("from", &self.from)
            .field("proof", &self.proof)
            .field("tries_left", &self.tries_left)
            .finish_non_exhaustive()
    }
}

impl TreeStore {
    /// Keeps a push that came; its number is given here.
    ///
    /// # Errors
    /// [`TreeError`] where the storage fails; the push then did not come.
    pub fn keep_wap_push(&self, mut push: WaitingWapPush) -> Result<WapPushKept, TreeError> {
        let waiting = self.wap_pushes()?;
        if waiting.iter().any(|one| one.pushed == push.pushed) {
            return Ok(WapPushKept::Again);
        }
        if waiting.len() >= MOST_WAP_PUSHES {
            return Ok(WapPushKept::Full);
        }
        let kept = self.write_aside(|tables| {
            push.number = facts::count(&mut tables.facts, COUNT)?;
            let row = push.write()?;
            facts::write(&mut tables.facts, &named(push.number), row.expose())?;
            Ok(Some(push.number))
        })?;
        Ok(kept.map_or(WapPushKept::Full, WapPushKept::Waits))
    }

    /// Those that wait, in the order in which they came.
    ///
    /// # Errors
    /// [`TreeError`] where the storage fails.
    pub fn wap_pushes(&self) -> Result<Vec<WaitingWapPush>, TreeError> {
        let rows = facts::named(&self.snapshot()?.facts, ROWS)?;
        let rows = rows.into_iter().map(Secret::new);
        rows.map(|row| WaitingWapPush::read(row.expose()).ok_or_else(|| damaged(ROWS)))
            .collect()
    }

    /// Puts what is known of a push now in place of what was; nothing where it waits no longer.
    ///
    /// # Errors
    /// [`TreeError`] where the storage fails; what was known stays.
    pub fn set_wap_push(&self, push: &WaitingWapPush) -> Result<(), TreeError> {
        let (name, row) = (named(push.number), push.write()?);
        self.write_aside(|tables| {
            if facts::read(&tables.facts, &name)?.is_none() {
                return Ok(None);
            }
            facts::write(&mut tables.facts, &name, row.expose()).map(Some)
        })
        .map(|_| ())
    }

    /// A push waits no longer; answers whether it did.
    ///
    /// # Errors
    /// [`TreeError`] where the storage fails; it then goes on waiting.
    pub fn drop_wap_push(&self, number: u64) -> Result<bool, TreeError> {
        let gone = self.write_aside(|tables| {
            facts::remove(&mut tables.facts, &named(number)).map(|stood| stood.then_some(()))
        });
        gone.map(|gone| gone.is_some())
    }
}

fn named(number: u64) -> String {
    format!("{ROWS}{number:020}")
}

#[cfg(test)]
mod tests {
    use omadm_bootstrap::{EventId, PushProof, PushedBootstrap, Utc};
    use omadm_dm1::bootstrap_mac::BootstrapProfileKind;
    use omadm_mo::Secret;
    use omadm_push::wsp::{Mac, Sec, Security};

    use super::{MOST_WAP_PUSHES, WaitingWapPush, WapPushKept};
    use crate::store::TreeStore;

    fn push(octet: u8) -> WaitingWapPush {
        WaitingWapPush {
            number: 0,
            pushed: PushedBootstrap {
                profile: BootstrapProfileKind::Dm,
                security: Some(Security {
                    sec: Sec::UserNetwPin,
                    mac: Some(Mac::new([octet; 20])),
                }),
                document: Secret::new(vec![octet, 0, 0xFF]),
            },
            from: "+15550001".to_owned(),
            at: Utc(5),
            event_id: EventId::of([octet; 16]),
            proof: None,
            tries_left: 3,
            asked: None,
        }
    }

    #[test]
    fn a_push_that_waits_for_its_pin_and_the_tries_left_outlive_a_restart_and_go_with_a_reset() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tree.redb");
        let store = TreeStore::open(&file, 1).unwrap();
        assert_eq!(store.keep_wap_push(push(1)).unwrap(), WapPushKept::Waits(1));
        assert_eq!(store.keep_wap_push(push(2)).unwrap(), WapPushKept::Waits(2));
        let tried = WaitingWapPush {
            number: 1,
            tries_left: 1,
            asked: Some(Utc(7)),
            proof: Some(PushProof::Both),
            ..push(1)
        };
        store.set_wap_push(&tried).unwrap();
        drop(store);
        let store = TreeStore::open(&file, 1).unwrap();
        let second = WaitingWapPush {
            number: 2,
            ..push(2)
        };
        assert_eq!(store.wap_pushes().unwrap(), [tried.clone(), second.clone()]);
        assert!(store.drop_wap_push(1).unwrap());
        assert!(!store.drop_wap_push(1).unwrap());
        store.set_wap_push(&tried).unwrap();
        assert_eq!(store.wap_pushes().unwrap(), [second]);
        store.factory_reset(2).unwrap();
        assert_eq!(store.wap_pushes().unwrap(), []);
    }

    #[test]
    fn the_waiting_room_is_bounded_and_the_same_push_waits_once() {
        let folder = tempfile::tempdir().unwrap();
        let store = TreeStore::open(folder.path().join("tree.redb"), 1).unwrap();
        for octet in 0..8 {
            let kept = store.keep_wap_push(push(octet)).unwrap();
            assert_eq!(kept, WapPushKept::Waits(u64::from(octet) + 1));
            assert_eq!(
                store.keep_wap_push(push(octet)).unwrap(),
                WapPushKept::Again
            );
        }
        assert_eq!(store.wap_pushes().unwrap().len(), MOST_WAP_PUSHES);
        assert_eq!(store.keep_wap_push(push(9)).unwrap(), WapPushKept::Full);
    }

    #[test]
    fn what_was_cut_short_is_no_push() {
        let whole = push(1).write().unwrap();
        for cut in 0..whole.len() - 3 {
            assert_eq!(WaitingWapPush::read(&whole.expose()[..cut]), None);
        }
    }
}
