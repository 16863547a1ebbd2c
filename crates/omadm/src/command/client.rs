use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use omadm_client::policy::ClientPolicy;
use omadm_client::{BOOTSTRAP_PATH, Client as DmClient, DeviceDir, NOTIFICATION_PATH, NoBootstrap};
use omadm_mo::ddf::Ddf;
use omadm_mo::standard::DevInfo;
use omadm_mo::{DevId, Secret, ServerUri, SrvId};
use omadm_session::client::{Cause, Outcome};
use omadm_tls::{CertificateValidity, UnixTime, pem};

use super::client_asked::{Answering, Asked, Question};
#[cfg(unix)]
use super::client_door::{self, Door};
use super::{client_log, client_pushes, client_switch, client_tree, read_text, say};
use crate::failure::{Explain as _, Failure};

/// Is a DM Client
#[derive(Subcommand)]
#[command(after_help = "Examples:
  omadm client init --dir device --dev-id IMEI:493005100592800
  omadm client bootstrap --dir device --url https://localhost:8443/bootstrap --ca server/ca.crt
  omadm client run --dir device --url https://localhost:8443/bootstrap --ca server/ca.crt
  omadm client tree --dir device

While `omadm client run` runs it holds the device. tree, get, set, exec, status, alerts and pushes then ask it, as it was started: --ddf and --ca of theirs
do not count. The other commands wait until it has ended.")]
pub(crate) enum Client {
    /// Make a device: its key, a request for its certificate, its DevInfo, a policy file
    #[command(
        after_help = "Examples:\n  omadm client init --dir device --dev-id IMEI:493005100592800\n  omadm client init --dir device --dev-id IMEI:493005100592800 --man Acme --mod M1 --dev-type sensor\n  omadm client init --dir device --dev-id IMEI:493005100592800 --self-signed"
    )]
    Init(Init),
    /// Fetch a DM Bootstrap, install it, report BootstrapComplete
    #[command(
        after_help = "Examples:\n  omadm client bootstrap --dir device --url https://localhost:8443/bootstrap --ca server/ca.crt\n  OMADM_BOOTSTRAP_CODE=… omadm client bootstrap --dir device --url https://localhost:8443/bootstrap --ca server/ca.crt"
    )]
    Bootstrap(Bootstrap),
    /// Run until stopped: report what is owed, ask for a bootstrap while there is no account, answer DM Notifications
    #[command(
        after_help = "It takes Notifications where [listen] in the device's policy.toml says, for example udp = \"127.0.0.1:5683\"; without it nothing listens.\n\nAt its start it applies the factory image, once, checks the card in every reader, and reports what is owed. A card that is put into a reader while it runs is checked as at a start.\n\nExamples:\n  omadm client run --dir device --url https://localhost:8443/bootstrap --ca server/ca.crt\n  omadm client run --dir device --card card.json --ca server/ca.crt"
    )]
    Run(Start),
    /// Do once what a start does: apply the factory image, check the cards, fetch a DM Bootstrap where there is no account, report BootstrapComplete
    #[command(
        after_help = "The factory image is what [bootstrap] factory.image of the device's policy.toml names; it is applied once.\nThe cards are those of [bootstrap.smartcard] readers, and of --card: what is new on them is applied, what is gone from them is removed.\nWithout either they are those in every PC/SC reader that is there (feature pcsc).\nreaders names each as \"virtual:FILE\", or as PC/SC does; \"NAME*\" stands for all that begin so, \"*\" for all.\n\nExamples:\n  omadm client switch-on --dir device --ca server/ca.crt\n  omadm client switch-on --dir device --url https://localhost:8443/bootstrap --ca server/ca.crt --json\n  omadm client switch-on --dir device --card card.json --preview"
    )]
    SwitchOn(client_switch::SwitchOn),
    /// Take away tree, accounts, subscriptions and alerts; key, certificate, DevInfo and policy stay
    ///
    /// The factory image is applied again at the next start.
    #[command(
        after_help = "Examples:\n  omadm client factory-reset --dir device\n  omadm client factory-reset --dir device --yes --json"
    )]
    FactoryReset(client_switch::Reset),
    /// Print the DM tree with formats, access, rights and validators; secrets and permission lists are withheld
    #[command(
        after_help = "A line an instance: its ClientURI, cache validator, creator, and each server's rights (Read Write eXecute Delegate).\nA line a node: name, format, what the DDF lets servers do (Add Copy Delete Exec Get Replace), value.\nWhere a server of DM 1.x manages the device: its LocURI, and the properties ACL, Type, Size, Title, TStamp, VerNo; ./DevInfo and ./DevDetail too.\n--json prints one serialization item an instance; its Properties are those of its nodes, by LocURI.\n\nExamples:\n  omadm client tree --dir device\n  omadm client tree --dir device --json --ddf profiles/ddf/reporting-1.0.ddf"
    )]
    Tree(Device),
    /// Read nodes as a local application does
    #[command(
        after_help = "Examples:\n  omadm client get --dir device urn:oma:mo:oma-dm-devinfo:1.2//Man\n  omadm client get --dir device --json 'urn:oma:mo:oma-dm-dmacc:1.2/*/SrvID'\n  omadm client get --dir device ./DevInfo/DevId"
    )]
    Get(client_tree::Get),
    /// Set a leaf as a local application does; servers that subscribed to it are told
    #[command(
        after_help = "Examples:\n  omadm client set --dir device --ddf profiles/ddf/reporting-1.0.ddf urn:example:mo:reporting:1.0//IntervalSeconds 600"
    )]
    Set(client_tree::Set),
    /// Execute a node as a local application does
    #[command(
        after_help = "Examples:\n  omadm client exec --dir device --ddf lamp.ddf urn:example:mo:lamp:1.0//Blink"
    )]
    Exec(client_tree::Exec),
    /// Print the accounts and what is owed to them; without any, what the bootstrap servers said and when each is asked again
    #[command(
        after_help = "A device without usable account asks its bootstrap servers by itself: after a failure in 1, 5 and 30 minutes, then daily, or when the server\nsaid so; after an answer that there is nothing, daily and at the next start. `omadm client bootstrap` asks at once.\n\nExamples:\n  omadm client status --dir device\n  omadm client status --dir device --json"
    )]
    Status(Device),
    /// Open one DM session now, with every server or with one, and report what is owed
    #[command(
        after_help = "The exit code is 0 where the server ended each session by END. Changes that servers subscribed to are reported behind it. While `omadm client run` runs it holds the device, and opens sessions itself.\n\nExamples:\n  omadm client session --dir device --ca server/ca.crt\n  omadm client session --dir device --ca server/ca.crt --server dm.example.com"
    )]
    Session(Session),
    /// Print the bootstraps that came by WAP push and wait for their PIN; give it, or drop one
    #[command(
        after_help = "Pushes are taken where [dm1] pushed_bootstraps and [listen] of the device's policy.toml say so. `omadm client run` asks for the PIN by [dm1] pin, or at its terminal; given here it counts too, whether that runs or not.\n\nExamples:\n  omadm client pushes --dir device\n  omadm client pushes --dir device --answer 1 --ca server/ca.crt\n  omadm client pushes --dir device --answer 1 --pin-file pin.txt --json\n  omadm client pushes --dir device --discard 1"
    )]
    Pushes(client_pushes::Pushes),
    /// Print what waits to be delivered, and why the last bootstrap was refused
    #[command(after_help = "Examples:\n  omadm client alerts --dir device")]
    Alerts(Device),
}

