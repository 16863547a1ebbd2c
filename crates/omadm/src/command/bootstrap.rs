use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use clap::{Args, Subcommand, ValueEnum};
use omadm_bootstrap::BootstrapPackage;
use omadm_bootstrap::profile::{
    BootstrapProfile, CredentialKind, CredentialSlot, HttpLogin, IssuedCredential, Need,
    NotificationSecret, ProfileInputs, Severity, Template, template, validate,
};
use omadm_client::Client as DmClient;
use omadm_mo::ddf::Ddf;
use omadm_mo::standard::MoRegistry;
use omadm_mo::{DevId, Secret};
use omadm_tls::{CertificateValidity, DevelopmentCa, TlsProfile, TlsSupport, UnixTime};

use super::{read_input, read_text, say};
use crate::failure::{Explain as _, Failure};

/// Authors, checks, builds and previews DM Bootstraps
#[derive(Subcommand)]
#[command(after_help = "Examples:
  omadm bootstrap new --template full > my.toml
  omadm bootstrap check my.toml
  omadm bootstrap build my.toml --dev-id IMEI:493005100592800 --server dm.example.com --ca-cert ca.pem --ca-key ca-key.pem -o document.json
  omadm bootstrap preview document.json --dir device")]
pub(crate) enum Bootstrap {
    /// Print a new profile with a comment for each key
    #[command(
        after_help = "Examples:\n  omadm bootstrap new > my.toml\n  omadm bootstrap new --template full > my.toml"
    )]
    New {
        /// Which one
        #[arg(long, value_enum, default_value = "minimal")]
        template: Which,
    },
    /// Check a profile: what devices would refuse is an error
    #[command(
        after_help = "Examples:\n  omadm bootstrap check my.toml\n  omadm bootstrap check my.toml --json"
    )]
    Check {
        /// The profile (TOML)
        profile: PathBuf,
        /// Print one JSON object a finding
        #[arg(long)]
        json: bool,
    },
    /// Build the document for one device
    #[command(
        after_help = "Examples:\n  omadm bootstrap build my.toml --dev-id IMEI:493005100592800 --server dm.example.com -o document.json"
    )]
    Build(Build),
    /// Say what applying a document would add, replace and remove on a device
    #[command(after_help = "Examples:\n  omadm bootstrap preview document.json --dir device")]
    Preview(Preview),
}

#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Which {
    /// DM Account alone
    Minimal,
    /// Every part of the DM Account and one further management object (its DDF: profiles/ddf/reporting-1.0.ddf)
    Full,
    /// Sessions by HTTP user and password
    Http,
    /// Sessions and further bootstraps by pre-shared keys
    Psk,
}

#[derive(Args)]
pub(crate) struct Build {
    /// The profile (TOML)
    profile: PathBuf,
    /// The device; {dev_id} in the profile
    #[arg(long)]
    dev_id: String,
    /// Host and port of the server; {server} in the profile
    #[arg(long)]
    server: String,
    /// CA certificate (PEM), where the profile brings credentials
    #[arg(long, requires = "ca_key")]
    ca_cert: Option<PathBuf>,
    /// CA key (PEM), where the profile brings credentials
    #[arg(long, requires = "ca_cert")]
    ca_key: Option<PathBuf>,
    /// Where the document is written; it may hold secrets
    #[arg(short, long)]
    out: PathBuf,
}

#[derive(Args)]
pub(crate) struct Preview {
    /// The document, or - for standard input
    document: String,
    /// The device's folder
    #[arg(long, env = "OMADM_DEVICE_DIR")]
    dir: PathBuf,
    /// DDF file of a further management object the device has; may be repeated
    #[arg(long = "ddf")]
    ddfs: Vec<PathBuf>,
}

impl Bootstrap {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        match self {
            Self::New { template: which } => {
                let which = match which {
                    Which::Minimal => Template::Minimal,
                    Which::Full => Template::Full,
                    Which::Http => Template::Http,
                    Which::Psk => Template::Psk,
                };
                say(template(which).trim_end())
            }
            Self::Check { profile, json } => check(&profile, json),
            Self::Build(build) => build.run(),
            Self::Preview(preview) => preview.run().await,
        }
    }
}

