use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, Subcommand};
use omadm_lab::conformance::client::{self, ClientKit, ClientSetup};
use omadm_lab::conformance::report::Report;
use omadm_lab::conformance::server::{self, ServerSubject};
use omadm_lab::conformance::{Check, Hook};
use omadm_mo::{DevId, Scheme, Secret, ServerUri};
use omadm_tls::{CertificateDer, Identity, Psk, pem};

use super::{read_text, say};
use crate::failure::{Explain as _, Failure};

/// Drives any DM Server or DM Client through the items of the conformance tables and reports
#[derive(Subcommand)]
#[command(after_help = "Examples:
  omadm conformance server --url https://dm.example.com/dm/2.0 --ca ca.crt --dev-id IMEI:493005100592800 --cert device.crt --key device.key
  omadm conformance client --dev-id IMEI:493005100592800 --ca-out kit-ca.crt
  omadm conformance server --list")]
pub(crate) enum Conformance {
    /// Be a device to a DM Server: what it does that is right, what it does not
    Server(Box<Server>),
    /// Be bootstrap server, DM Server and data repository to a DM Client
    Client(Box<Client>),
}

/// What both ends are asked for.
#[derive(Args)]
struct Run {
    /// Run this check, or the checks of this item, alone; may be given more than once
    #[arg(long, value_name = "NAME")]
    item: Vec<String>,
    /// List the checks instead of running them
    #[arg(long)]
    list: bool,
    /// Write a report: text=FILE, json=FILE or junit=FILE; may be given more than once
    #[arg(long, value_name = "KIND=FILE")]
    report: Vec<String>,
    /// Print the report as one JSON object
    #[arg(long)]
    json: bool,
    /// Seconds for a connection or an answer
    #[arg(long, default_value_t = 10)]
    limit: u64,
    /// Program that makes the peer do something of its own accord: words parted by blanks, no shell. The call is put behind them
    #[arg(long, value_name = "COMMAND")]
    hook: Option<String>,
}

/// Drives a DM Server: the kit is a device that the server knows
#[derive(Args)]
#[command(after_help = "Examples:
  omadm conformance server --url https://dm.example.com/dm/2.0 --ca ca.crt --dev-id IMEI:493005100592800 --cert device.crt --key device.key
  omadm conformance server --list
  omadm conformance server … --bootstrap-url https://dm.example.com/bootstrap --report junit=server.xml --report json=server.json
  omadm conformance server … --item X-NEGO-001 --item flow-end
  omadm conformance server … --hook 'omadm device'      calls: omadm device send DEVID HGET https://…,
                                                       omadm device notify DEVID --to udp://…
                                                       and omadm device bootstrap DEVID
  omadm conformance server … --psk-url https://dm.example.com:8445/dm/2.0 --psk-identity meter-7 --psk-file key.hex
  omadm conformance server … --repository-url https://dm.example.com/repo/conformance --suites-url https://dm.example.com:8446/dm/2.0

To be prepared on the server: a device of this DevID with the credential that is given here, and a client-initiated bootstrap that waits for it. The kit
completes that bootstrap. A hook that is called with `bootstrap DEVID` may prepare it anew each time, as `omadm device` does, from the device's former profile or
the one that OMADM_PROFILE names; --document FILE tells of one that is used up.

