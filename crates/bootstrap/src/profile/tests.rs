//! The two profiles of the repository, and every finding made to appear.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::marker::PhantomData;

use omadm_mo::ddf::Ddf;
use omadm_mo::json::{Json, JsonLimits};
use omadm_mo::serialization::MoItem;
use omadm_mo::standard::{DmAcc, MoRegistry, dac, dev_info, dm_acc, session_info};
use omadm_mo::{DevId, NodePath, Secret, Value};

use super::{
    BootstrapProfile, BuildError, CredentialSlot, Finding, IssuedCredential, Need,
    NotificationSecret, ProfileInputs, Severity, Template, size_limit, template, validate,
};
use crate::{BootstrapFailureCause as Cause, BootstrapMethod, BootstrapPackage};

const MINIMAL: &str = include_str!("../../../../profiles/minimal.toml");
const FULL: &str = include_str!("../../../../profiles/full.toml");
const DDF_FILE: &str = "ddf/reporting-1.0.ddf";
const DDF: &str = include_str!("../../../../profiles/ddf/reporting-1.0.ddf");
const REPORTING: &str = "urn:example:mo:reporting:1.0";

fn inputs() -> ProfileInputs {
    let credential = |n: u8| IssuedCredential {
        certificate: vec![0x30, n],
        key: Secret::new(vec![0x30, n, n]),
    };
    ProfileInputs {
        dev_id: DevId::parse("IMEI:493005100592800").unwrap(),
        server: "dms.example.com:8443".to_owned(),
        credentials: BTreeMap::from([
            (CredentialSlot::Bootstrap, credential(1)),
            (CredentialSlot::Trsp, credential(2)),
        ]),
        notification: Some(NotificationSecret {
            data: vec![7; 8],
            secret: Secret::new(vec![9; 32]),
        }),
        server_ca: Some(vec![0x30, 3]),
        ddfs: BTreeMap::from([(DDF_FILE.to_owned(), DDF.to_owned())]),
    }
}

fn profile(toml: &str) -> BootstrapProfile {
    BootstrapProfile::read(toml).unwrap()
}

fn built(toml: &str) -> BootstrapPackage {
    let built = profile(toml).build(&inputs(), &MoRegistry::standard());
    built.unwrap_or_else(|error| panic!("{error}"))
}

fn findings(toml: &str) -> Vec<Finding> {
    validate(&profile(toml), &inputs(), &MoRegistry::standard())
}

/// The only finding, as severity, place and cause.
fn only(toml: &str) -> (Severity, String, Option<Cause>) {
    let mut found = findings(toml);
    assert_eq!(found.len(), 1, "{found:?}");
    let one = found.remove(0);
    assert!(!one.message.is_empty() && !one.advice.is_empty());
    (one.severity, one.at, one.cause)
}

fn items(package: &BootstrapPackage) -> Vec<MoItem> {
    let json = Json::read(package.document(), JsonLimits::default()).unwrap();
    MoItem::read_all(&json).unwrap()
}

fn replaced(toml: &str, from: &str, to: &str) -> String {
    assert!(toml.contains(from), "{from}");
    toml.replace(from, to)
}

#[test]
fn the_profiles_of_the_repository_read_and_validate_without_a_finding() {
    for toml in [MINIMAL, FULL] {
        assert_eq!(findings(toml), []);
    }
    for kind in [Template::Minimal, Template::Full] {
        assert_eq!(findings(template(kind)), []);
    }
}

#[test]
fn the_full_profile_comes_back_as_the_same_account_from_its_document() {
    let package = built(FULL);
    let items = items(&package);
    assert_eq!(items.len(), 2);
    let uri = items[0].client_uri.as_ref().unwrap();
    assert!(uri.moid == dm_acc::moid() && uri.names_no_instance());
    let bound = items[0]
        .bind(dm_acc::ddf(), &NodePath::root(), "DMAcc")
        .unwrap();
    assert_eq!(dm_acc::ddf().validate(&bound.node), Ok(()));
    let read = DmAcc::from_node(&bound.node).unwrap();
    assert!(read == profile(FULL).dm_acc(&inputs()).unwrap());
    assert_eq!(read.srv_uri.as_str(), "https://dms.example.com:8443/dm/2.0");
    assert_eq!(read.perm.last().unwrap().as_str(), REPORTING);
    let (trsp, bootstrap) = (read.trsp.unwrap(), read.bootstrap.unwrap());
    assert_eq!(trsp.data, [0x30, 2]);
    assert_eq!(bootstrap.client_pub_key, [0x30, 1]);
    assert_eq!(bootstrap.server_pub_key, [0x30, 3]);
    assert_eq!(read.trust, [vec![0x30, 3]]);
    assert_eq!(read.gcm.unwrap().reg_params, "device=IMEI:493005100592800");
}

