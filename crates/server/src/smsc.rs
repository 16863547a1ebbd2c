//! The SMSC that Notifications go by: a file of its own, since its keys are many and its password is none for a command line.

use std::path::{Path, PathBuf};
use std::time::Duration;

use omadm_mo::Secret;
use omadm_smpp::{EsmeConfig, EsmeConfigError, MessageIds, SourceAddress};
use omadm_tls::{Connector, ConnectorConfig, ConnectorSetupError, ServerTrust, pem};
use serde::Deserialize;

/// How the SMSC is reached and what is sent by it.
#[derive(Clone, Debug)]
pub struct SmscConfig {
    /// The link.
    pub esme: EsmeConfig,
    /// What ties the parts of a message together.
    pub reference_bits: ReferenceBits,
    /// Most SMS for one Notification.
    pub parts: u8,
}

/// How wide the reference of a message in several SMS is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(try_from = "u8")]
pub enum ReferenceBits {
    /// 8 bits.
    #[default]
    Eight,
    /// 16 bits: one octet less in each SMS.
    Sixteen,
}

/// Why the file of an SMSC cannot be used. Its author is at fault.
#[derive(Debug, thiserror::Error)]
pub enum SmscConfigError {
    /// A file cannot be read.
    #[error("{} cannot be read: {cause}", file.display())]
    Read {
        /// The file.
        file: PathBuf,
        /// What the operating system says.
        #[source]
        cause: std::io::Error,
    },
    /// No TOML, an unknown key, a missing one, or a value of another type.
    #[error("{}: {message}", file.display())]
    Form {
        /// The file.
        file: PathBuf,
        /// What the TOML reader says, with line and column.
        message: String,
    },
    /// A value that SMPP has no room for.
    #[error("{}: {cause}", file.display())]
    Value {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        #[source]
        cause: EsmeConfigError,
    },
    /// No password, neither in a file nor in the environment.
    #[error("{}: no password: name its file with password_file, or set OMADM_SMPP_PASSWORD", .0.display())]
    NoPassword(PathBuf),
    /// A number beyond its bounds.
    #[error("{}: {key} is from {least} to {most}", file.display())]
    Range {
        /// The file.
        file: PathBuf,
        /// The key.
        key: &'static str,
        /// The lowest value.
        least: u64,
        /// The highest value.
        most: u64,
    },
    /// TLS without anything to check the SMSC against.
    #[error("{}: TLS needs ca_files, the CA certificates (PEM) that the SMSC's may chain to; `tls = false` does without, and shows the password and every message to whoever is on the way", .0.display())]
    NoTrust(PathBuf),
    /// A CA certificate cannot be used.
    #[error("{}: {cause}", file.display())]
    Tls {
        /// The file.
        file: PathBuf,
        /// What is wrong.
        #[source]
        cause: TlsFault,
    },
}

