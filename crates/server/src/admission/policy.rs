use std::collections::{BTreeSet, HashMap};
use std::path::Path;
use std::time::Duration;

use omadm_mo::DevId;
use omadm_tls::CertificateDer;

use super::file::{AdmissionFileError, read};
use super::pattern::{DevIdPattern, DevIdRule};

/// Which devices without record are let in. The default is closed: none.
#[derive(Clone, Debug, Default)]
pub struct AdmissionPolicy {
    /// CAs that vouch for what their certificates name.
    pub makers: Vec<Maker>,
    /// Devices that are let in by name.
    pub allowed: AllowList,
    /// Whether and how devices that nothing lets in wait for an operator; none: they are refused.
    pub hold: Option<Hold>,
}

/// A maker's CA. A device that proves a certificate of it is the one that the certificate names.
#[derive(Clone, Debug)]
pub struct Maker {
    /// For people: events name it.
    pub name: String,
    /// The CA certificates (DER).
    pub anchors: Vec<CertificateDer<'static>>,
    /// How a certificate names its device.
    pub dev_id: DevIdRule,
    /// The DevIDs it may speak for; all where there is none.
    pub only: Vec<DevIdPattern>,
    /// The profile its devices get; none: the CA vouches, and allow-list or operator decide.
    pub profile: Option<String>,
    /// Whether an operator has to approve all the same.
    pub approval: bool,
}

/// Devices that are let in by name.
#[derive(Clone, Debug, Default)]
pub struct AllowList {
    exact: HashMap<DevId, Vec<Permit>>,
    patterns: Vec<(DevIdPattern, Permit)>,
}

/// What a list says of a device.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Permit {
    /// SHA-256 of its certificate, which it has to prove; none: a maker's CA or the server's own has to vouch for the DevID.
    pub certificate: Option<[u8; 32]>,
    /// The profile it gets.
    pub profile: String,
}

/// How devices wait for an operator.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Hold {
    /// The profile they get unless the operator names another.
    pub profile: Option<String>,
    /// Whether devices may wait for which no CA vouches: anybody can make such a certificate, so the operator has to compare its fingerprint.
    pub self_signed: bool,
    /// Most devices that may wait, of those vouched for and of the others each; 1000.
    pub most: u64,
    /// How long one waits, and how long a rejection is remembered; 7 days.
    pub lifetime: Duration,
    /// After which time a device is told to ask again; 1 hour.
    pub retry_after: Duration,
}

impl Default for Hold {
    fn default() -> Self {
        Self {
            profile: None,
            self_signed: false,
            most: 1000,
            lifetime: Duration::from_secs(7 * 86_400),
            retry_after: Duration::from_secs(3600),
        }
    }
}

impl AdmissionPolicy {
    /// A file with every key in a comment.
    pub const TEMPLATE: &'static str = include_str!("admission.toml");

    /// Reads a file. File names in it count from its folder.
    ///
    /// # Errors
    /// [`AdmissionFileError`].
    pub fn read(file: &Path) -> Result<Self, AdmissionFileError> {
        read(file)
    }

    /// Whether no device without record is let in or waits.
    #[must_use]
    pub fn is_closed(&self) -> bool {
        self.makers.is_empty() && self.allowed.is_empty() && self.hold.is_none()
    }

    /// The profiles it names.
    #[must_use]
    pub fn profiles(&self) -> BTreeSet<&str> {
        let makers = self
            .makers
            .iter()
            .filter_map(|maker| maker.profile.as_deref());
        let hold = self.hold.iter().filter_map(|hold| hold.profile.as_deref());
        makers.chain(hold).chain(self.allowed.profiles()).collect()
    }
}

impl AllowList {
    /// Lets devices of a pattern in.
    pub fn allow(&mut self, pattern: DevIdPattern, permit: Permit) {
        match pattern.exact() {
            Some(dev_id) => self.exact.entry(dev_id).or_default().push(permit),
            None => self.patterns.push((pattern, permit)),
        }
    }

    /// Whether it lets nobody in.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.exact.is_empty() && self.patterns.is_empty()
    }

    /// The first entry that lets a device in that came with this certificate: those of its own name come before patterns.
    #[must_use]
    pub fn find(&self, dev_id: &DevId, certificate: &[u8; 32], vouched: bool) -> Option<&Permit> {
        let counts = |permit: &&Permit| match &permit.certificate {
            Some(wanted) => wanted == certificate,
            None => vouched,
        };
        let exact = self.exact.get(dev_id).into_iter().flatten();
        let patterns = self.patterns.iter();
        let patterns = patterns.filter(|(pattern, _)| pattern.matches(dev_id));
        exact.chain(patterns.map(|(_, permit)| permit)).find(counts)
    }

    fn profiles(&self) -> impl Iterator<Item = &str> {
        let exact = self.exact.values().flatten();
        let patterns = self.patterns.iter().map(|(_, permit)| permit);
        exact.chain(patterns).map(|permit| permit.profile.as_str())
    }
}

#[cfg(test)]
mod tests {
    use omadm_mo::DevId;

    use super::{AllowList, DevIdPattern, Permit};

    #[test]
    fn a_name_alone_lets_in_only_whom_a_ca_vouches_for() {
        let mut list = AllowList::default();
        let mut allow = |pattern, certificate, profile: &str| {
            let profile = profile.to_owned();
            let permit = Permit {
                certificate,
                profile,
            };
            list.allow(DevIdPattern::parse(pattern).unwrap(), permit);
        };
        allow("IMEI:1", None, "named");
        allow("IMEI:2", Some([2; 32]), "listed");
        allow("IMEI:*", None, "all");
        let found = |dev_id: &str, octet, vouched| {
            let dev_id = DevId::parse(dev_id).unwrap();
            let permit = list.find(&dev_id, &[octet; 32], vouched);
            permit.map(|permit| permit.profile.clone())
        };
        assert_eq!(found("IMEI:1", 9, false), None);
        assert_eq!(found("IMEI:1", 9, true).as_deref(), Some("named"));
        assert_eq!(found("IMEI:2", 2, false).as_deref(), Some("listed"));
        assert_eq!(found("IMEI:2", 9, false), None);
        assert_eq!(found("IMEI:2", 9, true).as_deref(), Some("all"));
        assert_eq!(found("MEID:2", 9, true), None);
    }
}
