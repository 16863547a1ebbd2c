mod card;
mod model;
mod push;

use std::io::IsTerminal as _;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use clap::{Args, ValueEnum};
use indicatif::{ProgressBar, ProgressStyle};
use omadm_bootstrap::dm1::Dm1Format;
use omadm_bootstrap::profile::{CredentialKind, Dm1BuildError, Need};
use omadm_bootstrap::{BootstrapMethod, PayloadHash};
use omadm_carrier::{
    Batch, BatchError, BuildOptions, CarriedDocument, Carrier, CarrierError, DeviceRow,
    DeviceTable, DocumentSource, ProfileSource, SourceError, Values, build, terminal_qr,
    write_private,
};
use omadm_mo::standard::MoRegistry;
use omadm_mo::{DevId, ServerUri};
use omadm_server::BOOTSTRAP_PATH;
use omadm_server::operator::client::ApiError;
use omadm_tls::{DevelopmentCa, SealingKey, pem};

use super::super::api::{self, ApiAddress};
use super::super::{read_text, say};
use super::author::{self, Authored};
use super::server_source::ServerSource;
use card::CardArguments;
use push::PushArguments;

use crate::failure::{Explain as _, Failure};

#[derive(Args)]
#[command(
    after_help = "Without --carrier the document alone is written to the file --out. With it, --out is a folder:
  factory   factory.json, for `[bootstrap] factory.image` of a device's policy; --seal-to encrypts it to the device's key
  smartcard the files of a card (2F00 below the MF, the others in 7F50), card.apdu, which writes them, and card.json, which `--card` and `--virtual` read
  url       url.txt and url.png, the address of client-initiated bootstrap and its QR code
  push      push.json, the body of a server-initiated bootstrap
With --profile-format the documents are those of DM 1.2 and 1.3, of the profile's [dm1]: client provisioning (cp) or a DM message (dm), both in WBXML:
  factory   factory.wbxml; sealed: factory.json
  smartcard the same files; a card names cp by 2.23.43.5.1, dm by 2.23.43.7.1
  push      push.wbxml, the WAP push that brings it with SEC and MAC (push.wsp, push.wsp.hex), and the user data of each SMS (sms-1.bin, sms-1.hex, …);
            --pin and --imsi (CDMA: --esn) sign it
--model says what the devices do differently: which side AAUTHLEVEL means to them, and how the IMSI becomes a key.
and carrier.json, which says what is what. With --devices there are files for each device and manifest.jsonl; a run that was ended goes on where it was.

The columns of --devices (CSV with a head; dev_id alone is required): dev_id, server, http_user, http_password, noti_data, noti_secret (hex),
trsp_cert, trsp_key, bootstrap_cert, bootstrap_key, seal_to (PEM, or the name of a PEM file beside the table), trsp_psk_identity, trsp_psk_key,
bootstrap_psk_identity, bootstrap_psk_key (hex), iccid, card_serial (hex); for --profile-format dm1_client_secret, dm1_client_nonce, dm1_server_secret,
dm1_server_nonce (nonces in base64), imsi or esn, pin.

With --from-server the server makes what a device needs and knows it: a bootstrap by factory image or card is started for each device, and its document taken away.

The same inputs give the same octets, except what is sealed. Certificates, passwords and keys that are made here are new each time.

