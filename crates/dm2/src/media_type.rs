//! Media types of DM 2.0 and how HTTP negotiates them (`dm20.md` §3.2, §3.4).

/// Package#1.
pub const PACKAGE1: &str = "application/vnd.oma.dm.initiation+json";
/// Package#2.
pub const PACKAGE2: &str = "application/vnd.oma.dm.request+json";
/// Package#3.
pub const PACKAGE3: &str = "application/vnd.oma.dm.response+json";
/// MO serialization and DM Bootstrap, as written (D09).
pub const MO: &str = MO_READ[0];
/// MO serialization and DM Bootstrap, as read: the written one first (D09).
pub const MO_READ: [&str; 3] = [
    "application/vnd.oma.dm.mo+json",
    "application/dmmo+json",
    "application/json",
];
/// The body of an HTTP error (D70).
pub const PROBLEM: &str = "application/problem+json";

/// Which package a body is, by its `Content-Type` (D70). Parameters do not count, but a charset other than UTF-8 does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum PackageType {
    /// Package#1.
    Package1,
    /// Package#2.
    Package2,
    /// Package#3.
    Package3,
}

impl PackageType {
    /// The package of this `Content-Type`; none where it is another type, which is answered with 415.
    #[must_use]
    pub fn of(content_type: &str) -> Option<Self> {
        [Self::Package1, Self::Package2, Self::Package3]
            .into_iter()
            .find(|package| is_type(content_type, package.media_type()))
    }

    /// Its media type.
    #[must_use]
    pub const fn media_type(self) -> &'static str {
        match self {
            Self::Package1 => PACKAGE1,
            Self::Package2 => PACKAGE2,
            Self::Package3 => PACKAGE3,
        }
    }
}

/// A parsed `Content-Type`, or one range of an `Accept`. Types are compared without regard to case.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MediaType {
    kind: String,
    subtype: String,
    parameters: Vec<(String, String)>,
}

impl MediaType {
    /// Reads `type/subtype; name=value; name="value"`; none where it is malformed.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = split_outside_quotes(text, ';').into_iter();
        let (kind, subtype) = parts.next()?.trim().split_once('/')?;
        if !is_token(kind) || !is_token(subtype) {
            return None;
        }
        let mut parameters = Vec::new();
        for part in parts.map(str::trim).filter(|part| !part.is_empty()) {
            let (name, value) = part.split_once('=')?;
            if !is_token(name) {
                return None;
            }
            parameters.push((name.to_ascii_lowercase(), unquote(value)?));
        }
        Some(Self {
            kind: kind.to_ascii_lowercase(),
            subtype: subtype.to_ascii_lowercase(),
            parameters,
        })
    }

    /// `type/subtype` in lower case.
    #[must_use]
    pub fn essence(&self) -> String {
        format!("{}/{}", self.kind, self.subtype)
    }

    /// The first parameter of this name, which the caller gives in lower case.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&str> {
        self.parameters
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
    }

    /// Whether its charset, where it names one, is UTF-8 (D09).
    #[must_use]
    pub fn is_utf8(&self) -> bool {
        self.parameter("charset")
            .is_none_or(|charset| charset.eq_ignore_ascii_case("utf-8"))
    }

    /// How closely it, as a range of an `Accept`, covers the type: exact 2, `type/*` 1, `*/*` 0.
    fn covers(&self, kind: &str, subtype: &str) -> Option<u8> {
        match (self.kind.as_str(), self.subtype.as_str()) {
            ("*", "*") => Some(0),
            (own, "*") if own == kind => Some(1),
            (own, also) if own == kind && also == subtype => Some(2),
            _ => None,
        }
    }

    /// Its weight in thousandths; a malformed one counts as 0.
    fn weight(&self) -> u16 {
        self.parameter("q")
            .map_or(1000, |q| parse_weight(q).unwrap_or(0))
    }
}

/// Whether a `Content-Type` names this media type in UTF-8. Other parameters do not count.
#[must_use]
pub fn is_type(content_type: &str, media_type: &str) -> bool {
    MediaType::parse(content_type)
        .is_some_and(|read| read.is_utf8() && read.essence() == media_type)
}

/// Whether a `Content-Type` names MO serialization (D09).
#[must_use]
pub fn is_mo(content_type: &str) -> bool {
    MO_READ
        .iter()
        .any(|media_type| is_type(content_type, media_type))
}

/// Whether an `Accept` or `OMADM-Accept` takes this media type. The most specific range decides; `q=0` excludes; parameters other than `q` do not count;
/// a malformed range is passed over. A header without any range restricts nothing, as an absent one does.
#[must_use]
pub fn accepts(accept: &str, media_type: &str) -> bool {
    let ranges: Vec<_> = split_outside_quotes(accept, ',')
        .into_iter()
        .map(str::trim)
        .filter(|r| !r.is_empty())
        .collect();
    let Some((kind, subtype)) = media_type.split_once('/') else {
        return false;
    };
    let covering = ranges.iter().filter_map(|range| {
        let range = MediaType::parse(range)?;
        Some((range.covers(kind, subtype)?, range.weight()))
    });
    ranges.is_empty() || covering.max().is_some_and(|(_, weight)| weight > 0)
}