A check fails, differs (omadm decided otherwise where the standard is open), is not applicable, not tested (something was not given) or inconclusive.
Exit code 0: no obligation of level MUST failed or stayed without an answer in what was tested.")]
pub(crate) struct Server {
    /// Where Package#1 goes
    #[arg(long, required_unless_present = "list")]
    url: Option<String>,
    /// Where the server gives bootstraps to clients that ask; one has to wait for the device
    #[arg(long)]
    bootstrap_url: Option<String>,
    /// The DevID under which the server knows the kit
    #[arg(long, required_unless_present = "list")]
    dev_id: Option<String>,
    /// A DevID that is not the kit's
    #[arg(long, default_value = "IMEI:490000000000001")]
    other_dev_id: String,
    /// What the server's certificate chains to (PEM)
    #[arg(long, required_unless_present = "list")]
    ca: Option<PathBuf>,
    /// The device's certificate chain (PEM)
    #[arg(long, requires = "key")]
    cert: Option<PathBuf>,
    /// Its private key (PEM)
    #[arg(long, requires = "cert")]
    key: Option<PathBuf>,
    /// HTTP user
    #[arg(long, requires = "password_file")]
    user: Option<String>,
    /// File that holds the HTTP password; a line break at its end does not count
    #[arg(long, requires = "user")]
    password_file: Option<PathBuf>,
    /// The longest body in octets that the server takes
    #[arg(long)]
    body_limit: Option<usize>,
    /// Where Package#1 goes on a listener of the server for PSK, whose suites are to be checked
    #[arg(long)]
    psk_url: Option<String>,
    /// The identity of a pre-shared key under which the server knows the kit
    #[arg(long, requires = "psk_file", requires = "psk_url")]
    psk_identity: Option<String>,
    /// File that holds the key, 32 to 128 hexadecimal digits
    #[arg(long, requires = "psk_identity")]
    psk_file: Option<PathBuf>,
    /// A listener of the server for the older suites of the X.509 list, where --url does not have them
    #[arg(long)]
    suites_url: Option<String>,
    /// Where the device may put MO data into the server's data repository
    #[arg(long)]
    repository_url: Option<String>,
    /// A bootstrap that the device had before: what the server's account says, where none waits any more
    #[arg(long, value_name = "FILE")]
    document: Option<PathBuf>,
    /// Where the kit takes Notifications over UDP; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:0")]
    notify_listen: String,
    /// Demand every TLS suite of the X.509 list, weak ones too
    #[arg(long)]
    every_suite: bool,
    #[command(flatten)]
    run: Run,
}

/// Drives a DM Client: the kit is bootstrap server, DM Server and data repository
#[derive(Args)]
#[command(after_help = "Examples:
  omadm conformance client --dev-id IMEI:493005100592800 --ca-out kit-ca.crt
  omadm conformance client --dev-id IMEI:493005100592800 --ca-out kit-ca.crt --csr device-csr.pem --cert-out device-cert.pem
  omadm conformance client --dev-id … --listen 0.0.0.0:8443 --host lab.example.com --hook ./trigger.sh
  omadm conformance client --dev-id … --scratch mo.json --exec urn:example:mo:button:1.0//Press --report junit=client.xml
  omadm conformance client --dev-id … --push-to https://192.0.2.7:8444/bootstrap --push-limit 1048576 --item B-12
  omadm conformance client --list

The kit prints the URL of its bootstrap server and waits: start the client with that URL and trust the CA. It is three DM Servers to the client,
conformance-a, -b and -c. The hook is called as `HOOK bootstrap DEVID` (fetch now) and `HOOK session DEVID SRVID` (open a session with that server), and
has to come back at once; without it the checks that need a further session are not tested. For the client of omadm
it is a script; so driven it is no daemon and comes back to no server by itself, which boot-several tells:
  case $1 in
    bootstrap) flock device omadm client bootstrap --dir device --url URL --ca kit-ca.crt & ;;
    session) flock device omadm client session --dir device --ca kit-ca.crt --server \"$3\" & ;;
  esac
