//! A bound link at work: a window of submissions, answers, deliveries, enquire_link.

use std::collections::BTreeMap;
use std::time::Duration;

use rusmpp::pdus::{DeliverSmResp, SubmitSm};
use rusmpp::types::OctetString;
use rusmpp::values::{DataCoding, EsmClass, Npi, RegisteredDelivery, Ton};
use rusmpp::{CommandStatus, Pdu};
use tokio::time::{Instant, sleep_until};

use crate::delivered::{Content, content};
use crate::esme::{Submission, Work, pause, wanted};
use crate::frame::Frame;
use crate::link::{Link, text};
use crate::{Accepted, LateReceipt, LinkError, LinkState, Status, SubmitError};

/// command_ids of answers have this bit.
const ANSWER: u32 = 0x8000_0000;
/// esm_class of a submission: a user data header is there (`push.md` §3).
const UDHI: u8 = 0x40;
/// registered_delivery: a receipt is wanted, whatever becomes of it.
const RECEIPT: u8 = 0x01;
/// For the answer to unbind.
const UNBIND: Duration = Duration::from_secs(2);

/// One bound link.
struct Bound {
    link: Link,
    /// Submitted and not answered, by sequence number.
    flying: BTreeMap<u32, Flying>,
    /// When the last octet came.
    heard: Instant,
    /// When enquire_link left that is not answered.
    asked: Option<Instant>,
    /// Nothing is submitted before.
    throttled: Option<Instant>,
    throttles: u32,
    /// When unbind left.
    unbound: Option<Instant>,
}

struct Flying {
    submission: Submission,
    since: Instant,
}

impl Work {
    /// Serves the link until it is lost or was unbound as its owner wants.
    pub(crate) async fn serve(&mut self, link: Link) -> Result<(), LinkError> {
        let mut bound = Bound {
            link,
            flying: BTreeMap::new(),
            heard: Instant::now(),
            asked: None,
            throttled: None,
            throttles: 0,
            unbound: None,
        };
        let served = self.turn(&mut bound).await;
        // In their old order, before what has not been submitted at all.
        for flying in bound.flying.into_values().rev() {
            self.waiting.push_front(flying.submission);
        }
        served
    }

    async fn turn(&mut self, bound: &mut Bound) -> Result<(), LinkError> {
        let mut stop = self.stop.clone();
        loop {
            self.submit(bound).await?;
            let due = self.due(bound);
            let room = self.waiting.is_empty() && bound.flying.len() < self.config.window;
            let ending = bound.unbound.is_some();
            tokio::select! {
                frame = bound.link.frames.next() => match frame {
                    Err(LinkError::Closed) if ending => return Ok(()),
                    frame => {
                        bound.heard = Instant::now();
                        if self.take(bound, frame?).await? {
                            return Ok(());
                        }
                    }
                },
                submission = self.submissions.recv(), if room && !ending => match submission {
                    Some(submission) => self.waiting.push_back(submission),
                    None => bound.unbind().await?,
                },
                () = wanted(&mut stop), if !ending => bound.unbind().await?,
                () = sleep_until(due) => {}
            }
            if self.elapse(bound).await? {
                return Ok(());
            }
        }
    }

