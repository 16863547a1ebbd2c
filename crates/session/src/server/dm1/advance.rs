use omadm_bootstrap::Utc;
use omadm_dm1::syncml::{AlertCode, Message, SyncHdr};

use super::answer::{Answer, Frame, encode, plain};
use super::causes::{AbortReason, Aborter, MessageRefusal};
use super::opening::{self, Opening};
use super::proof::NonceKind;
use super::state::fingerprint;
use super::step::{Dm1Delta, Dm1Event, Dm1Reply, Dm1Step};
use super::turn::Turn;
use super::{AccountFacts, Dm1SessionState, MessageIn, ServerFacts};

/// How long a repeated opening message, which has no token yet, gets its answer again (M03).
const REPEATED_OPENING_MILLIS: i64 = 60_000;

/// Advances an account's session by one message.
///
/// `state` is the session that the account has; whether the message belongs to it is judged here (M02). `account` is none where nobody knows the name: then, as
/// where a secret is wrong, the answer is a challenge and nothing changes. The caller answers only when state and delta are durable, and calls again with what is
/// stored then where the store says that the account moved on in between. `entropy` is fresh for each call.
#[must_use]
pub fn advance(
    now: Utc,
    entropy: &[u8; 32],
    server: &ServerFacts,
    state: Option<Dm1SessionState>,
    account: Option<&AccountFacts>,
    message: MessageIn<'_>,
) -> Dm1Step {
    let header = message.identified.header();
    if let Some(why) = unspoken_version(header) {
        return refused(server, state, &message, why);
    }
    let nobody;
    let (known, account) = match account {
        Some(account) => (true, account),
        None => {
            nobody = AccountFacts::nobody(message.identified.account());
            (false, &nobody)
        }
    };
    let opening = Opening {
        now,
        entropy,
        server,
        account,
        message,
    };
    let Some(state) = state.filter(|_| known) else {
        return opening.open(None);
    };
    let belongs = state.session_id == header.session_id && state.dev_id == header.source.uri;
    if !belongs {
        return opening.open(Some(state));
    }
    let bound = is_bound(&state, &message);
    let repeated = state.last_request == fingerprint(message.body)
        && state.last_msg_id == header.msg_id
        && (bound || state.is_first && now.millis_since(state.last_at) <= REPEATED_OPENING_MILLIS);
    if repeated {
        return Dm1Step {
            reply: again(&state),
            state: Some(state),
            delta: Dm1Delta::default(),
        };
    }
    if state.ended {
        return opening.open(Some(state));
    }
    if !state.per_message {
        return if bound {
            go_on(opening, state, None)
        } else {
            opening.open(Some(state))
        };
    }
    if opening::has_session_alert(&message) {
        return opening.open(Some(state));
    }
    match opening.prove_within() {
        Ok(nonce) => go_on(opening, state, Some(nonce)),
        // A peer that cannot prove itself leaves the session as it is.
        Err(challenge) => Dm1Step {
            state: Some(state),
            ..*challenge
        },
    }
}

/// A message of the running session, whose sender is proven.
fn go_on(opening: Opening<'_>, state: Dm1SessionState, nonce: Option<NonceKind>) -> Dm1Step {
    let message = opening.message;
    let header = message.identified.header();
    let mut turn = Turn::new(&opening, state);
    if let Some(kind) = nonce {
        turn.consume(kind);
    }
    match message.identified.message() {
        Err(fault) => turn.abort(AbortReason::Unreadable(fault.clone())),
        // The same number, or an earlier one, with other octets (M03).
        Ok(_) if header.msg_id <= turn.state.last_msg_id => turn.abort(AbortReason::Repeated),
        Ok(read) => turn.receive(read),
    }
}

/// M02: by its token, or, for a client that ignores `RespURI`, by what it came on.
fn is_bound(state: &Dm1SessionState, message: &MessageIn<'_>) -> bool {
    let same =
        |kept: &Option<String>, given: Option<&str>| kept.is_some() && kept.as_deref() == given;
    let by_token = message.token.is_some_and(|token| {
        bool::from(subtle::ConstantTimeEq::ct_eq(
            token.as_bytes(),
            state.token.as_bytes(),
        ))
    });
    by_token
        || same(&state.connection, message.channel.connection)
        || same(&state.certificate, message.channel.certificate)
}

fn again(state: &Dm1SessionState) -> Dm1Reply {
    Dm1Reply {
        body: state.last_reply(),
        encoding: state.encoding(),
        mac: state.last_mac.clone(),
    }
}

/// The versions of §1.1: 1.2, and 1.3 as it is expected.
fn unspoken_version(header: &SyncHdr) -> Option<MessageRefusal> {
    if !matches!(&*header.ver_dtd, "1.2" | "1.3") {
        Some(MessageRefusal::VerDtd(header.ver_dtd.clone()))
    } else if !matches!(&*header.ver_proto, "DM/1.2" | "DM/1.3") {
        Some(MessageRefusal::VerProto(header.ver_proto.clone()))
    } else {
        None
    }
}

/// An answer that holds nothing but a status of the header, with an abort where the body cannot be read. The session, if there is one, stays as it is.
pub(super) fn refused(
    server: &ServerFacts,
    state: Option<Dm1SessionState>,
    message: &MessageIn<'_>,
    why: MessageRefusal,
) -> Dm1Step {
    let header = message.identified.header();
    let frame = Frame {
        server,
        ver_proto: omadm_dm1::syncml::VER_PROTO,
        session_id: &header.session_id,
        msg_id: header.msg_id,
        dev_id: &header.source.uri,
        token: "",
    };
    let mut answer = Answer::default();
    answer.header_status(header.msg_id, why.code(), None);
    if matches!(why, MessageRefusal::Unreadable(_)) {
        answer.alert(AlertCode::SESSION_ABORT);
    }
    let mut shown = frame.header();
    shown.resp_uri = None;
    let encoding = message.identified.encoding();
    let message: Message = answer.message(shown, true);
    Dm1Step {
        state,
        delta: Dm1Delta {
            events: vec![Dm1Event::Refused(why)],
            ..Dm1Delta::default()
        },
        reply: plain(encode(&message, encoding), encoding),
    }
}

/// What an abort of ours is told as.
pub(super) const fn aborted(reason: AbortReason) -> Dm1Event {
    Dm1Event::Aborted {
        by: Aborter::Server(reason),
    }
}
