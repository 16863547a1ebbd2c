use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use omadm_bootstrap::{BootstrapPolicy, BootstrapSource};
use omadm_mo::ServerUri;
use omadm_mo::json::JsonLimits;
use omadm_mo::standard::session_info::SessionInfo;

use super::{
    AskedProgram, CardPolicy, Dm1Policy, HttpLoginFile, NotificationFiles, PolicyError, PskFile,
    SmppFiles, policy_file,
};

/// The rules of a DM Client, as its policy file gives them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ClientPolicy {
    /// `[bootstrap]`: which methods are on, and what a document may bring.
    pub bootstrap: BootstrapPolicy,
    /// `[consent]`: the program that decides where a method needs consent.
    pub consent: Option<AskedProgram>,
    /// `[user_alerts]`: the program that shows what DM 1.x servers show and ask (`dm1x.md` §1.3); 406 without.
    pub user_alerts: Option<AskedProgram>,
    /// `[dm1]`: what holds for servers of DM 1.x.
    pub dm1: Dm1Policy,
    /// `[bootstrap] factory.image`: where the factory image lies; may be read-only (D50).
    pub factory_image: Option<PathBuf>,
    /// `[bootstrap.smartcard]`: which cards are read, and how.
    pub cards: CardPolicy,
    /// `[[source]]`: the bootstrap servers that the device trusts, in the order in which it asks them.
    pub sources: Vec<ConfiguredSource>,
    /// `[identity]`: a pre-shared key by which the device proves itself, instead of its certificate (D78).
    pub identity: Option<PskFile>,
    /// `[trust]`: the local anchors (D78).
    pub trust: LocalTrust,
    /// `[limits]`: bounds of a bootstrap document.
    pub limits: JsonLimits,
    /// `[limits] download_octets`: the longest object that is downloaded to a file.
    pub download_octets: u64,
    /// `[limits] tree_octets`: the octets of names and values of the DM tree, so that no server fills the disk; what would make it larger is 507.
    pub tree_octets: u64,
    /// `[report] bootstrap_type`: whether the BootstrapComplete alert tells the bootstrap type (D27).
    pub report_bootstrap_type: bool,
    /// `[session_info]`: what Session Info says of the connection (D46).
    pub session_info: SessionInfo,
    /// `[timeouts] connect_seconds` (D01).
    pub connect_timeout: Duration,
    /// `[timeouts] read_seconds` (D01).
    pub read_timeout: Duration,
    /// `[timeouts] session_seconds`: how long a session may take. While one goes on no other server has its turn.
    pub session_timeout: Duration,
    /// `[listen]`: where Notifications and pushed bootstraps come in.
    pub listen: ListenAddresses,
    /// `[listen.smpp]`: the SMSC by which Notifications come in, too.
    pub smpp: Option<SmppFiles>,
    /// `[identity] http_user` and `http_password_file` (D45).
    pub http_login: Option<HttpLoginFile>,
    /// `[identity] allow_http_basic`: whether a challenge of HTTP Basic alone is answered.
    pub allow_http_basic: bool,
    /// `[listen] accept_unproven_notifications`: whether a Notification without digest counts though the account has `Auth/Noti` (D38).
    pub accept_unproven_notifications: bool,
    /// `[timeouts] managed_object_seconds`: how long a plug-in may take over one call.
    pub managed_object_deadline: Duration,
    /// `[network]`: addresses that a server may have the device connect to.
    pub network: NetworkPolicy,
    /// `[show] command`: what SHOW starts.
    pub show: Option<ShowCommand>,
    /// `[reports]`: when changes are reported (SUB).
    pub reports: ReportTimes,
}

/// Where Notifications and pushed bootstraps come in; nothing listens by default.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ListenAddresses {
    /// `udp`
    pub udp: Option<SocketAddr>,
    /// `https`: needs a certificate of the device.
    pub https: Option<SocketAddr>,
    /// `bootstrap`: where trusted servers push DM Bootstraps; needs a certificate of the device (D56).
    pub bootstrap: Option<SocketAddr>,
}

/// Addresses that a DM Server may have the device connect to by HGET, HPUT, HPOST, SUB, DEFAULT, SHOW, CONT, EXEC or a redirect, judged by what the host
/// resolves to at that time. The hosts of configured sources need no key; the host of `SrvURI`, as a bootstrap brought it, none for a private address.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct NetworkPolicy {
    /// `allow_private`: addresses of private and link-local networks.
    pub allow_private: bool,
    /// `allow_loopback`: the device itself.
    pub allow_loopback: bool,
    /// `allow_plain_http`: data repositories, browser pages and sessions of DM 1.x without TLS. Those of DM 2.0 are never held without it.
    pub allow_plain_http: bool,
}