Examples:
  omadm bootstrap build my.toml --dev-id IMEI:493005100592800 --server dm.example.com -o document.json
  omadm bootstrap build my.toml --carrier factory --dev-id IMEI:493005100592800 --server dm.example.com --ca-cert ca.pem --ca-key ca-key.pem -o image
  omadm bootstrap build my.toml --carrier factory --dev-id IMEI:493005100592800 --server dm.example.com --seal-to device-csr.pem -o image
  omadm bootstrap build my.toml --carrier factory --devices devices.csv --server dm.example.com -o images
  omadm bootstrap build --from-server --server-profile full --register --carrier factory --devices devices.csv -o images
  omadm bootstrap build --from-server --server-profile dm1x --profile-format cp --register --carrier smartcard --devices devices.csv -o cards
  omadm bootstrap build --from-server --server-profile dm1x --profile-format cp --model \"NetComm router\" --register --carrier factory --devices devices.csv -o images
  omadm bootstrap build my.toml --carrier smartcard --dev-id IMEI:493005100592800 --server dm.example.com -o card
  omadm bootstrap build my.toml --carrier url --server dm.example.com:8443 -o address
  omadm bootstrap build my.toml --carrier push --dev-id IMEI:493005100592800 --server dm.example.com -o push
  omadm bootstrap build dm1x.toml --profile-format cp --carrier push --pin 4711 --dev-id IMEI:493005100592800 --server dm.example.com -o push
  omadm bootstrap build dm1x.toml --profile-format cp --model \"NetComm router\" --carrier factory --dev-id IMEI:493005100592800 --server dm.example.com -o image
  omadm bootstrap build dm1x.toml --profile-format dm --carrier smartcard --devices devices.csv --server dm.example.com -o cards"
)]
pub(crate) struct Build {
    /// The profile (TOML); with --server-profile there is none here
    #[arg(
        required_unless_present = "server_profile",
        conflicts_with = "server_profile"
    )]
    profile: Option<PathBuf>,
    /// What is built; without it the document alone
    #[arg(long, value_enum)]
    carrier: Option<Which>,
    /// For devices of DM 1.2 and 1.3, in this form; without it for DM 2.0
    #[arg(long, value_enum)]
    profile_format: Option<Dm1Form>,
    /// The device; {dev_id} in the profile
    #[arg(long, required_unless_present_any = ["devices", "carrier"])]
    dev_id: Option<String>,
    /// Table of devices (CSV): one carrier each
    #[arg(long, conflicts_with = "dev_id", requires = "carrier")]
    devices: Option<PathBuf>,
    /// Host and port of the server; {server} in the profile
    #[arg(long, required_unless_present = "from_server")]
    server: Option<String>,
    /// The address that the carrier url leads to; else https://SERVER/bootstrap
    #[arg(long)]
    url: Option<String>,
    /// CA certificate (PEM), where the profile brings credentials or the server's CA
    #[arg(long)]
    ca_cert: Option<PathBuf>,
    /// CA key (PEM), where the profile brings certificates that the table has not
    #[arg(long, requires = "ca_cert")]
    ca_key: Option<PathBuf>,
    /// Seal a factory image to a device's key: its certificate, certificate request or public key (PEM, P-256)
    #[arg(long)]
    seal_to: Option<PathBuf>,
    /// What the devices do differently (DM 1.x): a model by its name, or its file (profiles/README.md). With --from-server a name: the accounts keep it
    #[arg(long, value_name = "NAME|FILE", requires = "profile_format")]
    model: Option<String>,
    #[command(flatten)]
    card: CardArguments,
    #[command(flatten)]
    push: PushArguments,
    /// Take documents from a DM Server, by its API
    #[arg(long)]
    from_server: bool,
    /// Name of a profile of that server
    #[arg(long, requires = "from_server")]
    server_profile: Option<String>,
    /// Register devices that the server does not know
    #[arg(long, requires = "from_server")]
    register: bool,
    #[command(flatten)]
    api: ApiAddress,
    /// Devices built at a time; else as many as there are processors
    #[arg(long)]
    jobs: Option<NonZeroUsize>,
    /// Where it is written: the file of the document, or the carrier's folder; may hold secrets
    #[arg(short, long)]
    out: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

/// A carrier.
#[derive(Clone, Copy, ValueEnum)]
pub(crate) enum Which {
    /// Image in the device's storage
    Factory,
    /// Files of a smartcard
    Smartcard,
    /// Address with its QR code
    Url,
    /// Document for a push
    Push,
}

/// A form of documents of DM 1.x.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Dm1Form {
    /// OMA Client Provisioning
    Cp,
    /// OMA Device Management: a DM message with TNDS
    Dm,
}

const REGISTER: &str = "the server has to be told it and its secret, which is in the document (omadm device add --help)";

const REGISTER_DM1: &str = "the server has to be told them: `omadm bootstrap inspect --secrets` shows them, `omadm device dm1 add --help` takes them";
const NO_DM1: &str = "add [dm1], or leave --profile-format out; profiles/dm1x.toml is an example";

impl Dm1Form {
    const fn format(self) -> Dm1Format {
        match self {
            Self::Cp => Dm1Format::Cp,
            Self::Dm => Dm1Format::Dm,
        }
    }
}

impl Build {
    pub(super) async fn run(self) -> Result<(), Failure> {
        // Files, cryptography and, at a batch, waiting for the server: not for a thread that serves connections.
        let runtime = tokio::runtime::Handle::current();
        let done = tokio::task::spawn_blocking(move || self.build(runtime)).await;
        done.explain("the build broke off", "what is built stays; build again")?
    }

