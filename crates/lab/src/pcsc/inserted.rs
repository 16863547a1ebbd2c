use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, TcpStream};
use std::os::linux::net::TcpStreamExt as _;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use omadm_card::CardTransport as _;
use omadm_card::test_card::{CardDescription, TestCard};

const POWER_ON: u8 = 1;
const RESET: u8 = 2;
const GIVE_ATR: u8 = 4;
/// Between two tries to reach a reader whose service is down.
const RETRY: Duration = Duration::from_millis(50);
/// Longer than the service takes from one look at its readers to the next.
const LOOK: Duration = Duration::from_secs(1);

/// A test card in a reader of a [`PrivatePcsc`](super::PrivatePcsc). Dropping it pulls it.
pub struct InsertedCard {
    shared: Arc<(Mutex<State>, Condvar)>,
    thread: Option<JoinHandle<()>>,
}

/// What a card does wrong, once it was sent a number of commands.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CardFault {
    /// It is pulled instead of answering.
    Pulled,
    /// It never answers again, and stays in the reader.
    Silent,
    /// It answers this status word instead, once.
    Status(u16),
}

struct State {
    card: TestCard,
    stream: Option<TcpStream>,
    pulled: bool,
    powered: bool,
    /// It is to be out of its reader for a look of the service.
    out_for_a_look: bool,
    /// What it does wrong, at the command of this number, the next one being 0.
    fault: Option<(usize, CardFault)>,
}

impl InsertedCard {
    pub(super) fn connect(
        port: u16,
        card: TestCard,
        fault: Option<(usize, CardFault)>,
    ) -> io::Result<Self> {
        let state = State {
            card,
            stream: None,
            pulled: false,
            powered: false,
            out_for_a_look: false,
            fault,
        };
        let shared = Arc::new((Mutex::new(state), Condvar::new()));
        let own = Arc::clone(&shared);
        let thread = thread::Builder::new()
            .name("test-card".to_owned())
            .spawn(move || {
                while !lock(&own.0).pulled {
                    // The service ended, or is not there yet: the card stays in its reader.
                    if serve(port, &own).is_err() {
                        let out = std::mem::take(&mut lock(&own.0).out_for_a_look);
                        thread::sleep(if out { LOOK } else { RETRY });
                    }
                    lock(&own.0).stream = None;
                }
            })?;
        Ok(Self {
            shared,
            thread: Some(thread),
        })
    }

    /// Waits until the service powered the card on.
    #[must_use]
    pub fn is_noticed(&self, patience: Duration) -> bool {
        let end = Instant::now() + patience;
        let mut state = self.state();
        while !state.powered {
            let rest = end.saturating_duration_since(Instant::now());
            if rest.is_zero() {
                return false;
            }
            let waited = self.shared.1.wait_timeout(state, rest);
            state = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        true
    }

    /// Takes it out for so long that the service sees it gone, and puts it in again.
    pub(super) fn put_in_again(&self) {
        let mut state = self.state();
        state.out_for_a_look = true;
        if let Some(stream) = &state.stream {
            // It is closed already otherwise.
            let _closed = stream.shutdown(Shutdown::Both);
        }
    }

    /// Has it do something wrong at a command, the next one being 0.
    pub fn fail_at(&self, command: usize, fault: CardFault) {
        self.state().fault = Some((command, fault));
    }

    /// Whether the fault that was asked for happened.
    #[must_use]
    pub fn has_failed(&self) -> bool {
        self.state().fault.is_none()
    }

    /// The card as it is now.
    #[must_use]
    pub fn description(&self) -> CardDescription {
        self.state().card.description()
    }

    /// Every command APDU that it was sent.
    #[must_use]
    pub fn log(&self) -> Vec<Vec<u8>> {
        self.state().card.log().map(<[u8]>::to_vec).collect()
    }

    /// Pulls it, and gives it back as it is.
    #[must_use]
    pub fn pull(mut self) -> CardDescription {
        self.leave();
        self.description()
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.shared.0)
    }

    fn leave(&mut self) {
        let mut state = self.state();
        state.pulled = true;
        if let Some(stream) = &state.stream {
            // It is closed already otherwise.
            let _closed = stream.shutdown(Shutdown::Both);
        }
        drop(state);
        if let Some(thread) = self.thread.take() {
            let _panicked = thread.join();
        }
    }
}

impl Drop for InsertedCard {
    fn drop(&mut self) {
        self.leave();
    }
}

fn lock(state: &Mutex<State>) -> MutexGuard<'_, State> {
    state.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Is the card of a reader until the connection ends (§10.1).
fn serve(port: u16, shared: &(Mutex<State>, Condvar)) -> io::Result<()> {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port))?;
    stream.set_nodelay(true)?;
    {
        let mut state = lock(&shared.0);
        state.stream = Some(stream.try_clone()?);
        state.card.power_on();
        if state.pulled {
            return Ok(());
        }
    }
    loop {
        let frame = read(&mut stream)?;
        let answer = {
            let mut state = lock(&shared.0);
            match frame.as_slice() {
                [POWER_ON | RESET] => {
                    state.card.power_on();
                    state.powered = true;
                    shared.1.notify_all();
                    None
                }
                [GIVE_ATR] => Some(state.card.atr().to_vec()),
                [_] | [] => None,
                command => match fault(&mut state) {
                    Some(CardFault::Pulled) => {
                        state.pulled = true;
                        return Ok(());
                    }
                    Some(CardFault::Silent) => {
                        drop(state);
                        // Until the reader gives up, or the card is pulled.
                        while read(&mut stream).is_ok() {}
                        return Ok(());
                    }
                    Some(CardFault::Status(status)) => Some(status.to_be_bytes().to_vec()),
                    None => Some(state.card.execute(command)),
                },
            }
        };
        if let Some(answer) = answer {
            let length = u16::try_from(answer.len()).unwrap_or(0);
            stream.write_all(&[&length.to_be_bytes()[..], &answer].concat())?;
        }
    }
}

fn fault(state: &mut State) -> Option<CardFault> {
    let (left, fault) = state.fault?;
    if left > 0 {
        state.fault = Some((left - 1, fault));
        return None;
    }
    state.fault = None;
    Some(fault)
}

fn read(stream: &mut TcpStream) -> io::Result<Vec<u8>> {
    // The driver sends length and body apart: without this, each command costs 40 ms.
    let mut length = [0; 2];
    stream.set_quickack(true)?;
    stream.read_exact(&mut length)?;
    let mut body = vec![0; usize::from(u16::from_be_bytes(length))];
    stream.set_quickack(true)?;
    stream.read_exact(&mut body)?;
    Ok(body)
}
