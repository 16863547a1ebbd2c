//! What a node does by itself: overdue bootstraps and sessions end, pushed bootstraps are tried again, devices of DM 1.x called again, those that waited too long are forgotten, uploads
//! that nobody goes on with are given up, wrong DM 1.x credentials stop to count, and CRL and pre-shared keys follow the
//! records. Every node of a store does it; they do not get into
//! each other's way.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use crate::node::Node;
use crate::{
    admission, bootstrap_service, dm1_service, notification_service, push_service, repository,
    session_service,
};

/// How often.
const ROUND: Duration = Duration::from_secs(3);

/// Goes round until `stop` becomes true.
pub(crate) async fn run(node: Arc<Node>, mut stop: watch::Receiver<bool>) {
    loop {
        tokio::select! {
            () = tokio::time::sleep(ROUND) => {}
            _ = stop.wait_for(|stop| *stop) => return,
        }
        if let Err(error) = bootstrap_service::sweep(&node).await {
            tracing::error!(%error, "the sweep over overdue bootstraps failed");
        }
        if let Err(error) = admission::sweep(&node).await {
            tracing::error!(%error, "the sweep over waiting devices failed");
        }
        if let Err(error) = push_service::sweep(&node).await {
            tracing::error!(%error, "the sweep over pushed bootstraps failed");
        }
        if let Err(error) = notification_service::sweep(&node).await {
            tracing::error!(%error, "the sweep over calls that are repeated failed");
        }
        if let Err(error) = session_service::sweep(&node).await {
            tracing::error!(%error, "the sweep over overdue sessions failed");
        }
        if let Err(error) = dm1_service::sweep(&node).await {
            tracing::error!(%error, "the sweep over wrong DM 1.x credentials failed");
        }
        if let Err(error) = repository::sweep(&node).await {
            tracing::error!(%error, "the sweep over broken uploads failed");
        }
        if let Err(error) = node.refresh_psks().await {
            tracing::error!(%error, "the pre-shared keys could not be read; those known so far go on");
        }
        if let Err(error) = node.refresh_crl().await {
            tracing::error!(%error, "the CRL could not be brought up to date");
        }
    }
}
