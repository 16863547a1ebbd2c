//! From what the peer proved itself with in TLS to the device that holds it (D71).

use omadm_bootstrap::BootstrapFailureCause as Cause;
use omadm_mo::DevId;
use omadm_tls::{Leaf, PeerIdentity, ValidityState, Verdict};

use super::http::challenge;
use super::{Admitted, alive, forbidden, foreign, unknown};
use crate::clock::unix_time;
use crate::exchange::{Head, Refusal};
use crate::model::{Credential, CredentialProof, Device};
use crate::node::Node;

/// The device that the certificate of this connection belongs to, if it is the claimed one. Registered fingerprint first, then device CA.
pub(super) async fn check(node: &Node, head: &Head, claimed: &DevId) -> Result<Admitted, Refusal> {
    let Some((peer, proof)) = presented(head) else {
        let detail = "the request came without a client certificate";
        return Err(challenge(node, head, detail));
    };
    // The device first: a revocation that comes after is then a conflict of the commit.
    let device = node.store.device(claimed).await?;
    match node.store.credential(&proof).await? {
        Some(credential) => registered(node, head, peer, claimed, device, credential),
        None => vouched_for(node, peer, claimed, device).await,
    }
}

/// The holder of the certificate where it is registered, whatever the request claims.
pub(super) async fn registered_holder(node: &Node, head: &Head) -> Result<Option<DevId>, Refusal> {
    let Some((_, proof)) = presented(head) else {
        return Ok(None);
    };
    Ok(node
        .store
        .credential(&proof)
        .await?
        .map(|credential| credential.dev_id))
}

fn presented(head: &Head) -> Option<(&PeerIdentity, CredentialProof)> {
    let peer = head.peer.as_ref()?;
    Some((peer, super::proof(peer)?))
}

fn registered(
    node: &Node,
    head: &Head,
    peer: &PeerIdentity,
    claimed: &DevId,
    device: Option<Device>,
    credential: Credential,
) -> Result<Admitted, Refusal> {
    let holder = Some(&credential.dev_id);
    alive(node, &credential, "credential", head.now)?;
    let by_certificate = matches!(credential.proof, CredentialProof::Certificate(_));
    if by_certificate && !peer.verdict().leaves_it_to_registration() {
        return Err(forbidden(
            cause_of(peer.verdict()),
            holder,
            peer.verdict().to_string(),
        ));
    }
    let validity = peer
        .leaf()
        .map(|leaf| leaf.validity_at(unix_time(head.now)));
    if by_certificate && validity != Some(ValidityState::Valid) {
        let detail = match validity {
            Some(ValidityState::NotYetValid) => "the client's certificate is not valid yet",
            _ => "the client's certificate has expired",
        };
        return Err(forbidden(Cause::CredentialExpired, holder, detail));
    }
    if credential.dev_id != *claimed {
        return Err(foreign(node, "the credential", &credential.dev_id, claimed));
    }
    match device {
        Some(device) => Ok(Admitted {
            device,
            credential: Some(credential),
        }),
        None => Err(unknown(claimed)),
    }
}

/// D71 (2): a certificate of a device CA that nobody registered admits a device that has a record.
async fn vouched_for(
    node: &Node,
    peer: &PeerIdentity,
    claimed: &DevId,
    device: Option<Device>,
) -> Result<Admitted, Refusal> {
    let about = device.as_ref().map(|device| &device.dev_id);
    if let Some(identity) = peer.psk_identity() {
        let detail = format!(
            "no device has the PSK identity {:?}; OMADM-DevID claims {claimed}",
            identity.as_str()
        );
        return Err(forbidden(Cause::CredentialUnknown, about, detail));
    }
    if !peer.verdict().is_trusted() {
        let detail = format!("{}; OMADM-DevID claims {claimed}", peer.verdict());
        return Err(forbidden(cause_of(peer.verdict()), about, detail));
    }
    let Some(named) = peer.leaf().and_then(dev_id_of) else {
        let detail = format!(
            "the certificate names no DevID (one SAN of type URI, or one CN); OMADM-DevID claims {claimed}"
        );
        return Err(forbidden(Cause::CredentialUnknown, about, detail));
    };
    if named != *claimed {
        let known = node.store.device(&named).await?.is_some();
        let mut refusal = foreign(node, "the certificate", &named, claimed);
        refusal.about = known.then_some(named);
        return Err(refusal);
    }
    let device = device.ok_or_else(|| unknown(claimed))?;
    Ok(Admitted {
        device,
        credential: None,
    })
}

const fn cause_of(verdict: &Verdict) -> Cause {
    match verdict {
        Verdict::Expired { .. } | Verdict::NotYetValid { .. } => Cause::CredentialExpired,
        Verdict::Revoked => Cause::CredentialRevoked,
        Verdict::NoCertificate => Cause::CredentialMissing,
        _ => Cause::CredentialUnknown,
    }
}

/// The DevID a certificate of a device CA names: its only SAN of type URI, else its only CN (D71).
pub(crate) fn dev_id_of(leaf: &Leaf) -> Option<DevId> {
    let name = match (leaf.san_uris(), leaf.subject_common_names()) {
        ([uri], _) => return imei_of(uri).or_else(|| DevId::parse(uri).ok()),
        ([], [name]) => name,
        _ => return None,
    };
    DevId::parse(name).ok()
}

/// `urn:gsma:imei:49300510-059280-0` (RFC 7254) as `IMEI:493005100592800` (DESIGN §5).
pub(crate) fn imei_of(uri: &str) -> Option<DevId> {
    const PREFIX: &str = "urn:gsma:imei:";
    if !uri.get(..PREFIX.len())?.eq_ignore_ascii_case(PREFIX) {
        return None;
    }
    let number = uri.get(PREFIX.len()..)?.split(';').next()?;
    let digits: String = number.chars().filter(|c| *c != '-').collect();
    if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    DevId::parse(&format!("IMEI:{digits}")).ok()
}

#[cfg(test)]
mod tests {
    use super::imei_of;

    #[test]
    fn the_imei_urn_is_the_imei_of_the_record_d71() {
        let read = |uri| imei_of(uri).map(|dev_id| dev_id.to_string());
        assert_eq!(
            read("urn:gsma:imei:49300510-059280-0").as_deref(),
            Some("IMEI:493005100592800")
        );
        assert_eq!(
            read("URN:GSMA:imei:49300510-059280-0;svn=12").as_deref(),
            Some("IMEI:493005100592800")
        );
        assert_eq!(read("urn:gsma:imei:4930x"), None);
        assert_eq!(read("IMEI:493005100592800"), None);
    }
}
