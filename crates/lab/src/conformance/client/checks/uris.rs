//! ClientURIs and caching as the client resolves them (`dm20.md` §7, §10).

use serde_json::Value;

use super::super::decision;
use super::super::stand::{DEV_INFO, DM_ACC, Stand};
use super::ClientStep;
use super::commands::gets;
use super::packages::DEV_ID_LEAF;
use crate::conformance::check::step;
use crate::conformance::verdict::{Judged, Level, Verdict, expect};

const MUST: Level = Level::Must;
const QUERY: &[&str] = &["X-URI-002"];

pub(super) const STEPS: &[ClientStep] = &[
    step(
        "uri-written-out",
        &["X-URI-001"],
        MUST,
        (
            "§9.3",
            "What is read stands under its real MIID, and is read under it again.",
        ),
        |stand| Box::pin(written_out(stand)),
    ),
    step(
        "uri-missing",
        &["X-URI-001"],
        decision("D24"),
        ("§7.3", "A ClientURI of which there is no node gets 404."),
        |stand| {
            Box::pin(gets(
                stand,
                &["GET", "urn:oma:mo:oma-dm-devinfo:1.2/absent/DevID"],
                &[404],
            ))
        },
    ),
    step(
        "uri-malformed",
        &["X-URI-001"],
        decision("D28"),
        ("§7.2", "What is no ClientURI gets 400."),
        |stand| {
            Box::pin(gets(
                stand,
                &["GET", "urn:oma:mo:oma-dm-devinfo:1.2"],
                &[400],
            ))
        },
    ),
    step(
        "uri-wildcard",
        QUERY,
        Level::Should,
        ("§7.2", "A wildcard names every instance."),
        |stand| Box::pin(reads(stand, format!("{DEV_INFO}/*/DevID"))),
    ),
    step(
        "uri-x-name",
        QUERY,
        Level::Should,
        (
            "§7.2",
            "An x-name names the instance of which its condition holds.",
        ),
        |stand| {
            let dev_id = stand.setup.dev_id.to_string();
            Box::pin(reads(
                stand,
                format!("{DEV_INFO}/(x)/DevID?nv=(x)/DevID:{dev_id}"),
            ))
        },
    ),
    step(
        "uri-x-name-without",
        QUERY,
        decision("D28"),
        ("§7.2", "An x-name without condition gets 400."),
        |stand| {
            Box::pin(gets(
                stand,
                &["GET", "urn:oma:mo:oma-dm-devinfo:1.2/(x)/DevID"],
                &[400],
            ))
        },
    ),
    step(
        "cache-valid",
        &["X-CACHE-001"],
        MUST,
        (
            "§10",
            "A read with the validator that was told gets 304 and no data.",
        ),
        |stand| Box::pin(valid(stand)),
    ),
    step(
        "cache-stale",
        &["X-CACHE-001"],
        MUST,
        ("§10", "A read with another validator gets the data."),
        |stand| Box::pin(stale(stand)),
    ),
];

async fn written_out(stand: &mut Stand) -> Judged {
    let done = stand.run(&[&["GET", DEV_ID_LEAF]]).await?;
    let items = done.items(0);
    let uri = items
        .first()
        .and_then(|item| item["ClientURI"].as_str())
        .unwrap_or_default();
    let uri = uri.to_owned();
    expect(
        !uri.is_empty() && !uri.contains("//"),
        "a ClientURI with its MIID",
        || uri.clone(),
    )?;
    let again = stand.run(&[&["GET", &uri]]).await?;
    expect(again.leaf(0, "DevID").is_some(), "the same node", || {
        again.shown()
    })
}

/// Whether this reads the DevID; 501 says that the client does not take queries.
async fn reads(stand: &mut Stand, uri: String) -> Judged {
    let done = stand.run(&[&["GET", &uri]]).await?;
    if done.code(0) == 501 {
        return Err(Verdict::NotApplicable {
            why: "the client answered with 501".to_owned(),
        });
    }
    expect(done.leaf(0, "DevID").is_some(), "DevID", || {
        done.package.json.to_string()
    })
}

/// The validator of the account; not applicable where the client tells none.
async fn validator(stand: &mut Stand) -> Result<String, Verdict> {
    let root = format!("{DM_ACC}//");
    let done = stand.run(&[&["GET", &root]]).await?;
    let items = done.items(0);
    let cv = items
        .first()
        .map(|item| &item["CV"])
        .and_then(Value::as_str);
    cv.map(str::to_owned).ok_or_else(|| Verdict::NotApplicable {
        why: "the client told no validator of its DM Account".to_owned(),
    })
}

async fn valid(stand: &mut Stand) -> Judged {
    let cv = validator(stand).await?;
    let uri = format!("{DM_ACC}//?cv={cv}");
    let done = stand.run(&[&["GET", &uri]]).await?;
    expect(
        done.code(0) == 304 && done.items(0).is_empty(),
        "304 and no data",
        || done.package.json.to_string(),
    )
}

async fn stale(stand: &mut Stand) -> Judged {
    let cv = validator(stand).await?;
    let uri = format!("{DM_ACC}//?cv={cv}-older");
    let done = stand.run(&[&["GET", &uri]]).await?;
    expect(
        done.code(0) == 200 && !done.items(0).is_empty(),
        "200 and the data",
        || done.package.json.to_string(),
    )
}
