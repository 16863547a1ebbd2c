//! Bodies about queued commands.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::call_types::CallBody;

/// Commands to be queued: one or several, exactly one of the two members.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewCommands {
    /// Name and parameters of one command, as they stand in a Package#2.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(example = json!(["GET", "urn:oma:mo:oma-dm-devinfo:1.2//"]))]
    pub command: Option<Vec<String>>,
    /// Several commands, in the order in which they are sent. All are queued or none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commands: Option<Vec<Vec<String>>>,
    /// Whether the device is called by a DM Notification; else what its record says. `true` needs an address there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub notify: Option<bool>,
}

/// A queued command with what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CommandBody {
    /// Names it; the same however often it is sent.
    pub id: String,
    /// Its number among the device's commands.
    pub nr: u64,
    /// The device's DevID.
    pub device: String,
    /// Name and parameters.
    pub command: Vec<String>,
    /// `queued`, `sent`, `held`, `answered` or `cancelled`.
    pub state: String,
    /// How often it was sent.
    pub sends: u32,
    /// The session it was sent in last.
    pub session: Option<String>,
    /// The status that answered it.
    pub status: Option<u16>,
    /// What a GET brought, as the device wrote it: an MO serialization; of DM 1.x its items. Of an Atomic or Sequence `Members`: the status of each. Not in
    /// lists.
    #[schema(value_type = Option<Object>)]
    pub result: Option<serde_json::Value>,
    /// Where an HGET stored its data.
    pub uris: Vec<String>,
    /// When it was queued.
    pub queued_at: String,
    /// When it was sent last.
    pub sent_at: Option<String>,
    /// When it was answered or cancelled.
    pub ended_at: Option<String>,
}

/// A held command that is sent again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CommandReleased {
    /// The command.
    #[serde(flatten)]
    pub command: CommandBody,
    /// How the device was called for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<CallBody>,
}

/// Commands of a device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct CommandPage {
    /// The commands.
    pub commands: Vec<CommandBody>,
    /// `before` of the next page; none at the end.
    pub next: Option<u64>,
    /// How the device was called, where queueing these commands did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call: Option<CallBody>,
}

impl CommandBody {
    /// Whether nothing becomes of it any more without an operator: answered, cancelled or held.
    #[must_use]
    pub fn rests(&self) -> bool {
        matches!(self.state.as_str(), "answered" | "cancelled" | "held")
    }
}