    fn build(self, runtime: tokio::runtime::Handle) -> Result<(), Failure> {
        let what = "nothing was built";
        let seal_to = match &self.seal_to {
            Some(file) => Some(SealingKey::from_pem(&read_text(file)?).explain(
                format!("{} cannot be sealed to", file.display()),
                "name the device's certificate, request or public key on P-256",
            )?),
            None => None,
        };
        let carrier = self.carrier.map(|which| match which {
            Which::Factory => Carrier::Factory,
            Which::Smartcard => Carrier::Smartcard,
            Which::Url => Carrier::Url,
            Which::Push => Carrier::Push,
        });
        if seal_to.is_some() && carrier != Some(Carrier::Factory) {
            return Err(Failure::new(
                what,
                "only a factory image is sealed",
                "leave --seal-to out, or give --carrier factory",
            ));
        }
        let url = self.address(carrier)?;
        let format = self.profile_format.map(Dm1Form::format);
        let model = match self.model.as_deref() {
            // What is there is signed and written by the server.
            Some(name) if self.from_server => model::named_alone(name).map(|()| None)?,
            Some(name) => Some(model::read(name)?),
            None => None,
        };
        let model = model.unwrap_or_default();
        let options = BuildOptions {
            url: url.as_ref(),
            seal_to: seal_to.as_ref(),
            card: self.card.options(carrier)?,
            push: self
                .push
                .options(carrier, format, model.imsi_key(), self.devices.is_some())?,
        };
        let dev_id = self.dev_id.as_deref().map(DevId::parse).transpose();
        let dev_id = dev_id.explain(what, "write --dev-id like IMEI:493005100592800")?;
        let authored = self.profile.as_deref().map(author::read).transpose()?;
        if let (Some(_), Some(authored)) = (format, &authored)
            && authored.profile.dm1.is_none()
        {
            return Err(Failure::new(what, Dm1BuildError::NotSaid, NO_DM1));
        }
        if self.from_server {
            let method = match carrier {
                None | Some(Carrier::Factory) => BootstrapMethod::Factory,
                Some(Carrier::Smartcard) => BootstrapMethod::Smartcard,
                Some(Carrier::Url | Carrier::Push) => {
                    return Err(Failure::new(
                        what,
                        "a document leaves the server for a factory image or a card alone; others are fetched or pushed by the server itself",
                        "give --carrier factory or smartcard, or leave --from-server out",
                    ));
                }
            };
            let api = self.api.connect()?;
            let text = authored.as_ref().map(|authored| authored.text.as_str());
            let source = ServerSource {
                api: &api,
                runtime,
                profile: self.server_profile.as_deref(),
                profile_toml: text,
                register: self.register,
                method,
                format,
                model: self.model.as_deref(),
            };
            return self.from(&source, carrier, dev_id, &options);
        }
        let Some(authored) = authored else {
            return Err(Failure::new(what, "there is no profile", "name its file"));
        };
        if let (Some(Carrier::Url), Some(url), None) = (carrier, &url, &self.devices) {
            return self.one_url(url, dev_id.as_ref());
        }
        let ca = self.ca()?;
        let server_ca = match &self.ca_cert {
            Some(file) => pem::certificates(&read_text(file)?)
                .explain(format!("{} is no certificate", file.display()), "give PEM")?
                .into_iter()
                .next(),
            None => None,
        };
        let registry = MoRegistry::standard();
        let source = ProfileSource {
            profile: &authored.profile,
            text: &authored.text,
            server: self.server.as_deref().unwrap_or_default(),
            values: Values {
                ddfs: &authored.ddfs,
                ca: ca.as_ref(),
                server_ca: server_ca.as_deref(),
                // In a batch nobody would know what was drawn for whom.
                draw: self.devices.is_none(),
                now: author::now(),
            },
            registry: &registry,
            format,
            app_srv: model.app_srv(),
        };
        self.from(&source, carrier, dev_id, &options)?;
        if self.devices.is_some() || self.json {
            return Ok(());
        }
        match format {
            None => tell_drawn(&authored),
            Some(_) => say(format!("made secrets of both ends; {REGISTER_DM1}")),
        }
    }