/// Credentials and secrets are made only to see that the profile can be built; they are thrown away.
fn check(file: &Path, json: bool) -> Result<(), Failure> {
    let what = format!("{} cannot be checked", file.display());
    let profile = read_profile(file)?;
    let now = now();
    let ca = DevelopmentCa::create("check", CertificateValidity::starting(now, DAY))
        .explain(&what, "")?;
    let dev_id = DevId::parse("IMEI:000000000000000").explain(&what, "")?;
    let inputs = inputs(&profile, file, &dev_id, "server.example", Some(&ca))?;
    let findings = validate(&profile, &inputs, &MoRegistry::standard());
    for finding in &findings {
        if json {
            let severity = if finding.severity == Severity::Error {
                "error"
            } else {
                "warning"
            };
            let cause = finding
                .cause
                .map(omadm_bootstrap::BootstrapFailureCause::code);
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

impl Build {
    fn run(self) -> Result<(), Failure> {
        let what = format!("no document was built from {}", self.profile.display());
        let profile = read_profile(&self.profile)?;
        let dev_id = DevId::parse(&self.dev_id)
            .explain(&what, "write --dev-id like IMEI:493005100592800")?;
        let ca = match (&self.ca_cert, &self.ca_key) {
            (Some(certificate), Some(key)) => {
                let ca = DevelopmentCa::from_pem(&read_text(certificate)?, &read_text(key)?);
                Some(ca.explain(
                    &what,
                    "the CA's certificate and key have to belong together",
                )?)
            }
            _ => None,
        };
        let inputs = inputs(&profile, &self.profile, &dev_id, &self.server, ca.as_ref())?;
        let package: BootstrapPackage = profile
            .build(&inputs, &MoRegistry::standard())
            .explain(&what, "`omadm bootstrap check` names every problem")?;
        write_private(&self.out, package.document()).explain(
            format!("{} cannot be written", self.out.display()),
            "check the path",
        )?;
        say(format!(
            "{}  {} octets  SHA-256 {}",
            self.out.display(),
            package.document().len(),
            package.payload_hash().to_hex()
        ))?;
        let psks = inputs.credentials.values();
        for psk in psks.filter(|made| made.kind == CredentialKind::Psk) {
            let identity = String::from_utf8_lossy(&psk.public);
            say(format!("made the PSK identity {identity}; {REGISTER}"))?;
        }
        if let Some(login) = &inputs.http {
            say(format!("made the HTTP user {}; {REGISTER}", login.user))?;
        }
        Ok(())
    }
}

impl Preview {
    async fn run(self) -> Result<(), Failure> {
        let what = format!("{} cannot be applied", self.document);
        let document = read_input(&self.document)?;
        let dir = omadm_client::DeviceDir::open(&self.dir)
            .explain(&what, "omadm client init makes a device")?;
        let mut builder = DmClient::builder(dir.dev_info().explain(&what, "")?, dir.store_file());
        for file in &self.ddfs {
            builder = builder.mo(Ddf::read(&read_text(file)?)
                .explain(format!("{} is no DDF", file.display()), "")?);
        }
        let client = builder.build().explain(&what, "")?;
        let preview = client
            .preview(document)
            .await
            .map_err(|refusal| Failure::new(&what, &refusal, refusal.cause.action()))?;
        for line in &preview.lines {
            let action = match line.action {
                omadm_bootstrap::plan::PreviewAction::Add => "add",
                omadm_bootstrap::plan::PreviewAction::Replace => "replace",
                omadm_bootstrap::plan::PreviewAction::Remove => "remove",
            };
            say(format!("{action:<8} {}", line.uri))?;
            for (sign, leaves) in [
                ('+', &line.added),
                ('~', &line.changed),
                ('-', &line.removed),
            ] {
                for leaf in leaves {
                    say(format!("       {sign} {leaf}"))?;
                }
            }
        }
        Ok(())
    }
}

const REGISTER: &str = "the server has to be told it and its secret, which is in the document (omadm device add --help)";
const DAY: Duration = Duration::from_secs(86_400);
const YEAR: Duration = Duration::from_secs(365 * 86_400);

fn read_profile(file: &Path) -> Result<BootstrapProfile, Failure> {
    BootstrapProfile::read(&read_text(file)?).explain(
        format!("{} is no profile", file.display()),
        "`omadm bootstrap new` prints one with every key explained",
    )
}

/// Brings what the profile needs: DDF files beside it, credentials of the CA, random secrets.
fn inputs(
    profile: &BootstrapProfile,
    file: &Path,
    dev_id: &DevId,
    server: &str,
    ca: Option<&DevelopmentCa>,
) -> Result<ProfileInputs, Failure> {
    let what = format!("{} needs more to be built", file.display());
    let mut inputs = ProfileInputs {
        dev_id: dev_id.clone(),
        server: server.to_owned(),
        credentials: BTreeMap::new(),
        http: None,
        notification: None,
        server_ca: ca.map(|ca| ca.certificate().to_vec()),
        ddfs: BTreeMap::new(),
    };
    for need in profile.needs() {
        match need {
            Need::Ddf(name) => {
                let path = file.parent().unwrap_or_else(|| Path::new(".")).join(&name);
                inputs.ddfs.insert(name, read_text(&path)?);
            }
            Need::Credential(slot, CredentialKind::X509) => {
                let Some(ca) = ca else {
                    return Err(Failure::new(
                        &what,
                        "it brings a credential, and there is no CA to issue it",
                        "name the CA with --ca-cert and --ca-key",
                    ));
                };
                inputs.credentials.insert(slot, issue(ca, dev_id, slot)?);
            }
            Need::Credential(slot, CredentialKind::Psk) => {
                TlsSupport::of_this_build()
                    .require(TlsProfile::Psk)
                    .explain(
                        &what,
                        "leave out kind = \"psk\", or use a build with the feature",
                    )?;
                let credential = IssuedCredential {
                    kind: CredentialKind::Psk,
                    public: random_name(&what)?.into_bytes(),
                    secret: random_key(&what)?,
                };
                inputs.credentials.insert(slot, credential);
            }
            Need::HttpLogin => {
                inputs.http = Some(HttpLogin {
                    user: random_name(&what)?,
                    password: Secret::from(random_digits(&what)?),
                });
            }
            Need::NotificationSecret => {
                inputs.notification = Some(NotificationSecret {
                    data: Vec::new(),
                    secret: Secret::from(random_digits(&what)?),
                });
            }
            Need::ServerCa if ca.is_none() => {
                return Err(Failure::new(
                    &what,
                    "it brings the server's CA certificate",
                    "name it with --ca-cert and --ca-key",
                ));
            }
            Need::ServerCa => {}
        }
    }
    Ok(inputs)
}

fn issue(
    ca: &DevelopmentCa,
    dev_id: &DevId,
    slot: CredentialSlot,
) -> Result<IssuedCredential, Failure> {
    let validity = CertificateValidity::starting(now(), YEAR);
    let (certificate, identity) = ca
        .issue_for_generated_key(dev_id, validity)
        .explain(format!("no credential was issued for {slot:?}"), "")?;
    Ok(IssuedCredential {
        kind: CredentialKind::X509,
        public: certificate.der.to_vec(),
        secret: identity.key().clone(),
    })
}

/// A name that no other device has.
fn random_name(what: &str) -> Result<String, Failure> {
    Ok(random_digits(what)?.chars().take(32).collect())
}

/// 32 random octets.
fn random_key(what: &str) -> Result<Secret, Failure> {
    let digits = random_digits(what)?;
    let octet = |at| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
    Ok(Secret::new((0..64).step_by(2).filter_map(octet).collect()))
}

/// 64 random hexadecimal digits: the hash of a key that nobody keeps.
fn random_digits(what: &str) -> Result<String, Failure> {
    let random = omadm_tls::DeviceKey::generate().explain(what, "")?;
    Ok(omadm_bootstrap::PayloadHash::of(random.pkcs8().expose()).to_hex())
}

fn write_private(file: &Path, octets: &[u8]) -> std::io::Result<()> {
    use std::io::Write as _;
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create(true).truncate(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(file)?.write_all(octets)
}

fn now() -> UnixTime {
    UnixTime::since_unix_epoch(
        SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default(),
    )
}
