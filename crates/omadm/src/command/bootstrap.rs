mod author;
mod build;
mod diff;
mod inspect;
mod preview;
mod send;
mod server_source;

pub(crate) use send::{base64_of, wait_for_bootstrap};

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand, ValueEnum};
use omadm_bootstrap::profile::{Template, template};
use omadm_carrier::{Found, FoundError};
use omadm_tls::DeviceKey;

use super::{read_text, say};
use crate::failure::{Explain as _, Failure};

/// Authors, checks, builds, previews and sends DM Bootstraps
#[derive(Subcommand)]
#[command(after_help = "Examples:
  omadm bootstrap new --template full > my.toml
  omadm bootstrap check my.toml
  omadm bootstrap build my.toml --carrier factory --dev-id IMEI:493005100592800 --server dm.example.com -o image
  omadm bootstrap build my.toml --carrier factory --devices devices.csv --server dm.example.com -o images
  omadm bootstrap build my.toml --carrier smartcard --dev-id IMEI:493005100592800 --server dm.example.com -o card
  omadm bootstrap build my.toml --carrier url --server dm.example.com -o address
  omadm bootstrap inspect image
  omadm bootstrap diff image other/factory.json
  omadm bootstrap preview image --dir device
  omadm bootstrap send IMEI:493005100592800 --profile minimal --to https://192.0.2.7:5685/bootstrap --wait 60")]
pub(crate) enum Bootstrap {
    /// Print a new profile with a comment for each key
    #[command(
        after_help = "Examples:\n  omadm bootstrap new > my.toml\n  omadm bootstrap new --template full > my.toml\n  omadm bootstrap new --template dm1x > my.toml"
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
    /// Build a document, or what carries it: a factory image, the files of a smartcard, a URL with its QR code, a push document; for one device or a table of them
    Build(Box<build::Build>),
    /// Tell what a carrier, a batch, an image, a card, a document or a picture of an address holds; secrets are masked
    #[command(
        after_help = "PATH is a folder or file that `omadm bootstrap build` made, or any DM Bootstrap document, of DM 1.x in WBXML or XML; or a WAP push or its SMS as octets, in hexadecimal or in base64.\n\nExamples:\n  omadm bootstrap inspect image\n  omadm bootstrap inspect image/factory.json --key-file device/device-key.pem\n  omadm bootstrap inspect card/card.json\n  omadm bootstrap inspect address/url.png --json\n  omadm bootstrap inspect push/sms-1.hex push/sms-2.hex push/sms-3.hex push/sms-4.hex"
    )]
    Inspect(inspect::Inspect),
    /// Compare two bootstraps by what they would install
    #[command(
        after_help = "Exit codes: 0 they install the same, 1 they differ, 2 they cannot be compared. Of a provisioning document and a DM message of DM 1.x the accounts are compared.\n\nExamples:\n  omadm bootstrap diff old.json new.json\n  omadm bootstrap diff image pushed/push.json --json\n  omadm bootstrap diff cp/push.wsp dm/factory.wbxml"
    )]
    Diff(diff::Diff),
    /// Say what applying a document or carrier would add, replace and remove on a device
    #[command(
        after_help = "STATE of --tree is a device's folder, the file of its tree, or the output of `omadm client tree --json`; the last holds no secret, so what the document brings below Auth shows as new.\n\nExamples:\n  omadm bootstrap preview image --dir device\n  omadm bootstrap preview document.json --tree tree.json --json\n  omadm bootstrap preview push/push.wsp --dir device"
    )]
    Preview(preview::Preview),
    /// Bring a bootstrap to a device that has not asked: push the document over mutual TLS, or call the device to fetch it
    ///
    /// The server sends the document to nobody but the device: whoever answers at the address has to prove a certificate of the device's record. By every other
    /// carrier goes a DM Notification alone. It is tried again, more and more slowly, until the device has it or the tries are used up.
    ///
    /// A client of DM 1.x gets the document itself as a WAP push: signed with its IMSI or ESN, with a PIN, or both, and readable by whoever carries it. Its secrets are
    /// replaced in a session that follows.
    #[command(after_help = "Examples:
  omadm bootstrap send IMEI:493005100592800 --profile minimal --to https://192.0.2.7:5685/bootstrap --wait 60
  omadm bootstrap send IMEI:493005100592800 --profile full --to sms:+15551230001
  omadm bootstrap send IMEI:493005100592800 --profile full --to udp://192.0.2.7:5683 --source boot --noti-secret-file boot-noti.secret --wait 60
  omadm bootstrap send IMEI:493005100592800 --profile dm1x --profile-format cp --to sms:+15551230001 --sec userpin --pin-file pin.txt
  omadm bootstrap send IMEI:493005100592800 --profile dm1x --profile-format dm --to sms:+15551230001 --imsi 310150123456789 --wait 600
  omadm bootstrap send IMEI:493005100592800 --profile dm1x --profile-format cp --model \"NetComm router\" --to sms:+15551230001 --imsi 310150123456789

