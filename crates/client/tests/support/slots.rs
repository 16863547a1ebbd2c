//! The card readers of a device that has its own: slots into which a test puts cards.

use std::collections::VecDeque;
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use omadm_card::CardOid;
use omadm_card::reading::{CardDocument, CardEntry, CardOutcome, CardReading, ReaderName};
use omadm_client::reader::{CardChange, CardEvent, CardReaders};

/// Slots; clones are the same ones.
#[derive(Clone, Default)]
pub(crate) struct Slots(Arc<(Mutex<State>, Condvar)>);

#[derive(Default)]
struct State {
    readings: Vec<CardReading>,
    inserted: VecDeque<ReaderName>,
    looks: usize,
}

impl Slots {
    /// What the slot gives from now on; nobody is told.
    pub(crate) fn put(&self, slot: &str, card: &str, outcome: CardOutcome) {
        let mut state = self.0.0.lock().unwrap();
        let reader = ReaderName::new(slot);
        state.readings.retain(|one| one.reader != reader);
        let identity = (!card.is_empty()).then(|| card.parse().unwrap());
        state.readings.push(CardReading {
            reader,
            identity,
            outcome,
        });
    }

    /// A card with these documents is put in, and the client is told.
    pub(crate) fn insert(&self, slot: &str, card: &str, documents: &[Vec<u8>]) {
        self.put(slot, card, on_card(documents));
        let mut state = self.0.0.lock().unwrap();
        state.inserted.push_back(ReaderName::new(slot));
        self.0.1.notify_all();
    }

    /// How often cards were looked at.
    pub(crate) fn looks(&self) -> usize {
        self.0.0.lock().unwrap().looks
    }
}

/// A card that was read completely.
pub(crate) fn on_card(documents: &[Vec<u8>]) -> CardOutcome {
    let entries = documents.iter().enumerate().map(|(n, document)| CardEntry {
        oid: CardOid::DM_BOOTSTRAP,
        path: format!("3F00/7F50/{:04X}", 0x6432 + n).parse().unwrap(),
        content: CardDocument::from_file(document, true),
    });
    CardOutcome::Read(entries.collect())
}

impl CardReaders for Slots {
    fn read(&self, only: Option<&[ReaderName]>) -> Vec<CardReading> {
        let mut state = self.0.0.lock().unwrap();
        state.looks += 1;
        let wanted = |one: &&CardReading| only.is_none_or(|only| only.contains(&one.reader));
        state.readings.iter().filter(wanted).cloned().collect()
    }

    fn changed(&self, patience: Duration) -> Option<CardChange> {
        let state = self.0.0.lock().unwrap();
        let wait = self
            .0
            .1
            .wait_timeout_while(state, patience, |state| state.inserted.is_empty());
        let reader = wait.unwrap().0.inserted.pop_front()?;
        Some(CardChange {
            reader,
            event: CardEvent::Inserted,
        })
    }
}