With --push-to the kit also pushes: its certificate is for --host, which the client has to know as the host of its bootstrap server.
--scratch holds one item like
{\"ClientURI\": \"urn:example:mo:x:1.0//\", \"MOData\": {…}} of an MO that the client supports.")]
pub(crate) struct Client {
    /// The DevID of the client
    #[arg(long, required_unless_present = "list")]
    dev_id: Option<String>,
    /// Where the kit listens; port 0 takes a free one
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: String,
    /// The name under which the client reaches the kit
    #[arg(long, default_value = "localhost")]
    host: String,
    /// Where the CA certificate that the client has to trust is written (PEM); else it is printed
    #[arg(long)]
    ca_out: Option<PathBuf>,
    /// A certificate request (PEM) of a client that has no certificate to fetch its bootstrap with
    #[arg(long, requires = "cert_out")]
    csr: Option<PathBuf>,
    /// Where the certificate for it is written (PEM)
    #[arg(long, requires = "csr")]
    cert_out: Option<PathBuf>,
    /// File with one item in the MO serialization that the client can add and delete
    #[arg(long)]
    scratch: Option<PathBuf>,
    /// ClientURI of a node that the client may execute without harm; the kit's first server needs the right to
    #[arg(long, value_name = "CLIENTURI")]
    exec: Option<String>,
    /// HTTP user that the client has from elsewhere; without it the account brings user and password
    #[arg(long, requires = "password_file")]
    user: Option<String>,
    /// File that holds the HTTP password; a line break at its end does not count
    #[arg(long, requires = "user")]
    password_file: Option<PathBuf>,
    /// Where the client takes Notifications over UDP
    #[arg(long, value_name = "HOST:PORT")]
    notify_to: Option<String>,
    /// URL where the client takes pushed bootstraps, like https://192.0.2.7:8444/bootstrap
    #[arg(long, value_name = "URL")]
    push_to: Option<String>,
    /// Octets of the longest pushed document that the client takes
    #[arg(long, value_name = "OCTETS", requires = "push_to")]
    push_limit: Option<usize>,
    /// Certificate (PEM) of the client, where it is none of the kit's: nobody else is pushed to
    #[arg(long, value_name = "FILE", requires = "push_to")]
    device_cert: Option<PathBuf>,
    /// Milliseconds, at least, to see that the client does not do something; a slow client gets longer
    #[arg(long, default_value_t = 1000)]
    silence: u64,
    #[command(flatten)]
    run: Run,
}

impl Client {
    async fn run(self) -> Result<(), Failure> {
        if self.run.list {
            return list(&client::checks(), self.run.json);
        }
        let picks = self.run.picks(&client::checks())?;
        let reports = self.run.reports()?;
        let json = self.run.json;
        let kit = ClientKit::start(self.setup()?).await.explain(
            "the DM Client cannot be awaited",
            "choose another --listen, and a name or address for --host",
        )?;
        self.introduce(&kit)?;
        let report = kit.run(&picks, |result| {
            if !json {
                let _closed = say(result.line().trim_end());
            }
        });
        finish(&report.await, &reports, json)
    }

    fn setup(&self) -> Result<ClientSetup, Failure> {
        let what = "the DM Client cannot be awaited";
        let dev_id = DevId::parse(self.dev_id.as_deref().unwrap_or_default());
        let dev_id = dev_id.explain(what, "write a DevID like IMEI:… for --dev-id")?;
        let mut setup = ClientSetup::new(dev_id);
        let listen = self.listen.parse();
        setup.listen = listen.explain(what, "write --listen like 127.0.0.1:8443")?;
        setup.host.clone_from(&self.host);
        setup.limit = Duration::from_secs(self.run.limit);
        setup.silence = Duration::from_millis(self.silence);
        if let Some(to) = &self.notify_to {
            let to = to.parse();
            setup.notify_to = Some(to.explain(what, "write --notify-to like 127.0.0.1:5683")?);
        }
        if let Some(url) = &self.push_to {
            let url = uri(url, "--push-to")?;
            if url.origin().scheme != Scheme::Https {
                return Err(Failure::new(
                    what,
                    "--push-to is no https URL",
                    "a bootstrap is pushed over TLS alone",
                ));
            }
            setup.push_to = Some(url);
        }
        setup.push_limit = self.push_limit;
        setup.device_certificates = certificates(self.device_cert.as_deref())?;
        setup.hook = self.run.hook();
        setup.exec.clone_from(&self.exec);
        setup.http_login = login(self.user.as_ref(), self.password_file.as_deref())?;
        if let Some(file) = &self.scratch {
            let item = serde_json::from_str(&read_text(file)?);
            let item = item.explain(what, format!("{} has to hold JSON", file.display()))?;
            setup.scratch = Some(item);
        }
        Ok(setup)
    }