#[derive(Args)]
pub(crate) struct Init {
    /// The device's folder; must not hold a device yet
    #[arg(long, env = "OMADM_DEVICE_DIR")]
    dir: PathBuf,
    /// Its DevID, for example IMEI:493005100592800
    #[arg(long)]
    dev_id: String,
    /// Sign its certificate with its own key, valid for ten years: for a server where it waits until an operator approves it by the fingerprint
    #[arg(long)]
    self_signed: bool,
    /// Man of DevInfo
    #[arg(long, default_value = "unknown")]
    man: String,
    /// Mod of DevInfo
    #[arg(long = "mod", default_value = "unknown")]
    model: String,
    /// DevType of DevInfo
    #[arg(long, default_value = "device")]
    dev_type: String,
}

#[derive(Args)]
pub(crate) struct Device {
    /// The device's folder
    #[arg(long, env = "OMADM_DEVICE_DIR")]
    dir: PathBuf,
    /// DDF file of a further management object; may be repeated
    #[arg(long = "ddf")]
    ddfs: Vec<PathBuf>,
    /// CA certificate (PEM) that servers may chain to, beside those of the policy; may be repeated
    #[arg(long = "ca", env = "OMADM_CA")]
    cas: Vec<PathBuf>,
    /// Print JSON
    #[arg(long)]
    pub(super) json: bool,
}

#[derive(Args)]
pub(crate) struct Bootstrap {
    #[command(flatten)]
    device: Device,
    /// Bootstrap URL, beside the sources of the policy; its server has to chain to --ca
    #[arg(long)]
    url: Option<String>,
    /// File that holds a bootstrap code (D81), for a device without certificate; else OMADM_BOOTSTRAP_CODE
    #[arg(long)]
    code_file: Option<PathBuf>,
}

