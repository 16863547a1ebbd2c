//! Content negotiation (`dm20.md` §3.2).

use omadm_dm2::media_type::{PACKAGE1, PACKAGE2};

use super::super::ServerKit;
use super::super::device::{CLIENT_INITIATED, initiation};
use super::ServerStep;
use crate::conformance::check::step;
use crate::conformance::verdict::{Judged, Level};

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
];

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
