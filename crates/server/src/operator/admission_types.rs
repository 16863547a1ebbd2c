//! Bodies about devices that wait for an operator, and about triggers.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::types::{BootstrapBody, SecretText};

/// A device without record that waits for an operator, or was rejected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WaitingBody {
    /// Names this certificate of this DevID: 32 hexadecimal digits.
    pub id: String,
    /// The DevID it claims.
    pub dev_id: String,
    /// SHA-256 of the certificate whose key it proved to hold. Where nobody vouches for the DevID, compare it with what the device shows.
    pub fingerprint: String,
    /// The certificate's subject.
    pub subject: String,
    /// The certificate's issuer.
    pub issuer: String,
    /// When the certificate ends.
    pub not_after: String,
    /// The maker, or the server's CA, that vouches for the DevID; none where anybody could have made the certificate.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vouched_by: Option<String>,
    /// The profile it gets unless the approval names another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// When it came first.
    pub since: String,
    /// When it came last, give or take a minute.
    pub seen_at: String,
    /// When it is forgotten.
    pub expires_at: String,
    /// `waiting` or `rejected`.
    pub state: String,
    /// Why it was rejected.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// A page of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct WaitingPage {
    /// In the order of their ids.
    pub devices: Vec<WaitingBody>,
    /// The id after which the next page begins; none on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// An entry of the allow-list: who is let in by name on every node.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AllowBody {
    /// Names this DevID or pattern with this certificate: 32 hexadecimal digits.
    pub id: String,
    /// A DevID, or a pattern with `*` for any run of characters.
    pub dev_id: String,
    /// SHA-256 of the certificate that the device has to prove; none: a maker's CA, or the server's own, has to vouch for the DevID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// The profile it gets.
    pub profile: String,
    /// When it was added or given another profile.
    pub changed_at: String,
}

/// A page of them.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AllowPage {
    /// In the order of their ids.
    pub entries: Vec<AllowBody>,
    /// The id after which the next page begins; none on the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub next: Option<String>,
}

/// An entry to be added.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewAllow {
    /// A DevID, or a pattern with `*` for any run of characters.
    pub dev_id: String,
    /// SHA-256 of the certificate that the device has to prove, 64 hexadecimal digits. Without it a maker's CA, or the server's own, has to vouch for the
    /// DevID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// The profile it gets.
    pub profile: String,
}

/// A decision for a waiting device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewApproval {
    /// The profile of its bootstrap; without it, the one it waits with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
}

/// A decision against a waiting device.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRejection {
    /// Why, for people; the device is told. 256 characters at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub why: Option<String>,
}

/// Somebody tells the server that a subscriber's device exists (B-28).
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewTrigger {
    /// The caller's idempotency key: 1 to 128 visible ASCII characters. A repeat starts nothing and is answered with the same record.
    pub key: String,
    /// Who knows it: `point-of-sale`, `self-service`, `network`, `voice` or `other`.
    pub source: String,
    /// What the source calls itself or its case, for people; 128 characters at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reference: Option<String>,
    /// The device's DevID, for example `IMEI:493005100592800`. It is registered where it is not.
    pub dev_id: String,
    /// The profile of its bootstrap.
    pub profile: String,
    /// Where the device is reached: what `notify` of a device takes, for example `sms:+491701234567`. A server-initiated bootstrap goes there, and to an https
    /// address as the document itself unless `carrier` says notification; without it, to the first address of the device's record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<String>,
    /// `client-initiated` (default) or `server-initiated` (where `carrier` or `noti_secret` is told).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// How the document is written for a client of DM 1.x, `cp` or `dm`: as of a bootstrap. Server-initiated it goes as a signed WAP push.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile_format: Option<String>,
    /// The device's model, for DM 1.x: as of a bootstrap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// What a WAP push is signed with, `networkid`, `userpin` or `both`: as of a bootstrap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sec: Option<String>,
    /// The PIN that the user is to type: 4 to 16 digits. It is not kept, and a repeat is not told by it from the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub pin: Option<SecretText>,
    /// The subscriber's IMSI; else that of the device's record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imsi: Option<String>,
    /// The ESN of a CDMA device, in place of the IMSI: as of a bootstrap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub esn: Option<String>,
    /// How the IMSI becomes a key, `semi-octet` or `ascii`: as of a bootstrap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imsi_key: Option<String>,
    /// What goes to the address of a server-initiated bootstrap, `direct`, `notification` or, of DM 1.x, `wap`: as of a bootstrap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carrier: Option<String>,
    /// What the device's policy calls this server as a bootstrap source: `source` of a bootstrap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bootstrap_source: Option<String>,
    /// The secret that its policy has for Notifications of that source, in base64. A repeat is not told by it from the first.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub noti_secret: Option<SecretText>,
    /// The data beside that secret, in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noti_data: Option<String>,
    /// A certificate (PEM) that the device has: it is registered by its fingerprint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// Whether a bootstrap code is issued, which the user enters at the device (D81).
    #[serde(default)]
    pub code: bool,
}

/// What came of a trigger.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TriggerBody {
    /// The caller's idempotency key.
    pub key: String,
    /// The device.
    pub dev_id: String,
    /// Whether this is the answer to a repeat.
    pub repeated: bool,
    /// The bootstrap that it started.
    pub bootstrap: BootstrapBody,
    /// The bootstrap code, as long as it opens anything.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
}
