//! A store with moods, over a real one.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use omadm_lab::watched_store::{StoreWatch, WatchedStore};
use omadm_server::model::{EventLag, ExchangeDelta, Piece};
use omadm_server::store::sqlite::{SqliteOptions, SqliteStore};
use omadm_server::store::{CommitError, Committed, Store, StoreError};
use tokio::sync::Semaphore;

/// The address that the store claims to have: nobody but the log may learn it.
pub(crate) const ADDRESS: &str = "postgres://keeper@db.internal:5432/omadm";
/// What the store says of its trouble, likewise.
pub(crate) const WHY: &str = "the connection to 192.0.2.7 was cut (hunter2)";

/// What a [`Moody`] does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Mood {
    Works,
    /// Commits wait for the gate.
    Hangs,
    /// Commits find no room.
    NoRoom,
    /// Commits find a standby.
    ReadOnly,
    /// Commits find a full queue.
    Busy,
    /// Commits find that the device changed.
    Conflict,
    /// Nothing is answered.
    Away,
    /// Commits take place, and the connection is cut before the answer.
    AnswerLost,
    /// Nothing ever ends.
    Frozen,
}

fn away() -> StoreError {
    StoreError::Unavailable(ADDRESS.to_owned(), WHY.to_owned())
}

/// A store that fails, hangs or is away on demand.
pub(crate) type Moody = WatchedStore<Moods>;

/// What a [`Moody`] does now.
pub(crate) struct Moods {
    mood: Mutex<Mood>,
    lag: Mutex<Option<EventLag>>,
    pub(crate) gate: Semaphore,
    _dir: tempfile::TempDir,
}

impl Moods {
    /// A store that works.
    pub(crate) fn store() -> Arc<Moody> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("store.sqlite");
        let store = SqliteStore::open(file, &SqliteOptions::default()).unwrap();
        let moods = Self {
            mood: Mutex::new(Mood::Works),
            lag: Mutex::new(None),
            gate: Semaphore::new(0),
            _dir: dir,
        };
        Arc::new(Moody::new(Arc::new(store), moods))
    }

    pub(crate) fn is(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    /// Says from now on that positions are behind by this.
    pub(crate) fn lags(&self, lag: EventLag) {
        *self.lag.lock().unwrap() = Some(lag);
    }

    fn mood(&self) -> Mood {
        *self.mood.lock().unwrap()
    }
}

#[async_trait]
impl StoreWatch for Moods {
    async fn before_read(&self, _: &'static str) -> Result<(), StoreError> {
        match self.mood() {
            Mood::Away => Err(away()),
            Mood::Frozen => std::future::pending().await,
            _ => Ok(()),
        }
    }

    async fn commit(
        &self,
        store: &dyn Store,
        delta: ExchangeDelta,
    ) -> Result<Committed, CommitError> {
        match self.mood() {
            Mood::Works => {}
            Mood::Hangs => self.gate.acquire().await.unwrap().forget(),
            Mood::NoRoom => return Err(StoreError::NoRoom(ADDRESS.to_owned()).into()),
            Mood::ReadOnly => {
                return Err(StoreError::ReadOnly(ADDRESS.to_owned(), WHY.to_owned()).into());
            }
            Mood::Busy => return Err(CommitError::Busy),
            Mood::Conflict => return Err(CommitError::Conflict),
            Mood::Away => return Err(away().into()),
            Mood::AnswerLost => {
                store.commit(delta).await?;
                return Err(away().into());
            }
            Mood::Frozen => std::future::pending().await,
        }
        store.commit(delta).await
    }

    async fn put_piece(&self, store: &dyn Store, piece: Piece) -> Result<(), CommitError> {
        match self.mood() {
            Mood::NoRoom => Err(StoreError::NoRoom(ADDRESS.to_owned()).into()),
            Mood::Busy => Err(CommitError::Busy),
            _ => store.put_piece(piece).await,
        }
    }

    fn lag(&self, lag: EventLag) -> EventLag {
        self.lag.lock().unwrap().unwrap_or(lag)
    }
}
