use std::fmt;
use std::time::Duration;

use omadm_mo::Secret;
use omadm_push::PhoneNumber;
use omadm_tls::Connector;

/// How an SMSC is reached and used.
#[derive(Clone)]
pub struct EsmeConfig {
    /// DNS name or IP address, the latter without brackets.
    pub host: String,
    /// TCP port.
    pub port: u16,
    /// TLS; none means that password and messages can be read on the way.
    pub tls: Option<Connector>,
    /// What submissions are from; none leaves it to the SMSC.
    pub source: Option<SourceAddress>,
    /// data_coding of submissions: 04h, or F5h for an SMSC that wants a class (`push.md` §3).
    pub data_coding: u8,
    /// Submissions that may be unanswered at once; 10.
    pub window: usize,
    /// Silence after which the link is tried; 30 s.
    pub enquire_link: Duration,
    /// For the answer to that, to the bind, and for a connection to come about; 10 s.
    pub patience: Duration,
    /// For the answer to a submission, after which its outcome is not known; 60 s.
    pub answer: Duration,
    /// How receipts name messages.
    pub message_ids: MessageIds,
    pub(crate) system_id: String,
    pub(crate) password: Secret,
    pub(crate) system_type: String,
    pub(crate) address_range: String,
}

/// Where messages are from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SourceAddress {
    /// A number in international form.
    Number(PhoneNumber),
    /// A short code, 1 to 20 digits.
    Code(String),
    /// A name, 1 to 11 characters.
    Name(String),
}

/// Whether an SMSC names a message in its receipt as it did in its answer (`push.md` §8). Case and leading zeros never count.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum MessageIds {
    /// It does.
    #[default]
    Same,
    /// The answer is hexadecimal, the receipt decimal.
    HexThenDecimal,
    /// The answer is decimal, the receipt hexadecimal.
    DecimalThenHex,
}

/// A setting that SMPP has no room for. The configuration is at fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum EsmeConfigError {
    /// A text with other characters than ASCII, or too many.
    #[error("{field} has at most {most} characters of ASCII")]
    Text {
        /// The field of SMPP.
        field: &'static str,
        /// Characters that fit.
        most: usize,
    },
    /// Neither a number, nor a short code, nor a name.
    #[error(
        "a source address is +NUMBER, a short code of up to 20 digits, or a name of up to 11 characters"
    )]
    Source,
}

impl EsmeConfig {
    /// A link without TLS and with the defaults of `push.md` §8.
    ///
    /// # Errors
    /// [`EsmeConfigError`] for a system_id of more than 15 characters, a password of more than 8.
    pub fn new(
        host: impl Into<String>,
        port: u16,
        system_id: impl Into<String>,
        password: Secret,
    ) -> Result<Self, EsmeConfigError> {
        let system_id = system_id.into();
        fits("system_id", system_id.as_bytes(), 15)?;
        fits("password", password.expose(), 8)?;
        Ok(Self {
            host: host.into(),
            port,
            tls: None,
            source: None,
            data_coding: 0x04,
            window: 10,
            enquire_link: Duration::from_secs(30),
            patience: Duration::from_secs(10),
            answer: Duration::from_secs(60),
            message_ids: MessageIds::default(),
            system_id,
            password,
            system_type: String::new(),
            address_range: String::new(),
        })
    }

    /// The same with a system_type.
    ///
    /// # Errors
    /// [`EsmeConfigError`] where it has more than 12 characters.
    pub fn with_system_type(
        mut self,
        system_type: impl Into<String>,
    ) -> Result<Self, EsmeConfigError> {
        self.system_type = system_type.into();
        fits("system_type", self.system_type.as_bytes(), 12)?;
        Ok(self)
    }

    /// The same for messages to these numbers alone: a regular expression as the SMSC understands it.
    ///
    /// # Errors
    /// [`EsmeConfigError`] where it has more than 40 characters.
    pub fn with_address_range(mut self, range: impl Into<String>) -> Result<Self, EsmeConfigError> {
        self.address_range = range.into();
        fits("address_range", self.address_range.as_bytes(), 40)?;
        Ok(self)
    }

    /// Host and port, for people.
    #[must_use]
    pub fn smsc(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

impl fmt::Debug for EsmeConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EsmeConfig")
            .field("smsc", &self.smsc())
            .field("tls", &self.tls.is_some())
            .field("system_id", &self.system_id)
            .finish_non_exhaustive()
    }
}

