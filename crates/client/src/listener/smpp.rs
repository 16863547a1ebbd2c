use std::time::Instant;

use omadm_push::sms::{Reassembler, ReassemblyLimits, Taken};
use omadm_push::wsp::Push;
use omadm_push::{PUSH_PORT, PhoneNumber};
use omadm_smpp::{Delivered, Esme, EsmeConfig};
use tokio::sync::mpsc;

use super::inbox::{Call, Inbox};
use super::wap;

pub(super) const CARRIER: &str = "sms";
/// Messages that the SMSC delivered and nobody has looked at; it keeps further ones meanwhile.
const DELIVERED: usize = 64;

/// A link to an SMSC, bound for the device's own number.
#[derive(Clone, Debug)]
pub(crate) struct SmppListener {
    /// The link.
    pub(crate) esme: EsmeConfig,
    /// Messages to other numbers are dropped.
    pub(crate) number: PhoneNumber,
    /// Messages of more parts are dropped.
    pub(crate) parts: u8,
}

/// The entity that is to be kept as long as Notifications are to come, and the work of taking them: WAP pushes to the device's number
/// (`push.md` §1, §7). Nothing is ever answered but to the SMSC.
pub(super) fn start(
    listener: SmppListener,
    inbox: Inbox,
) -> (Esme, impl Future<Output = ()> + Send + 'static) {
    let (hand_on, mut delivered) = mpsc::channel(DELIVERED);
    let (esme, link) = Esme::new(listener.esme, hand_on, None);
    let work = async move {
        let take = async {
            let start = Instant::now();
            let mut reassembler = Reassembler::new(ReassemblyLimits {
                parts: listener.parts,
                ..ReassemblyLimits::default()
            });
            while let Some(message) = delivered.recv().await {
                if message.destination != listener.number.digits() {
                    tracing::debug!("an SMS for another number was dropped");
                    continue;
                }
                let now = start.elapsed();
                if let Some(call) = call(&mut reassembler, now, &message) {
                    let _room = inbox.put(call, CARRIER);
                }
            }
        };
        tokio::join!(link, take);
    };
    (esme, work)
}

/// The call that this message makes whole.
fn call(
    reassembler: &mut Reassembler<String>,
    now: std::time::Duration,
    message: &Delivered,
) -> Option<Call> {
    let user_data = match message.user_data() {
        Ok(user_data) => user_data,
        Err(error) => {
            tracing::debug!(%error, "an SMS was dropped");
            return None;
        }
    };
    if user_data.ports.map(|ports| ports.destination) != Some(PUSH_PORT) {
        tracing::debug!("an SMS that is no WAP push was dropped");
        return None;
    }
    let datagram = match reassembler.take(now, &message.originator, &user_data) {
        Taken::Whole(datagram) => datagram,
        Taken::Waiting { have, total } => {
            tracing::debug!(have, total, "an SMS of several came");
            return None;
        }
        Taken::Duplicate => return None,
        Taken::Dropped(cause) => {
            tracing::debug!(%cause, "an SMS was dropped");
            return None;
        }
    };
    match Push::decode(&datagram) {
        Ok(push) => match wap::call_of(push, &message.originator) {
            Ok(call) => Some(call),
            Err(why) => {
                tracing::debug!(%why, "a WAP push was dropped");
                None
            }
        },
        Err(error) => {
            tracing::debug!(%error, "an SMS to the push port was dropped: it is no WAP push");
            None
        }
    }
}
