//! Session causes and generic alerts (`dm20.md` §4.4, §6).

use omadm_dm2::media_type::PACKAGE1;
use serde_json::{Value, json};

use super::super::ServerKit;
use super::super::device::{BOOTSTRAP_COMPLETE, CLIENT_INITIATED, initiation};
use super::ServerStep;
use crate::conformance::check::step;
use crate::conformance::verdict::{Judged, Level};

const ALERT: &[&str] = &["X-ALRT-001"];
const SERVER_INITIATED: &str = "urn:oma:at:dm:2.0:ServerInitiatedMgmt";
/// An alert of nobody's.
const OTHER: &str = "org.example.conformance.alert";

pub(super) const STEPS: &[ServerStep] = &[
    step(
        "alert-client-initiated",
        ALERT,
        Level::Must,
        ("§2", "ClientInitiatedMgmt opens a session."),
        |kit| Box::pin(cause(kit, CLIENT_INITIATED)),
    ),
    step(
        "alert-server-initiated",
        ALERT,
        Level::Must,
        (
            "§2, §6",
            "ServerInitiatedMgmt with its NOTIFICATION-ID opens a session.",
        ),
        |kit| Box::pin(server_initiated(kit)),
    ),
    step(
        "alert-notification-id",
        ALERT,
        Level::Decision("D26"),
        (
            "§6",
            "NOTIFICATION-ID is taken as DM1x, under another name, and may be missing.",
        ),
        |kit| Box::pin(notification_id(kit)),
    ),
    step(
        "alert-bootstrap-complete",
        &["X-ALRT-001", "B-29", "B-30"],
        Level::Must,
        (
            "§14.1",
            "BootstrapComplete opens a session; the alert type is all it needs.",
        ),
        |kit| Box::pin(cause(kit, BOOTSTRAP_COMPLETE)),
    ),
    step(
        "alert-bootstrap-type",
        &["B-31", "X-ALRT-001"],
        Level::Decision("D27"),
        ("§6", "BootstrapComplete with the bootstrap type is taken."),
        |kit| Box::pin(bootstrap_type(kit)),
    ),
    step(
        "alert-bootstrap-again",
        &["B-30", "B-32"],
        Level::Decision("D27"),
        (
            "§6",
            "The same BootstrapComplete is taken once more: the device may have lost the answer.",
        ),
        |kit| Box::pin(bootstrap_again(kit)),
    ),
    step(
        "alert-both-causes",
        ALERT,
        Level::Decision("D04"),
        (
            "§2",
            "ServerInitiatedMgmt and BootstrapComplete are taken together.",
        ),
        |kit| Box::pin(both_causes(kit)),
    ),
    step(
        "alert-cause-missing",
        ALERT,
        Level::Decision("D70"),
        (
            "§3.5",
            "A Package#1 without session cause is refused with 400.",
        ),
        |kit| Box::pin(cause_missing(kit)),
    ),
    step(
        "alert-generic",
        ALERT,
        Level::Must,
        (
            "§6",
            "A generic alert with every member is taken in Package#1 and in Package#3.",
        ),
        |kit| Box::pin(generic(kit)),
    ),
    step(
        "alert-data",
        ALERT,
        Level::Decision("D13"),
        ("§4.4", "Data may be any JSON value."),
        |kit| Box::pin(data(kit)),
    ),
];

async fn cause(kit: &mut ServerKit, cause: &'static str) -> Judged {
    kit.open(&initiation(cause)).await.map(drop)
}

fn server_initiated_with(data: &Value) -> Value {
    json!({ "AlertType": SERVER_INITIATED, "DataType": "int", "Data": data })
}

async fn server_initiated(kit: &mut ServerKit) -> Judged {
    let alert = server_initiated_with(&json!({ "NOTIFICATION-ID": 7 }));
    kit.takes(&json!({ "Alert": [alert] })).await
}

async fn notification_id(kit: &mut ServerKit) -> Judged {
    for data in [json!({ "DM1x": 8 }), json!({ "Other": 9 })] {
        kit.takes(&json!({ "Alert": [server_initiated_with(&data)] }))
            .await?;
    }
    kit.open(&initiation(SERVER_INITIATED)).await.map(drop)
}

async fn bootstrap_type(kit: &mut ServerKit) -> Judged {
    let package1 = kit.completion();
    kit.takes(&package1).await
}

async fn bootstrap_again(kit: &mut ServerKit) -> Judged {
    let package1 = kit.completion();
    for _ in 0..2 {
        let mut session = kit.open(&package1.to_string()).await?;
        kit.to_end(&mut session).await?;
    }
    Ok(())
}

async fn both_causes(kit: &mut ServerKit) -> Judged {
    let server = server_initiated_with(&json!({ "NOTIFICATION-ID": 10 }));
    let complete = json!({ "AlertType": BOOTSTRAP_COMPLETE });
    kit.takes(&json!({ "Alert": [server, complete] })).await
}

async fn cause_missing(kit: &mut ServerKit) -> Judged {
    for body in [
        json!({}),
        json!({ "Alert": [] }),
        json!({ "Alert": [{ "AlertType": OTHER }] }),
    ] {
        kit.gets(kit.package(PACKAGE1, body.to_string()), &[400])
            .await?;
    }
    Ok(())
}

/// An alert with every member that there is.
fn full(mark: &str, data: &Value) -> Value {
    json!({
        "AlertType": OTHER, "SourceURI": "urn:oma:mo:oma-dm-devinfo:1.2//", "TargetURI": "https://example.com/x",
        "Mark": mark, "DataType": "text/plain", "Data": data,
    })
}

async fn generic(kit: &mut ServerKit) -> Judged {
    let marks = [
        "fatal",
        "critical",
        "minor",
        "warning",
        "informational",
        "harmless",
        "indeterminate",
    ];
    let mut alerts: Vec<_> = marks
        .iter()
        .map(|mark| full(mark, &json!({ "DM1x": "said" })))
        .collect();
    alerts.push(json!({ "AlertType": OTHER }));
    let mut in_package1 = alerts.clone();
    in_package1.insert(0, json!({ "AlertType": CLIENT_INITIATED }));
    kit.takes(&json!({ "Alert": in_package1 })).await?;
    let mut session = kit.open_with_commands().await?;
    let statuses = kit.statuses(&session.package);
    kit.respond(
        &mut session,
        &json!({ "Status": statuses, "Alert": alerts }),
    )
    .await
}

async fn data(kit: &mut ServerKit) -> Judged {
    for data in [
        json!("text"),
        json!(7),
        json!(1.5),
        json!(true),
        json!(["a", 1]),
        json!(null),
    ] {
        let cause = json!({ "AlertType": CLIENT_INITIATED });
        kit.takes(&json!({ "Alert": [cause, full("minor", &data)] }))
            .await?;
    }
    Ok(())
}