#[derive(Args)]
pub(crate) struct Session {
    #[command(flatten)]
    device: Device,
    /// SrvID of the server; else every server that the device has an account of, one after the other
    #[arg(long, value_name = "SRVID")]
    server: Option<String>,
}

/// A start of the device.
#[derive(Args)]
pub(crate) struct Start {
    #[command(flatten)]
    bootstrap: Bootstrap,
    /// Card reader that is a file which describes the card in it, beside those of the policy; while the file is not there the reader is empty; may be repeated
    #[arg(long = "card")]
    cards: Vec<PathBuf>,
}

impl Client {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        match self {
            Self::Init(init) => init.run(),
            Self::Bootstrap(bootstrap) => bootstrap.run().await,
            Self::Run(run) => run.daemon().await,
            Self::SwitchOn(start) => client_switch::switch_on(start).await,
            Self::FactoryReset(reset) => client_switch::factory_reset(reset).await,
            Self::Tree(device) => device.ask(Asked::Tree).await,
            Self::Get(get) => get.run().await,
            Self::Set(set) => set.run().await,
            Self::Exec(exec) => exec.run().await,
            Self::Status(device) => device.ask(Asked::Status).await,
            Self::Session(session) => session.run().await,
            Self::Pushes(pushes) => pushes.run().await,
            Self::Alerts(device) => device.ask(Asked::Alerts).await,
        }
    }
}

impl Init {
    fn run(self) -> Result<(), Failure> {
        let what = "the device was not made";
        let dev_info = DevInfo {
            dev_id: DevId::parse(&self.dev_id)
                .explain(what, "write --dev-id like IMEI:493005100592800")?,
            man: self.man,
            mod_: self.model,
            dm_v: "2.0".to_owned(),
            lang: "en".to_owned(),
            dev_type: self.dev_type,
            oem: String::new(),
            fw_v: "0".to_owned(),
            sw_v: env!("CARGO_PKG_VERSION").to_owned(),
            hw_v: String::new(),
        };
        let dir = DeviceDir::init(&self.dir, &dev_info).explain(
            what,
            "choose a folder that holds no device and can be written",
        )?;
        let policy = dir.policy_file();
        if !policy.exists() {
            std::fs::write(&policy, ClientPolicy::TEMPLATE)
                .explain(format!("{} cannot be written", policy.display()), "")?;
        }
        say(format!("device:   {}", self.dev_id))?;
        say(format!(
            "key:      {}   (stays here)",
            dir.key_file().display()
        ))?;
        say(format!(
            "request:  {}   (register it: omadm device add {} --csr …)",
            dir.request_file().display(),
            self.dev_id
        ))?;
        if self.self_signed {
            let decade = Duration::from_secs(10 * 365 * 86_400);
            let validity = CertificateValidity::starting(UnixTime::now(), decade);
            let print = dir.self_sign(&dev_info.dev_id, validity).explain(
                "no certificate was made",
                "ask the server's operator to sign the request",
            )?;
            let file = dir.certificate_file();
            say(format!("identity: {}   (self-signed)", file.display()))?;
            say(format!("SHA-256:  {print}"))?;
        }
        say(format!("DevInfo:  {}", dir.dev_info_file().display()))?;
        say(format!("policy:   {}", policy.display()))
    }
}

impl Bootstrap {
    async fn run(self) -> Result<(), Failure> {
        let json = self.device.json;
        let client = self.open()?;
        let done = client
            .bootstrap()
            .await
            .map_err(|problem| not_fetched(&problem))?;
        settle(&client, json).await?;
        if !json {
            let servers: Vec<_> = done.servers.iter().map(SrvId::as_str).collect();
            say(format!("bootstrapped: {}", servers.join(", ")))?;
        }
        Ok(())
    }

    fn open(&self) -> Result<DmClient, Failure> {
        self.open_with(&[])
    }

    fn open_with(&self, cards: &[PathBuf]) -> Result<DmClient, Failure> {
        let what = "the device cannot be used";
        let mut more = Vec::new();
        if let Some(url) = &self.url {
            more.push(
                ServerUri::parse(url)
                    .explain(what, "write --url like https://localhost:8443/bootstrap")?,
            );
        }
        let code = match &self.code_file {
            Some(file) => Some(read_text(file)?),
            None => std::env::var("OMADM_BOOTSTRAP_CODE").ok(),
        };
        let code = code.map(|code| Secret::from(code.trim().to_owned()));
        self.device.open_with(&more, code, cards)
    }
}

