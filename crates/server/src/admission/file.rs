//! The file of an admission policy. Unknown keys are errors with line and column.

use std::path::{Path, PathBuf};
use std::time::Duration;

use omadm_tls::{ClientTrust, ClientTrustError, Fingerprint, pem};
use serde::Deserialize;

use super::pattern::{DevIdPattern, DevIdRule, PatternError};
use super::policy::{AdmissionPolicy, AllowList, Hold, Maker, Permit};

/// Longest time that a device waits, in days.
const MOST_DAYS: u64 = 365;
/// Longest time between two questions, in minutes: a day.
const MOST_MINUTES: u64 = 1440;
/// Most devices of a kind that may wait.
const MOST_WAITING: u64 = 100_000;

/// Why the file of an admission policy cannot be used. Its author is at fault.
#[derive(Debug, thiserror::Error)]
pub enum AdmissionFileError {
    /// A file cannot be read.
    #[error("{} cannot be read: {cause}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the operating system says.
        #[source]
        cause: std::io::Error,
    },
    /// No TOML, an unknown key, a missing one, or a value of another type.
    #[error("{}: {message}", file.display())]
    Form {
        /// The file.
        file: PathBuf,
        /// What the TOML reader says, with line and column.
        message: String,
    },
    /// A pattern or rule is none.
    #[error("{}: {text:?}: {cause}", file.display())]
    Pattern {
        /// The file.
        file: PathBuf,
        /// What stands there.
        text: String,
        /// What is wrong.
        #[source]
        cause: PatternError,
    },
    /// A fingerprint is none.
    #[error("{}: {text:?} is no SHA-256 of a certificate: 64 hexadecimal digits", file.display())]
    Fingerprint {
        /// The file.
        file: PathBuf,
        /// What stands there.
        text: String,
    },
    /// A CA certificate is no PEM.
    #[error("{}: {cause}", file.display())]
    Pem {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        #[source]
        cause: pem::PemError,
    },
    /// A CA certificate cannot be trusted as one.
    #[error("{}: {cause}", file.display())]
    Trust {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        #[source]
        cause: ClientTrustError,
    },
    /// A CA file holds no certificate.
    #[error("{} holds no certificate", .0.display())]
    NoCertificate(PathBuf),
    /// An `[[allow]]` names neither a DevID nor a file, or both.
    #[error("{}: an [[allow]] has either dev_id or file, and a certificate with dev_id alone", .0.display())]
    AllowWhom(PathBuf),
    /// A number beyond its bounds.
    #[error("{}: {key} is from 1 to {most}", file.display())]
    Range {
        /// The file.
        file: PathBuf,
        /// The key.
        key: &'static str,
        /// The highest value.
        most: u64,
    },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct PolicyFile {
    #[serde(default)]
    maker: Vec<MakerTable>,
    #[serde(default)]
    allow: Vec<AllowTable>,
    #[serde(default)]
    hold: Option<HoldTable>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct MakerTable {
    name: String,
    ca: PathBuf,
    #[serde(default)]
    dev_id: Option<String>,
    #[serde(default)]
    only: Vec<String>,
    #[serde(default)]
    profile: Option<String>,
    #[serde(default)]
    approval: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct AllowTable {
    #[serde(default)]
    dev_id: Option<String>,
    #[serde(default)]
    certificate: Option<String>,
    #[serde(default)]
    file: Option<PathBuf>,
    profile: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct HoldTable {
    #[serde(default)]
    profile: Option<String>,
    #[serde(default)]
    self_signed: bool,
    #[serde(default)]
    most: Option<u64>,
    #[serde(default)]
    days: Option<u64>,
    #[serde(default)]
    retry_minutes: Option<u64>,
}

pub(super) fn read(file: &Path) -> Result<AdmissionPolicy, AdmissionFileError> {
    let toml: PolicyFile =
        toml::from_str(&text_of(file)?).map_err(|error| AdmissionFileError::Form {
            file: file.to_owned(),
            message: error.to_string(),
        })?;
    let base = file.parent().unwrap_or_else(|| Path::new("."));
    let mut policy = AdmissionPolicy::default();
    for table in toml.maker {
        policy.makers.push(maker(file, base, table)?);
    }
    for table in toml.allow {
        allow(file, base, table, &mut policy.allowed)?;
    }
    policy.hold = toml.hold.map(|table| hold(file, table)).transpose()?;
    Ok(policy)
}

fn maker(file: &Path, base: &Path, table: MakerTable) -> Result<Maker, AdmissionFileError> {
    let ca = base.join(table.ca);
    let anchors = pem::certificates(&text_of(&ca)?).map_err(|cause| AdmissionFileError::Pem {
        file: ca.clone(),
        cause,
    })?;
    if anchors.is_empty() {
        return Err(AdmissionFileError::NoCertificate(ca));
    }
    if let Err(cause) = ClientTrust::new(&anchors, &[]) {
        return Err(AdmissionFileError::Trust { file: ca, cause });
    }
    let dev_id = table.dev_id.map(|text| {
        DevIdRule::parse(&text).map_err(|cause| AdmissionFileError::Pattern {
            file: file.to_owned(),
            text,
            cause,
        })
    });
    Ok(Maker {
        name: table.name,
        anchors,
        dev_id: dev_id.transpose()?.unwrap_or_default(),
        only: table
            .only
            .iter()
            .map(|text| pattern(file, text))
            .collect::<Result<_, _>>()?,
        profile: table.profile,
        approval: table.approval,
    })
}

fn allow(
    file: &Path,
    base: &Path,
    table: AllowTable,
    list: &mut AllowList,
) -> Result<(), AdmissionFileError> {
    let AllowTable {
        dev_id,
        certificate,
        file: names,
        profile,
    } = table;
    let permit = |certificate| Permit {
        certificate,
        profile: profile.clone(),
    };
    match (dev_id, names) {
        (Some(dev_id), None) => {
            let certificate = certificate
                .map(|text| fingerprint(file, &text))
                .transpose()?;
            list.allow(pattern(file, &dev_id)?, permit(certificate));
        }
        (None, Some(names)) if certificate.is_none() => {
            let names = base.join(names);
            for line in text_of(&names)?.lines().map(str::trim) {
                if line.is_empty() || line.starts_with('#') {
                    continue;
                }
                let (dev_id, certificate) = match line.split_once(',') {
                    Some((dev_id, print)) => (dev_id, Some(fingerprint(&names, print.trim())?)),
                    None => (line, None),
                };
                list.allow(pattern(&names, dev_id.trim())?, permit(certificate));
            }
        }
        _ => return Err(AdmissionFileError::AllowWhom(file.to_owned())),
    }
    Ok(())
}

fn hold(file: &Path, table: HoldTable) -> Result<Hold, AdmissionFileError> {
    let bounded = |key, value: Option<u64>, most| match value {
        Some(value) if value == 0 || value > most => Err(AdmissionFileError::Range {
            file: file.to_owned(),
            key,
            most,
        }),
        value => Ok(value),
    };
    let usual = Hold::default();
    Ok(Hold {
        profile: table.profile,
        self_signed: table.self_signed,
        most: bounded("most", table.most, MOST_WAITING)?.unwrap_or(usual.most),
        lifetime: bounded("days", table.days, MOST_DAYS)?
            .map_or(usual.lifetime, |days| Duration::from_secs(days * 86_400)),
        retry_after: bounded("retry_minutes", table.retry_minutes, MOST_MINUTES)?
            .map_or(usual.retry_after, |minutes| {
                Duration::from_secs(minutes * 60)
            }),
    })
}

fn pattern(file: &Path, text: &str) -> Result<DevIdPattern, AdmissionFileError> {
    DevIdPattern::parse(text).map_err(|cause| AdmissionFileError::Pattern {
        file: file.to_owned(),
        text: text.to_owned(),
        cause,
    })
}

fn fingerprint(file: &Path, text: &str) -> Result<[u8; 32], AdmissionFileError> {
    let print = text.parse::<Fingerprint>().map(|print| *print.octets());
    print.map_err(|_| AdmissionFileError::Fingerprint {
        file: file.to_owned(),
        text: text.to_owned(),
    })
}

fn text_of(file: &Path) -> Result<String, AdmissionFileError> {
    std::fs::read_to_string(file).map_err(|cause| AdmissionFileError::Read {
        file: file.to_owned(),
        cause,
    })
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use omadm_mo::DevId;
    use omadm_tls::{CertificateValidity, DevelopmentCa, UnixTime};

    use super::super::policy::AdmissionPolicy;

    /// Reads this text as a file beside a CA and a list.
    fn read(text: &str) -> Result<AdmissionPolicy, String> {
        let folder = tempfile::tempdir().unwrap();
        let day = Duration::from_secs(86_400);
        let ca = DevelopmentCa::create("Acme", CertificateValidity::starting(UnixTime::now(), day));
        let beside = |name: &str, text: &str| {
            std::fs::write(folder.path().join(name), text).unwrap();
        };
        beside("acme-ca.crt", &ca.unwrap().certificate_pem());
        let print = "ab".repeat(32);
        beside(
            "fleet.csv",
            &format!("# Acme, first delivery\nIMEI:1\nIMEI:2, {print}\n\nIMEI:49*\n"),
        );
        beside("admission.toml", text);
        AdmissionPolicy::read(&folder.path().join("admission.toml"))
            .map_err(|error| error.to_string())
    }

    #[test]
    fn the_template_is_closed_and_with_its_examples_turned_on_it_is_read() {
        assert!(read(AdmissionPolicy::TEMPLATE).unwrap().is_closed());
        let on: String = AdmissionPolicy::TEMPLATE
            .lines()
            .filter(|line| !line.starts_with("##"))
            .map(|line| format!("{}\n", line.trim_start_matches("# ")))
            .collect();
        let policy = read(&on).unwrap();
        assert_eq!(policy.makers[0].anchors.len(), 1);
        assert_eq!(
            policy.hold,
            Some(super::Hold {
                profile: Some("minimal".to_owned()),
                ..super::Hold::default()
            })
        );
        assert_eq!(
            policy.profiles().into_iter().collect::<Vec<_>>(),
            ["minimal"]
        );
        let found = |dev_id: &str, octet, vouched| {
            let dev_id = DevId::parse(dev_id).unwrap();
            policy
                .allowed
                .find(&dev_id, &[octet; 32], vouched)
                .is_some()
        };
        assert!(found("IMEI:2", 0xab, false));
        assert!(!found("IMEI:2", 0xac, true));
        assert!(found("IMEI:1", 0, true) && found("IMEI:4999", 0, true));
    }

    #[test]
    fn what_is_wrong_is_told_by_its_key_or_its_text() {
        for (text, told) in [
            (
                "[[maker]]\nname = 'a'\nca = 'none.crt'",
                "none.crt cannot be read",
            ),
            ("[[maker]]\nname = 'a'\nca = 'fleet.csv'", "fleet.csv"),
            (
                "[[maker]]\nname = 'a'\nca = 'acme-ca.crt'\ndev_id = '{serial}'",
                "{san-uri} or {cn}",
            ),
            (
                "[[maker]]\nname = 'a'\nca = 'acme-ca.crt'\nonly = ['']",
                "visible ASCII",
            ),
            ("[[maker]]\nname = 'a'", "ca"),
            ("[[allow]]\nprofile = 'p'", "either dev_id or file"),
            ("[[allow]]\nfile = 'fleet.csv'", "profile"),
            (
                "[[allow]]\ndev_id = 'IMEI:1'\ncertificate = '12'\nprofile = 'p'",
                "SHA-256",
            ),
            ("[hold]\nmost = 0", "most is from 1 to 100000"),
            ("[hold]\ndays = 366", "days is from 1 to 365"),
            ("[hold]\nself-signed = true", "self-signed"),
        ] {
            let refused = read(text).unwrap_err();
            assert!(refused.contains(told), "{refused}");
        }
    }
}
