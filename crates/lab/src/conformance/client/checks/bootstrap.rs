//! The bootstrap and the session that reports it (`dm20.md` §14).

use omadm_dm2::header::DEV_ID;
use omadm_dm2::media_type::{MO_READ, accepts};

use super::super::decision;
use super::super::package::Package;
use super::super::stand::{DM_ACC, Stand};
use super::ClientStep;
use super::repository::NAME_LEAF;
use crate::conformance::check::step;
use crate::conformance::verdict::{Judged, Level, Verdict, expect};

pub(super) const BOOTSTRAP_COMPLETE: &str = "urn:oma:at:dm:2.0:BootstrapComplete";
const MUST: Level = Level::Must;

pub(super) const STEPS: &[ClientStep] = &[
    step(
        "boot-fetch",
        &[
            "DM-BOOT-001-C-M",
            "DM-BOOT-004-C-O",
            "B-01",
            "B-08",
            "B-27",
            "X-URI-003",
        ],
        Level::Should,
        (
            "§14.5",
            "The client fetches its bootstrap from the URL it knows.",
        ),
        |stand| Box::pin(fetch(stand)),
    ),
    step(
        "boot-fetch-devid",
        &["B-08"],
        decision("D55"),
        ("§14.5", "The fetch carries OMADM-DevID."),
        |stand| Box::pin(fetch_dev_id(stand)),
    ),
    step(
        "boot-fetch-accept",
        &["B-08"],
        decision("D55"),
        ("§14.5", "The fetch accepts the MO serialization."),
        |stand| Box::pin(fetch_accept(stand)),
    ),
    step(
        "boot-authenticated",
        &["B-16"],
        MUST,
        ("§16.3", "The client proves itself while it fetches."),
        |stand| Box::pin(authenticated(stand)),
    ),
    step(
        "boot-complete",
        &["B-14", "B-15", "B-26", "B-29", "X-BOOT-006", "X-ALRT-001"],
        MUST,
        (
            "§14.1",
            "After a bootstrap the client opens a session with BootstrapComplete.",
        ),
        |stand| Box::pin(complete(stand)),
    ),
    step(
        "boot-type",
        &["B-31"],
        decision("D27"),
        ("§6", "BootstrapComplete tells the bootstrap type."),
        |stand| Box::pin(bootstrap_type(stand)),
    ),
    step(
        "boot-trsp",
        &["B-24", "X-SEC-002"],
        MUST,
        (
            "§12.2",
            "The session proves itself with the Auth/Trsp that the bootstrap brought.",
        ),
        |stand| Box::pin(trsp(stand)),
    ),
    step(
        "boot-retry",
        &["B-30", "B-33"],
        decision("D60"),
        (
            "§14.7",
            "A completion that got 503 with Retry-After is reported again.",
        ),
        |stand| Box::pin(retry(stand)),
    ),
];

/// The fetch, once it came.
async fn fetched(stand: &mut Stand) -> Result<Package, Verdict> {
    stand.meet().await;
    let limit = stand.setup.limit;
    if let Some(package) = &stand.fetched {
        stand.transcript.recall(&package.exchange());
    }
    stand.fetched.clone().ok_or_else(|| {
        Verdict::failed(
            "GET /bootstrap",
            format!("no such request within {limit:?}"),
        )
    })
}

/// The first Package#1, once it came.
pub(super) async fn first(stand: &mut Stand) -> Result<Package, Verdict> {
    fetched(stand)
        .await
        .map_err(|_| Verdict::inconclusive("the client did not fetch its bootstrap"))?;
    let limit = stand.setup.limit;
    if let Some(package) = &stand.first {
        stand.transcript.recall(&package.exchange());
    }
    stand.first.clone().ok_or_else(|| {
        Verdict::failed(
            "a Package#1",
            format!("none within {limit:?} of the bootstrap"),
        )
    })
}

async fn fetch(stand: &mut Stand) -> Judged {
    fetched(stand).await.map(drop)
}

async fn fetch_dev_id(stand: &mut Stand) -> Judged {
    let package = fetched(stand).await?;
    let found = package.header(DEV_ID);
    expect(
        found == stand.setup.dev_id.as_str(),
        stand.setup.dev_id.as_str(),
        || format!("{found:?}"),
    )
}

async fn fetch_accept(stand: &mut Stand) -> Judged {
    let package = fetched(stand).await?;
    let found = package.header("accept");
    let fits = !found.is_empty() && MO_READ.iter().any(|kind| accepts(found, kind));
    expect(fits, MO_READ.join(" or "), || format!("{found:?}"))
}

async fn authenticated(stand: &mut Stand) -> Judged {
    let package = fetched(stand).await?;
    let proven = package.leaf.is_some() || !package.header("authorization").is_empty();
    expect(proven, "a certificate or HTTP credential", || {
        "neither".to_owned()
    })
}

async fn complete(stand: &mut Stand) -> Judged {
    completes(&first(stand).await?)
}

async fn bootstrap_type(stand: &mut Stand) -> Judged {
    tells_method(&first(stand).await?, "client")
}

async fn trsp(stand: &mut Stand) -> Judged {
    let package = first(stand).await?;
    expect(
        package.leaf.is_some() && package.leaf == stand.trsp,
        "the certificate of Auth/Trsp",
        || match package.leaf {
            None => "no certificate".to_owned(),
            Some(leaf) => format!("another certificate, {leaf}"),
        },
    )
}

async fn retry(stand: &mut Stand) -> Judged {
    first(stand).await?;
    if stand.setup.hook.is_none() {
        let needs =
            "needs --hook: without it a client that does not come back could not be driven further";
        return Err(Verdict::not_tested(needs));
    }
    let again = stand.retried.as_ref();
    if let Some(package) = again {
        stand.transcript.recall(&package.exchange());
    }
    let reported = again.is_some_and(|package| package.has_alert(BOOTSTRAP_COMPLETE));
    expect(reported, "BootstrapComplete again within 10 s", || {
        again.map_or_else(
            || "no Package#1".to_owned(),
            |package| package.json["Alert"].to_string(),
        )
    })
}

/// Whether a Package#1 reports a bootstrap.
pub(super) fn completes(package: &Package) -> Judged {
    expect(
        package.has_alert(BOOTSTRAP_COMPLETE),
        BOOTSTRAP_COMPLETE,
        || package.json["Alert"].to_string(),
    )
}

/// Whether what reports a bootstrap tells by which method it came.
pub(super) fn tells_method(package: &Package, method: &str) -> Judged {
    let alert = package.alert(BOOTSTRAP_COMPLETE);
    let told = alert
        .map(|alert| alert["Data"]["BootstrapType"].clone())
        .unwrap_or_default();
    expect(
        told["Method"] == method,
        format!("BootstrapType with Method {method}"),
        || told.to_string(),
    )
}

/// Whether the client has one account of this SrvID, and this name in it.
pub(super) async fn is_replaced(stand: &mut Stand, by: &str) -> Judged {
    let every = format!("{DM_ACC}/*/SrvID");
    let done = stand.run(&[&["GET", &every], &["GET", NAME_LEAF]]).await?;
    if done.is_refused(0) {
        let why = format!("the account cannot be read: {}", done.shown());
        return Err(Verdict::inconclusive(why));
    }
    let count = done.items(0).len();
    let name = done.leaf(1, "Name").cloned();
    expect(
        count == 1 && name.as_ref().is_some_and(|name| name == by),
        format!("one account, named {by}"),
        || format!("{count}, named {name:?}"),
    )
}
