mod credential;
mod dm1;
mod package0;

use std::path::{Path, PathBuf};

use clap::Args;
use omadm_carrier::Given;
use omadm_dm1::markup::MarkupLimits;
use omadm_dm1::syncml::Encoding;
use omadm_dm2::Document;
use omadm_lab::decode::{Decoded, NotDecoded, decode};
use omadm_mo::json::JsonLimits;
use omadm_mo::standard::MoRegistry;
use omadm_push::sms::{JoinError, join};

use super::{read_input, say};
use crate::failure::{Explain as _, Failure};

/// Tells what a message or document is and prints it, or says what is wrong with it and where
///
/// DM 2.0: Package#1, #2 and #3, MO serialization, DM Bootstrap, stand-alone alerts, Package#0. DM 1.x: SyncML and client provisioning documents, in XML and
/// WBXML, TNDS and DDF, Package 0. Pushes by WSP and the SMS that carry them: several files are the parts of one SMS, in any order. Octets are taken as
/// they are, in hexadecimal or in base64. Secrets are masked unless asked for.
#[derive(Args)]
#[command(
    after_help = "Examples:\n  omadm decode message.json\n  curl -s … | omadm decode -\n  omadm decode --secrets bootstrap.json\n  echo 11 00 13 64 6D 31 50 | omadm decode -\n  omadm decode --key-file noti-secret.bin notification.bin\n  omadm decode package1.wbxml\n  omadm decode --key-file secret.txt --auth-data-file nonce.bin package1.wbxml\n  omadm decode --pin 1234 part1.hex part2.hex part3.hex\n  omadm decode --imsi 310150123456789 push.hex\n  omadm decode --esn 80A1B2C3 push.hex"
)]
pub(crate) struct Decode {
    /// The file, or - for standard input; several: the parts of one SMS
    #[arg(required = true, value_name = "FILE")]
    files: Vec<String>,
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
    /// Verify the digest of a Package#0 with the octets of this file, as `Auth/Noti/Secret` holds them (DM 1.x: AAuthSecret of SRVCRED), or the credential of
    /// a DM message with AAuthSecret: no base64, no line break
    #[arg(long, value_name = "FILE")]
    key_file: Option<PathBuf>,
    /// The octets of `Auth/Noti/Data` for --key-file (DM 1.x: the nonce); none where not given
    #[arg(long, value_name = "FILE", requires = "key_file")]
    auth_data_file: Option<PathBuf>,
    /// The header `x-syncml-hmac` that came with a DM message: what --key-file verifies in place of its Cred
    #[arg(long, value_name = "HEADER", requires = "key_file")]
    mac_header: Option<String>,
    /// Verify the MAC of a pushed bootstrap with this PIN
    #[arg(long, value_name = "DIGITS")]
    pin: Option<String>,
    /// Verify the MAC of a pushed bootstrap with this IMSI
    #[arg(long, value_name = "DIGITS")]
    imsi: Option<String>,
    /// Verify the MAC of a pushed bootstrap with this ESN of a CDMA device: 8 hexadecimal or 11 decimal digits
    #[arg(long, value_name = "DIGITS", conflicts_with = "imsi")]
    esn: Option<String>,
}

impl Decode {
    pub(crate) fn run(self) -> Result<(), Failure> {
        match &self.files[..] {
            [file] => {
                let input = read_input(file)?;
                self.one(&input)
            }
            _ => self.parts(),
        }
    }

    fn one(&self, input: &[u8]) -> Result<(), Failure> {
        let given = Given::of(input).explain(
            format!(
                "{} is no Package#0 and nothing else that is known",
                self.name()
            ),
            "give two hexadecimal digits for each octet",
        )?;
        match given {
            Given::Json => self.document(input),
            Given::Xml => self.markup(input, Encoding::Xml),
            Given::Octets(octets) => self.octets(&octets),
            Given::Base64(octets) => match decode(&octets, self.limits(), self.secrets) {
                Err(NotDecoded::Unknown) => self.document(input),
                decoded => self.decoded(&octets, decoded),
            },
        }
    }

    /// The parts of one SMS.
    fn parts(&self) -> Result<(), Failure> {
        let what = "the files are not the parts of one SMS";
        let mut parts = Vec::new();
        for file in &self.files {
            match Given::of(&read_input(file)?) {
                Ok(Given::Octets(octets) | Given::Base64(octets)) => parts.push(octets),
                Ok(Given::Json | Given::Xml) => {
                    let why = format!("{file} is a text that spells no octets");
                    return Err(Failure::new(what, why, "give one document at a time"));
                }
                Err(error) => {
                    return Err(Failure::new(
                        what,
                        format!("{file}: {error}"),
                        "give two hexadecimal digits for each octet",
                    ));
                }
            }
        }
        let whole = join(&parts).explain(what, "give each part once, with its user data header")?;
        self.octets(&whole)
    }

    fn octets(&self, octets: &[u8]) -> Result<(), Failure> {
        self.decoded(octets, decode(octets, self.limits(), self.secrets))
    }

    fn decoded(&self, octets: &[u8], decoded: Result<Decoded, NotDecoded>) -> Result<(), Failure> {
        match decoded {
            Ok(Decoded::Package0(octets)) => self.package0(&octets),
            Ok(Decoded::Document(pretty)) => self.say_document(octets, &pretty),
            Ok(Decoded::Trigger(octets)) => self.trigger(&octets),
            Ok(Decoded::Push(push, body)) => self.push(&push, &body),
            // Told as what a lab most often has in hand; the reason names the others.
            Err(NotDecoded::Unknown) => {
                let first = octets.first().map_or_else(String::new, |octet| {
                    format!("octet 0: VER {} is not that of a Package#0; ", octet >> 4)
                });
                Err(Failure::new(
                    format!(
                        "{} is no Package#0 and nothing else that is known",
                        self.name()
                    ),
                    format!("{first}{}", NotDecoded::Unknown),
                    "give the octets from the first one on, of one message",
                ))
            }
            Err(error) => Err(Failure::new(
                format!("{} cannot be decoded", self.name()),
                &error,
                match error {
                    NotDecoded::Sms(JoinError::Missing { .. }) => "give the files of all parts",
                    _ => "mend the octet named; the first is octet 0",
                },
            )),
        }
    }

    fn name(&self) -> &str {
        self.files.first().map_or("-", String::as_str)
    }

    const fn limits(&self) -> MarkupLimits {
        MarkupLimits {
            octets: self.max_octets,
            depth: self.max_depth,
        }
    }

    fn document(&self, octets: &[u8]) -> Result<(), Failure> {
        let limits = JsonLimits {
            depth: self.max_depth,
            octets: self.max_octets,
        };
        let document = Document::read(octets, limits).explain(
            format!(
                "{} is no message or document of DM 2.0 or DM 1.x",
                self.name()
            ),
            "mend the document at the place named",
        )?;
        if self.key_file.is_some() {
            return Err(Failure::new(
                format!("{} has no digest to verify", self.name()),
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
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

fn read_octets(file: &Path) -> Result<Vec<u8>, Failure> {
    let name = file.display();
    std::fs::read(file).explain(format!("{name} cannot be read"), "check the path")
}
