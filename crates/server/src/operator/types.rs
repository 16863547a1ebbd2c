//! Bodies of `/api/v1`, for server and client alike. No answer holds a secret but [`DeviceAdded`] and [`CredentialAdded`]: what the server drew,
//! once.

use std::fmt;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use zeroize::Zeroize as _;

pub use super::admission_types::{
    AllowBody, AllowPage, NewAllow, NewApproval, NewRejection, NewTrigger, TriggerBody,
    WaitingBody, WaitingPage,
};
pub use super::call_types::{CallBody, NotifyAt};
pub use super::command_types::{CommandBody, CommandPage, CommandReleased, NewCommands};
pub use super::dm1_types::{
    Dm1AccountAdded, Dm1AccountBody, Dm1HeldBody, Dm1Revocation, Dm1SecretBody, NewDm1Account,
};

/// A device to be registered.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewDevice {
    /// Its DevID, for example `IMEI:493005100592800`.
    pub dev_id: String,
    /// A certificate request (PEM) whose key the device holds: a certificate is issued for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub csr: Option<String>,
    /// Whether a request is taken that names another registered device. Without it, such a request is refused.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub take_over: bool,
    /// A certificate (PEM) that the device has from elsewhere: it is registered by its fingerprint.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// Whether a bootstrap code is issued (D81).
    #[serde(default)]
    pub code: bool,
    /// An HTTP user (Basic, Digest), which no other device has: 1 to 128 visible ASCII characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_user: Option<String>,
    /// Its password: 16 to 128 octets. Without it the server draws one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub http_password: Option<SecretText>,
    /// The identity of a pre-shared key, which no other device has: 1 to 128 octets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub psk_identity: Option<String>,
    /// The key: 16 to 64 octets in hexadecimal. Without it the server draws one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub psk: Option<SecretText>,
    /// Name of the profile of a bootstrap that is started with it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Where and when it is called by DM Notifications; a member that is missing stays as it is set without: no address, and on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notify: Option<NotifyAt>,
    /// Its method: `factory`, `smartcard` or `client-initiated` (default). The document of the first two leaves by the operator's hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
}

/// A credential to be added to a device: one or more.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCredential {
    /// A certificate request (PEM): a certificate is issued for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub csr: Option<String>,
    /// Whether a request is taken that names another registered device. Without it, such a request is refused.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub take_over: bool,
    /// A certificate (PEM) from elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub certificate: Option<String>,
    /// Whether a bootstrap code is issued; for the device's newest open bootstrap where there is one.
    #[serde(default)]
    pub code: bool,
    /// An HTTP user (Basic, Digest), which no other device has: 1 to 128 visible ASCII characters.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_user: Option<String>,
    /// Its password: 16 to 128 octets. Without it the server draws one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub http_password: Option<SecretText>,
    /// The identity of a pre-shared key, which no other device has: 1 to 128 octets. A key of an identity that the device has already takes the place of the
    /// former one when it is first used in a session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub psk_identity: Option<String>,
    /// The key: 16 to 64 octets in hexadecimal. Without it the server draws one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub psk: Option<SecretText>,
}

/// A secret on its way to the server. Its `Debug` does not show it.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SecretText(pub String);

impl fmt::Debug for SecretText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretText")
    }
}

impl Drop for SecretText {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

/// What a registration brought.
#[derive(Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DeviceAdded {
    /// The device.
    pub device: DeviceSummary,
    /// The certificate that was issued (PEM), leaf first, with the CA's.
    pub certificate: Option<String>,
    /// The bootstrap code. Shown this once.
    pub code: Option<String>,
    /// The password of the HTTP user where the server drew it. Shown this once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_password: Option<String>,
    /// The pre-shared key in hexadecimal where the server drew it. Shown this once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub psk: Option<String>,
    /// The bootstrap that was started.
    pub bootstrap: Option<BootstrapBody>,
}

/// What an added credential brought.
#[derive(Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CredentialAdded {
    /// The certificate that was issued (PEM), leaf first, with the CA's.
    pub certificate: Option<String>,
    /// The bootstrap code. Shown this once.
    pub code: Option<String>,
    /// The password of the HTTP user where the server drew it. Shown this once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_password: Option<String>,
    /// The pre-shared key in hexadecimal where the server drew it. Shown this once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub psk: Option<String>,
}

