use std::collections::BTreeMap;

use omadm_bootstrap::dm1::AppSrvIs;
use omadm_dm1::bootstrap_mac::ImsiKey;
use omadm_dm1::credential::Nonce;
use serde::{Deserialize, Serialize};

/// What a family of DM 1.x clients does differently (`dm1x.md` §10). Detected from `DevInfo`, or set by hand; the sessions know the quirks alone, never a
/// family. The file form is `profiles/models/*.toml`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DeviceModel {
    /// Names the model.
    pub name: String,
    /// Where what it says was found: a section of the digest, a product's document.
    pub source: String,
    /// `DevInfo` it is recognised by: one of these.
    #[serde(default)]
    pub detect: Vec<DevInfoPattern>,
    /// What it does differently.
    #[serde(default)]
    pub quirks: Quirks,
}

/// Leaves of `DevInfo`. `*` stands for any characters; an absent leaf is not looked at. A pattern without any matches nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct DevInfoPattern {
    /// `Man`
    pub man: Option<String>,
    /// `Mod`
    #[serde(rename = "mod")]
    pub model: Option<String>,
    /// `DmV`
    pub dm_v: Option<String>,
}

/// Peculiarities, each with what holds for a client that follows the standard as default.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default, rename_all = "kebab-case")]
pub struct Quirks {
    /// What it does with `RespURI` (hazard 22, M02).
    pub resp_uri: RespUriUse,
    /// Whether it carries out an `Atomic`; otherwise a `Sequence` is sent in its place.
    pub atomic: bool,
    /// Its `AAUTHLEVEL`s mean the opposite (hazard 3): what writes bootstraps for it exchanges them.
    pub inverted_auth_level: bool,
    /// How the subscriber's number becomes the key of a pushed bootstrap (hazard 4, `push.md` §4), where nobody says otherwise.
    pub imsi_key: ImsiKeyForm,
    /// What it hashes as nonce (hazard 1).
    pub nonce: NonceForm,
    /// What it takes for the default nonce of a resynchronisation (hazard 2, §3.5).
    pub resync_nonce: ResyncNonceForm,
    /// How it writes the number of a trigger as `SessionID` (hazard 13).
    pub session_id: SessionIdForm,
    /// Whether a provisioned secret that was replaced counts again without a bootstrap event: the family sends none (§6.5/9).
    pub recovery_without_event: bool,
    /// Whether it takes objects in chunks, whatever `DevDetail/LrgObj` says (§1.6).
    pub large_objects: bool,
    /// Names of the nodes below `AppAuth`; where they are not known the device is asked before its secrets are replaced.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app_auth: Option<AppAuthNames>,
    /// The node above the accounts.
    pub accounts: String,
}

/// What a client does with `RespURI`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RespUriUse {
    /// It sends its next message there.
    #[default]
    Follows,
    /// It ignores it, and keeps its connection or its client certificate.
    Ignores,
    /// It ignores it and reconnects: each of its messages has to prove itself, so MD5 is answered with 200 in place of 212.
    IgnoresAndReconnects,
}

/// A form of the key that an IMSI is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ImsiKeyForm {
    /// As the card holds it.
    #[default]
    SemiOctets,
    /// Its digits.
    Ascii,
}

/// What is hashed as nonce.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NonceForm {
    /// The octets.
    #[default]
    Octets,
    /// Their base64 text.
    Base64Text,
}

/// The default nonce.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ResyncNonceForm {
    /// Four zero octets.
    #[default]
    Octets,
    /// The ten characters `0x00000000`.
    Text,
}

/// How a number becomes a `SessionID`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SessionIdForm {
    /// Upper-case hexadecimal digits without leading zeros (§1.2).
    #[default]
    Hexadecimal,
    /// Decimal digits.
    Decimal,
}

/// Names of two nodes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct AppAuthNames {
    /// The client's credential.
    pub client: String,
    /// The server's credential.
    pub server: String,
}

