//! Bootstraps that are pushed directly (`dm20.md` §14.6, D56): who may push, what becomes of it, and what is answered.

use omadm_dm2::media_type::MO;

use super::super::decision;
use super::super::document::{FIRST, PUSHED};
use super::super::package::Package;
use super::super::push::Caller;
use super::super::stand::Stand;
use super::ClientStep;
use super::bootstrap::{BOOTSTRAP_COMPLETE, completes, is_replaced, tells_method};
use super::endings::over;
use crate::conformance::check::step;
use crate::conformance::verdict::{Judged, Level, Verdict, expect};
use crate::conformance::wire::Answer;

const MUST: Level = Level::Must;
const SHOULD: Level = Level::Should;
const SERVED: &[&str] = &["B-09"];
/// No document of any kind.
const BROKEN: &str = "[{\"ClientURI\": ";

pub(super) const STEPS: &[ClientStep] = &[
    step(
        "push-nobody",
        &["B-12", "B-16"],
        MUST,
        (
            "§14.6, §16.3",
            "A bootstrap is not taken from somebody who proves nothing.",
        ),
        |stand| Box::pin(untaken(stand, Caller::Nobody)),
    ),
    step(
        "push-stranger",
        &["B-12", "B-16"],
        SHOULD,
        (
            "§14.6",
            "A bootstrap is not taken from a server that the client does not trust.",
        ),
        |stand| Box::pin(untaken(stand, Caller::Stranger)),
    ),
    step(
        "push-refused",
        &["B-12"],
        decision("D56"),
        ("§14.6", "A server that is not trusted gets 403."),
        |stand| Box::pin(refused(stand)),
    ),
    step(
        "push-media-type",
        SERVED,
        decision("D56"),
        ("§14.6", "A push of another media type gets 415."),
        |stand| Box::pin(media_type(stand)),
    ),
    step(
        "push-malformed",
        &["B-09", "B-14"],
        decision("D56"),
        ("§14.6", "A document that cannot be read gets 400."),
        |stand| Box::pin(malformed(stand)),
    ),
    step(
        "push-too-large",
        SERVED,
        decision("D56"),
        ("§14.6", "A document beyond the client's limit gets 413."),
        |stand| Box::pin(too_large(stand)),
    ),
    step(
        "push-busy",
        SERVED,
        decision("D56"),
        ("§14.6", "A push gets 409 while another one is in progress."),
        |stand| Box::pin(busy(stand)),
    ),
    step(
        "push-taken",
        &["B-09", "B-12", "DM-BOOT-005-C-O"],
        SHOULD,
        (
            "§14.6",
            "A bootstrap that a trusted server pushes is taken.",
        ),
        |stand| Box::pin(taken(stand)),
    ),
    step(
        "push-accepted",
        SERVED,
        decision("D56"),
        ("§14.6", "A bootstrap that is taken gets 202."),
        |stand| Box::pin(accepted(stand)),
    ),
    step(
        "push-complete",
        &["B-09", "B-15", "B-29", "X-BOOT-006"],
        MUST,
        (
            "§14.7",
            "After a pushed bootstrap the client reports BootstrapComplete.",
        ),
        |stand| Box::pin(complete(stand)),
    ),
    step(
        "push-type",
        &["B-31"],
        decision("D27"),
        (
            "§6",
            "BootstrapComplete tells that the bootstrap was the server's.",
        ),
        |stand| Box::pin(bootstrap_type(stand)),
    ),
    step(
        "push-replaced",
        &["B-13", "B-23", "B-25"],
        MUST,
        (
            "§14.6.1",
            "An account that is pushed again is replaced: new content, one account of its SrvID.",
        ),
        |stand| Box::pin(replaced(stand)),
    ),
];

/// What came of the push of a trusted server.
pub(in super::super) struct Pushed {
    answer: Result<Answer, String>,
    /// The Package#1 after it.
    reported: Option<Package>,
}

/// The client had its bootstrap, and no session runs.
async fn idle(stand: &mut Stand) -> Judged {
    if stand.pusher.to.is_some() {
        stand.meet().await;
        over(stand).await;
    }
    Ok(())
}

async fn post(
    stand: &mut Stand,
    caller: Caller,
    media_type: &str,
    body: impl Into<Vec<u8>>,
) -> Result<Result<Answer, String>, Verdict> {
    let transcript = stand.transcript.clone();
    let pushed = stand
        .pusher
        .push(&transcript, caller, media_type, body.into());
    pushed.await
}

