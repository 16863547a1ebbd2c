//! Who sends a request (D71). Two extractors, and nothing else, turn what the TLS layer saw and the headers say into a device of the records:
//! [`BootstrapDevice`] for the bootstrap URI, [`SessionDevice`] for sessions and the data repository. Every refusal has a cause and an event.

mod certificate;
mod code;
mod http;
mod nonce;
mod tries;

use ::http::StatusCode;
use ::http::header::{HeaderValue, RETRY_AFTER};
use omadm_bootstrap::generation::{Attempt, Decision, Presented, decide};
use omadm_bootstrap::{BootstrapFailureCause as Cause, Utc};
use omadm_mo::DevId;
use omadm_tls::{Fingerprint, PeerIdentity};

use crate::exchange::{Claim, Head, Refusal};
use crate::model::{Credential, CredentialProof, CredentialScope, Device};
use crate::node::Node;
pub(crate) use certificate::{dev_id_of, imei_of};
pub(crate) use code::{CodeGates, hash as code_hash};
pub(crate) use http::HttpAuth;
use http::{Judged, Offer, challenge};

/// A device that may fetch a bootstrap.
pub(crate) struct BootstrapDevice(Admitted);

/// A device that may run a session.
pub(crate) struct SessionDevice(Admitted);

/// A device whose claim its credential proves.
struct Admitted {
    device: Device,
    /// None where the device CA alone vouches for it (D71 (2)).
    credential: Option<Credential>,
}

impl BootstrapDevice {
    /// Identifies the device, by certificate or PSK, HTTP user, or bootstrap code (D81).
    pub(crate) async fn of(node: &Node, head: &Head) -> Result<Self, Refusal> {
        let missing = "the request came without certificate, HTTP credential or bootstrap code";
        let (offer, device) = offered(node, head, missing).await?;
        let http = match &offer {
            None => None,
            Some(offer) => Some(match http::check(node, offer).await? {
                Judged::Right(credential) => ByHttp {
                    device,
                    credential: *credential,
                },
                Judged::Wrong(known) => code::check(node, head, offer, known.as_ref()).await?,
            }),
        };
        let admitted = both(node, head, http).await?;
        if let Some(credential) = &admitted.credential
            && credential.scope == CredentialScope::Session
        {
            return Err(forbidden(
                Cause::CredentialUnknown,
                Some(&admitted.device.dev_id),
                "this credential opens DM sessions, not the bootstrap URI",
            ));
        }
        Ok(Self(admitted))
    }

    pub(crate) const fn dev_id(&self) -> &DevId {
        &self.0.device.dev_id
    }

    pub(crate) const fn device(&self) -> &Device {
        &self.0.device
    }

    /// The registered credential; none where the device CA alone vouches for the device.
    pub(crate) const fn credential(&self) -> Option<&Credential> {
        self.0.credential.as_ref()
    }
}

impl SessionDevice {
    /// Identifies the device by certificate or PSK, or HTTP user.
    pub(crate) async fn of(node: &Node, head: &Head) -> Result<Self, Refusal> {
        let missing = "the request came without client certificate and without HTTP credential";
        let (offer, device) = offered(node, head, missing).await?;
        let http = match &offer {
            None => None,
            Some(offer) => Some(match http::check(node, offer).await? {
                Judged::Right(credential) => ByHttp {
                    device,
                    credential: *credential,
                },
                Judged::Wrong(known) => return Err(offer.wrong(node, known.as_ref())),
            }),
        };
        let admitted = both(node, head, http).await?;
        if let Some(credential) = &admitted.credential
            && credential.scope == CredentialScope::Bootstrap
            && !opens_sessions(node, credential).await?
        {
            let detail = "this credential opens the bootstrap URI; the account that was issued with it has an Auth/Trsp for sessions";
            let about = Some(&admitted.device.dev_id);
            return Err(forbidden(Cause::CredentialUnknown, about, detail));
        }
        Ok(Self(admitted))
    }

    pub(crate) const fn dev_id(&self) -> &DevId {
        &self.0.device.dev_id
    }

    pub(crate) const fn device(&self) -> &Device {
        &self.0.device
    }

    /// The registered credential; none where the device CA alone vouches for the device.
    pub(crate) const fn credential(&self) -> Option<&Credential> {
        self.0.credential.as_ref()
    }
}

/// The HTTP credential of a request, with the device of the claim where one is to be judged: read before it, so that a revocation that comes after is a
/// conflict of the commit. 401 where the request proves itself by nothing.
async fn offered<'a>(
    node: &Node,
    head: &'a Head,
    missing: &str,
) -> Result<(Option<Offer<'a>>, Option<Device>), Refusal> {
    let offer = Offer::read(node, head)?;
    if offer.is_none() && !presented(head) {
        return Err(challenge(node, head, missing));
    }
    let device = match (&head.claim, &offer) {
        (Claim::DevId(dev_id), Some(_)) => node.store.device(dev_id).await?,
        _ => None,
    };
    Ok((offer, device))
}

/// A right HTTP credential, with the device as it was read before.
struct ByHttp {
    device: Option<Device>,
    credential: Credential,
}