    /// Says where the kit is and whom to trust. With --json on standard error, so that standard output is the report.
    fn introduce(&self, kit: &ClientKit) -> Result<(), Failure> {
        let written = |file: &Path, text: String| {
            std::fs::write(file, text).explain(
                format!("{} cannot be written", file.display()),
                "check the path",
            )
        };
        let mut lines = vec![format!("bootstrap URL: {}", kit.bootstrap_url())];
        match &self.ca_out {
            Some(file) => {
                written(file, kit.ca_pem())?;
                lines.push(format!("CA to trust:   {}", file.display()));
            }
            None => lines.push(kit.ca_pem()),
        }
        if let (Some(csr), Some(out)) = (&self.csr, &self.cert_out) {
            let issued = kit.issue(&read_text(csr)?);
            let issued = issued.explain(format!("{} cannot be used", csr.display()), "")?;
            written(out, issued)?;
            lines.push(format!("certificate:   {}", out.display()));
        }
        let text = lines.join("\n");
        if self.run.json {
            tracing::warn!("{text}");
            return Ok(());
        }
        say(text)
    }
}

impl Conformance {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        match self {
            Self::Server(server) => server.run().await,
            Self::Client(client) => client.run().await,
        }
    }
}

impl Server {
    async fn run(self) -> Result<(), Failure> {
        if self.run.list {
            return list(&server::checks(), self.run.json);
        }
        let picks = self.run.picks(&server::checks())?;
        let reports = self.run.reports()?;
        let subject = self.subject()?;
        let json = self.run.json;
        let report = server::run(subject, &picks, |result| {
            if !json {
                let _closed = say(result.line().trim_end());
            }
        });
        let report = report.await.explain(
            "the kit cannot be the device",
            "check --ca, --cert and --key",
        )?;
        finish(&report, &reports, json)
    }

    fn subject(&self) -> Result<ServerSubject, Failure> {
        let what = "the DM Server cannot be driven";
        let url = uri(self.url.as_deref().unwrap_or_default(), "--url")?;
        let dev_id = |text: &str, option: &str| {
            DevId::parse(text).explain(what, format!("write a DevID like IMEI:… for {option}"))
        };
        let mut subject = ServerSubject::new(
            url,
            dev_id(self.dev_id.as_deref().unwrap_or_default(), "--dev-id")?,
            dev_id(&self.other_dev_id, "--other-dev-id")?,
            certificates(self.ca.as_deref())?,
        );
        subject.bootstrap_url = match &self.bootstrap_url {
            Some(url) => Some(uri(url, "--bootstrap-url")?),
            None => None,
        };
        if let (Some(cert), Some(key)) = (&self.cert, &self.key) {
            let identity = Identity::from_pem(&read_text(cert)?, &read_text(key)?);
            subject.identity =
                Some(identity.explain(what, "check that --cert and --key belong together")?);
        }
        subject.user = login(self.user.as_ref(), self.password_file.as_deref())?;
        let further = |url: &Option<String>, option| {
            let url = url.as_deref();
            url.map(|url| uri(url, option)).transpose()
        };
        subject.psk_url = further(&self.psk_url, "--psk-url")?;
        subject.suites_url = further(&self.suites_url, "--suites-url")?;
        subject.repository_url = further(&self.repository_url, "--repository-url")?;
        if let (Some(identity), Some(file)) = (&self.psk_identity, &self.psk_file) {
            subject.psk = Some(psk(identity, file)?);
        }
        if let Some(file) = &self.document {
            subject.document = Some(read_text(file)?.into_bytes());
        }
        let listen = self.notify_listen.parse();
        subject.notify_listen =
            listen.explain(what, "write --notify-listen like 127.0.0.1:5683")?;
        subject.body_limit = self.body_limit;
        subject.every_suite = self.every_suite;
        subject.hook = self.run.hook();
        subject.limit = Duration::from_secs(self.run.limit);
        Ok(subject)
    }
}

impl Run {
    /// The checks that were asked for; one that is none is an error, since a run of nothing would pass.
    fn picks(&self, checks: &[Check]) -> Result<Vec<String>, Failure> {
        for pick in &self.item {
            let one = std::slice::from_ref(pick);
            if !checks.iter().any(|check| check.is_picked(one)) {
                return Err(Failure::new(
                    "nothing was checked",
                    format!("no check and no item with a check is named {pick}"),
                    "see --list",
                ));
            }
        }
        Ok(self.item.clone())
    }

