//! A pushed document that waits for somebody's consent (`dm20.md` §14.6, D56): its sender has been told that it is kept.

use std::fmt;

use omadm_bootstrap::{EventId, PayloadHash, Utc};
use omadm_mo::{Secret, TreeError};

use super::storage_error::damaged;
use super::{TreeStore, facts};

/// Octets of the event's name, of the time, and of the length of the source.
const HEAD: usize = 32 + 8 + 4;

/// A document that lies on the device until somebody agreed to it or refused it. There is one at a time.
#[derive(Clone, PartialEq, Eq)]
pub struct WaitingPush {
    /// The document.
    pub document: Secret,
    /// Origin of the source in whose name it was pushed.
    pub source: String,
    /// Names this bootstrap; an account that has it in its provenance was brought by it.
    pub event_id: EventId,
    /// When it came.
    pub at: Utc,
}

impl fmt::Debug for WaitingPush {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WaitingPush")
            .field("source", &self.source)
            .field("octets", &self.document.len())
            .finish_non_exhaustive()
    }
}

impl WaitingPush {
    /// The hash of its octets.
    #[must_use]
    pub fn hash(&self) -> PayloadHash {
        PayloadHash::of(self.document.expose())
    }

    fn write(&self) -> Secret {
        let length = u32::try_from(self.source.len()).unwrap_or(u32::MAX);
        let mut octets = Vec::with_capacity(HEAD + self.source.len() + self.document.len());
        octets.extend_from_slice(self.event_id.as_str().as_bytes());
        octets.extend_from_slice(&self.at.0.to_be_bytes());
        octets.extend_from_slice(&length.to_be_bytes());
        octets.extend_from_slice(self.source.as_bytes());
        octets.extend_from_slice(self.document.expose());
        Secret::new(octets)
    }

    fn read(octets: &[u8]) -> Option<Self> {
        let (event_id, rest) = octets.split_at_checked(32)?;
        let (at, rest) = rest.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let length = usize::try_from(u32::from_be_bytes(*length)).ok()?;
        let (source, document) = rest.split_at_checked(length)?;
        Some(Self {
            document: Secret::new(document.to_vec()),
            source: std::str::from_utf8(source).ok()?.to_owned(),
            event_id: EventId::parse(std::str::from_utf8(event_id).ok()?).ok()?,
            at: Utc(i64::from_be_bytes(*at)),
        })
    }
}

impl TreeStore {
    /// The pushed document that waits; none where none does.
    ///
    /// # Errors
    /// [`TreeError`] where the storage fails.
    pub fn waiting_push(&self) -> Result<Option<WaitingPush>, TreeError> {
        let stored = facts::read(&self.snapshot()?.facts, facts::PUSHED)?.map(Secret::new);
        stored
            .map(|octets| WaitingPush::read(octets.expose()).ok_or_else(|| damaged(facts::PUSHED)))
            .transpose()
    }

    /// Keeps a pushed document in place of the one that waited, or none any more.
    ///
    /// # Errors
    /// [`TreeError`] where the storage fails; what waited then goes on waiting.
    pub fn set_waiting_push(&self, push: Option<&WaitingPush>) -> Result<(), TreeError> {
        let octets = push.map(WaitingPush::write);
        self.write_aside(|tables| match &octets {
            Some(octets) => {
                facts::write(&mut tables.facts, facts::PUSHED, octets.expose()).map(Some)
            }
            None => {
                facts::remove(&mut tables.facts, facts::PUSHED).map(|stood| stood.then_some(()))
            }
        })
        .map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use omadm_bootstrap::{EventId, Utc};
    use omadm_mo::Secret;

    use super::WaitingPush;
    use crate::store::TreeStore;

    #[test]
    fn a_waiting_push_survives_a_restart_and_goes_with_a_factory_reset() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tree.redb");
        let push = WaitingPush {
            document: Secret::new(b"[{}]\0\xFF".to_vec()),
            source: "https://boot.example.com:8443".to_owned(),
            event_id: EventId::of([7; 16]),
            at: Utc(-5),
        };
        let store = TreeStore::open(&file, 1).unwrap();
        assert_eq!(store.waiting_push().unwrap(), None);
        store.set_waiting_push(Some(&push)).unwrap();
        drop(store);
        let store = TreeStore::open(&file, 1).unwrap();
        assert_eq!(store.waiting_push().unwrap(), Some(push.clone()));
        store.set_waiting_push(None).unwrap();
        assert_eq!(store.waiting_push().unwrap(), None);
        store.set_waiting_push(Some(&push)).unwrap();
        store.factory_reset(2).unwrap();
        assert_eq!(store.waiting_push().unwrap(), None);
    }

    #[test]
    fn what_was_cut_short_is_no_waiting_push() {
        for octets in [&b""[..], &[b'0'; 40], &[0xFF; 90]] {
            assert_eq!(WaitingPush::read(octets), None);
        }
    }
}