impl Start {
    pub(super) const fn json(&self) -> bool {
        self.bootstrap.device.json
    }

    async fn daemon(self) -> Result<(), Failure> {
        let client = self.open()?;
        let listening = client.listen().await.explain(
            "the device does not listen",
            "mend [listen] in its policy.toml; https and bootstrap need device-cert.pem",
        )?;
        if !self.json() {
            if let Some(address) = listening.udp {
                say(format!("notifications: udp://{address}"))?;
            }
            if let Some(address) = listening.https {
                say(format!(
                    "notifications: https://{address}{NOTIFICATION_PATH}"
                ))?;
            }
            if let Some(address) = listening.bootstrap {
                say(format!(
                    "pushed bootstraps: https://{address}{BOOTSTRAP_PATH}"
                ))?;
            }
            if let Some(smsc) = &listening.smsc {
                say(format!("notifications: sms by the SMSC {smsc}"))?;
            }
            say("the DM Client runs; Ctrl-C or SIGTERM ends it")?;
            let listens = listening.udp.is_some()
                || listening.https.is_some()
                || listening.bootstrap.is_some()
                || listening.smsc.is_some();
            let accounts = client.accounts();
            let accounts = accounts.explain("the state of the device cannot be read", "")?;
            if !listens && !client.has_source() && accounts.is_empty() {
                say(
                    "it has no account and asks nobody for one: a factory image or a card may bring it; else name a source in policy.toml, or with --url and --ca",
                )?;
            }
        }
        #[cfg(unix)]
        let door = Door::open(&self.bootstrap.device.dir);
        #[cfg(unix)]
        if let Err(error) = &door {
            tracing::warn!(%error, "commands cannot reach this client: they have to wait until it ends");
        }
        let asked = async {
            #[cfg(unix)]
            if let Ok(door) = &door {
                door.answer(&client).await;
            }
            std::future::pending::<()>().await;
        };
        let (stop, stopped) = tokio::sync::watch::channel(false);
        let what = "the DM Client stopped";
        let done = tokio::select! {
            () = asked => Ok(()),
            done = client.run(stopped) => done.explain(what, "look at the line above; what is owed stays owed"),
            done = super::serve::stop_signal() => {
                stop.send_replace(true);
                done
            }
        };
        listening.end().await;
        done
    }

    pub(super) fn open(&self) -> Result<DmClient, Failure> {
        self.bootstrap.open_with(&self.cards)
    }
}

impl Session {
    async fn run(self) -> Result<(), Failure> {
        let what = "no session was held";
        let json = self.device.json;
        let client = self.device.open(&[], None)?;
        let wanted = |server: &SrvId| {
            let one = self.server.as_deref();
            one.is_none_or(|one| one == server.as_str())
        };
        let accounts = client.accounts().explain(what, "")?.into_iter();
        let servers = accounts.map(|account| account.srv_id).filter(wanted);
        let servers: Vec<_> = servers.collect();
        if servers.is_empty() {
            return Err(Failure::new(
                what,
                "the device has no such account",
                "`omadm client alerts` names those it has; `omadm client bootstrap` brings the first",
            ));
        }
        let mut failed = None;
        for server in servers {
            let report = client.session(&server).await.explain(what, "")?;
            let ended = report.outcome == Outcome::Ended;
            if json {
                say(
                    serde_json::json!({ "server": server.as_str(), "ended": ended, "owed": report.still_owed }),
                )?;
            } else if ended {
                say(format!("session: {server}  ended by the server"))?;
            }
            if !ended {
                let what = format!("the session with {server} was not ended by the server");
                let why = report.outcome.to_string();
                let todo = "the server's `omadm device show` tells how far it came; OMADM_LOG=info tells what the device did";
                failed = Some(Failure::new(what, why, todo));
            }
        }
        match failed {
            Some(failed) => Err(failed),
            None => settle(&client, json).await,
        }
    }
}

impl Device {
    /// Has it answered by the `omadm client run` that holds the device, else by what lies in its folder.
    pub(super) async fn ask(&self, asked: Asked) -> Result<(), Failure> {
        self.ask_for(asked, self.json).await
    }

    /// The same, as JSON or not.
    pub(super) async fn ask_for(&self, asked: Asked, json: bool) -> Result<(), Failure> {
        let question = Question { json, asked };
        #[cfg(unix)]
        if let Some(answered) = client_door::ask(&self.dir, &question).await {
            return answered;
        }
        let client = self.open(&[], None)?;
        question.answer(&client, Answering::Alone).await
    }

