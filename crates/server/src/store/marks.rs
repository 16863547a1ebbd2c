//! Marks that nobody waits for, by device, so that a delta finds its own among many.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use omadm_mo::DevId;

use crate::model::DeferredMark;

/// Marks that wait for a delta of their device, or for their time.
pub(super) struct Marks {
    by_device: HashMap<Option<DevId>, Vec<DeferredMark>>,
    held: usize,
    most: usize,
    interval: Duration,
    due: Option<Instant>,
    lost: bool,
}

impl Marks {
    /// Holds `most`, each for `interval` at most.
    pub(super) fn new(most: usize, interval: Duration) -> Self {
        Self {
            by_device: HashMap::new(),
            held: 0,
            most,
            interval,
            due: None,
            lost: false,
        }
    }

    /// Holds a mark; tells whether it is the first. Marks may be lost: where too many wait, this one is.
    pub(super) fn defer(&mut self, mark: DeferredMark) -> bool {
        if self.held >= self.most {
            // Once per time of trouble, not once per mark.
            if !std::mem::replace(&mut self.lost, true) {
                tracing::warn!(
                    held = self.held,
                    "too many deferred marks wait; further ones are lost"
                );
            }
            return false;
        }
        let dev_id = mark.dev_id().cloned();
        self.by_device.entry(dev_id).or_default().push(mark);
        self.held += 1;
        let first = self.due.is_none();
        if first {
            self.due = Some(Instant::now() + self.interval);
        }
        first
    }

    /// Takes the marks that ride on a delta of this device, oldest first.
    pub(super) fn riding(&mut self, dev_id: &DevId) -> Vec<DeferredMark> {
        if self.held == 0 {
            return Vec::new();
        }
        let riding = self
            .by_device
            .remove(&Some(dev_id.clone()))
            .unwrap_or_default();
        self.held -= riding.len();
        self.settle();
        riding
    }

    /// Takes all; those of one device are together, oldest first.
    pub(super) fn all(&mut self) -> Vec<DeferredMark> {
        let all = std::mem::take(&mut self.by_device)
            .into_values()
            .flatten()
            .collect();
        self.held = 0;
        self.settle();
        all
    }

    /// When the marks leave at the latest; none where none waits.
    pub(super) const fn due(&self) -> Option<Instant> {
        self.due
    }

    fn settle(&mut self) {
        if self.held == 0 {
            self.due = None;
            self.lost = false;
        }
    }
}
