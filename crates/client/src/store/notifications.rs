use omadm_bootstrap::Utc;
use omadm_dm2::package0::{ReplayWindow, ServerId};
use omadm_mo::{SrvId, TreeError};
use serde::{Deserialize, Serialize};

use super::device_write::WriteTxn;
use super::storage_error::{damaged, tree_error};
use super::{TreeStore, facts, node_key};

/// A Notification that was accepted and still has no session, or no bootstrap, of its own. A newer one of the same SERVER-ID takes its place (D86).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct OwedNotification {
    /// Tells it from those before and after it; given by the store.
    pub number: u64,
    /// Its NOTIFICATION-ID, where it had one.
    pub notification_id: Option<u16>,
    /// Whether it carried REQ-MOS.
    pub req_mos: bool,
    /// How often it was tried in vain.
    pub attempts: u8,
    /// When to try next; none means at once.
    pub not_before: Option<Utc>,
}

#[derive(Serialize, Deserialize)]
struct WindowRow {
    newest: Option<u64>,
    recent: Vec<u16>,
    unproven: Vec<u16>,
}

/// Facts of the client: what is remembered of a SERVER-ID, and what it is owed.
const WINDOW: &str = "notification-window/";
const OWED: &str = "notification-owed/";

impl TreeStore {
    /// What is remembered of the Notifications of this SERVER-ID.
    ///
    /// # Errors
    /// [`TreeError`] where the storage fails.
    pub fn replay_window(&self, server: &ServerId) -> Result<ReplayWindow, TreeError> {
        let Some(row) = facts::read(&self.snapshot()?.facts, &named(WINDOW, server))? else {
            return Ok(ReplayWindow::default());
        };
        let row: WindowRow = serde_json::from_slice(&row).map_err(|_| damaged(WINDOW))?;
        Ok(ReplayWindow::restore(
            row.newest,
            &row.recent,
            &row.unproven,
        ))
    }

    /// Remembers an accepted Notification, and that a session or bootstrap is owed to it: both or none. Its number is given here.
    ///
    /// # Errors
    /// [`TreeError`] where the storage fails; the Notification then did not come.
    pub fn accept_notification(
        &self,
        server: &ServerId,
        window: &ReplayWindow,
        mut owed: OwedNotification,
    ) -> Result<(), TreeError> {
        let row = WindowRow {
            newest: window.newest(),
            recent: window.recent().collect(),
            unproven: window.unproven().collect(),
        };
        self.write_aside(|tables| {
            owed.number = facts::count(&mut tables.facts, facts::NOTIFICATIONS)?;
            facts::write(&mut tables.facts, &named(WINDOW, server), &json(&row)?)?;
            facts::write(&mut tables.facts, &named(OWED, server), &json(&owed)?).map(Some)
        })
        .map(|_| ())
    }

    /// What is owed to this SERVER-ID.
    ///
    /// # Errors
    /// [`TreeError`] where the storage fails.
    pub fn owed_notification(
        &self,
        server: &ServerId,
    ) -> Result<Option<OwedNotification>, TreeError> {
        let row = facts::read(&self.snapshot()?.facts, &named(OWED, server))?;
        row.map(|row| serde_json::from_slice(&row).map_err(|_| damaged(OWED)))
            .transpose()
    }

    /// Everything that is owed to Notifications, in the octet order of the SERVER-IDs.
    ///
    /// # Errors
    /// [`TreeError`] where the storage fails.
    pub fn owed_notifications(&self) -> Result<Vec<(ServerId, OwedNotification)>, TreeError> {
        let snapshot = self.snapshot()?;
        let prefix = format!("{}{OWED}", facts::CLIENT).into_bytes();
        let behind = node_key::behind(&prefix);
        let mut found = Vec::new();
        let range = prefix.as_slice()..behind.as_slice();
        for entry in snapshot.facts.range::<&[u8]>(range).map_err(tree_error)? {
            let (key, row) = entry.map_err(tree_error)?;
            let name = key.value().get(prefix.len()..).unwrap_or_default();
            let server = str::from_utf8(name)
                .ok()
                .and_then(|name| ServerId::parse(name).ok());
            let owed = serde_json::from_slice(row.value()).ok();
            found.push(server.zip(owed).ok_or_else(|| damaged(OWED))?);
        }
        Ok(found)
    }

