use std::ffi::CStr;
use std::thread;
use std::time::{Duration, Instant};

use omadm_card::{CardTransport, CardTrouble};
use pcsc::{Card, Context, Disposition, Error, Protocols, ReaderState, Scope, ShareMode, State};

use super::attended::Progress;
use super::transport::PcscTransport;
use super::trouble::trouble;

/// How long a reader has to be empty on end before it counts as one without a card (§9, D4).
const EMPTY: Duration = Duration::from_secs(5);
/// How often, and how long between, a card is asked for that another program has for itself.
const TRIES: u32 = 10;
const PAUSE: Duration = Duration::from_millis(300);
/// How often a card may vanish between being seen and being connected.
const FLICKERS: u32 = 3;

/// What a look gave.
pub(super) struct Look<T> {
    /// What was done with the card; none where there is none.
    pub(super) done: Result<Option<T>, CardTrouble>,
    /// What was seen in the reader; none where it is not known.
    pub(super) seen: Option<Seen>,
}

/// What is in a reader.
#[derive(Clone, Copy)]
pub(super) enum Seen {
    Nothing,
    /// A card, and the service's count of cards that came and went.
    Card(u32),
}

/// Looks at one reader: waits for a card, holds it for `work` alone, and leaves it as `afterwards` says.
pub(super) fn at<T>(
    reader: &CStr,
    progress: &Progress,
    afterwards: Disposition,
    work: impl FnOnce(&mut dyn CardTransport) -> T,
) -> Look<T> {
    let mut seen = None;
    let done = attempt(reader, progress, afterwards, work, &mut seen);
    Look {
        done: done.map_err(trouble),
        seen,
    }
}

fn attempt<T>(
    reader: &CStr,
    progress: &Progress,
    afterwards: Disposition,
    work: impl FnOnce(&mut dyn CardTransport) -> T,
    seen: &mut Option<Seen>,
) -> Result<Option<T>, Error> {
    progress.step(CardTrouble::NoService);
    let context = Context::establish(Scope::User)?;
    let mut flickers = 0;
    let mut card = loop {
        let (there, in_use) = present(&context, reader, progress)?;
        *seen = Some(there);
        if let Seen::Nothing = there {
            return Ok(None);
        }
        // Whoever is in the middle of a transaction keeps others from connecting.
        let silence = if in_use {
            CardTrouble::ReaderBusy
        } else {
            CardTrouble::CardSilent
        };
        match connect(&context, reader, progress, silence) {
            Err(Error::NoSmartcard | Error::RemovedCard) if flickers < FLICKERS => flickers += 1,
            connected => break connected?,
        }
    };
    progress.step(CardTrouble::ReaderBusy);
    let done = match hold(&mut card, progress, TRIES) {
        Ok(mut transport) => {
            let done = work(&mut transport);
            transport.end(afterwards);
            Ok(done)
        }
        Err(error) => Err(error),
    };
    // Where that fails, the card or its reader is gone: there is nothing to leave behind.
    let _gone = card.disconnect(Disposition::LeaveCard);
    done.map(Some)
}

/// Begins the transaction; where another program reset the card before it, anew.
fn hold<'t>(
    card: &'t mut Card,
    progress: &'t Progress,
    tries: u32,
) -> Result<PcscTransport<'t>, Error> {
    match card.transaction2() {
        Ok(held) => PcscTransport::new(held, progress),
        Err((card, Error::ResetCard | Error::UnpoweredCard)) if tries > 0 => {
            card.reconnect(
                ShareMode::Shared,
                Protocols::T0 | Protocols::T1,
                Disposition::LeaveCard,
            )?;
            hold(card, progress, tries - 1)
        }
        Err((_, error)) => Err(error),
    }
}

fn connect(
    context: &Context,
    reader: &CStr,
    progress: &Progress,
    silence: CardTrouble,
) -> Result<Card, Error> {
    let mut tries = 1;
    loop {
        progress.step(silence);
        match context.connect(reader, ShareMode::Shared, Protocols::T0 | Protocols::T1) {
            Err(Error::SharingViolation) if tries < TRIES => {
                tries += 1;
                thread::sleep(PAUSE);
            }
            connected => return connected,
        }
    }
}

/// Waits until there is a card, or until there was none for five seconds on end; and whether another program uses the card.
fn present(context: &Context, reader: &CStr, progress: &Progress) -> Result<(Seen, bool), Error> {
    let mut states = [ReaderState::new(reader, State::UNAWARE)];
    let end = Instant::now() + EMPTY;
    loop {
        progress.step(CardTrouble::NoService);
        let rest = end.saturating_duration_since(Instant::now());
        match context.get_status_change(rest, &mut states) {
            Err(Error::Timeout) => return Ok((Seen::Nothing, false)),
            changed => changed?,
        }
        let [state] = &mut states;
        let now = state.event_state();
        if now.intersects(State::UNKNOWN | State::IGNORE | State::UNAVAILABLE) {
            return Err(Error::UnknownReader);
        }
        if now.contains(State::PRESENT) {
            let in_use = now.intersects(State::INUSE | State::EXCLUSIVE);
            return Ok((Seen::Card(state.event_count()), in_use));
        }
        if rest.is_zero() {
            return Ok((Seen::Nothing, false));
        }
        state.sync_current_state();
    }
}
