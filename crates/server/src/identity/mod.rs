//! Who sends a request (D71). Two extractors, and nothing else, turn what the TLS layer saw and the headers claim into a device of the records:
//! [`BootstrapDevice`] for the bootstrap URI, [`SessionDevice`] for sessions and the data repository. Every refusal has a cause and an event.

mod basic;
mod certificate;
mod code;

use http::StatusCode;
use http::header::{HeaderValue, WWW_AUTHENTICATE};
use omadm_bootstrap::BootstrapFailureCause as Cause;
use omadm_mo::DevId;
use omadm_tls::Fingerprint;

use crate::exchange::{Claim, Head, Refusal};
use crate::model::{Credential, CredentialProof, CredentialScope, Device};
use crate::node::Node;
use basic::Basic;
pub(crate) use code::{CodeGates, hash as code_hash};

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
    /// Identifies the device, by certificate or bootstrap code (D81).
    pub(crate) async fn of(node: &Node, head: &Head) -> Result<Self, Refusal> {
        let basic = match head.authorization() {
            None => None,
            Some(value) => Some(Basic::parse(value).ok_or_else(|| {
                challenge("the Authorization header is no HTTP Basic credential")
            })?),
        };
        let code = match &basic {
            None => None,
            Some(basic) => Some(code::check(node, head, basic).await?),
        };
        let claimed = claimed(node, head).await?;
        if let Some(code) = &code
            && code.credential.dev_id != *claimed
        {
            let detail = format!(
                "the bootstrap code belongs to {}, OMADM-DevID says {claimed}",
                code.credential.dev_id
            );
            return Err(forbidden(
                Cause::CredentialForeign,
                Some(&code.credential.dev_id),
                detail,
            ));
        }
        if presented(head) {
            let admitted = certificate::check(node, head, claimed).await?;
            if let Some(credential) = &admitted.credential
                && credential.scope == CredentialScope::Session
            {
                return Err(forbidden(
                    Cause::CredentialUnknown,
                    Some(claimed),
                    "this certificate opens DM sessions, not the bootstrap URI",
                ));
            }
            // The code names the record it was issued for, so it counts where both were given.
            return Ok(Self(code.map_or(admitted, Admitted::from)));
        }
        let code = code.ok_or_else(|| {
            challenge("the request came without certificate and without bootstrap code")
        })?;
        Ok(Self(code.into()))
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
    /// Identifies the device by its certificate.
    pub(crate) async fn of(node: &Node, head: &Head) -> Result<Self, Refusal> {
        if head.authorization().is_some() {
            return Err(challenge(
                "no HTTP credential opens DM sessions on this server; use the account's certificate",
            ));
        }
        if !presented(head) {
            return Err(challenge("the request came without a client certificate"));
        }
        let claimed = claimed(node, head).await?;
        let admitted = certificate::check(node, head, claimed).await?;
        if let Some(credential) = &admitted.credential
            && credential.scope == CredentialScope::Bootstrap
            && !opens_sessions(node, credential).await?
        {
            let detail = "this certificate opens the bootstrap URI; the account that was issued with it has an Auth/Trsp for sessions";
            return Err(forbidden(Cause::CredentialUnknown, Some(claimed), detail));
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
    head.peer
        .as_ref()
        .is_some_and(|peer| peer.fingerprint().is_some())
}

/// The DevID of the header; 400 where it does not stand there once and well-formed.
async fn claimed<'a>(node: &Node, head: &'a Head) -> Result<&'a DevId, Refusal> {
    let detail = match &head.claim {
        Claim::DevId(dev_id) => return Ok(dev_id),
        Claim::Missing => "the header OMADM-DevID is missing".to_owned(),
        Claim::Repeated => "the header OMADM-DevID stands there more than once".to_owned(),
        Claim::Malformed(why) => format!("the header OMADM-DevID holds no DevID: {why}"),
    };
    let about = certificate::registered_holder(node, head).await?;
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

/// 401 with the challenge that a bootstrap code answers.
fn challenge(detail: &str) -> Refusal {
    let mut refusal = Refusal::of(
        StatusCode::UNAUTHORIZED,
        Cause::CredentialMissing,
        None,
        detail,
    );
    refusal.recorded = false;
    refusal.with_header(
        WWW_AUTHENTICATE,
        HeaderValue::from_static("Basic realm=\"omadm\", charset=\"UTF-8\""),
    )
}

fn forbidden(cause: Cause, about: Option<&DevId>, detail: impl Into<String>) -> Refusal {
    Refusal::of(StatusCode::FORBIDDEN, cause, about, detail)
}

/// The fingerprint a certificate is registered by; none for another credential.
pub(crate) fn fingerprint_of(proof: &CredentialProof) -> Option<Fingerprint> {
    match proof {
        CredentialProof::Certificate(octets) => Some(Fingerprint::from_octets(*octets)),
        _ => None,
    }
}
