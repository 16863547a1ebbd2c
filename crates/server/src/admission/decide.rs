//! Decides on a device that the records do not let in. Nothing is made for one that would be refused all the same.

use std::sync::Arc;

use http::StatusCode;
use http::header::AUTHORIZATION;
use omadm_bootstrap::{BootstrapFailureCause as Cause, BootstrapMethod, ProfileFormat};
use omadm_mo::DevId;
use omadm_tls::{ClientTrust, ClientTrustError, Leaf, PeerIdentity, ValidityState, Verdict};

use super::enter::{Entrant, enter_into};
use super::hold::hold;
use super::pattern::DevIdPattern;
use super::policy::{AdmissionPolicy, Maker};
use crate::bootstrap_service::{Draft, DraftError};
use crate::clock::{unix_time, utc};
use crate::exchange::{Answer, Claim, Head, Refusal, of_commit};
use crate::identity::dev_id_of;
use crate::model::{
    AllowEntry, Credential, CredentialProof, Device, ExchangeDelta, WaitingChange, WaitingId,
    WaitingState,
};
use crate::node::Node;
use crate::store::CommitError;

/// How events and operators know the server's own CA.
const OWN_CA: &str = "the server's CA";

/// The policy with its trust.
pub(crate) struct Admission {
    policy: AdmissionPolicy,
    /// One for each maker.
    trusts: Vec<Arc<ClientTrust>>,
}

/// What becomes of a device that the records do not let in.
pub(crate) enum Considered {
    /// It is let in: the records name it now, or another exchange changed them.
    Admitted,
    /// It waits.
    Held(Answer),
}

/// Somebody who vouches for a claim.
struct Voucher<'a> {
    name: String,
    maker: Option<&'a Maker>,
}

impl Admission {
    pub(crate) fn new(policy: AdmissionPolicy) -> Result<Self, ClientTrustError> {
        let trusts = policy.makers.iter();
        let trusts = trusts.map(|maker| ClientTrust::new(&maker.anchors, &[]).map(Arc::new));
        Ok(Self {
            trusts: trusts.collect::<Result<_, _>>()?,
            policy,
        })
    }

    /// Who vouches for what a peer claims. 403 where a maker's certificate names another device, or is not valid now.
    fn voucher(
        &self,
        head: &Head,
        peer: &PeerIdentity,
        leaf: &Leaf,
        claimed: &DevId,
    ) -> Result<Option<Voucher<'_>>, Refusal> {
        let own = peer
            .verdict()
            .is_trusted()
            .then(|| dev_id_of(leaf))
            .flatten();
        if own.as_ref() == Some(claimed) {
            let name = OWN_CA.to_owned();
            return Ok(Some(Voucher { name, maker: None }));
        }
        let Some(chain) = peer.certificates() else {
            return Ok(None);
        };
        for (maker, trust) in self.policy.makers.iter().zip(&self.trusts) {
            let forbidden = |cause, detail: String| {
                let detail = format!("{} of maker {:?}", detail, maker.name);
                Refusal::of(StatusCode::FORBIDDEN, cause, None, detail)
            };
            match trust.judge(chain, unix_time(head.now)) {
                Verdict::Trusted { .. } => {}
                verdict @ (Verdict::Expired { .. } | Verdict::NotYetValid { .. }) => {
                    return Err(forbidden(Cause::CredentialExpired, verdict.to_string()));
                }
                _ => continue,
            }
            match maker.dev_id.apply(leaf) {
                Some(named) if named == *claimed => {}
                Some(named) => {
                    let detail = format!(
                        "OMADM-DevID says {claimed}, but {named} is what names the certificate's device by the rule"
                    );
                    return Err(forbidden(Cause::CredentialForeign, detail));
                }
                None => {
                    let detail =
                        "the certificate names no device, or several, by the rule".to_owned();
                    return Err(forbidden(Cause::CredentialUnknown, detail));
                }
            }
            if maker.only.is_empty() || maker.only.iter().any(|only| only.matches(claimed)) {
                return Ok(Some(Voucher {
                    name: maker.name.clone(),
                    maker: Some(maker),
                }));
            }
        }
        Ok(None)
    }
}

