use std::path::{Path, PathBuf};

use clap::Args;
use omadm_dm2::Document;
use omadm_dm2::package0::{self, DigestCheck, NotificationKey, ReceivedPackage0};
use omadm_mo::Secret;
use omadm_mo::json::JsonLimits;
use omadm_mo::standard::MoRegistry;

use super::{read_input, say};
use crate::failure::{Explain as _, Failure};

/// Tells what a DM 2.0 document is and prints it, or says what is wrong with it and where
///
/// Knows Package#1, #2 and #3, MO serialization, DM Bootstrap and stand-alone alerts. Secrets are masked unless asked for. Knows Package#0 (DM
/// Notification) as binary, hexadecimal or base64 and explains every field of it.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  omadm decode message.json\n  curl -s … | omadm decode -\n  omadm decode --secrets bootstrap.json\n  echo 11 00 13 64 6D 31 50 | omadm decode -\n  omadm decode --key-file noti-secret.bin notification.bin"
)]
pub(crate) struct Decode {
    /// The file, or - for standard input
    file: String,
    /// Show secrets
    #[arg(long)]
    secrets: bool,
    /// Print one JSON object: `kind` and `document`
    #[arg(long)]
    json: bool,
    /// Longest document in octets
    #[arg(long, default_value_t = JsonLimits::default().octets)]
    max_octets: usize,
    /// Deepest nesting
    #[arg(long, default_value_t = JsonLimits::default().depth)]
    max_depth: usize,
    /// Verify the digest of a Package#0 with the octets of this file, as `Auth/Noti/Secret` holds them: no base64, no line break
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// The octets of `Auth/Noti/Data` for --key-file; none where not given
    #[arg(long, value_name = "FILE", requires = "key_file")]
    auth_data_file: Option<PathBuf>,
}

impl Decode {
    pub(crate) fn run(self) -> Result<(), Failure> {
        let input = read_input(&self.file)?;
        let octets = package0::given(&input).explain(
            format!("{} is no Package#0", self.file),
            "give two hexadecimal digits for each octet",
        )?;
        match octets {
            Some(octets) => self.package0(&octets),
            None => self.document(&input),
        }
    }

    fn document(&self, octets: &[u8]) -> Result<(), Failure> {
        let limits = JsonLimits {
            depth: self.max_depth,
            octets: self.max_octets,
        };
        let document = Document::read(octets, limits).explain(
            format!("{} is no DM 2.0 document", self.file),
            "mend the document at the place named",
        )?;
        if self.key_file.is_some() {
            return Err(Failure::new(
                format!("{} has no digest to verify", self.file),
                format!("it is {}, not Package#0", document.title()),
                "leave --key-file out",
            ));
        }
        let body = if self.secrets {
            document.pretty()
        } else {
            document.masked(&MoRegistry::standard())
        };
        if self.json {
            let what = "the document cannot be printed";
            let body: serde_json::Value = serde_json::from_str(&body).explain(what, "")?;
            return say(serde_json::json!({ "kind": document.title(), "document": body }));
        }
        say(document.title())?;
        say(body)
    }

    fn package0(&self, octets: &[u8]) -> Result<(), Failure> {
        let received = ReceivedPackage0::decode(octets).explain(
            format!("{} is no Package#0", self.file),
            "mend the octet named; the first is octet 0",
        )?;
        let Some(key_file) = &self.key_file else {
            let unchecked = match received.package().digest {
                None => DigestCheck::Absent.as_str(),
                Some(_) => NOT_CHECKED,
            };
            return self.say_package0(&received, unchecked);
        };
        let secret = Secret::new(read_octets(key_file)?);
        let auth_data = match &self.auth_data_file {
            Some(file) => read_octets(file)?,
            None => Vec::new(),
        };
        let key = NotificationKey {
            secret: &secret,
            auth_data: &auth_data,
        };
        let check = received.check_digest(key);
        self.say_package0(&received, check.as_str())?;
        self.judge(check, secret.expose().ends_with(b"\n"))
    }

    /// The command fails where the digest that was asked for is not right.
    fn judge(&self, check: DigestCheck, line_break: bool) -> Result<(), Failure> {
        let what = format!("the digest of {} is {}", self.file, check.as_str());
        match check {
            DigestCheck::Right => Ok(()),
            DigestCheck::Absent => Err(Failure::new(
                what,
                "the Notification carries no SHA256-DIGEST (§11.4)",
                "leave --key-file out, or have the server sign its Notifications",
            )),
            DigestCheck::Wrong => Err(Failure::new(
                what,
                if line_break {
                    "it is not that of the secret in --key-file, whose last octet is a line break"
                } else {
                    "it is that of another secret or auth-data, or an octet was changed on the way"
                },
                "compare the files with Auth/Noti/Secret and Auth/Noti/Data of the account, octet by octet",
            )),
        }
    }

    fn say_package0(&self, received: &ReceivedPackage0<'_>, digest: &str) -> Result<(), Failure> {
        let fields = received.explain();
        if self.json {
            let fields: Vec<_> = fields
                .into_iter()
                .map(|field| {
                    serde_json::json!({
                        "at": field.at,
                        "octets": hex(&field.octets),
                        "field": field.name,
                        "value": field.value,
                        "meaning": field.meaning,
                    })
                })
                .collect();
            let document = serde_json::json!({
                "octets": hex(received.octets()),
                "fields": fields,
                "digest": digest,
            });
            return say(serde_json::json!({ "kind": TITLE, "document": document }));
        }
        say(TITLE)?;
        for field in fields {
            say(format_args!(
                "octet {:<4} {:<19} {}: {}",
                field.at, field.name, field.value, field.meaning
            ))?;
        }
        let hint = match digest {
            NOT_CHECKED => " (--key-file checks it)",
            _ => "",
        };
        say(format_args!("digest {digest}{hint}"))
    }
}

const TITLE: &str = "Package#0";
const NOT_CHECKED: &str = "not checked";

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn read_octets(file: &Path) -> Result<Vec<u8>, Failure> {
    let name = file.display();
    std::fs::read(file).explain(format!("{name} cannot be read"), "check the path")
}
