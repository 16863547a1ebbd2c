//! The JSON bodies (`dm20.md` §4, Appendix A).

use omadm_dm2::media_type::PACKAGE1;
use omadm_dm2::{CommandError, Package2};
use omadm_mo::json::{Json, JsonLimits};
use serde_json::{Value, json};

use super::super::ServerKit;
use super::super::device::{CLIENT_INITIATED, DEV_INFO, DM_ACC, initiation};
use super::ServerStep;
use crate::conformance::check::step;
use crate::conformance::verdict::{Judged, Level, Verdict, expect};

const JSON: &[&str] = &["X-JSON-001"];
const D70: Level = Level::Decision("D70");

pub(super) const STEPS: &[ServerStep] = &[
    step(
        "json-package2",
        JSON,
        Level::Must,
        ("§4.2", "A Package#2 is a CMD array of arrays of strings."),
        |kit| Box::pin(package2(kit)),
    ),
    step(
        "json-commands",
        &["X-CMD-001", "X-CMD-002", "X-CMD-003"],
        Level::Must,
        (
            "§5.1",
            "Every command is one of the twelve, with its parameters.",
        ),
        |kit| Box::pin(commands(kit)),
    ),
    step(
        "json-client-uris",
        &["X-URI-001"],
        Level::Must,
        ("§7.2", "Every ClientURI and MOID in a command is one."),
        |kit| Box::pin(client_uris(kit)),
    ),
    step(
        "json-server-uris",
        &["X-URI-003"],
        Level::Must,
        (
            "§7.1",
            "Every ServerURI in a command is an absolute http or https URI.",
        ),
        |kit| Box::pin(server_uris(kit)),
    ),
    step(
        "json-mos",
        &["X-JSON-001", "X-MO-001"],
        Level::Must,
        (
            "§4.1",
            "MOS with DevInfo and DM Account is taken, and so is a Package#1 without.",
        ),
        |kit| Box::pin(mos(kit)),
    ),
    step(
        "json-mos-without-moid",
        JSON,
        Level::Must,
        ("§4.1, E04", "An entry of MOS needs MIID alone."),
        |kit| Box::pin(mos_without_moid(kit)),
    ),
    step(
        "json-unknown-members",
        JSON,
        Level::Must,
        ("§4", "Members that nobody knows are passed over."),
        |kit| Box::pin(unknown_members(kit)),
    ),
    step(
        "json-null-alert",
        JSON,
        Level::Decision("E10"),
        ("§19", "Alert: null in a Package#3 is as none."),
        |kit| Box::pin(null_alert(kit)),
    ),
    step(
        "json-broken",
        JSON,
        D70,
        ("§3.5", "A body that is no JSON is refused with 400."),
        |kit| Box::pin(refused(kit, "{")),
    ),
    step(
        "json-schema",
        JSON,
        D70,
        (
            "§3.5",
            "A Package#1 that violates the schema is refused with 400.",
        ),
        |kit| Box::pin(schema(kit)),
    ),
    step(
        "json-schema-package3",
        JSON,
        D70,
        (
            "§3.5",
            "A Package#3 that violates the schema is refused with 400.",
        ),
        |kit| Box::pin(schema_package3(kit)),
    ),
];

async fn package2(kit: &mut ServerKit) -> Judged {
    let package1 = kit.completion().to_string();
    let answer = kit.once(kit.package(PACKAGE1, package1)).await?;
    if answer.is_ok() && answer.body.is_empty() {
        return Ok(());
    }
    let expected = r#"{"CMD":[["…"],…]}"#;
    let read = Json::read(&answer.body, JsonLimits::default()).map_err(|error| error.to_string());
    let read = read.and_then(|json| Package2::read(&json).map_err(|error| error.to_string()));
    let problem = read.err();
    expect(problem.is_none(), expected, || {
        format!("{}: {}", problem.unwrap_or_default(), answer.shown())
    })
}

/// The commands of a session with a bootstrap that are wrong in this way.
async fn wrong(
    kit: &mut ServerKit,
    expected: &str,
    is_it: impl Fn(&CommandError) -> bool + Send,
) -> Judged {
    let package1 = kit.completion().to_string();
    let mut session = kit.open(&package1).await?;
    let mut problem = None;
    for _ in 0..8 {
        let errors = session.package.commands.iter();
        let mut errors = errors.filter_map(|command| command.as_ref().err());
        problem = errors.find(|error| is_it(error)).map(ToString::to_string);
        if problem.is_some() || session.package.has_end() {
            break;
        }
        let statuses = kit.statuses(&session.package);
        let body = json!({ "Status": statuses }).to_string();
        let answer = kit.response(&mut session, body).await?;
        match super::super::device::package2(&answer) {
            Ok(package) => session.package = package,
            Err(_) => break,
        }
    }
    expect(problem.is_none(), expected, || problem.unwrap_or_default())
}

