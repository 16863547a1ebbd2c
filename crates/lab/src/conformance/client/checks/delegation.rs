//! Delegated access control (`dm20.md` §13): what the creator of an instance has, gives to another server, and takes back. The DAC MO's nodes are D47's.

use serde_json::{Value, json};

use super::super::decision;
use super::super::document::{DAC, FIRST, SECOND};
use super::super::package::Done;
use super::super::stand::Stand;
use super::ClientStep;
use super::repository::add_scratch;
use crate::conformance::check::step;
use crate::conformance::verdict::{Judged, Level, Verdict, expect};

const ITEMS: &[&str] = &["X-DAC-001"];
const READ: u64 = 1;
const ALL: u64 = 15;

pub(super) const STEPS: &[ClientStep] = &[
    step(
        "dac-shown",
        ITEMS,
        decision("D47"),
        (
            "§13",
            "The DAC MO shows the creator of an instance as its owner with every right, and nobody else.",
        ),
        |stand| Box::pin(shown(stand)),
    ),
    step(
        "dac-creator",
        ITEMS,
        Level::Must,
        (
            "§13",
            "An instance that one server created is out of another's reach.",
        ),
        |stand| Box::pin(creator(stand)),
    ),
    step(
        "dac-grant",
        ITEMS,
        decision("D47"),
        (
            "§13",
            "A right that its creator gives by HGET into the DAC MO lets the other server read, and no more.",
        ),
        |stand| Box::pin(grant(stand)),
    ),
    step(
        "dac-end",
        ITEMS,
        decision("D47"),
        ("§13", "A right that its creator takes away has ended."),
        |stand| Box::pin(end(stand)),
    ),
];

/// An instance of the first server's, and what governs it.
struct Governed {
    place: String,
    /// The instance of the DAC MO.
    item: Value,
}

impl Governed {
    fn entry(&self) -> String {
        let uri = self.item["ClientURI"].as_str().unwrap_or_default();
        format!("{}/Servers/kit", uri.trim_end_matches('/'))
    }

    fn root(&self) -> &Value {
        root(&self.item)
    }
}

fn root(item: &Value) -> &Value {
    let data = item["MOData"].as_object();
    data.and_then(|data| data.values().next())
        .unwrap_or(&Value::Null)
}

/// Adds an instance and looks for what the DAC MO says of it.
async fn governed(stand: &mut Stand) -> Result<Governed, Verdict> {
    if stand.setup.scratch.is_some() {
        stand.session_of(FIRST).await?;
    }
    let place = add_scratch(stand).await?;
    let all = format!("{DAC}/*/");
    let done = stand.run(&[&["GET", &all]]).await?;
    if done.is_refused(0) {
        return Err(Verdict::NotApplicable {
            why: format!("the client shows no DAC MO: {}", done.shown()),
        });
    }
    let mut names = place.split('/');
    let of = (names.next(), names.next());
    let item = done.items(0).into_iter().find(|item| {
        let root = root(item);
        (root["MOID"].as_str(), root["MIID"].as_str()) == of
    });
    match item.cloned() {
        Some(item) => Ok(Governed { place, item }),
        None => {
            let expected =
                format!("an instance of the DAC MO whose MOID and MIID are those of {place}");
            Err(Verdict::failed(expected, done.package.json.to_string()))
        }
    }
}

/// Removes the instance.
async fn clean(stand: &mut Stand, governed: &Governed) -> Judged {
    stand.session_of(FIRST).await?;
    stand.run(&[&["DELETE", &governed.place]]).await.map(drop)
}

async fn shown(stand: &mut Stand) -> Judged {
    let governed = governed(stand).await?;
    stand.run(&[&["DELETE", &governed.place]]).await?;
    let root = governed.root();
    let servers = root["Servers"].as_object();
    let mut entries = servers.into_iter().flat_map(|servers| servers.values());
    let own = json!({ "SrvID": FIRST.srv_id, "Rights": ALL });
    let alone = entries.next() == Some(&own) && entries.next().is_none();
    let expected = format!("Owner {} and {own} alone", FIRST.srv_id);
    expect(root["Owner"] == FIRST.srv_id && alone, expected, || {
        root.to_string()
    })
}

/// What the second server gets when it reads the instance, and when it deletes it.
async fn tried(stand: &mut Stand, governed: &Governed) -> Result<Done, Verdict> {
    let place = governed.place.as_str();
    stand.session_of(SECOND).await?;
    stand.run(&[&["GET", place], &["DELETE", place]]).await
}

async fn creator(stand: &mut Stand) -> Judged {
    let governed = governed(stand).await?;
    let place = governed.place.as_str();
    stand.session_of(SECOND).await?;
    let done = stand.run(&[&["DELETE", place], &["GET", place]]).await?;
    clean(stand, &governed).await?;
    expect(
        done.is_refused(0) && done.is_refused(1),
        "a refusal of DELETE and GET",
        || done.shown(),
    )
}

/// Gives the second server the right to read, in the first server's session.
async fn give(stand: &mut Stand, governed: &Governed) -> Judged {
    let entry = governed.entry();
    let item = json!([{
        "ClientURI": entry,
        "MOData": { "kit": { "SrvID": SECOND.srv_id, "Rights": READ } },
    }]);
    stand
        .repository
        .insert("/repo/grant".to_owned(), (200, item.to_string()));
    let from = format!("{}/repo/grant", stand.base);
    let done = stand.run(&[&["HGET", &from, &entry]]).await?;
    expect(
        done.code(0) == 200,
        "200 for the HGET into the DAC MO",
        || done.shown(),
    )
}

async fn grant(stand: &mut Stand) -> Judged {
    let governed = governed(stand).await?;
    give(stand, &governed).await?;
    let done = tried(stand, &governed).await?;
    clean(stand, &governed).await?;
    expect(
        done.is_done(0) && done.is_refused(1),
        "GET done, DELETE refused",
        || done.shown(),
    )
}

async fn end(stand: &mut Stand) -> Judged {
    let governed = governed(stand).await?;
    give(stand, &governed).await?;
    let entry = governed.entry();
    let taken = stand.run(&[&["DELETE", &entry]]).await?;
    let done = tried(stand, &governed).await?;
    clean(stand, &governed).await?;
    expect(taken.code(0) == 200, "200 for the DELETE", || taken.shown())?;
    expect(done.is_refused(0), "a refusal of GET", || done.shown())
}