impl DeviceModel {
    /// The first of `models` that is recognised by these leaves of `DevInfo` (`Man`, `Mod`, `DmV`).
    #[must_use]
    pub fn detect<'m>(
        models: impl IntoIterator<Item = &'m Self>,
        dev_info: &BTreeMap<String, String>,
    ) -> Option<&'m Self> {
        models.into_iter().find(|model| {
            let mut patterns = model.detect.iter();
            patterns.any(|pattern| pattern.matches(dev_info))
        })
    }

    /// What `APPSRV` of a bootstrap means to it.
    #[must_use]
    pub const fn app_srv(&self) -> AppSrvIs {
        if self.quirks.inverted_auth_level {
            AppSrvIs::SrvCred
        } else {
            AppSrvIs::ClCred
        }
    }

    /// How the subscriber's number becomes the key of a push to it.
    #[must_use]
    pub const fn imsi_key(&self) -> ImsiKey {
        match self.quirks.imsi_key {
            ImsiKeyForm::SemiOctets => ImsiKey::SemiOctet,
            ImsiKeyForm::Ascii => ImsiKey::Ascii,
        }
    }

    /// The default nonce with which a trigger is sent once its digests with every nonce that is known led to no session (§3.5).
    #[must_use]
    pub const fn resync_nonce(&self) -> &'static [u8] {
        match self.quirks.resync_nonce {
            ResyncNonceForm::Octets => &Nonce::RESYNC,
            ResyncNonceForm::Text => Nonce::RESYNC_TEXT,
        }
    }

    /// The number of the trigger that a session of this `SessionID` would follow; none where no trigger leads to it.
    #[must_use]
    pub fn trigger_of(&self, session_id: &str) -> Option<u16> {
        let number = match self.quirks.session_id {
            SessionIdForm::Hexadecimal => u16::from_str_radix(session_id, 16),
            SessionIdForm::Decimal => session_id.parse(),
        };
        number.ok().filter(|number| *number != 0)
    }
}

impl DevInfoPattern {
    /// Whether these leaves fit.
    #[must_use]
    pub fn matches(&self, dev_info: &BTreeMap<String, String>) -> bool {
        let asked = [
            ("Man", &self.man),
            ("Mod", &self.model),
            ("DmV", &self.dm_v),
        ];
        let mut asked = asked
            .into_iter()
            .filter_map(|(leaf, pattern)| Some((leaf, pattern.as_ref()?)))
            .peekable();
        asked.peek().is_some()
            && asked.all(|(leaf, pattern)| {
                let value = dev_info.get(leaf).map_or("", String::as_str);
                fits(value, pattern)
            })
    }
}

impl Default for Quirks {
    fn default() -> Self {
        Self {
            resp_uri: RespUriUse::Follows,
            atomic: true,
            inverted_auth_level: false,
            imsi_key: ImsiKeyForm::SemiOctets,
            nonce: NonceForm::Octets,
            resync_nonce: ResyncNonceForm::Octets,
            session_id: SessionIdForm::Hexadecimal,
            recovery_without_event: false,
            large_objects: false,
            app_auth: None,
            accounts: "./DMAcc".to_owned(),
        }
    }
}

