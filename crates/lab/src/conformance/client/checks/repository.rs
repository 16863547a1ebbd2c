//! The commands that talk to the data repository: HGET, HPUT, HPOST, SUB (`dm20.md` §5.2).

use http::Method;
use omadm_dm2::media_type::is_mo;
use serde_json::{Value, json};

use super::super::decision;
use super::super::package::Done;
use super::super::stand::{DM_ACC, Stand, commands};
use super::ClientStep;
use super::packages::DEV_ID_LEAF;
use crate::conformance::check::step;
use crate::conformance::verdict::{Judged, Level, Verdict, expect};
use crate::conformance::wire::Ask;

const CMD: &[&str] = &["X-CMD-001"];
const MUST: Level = Level::Must;
pub(super) const NAME_LEAF: &str = "urn:oma:mo:oma-dm-dmacc:1.2//Name";

pub(super) const STEPS: &[ClientStep] = &[
    step(
        "cmd-hput",
        CMD,
        MUST,
        ("§5.2", "HPUT sends the data by PUT."),
        |stand| Box::pin(upload(stand, "HPUT", &Method::PUT)),
    ),
    step(
        "cmd-hpost",
        CMD,
        MUST,
        ("§5.2", "HPOST sends the data by POST."),
        |stand| Box::pin(upload(stand, "HPOST", &Method::POST)),
    ),
    step(
        "hput-body",
        &["X-JSON-001", "X-CMD-001"],
        MUST,
        (
            "§9",
            "What is sent is an array of items in the MO serialization.",
        ),
        |stand| Box::pin(upload_body(stand)),
    ),
    step(
        "hput-media-type",
        &["X-NEGO-001"],
        decision("D09"),
        (
            "§3.4",
            "What is sent has a media type of the MO serialization.",
        ),
        |stand| Box::pin(upload_type(stand)),
    ),
    step(
        "hput-refused",
        CMD,
        decision("D24"),
        (
            "§5.3",
            "A repository's 4xx is the status of the command, its 5xx is 502.",
        ),
        |stand| Box::pin(upload_refused(stand)),
    ),
    step(
        "cmd-hget",
        CMD,
        MUST,
        ("§5.2", "HGET with a ClientURI replaces what is there."),
        |stand| Box::pin(hget(stand)),
    ),
    step(
        "cmd-hget-place",
        &["X-CMD-001", "B-13", "B-25"],
        MUST,
        (
            "§4.3",
            "HGET without ClientURI tells the places in Status.URI.",
        ),
        |stand| Box::pin(hget_place(stand)),
    ),
    step(
        "hget-missing",
        CMD,
        decision("D24"),
        (
            "§5.3",
            "HGET of what the repository does not have gets 404.",
        ),
        |stand| Box::pin(hget_gets(stand, 404, "", 404)),
    ),
    step(
        "hget-broken",
        CMD,
        decision("D24"),
        ("§5.3", "HGET of what is no MO data gets 400."),
        |stand| Box::pin(hget_gets(stand, 200, "[{", 400)),
    ),
    step(
        "hget-failing",
        CMD,
        decision("D24"),
        ("§5.3", "HGET from a repository that fails gets 502."),
        |stand| Box::pin(hget_gets(stand, 500, "", 502)),
    ),
    step(
        "hget-untrusted",
        &["X-SEC-001", "X-SEC-002"],
        MUST,
        (
            "§16.2",
            "Nothing is asked of a repository whose certificate is not trusted.",
        ),
        |stand| Box::pin(untrusted(stand)),
    ),
    step(
        "cmd-delete",
        CMD,
        MUST,
        (
            "§5.2",
            "DELETE removes the instance that HGET had added, with all below it.",
        ),
        |stand| Box::pin(delete(stand)),
    ),
    step(
        "cmd-sub",
        &["X-CMD-003"],
        Level::Should,
        ("§5.2", "SUB reports a change by PUT, until UNSUB."),
        |stand| Box::pin(sub(stand)),
    ),
];