fn shown(answer: &Result<Answer, String>) -> String {
    match answer {
        Ok(answer) => answer.shown(),
        Err(why) => why.clone(),
    }
}

fn is(answer: &Result<Answer, String>, status: u16) -> Judged {
    let so = answer.as_ref().is_ok_and(|answer| answer.status == status);
    expect(so, status.to_string(), || shown(answer))
}

/// Whether what this one pushes is neither answered as taken nor reported.
async fn untaken(stand: &mut Stand, caller: Caller) -> Judged {
    idle(stand).await?;
    let document = stand.documents.planted.to_string();
    let answer = post(stand, caller, MO, document).await?;
    let so = answer.as_ref().map_or(true, |answer| answer.status >= 400);
    expect(so, "no connection, or a refusal", || shown(&answer))?;
    let silence = stand.silence();
    let came = stand.hold_at(FIRST.path, silence).await;
    let reported = came.is_some_and(|package| package.has_alert(BOOTSTRAP_COMPLETE));
    expect(!reported, "no BootstrapComplete", || "one".to_owned())
}

async fn refused(stand: &mut Stand) -> Judged {
    idle(stand).await?;
    let document = stand.documents.planted.to_string();
    is(&post(stand, Caller::Stranger, MO, document).await?, 403)
}

async fn media_type(stand: &mut Stand) -> Judged {
    idle(stand).await?;
    let answer = post(stand, Caller::Trusted, "text/plain", BROKEN).await?;
    is(&answer, 415)
}

async fn malformed(stand: &mut Stand) -> Judged {
    idle(stand).await?;
    is(&post(stand, Caller::Trusted, MO, BROKEN).await?, 400)
}

async fn too_large(stand: &mut Stand) -> Judged {
    idle(stand).await?;
    let Some(most) = stand.setup.push_limit else {
        let needs = "needs --push-limit, the octets of the longest document that the client takes";
        return Err(Verdict::not_tested(needs));
    };
    let body = vec![b' '; most.saturating_add(1)];
    is(&post(stand, Caller::Trusted, MO, body).await?, 413)
}

async fn busy(stand: &mut Stand) -> Judged {
    idle(stand).await?;
    let transcript = stand.transcript.clone();
    let begun = stand.pusher.begin(&transcript, MO, BROKEN.as_bytes());
    let begun = begun.await?;
    // The client has to have seen the head before another push comes.
    tokio::time::sleep(stand.silence()).await;
    let answer = post(stand, Caller::Trusted, MO, BROKEN).await;
    begun.finish().await;
    is(&answer?, 409)
}

/// Has the bootstrap server push, and the client report. Done once.
async fn pushed(stand: &mut Stand) -> Result<&Pushed, Verdict> {
    if stand.pushed.is_none() {
        idle(stand).await?;
        let document = stand.documents.pushed.to_string();
        let answer = post(stand, Caller::Trusted, MO, document).await?;
        let reported = match &answer {
            Ok(answer) if answer.is_ok() => {
                let limit = stand.setup.limit;
                stand.hold_at(FIRST.path, limit).await
            }
            _ => None,
        };
        stand.pushed = Some(Pushed { answer, reported });
    }
    stand
        .pushed
        .as_ref()
        .ok_or_else(|| Verdict::inconclusive("nothing was pushed"))
}

async fn taken(stand: &mut Stand) -> Judged {
    let pushed = pushed(stand).await?;
    let so = pushed.answer.as_ref().is_ok_and(Answer::is_ok);
    expect(so, "a status from 200 to 299", || shown(&pushed.answer))
}

async fn accepted(stand: &mut Stand) -> Judged {
    is(&pushed(stand).await?.answer, 202)
}

/// The Package#1 after the push.
async fn reported(stand: &mut Stand) -> Result<Package, Verdict> {
    let pushed = pushed(stand).await?;
    if !pushed.answer.as_ref().is_ok_and(Answer::is_ok) {
        return Err(Verdict::inconclusive("the client did not take the push"));
    }
    let package = pushed.reported.clone();
    let package =
        package.ok_or_else(|| Verdict::failed(format!("a Package#1 at {}", FIRST.path), "none"))?;
    stand.transcript.recall(&package.exchange());
    Ok(package)
}

async fn complete(stand: &mut Stand) -> Judged {
    completes(&reported(stand).await?)
}

async fn bootstrap_type(stand: &mut Stand) -> Judged {
    tells_method(&reported(stand).await?, "server")
}

async fn replaced(stand: &mut Stand) -> Judged {
    reported(stand).await?;
    is_replaced(stand, PUSHED).await
}