    fn from(
        &self,
        source: &dyn DocumentSource,
        carrier: Option<Carrier>,
        dev_id: Option<DevId>,
        options: &BuildOptions<'_>,
    ) -> Result<(), Failure> {
        match (&self.devices, carrier) {
            (Some(table), Some(carrier)) => self.batch(table, source, carrier, options),
            _ => self.single(source, carrier, dev_id, options),
        }
    }

    fn single(
        &self,
        source: &dyn DocumentSource,
        carrier: Option<Carrier>,
        dev_id: Option<DevId>,
        options: &BuildOptions<'_>,
    ) -> Result<(), Failure> {
        let what = format!("{} was not built", self.out.display());
        let dev_id = dev_id.ok_or_else(|| {
            Failure::new(
                &what,
                "it is for one device",
                "name it with --dev-id, or a table with --devices",
            )
        })?;
        let row = DeviceRow::bare(dev_id);
        let document = source
            .document(&row)
            .map_err(|why| not_built(&what, &why))?;
        let Some(carrier) = carrier else {
            write_private(&self.out, document.expose()).explain(
                format!("{} cannot be written", self.out.display()),
                "check the path",
            )?;
            let hash = PayloadHash::of(document.expose()).to_hex();
            if self.json {
                return say(
                    serde_json::json!({ "out": self.out, "octets": document.len(), "payload_sha256": hash }),
                );
            }
            return say(format!(
                "{}  {} octets  SHA-256 {hash}",
                self.out.display(),
                document.len()
            ));
        };
        let document = CarriedDocument::new(document, Some(&row.dev_id)).explain(&what, "")?;
        let set = build(carrier, &document, options)
            .map_err(|why| Failure::new(&what, &why, not_carried(carrier, &why)))?;
        self.write(&set)
    }

    fn one_url(&self, url: &ServerUri, dev_id: Option<&DevId>) -> Result<(), Failure> {
        let what = format!("{} was not built", self.out.display());
        let set = omadm_carrier::build_url(url, dev_id).explain(&what, "give a shorter --url")?;
        self.write(&set)?;
        if !self.json && self.profile_format.is_some() {
            say("form: the server's, which makes the document as the bootstrap was started there")?;
        }
        if !self.json && std::io::stdout().is_terminal() {
            say(terminal_qr(url.as_str()).explain(&what, "")?)?;
        }
        Ok(())
    }

    fn write(&self, set: &omadm_carrier::CarrierSet) -> Result<(), Failure> {
        let what = format!("{} was not built", self.out.display());
        set.write_into(&self.out).explain(&what, "check the path")?;
        let description = &set.description;
        if self.json {
            let text = description.write().explain(&what, "")?;
            return say(text.trim_end());
        }
        for file in &description.files {
            let path = self.out.join(&file.name);
            say(format!("{}  {} octets", path.display(), file.octets))?;
        }
        if let Some(url) = &description.url {
            say(format!("address: {url}"))?;
        }
        if let Some(hash) = description.payload_sha256 {
            say(format!("SHA-256 {} (of the document)", hash.to_hex()))?;
        }
        if let Some(push) = &description.push {
            say(format!("signed by {}, {} SMS", push.sec, push.sms))?;
        }
        if let Some(card) = &description.card {
            say(format!("card {card} (the one in card.json)"))?;
        }
        if let Some(key) = description.sealed_to {
            say(format!("sealed to the key {}", key.to_hex()))?;
        }
        Ok(())
    }

    fn batch(
        &self,
        table: &Path,
        source: &dyn DocumentSource,
        carrier: Carrier,
        options: &BuildOptions<'_>,
    ) -> Result<(), Failure> {
        let what = format!("{} is not complete", self.out.display());
        let devices = DeviceTable::read(table).explain(
            format!("{} is no table of devices", table.display()),
            "`omadm bootstrap build --help` lists the columns",
        )?;
        let batch = Batch {
            carrier,
            folder: &self.out,
            rows: &devices.rows,
            options: options.clone(),
            jobs: self.jobs,
        };
        let left_over = batch.left_over().unwrap_or_default().len();
        let bar = bar(devices.rows.len(), self.json);
        let done = batch.run(source, |done| bar.set_position(done as u64));
        bar.finish_and_clear();
        let done = done.map_err(|why| match &why {
            BatchError::Source { cause, .. } => not_built(&what, cause).because(&why),
            BatchError::Carrier { cause, .. } => {
                Failure::new(&what, &why, not_carried(carrier, cause))
            }
            BatchError::Busy(_) => {
                Failure::new(&what, &why, "wait for it, or choose another folder")
            }
            _ => Failure::new(&what, &why, "mend it; the same command goes on from there"),
        })?;
        let manifest = self.out.join(omadm_carrier::MANIFEST);
        if self.json {
            return say(
                serde_json::json!({ "carrier": carrier.name(), "devices": devices.rows.len(), "built": done.built, "kept": done.kept, "left_over": left_over, "manifest": manifest }),
            );
        }
        say(format!(
            "{} devices: {} built, {} there already; {}",
            devices.rows.len(),
            done.built,
            done.kept,
            manifest.display()
        ))?;
        if left_over > 0 {
            say(format!(
                "{left_over} devices of an earlier run are not in the table; their files were left where they are"
            ))?;
        }
        Ok(())
    }

