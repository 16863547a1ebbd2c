//! The two profiles of the repository, and every finding made to appear.

mod credentials;

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::marker::PhantomData;

use omadm_mo::ddf::Ddf;
use omadm_mo::json::{Json, JsonLimits};
use omadm_mo::serialization::MoItem;
use omadm_mo::standard::{DmAcc, MoRegistry, dac, dev_info, dm_acc, session_info};
use omadm_mo::{DevId, NodePath, Secret, Value};

use super::{
    BootstrapProfile, BuildError, CredentialKind, CredentialSlot, Finding, HttpLogin,
    IssuedCredential, MoDataProblem, Need, NotificationSecret, ProfileInputs, Severity, Template,
    size_limit, template, validate,
};
use crate::{BootstrapFailureCause as Cause, BootstrapMethod, BootstrapPackage};

const MINIMAL: &str = include_str!("../../../../profiles/minimal.toml");
const FULL: &str = include_str!("../../../../profiles/full.toml");
const DDF_FILE: &str = "ddf/reporting-1.0.ddf";
const DDF: &str = include_str!("../../../../profiles/ddf/reporting-1.0.ddf");
const REPORTING: &str = "urn:example:mo:reporting:1.0";

fn inputs() -> ProfileInputs {
    let credential = |n: u8| IssuedCredential {
        kind: CredentialKind::X509,
        public: vec![0x30, n],
        secret: Secret::new(vec![0x30, n, n]),
    };
    ProfileInputs {
        dev_id: DevId::parse("IMEI:493005100592800").unwrap(),
        server: "dms.example.com:8443".to_owned(),
        credentials: BTreeMap::from([
            (CredentialSlot::Bootstrap, credential(1)),
            (CredentialSlot::Trsp, credential(2)),
        ]),
        http: Some(HttpLogin {
            user: "user".to_owned(),
            password: Secret::from("password".to_owned()),
        }),
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
    for kind in Template::ALL {
        let inputs = match kind {
            Template::Psk => credentials::psk_inputs(),
            _ => inputs(),
        };
        let found = validate(&profile(template(kind)), &inputs, &MoRegistry::standard());
        assert_eq!(found, [], "{kind:?}");
    }
}

#[test]
fn what_devices_of_dm_1x_would_refuse_is_found_and_a_readable_password_is_warned_of() {
    let dm1x = template(Template::Dm1x);
    for (from, to, told) in [
        ("\"https://{server}/dm/1.x\"", "\"{server}\"", "dm1.address"),
        ("auth = \"md5\"", "user = \"{phone}\"", "{phone}"),
        ("\"NAPDEF\"", "\"NAP\"", "there are NAPDEF"),
        (
            "[\"NAPID\", \"internet\"]",
            "[\"NAPID\", \"internet\", \"x\"]",
            "[name, value]",
        ),
    ] {
        let found = findings(&replaced(dm1x, from, to));
        assert_eq!(found.len(), 1, "{found:?}");
        assert_eq!(found[0].severity, Severity::Error);
        assert!(found[0].message.contains(told), "{found:?}");
    }
    let long = format!("[\"NAME\", \"{}\"]", "x".repeat(40_000));
    let found = findings(&replaced(dm1x, "[\"NAME\", \"Internet\"]", &long));
    assert_eq!(found[0].cause, Some(Cause::NotDm1Document), "{found:?}");
    let plain = replaced(dm1x, "https://{server}/dm/1.x", "http://{server}/dm/1.x");
    assert_eq!(findings(&plain), []);
    let named = "auth = \"basic\"\nuser = \"meter-7\"";
    let found = findings(&replaced(&plain, "auth = \"md5\"", named));
    assert_eq!(found[0].severity, Severity::Warning, "{found:?}");
}

#[test]
fn b_14_the_full_profile_comes_back_as_the_same_account_from_its_document() {
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
fn b_26_a_further_object_is_typed_by_its_ddf() {
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
            Need::Credential(CredentialSlot::Bootstrap, CredentialKind::X509),
            Need::Credential(CredentialSlot::Trsp, CredentialKind::X509),
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
    for (from, to, at) in [
        ("dm.example.com", "bs:dm.example.com", "account.srv_id"),
        ("https://{server}", "{server}", "account.srv_uri"),
    ] {
        assert_eq!(
            only(&replaced(MINIMAL, from, to)),
            error(at, Cause::InvalidAccount)
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
    assert_eq!(format[0].cause, Some(Cause::WrongFormat));
    assert!(
        format[0].message.contains("IntervalSeconds"),
        "{}",
        format[0]
    );
    let undescribed = only(&replaced(FULL, "ddf = \"ddf/reporting-1.0.ddf\"\n", ""));
    assert_eq!(
        (undescribed.0, undescribed.1.as_str()),
        (Severity::Error, "mo.ddf")
    );
}

/// The full profile with a label that makes its document so long.
fn full_of(octets: usize) -> String {
    let labelled = |label: &str| {
        replaced(
            FULL,
            "Label = \"{dev_id}\"",
            &format!("Label = \"{label}\""),
        )
    };
    let rest = built(&labelled("")).document().len();
    labelled(&"x".repeat(octets - rest))
}

#[test]
fn a_document_too_large_for_a_card_is_a_warning_for_that_carrier_only() {
    assert_eq!(size_limit(BootstrapMethod::Smartcard), 32_767);
    assert_eq!(findings(&full_of(32_767)), []);
    let found = findings(&full_of(32_768));
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].severity, Severity::Warning);
    assert!(
        found[0]
            .message
            .contains(&BootstrapMethod::Smartcard.to_string())
    );
}

#[test]
fn a_document_too_large_for_every_method_is_an_error() {
    let mib = size_limit(BootstrapMethod::Factory);
    let toml = |octets: usize| {
        let mut profile = profile(FULL);
        let rest = built(FULL).document().len() - inputs().dev_id.as_str().len();
        profile.mo[0].data["Label"] = toml::Value::String("x".repeat(octets - rest));
        validate(&profile, &inputs(), &MoRegistry::standard())
    };
    assert_eq!(toml(mib)[0].severity, Severity::Warning);
    let over = toml(mib + 1);
    assert_eq!(
        (over.len(), over[0].severity, over[0].at.as_str()),
        (1, Severity::Error, "the document")
    );
}

/// What a build with these inputs is refused for, after `validate` has named the same place as an error.
fn refused(toml: &str, inputs: &ProfileInputs) -> BuildError {
    let (profile, registry) = (profile(toml), MoRegistry::standard());
    let error = profile.build(inputs, &registry).err();
    let error = error.unwrap_or_else(|| panic!("built: {toml}"));
    let found = validate(&profile, inputs, &registry);
    assert!(
        found.iter().any(|one| one.severity == Severity::Error),
        "{error}"
    );
    error
}

#[test]
fn a_further_object_is_none_of_the_standard() {
    for moid in [
        dm_acc::moid(),
        dev_info::moid(),
        dac::moid(),
        session_info::moid(),
    ] {
        let toml = format!("{MINIMAL}[[mo]]\nmoid = \"{moid}\"\n[mo.data]\n");
        assert_eq!(refused(&toml, &inputs()), BuildError::StandardMo(moid));
        assert_eq!(only(&toml).1, "mo.moid");
    }
}

#[test]
fn values_of_further_objects_stand_in_no_debug_and_no_error() {
    let secret = "s3cr3t";
    let toml = replaced(
        FULL,
        "Label = \"{dev_id}\"",
        &format!("Label = \"{secret}\""),
    );
    let shown = format!("{:?} {:?}", profile(&toml), profile(&toml).mo[0]);
    assert!(
        !shown.contains(secret) && shown.contains("Label"),
        "{shown}"
    );
    for misfit in [
        replaced(FULL, "900", &format!("\"{secret}\"")),
        replaced(
            FULL,
            "\nLabel = \"{dev_id}\"",
            &format!("\nLabel = \"{{{secret}}}\""),
        ),
        replaced(FULL, "Label = ", &format!("Bad = \"{secret}\"\nLabel = ")),
    ] {
        let error = refused(&misfit, &inputs());
        assert!(!format!("{error} {error:?}").contains(secret), "{error}");
        let found = findings(&misfit);
        assert!(!format!("{found:?}").contains(secret), "{found:?}");
    }
}

#[test]
fn plain_http_does_not_leave_even_where_nobody_validated() {
    assert_eq!(
        refused(&replaced(MINIMAL, "https://", "http://"), &inputs()),
        BuildError::Insecure {
            key: "account.srv_uri"
        }
    );
    let bootstrap = replaced(FULL, "server_uri = \"https:", "server_uri = \"HTTP:");
    let error = refused(&bootstrap, &inputs());
    assert_eq!(error.at(), "account.bootstrap.server_uri");
}

#[test]
fn a_ddf_of_another_object_is_refused() {
    let mut other = inputs();
    let text = replaced(DDF, REPORTING, "urn:example:mo:other:1.0");
    other.ddfs.insert(DDF_FILE.to_owned(), text);
    assert!(matches!(
        refused(FULL, &other),
        BuildError::OtherMoid { described, named, .. }
            if described.as_str() == "urn:example:mo:other:1.0" && named.as_str() == REPORTING
    ));
}

#[test]
fn a_device_is_percent_encoded_inside_a_uri_and_written_as_it_is_elsewhere() {
    let toml = replaced(MINIMAL, "/dm/2.0", "/dm/{dev_id}?d={dev_id}");
    let toml = replaced(&toml, "Example DM Server", "for {dev_id} {} {not one} {");
    let mut odd = inputs();
    odd.dev_id = DevId::parse("urn:x:a/b?c&{server}").unwrap();
    let account = profile(&toml).dm_acc(&odd).unwrap();
    let encoded = "urn%3Ax%3Aa%2Fb%3Fc%26%7Bserver%7D";
    assert_eq!(
        account.srv_uri.as_str(),
        format!("https://dms.example.com:8443/dm/{encoded}?d={encoded}")
    );
    assert_eq!(account.name, "for urn:x:a/b?c&{server} {} {not one} {");
}

#[test]
fn a_placeholder_that_there_is_not_is_an_error_at_its_key() {
    let toml = replaced(MINIMAL, "{server}", "{host}");
    assert_eq!(
        refused(&toml, &inputs()),
        BuildError::Placeholder {
            key: "account.srv_uri",
            name: "host".to_owned()
        }
    );
    assert_eq!(only(&toml).1, "account.srv_uri");
    let data = replaced(FULL, "Label = \"{dev_id}\"", "Label = \"{imei}\"");
    assert_eq!(
        only(&data),
        (Severity::Error, format!("{REPORTING}/Label"), None)
    );
}

#[test]
fn what_devices_skip_or_keep_from_the_server_is_a_warning() {
    let without = replaced(FULL, "  \"urn:example:mo:reporting:1.0\",\n", "");
    assert_eq!(
        only(&without),
        (Severity::Warning, "account.perm".to_owned(), None)
    );
    let ext = "<Node><NodeName>Ext</NodeName><DFProperties><AccessType><Get/></AccessType><DFFormat><node/></DFFormat>\
        <Occurrence><ZeroOrOne/></Occurrence><Scope><Permanent/></Scope><DFType><DDFName/></DFType></DFProperties></Node>";
    let mut open = inputs();
    let at = DDF.rfind("</Node>").unwrap();
    let ddf = format!("{}{ext}{}", &DDF[..at], &DDF[at..]);
    open.ddfs.insert(DDF_FILE.to_owned(), ddf);
    let toml = format!("{FULL}[mo.data.Ext.Vendor]\nMode = 3\n");
    let found = validate(&profile(&toml), &open, &MoRegistry::standard());
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(
        (found[0].severity, &found[0].at),
        (Severity::Warning, &format!("{REPORTING}/Ext/Vendor"))
    );
    let package = profile(&toml).build(&open, &MoRegistry::standard());
    assert!(package.is_ok_and(|package| {
        String::from_utf8_lossy(package.document()).contains("\"Vendor\":{\"Mode\":3}")
    }));
    let array = format!("{FULL}[mo.data.Ext]\nList = [1]\n");
    assert!(matches!(
        refused(&array, &open),
        BuildError::Data {
            problem: MoDataProblem::NoFormat { .. },
            ..
        }
    ));
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
        Probe::<HttpLogin>::WITHOUT_DEBUG,
        Probe::<NotificationSecret>::WITHOUT_DEBUG,
        Probe::<BootstrapPackage>::WITHOUT_DEBUG,
    ];
    assert_eq!(without, [true; 5]);
    let with = Probe::<Finding>::WITHOUT_DEBUG;
    assert!(!with, "the probe tells the two apart");
}
