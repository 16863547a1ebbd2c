use std::thread::JoinHandle;
use std::time::Duration;

use omadm_bootstrap::EventId;
use omadm_client::Client;
use tokio::runtime::Runtime;

use super::{Fault, PATIENCE, Told, Victim, finish, finish_with_push};

/// How long a step may still come after the device is done: the server's last words need no answer of the device.
const AFTERWARDS: Duration = Duration::from_millis(300);

/// How often a process and a thread are looked at in turn.
const LOOK: Duration = Duration::from_millis(2);

/// A device's work on a thread of its own; it goes on while a server is away.
#[derive(Debug)]
pub struct Work(JoinHandle<Result<(), Fault>>);

impl Work {
    pub(super) fn of(work: impl FnOnce() -> Result<(), Fault> + Send + 'static) -> Self {
        Self(std::thread::spawn(work))
    }

    /// Does what [`finish`] does.
    #[must_use]
    pub fn start(runtime: &Runtime, client: Client, former: Option<EventId>) -> Self {
        let handle = runtime.handle().clone();
        Self(std::thread::spawn(move || {
            handle.block_on(async {
                let finished = finish(&client, former.as_ref());
                tokio::time::timeout(PATIENCE, finished).await?
            })
        }))
    }

    /// Does what [`finish_with_push`] does.
    #[must_use]
    pub fn start_listening(runtime: &Runtime, client: Client) -> Self {
        let handle = runtime.handle().clone();
        Self(std::thread::spawn(move || {
            handle.block_on(async {
                tokio::time::timeout(PATIENCE, finish_with_push(&client)).await?
            })
        }))
    }

    /// Waits until the server that is to be killed halts, and answers its step's name; none where the device is done before.
    ///
    /// # Errors
    /// Where the server ended, or tells something else.
    pub fn until_halt(&self, victim: &Victim) -> Result<Option<String>, Fault> {
        loop {
            let patience = if self.0.is_finished() {
                AFTERWARDS
            } else {
                LOOK
            };
            match victim.told(patience)? {
                Told::At(name) => return Ok(Some(name)),
                Told::Nothing if patience == AFTERWARDS => return Ok(None),
                Told::Nothing => {}
                other => return Err(format!("{other:?}").into()),
            }
        }
    }

    /// Waits for its end.
    ///
    /// # Errors
    /// What it failed with.
    pub fn done(self) -> Result<(), Fault> {
        self.0.join().map_err(|_| "the device panicked")?
    }
}
