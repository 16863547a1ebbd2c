//! What the server makes of statuses and results (`dm20.md` §4.3, §5.3, §5.4).

use serde_json::{Value, json};

use super::super::ServerKit;
use super::ServerStep;
use crate::conformance::check::step;
use crate::conformance::verdict::{Judged, Level};

pub(super) const STEPS: &[ServerStep] = &[
    step(
        "status-any-code",
        &["X-CMD-001", "X-ASYN-001"],
        Level::Must,
        (
            "§5.3",
            "Any three-digit status code is taken and judged by its class.",
        ),
        |kit| Box::pin(any_code(kit)),
    ),
    step(
        "status-members",
        &["X-JSON-001"],
        Level::Must,
        (
            "§4.3",
            "URI and unknown members of a status are taken; sc may be written with a fraction of 0.",
        ),
        |kit| Box::pin(members(kit)),
    ),
    step(
        "result-in-status",
        &["X-CMD-002"],
        Level::Decision("D12"),
        ("§4.3", "What a GET read is taken as Result of its status."),
        |kit| Box::pin(in_status(kit)),
    ),
    step(
        "result-beside-status",
        &["X-CMD-002"],
        Level::Decision("D12"),
        (
            "§4.3",
            "What a GET read is taken as top-level MOS, MOData or Result.",
        ),
        |kit| Box::pin(beside_status(kit)),
    ),
    step(
        "result-not-modified",
        &["X-CACHE-001"],
        Level::Must,
        ("§10", "304 without data is taken for a read."),
        |kit| Box::pin(every_status(kit, 304)),
    ),
    step(
        "async-accepted",
        &["X-ASYN-001"],
        Level::Must,
        (
            "§5.4",
            "202 is taken, and the alert that brings the late result in a new session.",
        ),
        |kit| Box::pin(accepted(kit)),
    ),
];

async fn every_status(kit: &mut ServerKit, code: u16) -> Judged {
    let mut session = kit.open_with_commands().await?;
    let statuses = vec![json!({ "sc": code }); session.package.commands.len()];
    kit.respond(&mut session, &json!({ "Status": statuses }))
        .await
}

async fn any_code(kit: &mut ServerKit) -> Judged {
    for code in [100, 299, 399, 418, 477, 599] {
        every_status(kit, code).await?;
    }
    Ok(())
}

async fn members(kit: &mut ServerKit) -> Judged {
    let mut session = kit.open_with_commands().await?;
    let uri = "urn:oma:mo:oma-dm-devinfo:1.2/1/";
    let status = json!({ "sc": 404.0, "URI": [uri], "Later": { "x": [] } });
    let statuses = vec![status; session.package.commands.len()];
    kit.respond(&mut session, &json!({ "Status": statuses, "Later": 1 }))
        .await
}

async fn in_status(kit: &mut ServerKit) -> Judged {
    let mut session = kit.open_with_commands().await?;
    let statuses = kit.statuses(&session.package);
    kit.respond(&mut session, &json!({ "Status": statuses }))
        .await
}

async fn beside_status(kit: &mut ServerKit) -> Judged {
    for member in ["MOS", "MOData", "Result"] {
        let mut session = kit.open_with_commands().await?;
        let mut statuses = kit.statuses(&session.package);
        for status in &mut statuses {
            if let Some(members) = status.as_object_mut() {
                members.remove("Result");
            }
        }
        let mut body = json!({ "Status": statuses });
        body[member] = Value::Array(vec![kit.dev_info_item()]);
        kit.respond(&mut session, &body).await?;
    }
    Ok(())
}

async fn accepted(kit: &mut ServerKit) -> Judged {
    every_status(kit, 202).await?;
    let late = json!({
        "AlertType": "org.openmobilealliance.dm.firmwareupdate.update", "Mark": "informational",
        "SourceURI": "urn:oma:mo:oma-fumo:1.0/1/Update", "DataType": "int", "Data": { "DM1x": 200 },
    });
    let cause = json!({ "AlertType": super::super::device::CLIENT_INITIATED });
    kit.takes(&json!({ "Alert": [cause, late] })).await
}
