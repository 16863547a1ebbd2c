use std::path::{Path, PathBuf};
use std::sync::{PoisonError, RwLock};

use omadm_bootstrap::plan::{self, ApplyError, TreePlan};
use omadm_bootstrap::{BootstrapKind, BootstrapSource, DeviceView as _, PayloadHash};
use omadm_mo::{TreeError, TreeVersion, TreeView as _};
use redb::{
    Database, DatabaseError, Durability, ReadableDatabase as _, StorageBackend, TransactionError,
};

use super::device_write::WriteTxn;
use super::open::{self, StoreOpenError};
use super::storage_error::{damaged, tree_error};
use super::{Snapshot, facts};

/// The client's durable state: DM tree, accounts, owed completions, queued alerts. Shared between threads; writers wait for each other.
///
/// Has no `Debug`: any leaf may be a secret. The file is the owner's alone on Unix; it is not encrypted.
pub struct TreeStore {
    file: PathBuf,
    reopen: Box<dyn Fn() -> Result<Database, DatabaseError> + Send + Sync>,
    /// None after a failure of the storage, until it could be opened again: redb does not go on with a file that failed it.
    database: RwLock<Option<Database>>,
    /// Octets that the tree may take.
    room: u64,
}

impl TreeStore {
    /// Opens the store, and makes it where there is no file or an empty one. `epoch` is random; a new store keeps it for its cache validators (D76), an
    /// existing one has its own.
    ///
    /// # Errors
    /// [`StoreOpenError`]; the file is then left as it was.
    pub fn open(file: impl Into<PathBuf>, epoch: u32) -> Result<Self, StoreOpenError> {
        let file = file.into();
        let database = open::open_or_create(&file, epoch)?;
        let path = file.clone();
        Ok(Self {
            file,
            reopen: Box::new(move || open::open_file(&path)),
            database: RwLock::new(Some(database)),
            room: u64::MAX,
        })
    }

    /// Bounds the tree: its nodes' names and values, in octets as they are stored. A plan that makes it larger than that fails with [`TreeError::NoRoom`];
    /// one that makes it smaller never does. The file has up to a few times as many. Without it there is no bound.
    #[must_use]
    pub const fn with_room(mut self, octets: u64) -> Self {
        self.room = octets;
        self
    }

    /// Opens or makes the store on another storage than a file; `backend` is called again after the storage failed, and gives the same octets then.
    ///
    /// # Errors
    /// [`StoreOpenError`], with an empty file name.
    pub fn with_backend<B: StorageBackend>(
        backend: impl Fn() -> B + Send + Sync + 'static,
        epoch: u32,
    ) -> Result<Self, StoreOpenError> {
        let reopen = move || open::open_backend(backend());
        let file = PathBuf::new();
        let database = reopen().map_err(|why| open::because(&file, why))?;
        let database = open::prepared(database, &file, epoch)?;
        Ok(Self {
            file,
            reopen: Box::new(reopen),
            database: RwLock::new(Some(database)),
            room: u64::MAX,
        })
    }

    /// The store's file.
    #[must_use]
    pub fn file(&self) -> &Path {
        &self.file
    }

    /// The device after the last commit. Snapshots taken before a failure of the storage may fail from then on; take a new one.
    ///
    /// # Errors
    /// [`TreeError`] where the storage fails.
    pub fn snapshot(&self) -> Result<Snapshot, TreeError> {
        let look = |database: &Database| Snapshot::of(&database.begin_read().map_err(tree_error)?);
        match self.with_database(look) {
            Err(TreeError::Storage(_)) => {
                self.close_if_failed();
                self.with_database(look)
            }
            done => done,
        }
    }

    /// Carries a plan out in one durable transaction; answers the version it made. The first bootstrap after a factory reset ends
    /// [`Self::is_after_factory_reset`] in the same transaction, and one by a factory image leaves [`Self::factory_image`].
    ///
    /// # Errors
    /// [`ApplyError`] where the plan is stale or the storage fails; tree and accounts are then as before.
    pub fn apply(&self, plan: &TreePlan) -> Result<TreeVersion, ApplyError> {
        let done = self.write(|tables| {
            let before = tables.octets()?;
            // The image's account was beneath one that goes without it: the image is applied again at the next start (§14.3).
            let mut lost = false;
            for gone in &plan.removed_accounts {
                lost |= tables
                    .account(gone)?
                    .is_some_and(|one| one.factory.is_some());
            }
            if lost {
                facts::remove(&mut tables.facts, facts::FACTORY)?;
            }
            plan::apply(plan, tables)?;
            let after = tables.octets()?;
            if after > self.room && after > before {
                return Err(TreeError::NoRoom.into());
            }
            if plan
                .accounts
                .iter()
                .any(|account| account.provenance.kind == BootstrapKind::Reset)
            {
                facts::remove(&mut tables.facts, facts::RESET)?;
            }
            // An acknowledgement or a session changes an account too, and leaves its event as it is owed no more.
            let image = plan.accounts.iter().find(|account| {
                account.provenance.source == BootstrapSource::FactoryImage && account.owed.is_some()
            });
            if let Some(account) = image {
                let hash = account.provenance.payload_hash.to_hex();
                facts::write(&mut tables.facts, facts::FACTORY, hash.as_bytes())?;
            }
            Ok::<_, ApplyError>(Some(()))
        })?;
        done.map(|((), version)| version)
            .ok_or_else(|| TreeError::Storage("nothing was written".into()).into())
    }