/// A device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DeviceSummary {
    /// Its DevID.
    pub dev_id: String,
    /// When it was registered (RFC 3339).
    pub registered_at: String,
    /// When it was last heard of.
    pub last_seen_at: Option<String>,
    /// The method of its last completed bootstrap.
    pub bootstrapped_by: Option<String>,
    /// When that completed.
    pub bootstrapped_at: Option<String>,
    /// DevInfo as it was read last.
    #[schema(value_type = Option<Object>)]
    pub dev_info: Option<serde_json::Value>,
    /// Where and when it is called by DM Notifications.
    #[serde(default)]
    pub notify: NotifyAt,
}

/// A page of devices in the order of their DevIDs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DevicePage {
    /// The devices.
    pub devices: Vec<DeviceSummary>,
    /// `after` of the next page; none at the end.
    pub next: Option<String>,
}

/// A device with all that belongs to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DeviceDetail {
    /// Its account of DM 1.x, where it has one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dm1: Option<Dm1AccountBody>,
    /// The device.
    pub device: DeviceSummary,
    /// Its credentials, oldest first.
    pub credentials: Vec<CredentialBody>,
    /// Its bootstraps, newest first.
    pub bootstraps: Vec<BootstrapBody>,
    /// Its latest events, oldest first.
    pub events: Vec<EventBody>,
}

/// A credential, without anything that opens a door.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CredentialBody {
    /// Names it in this API: the certificate's SHA-256 in hexadecimal, `code-…`, `psk:…` (`psk.1:…` for the second key of an identity), `http-user:…` or `notification:…`.
    pub id: String,
    /// `certificate`, `bootstrap-code`, `psk`, `http-user` or `notification`.
    pub proof: String,
    /// `bootstrap`, `session`, `device` (both), or `notification`, which the server proves itself with.
    pub scope: String,
    /// `pending` (on its way, or not used yet), `current` (in use) or `boot` (as provisioned, replaced since, and kept).
    pub generation: String,
    /// When it became of that generation.
    #[serde(default)]
    pub since: Option<String>,
    /// Whether a card, image or URL can bring it back after it was replaced.
    #[serde(default)]
    pub escrowed: bool,
    /// When it was last used, to the hour.
    #[serde(default)]
    pub used_at: Option<String>,
    /// Since when it waits for an operator: the device came with it after it was replaced, and reported no bootstrap.
    #[serde(default)]
    pub held_at: Option<String>,
    /// The command that brings it to the device.
    #[serde(default)]
    pub command: Option<String>,
    /// The bootstrap it was issued for.
    pub bootstrap: Option<String>,
    /// When it was made known.
    pub added_at: String,
    /// After this it is refused.
    pub expires_at: Option<String>,
    /// When it was revoked.
    pub revoked_at: Option<String>,
    /// Wrong tries left.
    pub tries_left: Option<u8>,
}

/// A new secret for a device.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRotation {
    /// `session` (by default), `notification`, or `bootstrap`: that one comes by a further bootstrap, from the profile of the last one (B-17).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scope: Option<String>,
    /// The server whose account is meant (SrvID); else that of the newest completed bootstrap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub srv_id: Option<String>,
    /// For `session`: a certificate for the key that the device made itself; no key is in what is sent, `Secret` is empty. Later ones are so without it.
    #[serde(default)]
    pub own_key: bool,
}

/// A new secret on its way to a device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct RotationBody {
    /// The device.
    pub device: String,
    /// `session`, `notification` or `bootstrap`.
    pub scope: String,
    /// The command that brings it, of the first two.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub command: Option<String>,
    /// The bootstrap that brings it, of the last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bootstrap: Option<BootstrapBody>,
    /// The credential.
    pub credential: String,
}

/// What the revocation of a generation came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GenerationRevoked {
    /// Credentials that open nothing any more.
    pub revoked: Vec<String>,
    /// Credentials that go on being in use, and that no card, image or URL brings back once they are replaced.
    pub out_of_escrow: Vec<String>,
}

/// Secrets that count again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct GenerationAccepted {
    /// How many of DM 2.0.
    pub accepted: usize,
    /// Of the DM 1.x account. `boot`: what was replaced counts once more, when the device proves it next; `former`: a recovery is taken back, what it had replaced
    /// is in use again, and what it had brought back is revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dm1: Option<String>,
}

