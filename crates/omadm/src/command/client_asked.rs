//! What the commands of `omadm client` ask of a device: of its store, or of the `omadm client run` that holds it.

use omadm_client::Client as DmClient;
use omadm_mo::Secret;
use serde::{Deserialize, Serialize};

use super::{client_alerts, client_pushes, client_status, client_tree};
use crate::failure::Failure;

/// One question. Without `Debug`: it may hold a PIN.
#[derive(Serialize, Deserialize)]
pub(super) struct Question {
    /// Whether it is answered as JSON.
    pub(super) json: bool,
    pub(super) asked: Asked,
}

/// What is asked.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Asked {
    Status,
    Alerts,
    Tree,
    /// A URI.
    Get(String),
    Set {
        uri: String,
        value: String,
    },
    /// A URI.
    Exec(String),
    Pushes,
    Answer {
        number: u64,
        #[serde(with = "pin_text")]
        pin: Secret,
    },
    /// The number of a push.
    Discard(u64),
}

/// Who answers.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Answering {
    /// This command, which opened the store and ends afterwards: it reports what is owed.
    Alone,
    /// A client that runs, and reports what is owed by itself.
    Running,
}

impl Question {
    /// Answers by [`super::say`].
    pub(super) async fn answer(self, client: &DmClient, by: Answering) -> Result<(), Failure> {
        let json = self.json;
        match self.asked {
            Asked::Status => client_status::status(client, json).await,
            Asked::Alerts => client_alerts::alerts(client, json),
            Asked::Tree => client_tree::tree(client, json).await,
            Asked::Get(uri) => client_tree::get(client, &uri, json).await,
            Asked::Set { uri, value } => client_tree::set(client, &uri, value, json).await,
            Asked::Exec(uri) => client_tree::exec(client, &uri, json).await,
            Asked::Pushes => client_pushes::list(client, json),
            Asked::Answer { number, pin } => {
                client_pushes::answer(client, number, &pin, json, by).await
            }
            Asked::Discard(number) => client_pushes::discard(client, number, json).await,
        }
    }
}

/// A PIN on the way from one process of the device's owner to another.
mod pin_text {
    use omadm_mo::Secret;
    use serde::{Deserialize as _, Deserializer, Serializer, ser};

    pub(super) fn serialize<S: Serializer>(pin: &Secret, to: S) -> Result<S::Ok, S::Error> {
        let text = std::str::from_utf8(pin.expose());
        to.serialize_str(text.map_err(|_| ser::Error::custom("a PIN is text"))?)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Secret, D::Error> {
        String::deserialize(from).map(Secret::from)
    }
}
