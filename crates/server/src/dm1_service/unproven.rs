//! What a message that proves nothing means for the story of the device that it claims to be of.

use omadm_dm1::syncml::StatusCode;
use omadm_mo::DevId;
use omadm_session::server::dm1::{ChallengeCause, Dm1Delta, Dm1Event, HeldCause};

use crate::exchange::Head;
use crate::model::EventKind;
use crate::node::Node;

/// Longest text of such a peer that an event keeps, in octets.
const EXCERPT_OCTETS: usize = 256;

/// Who sent a message that proves nothing.
pub(super) struct Unproven<'a> {
    /// `Source/LocURI` as it stands there.
    pub(super) claimed: &'a str,
    /// The account that the message names.
    pub(super) user: &'a str,
    /// Whose account that is; none where nobody has it.
    pub(super) dev_id: Option<&'a DevId>,
}

/// Tells of a message that changes nothing: what it lacks, and what an operator may have to decide. What anybody can cause is throttled with the refusals of
/// strangers; what takes a secret of the account is the device's own.
pub(super) fn tell(node: &Node, head: &Head, who: &Unproven<'_>, said: &Dm1Delta) {
    for what in &said.events {
        let Some((status, detail)) = refusal_of(what, who) else {
            tracing::debug!(correlation = head.correlation, account = ?who.user, event = ?what, "DM 1.x");
            continue;
        };
        let claimed = excerpt(who.claimed).escape_debug().to_string();
        tracing::warn!(
            correlation = head.correlation,
            device = who.dev_id.map(tracing::field::display),
            claimed,
            from = head.from.map(tracing::field::display),
            "{detail}"
        );
        let kind = EventKind::RequestRefused {
            path: head.path.clone(),
            status: status.0,
            cause: None,
            claimed: Some(claimed),
            from: head.from.map(|from| from.to_string()),
            fingerprint: None,
            subject: None,
            detail,
        };
        let about = who.dev_id.cloned();
        match what {
            Dm1Event::RecoveryHeld { .. } | Dm1Event::OtherDevice { .. } | Dm1Event::TwoHolders => {
                node.refused(about, kind, &head.correlation);
            }
            _ => node.refused_stranger(about, kind, &head.correlation),
        }
    }
}

/// What the event log says of a message that proves nothing; none where the dialogue goes on as it has to.
fn refusal_of(what: &Dm1Event, who: &Unproven<'_>) -> Option<(StatusCode, String)> {
    let user = excerpt(who.user);
    let detail = match what {
        Dm1Event::Refused(why) => return Some((why.code(), excerpt(&why.to_string()))),
        Dm1Event::Challenged(cause) if who.dev_id.is_none() => {
            let status = match cause {
                ChallengeCause::Missing => StatusCode::CREDENTIALS_MISSING,
                _ => StatusCode::INVALID_CREDENTIALS,
            };
            return Some((status, format!("nobody has an account {user:?}")));
        }
        Dm1Event::Challenged(ChallengeCause::Wrong) => format!(
            "the credential shown for {user:?} is of none of its secrets, or of a nonce that does not count any more"
        ),
        Dm1Event::Challenged(ChallengeCause::NotEvaluated(due)) => format!(
            "the credential shown for {user:?} cannot be read, or is weaker than {}, which the account has",
            due.as_str()
        ),
        Dm1Event::RecoveryHeld { cause } => format!(
            "the secret that {user} was provisioned with was proven, and does not count: {}",
            held(*cause)
        ),
        Dm1Event::OtherDevice { claimed } => format!(
            "the account {user} was proven by another device, {:?}",
            excerpt(claimed)
        ),
        Dm1Event::TwoHolders => {
            format!("two hold the account {user}: a secret that a recovery replaced was used")
        }
        Dm1Event::AttemptsExhausted => {
            format!("too many wrong credentials for {user}: none is looked at for a while")
        }
        _ => return None,
    };
    Some((StatusCode::INVALID_CREDENTIALS, detail))
}

const fn held(cause: HeldCause) -> &'static str {
    match cause {
        HeldCause::Revoked => "it was revoked",
        HeldCause::WithoutEvent => "no bootstrap event came with it",
        HeldCause::Replayable => "it came in clear, where anybody can repeat it",
    }
}

/// The beginning of a text that a peer chose.
pub(super) fn excerpt(text: &str) -> String {
    let end = text.floor_char_boundary(EXCERPT_OCTETS);
    text.get(..end).unwrap_or_default().to_owned()
}
