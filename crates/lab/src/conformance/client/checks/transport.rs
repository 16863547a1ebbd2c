//! What the client offers below HTTP (`dm20.md` §16.2).

use super::super::decision;
use super::super::stand::Stand;
use super::ClientStep;
use crate::conformance::check::step;
use crate::conformance::hello::{Offer, PSK, X509};
use crate::conformance::verdict::{Judged, Level, Verdict, expect};

const MUST: Level = Level::Must;
const TLS_1_0: u16 = 0x0301;
const TLS_1_2: u16 = 0x0303;

pub(super) const STEPS: &[ClientStep] = &[
    step(
        "sec-version",
        &["X-SEC-001"],
        MUST,
        ("§16.2", "Nothing below TLS 1.0 is offered."),
        |stand| Box::pin(version(stand)),
    ),
    step(
        "sec-version-today",
        &["X-SEC-001"],
        decision("D66"),
        ("§16.2", "TLS 1.2 is offered, and nothing below it."),
        |stand| Box::pin(version_today(stand)),
    ),
    step(
        "sec-suite",
        &["X-SEC-002"],
        MUST,
        (
            "§16.2",
            "At least one suite of the X.509 or the PSK list is offered.",
        ),
        |stand| Box::pin(suite(stand)),
    ),
];

/// Whether each ClientHello that came is so.
async fn each(stand: &mut Stand, expected: &str, is_so: fn(&Offer) -> bool) -> Judged {
    stand.meet().await;
    let offers = stand.offers.all();
    if offers.is_empty() {
        return Err(Verdict::inconclusive("no ClientHello came"));
    }
    for offer in &offers {
        stand.transcript.note(offer.shown());
    }
    let other = offers.iter().find(|offer| !is_so(offer));
    expect(other.is_none(), expected, || {
        other.map(Offer::shown).unwrap_or_default()
    })
}

async fn version(stand: &mut Stand) -> Judged {
    each(stand, "versions from 0301 (TLS 1.0) on", |offer| {
        offer.versions.iter().all(|version| *version >= TLS_1_0)
    })
    .await
}

async fn version_today(stand: &mut Stand) -> Judged {
    each(stand, "0303 (TLS 1.2) as the lowest version", |offer| {
        offer.versions.first() == Some(&TLS_1_2)
    })
    .await
}

async fn suite(stand: &mut Stand) -> Judged {
    each(stand, "a suite of §16.2, such as c02b", |offer| {
        let mut listed = X509.iter().chain(&PSK);
        listed.any(|(suite, _)| offer.suites.contains(suite))
    })
    .await
}
