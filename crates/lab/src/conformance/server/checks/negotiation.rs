//! Content negotiation (`dm20.md` §3.2).

use http::Method;
use omadm_dm2::header::ACCEPT;
use omadm_dm2::media_type::{MO, MO_READ, PACKAGE1, PACKAGE2, accepts};

use super::super::ServerKit;
use super::super::device::{CLIENT_INITIATED, initiation};
use super::super::subject::Who;
use super::ServerStep;
use crate::conformance::check::step;
use crate::conformance::verdict::{Judged, Level, Verdict, expect};
use crate::conformance::wire::{Answer, target};

const NEGO: &[&str] = &["X-NEGO-001"];

pub(super) const STEPS: &[ServerStep] = &[
    step(
        "nego-not-acceptable",
        NEGO,
        Level::Must,
        (
            "§3.2",
            "An Accept that excludes the answer's type gets 406.",
        ),
        |kit| Box::pin(not_acceptable(kit)),
    ),
    step(
        "nego-accept",
        NEGO,
        Level::Must,
        (
            "§3.1",
            "Accept may be missing, a wildcard, or a list with weights.",
        ),
        |kit| Box::pin(accept(kit)),
    ),
    step(
        "nego-unsupported",
        NEGO,
        Level::Must,
        ("§3.2", "A body type that is not understood gets 415."),
        |kit| Box::pin(unsupported(kit)),
    ),
    step(
        "nego-parameters",
        NEGO,
        Level::Must,
        (
            "§3.4",
            "Type names are compared without case, and charset=utf-8 does no harm.",
        ),
        |kit| Box::pin(parameters(kit)),
    ),
    step(
        "nego-omadm-accept",
        NEGO,
        Level::Must,
        (
            "§3.1",
            "OMADM-Accept, where a Package#2 has it, is written as Accept is.",
        ),
        |kit| Box::pin(omadm_accept(kit)),
    ),
    step(
        "nego-repository",
        NEGO,
        Level::Must,
        (
            "§3.2",
            "The data repository refuses a type that it does not take with 415, and says by OMADM-Accept what it takes.",
        ),
        |kit| Box::pin(repository(kit)),
    ),
    step(
        "repo-upload",
        &["X-NEGO-001", "X-CMD-001", "X-CMD-003"],
        Level::Must,
        (
            "§5.2",
            "The data repository takes MO data by PUT and by POST.",
        ),
        |kit| Box::pin(upload(kit)),
    ),
];

/// Whether these are media ranges, as RFC 9110 §12.5.1 writes them.
fn is_accept(value: &str) -> bool {
    value.split(',').all(|range| {
        let name = range.split(';').next().unwrap_or_default().trim();
        let is_token = |part: &str| {
            let odd = |c: char| !(c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c));
            !part.is_empty() && !part.contains(odd)
        };
        name.split_once('/')
            .is_some_and(|(kind, sub)| is_token(kind) && is_token(sub))
    })
}

async fn omadm_accept(kit: &mut ServerKit) -> Judged {
    let ask = kit.package(PACKAGE1, initiation(CLIENT_INITIATED));
    let answer = kit.gets(ask, &[200]).await?;
    let found = answer.header(ACCEPT);
    let right = !answer.headers.contains_key(ACCEPT) || is_accept(found);
    expect(right, "media ranges parted by commas", || found.to_owned())
}

/// A request with a body to the data repository.
async fn put(kit: &ServerKit, method: Method, content_type: &str) -> Result<Answer, Verdict> {
    let Some(url) = kit.subject.repository_url.clone() else {
        return Err(Verdict::not_tested(
            "needs --repository-url, where the device may put MO data into the server's data repository",
        ));
    };
    let body = serde_json::json!([kit.dev_info_item()]).to_string();
    let mut ask = kit.package(content_type, body).without("accept");
    (ask.method, ask.target) = (method, target(&url));
    let wire = kit.connect_to(&url.origin(), Who::Device).await;
    let mut wire = wire.map_err(Verdict::inconclusive)?;
    kit.tell(&mut wire, ask).await
}

async fn repository(kit: &mut ServerKit) -> Judged {
    let refused = put(kit, Method::PUT, "image/x-conformance").await?;
    expect(refused.status == 415, "415", || refused.shown())?;
    let listed = refused.header(ACCEPT);
    let usable = MO_READ.iter().find(|one| accepts(listed, one));
    let Some(usable) = usable.filter(|_| !listed.is_empty()) else {
        let expected = format!("OMADM-Accept with one of {}", MO_READ.join(", "));
        return Err(Verdict::failed(expected, format!("{listed:?}")));
    };
    let answer = put(kit, Method::PUT, usable).await?;
    expect(
        answer.is_ok(),
        format!("2xx for {usable}, which it lists"),
        || answer.shown(),
    )
}

async fn upload(kit: &mut ServerKit) -> Judged {
    for method in [Method::PUT, Method::POST] {
        let answer = put(kit, method.clone(), MO).await?;
        expect(answer.is_ok(), format!("2xx for {method}"), || {
            answer.shown()
        })?;
    }
    Ok(())
}

async fn not_acceptable(kit: &mut ServerKit) -> Judged {
    for accept in ["text/html", "application/vnd.oma.dm.request+json;q=0"] {
        let ask = kit.package(PACKAGE1, initiation(CLIENT_INITIATED));
        let ask = ask.without("accept").header("accept", accept);
        kit.gets(ask, &[406]).await?;
    }
    Ok(())
}

async fn accept(kit: &mut ServerKit) -> Judged {
    let list = format!("text/html, {PACKAGE2};q=0.5");
    for accept in [None, Some("*/*"), Some("application/*"), Some(&list)] {
        let mut ask = kit
            .package(PACKAGE1, initiation(CLIENT_INITIATED))
            .without("accept");
        if let Some(accept) = accept {
            ask = ask.header("accept", accept);
        }
        kit.gets(ask, &[200]).await?;
    }
    Ok(())
}

async fn unsupported(kit: &mut ServerKit) -> Judged {
    for content_type in ["text/plain", "application/xml", PACKAGE2] {
        kit.gets(
            kit.package(content_type, initiation(CLIENT_INITIATED)),
            &[415],
        )
        .await?;
    }
    Ok(())
}

async fn parameters(kit: &mut ServerKit) -> Judged {
    for content_type in [
        "Application/vnd.OMA.dm.initiation+json".to_owned(),
        format!("{PACKAGE1}; charset=utf-8"),
    ] {
        kit.gets(
            kit.package(&content_type, initiation(CLIENT_INITIATED)),
            &[200],
        )
        .await?;
    }
    Ok(())
}
