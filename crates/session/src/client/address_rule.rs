use std::fmt;

/// What of the device's policy forbids an address: the keys of `[network]` in the policy file.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum AddressRule {
    /// It lies in a private network, or reaches the link alone: `allow_private`.
    Private,
    /// It is the device itself: `allow_loopback`.
    Loopback,
    /// It is asked for without TLS: `allow_plain_http`.
    PlainHttp,
    /// It is no host's: multicast, broadcast, reserved. No key opens that.
    NoHost,
}

impl AddressRule {
    const ALL: [Self; 4] = [Self::Private, Self::Loopback, Self::PlainHttp, Self::NoHost];

    /// The key under `[network]` that opens it.
    #[must_use]
    pub const fn key(self) -> Option<&'static str> {
        match self {
            Self::Private => Some("allow_private"),
            Self::Loopback => Some("allow_loopback"),
            Self::PlainHttp => Some("allow_plain_http"),
            Self::NoHost => None,
        }
    }

    /// The rule of this name, see [`Self::name`].
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|rule| rule.name() == name)
    }

    /// A name that does not change.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self.key() {
            Some(key) => key,
            None => "no-host",
        }
    }

    /// What to do about it, in a sentence.
    #[must_use]
    pub fn action(self) -> String {
        match self.key() {
            Some(key) => format!(
                "Set `{key} = true` under [network] of the device's policy if this server is meant to be reached there; else mend the address on the server."
            ),
            None => "Mend the address on the server.".to_owned(),
        }
    }
}

impl fmt::Display for AddressRule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let what = match self {
            Self::Private => "it lies in a private or link-local network",
            Self::Loopback => "it is the device itself",
            Self::PlainHttp => "it is without TLS",
            Self::NoHost => "it is no host's",
        };
        match self.key() {
            Some(key) => write!(f, "{what}, and `{key}` under [network] is off"),
            None => f.write_str(what),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests {
    use super::AddressRule;

    #[test]
    fn each_rule_names_its_key_and_what_to_do() {
        for rule in AddressRule::ALL {
            assert_eq!(AddressRule::from_name(rule.name()), Some(rule));
            let Some(key) = rule.key() else {
                assert_eq!(rule, AddressRule::NoHost);
                continue;
            };
            assert!(rule.to_string().contains(key), "{rule}");
            assert!(rule.action().contains(&format!("`{key} = true`")));
        }
    }
}