The device takes a push where [listen] bootstrap of its policy names an address and a [[source]] vouches for this server; it fetches where the source has a
noti_secret_file. With --wait the exit code is 0 where the device reported the bootstrap complete.")]
    Send(Box<send::Send>),
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
    /// The DM Account, and one of DM 1.2 and 1.3 beside it
    Dm1x,
}

/// What opens a sealed image.
#[derive(Args)]
struct Key {
    /// The device's private key (PEM), for an image that was sealed to it
    #[arg(long)]
    key_file: Option<PathBuf>,
}

impl Bootstrap {
    pub(crate) async fn run(self) -> ExitCode {
        let done = match self {
            Self::New { template: which } => {
                let which = match which {
                    Which::Minimal => Template::Minimal,
                    Which::Full => Template::Full,
                    Which::Http => Template::Http,
                    Which::Psk => Template::Psk,
                    Which::Dm1x => Template::Dm1x,
                };
                say(template(which).trim_end())
            }
            Self::Check { profile, json } => author::check(&profile, json),
            Self::Build(build) => build.run().await,
            Self::Inspect(inspect) => inspect.run(),
            Self::Diff(diff) => return diff.run(),
            Self::Preview(preview) => preview.run().await,
            Self::Send(send) => send.run().await,
        };
        match done {
            Ok(()) => ExitCode::SUCCESS,
            Err(failure) => failure.report(),
        }
    }
}

/// What the parts of one SMS carry, in whatever order.
fn parts(files: &[String]) -> Result<Found, Failure> {
    let octets = files.iter().map(|file| super::read_input(file));
    let octets: Vec<_> = octets
        .map(|read| read.map(omadm_mo::Secret::new))
        .collect::<Result<_, _>>()?;
    Found::of_parts(&octets).explain(
        "the files are not the parts of one bootstrap",
        "give each part once; `omadm decode` tells what each of them is",
    )
}

impl Key {
    fn read(&self) -> Result<Option<DeviceKey>, Failure> {
        let Some(file) = &self.key_file else {
            return Ok(None);
        };
        DeviceKey::from_pem(&read_text(file)?)
            .map(Some)
            .explain(format!("{} is no private key", file.display()), "give PEM")
    }

    /// What lies at a path; `-` is standard input.
    fn look(&self, path: &str) -> Result<Found, Failure> {
        let key = self.read()?;
        let found = if path == "-" {
            Found::of(
                omadm_mo::Secret::new(super::read_input(path)?),
                key.as_ref(),
            )
        } else {
            Found::at(path.as_ref(), key.as_ref())
        };
        found.map_err(|why| {
            let todo = match &why {
                FoundError::Read { .. } => "check the path",
                FoundError::Opening(_) => "give the key of the device it was sealed to",
                _ => "build it with `omadm bootstrap build`; `omadm decode` names the place in a document",
            };
            Failure::new(format!("{path} is not what a bootstrap is carried in"), why, todo)
        })
    }

    /// The document at a path.
    fn document(&self, path: &str) -> Result<omadm_carrier::OpenedDocument, Failure> {
        let what = format!("{path} gives no document");
        match self.look(path)? {
            Found::Sealed { recipient } => Err(Failure::new(
                what,
                format!("it is sealed to the key {}", recipient.to_hex()),
                "open it with --key-file",
            )),
            Found::Carrier { damaged, .. } if !damaged.is_empty() => Err(Failure::new(
                what,
                format!("damaged or missing: {}", damaged.join(", ")),
                "build it again",
            )),
            found => found.into_document().ok_or_else(|| {
                Failure::new(
                    what,
                    "it is an address, a batch, sealed, or a card with no document or several",
                    "name a document or the folder of a factory image, smartcard or push; --key-file opens what is sealed",
                )
            }),
        }
    }
}