/// A DM Notification to be sent to a device.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewNotification {
    /// Where the device listens: `udp://HOST:PORT` or `https://HOST:PORT/PATH`; or how it is reached: `sms:+NUMBER` by the SMSC, `file:NAME` by a file; else where the device's record says, in that order until it left.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// The server whose account is meant (SrvID); else that of the newest completed bootstrap.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub srv_id: Option<String>,
    /// The connection the device should use: `any`, `cellular`, `wlan` or `wireline`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub prefer: Option<String>,
    /// Whether the session is to begin with the list of the device's management objects.
    #[serde(default)]
    pub req_mos: bool,
    /// Send it without digest where the account has no `Auth/Noti`.
    #[serde(default)]
    pub unauthenticated: bool,
    /// `1.x` or `2.0`. Without it that of `ui_mode`, `resync` or `req_mos`, `prefer`; else 2.0 where the device has an account of that with `Auth/Noti`, else 1.x.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<String>,
    /// Of DM 1.x, how much of the session the user is to see: `unspecified`, `background` (default), `informative` or `interactive`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ui_mode: Option<String>,
    /// Of DM 1.x: prove it by the default nonce, for a device that lost the server's. Whoever records it can repeat it, so the secrets are replaced in the
    /// session that follows.
    #[serde(default)]
    pub resync: bool,
}

/// A DM Notification that left.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct NotificationBody {
    /// Its NOTIFICATION-ID: the event `notification-answered` bears it.
    pub notification_id: u16,
    /// The generation that the device is called in: `1.x` or `2.0`.
    pub generation: String,
    /// The server whose account it names.
    pub srv_id: String,
    /// `udp`, `https`, `sms` or `file`.
    pub carrier: String,
    /// Where it went.
    pub address: String,
    /// Whether it carries a digest.
    pub authenticated: bool,
    /// `sent` where nobody tells now whether it arrived (an SMSC tells later, by the event `notification-receipt`), `taken` where the receiver has it.
    pub outcome: String,
}

/// A bootstrap to be started.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewBootstrap {
    /// The device's DevID.
    pub device: String,
    /// Name of a profile of the server.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// A profile's text (TOML), in place of a name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile_toml: Option<String>,
    /// `factory`, `smartcard`, `client-initiated` (default) or `server-initiated` (where an address is told).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<String>,
    /// Where the device is, for `server-initiated`: `https://HOST:PORT/bootstrap` of its bootstrap listener; or where a Notification reaches it:
    /// `udp://HOST:PORT`, `sms:+NUMBER`, `file:NAME`, `https://HOST:PORT/notification`. Without it, the first address of the device's record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<String>,
    /// `direct`: the document is sent, over mutual TLS with a certificate of the device; by default to an https address. `notification`: the device is called,
    /// and fetches it; by default elsewhere.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub carrier: Option<String>,
    /// What the device's policy calls this server as a bootstrap source, where its account has no `Auth/Bootstrap` with `Auth/Noti`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
    /// The secret that its policy has for Notifications of that source, in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub noti_secret: Option<SecretText>,
    /// The data beside that secret, in base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub noti_data: Option<String>,
    /// Seconds until it expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_in: Option<u64>,
    /// How the document is written for a client of DM 1.x: `cp`, OMA client provisioning, or `dm`, a DM message; from the profile's `[dm1]`. Without it, for
    /// DM 2.0. Server-initiated it goes as a signed WAP push (`carrier` is `wap`), to `sms:+NUMBER`, `udp://HOST:PORT` or `file:NAME`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile_format: Option<String>,
    /// The device's model, for DM 1.x: the document is written and its push signed by what it does differently, and its account keeps it: `NetComm router`, for
    /// instance. Without it, what the account has, or DevInfo told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
    /// What a WAP push is signed with: `networkid` (the IMSI), `userpin`, or `both`; by default all that is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sec: Option<String>,
    /// The PIN that the user is to type: 4 to 16 digits. It is not kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub pin: Option<SecretText>,
    /// The subscriber's IMSI; else IMSI or ESN of the device's record.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imsi: Option<String>,
    /// The ESN of a CDMA device, in the place of an IMSI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub esn: Option<String>,
    /// How IMSI or ESN becomes a key: `semi-octet` (of an ESN its four octets), or `ascii` for devices that take its digits; by default as the device's model
    /// has it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub imsi_key: Option<String>,
}

