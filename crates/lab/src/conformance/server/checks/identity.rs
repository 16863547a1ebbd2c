//! Who the device is: `OMADM-DevID` and the credential that proves it (`dm20.md` §3.1, §16.2, D71).

use omadm_dm2::header::DEV_ID;
use omadm_dm2::http_auth::Challenge;
use omadm_dm2::media_type::PACKAGE1;
use omadm_mo::Secret;

use super::super::ServerKit;
use super::super::device::{CLIENT_INITIATED, basic as basic_value, initiation};
use super::super::subject::Who;
use super::ServerStep;
use crate::conformance::check::step;
use crate::conformance::verdict::{Judged, Level, Verdict, expect};
use crate::conformance::wire::{Answer, Ask};

const D70: Level = Level::Decision("D70");
const SEC: &[&str] = &["X-SEC-001"];

pub(super) const STEPS: &[ServerStep] = &[
    step(
        "devid-missing",
        &["X-FLOW-001"],
        D70,
        ("§3.5", "A package without OMADM-DevID is refused with 400."),
        |kit| Box::pin(missing(kit)),
    ),
    step(
        "devid-repeated",
        &["X-FLOW-001"],
        D70,
        (
            "§3.5",
            "A package with two OMADM-DevID is refused with 400.",
        ),
        |kit| Box::pin(repeated(kit)),
    ),
    step(
        "devid-malformed",
        &["X-FLOW-001"],
        D70,
        (
            "§3.5",
            "A package whose OMADM-DevID holds a blank is refused with 400.",
        ),
        |kit| Box::pin(malformed(kit)),
    ),
    step(
        "devid-of-another",
        SEC,
        Level::Must,
        (
            "§16.2, D71",
            "A device gets no session under the DevID of another one.",
        ),
        |kit| Box::pin(of_another(kit)),
    ),
    step(
        "devid-refusal",
        SEC,
        D70,
        ("§3.5", "The DevID of another device is refused with 403."),
        |kit| Box::pin(refusal(kit)),
    ),
    step(
        "sec-nobody",
        SEC,
        Level::Must,
        ("§16.2", "Without credential there is no session."),
        |kit| Box::pin(nobody(kit)),
    ),
    step(
        "sec-stranger",
        &["X-SEC-002"],
        Level::Must,
        (
            "§16.2",
            "A certificate of a CA that the server does not know gives no session.",
        ),
        |kit| Box::pin(stranger(kit)),
    ),
    step(
        "sec-basic-offered",
        SEC,
        Level::Must,
        (
            "§16.2",
            "Without credential comes 401 with a Basic challenge.",
        ),
        |kit| Box::pin(offered(kit, "Basic")),
    ),
    step(
        "sec-basic",
        SEC,
        Level::Must,
        ("§16.2", "HTTP Basic authenticates the device."),
        |kit| Box::pin(basic(kit)),
    ),
    step(
        "sec-basic-wrong",
        SEC,
        Level::Must,
        ("§16.2", "A wrong password gets 401."),
        |kit| Box::pin(basic_wrong(kit)),
    ),
    step(
        "sec-digest-offered",
        SEC,
        Level::Must,
        (
            "§16.2",
            "Without credential comes 401 with a Digest challenge.",
        ),
        |kit| Box::pin(offered(kit, "Digest")),
    ),
    step(
        "sec-digest",
        SEC,
        Level::Must,
        ("§16.2", "HTTP Digest authenticates the device."),
        |kit| Box::pin(digest(kit)),
    ),
];

fn package1(kit: &ServerKit) -> Ask {
    kit.package(PACKAGE1, initiation(CLIENT_INITIATED))
}

async fn missing(kit: &mut ServerKit) -> Judged {
    let ask = package1(kit).without(DEV_ID);
    kit.gets(ask, &[400]).await.map(drop)
}

async fn repeated(kit: &mut ServerKit) -> Judged {
    let again = kit.subject.dev_id.as_str().to_owned();
    let ask = package1(kit).header(DEV_ID, again);
    kit.gets(ask, &[400]).await.map(drop)
}

async fn malformed(kit: &mut ServerKit) -> Judged {
    let ask = package1(kit).without(DEV_ID).header(DEV_ID, "not a DevID");
    kit.gets(ask, &[400]).await.map(drop)
}

async fn as_another(kit: &ServerKit) -> Result<Answer, Verdict> {
    let another = kit.subject.other_dev_id.as_str();
    let ask = package1(kit).without(DEV_ID).header(DEV_ID, another);
    kit.once(ask).await
}

