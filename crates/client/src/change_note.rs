use std::sync::Arc;

use tokio::sync::Notify;

/// By which a plug-in, or whoever embeds the client, says that a value outside the tree store changed: subscriptions (SUB) to it are looked at then. Without
/// it a change is noticed within half a minute.
#[derive(Clone, Debug, Default)]
pub struct ChangeNote(pub(crate) Arc<Notify>);

impl ChangeNote {
    /// A value of a plug-in changed.
    pub fn changed(&self) {
        self.0.notify_one();
    }
}
