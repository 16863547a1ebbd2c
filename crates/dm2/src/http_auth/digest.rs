use omadm_mo::Secret;
use subtle::ConstantTimeEq as _;

use super::parameters::{Scheme, quoted};

/// The hash of a Digest.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum DigestAlgorithm {
    /// SHA-256.
    Sha256,
    /// MD5, for devices of before RFC 7616.
    Md5,
}

/// What a Digest is asked for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DigestChallenge {
    /// The realm.
    pub realm: String,
    /// The server's nonce.
    pub nonce: String,
    /// To be sent back as it is.
    pub opaque: Option<String>,
    /// The hash.
    pub algorithm: DigestAlgorithm,
    /// The password was right and the nonce was not: to be answered again without asking anybody.
    pub stale: bool,
}

/// A Digest. Proves that its maker knows the password for this one request, and does not tell it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DigestResponse {
    /// The user.
    pub user: String,
    /// The realm.
    pub realm: String,
    /// The server's nonce.
    pub nonce: String,
    /// The request's target: path and query.
    pub uri: String,
    /// The hash.
    pub algorithm: DigestAlgorithm,
    /// The client's nonce.
    pub cnonce: String,
    /// Counts the client's requests with this nonce, from 1.
    pub nc: u32,
    /// What the challenge had.
    pub opaque: Option<String>,
    response: String,
}

impl DigestAlgorithm {
    /// Every algorithm, the stronger first.
    pub const ALL: [Self; 2] = [Self::Sha256, Self::Md5];

    /// As it stands in HTTP.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "SHA-256",
            Self::Md5 => "MD5",
        }
    }

    fn of(scheme: &Scheme<'_>) -> Option<Self> {
        if !scheme.has("algorithm") {
            return Some(Self::Md5);
        }
        let name = scheme.get("algorithm")?;
        let mut all = Self::ALL.into_iter();
        all.find(|algorithm| algorithm.name().eq_ignore_ascii_case(name))
    }

    fn hex(self, octets: &[u8]) -> String {
        let hash: &[u8] = match self {
            Self::Sha256 => &<sha2::Sha256 as sha2::Digest>::digest(octets),
            Self::Md5 => &<md5::Md5 as md5::Digest>::digest(octets),
        };
        hash.iter().map(|octet| format!("{octet:02x}")).collect()
    }
}

impl DigestChallenge {
    pub(super) fn of(scheme: &Scheme<'_>) -> Option<Self> {
        if !scheme.name.eq_ignore_ascii_case("digest") {
            return None;
        }
        let mut qops = scheme.get("qop")?.split(',');
        qops.find(|qop| qop.trim().eq_ignore_ascii_case("auth"))?;
        Some(Self {
            realm: scheme.get("realm")?.to_owned(),
            nonce: scheme.get("nonce")?.to_owned(),
            opaque: scheme.get("opaque").map(str::to_owned),
            algorithm: DigestAlgorithm::of(scheme)?,
            stale: scheme
                .get("stale")
                .is_some_and(|stale| stale.eq_ignore_ascii_case("true")),
        })
    }

    pub(super) fn write(&self) -> String {
        let mut line = format!(
            "Digest realm={}, qop=\"auth\", algorithm={}, nonce={}",
            quoted(&self.realm),
            self.algorithm.name(),
            quoted(&self.nonce)
        );
        if let Some(opaque) = &self.opaque {
            line.push_str(&format!(", opaque={}", quoted(opaque)));
        }
        if self.stale {
            line.push_str(", stale=true");
        }
        line
    }

    /// The answer for one request. `cnonce` is fresh randomness as text without quotes; `nc` has to grow with every request that uses the challenge's nonce.
    #[must_use]
    pub fn answer(
        &self,
        user: &str,
        password: &Secret,
        method: &str,
        uri: &str,
        cnonce: &str,
        nc: u32,
    ) -> DigestResponse {
        let mut response = DigestResponse {
            user: user.to_owned(),
            realm: self.realm.clone(),
            nonce: self.nonce.clone(),
            uri: uri.to_owned(),
            algorithm: self.algorithm,
            cnonce: cnonce.to_owned(),
            nc,
            opaque: self.opaque.clone(),
            response: String::new(),
        };
        response.response = response.of(method, password);
        response
    }
}

impl DigestResponse {
    pub(super) fn read(scheme: &Scheme<'_>) -> Option<Self> {
        let text = |name| scheme.get(name).map(str::to_owned);
        let hashed = scheme.has("userhash") && scheme.get("userhash") != Some("false");
        let nc = scheme.get("nc").filter(|nc| nc.len() == 8)?;
        if hashed || !scheme.get("qop")?.eq_ignore_ascii_case("auth") {
            return None;
        }
        Some(Self {
            user: text("username")?,
            realm: text("realm")?,
            nonce: text("nonce")?,
            uri: text("uri")?,
            algorithm: DigestAlgorithm::of(scheme)?,
            cnonce: text("cnonce")?,
            nc: u32::from_str_radix(nc, 16).ok()?,
            opaque: text("opaque"),
            response: text("response")?.to_ascii_lowercase(),
        })
    }