async fn of_another(kit: &mut ServerKit) -> Judged {
    let answer = as_another(kit).await?;
    expect(!answer.is_ok(), "a refusal", || answer.shown())
}

async fn refusal(kit: &mut ServerKit) -> Judged {
    let answer = as_another(kit).await?;
    expect(answer.status == 403, "403", || answer.shown())
}

/// The answer to a Package#1 without HTTP credential; none where not even a connection came about, which is a refusal too.
async fn unproven(kit: &ServerKit, who: Who) -> Option<Answer> {
    let mut wire = kit.try_connect(who).await.ok()?;
    let ask = kit.anonymous(PACKAGE1, initiation(CLIENT_INITIATED));
    wire.send(ask).await.ok()
}

async fn nobody(kit: &mut ServerKit) -> Judged {
    let answer = unproven(kit, Who::Nobody).await.unwrap_or_default();
    expect(!answer.is_ok(), "a refusal", || answer.shown())
}

async fn stranger(kit: &mut ServerKit) -> Judged {
    let answer = unproven(kit, Who::Stranger).await.unwrap_or_default();
    expect(!answer.is_ok(), "a refusal", || answer.shown())
}

async fn offered(kit: &mut ServerKit, scheme: &'static str) -> Judged {
    let Some(answer) = unproven(kit, Who::Nobody).await else {
        let seen = "no answer: the server takes no connection without certificate";
        return Err(Verdict::failed(format!("401 with {scheme}"), seen));
    };
    let there = challenges(&answer).iter().any(|challenge| match challenge {
        Challenge::Basic { .. } => scheme == "Basic",
        Challenge::Digest(_) => scheme == "Digest",
    });
    let expected = format!("401 with a {scheme} challenge");
    expect(answer.status == 401 && there, expected, || {
        let lines =
            crate::conformance::transcript::head(answer.status.to_string(), &answer.headers);
        lines.join("; ")
    })
}

/// A Package#1 by HTTP Basic on a connection without certificate.
async fn by_basic(kit: &ServerKit, password: Option<Secret>) -> Result<Answer, Verdict> {
    let Some((user, right)) = kit.subject.user.clone() else {
        let needs = "needs --user and a password that the server knows";
        return Err(Verdict::not_tested(needs));
    };
    let value = basic_value(&user, &password.unwrap_or(right));
    let ask = kit
        .anonymous(PACKAGE1, initiation(CLIENT_INITIATED))
        .header("authorization", value);
    let mut wire = kit.connect(Who::Nobody).await?;
    wire.send(ask).await.map_err(Verdict::inconclusive)
}

async fn basic(kit: &mut ServerKit) -> Judged {
    let answer = by_basic(kit, None).await?;
    expect(answer.status == 200, "200", || answer.shown())
}

async fn basic_wrong(kit: &mut ServerKit) -> Judged {
    let wrong = Secret::from("not the password".to_owned());
    let answer = by_basic(kit, Some(wrong)).await?;
    expect(answer.status == 401, "401", || answer.shown())
}

fn challenges(answer: &Answer) -> Vec<Challenge> {
    let values = answer.headers.get_all("www-authenticate").iter();
    Challenge::read_all(values.filter_map(|value| value.to_str().ok()))
}

async fn digest(kit: &mut ServerKit) -> Judged {
    let Some((user, password)) = kit.subject.user.clone() else {
        let needs = "needs --user and a password that the server knows";
        return Err(Verdict::not_tested(needs));
    };
    let refused = unproven(kit, Who::Nobody).await.unwrap_or_default();
    let mut digests = challenges(&refused).into_iter().filter_map(|it| match it {
        Challenge::Digest(challenge) => Some(challenge),
        Challenge::Basic { .. } => None,
    });
    let Some(challenge) = digests.next() else {
        return Err(Verdict::failed(
            "401 with a Digest challenge",
            refused.shown(),
        ));
    };
    let ask = kit.anonymous(PACKAGE1, initiation(CLIENT_INITIATED));
    let cnonce = kit.next_event();
    let response = challenge.answer(&user, &password, "POST", &ask.target, &cnonce, 1);
    let mut wire = kit.connect(Who::Nobody).await?;
    let answer = wire
        .send(ask.header("authorization", response.write()))
        .await;
    let answer = answer.map_err(Verdict::inconclusive)?;
    expect(answer.status == 200, "200", || answer.shown())
}
