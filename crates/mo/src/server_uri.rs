use std::fmt;

/// A ServerURI: an absolute `http` or `https` URI (`dm20.md` §7.1), kept as it was written.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ServerUri {
    text: Box<str>,
    scheme: Scheme,
    host: Box<str>,
    port: u16,
    path_at: usize,
}

/// The two schemes a ServerURI may have.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Scheme {
    /// Plain HTTP, default port 80.
    Http,
    /// HTTP over TLS, default port 443.
    Https,
}

/// Scheme, host in lower case, and port: what D78 and D79 compare.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Origin {
    /// Scheme.
    pub scheme: Scheme,
    /// Host in lower case, an IPv6 address without its brackets.
    pub host: String,
    /// Port, the scheme's default where none is written.
    pub port: u16,
}

/// Why a text is no ServerURI. Its author is at fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum ServerUriError {
    /// Begins neither with `http://` nor with `https://`.
    #[error("a ServerURI begins with http:// or https://")]
    Scheme,
    /// No host between `//` and the path.
    #[error("the ServerURI names no host")]
    Host,
    /// Not a number from 1 to 65535.
    #[error("the ServerURI's port is not a number from 1 to 65535")]
    Port,
    /// `user@` in the authority: credentials never travel in a URI.
    #[error("the ServerURI carries a user name; credentials belong into the account")]
    UserInfo,
    /// A blank, a control character, a character outside ASCII, or a fragment.
    #[error("the ServerURI holds {0:?}, which has to be percent-encoded or left out")]
    Character(char),
    /// Longer than [`ServerUri::MAX_LEN`].
    #[error("the ServerURI is longer than {max} octets", max = ServerUri::MAX_LEN)]
    TooLong,
}

impl ServerUri {
    /// Longest accepted ServerURI in octets. Local limit.
    pub const MAX_LEN: usize = 2048;

    /// Whether D14 takes this parameter for a ServerURI rather than a ClientURI.
    #[must_use]
    pub fn is_meant(text: &str) -> bool {
        split_scheme(text).is_some()
    }

    /// Reads a ServerURI.
    ///
    /// # Errors
    /// [`ServerUriError`] where the text is not one.
    pub fn parse(text: &str) -> Result<Self, ServerUriError> {
        if text.len() > Self::MAX_LEN {
            return Err(ServerUriError::TooLong);
        }
        let (scheme, rest) = split_scheme(text).ok_or(ServerUriError::Scheme)?;
        if let Some(bad) = text
            .chars()
            .find(|c| !c.is_ascii_graphic() || "#\"<>\\^`{|}".contains(*c))
        {
            return Err(ServerUriError::Character(bad));
        }
        let authority = &rest[..rest.find(['/', '?']).unwrap_or(rest.len())];
        if authority.contains('@') {
            return Err(ServerUriError::UserInfo);
        }
        let (host, port) = split_port(authority)?;
        let path_at = text.len() - rest.len() + authority.len();
        let default = if scheme == Scheme::Https { 443 } else { 80 };
        Ok(Self {
            text: text.into(),
            scheme,
            host: host.to_ascii_lowercase().into(),
            port: port.unwrap_or(default),
            path_at,
        })
    }

    /// The URI as it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// Scheme, host and port.
    #[must_use]
    pub fn origin(&self) -> Origin {
        Origin {
            scheme: self.scheme,
            host: self.host.to_string(),
            port: self.port,
        }
    }

    /// Its scheme.
    #[must_use]
    pub const fn scheme(&self) -> Scheme {
        self.scheme
    }

    /// Host in lower case, an IPv6 address without its brackets.
    #[must_use]
    pub fn host(&self) -> &str {
        &self.host
    }

    /// Port, the scheme's default where none is written.
    #[must_use]
    pub const fn port(&self) -> u16 {
        self.port
    }

    /// `host` or `host:port` as the HTTP `Host` header wants it.
    #[must_use]
    pub fn authority(&self) -> &str {
        let start = if self.scheme == Scheme::Https {
            "https://".len()
        } else {
            "http://".len()
        };
        &self.text[start..self.path_at]
    }

    /// Path and query as the HTTP request line wants them: never empty.
    #[must_use]
    pub fn path_and_query(&self) -> String {
        match &self.text[self.path_at..] {
            "" => "/".to_owned(),
            query if query.starts_with('?') => format!("/{query}"),
            path => path.to_owned(),
        }
    }

