use crate::{Alert, AlertType};

/// Why a session was opened (`dm20.md` §2). The order is that of dominance (D04).
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum SessionCause<'a> {
    /// A bootstrap succeeded.
    BootstrapComplete(&'a Alert),
    /// The session answers a DM Notification.
    ServerInitiatedMgmt {
        /// The Notification's NOTIFICATION-ID, where it had one.
        notification_id: Option<u16>,
    },
    /// The client opened it by itself.
    ClientInitiatedMgmt,
}

impl<'a> SessionCause<'a> {
    /// The cause an alert stands for; none for an alert of another type.
    #[must_use]
    pub fn of(alert: &'a Alert) -> Option<Self> {
        let alert_type = &alert.alert_type;
        if *alert_type == AlertType::BOOTSTRAP_COMPLETE {
            Some(Self::BootstrapComplete(alert))
        } else if *alert_type == AlertType::SERVER_INITIATED_MGMT {
            Some(Self::ServerInitiatedMgmt {
                notification_id: alert.notification_id(),
            })
        } else if *alert_type == AlertType::CLIENT_INITIATED_MGMT {
            Some(Self::ClientInitiatedMgmt)
        } else {
            None
        }
    }

    pub(crate) const fn rank(&self) -> u8 {
        match self {
            Self::BootstrapComplete(_) => 0,
            Self::ServerInitiatedMgmt { .. } => 1,
            Self::ClientInitiatedMgmt => 2,
        }
    }
}
