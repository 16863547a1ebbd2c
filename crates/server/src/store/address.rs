//! Where a store lies, as an operator writes it.

use std::fmt;
use std::net::IpAddr;
use std::path::PathBuf;
use std::str::FromStr;

use tokio_postgres::Config;
use tokio_postgres::config::Host;

use super::StoreError;

/// Where a store lies. Shown without its password.
#[derive(Clone, PartialEq, Eq, Default)]
pub enum StoreAddress {
    /// The SQLite file in the server's state directory.
    #[default]
    StateDirectory,
    /// An SQLite file: `sqlite:PATH`.
    Sqlite(PathBuf),
    /// A PostgreSQL database: `postgres://USER:PASSWORD@HOST:PORT/DATABASE`.
    Postgres(Box<PostgresAddress>),
}

/// A PostgreSQL database, and how it is spoken to.
#[derive(Clone, PartialEq, Eq)]
pub struct PostgresAddress {
    pub(super) config: Config,
    pub(super) tls: DatabaseTls,
    shown: String,
}

/// Encryption on the way to the database. Anything that lets somebody on the way turn it off is not offered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum DatabaseTls {
    /// None: the default on loopback and Unix sockets.
    Off,
    /// The server's certificate and name are verified.
    Verified {
        /// PEM file of the CA.
        root: PathBuf,
        /// PEM files of a certificate and key of our own.
        own: Option<(PathBuf, PathBuf)>,
    },
}

impl FromStr for StoreAddress {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        if let Some(path) = text.strip_prefix("sqlite:") {
            if path.is_empty() {
                return Err(StoreError::Address(
                    text.to_owned(),
                    "it names no file; write sqlite:PATH".to_owned(),
                ));
            }
            return Ok(Self::Sqlite(path.into()));
        }
        if text.starts_with("postgres://") || text.starts_with("postgresql://") {
            return Ok(Self::Postgres(Box::new(text.parse()?)));
        }
        Err(refused(
            "a store is sqlite:PATH or postgres://USER@HOST/DATABASE".to_owned(),
        ))
    }
}

impl FromStr for PostgresAddress {
    type Err = StoreError;

    fn from_str(text: &str) -> Result<Self, StoreError> {
        let (address, query) = text.split_once('?').unwrap_or((text, ""));
        let (mut mode, mut root, mut certificate, mut key) = (None, None, None, None);
        let mut theirs = Vec::new();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
            let slot = match name {
                "sslmode" => &mut mode,
                "sslrootcert" => &mut root,
                "sslcert" => &mut certificate,
                "sslkey" => &mut key,
                _ => {
                    theirs.push(pair);
                    continue;
                }
            };
            let decoded = percent_encoding::percent_decode_str(value).decode_utf8();
            *slot = Some(
                decoded
                    .map_err(|_| refused(format!("{name} is not UTF-8")))?
                    .into_owned(),
            );
        }
        let url = format!("{address}?{}", theirs.join("&"));
        // The error's text may quote the URL, password included.
        let mut config: Config = url.parse().map_err(|_| {
            refused("it is no URL postgres://USER:PASSWORD@HOST:PORT/DATABASE, or has a parameter that is not known".to_owned())
        })?;
        if config.get_hosts().is_empty() {
            return Err(refused("it names no host".to_owned()));
        }
        if config.get_dbname().is_none() {
            return Err(refused("it names no database".to_owned()));
        }
        let own = match (certificate, key) {
            (None, None) => None,
            (Some(certificate), Some(key)) => Some((certificate.into(), key.into())),
            _ => return Err(refused("sslcert and sslkey belong together".to_owned())),
        };
        let wants_tls = root.is_some() || own.is_some();
        let tls = match (mode.as_deref(), root) {
            (Some("disable"), _) if wants_tls => {
                return Err(refused(
                    "sslmode=disable has no use for certificates".to_owned(),
                ));
            }
            (Some("disable"), _) => DatabaseTls::Off,
            (None, None) if !wants_tls && is_local(&config) => DatabaseTls::Off,
            (None | Some("require" | "verify-ca" | "verify-full"), Some(root)) => {
                DatabaseTls::Verified {
                    root: root.into(),
                    own,
                }
            }
            (None | Some("require" | "verify-ca" | "verify-full"), None) => {
                return Err(refused(
                    "its certificate is to be verified: add ?sslrootcert=FILE with the CA's certificate".to_owned(),
                ));
            }
            (Some(other), _) => {
                return Err(refused(format!(
                    "sslmode={other} lets anybody on the way read along; write verify-full, or disable where the way is safe"
                )));
            }
        };
        config.ssl_mode(match tls {
            DatabaseTls::Off => tokio_postgres::config::SslMode::Disable,
            DatabaseTls::Verified { .. } => tokio_postgres::config::SslMode::Require,
        });
        Ok(Self {
            shown: shown(&config),
            config,
            tls,
        })
    }
}

impl PostgresAddress {
    /// The same database, with all tables in this schema. The name has letters, digits and `_` alone.
    #[must_use]
    pub fn with_schema(&self, schema: &str) -> Self {
        let mut own = self.clone();
        let options = self.config.get_options().unwrap_or_default();
        own.config
            .options(format!("{options} -c search_path={schema}"));
        own
    }

    /// Whether what is said to the database can be read on a network.
    #[must_use]
    pub fn is_exposed(&self) -> bool {
        self.tls == DatabaseTls::Off && !is_local(&self.config)
    }
}

/// Whether nothing leaves this machine: where addresses are given, the names do not count.
fn is_local(config: &Config) -> bool {
    let of_this_machine = |host: &Host| match host {
        Host::Unix(_) => true,
        Host::Tcp(name) => {
            name == "localhost" || name.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
        }
    };
    config.get_hosts().iter().all(of_this_machine)
        && config.get_hostaddrs().iter().all(IpAddr::is_loopback)
}

