//! Packages #1 and #3 as the client writes them (`dm20.md` §2, §4).

use omadm_dm2::header::DEV_ID;
use omadm_dm2::media_type::{PACKAGE1, PACKAGE2, PACKAGE3, accepts, is_type};
use omadm_dm2::{AlertType, Package1, Package3};
use omadm_mo::json::{Json, JsonLimits};

use super::super::decision;
use super::super::package::Package;
use super::super::stand::Stand;
use super::ClientStep;
use super::bootstrap::first;
use crate::conformance::check::step;
use crate::conformance::verdict::{Judged, Level, Verdict, expect};

const FLOW: &[&str] = &["X-FLOW-001"];
const MUST: Level = Level::Must;
/// Alert types that say why a session was opened.
pub(super) const CAUSES: [AlertType; 3] = [
    AlertType::BOOTSTRAP_COMPLETE,
    AlertType::CLIENT_INITIATED_MGMT,
    AlertType::SERVER_INITIATED_MGMT,
];
pub(super) const DEV_ID_LEAF: &str = "urn:oma:mo:oma-dm-devinfo:1.2//DevID";

pub(super) const STEPS: &[ClientStep] = &[
    step(
        "flow-devid",
        FLOW,
        MUST,
        ("§3.1", "Package#1 carries OMADM-DevID."),
        |stand| Box::pin(dev_id(stand)),
    ),
    step(
        "flow-media-type",
        FLOW,
        MUST,
        ("§2", "Package#1 has its media type."),
        |stand| Box::pin(media_type(stand)),
    ),
    step(
        "flow-accept",
        &["X-NEGO-001"],
        Level::Should,
        ("§3.1", "Package#1 accepts Package#2."),
        |stand| Box::pin(accept(stand)),
    ),
    step(
        "json-package1",
        &["X-JSON-001"],
        MUST,
        ("§4.1", "Package#1 keeps to its schema."),
        |stand| Box::pin(package1(stand)),
    ),
    step(
        "alert-cause",
        &["X-ALRT-001"],
        decision("D04"),
        ("§2", "Package#1 has exactly one session cause."),
        |stand| Box::pin(one_cause(stand)),
    ),
    step(
        "mos-permitted",
        &["B-21", "X-FLOW-001"],
        MUST,
        ("§2", "MOS names no MOID that is not in the Perm list."),
        |stand| Box::pin(mos(stand)),
    ),
    step(
        "flow-package3",
        FLOW,
        MUST,
        (
            "§2",
            "Commands are answered with a Package#3 of its media type that carries OMADM-DevID.",
        ),
        |stand| Box::pin(package3(stand)),
    ),
    step(
        "json-package3",
        &["X-JSON-001"],
        MUST,
        ("§4.3", "Package#3 keeps to its schema."),
        |stand| Box::pin(schema3(stand)),
    ),
    step(
        "flow-status-order",
        FLOW,
        MUST,
        (
            "§4.3",
            "There is one status for each command, in their order.",
        ),
        |stand| Box::pin(order(stand)),
    ),
];

fn has_dev_id(stand: &Stand, package: &Package) -> Judged {
    let found = package.header(DEV_ID);
    let expected = format!("OMADM-DevID: {}", stand.setup.dev_id);
    expect(found == stand.setup.dev_id.as_str(), expected, || {
        format!("{found:?}")
    })
}

async fn dev_id(stand: &mut Stand) -> Judged {
    let package = first(stand).await?;
    has_dev_id(stand, &package)
}

async fn media_type(stand: &mut Stand) -> Judged {
    let package = first(stand).await?;
    let found = package.header("content-type");
    expect(is_type(found, PACKAGE1), PACKAGE1, || found.to_owned())
}

async fn accept(stand: &mut Stand) -> Judged {
    let package = first(stand).await?;
    let found = package.header("accept");
    expect(
        !found.is_empty() && accepts(found, PACKAGE2),
        PACKAGE2,
        || format!("{found:?}"),
    )
}

fn json(package: &Package) -> Result<Json, Verdict> {
    Json::read(&package.ask.body, JsonLimits::default())
        .map_err(|error| Verdict::failed("JSON", error.to_string()))
}

async fn package1(stand: &mut Stand) -> Judged {
    let package = first(stand).await?;
    let read = Package1::read(&json(&package)?);
    read.map(drop)
        .map_err(|error| Verdict::failed("a Package#1 of the schema", error.to_string()))
}

async fn one_cause(stand: &mut Stand) -> Judged {
    let package = first(stand).await?;
    let alerts = package.json["Alert"].as_array().into_iter().flatten();
    let causes = alerts
        .filter(|alert| {
            let kind = alert["AlertType"].as_str().unwrap_or_default();
            CAUSES.iter().any(|cause| cause.as_str() == kind)
        })
        .count();
    expect(causes == 1, "one session cause", || causes.to_string())
}

async fn mos(stand: &mut Stand) -> Judged {
    let package = first(stand).await?;
    let perm: Vec<_> = stand.setup.perm().collect();
    let entries = package.json["MOS"].as_array().into_iter().flatten();
    let beyond: Vec<_> = entries
        .filter_map(|entry| entry["MOID"].as_str())
        .filter(|moid| !perm.contains(moid))
        .collect();
    expect(beyond.is_empty(), "MOIDs of the Perm list alone", || {
        beyond.join(", ")
    })
}

async fn package3(stand: &mut Stand) -> Judged {
    let done = stand.run(&[&["GET", DEV_ID_LEAF]]).await?;
    let found = done.package.header("content-type");
    expect(is_type(found, PACKAGE3), PACKAGE3, || found.to_owned())?;
    has_dev_id(stand, &done.package)
}

async fn schema3(stand: &mut Stand) -> Judged {
    let done = stand.run(&[&["GET", DEV_ID_LEAF]]).await?;
    let read = Package3::read(&json(&done.package)?);
    read.map(drop)
        .map_err(|error| Verdict::failed("a Package#3 of the schema", error.to_string()))
}

async fn order(stand: &mut Stand) -> Judged {
    let absent = "urn:oma:mo:oma-dm-devinfo:1.2/nobody/DevID";
    let done = stand
        .run(&[
            &["GET", DEV_ID_LEAF],
            &["GET", absent],
            &["GET", absent],
            &["GET", DEV_ID_LEAF],
        ])
        .await?;
    let good = |index| (200..300).contains(&done.code(index)) || done.code(index) == 501;
    let bad = |index| done.code(index) >= 400;
    let fits = good(0) && bad(1) && bad(2) && good(3);
    expect(fits, "success, failure, failure, success", || done.shown())
}
