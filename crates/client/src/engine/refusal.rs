use omadm_bootstrap::{BootstrapMethod, Refusal, Utc};
use serde::{Deserialize, Serialize};

/// The last bootstrap that was refused, kept until one is applied: so that the device can say why it has none.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct LastRefusal {
    /// When.
    pub at: Utc,
    /// How the document came.
    pub method: BootstrapMethod,
    /// The cause's stable code.
    pub cause: String,
    /// What happened, as a sentence.
    pub sentence: String,
    /// What to do next.
    pub action: String,
    /// The failing item of the document.
    pub item: Option<String>,
    /// The node or server concerned.
    pub uri: Option<String>,
    /// What exactly was found.
    pub detail: Option<String>,
}

impl LastRefusal {
    /// The fact's name in the store.
    pub(crate) const FACT: &'static str = "last-refusal";

    pub(crate) fn of(refusal: &Refusal, method: BootstrapMethod, at: Utc) -> Self {
        Self {
            at,
            method,
            cause: refusal.cause.code().to_owned(),
            sentence: refusal.cause.sentence().to_owned(),
            action: refusal.cause.action().to_owned(),
            item: refusal.item.clone(),
            uri: refusal.uri.clone(),
            detail: refusal.detail.clone(),
        }
    }
}
