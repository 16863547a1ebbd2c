//! Content negotiation of what the client sends (`dm20.md` §3.2).

use http::Method;
use omadm_dm2::media_type::{MO_READ, is_type};

use super::super::stand::{OMADM_ACCEPT, Stand, commands};
use super::ClientStep;
use super::packages::DEV_ID_LEAF;
use super::repository::{NAME_LEAF, rename};
use crate::conformance::check::step;
use crate::conformance::verdict::{Judged, Level, Verdict, expect};
use crate::conformance::wire::Ask;

const NEGO: &[&str] = &["X-NEGO-001"];
const PARTICULAR: &str = "/repo/particular";
const CHANGES: &str = "/repo/particular-changes";
/// The one type that is taken there; most clients write another one first.
const TAKEN: &str = "application/json";

pub(super) const STEPS: &[ClientStep] = &[
    step(
        "nego-retry",
        NEGO,
        Level::Should,
        (
            "§3.2",
            "An upload that got 415 is sent again in a type that OMADM-Accept lists.",
        ),
        |stand| Box::pin(retry(stand)),
    ),
    step(
        "nego-omadm-accept",
        NEGO,
        Level::Should,
        (
            "§3.2",
            "Where OMADM-Accept lists no type of the client's, HPUT gets 406 and nothing is sent.",
        ),
        |stand| Box::pin(omadm_accept(stand)),
    ),
    step(
        "nego-sub-retry",
        &["X-NEGO-001", "X-CMD-003"],
        Level::Should,
        (
            "§3.2",
            "The report of a SUB that got 415 is sent again in a type that OMADM-Accept lists.",
        ),
        |stand| Box::pin(sub_retry(stand)),
    ),
];

fn types(asks: &[Ask], target: &str) -> Vec<String> {
    let there = asks.iter().filter(|ask| ask.target == target);
    there
        .map(|ask| ask.header_value("content-type").to_owned())
        .collect()
}

/// Whether an upload came in the type that is taken, after one in another type.
fn judged(types: &[String]) -> Judged {
    let taken = |one: &String| is_type(one, TAKEN);
    match types {
        [] => Err(Verdict::failed("an upload", "none")),
        [first] if !taken(first) => Err(Verdict::NotApplicable {
            why: format!("the client sent {first} and has no other type"),
        }),
        [.., last] => expect(taken(last), TAKEN, || types.join(", then ")),
    }
}

async fn retry(stand: &mut Stand) -> Judged {
    let to = format!("{}{PARTICULAR}", stand.base);
    stand.particular.insert(PARTICULAR.to_owned(), TAKEN);
    let done = stand.run(&[&["HPUT", &to, DEV_ID_LEAF]]).await?;
    judged(&types(&done.transfers, PARTICULAR))?;
    expect(done.code(0) == 200, "200", || done.shown())
}

async fn omadm_accept(stand: &mut Stand) -> Judged {
    let to = format!("{}/repo/alien", stand.base);
    let list = commands(&[&["HPUT", &to, DEV_ID_LEAF]]);
    let done = stand
        .run_as(
            list.with(OMADM_ACCEPT, "application/vnd.syncml.dmtnds+xml"),
            1,
        )
        .await?;
    // What is listed last counts from here on.
    let every = commands(&[&["GET", DEV_ID_LEAF]]).with(OMADM_ACCEPT, &MO_READ.join(", "));
    stand.run_as(every, 1).await?;
    let sent = done.transfer("/repo/alien").map(|ask| ask.method.clone());
    expect(sent.is_none(), "nothing sent", || {
        sent.as_ref().map_or("", Method::as_str).to_owned()
    })?;
    expect(done.code(0) == 406, "406", || done.shown())
}

async fn sub_retry(stand: &mut Stand) -> Judged {
    let to = format!("{}{CHANGES}", stand.base);
    stand.particular.insert(CHANGES.to_owned(), TAKEN);
    rename(stand, "Before").await?;
    let done = stand.run(&[&["SUB", &to, NAME_LEAF]]).await?;
    if done.code(0) == 501 {
        return Err(Verdict::NotApplicable {
            why: "the client answered SUB with 501".to_owned(),
        });
    }
    expect(done.code(0) == 200, "200", || done.shown())?;
    let mut transfers = rename(stand, "Retried").await?.transfers;
    let is_over = |all: &[Ask]| types(all, CHANGES).iter().any(|one| is_type(one, TAKEN));
    // One that sends no further report is not waited for longer than that takes to be seen.
    let limit = stand.setup.limit;
    stand.setup.limit = limit.min(std::time::Duration::from_secs(4));
    let end = commands(&[&["END"]]);
    stand.overhear_until(end, &mut transfers, is_over).await;
    stand.setup.limit = limit;
    let unsub = stand.run(&[&["UNSUB", NAME_LEAF]]).await?;
    judged(&types(&transfers, CHANGES))?;
    expect(unsub.code(0) == 200, "200 for UNSUB", || unsub.shown())
}
