//! What a server must not see or change (`dm20.md` §13, §14.10).

use serde_json::{Value, json};

use super::super::document::FIRST;
use super::super::stand::{DM_ACC, Stand};
use super::ClientStep;
use crate::conformance::check::step;
use crate::conformance::verdict::{Judged, Level, Verdict, expect};

const MUST: Level = Level::Must;
const GUARDED: &str = "urn:oma:mo:oma-dm-dmacc:1.2//Auth/Bootstrap/ServerURI";

pub(super) const STEPS: &[ClientStep] = &[
    step(
        "perm-hidden",
        &["B-20"],
        MUST,
        ("§12.2", "The Perm list is shown to nobody."),
        |stand| Box::pin(perm(stand)),
    ),
    step(
        "secrets-hidden",
        &["X-MO-001", "X-SEC-001"],
        MUST,
        ("§9.3", "Leaves without Get are in no answer."),
        |stand| Box::pin(secrets(stand)),
    ),
    step(
        "perm-kept",
        &["B-21", "X-DAC-001"],
        MUST,
        (
            "§13",
            "An object whose MOID the Perm list lacks is out of reach.",
        ),
        |stand| Box::pin(beyond(stand)),
    ),
    step(
        "boot-guard",
        &["B-17"],
        MUST,
        ("§14.6.1", "An HGET does not change Auth/Bootstrap."),
        |stand| Box::pin(guard(stand)),
    ),
    step(
        "srvid-unique",
        &["B-23"],
        MUST,
        (
            "§12.2",
            "An HGET does not add an account of a SrvID that is there.",
        ),
        |stand| Box::pin(unique(stand)),
    ),
];

/// The account as a GET shows it.
async fn account(stand: &mut Stand) -> Result<Value, Verdict> {
    let root = format!("{DM_ACC}//");
    let done = stand.run(&[&["GET", &root]]).await?;
    match done.items(0).first() {
        Some(item) => Ok((*item).clone()),
        None => Err(Verdict::inconclusive(format!(
            "the account cannot be read: {}",
            done.shown()
        ))),
    }
}

/// Whether a member of this name stands anywhere below.
fn holds(value: &Value, name: &str) -> bool {
    match value {
        Value::Object(members) => members
            .iter()
            .any(|(member, below)| member == name || holds(below, name)),
        Value::Array(values) => values.iter().any(|value| holds(value, name)),
        _ => false,
    }
}

async fn perm(stand: &mut Stand) -> Judged {
    let account = account(stand).await?;
    expect(!holds(&account, "Perm"), "no Perm", || account.to_string())?;
    let done = stand
        .run(&[
            &["GET", "urn:oma:mo:oma-dm-dmacc:1.2//Perm"],
            &["GET", "urn:oma:mo:oma-dm-dmacc:1.2//Perm/1/MOID"],
        ])
        .await?;
    let refused = done.code(0) >= 400 && done.code(1) >= 400;
    expect(refused, "a refusal", || done.shown())
}

async fn secrets(stand: &mut Stand) -> Judged {
    let account = account(stand).await?;
    for name in ["ClientSecretKey", "ClientPubKey", "ServerPubKey"] {
        expect(!holds(&account, name), "no leaf without Get", || {
            name.to_owned()
        })?;
    }
    let trsp = &account["MOData"];
    let trsp = trsp.as_object().and_then(|data| data.values().next());
    let secret = trsp.map(|root| root["Auth"]["Trsp"]["Secret"].is_null());
    expect(secret != Some(false), "no Auth/Trsp/Secret", || {
        "it is there".to_owned()
    })?;
    let done = stand
        .run(&[&["GET", "urn:oma:mo:oma-dm-dmacc:1.2//Auth/Trsp/Secret"]])
        .await?;
    expect(done.code(0) >= 400, "a refusal", || done.shown())
}

async fn beyond(stand: &mut Stand) -> Judged {
    let done = stand
        .run(&[
            &["GET", "urn:oma:mo:oma-sessioninfomo:1.0//"],
            &["GET", "urn:oma:mo:oma-sessioninfomo:1.0//CBT"],
        ])
        .await?;
    let refused = done.code(0) >= 400 && done.code(1) >= 400;
    expect(refused, "a refusal", || done.shown())
}

async fn guard(stand: &mut Stand) -> Judged {
    let other =
        json!([{ "ClientURI": GUARDED, "MOData": { "ServerURI": "https://other.example/boot" } }]);
    stand
        .repository
        .insert("/repo/guarded".to_owned(), (200, other.to_string()));
    let from = format!("{}/repo/guarded", stand.base);
    let done = stand
        .run(&[&["HGET", &from, GUARDED], &["GET", GUARDED]])
        .await?;
    expect(done.code(0) >= 400, "a refusal", || done.shown())?;
    let now = done.leaf(1, "ServerURI").cloned();
    let changed = now == Some(json!("https://other.example/boot"));
    expect(!changed, "the old value", || format!("{now:?}"))
}

async fn unique(stand: &mut Stand) -> Judged {
    let again = stand.documents.account.clone();
    stand.repository.insert(
        "/repo/again".to_owned(),
        (200, json!([again, again]).to_string()),
    );
    let from = format!("{}/repo/again", stand.base);
    let every = format!("{DM_ACC}/*/SrvID");
    let done = stand.run(&[&["HGET", &from], &["GET", &every]]).await?;
    let items = done.items(1);
    let same = items
        .iter()
        .filter(|item| item["MOData"]["SrvID"] == FIRST.srv_id);
    let count = same.count();
    expect(count <= 1, "one account of the SrvID", || {
        format!("{count} of them")
    })
}
