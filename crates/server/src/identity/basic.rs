//! HTTP Basic (RFC 7617), as a bootstrap code is sent: user = DevID, password = the code (D81).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use http::HeaderValue;
use omadm_mo::Secret;
use zeroize::Zeroizing;

/// A parsed `Authorization: Basic`.
pub(super) struct Basic {
    pub(super) user: String,
    pub(super) password: Secret,
}

impl Basic {
    /// Reads the header's value; none where it is of another scheme or malformed. A DevID may hold colons, a code never does: the last one parts them.
    pub(super) fn parse(value: &HeaderValue) -> Option<Self> {
        let (scheme, credentials) = value.to_str().ok()?.split_once(' ')?;
        if !scheme.eq_ignore_ascii_case("basic") {
            return None;
        }
        let decoded = Zeroizing::new(STANDARD.decode(credentials.trim()).ok()?);
        let colon = decoded.iter().rposition(|octet| *octet == b':')?;
        let user = std::str::from_utf8(decoded.get(..colon)?).ok()?.to_owned();
        Some(Self {
            user,
            password: Secret::new(decoded.get(colon + 1..)?.to_vec()),
        })
    }
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use http::HeaderValue;

    use super::Basic;

    fn parse(text: &str) -> Option<Basic> {
        Basic::parse(&HeaderValue::from_str(text).unwrap())
    }

    #[test]
    fn a_dev_id_with_colons_is_parted_from_the_code_at_the_last_one() {
        let read = parse(&format!(
            "basic {}",
            STANDARD.encode("IMEI:493005100592800:ABCD-EFGH")
        ))
        .unwrap();
        assert_eq!(read.user, "IMEI:493005100592800");
        assert_eq!(read.password.expose(), b"ABCD-EFGH");
    }

    #[test]
    fn other_schemes_and_broken_credentials_are_none() {
        for text in [
            "",
            "Basic",
            "Basic ",
            "Basic %%%",
            "Basic YWJj",
            "Bearer YTpi",
            "Basic /zpi",
        ] {
            assert!(parse(text).is_none(), "{text}");
        }
    }
}
