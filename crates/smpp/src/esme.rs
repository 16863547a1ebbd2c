//! The entity: what its owner holds, and the link that it keeps.

use std::collections::VecDeque;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use omadm_push::PhoneNumber;
use tokio::sync::{mpsc, oneshot, watch};
use tokio::time::sleep;

use crate::link::Link;
use crate::receipt::AwaitedReceipts;
use crate::{Delivered, EsmeConfig, LateReceipt, LinkError, MessageFate, Status};

/// Submissions that wait to be taken up.
const WAITING: usize = 256;
/// Before the first try to bind again; it doubles with each failure, up to the longest. Each pause is jittered: half of it at least.
const FIRST_PAUSE: Duration = Duration::from_millis(500);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);

/// A kept link to an SMSC. Ends with its last owner, or by [`Self::end`].
pub struct Esme {
    submissions: mpsc::Sender<Submission>,
    state: watch::Receiver<LinkState>,
    stop: watch::Sender<bool>,
    smsc: String,
}

/// How the link is.
#[derive(Clone, Debug)]
pub enum LinkState {
    /// It is being made.
    Connecting,
    /// It is bound.
    Bound,
    /// It is bound, and the SMSC wants a pause.
    Throttled(Status),
    /// It is not: it was lost, or does not come about; it is tried again.
    Down(Arc<LinkError>),
}

/// One SMS to be submitted.
#[derive(Clone, PartialEq, Eq)]
pub struct Outgoing {
    /// Whom it is for.
    pub to: PhoneNumber,
    /// User data with its header, 140 octets at most.
    pub user_data: Vec<u8>,
}

/// What the SMSC took.
#[derive(Debug)]
pub struct Accepted {
    /// The SMSC's name for it, in the form that its receipts have.
    pub message_id: String,
    /// What becomes of it; fails where the link's owner ended, or no receipt came for thousands of later messages.
    pub receipt: oneshot::Receiver<MessageFate>,
}

/// Why an SMS was not submitted.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SubmitError {
    /// The SMSC refused it.
    #[error("{0}")]
    Refused(Status),
    /// The SMSC has it and does not say whether it takes it.
    #[error("no answer within {} s", .0.as_secs())]
    Unanswered(Duration),
    /// The link ended meanwhile.
    #[error("the link to the SMSC is ending")]
    Ended,
}

/// An SMS on its way, and who waits for its answer.
pub(crate) struct Submission {
    pub(crate) message: Outgoing,
    pub(crate) reply: oneshot::Sender<Result<Accepted, SubmitError>>,
}

/// What the link works with, bound or not.
pub(crate) struct Work {
    pub(crate) config: Arc<EsmeConfig>,
    pub(crate) submissions: mpsc::Receiver<Submission>,
    /// Taken up and not acknowledged: it goes over the next link, too.
    pub(crate) waiting: VecDeque<Submission>,
    pub(crate) receipts: AwaitedReceipts,
    pub(crate) delivered: mpsc::Sender<Delivered>,
    pub(crate) late: Option<mpsc::Sender<LateReceipt>>,
    pub(crate) stop: watch::Receiver<bool>,
    pub(crate) state: watch::Sender<LinkState>,
}

impl LinkState {
    /// Whether the link can be submitted on.
    #[must_use]
    pub const fn is_bound(&self) -> bool {
        matches!(self, Self::Bound | Self::Throttled(_))
    }
}

impl Esme {
    /// An entity, and the work of keeping its link, which the caller spawns. What the SMSC delivers goes to `delivered`; while that is full, the SMSC is
    /// told to try again. So do receipts that nobody waits for, where somebody wants them.
    pub fn new(
        config: EsmeConfig,
        delivered: mpsc::Sender<Delivered>,
        late: Option<mpsc::Sender<LateReceipt>>,
    ) -> (Self, impl Future<Output = ()> + Send + 'static) {
        let (submissions, taken) = mpsc::channel(WAITING);
        let (tell, state) = watch::channel(LinkState::Connecting);
        let (stop, stopping) = watch::channel(false);
        let esme = Self {
            submissions,
            state,
            stop,
            smsc: config.smsc(),
        };
        let work = Work {
            config: Arc::new(config),
            submissions: taken,
            waiting: VecDeque::new(),
            receipts: AwaitedReceipts::default(),
            delivered,
            late,
            stop: stopping,
            state: tell,
        };
        (esme, work.run())
    }

