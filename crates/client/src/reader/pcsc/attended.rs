use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, RecvTimeoutError};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use omadm_card::CardTrouble;

/// Longest that a look takes though card and reader go on answering: a file of 32767 octets takes a minute at the slowest rate of T=0.
const WHOLE: Duration = Duration::from_secs(300);

/// Work on a thread of its own, which is given up when it stays silent. What goes on in the thread then is of no effect on anybody.
pub(super) struct Attended<T> {
    answer: mpsc::Receiver<T>,
    progress: Arc<Progress>,
    patience: Duration,
    begun: Instant,
}

/// The signs of life of work.
pub(super) struct Progress {
    last: Mutex<(Instant, CardTrouble)>,
    ended: AtomicBool,
}

/// Work that may still be under way.
pub(super) struct Busy(Arc<Progress>);

impl<T: Send + 'static> Attended<T> {
    /// Begins work.
    pub(super) fn begin(
        patience: Duration,
        work: impl FnOnce(&Progress) -> T + Send + 'static,
    ) -> Result<Self, CardTrouble> {
        let begun = Instant::now();
        let progress = Arc::new(Progress {
            last: Mutex::new((begun, CardTrouble::NoService)),
            ended: AtomicBool::new(false),
        });
        let (tell, answer) = mpsc::channel();
        let own = Arc::clone(&progress);
        let thread = thread::Builder::new().name("card-reader".to_owned());
        let started = thread.spawn(move || {
            let ended = work(&own);
            own.ended.store(true, Ordering::Release);
            // Nobody waits any more where it was given up.
            let _given_up = tell.send(ended);
        });
        match started {
            Ok(_) => Ok(Self {
                answer,
                progress,
                patience,
                begun,
            }),
            Err(error) => {
                tracing::warn!(%error, "no thread can be started for a card reader");
                Err(CardTrouble::ReaderFailed)
            }
        }
    }

    /// Waits for the end; what the silence means where it is given up.
    pub(super) fn wait(self) -> Result<T, CardTrouble> {
        loop {
            let (last, silence) = self.progress.last();
            let due = (last + self.patience).min(self.begun + WHOLE);
            let rest = due.saturating_duration_since(Instant::now());
            match self.answer.recv_timeout(rest) {
                Ok(ended) => return Ok(ended),
                // The thread panicked.
                Err(RecvTimeoutError::Disconnected) => return Err(CardTrouble::ReaderFailed),
                Err(RecvTimeoutError::Timeout) if rest.is_zero() => return Err(silence),
                Err(RecvTimeoutError::Timeout) => {}
            }
        }
    }

    /// To ask later whether it still goes on.
    pub(super) fn busy(&self) -> Busy {
        Busy(Arc::clone(&self.progress))
    }
}

impl Progress {
    /// There is life; what it means when none follows.
    pub(super) fn step(&self, silence: CardTrouble) {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = (Instant::now(), silence);
    }

    fn last(&self) -> (Instant, CardTrouble) {
        *self.last.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Busy {
    /// What its silence means; none where it ended.
    pub(super) fn silence(&self) -> Option<CardTrouble> {
        let ended = self.0.ended.load(Ordering::Acquire);
        (!ended).then(|| self.0.last().1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SHORT: Duration = Duration::from_millis(80);

    #[test]
    fn silence_is_told_by_what_it_interrupted_and_the_work_stays_busy() {
        let (release, held) = mpsc::channel::<()>();
        let work = Attended::begin(SHORT, move |progress| {
            progress.step(CardTrouble::CardSilent);
            let _released = held.recv();
        })
        .expect("a thread");
        let busy = work.busy();
        assert_eq!(work.wait(), Err(CardTrouble::CardSilent));
        assert_eq!(busy.silence(), Some(CardTrouble::CardSilent));
        drop(release);
        while busy.silence().is_some() {
            thread::yield_now();
        }
    }

    #[test]
    fn who_gives_signs_of_life_is_waited_for() {
        let work = Attended::begin(SHORT, |progress| {
            for _ in 0..6 {
                thread::sleep(SHORT / 4);
                progress.step(CardTrouble::CardSilent);
            }
            7
        });
        assert_eq!(work.and_then(Attended::wait), Ok(7));
    }
}
