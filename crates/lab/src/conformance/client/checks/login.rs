//! HTTP authentication of sessions (`dm20.md` §16.2, D45): the third account has no `Auth/Trsp`.

use omadm_dm2::http_auth::{Authorization, Challenge, DigestAlgorithm, DigestChallenge};

use super::super::decision;
use super::super::document::THIRD;
use super::super::package::Package;
use super::super::stand::{Stand, answer, commands};
use super::ClientStep;
use crate::conformance::check::step;
use crate::conformance::verdict::{Judged, Level, Verdict, expect};
use crate::conformance::wire::Answer;

const SEC: &[&str] = &["X-SEC-001"];
const REALM: &str = "conformance";
/// At another origin.
const AWAY: &str = "/dm/away";

pub(super) const STEPS: &[ClientStep] = &[
    step(
        "http-basic",
        SEC,
        Level::Must,
        (
            "§16.2",
            "A Basic challenge is answered with user and password of the account.",
        ),
        |stand| Box::pin(basic(stand)),
    ),
    step(
        "http-digest",
        SEC,
        Level::May,
        (
            "§16.2",
            "A Digest challenge is answered with a right digest.",
        ),
        |stand| Box::pin(digest(stand)),
    ),
    step(
        "http-wrong",
        SEC,
        decision("D07"),
        (
            "§3.3",
            "A challenge is answered once: after a second 401 the session is over.",
        ),
        |stand| Box::pin(wrong(stand)),
    ),
    step(
        "http-elsewhere",
        SEC,
        decision("D19"),
        (
            "§5.2",
            "After CONT to another origin the password stays at home.",
        ),
        |stand| Box::pin(elsewhere(stand)),
    ),
];

/// Opens a session of the third account and answers it with this challenge; the next package.
async fn challenged(stand: &mut Stand, challenge: &Challenge) -> Result<Option<Package>, Verdict> {
    stand.session_of(THIRD).await?;
    stand.send(asking(challenge)).await;
    Ok(stand.held().cloned())
}

fn asking(challenge: &Challenge) -> Answer {
    answer(401, "", String::new()).with("www-authenticate", &challenge.write())
}

fn basic_challenge() -> Challenge {
    Challenge::Basic {
        realm: REALM.to_owned(),
    }
}

fn said(package: Option<&Package>) -> String {
    let header = package.map(|package| package.header("authorization"));
    match header {
        None => "no further request".to_owned(),
        Some("") => "a request without Authorization".to_owned(),
        Some(value) => {
            let scheme = value.split(' ').next().unwrap_or_default();
            format!("a request with Authorization: {scheme} …")
        }
    }
}

async fn basic(stand: &mut Stand) -> Judged {
    let (user, password) = stand.login();
    let package = challenged(stand, &basic_challenge()).await?;
    let value = package
        .as_ref()
        .map(|package| package.header("authorization"));
    let right = match value.map(Authorization::read) {
        Some(Ok(Authorization::Basic(pairs))) => pairs
            .iter()
            .any(|pair| pair.user == user && pair.password.expose() == password.expose()),
        _ => false,
    };
    stand.leave();
    let expected = format!("Authorization: Basic with user {user} and its password");
    expect(right, expected, || said(package.as_ref()))
}

async fn digest(stand: &mut Stand) -> Judged {
    let (user, password) = stand.login();
    let nonce = format!("kit{:08x}", stand.notifications);
    let challenge = Challenge::Digest(DigestChallenge {
        realm: REALM.to_owned(),
        nonce: nonce.clone(),
        opaque: None,
        algorithm: DigestAlgorithm::Sha256,
        stale: false,
    });
    let package = challenged(stand, &challenge).await?;
    stand.leave();
    let value = package
        .as_ref()
        .map(|package| package.header("authorization"));
    let right = match value.map(Authorization::read) {
        Some(Ok(Authorization::Digest(made))) => {
            let target = package.as_ref().map(|package| package.ask.target.clone());
            made.user == user
                && made.nonce == nonce
                && Some(made.uri.clone()) == target
                && made.is_made_with(&password, "POST")
        }
        Some(Ok(Authorization::Basic(_))) => false,
        _ => {
            return Err(Verdict::NotApplicable {
                why: format!(
                    "the client answers no Digest challenge: {}",
                    said(package.as_ref())
                ),
            });
        }
    };
    expect(right, format!("a digest of {user}'s password"), || {
        said(package.as_ref())
    })
}

async fn wrong(stand: &mut Stand) -> Judged {
    let challenge = Challenge::Basic {
        realm: "conformance once".to_owned(),
    };
    if challenged(stand, &challenge).await?.is_none() {
        let why = "the client answered no challenge, so it could not be asked twice";
        return Err(Verdict::inconclusive(why));
    }
    stand.send_last(asking(&challenge)).await;
    let package = stand.held().cloned();
    stand.leave();
    expect(package.is_none(), "no further request", || {
        said(package.as_ref())
    })
}

async fn elsewhere(stand: &mut Stand) -> Judged {
    challenged(stand, &basic_challenge()).await?;
    let away = format!("{}{AWAY}", stand.elsewhere);
    let mut seen = Vec::new();
    stand.send(commands(&[&["CONT", &away]])).await;
    seen.extend(stand.held().cloned());
    // Asked there, too, it has to keep silent.
    stand.send_last(asking(&basic_challenge())).await;
    seen.extend(stand.held().cloned());
    stand.leave();
    seen.retain(|package| package.ask.target == AWAY);
    if seen.is_empty() {
        let why = "the client did not go on elsewhere, so it had nothing to tell there";
        return Err(Verdict::inconclusive(why));
    }
    let told = seen
        .iter()
        .find(|package| !package.header("authorization").is_empty());
    expect(told.is_none(), "no Authorization there", || said(told))
}
