//! SMS over SMPP (`push.md` §7, §8): a connectionless push to the device's number, in as many parts as it takes.

mod fault;
mod references;

use std::sync::atomic::{AtomicU8, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::{join_all, try_join_all};
use omadm_dm2::package0;
use omadm_push::PhoneNumber;
use omadm_push::sms::{Ports, segment};
use omadm_push::wsp::{self, ApplicationId, HeaderText, MediaName, well_known};
use omadm_smpp::{Accepted, Esme, LateReceipt, LinkState, MessageFate, Outgoing, SubmitError};
use tokio::sync::{mpsc, watch};
use tokio::time::timeout;

pub(crate) use fault::SmsFault;

use super::{Arrival, CarrierError, Delivery, Payload, Push, PushAddress, PushCarrier};
use crate::entropy::random;
use crate::smsc::SmscConfig;
use references::References;

/// For the SMSC to take every part.
const PATIENCE: Duration = Duration::from_secs(30);
/// For a link that is down to come again, before a push is given up.
const LINK: Duration = Duration::from_secs(5);
/// Messages from devices that wait to be passed over.
const DELIVERED: usize = 16;

/// Late receipts that wait to be looked up.
const LATE: usize = 256;

/// The kept link to the SMSC, and what tells messages apart.
pub(super) struct SmsCarrier {
    esme: Esme,
    config: SmscConfig,
    references: Mutex<References>,
    transaction_id: AtomicU8,
}

impl SmsCarrier {
    /// Begins to bind; the link is kept until [`Self::end`]. With the receipts of what another process submitted.
    pub(super) fn start(config: SmscConfig) -> (Self, mpsc::Receiver<LateReceipt>) {
        let (tell_late, late) = mpsc::channel(LATE);
        let (delivered, mut passed_over) = mpsc::channel(DELIVERED);
        let (esme, work) = Esme::new(config.esme.clone(), delivered, Some(tell_late));
        tokio::spawn(work);
        tokio::spawn(async move {
            while passed_over.recv().await.is_some() {
                tracing::debug!("a message from a device was passed over: nothing is expected");
            }
        });
        let carrier = Self {
            esme,
            references: Mutex::new(References::new(config.reference_bits)),
            config,
            // Without randomness it begins with 0: receivers tell messages apart by their reference, too.
            transaction_id: AtomicU8::new(random::<1>().unwrap_or_default()[0]),
        };
        (carrier, late)
    }

    /// Unbinds.
    pub(super) async fn end(&self) {
        self.esme.end().await;
    }

    fn fault(&self, fault: SmsFault) -> CarrierError {
        CarrierError::Smsc(self.esme.smsc().to_owned(), fault)
    }

    /// The user data of each SMS.
    fn parts(&self, to: &PhoneNumber, push: &Push<'_>) -> Result<Vec<Vec<u8>>, CarrierError> {
        let transaction_id = self.transaction_id.fetch_add(1, Ordering::Relaxed);
        let push = match push.payload {
            Payload::Notification(octets) => {
                let media = HeaderText::new(package0::MEDIA_TYPE)
                    .map_err(|error| CarrierError::SetUp(error.to_string()))?;
                wsp::Push {
                    transaction_id,
                    content_type: MediaName::Text(media).into(),
                    application_id: Some(ApplicationId::SYNCML_DM),
                    body: octets.to_vec(),
                }
            }
            Payload::Wap(push) => wsp::Push {
                transaction_id,
                ..push.clone()
            },
        };
        let reference = self
            .references
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .next(to);
        // A DM message takes about twice as many as a provisioning document.
        let parts = match push.content_type.media {
            MediaName::Code(well_known::SYNCML_DM_WBXML) => self.config.parts.saturating_mul(2),
            _ => self.config.parts,
        };
        segment(&push.encode(), Ports::PUSH, reference, parts)
            .map_err(|error| self.fault(SmsFault::TooLong(error)))
    }

    async fn submit(
        &self,
        to: &PhoneNumber,
        parts: Vec<Vec<u8>>,
    ) -> Result<Vec<Accepted>, SmsFault> {
        let of = parts.len();
        let submissions = (1..).zip(parts).map(|(part, user_data)| async move {
            let to = to.clone();
            let submitted = self.esme.submit(Outgoing { to, user_data }).await;
            submitted.map_err(|error| match error {
                SubmitError::Refused(status) => SmsFault::Refused { part, of, status },
                SubmitError::Unanswered(after) => SmsFault::Unanswered { after },
                SubmitError::Ended => SmsFault::Ending,
            })
        });
        let mut state = self.esme.state();
        tokio::select! {
            accepted = timeout(PATIENCE, try_join_all(submissions)) => accepted.unwrap_or_else(|_| {
                Err(match &*self.esme.state().borrow() {
                    LinkState::Throttled(status) => SmsFault::Throttled { status: *status, after: PATIENCE },
                    _ => SmsFault::Unanswered { after: PATIENCE },
                })
            }),
            fault = hopeless(&mut state) => Err(fault),
        }
    }
}

/// Returns once there is no use in waiting for the link.
async fn hopeless(state: &mut watch::Receiver<LinkState>) -> SmsFault {
    loop {
        if state.wait_for(|state| !state.is_bound()).await.is_err() {
            return SmsFault::Ending;
        }
        let again = state.wait_for(|state| match state {
            LinkState::Down(why) => why.is_refusal(),
            state => state.is_bound(),
        });
        let settled = timeout(LINK, again).await;
        let bound = matches!(&settled, Ok(Ok(state)) if state.is_bound());
        drop(settled);
        if bound {
            continue;
        }
        return match &*state.borrow() {
            LinkState::Down(why) => SmsFault::NoLink {
                why: why.to_string(),
                refused: why.is_refusal(),
            },
            _ => SmsFault::NoLink {
                why: format!("it does not answer within {} s", LINK.as_secs()),
                refused: false,
            },
        };
    }
}

#[async_trait]
impl PushCarrier for SmsCarrier {
    fn name(&self) -> &'static str {
        "sms"
    }

    async fn push(&self, push: &Push<'_>) -> Result<Delivery, CarrierError> {
        let PushAddress::Sms(to) = push.to else {
            return Err(CarrierError::SetUp(format!("{} is not of SMS", push.to)));
        };
        let parts = self.parts(to, push)?;
        let accepted = self.submit(to, parts).await;
        let accepted = accepted.map_err(|fault| self.fault(fault))?;
        let smsc = self.esme.smsc().to_owned();
        let names = accepted.iter().map(|one| one.message_id.clone()).collect();
        let arrival = Arrival::new(names, async move {
            arrived(accepted)
                .await
                .map(|arrived| arrived.map_err(|fault| CarrierError::Smsc(smsc, fault)))
        });
        Ok(Delivery::Awaited(arrival))
    }
}

/// What the receipts say of all parts; nothing where one of them never comes.
async fn arrived(accepted: Vec<Accepted>) -> Option<Result<(), SmsFault>> {
    let of = accepted.len();
    let receipts = join_all(accepted.into_iter().map(|accepted| accepted.receipt)).await;
    let mut lost = false;
    for (part, fate) in (1..).zip(receipts) {
        match fate {
            Ok(MessageFate::Delivered) => {}
            Ok(fate) => return Some(Err(SmsFault::Undelivered { part, of, fate })),
            Err(_) => lost = true,
        }
    }
    (!lost).then_some(Ok(()))
}