/// A bootstrap record.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BootstrapBody {
    /// Names it.
    pub id: String,
    /// The device's DevID.
    pub device: String,
    /// The profile it was built from.
    pub profile: String,
    /// How its document is written: `dm2`, or of DM 1.x `cp` or `dm`.
    #[serde(default)]
    pub profile_format: String,
    /// The server whose account it brings (SrvID; with DM 1.x, ServerID).
    pub srv_id: String,
    /// The method.
    pub method: String,
    /// `drafted`, `queued`, `sent`, `delivered`, `fetched`, `completed`, `failed`, `expired` or `superseded`.
    pub state: String,
    /// The cause's code where it did not complete.
    pub cause: Option<String>,
    /// What happened, as a sentence.
    pub cause_sentence: Option<String>,
    /// What to do next.
    pub action: Option<String>,
    /// SHA-256 of the document.
    pub payload_hash: String,
    /// The device's name for the event.
    pub event_id: Option<String>,
    /// `first`, `re` or `reset`, as the device reported.
    pub kind: Option<String>,
    /// When it was made.
    pub created_at: String,
    /// When it expires unless it completes.
    pub expires_at: String,
    /// When its document first left.
    pub fetched_at: Option<String>,
    /// When it ended.
    pub ended_at: Option<String>,
    /// How it is brought to the device, where the server brings it.
    #[serde(default)]
    pub push: Option<PushBody>,
}

/// How the server brings a bootstrap to its device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct PushBody {
    /// `direct`, `notification` or `wap`.
    pub carrier: String,
    /// Where to.
    pub to: String,
    /// Whom the Notification names, without `bs:`.
    pub source: Option<String>,
    /// What a WAP push is signed with: `networkid`, `userpin` or `both`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sec: Option<String>,
    /// What that is worth, as a sentence.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub worth: Option<String>,
    /// Tries so far.
    pub attempts: u32,
    /// When the next one is due; of one that is under way, when it is given up as lost.
    pub next_at: Option<String>,
    /// What came in the way of the last one.
    pub trouble: Option<String>,
}

/// A page of bootstraps, newest first.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BootstrapPage {
    /// The bootstraps.
    pub bootstraps: Vec<BootstrapBody>,
    /// `before` of the next page; none at the end.
    pub next: Option<String>,
}

/// An event with its place in the log.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EventBody {
    /// Its place in the log of all devices; none until it is given.
    pub position: Option<u64>,
    /// The device; none where no record names it.
    pub device: Option<String>,
    /// Its number among the device's events.
    pub seq: u64,
    /// When.
    pub at: String,
    /// Ties the events of one exchange together.
    pub correlation: String,
    /// What happened: `event` names it, further members tell more.
    #[schema(value_type = Object)]
    pub what: serde_json::Value,
}

/// A page of events in order.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct EventPage {
    /// The events.
    pub events: Vec<EventBody>,
    /// `after` of the next page, also once more events have come.
    pub next: u64,
}

/// An object of the data repository.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ObjectBody {
    /// Its path below `/repo/`.
    pub path: String,
    /// Where its device, and no other, reaches it: the ServerURI of an HGET.
    pub url: String,
    /// `device` (stored by HPUT, HPOST or SUB) or `operator`.
    pub owner: String,
    /// Its `Content-Type`.
    pub media_type: String,
    /// Its length.
    pub octets: u64,
    /// SHA-256 of the content in hexadecimal, which is its ETag; none of one that an earlier version stored.
    pub etag: Option<String>,
    /// When it was stored.
    pub at: String,
}

/// A page of a device's objects in the order of their paths.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ObjectPage {
    /// The objects.
    pub objects: Vec<ObjectBody>,
    /// `after` of the next page; none at the end.
    pub next: Option<String>,
}

/// A profile of the server.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ProfileBody {
    /// Its name.
    pub name: String,
    /// The server whose account it brings (SrvID).
    pub srv_id: String,
    /// Whether the account has an `Auth/Trsp` of its own.
    pub has_trsp: bool,
}