/// The command that SHOW starts: a program and its arguments, without a shell in between.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ShowCommand {
    /// The program.
    pub program: String,
    /// Its arguments; `{uri}` in them stands for the ServerURI.
    pub arguments: Vec<String>,
}

/// When changes under a subscribed ClientURI are reported (D22).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ReportTimes {
    /// `coalesce_millis`: from the first change to the report; what changes meanwhile goes with it.
    pub coalesce: Duration,
    /// `retry_seconds`: from a failed report to the next try; four times as long after each further one.
    pub retry: Duration,
}

/// A bootstrap server that the device trusts.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfiguredSource {
    /// Its name; a Notification calls it `bs:` and this (D84).
    pub id: String,
    /// Where its document is fetched; always `https`.
    pub url: ServerUri,
    /// What it is checked against.
    pub trust: SourceTrust,
    /// What its Notifications are checked with; without it they are ignored (D84).
    pub noti: Option<NotificationFiles>,
    /// Names of which one has to stand in the certificate of a server that pushes a document in the name of this source; without the key, the host of its
    /// URL. Of none of an empty list is anything taken (D61).
    pub push_names: Option<Vec<String>>,
}

/// What a configured source is checked against (D78).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SourceTrust {
    /// The local anchors of [`ClientPolicy::trust`].
    Local,
    /// The CA certificates in these PEM files, and no others.
    Anchors(Vec<PathBuf>),
    /// The very certificate in this PEM file.
    Pin(PathBuf),
}

/// The local anchors.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct LocalTrust {
    /// PEM files with CA certificates.
    pub anchors: Vec<PathBuf>,
    /// Whether the system's anchors count too.
    pub system: bool,
}

impl ClientPolicy {
    /// The longest download unless the file says otherwise: 256 MiB.
    pub const DOWNLOAD_OCTETS: u64 = 256 << 20;
    /// The largest tree unless the file says otherwise: 64 MiB.
    pub const TREE_OCTETS: u64 = 64 << 20;
    /// The longest session unless the file says otherwise: half an hour.
    pub const SESSION_TIMEOUT: Duration = Duration::from_secs(1800);
    /// A policy file with every key in a comment; as it stands it is the default policy.
    pub const TEMPLATE: &'static str = include_str!("template.toml");

    /// Reads a policy file. Relative file names count from `base`, the folder of the policy file; no file that is named is opened.
    ///
    /// # Errors
    /// [`PolicyError`] with line, column and a caret under the place; unknown keys are errors.
    pub fn read(toml: &str, base: &Path) -> Result<Self, PolicyError> {
        policy_file::read(toml, base)
    }

    /// The source of this id.
    #[must_use]
    pub fn source(&self, id: &str) -> Option<&ConfiguredSource> {
        self.sources.iter().find(|source| source.id == id)
    }
}

impl ConfiguredSource {
    /// The source as provenance names it: its origin, authenticated.
    #[must_use]
    pub fn bootstrap_source(&self) -> BootstrapSource {
        BootstrapSource::Server(self.url.origin().to_string())
    }
}

impl Default for ClientPolicy {
    /// Every method on, no source, no anchor.
    fn default() -> Self {
        Self {
            bootstrap: BootstrapPolicy::default(),
            consent: None,
            user_alerts: None,
            dm1: Dm1Policy::default(),
            factory_image: None,
            cards: CardPolicy::default(),
            sources: Vec::new(),
            identity: None,
            trust: LocalTrust::default(),
            limits: JsonLimits::default(),
            download_octets: Self::DOWNLOAD_OCTETS,
            tree_octets: Self::TREE_OCTETS,
            report_bootstrap_type: true,
            session_info: SessionInfo::default(),
            connect_timeout: Duration::from_secs(30),
            read_timeout: Duration::from_secs(300),
            session_timeout: Self::SESSION_TIMEOUT,
            listen: ListenAddresses::default(),
            smpp: None,
            accept_unproven_notifications: false,
            http_login: None,
            allow_http_basic: true,
            managed_object_deadline: Duration::from_secs(10),
            network: NetworkPolicy::default(),
            show: None,
            reports: ReportTimes::default(),
        }
    }
}

impl ShowCommand {
    /// What stands for the ServerURI in an argument.
    pub const URI: &'static str = "{uri}";
}

impl Default for ReportTimes {
    /// 1 s, and 10, 40 and 160 s.
    fn default() -> Self {
        Self {
            coalesce: Duration::from_secs(1),
            retry: Duration::from_secs(10),
        }
    }
}
