//! The policy file as it is written.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use omadm_bootstrap::{BootstrapPolicy, MethodPolicy};
use omadm_mo::json::JsonLimits;
use omadm_mo::standard::session_info::{Bearer, Roaming, SessionInfo};
use omadm_mo::{Moid, Scheme, ServerUri};
use omadm_push::PhoneNumber;
use omadm_tls::PskIdentity;
use serde::Deserialize;
use toml::Spanned;

use super::asked_program::AskedTable;
use super::card_policy::SmartcardTable;
use super::dm1_policy::Dm1Table;
use super::{
    CardPolicy, ClientPolicy, ConfiguredSource, HttpLoginFile, ListenAddresses, LocalTrust,
    NetworkPolicy, NotificationFiles, PolicyError, PolicyFault, PskFile, ReportTimes, ShowCommand,
    SmppFiles, SourceTrust,
};

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct PolicyFile {
    bootstrap: BootstrapTable,
    consent: AskedTable,
    user_alerts: AskedTable,
    dm1: Dm1Table,
    source: Vec<Spanned<SourceTable>>,
    identity: IdentityTable,
    trust: TrustTable,
    limits: LimitsTable,
    report: ReportTable,
    session_info: SessionInfoTable,
    timeouts: TimeoutsTable,
    listen: ListenTable,
    network: NetworkTable,
    show: ShowTable,
    reports: ReportsTable,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct ListenTable {
    udp: Option<Spanned<String>>,
    https: Option<Spanned<String>>,
    bootstrap: Option<Spanned<String>>,
    smpp: Option<SmppTable>,
    accept_unproven_notifications: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SmppTable {
    address: Spanned<String>,
    system_id: String,
    password_file: PathBuf,
    number: Spanned<String>,
    tls: Option<bool>,
    parts: Option<Spanned<u64>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct BootstrapTable {
    factory: FactoryTable,
    smartcard: SmartcardTable,
    client_initiated: MethodTable,
    server_initiated: MethodTable,
    dm1: Option<bool>,
    max_accounts: Option<Spanned<u64>>,
    allowed_moids: Option<Vec<Spanned<String>>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct MethodTable {
    enabled: Option<bool>,
    require_user_consent: Option<bool>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct FactoryTable {
    enabled: Option<bool>,
    require_user_consent: Option<bool>,
    image: Option<PathBuf>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SourceTable {
    id: Spanned<String>,
    url: Spanned<String>,
    ca_files: Option<Spanned<Vec<PathBuf>>>,
    pin_file: Option<Spanned<PathBuf>>,
    noti_secret_file: Option<PathBuf>,
    noti_data_file: Option<Spanned<PathBuf>>,
    push_names: Option<Vec<String>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct IdentityTable {
    psk_identity: Option<Spanned<String>>,
    psk_key_file: Option<Spanned<PathBuf>>,
    http_user: Option<Spanned<String>>,
    http_password_file: Option<Spanned<PathBuf>>,
    allow_http_basic: Option<bool>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct TrustTable {
    anchors: Vec<PathBuf>,
    system: bool,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct LimitsTable {
    document_octets: Option<Spanned<u64>>,
    document_depth: Option<Spanned<u64>>,
    download_octets: Option<Spanned<u64>>,
    tree_octets: Option<Spanned<u64>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct ReportTable {
    bootstrap_type: Option<bool>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct SessionInfoTable {
    bearer: BearerName,
    roaming: RoamingName,
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum BearerName {
    #[default]
    Unknown,
    Cellular,
    Wlan,
    Wireline,
}

#[derive(Deserialize, Default, Clone, Copy)]
#[serde(rename_all = "lowercase")]
enum RoamingName {
    #[default]
    Unknown,
    Roaming,
    Home,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct TimeoutsTable {
    connect_seconds: Option<Spanned<u64>>,
    read_seconds: Option<Spanned<u64>>,
    session_seconds: Option<Spanned<u64>>,
    managed_object_seconds: Option<Spanned<u64>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct NetworkTable {
    allow_private: bool,
    allow_loopback: bool,
    allow_plain_http: bool,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct ShowTable {
    command: Option<Spanned<Vec<String>>>,
}

#[derive(Deserialize, Default)]
#[serde(deny_unknown_fields, default)]
struct ReportsTable {
    coalesce_millis: Option<Spanned<u64>>,
    retry_seconds: Option<Spanned<u64>>,
}

/// Most accounts that a policy may allow.
const MOST_ACCOUNTS: u64 = 256;
/// Largest document that a policy may allow, in octets.
const MOST_OCTETS: u64 = 64 << 20;
/// Longest download and largest tree that a policy may allow, in octets: 16 GiB.
const MOST_DOWNLOAD_OCTETS: u64 = 16 << 30;
/// Deepest document that a policy may allow; the reader goes one call deeper for each level.
const MOST_DEPTH: u64 = 128;
/// Longest wait for further changes, in milliseconds.
const MOST_MILLIS: u64 = 3_600_000;
/// Longest timeout in seconds.
const MOST_SECONDS: u64 = 3600;

pub(super) fn read(text: &str, base: &Path) -> Result<ClientPolicy, PolicyError> {
    let file: PolicyFile = toml::from_str(text).map_err(|why| {
        PolicyError::at(
            text,
            why.span().unwrap_or(0..0),
            PolicyFault::Form(why.message().to_owned()),
        )
    })?;
    let reader = Reader { text, base };
    let default = ClientPolicy::default();
    let trust = LocalTrust {
        anchors: reader.files(&file.trust.anchors),
        system: file.trust.system,
    };
    let limits = JsonLimits {
        octets: reader.size(
            file.limits.document_octets,
            default.limits.octets,
            MOST_OCTETS,
        )?,
        depth: reader.size(file.limits.document_depth, default.limits.depth, MOST_DEPTH)?,
    };
    let bootstrap = reader.bootstrap(&file.bootstrap)?;
    let table = &file.bootstrap.smartcard;
    let cards = CardPolicy::of(table, bootstrap.dm1, base, |span, fault| {
        PolicyError::at(text, span, fault)
    })?;
    Ok(ClientPolicy {
        bootstrap,
        consent: file.consent.read(&reader)?,
        user_alerts: file.user_alerts.read(&reader)?,
        dm1: file.dm1.read(&reader)?,
        factory_image: file.bootstrap.factory.image.map(|name| base.join(name)),
        cards,
        identity: reader.identity(&file.identity)?,
        sources: reader.sources(&file.source, &trust)?,
        trust,
        limits,
        download_octets: reader.number(
            file.limits.download_octets,
            default.download_octets,
            MOST_DOWNLOAD_OCTETS,
        )?,
        tree_octets: reader.number(
            file.limits.tree_octets,
            default.tree_octets,
            MOST_DOWNLOAD_OCTETS,
        )?,
        session_timeout: reader.seconds(file.timeouts.session_seconds, default.session_timeout)?,
        report_bootstrap_type: file
            .report
            .bootstrap_type
            .unwrap_or(default.report_bootstrap_type),
        session_info: session_info(&file.session_info),
        connect_timeout: reader.seconds(file.timeouts.connect_seconds, default.connect_timeout)?,
        read_timeout: reader.seconds(file.timeouts.read_seconds, default.read_timeout)?,
        listen: ListenAddresses {
            udp: reader.address(file.listen.udp.as_ref())?,
            https: reader.address(file.listen.https.as_ref())?,
            bootstrap: reader.address(file.listen.bootstrap.as_ref())?,
        },
        smpp: file
            .listen
            .smpp
            .as_ref()
            .map(|table| reader.smpp(table))
            .transpose()?,
        accept_unproven_notifications: file.listen.accept_unproven_notifications,
        managed_object_deadline: reader.seconds(
            file.timeouts.managed_object_seconds,
            default.managed_object_deadline,
        )?,
        network: NetworkPolicy {
            allow_private: file.network.allow_private,
            allow_loopback: file.network.allow_loopback,
            allow_plain_http: file.network.allow_plain_http,
        },
        show: reader.show(file.show.command)?,
        reports: ReportTimes {
            coalesce: reader.millis(file.reports.coalesce_millis, default.reports.coalesce)?,
            retry: reader.seconds(file.reports.retry_seconds, default.reports.retry)?,
        },
        http_login: reader.http_login(&file.identity)?,
        allow_http_basic: file
            .identity
            .allow_http_basic
            .unwrap_or(default.allow_http_basic),
    })
}

pub(super) struct Reader<'a> {
    text: &'a str,
    base: &'a Path,
}

impl Reader<'_> {
    fn bootstrap(&self, table: &BootstrapTable) -> Result<BootstrapPolicy, PolicyError> {
        let default = BootstrapPolicy::default();
        let moids = table.allowed_moids.as_ref().map(|moids| {
            let parse = |moid: &Spanned<String>| {
                Moid::parse(moid.get_ref()).map_err(|why| self.wrong(moid, PolicyFault::Moid(why)))
            };
            moids.iter().map(parse).collect::<Result<Vec<_>, _>>()
        });
        let factory = MethodTable {
            enabled: table.factory.enabled,
            require_user_consent: table.factory.require_user_consent,
        };
        let smartcard = MethodTable {
            enabled: table.smartcard.enabled,
            require_user_consent: table.smartcard.require_user_consent,
        };
        Ok(BootstrapPolicy {
            factory: method(&factory, default.factory),
            smartcard: method(&smartcard, default.smartcard),
            client_initiated: method(&table.client_initiated, default.client_initiated),
            server_initiated: method(&table.server_initiated, default.server_initiated),
            dm1: table.dm1.unwrap_or(default.dm1),
            max_accounts: self.size(
                table.max_accounts.clone(),
                default.max_accounts,
                MOST_ACCOUNTS,
            )?,
            allowed_moids: moids.transpose()?,
        })
    }

    fn sources(
        &self,
        tables: &[Spanned<SourceTable>],
        local: &LocalTrust,
    ) -> Result<Vec<ConfiguredSource>, PolicyError> {
        let mut sources: Vec<ConfiguredSource> = Vec::new();
        for table in tables {
            let table = table.get_ref();
            let id = table.id.get_ref();
            if !is_source_id(id) {
                return Err(self.wrong(&table.id, PolicyFault::SourceId));
            }
            if sources.iter().any(|source| source.id == *id) {
                return Err(self.wrong(&table.id, PolicyFault::SourceTwice));
            }
            let url = ServerUri::parse(table.url.get_ref())
                .map_err(|why| self.wrong(&table.url, PolicyFault::Url(why)))?;
            if url.scheme() != Scheme::Https {
                return Err(self.wrong(&table.url, PolicyFault::PlainHttp));
            }
            let trust = match (&table.ca_files, &table.pin_file) {
                (Some(_), Some(pin)) => return Err(self.wrong(pin, PolicyFault::TwoTrusts)),
                (Some(files), None) if files.get_ref().is_empty() => {
                    return Err(self.wrong(files, PolicyFault::Empty));
                }
                (Some(files), None) => SourceTrust::Anchors(self.files(files.get_ref())),
                (None, Some(pin)) => SourceTrust::Pin(self.base.join(pin.get_ref())),
                (None, None) if local.anchors.is_empty() && !local.system => {
                    return Err(self.wrong(&table.id, PolicyFault::NoTrust));
                }
                (None, None) => SourceTrust::Local,
            };
            sources.push(ConfiguredSource {
                id: id.clone(),
                url,
                trust,
                noti: self.notification_files(table)?,
                push_names: table.push_names.clone(),
            });
        }
        Ok(sources)
    }

    fn http_login(&self, table: &IdentityTable) -> Result<Option<HttpLoginFile>, PolicyError> {
        match (&table.http_user, &table.http_password_file) {
            (None, None) => Ok(None),
            (Some(alone), None) => Err(self.wrong(alone, PolicyFault::HttpLoginHalf)),
            (None, Some(alone)) => Err(self.wrong(alone, PolicyFault::HttpLoginHalf)),
            (Some(user), Some(file)) => Ok(Some(HttpLoginFile {
                user: user.get_ref().clone(),
                password: self.base.join(file.get_ref()),
            })),
        }
    }

    fn files(&self, names: &[PathBuf]) -> Vec<PathBuf> {
        names.iter().map(|name| self.base.join(name)).collect()
    }

    fn identity(&self, table: &IdentityTable) -> Result<Option<PskFile>, PolicyError> {
        match (&table.psk_identity, &table.psk_key_file) {
            (None, None) => Ok(None),
            (Some(identity), Some(key)) => Ok(Some(PskFile {
                identity: PskIdentity::new(identity.get_ref().as_bytes())
                    .map_err(|why| self.wrong(identity, PolicyFault::Psk(why)))?,
                key: self.base.join(key.get_ref()),
            })),
            (Some(identity), None) => Err(self.wrong(identity, PolicyFault::HalfPsk)),
            (None, Some(key)) => Err(self.wrong(key, PolicyFault::HalfPsk)),
        }
    }

    fn notification_files(
        &self,
        table: &SourceTable,
    ) -> Result<Option<NotificationFiles>, PolicyError> {
        match (&table.noti_secret_file, &table.noti_data_file) {
            (None, None) => Ok(None),
            (None, Some(data)) => Err(self.wrong(data, PolicyFault::NoNotificationSecret)),
            (Some(secret), data) => Ok(Some(NotificationFiles {
                secret: self.base.join(secret),
                data: data.as_ref().map(|data| self.base.join(data.get_ref())),
            })),
        }
    }

    fn address(&self, text: Option<&Spanned<String>>) -> Result<Option<SocketAddr>, PolicyError> {
        text.map(|text| {
            let address = text.get_ref().parse();
            address.map_err(|_| self.wrong(text, PolicyFault::Address))
        })
        .transpose()
    }

    fn smpp(&self, table: &SmppTable) -> Result<SmppFiles, PolicyError> {
        let address = ServerUri::parse(&format!("https://{}", table.address.get_ref()));
        let given = table.address.get_ref().rsplit_once(':');
        let address = address.ok().filter(|uri| {
            uri.authority() == table.address.get_ref()
                && given.is_some_and(|(_, port)| port == uri.port().to_string())
        });
        let address = address.ok_or_else(|| self.wrong(&table.address, PolicyFault::Smsc))?;
        let parts = self.number(table.parts.clone(), SmppFiles::PARTS.into(), u8::MAX.into())?;
        Ok(SmppFiles {
            host: address.host().to_owned(),
            port: address.port(),
            system_id: table.system_id.clone(),
            password: self.base.join(&table.password_file),
            number: PhoneNumber::parse(table.number.get_ref())
                .map_err(|why| self.wrong(&table.number, PolicyFault::Number(why)))?,
            tls: table.tls.unwrap_or(true),
            parts: u8::try_from(parts).unwrap_or(SmppFiles::PARTS),
        })
    }

    fn size(
        &self,
        number: Option<Spanned<u64>>,
        default: usize,
        most: u64,
    ) -> Result<usize, PolicyError> {
        let wrong = number.clone();
        let size = self.number(number, default as u64, most)?;
        size.try_into().or_else(|_| match wrong {
            Some(number) => Err(self.wrong(&number, PolicyFault::Range { least: 1, most })),
            None => Ok(default),
        })
    }

    fn number(
        &self,
        number: Option<Spanned<u64>>,
        default: u64,
        most: u64,
    ) -> Result<u64, PolicyError> {
        match number {
            None => Ok(default),
            Some(number) if (1..=most).contains(number.get_ref()) => Ok(*number.get_ref()),
            Some(number) => Err(self.wrong(&number, PolicyFault::Range { least: 1, most })),
        }
    }

    fn show(
        &self,
        command: Option<Spanned<Vec<String>>>,
    ) -> Result<Option<ShowCommand>, PolicyError> {
        let Some(command) = command else {
            return Ok(None);
        };
        match command.get_ref().split_first() {
            Some((program, arguments))
                if !program.is_empty()
                    && !program.contains(ShowCommand::URI)
                    && arguments.iter().any(|one| one.contains(ShowCommand::URI)) =>
            {
                Ok(Some(ShowCommand {
                    program: program.clone(),
                    arguments: arguments.to_vec(),
                }))
            }
            _ => Err(self.wrong(&command, PolicyFault::ShowCommand)),
        }
    }

    fn millis(
        &self,
        number: Option<Spanned<u64>>,
        default: Duration,
    ) -> Result<Duration, PolicyError> {
        let default = default.as_millis().try_into().unwrap_or(usize::MAX);
        let millis = self.size(number, default, MOST_MILLIS)?;
        Ok(Duration::from_millis(millis.try_into().unwrap_or(u64::MAX)))
    }

    pub(super) fn seconds(
        &self,
        number: Option<Spanned<u64>>,
        default: Duration,
    ) -> Result<Duration, PolicyError> {
        match number {
            None => Ok(default),
            Some(number) if (1..=MOST_SECONDS).contains(number.get_ref()) => {
                Ok(Duration::from_secs(*number.get_ref()))
            }
            Some(number) => Err(self.wrong(
                &number,
                PolicyFault::Range {
                    least: 1,
                    most: MOST_SECONDS,
                },
            )),
        }
    }

    pub(super) fn wrong<T>(&self, place: &Spanned<T>, fault: PolicyFault) -> PolicyError {
        PolicyError::at(self.text, place.span(), fault)
    }
}

fn method(table: &MethodTable, default: MethodPolicy) -> MethodPolicy {
    MethodPolicy {
        enabled: table.enabled.unwrap_or(default.enabled),
        require_user_consent: table
            .require_user_consent
            .unwrap_or(default.require_user_consent),
    }
}

const fn session_info(table: &SessionInfoTable) -> SessionInfo {
    let bearer = match table.bearer {
        BearerName::Unknown => Bearer::Unknown,
        BearerName::Cellular => Bearer::Cellular,
        BearerName::Wlan => Bearer::Wlan,
        BearerName::Wireline => Bearer::Wireline,
    };
    let roaming = match table.roaming {
        RoamingName::Unknown => Roaming::Unknown,
        RoamingName::Roaming => Roaming::Roaming,
        RoamingName::Home => Roaming::Home,
    };
    SessionInfo { bearer, roaming }
}

fn is_source_id(text: &str) -> bool {
    (1..=64).contains(&text.len())
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"._-".contains(&b))
}