async fn put(stand: &mut Stand, command: &str) -> Result<Done, Verdict> {
    let to = format!("{}/repo/in", stand.base);
    stand.repository.remove("/repo/in");
    stand.run(&[&[command, &to, DEV_ID_LEAF]]).await
}

async fn upload(stand: &mut Stand, command: &'static str, method: &Method) -> Judged {
    let done = put(stand, command).await?;
    let came = done.transfer("/repo/in").map(|ask| ask.method.clone());
    expect(came.as_ref() == Some(method), method.as_str(), || {
        let came = came.as_ref().map_or("nothing", Method::as_str);
        format!("{came} and {}", done.shown())
    })?;
    expect(done.code(0) == 200, "200", || done.shown())
}

async fn upload_body(stand: &mut Stand) -> Judged {
    let done = put(stand, "HPUT").await?;
    let body = done
        .transfer("/repo/in")
        .map(|ask| ask.body.clone())
        .unwrap_or_default();
    let json: Value = serde_json::from_slice(&body).unwrap_or_default();
    let uri = json[0]["ClientURI"].as_str().unwrap_or_default();
    let right = uri.starts_with("urn:oma:mo:oma-dm-devinfo:1.2/")
        && !uri.contains("//")
        && json[0]["MOData"]["DevID"] == stand.setup.dev_id.as_str();
    expect(
        right,
        "an item with ClientURI written out and MOData",
        || String::from_utf8_lossy(&body).into_owned(),
    )
}

async fn upload_type(stand: &mut Stand) -> Judged {
    let done = put(stand, "HPUT").await?;
    let ask = done.transfer("/repo/in");
    let headers = ask.into_iter().flat_map(|ask| &ask.headers);
    let mut types = headers.filter(|(name, _)| name == "content-type");
    let found = types.next().map_or("", |(_, value)| value);
    expect(is_mo(found), omadm_dm2::media_type::MO, || found.to_owned())
}

async fn upload_refused(stand: &mut Stand) -> Judged {
    let full = format!("{}/repo/full", stand.base);
    let ill = format!("{}/repo/ill", stand.base);
    stand
        .repository
        .insert("/repo/full".to_owned(), (409, String::new()));
    stand
        .repository
        .insert("/repo/ill".to_owned(), (500, String::new()));
    let done = stand
        .run(&[&["HPUT", &full, DEV_ID_LEAF], &["HPOST", &ill, DEV_ID_LEAF]])
        .await?;
    expect(
        done.code(0) == 409 && done.code(1) == 502,
        "409, 502",
        || done.shown(),
    )
}

/// Gives the account this name.
pub(super) async fn rename(stand: &mut Stand, name: &str) -> Result<Done, Verdict> {
    let item = json!([{ "ClientURI": NAME_LEAF, "MOData": { "Name": name } }]);
    stand
        .repository
        .insert("/repo/name".to_owned(), (200, item.to_string()));
    let from = format!("{}/repo/name", stand.base);
    stand
        .run(&[&["HGET", &from, NAME_LEAF], &["GET", NAME_LEAF]])
        .await
}

async fn hget(stand: &mut Stand) -> Judged {
    let done = rename(stand, "Kept").await?;
    expect(done.code(0) == 200, "200", || done.shown())?;
    let read = done.leaf(1, "Name").cloned();
    // A client without GET cannot be looked at.
    expect(
        done.code(1) == 501 || read == Some(json!("Kept")),
        "Name: Kept",
        || format!("{read:?}"),
    )
}

