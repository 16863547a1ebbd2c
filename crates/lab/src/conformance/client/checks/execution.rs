//! EXEC whose result comes at once or later (`dm20.md` §5.2, §5.4).

use serde_json::Value;

use super::super::package::{Done, Package};
use super::super::stand::{Stand, commands};
use super::ClientStep;
use super::packages::CAUSES;
use crate::conformance::check::step;
use crate::conformance::verdict::{Judged, Level, Verdict, expect};

const ITEMS: &[&str] = &["X-ASYN-001", "X-CMD-001"];
const MUST: Level = Level::Must;
const LATE: &str = "/dm/late";

pub(super) const STEPS: &[ClientStep] = &[
    step(
        "exec-result",
        ITEMS,
        MUST,
        (
            "§5.2, §5.4",
            "EXEC without ServerURI is done at once, or gets 202 and an alert in a new session.",
        ),
        |stand| Box::pin(result(stand)),
    ),
    step(
        "exec-accepted",
        ITEMS,
        MUST,
        ("§5.2", "EXEC with a ServerURI gets 202."),
        |stand| Box::pin(accepted(stand)),
    ),
    step(
        "exec-alert",
        &["X-ASYN-001", "X-ALRT-001"],
        MUST,
        (
            "§5.2",
            "The result of an EXEC with ServerURI comes there, as a generic alert in a new session.",
        ),
        |stand| Box::pin(alert(stand)),
    ),
];

/// Executes; the result goes to this path where one is given.
async fn exec(stand: &mut Stand, late: Option<&str>) -> Result<Done, Verdict> {
    let Some(node) = stand.setup.exec.clone() else {
        let needs = "needs --exec, the ClientURI of a node that does no harm when it is executed";
        return Err(Verdict::not_tested(needs));
    };
    let to = late.map(|path| format!("{}{path}", stand.base));
    let mut words = vec!["EXEC", &node];
    words.extend(to.as_deref());
    stand.run(&[&words]).await
}

/// A generic alert, which is none that says why the session was opened.
fn generic(package: &Package) -> Option<&Value> {
    let alerts = package.json["Alert"].as_array()?;
    alerts.iter().find(|alert| {
        let kind = alert["AlertType"].as_str().unwrap_or_default();
        !CAUSES.iter().any(|cause| cause.as_str() == kind)
    })
}

/// The session in which a result is told at this path.
async fn told(stand: &mut Stand, path: &str) -> Judged {
    stand.leave();
    let limit = stand.setup.limit;
    let package = stand.hold_at(path, limit).await;
    let found = package.as_ref().and_then(generic).is_some();
    stand.leave();
    expect(
        found,
        format!("a Package#1 at {path} with a generic alert"),
        || {
            package.map_or_else(
                || format!("no Package#1 there within {limit:?}"),
                |package| package.json["Alert"].to_string(),
            )
        },
    )
}

async fn result(stand: &mut Stand) -> Judged {
    let done = exec(stand, None).await?;
    expect(done.is_done(0), "200 or 202", || done.shown())?;
    if done.code(0) == 202 {
        return told(stand, super::super::document::FIRST.path).await;
    }
    Ok(())
}

async fn accepted(stand: &mut Stand) -> Judged {
    let done = exec(stand, Some("/dm/unheard")).await?;
    // Its result is not looked at.
    stand.send(commands(&[&["END"]])).await;
    stand.leave();
    expect(done.code(0) == 202, "202", || done.shown())
}

async fn alert(stand: &mut Stand) -> Judged {
    let done = exec(stand, Some(LATE)).await?;
    if !done.is_done(0) {
        let why = format!("the EXEC was refused: {}", done.shown());
        return Err(Verdict::inconclusive(why));
    }
    told(stand, LATE).await
}
