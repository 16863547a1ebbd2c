use omadm_mo::DevId;
use omadm_tls::Leaf;

use crate::identity::imei_of;

/// Which DevIDs are meant: one, or all of a form, with `*` for any run of characters, for example `IMEI:4930*`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DevIdPattern(String);

/// How a maker's certificate names its device: `{san-uri}` is its only SAN of type URI (an IMEI URN of RFC 7254 as `IMEI:…`), `{cn}` its only CN; what stands
/// around one of them is added, for example `IMEI:{cn}`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DevIdRule {
    before: String,
    name: Name,
    after: String,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Name {
    SanUri,
    CommonName,
}

/// Why a pattern or rule cannot be used. Its author is at fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum PatternError {
    /// Not what a DevID can be like.
    #[error(
        "a DevID has visible ASCII characters, 1 to 255 of them; in a pattern * stands for any"
    )]
    NoDevId,
    /// No placeholder, or more than one.
    #[error("the rule has to hold {{san-uri}} or {{cn}}, once")]
    NoRule,
}

impl DevIdPattern {
    /// Reads a pattern; one without `*` means that DevID alone.
    ///
    /// # Errors
    /// [`PatternError::NoDevId`].
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        let sample = text.replace('*', "x");
        DevId::parse(&sample).map_err(|_| PatternError::NoDevId)?;
        Ok(Self(text.to_owned()))
    }

    /// The only DevID it means; none where it has a `*`.
    #[must_use]
    pub fn exact(&self) -> Option<DevId> {
        if self.0.contains('*') {
            None
        } else {
            DevId::parse(&self.0).ok()
        }
    }

    /// Whether it means this DevID.
    #[must_use]
    pub fn matches(&self, dev_id: &DevId) -> bool {
        let Some((first, rest)) = self.0.split_once('*') else {
            return self.0 == dev_id.as_str();
        };
        let Some(mut left) = dev_id.as_str().strip_prefix(first) else {
            return false;
        };
        let mut parts: Vec<_> = rest.split('*').collect();
        let last = parts.pop().unwrap_or_default();
        for part in parts {
            match left.find(part) {
                Some(at) => left = left.get(at + part.len()..).unwrap_or_default(),
                None => return false,
            }
        }
        left.ends_with(last)
    }
}

impl Default for DevIdRule {
    fn default() -> Self {
        Self {
            before: String::new(),
            name: Name::SanUri,
            after: String::new(),
        }
    }
}

impl DevIdRule {
    /// Reads a rule.
    ///
    /// # Errors
    /// [`PatternError::NoRule`].
    pub fn parse(text: &str) -> Result<Self, PatternError> {
        for (placeholder, name) in [("{san-uri}", Name::SanUri), ("{cn}", Name::CommonName)] {
            if let Some((before, after)) = text.split_once(placeholder) {
                if before.contains(['{', '}']) || after.contains(['{', '}']) {
                    break;
                }
                return Ok(Self {
                    before: before.to_owned(),
                    name,
                    after: after.to_owned(),
                });
            }
        }
        Err(PatternError::NoRule)
    }

    /// The DevID that a certificate names; none where it names none, or several.
    #[must_use]
    pub fn apply(&self, leaf: &Leaf) -> Option<DevId> {
        let names = match self.name {
            Name::SanUri => leaf.san_uris(),
            Name::CommonName => leaf.subject_common_names(),
        };
        let [name] = names else {
            return None;
        };
        let imei = imei_of(name).filter(|_| self.name == Name::SanUri);
        let name = imei.map_or_else(|| name.clone(), |imei| imei.to_string());
        DevId::parse(&format!("{}{name}{}", self.before, self.after)).ok()
    }
}

#[cfg(test)]
mod tests {
    use omadm_mo::DevId;

    use super::{DevIdPattern, DevIdRule, PatternError};

    #[test]
    fn a_star_stands_for_any_run_and_nothing_else_does() {
        let matches = |pattern: &str, dev_id: &str| {
            let pattern = DevIdPattern::parse(pattern).unwrap();
            pattern.matches(&DevId::parse(dev_id).unwrap())
        };
        for (pattern, dev_id, expected) in [
            ("IMEI:4930", "IMEI:4930", true),
            ("IMEI:4930", "IMEI:49301", false),
            ("IMEI:4930*", "IMEI:4930", true),
            ("IMEI:4930*", "IMEI:493005100592800", true),
            ("IMEI:4930*", "IMEI:4931", false),
            ("*:17", "urn:acme:17", true),
            ("*:17", "urn:acme:171", false),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c-b", false),
            ("ab*ba", "aba", false),
            ("*", "x", true),
            ("a.c", "abc", false),
        ] {
            assert_eq!(matches(pattern, dev_id), expected, "{pattern} {dev_id}");
        }
        for none in ["", "a b"] {
            assert_eq!(DevIdPattern::parse(none), Err(PatternError::NoDevId));
        }
    }

    #[test]
    fn a_rule_has_one_name_in_it() {
        for right in ["{san-uri}", "{cn}", "IMEI:{cn}", "urn:acme:{cn}:m"] {
            assert!(DevIdRule::parse(right).is_ok(), "{right}");
        }
        for wrong in ["", "cn", "{cn}{cn}", "{cn}{san-uri}", "{serial}", "{{cn}}"] {
            assert_eq!(
                DevIdRule::parse(wrong),
                Err(PatternError::NoRule),
                "{wrong}"
            );
        }
        assert_eq!(DevIdRule::parse("{san-uri}").unwrap(), DevIdRule::default());
    }
}
