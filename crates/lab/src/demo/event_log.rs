use std::sync::Arc;
use std::time::Duration;

use omadm_server::store::Store;
use tokio::sync::Mutex;
use tokio::task::JoinSet;

use super::Timeline;

/// The server's event log on its way into the timeline, as it is written.
pub(super) struct EventLog {
    told: Arc<Told>,
    _watch: JoinSet<()>,
}

struct Told {
    store: Arc<dyn Store>,
    timeline: Timeline,
    position: Mutex<u64>,
}

/// How often the log is looked at.
const LOOK: Duration = Duration::from_millis(2);
/// Events of one look.
const PAGE: usize = 100;

impl EventLog {
    pub(super) fn watch(store: &Arc<dyn Store>, timeline: &Timeline) -> Self {
        let told = Arc::new(Told {
            store: Arc::clone(store),
            timeline: timeline.clone(),
            position: Mutex::default(),
        });
        let watching = Arc::clone(&told);
        let mut watch = JoinSet::new();
        watch.spawn(async move {
            loop {
                watching.tell().await;
                tokio::time::sleep(LOOK).await;
            }
        });
        Self {
            told,
            _watch: watch,
        }
    }

    /// Tells everything that has a place in the log by now.
    pub(super) async fn tell(&self) {
        self.told.tell().await;
    }
}

impl Told {
    async fn tell(&self) {
        let mut position = self.position.lock().await;
        loop {
            let page = self.store.events_after(*position, PAGE).await;
            let page = page.unwrap_or_default();
            for event in &page {
                *position = event.position.unwrap_or(*position);
                self.timeline.server_event(event);
            }
            if page.len() < PAGE {
                return;
            }
        }
    }
}