    pub(super) fn open(
        &self,
        urls: &[ServerUri],
        code: Option<Secret>,
    ) -> Result<DmClient, Failure> {
        self.open_with(urls, code, &[])
    }

    fn open_with(
        &self,
        urls: &[ServerUri],
        code: Option<Secret>,
        cards: &[PathBuf],
    ) -> Result<DmClient, Failure> {
        let what = "the device cannot be used";
        let dir = DeviceDir::open(&self.dir)
            .explain(what, "omadm client init --dir … --dev-id … makes one")?;
        let mut builder = DmClient::builder(
            dir.dev_info().explain(what, "mend the file")?,
            dir.store_file(),
        );
        let policy = read_policy(&dir.policy_file())?;
        let mut anchors = Vec::new();
        for file in &self.cas {
            anchors.extend(pem::certificates(&read_text(file)?).explain(
                what,
                format!("{} has to hold a certificate in PEM", file.display()),
            )?);
        }
        builder = builder
            .anchors(anchors.clone())
            .observer(std::sync::Arc::new(client_log::Logged));
        builder = builder
            .policy(&policy)
            .explain(what, "mend the policy file, or the file it names")?;
        for url in urls {
            builder = builder.source(url.clone(), anchors.clone());
        }
        for card in cards {
            builder = builder.card_file(card);
        }
        for file in &self.ddfs {
            let ddf = Ddf::read(&read_text(file)?).explain(
                format!("{} is no DDF", file.display()),
                "mend it at the place named",
            )?;
            builder = builder.mo(ddf);
        }
        if let Some(identity) = dir
            .identity()
            .explain(what, "the certificate has to belong to the device's key")?
        {
            builder = builder.identity(identity);
        }
        if dir.key_file().exists() {
            builder = builder.device_key(dir.device_key().explain(what, "mend the file")?);
        }
        if policy.consent.is_none() && std::io::stdin().is_terminal() {
            builder = builder.consent(client_switch::prompt);
        }
        if policy.dm1.pin.is_none() && std::io::stdin().is_terminal() {
            builder = builder.pin(client_pushes::prompt);
        }
        if let Some(code) = code {
            builder = builder.bootstrap_code(code);
        }
        builder
            .build()
            .map_err(|error| Failure::new(what, &error, error.action()))
    }
}

/// Why nothing was fetched, and what to do.
pub(super) fn not_fetched(problem: &NoBootstrap) -> Failure {
    let todo = match problem {
        NoBootstrap::NoSource => "name one in policy.toml, or with --url and --ca",
        NoBootstrap::Nothing { .. } => {
            "assign a profile on the server: omadm device add … --profile NAME"
        }
        NoBootstrap::Held { .. } => {
            "tell the server's operator, who sees it with `omadm device pending`; `omadm client status` tells when the device asks again"
        }
        NoBootstrap::Later { .. } => {
            "`omadm client bootstrap` asks at once; `omadm client status` tells what was answered"
        }
        NoBootstrap::Refused(refusal) => refusal.cause.action(),
    };
    Failure::new("the device was not bootstrapped", problem, todo)
}

/// Reports what is owed; what stays owed is a failure.
pub(super) async fn settle(client: &DmClient, json: bool) -> Result<(), Failure> {
    let reports = client.settle().await.explain(
        "BootstrapComplete could not be reported",
        "it stays owed; `omadm client run` tries again",
    )?;
    for report in &reports {
        if json {
            let ended = report.outcome == Outcome::Ended;
            say(
                serde_json::json!({ "server": report.server.as_str(), "ended": ended, "owed": report.still_owed }),
            )?;
        }
        if report.still_owed {
            let again = "`omadm client run` tries again by its schedule";
            let (why, todo) = match &report.outcome {
                Outcome::Lost(cause @ Cause::Forbidden(rule)) => (cause.to_string(), rule.action()),
                Outcome::Lost(cause) => (cause.to_string(), again.to_owned()),
                other => (format!("{other:?}"), again.to_owned()),
            };
            return Err(Failure::new(
                format!("BootstrapComplete is still owed to {}", report.server),
                why,
                todo,
            ));
        }
    }
    Ok(())
}

fn read_policy(file: &Path) -> Result<ClientPolicy, Failure> {
    if !file.exists() {
        return Ok(ClientPolicy::default());
    }
    let base = file.parent().unwrap_or_else(|| Path::new("."));
    ClientPolicy::read(&read_text(file)?, base).explain(
        format!("{} cannot be used", file.display()),
        "mend it at the place named",
    )
}