    /// Host and port of the SMSC, for people.
    #[must_use]
    pub fn smsc(&self) -> &str {
        &self.smsc
    }

    /// How the link is; changes can be waited for.
    #[must_use]
    pub fn state(&self) -> watch::Receiver<LinkState> {
        self.state.clone()
    }

    /// Submits an SMS and waits for the SMSC's word, over as many links as it takes: throttled or cut off, the same SMS is submitted again. Given up by
    /// dropping.
    ///
    /// # Errors
    /// [`SubmitError`].
    pub async fn submit(&self, message: Outgoing) -> Result<Accepted, SubmitError> {
        let (reply, answer) = oneshot::channel();
        let submission = Submission { message, reply };
        let sent = self.submissions.send(submission).await;
        sent.map_err(|_| SubmitError::Ended)?;
        answer.await.unwrap_or(Err(SubmitError::Ended))
    }

    /// Unbinds; returns when the link's work is over.
    pub async fn end(&self) {
        self.stop.send_replace(true);
        self.submissions.closed().await;
    }
}

impl fmt::Debug for Esme {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Esme")
            .field("smsc", &self.smsc)
            .finish_non_exhaustive()
    }
}

impl Work {
    async fn run(mut self) {
        let smsc = self.config.smsc();
        let mut failures = 0;
        while !*self.stop.borrow() {
            let mut stop = self.stop.clone();
            let bound = tokio::select! {
                bound = Link::bind(&self.config) => bound,
                () = wanted(&mut stop) => return,
            };
            let lost = match bound {
                Ok(link) => {
                    tracing::info!(smsc, "bound to the SMSC");
                    failures = 0;
                    self.state.send_replace(LinkState::Bound);
                    match self.serve(link).await {
                        Ok(()) => return,
                        Err(lost) => lost,
                    }
                }
                Err(error) => error,
            };
            let pause = pause(failures);
            failures += 1;
            tracing::warn!(smsc, cause = %lost, again_in_ms = pause.as_millis(), "no link to the SMSC");
            self.state.send_replace(LinkState::Down(Arc::new(lost)));
            tokio::select! {
                () = sleep(pause) => {}
                () = wanted(&mut stop) => return,
            }
        }
    }
}

/// Returns once the owner wants the link ended, or is gone.
pub(crate) async fn wanted(stop: &mut watch::Receiver<bool>) {
    let _ended_or_gone = stop.wait_for(|stop| *stop).await.is_ok();
}

/// Before the next try after so many failures in a row.
pub(crate) fn pause(failures: u32) -> Duration {
    let full = FIRST_PAUSE
        .saturating_mul(1 << failures.min(16))
        .min(LONGEST_PAUSE);
    let mut octet = [0];
    // Without randomness the pause is the shortest.
    let _random = aws_lc_rs::rand::fill(&mut octet);
    let [share] = octet;
    full / 2 + full / 2 * u32::from(share) / 256
}

#[cfg(test)]
mod tests {
    use super::{FIRST_PAUSE, LONGEST_PAUSE, pause};

    #[test]
    fn pauses_double_up_to_the_longest_and_are_jittered() {
        let first: Vec<_> = (0..64).map(|_| pause(0)).collect();
        assert!(
            first
                .iter()
                .all(|pause| (FIRST_PAUSE / 2..=FIRST_PAUSE).contains(pause))
        );
        assert!(first.iter().any(|pause| *pause != first[0]));
        assert!(pause(1) >= FIRST_PAUSE);
        assert!((LONGEST_PAUSE / 2..=LONGEST_PAUSE).contains(&pause(u32::MAX)));
    }
}
