use omadm_dm2::SubscriptionUri;
use omadm_mo::{Moid, ServerUri};
use serde::{Deserialize, Serialize};

use crate::account::{moid, server_uri};
use crate::{PayloadHash, Utc};

/// A SUB of one server: changes of a subtree are reported by HTTP PUT (`dm20.md` §5.2, D22).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Subscription {
    /// The ClientURI, in the text of the command: UNSUB has to repeat it (D23).
    pub client: String,
    /// Where reports go.
    #[serde(with = "server_uri")]
    pub server: ServerUri,
    /// The media type of their bodies.
    pub media_type: String,
    /// What the server knows: the body of the last report, or what stood there at SUB time. A report is due while the subtree says something else.
    pub reported: PayloadHash,
    /// Failed attempts to deliver the report that is due.
    #[serde(default)]
    pub attempts: u8,
    /// Not before this time again.
    #[serde(default)]
    pub not_before: Option<Utc>,
}

/// A DEFAULT: where the configuration of an MO can be fetched while it is missing (D21).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct DefaultSource {
    /// The MO.
    #[serde(with = "moid")]
    pub moid: Moid,
    /// Where.
    #[serde(with = "server_uri")]
    pub server: ServerUri,
}

impl Subscription {
    /// The ClientURI; none where the stored text is none.
    #[must_use]
    pub fn uri(&self) -> Option<SubscriptionUri> {
        SubscriptionUri::parse(&self.client).ok()
    }

    /// Whether it is about instances of this MOID.
    #[must_use]
    pub fn is_of(&self, moid: &Moid) -> bool {
        self.uri().is_some_and(|uri| uri.uri().moid == *moid)
    }
}
