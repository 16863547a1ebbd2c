//! The bootstrap that a client asks for (`dm20.md` §14.2, §14.5).

use omadm_dm2::media_type::is_mo;
use omadm_mo::json::{Json, JsonLimits};
use omadm_mo::serialization::MoItem;
use serde_json::Value;

use super::super::subject::Who;
use super::super::{ServerKit, account_of};
use super::ServerStep;
use crate::conformance::check::step;
use crate::conformance::hook::HookCall;
use crate::conformance::verdict::{Judged, Level, Verdict, expect};
use crate::conformance::wire::Answer;

pub(super) const STEPS: &[ServerStep] = &[
    step(
        "boot-media-type",
        &["B-14"],
        Level::Decision("D09"),
        (
            "§3.4",
            "A bootstrap has a media type of the MO serialization.",
        ),
        |kit| Box::pin(media_type(kit)),
    ),
    step(
        "boot-document",
        &["B-14", "B-26"],
        Level::Must,
        (
            "§14.2, §9.1",
            "A bootstrap is an array of items in the MO serialization.",
        ),
        |kit| Box::pin(document(kit)),
    ),
    step(
        "boot-account",
        &["X-MO-001", "B-26"],
        Level::Must,
        (
            "§12.2",
            "Its DM Account has SrvID, SrvURI, Name and a Perm list.",
        ),
        |kit| Box::pin(account(kit)),
    ),
    step(
        "boot-again",
        &["B-14"],
        Level::Decision("D55"),
        (
            "§14.5",
            "The fetch is repeatable: the same octets until the bootstrap is completed.",
        ),
        |kit| Box::pin(again(kit)),
    ),
    step(
        "boot-nobody",
        &["B-16", "B-19"],
        Level::Must,
        ("§16.3", "Nobody gets a bootstrap without credential."),
        |kit| Box::pin(no_document(kit, Who::Nobody)),
    ),
    step(
        "boot-stranger",
        &["B-16", "B-19"],
        Level::Must,
        (
            "§16.3",
            "A certificate of a CA that the server does not know gets no bootstrap.",
        ),
        |kit| Box::pin(no_document(kit, Who::Stranger)),
    ),
    step(
        "boot-of-another",
        &["B-16"],
        Level::Must,
        (
            "§16.3, D71",
            "A device gets no bootstrap under the DevID of another one.",
        ),
        |kit| Box::pin(of_another(kit)),
    ),
];

/// The answer that brings a document. Where none waits, the hook is asked for one; not tested where there is none then.
pub(super) async fn fetched(kit: &mut ServerKit) -> Result<Answer, Verdict> {
    let mut answer = fetch(kit).await?;
    if is_nothing(&answer) {
        if let Err(verdict) = kit.ask(HookCall::Bootstrap).await {
            return Err(nothing_waits(kit, &answer, &verdict.detail()));
        }
        answer = fetch(kit).await?;
    }
    if is_nothing(&answer) {
        return Err(nothing_waits(
            kit,
            &answer,
            "the hook was called and did not help",
        ));
    }
    if answer.status != 200 {
        return Err(Verdict::failed("200 and the document", answer.shown()));
    }
    if let Some(account) = account_of(&answer.body) {
        kit.account = Some(account);
    }
    Ok(answer)
}

/// What was to be prepared.
fn nothing_waits(kit: &ServerKit, answer: &Answer, hook: &str) -> Verdict {
    let dev_id = &kit.subject.dev_id;
    Verdict::not_tested(format!(
        "needs a bootstrap that waits: have the server prepare a client-initiated one for {dev_id} before this run, or give a --hook that does so \
         whenever it is called with `bootstrap {dev_id}` ({hook}); the server answered {}",
        answer.shown()
    ))
}

const fn is_nothing(answer: &Answer) -> bool {
    matches!(answer.status, 202 | 204 | 403)
}

