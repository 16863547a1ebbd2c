use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Args, ValueEnum};
use omadm_mo::{Secret, ServerUri};
use omadm_server::admission::AdmissionPolicy;
use omadm_server::config::{
    DeviceListener, GenerationPolicy, ReBootstrap, Rotate, ServerConfig, Verdict,
};
use omadm_server::smsc::SmscConfig;
use omadm_server::state_dir::FirstStart;
use omadm_server::store::address::StoreAddress;
use omadm_server::{DmServer, StartError};
use omadm_tls::{TlsProfile, pem};

use super::repository_limits::RepositoryLimits;
use super::{read_text, say};
use crate::failure::{Explain as _, Failure};

const EXAMPLES: &str = "Examples:\n  omadm serve --state ./server --profiles ./profiles\n  omadm serve --state /var/lib/omadm --devices 0.0.0.0:8443 --name dm.example.com\n  omadm serve --state /var/lib/omadm --devices 0.0.0.0:8443 --device-psk-listen 0.0.0.0:8445 --name dm.example.com\n  omadm serve --state /var/lib/omadm --profiles ./profiles --admission /etc/omadm/admission.toml\n  omadm serve --state /var/lib/omadm --store postgres://omadm@db.example.com/omadm?sslrootcert=/etc/omadm/db-ca.pem --public-server dm.example.com:8443\n  omadm serve --state /var/lib/omadm --smpp /etc/omadm/smsc.toml";