#[test]
fn a_further_object_is_typed_by_its_ddf() {
    let package = built(FULL);
    let ddf = Ddf::read(DDF).unwrap();
    let bound = items(&package)[1]
        .bind(&ddf, &NodePath::root(), "Reporting")
        .unwrap();
    assert_eq!(ddf.validate(&bound.node), Ok(()));
    let leaf = |names: &[&str]| {
        bound
            .node
            .find(names)
            .and_then(|node| node.value())
            .cloned()
    };
    assert_eq!(leaf(&["Enabled"]), Some(Value::Bool(true)));
    assert_eq!(leaf(&["IntervalSeconds"]), Some(Value::Int(900)));
    assert_eq!(leaf(&["Label"]), Some(Value::chr("IMEI:493005100592800")));
}

#[test]
fn a_minimal_document_holds_the_account_alone_and_needs_nothing() {
    assert_eq!(profile(MINIMAL).needs(), []);
    let package = built(MINIMAL);
    assert_eq!(items(&package).len(), 1);
    assert!(omadm_dm2::Document::read(package.document(), JsonLimits::default()).is_ok());
}

#[test]
fn same_profile_and_inputs_give_the_same_bytes_whatever_the_order_of_keys() {
    assert_eq!(built(FULL).payload_hash(), built(FULL).payload_hash());
    let shuffled = "[[mo]]\nddf = \"ddf/reporting-1.0.ddf\"\nmoid = \"urn:example:mo:reporting:1.0\"\n[mo.data]\nIntervalSeconds = 1\nTarget = { URI = \"u\" }\nEnabled = true\n\
        [account]\nname = \"n\"\nsrv_uri = \"https://h\"\nsrv_id = \"s\"\n";
    let ordered = "[account]\nsrv_id = \"s\"\nsrv_uri = \"https://h\"\nname = \"n\"\n\
        [[mo]]\nmoid = \"urn:example:mo:reporting:1.0\"\nddf = \"ddf/reporting-1.0.ddf\"\n[mo.data]\nEnabled = true\nTarget = { URI = \"u\" }\nIntervalSeconds = 1\n";
    assert!(built(shuffled) == built(ordered));
    let mut other = inputs();
    other.dev_id = DevId::parse("IMEI:1").unwrap();
    let other = profile(FULL).build(&other, &MoRegistry::standard());
    assert!(other.is_ok_and(|other| other.payload_hash() != built(FULL).payload_hash()));
}

#[test]
fn perm_defaults_to_the_standard_objects_and_those_delivered_d85() {
    let perm = profile(MINIMAL).perm().unwrap();
    for moid in [
        dm_acc::moid(),
        dev_info::moid(),
        dac::moid(),
        session_info::moid(),
    ] {
        assert!(perm.contains(&moid), "{moid}");
    }
    assert_eq!(perm.len(), 4);
    let start = FULL.find("perm = [").unwrap();
    let end = start + FULL[start..].find(']').unwrap() + 1;
    let without = format!("{}{}", &FULL[..start], &FULL[end..]);
    let perm = profile(&without).perm().unwrap();
    assert_eq!(perm.len(), 5);
    assert!(perm.iter().any(|moid| moid.as_str() == REPORTING));
}

#[test]
fn what_is_needed_is_listed_and_its_absence_is_named() {
    let full = profile(FULL);
    assert_eq!(
        full.needs(),
        [
            Need::Ddf(DDF_FILE.to_owned()),
            Need::Credential(CredentialSlot::Bootstrap),
            Need::Credential(CredentialSlot::Trsp),
            Need::NotificationSecret,
            Need::ServerCa,
        ]
    );
    let registry = MoRegistry::standard();
    let without = |take: fn(&mut ProfileInputs)| {
        let mut less = inputs();
        take(&mut less);
        full.build(&less, &registry).err()
    };
    assert!(matches!(
        without(|i| i.server_ca = None),
        Some(BuildError::Missing(_))
    ));
    assert!(matches!(
        without(|i| i.notification = None),
        Some(BuildError::Missing(_))
    ));
    assert!(matches!(
        without(|i| i.credentials.clear()),
        Some(BuildError::Missing(_))
    ));
    assert_eq!(
        without(|i| i.ddfs.clear()),
        Some(BuildError::MissingDdf(DDF_FILE.to_owned()))
    );
}

