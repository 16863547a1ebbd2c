//! The device models that come with the server.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use omadm_session::server::dm1::DeviceModel;

const SHIPPED: [&str; 3] = [
    include_str!("../../../../profiles/models/windows.toml"),
    include_str!("../../../../profiles/models/hotspot-2.0.toml"),
    include_str!("../../../../profiles/models/feature-phone.toml"),
];

static MODELS: LazyLock<Vec<DeviceModel>> = LazyLock::new(|| {
    let read = SHIPPED.iter().map(|text| toml::from_str(text).ok());
    read.flatten().collect()
});

/// The model of this name.
pub(crate) fn named(name: &str) -> Option<&'static DeviceModel> {
    MODELS.iter().find(|model| model.name == name)
}

/// The model that these leaves of DevInfo are known by.
pub(crate) fn detected(dev_info: &BTreeMap<String, String>) -> Option<&'static DeviceModel> {
    DeviceModel::detect(MODELS.iter(), dev_info)
}

/// Their names.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    MODELS.iter().map(|model| model.name.as_str())
}

#[cfg(test)]
mod tests {
    use super::{SHIPPED, named, names};

    #[test]
    fn every_model_that_is_shipped_is_read() {
        assert_eq!(names().count(), SHIPPED.len());
        assert!(names().all(|name| named(name).is_some()));
    }
}