/// The device that HTTP and TLS credential lead to, each where it is there: both to the claimed one (D71). The HTTP credential counts where both are
/// there: the account has it for the server, the other the device has for anybody.
async fn both(node: &Node, head: &Head, http: Option<ByHttp>) -> Result<Admitted, Refusal> {
    let holder = http.as_ref().map(|http| &http.credential.dev_id);
    let claimed = claimed(node, head, holder).await?;
    if let Some(holder) = holder
        && holder != claimed
    {
        return Err(foreign(node, "the HTTP credential", holder, claimed));
    }
    let by_tls = if presented(head) {
        Some(certificate::check(node, head, claimed).await?)
    } else {
        None
    };
    match (http, by_tls) {
        (None, Some(by_tls)) => Ok(by_tls),
        (None, None) => Err(challenge(node, head, "the request came without credential")),
        (Some(http), _) => Ok(Admitted {
            device: http.device.ok_or_else(|| unknown(claimed))?,
            credential: Some(http.credential),
        }),
    }
}

/// A bootstrap-scope credential opens a session only where the issued account has no `Auth/Trsp` (D83).
async fn opens_sessions(node: &Node, credential: &Credential) -> Result<bool, Refusal> {
    let Some(record) = &credential.record else {
        return Ok(false);
    };
    Ok(node
        .store
        .bootstrap(record)
        .await?
        .is_some_and(|record| !record.has_trsp))
}

fn presented(head: &Head) -> bool {
    head.peer.as_ref().is_some_and(|peer| proof(peer).is_some())
}

/// What the TLS layer saw the peer prove itself with.
fn proof(peer: &PeerIdentity) -> Option<CredentialProof> {
    if let Some((identity, nr)) = peer.psk_identity().zip(peer.psk_nr()) {
        let identity = identity.as_str().to_owned();
        return Some(CredentialProof::Psk { identity, nr });
    }
    peer.fingerprint()
        .map(|print| CredentialProof::Certificate(*print.octets()))
}

/// The DevID of the header; 400 where it does not stand there once and well-formed.
async fn claimed<'a>(
    node: &Node,
    head: &'a Head,
    holder: Option<&DevId>,
) -> Result<&'a DevId, Refusal> {
    let detail = match &head.claim {
        Claim::DevId(dev_id) => return Ok(dev_id),
        Claim::Missing => "the header OMADM-DevID is missing".to_owned(),
        Claim::Repeated => "the header OMADM-DevID stands there more than once".to_owned(),
        Claim::Malformed(why) => format!("the header OMADM-DevID holds no DevID: {why}"),
    };
    let about = match holder {
        Some(holder) => Some(holder.clone()),
        None => certificate::registered_holder(node, head).await?,
    };
    let mut refusal = Refusal::of(
        StatusCode::BAD_REQUEST,
        Cause::PeerMisbehaved,
        about.as_ref(),
        detail,
    )
    .advising("Send OMADM-DevID once, with the value of DevInfo/DevID.");
    "The request does not say which device it is from.".clone_into(&mut refusal.problem.title);
    Err(refusal)
}

/// After so many seconds a device comes again that waits for an operator.
pub(crate) const HELD_SECS: u32 = 3600;

/// 403 for a credential that was revoked or is another device's; where policy holds it, the device is told to come again (D83).
fn denied(decision: Decision, cause: Cause, holder: Option<&DevId>, detail: String) -> Refusal {
    let mut refusal = forbidden(cause, holder, detail);
    if matches!(decision, Decision::Hold(_)) {
        refusal = refusal.with_header(RETRY_AFTER, HeaderValue::from(HELD_SECS));
        refusal
            .problem
            .detail
            .push_str("; it waits for an operator");
    }
    refusal
}

fn forbidden(cause: Cause, about: Option<&DevId>, detail: impl Into<String>) -> Refusal {
    Refusal::of(StatusCode::FORBIDDEN, cause, about, detail)
}

/// What the policy says of a credential that does not count.
fn judged(node: &Node, credential: Option<&Credential>, same_device: bool) -> Decision {
    let revoked = credential.is_some_and(|credential| credential.revoked_at.is_some());
    let attempt = Attempt {
        by: Presented::Identity { revoked },
        completion: false,
        same_device,
    };
    decide(attempt, node.config.generations)
}

fn foreign(node: &Node, what: &str, holder: &DevId, claimed: &DevId) -> Refusal {
    let detail = format!("{what} belongs to {holder}, OMADM-DevID says {claimed}");
    let decision = judged(node, None, false);
    denied(decision, Cause::CredentialForeign, Some(holder), detail)
}

/// 403 where the credential opens nothing any more, whatever it once opened.
fn alive(node: &Node, credential: &Credential, what: &str, now: Utc) -> Result<(), Refusal> {
    let holder = Some(&credential.dev_id);
    let decision = judged(node, Some(credential), true);
    if decision != Decision::Accept {
        let detail = format!("the device's record says that this {what} was revoked");
        return Err(denied(decision, Cause::CredentialRevoked, holder, detail));
    }
    if credential.expires_at.is_some_and(|end| end <= now) {
        let detail = format!("the device's record says that this {what}'s time is over");
        return Err(forbidden(Cause::CredentialExpired, holder, detail));
    }
    Ok(())
}

fn unknown(claimed: &DevId) -> Refusal {
    let detail = format!("no device record for {claimed}");
    forbidden(Cause::DeviceUnknown, None, detail)
}

/// The fingerprint a certificate is registered by; none for another credential.
pub(crate) fn fingerprint_of(proof: &CredentialProof) -> Option<Fingerprint> {
    match proof {
        CredentialProof::Certificate(octets) => Some(Fingerprint::from_octets(*octets)),
        _ => None,
    }
}
