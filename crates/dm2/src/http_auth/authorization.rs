use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use omadm_mo::Secret;

use super::digest::DigestResponse;
use super::parameters::Scheme;

/// An `Authorization` of a device. Has no `Debug`: Basic holds a password.
pub enum Authorization {
    /// User and password. A DevID holds colons, so where more than one stands there it is not said which one parts them: after the last, then after the
    /// first. One user may have a colon or one password, not both at once.
    Basic(Vec<BasicPair>),
    /// A Digest.
    Digest(DigestResponse),
}

/// A user with a password. Has no `Debug`.
pub struct BasicPair {
    /// The user.
    pub user: String,
    /// The password.
    pub password: Secret,
}

/// Why an `Authorization` is none. The peer is at fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum AuthorizationError {
    /// The scheme is another.
    #[error("the Authorization header is neither HTTP Basic nor HTTP Digest")]
    Scheme,
    /// The credential of HTTP Basic is broken.
    #[error("the Authorization header is no well-formed HTTP Basic credential")]
    Basic,
    /// A parameter of HTTP Digest is missing, malformed, or of a variant that no challenge offered.
    #[error(
        "the Authorization header is no well-formed HTTP Digest (qop=auth, SHA-256 or MD5, no userhash)"
    )]
    Digest,
}

impl Authorization {
    /// Reads the value of the header.
    ///
    /// # Errors
    /// [`AuthorizationError`].
    pub fn read(value: &str) -> Result<Self, AuthorizationError> {
        let all = Scheme::read_all(value);
        let Some((scheme, others)) = all.split_first() else {
            return Err(AuthorizationError::Scheme);
        };
        let alone = others.is_empty();
        if scheme.name.eq_ignore_ascii_case("basic") {
            let pairs = scheme.token.filter(|_| alone).and_then(pairs);
            return pairs.map(Self::Basic).ok_or(AuthorizationError::Basic);
        }
        if scheme.name.eq_ignore_ascii_case("digest") {
            let digest = DigestResponse::read(scheme);
            let digest = digest.filter(|_| alone);
            return digest.map(Self::Digest).ok_or(AuthorizationError::Digest);
        }
        Err(AuthorizationError::Scheme)
    }
}

/// The value of an `Authorization` by HTTP Basic.
#[must_use]
pub fn basic(user: &str, password: &Secret) -> Secret {
    let pair = Secret::new([user.as_bytes(), b":", password.expose()].concat());
    let encoded = Secret::from(STANDARD.encode(pair.expose()));
    Secret::new([b"Basic ", encoded.expose()].concat())
}

fn pairs(credential: &str) -> Option<Vec<BasicPair>> {
    let decoded = Secret::new(STANDARD.decode(credential).ok()?);
    let text = std::str::from_utf8(decoded.expose()).ok()?;
    let pair = |(user, password): (&str, &str)| BasicPair {
        user: user.to_owned(),
        password: Secret::from(password.to_owned()),
    };
    let mut all = vec![pair(text.rsplit_once(':')?)];
    let first = text.split_once(':')?;
    if first.0 != all[0].user {
        all.push(pair(first));
    }
    Some(all)
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use omadm_mo::Secret;

    use super::{Authorization, AuthorizationError, basic};

    fn read(line: &str) -> Result<Vec<(String, String)>, AuthorizationError> {
        match Authorization::read(line)? {
            Authorization::Basic(pairs) => Ok(pairs
                .into_iter()
                .map(|pair| {
                    let password = String::from_utf8(pair.password.expose().to_vec()).unwrap();
                    (pair.user, password)
                })
                .collect()),
            Authorization::Digest(_) => Err(AuthorizationError::Basic),
        }
    }

    fn pair(user: &str, password: &str) -> (String, String) {
        (user.to_owned(), password.to_owned())
    }

    #[test]
    fn x_sec_001_a_dev_id_with_colons_is_parted_from_its_code_and_a_user_from_a_password_with_colons()
     {
        let line = |text: &str| format!("basic {}", STANDARD.encode(text));
        assert_eq!(read(&line("user:pass")), Ok(vec![pair("user", "pass")]));
        assert_eq!(
            read(&line("IMEI:49:ABCD-EFGH")),
            Ok(vec![
                pair("IMEI:49", "ABCD-EFGH"),
                pair("IMEI", "49:ABCD-EFGH")
            ])
        );
    }

    #[test]
    fn basic_is_read_as_it_was_written() {
        let line = basic("ü", &Secret::from("ø\"\\".to_owned()));
        let line = std::str::from_utf8(line.expose()).unwrap();
        assert_eq!(read(line), Ok(vec![pair("ü", "ø\"\\")]));
    }

    #[test]
    fn other_schemes_and_broken_credentials_are_told() {
        for (line, error) in [
            ("", AuthorizationError::Scheme),
            ("Basic", AuthorizationError::Basic),
            ("Basic ", AuthorizationError::Basic),
            ("Basic %%%", AuthorizationError::Basic),
            ("Basic YWJj", AuthorizationError::Basic),
            ("Basic /zpi", AuthorizationError::Basic),
            ("Basic YTpi, Basic YTpi", AuthorizationError::Basic),
            ("Bearer YTpi", AuthorizationError::Scheme),
            ("Digest", AuthorizationError::Digest),
            ("Digest username=a", AuthorizationError::Digest),
            (
                "Digest username=a, realm=b, nonce=c, uri=\"/\", qop=auth, nc=1, cnonce=d, response=e",
                AuthorizationError::Digest,
            ),
            (
                "Digest username=a, realm=b, nonce=c, uri=\"/\", qop=auth-int, nc=00000001, cnonce=d, response=e",
                AuthorizationError::Digest,
            ),
            (
                "Digest username=a, realm=b, nonce=c, uri=\"/\", qop=auth, nc=00000001, cnonce=d, response=e, userhash=true",
                AuthorizationError::Digest,
            ),
        ] {
            assert_eq!(read(line), Err(error), "{line}");
        }
    }
}
