use std::fmt;

use percent_encoding::{AsciiSet, CONTROLS, percent_decode_str, utf8_percent_encode};

use crate::{LocUriQuery, NodeName, NodeNameError};

/// Where a node lies in the tree that a DM 1.x server sees (`dm1x.md` §4.1): the segments from the root down, decoded. None is the root.
///
/// Read with or without `./`, written with it. A device prefix such as `./Vendor/MSFT` is plain segments.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Debug)]
pub struct LocUri(Vec<NodeName>);

/// What a device bounds its URIs to: `./DevDetail/URI`. 0 is no bound.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct UriLimits {
    /// `MaxDepth`: segments below the root.
    pub max_depth: u16,
    /// `MaxTotLen`: octets of the URI as it is written, the query left out.
    pub max_tot_len: u16,
    /// `MaxSegLen`: octets of one segment, decoded.
    pub max_seg_len: u16,
}

/// Why a text is no LocURI of this device. Its author is at fault; [`Self::status`] is the answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum LocUriError {
    /// Nothing there.
    #[error("the LocURI is empty")]
    Empty,
    /// Begins or ends with `/`, or holds `//`.
    #[error("the LocURI has an empty segment")]
    EmptySegment,
    /// `.` behind the start, or `..`.
    #[error("a LocURI goes down only: `.` stands at its start alone, `..` nowhere")]
    Relative,
    /// An escape that is none or that gives no UTF-8, a `#`, or a control character.
    #[error("the LocURI holds what no URI may")]
    Character,
    /// A query that is neither `prop` nor `list`, or a `list` with both plus and minus.
    #[error("the LocURI's query is not understood")]
    Query,
    /// A property that nobody knows.
    #[error("the LocURI asks for a property that is not supported")]
    Property,
    /// A list that nobody knows.
    #[error("the LocURI asks for a list that is not supported")]
    List,
    /// More segments than `MaxDepth`.
    #[error("the LocURI is deeper than the device's tree may be")]
    Depth,
    /// Longer than `MaxTotLen`.
    #[error("the LocURI is longer than the device takes")]
    Length,
    /// A segment longer than `MaxSegLen`.
    #[error("a segment of the LocURI is longer than the device takes")]
    Segment,
}

impl UriLimits {
    /// Those of our own device. A name has 255 octets at most everywhere.
    pub const OURS: Self = Self {
        max_depth: 32,
        max_tot_len: 2048,
        max_seg_len: 255,
    };
    /// None but that of a name.
    pub const NONE: Self = Self {
        max_depth: 0,
        max_tot_len: 0,
        max_seg_len: 0,
    };
}

impl LocUri {
    /// The root.
    pub const ROOT: Self = Self(Vec::new());

    /// Reads a LocURI with its query, of whatever length and depth.
    ///
    /// # Errors
    /// [`LocUriError`] where the text is not one.
    pub fn parse(text: &str) -> Result<(Self, Option<LocUriQuery>), LocUriError> {
        Self::parse_within(text, &UriLimits::NONE)
    }

    /// Reads a LocURI with its query as a device of these limits does.
    ///
    /// # Errors
    /// [`LocUriError`] where the text is not one, or beyond the limits.
    pub fn parse_within(
        text: &str,
        limits: &UriLimits,
    ) -> Result<(Self, Option<LocUriQuery>), LocUriError> {
        let (path, query) = match text.split_once('?') {
            Some((path, query)) => (path, Some(query)),
            None => (text, None),
        };
        if path.is_empty() {
            return Err(LocUriError::Empty);
        }
        if beyond(path.len(), limits.max_tot_len) {
            return Err(LocUriError::Length);
        }
        let names = match path.strip_prefix("./") {
            _ if path == "." => Vec::new(),
            Some(below) => segments(below, limits)?,
            None => segments(path, limits)?,
        };
        Ok((Self(names), query.map(LocUriQuery::parse).transpose()?))
    }

    /// The segments, outermost first.
    #[must_use]
    pub fn segments(&self) -> &[NodeName] {
        &self.0
    }