fn fits(field: &'static str, text: &[u8], most: usize) -> Result<(), EsmeConfigError> {
    let good = text.len() <= most && text.iter().all(|b| b.is_ascii() && *b != 0);
    good.then_some(())
        .ok_or(EsmeConfigError::Text { field, most })
}

impl SourceAddress {
    /// Reads `+NUMBER`, a short code or a name.
    ///
    /// # Errors
    /// [`EsmeConfigError::Source`].
    pub fn parse(text: &str) -> Result<Self, EsmeConfigError> {
        let wrong = EsmeConfigError::Source;
        if text.starts_with('+') {
            return PhoneNumber::parse(text)
                .map(Self::Number)
                .map_err(|_| wrong);
        }
        let digits = text.bytes().all(|b| b.is_ascii_digit());
        match text.len() {
            1..=20 if digits => Ok(Self::Code(text.to_owned())),
            1..=11 if text.bytes().all(|b| b == b' ' || b.is_ascii_graphic()) => {
                Ok(Self::Name(text.to_owned()))
            }
            _ => Err(wrong),
        }
    }

    /// Type of number, numbering plan, address.
    pub(crate) fn parts(&self) -> (u8, u8, &str) {
        match self {
            Self::Number(number) => (1, 1, number.digits()),
            Self::Code(code) => (0, 1, code),
            Self::Name(name) => (5, 0, name),
        }
    }
}

impl MessageIds {
    /// One form for both.
    pub(crate) fn submitted(self, id: &str) -> String {
        match self {
            Self::HexThenDecimal => decimal_of(id),
            Self::Same | Self::DecimalThenHex => plain(id),
        }
    }

    pub(crate) fn receipted(self, id: &str) -> String {
        match self {
            Self::DecimalThenHex => decimal_of(id),
            Self::Same | Self::HexThenDecimal => plain(id),
        }
    }
}

fn plain(id: &str) -> String {
    let id = id.trim().to_ascii_lowercase();
    let significant = id.trim_start_matches('0');
    if significant.is_empty() {
        id
    } else {
        significant.to_owned()
    }
}

fn decimal_of(hexadecimal: &str) -> String {
    match u128::from_str_radix(hexadecimal.trim(), 16) {
        Ok(number) => number.to_string(),
        Err(_) => plain(hexadecimal),
    }
}

#[cfg(test)]
mod tests {
    use omadm_mo::Secret;

    use super::{EsmeConfig, EsmeConfigError, MessageIds, SourceAddress};

    #[test]
    fn what_smpp_has_no_room_for_is_refused_by_its_field() {
        let password = |text: &str| Secret::from(text.to_owned());
        let config = |id: &str, secret: &str| {
            EsmeConfig::new("smsc.example.com", 2775, id, password(secret)).map(drop)
        };
        assert_eq!(config("fifteen-letters", "8letters"), Ok(()));
        let too_long = |field, most| Err(EsmeConfigError::Text { field, most });
        assert_eq!(config("sixteen--letters", ""), too_long("system_id", 15));
        assert_eq!(config("omadm", "9 letters"), too_long("password", 8));
        assert_eq!(config("omädm", ""), too_long("system_id", 15));
    }

    #[test]
    fn a_source_is_a_number_a_code_or_a_name() {
        let parts = |text: &str| {
            let source = SourceAddress::parse(text)?;
            let (ton, npi, address) = source.parts();
            Ok((ton, npi, address.to_owned()))
        };
        assert_eq!(parts("+15550001"), Ok((1, 1, "15550001".to_owned())));
        assert_eq!(parts("4242"), Ok((0, 1, "4242".to_owned())));
        assert_eq!(parts("Example DM"), Ok((5, 0, "Example DM".to_owned())));
        for wrong in ["", "+0", "twelve chars", "123456789012345678901"] {
            assert_eq!(parts(wrong), Err(EsmeConfigError::Source), "{wrong}");
        }
    }

    #[test]
    fn ids_of_receipts_are_found_in_another_base_and_case() {
        for (ids, submitted, receipted) in [
            (MessageIds::Same, "00aB", "AB"),
            (MessageIds::Same, "0", "0"),
            (MessageIds::HexThenDecimal, "FF", "0000000255"),
            (MessageIds::DecimalThenHex, "255", "ff"),
        ] {
            assert_eq!(ids.submitted(submitted), ids.receipted(receipted));
        }
        assert_ne!(
            MessageIds::Same.submitted("10"),
            MessageIds::Same.receipted("16")
        );
    }
}