/// Whether a value fits a pattern with `*`.
fn fits(value: &str, pattern: &str) -> bool {
    let Some((head, tail)) = pattern.split_once('*') else {
        return value == pattern;
    };
    let Some(rest) = value.strip_prefix(head) else {
        return false;
    };
    let mut rest = rest;
    let mut parts = tail.split('*').peekable();
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        match rest.find(part) {
            Some(at) => rest = &rest[at + part.len()..],
            None => return false,
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use omadm_bootstrap::dm1::AppSrvIs;
    use omadm_dm1::bootstrap_mac::ImsiKey;

    use super::{DevInfoPattern, DeviceModel, Quirks, RespUriUse, SessionIdForm, fits};

    const SHIPPED: [&str; 5] = [
        include_str!("../../../../../profiles/models/windows.toml"),
        include_str!("../../../../../profiles/models/feature-phone.toml"),
        include_str!("../../../../../profiles/models/hotspot-2.0.toml"),
        include_str!("../../../../../profiles/models/ascii-imsi.toml"),
        include_str!("../../../../../profiles/models/netcomm-router.toml"),
    ];

    fn shipped() -> Vec<DeviceModel> {
        let read = |text: &&str| toml::from_str(text).unwrap();
        SHIPPED.iter().map(read).collect()
    }

    fn dev_info(man: &str, model: &str, dm_v: &str) -> BTreeMap<String, String> {
        [("Man", man), ("Mod", model), ("DmV", dm_v)]
            .map(|(leaf, value)| (leaf.to_owned(), value.to_owned()))
            .into()
    }

    #[test]
    fn each_model_of_the_profiles_is_read_says_its_source_and_is_detected() {
        let models = shipped();
        for model in &models {
            assert!(model.source.contains("dm1x.md"), "{}", model.source);
            assert_ne!(model.quirks, Quirks::default(), "{}", model.name);
        }
        let of = |info| DeviceModel::detect(&models, &info).map(|model| model.name.as_str());
        let pc = dev_info("Microsoft Corporation", "Virtual Machine", "1.3");
        assert_eq!(of(pc), Some("Windows"));
        assert_eq!(of(dev_info("Acme", "M1", "1.2")), None);
        let hotspot = dev_info("Manufacturer", "HS20-station", "1.2");
        assert_eq!(of(hotspot), Some("Hotspot 2.0"));
    }

    #[test]
    fn what_a_bootstrap_is_written_with_follows_the_model() {
        let models = shipped();
        let of = |name: &str| models.iter().find(|model| model.name == name).unwrap();
        let plain = DeviceModel::default();
        assert_eq!(plain.app_srv(), AppSrvIs::ClCred);
        assert_eq!(of("NetComm router").app_srv(), AppSrvIs::SrvCred);
        assert!(plain.imsi_key() == ImsiKey::SemiOctet);
        assert!(of("ASCII IMSI").imsi_key() == ImsiKey::Ascii);
    }

    #[test]
    fn a_pattern_fits_by_its_stars_and_one_without_leaves_fits_nothing() {
        for (value, pattern, expected) in [
            ("abc", "abc", true),
            ("abc", "ab", false),
            ("abc", "*", true),
            ("", "*", true),
            ("abc", "a*c", true),
            ("ac", "a*c", true),
            ("a", "a*a", false),
            ("abcabd", "*ab*d", true),
            ("abcabd", "*x*", false),
            ("abc", "b*", false),
            ("abc", "*b", false),
        ] {
            assert_eq!(fits(value, pattern), expected, "{value} {pattern}");
        }
        assert!(!DevInfoPattern::default().matches(&dev_info("a", "b", "c")));
    }

    #[test]
    fn an_unknown_quirk_is_an_error_and_each_has_a_default() {
        let model: DeviceModel = toml::from_str("name = 'n'\nsource = 's'").unwrap();
        assert_eq!(model.quirks, Quirks::default());
        let odd = "name = 'n'\nsource = 's'\n[quirks]\nodd = true";
        assert!(toml::from_str::<DeviceModel>(odd).is_err());
        let reconnects = "name = 'n'\nsource = 's'\n[quirks]\nresp-uri = 'ignores-and-reconnects'\nsession-id = 'decimal'";
        let model: DeviceModel = toml::from_str(reconnects).unwrap();
        assert_eq!(model.quirks.resp_uri, RespUriUse::IgnoresAndReconnects);
        assert_eq!(model.quirks.session_id, SessionIdForm::Decimal);
        assert_eq!(model.trigger_of("165"), Some(0xA5));
        assert_eq!(DeviceModel::default().trigger_of("a5"), Some(0xA5));
        for none in ["", "0", "10000", "x", "-1"] {
            assert_eq!(DeviceModel::default().trigger_of(none), None, "{none}");
        }
        assert_eq!(model.resync_nonce(), [0; 4]);
        let text = "name = 'n'\nsource = 's'\n[quirks]\nresync-nonce = 'text'";
        let text: DeviceModel = toml::from_str(text).unwrap();
        assert_eq!(text.resync_nonce(), b"0x00000000");
    }
}
