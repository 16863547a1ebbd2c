//! A device says that it refused the document it fetched: our own addition, a problem document POSTed to the bootstrap URI.

use bytes::Bytes;
use http::StatusCode;
use omadm_bootstrap::{BootstrapFailureCause as Cause, Fault};
use omadm_mo::json::Json;

use super::end::end_into;
use crate::exchange::{Head, Refusal, of_commit};
use crate::identity::BootstrapDevice;
use crate::model::{BootstrapState, DeferredMark, EventKind, ExchangeDelta};
use crate::node::{Node, event};

/// Longest text that is kept of each member, in characters.
const KEPT: usize = 256;

/// Takes the report. What lies at content or policy ends the record, since the same bytes would be refused again; what lies at the device's
/// environment is an event alone.
///
/// # Errors
/// 400 for a body that names no cause this server knows.
pub(crate) async fn refused(
    node: &Node,
    head: &Head,
    device: &BootstrapDevice,
    body: &Bytes,
) -> Result<(), Refusal> {
    let dev_id = device.dev_id();
    let bad = |detail: String| Refusal::plain(StatusCode::BAD_REQUEST, detail).by(dev_id);
    let json = Json::read(body, node.json_limits())
        .map_err(|error| bad(format!("the report is not acceptable JSON: {error}")))?;
    let member = |name: &str| {
        let text = json.member(name).and_then(Json::as_text)?;
        Some(text.chars().take(KEPT).collect::<String>())
    };
    let cause = member("cause")
        .and_then(|code| Cause::from_code(&code))
        .ok_or_else(|| bad("the report names no cause that this server knows".to_owned()))?;
    // `fetched` is a deferred mark and may not be written yet, so any open record counts.
    let records = node.store.bootstraps_of(dev_id).await?;
    let Some(mut record) = records
        .into_iter()
        .find(|record| !record.state.is_terminal())
    else {
        return Ok(());
    };
    let told = event(
        EventKind::BootstrapRefused {
            bootstrap: record.id.to_string(),
            cause: cause.code().to_owned(),
            item: member("item"),
            uri: member("uri"),
            detail: member("detail"),
        },
        &head.correlation,
    );
    if !matches!(cause.fault(), Fault::Content | Fault::Policy) {
        node.store.defer(DeferredMark::Refused {
            dev_id: Some(dev_id.clone()),
            at: head.now,
            event: told,
        });
        return Ok(());
    }
    let credentials = node.store.credentials(dev_id).await?;
    let mut delta = ExchangeDelta::new(dev_id.clone(), Some(device.device().epoch), head.now);
    delta.events.push(told);
    record.cause = Some(cause);
    end_into(
        &mut delta,
        record,
        &credentials,
        BootstrapState::Failed,
        &head.correlation,
    );
    node.store
        .commit(delta)
        .await
        .map_err(|error| of_commit(node, error))?;
    Ok(())
}