/// Runs a DM Server
///
/// On an empty state directory it first makes its CA, its server certificate, its sealing key and an admin token, and prints the CA's fingerprint and the
/// token once. It is closed to every device that was not named with
/// `omadm device add`, unless --admission says who else comes in.
///
/// Several nodes are one server: each names the same PostgreSQL database (`omadm store migrate` prepares it), and each has a copy of the first one's state
/// directory, all but server.sqlite.
#[derive(Args)]
#[command(
    after_help = EXAMPLES,
    after_long_help = examples_and_files()
)]
pub(crate) struct Serve {
    /// State directory: CA, certificate, keys, and the store where --store names no other; made on first start
    #[arg(long, env = "OMADM_STATE")]
    state: PathBuf,
    /// Where the records are: postgres://USER:PASSWORD@HOST/DATABASE or sqlite:FILE; without it, in server.sqlite of the state directory. A password is better in the environment than here, where others on the machine may read it
    #[arg(
        long,
        value_name = "ADDRESS",
        env = "OMADM_STORE",
        hide_env_values = true
    )]
    store: Option<String>,
    /// Where devices come in
    #[arg(long, default_value = "127.0.0.1:8443", env = "OMADM_DEVICES")]
    devices: SocketAddr,
    /// Where devices with pre-shared keys come in: TLS 1.2 with the PSK suites of DM 2.0. Needs a build with the feature `psk` (OpenSSL); nothing listens by default
    #[arg(long, value_name = "ADDR", env = "OMADM_DEVICE_PSK_LISTEN")]
    device_psk_listen: Option<SocketAddr>,
    /// Where devices come in that know only the older X.509 suites of DM 2.0 (static RSA, DHE, CBC), which are weaker: the log says by what. Needs a build with the feature `psk` (OpenSSL); nothing listens by default
    #[arg(long, value_name = "ADDR", env = "OMADM_DEVICE_LEGACY_LISTEN")]
    device_legacy_listen: Option<SocketAddr>,
    /// Where DM 1.x devices without TLS come in: sessions of DM 1.x alone, each message proven by MD5 or MAC, and everybody on the way reads along; nothing listens by default
    #[arg(long, value_name = "ADDR", env = "OMADM_DEVICE_PLAIN_LISTEN")]
    device_plain_listen: Option<SocketAddr>,
    /// Where operators come in
    #[arg(long, default_value = "127.0.0.1:8444", env = "OMADM_OPERATORS")]
    operators: SocketAddr,
    /// Names and addresses that the server certificate made on first start is for; may be repeated
    #[arg(long = "name", env = "OMADM_NAMES", value_delimiter = ',')]
    names: Vec<String>,
    /// Host and port under which devices reach the server, such as its balancer's: what {server} means in profiles. The certificate needs the host as a --name
    #[arg(long, value_name = "HOST:PORT", env = "OMADM_PUBLIC_SERVER", value_parser = host_and_port)]
    public_server: Option<String>,
    /// Folder of bootstrap profiles (*.toml) with their DDFs
    #[arg(long, env = "OMADM_PROFILES")]
    profiles: Option<PathBuf>,
    /// File that says which devices without record are let in when they ask for their bootstrap: by an allow-list, by their maker's CA, or by an operator for whom they wait. TOML, shown below. Without it none is
    #[arg(long, value_name = "FILE", env = "OMADM_ADMISSION")]
    admission: Option<PathBuf>,
    /// What becomes of a completed device that fetches again
    #[arg(long, value_enum, default_value = "refuse", env = "OMADM_RE_BOOTSTRAP")]
    re_bootstrap: Again,
    /// When devices get new secrets without an operator asking for it
    #[arg(long, value_enum, default_value = "recovery", env = "OMADM_ROTATE")]
    rotate: Rotating,
    /// What becomes of a device that comes with a secret that was replaced, and reports no bootstrap
    #[arg(
        long,
        value_enum,
        default_value = "refuse",
        env = "OMADM_REPLACED_SECRET"
    )]
    replaced_secret: Suspect,
    /// What becomes of a device that comes with a revoked credential
    #[arg(
        long,
        value_enum,
        default_value = "refuse",
        env = "OMADM_REVOKED_CREDENTIAL"
    )]
    revoked_credential: Suspect,
    /// What becomes of a device that comes with the credential of another DevID
    #[arg(long, value_enum, default_value = "refuse", env = "OMADM_OTHER_DEVICE")]
    other_device: Suspect,
    /// Days until an uncompleted bootstrap expires
    #[arg(long, default_value_t = 7, env = "OMADM_BOOTSTRAP_DAYS")]
    bootstrap_days: u64,
    /// CA certificates (PEM) that a gateway before the devices may chain to, where DM Notifications go by https; a device is known by its own certificate. May be repeated
    #[arg(
        long = "carrier-ca",
        value_name = "FILE",
        env = "OMADM_CARRIER_CA",
        value_delimiter = ','
    )]
    carrier_cas: Vec<PathBuf>,
    /// File of the SMSC by which DM Notifications, and the WAP pushes of DM 1.x, go to sms:+NUMBER: TOML, shown below. Nothing goes by SMS without it
    #[arg(long, value_name = "FILE", env = "OMADM_SMPP")]
    smpp: Option<PathBuf>,
    /// Folder into which DM Notifications, and the WAP pushes of DM 1.x, to file:NAME are written, for others to carry on
    #[arg(long, value_name = "DIR", env = "OMADM_PUSH_DIR")]
    push_dir: Option<PathBuf>,
    /// Longest request body in octets; longer ones get 413
    #[arg(long, default_value_t = 1 << 20, env = "OMADM_BODY_OCTETS")]
    body_octets: usize,
    /// Deepest nesting of a JSON body; deeper ones get 400
    #[arg(long, default_value_t = 64, env = "OMADM_JSON_DEPTH")]
    json_depth: usize,
    /// Exchanges of a device on one connection, which is then closed so that a balancer may choose another node; 0 for no limit
    #[arg(long, default_value_t = 1000, env = "OMADM_EXCHANGES_PER_CONNECTION")]
    exchanges_per_connection: u32,
    #[command(flatten)]
    repository: RepositoryLimits,
}

#[derive(Clone, Copy, ValueEnum)]
enum Again {
    /// 403, and an event for the operator
    Refuse,
    /// It gets a new bootstrap from the same profile
    Allow,
    /// It gets the same document with the same secrets, which are kept in escrow for that
    Same,
}

#[derive(Clone, Copy, ValueEnum)]
enum Rotating {
    /// Never
    Never,
    /// Where a reset or restored device came back with secrets that had been replaced
    Recovery,
    /// After every completed bootstrap
    Bootstrap,
}

#[derive(Clone, Copy, ValueEnum)]
enum Suspect {
    /// 403, and an event for the operator
    Refuse,
    /// 403 with Retry-After: it comes again, and waits for an operator (see `omadm device show`, `omadm device accept`)
    Hold,
}