    /// Takes tree, accounts, counted MIIDs, alerts and the client's facts away; the next bootstrap is the first after a reset. `epoch` is random and must not
    /// be the old one (D76).
    ///
    /// # Errors
    /// [`TreeError`] where the storage fails; everything is then as before.
    pub fn factory_reset(&self, epoch: u32) -> Result<(), TreeError> {
        self.write(|tables| {
            tables.clear()?;
            facts::write(&mut tables.facts, facts::EPOCH, &epoch.to_be_bytes())?;
            facts::write(&mut tables.facts, facts::RESET, &[])?;
            Ok(Some(()))
        })
        .map(|_| ())
    }

    /// Whether no bootstrap was applied since the last factory reset.
    ///
    /// # Errors
    /// [`TreeError`] where the storage fails.
    pub fn is_after_factory_reset(&self) -> Result<bool, TreeError> {
        Ok(facts::read(&self.snapshot()?.facts, facts::RESET)?.is_some())
    }

    /// Hash of the factory image that was applied since the last factory reset (D50).
    ///
    /// # Errors
    /// [`TreeError`] where the storage fails.
    pub fn factory_image(&self) -> Result<Option<PayloadHash>, TreeError> {
        let stored = facts::read(&self.snapshot()?.facts, facts::FACTORY)?;
        let hash = stored.map(|text| String::from_utf8(text).unwrap_or_default());
        hash.map(|text| PayloadHash::parse(&text).map_err(|_| damaged(facts::FACTORY)))
            .transpose()
    }

    /// A fact that the client remembers under this name; none where it remembers none. Not for secrets.
    ///
    /// # Errors
    /// [`TreeError`] where the storage fails.
    pub fn fact(&self, name: &str) -> Result<Option<Vec<u8>>, TreeError> {
        facts::read(&self.snapshot()?.facts, &format!("{}{name}", facts::CLIENT))
    }

    /// Remembers a fact under this name, or forgets it. Not for secrets.
    ///
    /// # Errors
    /// [`TreeError`] where the storage fails; the fact is then as before.
    pub fn set_fact(&self, name: &str, octets: Option<&[u8]>) -> Result<(), TreeError> {
        let name = format!("{}{name}", facts::CLIENT);
        self.write_aside(|tables| match octets {
            Some(octets) => facts::write(&mut tables.facts, &name, octets).map(Some),
            None => facts::remove(&mut tables.facts, &name).map(|stood| stood.then_some(())),
        })
        .map(|_| ())
    }

    /// One transaction that changes tree or accounts and so makes a new version. None from `change` means that there was nothing to change.
    pub(super) fn write<T, E: From<TreeError>>(
        &self,
        change: impl FnOnce(&mut WriteTxn<'_>) -> Result<Option<T>, E>,
    ) -> Result<Option<(T, TreeVersion)>, E> {
        let mut made = None;
        let outcome = self.transact::<_, E>(|tables| {
            let Some(done) = change(tables)? else {
                return Ok(None);
            };
            made = Some(tables.next_version());
            let version = tables.count_commit()?;
            Ok(Some((done, version)))
        });
        let (value, failed) = outcome?;
        match (failed, made) {
            // The storage failed while it made the commit durable: whether it is there is known only once the file is opened again.
            (Some(error), Some(version)) => match self.snapshot() {
                Ok(snapshot) if snapshot.version() == version => Ok(value),
                _ => Err(error.into()),
            },
            (Some(error), None) => Err(error.into()),
            (None, _) => Ok(value),
        }
    }

    /// One transaction that changes neither tree nor accounts; the version stays.
    pub(super) fn write_aside<T>(
        &self,
        change: impl FnOnce(&mut WriteTxn<'_>) -> Result<Option<T>, TreeError>,
    ) -> Result<Option<T>, TreeError> {
        match self.transact(change)? {
            (value, None) => Ok(value),
            (_, Some(error)) => Err(error),
        }
    }

    /// The change's value and, where the commit failed, why.
    fn transact<T, E: From<TreeError>>(
        &self,
        change: impl FnOnce(&mut WriteTxn<'_>) -> Result<Option<T>, E>,
    ) -> Result<(Option<T>, Option<TreeError>), E> {
        self.close_if_failed();
        let done = self.with_database(|database| -> Result<_, E> {
            let mut transaction = database.begin_write().map_err(tree_error)?;
            transaction
                .set_durability(Durability::Immediate)
                .map_err(tree_error)?;
            let value = change(&mut WriteTxn::of(&transaction)?)?;
            if value.is_none() {
                return Ok((None, None));
            }
            let failed = transaction.commit().map_err(tree_error).err();
            Ok((value, failed))
        });
        self.close_if_failed();
        done
    }

    /// Lends the database, opened again where need be.
    fn with_database<T, E: From<TreeError>>(
        &self,
        use_it: impl FnOnce(&Database) -> Result<T, E>,
    ) -> Result<T, E> {
        {
            let open = self.database.read().unwrap_or_else(PoisonError::into_inner);
            if let Some(database) = open.as_ref() {
                return use_it(database);
            }
        }
        let mut closed = self
            .database
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let database = match closed.take() {
            Some(database) => database,
            None => (self.reopen)().map_err(tree_error)?,
        };
        use_it(closed.insert(database))
    }

    /// Closes a database whose storage failed it: redb answers every later call with that failure until the file is opened anew.
    fn close_if_failed(&self) {
        let mut open = self
            .database
            .write()
            .unwrap_or_else(PoisonError::into_inner);
        let failed = |database: &Database| {
            matches!(
                database.try_begin_write(),
                Err(TransactionError::Storage(_))
            )
        };
        if open.as_ref().is_some_and(failed) {
            *open = None;
        }
    }
}