    /// Whether it is the root.
    #[must_use]
    pub fn is_root(&self) -> bool {
        self.0.is_empty()
    }

    /// The URI of a child.
    #[must_use]
    pub fn child(&self, name: NodeName) -> Self {
        let mut names = self.0.clone();
        names.push(name);
        Self(names)
    }

    /// The parent's URI and the last segment; none for the root.
    #[must_use]
    pub fn split_last(&self) -> Option<(Self, &NodeName)> {
        self.0
            .split_last()
            .map(|(last, rest)| (Self(rest.to_vec()), last))
    }

    /// Whether this node is `other` or lies below it.
    #[must_use]
    pub fn is_within(&self, other: &Self) -> bool {
        self.0.starts_with(&other.0)
    }
}

impl LocUriError {
    /// The status code of a command with such a target: 400, 406 or 414 (`dm1x.md` §4.1).
    #[must_use]
    pub const fn status(self) -> u16 {
        match self {
            Self::Empty | Self::EmptySegment | Self::Relative | Self::Character | Self::Query => {
                400
            }
            Self::Property | Self::List => 406,
            Self::Depth | Self::Length | Self::Segment => 414,
        }
    }
}

impl FromIterator<NodeName> for LocUri {
    fn from_iter<I: IntoIterator<Item = NodeName>>(names: I) -> Self {
        Self(names.into_iter().collect())
    }
}

/// What is no `pchar` (RFC 2396), beyond what is not ASCII.
const ENCODED: &AsciiSet = &CONTROLS
    .add(b' ')
    .add(b'"')
    .add(b'#')
    .add(b'%')
    .add(b'/')
    .add(b'<')
    .add(b'>')
    .add(b'?')
    .add(b'[')
    .add(b'\\')
    .add(b']')
    .add(b'^')
    .add(b'`')
    .add(b'{')
    .add(b'|')
    .add(b'}');

/// A name as a segment of a LocURI. `.` and `..` are escaped: unescaped they are no names.
pub(crate) fn encode_segment(name: &str) -> impl fmt::Display + '_ {
    match name {
        "." => utf8_percent_encode(".", percent_encoding::NON_ALPHANUMERIC),
        ".." => utf8_percent_encode("..", percent_encoding::NON_ALPHANUMERIC),
        _ => utf8_percent_encode(name, ENCODED),
    }
}

fn beyond(len: usize, limit: u16) -> bool {
    limit != 0 && len > usize::from(limit)
}

fn segments(path: &str, limits: &UriLimits) -> Result<Vec<NodeName>, LocUriError> {
    let mut names = Vec::new();
    for part in path.split('/') {
        if names.len() == usize::from(u16::MAX) || beyond(names.len() + 1, limits.max_depth) {
            return Err(LocUriError::Depth);
        }
        names.push(segment(part, limits)?);
    }
    Ok(names)
}

fn segment(part: &str, limits: &UriLimits) -> Result<NodeName, LocUriError> {
    match part {
        "" => return Err(LocUriError::EmptySegment),
        "." | ".." => return Err(LocUriError::Relative),
        _ => {}
    }
    let escapes_are_whole = part.split('%').skip(1).all(|after| {
        let digits = after.as_bytes().get(..2);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    });
    if part.contains('#') || !escapes_are_whole {
        return Err(LocUriError::Character);
    }
    let name = percent_decode_str(part).decode_utf8();
    let name = name.map_err(|_| LocUriError::Character)?;
    if beyond(name.len(), limits.max_seg_len) {
        return Err(LocUriError::Segment);
    }
    NodeName::parse(&name).map_err(|fault| match fault {
        NodeNameError::Length(_) => LocUriError::Segment,
        NodeNameError::Control => LocUriError::Character,
    })
}