impl Suspect {
    const fn verdict(self) -> Verdict {
        match self {
            Self::Refuse => Verdict::Refuse,
            Self::Hold => Verdict::Hold,
        }
    }
}

impl Serve {
    pub(crate) async fn run(self) -> Result<(), Failure> {
        let mut config = ServerConfig::new(self.state.clone());
        let what = "the DM Server did not start";
        // Not by clap, which would quote the password of an address that it refuses.
        let store = self.store.map(|text| text.parse::<StoreAddress>());
        config.store = store
            .transpose()
            .explain(what, "write --store as `omadm serve --help` says")?
            .unwrap_or_default();
        config.device_listen = self.devices;
        let further = [
            (TlsProfile::Psk, self.device_psk_listen),
            (TlsProfile::Legacy, self.device_legacy_listen),
        ];
        for (profile, listen) in further {
            let listener = listen.map(|listen| DeviceListener { profile, listen });
            config.further_device_listeners.extend(listener);
        }
        config
            .plain_device_listeners
            .extend(self.device_plain_listen);
        config.operator_listen = self.operators;
        config.names.extend(self.names);
        config.public_server = self.public_server;
        config.profiles_dir = self.profiles;
        config.bootstrap_lifetime = Duration::from_secs(self.bootstrap_days.saturating_mul(86_400));
        for file in &self.carrier_cas {
            config
                .carrier_anchors
                .extend(pem::certificates(&read_text(file)?).explain(
                    what,
                    format!("{} has to hold a certificate in PEM", file.display()),
                )?);
        }
        let password = std::env::var("OMADM_SMPP_PASSWORD").ok().map(Secret::from);
        let smsc = self.smpp.map(|file| SmscConfig::read(&file, password));
        config.smsc = smsc.transpose().explain(
            what,
            "mend the file of --smpp; `omadm serve --help` shows one",
        )?;
        let admission = self.admission.map(|file| AdmissionPolicy::read(&file));
        config.admission = admission
            .transpose()
            .explain(
                what,
                "mend the file of --admission; `omadm serve --help` shows one",
            )?
            .unwrap_or_default();
        config.push_dir = self.push_dir;
        config.limits.body_octets = self.body_octets;
        config.limits.json_depth = self.json_depth;
        config.limits.exchanges_per_connection =
            Some(self.exchanges_per_connection).filter(|most| *most > 0);
        self.repository.apply(&mut config.limits);
        config.re_bootstrap = match self.re_bootstrap {
            Again::Refuse => ReBootstrap::Refuse,
            Again::Allow => ReBootstrap::Allow,
            Again::Same => ReBootstrap::Same,
        };
        config.rotate = match self.rotate {
            Rotating::Never => Rotate::Never,
            Rotating::Recovery => Rotate::AfterRecovery,
            Rotating::Bootstrap => Rotate::AfterBootstrap,
        };
        config.generations = GenerationPolicy {
            without_event: self.replaced_secret.verdict(),
            revoked: self.revoked_credential.verdict(),
            other_device: self.other_device.verdict(),
        };
        let running = match DmServer::new(config).start().await {
            Ok(running) => running,
            Err(StartError::AfterFirstStart { cause, first }) => {
                let state = self.state.display();
                say(format!("state directory: {state} (made)"))?;
                say_ca(&self.state, &first.ca_fingerprint)?;
                say_token(&first)?;
                let goes_on = format!("{state} was made, and the next start goes on with it");
                let todo = format!("keep the admin token; {goes_on}; {}", remedy(&cause));
                return Err(Failure::new(what, &cause, todo));
            }
            Err(err) => {
                let mut todo = remedy(&err).to_owned();
                if is_before_any_change(&err) {
                    todo.insert_str(0, "nothing was changed; ");
                }
                return Err(Failure::new(what, &err, todo));
            }
        };
        say(format!("devices:         https://{}", running.device_addr))?;
        for (profile, address) in &running.further_device_addrs {
            let label = format!("devices, {profile}:");
            say(format!("{label:<17}https://{address}"))?;
        }
        for address in &running.plain_device_addrs {
            say(format!("devices, plain:  http://{address}"))?;
        }
        say(format!(
            "operators:       https://{}/api/v1",
            running.operator_addr
        ))?;
        say_ca(&self.state, &running.ca_fingerprint)?;
        if let Some(first) = &running.first_start {
            say_token(first)?;
        }
        stop_signal().await?;
        say("ending: running exchanges are let through")?;
        running.shutdown().await.explain(
            "the DM Server did not end well",
            "everything acknowledged is durable all the same",
        )
    }
}