    /// Kind and file of each report.
    fn reports(&self) -> Result<Vec<(String, PathBuf)>, Failure> {
        let parts = self.report.iter().map(|report| {
            let known = report.split_once('=');
            let known = known.filter(|(kind, _)| ["text", "json", "junit"].contains(kind));
            known
                .map(|(kind, file)| (kind.to_owned(), PathBuf::from(file)))
                .ok_or_else(|| {
                    Failure::new(
                        "nothing was checked",
                        format!("--report {report} names no report"),
                        "write text=FILE, json=FILE or junit=FILE",
                    )
                })
        });
        parts.collect()
    }

    fn hook(&self) -> Option<Hook> {
        let words = self.hook.as_deref()?.split_whitespace();
        Some(Hook::program(words.map(str::to_owned).collect()))
    }
}

fn list(checks: &[Check], json: bool) -> Result<(), Failure> {
    for check in checks {
        if json {
            say(serde_json::json!({
                "id": check.id, "items": check.items, "level": check.level.as_str(), "says": check.says, "clause": check.clause,
            }))?;
            continue;
        }
        say(format_args!(
            "{:<24} {:<6} {:<24} {} ({})",
            check.id,
            check.level.as_str(),
            check.items.join(" "),
            check.says,
            check.clause
        ))?;
    }
    Ok(())
}

/// Prints and writes the report, and says by the exit code whether the peer passed.
fn finish(report: &Report, reports: &[(String, PathBuf)], json: bool) -> Result<(), Failure> {
    for (kind, file) in reports {
        let text = match kind.as_str() {
            "json" => format!("{}\n", report.json()),
            "junit" => report.junit(),
            _ => report.text(),
        };
        std::fs::write(file, text).explain(
            format!("{} cannot be written", file.display()),
            "check the path",
        )?;
    }
    if json {
        say(report.json())?;
    } else {
        say(report.summary().trim_end())?;
    }
    if report.is_passed() {
        return Ok(());
    }
    Err(Failure::new(
        format!(
            "the DM {} did not pass: {} checks failed, {} were inconclusive",
            report.side.as_str(),
            report.count("failed"),
            report.count("inconclusive")
        ),
        "at least one of them is an obligation of level MUST",
        "read what was expected and seen above, or in a report written with --report text=FILE",
    ))
}

/// User and password, from a file whose last line break does not count.
fn login(user: Option<&String>, file: Option<&Path>) -> Result<Option<(String, Secret)>, Failure> {
    let (Some(user), Some(file)) = (user, file) else {
        return Ok(None);
    };
    let password = read_text(file)?;
    let password = Secret::from(password.trim_end_matches(['\r', '\n']).to_owned());
    Ok(Some((user.clone(), password)))
}

/// A pre-shared key, from a file as `omadm device add --psk-file` takes it.
fn psk(identity: &str, file: &Path) -> Result<Psk, Failure> {
    let what = || format!("{} cannot be used", file.display());
    let text = Secret::from(read_text(file)?);
    let digits = text.expose().trim_ascii();
    let octet = |pair: &[u8]| {
        let [high, low] = pair else { return None };
        let digit = |digit: &u8| char::from(*digit).to_digit(16);
        u8::try_from(digit(high)? * 16 + digit(low)?).ok()
    };
    let octets: Option<Vec<u8>> = digits.chunks(2).map(octet).collect();
    let Some(octets) = octets else {
        let why = "it does not hold hexadecimal digits alone, two for each octet";
        return Err(Failure::new(
            what(),
            why,
            "write the key in hexadecimal digits",
        ));
    };
    let psk = Psk::new(identity.as_bytes(), Secret::new(octets));
    psk.explain(what(), "a key has 16 to 64 octets; its identity is text")
}

fn uri(text: &str, option: &str) -> Result<ServerUri, Failure> {
    ServerUri::parse(text).explain(
        format!("{option} cannot be used"),
        "write it like https://dm.example.com/dm/2.0",
    )
}

fn certificates(file: Option<&Path>) -> Result<Vec<CertificateDer<'static>>, Failure> {
    let Some(file) = file else {
        return Ok(Vec::new());
    };
    pem::certificates(&read_text(file)?).explain(
        format!("{} cannot be used", file.display()),
        "name a file that holds certificates in PEM",
    )
}