#[test]
fn an_account_that_devices_refuse_is_an_error_with_their_cause() {
    let error = |at: &str, cause| (Severity::Error, at.to_owned(), Some(cause));
    assert_eq!(
        only(&replaced(MINIMAL, "https://", "http://")),
        error("SrvURI", Cause::InsecureSrvUri)
    );
    assert_eq!(
        only(&replaced(
            FULL,
            "server_uri = \"https:",
            "server_uri = \"http:"
        )),
        error("Auth/Bootstrap/ServerURI", Cause::InvalidAccount)
    );
    assert_eq!(
        only(&format!("{MINIMAL}perm = []\n")),
        error("account.perm", Cause::MissingPerm)
    );
    for (from, to) in [
        ("dm.example.com", "bs:dm.example.com"),
        ("https://{server}", "{server}"),
    ] {
        assert_eq!(
            only(&replaced(MINIMAL, from, to)),
            error("the profile", Cause::InvalidAccount)
        );
    }
    assert_eq!(
        only(&format!("{MINIMAL}perm = [\"a b\"]\n")).2,
        Some(Cause::InvalidAccount)
    );
}

#[test]
fn what_works_otherwise_than_its_author_may_think_is_a_warning() {
    let warning = |at: &str| (Severity::Warning, at.to_owned(), None);
    let devinfo = "urn:oma:mo:oma-dm-devinfo:1.2";
    let acc = "urn:oma:mo:oma-dm-dmacc:1.2";
    for (toml, at) in [
        (format!("{MINIMAL}perm = [\"{devinfo}\"]\n"), "account.perm"),
        (
            format!("{MINIMAL}perm = [\"{acc}\", \"{acc}\"]\n"),
            "account.perm",
        ),
        (replaced(MINIMAL, "Example DM Server", " "), "account.name"),
        (replaced(FULL, "type = 1", "type = 2"), "account.noti.type"),
        (
            replaced(FULL, "\nreg_uri = \"https:", "\nreg_uri = \"http:"),
            "account.push.reg_uri",
        ),
        (
            replaced(FULL, "un_reg_uri = \"https:", "un_reg_uri = \"http:"),
            "account.push.un_reg_uri",
        ),
    ] {
        assert_eq!(only(&toml), warning(at), "{toml}");
    }
}

#[test]
fn a_short_notification_secret_is_an_error() {
    let found = |octets| {
        let mut weak = inputs();
        weak.notification = Some(NotificationSecret {
            data: Vec::new(),
            secret: Secret::new(vec![1; octets]),
        });
        validate(&profile(FULL), &weak, &MoRegistry::standard())
    };
    assert_eq!(found(16), []);
    let weak = found(15);
    assert_eq!(weak.len(), 1);
    assert_eq!(
        (weak[0].severity, weak[0].at.as_str()),
        (Severity::Error, "account.noti")
    );
}

#[test]
fn an_object_that_does_not_fit_its_ddf_is_an_error() {
    let missing = only(&replaced(FULL, "Enabled = true\n", ""));
    assert_eq!(
        missing,
        (
            Severity::Error,
            format!("{REPORTING}/Enabled"),
            Some(Cause::InvalidInstance)
        )
    );
    let unknown = findings(&replaced(
        FULL,
        "Enabled = true",
        "Enabled = true\nColour = \"red\"",
    ));
    assert_eq!(unknown[0].cause, Some(Cause::UnknownNode));
    assert!(unknown[0].message.contains("Colour"), "{}", unknown[0]);
    let format = findings(&replaced(
        FULL,
        "IntervalSeconds = 900",
        "IntervalSeconds = true",
    ));
    assert_eq!(format[0].severity, Severity::Error);
    assert!(
        format[0].message.contains("IntervalSeconds"),
        "{}",
        format[0]
    );
    let undescribed = only(&replaced(FULL, "ddf = \"ddf/reporting-1.0.ddf\"\n", ""));
    assert_eq!(undescribed.0, Severity::Error);
}

#[test]
fn a_document_too_large_for_a_card_is_a_warning_for_that_carrier_only() {
    let label = "x".repeat(size_limit(BootstrapMethod::Smartcard));
    let found = findings(&replaced(
        FULL,
        "Label = \"{dev_id}\"",
        &format!("Label = \"{label}\""),
    ));
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].severity, Severity::Warning);
    assert!(
        found[0]
            .message
            .contains(&BootstrapMethod::Smartcard.to_string())
    );
}

struct Probe<T>(PhantomData<T>);

/// True for every type; shadowed by the inherent constant where the type has a `Debug`.
trait WithoutDebug {
    const WITHOUT_DEBUG: bool = true;
}
impl<T> WithoutDebug for Probe<T> {}
impl<T: Debug> Probe<T> {
    const WITHOUT_DEBUG: bool = false;
}

#[test]
fn what_holds_secrets_has_no_debug() {
    let without = [
        Probe::<ProfileInputs>::WITHOUT_DEBUG,
        Probe::<IssuedCredential>::WITHOUT_DEBUG,
        Probe::<NotificationSecret>::WITHOUT_DEBUG,
        Probe::<BootstrapPackage>::WITHOUT_DEBUG,
    ];
    assert_eq!(without, [true; 4]);
    let with = Probe::<Finding>::WITHOUT_DEBUG;
    assert!(!with, "the probe tells the two apart");
}
