//! Generations of session credentials as sessions use them (D83): `pending` becomes `current` when first used; `boot` brings a reset device back.

use http::StatusCode;
use omadm_bootstrap::BootstrapFailureCause as Cause;
use omadm_session::server::SessionDelta;

use crate::exchange::Refusal;
use crate::identity::SessionDevice;
use crate::model::{
    Credential, CredentialChange, CredentialScope, EventKind, ExchangeDelta, Generation,
};
use crate::node::{Node, event};

/// Adds what the use of the credential means to the delta. 403 where a `boot` credential comes without BootstrapComplete although it was rotated away.
pub(super) async fn used(
    node: &Node,
    device: &SessionDevice,
    step: &SessionDelta,
    delta: &mut ExchangeDelta,
    correlation: &str,
) -> Result<(), Refusal> {
    let Some(used) = device
        .credential()
        .filter(|credential| credential.generation != Generation::Current)
    else {
        return Ok(());
    };
    let all = node.store.credentials(device.dev_id()).await?;
    let rotated = all.iter().filter(|other| is_rival(other, used));
    match used.generation {
        Generation::Current => {}
        Generation::Pending => {
            delta.credentials.push(CredentialChange::Promote(
                used.proof.clone(),
                Generation::Current,
            ));
            for former in rotated.filter(|other| other.generation == Generation::Current) {
                revoke(former, delta, correlation);
            }
        }
        Generation::Boot => {
            let rotated: Vec<_> = rotated
                .filter(|other| other.generation != Generation::Boot)
                .collect();
            let current = rotated
                .iter()
                .any(|other| other.generation == Generation::Current);
            if current && step.completions.is_empty() {
                let detail = "this credential was replaced by a newer one; only a device that was bootstrapped again comes back with it";
                return Err(Refusal::of(
                    StatusCode::FORBIDDEN,
                    Cause::CredentialRevoked,
                    Some(device.dev_id()),
                    detail,
                ));
            }
            if current {
                for dead in rotated {
                    revoke(dead, delta, correlation);
                }
            }
        }
    }
    Ok(())
}

/// Another live session credential of the device that a bootstrap issued. What the operator registered (scope `Device`) is never put out of force by use.
fn is_rival(other: &Credential, used: &Credential) -> bool {
    other.scope == CredentialScope::Session
        && other.revoked_at.is_none()
        && other.proof != used.proof
        && other.record.is_some()
}

fn revoke(credential: &Credential, delta: &mut ExchangeDelta, correlation: &str) {
    delta
        .credentials
        .push(CredentialChange::Revoke(credential.proof.clone()));
    let fingerprint =
        crate::identity::fingerprint_of(&credential.proof).map(|print| print.to_string());
    delta.events.push(event(
        EventKind::CredentialRevoked {
            fingerprint,
            name: credential.proof.name().map(str::to_owned),
        },
        correlation,
    ));
}