    /// Puts what is owed in place of the same Notification's, or takes it away: it was answered, or is given up. A newer one stays as it is.
    ///
    /// # Errors
    /// [`TreeError`] where the storage fails; what is owed is then as before.
    pub fn settle_notification(
        &self,
        server: &ServerId,
        number: u64,
        next: Option<&OwedNotification>,
    ) -> Result<(), TreeError> {
        let name = named(OWED, server);
        self.write_aside(|tables| {
            let stands: Option<OwedNotification> = facts::read(&tables.facts, &name)?
                .and_then(|row| serde_json::from_slice(&row).ok());
            if stands.is_none_or(|stands| stands.number != number) {
                return Ok(None);
            }
            match next {
                Some(next) => facts::write(&mut tables.facts, &name, &json(next)?)?,
                None => {
                    facts::remove(&mut tables.facts, &name)?;
                }
            }
            Ok(Some(()))
        })
        .map(|_| ())
    }
}

/// What this server is owed goes; what is remembered against replay stays.
pub(super) fn forget(tables: &mut WriteTxn<'_>, srv_id: &SrvId) -> Result<(), TreeError> {
    let server = ServerId::Account(srv_id.clone());
    facts::remove(&mut tables.facts, &named(OWED, &server)).map(drop)
}

fn named(kind: &str, server: &ServerId) -> String {
    format!("{}{kind}{server}", facts::CLIENT)
}

fn json(row: &impl Serialize) -> Result<Vec<u8>, TreeError> {
    serde_json::to_vec(row).map_err(|why| TreeError::Storage(why.to_string().into()))
}

#[cfg(test)]
mod tests {
    use omadm_dm2::package0::{Authenticated, Clock, Package0, ReplayWindow, ServerId};

    use super::{OwedNotification, TreeStore};

    fn owed(id: u16) -> OwedNotification {
        OwedNotification {
            number: 0,
            notification_id: Some(id),
            req_mos: true,
            attempts: 0,
            not_before: None,
        }
    }

    #[test]
    fn x_noti_003_window_and_owed_session_survive_a_restart_and_the_newest_stays() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("tree.redb");
        let ids = ["dm1", "bs:boot"].map(|id| ServerId::parse(id).unwrap());
        let mut window = ReplayWindow::default();
        for id in [1, 2] {
            let package = Package0 {
                notification_id: Some(id),
                timestamp: Some(1_388_534_400),
                ..Package0::new(ids[0].clone())
            };
            let clock = Clock::Set(1_388_534_400);
            window
                .accept(&package, Authenticated::ByDigest, clock)
                .unwrap();
            let store = TreeStore::open(&file, 1).unwrap();
            for server in &ids {
                store
                    .accept_notification(server, &window, owed(id))
                    .unwrap();
            }
        }
        let store = TreeStore::open(&file, 1).unwrap();
        assert_eq!(store.replay_window(&ids[0]).unwrap(), window);
        let found = store.owed_notifications().unwrap();
        let found: Vec<_> = found
            .into_iter()
            .map(|(server, owed)| (server, owed.notification_id))
            .collect();
        let expected = [(ids[1].clone(), Some(2)), (ids[0].clone(), Some(2))];
        assert_eq!(found, expected);
        // The first was overtaken: settling it leaves the second alone.
        store.settle_notification(&ids[0], 1, None).unwrap();
        let second = store.owed_notification(&ids[0]).unwrap().unwrap();
        store
            .settle_notification(&ids[0], second.number, None)
            .unwrap();
        assert_eq!(store.owed_notification(&ids[0]).unwrap(), None);
    }
}