    /// Resolves a `Location` or a `RespURI` against this URI: absolute, or of the same origin (D08): a path from its root, one beside this, or a query of this one.
    /// Nothing leads upwards.
    ///
    /// # Errors
    /// [`ServerUriError`] where the result is no ServerURI.
    pub fn join(&self, location: &str) -> Result<Self, ServerUriError> {
        let (origin, path) = self.text.split_at(self.path_at);
        let path = path.split('?').next().unwrap_or_default();
        let first = location.split(['/', '?']).next().unwrap_or_default();
        let beside = location.strip_prefix("./").unwrap_or(location);
        if location.starts_with('/') && !location.starts_with("//") {
            Self::parse(&format!("{origin}{location}"))
        } else if location.starts_with('?') {
            Self::parse(&format!("{origin}{path}{location}"))
        } else if first.is_empty() || first.contains(':') || first == ".." {
            Self::parse(location)
        } else {
            let above = path.rsplit_once('/').map_or("", |(above, _)| above);
            Self::parse(&format!("{origin}{above}/{beside}"))
        }
    }
}

fn split_scheme(text: &str) -> Option<(Scheme, &str)> {
    let has = |prefix: &str| {
        text.get(..prefix.len())
            .is_some_and(|start| start.eq_ignore_ascii_case(prefix))
    };
    if has("https://") {
        Some((Scheme::Https, &text["https://".len()..]))
    } else if has("http://") {
        Some((Scheme::Http, &text["http://".len()..]))
    } else {
        None
    }
}

fn split_port(authority: &str) -> Result<(&str, Option<u16>), ServerUriError> {
    let (host, port) = if let Some(inner) = authority.strip_prefix('[') {
        let (host, rest) = inner.split_once(']').ok_or(ServerUriError::Host)?;
        match rest.strip_prefix(':') {
            Some(port) => (host, Some(port)),
            None if rest.is_empty() => (host, None),
            None => return Err(ServerUriError::Host),
        }
    } else {
        match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        }
    };
    if host.is_empty() {
        return Err(ServerUriError::Host);
    }
    match port {
        None | Some("") => Ok((host, None)),
        Some(text) if text.bytes().all(|b| b.is_ascii_digit()) => match text.parse() {
            Ok(port) if port > 0 => Ok((host, Some(port))),
            _ => Err(ServerUriError::Port),
        },
        Some(_) => Err(ServerUriError::Port),
    }
}

impl fmt::Display for ServerUri {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = if self.scheme == Scheme::Https {
            "https"
        } else {
            "http"
        };
        let host = &self.host;
        if host.contains(':') {
            write!(f, "{scheme}://[{host}]:{}", self.port)
        } else {
            write!(f, "{scheme}://{host}:{}", self.port)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Scheme, ServerUri, ServerUriError};

    #[test]
    fn default_ports_are_80_and_443_e10() {
        assert_eq!(ServerUri::parse("http://a.example/x").unwrap().port(), 80);
        assert_eq!(ServerUri::parse("HTTPS://A.example").unwrap().port(), 443);
    }

    #[test]
    fn parts_of_a_server_uri() {
        let uri = ServerUri::parse("https://[::1]:8443/dm/2.0?ui=7").unwrap();
        assert_eq!(
            (uri.host(), uri.port(), uri.scheme()),
            ("::1", 8443, Scheme::Https)
        );
        assert_eq!(uri.authority(), "[::1]:8443");
        assert_eq!(uri.path_and_query(), "/dm/2.0?ui=7");
        assert_eq!(
            ServerUri::parse("https://a?q").unwrap().path_and_query(),
            "/?q"
        );
    }

    #[test]
    fn x_uri_003_what_is_no_server_uri_is_refused() {
        for (text, error) in [
            ("ftp://a/", ServerUriError::Scheme),
            ("https:///x", ServerUriError::Host),
            ("https://a:99999/", ServerUriError::Port),
            ("https://a:+1/", ServerUriError::Port),
            ("https://u:p@a/", ServerUriError::UserInfo),
            ("https://a/ b", ServerUriError::Character(' ')),
            ("https://a/#f", ServerUriError::Character('#')),
        ] {
            assert_eq!(ServerUri::parse(text), Err(error), "{text}");
        }
    }

    #[test]
    fn a_location_may_be_absolute_or_a_path_d08() {
        let base = ServerUri::parse("https://a.example:444/dm?x").unwrap();
        assert_eq!(
            base.join("/b?c").unwrap().as_str(),
            "https://a.example:444/b?c"
        );
        assert_eq!(
            base.join("https://c.example/").unwrap().as_str(),
            "https://c.example/"
        );
        for (location, to) in [
            ("b?c", "https://a.example:444/b?c"),
            ("./b/c", "https://a.example:444/b/c"),
            ("?session=7", "https://a.example:444/dm?session=7"),
        ] {
            assert_eq!(base.join(location).unwrap().as_str(), to);
        }
        let bare = ServerUri::parse("https://a.example").unwrap();
        assert_eq!(bare.join("b").unwrap().as_str(), "https://a.example/b");
        for location in ["//evil.example/", "", "../b", "::::", "file:///etc", "a:b"] {
            assert!(base.join(location).is_err(), "{location}");
        }
    }
}
