//! The twelve commands as the server writes them, each queued through the hook (`dm20.md` §5.1, §7).

use omadm_dm2::Command;
use serde_json::json;

use super::super::ServerKit;
use super::super::device::{CLIENT_INITIATED, DEV_INFO, VALIDATOR, initiation};
use super::ServerStep;
use crate::conformance::check::step;
use crate::conformance::hook::HookCall;
use crate::conformance::verdict::{Judged, Level, expect};

/// Where nothing is: RFC 2606 keeps the name free.
const NOWHERE: &str = "https://repository.example/conformance";
const NODE: &str = "urn:oma:mo:oma-dm-devinfo:1.2//";
const MUST: Level = Level::Must;
const SAYS: &str = "The command comes in a Package#2 as it was queued.";

pub(super) const STEPS: &[ServerStep] = &[
    step("cmd-hget", &["X-CMD-001"], MUST, ("§5.2", SAYS), |kit| {
        Box::pin(comes(kit, &["HGET", NOWHERE]))
    }),
    step("cmd-hput", &["X-CMD-001"], MUST, ("§5.2", SAYS), |kit| {
        Box::pin(comes(kit, &["HPUT", NOWHERE, NODE]))
    }),
    step("cmd-hpost", &["X-CMD-001"], MUST, ("§5.2", SAYS), |kit| {
        Box::pin(comes(kit, &["HPOST", NOWHERE, NODE]))
    }),
    step("cmd-delete", &["X-CMD-001"], MUST, ("§5.2", SAYS), |kit| {
        Box::pin(comes(
            kit,
            &["DELETE", "urn:oma:mo:oma-fumo:1.0/conformance/"],
        ))
    }),
    step(
        "cmd-exec",
        &["X-CMD-001", "X-ASYN-001"],
        MUST,
        ("§5.2", SAYS),
        |kit| {
            Box::pin(comes(
                kit,
                &["EXEC", "urn:oma:mo:oma-fumo:1.0/conformance/Update"],
            ))
        },
    ),
    step("cmd-get", &["X-CMD-002"], MUST, ("§5.2", SAYS), |kit| {
        Box::pin(comes(kit, &["GET", "urn:oma:mo:oma-dm-devinfo:1.2//Man"]))
    }),
    step("cmd-show", &["X-CMD-002"], MUST, ("§5.2", SAYS), |kit| {
        Box::pin(comes(kit, &["SHOW", NOWHERE]))
    }),
    step("cmd-cont", &["X-CMD-001"], MUST, ("§5.2", SAYS), |kit| {
        Box::pin(comes(kit, &["CONT", NOWHERE]))
    }),
    step("cmd-default", &["X-CMD-002"], MUST, ("§5.2", SAYS), |kit| {
        Box::pin(comes(kit, &["DEFAULT", NOWHERE, "urn:oma:mo:oma-fumo:1.0"]))
    }),
    step(
        "cmd-sub",
        &["X-CMD-003"],
        Level::Should,
        ("§5.2", SAYS),
        |kit| Box::pin(comes(kit, &["SUB", NOWHERE, NODE])),
    ),
    step(
        "cmd-unsub",
        &["X-CMD-003"],
        Level::Should,
        ("§5.2", SAYS),
        |kit| Box::pin(comes(kit, &["UNSUB", NODE])),
    ),
    step(
        "uri-query",
        &["X-URI-002"],
        MUST,
        (
            "§7.1",
            "x-names, wildcards and queries come as they were queued.",
        ),
        |kit| {
            Box::pin(comes(
                kit,
                &[
                    "GET",
                    "urn:oma:mo:oma-dm-devinfo:1.2/*/Man",
                    "urn:oma:mo:oma-dm-devinfo:1.2/(x)/Mod?nv=(x)/Man:Conformance",
                ],
            ))
        },
    ),
    step(
        "dac-read",
        &["X-DAC-001"],
        MUST,
        ("§13", "A GET of the DAC MO comes as it was queued."),
        |kit| Box::pin(comes(kit, &["GET", "urn:oma:mo:oma-dm-dacmo:1.0/*/"])),
    ),
    step(
        "dac-give",
        &["X-DAC-001"],
        MUST,
        (
            "§13",
            "An HGET into the DAC MO, by which a right is given, comes with the ClientURI that was queued.",
        ),
        |kit| {
            Box::pin(comes(
                kit,
                &[
                    "HGET",
                    NOWHERE,
                    "urn:oma:mo:oma-dm-dacmo:1.0/2/Servers/other",
                ],
            ))
        },
    ),
    step(
        "cache-validator",
        &["X-CACHE-001"],
        Level::Should,
        (
            "§10",
            "The validator that came with an instance stands in the next GET of it.",
        ),
        |kit| Box::pin(validator(kit)),
    ),
];

/// Has the command queued and looks for it in the next session.
async fn comes(kit: &mut ServerKit, words: &'static [&'static str]) -> Judged {
    let words: Vec<String> = words.iter().map(|word| (*word).to_owned()).collect();
    kit.ask(HookCall::Send(words.clone())).await?;
    // What a server sends by itself after a bootstrap does not stand in its way.
    let mut session = kit.open(&offering()).await?;
    let is_it = |command: &Command| match (words.first().map(String::as_str), command) {
        // The server may carry what an HGET brings in a document of its own.
        (Some("HGET"), Command::HGet { client, .. }) => {
            client.as_ref().map(ToString::to_string).as_ref() == words.get(2)
        }
        _ => command.write() == words,
    };
    let mut seen = Vec::new();
    for _ in 0..8 {
        let commands = session.package.commands.iter();
        if commands.clone().flatten().any(is_it) {
            // Answered, so that it is not sent again in the next check.
            kit.to_end(&mut session).await?;
            return Ok(());
        }
        seen.extend(commands.map(|command| match command {
            Ok(command) => command.write().join(" "),
            Err(error) => error.to_string(),
        }));
        if session.package.has_end() {
            break;
        }
        let statuses = kit.statuses(&session.package);
        kit.respond(&mut session, &json!({ "Status": statuses }))
            .await?;
    }
    expect(false, words.join(" "), || seen.join(", "))
}

async fn validator(kit: &mut ServerKit) -> Judged {
    let uri = format!("{DEV_INFO}/1/");
    let with = format!("{uri}?cv={VALIDATOR}");
    let mut seen = Vec::new();
    for _ in 0..2 {
        kit.ask(HookCall::Send(vec!["GET".to_owned(), uri.clone()]))
            .await?;
        let mut session = kit.open(&offering()).await?;
        let commands = kit.to_end(&mut session).await?;
        seen = commands
            .iter()
            .flatten()
            .map(|it| it.write().join(" "))
            .collect();
    }
    let there = seen.iter().any(|command| command.contains(&with));
    expect(there, format!("GET {with}"), || seen.join(", "))
}

/// A Package#1 that shows DevInfo.
fn offering() -> String {
    let mut package: serde_json::Value =
        serde_json::from_str(&initiation(CLIENT_INITIATED)).unwrap_or_default();
    package["MOS"] = json!([{ "MOID": DEV_INFO, "MIID": ["1"] }]);
    package.to_string()
}
