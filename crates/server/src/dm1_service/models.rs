//! The device models that come with the server.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use omadm_session::server::dm1::DeviceModel;

const SHIPPED: [&str; 5] = [
    include_str!("../../../../profiles/models/windows.toml"),
    include_str!("../../../../profiles/models/hotspot-2.0.toml"),
    include_str!("../../../../profiles/models/feature-phone.toml"),
    include_str!("../../../../profiles/models/netcomm-router.toml"),
    include_str!("../../../../profiles/models/ascii-imsi.toml"),
];

static MODELS: LazyLock<Vec<DeviceModel>> = LazyLock::new(|| {
    let read = SHIPPED.iter().map(|text| toml::from_str(text).ok());
    read.flatten().collect()
});

/// The shipped model of this name.
#[must_use]
pub fn named(name: &str) -> Option<&'static DeviceModel> {
    MODELS.iter().find(|model| model.name == name)
}

/// The model that these leaves of DevInfo are known by.
pub(crate) fn detected(dev_info: &BTreeMap<String, String>) -> Option<&'static DeviceModel> {
    DeviceModel::detect(MODELS.iter(), dev_info)
}

/// The model that a device told it is, in a session of either generation: `dev_info` is the JSON that its row keeps.
pub(crate) fn detected_in(dev_info: Option<&str>) -> Option<&'static DeviceModel> {
    let all: serde_json::Value = serde_json::from_str(dev_info?).ok()?;
    let leaves = all.get("DevInfo").unwrap_or(&all).as_object()?;
    let texts = leaves
        .iter()
        .filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
    detected(&texts.collect())
}

/// A model as a file of `profiles/models` has it.
///
/// # Errors
/// What TOML says of the text, with its place. Who wrote it is at fault.
pub fn read(text: &str) -> Result<DeviceModel, toml::de::Error> {
    toml::from_str(text)
}

/// Names of the shipped models.
pub fn names() -> impl Iterator<Item = &'static str> {
    MODELS.iter().map(|model| model.name.as_str())
}

#[cfg(test)]
mod tests {
    use super::{SHIPPED, detected_in, named, names};

    #[test]
    fn a_device_is_known_by_what_it_told_in_either_generation() {
        let dm1 = r#"{"Man":"Microsoft Corporation","Mod":"PC","DmV":"1.3","DevId":"x"}"#;
        let of = |json: &str| detected_in(Some(json)).map(|model| model.name.as_str());
        assert_eq!(of(dm1), Some("Windows"));
        assert_eq!(of(&format!("{{\"DevInfo\":{dm1}}}")), Some("Windows"));
        for nothing in [r#"{"Man":"Acme"}"#, r#"{"Man":7}"#, "[]", "no JSON"] {
            assert_eq!(of(nothing), None, "{nothing}");
        }
        assert!(detected_in(None).is_none());
    }

    #[test]
    fn every_model_that_is_shipped_is_read() {
        assert_eq!(names().count(), SHIPPED.len());
        assert!(names().all(|name| named(name).is_some()));
    }
}