/// `./a/b`, percent-encoded; `.` for the root.
impl fmt::Display for LocUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(".")?;
        for name in &self.0 {
            write!(f, "/{}", encode_segment(name.as_str()))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::{LocUri, LocUriError, UriLimits};
    use crate::{LocUriQuery, NodeName, Property};

    fn uri(text: &str) -> LocUri {
        LocUri::parse(text).unwrap().0
    }

    #[test]
    fn a_loc_uri_is_relative_to_the_root_with_or_without_the_dot() {
        assert_eq!(uri("./DMAcc/1"), uri("DMAcc/1"));
        assert!(uri(".").is_root() && !uri("./a").is_root());
        assert_eq!(uri("."), LocUri::ROOT);
        assert_eq!(uri("./a%2Fb/%C3%BC").to_string(), "./a%2Fb/%C3%BC");
        assert_eq!(uri("./ü").to_string(), "./%C3%BC");
        assert!(uri("./a/b").is_within(&uri("./a")) && !uri("./ab").is_within(&uri("./a")));
    }

    #[test]
    fn a_vendor_s_prefix_is_plain_segments() {
        for text in [
            "./Vendor/MSFT/WiFi/Profile/My.Net/WlanXml",
            "./Device/Vendor/MSFT/Policy",
            "./User/Vendor/MSFT/X~y!$&'()*+,;=:@",
        ] {
            assert_eq!(uri(text).to_string(), text);
        }
    }

    #[test]
    fn malformed_is_400_unsupported_is_406_too_long_is_414() {
        for text in [
            "",
            "/",
            "/a",
            "./",
            "./a/",
            "a//b",
            "./a/./b",
            "../a",
            "./..",
            "./%zz",
            "./%ff",
            "./a#b",
            "./a\u{7}",
            "./a?",
            "./a?x=y",
            "./a?prop=",
            "?prop=ACL",
            "./a?list=TNDS+ACL-Format",
        ] {
            let fault = LocUri::parse(text).unwrap_err();
            let expected = if text == "./a?prop=" { 406 } else { 400 };
            assert_eq!(fault.status(), expected, "{text}: {fault}");
        }
        for text in [
            "./a?prop=Acl",
            "./a?prop=Color",
            "./a?list=Tree",
            "./a?list=TNDS+X",
        ] {
            assert_eq!(LocUri::parse(text).unwrap_err().status(), 406, "{text}");
        }
        let limits = UriLimits {
            max_depth: 2,
            max_tot_len: 12,
            max_seg_len: 4,
        };
        for (text, fault) in [
            ("./a/b/c", LocUriError::Depth),
            ("./abcde", LocUriError::Segment),
            ("./abcd/%61bcd", LocUriError::Length),
        ] {
            assert_eq!(LocUri::parse_within(text, &limits), Err(fault));
            assert_eq!(fault.status(), 414);
            assert!(LocUri::parse(text).is_ok());
        }
        let (_, query) = LocUri::parse_within("./abcd/abcd?prop=ACL", &limits).unwrap();
        assert_eq!(query, Some(LocUriQuery::Prop(Property::Acl)));
        let long = format!("./{}", "x".repeat(256));
        assert_eq!(LocUri::parse(&long), Err(LocUriError::Segment));
    }

    proptest! {
        #[test]
        fn what_is_written_is_read_again(names in proptest::collection::vec("[^\\p{C}]{1,20}|\\.|\\.\\.|[%/?#]{1,3}", 0..6)) {
            let names: Vec<_> = names.iter().map(|name| NodeName::parse(name).unwrap()).collect();
            let uri: LocUri = names.into_iter().collect();
            prop_assert_eq!(LocUri::parse(&uri.to_string()), Ok((uri, None)));
        }

        #[test]
        fn what_is_read_reads_the_same_when_written(text in "(\\./)?[a-z%0-9/.?=+A-Z-]{0,30}") {
            if let Ok((uri, query)) = LocUri::parse(&text) {
                let mut written = uri.to_string();
                if let Some(query) = &query {
                    written.push_str(&query.to_string());
                }
                prop_assert_eq!(LocUri::parse(&written), Ok((uri, query)));
            }
        }
    }
}
