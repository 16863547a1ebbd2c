use super::digest::{DigestAlgorithm, DigestChallenge};
use super::parameters::{Scheme, quoted};

/// One challenge of a `WWW-Authenticate` that can be answered.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Challenge {
    /// HTTP Basic: the password itself is asked for.
    Basic {
        /// The realm.
        realm: String,
    },
    /// HTTP Digest with `qop=auth`.
    Digest(DigestChallenge),
}

impl Challenge {
    /// Reads the values of all `WWW-Authenticate` headers of an answer, the strongest first: Digest with SHA-256, Digest with MD5, Basic. Schemes and
    /// algorithms that nobody here speaks, Digest without `qop=auth`, and what is malformed are passed over.
    #[must_use]
    pub fn read_all<'a>(values: impl IntoIterator<Item = &'a str>) -> Vec<Self> {
        let mut found: Vec<Self> = values
            .into_iter()
            .flat_map(Scheme::read_all)
            .filter_map(|scheme| Self::of(&scheme))
            .collect();
        found.sort_by_key(Self::weakness);
        found
    }

    /// The value of a `WWW-Authenticate`.
    #[must_use]
    pub fn write(&self) -> String {
        match self {
            Self::Basic { realm } => format!("Basic realm={}, charset=\"UTF-8\"", quoted(realm)),
            Self::Digest(digest) => digest.write(),
        }
    }

    fn of(scheme: &Scheme<'_>) -> Option<Self> {
        if scheme.name.eq_ignore_ascii_case("basic") {
            let realm = scheme.get("realm").unwrap_or_default().to_owned();
            return Some(Self::Basic { realm });
        }
        DigestChallenge::of(scheme).map(Self::Digest)
    }

    const fn weakness(&self) -> u8 {
        match self {
            Self::Digest(digest) => match digest.algorithm {
                DigestAlgorithm::Sha256 => 0,
                DigestAlgorithm::Md5 => 1,
            },
            Self::Basic { .. } => 2,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Challenge;
    use crate::http_auth::{DigestAlgorithm, DigestChallenge};

    fn digest(algorithm: DigestAlgorithm) -> Challenge {
        Challenge::Digest(DigestChallenge {
            realm: "a \"realm\"".to_owned(),
            nonce: "n/+=".to_owned(),
            opaque: Some("o".to_owned()),
            algorithm,
            stale: false,
        })
    }

    #[test]
    fn the_strongest_challenge_comes_first_wherever_it_stands() {
        let basic = Challenge::Basic {
            realm: "omadm".to_owned(),
        };
        let all = [
            digest(DigestAlgorithm::Sha256),
            digest(DigestAlgorithm::Md5),
            basic,
        ];
        let lines: Vec<_> = all.iter().rev().map(Challenge::write).collect();
        let read = |lines: &[String]| Challenge::read_all(lines.iter().map(String::as_str));
        assert_eq!(read(&lines), all);
        assert_eq!(read(&[lines.join(", ")]), all);
    }

    #[test]
    fn what_cannot_be_answered_is_passed_over() {
        for line in [
            "",
            "Bearer",
            "Negotiate",
            "Digest",
            "Digest realm=\"x\", nonce=\"y\"",
            "Digest realm=\"x\", nonce=\"y\", qop=\"auth-int\"",
            "Digest realm=\"x\", nonce=\"y\", qop=\"auth\", algorithm=SHA-512-256",
            "Digest realm=\"x\", nonce=\"y\", qop=\"auth\", algorithm=MD5-sess",
            "Digest realm=\"x\", qop=\"auth\"",
            "Digest nonce=\"y\", qop=\"auth\"",
            "\"Basic\"",
            "\u{1}\u{2}",
        ] {
            assert_eq!(Challenge::read_all([line]), [], "{line}");
        }
        let old = r#"Digest realm="x", nonce="y", qop="auth-int, auth", stale=TRUE"#;
        let [Challenge::Digest(old)] = &Challenge::read_all([old])[..] else {
            panic!("no challenge")
        };
        assert_eq!((old.algorithm, old.stale), (DigestAlgorithm::Md5, true));
    }
}