    /// Submits what the window has room for.
    async fn submit(&mut self, bound: &mut Bound) -> Result<(), LinkError> {
        if bound.throttled.is_some() || bound.unbound.is_some() {
            return Ok(());
        }
        while bound.flying.len() < self.config.window {
            let Some(submission) = self.waiting.pop_front() else {
                break;
            };
            if submission.reply.is_closed() {
                continue;
            }
            let pdu = self.submit_sm(&submission);
            match bound.link.ask(pdu).await {
                Ok(sequence) => {
                    let since = Instant::now();
                    bound.flying.insert(sequence, Flying { submission, since });
                }
                Err(error) => {
                    self.waiting.push_front(submission);
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    fn submit_sm(&self, submission: &Submission) -> SubmitSm {
        let message = &submission.message;
        let source = self.config.source.as_ref();
        let (ton, npi, source) = source.map_or((0, 0, ""), |source| source.parts());
        SubmitSm::builder()
            .source_addr_ton(Ton::from(ton))
            .source_addr_npi(Npi::from(npi))
            .source_addr(text(source))
            .dest_addr_ton(Ton::International)
            .dest_addr_npi(Npi::Isdn)
            .destination_addr(text(message.to.digits()))
            .esm_class(EsmClass::from(UDHI))
            .registered_delivery(RegisteredDelivery::from(RECEIPT))
            .data_coding(DataCoding::from(self.config.data_coding))
            .short_message(OctetString::from_slice(&message.user_data).unwrap_or_default())
            .build()
    }

    /// When something is to be done though nothing comes.
    fn due(&self, bound: &Bound) -> Instant {
        let link = match bound.asked {
            Some(asked) => asked + self.config.patience,
            None => bound.heard + self.config.enquire_link,
        };
        let oldest = bound.flying.values().map(|flying| flying.since).min();
        let times = [
            bound.throttled,
            bound.unbound.map(|unbound| unbound + UNBIND),
            oldest.map(|since| since + self.config.answer),
        ];
        times.into_iter().flatten().fold(link, Instant::min)
    }

    /// Does what time brought; true where the link is over.
    async fn elapse(&mut self, bound: &mut Bound) -> Result<bool, LinkError> {
        let now = Instant::now();
        if bound.unbound.is_some_and(|unbound| now >= unbound + UNBIND) {
            return Ok(true);
        }
        bound.throttled = bound.throttled.filter(|until| *until > now);
        let overdue = |flying: &Flying| now >= flying.since + self.config.answer;
        let late: Vec<u32> = bound
            .flying
            .iter()
            .filter(|(_, flying)| overdue(flying))
            .map(|(sequence, _)| *sequence)
            .collect();
        for sequence in late {
            if let Some(flying) = bound.flying.remove(&sequence) {
                let unanswered = SubmitError::Unanswered(self.config.answer);
                let _gone = flying.submission.reply.send(Err(unanswered));
            }
        }
        match bound.asked {
            Some(asked) if now >= asked + self.config.patience => Err(LinkError::Silent {
                what: "enquire_link",
                after: self.config.patience,
            }),
            None if now >= bound.heard + self.config.enquire_link => {
                bound.link.ask(Pdu::EnquireLink).await?;
                bound.asked = Some(now);
                Ok(false)
            }
            _ => Ok(false),
        }
    }

    /// Takes a command; true where it was the answer to unbind.
    async fn take(&mut self, bound: &mut Bound, frame: Frame) -> Result<bool, LinkError> {
        bound.asked = None;
        let Frame {
            id,
            status,
            sequence,
            command,
        } = frame;
        let pdu = command.as_ref().and_then(|command| command.pdu());
        if id & ANSWER != 0 {
            if let Some(flying) = bound.flying.remove(&sequence) {
                self.answered(bound, flying.submission, status, pdu);
            }
            return Ok(matches!(pdu, Some(Pdu::UnbindResp)));
        }
        match pdu {
            Some(Pdu::EnquireLink) => {
                let ok = CommandStatus::EsmeRok;
                bound
                    .link
                    .answer(sequence, ok, Pdu::EnquireLinkResp)
                    .await?;
            }
            Some(Pdu::DeliverSm(sm)) => {
                let status = self.delivered(content(sm));
                let answer = DeliverSmResp::default();
                bound.link.answer(sequence, status, answer).await?;
            }
            Some(Pdu::Unbind) => {
                let ok = CommandStatus::EsmeRok;
                bound.link.answer(sequence, ok, Pdu::UnbindResp).await?;
                return Err(LinkError::Closed);
            }
            Some(Pdu::AlertNotification(_)) => {}
            _ => {
                let unknown = CommandStatus::EsmeRinvcmdid;
                bound
                    .link
                    .answer(sequence, unknown, Pdu::GenericNack)
                    .await?;
            }
        }
        Ok(false)
    }

    /// A submission was answered.
    fn answered(
        &mut self,
        bound: &mut Bound,
        submission: Submission,
        status: u32,
        pdu: Option<&Pdu>,
    ) {
        if status != Status::OK {
            let status = Status(status);
            if status.is_throttling() {
                bound.throttled = Some(Instant::now() + pause(bound.throttles));
                bound.throttles += 1;
                tracing::warn!(%status, "the SMSC throttles: the same SMS is submitted again");
                self.state.send_replace(LinkState::Throttled(status));
                self.waiting.push_front(submission);
            } else {
                let _gone = submission.reply.send(Err(SubmitError::Refused(status)));
            }
            return;
        }
        if bound.throttles > 0 {
            bound.throttles = 0;
            self.state.send_replace(LinkState::Bound);
        }
        let message_id = match pdu {
            Some(Pdu::SubmitSmResp(answer)) => answer.message_id().as_str().to_owned(),
            _ => String::new(),
        };
        let known = self.config.message_ids.submitted(&message_id);
        let accepted = Accepted {
            receipt: self.receipts.wait(known.clone()),
            message_id: known,
        };
        let _gone = submission.reply.send(Ok(accepted));
    }

    /// Hands a delivery on; what the SMSC is told.
    fn delivered(&mut self, content: Content) -> CommandStatus {
        match content {
            Content::Receipt(Some(receipt)) => {
                let id = self.config.message_ids.receipted(&receipt.message_id);
                let awaited = receipt
                    .fate
                    .is_some_and(|fate| self.receipts.tell(&id, fate));
                tracing::debug!(message_id = id, fate = ?receipt.fate, awaited, "receipt");
                match (&self.late, receipt.fate) {
                    (Some(late), Some(fate)) if !awaited => {
                        let message_id = id;
                        match late.try_send(LateReceipt { message_id, fate }) {
                            Ok(()) => CommandStatus::EsmeRok,
                            Err(_) => CommandStatus::EsmeRxTAppn,
                        }
                    }
                    _ => CommandStatus::EsmeRok,
                }
            }
            Content::Receipt(None) => {
                tracing::debug!("a receipt names no message");
                CommandStatus::EsmeRok
            }
            Content::Message(message) => match self.delivered.try_send(message) {
                Ok(()) => CommandStatus::EsmeRok,
                Err(_) => CommandStatus::EsmeRxTAppn,
            },
        }
    }
}

impl Bound {
    async fn unbind(&mut self) -> Result<(), LinkError> {
        self.unbound = Some(Instant::now());
        self.link.ask(Pdu::Unbind).await.map(drop)
    }
}
