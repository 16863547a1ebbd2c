use super::{OptionAt, OptionName, PreferredConnection, ReceivedPackage0, ServerId, VERSION};

/// A field of a Notification for people.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ExplainedField {
    /// Offset of the octet it begins in.
    pub at: usize,
    /// The octets it stands in; VER, OC and RESERVED share the header's two.
    pub octets: Vec<u8>,
    /// Its name in the specification; `option N` where that has none.
    pub name: String,
    /// Its value.
    pub value: String,
    /// What the value means to a client.
    pub meaning: String,
}

/// Days from 0000-03-01 to 1970-01-01.
const DAYS_BEFORE_1970: u64 = 719_468;
/// Days of 400 years.
const ERA: u64 = 146_097;
/// The first second of the year 10000.
const YEAR_10000: u64 = 253_402_300_800;

impl ReceivedPackage0<'_> {
    /// Every field in order, with what it means.
    #[must_use]
    pub fn explain(&self) -> Vec<ExplainedField> {
        let header = |name: &str, value: String, meaning: &str| ExplainedField {
            at: 0,
            octets: self.octets()[..super::HEADER_OCTETS].to_vec(),
            name: name.to_owned(),
            value,
            meaning: meaning.to_owned(),
        };
        let version = match self.version() {
            VERSION => "version of the Notification format",
            _ => "version of the Notification format, read as if it were 1",
        };
        let reserved = match self.reserved() {
            0 => "as sent by this version",
            _ => "not 0 as it has to be sent; ignored",
        };
        let mut fields = vec![
            header("VER", self.version().to_string(), version),
            header("OC", self.options().len().to_string(), "number of options"),
            header("RESERVED", self.reserved().to_string(), reserved),
        ];
        fields.extend(self.options().iter().map(|option| self.explained(option)));
        fields
    }

    fn explained(&self, option: &OptionAt) -> ExplainedField {
        let octets = &self.octets()[option.value.clone()];
        let name = OptionName::of(option.number);
        let (value, meaning) = name
            .and_then(|name| self.told(name, octets))
            .unwrap_or_else(|| {
                let skipped = "not listed in the specification; skipped (D37)";
                (hex(octets), skipped.to_owned())
            });
        ExplainedField {
            at: option.at,
            octets: self.octets()[option.at..option.value.end].to_vec(),
            name: name.map_or_else(
                || format!("option {}", option.number),
                |name| name.as_str().to_owned(),
            ),
            value,
            meaning,
        }
    }

    fn told(&self, name: OptionName, octets: &[u8]) -> Option<(String, String)> {
        let package = self.package();
        Some(match name {
            OptionName::ServerId => {
                let id = &package.server_id;
                let meaning = match id {
                    ServerId::Account(_) => "SrvID of the DM Account whose server wants a session",
                    ServerId::Bootstrap(_) => {
                        "bootstrap source from which a DM Bootstrap is to be fetched (D84)"
                    }
                };
                (id.to_string(), meaning.to_owned())
            }
            OptionName::PreferredConType => {
                let connection = package.preferred_connection?;
                (
                    format!("0x{}", hex(octets)),
                    connection_told(connection, octets),
                )
            }
            OptionName::NotificationId => (
                package.notification_id?.to_string(),
                "tells duplicates; the session's first alert repeats it".to_owned(),
            ),
            OptionName::Sha256Digest => (
                hex(octets),
                "proof of the server by Auth/Noti of its account".to_owned(),
            ),
            OptionName::Timestamp => {
                let seconds = package.timestamp?;
                let sent = utc(seconds).unwrap_or_else(|| "beyond the year 9999".to_owned());
                (seconds.to_string(), format!("sent {sent}"))
            }
            OptionName::ReqMos => (
                "present".to_owned(),
                "the MO list (MOS) is wanted in Package#1".to_owned(),
            ),
        })
    }
}

fn connection_told(connection: PreferredConnection, octets: &[u8]) -> String {
    let meaning = match connection {
        PreferredConnection::AnyAvailable => "no connection preferred",
        PreferredConnection::Cellular => "a mobile network (GSM, CDMA, UMTS, LTE …) preferred",
        PreferredConnection::Wlan => "wireless LAN (802.11) preferred",
        PreferredConnection::Wireline => "a wired connection preferred",
    };
    let listed = if octets == [connection.octet()] {
        ""
    } else {
        "not listed in the specification, counts as "
    };
    format!("{listed}{}: {meaning}", connection.as_str())
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// The time of POSIX seconds; none from the year 10000 on.
fn utc(seconds: u64) -> Option<String> {
    if seconds >= YEAR_10000 {
        return None;
    }
    let (days, second) = (seconds / 86_400 + DAYS_BEFORE_1970, seconds % 86_400);
    let day_of_era = days % ERA;
    let year_of_era =
        (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / (ERA - 1)) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    // Months counted from March, so that the leap day is a year's last.
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, next) = if month < 10 {
        (month + 3, 0)
    } else {
        (month - 9, 1)
    };
    let year = days / ERA * 400 + year_of_era + next;
    let (hour, minute, second) = (second / 3_600, second / 60 % 60, second % 60);
    Some(format!(
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}Z"
    ))
}

#[cfg(test)]
mod tests {
    use super::{YEAR_10000, utc};

    #[test]
    fn posix_seconds_are_told_as_utc() {
        for (seconds, told) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (951_868_800, "2000-03-01T00:00:00Z"),
            (1_388_534_400, "2014-01-01T00:00:00Z"),
            (1_709_251_199, "2024-02-29T23:59:59Z"),
            (4_107_542_400, "2100-03-01T00:00:00Z"),
            (4_294_967_295, "2106-02-07T06:28:15Z"),
            (YEAR_10000 - 1, "9999-12-31T23:59:59Z"),
        ] {
            assert_eq!(utc(seconds).as_deref(), Some(told));
        }
        assert_eq!(utc(YEAR_10000), None);
        assert_eq!(utc(u64::MAX), None);
    }
}