/// An address that is refused is not quoted: where its password ends is anybody's guess.
fn refused(why: String) -> StoreError {
    StoreError::Address("the store's address".to_owned(), why)
}

/// PostgreSQL's own, which goes without saying.
const DEFAULT_PORT: u16 = 5432;

fn shown(config: &Config) -> String {
    let ports = config.get_ports();
    let hosts = config.get_hosts().iter().enumerate().map(|(at, host)| {
        let name = match host {
            Host::Tcp(name) => name.clone(),
            Host::Unix(path) => path.display().to_string().replace('/', "%2F"),
        };
        match ports.get(at).or_else(|| ports.first()) {
            Some(&port) if port != DEFAULT_PORT => format!("{name}:{port}"),
            _ => name,
        }
    });
    let user = config.get_user().map(|user| format!("{user}@"));
    format!(
        "postgres://{}{}/{}",
        user.unwrap_or_default(),
        hosts.collect::<Vec<_>>().join(","),
        config.get_dbname().unwrap_or_default()
    )
}

impl fmt::Display for PostgresAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.shown)
    }
}

impl fmt::Display for StoreAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::StateDirectory => f.write_str("the state directory's SQLite file"),
            Self::Sqlite(path) => write!(f, "sqlite:{}", path.display()),
            Self::Postgres(address) => address.fmt(f),
        }
    }
}

impl fmt::Debug for StoreAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl fmt::Debug for PostgresAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use super::{DatabaseTls, PostgresAddress, StoreAddress};

    fn refusal(text: &str) -> String {
        text.parse::<StoreAddress>().unwrap_err().to_string()
    }

    fn tls(text: &str) -> DatabaseTls {
        text.parse::<PostgresAddress>().unwrap().tls
    }

    #[test]
    fn an_address_is_shown_without_its_password() {
        for text in [
            "postgres://omadm:s3cr3t@db.example:5433/dm?sslmode=disable",
            "postgresql://omadm:s3cr3t@%2Frun%2Fpg/dm",
        ] {
            let address: StoreAddress = text.parse().unwrap();
            for shown in [address.to_string(), format!("{address:?}")] {
                assert!(!shown.contains("s3cr3t"), "{shown}");
                assert!(shown.contains("omadm@"), "{shown}");
            }
        }
    }

    #[test]
    fn no_refusal_quotes_the_password() {
        for text in [
            "postgres://omadm:s3cr3t@db.example/dm",
            "postgres://omadm:s3cr3t@db.example/dm?sslmode=prefer",
            "postgres://omadm:s3cr3t@db.example/dm?sslmode=disable&nonsense=1",
            "postgres://omadm:s3cr3t@/dm?sslmode=disable",
            "postgres://omadm:s3cr3t@db.example?sslmode=disable",
            "mysql://omadm:s3cr3t@db.example/dm",
            "mysql://omadm:s3cr3t",
            "host=db user=omadm password=s3cr3t dbname=dm",
            "postgres://omadm:s3cr3t?x@db.example/dm",
            "postgres://omadm:x?s3cr3t@db.example/dm",
            "postgres://omadm:s3cr3t@db.example:port/dm",
        ] {
            assert!(!refusal(text).contains("s3cr3t"), "{}", refusal(text));
        }
    }

    #[test]
    fn beyond_this_machine_the_database_is_verified() {
        assert_eq!(tls("postgres://u@localhost/d"), DatabaseTls::Off);
        assert_eq!(tls("postgres://u@127.0.0.1/d"), DatabaseTls::Off);
        assert_eq!(tls("postgres://u@%2Frun%2Fpg/d"), DatabaseTls::Off);
        for mode in ["", "sslmode=require&", "sslmode=verify-full&"] {
            let text = format!("postgres://u@db.example/d?{mode}sslrootcert=%2Fetc%2Fca.pem");
            assert_eq!(
                tls(&text),
                DatabaseTls::Verified {
                    root: "/etc/ca.pem".into(),
                    own: None
                }
            );
        }
        assert!(refusal("postgres://u@db.example/d").contains("sslrootcert"));
        assert!(refusal("postgres://u@db.example/d?sslmode=prefer").contains("verify-full"));
        // What is asked for counts on this machine, too; a name that stands for an address elsewhere is not this machine.
        let here = "postgres://u@localhost/d?sslrootcert=%2Fca.pem";
        assert!(matches!(tls(here), DatabaseTls::Verified { .. }));
        for text in [
            "postgres://u@localhost/d?hostaddr=10.0.0.5",
            "postgres://u@localhost/d?sslcert=c.pem&sslkey=k.pem",
        ] {
            assert!(refusal(text).contains("sslrootcert"), "{text}");
        }
        for text in [
            "postgres://u@localhost/d?sslcert=c.pem",
            "postgres://u@localhost/d?sslmode=disable&sslrootcert=c.pem",
        ] {
            assert!(refusal(text).contains("cert"), "{text}");
        }
        let open = "postgres://u@db.example/d?sslmode=disable";
        assert!(open.parse::<PostgresAddress>().unwrap().is_exposed());
    }

    #[test]
    fn a_file_is_named_by_its_path() {
        let address: StoreAddress = "sqlite:/var/lib/omadm/server.sqlite".parse().unwrap();
        assert_eq!(
            address,
            StoreAddress::Sqlite("/var/lib/omadm/server.sqlite".into())
        );
        assert!(refusal("sqlite:").contains("sqlite:PATH"));
        assert!(refusal("/var/lib/omadm").contains("sqlite:PATH"));
    }
}
