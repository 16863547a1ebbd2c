//! The bootstrap service: makes bootstraps, hands their documents out, and sees each to its end (DESIGN §4).

mod dm1;
mod document;
mod draft;
mod end;
mod refused;
mod sweep;

use http::StatusCode;
use omadm_bootstrap::dm1::Dm1Format;
use omadm_bootstrap::{BootstrapFailureCause as Cause, BootstrapMethod, ProfileFormat};
use omadm_mo::Secret;

pub(crate) use dm1::{Signing, pushed};
pub(crate) use draft::{Draft, DraftError, DraftPush, Drafted, draft_into};
pub(crate) use end::{end, end_into};
pub(crate) use refused::refused;
pub(crate) use sweep::sweep;

use crate::config::ReBootstrap;
use crate::dm1_service::{Account, account_row};
use crate::exchange::{Head, Refusal, of_commit};
use crate::identity::BootstrapDevice;
use crate::model::{
    BootstrapRecord, BootstrapState, CredentialProof, DeferredMark, EventKind, ExchangeDelta,
    RecordId,
};
use crate::node::{Node, event};
use crate::seal::SealError;
use crate::store::StoreError;

/// What a fetch gives.
pub(crate) enum Fetched {
    /// The document's bytes, and their media type.
    Document(Secret, &'static str),
    /// There is nothing for the device now.
    Nothing,
}

/// What a device takes, by its `Accept`.
pub(crate) struct Takes {
    /// Documents of DM 2.0.
    pub(crate) dm2: bool,
    /// Those of DM 1.x, the one it names first before the other (`dm1x.md` §5.6).
    pub(crate) dm1: Vec<Dm1Format>,
}

impl Takes {
    fn format(&self, format: ProfileFormat) -> bool {
        match Dm1Format::of_profile(format) {
            None => self.dm2,
            Some(format) => self.dm1.contains(&format),
        }
    }
}

/// Hands the device its document: the newest open record's of a form that it takes, the same bytes until the record ends (D55). Waits for no commit where the
/// record exists.
pub(crate) async fn fetch(
    node: &Node,
    head: &Head,
    device: &BootstrapDevice,
    takes: &Takes,
) -> Result<Fetched, Refusal> {
    let dev_id = device.dev_id();
    let records = node.store.bootstraps_of(dev_id).await?;
    let code = device
        .credential()
        .filter(|credential| matches!(credential.proof, CredentialProof::BootstrapCode { .. }));
    let bound_to = code.and_then(|code| code.record.as_ref());
    let fetchable = |record: &&BootstrapRecord| {
        matches!(
            record.method,
            BootstrapMethod::ClientInitiated | BootstrapMethod::ServerInitiated
        ) && bound_to.is_none_or(|id| record.id == *id)
    };
    let (mut open, mut other, mut overdue) = (None, None, Vec::new());
    for record in records
        .iter()
        .filter(fetchable)
        .filter(|record| !record.state.is_terminal())
    {
        if record.expires_at <= head.now {
            overdue.push(record);
        } else if open.is_none() && takes.format(record.format) {
            open = Some(record);
        } else if other.is_none() && record.method == BootstrapMethod::ClientInitiated {
            other = Some(record);
        }
    }
    for record in overdue {
        end(node, record, BootstrapState::Expired, &head.correlation).await?;
    }
    if let Some(record) = open {
        return document(node, head, record).await;
    }
    if let (Some(other), Some(format)) = (other, takes.dm1.first()) {
        return in_place_of(node, head, device, other, *format).await;
    }
    let mut fetchable = records.iter().filter(fetchable);
    match fetchable.find(|record| takes.format(record.format)) {
        Some(last) if last.state == BootstrapState::Completed => {
            again(node, head, device, last).await
        }
        Some(_) if code.is_some() => {
            let detail = "the bootstrap that this code was issued for has ended";
            Err(Refusal::of(
                StatusCode::FORBIDDEN,
                Cause::Expired,
                Some(dev_id),
                detail,
            ))
        }
        _ => Ok(Fetched::Nothing),
    }
}

/// A completed device that fetches again (D55): refused, or bootstrapped anew by policy.
async fn again(
    node: &Node,
    head: &Head,
    device: &BootstrapDevice,
    last: &BootstrapRecord,
) -> Result<Fetched, Refusal> {
    let dev_id = device.dev_id();
    if node.config.re_bootstrap == ReBootstrap::Same {
        return same(node, head, device, last).await;
    }
    if node.config.re_bootstrap == ReBootstrap::Refuse {
        let detail = format!(
            "bootstrap {} of this device is completed, and a further fetch is refused by policy",
            last.id
        );
        return Err(Refusal::of(StatusCode::FORBIDDEN, Cause::NothingForDevice, Some(dev_id), detail)
            .advising("Start a new bootstrap for the device, or let completed devices fetch again by the setting `re_bootstrap`."));
    }
    let delta = ExchangeDelta::new(dev_id.clone(), Some(device.device().epoch), head.now);
    anew(node, head, delta, last, last.format).await
}

/// The operator lets the device be bootstrapped by a profile, and it speaks the other generation: it gets what the profile has for that, in place of what it
/// cannot read (`dm1x.md` §5.6).
async fn in_place_of(
    node: &Node,
    head: &Head,
    device: &BootstrapDevice,
    other: &BootstrapRecord,
    format: Dm1Format,
) -> Result<Fetched, Refusal> {
    let profile = node.profiles.get(&other.profile);
    if profile.is_none_or(|profile| profile.content.dm1.is_none()) {
        return Ok(Fetched::Nothing);
    }
    let dev_id = device.dev_id();
    let mut delta = ExchangeDelta::new(dev_id.clone(), Some(device.device().epoch), head.now);
    if !other.is_dm1() {
        let credentials = node.store.credentials(dev_id).await?;
        let state = BootstrapState::Superseded;
        end_into(
            &mut delta,
            other.clone(),
            &credentials,
            state,
            &head.correlation,
        );
    }
    anew(node, head, delta, other, format.profile()).await
}

/// A new bootstrap of a record's profile, in a form, and its document.
async fn anew(
    node: &Node,
    head: &Head,
    mut delta: ExchangeDelta,
    last: &BootstrapRecord,
    format: ProfileFormat,
) -> Result<Fetched, Refusal> {
    let dev_id = last.dev_id.clone();
    let draft = Draft {
        profile: node.profiles.get(&last.profile).ok_or_else(|| {
            let detail = format!(
                "the profile {:?} of the device's bootstrap is no longer there",
                last.profile
            );
            Refusal::plain(StatusCode::INTERNAL_SERVER_ERROR, detail).by(&dev_id)
        })?,
        format,
        method: last.method,
        expires_in: node.config.bootstrap_lifetime,
        model: None,
        push: None,
    };
    let drafted = draft_into(node, &mut delta, &draft, &head.correlation)
        .await
        .map_err(|error| match error {
            DraftError::Store(error) => error.into(),
            error => {
                tracing::error!(device = %dev_id, %error, "no new bootstrap could be made");
                Refusal::plain(
                    StatusCode::INTERNAL_SERVER_ERROR,
                    "no new bootstrap could be made; the server's log tells why",
                )
                .by(&dev_id)
            }
        })?;
    node.store
        .commit(delta)
        .await
        .map_err(|error| of_commit(node, error))?;
    mark_fetched(node, head, &drafted.record);
    let media_type = drafted.record.media_type();
    Ok(Fetched::Document(drafted.document, media_type))
}

/// The completed document once more, as long as what stands in it is in escrow: the device's URL brings it back (DESIGN §4).
async fn same(
    node: &Node,
    head: &Head,
    device: &BootstrapDevice,
    last: &BootstrapRecord,
) -> Result<Fetched, Refusal> {
    let dev_id = device.dev_id();
    let credentials = node.store.credentials(dev_id).await?;
    let mut issued = credentials.iter().filter(|one| {
        one.record.as_ref() == Some(&last.id) && one.command.is_none() && one.tries_left.is_none()
    });
    let is_kept = match account_row(&credentials) {
        Some(row) if last.is_dm1() => {
            Account::open(node, row).is_ok_and(|account| account.can_bring_back(&last.id.0))
        }
        _ => !last.is_dm1(),
    };
    if !is_kept || issued.any(|one| !one.escrowed || one.revoked_at.is_some()) {
        let detail = format!(
            "what stands in the document of bootstrap {} is not kept for the device any more",
            last.id
        );
        let about = Some(dev_id);
        return Err(Refusal::of(
            StatusCode::FORBIDDEN,
            Cause::CredentialRevoked,
            about,
            detail,
        )
        .advising("Start a new bootstrap for the device."));
    }
    document(node, head, last).await
}

/// Why the document of a record is not to be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum OpenError {
    /// It is not there. The store is at fault.
    #[error("the record has no document")]
    Missing,
    /// It cannot be unsealed. The configuration or the store is at fault.
    #[error("the document could not be opened: {0}")]
    Sealed(#[from] SealError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// The document of a record as it left, or is to leave.
pub(crate) async fn open_document(
    node: &Node,
    record: &BootstrapRecord,
) -> Result<Secret, OpenError> {
    let sealed = node
        .store
        .sealed_document(&record.dev_id, &record.id)
        .await?
        .ok_or(OpenError::Missing)?;
    let opened = node.sealing.open(&seal_context(record), &sealed);
    opened.inspect_err(|error| {
        tracing::error!(bootstrap = %record.id, device = %record.dev_id, %error, "a document could not be opened");
    }).map_err(OpenError::from)
}

async fn document(node: &Node, head: &Head, record: &BootstrapRecord) -> Result<Fetched, Refusal> {
    let failed =
        |detail: &str| Refusal::plain(StatusCode::INTERNAL_SERVER_ERROR, detail).by(&record.dev_id);
    let document = match open_document(node, record).await {
        Ok(document) => document,
        Err(OpenError::Store(error)) => return Err(error.into()),
        Err(OpenError::Missing) => {
            tracing::error!(bootstrap = %record.id, device = %record.dev_id, "a record has no document");
            return Err(failed("the record has no document"));
        }
        Err(OpenError::Sealed(_)) => {
            return Err(failed(
                "the document could not be opened; the server's log tells why",
            ));
        }
    };
    if record.fetched_at.is_none() {
        mark_fetched(node, head, record);
    }
    tracing::info!(correlation = head.correlation, device = %record.dev_id, bootstrap = %record.id, "bootstrap fetched");
    Ok(Fetched::Document(document, record.media_type()))
}

fn mark_fetched(node: &Node, head: &Head, record: &BootstrapRecord) {
    node.store.defer(DeferredMark::Fetched {
        dev_id: record.dev_id.clone(),
        record: record.id.clone(),
        at: head.now,
        event: event(
            EventKind::BootstrapFetched {
                bootstrap: record.id.to_string(),
            },
            &head.correlation,
        ),
    });
}

/// What a document is sealed for: this record of this device.
fn seal_context(record: &BootstrapRecord) -> Vec<u8> {
    context(record.dev_id.as_str(), &record.id)
}

fn context(dev_id: &str, id: &RecordId) -> Vec<u8> {
    format!("bootstrap\0{dev_id}\0{id}").into_bytes()
}
