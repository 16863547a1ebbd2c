//! The sweep over bootstraps whose time is over. Any node may run it.

use super::end;
use crate::entropy::correlation;
use crate::model::BootstrapState;
use crate::node::Node;
use crate::store::StoreError;

/// Records taken at once.
const PAGE: usize = 100;

/// Expires one page of overdue records; answers how many there were.
pub(crate) async fn sweep(node: &Node) -> Result<usize, StoreError> {
    let overdue = node.store.overdue(node.now(), PAGE).await?;
    for record in &overdue {
        let correlation = correlation();
        if end(node, record, BootstrapState::Expired, &correlation).await? {
            tracing::info!(correlation, device = %record.dev_id, bootstrap = %record.id, "bootstrap expired");
        }
    }
    Ok(overdue.len())
}