/// Why TLS with the SMSC cannot be set up.
#[derive(Debug, thiserror::Error)]
pub enum TlsFault {
    /// No PEM.
    #[error(transparent)]
    Pem(#[from] pem::PemError),
    /// No certificate to trust.
    #[error(transparent)]
    Trust(#[from] omadm_tls::ServerTrustError),
    /// No connector.
    #[error(transparent)]
    Connector(#[from] ConnectorSetupError),
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct SmscFile {
    host: String,
    #[serde(default)]
    port: Option<u16>,
    system_id: String,
    #[serde(default)]
    password_file: Option<PathBuf>,
    #[serde(default)]
    system_type: String,
    #[serde(default)]
    source: Option<String>,
    #[serde(default)]
    tls: Option<bool>,
    #[serde(default)]
    ca_files: Vec<PathBuf>,
    #[serde(default)]
    window: Option<usize>,
    #[serde(default)]
    enquire_link_seconds: Option<u64>,
    #[serde(default)]
    data_coding: Option<u8>,
    #[serde(default)]
    message_ids: MessageIdsName,
    #[serde(default)]
    reference_bits: ReferenceBits,
    #[serde(default)]
    parts: Option<u8>,
}

#[derive(Deserialize, Clone, Copy, Default)]
#[serde(rename_all = "kebab-case")]
enum MessageIdsName {
    #[default]
    Same,
    HexThenDecimal,
    DecimalThenHex,
}

/// SMPP over TCP, and over TLS.
const PORT: u16 = 2775;
const TLS_PORT: u16 = 3550;
/// Bounds of numbers.
const MOST_WINDOW: usize = 1000;
const MOST_SECONDS: u64 = 3600;

impl SmscConfig {
    /// A file with every key in a comment.
    pub const TEMPLATE: &'static str = include_str!("smsc.toml");

    /// Reads the file. File names in it count from its folder. A password that is given here is used in place of the file's.
    ///
    /// # Errors
    /// [`SmscConfigError`].
    pub fn read(file: &Path, password: Option<Secret>) -> Result<Self, SmscConfigError> {
        let text = std::fs::read_to_string(file).map_err(read(file))?;
        let toml: SmscFile = toml::from_str(&text).map_err(|error| SmscConfigError::Form {
            file: file.to_owned(),
            message: error.to_string(),
        })?;
        let base = file.parent().unwrap_or_else(|| Path::new("."));
        let password = match (password, &toml.password_file) {
            (Some(password), _) => password,
            (None, Some(name)) => line_of(&base.join(name))?,
            (None, None) => return Err(SmscConfigError::NoPassword(file.to_owned())),
        };
        let value = |cause| SmscConfigError::Value {
            file: file.to_owned(),
            cause,
        };
        let range = |key, least, most| SmscConfigError::Range {
            file: file.to_owned(),
            key,
            least,
            most,
        };
        let tls = toml.tls.unwrap_or(true);
        let port = toml.port.unwrap_or(if tls { TLS_PORT } else { PORT });
        let esme = EsmeConfig::new(toml.host, port, toml.system_id, password);
        let mut esme = esme
            .and_then(|esme| esme.with_system_type(toml.system_type))
            .map_err(value)?;
        esme.source = toml
            .source
            .as_deref()
            .map(SourceAddress::parse)
            .transpose()
            .map_err(value)?;
        if let Some(window) = toml.window {
            if !(1..=MOST_WINDOW).contains(&window) {
                return Err(range("window", 1, 1000));
            }
            esme.window = window;
        }
        if let Some(seconds) = toml.enquire_link_seconds {
            if !(1..=MOST_SECONDS).contains(&seconds) {
                return Err(range("enquire_link_seconds", 1, MOST_SECONDS));
            }
            esme.enquire_link = Duration::from_secs(seconds);
        }
        esme.data_coding = toml.data_coding.unwrap_or(esme.data_coding);
        esme.message_ids = match toml.message_ids {
            MessageIdsName::Same => MessageIds::Same,
            MessageIdsName::HexThenDecimal => MessageIds::HexThenDecimal,
            MessageIdsName::DecimalThenHex => MessageIds::DecimalThenHex,
        };
        if tls {
            if toml.ca_files.is_empty() {
                return Err(SmscConfigError::NoTrust(file.to_owned()));
            }
            let files: Vec<_> = toml.ca_files.iter().map(|name| base.join(name)).collect();
            esme.tls = Some(connector(&files)?);
        }
        Ok(Self {
            esme,
            reference_bits: toml.reference_bits,
            parts: match toml.parts {
                Some(0) => return Err(range("parts", 1, 255)),
                parts => parts.unwrap_or(omadm_push::sms::PARTS),
            },
        })
    }
}

fn connector(files: &[PathBuf]) -> Result<Connector, SmscConfigError> {
    let mut anchors = Vec::new();
    let wrong = |file: &Path| {
        let file = file.to_owned();
        move |cause: TlsFault| SmscConfigError::Tls { file, cause }
    };
    for file in files {
        let text = std::fs::read_to_string(file).map_err(read(file))?;
        let read = pem::certificates(&text).map_err(TlsFault::from);
        anchors.extend(read.map_err(wrong(file))?);
    }
    let first = files
        .first()
        .map(PathBuf::as_path)
        .unwrap_or_else(|| Path::new(""));
    let trust = ServerTrust::anchors(&anchors).map_err(TlsFault::from);
    let trust = trust.map_err(wrong(first))?;
    let config = ConnectorConfig::new(trust).without_http();
    Connector::new(config)
        .map_err(TlsFault::from)
        .map_err(wrong(first))
}

/// The first line of a file, without its end.
fn line_of(file: &Path) -> Result<Secret, SmscConfigError> {
    let octets = Secret::new(std::fs::read(file).map_err(read(file))?);
    let text = octets.expose();
    let line = text.strip_suffix(b"\n").unwrap_or(text);
    Ok(Secret::new(
        line.strip_suffix(b"\r").unwrap_or(line).to_vec(),
    ))
}

fn read(file: &Path) -> impl FnOnce(std::io::Error) -> SmscConfigError {
    let file = file.to_owned();
    |cause| SmscConfigError::Read { file, cause }
}

impl TryFrom<u8> for ReferenceBits {
    type Error = &'static str;

    fn try_from(bits: u8) -> Result<Self, Self::Error> {
        match bits {
            8 => Ok(Self::Eight),
            16 => Ok(Self::Sixteen),
            _ => Err("8 or 16"),
        }
    }
}

#[cfg(test)]
mod tests {
    use omadm_mo::Secret;

    use super::{ReferenceBits, SmscConfig};

    /// Reads this text as a file beside a password file.
    fn read(text: &str) -> Result<SmscConfig, String> {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("smsc.toml");
        std::fs::write(&file, text).unwrap();
        std::fs::write(folder.path().join("smsc.password"), "s3cr3t\r\n").unwrap();
        SmscConfig::read(&file, None).map_err(|error| error.to_string())
    }

    #[test]
    fn the_template_with_its_examples_turned_on_is_read() {
        let on: String = SmscConfig::TEMPLATE
            .lines()
            .filter(|line| !line.starts_with("##"))
            .map(|line| format!("{}\n", line.trim_start_matches("# ")))
            .filter(|line| !line.starts_with("ca_files"))
            .collect::<String>()
            .replace("tls = true", "tls = false");
        let config = read(&on).unwrap();
        assert_eq!(config.esme.smsc(), "smsc.example.com:3550");
        assert_eq!((config.esme.window, config.parts), (10, 8));
        assert_eq!(config.reference_bits, ReferenceBits::Eight);
        assert!(!format!("{config:?}").contains("s3cr3t"));
    }

    #[test]
    fn what_is_wrong_is_told_by_its_key() {
        let least = "host = 'h'\nsystem_id = 'omadm'\n";
        for (text, told) in [
            ("host = 'h'", "system_id"),
            (least, "no password"),
            ("host = 'h'\nsystem_id = 'omadm'\nhots = 'x'", "hots"),
        ] {
            let refused = read(text).unwrap_err();
            assert!(refused.contains(told), "{refused}");
        }
        for (more, told) in [
            ("", "ca_files"),
            ("tls = false\nwindow = 0", "window is from 1 to 1000"),
            ("tls = false\nparts = 0", "parts is from 1 to 255"),
            ("tls = false\nreference_bits = 9", "8 or 16"),
            (
                "tls = false\nsource = 'twelve chars'",
                "a source address is",
            ),
            ("ca_files = ['none.pem']", "none.pem cannot be read"),
        ] {
            let text = format!("{least}password_file = 'smsc.password'\n{more}");
            let refused = read(&text).unwrap_err();
            assert!(refused.contains(told), "{refused}");
            assert!(!refused.contains("s3cr3t"));
        }
    }

    #[test]
    fn a_password_of_the_environment_is_used_first() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("smsc.toml");
        let text = "host = '::1'\nsystem_id = 'omadm'\ntls = false\npassword_file = 'gone'";
        std::fs::write(&file, text).unwrap();
        let password = Secret::from("s3cr3t".to_owned());
        let config = SmscConfig::read(&file, Some(password)).unwrap();
        assert_eq!(config.esme.smsc(), "[::1]:2775");
    }
}
