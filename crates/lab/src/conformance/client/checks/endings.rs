//! How sessions end and others begin (`dm20.md` §2, §3.3, §5.2). The first check here ends the long session.

use http::HeaderValue;
use omadm_dm2::media_type::PACKAGE2;

use super::super::decision;
use super::super::document::{FIRST, SECOND, THIRD};
use super::super::stand::{DM_ACC, Stand, answer, commands};
use super::ClientStep;
use super::bootstrap::BOOTSTRAP_COMPLETE;
use super::packages::DEV_ID_LEAF;
use crate::conformance::check::step;
use crate::conformance::verdict::{Judged, Level, Verdict, expect};
use crate::conformance::wire::Ask;

const MUST: Level = Level::Must;
const CLIENT_INITIATED: &str = "urn:oma:at:dm:2.0:ClientInitiatedMgmt";

pub(super) const STEPS: &[ClientStep] = &[
    step(
        "cmd-end",
        &["X-FLOW-001", "X-CMD-001"],
        MUST,
        (
            "§5.2",
            "With END every command is processed, and no Package#3 follows.",
        ),
        |stand| Box::pin(end(stand)),
    ),
    step(
        "boot-several",
        &["B-15", "B-25"],
        MUST,
        (
            "§14.7",
            "Each account of the bootstrap gets its session with BootstrapComplete.",
        ),
        |stand| Box::pin(several(stand)),
    ),
    step(
        "dac-accounts",
        &["X-DAC-001"],
        decision("D49"),
        ("§13", "A server sees no account but its own."),
        |stand| Box::pin(accounts(stand)),
    ),
    step(
        "session-cause",
        &["X-ALRT-001"],
        MUST,
        (
            "§2",
            "A session of the client's own has ClientInitiatedMgmt.",
        ),
        |stand| Box::pin(cause(stand)),
    ),
    step(
        "http-redirect",
        &["X-FLOW-001"],
        decision("D08"),
        ("§3.3", "307 is followed with the same Package#1."),
        |stand| Box::pin(redirect(stand)),
    ),
    step(
        "http-error",
        &["X-FLOW-001"],
        MUST,
        ("§3.3", "After 403 the client does not come back by itself."),
        |stand| Box::pin(error(stand)),
    ),
    step(
        "package2-broken",
        &["X-JSON-001"],
        decision("D11"),
        ("§4.2", "A Package#2 that is no JSON ends the session."),
        |stand| Box::pin(broken(stand)),
    ),
    step(
        "package2-empty",
        &["X-FLOW-001"],
        decision("D11"),
        ("§4.2", "A Package#2 without commands is as END."),
        |stand| Box::pin(empty(stand)),
    ),
];

/// Lets the client go, whatever it holds on to.
pub(super) async fn over(stand: &mut Stand) {
    for _ in 0..4 {
        if stand.held().is_none() {
            return;
        }
        stand.send_last(commands(&[&["END"]])).await;
    }
}

/// A new session of the first account. Sessions of others are ended.
async fn anew(stand: &mut Stand) -> Judged {
    stand.session_of(FIRST).await.map(drop)
}

async fn end(stand: &mut Stand) -> Judged {
    stand.session().await?;
    let from = format!("{}/repo/absent", stand.base);
    let name = format!("{DM_ACC}//Name");
    let last = commands(&[&["END"], &["HGET", &from, &name]]);
    let is_fetched = |all: &[Ask]| all.iter().any(|ask| ask.target == "/repo/absent");
    let mut seen = Vec::new();
    stand.overhear_until(last, &mut seen, is_fetched).await;
    let response = stand
        .held()
        .filter(|package| package.is_response())
        .cloned();
    expect(response.is_none(), "no Package#3", || {
        response.map_or(String::new(), |package| package.json.to_string())
    })?;
    expect(is_fetched(&seen), "the HGET beside END", || {
        "no request".to_owned()
    })
}

async fn several(stand: &mut Stand) -> Judged {
    stand.meet().await;
    stand.leave();
    for party in [SECOND, THIRD] {
        let Some(package) = stand.hold_at(party.path, stand.setup.limit).await else {
            let expected = format!("a Package#1 at {}", party.path);
            return Err(Verdict::failed(expected, "none"));
        };
        expect(
            package.has_alert(BOOTSTRAP_COMPLETE),
            BOOTSTRAP_COMPLETE,
            || package.json["Alert"].to_string(),
        )?;
        if party == SECOND {
            stand.leave();
        }
    }
    // A client that cannot be asked to come again is left to the checks of HTTP authentication.
    if stand.setup.hook.is_none() {
        stand.put_off();
    }
    stand.leave();
    Ok(())
}

async fn accounts(stand: &mut Stand) -> Judged {
    stand.session_of(SECOND).await?;
    let every = format!("{DM_ACC}/*/SrvID");
    let done = stand.run(&[&["GET", &every]]).await?;
    let ids: Vec<_> = done
        .items(0)
        .iter()
        .map(|item| item["MOData"]["SrvID"].to_string())
        .collect();
    over(stand).await;
    let own = SECOND.srv_id;
    expect(ids == [format!("\"{own}\"")], own, || ids.join(", "))
}

async fn cause(stand: &mut Stand) -> Judged {
    anew(stand).await?;
    let package = stand.held();
    let told = package.is_some_and(|package| package.has_alert(CLIENT_INITIATED));
    expect(told, CLIENT_INITIATED, || {
        package.map_or(String::new(), |package| package.json["Alert"].to_string())
    })
}

async fn redirect(stand: &mut Stand) -> Judged {
    anew(stand).await?;
    let mut elsewhere = answer(307, "text/plain", String::new());
    let to = format!("{}/dm/elsewhere", stand.base);
    if let Ok(to) = HeaderValue::from_str(&to) {
        elsewhere.headers.insert("location", to);
    }
    stand.send(elsewhere).await;
    let there = stand.held().map(|package| package.ask.target.clone());
    expect(
        there.as_deref() == Some("/dm/elsewhere"),
        "Package#1 at /dm/elsewhere",
        || there.unwrap_or_else(|| "nothing".to_owned()),
    )
}

/// What comes within the time of silence after this answer to a new session's Package#1.
async fn silent_after(stand: &mut Stand, said: crate::conformance::wire::Answer) -> Judged {
    anew(stand).await?;
    stand.send_last(said).await;
    let came = stand.held().map(|package| package.json.to_string());
    expect(came.is_none(), "nothing", || came.unwrap_or_default())
}

async fn error(stand: &mut Stand) -> Judged {
    silent_after(stand, answer(403, "text/plain", String::new())).await
}

async fn broken(stand: &mut Stand) -> Judged {
    let text = format!("{{\"CMD\":[[\"GET\",\"{DEV_ID_LEAF}\"]");
    silent_after(stand, answer(200, PACKAGE2, text)).await
}

async fn empty(stand: &mut Stand) -> Judged {
    silent_after(stand, commands(&[])).await
}
