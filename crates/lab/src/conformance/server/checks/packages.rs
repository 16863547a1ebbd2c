//! The flow of packages (`dm20.md` §2) and the sessions they make (D02).

use http::Method;
use omadm_dm2::media_type::{PACKAGE1, PACKAGE2, PACKAGE3, is_type};
use serde_json::json;
use tokio::task::JoinSet;

use super::super::ServerKit;
use super::super::device::{CLIENT_INITIATED, initiation};
use super::super::subject::Who;
use super::ServerStep;
use crate::conformance::check::step;
use crate::conformance::verdict::{Judged, Level, Verdict, expect};

const FLOW: &[&str] = &["X-FLOW-001"];
const D02: Level = Level::Decision("D02");
const D70: Level = Level::Decision("D70");

pub(super) const STEPS: &[ServerStep] = &[
    step(
        "flow-package1",
        FLOW,
        Level::Must,
        ("§2", "A Package#1 is answered with 200 and a Package#2."),
        |kit| Box::pin(package1(kit)),
    ),
    step(
        "flow-media-type",
        FLOW,
        Level::Must,
        ("§2", "A Package#2 has its media type."),
        |kit| Box::pin(media_type(kit)),
    ),
    step(
        "flow-package3",
        FLOW,
        Level::Must,
        ("§2", "A Package#3 is answered with 200 and a Package#2."),
        |kit| Box::pin(package3(kit)),
    ),
    step(
        "flow-end",
        &["X-FLOW-001", "X-CMD-001"],
        Level::Must,
        ("§1", "The session ends with END."),
        |kit| Box::pin(end(kit)),
    ),
    step(
        "flow-status-count",
        FLOW,
        D70,
        (
            "§3.5",
            "A Package#3 with one status too many is refused with 400.",
        ),
        |kit| Box::pin(status_count(kit)),
    ),
    step(
        "flow-no-session",
        FLOW,
        D70,
        ("§3.5", "A Package#3 without session is refused with 409."),
        |kit| Box::pin(no_session(kit)),
    ),
    step(
        "flow-newer-session",
        FLOW,
        D02,
        (
            "§1",
            "A new Package#1 ends the older session: its cookie gets 409.",
        ),
        |kit| Box::pin(newer_session(kit)),
    ),
    step(
        "flow-without-cookie",
        FLOW,
        D02,
        (
            "§1",
            "A Package#3 without cookie belongs to the newest session.",
        ),
        |kit| Box::pin(without_cookie(kit)),
    ),
    step(
        "http-method",
        FLOW,
        D70,
        (
            "§3.5",
            "Another method than POST is refused with 405 and Allow.",
        ),
        |kit| Box::pin(method(kit)),
    ),
    step(
        "http-body-limit",
        FLOW,
        D70,
        ("§3.5", "A body over the limit is refused with 413."),
        |kit| Box::pin(body_limit(kit)),
    ),
    step(
        "http-busy",
        FLOW,
        D70,
        (
            "§3.5",
            "Of four Package#1 at once each gets 200, or 503 with Retry-After.",
        ),
        |kit| Box::pin(busy(kit)),
    ),
];

async fn busy(kit: &mut ServerKit) -> Judged {
    let body = json!({ "Alert": [
        { "AlertType": CLIENT_INITIATED }, { "AlertType": "org.example.conformance.rush" },
    ]});
    let ask = kit.package(PACKAGE1, body.to_string());
    let mut wires = Vec::new();
    for _ in 0..4 {
        wires.push(kit.connect(Who::Device).await?);
    }
    let mut sent = JoinSet::new();
    for mut wire in wires {
        let ask = ask.clone();
        sent.spawn(async move { wire.send(ask).await });
    }
    while let Some(answer) = sent.join_next().await {
        let answer = answer.map_err(|error| Verdict::inconclusive(error.to_string()))?;
        let answer = answer.map_err(Verdict::inconclusive)?;
        let said = answer.header("retry-after");
        let fits = answer.status == 200 || (answer.status == 503 && !said.is_empty());
        expect(fits, "200, or 503 with Retry-After", || {
            format!("{}, Retry-After {said:?}", answer.shown())
        })?;
    }
    Ok(())
}

async fn package1(kit: &mut ServerKit) -> Judged {
    kit.open(&initiation(CLIENT_INITIATED)).await.map(drop)
}

async fn media_type(kit: &mut ServerKit) -> Judged {
    let answer = kit
        .gets(kit.package(PACKAGE1, initiation(CLIENT_INITIATED)), &[200])
        .await?;
    let found = answer.header("content-type").to_owned();
    expect(
        answer.body.is_empty() || is_type(&found, PACKAGE2),
        PACKAGE2,
        || found,
    )
}

async fn package3(kit: &mut ServerKit) -> Judged {
    let mut session = kit.open_with_commands().await?;
    let statuses = kit.statuses(&session.package);
    kit.respond(&mut session, &json!({ "Status": statuses }))
        .await
}

async fn end(kit: &mut ServerKit) -> Judged {
    let package1 = kit.completion().to_string();
    let mut session = kit.open(&package1).await?;
    kit.to_end(&mut session).await.map(drop)
}

async fn status_count(kit: &mut ServerKit) -> Judged {
    let mut session = kit.open_with_commands().await?;
    let mut statuses = kit.statuses(&session.package);
    statuses.push(json!({ "sc": 200 }));
    let body = json!({ "Status": statuses }).to_string();
    let answer = kit.response(&mut session, body).await?;
    expect(answer.status == 400, "400", || answer.shown())
}

async fn no_session(kit: &mut ServerKit) -> Judged {
    let package1 = kit.completion().to_string();
    let mut session = kit.open(&package1).await?;
    kit.to_end(&mut session).await?;
    let answer = kit.response(&mut session, r#"{"Status":[]}"#).await?;
    expect(answer.status == 409, "409", || answer.shown())
}

async fn newer_session(kit: &mut ServerKit) -> Judged {
    let mut older = kit.open_with_commands().await?;
    let newer = kit.open_with_commands().await?;
    let body = json!({ "Status": kit.statuses(&older.package) }).to_string();
    let answer = kit.response(&mut older, body).await?;
    drop(newer);
    expect(answer.status == 409, "409", || answer.shown())
}

async fn without_cookie(kit: &mut ServerKit) -> Judged {
    let mut session = kit.open_with_commands().await?;
    session.cookie = None;
    let statuses = kit.statuses(&session.package);
    kit.respond(&mut session, &json!({ "Status": statuses }))
        .await
}

async fn method(kit: &mut ServerKit) -> Judged {
    let mut ask = kit.package(PACKAGE3, "");
    ask.method = Method::GET;
    let answer = kit.gets(ask, &[405]).await?;
    expect(
        answer.header("allow").contains("POST"),
        "Allow with POST",
        || answer.shown(),
    )
}

async fn body_limit(kit: &mut ServerKit) -> Judged {
    let Some(limit) = kit.subject.body_limit else {
        let needs = "needs --body-limit, the longest body in octets that the server takes";
        return Err(Verdict::not_tested(needs));
    };
    let body = vec![b' '; limit + 1];
    kit.gets(kit.package(PACKAGE1, body), &[413])
        .await
        .map(drop)
}