    fn ca(&self) -> Result<Option<DevelopmentCa>, Failure> {
        let (Some(certificate), Some(key)) = (&self.ca_cert, &self.ca_key) else {
            return Ok(None);
        };
        let ca = DevelopmentCa::from_pem(&read_text(certificate)?, &read_text(key)?);
        ca.map(Some).explain(
            "the CA cannot be used",
            "the CA's certificate and key have to belong together",
        )
    }

    fn address(&self, carrier: Option<Carrier>) -> Result<Option<ServerUri>, Failure> {
        if carrier != Some(Carrier::Url) {
            return Ok(None);
        }
        let given = self.url.clone();
        let of_server = || {
            let server = self.server.as_deref()?;
            Some(format!("https://{server}{BOOTSTRAP_PATH}"))
        };
        let Some(text) = given.or_else(of_server) else {
            return Err(Failure::new(
                "there is no address",
                "neither --url nor --server was given",
                "name one of them",
            ));
        };
        let url = ServerUri::parse(&text).explain(
            "the address cannot be used",
            "write --url like https://dm.example.com:8443/bootstrap",
        )?;
        if url.scheme() != omadm_mo::Scheme::Https {
            return Err(Failure::new(
                "the address cannot be used",
                "a bootstrap is fetched with https:// only",
                "give an https address",
            ));
        }
        Ok(Some(url))
    }
}

fn not_built(what: &str, why: &SourceError) -> Failure {
    let todo = match why {
        SourceError::Values(_) => author::VALUE_REMEDY,
        SourceError::Build(_) => "`omadm bootstrap check` names every problem",
        SourceError::BuildDm1(Dm1BuildError::NotSaid) => NO_DM1,
        SourceError::BuildDm1(_) => "mend the key of [dm1] that is named",
        SourceError::Server(error) => match error.downcast_ref() {
            Some(ApiError::Refused(refused)) if refused.status == 404 => {
                "register the device, or give --register"
            }
            Some(error) => api::todo(error),
            None => "the server's log tells more",
        },
    };
    Failure::new(what, why, todo)
}

/// What to do where a document was built, and no carrier of it.
fn not_carried(carrier: Carrier, why: &CarrierError) -> &'static str {
    match why {
        CarrierError::TooBig { .. } if carrier == Carrier::Smartcard => {
            "leave management objects or certificates out of the profile, or put an account on the card whose server delivers the rest"
        }
        CarrierError::TooBig { .. } => "deliver less, or by another carrier",
        CarrierError::Unsigned => {
            "give --pin, --imsi (or --esn) or both, or the columns pin and imsi (or esn)"
        }
        CarrierError::Sms(_) => {
            "deliver less, or allow more with --sms-parts: few devices take more than 8"
        }
        CarrierError::Card(_) => "give --card-serial 1 to 64 octets",
        CarrierError::Write { .. } => "check the path; the same command goes on from there",
        _ => "mend it, and build again",
    }
}

fn tell_drawn(authored: &Authored) -> Result<(), Failure> {
    for need in authored.profile.needs() {
        match need {
            Need::Credential(slot, CredentialKind::Psk) => {
                say(format!("made a PSK identity for {slot:?}; {REGISTER}"))?;
            }
            Need::HttpLogin => say(format!("made an HTTP user; {REGISTER}"))?,
            _ => {}
        }
    }
    Ok(())
}

fn bar(devices: usize, json: bool) -> ProgressBar {
    if json || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(devices as u64);
    let template = "{wide_bar} {human_pos} of {human_len} devices, {per_sec}, {eta} to go";
    match ProgressStyle::with_template(template) {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}