async fn commands(kit: &mut ServerKit) -> Judged {
    wrong(
        kit,
        "commands of the table with their parameters",
        |error| {
            matches!(
                error,
                CommandError::Empty
                    | CommandError::Unknown(_)
                    | CommandError::Missing { .. }
                    | CommandError::TooMany { .. }
            )
        },
    )
    .await
}

async fn client_uris(kit: &mut ServerKit) -> Judged {
    wrong(kit, "well-formed ClientURIs and MOIDs", |error| {
        matches!(
            error,
            CommandError::ClientUri { .. } | CommandError::Moid { .. }
        )
    })
    .await
}

async fn server_uris(kit: &mut ServerKit) -> Judged {
    wrong(kit, "absolute ServerURIs", |error| {
        matches!(error, CommandError::ServerUri { .. })
    })
    .await
}

fn with(cause: &str, members: Value) -> Value {
    let mut package = json!({ "Alert": [{ "AlertType": cause }] });
    if let (Some(package), Value::Object(members)) = (package.as_object_mut(), members) {
        package.extend(members);
    }
    package
}

async fn mos(kit: &mut ServerKit) -> Judged {
    let mos = json!([
        { "DDF": "https://ddf.example.com/devinfo-1.2.ddf", "MOID": DEV_INFO, "MIID": ["1"] },
        { "MOID": DM_ACC, "MIID": ["1", "2"] },
        { "MOID": "urn:oma:mo:oma-fumo:1.0", "MIID": [] },
    ]);
    kit.takes(&with(CLIENT_INITIATED, json!({ "MOS": mos })))
        .await?;
    kit.takes(&with(CLIENT_INITIATED, json!({}))).await
}

async fn mos_without_moid(kit: &mut ServerKit) -> Judged {
    let mos = json!({ "MOS": [{ "MIID": ["1"] }] });
    kit.takes(&with(CLIENT_INITIATED, mos)).await
}

async fn unknown_members(kit: &mut ServerKit) -> Judged {
    let members = json!({
        "MgmtTree": { "DevInfo": {} }, "Later": [1, null, { "x": true }],
        "MOS": [{ "MOID": DEV_INFO, "MIID": ["1"], "Later": 1 }],
    });
    kit.takes(&with(CLIENT_INITIATED, members)).await
}

async fn null_alert(kit: &mut ServerKit) -> Judged {
    let mut session = kit.open_with_commands().await?;
    let statuses = kit.statuses(&session.package);
    let body = json!({ "Status": statuses, "Alert": null });
    kit.respond(&mut session, &body).await
}

async fn refused(kit: &mut ServerKit, body: &'static str) -> Judged {
    kit.gets(kit.package(PACKAGE1, body), &[400])
        .await
        .map(drop)
}

async fn schema(kit: &mut ServerKit) -> Judged {
    for members in [
        json!({ "MOS": 7 }),
        json!({ "MOS": [{ "MOID": DEV_INFO }] }),
        json!({ "MOS": [{ "MIID": [1] }] }),
        json!({ "Alert": [{ "Mark": "fatal" }] }),
    ] {
        let body = with(CLIENT_INITIATED, members).to_string();
        kit.gets(kit.package(PACKAGE1, body), &[400]).await?;
    }
    // It still takes what is right.
    kit.open(&initiation(CLIENT_INITIATED)).await.map(drop)
}

async fn schema_package3(kit: &mut ServerKit) -> Judged {
    let mut session = kit.open_with_commands().await?;
    let texts = vec![json!({ "sc": "200" }); session.package.commands.len()];
    let body = json!({ "Status": texts }).to_string();
    let answer = kit.response(&mut session, body).await?;
    expect(answer.status == 400, "400", || answer.shown())?;
    let statuses = kit.statuses(&session.package);
    let after = kit
        .respond(&mut session, &json!({ "Status": statuses }))
        .await;
    after.map_err(|verdict| match verdict {
        Verdict::Failed { seen, .. } => {
            Verdict::failed("a session that a refused package does not harm", seen)
        }
        other => other,
    })
}