async fn fetch(kit: &ServerKit) -> Result<Answer, Verdict> {
    let (url, ask) = kit.fetch()?;
    let wire = kit.connect_to(&url.origin(), Who::Device).await;
    let mut wire = wire.map_err(Verdict::inconclusive)?;
    kit.tell(&mut wire, ask).await
}

/// The server's DM Account: of a bootstrap that waits, else of an earlier one.
pub(super) async fn account_known(kit: &mut ServerKit) -> Result<Value, Verdict> {
    let fetched = fetched(kit).await;
    match (&kit.account, fetched) {
        (Some(account), _) => Ok(account.clone()),
        (None, Ok(_)) => Err(Verdict::inconclusive("the bootstrap holds no DM Account")),
        (None, Err(Verdict::NotTested { needs })) => Err(Verdict::not_tested(format!(
            "{needs}; or give --document, the bootstrap that the device had before"
        ))),
        (None, Err(other)) => Err(other),
    }
}

async fn media_type(kit: &mut ServerKit) -> Judged {
    let answer = fetched(kit).await?;
    let found = answer.header("content-type").to_owned();
    expect(is_mo(&found), omadm_dm2::media_type::MO, || found)
}

async fn items(kit: &mut ServerKit) -> Result<Vec<MoItem>, Verdict> {
    let answer = fetched(kit).await?;
    let expected = "an array of items with ClientURI and MOData";
    let json = Json::read(&answer.body, JsonLimits::default())
        .map_err(|error| Verdict::failed(expected, error.to_string()))?;
    let items = MoItem::read_all(&json);
    let items = items.map_err(|error| Verdict::failed(expected, error.to_string()))?;
    let whole = json.as_array().is_some() && items.iter().all(|item| item.client_uri.is_some());
    expect(whole && !items.is_empty(), expected, || {
        "an item without ClientURI, or no array".to_owned()
    })?;
    Ok(items)
}

async fn document(kit: &mut ServerKit) -> Judged {
    items(kit).await.map(drop)
}

async fn account(kit: &mut ServerKit) -> Judged {
    let answer = fetched(kit).await?;
    let Some(account) = account_of(&answer.body) else {
        return Err(Verdict::failed("a DM Account", "none in the document"));
    };
    for leaf in ["SrvID", "SrvURI", "Name"] {
        expect(account[leaf].is_string(), leaf, || {
            "an account without it".to_owned()
        })?;
    }
    let listed = account["Perm"].as_object().is_some_and(|perm| {
        !perm.is_empty() && perm.values().all(|group| group["MOID"].is_string())
    });
    expect(listed, "Perm with at least one MOID", || "none".to_owned())
}

async fn again(kit: &mut ServerKit) -> Judged {
    let (first, second) = (fetched(kit).await?, fetched(kit).await?);
    expect(first.body == second.body, "the same octets", || {
        format!(
            "{} and {} octets that differ",
            first.body.len(),
            second.body.len()
        )
    })
}

async fn no_document(kit: &mut ServerKit, who: Who) -> Judged {
    let (url, ask) = kit.fetch()?;
    // A refused connection is a refusal too.
    let answer = match kit.connect_to(&url.origin(), who).await {
        Ok(mut wire) => wire
            .send(ask.without("authorization"))
            .await
            .unwrap_or_default(),
        Err(_) => Answer::default(),
    };
    expect(answer.status != 200, "a refusal", || answer.shown())
}

async fn of_another(kit: &mut ServerKit) -> Judged {
    let (url, ask) = kit.fetch()?;
    let another = kit.subject.other_dev_id.as_str();
    let header = omadm_dm2::header::DEV_ID;
    let ask = ask.without(header).header(header, another);
    let wire = kit.connect_to(&url.origin(), Who::Device).await;
    let mut wire = wire.map_err(Verdict::inconclusive)?;
    let answer = wire.send(ask).await.map_err(Verdict::inconclusive)?;
    expect(answer.status != 200, "a refusal", || answer.shown())
}
