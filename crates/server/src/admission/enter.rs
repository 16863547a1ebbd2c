//! Lets a device in: its certificate is registered, and its bootstrap made, in one commit.

use omadm_bootstrap::Utc;
use omadm_mo::DevId;
use omadm_tls::Fingerprint;

use crate::bootstrap_service::{Draft, DraftError, Drafted, draft_into};
use crate::model::{
    Credential, CredentialChange, CredentialProof, CredentialScope, EventKind, ExchangeDelta,
};
use crate::node::{Node, event};

/// Who comes in: a DevID, with the certificate whose key the device proved to hold.
pub(crate) struct Entrant {
    pub(crate) dev_id: DevId,
    pub(crate) fingerprint: [u8; 32],
    /// The certificate's end.
    pub(crate) not_after: Utc,
    /// The CA that vouches for the DevID.
    pub(crate) vouched_by: Option<String>,
}

/// Adds to a delta of the device that it is let in; from now on this certificate is its own. `by` is `allow-list`, `maker` or `operator`.
pub(crate) async fn enter_into(
    node: &Node,
    delta: &mut ExchangeDelta,
    entrant: &Entrant,
    (by, waited_since): (&str, Option<Utc>),
    draft: Option<&Draft>,
    correlation: &str,
) -> Result<Option<Drafted>, DraftError> {
    let print = Fingerprint::from_octets(entrant.fingerprint).to_string();
    if delta.expected.is_none() {
        let registered = event(EventKind::DeviceRegistered, correlation);
        delta.events.push(registered);
    }
    let admitted = EventKind::DeviceAdmitted {
        by: by.to_owned(),
        fingerprint: print.clone(),
        vouched_by: entrant.vouched_by.clone(),
        waited_since: waited_since.map(|at| at.to_string()),
    };
    delta.events.push(event(admitted, correlation));
    let proof = CredentialProof::Certificate(entrant.fingerprint);
    let mut credential = Credential::current(
        entrant.dev_id.clone(),
        proof,
        CredentialScope::Device,
        delta.at,
    );
    credential.expires_at = Some(entrant.not_after);
    delta.credentials.push(CredentialChange::Add(credential));
    let added = EventKind::CredentialAdded {
        proof: "certificate".to_owned(),
        fingerprint: Some(print),
        name: None,
    };
    delta.events.push(event(added, correlation));
    match draft {
        Some(draft) => draft_into(node, delta, draft, correlation).await.map(Some),
        None => Ok(None),
    }
}