/// The media type in which MO data is sent to a peer: the first of [`MO_READ`] that its `OMADM-Accept` takes, and [`MO`] where it sent none. None where
/// it takes none of them (§3.2).
#[must_use]
pub fn mo_for(omadm_accept: Option<&str>) -> Option<&'static str> {
    let takes = |media_type: &&str| omadm_accept.is_none_or(|accept| accepts(accept, media_type));
    MO_READ.into_iter().find(takes)
}

/// `0`, `1`, `0.ddd` or `1.000`, in thousandths.
fn parse_weight(text: &str) -> Option<u16> {
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    if fraction.len() > 3 || !fraction.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    let thousandths: u16 = format!("{fraction:0<3}").parse().ok()?;
    match whole {
        "0" => Some(thousandths),
        "1" if thousandths == 0 => Some(1000),
        _ => None,
    }
}

fn split_outside_quotes(text: &str, separator: char) -> Vec<&str> {
    let (mut quoted, mut escaped) = (false, false);
    text.split(move |c| {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            _ => return c == separator && !quoted,
        }
        false
    })
    .collect()
}

fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b))
}

fn unquote(value: &str) -> Option<String> {
    let Some(quoted) = value.strip_prefix('"') else {
        return is_token(value).then(|| value.to_owned());
    };
    let mut inner = quoted.strip_suffix('"')?.chars();
    let mut text = String::new();
    while let Some(c) = inner.next() {
        text.push(if c == '\\' { inner.next()? } else { c });
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{
        MO, MO_READ, MediaType, PACKAGE1, PACKAGE2, PACKAGE3, PackageType, accepts, is_mo, mo_for,
    };

    #[test]
    fn three_types_are_mo_serialization_d09() {
        for media_type in MO_READ {
            assert!(is_mo(media_type));
        }
        assert_eq!(MO, "application/vnd.oma.dm.mo+json");
        assert!(is_mo(
            "Application/DMMO+JSON ; charset=\"UTF-8\"; v=\"1;2\""
        ));
        assert!(is_mo("application/json;charset=utf-8;"));
        for other in [
            "",
            "json",
            "text/json",
            "application/json; charset=latin1",
            "application/json; charset",
            "application/json/x",
            PACKAGE1,
        ] {
            assert!(!is_mo(other), "{other}");
        }
    }

    #[test]
    fn packages_are_told_apart_by_content_type_d70() {
        assert_eq!(
            PackageType::of("application/VND.oma.dm.initiation+json; charset=UTF-8"),
            Some(PackageType::Package1)
        );
        assert_eq!(PackageType::of(PACKAGE2), Some(PackageType::Package2));
        assert_eq!(PackageType::of(PACKAGE3), Some(PackageType::Package3));
        assert_eq!(PackageType::of("application/json"), None);
        assert_eq!(
            PackageType::of("application/vnd.oma.dm.initiation+json; charset=utf-16"),
            None
        );
    }

    #[test]
    fn accept_is_read_as_http_reads_it() {
        for (accept, taken) in [
            (PACKAGE2, true),
            ("*/*", true),
            ("application/*", true),
            ("", true),
            (" , ", true),
            ("text/html, APPLICATION/vnd.oma.dm.request+json;q=0.1", true),
            ("application/vnd.oma.dm.request+json;v=\"a,b\"", true),
            ("text/*", false),
            ("text/html", false),
            ("*/*, application/vnd.oma.dm.request+json;q=0", false),
            ("application/*;q=0, */*", false),
            (
                "application/*;q=0.000, application/vnd.oma.dm.request+json;q=0.001",
                true,
            ),
            ("application/vnd.oma.dm.request+json;q=2", false),
            ("nonsense, */*", true),
            ("*/json", false),
        ] {
            assert_eq!(accepts(accept, PACKAGE2), taken, "{accept}");
        }
    }

    #[test]
    fn x_nego_001_mo_data_is_sent_in_a_type_that_omadm_accept_takes() {
        assert_eq!(mo_for(None), Some(MO));
        assert_eq!(mo_for(Some("text/xml, application/*;q=0.5")), Some(MO));
        assert_eq!(
            mo_for(Some("application/json, application/dmmo+json")),
            Some("application/dmmo+json")
        );
        assert_eq!(mo_for(Some("application/vnd.syncml.dmtnds+xml")), None);
    }

    #[test]
    fn parameters_are_unquoted_and_their_names_are_in_lower_case() {
        let read = MediaType::parse("text/plain; Title=\"a\\\"b;c\"").unwrap();
        assert_eq!(
            (read.essence().as_str(), read.parameter("title")),
            ("text/plain", Some("a\"b;c"))
        );
        assert_eq!(MediaType::parse("text/plain; a=\"b"), None);
    }

    proptest! {
        #[test]
        fn no_header_makes_the_readers_panic(text in "\\PC{0,60}", near in "[a-z*/;=q0-9.,\"\\\\ ]{0,60}") {
            for text in [text, near] {
                let _ = (is_mo(&text), accepts(&text, PACKAGE2), MediaType::parse(&text).is_some());
            }
        }
    }
}
