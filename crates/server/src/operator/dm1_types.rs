//! Bodies about accounts of DM 1.x.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::types::SecretText;

/// An account of DM 1.x to be made for a device, so that a DM 1.2 or 1.3 client can be managed that was given the same account otherwise. What is missing is drawn.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewDm1Account {
    /// The name of the client's credential (`AAuthName`), which no other device has: 1 to 128 octets without colon. Without it the DevID.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The server identifier (`ServerID`, `PROVIDER-ID`). Without it the server's public name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_id: Option<String>,
    /// How the client proves itself: `basic`, `md5` (default) or `mac`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub credential: Option<String>,
    /// How the server proves itself: `basic`, `md5` (default), `mac`, or `none`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_credential: Option<String>,
    /// The client's password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub client_secret: Option<SecretText>,
    /// The server's password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>)]
    pub server_secret: Option<SecretText>,
    /// The nonce of the client's first credential, base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub client_nonce: Option<String>,
    /// The nonce of the server's first credential, base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_nonce: Option<String>,
    /// Name of the profile whose `[dm1]` says all of it but `model`, and of which the document is made that brings the account to the device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// How that document is written: `cp` (default) or `dm`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub format: Option<String>,
    /// The device's model, whose peculiarities are kept to: `Windows`, for instance. Without it what DevInfo tells.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub model: Option<String>,
}

/// An account that was made. What the device has to be given is shown this once.
#[derive(Clone, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Dm1AccountAdded {
    /// The account.
    pub account: Dm1AccountBody,
    /// Where the device opens its sessions.
    pub address: String,
    /// The client's password.
    pub client_secret: String,
    /// The nonce of the client's first credential, base64.
    pub client_nonce: String,
    /// The server's password.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_secret: Option<String>,
    /// The nonce of the server's first credential, base64.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub server_nonce: Option<String>,
    /// The document of its profile in WBXML, base64: it holds all of the above.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document: Option<String>,
    /// The document's media type.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub document_type: Option<String>,
}

/// An account of DM 1.x, without any secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Dm1AccountBody {
    /// The device's DevID.
    pub device: String,
    /// The name of the client's credential.
    pub user: String,
    /// The server identifier.
    pub server_id: String,
    /// How the client proves itself: `BASIC`, `DIGEST` or `HMAC`.
    pub credential: String,
    /// The client's secrets, as they stand.
    pub client: Vec<Dm1SecretBody>,
    /// The server's secrets, as they stand.
    pub server: Vec<Dm1SecretBody>,
    /// Whether both secrets are replaced in the next session.
    pub rotate: bool,
    /// What waits for an operator's decision.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub held: Option<Dm1HeldBody>,
    /// Whether what was replaced counts once more, by an operator's word, when the device proves it next.
    #[serde(default)]
    pub accepted: bool,
    /// The device's model, told or detected.
    pub model: Option<String>,
    /// The number of the last bootstrap event that the device reported.
    pub last_event_seq: Option<u32>,
    /// Where the device keeps the account.
    pub account_uri: Option<String>,
    /// When it was made.
    pub added_at: String,
    /// When it was last used, to the hour.
    pub used_at: Option<String>,
    /// When it was revoked.
    pub revoked_at: Option<String>,
}

/// What was proven with an account and did not count.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Dm1HeldBody {
    /// `without-event`, `two-holders`, `other-device`, `revoked` or `replayable`.
    pub cause: String,
    /// When it came first.
    pub since: String,
    /// The DevID that another device claims.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claimed: Option<String>,
    /// What happened.
    pub sentence: String,
    /// What an operator can do.
    pub action: String,
}

/// How a secret stands.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Dm1SecretBody {
    /// `boot`, `current` or `pending`.
    pub generation: String,
    /// Whether whatever holds the bootstrap can bring it back.
    pub escrowed: bool,
    /// Whether it opens nothing any more.
    pub revoked: bool,
    /// Whether it was in use before a recovery that is not finished.
    pub previous: bool,
}

/// What is to be revoked.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Dm1Revocation {
    /// Only what was provisioned: what was replaced can never come back, and what is in use leaves escrow. Else the whole account.
    #[serde(default)]
    pub boot: bool,
}
