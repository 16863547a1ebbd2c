use std::collections::BTreeMap;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use omadm_bootstrap::BootstrapFailureCause;
use omadm_bootstrap::profile::{BootstrapProfile, Need, Severity, validate};
use omadm_carrier::{DeviceRow, Values};
use omadm_mo::DevId;
use omadm_mo::standard::MoRegistry;
use omadm_tls::{CertificateValidity, DevelopmentCa, UnixTime};

use super::super::{read_text, say};
use crate::failure::{Explain as _, Failure};

const DAY: Duration = Duration::from_secs(86_400);

/// A profile with its text and the DDF files beside it.
pub(super) struct Authored {
    pub(super) profile: BootstrapProfile,
    pub(super) text: String,
    pub(super) ddfs: BTreeMap<String, String>,
}

pub(super) fn read(file: &Path) -> Result<Authored, Failure> {
    let text = read_text(file)?;
    let profile = BootstrapProfile::read(&text).explain(
        format!("{} is no profile", file.display()),
        "`omadm bootstrap new` prints one with every key explained",
    )?;
    let folder = file.parent().unwrap_or_else(|| Path::new("."));
    let mut ddfs = BTreeMap::new();
    for need in profile.needs() {
        if let Need::Ddf(name) = need {
            let ddf = read_text(&folder.join(&name))?;
            ddfs.insert(name, ddf);
        }
    }
    Ok(Authored {
        profile,
        text,
        ddfs,
    })
}

/// Credentials and secrets are made only to see that the profile can be built; they are thrown away.
pub(super) fn check(file: &Path, json: bool) -> Result<(), Failure> {
    let what = format!("{} cannot be checked", file.display());
    let authored = read(file)?;
    let ca = DevelopmentCa::create("check", CertificateValidity::starting(now(), DAY))
        .explain(&what, "")?;
    let row = DeviceRow::bare(DevId::parse("IMEI:000000000000000").explain(&what, "")?);
    let values = Values {
        ddfs: &authored.ddfs,
        ca: Some(&ca),
        server_ca: None,
        draw: true,
        now: now(),
    };
    let inputs = values
        .inputs(&authored.profile, &row, "server.example")
        .explain(&what, VALUE_REMEDY)?;
    let findings = validate(&authored.profile, &inputs, &MoRegistry::standard());
    for finding in &findings {
        if json {
            let severity = if finding.severity == Severity::Error {
                "error"
            } else {
                "warning"
            };
            let cause = finding.cause.map(BootstrapFailureCause::code);
            say(
                serde_json::json!({ "severity": severity, "at": finding.at, "cause": cause, "message": finding.message, "advice": finding.advice }),
            )?;
        } else {
            say(finding)?;
        }
    }
    let errors = findings
        .iter()
        .filter(|finding| finding.severity == Severity::Error)
        .count();
    if errors > 0 {
        return Err(Failure::new(
            format!("{} has {errors} errors", file.display()),
            "devices would refuse what is built from it",
            "mend what is named above",
        ));
    }
    if !json {
        say(format!(
            "{}: good ({} warnings)",
            file.display(),
            findings.len()
        ))?;
    }
    Ok(())
}

/// What to do about a value that is missing.
pub(super) const VALUE_REMEDY: &str = "name --ca-cert and --ca-key for certificates, give a table with --devices, or take it from the server with --from-server; for kind = \"psk\" use a build with the feature";

pub(super) fn now() -> UnixTime {
    UnixTime::since_unix_epoch(
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default(),
    )
}