/// Decides on a device that was refused since no record names it, or not its certificate; the refusal stands where nothing else is set.
pub(crate) async fn consider(
    node: &Node,
    head: &Head,
    refusal: Refusal,
) -> Result<Considered, Refusal> {
    let admission = &node.admission;
    let cause = refusal.problem.cause;
    let may_be_let_in = matches!(cause, Some(Cause::DeviceUnknown | Cause::CredentialUnknown));
    if !may_be_let_in || head.headers.contains_key(AUTHORIZATION) {
        return Err(refusal);
    }
    let (Claim::DevId(claimed), Some(peer)) = (&head.claim, &head.peer) else {
        return Err(refusal);
    };
    let (Some(print), Some(leaf)) = (peer.fingerprint(), peer.leaf()) else {
        return Err(refusal);
    };
    // What would be refused once it is registered is not registered.
    let valid = leaf.validity_at(unix_time(head.now)) == ValidityState::Valid;
    let proof = CredentialProof::Certificate(*print.octets());
    if !valid || !peer.verdict().leaves_it_to_registration() {
        return Err(refusal);
    }
    let allowed = node.store.allowed(claimed).await?;
    if admission.policy.is_closed() && allowed.is_empty() {
        return Err(refusal);
    }
    if let Some(known) = node.store.credential(&proof).await? {
        return let_in_meanwhile(&known, claimed).ok_or(refusal);
    }
    let voucher = admission.voucher(head, peer, leaf, claimed)?;
    let entrant = Entrant {
        dev_id: claimed.clone(),
        fingerprint: *print.octets(),
        not_after: utc(leaf.not_after()),
        vouched_by: voucher.as_ref().map(|voucher| voucher.name.clone()),
    };
    let maker = voucher.as_ref().and_then(|voucher| voucher.maker);
    if let Some(device) = node.store.device(claimed).await? {
        return match maker {
            Some(maker) if !maker.approval && is_fresh(node, &device).await? => {
                enter(node, head, Some(&device), &entrant, ("maker", None)).await
            }
            _ => {
                let known = node.store.credential(&proof).await?;
                let known = known.and_then(|known| let_in_meanwhile(&known, claimed));
                known.ok_or(refusal)
            }
        };
    }
    let id = WaitingId::of(claimed, &entrant.fingerprint);
    let known = node.store.waiting_device(&id).await?;
    if let Some(known) = &known
        && known.state == WaitingState::Rejected
        && known.expires_at > head.now
    {
        let why = known
            .why
            .as_deref()
            .map_or_else(String::new, |why| format!(": {why}"));
        let detail = format!("an operator rejected {claimed} with this certificate{why}");
        return Err(Refusal::of(
            StatusCode::FORBIDDEN,
            Cause::AdmissionRejected,
            None,
            detail,
        ));
    }
    let policy = &admission.policy;
    if let Some(permit) = policy
        .allowed
        .find(claimed, &entrant.fingerprint, voucher.is_some())
    {
        let by = ("allow-list", Some(permit.profile.as_str()));
        return enter(node, head, None, &entrant, by).await;
    }
    if let Some(entry) = permitted(&allowed, claimed, &entrant.fingerprint, voucher.is_some()) {
        let by = ("allow-list", Some(entry.profile.as_str()));
        return enter(node, head, None, &entrant, by).await;
    }
    let profile = maker.and_then(|maker| maker.profile.as_deref());
    if profile.is_some() && maker.is_some_and(|maker| !maker.approval) {
        return enter(node, head, None, &entrant, ("maker", profile)).await;
    }
    match &policy.hold {
        Some(policy) if policy.self_signed || voucher.is_some() => {
            let profile = profile
                .map(str::to_owned)
                .or_else(|| policy.profile.clone());
            let held = hold(node, head, policy, (entrant, leaf, profile), known).await?;
            Ok(Considered::Held(held))
        }
        _ => Err(refusal),
    }
}

/// The first entry of the store's list that lets a device in: the rule of [`super::AllowList::find`].
fn permitted<'a>(
    entries: &'a [AllowEntry],
    claimed: &DevId,
    certificate: &[u8; 32],
    vouched: bool,
) -> Option<&'a AllowEntry> {
    entries.iter().find(|entry| {
        let pattern = DevIdPattern::parse(&entry.pattern);
        pattern.is_ok_and(|pattern| pattern.matches(claimed))
            && match &entry.certificate {
                Some(wanted) => wanted == certificate,
                None => vouched,
            }
    })
}

/// The refusal was made from reads before an exchange of the same device that let it in: it is judged once more, by what that one made.
fn let_in_meanwhile(known: &Credential, claimed: &DevId) -> Option<Considered> {
    (known.dev_id == *claimed).then_some(Considered::Admitted)
}

/// Whether a device has a record alone so far, as after a trigger: nothing that it could prove itself by, and no completed bootstrap.
async fn is_fresh(node: &Node, device: &Device) -> Result<bool, Refusal> {
    let credentials = node.store.credentials(&device.dev_id).await?;
    let own = credentials.iter().any(|credential| {
        credential.record.is_none()
            && !matches!(
                credential.proof,
                CredentialProof::BootstrapCode { .. }
                    | CredentialProof::Notification { .. }
                    | CredentialProof::Dm1Account { .. }
            )
    });
    Ok(device.bootstrapped.is_none() && !own)
}

async fn enter(
    node: &Node,
    head: &Head,
    device: Option<&Device>,
    entrant: &Entrant,
    (by, profile): (&str, Option<&str>),
) -> Result<Considered, Refusal> {
    let failed = |detail: String| {
        tracing::error!(correlation = head.correlation, device = %entrant.dev_id, detail, "a device could not be let in");
        let detail = "the device's record could not be made; the server's log tells why";
        Refusal::plain(StatusCode::INTERNAL_SERVER_ERROR, detail)
    };
    let draft = match profile {
        None => None,
        Some(name) => Some(Draft {
            profile: node
                .profiles
                .get(name)
                .ok_or_else(|| failed(format!("there is no profile {name:?}")))?,
            format: ProfileFormat::Dm2,
            method: BootstrapMethod::ClientInitiated,
            expires_in: node.config.bootstrap_lifetime,
            model: None,
            push: None,
        }),
    };
    let expected = device.map(|device| device.epoch);
    let mut delta = ExchangeDelta::new(entrant.dev_id.clone(), expected, head.now);
    if device.is_none() {
        delta.waiting.push(WaitingChange::Known);
    }
    let how = (by, None);
    let drafted = enter_into(
        node,
        &mut delta,
        entrant,
        how,
        draft.as_ref(),
        &head.correlation,
    );
    drafted.await.map_err(|error| match error {
        DraftError::Store(error) => error.into(),
        error => failed(error.to_string()),
    })?;
    match node.store.commit(delta).await {
        Ok(_) => {
            tracing::info!(correlation = head.correlation, device = %entrant.dev_id, by, "device let in");
            Ok(Considered::Admitted)
        }
        // Another exchange was faster; what it made is judged.
        Err(CommitError::DeviceExists | CommitError::CredentialTaken | CommitError::Conflict) => {
            Ok(Considered::Admitted)
        }
        Err(error) => Err(of_commit(node, error)),
    }
}
