//! Bodies about where a device is called, and what became of it.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Where and when a device is called by DM Notifications. In a request a member that is missing leaves what is set.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NotifyAt {
    /// Push addresses, tried in this order until a Notification left: `udp://HOST:PORT` or `https://HOST:PORT/PATH`. 8 at most; none takes them away.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = json!(["udp://192.0.2.7:5683"]))]
    pub addresses: Option<Vec<String>>,
    /// Whether a queued command calls the device; it does unless this says otherwise.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_queue: Option<bool>,
    /// The subscriber's IMSI, 6 to 15 digits: pushed bootstraps of DM 1.x are signed with it. Empty: none. Takes the place of an ESN.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imsi: Option<String>,
    /// The ESN of a CDMA device, 8 hexadecimal or 11 decimal digits: pushed bootstraps of DM 1.x are signed with it. Empty: none. Takes the place of an IMSI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = "80A1B2C3")]
    pub esn: Option<String>,
}

/// What became of calling a device because commands were queued for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CallBody {
    /// `sent` where nobody tells whether it arrived, `taken` where the receiver has it; `called-before` where one left some seconds ago and the device has
    /// not come since; `under-way` where it is not known yet, and events will tell; `failed`.
    pub outcome: String,
    /// Its NOTIFICATION-ID: the event `notification-answered` bears it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notification_id: Option<u16>,
    /// The generation that it called in: `1.x` or `2.0`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<String>,
    /// Where it went, or was to go last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub detail: Option<String>,
    /// What to do about it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
}
