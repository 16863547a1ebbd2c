use std::collections::BTreeMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use omadm_card::reading::ReaderName;
use pcsc::{Context, Error, PNP_NOTIFICATION, ReaderState, Scope, State};

use super::look::Seen;
use super::name_of;

/// Longest wait for a change at a stretch.
const STRETCH: Duration = Duration::from_secs(20);
/// Between two tries to reach the service.
const RETRY: Duration = Duration::from_millis(500);
/// Between two cancellations.
const AGAIN: Duration = Duration::from_millis(50);
/// How long an end is waited for, where the service hangs.
const PARTING: Duration = Duration::from_secs(2);

/// What a thread of its own knows of the readers: it waits for changes as long as this is used.
#[derive(Default)]
pub(super) struct Watch {
    state: Mutex<WatchState>,
    news: Condvar,
}

#[derive(Default)]
struct WatchState {
    /// Every reader there is, with its card.
    known: BTreeMap<ReaderName, Option<Stamp>>,
    /// How often the service was lost: its counts begin anew with it.
    service: u32,
    running: bool,
    stopped: bool,
    context: Option<Context>,
    /// Whether the readers were seen at all.
    ready: bool,
    /// Whether a thread cancels what the watch waits for.
    cancelling: bool,
}

/// Tells one card in a reader from the next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Stamp {
    /// Which run of the service counted.
    pub(super) service: u32,
    /// Its count of cards that came and went.
    pub(super) count: u32,
}

impl Watch {
    /// Begins to watch, where it has not begun.
    pub(super) fn start(self: &Arc<Self>) {
        let mut state = self.state();
        if state.running || state.stopped {
            return;
        }
        let own = Arc::clone(self);
        let thread = thread::Builder::new().name("card-watch".to_owned());
        match thread.spawn(move || own.run()) {
            Ok(_) => state.running = true,
            Err(error) => tracing::warn!(%error, "no thread can be started to watch the readers"),
        }
    }

    /// Ends it, and waits until its threads have left the library of PC/SC: that takes its tables down as the process ends, and a thread still in it would free them
    /// a second time. A service that hangs is waited for two seconds at most; a thread that hangs there is not at the tables.
    pub(super) fn stop(self: &Arc<Self>) {
        let mut state = self.state();
        state.stopped = true;
        if let Some(context) = state.context.take() {
            let own = Arc::clone(self);
            // Where no thread is to be had, the watch ends after its stretch.
            let started = thread::Builder::new().spawn(move || {
                own.cancel(&context);
                drop(context);
                own.state().cancelling = false;
                own.news.notify_all();
            });
            state.cancelling = started.is_ok();
        }
        self.news.notify_all();
        let parted = self
            .news
            .wait_timeout_while(state, PARTING, |state| state.running || state.cancelling);
        drop(parted);
    }

    /// What was seen by a look of now.
    pub(super) fn stamp(&self, seen: Seen) -> Option<Stamp> {
        match seen {
            Seen::Nothing => None,
            Seen::Card(count) => Some(Stamp {
                service: self.state().service,
                count,
            }),
        }
    }

    /// Waits until `news` finds some in what is known, or `end` comes.
    pub(super) fn wait<T>(
        &self,
        end: Instant,
        mut news: impl FnMut(&BTreeMap<ReaderName, Option<Stamp>>) -> Option<T>,
    ) -> Option<T> {
        let mut state = self.state();
        loop {
            if state.ready
                && let Some(news) = news(&state.known)
            {
                return Some(news);
            }
            let rest = end.saturating_duration_since(Instant::now());
            if rest.is_zero() || state.stopped {
                return None;
            }
            let waited = self.news.wait_timeout(state, rest);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }

    /// Cancels the wait for a change until it is over: a cancellation that comes before the wait is of no effect.
    fn cancel(&self, context: &Context) {
        let end = Instant::now() + PARTING;
        while self.state().running && Instant::now() < end {
            let _refused = context.cancel();
            let waited = self
                .news
                .wait_timeout_while(self.state(), AGAIN, |state| state.running);
            drop(waited);
        }
    }

    fn state(&self) -> MutexGuard<'_, WatchState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn run(&self) {
        while !self.state().stopped {
            if let Ok(context) = Context::establish(Scope::User) {
                self.state().context = Some(context.clone());
                // Ends with the service, or with us.
                let _lost = self.follow(&context);
            }
            let mut state = self.state();
            state.context = None;
            state.known.clear();
            state.ready = true;
            state.service = state.service.wrapping_add(1);
            self.news.notify_all();
            let paused = self
                .news
                .wait_timeout_while(state, RETRY, |state| !state.stopped);
            drop(paused);
        }
        self.state().running = false;
        self.news.notify_all();
    }

    /// Follows the readers until the service is lost.
    fn follow(&self, context: &Context) -> Result<(), Error> {
        let mut states = vec![ReaderState::new(PNP_NOTIFICATION(), State::UNAWARE)];
        loop {
            let names = match context.list_readers_owned() {
                Err(Error::NoReadersAvailable) => Vec::new(),
                names => names?,
            };
            let is_there = |state: &ReaderState| {
                state.name() == PNP_NOTIFICATION()
                    || (names.iter().any(|name| name.as_c_str() == state.name())
                        && !state.event_state().contains(State::UNKNOWN))
            };
            states.retain(is_there);
            for name in names {
                if !states.iter().any(|state| state.name() == name.as_c_str()) {
                    states.push(ReaderState::new(name, State::UNAWARE));
                }
            }
            if self.state().stopped {
                return Ok(());
            }
            if states.len() == 1 {
                self.learn(&mut states);
            }
            match context.get_status_change(STRETCH, &mut states) {
                Ok(()) => self.learn(&mut states),
                Err(Error::Timeout) => {}
                // One went between the two calls.
                Err(Error::UnknownReader) => thread::sleep(RETRY / 10),
                Err(error) => return Err(error),
            }
        }
    }

    fn learn(&self, states: &mut [ReaderState]) {
        let mut state = self.state();
        let service = state.service;
        state.known.clear();
        for one in states {
            one.sync_current_state();
            let now = one.event_state();
            let gone = now.intersects(State::UNKNOWN | State::IGNORE | State::UNAVAILABLE);
            if one.name() == PNP_NOTIFICATION() || gone {
                continue;
            }
            let card = now.contains(State::PRESENT).then(|| Stamp {
                service,
                count: one.event_count(),
            });
            if let Some(name) = name_of(one.name().to_owned()) {
                state.known.insert(name, card);
            }
        }
        state.ready = true;
        drop(state);
        self.news.notify_all();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_thread_is_in_the_library_of_the_service_once_the_watch_has_stopped() {
        let watch = Arc::new(Watch::default());
        watch.start();
        assert!(watch.state().running);
        watch.stop();
        let state = watch.state();
        assert!(!state.running && !state.cancelling && state.context.is_none());
    }
}
