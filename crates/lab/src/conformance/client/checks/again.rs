//! The client's next bootstrap (`dm20.md` §14.5, §16.4), for which the hook asks: from the bootstrap server of its account, with its `Auth/Bootstrap`.

use omadm_dm2::media_type::MO;

use super::super::document::{AGAIN, FIRST, FORGED, RENEWED};
use super::super::package::Package;
use super::super::stand::{Stand, answer};
use super::ClientStep;
use super::bootstrap::{completes, is_replaced};
use crate::conformance::check::step;
use crate::conformance::hook::HookCall;
use crate::conformance::verdict::{Judged, Level, Verdict, expect};
use crate::conformance::wire::Ask;

const MUST: Level = Level::Must;

pub(super) const STEPS: &[ClientStep] = &[
    step(
        "again-credential",
        &["B-16", "B-18"],
        MUST,
        (
            "§12.2, §16.3",
            "A fetch from the bootstrap server of an account proves itself with the account's Auth/Bootstrap.",
        ),
        |stand| Box::pin(credential(stand)),
    ),
    step(
        "again-server",
        &["B-16", "B-18"],
        MUST,
        (
            "§12.2, §16.3",
            "Nothing is asked of a bootstrap server for which the account's ServerPubKey does not vouch.",
        ),
        |stand| Box::pin(server(stand)),
    ),
    step(
        "again-complete",
        &["B-15", "B-25", "X-BOOT-006"],
        MUST,
        (
            "§14.1",
            "After a further bootstrap the client reports BootstrapComplete again.",
        ),
        |stand| Box::pin(complete(stand)),
    ),
    step(
        "again-replaced",
        &["B-13", "B-23", "B-25"],
        MUST,
        (
            "§14.6.1",
            "An account that is delivered again is replaced: new content, one account of its SrvID.",
        ),
        |stand| Box::pin(replaced(stand)),
    ),
];

/// What came of the next bootstrap.
pub(in super::super) struct Again {
    /// The fetch that brought it.
    fetched: Option<Package>,
    /// The requests of the fetch that nobody served.
    unserved: Vec<Ask>,
    /// The Package#1 after it.
    reported: Option<Package>,
}

/// Has the client fetch twice: no bootstrap server has anything first, then that of the first account does. Done once.
async fn again(stand: &mut Stand) -> Result<&Again, Verdict> {
    if stand.again.is_none() {
        stand.session().await?;
        stand.leave();
        stand.ask(HookCall::Bootstrap).await?;
        // Who asks every source in turn comes by the second account's, where nothing must come.
        let unserved = stand.overhear(stand.silence() * 3).await;
        stand.ask(HookCall::Bootstrap).await?;
        let document = answer(200, MO, stand.documents.renewed.to_string());
        let fetched = stand.give(&[(AGAIN, document)], AGAIN).await;
        let reported = match fetched {
            Some(_) => stand.hold_at(FIRST.path, stand.setup.limit).await,
            None => None,
        };
        stand.again = Some(Again {
            fetched,
            unserved,
            reported,
        });
    }
    stand
        .again
        .as_ref()
        .ok_or_else(|| Verdict::inconclusive("the client was not asked"))
}

fn fetched(again: &Again) -> Result<&Package, Verdict> {
    again.fetched.as_ref().ok_or_else(|| {
        let expected = format!("GET {AGAIN}, the ServerURI of the account");
        Verdict::failed(expected, "no such request after the hook was called")
    })
}

async fn credential(stand: &mut Stand) -> Judged {
    let boot = stand.boot;
    let again = again(stand).await?;
    let leaf = fetched(again)?.leaf;
    expect(
        leaf.is_some() && leaf == boot,
        "the certificate of Auth/Bootstrap",
        || match leaf {
            None => "no certificate".to_owned(),
            Some(leaf) => format!("another certificate, {leaf}"),
        },
    )
}

async fn server(stand: &mut Stand) -> Judged {
    let again = again(stand).await?;
    if again.unserved.is_empty() && again.fetched.is_none() {
        return Err(Verdict::inconclusive("the client fetched nothing"));
    }
    let there = again.unserved.iter().find(|ask| ask.target == FORGED);
    expect(there.is_none(), "no request", || format!("GET {FORGED}"))
}

/// The Package#1 after the bootstrap.
fn reported(again: &Again) -> Result<&Package, Verdict> {
    if again.fetched.is_none() {
        return Err(Verdict::inconclusive(
            "the client fetched no further bootstrap",
        ));
    }
    again
        .reported
        .as_ref()
        .ok_or_else(|| Verdict::failed(format!("a Package#1 at {}", FIRST.path), "none"))
}

async fn complete(stand: &mut Stand) -> Judged {
    let package = reported(again(stand).await?)?.clone();
    stand.transcript.recall(&package.exchange());
    completes(&package)
}

async fn replaced(stand: &mut Stand) -> Judged {
    reported(again(stand).await?)?;
    is_replaced(stand, RENEWED).await
}