    /// The value of `Authorization`.
    #[must_use]
    pub fn write(&self) -> String {
        let mut line = format!(
            "Digest username={}, realm={}, nonce={}, uri={}, algorithm={}, qop=auth, nc={:08x}, cnonce={}, response=\"{}\"",
            quoted(&self.user),
            quoted(&self.realm),
            quoted(&self.nonce),
            quoted(&self.uri),
            self.algorithm.name(),
            self.nc,
            quoted(&self.cnonce),
            self.response
        );
        if let Some(opaque) = &self.opaque {
            line.push_str(&format!(", opaque={}", quoted(opaque)));
        }
        line
    }

    /// Whether it was made with this password for a request of this method; compared in constant time. That realm, nonce, counter and URI are those of the
    /// request is the caller's to judge.
    #[must_use]
    pub fn is_made_with(&self, password: &Secret, method: &str) -> bool {
        let wanted = self.of(method, password);
        wanted.as_bytes().ct_eq(self.response.as_bytes()).into()
    }

    /// RFC 7616 §3.4.1.
    fn of(&self, method: &str, password: &Secret) -> String {
        let hash = |text: String| self.algorithm.hex(text.as_bytes());
        let head = format!("{}:{}:", self.user, self.realm);
        let a1 = Secret::new([head.as_bytes(), password.expose()].concat());
        let a1 = Secret::from(self.algorithm.hex(a1.expose()));
        let a2 = hash(format!("{method}:{}", self.uri));
        let rest = format!(":{}:{:08x}:{}:auth:{a2}", self.nonce, self.nc, self.cnonce);
        let whole = Secret::new([a1.expose(), rest.as_bytes()].concat());
        self.algorithm.hex(whole.expose())
    }
}

#[cfg(test)]
mod tests {
    use omadm_mo::Secret;

    use super::{DigestAlgorithm, DigestChallenge, DigestResponse};
    use crate::http_auth::Authorization;

    fn rfc_7616(algorithm: DigestAlgorithm) -> DigestResponse {
        let challenge = DigestChallenge {
            realm: "http-auth@example.org".to_owned(),
            nonce: "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v".to_owned(),
            opaque: Some("FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS".to_owned()),
            algorithm,
            stale: false,
        };
        let password = Secret::from("Circle of Life".to_owned());
        let cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ";
        challenge.answer("Mufasa", &password, "GET", "/dir/index.html", cnonce, 1)
    }

    #[test]
    fn x_sec_001_the_examples_of_rfc_7616_come_out() {
        let found = DigestAlgorithm::ALL.map(|algorithm| rfc_7616(algorithm).response);
        assert_eq!(
            found,
            [
                "753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1",
                "8ca523f5e9506fed4657c9700eebdbec"
            ]
        );
    }

    #[test]
    fn x_sec_001_the_example_of_rfc_2617_is_accepted_as_old_devices_send_it() {
        let line = "Digest username=\"Mufasa\", realm=\"testrealm@host.com\", nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", \
            uri=\"/dir/index.html\", qop=auth, nc=00000001, cnonce=\"0a4f113b\", response=\"6629FAE49393A05397450978507C4EF1\", \
            opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"";
        let Ok(Authorization::Digest(read)) = Authorization::read(line) else {
            panic!("not read")
        };
        let is_made_with =
            |password: &str, method| read.is_made_with(&Secret::from(password.to_owned()), method);
        assert!(is_made_with("Circle Of Life", "GET"));
        assert!(!is_made_with("Circle Of Life", "POST"));
        assert!(!is_made_with("Circle of Life", "GET"));
    }

    #[test]
    fn every_part_of_a_digest_counts() {
        let password = Secret::from("Circle of Life".to_owned());
        let right = rfc_7616(DigestAlgorithm::Sha256);
        assert!(right.is_made_with(&password, "GET"));
        let changes: [fn(&mut DigestResponse); 7] = [
            |it| it.user.push('x'),
            |it| it.realm.push('x'),
            |it| it.nonce.push('x'),
            |it| it.uri.push('x'),
            |it| it.cnonce.push('x'),
            |it| it.nc += 1,
            |it| it.algorithm = DigestAlgorithm::Md5,
        ];
        for (nr, change) in changes.into_iter().enumerate() {
            let mut changed = right.clone();
            change(&mut changed);
            assert!(!changed.is_made_with(&password, "GET"), "{nr}");
        }
    }
}