fn examples_and_files() -> String {
    format!(
        "{EXAMPLES}\n\nA file for --admission:\n\n{}\nA file for --smpp:\n\n{}",
        AdmissionPolicy::TEMPLATE,
        SmscConfig::TEMPLATE
    )
}

fn say_ca(state: &Path, fingerprint: &impl fmt::Display) -> Result<(), Failure> {
    say(format!(
        "CA certificate:  {}",
        state.join("ca.crt").display()
    ))?;
    say(format!("CA fingerprint:  SHA-256 {fingerprint}"))
}

fn say_token(first: &FirstStart) -> Result<(), Failure> {
    say(format!(
        "admin token:     {}",
        String::from_utf8_lossy(first.token.expose())
    ))?;
    say("                 (shown this once; keep it, for example in OMADM_TOKEN)")
}

fn remedy(err: &StartError) -> &'static str {
    match err {
        StartError::Store(err) => err.remedy(),
        StartError::UnfinishedCopy(_) => {
            "start `omadm store copy` again with the same stores, then this server"
        }
        StartError::NoSuchProfile { .. } => {
            "leave that listener out, or build with `cargo build --release --features psk` (libssl-dev and pkg-config have to be there)"
        }
        _ => "mend what the line above names and start it again",
    }
}

/// Whether nothing was made, claimed or written when this came up.
const fn is_before_any_change(err: &StartError) -> bool {
    matches!(
        err,
        StartError::Store(_)
            | StartError::RecordsElsewhere { .. }
            | StartError::UnfinishedCopy(_)
            | StartError::Profiles(_)
            | StartError::Listen { .. }
            | StartError::PlainBeyondLoopback(_)
            | StartError::NoSuchProfile { .. }
            | StartError::NoSuchProfileToAdmit(_)
    )
}

/// What can stand between `https://` and a path.
fn host_and_port(text: &str) -> Result<String, String> {
    let uri = ServerUri::parse(&format!("https://{text}/")).map_err(|cause| cause.to_string())?;
    if uri.authority() == text {
        Ok(text.to_owned())
    } else {
        Err("a host and a port are wanted, such as dm.example.com:8443".to_owned())
    }
}

/// SIGTERM or Ctrl-C.
pub(crate) async fn stop_signal() -> Result<(), Failure> {
    let what = "signals cannot be waited for";
    #[cfg(unix)]
    {
        use tokio::signal::unix::{SignalKind, signal};
        let mut term = signal(SignalKind::terminate()).explain(what, "")?;
        tokio::select! {
            done = tokio::signal::ctrl_c() => done.explain(what, ""),
            _ = term.recv() => Ok(()),
        }
    }
    #[cfg(not(unix))]
    tokio::signal::ctrl_c().await.explain(what, "")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use clap::Parser;

    use super::{Serve, StoreAddress, host_and_port};

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        serve: Serve,
    }

    #[test]
    fn the_command_line_takes_any_stores_address_so_that_it_quotes_no_password() {
        for wrong in ["postgres://omadm:s3cr3t@/dm", "mysql://omadm:s3cr3t@db/dm"] {
            let line = ["omadm", "--state", "x", "--store", wrong];
            let taken = Line::try_parse_from(line).ok().unwrap().serve.store;
            let refused = taken.unwrap().parse::<StoreAddress>().unwrap_err();
            assert!(!refused.to_string().contains("s3cr3t"), "{refused}");
        }
    }

    #[test]
    fn a_public_server_is_a_host_with_or_without_a_port_and_nothing_more() {
        for right in ["dm.example.com", "dm.example.com:8443", "[::1]:8443"] {
            assert_eq!(host_and_port(right).unwrap(), right);
        }
        for wrong in [
            "",
            "https://dm.example.com",
            "dm.example.com/dm",
            "dm.example.com:x",
            "me@dm.example.com",
            "dm.example.com:8443?x",
        ] {
            assert!(host_and_port(wrong).is_err(), "{wrong}");
        }
    }
}