async fn hget_place(stand: &mut Stand) -> Judged {
    let whole = json!([stand.documents.renamed]).to_string();
    stand
        .repository
        .insert("/repo/account".to_owned(), (200, whole));
    let from = format!("{}/repo/account", stand.base);
    let done = stand.run(&[&["HGET", &from]]).await?;
    expect(done.code(0) == 200, "200", || done.shown())?;
    let places = &done.statuses[0]["URI"];
    let named = places.as_array().is_some_and(|places| {
        places.len() == 1
            && places[0]
                .as_str()
                .is_some_and(|uri| uri.starts_with(DM_ACC))
    });
    expect(named, "URI with the account's place", || places.to_string())
}

async fn hget_gets(stand: &mut Stand, status: u16, body: &str, expected: u64) -> Judged {
    stand
        .repository
        .insert("/repo/odd".to_owned(), (status, body.to_owned()));
    let from = format!("{}/repo/odd", stand.base);
    let done = stand.run(&[&["HGET", &from, NAME_LEAF]]).await?;
    expect(done.code(0) == expected, expected.to_string(), || {
        done.shown()
    })
}

async fn untrusted(stand: &mut Stand) -> Judged {
    let trusted = format!("{}/repo/none", stand.base);
    let there = format!("{}/untrusted/x", stand.untrusted);
    let done = stand
        .run(&[&["HGET", &trusted, NAME_LEAF], &["HGET", &there, NAME_LEAF]])
        .await?;
    expect(
        done.transfer("/untrusted/x").is_none(),
        "no request",
        || "GET /untrusted/x".to_owned(),
    )?;
    expect(done.code(1) >= 400, "a failure", || done.shown())
}

async fn delete(stand: &mut Stand) -> Judged {
    let place = add_scratch(stand).await?;
    let done = stand
        .run(&[&["GET", &place], &["DELETE", &place], &["GET", &place]])
        .await?;
    let gone = done.code(0) == 200 && done.code(1) == 200 && done.code(2) == 404;
    expect(gone, "200, 200, 404", || done.shown())
}

/// Adds the instance that the client can add and delete; its place.
pub(super) async fn add_scratch(stand: &mut Stand) -> Result<String, Verdict> {
    let Some(scratch) = stand.setup.scratch.clone() else {
        let needs = "needs --scratch, an item that the client can add and delete";
        return Err(Verdict::not_tested(needs));
    };
    stand.repository.insert(
        "/repo/scratch".to_owned(),
        (200, json!([scratch]).to_string()),
    );
    let from = format!("{}/repo/scratch", stand.base);
    let done = stand.run(&[&["HGET", &from]]).await?;
    let place = done.place(0);
    expect(
        done.code(0) == 200 && !place.is_empty(),
        "200 and the place",
        || done.package.json.to_string(),
    )?;
    Ok(place)
}

async fn sub(stand: &mut Stand) -> Judged {
    let to = format!("{}/repo/changes", stand.base);
    let done = stand.run(&[&["SUB", &to, NAME_LEAF]]).await?;
    if done.code(0) == 501 {
        return Err(Verdict::NotApplicable {
            why: "the client answered SUB with 501".to_owned(),
        });
    }
    expect(done.code(0) == 200, "200", || done.shown())?;
    let mut transfers = rename(stand, "Changed").await?.transfers;
    // Reports are coalesced, and a client may keep them until its session is over.
    let is_report = |ask: &Ask| ask.target == "/repo/changes";
    let (end, any) = (commands(&[&["END"]]), |all: &[Ask]| {
        all.iter().any(is_report)
    });
    stand.overhear_until(end, &mut transfers, any).await;
    let report = transfers.iter().find(|ask| is_report(ask));
    let body = report.map(|ask| String::from_utf8_lossy(&ask.body).into_owned());
    let told = body.as_ref().is_some_and(|body| body.contains("Changed"));
    expect(told, "PUT with the new value", || {
        body.unwrap_or_else(|| "nothing".to_owned())
    })?;
    let done = stand.run(&[&["UNSUB", NAME_LEAF]]).await?;
    expect(done.code(0) == 200, "200 for UNSUB", || done.shown())
}
