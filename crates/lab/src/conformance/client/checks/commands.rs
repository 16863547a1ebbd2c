//! The commands inside the session (`dm20.md` §5.2, §5.4).

use super::super::decision;
use super::super::package::Done;
use super::super::stand::{DEV_INFO, Stand};
use super::ClientStep;
use super::packages::DEV_ID_LEAF;
use crate::conformance::check::step;
use crate::conformance::verdict::{Judged, Level, Verdict, expect};

const MUST: Level = Level::Must;
const SHOULD: Level = Level::Should;

pub(super) const STEPS: &[ClientStep] = &[
    step(
        "cmd-get",
        &["X-CMD-002", "X-URI-001"],
        SHOULD,
        ("§5.2", "GET brings the data in the Package#3."),
        |stand| Box::pin(get(stand)),
    ),
    step(
        "mo-devinfo",
        &["X-MO-001"],
        MUST,
        (
            "§12.1",
            "DevInfo has its required leaves, and DevID is that of the header.",
        ),
        |stand| Box::pin(dev_info(stand)),
    ),
    step(
        "cmd-unknown",
        &["X-CMD-001"],
        decision("D11"),
        ("§4.2", "An unknown command gets 501."),
        |stand| Box::pin(gets(stand, &["REBOOT", "now"], &[501])),
    ),
    step(
        "cmd-malformed",
        &["X-CMD-001"],
        decision("D14"),
        ("§5.1", "A command without its parameters gets 400."),
        |stand| Box::pin(gets(stand, &["DELETE"], &[400])),
    ),
    step(
        "cmd-delete-permanent",
        &["X-CMD-001"],
        MUST,
        ("§8.1", "A permanent node is not deleted."),
        |stand| Box::pin(delete_permanent(stand)),
    ),
    step(
        "cmd-exec-refused",
        &["X-CMD-001"],
        MUST,
        ("§8.2", "A node without Exec is not executed."),
        |stand| Box::pin(exec_refused(stand)),
    ),
    step(
        "cmd-cont",
        &["X-CMD-001"],
        MUST,
        ("§5.2", "After CONT the Package#3 goes to the new URI."),
        |stand| Box::pin(cont(stand)),
    ),
    step(
        "cmd-cont-weaker",
        &["X-CMD-001"],
        decision("D19"),
        (
            "§5.2",
            "CONT to http is refused with 403, and the URI stays.",
        ),
        |stand| Box::pin(cont_weaker(stand)),
    ),
    step(
        "cmd-show",
        &["X-CMD-002"],
        SHOULD,
        ("§5.2", "SHOW starts the browser and the session goes on."),
        |stand| Box::pin(show(stand)),
    ),
    step(
        "cmd-default",
        &["X-CMD-002"],
        SHOULD,
        (
            "§5.2",
            "DEFAULT is taken for an MO that the client supports.",
        ),
        |stand| Box::pin(default(stand)),
    ),
    step(
        "cmd-unsub-unknown",
        &["X-CMD-003"],
        SHOULD,
        ("§5.2", "UNSUB of what was not subscribed gets 404."),
        |stand| Box::pin(unsub(stand)),
    ),
];

/// A command that gets one of these codes.
pub(super) async fn gets(stand: &mut Stand, words: &[&str], codes: &[u64]) -> Judged {
    let done = stand.run(&[words]).await?;
    let listed: Vec<_> = codes.iter().map(u64::to_string).collect();
    expect(codes.contains(&done.code(0)), listed.join(" or "), || {
        done.shown()
    })
}

/// An optional command: 501 says that the client does not have it.
fn optional(done: &Done, name: &str) -> Judged {
    match done.code(0) {
        501 => Err(Verdict::NotApplicable {
            why: format!("the client answered {name} with 501"),
        }),
        code => expect((200..300).contains(&code), "200", || done.shown()),
    }
}

async fn get(stand: &mut Stand) -> Judged {
    let done = stand.run(&[&["GET", DEV_ID_LEAF]]).await?;
    optional(&done, "GET")?;
    let read = done.leaf(0, "DevID");
    expect(read.is_some(), "an item with DevID", || {
        done.package.json.to_string()
    })
}

async fn dev_info(stand: &mut Stand) -> Judged {
    let root = format!("{DEV_INFO}//");
    let done = stand.run(&[&["GET", &root]]).await?;
    optional(&done, "GET")?;
    let items = done.items(0);
    let data = items.first().and_then(|item| item["MOData"].as_object());
    let root = data.and_then(|data| data.values().next());
    let Some(root) = root else {
        return Err(Verdict::failed("DevInfo", done.package.json.to_string()));
    };
    let required = [
        "DevID", "Man", "Mod", "DmV", "Lang", "DevType", "OEM", "FwV", "SwV", "HwV",
    ];
    let missing: Vec<_> = required
        .into_iter()
        .filter(|leaf| root.get(leaf).is_none())
        .collect();
    expect(missing.is_empty(), "every required leaf", || {
        format!("without {}", missing.join(", "))
    })?;
    let dev_id = stand.setup.dev_id.as_str();
    expect(root["DevID"] == dev_id, dev_id, || {
        root["DevID"].to_string()
    })
}

async fn delete_permanent(stand: &mut Stand) -> Judged {
    let done = stand
        .run(&[&["DELETE", DEV_ID_LEAF], &["GET", DEV_ID_LEAF]])
        .await?;
    expect(
        done.code(0) >= 400 && done.code(0) != 501,
        "405, or 403 for want of rights",
        || done.shown(),
    )
}

async fn exec_refused(stand: &mut Stand) -> Judged {
    let done = stand.run(&[&["EXEC", DEV_ID_LEAF]]).await?;
    expect(
        done.code(0) >= 400,
        "405, or 403 for want of rights",
        || done.shown(),
    )
}

async fn cont(stand: &mut Stand) -> Judged {
    let (next, home) = (
        format!("{}/dm/next", stand.base),
        format!("{}/dm/a", stand.base),
    );
    let done = stand.run(&[&["CONT", &next]]).await?;
    let there = done.package.ask.target.clone();
    if there == "/dm/next" {
        stand.run(&[&["CONT", &home]]).await?;
    }
    expect(there == "/dm/next", "the Package#3 at /dm/next", || there)
}

async fn cont_weaker(stand: &mut Stand) -> Judged {
    let weaker = format!("{}/dm/weaker", stand.base.replace("https://", "http://"));
    let done = stand.run(&[&["CONT", &weaker]]).await?;
    expect(done.code(0) == 403, "403", || done.shown())
}

async fn show(stand: &mut Stand) -> Judged {
    let page = format!("{}/page?session=7", stand.base);
    let done = stand.run(&[&["SHOW", &page]]).await?;
    optional(&done, "SHOW")
}

async fn default(stand: &mut Stand) -> Judged {
    let from = format!("{}/repo/default", stand.base);
    let done = stand.run(&[&["DEFAULT", &from, DEV_INFO]]).await?;
    optional(&done, "DEFAULT")
}

async fn unsub(stand: &mut Stand) -> Judged {
    let done = stand
        .run(&[&["UNSUB", &format!("{DEV_INFO}//Lang")]])
        .await?;
    match done.code(0) {
        501 => Err(Verdict::NotApplicable {
            why: "the client answered UNSUB with 501".to_owned(),
        }),
        code => expect(code == 404, "404", || done.shown()),
    }
}
