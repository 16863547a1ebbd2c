use serde::{Deserialize, Serialize};

/// Where a device is called by DM Notifications, and when, as an operator set it: never what a device claims of itself.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NotifySettings {
    /// Push addresses, each `udp://HOST:PORT`, `https://HOST:PORT/PATH` or what another carrier has. Tried in this order.
    #[serde(rename = "at")]
    pub addresses: Vec<String>,
    /// Whether a queued command calls the device, where there is an address.
    pub on_queue: bool,
    /// The subscriber's IMSI, with which pushed bootstraps of DM 1.x are signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imsi: Option<String>,
    /// The ESN of a CDMA device, in the place of an IMSI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub esn: Option<String>,
}

impl Default for NotifySettings {
    fn default() -> Self {
        Self {
            addresses: Vec::new(),
            on_queue: true,
            imsi: None,
            esn: None,
        }
    }
}
